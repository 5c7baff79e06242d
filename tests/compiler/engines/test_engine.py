"""The engine of one process: what it encodes, and what it tells on the way."""

from __future__ import annotations

import pickle
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray

from onepic.backbones.model import open_model
from onepic.common.errors import ModelError
from onepic.common.lock import locked
from onepic.compiler.compile import make_layout
from onepic.compiler.engines.engine import (
    EncoderSettings,
    LocalEngine,
    Scheduling,
    open_engine,
    run_each,
)
from onepic.compiler.plan import Plan
from onepic.compiler.shard import Progress
from onepic.dataset.index import ShardHeader
from onepic.dataset.names import STATE


@pytest.fixture(scope="module")
def settings() -> EncoderSettings:
    return EncoderSettings(open_model("miniature"), "mean", threads=2)


@pytest.fixture(scope="module")
def engine(settings: EncoderSettings) -> Iterator[LocalEngine]:
    engine = open_engine(settings, Scheduling(local=True), ExitStack())
    yield engine
    engine.close()


def test_local_means_this_process(engine):
    assert isinstance(engine, LocalEngine)


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
    assert embeddings.hidden.shape[:2] == (1, 77)
    assert not embeddings.hidden.any()
    assert not embeddings.pooled.any()


def test_panels_and_prompts_are_encoded_in_the_background(encoder, picture):
    pixels = np.stack([np.asarray(picture(64, 64, seed)) for seed in range(3)])
    latents, prompts = encoder.panels(pixels, [0, 1, 2]), encoder.prompts(["a", "b"])
    assert [latent.shape for latent in latents.result()] == [(4, 8, 8)] * 3
    assert len(prompts.result().hidden) == 2
    assert latents.done()
    assert prompts.done()


def test_settings_travel_to_other_processes(settings):
    assert pickle.loads(pickle.dumps(settings)) == settings


def test_a_model_that_cannot_be_loaded_is_named(tmp_path):
    folder = Path(shutil.copytree(open_model("miniature").folder, tmp_path / "broken"))
    weights = folder / "vae/diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    broken = EncoderSettings(open_model(str(folder)), "mean", threads=1)
    with pytest.raises(ModelError, match=f"{folder}/vae cannot be loaded"):
        open_engine(broken, Scheduling(local=True), ExitStack())


def test_what_is_left_of_a_run_on_ray_ends_with_it_and_does_not_start_ray_again():
    def rest(seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    with ExitStack() as cluster:
        made = run_each(rest, iter([0, 60, 60]), Scheduling(workers=1), cluster)
        assert next(made) == 0
        assert ray.is_initialized()
    made.close()
    assert not ray.is_initialized()
