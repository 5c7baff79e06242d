"""A loader gives the planned batches with the samples' own content, however it is run."""

from __future__ import annotations

import gc
import itertools
import pickle
import resource
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from torch.utils.data import DataLoader

from onepic.backbones.sdxl.sizes import time_ids
from onepic.common.errors import DatasetError
from onepic.compiler import open_dataset
from onepic.dataset.names import shard_path
from onepic.trainer.canvases import Canvases, open_canvases
from onepic.trainer.loader import Batch, CanvasLoader
from onepic.trainer.order import batches

Plain = tuple[int, int, list[int]]


@pytest.fixture(scope="module")
def canvases(many_shards) -> Canvases:
    return open_canvases(many_shards)


@pytest.fixture(scope="module")
def mixed(many_shards, two_shapes) -> list[Canvases]:
    """Two datasets, of which one has canvases of two shapes."""
    return [open_canvases(many_shards), open_canvases(two_shapes)]


@pytest.fixture
def damaged(many_shards, tmp_path) -> Canvases:
    """A dataset whose second shard ends too early."""
    folder = Path(shutil.copytree(many_shards, tmp_path / "data"))
    path = shard_path(folder, 1, ".tar")
    path.write_bytes(path.read_bytes()[:2000])
    return open_canvases(folder)


def take(loader: Any, count: int) -> list[Batch]:
    return list(islice(loader, count))


def plain(found: list[Batch]) -> list[Plain]:
    return [(batch.number, batch.dataset, batch.samples.tolist()) for batch in found]


def bits(batch: Batch) -> tuple[bytes, ...]:
    tensors = (
        batch.latents,
        batch.mask,
        batch.texts["hidden"],
        batch.texts["pooled"],
        batch.conditions["time_ids"],
    )
    return tuple(tensor.numpy().tobytes() for tensor in tensors)


def check_content(batch: Batch, folder: Path, fit: str = "cover") -> None:
    expected = open_dataset(folder)
    for row, number in enumerate(batch.samples.tolist()):
        sample = expected[number]
        np.testing.assert_array_equal(batch.latents[row].numpy(), sample.latents)
        np.testing.assert_array_equal(batch.mask[row].numpy(), sample.mask)
        np.testing.assert_array_equal(batch.texts["hidden"][row].numpy(), sample.texts["hidden"])
        np.testing.assert_array_equal(batch.texts["pooled"][row].numpy(), sample.texts["pooled"])
        assert tuple(batch.conditions["time_ids"][row].tolist()) == time_ids(sample.metadata, fit)


def test_batches_hold_what_the_compiler_wrote(mixed, many_shards, two_shapes):
    for batch in take(CanvasLoader(mixed, 4), 40):
        check_content(batch, (many_shards, two_shapes)[batch.dataset])


def test_compiled_pictures_come_as_they_were_compiled(finished_project):
    [batch] = take(CanvasLoader([open_canvases(finished_project.output)], 5), 1)
    check_content(batch, finished_project.output)
    assert sorted(batch.samples.tolist()) == list(range(5))


def test_tensors_have_the_types_that_are_promised(canvases):
    [batch] = take(CanvasLoader([canvases], 3), 1)
    assert (batch.latents.dtype, batch.latents.shape) == (torch.float16, (3, 4, 2, 4))
    assert (batch.mask.dtype, batch.mask.shape) == (torch.uint8, (3, 1, 2, 4))
    assert (batch.texts["hidden"].dtype, batch.texts["hidden"].shape) == (torch.float16, (3, 3, 8))
    assert (batch.texts["pooled"].dtype, batch.texts["pooled"].shape) == (torch.float16, (3, 4))
    assert (batch.conditions["time_ids"].dtype, batch.conditions["time_ids"].shape) == (
        torch.float32,
        (3, 6),
    )


def test_each_epoch_has_every_sample_once(canvases):
    loader = CanvasLoader([canvases], 6)
    assert loader.batches_per_epoch == 47 / 6
    samples = [number for batch in take(loader, 32) for number in batch.samples.tolist()]
    for start in (0, 47, 94, 141):
        assert sorted(samples[start : start + 47]) == list(range(47))


