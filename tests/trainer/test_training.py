"""A run learns, leaves what it promises, and stops with its state kept and the reason told."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file
from torch.utils._python_dispatch import TorchDispatchMode
from typer.testing import CliRunner

from onepic.common.errors import ModelError, OutputError, RunError, SettingsError
from onepic.common.report import Silent
from onepic.common.yaml_file import Override
from onepic.dataset.names import shard_path
from onepic.dataset.stores.cache import CacheSettings
from onepic.trainer.canvases import open_canvases
from onepic.trainer.checkpoint import list_checkpoints, load_checkpoint
from onepic.trainer.cli import app
from onepic.trainer.failures import NotFiniteRunError
from onepic.trainer.loop import Loop
from onepic.trainer.metrics import Metrics, read_metrics
from onepic.trainer.optimizer import optimizer_tensors
from onepic.trainer.run import Run, open_accelerator, open_inputs, prepare
from onepic.trainer.settings import SETTINGS, Settings, read_settings
from onepic.trainer.step import seed_of_batch
from onepic.trainer.stopwatch import Stopwatch
from onepic.trainer.training import Summary, train

Train = Callable[..., Summary]

WEIGHTS = {
    "lora": "pytorch_lora_weights.safetensors",
    "rslora": "pytorch_lora_weights.safetensors",
    "dora": "pytorch_lora_weights.safetensors",
    "lokr": "pytorch_lora_weights.safetensors",
    "loha": "adapter_model.safetensors",
    "full": "unet",
}


def quick(**changes: Any) -> Settings:
    """Settings of a run of a second."""
    return Settings.model_validate(
        {
            "steps": 3,
            "batch_size": 4,
            "log_every": 1,
            "tracker": "none",
            "precision": "no",
            "gradient_checkpointing": False,
            **changes,
        }
    )


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def start(compiled_colours: Path, output: Path) -> Train:
    """`start(steps=5)` trains on the dataset of colours with changed settings."""

    def run(**changes: Any) -> Summary:
        options = {
            name: changes.pop(name) for name in ("resume", "exports", "report") if name in changes
        }
        data = changes.pop("data", compiled_colours)
        return train([data], changes.pop("output", output), quick(**changes), **options)

    return run


@pytest.fixture
def ready(compiled_colours: Path, output: Path) -> Callable[..., Run]:
    """`ready(accumulation=2)` is a run that is ready for its first step."""

    def make(**changes: Any) -> Run:
        settings = quick(**changes)
        inputs = open_inputs([compiled_colours], settings, CacheSettings())
        output.mkdir(exist_ok=True)
        return prepare(inputs, settings, output, open_accelerator(settings, output), Stopwatch())

    return make


def logged(run: Path, name: str = "loss") -> list[float]:
    return [line[name] for line in read_metrics(run) if name in line]


class TestLearning:
    @pytest.mark.parametrize(
        "how",
        [
            {"adapter": {"kind": "full"}, "learning_rate": 5e-4},
            {"adapter": {"kind": "lora"}, "learning_rate": 1e-2},
        ],
        ids=["full", "lora"],
    )
    def test_the_loss_on_pictures_that_were_never_trained_on_goes_down(self, start, output, how):
        summary = start(steps=40, log_every=10, validate_every=20, **how)
        validation = logged(output, "validation_loss")
        assert validation[-1] < 0.85 * validation[0]
        assert len(validation) == 3
        assert summary.validation == (validation[0], validation[-1])

    @pytest.mark.parametrize(
        "how",
        [
            {"min_snr": 5},
            {"noise_offset": 0.1},
            {"prompt_dropout": 1},
            {"schedule": "cosine", "warmup": 2},
            {"clip": 1e-3},
            {"precision": "bf16"},
            {"ema": 0.9},
            {"accumulation": 2},
            {"validation_samples": 0},
        ],
        ids=str,
    )
    def test_every_setting_leads_to_a_finite_loss(self, start, how):
        summary = start(**how)
        assert np.isfinite(summary.losses).all()
        assert (summary.validation is None) == ("validation_samples" in how)
        assert all(tensor.isfinite().all() for tensor in load_file(summary.weights).values())

    def test_gradient_checkpointing_changes_nothing_but_memory(self, start, tmp_path):
        runs = [tmp_path / "without", tmp_path / "with"]
        for run in runs:
            start(output=run, gradient_checkpointing=run.name == "with")
        plain, checkpointed = (logged(run) for run in runs)
        assert plain == pytest.approx(checkpointed, rel=1e-5)

    def test_the_same_settings_give_the_same_losses_and_another_seed_others(self, start, tmp_path):
        runs = [tmp_path / name for name in ("one", "two", "other")]
        for run in runs:
            start(output=run, seed=int(run.name == "other"))
        one, two, other = (logged(run) for run in runs)
        assert one == two
        assert not set(one) & set(other)

    def test_all_seeds_are_validated_alike(self, start, tmp_path):
        runs = [tmp_path / "one", tmp_path / "other"]
        for run in runs:
            start(output=run, steps=1, seed=int(run.name == "other"))
        first, second = (logged(run, "validation_loss")[0] for run in runs)
        assert first == second

    def test_bfloat16_is_close_to_float32(self, start, tmp_path):
        runs = [tmp_path / "no", tmp_path / "bf16"]
        for run in runs:
            start(output=run, precision=run.name)
        full, half = (logged(run) for run in runs)
        assert full == pytest.approx(half, rel=0.03)
        assert full != half

    def test_fp16_without_a_gpu_is_refused(self, start):
        if torch.cuda.is_available():
            pytest.skip("there is a GPU")
        with pytest.raises(SettingsError, match="fp16 needs a GPU"):
            start(precision="fp16")


class TestSteps:
    @pytest.mark.parametrize("adapter", [{"kind": "lora", "rank": 4}, {"kind": "full"}], ids=str)
    def test_accumulated_gradients_are_those_of_all_samples_together(self, ready, adapter):
        run = ready(batch_size=2, accumulation=3, adapter=adapter, clip=1e9)
        loader = run.loader()
        batches = loader.batches()
        losses = []
        for _ in range(3):
            batch = next(batches)
            seed = seed_of_batch(run.settings.seed, batch.number)
            losses.append(run.objective.losses(run.network, batch, seed))
        batches.close()
        mean = torch.cat(losses).mean()
        parameters = list(run.state.parameters.values())
        expected = torch.autograd.grad(mean, parameters)
        batches = loader.batches()
        Loop(run, Metrics(run.output, run.accelerator, 0), Silent()).advance(batches)
        batches.close()
        tensors = optimizer_tensors(run.state.optimizer)
        for number, gradient in enumerate(expected):
            # AdamW's first moment after one step is a tenth of the gradient.
            found = tensors[f"{number}.exp_avg"] * 10
            torch.testing.assert_close(found, gradient, rtol=1e-3, atol=1e-6)

    def test_accumulation_is_that_of_the_settings_also_where_the_environment_has_another(
        self, ready, monkeypatch
    ):
        monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "1")
        assert ready(accumulation=3).accelerator.gradient_accumulation_steps == 3

    def test_gradients_are_clipped(self, ready):
        run = ready(clip=1e-4)
        batches = run.loader().batches()
        Loop(run, Metrics(run.output, run.accelerator, 0), Silent()).advance(batches)
        batches.close()
        moments = optimizer_tensors(run.state.optimizer)
        total = sum(
            (tensor * 10).square().sum()
            for name, tensor in moments.items()
            if "exp_avg" in name[-7:]
        )
        assert total.sqrt().item() == pytest.approx(1e-4, rel=1e-2)

    @pytest.mark.parametrize(
        "how",
        [{}, {"ema": 0.9, "accumulation": 2, "min_snr": 5, "noise_offset": 0.1}],
        ids=["plain", "everything"],
    )
    def test_a_step_never_waits_for_the_device(self, ready, how):
        """Reading a number, or indexing by truths, would stop a GPU's queue in every step."""

        class Watch(TorchDispatchMode):
            def __torch_dispatch__(self, func, types, args=(), kwargs=None):
                name = func.overloadpacket.__name__
                assert name not in ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero")
                if name in ("index", "index_put", "index_put_"):
                    assert all(each is None or each.dtype == torch.int64 for each in args[1])
                return func(*args, **(kwargs or {}))

        run = ready(adapter={"rank": 2}, **how)
        batches = run.loader().batches()
        loop = Loop(run, Metrics(run.output, run.accelerator, 0), Silent())
        loop.advance(batches)
        with Watch():
            loop.advance(batches)
        batches.close()
        assert run.state.step == 2

    def test_only_the_adapter_is_trained(self, ready):
        run = ready()
        frozen = {n: p.clone() for n, p in run.network.named_parameters() if not p.requires_grad}
        batches = run.loader().batches()
        Loop(run, Metrics(run.output, run.accelerator, 0), Silent()).advance(batches)
        batches.close()
        after = dict(run.network.named_parameters())
        assert all(torch.equal(after[name], value) for name, value in frozen.items())


