"""A pipeline with the habits of diffusers' that shows the network what it was trained on."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from PIL import Image
from torch import Tensor

from onepic import miniature
from onepic.backbones import BACKBONES
from onepic.backbones.sampling import SCHEDULE
from onepic.common.errors import ModelError, SettingsError, TaskError
from onepic.compiler import open_dataset
from onepic.sampler import OnePicPipeline, Task, open_task
from onepic.sampler.canvas import make_canvas
from onepic.sampler.schedulers import make_scheduler
from onepic.trainer.adapter import add_adapter
from onepic.trainer.adapter_settings import AdapterSettings
from onepic.trainer.export import write_adapter

pytestmark = pytest.mark.filterwarnings("ignore:a canvas of")

SCHEDULERS = (
    "ddim",
    "ddpm",
    "dpmpp_2m",
    "dpmpp_2m_karras",
    "euler",
    "euler_a",
    "heun",
    "lcm",
    "unipc",
)
NOISY = {"from": "image", "apply": ["grayscale", {"noise": {"sigma": 30}}]}
COLOUR = {"from": "image"}
QUICK = {"num_inference_steps": 3, "guidance_scale": 1.0}


def latents_of(pipe: OnePicPipeline, images: Any, **options: Any) -> Tensor:
    """The filled canvas, [N, 4, h, w]."""
    settings = {**QUICK, "generator": torch.Generator().manual_seed(5), **options}
    found: Tensor = pipe(images, output_type="latent", **settings).images
    return found


@contextmanager
def threads(count: int) -> Iterator[None]:
    """The encoder's, on which last bits depend too."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@pytest.fixture
def knowing(pipe: OnePicPipeline) -> OnePicPipeline:
    """The pipeline with an adapter that was trained with context dropout."""
    assert pipe.task is not None
    pipe.task = replace(pipe.task, knows_no_context=True)
    return pipe


class TestCanvas:
    """The context is the one that was trained on."""

    @pytest.fixture(scope="class")
    def checked(self, new_pipe: Callable[..., OnePicPipeline]) -> OnePicPipeline:
        return new_pipe()

    @pytest.mark.parametrize(
        "recipe",
        [
            {},
            {"layout": [["grey", "grey"], ["grey", "colour"]]},
            {"panels": {"grey": NOISY, "colour": COLOUR}},
            {"panels": {"grey": {"from": "image", "apply": ["canny"]}, "colour": COLOUR}},
            {"fit": "contain", "panel_size": {"width": 64, "height": 96}},
            {
                "panels": {"grey": NOISY, "one": COLOUR, "two": COLOUR},
                "layout": [["one", "grey", "two"]],
                "target": ["two", "one"],
            },
        ],
        ids=["1x2", "2x2", "noise", "canny", "contain", "two targets"],
    )
    def test_context_latents_are_the_datasets(self, checked, bare_project, write_card, recipe):
        """But for the last bits, which on a CPU depend on the batch that a panel is encoded in."""
        bare_project.draw(*range(3))
        bare_project.compile(**recipe)
        task = open_task(write_card(bare_project.output))
        for sample in open_dataset(bare_project.output):
            source = sample.metadata["source"]
            image = bare_project.root / "pictures" / source
            canvas = make_canvas(task, {"grey": image}, {}, key=source)
            x_0 = checked.encode_context(canvas)[0].numpy()
            np.testing.assert_array_equal(canvas.mask, sample.mask)
            context = np.broadcast_to(canvas.mask == 0, x_0.shape)
            assert canvas.prompt == sample.prompt
            np.testing.assert_array_equal(x_0, x_0.astype(np.float16))
            np.testing.assert_allclose(
                x_0[context], sample.latents[context].astype(np.float32), rtol=2**-10, atol=1e-5
            )
            assert not x_0[~context].any()

    def test_panels_that_were_encoded_together_are_the_datasets_to_the_bit(
        self, checked, bare_project, write_card
    ):
        """A narrowed target is known around its mask, so that the batches are as large."""
        bare_project.draw(0)
        part = np.zeros((48, 64), np.uint8)
        part[8:30, 8:40] = 255
        Image.fromarray(part).save(bare_project.root / "part.png")
        (bare_project.root / "rows.csv").write_text(
            "id,image,part\nboat,pictures/000.png,part.png\n"
        )
        bare_project.compile(
            source={"kind": "table", "path": "rows.csv", "key": "id"},
            panels={
                "hole": {"from": "image", "apply": [{"erase": {"mask": "part"}}]},
                "noisy": NOISY,
                "colour": COLOUR,
            },
            layout=[["hole", "noisy"], ["noisy", "colour"]],
            target={"panel": "colour", "mask": "part"},
        )
        task = open_task(write_card(bare_project.output))
        (sample,) = open_dataset(bare_project.output)
        image = bare_project.root / "pictures/000.png"
        images = {"hole": image, "noisy": image, "colour": image}
        images["part"] = bare_project.root / "part.png"
        canvas = make_canvas(task, images, {}, key=sample.metadata["source"])
        info = json.loads((bare_project.output / "dataset.json").read_text())
        with threads(info["encoder"]["threads"]):
            x_0 = checked.encode_context(canvas)[0].numpy()
        np.testing.assert_array_equal(canvas.mask, sample.mask)
        context = sample.mask[0] == 0
        np.testing.assert_array_equal(
            x_0.astype(np.float16)[:, context], sample.latents[:, context]
        )

    def test_a_panel_alone_is_encoded_to_the_bit_as_the_compiler_does(
        self, checked, encoder, colours, grey
    ):
        canvas = make_canvas(colours, {"grey": grey}, {})
        (theirs,) = encoder.panels(canvas.panels["grey"][None], [0]).result()
        with threads(2):
            ours = checked.encode_context(canvas)[0, :, :, :8].numpy()
        np.testing.assert_array_equal(ours.astype(np.float16), theirs)

    def test_prompts_are_the_datasets(self, pipe, network, new_pipe, compiled_colours, grey):
        """In the precision of the compiler, which on a CPU is float32."""
        exact = new_pipe(dtype=torch.float32)
        pipe.register_modules(text_encoder=exact.text_encoder, text_encoder_2=exact.text_encoder_2)
        sample = next(iter(open_dataset(compiled_colours)))
        latents_of(pipe, {"grey": grey})
        given = network.options[0]
        np.testing.assert_allclose(
            given["hidden"][0].numpy(),
            sample.texts["hidden"].astype(np.float32),
            rtol=2**-10,
            atol=1e-4,
        )
        np.testing.assert_allclose(
            given["added_cond_kwargs"]["text_embeds"][0].numpy(),
            sample.texts["pooled"].astype(np.float32),
            rtol=2**-10,
            atol=1e-4,
        )

    def test_the_network_is_told_the_canvas_with_height_before_width(self, pipe, network, grey):
        latents_of(pipe, {"grey": grey}, num_images_per_prompt=2)
        assert (
            network.options[0]["added_cond_kwargs"]["time_ids"].tolist()
            == [[64, 128, 0, 0, 64, 128]] * 2
        )