def test_the_order_is_the_planned_one(canvases):
    loader = CanvasLoader([canvases], 6, seed=5)
    [group] = loader._groups
    planned = islice(batches([group], 6, seed=5), 12)
    assert plain(take(loader, 12)) == [(b.number, 0, b.samples.tolist()) for b in planned]


def test_iterating_again_begins_again(mixed):
    loader = CanvasLoader(mixed, 4, prompt_dropout=0.5)
    first, second = take(loader, 10), take(loader, 10)
    assert list(map(bits, first)) == list(map(bits, second))
    assert [batch.number for batch in second] == list(range(10))


@pytest.mark.parametrize("threads", [1, 3])
def test_the_number_of_threads_changes_nothing(threads, mixed):
    expected = take(CanvasLoader(mixed, 4, prompt_dropout=0.5), 20)
    found = take(CanvasLoader(mixed, 4, prompt_dropout=0.5, threads=threads), 20)
    assert plain(found) == plain(expected)
    assert list(map(bits, found)) == list(map(bits, expected))


@pytest.mark.parametrize("once", [False, True])
def test_workers_change_nothing(once, mixed):
    loader = CanvasLoader(mixed, 4, rank=1, ranks=2, first=1, prompt_dropout=0.5, once=once)
    expected = take(loader, 10)
    found = take(DataLoader(loader, batch_size=None, num_workers=2), 10)
    assert plain(found) == plain(expected)
    assert list(map(bits, found)) == list(map(bits, expected))


def test_a_loader_can_be_sent_to_another_process(mixed):
    loader = CanvasLoader(mixed, 4)
    expected = take(loader, 5)
    assert plain(take(pickle.loads(pickle.dumps(loader)), 5)) == plain(expected)


def test_ranks_share_the_batches_of_the_run(mixed):
    whole = take(CanvasLoader(mixed, 4, prompt_dropout=0.5), 30)
    shares = [
        take(CanvasLoader(mixed, 4, rank=rank, ranks=3, prompt_dropout=0.5), 10)
        for rank in range(3)
    ]
    together = sorted(itertools.chain(*shares), key=lambda batch: batch.number)
    assert plain(together) == plain(whole)
    assert list(map(bits, together)) == list(map(bits, whole))


@pytest.mark.parametrize("first", [1, 13, 100])
def test_a_rank_goes_on_where_it_stopped(first, mixed):
    options: dict[str, Any] = {"rank": 1, "ranks": 2, "prompt_dropout": 0.5}
    expected = take(CanvasLoader(mixed, 4, **options), first + 6)[first:]
    found = take(CanvasLoader(mixed, 4, first=first, **options), 6)
    assert plain(found) == plain(expected)
    assert list(map(bits, found)) == list(map(bits, expected))


def test_another_seed_gives_another_order(canvases):
    first, second = (plain(take(CanvasLoader([canvases], 8, seed=seed), 5)) for seed in (0, 1))
    assert first != second


def dropped(loader: CanvasLoader, count: int) -> list[bool]:
    """Which samples have the empty prompt, whose embeddings are all 7."""
    found = []
    for batch in take(loader, count):
        hidden = (batch.texts["hidden"] == 7).all(dim=(1, 2)).tolist()
        assert hidden == (batch.texts["pooled"] == 7).all(dim=1).tolist()
        found += hidden
    return found


@pytest.mark.parametrize(("share", "least", "most"), [(0.0, 0, 0), (0.2, 0.15, 0.25), (1.0, 1, 1)])
def test_prompts_are_dropped_as_often_as_asked(share, least, most, canvases):
    found = dropped(CanvasLoader([canvases], 10, prompt_dropout=share), 100)
    assert least <= np.mean(found) <= most