class TestOutputs:
    @pytest.mark.parametrize("kind", WEIGHTS)
    def test_every_kind_of_adapter_is_trained_and_written(self, start, output, kind):
        summary = start(steps=2, adapter={"kind": kind, "rank": 4}, learning_rate=1e-4)
        assert summary.weights == output / WEIGHTS[kind]
        assert summary.weights.exists()
        card = json.loads((output / "task.json").read_text())
        assert card["adapter"]["kind"] == kind
        for name in ("README.md", "settings.json", "metrics.jsonl", "curve.png"):
            assert (output / name).stat().st_size
        assert [folder.name for folder in list_checkpoints(output)] == ["step-0000002"]
        assert not [path for path in output.rglob("*") if path.suffix in (".pt", ".bin", ".pkl")]
        assert not [
            path for path in output.iterdir() if path.name.startswith(".") and path.is_file()
        ]

    def test_the_settings_that_are_kept_are_all_there_are(self, start, output):
        start(steps=2, seed=7)
        kept = json.loads((output / "settings.json").read_text())
        assert kept.keys() > Settings.model_fields.keys()
        assert (kept["seed"], kept["model"], kept["processes"]) == (7, "miniature", 1)

    def test_checkpoints_come_as_often_as_asked_and_the_newest_are_kept(self, start, output):
        start(steps=5, checkpoint_every=2, keep_checkpoints=2)
        assert [folder.name for folder in list_checkpoints(output)] == [
            "step-0000004",
            "step-0000005",
        ]

    def test_the_written_weights_are_the_averaged_ones(self, start, output):
        start(steps=3, ema=0.9)
        tensors = load_checkpoint(list_checkpoints(output)[-1]).tensors
        written = load_file(output / "pytorch_lora_weights.safetensors")
        name = next(iter(tensors["average"]))
        exported = "unet." + name.replace(".default", "")
        assert torch.equal(written[exported], tensors["average"][name])
        assert not torch.equal(written[exported], tensors["weights"][name])
        moved = [value for key, value in tensors["average"].items() if ".lora_B." in key]
        assert all(value.any() for value in moved)  # they begin as zeros

    def test_the_averaged_weights_are_those_that_are_validated(self, start, tmp_path):
        plain = start(output=tmp_path / "plain", learning_rate=1e-2)
        averaged = start(output=tmp_path / "averaged", learning_rate=1e-2, ema=0.9)
        assert averaged.losses == plain.losses
        assert averaged.validation[0] == plain.validation[0]
        assert averaged.validation[1] != plain.validation[1]

    def test_a_finished_run_can_be_exported_in_another_form(self, start, output):
        start(steps=2)
        before = (output / "pytorch_lora_weights.safetensors").read_bytes()
        summary = start(steps=2, resume=True, exports=["kohya"])
        assert (output / "kohya.safetensors").is_file()
        assert summary.steps == 2
        assert (output / "pytorch_lora_weights.safetensors").read_bytes() == before

    def test_a_form_that_does_not_exist_is_refused_before_anything_is_done(self, start, output):
        with pytest.raises(SettingsError, match="known: kohya"):
            start(exports=["onnx"])
        assert not output.exists()

    def test_tensorboard_gets_the_figures(self, start, output):
        start(steps=2, tracker="tensorboard")
        assert list((output / "logs").rglob("events.out.tfevents.*"))

    def test_two_datasets_are_trained_on_together(self, compiled_colours, finished_project, output):
        settings = quick(batch_size=2, weights=(1, 1), validation_samples=2)
        train([compiled_colours, finished_project.output], output, settings)
        card = json.loads((output / "task.json").read_text())
        samples = [task["samples"] for task in card["tasks"].values()]
        assert sum(samples) == 29