class TestSteps:
    @pytest.mark.parametrize("name", SCHEDULERS)
    def test_the_network_sees_clean_context_and_the_scaled_state(
        self, pipe, network, monkeypatch, grey, name
    ):
        pipe.scheduler = make_scheduler(name, pipe.scheduler.config, SCHEDULE)
        scale, scaled, states = pipe.scheduler.scale_model_input, [], []

        def record(state: Tensor, t: Tensor) -> Tensor:
            states.append(state.clone())
            scaled.append(scale(state, t).clone())
            return scaled[-1]

        def after(_pipe: Any, _number: int, _t: Tensor, given: dict[str, Tensor]) -> dict[str, Any]:
            after_steps.append(given["latents"].clone())
            return {}

        after_steps: list[Tensor] = []
        monkeypatch.setattr(pipe.scheduler, "scale_model_input", record)
        noise = torch.randn(1, 4, 8, 16, generator=torch.Generator().manual_seed(1))
        filled = latents_of(
            pipe, {"grey": grey}, latents=noise, num_inference_steps=4, callback_on_step_end=after
        )
        canvas = make_canvas(pipe.task, {"grey": grey}, {})
        x_0 = pipe.encode_context(canvas)
        inside = torch.from_numpy(canvas.mask)[None].bool().expand_as(x_0)
        assert len(network.seen) == len(pipe.scheduler.timesteps) == len(after_steps)
        torch.testing.assert_close(states[0], noise * pipe.scheduler.init_noise_sigma)
        for seen, wanted in zip(network.seen, scaled, strict=True):
            assert torch.equal(seen[inside], wanted[inside])
            assert torch.equal(seen[~inside], x_0[~inside])
        for state, before in zip(states[1:], after_steps, strict=False):
            assert torch.equal(state, before)
        assert torch.equal(filled[inside], after_steps[-1][inside])
        assert torch.equal(filled[~inside], x_0[~inside])

    @pytest.mark.parametrize("name", [n for n in SCHEDULERS if n not in ("ddpm", "ddim", "lcm")])
    def test_a_network_that_knows_the_target_gives_it_back(self, pipe, network, grey, name):
        pipe.scheduler = make_scheduler(name, pipe.scheduler.config, SCHEDULE)
        truth = torch.randn(1, 4, 8, 16, generator=torch.Generator().manual_seed(2)).double()

        def eps(x_t: Tensor, _t: Tensor) -> Tensor:
            abar = 1 / (1 + pipe.scheduler.sigmas[len(network.seen) - 1].double() ** 2)
            return ((x_t - abar.sqrt() * truth) / (1 - abar).sqrt()).float()

        network.answer = eps
        filled = latents_of(pipe, {"grey": grey}, num_inference_steps=8)
        torch.testing.assert_close(filled[..., 8:], truth.float()[..., 8:], rtol=0, atol=2e-5)

    @pytest.mark.parametrize("name", ["ddim", "lcm"])
    def test_so_do_those_that_end_at_no_noise_if_told(self, pipe, network, grey, name):
        scheduler = make_scheduler(name, pipe.scheduler.config, SCHEDULE)
        pipe.scheduler = type(scheduler).from_config(scheduler.config, set_alpha_to_one=True)
        truth = torch.randn(1, 4, 8, 16, generator=torch.Generator().manual_seed(2)).double()

        def eps(x_t: Tensor, t: Tensor) -> Tensor:
            abar = pipe.scheduler.alphas_cumprod[int(t)].double()
            return ((x_t - abar.sqrt() * truth) / (1 - abar).sqrt()).float()

        network.answer = eps
        filled = latents_of(pipe, {"grey": grey}, num_inference_steps=8)
        torch.testing.assert_close(filled[..., 8:], truth.float()[..., 8:], rtol=0, atol=2e-5)


