"""What a shard's table of members says is what is written, read and refused."""

from __future__ import annotations

import io
import random
from typing import Any

import numpy as np
import pytest

from onepic.dataset.index import SCHEMA
from onepic.dataset.members import LATENTS, MASK, MEMBERS, shape_of
from onepic.dataset.stores.parts import Part

SHAPE = (4, 3, 5)


def latents(dtype: Any = np.float16) -> Any:
    return np.arange(60).reshape(SHAPE).astype(dtype)


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def test_the_members_and_their_columns_have_the_order_of_old():
    assert [member.extension for member in MEMBERS] == [
        *("latents.npy", "mask.npy", "json", "txt", "webp")
    ]
    columns = [column for member in MEMBERS for column in member.columns]
    assert SCHEMA.names[8:18] == columns
    assert columns[:3] == ["latents_offset", "latents_size", "mask_offset"]


def test_a_row_of_the_index_says_where_a_member_lies_and_its_shape():
    row = {"mask_offset": 7, "mask_size": 9, "channels": 4, "height": 3, "width": 5}
    assert MASK.part(row) == Part(7, 9)
    assert (LATENTS.shape(shape_of(row)), MASK.shape(shape_of(row))) == ((4, 3, 5), (1, 3, 5))


@pytest.mark.parametrize("array", [latents(), np.asfortranarray(latents())])
def test_an_array_is_written_in_plain_order_without_pickle_and_read_as_it_was(array):
    data = LATENTS.write(array, SHAPE)
    stock = np.load(io.BytesIO(data), allow_pickle=False)
    assert stock.flags.c_contiguous
    np.testing.assert_array_equal(stock, array)
    np.testing.assert_array_equal(LATENTS.read(data, SHAPE), array)


def test_what_is_read_is_a_view_that_cannot_be_changed():
    data = memoryview(LATENTS.write(latents(), SHAPE))
    array = LATENTS.read(data, SHAPE)
    assert np.shares_memory(array, np.frombuffer(data, np.uint8))
    with pytest.raises(ValueError, match="read-only"):
        array[:] = 0


def test_other_padding_of_the_header_is_read():
    data = npy(latents())
    more = data[:8] + (128 - 10 + 64).to_bytes(2, "little") + data[10:127] + b" " * 64 + data[127:]
    np.testing.assert_array_equal(np.load(io.BytesIO(more)), latents())
    np.testing.assert_array_equal(LATENTS.read(more, SHAPE), latents())


@pytest.mark.parametrize("array", [latents(np.float32), latents()[:3], latents()[None]])
def test_an_array_of_another_form_is_neither_written_nor_read(array):
    found = rf"latents\.npy has {array.dtype} \[.*\]"
    with pytest.raises(ValueError, match=rf"{found}, expected float16 \[4, 3, 5\]"):
        LATENTS.write(array, SHAPE)
    with pytest.raises(ValueError, match=rf"{found} where its index says float16 \[4, 3, 5\]"):
        LATENTS.read(npy(array), SHAPE)


@pytest.mark.parametrize("end", [0, 9, 127, 128, 247])
def test_an_array_that_was_cut_is_refused(end):
    with pytest.raises(ValueError, match=r"latents\.npy has no array where its index says"):
        LATENTS.read(npy(latents())[:end], SHAPE)


def test_any_damage_of_the_header_is_refused_and_nothing_else_is_raised():
    random.seed(0)
    data = npy(latents())
    padding = range(data.index(b"}") + 1, 127)
    for place in range(128):
        damaged = bytearray(data)
        damaged[place] ^= random.randrange(1, 256)
        if place in padding and damaged[place : place + 1].isspace():
            continue
        with pytest.raises(ValueError, match="where its index says"):
            LATENTS.read(bytes(damaged), SHAPE)


def test_bytes_of_columns_are_those_of_each_row():
    columns = [np.array(values) for values in ((4, 16), (3, 2), (5, 7))]
    assert LATENTS.length(*columns).tolist() == [4 * 3 * 5 * 2, 16 * 2 * 7 * 2]
    assert MASK.length(*columns).tolist() == [15, 14]
    assert MASK.length(4, 3, 5) == 15
