"""A pipeline of the miniature, adapters of a few steps, and tasks of compiled projects."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from onepic import miniature
from onepic.sampler import OnePicPipeline, Task, open_task
from onepic.trainer.base import open_base
from onepic.trainer.canvases import open_canvases
from onepic.trainer.settings import Settings
from onepic.trainer.task_card import TASK_CARD, make_task_card

TrainAdapter = Callable[..., Path]
WriteCard = Callable[..., Path]
NewPipe = Callable[..., OnePicPipeline]


@pytest.fixture(scope="session")
def colours_run(compiled_colours: Path, train_adapter: TrainAdapter) -> Path:
    """An adapter that colours pictures, badly; for reading only."""
    return train_adapter(compiled_colours)


@pytest.fixture
def write_card(tmp_path: Path) -> WriteCard:
    """`write_card(dataset)` writes what a run on it would say of its task; the folder.

    Keyword arguments are settings of the run.
    """

    def write(*datasets: Path, **settings: Any) -> Path:
        folder = tmp_path / "card"
        folder.mkdir(exist_ok=True)
        canvases = [open_canvases(dataset) for dataset in datasets]
        base = open_base("miniature", None)
        card = make_task_card(canvases, base, Settings.model_validate(settings))
        (folder / TASK_CARD).write_text(json.dumps(card))
        return folder

    return write


@pytest.fixture
def colours(compiled_colours: Path, write_card: WriteCard) -> Task:
    """The task of colouring a 64 x 64 picture."""
    return open_task(write_card(compiled_colours))


@pytest.fixture(scope="session")
def new_pipe() -> NewPipe:
    """`new_pipe(dtype=torch.float16)` loads the miniature."""

    def load(**options: Any) -> OnePicPipeline:
        pipe: OnePicPipeline = OnePicPipeline.from_pretrained(miniature.path(), **options)
        pipe.set_progress_bar_config(disable=True)
        return pipe

    return load


@pytest.fixture(scope="session")
def shared_pipe(new_pipe: NewPipe, colours_run: Path) -> OnePicPipeline:
    pipe = new_pipe()
    pipe.load_task(colours_run)
    return pipe


@pytest.fixture
def pipe(shared_pipe: OnePicPipeline) -> Iterator[OnePicPipeline]:
    """The miniature with an adapter that colours pictures; scheduler and task may be changed."""
    components, task = shared_pipe.components, shared_pipe.task
    scheduler = shared_pipe.scheduler
    shared_pipe.scheduler = type(scheduler).from_config(scheduler.config)
    yield shared_pipe
    shared_pipe.register_modules(**components)
    shared_pipe.task = task


@dataclass
class Recorder:
    """A network's calls, and what it answers if that is not the network's own."""

    seen: list[torch.Tensor]
    options: list[dict[str, Any]]
    timesteps: list[torch.Tensor]
    answer: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None


@pytest.fixture
def network(shared_pipe: OnePicPipeline, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Records what the pipeline's U-Net sees; with `network.answer` set, it stands in for it."""
    forward = shared_pipe.unet.forward
    record = Recorder([], [], [])

    def call(seen: torch.Tensor, t: torch.Tensor, hidden: torch.Tensor, **options: Any) -> Any:
        record.seen.append(seen.clone())
        record.timesteps.append(t)
        record.options.append({"hidden": hidden, **options})
        if record.answer is not None:
            return (record.answer(seen, t),)
        return forward(seen, t, hidden, **options)

    monkeypatch.setattr(shared_pipe.unet, "forward", call)
    return record


@pytest.fixture
def grey(picture: Callable[..., Any]) -> Any:
    """A picture for the task of colouring."""
    return picture(64, 64, seed=3)


@pytest.fixture(scope="session")
def seeded() -> Callable[[int], torch.Generator]:
    """`seeded(3)` is a generator on the CPU."""
    return lambda seed: torch.Generator().manual_seed(seed)


def pixels(image: Any) -> np.ndarray[Any, Any]:
    """Whole numbers, so that differences do not wrap."""
    return np.asarray(image).astype(int)


@pytest.fixture(name="pixels")
def pixels_fixture() -> Callable[[Any], np.ndarray[Any, Any]]:
    """`pixels(image)` are its numbers as int."""
    return pixels