class TestGuidance:
    """Branches go through the network as one batch: nothing, the context, all."""

    def test_a_scale_of_one_needs_no_second_branch(self, pipe, network, grey):
        latents_of(pipe, {"grey": grey}, guidance_scale=1.0)
        assert [len(seen) for seen in network.seen] == [1] * 3

    def test_guidance_by_the_prompt_adds_a_branch_without_it(self, pipe, network, grey):
        latents_of(pipe, {"grey": grey}, guidance_scale=4.0, num_images_per_prompt=2)
        assert [len(seen) for seen in network.seen] == [4] * 3
        for seen, given in zip(network.seen, network.options, strict=True):
            without, full = seen.chunk(2)
            assert torch.equal(without, full)
            pooled = given["added_cond_kwargs"]["text_embeds"]
            for empty, known in (given["hidden"].chunk(2), pooled.chunk(2)):
                assert not empty.any()
                assert known.any()
                assert torch.equal(known[0], known[1])

    @pytest.mark.parametrize("text_scale", [1.0, 4.0])
    def test_guidance_by_the_context_adds_a_branch_without_both(
        self, knowing, network, grey, text_scale
    ):
        latents_of(knowing, {"grey": grey}, image_guidance_scale=1.5, guidance_scale=text_scale)
        for seen, given in zip(network.seen, network.options, strict=True):
            nothing, context, full = seen
            assert not nothing[..., :8].any()
            assert torch.equal(nothing[..., 8:], full[..., 8:])
            assert torch.equal(context, full)
            assert [bool(hidden.any()) for hidden in given["hidden"]] == [False, False, True]

    @pytest.mark.parametrize(
        ("scales", "expected"),
        [
            ({"guidance_scale": 1.0}, [30.0]),
            ({"guidance_scale": 4.0}, [20 + 4 * (30 - 20)]),
            (
                {"guidance_scale": 4.0, "image_guidance_scale": 1.5},
                [1 + 1.5 * (20 - 1) + 4 * (30 - 20)],
            ),
            ({"guidance_scale": 1.0, "image_guidance_scale": 1.5}, [1 + 1.5 * (20 - 1) + 10]),
        ],
    )
    def test_the_scheduler_is_given_the_guided_prediction(
        self, knowing, network, monkeypatch, grey, scales, expected
    ):
        step, given = knowing.scheduler.step, []

        def record(prediction: Tensor, *args: Any, **options: Any) -> Any:
            given.append(prediction)
            return step(prediction, *args, **options)

        def answer(seen: Tensor, _t: Tensor) -> Tensor:
            answers = torch.tensor([1.0, 20.0, 30.0])[-len(seen) :]
            return answers.reshape(-1, 1, 1, 1).expand_as(seen)

        network.answer = answer
        monkeypatch.setattr(knowing.scheduler, "step", record)
        latents_of(knowing, {"grey": grey}, **scales)
        assert [each.unique().tolist() for each in given] == [pytest.approx(expected)] * 3

    def test_rescaling_changes_the_target_only_where_there_is_guidance(self, pipe, grey):
        images = {"grey": grey}
        plain = latents_of(pipe, images, guidance_scale=6.0)
        rescaled = latents_of(pipe, images, guidance_scale=6.0, guidance_rescale=0.7)
        assert not torch.equal(plain, rescaled)
        unguided = [latents_of(pipe, images, guidance_rescale=share) for share in (0.0, 0.7)]
        assert torch.equal(*unguided)

    def test_no_negative_prompt_is_zeros_as_in_training(self, pipe, grey):
        none, empty, other = (
            latents_of(pipe, {"grey": grey}, guidance_scale=6.0, negative_prompt=prompt)
            for prompt in (None, "", "blurred")
        )
        assert not torch.equal(none, empty)
        assert not torch.equal(empty, other)

    def test_where_the_model_says_so_no_negative_prompt_is_the_empty_one(
        self, new_pipe, colours_run, grey
    ):
        pipe = new_pipe(force_zeros_for_empty_prompt=False)
        pipe.load_task(colours_run)
        none, empty = (
            latents_of(pipe, {"grey": grey}, guidance_scale=6.0, negative_prompt=prompt)
            for prompt in (None, "")
        )
        assert torch.equal(none, empty)

    def test_guidance_by_the_context_warns_where_it_was_never_left_out(self, pipe, grey):
        with pytest.warns(UserWarning, match="trained without context dropout") as caught:
            pipe({"grey": grey}, **QUICK, image_guidance_scale=1.5)
        found = {each.filename for each in caught if each.category is UserWarning}
        assert found == {__file__}  # where the call is

    def test_an_adapter_that_knows_no_context_needs_no_warning(self, knowing, grey):
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "task colorization")
            latents_of(knowing, {"grey": grey}, image_guidance_scale=1.5)


