"""Samples are skipped by the names that messages give them, and nothing else changes its place."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from onepic.common.errors import SettingsError
from onepic.trainer.canvases import open_canvases
from onepic.trainer.loader import CanvasLoader
from onepic.trainer.skipped import Label, find_skipped


@pytest.fixture
def one(many_shards):
    return open_canvases(many_shards)


@pytest.fixture
def two(write_dataset, tmp_path):
    return open_canvases(write_dataset(tmp_path / "two", [3, 200], shapes=((4, 2, 4), (4, 3, 2))))


def drawn(datasets, batches=40, **options):
    loader = CanvasLoader(datasets, 4, seed=3, **options)
    return [(b.dataset, b.samples.tolist()) for b in islice(loader.batches(), batches)]


@pytest.mark.parametrize("text", ["000000003", "data/a:000000003", "hf://datasets/u/n:000000003"])
def test_a_name_is_read_as_it_is_written(text):
    assert str(Label.parse(text)) == text


def test_a_name_may_be_copied_from_a_message_with_its_blank():
    assert Label.parse("data/a/: 000000003") == Label("000000003", "data/a")


def test_samples_are_found_by_their_keys_in_any_shard(one):
    # Key 301 is the second sample of shard 3; shard 2 is empty.
    (numbers,) = find_skipped([one], ["000000301", "000000000"])
    assert numbers.tolist() == [0, 9]


def test_with_several_datasets_a_key_is_of_the_one_that_has_it_or_that_is_named(one, two):
    assert [n.tolist() for n in find_skipped([one, two], ["000000301", "000000150"])] == [[9], [53]]
    named = f"{two.name}:000000001"
    assert [n.tolist() for n in find_skipped([one, two], [named])] == [[], [1]]
    with pytest.raises(SettingsError, match=r"'000000001' is in .* and in .*; say of which"):
        find_skipped([one, two], ["000000001"])


@pytest.mark.parametrize("name", ["000000099", "3", "other:000000001", "a.png"])
def test_a_name_of_no_sample_is_refused_with_what_is_expected(one, name):
    with pytest.raises(SettingsError, match=f"no sample '{name}' in .*; give a sample's key"):
        find_skipped([one], [name])


def test_the_loader_names_samples_as_they_are_found(one, two):
    for datasets in ([one], [one, two]):
        loader = CanvasLoader(datasets, 2)
        labels = loader.labels(0, np.array([9, 0]))
        assert find_skipped(datasets, labels)[0].tolist() == [0, 9]


def test_others_of_the_shape_come_in_the_places_of_skipped_samples_and_all_else_stays(one, two):
    skipped = find_skipped([one, two], ["000000301", "000000150", f"{two.name}:000000001"])
    before, after = drawn([one, two], 120), drawn([one, two], 120, skipped=skipped)
    assert len(before) == len(after)
    changed = 0
    for (home, old), (place, new) in zip(before, after, strict=True):
        assert place == home
        shapes = (one, two)[home].samples.shape
        for was, now in zip(old, new, strict=True):
            assert now not in skipped[home]
            assert was == now or was in skipped[home]
            assert shapes[was] == shapes[now]
            changed += was != now
    assert changed > 2


def test_a_shape_of_which_nothing_is_left_is_refused(two):
    every = np.arange(len(two))
    with pytest.raises(SettingsError, match="no sample of one shape is left"):
        CanvasLoader([two], 1, skipped=[every])
