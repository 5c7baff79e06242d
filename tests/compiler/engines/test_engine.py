"""Engines: what they run and encode, what they tell on the way, and what they start and when."""

from __future__ import annotations

import pickle
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray

from onepic.backbones.model import open_model
from onepic.common.errors import ModelError
from onepic.common.lock import locked
from onepic.compiler.compile import make_layout
from onepic.compiler.engines.engine import EncoderSettings, Scheduling
from onepic.compiler.engines.local import LocalEngine
from onepic.compiler.engines.open import open_engine
from onepic.compiler.plan import Plan
from onepic.compiler.shard import Progress
from onepic.dataset.index import ShardHeader
from onepic.dataset.names import STATE


@pytest.fixture(scope="module")
def settings() -> EncoderSettings:
    return EncoderSettings(open_model("miniature"), "mean", threads=2)


@pytest.fixture(scope="module")
def engine(settings: EncoderSettings) -> Iterator[LocalEngine]:
    engine = open_engine(settings, Scheduling(local=True))
    assert isinstance(engine, LocalEngine)
    yield engine
    engine.close()


@pytest.fixture
def broken(tmp_path: Path) -> EncoderSettings:
    """Settings whose model cannot be loaded."""
    folder = Path(shutil.copytree(open_model("miniature").folder, tmp_path / "broken"))
    weights = folder / "vae/diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    return EncoderSettings(open_model(str(folder)), "mean", threads=1)


def test_shards_come_one_after_the_other_each_header_last(engine, bare_project):
    bare_project.draw(*range(5))
    recipe = bare_project.recipe()
    layout = make_layout(recipe, open_model(recipe.model))
    rows = recipe.source.scan(recipe.columns, bare_project.root)
    with locked(bare_project.output, STATE) as token:
        plan = Plan(recipe, bare_project.root, layout, rows, "f", bare_project.output)
        events = list(engine.run(plan.job(number, token) for number in range(plan.shards)))
    assert [type(event) for event in events] == [Progress, ShardHeader] * 3
    assert [event.number for event in events] == [0, 0, 1, 1, 2, 2]
    assert [event.rows for event in events[::2]] == [2, 2, 1]


def test_jobs_are_made_when_their_turn_comes(engine, bare_project):
    def jobs() -> Iterator[Any]:
        raise ZeroDivisionError
        yield

    with pytest.raises(ZeroDivisionError):
        next(engine.run(jobs()))


def test_the_empty_prompt_is_zeros_where_the_model_says_so(engine, settings):
    embeddings = engine.empty_prompt().result()
    assert settings.model.zero_empty_prompt
    assert embeddings.arrays["hidden"].shape[:2] == (1, 77)
    assert not embeddings.arrays["hidden"].any()
    assert not embeddings.arrays["pooled"].any()


def test_panels_and_prompts_are_encoded_in_the_background(encoder, picture):
    pixels = np.stack([np.asarray(picture(64, 64, seed)) for seed in range(3)])
    latents, prompts = encoder.panels(pixels, [0, 1, 2]), encoder.prompts(["a", "b"])
    assert [latent.shape for latent in latents.result()] == [(4, 8, 8)] * 3
    assert len(prompts.result().arrays["hidden"]) == 2
    assert latents.done()
    assert prompts.done()


def test_settings_travel_to_other_processes(settings):
    assert pickle.loads(pickle.dumps(settings)) == settings


def test_a_model_that_cannot_be_loaded_is_named_once_it_is_needed(broken):
    with closing(open_engine(broken, Scheduling(local=True))) as engine:
        assert list(engine.map(abs, iter([-1, -2]))) == [1, 2]
        with pytest.raises(ModelError, match=f"{broken.model.folder}/vae cannot be loaded"):
            engine.empty_prompt()


def test_ray_is_not_started_before_there_is_a_job_and_ends_with_its_engine(settings):
    def rest(seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    with closing(open_engine(settings, Scheduling(workers=1))) as engine:
        made = engine.map(rest, iter([0, 60, 60]))
        assert not ray.is_initialized()
        assert next(made) == 0
        assert ray.is_initialized()
    assert not ray.is_initialized()
    made.close()
    assert not ray.is_initialized(), "asking about the jobs that are left started Ray again"