class TestHabits:
    def test_equal_seeds_give_equal_pictures(self, pipe, grey):
        first, again, other = (
            pipe({"grey": grey}, **QUICK, generator=torch.Generator().manual_seed(seed)).images[0]
            for seed in (1, 1, 2)
        )
        assert first.tobytes() == again.tobytes()
        assert first.tobytes() != other.tobytes()

    @pytest.mark.parametrize("name", ["euler", "euler_a", "ddpm", "lcm"])
    def test_a_generator_for_each_picture_makes_it_what_it_is_alone(self, pipe, grey, seeded, name):
        pipe.scheduler = make_scheduler(name, pipe.scheduler.config, SCHEDULE)
        images = {"grey": grey}
        together = latents_of(
            pipe, images, num_images_per_prompt=2, generator=[seeded(1), seeded(2)]
        )
        for latents, seed in zip(together, (1, 2), strict=True):
            alone = latents_of(pipe, images, generator=seeded(seed))[0]
            torch.testing.assert_close(latents, alone, rtol=1e-3, atol=1e-3)

    def test_pictures_of_one_generator_differ(self, pipe, grey):
        one, two = latents_of(pipe, {"grey": grey}, num_images_per_prompt=2)
        assert not torch.equal(one[..., 8:], two[..., 8:])
        assert torch.equal(one[..., :8], two[..., :8])

    def test_generators_must_be_as_many_as_pictures(self, pipe, grey, seeded):
        with pytest.raises(ValueError, match="1 generators for 2 images"):
            latents_of(pipe, {"grey": grey}, num_images_per_prompt=2, generator=[seeded(1)])

    def test_given_noise_is_that_of_the_generator(self, pipe, grey, seeded):
        noise = torch.randn(1, 4, 8, 16, generator=seeded(5))
        assert torch.equal(
            latents_of(pipe, {"grey": grey}, latents=noise), latents_of(pipe, {"grey": grey})
        )

    def test_noise_of_another_shape_is_refused(self, pipe, grey):
        with pytest.raises(ValueError, match=r"expected \(1, 4, 8, 16\)"):
            latents_of(pipe, {"grey": grey}, latents=torch.zeros(1, 4, 8, 8))

    def test_steps_may_be_watched_and_changed(self, pipe, grey):
        seen: list[tuple[int, float]] = []

        def change(_pipe: Any, number: int, t: Tensor, given: dict[str, Tensor]) -> dict[str, Any]:
            assert _pipe is pipe
            seen.append((number, float(t)))
            return {"latents": torch.full_like(given["latents"], 3.0)} if number == 2 else {}

        filled = latents_of(pipe, {"grey": grey}, callback_on_step_end=change)
        assert seen == [(number, float(t)) for number, t in enumerate(pipe.scheduler.timesteps)]
        assert (filled[..., 8:] == 3).all()
        assert not (filled[..., :8] == 3).all()

    def test_a_callback_may_return_nothing(self, pipe, grey):
        plain = latents_of(pipe, {"grey": grey})
        watched = latents_of(pipe, {"grey": grey}, callback_on_step_end=lambda *_: None)
        assert torch.equal(plain, watched)

    def test_a_callback_cannot_ask_for_what_is_not_there(self, pipe, grey):
        with pytest.raises(ValueError, match="'prompt_embeds'}; known: latents"):
            latents_of(
                pipe,
                {"grey": grey},
                callback_on_step_end=lambda *_: None,
                callback_on_step_end_tensor_inputs=["prompt_embeds"],
            )

    def test_a_scheduler_may_be_swapped(self, pipe, grey):
        pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
        filled = latents_of(pipe, {"grey": grey})
        assert filled.isfinite().all()
        noisy = [latents_of(pipe, {"grey": grey}, eta=eta) for eta in (0.0, 1.0)]
        assert torch.equal(filled, noisy[0])
        assert not torch.equal(*noisy)

    def test_random_operations_draw_from_the_key(self, pipe, grey):
        task = pipe.task
        data = task.recipe.model_dump(by_alias=True) | {"panels": {"grey": NOISY, "colour": COLOUR}}
        pipe.task = replace(task, recipe=type(task.recipe).model_validate(data))
        first, again, other = (
            latents_of(pipe, {"grey": grey}, key=key)[..., :8] for key in ("a", "a", "b")
        )
        assert torch.equal(first, again)
        assert not torch.equal(first, other)

    def test_a_prompt_may_take_the_place_of_the_tasks(self, pipe, grey):
        own, same, other = (
            latents_of(pipe, {"grey": grey}, prompt=prompt)
            for prompt in (None, pipe.task.recipe.prompt, "a boat")
        )
        assert torch.equal(own, same)
        assert not torch.equal(own, other)

    def test_a_canvas_is_filled_like_its_images(self, pipe, grey):
        canvas = make_canvas(pipe.task, {"grey": grey}, {})
        assert torch.equal(latents_of(pipe, canvas), latents_of(pipe, {"grey": grey}))

    @pytest.mark.parametrize(
        "more", [{"prompt": "a"}, {"values": {"a": "b"}}, {"panel_size": (64, 64)}, {"key": "a"}]
    )
    def test_a_canvas_takes_nothing_that_it_has_already(self, pipe, grey, more):
        canvas = make_canvas(pipe.task, {"grey": grey}, {})
        with pytest.raises(ValueError, match=r"a canvas has its prompt, .* already"):
            latents_of(pipe, canvas, **more)

    @pytest.mark.parametrize("what", ["slicing", "tiling"])
    def test_the_vae_may_save_memory(self, new_pipe, colours_run, grey, what):
        pipe = new_pipe()
        pipe.load_task(colours_run)
        options = {**QUICK, "num_images_per_prompt": 2, "output_type": "np"}
        plain = pipe({"grey": grey}, **options, generator=torch.Generator().manual_seed(1)).images
        getattr(pipe.vae, f"enable_{what}")()
        saving = pipe({"grey": grey}, **options, generator=torch.Generator().manual_seed(1)).images
        assert saving.shape == plain.shape
        assert np.abs(saving - plain).max() <= 2 / 255

    def test_tiles_are_decoded_where_a_panel_is_larger_than_one(
        self, new_pipe, colours_run, picture
    ):
        pipe = new_pipe()
        pipe.load_task(colours_run)
        pipe.vae.enable_tiling()
        pipe.vae.tile_latent_min_size, pipe.vae.tile_sample_min_size = 8, 64
        found = pipe({"grey": picture(128, 128)}, **QUICK, panel_size=(128, 128)).images
        assert found[0].size == (128, 128)

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
    def test_models_may_wait_in_the_computers_memory(self, new_pipe, colours_run, grey):
        pipe = new_pipe()
        pipe.load_task(colours_run)
        pipe.enable_model_cpu_offload()
        for _ in range(2):
            assert pipe({"grey": grey}, **QUICK).images[0].size == (64, 64)
        pipe.load_task(colours_run)
        assert pipe({"grey": grey}, **QUICK).images[0].size == (64, 64)

    def test_the_random_numbers_of_the_program_are_its_own(self, pipe, grey):
        torch.manual_seed(3)
        before = torch.get_rng_state()
        latents_of(pipe, {"grey": grey})
        assert torch.equal(torch.get_rng_state(), before)


