"""NaN and infinity in latents are found in the bytes of a tar, however these come."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pytest

from onepic.dataset.finite import FiniteWatch
from onepic.dataset.index import SCHEMA, record_of
from onepic.dataset.members import LATENTS
from onepic.dataset.tar import TarWriter


def tar_of(*values):
    """A tar with latents [4, 2, 3] that hold each of the values once, and its index."""
    file = io.BytesIO()
    tar, rows = TarWriter(file), []
    for number, value in enumerate(values):
        latents = np.ones((4, 2, 3), np.float16)
        latents[number % 4, 1, 2] = value
        key = f"{number:09d}"
        member = tar.add(f"{key}.latents.npy", LATENTS.write(latents, latents.shape))
        tar.add(f"{key}.webp", b"\xff\x7f" * 40)  # NaN, if it were latents
        place = {"latents_offset": member.offset, "latents_size": member.size}
        sizes = {"channels": 4, "height": 2, "width": 3}
        rows.append({"key": key, "source": f"{number}.png", **place, **sizes})
    tar.finish()
    return file.getvalue(), pa.Table.from_pylist(rows, schema=SCHEMA)


@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 20])
def test_samples_that_are_not_finite_are_named(size):
    data, index = tar_of(np.nan, 65504, np.inf, -65504, -np.inf, 0)
    watch = FiniteWatch(index)
    for _ in range(2):  # a store is read again where the network broke
        chunks = [data[start : start + size] for start in range(0, len(data), size)]
        record_of(chunks, watch)
        assert list(watch.broken) == [f"{n:09d} ({n}.png)" for n in (0, 2, 4)]
    watch.begin()
    assert not watch.broken
