"""What guidance makes of predictions, and that each of its options is there for every user."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from typer.testing import CliRunner

from onepic.sampler.cli import app
from onepic.sampler.guidance import Guidance, guide, rescale_guidance
from onepic.sampler.pipeline import OnePicPipeline
from onepic.sampler.request import Request, read_request, save_picture

OPTIONS = sorted(Guidance.model_fields)


@pytest.fixture
def m() -> Tensor:
    """The mask of a canvas of 8 x 16 cells: its right half but for a cell is to be filled."""
    m = torch.zeros(1, 1, 8, 16, dtype=torch.uint8)
    m[..., 8:] = 1
    m[..., 3, 9] = 0
    return m


@pytest.mark.parametrize("name", OPTIONS)
def test_each_option_is_one_of_the_command_that_says_what_it_does(name):
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output
    field = Guidance.model_fields[name]
    text = " ".join(shown.split())
    flag = f"--{name.replace('_', '-')} <float>"
    assert f"{flag} {field.description} [default: ({field.default})]" in text


@pytest.mark.parametrize("name", OPTIONS)
def test_each_option_is_a_keyword_of_the_pipeline_with_the_same_default(name):
    keyword = inspect.signature(OnePicPipeline.__call__).parameters[name]
    assert keyword.kind is inspect.Parameter.KEYWORD_ONLY
    assert keyword.default == Guidance.model_fields[name].default
    assert f" {name}: " in OnePicPipeline.__call__.__doc__


@pytest.mark.parametrize("name", OPTIONS)
def test_each_option_that_is_used_is_in_the_picture(tmp_path, picture, name):
    asked = Request.model_validate({"run": "x", "images": {}, name: 0.5})
    assert asked.guidance == Guidance.model_validate({name: 0.5}) != Guidance()
    assert asked.model_dump(mode="json", exclude_defaults=True)[name] == 0.5
    save_picture(picture(), tmp_path / "a.png", asked)
    assert read_request(tmp_path / "a.png") == asked


def test_each_option_reaches_the_network(monkeypatch, pipe, grey):
    """Guidance of the pipeline's call is what the network is guided with."""
    seen: list[Guidance] = []
    options = dict.fromkeys(OPTIONS, 0.5)
    combine = Guidance.combine

    def record(self: Guidance, *arguments: Any) -> Tensor:
        seen.append(self)
        return combine(self, *arguments)

    monkeypatch.setattr(Guidance, "combine", record)
    with pytest.warns(UserWarning, match="without context dropout"):
        pipe({"grey": grey}, num_inference_steps=1, output_type="latent", **options)
    assert seen == [Guidance.model_validate(options)]


@pytest.mark.parametrize(
    "wrong", [{"guidance_scale": float("nan")}, {"guidance_rescale": 1.1}, {"guidance": 2}], ids=str
)
def test_guidance_that_makes_no_picture_is_refused(wrong):
    with pytest.raises(ValidationError):
        Guidance.model_validate(wrong)


@pytest.mark.parametrize(
    ("options", "branches"),
    [
        ({}, ("context", "full")),
        ({"guidance_scale": 1}, ("full",)),
        ({"guidance_scale": 1, "guidance_rescale": 0.5}, ("full",)),
        ({"guidance_scale": 1, "image_guidance_scale": 2}, ("nothing", "context", "full")),
    ],
    ids=str,
)
def test_the_network_is_asked_only_for_what_the_scales_need(options, branches):
    assert Guidance.model_validate(options).branches == branches


def test_without_guidance_the_prediction_stays_as_it_is(m):
    prediction = torch.ones(1, 4, 8, 16)
    alone = Guidance(guidance_scale=1, guidance_rescale=0.7)
    assert alone.combine((prediction,), m) is prediction


def test_each_scale_takes_its_own_piece_of_information(m):
    nothing, context, full = torch.randn(3, 1, 4, 8, 16, generator=torch.Generator().manual_seed(0))
    both = Guidance(guidance_scale=7.5, image_guidance_scale=1.5)
    expected = nothing + 1.5 * (context - nothing) + 7.5 * (full - context)
    assert torch.equal(both.combine((nothing, context, full), m), expected)
    prompt = Guidance(guidance_scale=7.5)
    assert torch.equal(prompt.combine((context, full), m), context + 7.5 * (full - context))
    rescaled = Guidance(guidance_scale=7.5, guidance_rescale=0.7).combine((context, full), m)
    guided = context + 7.5 * (full - context)
    assert torch.equal(rescaled, rescale_guidance(guided, full, m, 0.7))


def test_two_predictions_follow_classifier_free_guidance():
    empty, full = torch.randn(2, 3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(guide((empty, full), (7.5,)), empty + 7.5 * (full - empty))


def test_three_predictions_follow_instruct_pix2pix():
    random = torch.Generator().manual_seed(0)
    nothing, context, full = torch.randn(3, 3, 4, 8, 8, generator=random)
    expected = nothing + 1.5 * (context - nothing) + 7.5 * (full - context)
    torch.testing.assert_close(guide((nothing, context, full), (1.5, 7.5)), expected)


def test_scales_of_one_are_the_informed_prediction():
    predictions = torch.randn(3, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(guide(tuple(predictions), (1.0, 1.0)), predictions[2])


def test_one_prediction_is_left_as_it_is():
    prediction = torch.ones(1, 4, 8, 8)
    assert guide((prediction,), ()) is prediction


def test_rescaling_gives_the_target_the_deviation_of_the_informed_prediction(m):
    informed, guided = torch.randn(2, 2, 4, 8, 16, generator=torch.Generator().manual_seed(0))
    guided = guided * 5 + 1
    inside = m.bool().expand_as(guided)
    rescaled = rescale_guidance(guided, informed, m, 1.0)
    for ours, theirs, where in zip(rescaled, informed, inside, strict=True):
        torch.testing.assert_close(ours[where].std(correction=0), theirs[where].std(correction=0))


def test_rescaling_goes_part_of_the_way(m):
    informed, guided = torch.randn(2, 1, 4, 8, 16, generator=torch.Generator().manual_seed(0))
    whole = rescale_guidance(guided, informed, m, 1.0)
    torch.testing.assert_close(
        rescale_guidance(guided, informed, m, 0.7), 0.7 * whole + 0.3 * guided
    )
    assert torch.equal(rescale_guidance(guided, informed, m, 0.0), guided)


def test_rescaling_does_not_look_at_the_context(m):
    informed, guided = torch.randn(2, 1, 4, 8, 16, generator=torch.Generator().manual_seed(0))
    inside = m.bool().expand_as(guided)
    other = torch.where(inside, guided, 1e3 * guided)
    ours, theirs = (rescale_guidance(g, informed, m, 0.7)[inside] for g in (guided, other))
    assert torch.equal(ours, theirs)