class TestOutputs:
    def test_pictures_by_default(self, pipe, grey):
        output = pipe({"grey": grey}, **QUICK, num_images_per_prompt=2)
        assert [image.size for image in output.images] == [(64, 64)] * 2
        assert {image.mode for image in output.images} == {"RGB"}

    def test_every_type_shows_the_same_pixels(self, pipe, grey, seeded):
        made = {
            kind: pipe(
                {"grey": grey},
                **QUICK,
                num_images_per_prompt=2,
                output_type=kind,
                generator=seeded(1),
                return_dict=False,
            )[0]
            for kind in ("pil", "np", "pt", "canvas", "latent")
        }
        pictures = np.stack([np.asarray(image) for image in made["pil"]])
        assert made["np"].dtype == np.float32
        assert made["np"].shape == (2, 64, 64, 3)
        assert 0 <= made["np"].min() <= made["np"].max() <= 1
        np.testing.assert_array_equal((made["np"] * 255).round().astype(np.uint8), pictures)
        assert made["pt"].shape == (2, 3, 64, 64)
        np.testing.assert_array_equal(made["pt"].permute(0, 2, 3, 1).numpy(), made["np"])
        canvas = make_canvas(pipe.task, {"grey": grey}, {})
        for image, picture in zip(made["canvas"], pictures, strict=True):
            assert image.size == (128, 64)
            np.testing.assert_array_equal(np.asarray(image)[:, :64], canvas.panels["grey"])
            np.testing.assert_array_equal(np.asarray(image)[:, 64:], picture)
        assert made["latent"].shape == (2, 4, 8, 16)
        decoded = pipe.decode_targets(canvas, made["latent"])
        np.testing.assert_array_equal(np.stack([each["colour"] for each in decoded]), pictures)

    def test_an_unknown_type_is_refused_before_anything_is_done(self, pipe, network, grey):
        with pytest.raises(ValueError, match="'jpeg'; known: pil, np, pt, latent, canvas"):
            pipe({"grey": grey}, output_type="jpeg")
        assert not network.seen

    def test_only_the_target_goes_through_the_decoder(self, pipe, monkeypatch, grey):
        decode, shapes = pipe.vae.decode, []

        def record(latents: Tensor, **options: Any) -> Any:
            shapes.append(tuple(latents.shape))
            return decode(latents, **options)

        monkeypatch.setattr(pipe.vae, "decode", record)
        pipe({"grey": grey}, **QUICK, num_images_per_prompt=2)
        pipe({"grey": grey}, **QUICK, output_type="canvas")
        pipe({"grey": grey}, **QUICK, output_type="latent")
        assert shapes == [(2, 4, 8, 8), (1, 4, 8, 8)]

    def test_only_known_panels_go_through_the_encoder_and_each_once(self, pipe, monkeypatch, grey):
        task = pipe.task
        data = task.recipe.model_dump(by_alias=True)
        data["layout"] = [["grey", "grey"], ["grey", "colour"]]
        pipe.task = replace(task, recipe=type(task.recipe).model_validate(data))
        encode, shapes = pipe.vae.encode, []

        def record(pixels: Tensor) -> Any:
            shapes.append(tuple(pixels.shape))
            return encode(pixels)

        monkeypatch.setattr(pipe.vae, "encode", record)
        pipe({"grey": grey}, **QUICK)
        assert shapes == [(1, 3, 64, 64)]