def test_the_same_prompts_are_dropped_each_time(canvases):
    once, again, other = (
        dropped(CanvasLoader([canvases], 10, seed=seed, prompt_dropout=0.5), 10)
        for seed in (0, 0, 1)
    )
    assert once == again
    assert once != other
    assert len({tuple(once[start : start + 10]) for start in range(0, 100, 10)}) > 5


def test_where_no_prompt_is_dropped_all_are_the_sample_s_own(canvases, many_shards):
    for batch in take(CanvasLoader([canvases], 8, prompt_dropout=0.0), 6):
        check_content(batch, many_shards)


def test_prompts_can_be_left_out(canvases):
    [batch] = take(CanvasLoader([canvases], 3, prompts=False, prompt_dropout=0.5), 1)
    assert not batch.texts
    assert batch.latents.shape == (3, 4, 2, 4)


def test_once_gives_everything_a_single_time_in_order(mixed, many_shards, two_shapes):
    found = list(CanvasLoader(mixed, 4, once=True))
    assert [batch.number for batch in found] == list(range(len(found)))
    for place, folder in enumerate((many_shards, two_shapes)):
        mine = [batch for batch in found if batch.dataset == place]
        samples = [number for batch in mine for number in batch.samples.tolist()]
        assert sorted(samples) == list(range(len(mixed[place])))
        for batch in mine:
            check_content(batch, folder)
    first = [number for batch in found if batch.dataset == 0 for number in batch.samples.tolist()]
    assert first == list(range(47))


def test_once_ranks_share_everything(mixed):
    whole = plain(list(CanvasLoader(mixed, 4, once=True)))
    shares = [plain(list(CanvasLoader(mixed, 4, once=True, rank=r, ranks=3))) for r in range(3)]
    assert sorted(itertools.chain(*shares)) == whole


def test_a_batch_has_canvases_of_one_shape(mixed):
    shapes = Counter()
    for batch in take(CanvasLoader(mixed, 5), 60):
        table = mixed[batch.dataset].samples
        shape = {table.shapes[place] for place in table.shape[batch.samples].tolist()}
        assert shape == {tuple(batch.latents.shape[1:])}
        shapes[batch.dataset, *shape] += 1
    assert len(shapes) == 3


def test_datasets_are_drawn_from_by_their_weights(mixed):
    counts = Counter(batch.dataset for batch in take(CanvasLoader(mixed, 2, weights=[1, 3]), 200))
    assert abs(counts[0] - 50) <= 1


def test_by_default_every_sample_is_drawn_as_often(mixed):
    loader = CanvasLoader(mixed, 1)
    found = Counter(
        (batch.dataset, number) for batch in take(loader, 3 * 77) for number in batch.samples
    )
    assert len(found) == loader.samples == 77
    assert set(found.values()) <= {2, 3, 4}


def test_parts_narrow_the_datasets(mixed):
    parts = [np.array([2, 3, 46]), np.array([], np.int64)]
    loader = CanvasLoader(mixed, 2, parts=parts, once=True)
    assert [batch.samples.tolist() for batch in loader] == [[2, 3], [46]]
    assert loader.samples == 3
    endless = take(CanvasLoader(mixed, 2, parts=parts), 9)
    assert Counter(n for batch in endless for n in batch.samples.tolist()) == {2: 6, 3: 6, 46: 6}


def test_samples_are_named(mixed, many_shards):
    key = open_dataset(many_shards)[46].key
    assert CanvasLoader(mixed, 2).names(0, np.array([46])) == [
        f"{many_shards}: {key} (pictures/{key}.png)"
    ]


def closed(loader: CanvasLoader) -> None:
    stream = loader.batches()
    next(stream)
    stream.close()


def broken_out_of(loader: CanvasLoader) -> None:
    for batch in loader:
        if batch.number == 3:
            break


def forgotten(loader: CanvasLoader) -> None:
    next(iter(loader))


def never_begun(loader: CanvasLoader) -> None:
    loader.batches().close()


def finished(loader: CanvasLoader) -> None:
    list(CanvasLoader(loader._datasets, 4, once=True))


