"""Copying samples from shards straight into the arrays of a batch."""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..common.errors import DatasetError
from .names import SHARD_FILES, shard_name
from .samples import Numbers, SampleTable
from .stores.store import Store

#: What safetensors allows, so that a damaged length asks for no more memory.
_LONGEST_HEADER = 100_000_000
#: What safetensors calls the numbers of the prompts' arrays.
_KINDS = {"float16": "F16", "float32": "F32", "int32": "I32"}
#: Where to put the tar's headers and padding between the members of a sample; nobody reads it.
_BETWEEN = memoryview(bytearray(4096))
#: `json.loads` would take a third longer, to find out about encodings and white space.
_DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class Arrays:
    """A batch to be filled: latents float16 [B, C, H, W] and mask uint8 [B, 1, H, W].

    `texts`, [B, ...] by name, are the prompts' embeddings; empty where no prompts are read.
    """

    latents: NDArray[Any]
    mask: NDArray[Any]
    texts: Mapping[str, NDArray[Any]]


class ShardReader:
    """Reads a dataset's samples; for one thread.

    It reads rather than maps: a copy from the page cache costs no page faults, counts as nobody's
    memory, and needs no more than `open_files` descriptors for any number of shards.
    """

    def __init__(self, store: Store, table: SampleTable, open_files: int) -> None:
        self._store, self._table, self._limit = store, table, max(2, open_files)
        self._open: OrderedDict[tuple[int, str], int] = OrderedDict()
        self._prompts: dict[int, dict[str, int]] = {}

    def read(self, samples: Numbers, into: Arrays) -> list[dict[str, Any]]:
        """Fill the arrays with these samples; the samples' JSON.

        Raises:
            DatasetError: when a file is missing or is not what its index says.
        """
        table = self._table
        shards = table.shard[samples].tolist()
        places = zip(
            shards,
            table.latents[samples].tolist(),
            table.mask[samples].tolist(),
            table.json[samples].tolist(),
            table.json_size[samples].tolist(),
            into.latents,
            into.mask,
            strict=True,
        )
        found = []
        for shard, latents_at, mask_at, text_at, size, latents, mask in places:
            text = np.empty(size, np.uint8)
            parts = [(latents, latents_at), (mask, mask_at), (text, text_at)]
            if not self._fill_at_once(parts, shard):
                for part, offset in parts:
                    self._fill(part, shard, "tar", offset)
            found.append(self._parse(text, shard))
        if into.texts:
            rows = table.prompt_row[samples].tolist()
            self._read_prompts(zip(shards, rows, strict=True), into.texts)
        return found

    def close(self) -> None:
        """Close all files."""
        while self._open:
            os.close(self._open.popitem()[1])

    def _fill_at_once(self, parts: Sequence[tuple[NDArray[Any], int]], shard: int) -> bool:
        """Fill arrays from their offsets in a tar with one call; whether that was possible.

        The members of a sample follow each other as the compiler writes them, and a call for each
        would take a tenth longer. What goes wrong is left to `_fill` to name.
        """
        buffers: list[Any] = []
        begin = end = parts[0][1]
        for array, offset in parts:
            if not 0 <= offset - end <= len(_BETWEEN):
                return False
            buffers += (_BETWEEN[: offset - end], array)
            end = offset + array.nbytes
        try:
            return os.preadv(self._file(shard, "tar"), buffers, begin) == end - begin
        except OSError:
            return False

    def _parse(self, text: NDArray[np.uint8], shard: int) -> dict[str, Any]:
        try:
            sample: dict[str, Any] = _DECODER.raw_decode(text.tobytes().decode())[0]
        except ValueError as error:
            raise self._damaged(shard, "tar", f"a sample's JSON cannot be read: {error}") from error
        return sample

    def _read_prompts(
        self, places: Iterable[tuple[int, int]], texts: Mapping[str, NDArray[Any]]
    ) -> None:
        for row, (shard, prompt) in enumerate(places):
            begins = self._prompts.get(shard) or self._find_prompts(shard, texts)
            for name, array in texts.items():
                one = array[row : row + 1]
                self._fill(one, shard, "text", begins[name] + prompt * one.nbytes)

    def _find_prompts(self, shard: int, texts: Mapping[str, NDArray[Any]]) -> dict[str, int]:
        """Where the tensors begin: a safetensors file is a length, a JSON header and the data."""
        start = np.empty(8, np.uint8)
        self._fill(start, shard, "text", 0)
        length = int.from_bytes(start.tobytes(), "little")
        try:
            if length > _LONGEST_HEADER:
                raise ValueError("it does not begin as safetensors do")
            header = json.loads(os.pread(self._file(shard, "text"), length, 8))
            begins = {
                name: 8 + length + _offset_of(header[name], array) for name, array in texts.items()
            }
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise self._damaged(shard, "text", f"cannot be read: {error}") from error
        return self._prompts.setdefault(shard, begins)

    def _file(self, shard: int, name: str) -> int:
        key = (shard, name)
        if key in self._open:
            self._open.move_to_end(key)
            return self._open[key]
        while len(self._open) >= self._limit:
            os.close(self._open.popitem(last=False)[1])
        record = self._table.files[shard][name]
        self._open[key] = self._store.open_shard(shard, SHARD_FILES[name], record)
        return self._open[key]

    def _fill(self, buffer: NDArray[Any], shard: int, name: str, offset: int) -> None:
        """Fill a contiguous array from a file of a shard."""
        file = self._file(shard, name)
        left: Any = buffer.reshape(-1).view(np.uint8)
        while len(left):  # file systems over a network can give less than was asked for
            try:
                count = os.preadv(file, (left,), offset)
            except OSError as error:
                raise self._damaged(shard, name, f"cannot be read: {error.strerror}") from error
            if not count:
                raise self._damaged(shard, name, "it is shorter than its index says")
            left, offset = left[count:], offset + count

    def _damaged(self, shard: int, name: str, reason: str) -> DatasetError:
        file = f"{self._store.name}/{shard_name(shard, '')}"
        return DatasetError(
            f"{file}{SHARD_FILES[name]}: {reason}; delete {file}.parquet and compile again to "
            "restore it"
        )


def _offset_of(tensor: dict[str, Any], rows: NDArray[Any]) -> int:
    """Where a tensor's data begin after the header; its rows must be of the kind of these."""
    kind, shape = _KINDS[rows.dtype.name], list(rows.shape[1:])
    if tensor["dtype"] != kind or tensor["shape"][1:] != shape:
        raise ValueError(
            f"has {tensor['dtype']} {tensor['shape'][1:]} for a prompt, expected {kind} {shape}"
        )
    return int(tensor["data_offsets"][0])
