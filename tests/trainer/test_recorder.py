"""Losses wait on the device, and one that is no number is traced to its samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from onepic.trainer.loader import Batch
from onepic.trainer.recorder import NotFiniteError, Recorder


class Ranks:
    """Averages with the losses of another rank, and counts how often it was asked."""

    def __init__(self, other: float | None = None) -> None:
        self.other, self.calls = other, 0

    def __call__(self, values: Tensor) -> Tensor:
        self.calls += 1
        return values.clone() if self.other is None else (values + self.other) / 2


def batch(*samples: int, dataset: int = 0) -> Batch:
    nothing = torch.empty(0)
    return Batch(0, dataset, np.array(samples), nothing, nothing, {}, {})


def test_the_loss_of_a_step_is_the_mean_over_its_batches():
    recorder = Recorder(Ranks())
    recorder.add(1, batch(0, 1), torch.tensor([1.0, 2.0]))
    recorder.add(1, batch(2, 3), torch.tensor([3.0, 4.0]))
    recorder.add(2, batch(4, 5), torch.tensor([5.0, 7.0]))
    assert recorder.read() == [2.5, 6.0]


def test_the_loss_is_the_mean_over_ranks():
    recorder = Recorder(Ranks(other=3.0))
    recorder.add(1, batch(0), torch.tensor([1.0]))
    assert recorder.read() == [2.0]


def test_many_steps_are_read_at_once():
    ranks = Ranks()
    recorder = Recorder(ranks)
    for step in range(10):
        recorder.add(step, batch(step), torch.tensor([float(step)]))
    assert ranks.calls == 0
    assert recorder.read() == list(map(float, range(10)))
    assert ranks.calls == 1


def test_what_was_read_is_not_read_again():
    ranks = Ranks()
    recorder = Recorder(ranks)
    recorder.add(1, batch(0), torch.tensor([1.0]))
    recorder.read()
    assert recorder.read() == []
    assert ranks.calls == 1


def test_losses_keep_no_graph_alive():
    losses = torch.ones(2, requires_grad=True) * 2
    recorder = Recorder(Ranks())
    recorder.add(1, batch(0, 1), losses)
    assert not recorder._seen[0].losses.requires_grad


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_a_loss_that_is_no_number_is_named_with_its_step_and_samples(bad):
    recorder = Recorder(Ranks())
    recorder.add(6, batch(1, 2, 3), torch.tensor([1.0, 2.0, 3.0]))
    recorder.add(7, batch(4, 5, 6, dataset=1), torch.tensor([bad, 2.0, bad]))
    recorder.add(8, batch(7, 8, 9), torch.tensor([bad, bad, bad]))
    with pytest.raises(NotFiniteError, match="step 7") as caught:
        recorder.read()
    error = caught.value
    assert (error.step, error.dataset, error.samples.tolist()) == (7, 1, [4, 6])


def test_of_two_batches_of_a_step_the_bad_one_is_named():
    recorder = Recorder(Ranks())
    recorder.add(7, batch(1, 2), torch.tensor([1.0, 2.0]))
    recorder.add(7, batch(3, 4), torch.tensor([1.0, torch.nan]))
    with pytest.raises(NotFiniteError) as caught:
        recorder.read()
    assert caught.value.samples.tolist() == [4]


def test_another_ranks_loss_stops_this_one_too_and_blames_none_of_its_samples():
    recorder = Recorder(Ranks(other=torch.nan))
    recorder.add(7, batch(1, 2), torch.tensor([1.0, 2.0]))
    with pytest.raises(NotFiniteError) as caught:
        recorder.read()
    assert (caught.value.step, caught.value.samples.tolist()) == (7, [])