class TestNarrowedTarget:
    @pytest.fixture
    def narrow(self, pipe: OnePicPipeline) -> OnePicPipeline:
        """The pipeline with a task that fills only a part of its target."""
        task = pipe.task
        assert task is not None
        data = task.recipe.model_dump(by_alias=True)
        data["target"] = {"panels": ["colour"], "mask": "part"}
        pipe.task = replace(task, recipe=type(task.recipe).model_validate(data))
        return pipe

    def test_outside_of_the_mask_the_picture_stays_to_the_pixel(self, narrow, picture):
        part = np.zeros((64, 64), np.uint8)
        part[10:40, 13:64] = 255
        original = picture(64, 64, seed=4)
        images = {"grey": original, "colour": original, "part": Image.fromarray(part)}
        (made,) = narrow(images, **QUICK).images
        (whole,) = narrow(images, **QUICK, output_type="canvas").images
        changed = (np.asarray(made) != np.asarray(original)).any(-1)
        assert not changed[part == 0].any()
        assert changed[part == 255].mean() > 0.5
        assert changed[15:35, -1].any()  # the panel's border is no edge
        kept = np.asarray(whole)[:, 64:][part == 0]
        np.testing.assert_array_equal(kept, np.asarray(original)[part == 0])

    def test_the_context_includes_the_targets_other_cells(self, narrow, network, picture):
        part = np.zeros((64, 64), np.uint8)
        part[:32] = 255
        original = picture(64, 64, seed=4)
        images = {"grey": original, "colour": original, "part": Image.fromarray(part)}
        latents_of(narrow, images)
        canvas = make_canvas(narrow.task, images, {})
        x_0 = narrow.encode_context(canvas)
        for seen in network.seen:
            assert torch.equal(seen[..., 4:, 8:], x_0[..., 4:, 8:])
            assert not torch.equal(seen[..., :4, 8:], x_0[..., :4, 8:])