@pytest.mark.parametrize("end", [closed, broken_out_of, forgotten, never_begun, finished])
def test_threads_and_files_are_gone_after_the_loop(
    end: Callable[..., None], mixed, new_files, new_threads
):
    end(CanvasLoader(mixed, 4))
    assert new_files() == set()
    assert new_threads() == set()


def test_an_error_in_a_thread_reaches_the_loop(damaged, new_files, new_threads):
    with pytest.raises(DatasetError, match=r"00001\.tar: it is shorter than its index says"):
        take(CanvasLoader([damaged], 4), 12)
    gc.collect()
    assert new_files() == set()
    assert new_threads() == set()


def test_batches_before_the_damage_come_in_order(damaged):
    stream = iter(CanvasLoader([damaged], 2, once=True))
    assert [next(stream).number, next(stream).number] == [0, 1]
    with pytest.raises(DatasetError):
        next(stream)
    assert list(stream) == []


def test_two_iterations_do_not_disturb_each_other(mixed, new_files, new_threads):
    loader = CanvasLoader(mixed, 4)
    expected = list(map(bits, take(loader, 30)))
    with closing(loader.batches()) as first:
        found = [bits(next(first)) for _ in range(5)]
        with closing(loader.batches()) as second:
            together = [(bits(next(first)), bits(next(second))) for _ in range(10)]
        found += [one for one, _ in together] + [bits(next(first)) for _ in range(15)]
    assert found == expected
    assert [other for _, other in together] == expected[:10]
    assert new_files() == set()
    assert new_threads() == set()


@pytest.fixture
def few_descriptors() -> Iterator[int]:
    """No more than 300 descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (300, hard))
    yield 300
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("few_descriptors")
def test_training_and_validation_have_room_for_their_files(write_dataset, new_files, tmp_path):
    canvases = open_canvases(write_dataset(tmp_path / "data", [1] * 40))
    with closing(CanvasLoader([canvases], 20).batches()) as training:
        for _ in range(10):
            next(training)
        assert len(list(CanvasLoader([canvases], 20, once=True))) == 2
        opened = len(new_files())
    assert 0 < opened <= (300 - 256) // 2


def test_memory_stays_flat(canvases):
    process = psutil.Process()
    with closing(CanvasLoader([canvases], 16).batches()) as stream:
        for _ in range(200):
            next(stream)
        before = process.memory_info().rss
        for _ in range(1000):
            next(stream)
        assert process.memory_info().rss - before < 4_000_000


def test_moving_a_batch_keeps_what_it_holds(canvases):
    [batch] = take(CanvasLoader([canvases], 3), 1)
    moved = batch.to("cpu")
    assert bits(moved) == bits(batch)
    assert plain([moved]) == plain([batch])
    meta = batch.to("meta")
    assert {meta.latents.device.type, meta.conditions["time_ids"].device.type} == {"meta"}
    assert batch.latents.device.type == "cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_pinned_batches_arrive_whole_on_the_gpu(mixed):
    pinned = take(CanvasLoader(mixed, 4, pin=True), 20)
    assert all(
        batch.latents.is_pinned() and batch.conditions["time_ids"].is_pinned() for batch in pinned
    )
    moved = [batch.to("cuda") for batch in pinned]
    torch.cuda.synchronize()
    assert [bits(batch.to("cpu")) for batch in moved] == [bits(batch) for batch in pinned]


def test_a_dropped_context_is_zeros_and_the_target_stays(finished_project):
    dataset = open_canvases(finished_project.output)
    whole = next(iter(CanvasLoader([dataset], 4)))
    without = next(iter(CanvasLoader([dataset], 4, context_dropout=1.0)))
    target = whole.mask.bool().expand_as(whole.latents)
    assert torch.equal(without.latents[target], whole.latents[target])
    assert not without.latents[~target].any()
    some = [next(iter(CanvasLoader([dataset], 4, context_dropout=0.5, seed=s))) for s in range(20)]
    dropped = sum(int(not row[:, :, :8].any()) for batch in some for row in batch.latents)
    assert 20 < dropped < 60
