"""Copying samples from shards straight into the arrays of a batch."""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from ..compiler.errors import DatasetError
from ..compiler.files import SHARD_FILES, SHARDS
from .order import Numbers
from .samples import SampleTable
from .store import Store


@dataclass(frozen=True)
class Arrays:
    """A batch to be filled: latents float16 [B, C, H, W] and mask uint8 [B, 1, H, W].

    hidden, float16 [B, tokens, D], and pooled, float16 [B, P], are empty where no prompts are read.
    """

    latents: NDArray[Any]
    mask: NDArray[Any]
    hidden: NDArray[Any]
    pooled: NDArray[Any]


@dataclass(frozen=True)
class _Prompts:
    """Where the embeddings of a shard's prompts begin in its file."""

    hidden: int
    pooled: int


class ShardReader:
    """Reads a dataset's samples; for one thread.

    It reads rather than maps: a copy from the page cache costs no page faults, counts as nobody's
    memory, and needs no more than `open_files` descriptors for any number of shards.
    """

    def __init__(self, store: Store, table: SampleTable, open_files: int) -> None:
        self._store, self._table, self._limit = store, table, max(2, open_files)
        self._open: OrderedDict[tuple[int, str], int] = OrderedDict()
        self._prompts: dict[int, _Prompts] = {}

    def read(self, samples: Numbers, into: Arrays) -> list[dict[str, Any]]:
        """Fill the arrays with these samples; the samples' JSON.

        Raises:
            DatasetError: when a file is missing or shorter than its index says.
        """
        table = self._table
        shards = table.shard[samples].tolist()
        places = zip(
            shards,
            table.latents[samples].tolist(),
            table.mask[samples].tolist(),
            table.json[samples].tolist(),
            table.json_size[samples].tolist(),
            strict=True,
        )
        found = []
        for row, (shard, latents, mask, text, size) in enumerate(places):
            tar = self._file(shard, "tar")
            buffer = bytearray(size)
            self._fill(tar, into.latents[row], latents, shard)
            self._fill(tar, into.mask[row], mask, shard)
            self._fill(tar, buffer, text, shard)
            found.append(json.loads(buffer))
        if len(into.hidden):
            rows = table.prompt_row[samples].tolist()
            self._read_prompts(zip(shards, rows, strict=True), into.hidden, into.pooled)
        return found

    def close(self) -> None:
        """Close all files."""
        while self._open:
            os.close(self._open.popitem()[1])

    def _read_prompts(self, places: Any, hidden: NDArray[Any], pooled: NDArray[Any]) -> None:
        for row, (shard, prompt) in enumerate(places):
            file = self._file(shard, "text")
            begins = self._prompts.get(shard) or self._find_prompts(shard, file)
            self._fill(file, hidden[row], begins.hidden + prompt * hidden[row].nbytes, shard)
            self._fill(file, pooled[row], begins.pooled + prompt * pooled[row].nbytes, shard)

    def _find_prompts(self, shard: int, file: int) -> _Prompts:
        """Where the tensors begin: a safetensors file is a length, a JSON header and the data."""
        length = int.from_bytes(os.pread(file, 8, 0), "little")
        try:
            header = json.loads(os.pread(file, length, 8))
            if {header[name]["dtype"] for name in ("hidden", "pooled")} != {"F16"}:
                raise ValueError("its tensors are not float16")
            begins = [
                8 + length + int(header[name]["data_offsets"][0]) for name in ("hidden", "pooled")
            ]
        except (ValueError, KeyError, TypeError) as error:
            raise self._damaged(shard, "text", str(error)) from error
        return self._prompts.setdefault(shard, _Prompts(*begins))

    def _file(self, shard: int, name: str) -> int:
        key = (shard, name)
        if key in self._open:
            self._open.move_to_end(key)
            return self._open[key]
        record = self._table.headers[shard].files[name]
        opened = self._store.open_shard(shard, SHARD_FILES[name], record)
        self._open[key] = opened
        if len(self._open) > self._limit:
            os.close(self._open.popitem(last=False)[1])
        return opened

    def _fill(self, file: int, buffer: Any, offset: int, shard: int) -> None:
        size = len(buffer) if isinstance(buffer, bytearray) else buffer.nbytes
        if os.preadv(file, (buffer,), offset) != size:
            raise self._damaged(shard, "tar", "it is shorter than its index says")

    def _damaged(self, shard: int, name: str, reason: str) -> DatasetError:
        file = f"{self._store.name}/{SHARDS}/{shard:05d}"
        return DatasetError(
            f"{file}{SHARD_FILES[name]}: {reason}; delete {file}.parquet and compile again to "
            "restore it"
        )