class TestResuming:
    def test_a_resumed_run_is_the_run_that_never_stopped(self, start, tmp_path):
        how = {"ema": 0.9, "schedule": "linear", "steps": 5, "log_every": 3, "accumulation": 2}
        whole = start(output=tmp_path / "whole", **how)

        class Stop(Silent):
            def advance(self, count: int, text: str = "") -> None:
                os.kill(os.getpid(), signal.SIGINT)

        with pytest.raises(KeyboardInterrupt):
            start(**how, report=Stop())
        resumed = start(**how, resume=True)
        assert resumed.weights.read_bytes() == whole.weights.read_bytes()
        assert (resumed.losses, resumed.validation) == (whole.losses, whole.validation)
        assert logged(resumed.output) == logged(whole.output)

    def test_a_stop_between_two_lines_of_the_log_loses_no_loss(self, start, tmp_path):
        how = {"steps": 4, "log_every": 4, "validation_samples": 0}
        whole = start(output=tmp_path / "whole", **how)

        class Stop(Silent):
            def note(self, text: str) -> None:
                if text.startswith("first step"):
                    os.kill(os.getpid(), signal.SIGTERM)

        with pytest.raises(KeyboardInterrupt):
            start(**how, report=Stop())
        assert start(**how, resume=True).losses == whole.losses

    def test_a_run_that_was_killed_before_its_first_checkpoint_begins_again(self, start, output):
        start(steps=2)
        shutil.rmtree(output / "checkpoints")
        start(steps=2)
        assert [line["step"] for line in read_metrics(output)] == [0, 1, 2, 2]

    def test_a_run_is_not_overwritten(self, start):
        start(steps=2)
        with pytest.raises(OutputError, match=r"holds a run at step-0000002; .*--resume"):
            start(steps=2)

    def test_another_run_is_not_gone_on_with(self, start):
        start(steps=2)
        with pytest.raises(SettingsError, match="batch_size was 4 and is 2"):
            start(steps=2, batch_size=2, resume=True)

    def test_the_model_may_be_named_where_it_was_not(self, start):
        start(steps=2)
        assert start(steps=3, model="miniature", precision="auto", resume=True).steps == 3