class TestSizes:
    @pytest.fixture
    def story(self, bare_project: Any, train_adapter: Any) -> Path:
        """An adapter that fills two panels of four."""
        bare_project.draw(0, 1, 2, 3)
        bare_project.compile(
            panels={name: {"from": "image"} for name in ("one", "two", "three", "four")},
            layout=[["one", "two"], ["three", "four"]],
            target=["four", "two"],
        )
        return train_adapter(bare_project.output)

    def test_several_targets_come_one_after_the_other(self, new_pipe, story, picture, seeded):
        pipe = new_pipe()
        pipe.load_task(story)
        images = {"one": picture(64, 64, 1), "three": picture(64, 64, 2)}
        options = {**QUICK, "num_images_per_prompt": 2}
        made = pipe(images, **options, generator=seeded(1)).images
        canvases = pipe(images, **options, generator=seeded(1), output_type="canvas").images
        assert len(made) == 4
        wanted = [canvas.crop(box) for canvas in canvases for box in self.boxes()]
        assert [image.tobytes() for image in made] == [image.tobytes() for image in wanted]

    def boxes(self) -> list[tuple[int, int, int, int]]:
        """Of the panels four and two."""
        return [(64, 64, 128, 128), (64, 0, 128, 64)]

    def test_panels_may_be_larger_than_trained(self, pipe, picture):
        (image,) = pipe({"grey": picture(200, 100)}, **QUICK, panel_size=(96, 128)).images
        assert image.size == (96, 128)

    def test_another_grid_is_given_at_call_time(self, pipe, network, grey):
        (canvas,) = pipe(
            {"grey": grey},
            **QUICK,
            layout=[["grey", "grey"], ["grey", "colour"]],
            output_type="canvas",
        ).images
        assert canvas.size == (128, 128)
        assert {tuple(seen.shape[-2:]) for seen in network.seen} == {(16, 16)}
        assert canvas.crop((0, 0, 64, 64)).tobytes() == canvas.crop((64, 0, 128, 64)).tobytes()

    @pytest.mark.parametrize(
        ("size", "far"), [((128, 128), False), ((64, 64), False), ((64, 72), True)]
    )
    def test_a_canvas_far_from_what_the_model_knows_is_warned_of(self, pipe, grey, size, far):
        """The miniature was trained on 256 x 256 px, and the adapter on panels of 64 x 64 px."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            latents_of(pipe, {"grey": grey}, panel_size=size)
        found = [str(each.message) for each in caught if "far from the 65536 px" in str(each)]
        assert bool(found) == far

    def test_a_size_that_the_vae_cannot_encode_is_refused(self, pipe, network, grey):
        with pytest.raises(TaskError, match="not a multiple of the VAE's factor 8"):
            pipe({"grey": grey}, panel_size=(60, 64))
        assert not network.seen


class TestPrecision:
    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["float16", "bfloat16"])
    def test_half_precision_gives_nearly_the_same(
        self, new_pipe, colours_run, pipe, grey, seeded, dtype
    ):
        half = new_pipe(dtype=dtype)
        half.load_task(colours_run)
        vaes = []
        encode = half.vae.encode
        half.vae.encode = lambda pixels: vaes.append(pixels.dtype) or encode(pixels)
        ours, theirs = (
            each({"grey": grey}, **QUICK, generator=seeded(1), output_type="np").images
            for each in (half, pipe)
        )
        assert np.abs(ours - theirs).mean() < 0.02
        assert vaes == [torch.float32 if dtype == torch.float16 else dtype]
        assert {p.dtype for p in half.vae.parameters()} == {dtype}
        assert {p.dtype for p in half.unet.parameters()} == {dtype}

    def test_latents_stay_in_full_precision(self, new_pipe, colours_run, grey):
        half = new_pipe(dtype=torch.bfloat16)
        half.load_task(colours_run)
        assert latents_of(half, {"grey": grey}).dtype == torch.float32


def weights(pipe: OnePicPipeline) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in pipe.unet.state_dict().items()}


def same(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(
        torch.equal(tensor, theirs[name]) for name, tensor in ours.items()
    )


class TestLoading:
    @pytest.fixture
    def fresh(self, new_pipe: Callable[..., OnePicPipeline]) -> OnePicPipeline:
        return new_pipe()

    @pytest.fixture(scope="class")
    def full_run(self, compiled_colours: Path, train_adapter: Any) -> Path:
        return train_adapter(compiled_colours, adapter={"kind": "full"}, learning_rate=1e-4)

    @pytest.mark.parametrize("kind", ["lora", "rslora", "dora", "loha", "lokr"])
    def test_every_kind_of_adapter_is_put_on_and_taken_off(
        self, fresh, compiled_colours, train_adapter, grey, kind
    ):
        base = weights(fresh)
        run = train_adapter(compiled_colours, adapter={"kind": kind, "rank": 4})
        fresh.load_task(run)
        task = fresh.task
        assert task.kind == kind
        adapted = latents_of(fresh, {"grey": grey})
        fresh.unload_task()
        assert same(weights(fresh), base)
        assert fresh.task is None
        fresh.task = task
        assert not torch.equal(latents_of(fresh, {"grey": grey}), adapted)

    def test_all_trained_weights_take_the_place_of_the_models(self, fresh, full_run):
        fresh.load_task(full_run)
        trained = UNet2DConditionModel.from_pretrained(full_run / "unet")
        assert same(weights(fresh), dict(trained.state_dict()))

    @pytest.mark.parametrize("kind", ["lora", "loha"])
    def test_another_adapter_replaces_the_first_one_exactly(
        self, fresh, new_pipe, compiled_colours, train_adapter, grey, kind
    ):
        first = train_adapter(compiled_colours, adapter={"kind": "dora", "rank": 8})
        second = train_adapter(compiled_colours, adapter={"kind": kind, "rank": 4}, seed=3)
        fresh.load_task(first)
        fresh.load_task(second)
        alone = new_pipe()
        alone.load_task(second)
        assert same(weights(fresh), weights(alone))
        assert torch.equal(latents_of(fresh, {"grey": grey}), latents_of(alone, {"grey": grey}))

    def test_an_adapter_that_was_trained_again_is_read_again(
        self, fresh, compiled_colours, train_adapter
    ):
        run = train_adapter(compiled_colours)
        fresh.load_task(run)
        before = weights(fresh)
        other = train_adapter(compiled_colours, seed=3) / "pytorch_lora_weights.safetensors"
        (run / other.name).write_bytes(other.read_bytes())
        fresh.load_task(run)
        assert not same(weights(fresh), before)

    def test_an_adapter_needs_the_base_models_weights(self, fresh, full_run, colours_run):
        fresh.load_task(full_run)
        before = weights(fresh)
        for act in (lambda: fresh.load_task(colours_run), fresh.unload_task):
            message = "place of the whole network; load the pipeline anew"
            with pytest.raises(TaskError, match=message):
                act()
        fresh.load_task(full_run)
        assert same(weights(fresh), before)

    def test_all_weights_may_follow_an_adapter(self, fresh, new_pipe, full_run, colours_run):
        fresh.load_task(colours_run)
        fresh.load_task(full_run)
        alone = new_pipe()
        alone.load_task(full_run)
        assert same(weights(fresh), weights(alone))

    @pytest.fixture
    def new_unet_run(self, compiled_colours: Path, write_card: Any) -> Callable[..., Path]:
        """`new_unet_run({"kind": "lora"})` is an adapter of a U-Net with other channels."""

        def make(adapter: dict[str, Any]) -> Path:
            config = dict(UNet2DConditionModel.load_config(miniature.path() / "unet"))
            config["block_out_channels"], config["attention_head_dim"] = [32, 64, 64], [1, 2, 2]
            unet = UNet2DConditionModel.from_config(config)
            settings = AdapterSettings.model_validate(adapter).on(BACKBONES["sdxl"])
            add_adapter(unet, settings, seed=0)
            folder = write_card(compiled_colours, adapter=adapter)
            write_adapter(folder, unet, settings, "unet")
            return folder

        return make

    @pytest.mark.parametrize("adapter", [{"kind": "lora"}, {"kind": "lokr"}, {"kind": "full"}])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=["float32", "float16"])
    def test_an_adapter_of_another_unet_is_refused_and_changes_nothing(
        self, new_pipe, new_unet_run, adapter, dtype
    ):
        pipe = new_pipe(dtype=dtype)
        before = weights(pipe)
        with pytest.raises(SettingsError, match="not of this adapter or network"):
            pipe.load_task(new_unet_run(adapter))
        assert same(weights(pipe), before)
        assert pipe.task is None
        assert {p.dtype for p in pipe.unet.parameters()} == {dtype}

    @pytest.mark.parametrize("kind", ["lora", "full"])
    def test_after_a_failure_the_adapter_from_before_is_there(
        self, fresh, new_unet_run, colours_run, kind
    ):
        fresh.load_task(colours_run)
        task, before = fresh.task, weights(fresh)
        with pytest.raises(SettingsError):
            fresh.load_task(new_unet_run({"kind": kind}))
        assert fresh.task == task
        assert same(weights(fresh), before)

    def test_a_run_that_was_damaged_meanwhile_leaves_no_task(
        self, fresh, compiled_colours, train_adapter, grey
    ):
        run, base = train_adapter(compiled_colours), weights(fresh)
        fresh.load_task(run)
        (run / "pytorch_lora_weights.safetensors").unlink()
        with pytest.raises(ModelError, match="holds no trained weights"):
            fresh.load_task(run)
        assert fresh.task is None
        assert same(weights(fresh), base)

    def test_a_run_without_weights_is_told(self, fresh, compiled_colours, write_card):
        with pytest.raises(ModelError, match="holds no trained weights"):
            fresh.load_task(write_card(compiled_colours))
        assert fresh.task is None

    def test_an_adapter_of_another_kind_of_latents_names_its_model(
        self, fresh, compiled_colours, write_card
    ):
        folder = write_card(compiled_colours)
        card = json.loads((folder / "task.json").read_text())
        card["tasks"]["colorization"]["latents"]["shape"][0] = 16
        card["base"]["name"] = "some/model"
        (folder / "task.json").write_text(json.dumps(card))
        before = weights(fresh)
        with pytest.raises(TaskError, match=r"16 channels and 8 px; .* 4 and 8; load some/model"):
            fresh.load_task(folder)
        assert same(weights(fresh), before)

    def test_without_a_task_nothing_is_filled(self, fresh, grey):
        with pytest.raises(TaskError, match="no task is loaded; call load_task"):
            fresh({"grey": grey})

    def test_an_adapter_of_several_tasks_changes_between_them(
        self, fresh, compiled_colours, finished_project, train_adapter
    ):
        run = train_adapter(compiled_colours)
        card = json.loads((run / "task.json").read_text())
        card["tasks"]["other"] = card["tasks"]["colorization"]
        (run / "task.json").write_text(json.dumps(card))
        with pytest.raises(TaskError, match="several tasks; give one: colorization, other"):
            fresh.load_task(run)
        fresh.load_task(run, "colorization")
        before = weights(fresh)
        fresh.load_task(run, "other")
        assert fresh.task.name == "other"
        assert same(weights(fresh), before)

    def test_inputs_are_checked_before_anything_is_computed(self, pipe, network, grey):
        for images, message in (
            ({}, "no image for grey; the task's inputs are grey"),
            ({"gray": grey}, "did you mean 'grey'"),
            ({"grey": grey, "colour": grey}, "'colour' is what the task fills"),
        ):
            with pytest.raises(TaskError, match=message):
                pipe(images)
        assert not network.seen


class TestSaving:
    def test_a_pipeline_is_saved_and_loaded(self, new_pipe, colours_run, tmp_path, grey):
        pipe = new_pipe()
        pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
        pipe.save_pretrained(tmp_path / "saved")
        again = OnePicPipeline.from_pretrained(tmp_path / "saved")
        again.set_progress_bar_config(disable=True)
        assert isinstance(again.scheduler, DDIMScheduler)
        assert again.config.force_zeros_for_empty_prompt
        results = []
        for each in (pipe, again):
            each.load_task(colours_run)
            results.append(latents_of(each, {"grey": grey}, guidance_scale=3.0))
        assert torch.equal(*results)

    def test_a_pipeline_with_an_adapter_is_not_saved_in_a_form_that_nobody_can_load(
        self, new_pipe, colours_run, tmp_path
    ):
        pipe = new_pipe()
        pipe.load_task(colours_run)
        with pytest.raises(TaskError, match="call unload_task before save_pretrained"):
            pipe.save_pretrained(tmp_path / "saved")
        assert not (tmp_path / "saved").exists()
        pipe.unload_task()
        pipe.save_pretrained(tmp_path / "saved")
        again = OnePicPipeline.from_pretrained(tmp_path / "saved")
        assert same(weights(again), weights(new_pipe()))

    def test_a_pipeline_of_diffusers_lends_its_components(self, colours_run, grey):
        stock = StableDiffusionXLPipeline.from_pretrained(miniature.path())
        pipe = OnePicPipeline.from_pipe(stock)
        pipe.set_progress_bar_config(disable=True)
        pipe.load_task(colours_run)
        assert pipe.unet is stock.unet
        assert pipe({"grey": grey}, **QUICK).images[0].size == (64, 64)

    def test_it_has_the_components_that_it_needs_and_no_others(self, new_pipe):
        assert set(new_pipe().components) == {
            "vae",
            "text_encoder",
            "text_encoder_2",
            "tokenizer",
            "tokenizer_2",
            "unet",
            "scheduler",
        }


def test_a_task_may_be_opened_from_a_run(colours_run):
    task = open_task(colours_run)
    assert isinstance(task, Task)
    assert task.inputs == ("grey",)
