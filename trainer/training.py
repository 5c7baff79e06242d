"""A training run as a whole: from compiled datasets to an adapter in a folder."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate.utils import broadcast_object_list

from ..common.errors import OutputError
from ..common.lock import locked
from ..common.report import Report, Silent
from ..dataset.stores.cache import CacheSettings
from ..dataset.stores.revision import pin
from .adapter import count_parameters
from .checkpoint import list_checkpoints, load_checkpoint, save_checkpoint
from .failures import explain_not_finite, explained
from .interrupt import Interrupt, watched
from .kohya import names_of
from .loop import Loop
from .metrics import VALIDATION, Metrics, check_tracker, read_metrics
from .outputs import describe_settings, write_outputs
from .recorder import NotFiniteError
from .resume import check_same_run, rules_of
from .run import Run, check_enough_samples, open_accelerator, open_inputs, prepare
from .settings import Settings, check_exports
from .stopwatch import Stopwatch
from .validation import NotFiniteValidationError

_STATE = ".train"


@dataclass(frozen=True)
class Summary:
    """The outcome of a run; `losses` and `validation` are the first and last that were logged."""

    output: Path
    weights: Path
    steps: int
    losses: tuple[float, float] | None
    validation: tuple[float, float] | None


def train(
    datasets: Sequence[str | Path],
    output: str | Path,
    settings: Settings | None = None,
    *,
    resume: bool = False,
    exports: Collection[str] = (),
    cache: CacheSettings | None = None,
    pictures: Callable[[Run], None] | None = None,
    report: Report | None = None,
    watch: Stopwatch | None = None,
) -> Summary:
    """Train an adapter on compiled datasets.

    Args:
        datasets: folders or URLs that onepic-compile wrote.
        output: the run's folder.
        settings: the defaults of `Settings` where there are none.
        resume: go on from the newest checkpoint in `output`, or begin where there is none.
        exports: further forms of the adapter; ``kohya`` is one.
        cache: where shards of remote datasets are kept.
        pictures: draws held-out samples at each validation; ``onepic.sampler.HeldOutPictures``.
        report: is told how it goes; silent by default.
        watch: began when the command did, to say where the time until the first step went.

    Raises:
        SettingsError: for settings that do not go with the datasets or the model.
        OutputError: when `output` is in use, holds another run, or cannot be written.
        RunError: when a loss is not finite, memory or disk space runs out.
        KeyboardInterrupt: after Ctrl-C or SIGTERM, with the state saved.
    """
    settings, report, watch = settings or Settings(), report or Silent(), watch or Stopwatch()
    output = Path(output)
    check_exports(exports, settings)
    check_tracker(settings.tracker)
    accelerator = open_accelerator(settings, output)
    is_main = accelerator.is_main_process
    report = report if is_main else Silent()
    watch.lap("device")
    rules = rules_of(output) if resume else ()
    settings = _with_pinned_validation(settings, is_main)
    inputs = open_inputs(_pinned(datasets, is_main), settings, cache or CacheSettings(), rules)
    check_enough_samples(inputs, settings, accelerator.num_processes)
    if "kohya" in exports:
        names_of(inputs.base.backbone)
    watch.lap("datasets")
    lock = locked(output, _STATE) if is_main else nullcontext()
    with lock, watched() as interrupt, explained(inputs, settings, output, accelerator):
        _check_empty(output, resume)
        run = prepare(inputs, settings, output, accelerator, watch)
        _restore(run, report)
        _describe(run, report)
        loop = Loop(run, Metrics(output, accelerator, run.state.step), report, pictures)
        weights = _train(loop, exports, report, watch, interrupt)
    return _summary(run, weights)


def _pinned(datasets: Sequence[str | Path], is_main: bool) -> list[str | Path]:
    """The datasets with the commits that one process found, so that all read the same."""
    pinned = [pin(str(path)) if is_main else "" for path in datasets]
    broadcast_object_list(pinned)
    return list(pinned)


def _with_pinned_validation(settings: Settings, is_main: bool) -> Settings:
    if settings.validation is None:
        return settings
    pinned = tuple(map(str, _pinned(settings.validation, is_main)))
    return settings.model_copy(update={"validation": pinned})


def _train(
    loop: Loop, exports: Collection[str], report: Report, watch: Stopwatch, interrupt: Interrupt
) -> Path:
    """All steps that are left, and what is done between them; the path of the weights."""
    run = loop.run
    settings, state, loader = run.settings, run.state, run.loader()
    # Tensorboard takes the name for a folder in the run's, wandb for a project.
    name = "logs" if settings.tracker == "tensorboard" else "onepic"
    run.accelerator.init_trackers(name, config=_flat(describe_settings(run)))
    report.begin(settings.steps, state.step, "training", "steps")
    first, batches = state.step, loader.batches()
    try:
        if not state.step:
            loop.validate()
        while state.step < settings.steps:
            loop.advance(batches)
            last = state.step == settings.steps
            if state.step == first + 1:
                watch.lap("first step")
                report.note(f"first step done after {watch.describe()}")
            if last or state.step % settings.log_every == 0:
                loop.log()
            if last or state.step % settings.validate_every == 0:
                loop.validate()
            stopped = loop.is_stopped(interrupt)
            if last or stopped or state.step % settings.checkpoint_every == 0:
                loop.read_losses()
                weights = _keep(run, exports)
            if stopped and not last:
                raise KeyboardInterrupt
        if state.step == first:  # no step was left, but outputs may be wanted in another form
            weights = _keep(run, exports)
    except (NotFiniteError, NotFiniteValidationError) as error:
        raise explain_not_finite(run, loader, error) from error
    finally:
        batches.close()
        report.end()
        run.accelerator.end_training()
    return weights


def _keep(run: Run, exports: Collection[str]) -> Path:
    """Save a checkpoint, and what the run leaves as it is now."""
    weights = Path()
    if run.accelerator.is_main_process:
        save_checkpoint(
            run.output, run.state.checkpoint(run.identity()), run.settings.keep_checkpoints
        )
        weights = write_outputs(run, exports)
    run.accelerator.wait_for_everyone()
    return weights


def _check_empty(output: Path, resume: bool) -> None:
    """Refuse to begin where a run already is."""
    found = list_checkpoints(output)
    if found and not resume:
        raise OutputError(
            f"{output} holds a run at {found[-1].name}; go on with it by --resume, or give another "
            "--output"
        )


def _restore(run: Run, report: Report) -> None:
    """Go on from the newest checkpoint, where there is one."""
    found = list_checkpoints(run.output)
    if not found:
        return
    checkpoint = load_checkpoint(found[-1])
    check_same_run(found[-1], checkpoint.state["identity"], run.identity())
    run.state.restore(checkpoint)
    report.note(f"resuming from {found[-1]}")


def _describe(run: Run, report: Report) -> None:
    """Say what will be trained, on what, and with which settings."""
    trained, everything = count_parameters(run.network)
    settings = _flat(describe_settings(run))
    report.note("\n".join(f"{key}: {value}" for key, value in settings.items()))
    samples = sum(map(len, run.inputs.training))
    held_out = sum(map(len, run.inputs.held_out))
    for note in run.inputs.division.notes:
        report.note(note)
    report.note(f"{samples} samples to train on, {held_out} to validate on")
    if skipped := sum(map(len, run.inputs.skipped)):
        report.note(f"{skipped} samples are skipped; others come in their places")
    report.note(
        f"{trained:,} of {everything:,} parameters are trained ({trained / everything:.3%}), "
        f"on {run.accelerator.device}"
    )


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings as trackers take them: numbers, words and truths only."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            flat |= {f"{key}.{inner}": item for inner, item in value.items()}
        else:
            flat[key] = value
    plain = (int, float, str, bool)
    return {key: value if isinstance(value, plain) else str(value) for key, value in flat.items()}


def _summary(run: Run, weights: Path) -> Summary:
    metrics = read_metrics(run.output)

    def ends(name: str) -> tuple[float, float] | None:
        found = [line[name] for line in metrics if name in line]
        return (found[0], found[-1]) if found else None

    return Summary(run.output, weights, run.state.step, ends("loss"), ends(VALIDATION))