class TestValidating:
    @pytest.fixture
    def notes(self, compiled_portraits: Path) -> Callable[..., list[str]]:
        """`notes(output, steps=3)` trains on portraits; what the run says on its way."""

        def run(output: Path, resume: bool = False, **changes: Any) -> list[str]:
            heard: list[str] = []

            class Heard(Silent):
                def note(self, text: str) -> None:
                    heard.append(text)

            settings = quick(steps=2, validation_samples=16) if not changes else quick(**changes)
            train([compiled_portraits], output, settings, resume=resume, report=Heard())
            return heard

        return run

    def test_whole_groups_are_held_out_also_when_a_run_goes_on(
        self, notes, compiled_portraits, output
    ):
        expected = (
            f"{compiled_portraits}: held out 20 of 280 samples: 1 whole group, of which 16 are "
            "validated on"
        )
        assert expected in notes(output)
        assert expected in notes(output, resume=True, steps=3, validation_samples=16)

    def test_a_run_from_before_keeps_the_samples_that_it_held_out(
        self, notes, compiled_portraits, output
    ):
        notes(output)
        state = list_checkpoints(output)[-1] / "state.json"
        saved = json.loads(state.read_text())
        del saved["identity"]["datasets"][0]["held_out"]
        state.write_text(json.dumps(saved))
        expected = f"{compiled_portraits}: held out 16 of 280 samples"
        assert expected in notes(output, resume=True, steps=3, validation_samples=16)

    def test_other_datasets_are_validated_on_each_with_its_own_loss(
        self, start, output, compiled_colours, compiled_portraits
    ):
        others = (str(compiled_portraits), str(compiled_colours))
        summary = start(validation=others, validation_samples=4)
        (first, *_, last) = (line for line in read_metrics(output) if "validation_loss" in line)
        each = [f"validation_loss/{name}" for name in ("data", "data-2")]
        assert first["validation_loss"] == pytest.approx(sum(first[name] for name in each) / 2)
        assert summary.validation == (first["validation_loss"], last["validation_loss"])
        for name in ("data", "data-2"):
            assert f"Masked validation loss of {name}: " in (output / "README.md").read_text()
        data = (output / "README.md").read_text().partition("Validated on, and not trained on:")[2]
        assert "- `data`: 280 samples" in data
        assert "- `data`: 24 samples" in data

    def test_each_of_several_training_datasets_has_a_validation_loss(
        self, compiled_colours, compiled_portraits, output
    ):
        datasets = [compiled_portraits, compiled_colours]
        train(datasets, output, quick(validation_samples=2))
        found = [line for line in read_metrics(output) if "validation_loss" in line][-1]
        assert {"validation_loss/data", "validation_loss/data-2"} <= set(found)

    def test_a_run_does_not_go_on_with_other_samples_to_validate_on(
        self, start, compiled_colours, compiled_portraits
    ):
        start(validation=(str(compiled_colours),))
        with pytest.raises(SettingsError, match="is of another run: validation was "):
            start(validation=(str(compiled_portraits),), resume=True)
        assert start(steps=4, validation=(f"{compiled_colours}/",), resume=True).steps == 4

    def test_a_dataset_of_another_model_is_not_validated_on(self, start, write_dataset, tmp_path):
        other = write_dataset(tmp_path / "other", [4])
        with pytest.raises(SettingsError, match="were not made for the same model"):
            start(validation=(str(other),))


class TestFailing:
    @pytest.fixture
    def damaged(self, compiled_colours: Path, tmp_path: Path) -> tuple[Path, int]:
        """A copy of the dataset in which a sample that is trained on holds a NaN, and which."""
        folder = Path(shutil.copytree(compiled_colours, tmp_path / "data"))
        number = 7
        self.spoil(folder, number)
        return folder, number

    def spoil(self, folder: Path, number: int) -> None:
        """Put a NaN into the latents of a sample."""
        samples = open_canvases(folder).samples
        with shard_path(folder, int(samples.shard[number]), ".tar").open("r+b") as file:
            file.seek(int(samples.latents[number]))
            file.write(np.array([np.nan], np.float16).tobytes())

    @pytest.mark.parametrize(("log_every", "accumulation"), [(1, 1), (4, 1), (4, 2)])
    def test_a_nan_in_a_sample_stops_the_run_and_names_step_and_sample(
        self, start, output, damaged, log_every, accumulation
    ):
        data, number = damaged
        with pytest.raises(RunError) as caught:
            start(data=data, steps=10, log_every=log_every, accumulation=accumulation)
        message = str(caught.value)
        assert f"{data}: {number:09d} (" in message
        assert f"{number:03d}.png" in message
        assert "that update was left out and the state is saved: go on with --resume" in message
        assert caught.value.exit_code == 1
        step = int(message.partition("at step ")[2].partition(",")[0])
        assert 1 <= step <= 6
        checkpoint = load_checkpoint(list_checkpoints(output)[-1])
        assert step <= checkpoint.step <= step + log_every
        groups = [checkpoint.tensors[name] for name in ("weights", "optimizer")]
        assert all(tensor.isfinite().all() for group in groups for tensor in group.values())

    def test_a_run_goes_on_after_a_nan(self, start, damaged):
        data, _ = damaged
        with pytest.raises(RunError) as caught:
            start(data=data, steps=40, batch_size=2)
        step = int(str(caught.value).partition("at step ")[2].partition(",")[0])
        assert start(data=data, steps=step + 2, batch_size=2, resume=True).steps == step + 2

    def test_the_advice_leaves_the_sample_out_and_the_run_ends(self, start, damaged):
        data, number = damaged
        with pytest.raises(NotFiniteRunError) as caught:
            start(data=data, steps=40)
        resume, option, override = caught.value.options
        assert (resume, option) == ("--resume", "--set")
        assert shlex.join(caught.value.options) in str(caught.value)
        settings = read_settings(None, [Override.parse(override, SETTINGS)])
        assert settings.skip_samples == (f"{number:09d}",)
        skip = settings.skip_samples
        assert start(data=data, steps=40, skip_samples=skip, resume=True).steps == 40

    def test_a_sample_that_is_validated_on_is_named_and_left_out_in_the_same_way(
        self, start, damaged
    ):
        data, number = damaged
        skip = [f"{number:09d}"]
        how = {"data": data, "steps": 1, "validation_samples": 2}
        self.spoil(data, 6)
        with pytest.raises(NotFiniteRunError, match=r"validation loss .* 000000006") as caught:
            start(**how, skip_samples=skip)
        assert caught.value.options[2] == f'skip_samples=["{number:09d}", "000000006"]'
        start(**how, skip_samples=[*skip, "000000006"], resume=True)

    def test_the_command_itself_ends_with_a_command_that_goes_on(
        self, damaged, output, monkeypatch
    ):
        given = [str(damaged[0]), "--output", str(output), "--steps", "40"]
        sets = ["tracker=none", "precision=no", "gradient_checkpointing=false"]
        given += [word for each in sets for word in ("--set", each)]
        monkeypatch.setattr(sys, "argv", ["onepic-train", *given])
        stopped = CliRunner().invoke(app, given)
        assert stopped.exit_code == 1
        name, *pasted = shlex.split(stopped.stderr.splitlines()[-1])
        assert name == "onepic-train"
        assert CliRunner().invoke(app, pasted).exit_code == 0

    def test_a_run_that_skips_goes_on_to_the_bit(self, start, damaged, tmp_path):
        data, number = damaged
        skip = [f"{number:09d}"]
        whole = start(data=data, steps=8, skip_samples=skip).weights.read_bytes()
        other = tmp_path / "other"
        start(data=data, output=other, steps=3, skip_samples=skip)
        resumed = start(data=data, output=other, steps=8, skip_samples=skip, resume=True)
        assert resumed.weights.read_bytes() == whole

    def test_an_update_with_a_nan_moves_nothing(self, start, damaged, output, tmp_path):
        data, _ = damaged
        with pytest.raises(RunError) as caught:
            start(data=data, steps=10)
        step = int(str(caught.value).partition("at step ")[2].partition(",")[0])
        before = start(data=data, output=tmp_path / "before", steps=step - 1).output
        one, two = (
            load_checkpoint(list_checkpoints(run)[-1]).tensors["weights"]
            for run in (before, output)
        )
        assert all(torch.equal(one[name], two[name]) for name in one)

    def test_running_out_of_memory_says_what_to_change(self, start, monkeypatch):
        def forward(*_: Any, **__: Any) -> None:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

        monkeypatch.setattr(UNet2DConditionModel, "forward", forward)
        with pytest.raises(RunError) as caught:
            start(accumulation=2)
        message = str(caught.value)
        assert "out of memory with batch_size 4 and latents of 8 x 16" in message
        for advice in (
            "batch_size=2 with accumulation=4",
            "gradient_checkpointing=true",
            "a lower adapter.rank",
            "a smaller --panel-size when compiling",
        ):
            assert advice in message

    def test_running_out_of_memory_in_a_later_step_says_so_too(self, start, monkeypatch):
        forward, calls = UNet2DConditionModel.forward, []

        def fail(self: Any, *args: Any, **kwargs: Any) -> Any:
            calls.append(1)
            if len(calls) > 2:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to")
            return forward(self, *args, **kwargs)

        monkeypatch.setattr(UNet2DConditionModel, "forward", fail)
        with pytest.raises(RunError, match="out of memory with batch_size 1"):
            start(validation_samples=0, batch_size=1)

    def test_another_error_of_torch_is_not_taken_for_it(self, start, monkeypatch):
        def forward(*_: Any, **__: Any) -> None:
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

        monkeypatch.setattr(UNet2DConditionModel, "forward", forward)
        with pytest.raises(RuntimeError, match="mat1 and mat2"):
            start()

    @pytest.mark.parametrize("kind", ["lora", "full"])
    def test_a_full_disk_is_told_and_earlier_checkpoints_are_kept(
        self, start, output, largest_file, kind
    ):
        how = {"adapter": {"kind": kind}, "learning_rate": 1e-4}
        start(steps=2, **how)
        with largest_file(100_000), pytest.raises(RunError) as caught:
            start(steps=3, resume=True, **how)
        assert "File too large" in str(caught.value)
        assert "run again with --resume" in str(caught.value)
        assert [folder.name for folder in list_checkpoints(output)] == ["step-0000002"]
        assert start(steps=3, resume=True, **how).steps == 3

    @pytest.mark.parametrize(
        ("how", "expected"),
        [
            ({"batch_size": 23}, "22 samples to train on .* takes 23; lower batch_size"),
            ({"weights": (1, 2)}, "2 weights for 1 datasets; give one each"),
            ({"adapter": {"targets": ("attn1.to_x",)}}, "did you mean 'attn1.to_"),
        ],
        ids=["batch_size", "weights", "targets"],
    )
    def test_settings_that_do_not_suit_the_data_are_refused(self, start, how, expected):
        with pytest.raises(SettingsError, match=expected):
            start(**how)

    def test_a_model_that_is_missing_is_refused(self, start, tmp_path):
        with pytest.raises(ModelError, match="no such folder"):
            start(model=str(tmp_path / "nothing"))


class TestInAProgram:
    """As a notebook or a server calls it: often, and from any thread."""

    def test_runs_of_different_precision_follow_each_other(self, start, tmp_path):
        for name in ("no", "bf16", "no"):
            summary = start(output=tmp_path / str(len(list(tmp_path.iterdir()))), precision=name)
            kept = json.loads((summary.output / "settings.json").read_text())
            assert kept["precision"] == name

    def test_runs_of_different_accumulation_follow_each_other(self, start, tmp_path):
        for accumulation in (2, 1, 3):
            summary = start(output=tmp_path / str(accumulation), accumulation=accumulation)
            assert logged(summary.output, "epoch")[-1] == pytest.approx(12 * accumulation / 22)

    def test_a_run_can_be_started_from_another_thread(self, start):
        found: list[Summary] = []
        thread = threading.Thread(target=lambda: found.append(start()))
        thread.start()
        thread.join()
        assert found[0].steps == 3

    def test_the_output_may_be_a_string(self, start, output):
        assert start(output=str(output), steps=1).output == output

    def test_signals_are_given_back_to_the_program(self, start):
        before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        start(steps=1)
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before

    def test_the_programs_random_numbers_are_its_own(self, start):
        torch.manual_seed(3)
        before = torch.get_rng_state()
        start(steps=2)
        assert torch.equal(torch.get_rng_state(), before)
