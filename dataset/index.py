"""The index beside each shard: where every sample lies, and the mark that the shard is complete."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..canvas.findings import Counts, from_data, to_data
from ..common.errors import DatasetError
from ..common.files import settle
from .finite import Watch
from .members import MEMBERS, SHAPE
from .names import SHARD_FILES, shard_name

_HEADER = b"onepic"

#: One row for each sample. `key` is the member's prefix in the tar, `source` the row's own name;
#: offsets count from the start of the tar to the first byte of the member.
SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("source", pa.string()),
        ("stamp", pa.string()),
        ("prompt", pa.string()),
        ("prompt_row", pa.int32()),
        *((name, pa.int32()) for name in SHAPE),
        *((name, pa.int64()) for member in MEMBERS for name in member.columns),
        ("group", pa.string()),
        ("target_images", pa.list_(pa.int64())),
        ("context_images", pa.list_(pa.int64())),
    ]
)
#: The columns of `sharing.Shared`. They came later: older indexes lack them.
SHARED = ("group", "target_images", "context_images")
_FIRST_SCHEMA = pa.schema([field for field in SCHEMA if field.name not in SHARED])


@dataclass(frozen=True)
class FileRecord:
    """A file of the shard: its size in bytes and its SHA-256."""

    size: int
    sha256: str


def record_of(chunks: Iterable[bytes], watch: Watch | None = None) -> FileRecord:
    """The record of a file, from its bytes in pieces, which `watch` is shown as well."""
    digest, size = hashlib.sha256(), 0
    if watch:
        watch.begin()
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
        if watch:
            watch.see(chunk)
    return FileRecord(size, digest.hexdigest())


@dataclass(frozen=True)
class Rejection:
    """A row that was not compiled: its key in the dataset, its own name, the stage, the reason."""

    key: str
    source: str
    stamp: str
    stage: str
    reason: str


@dataclass(frozen=True)
class ShardHeader:
    """A shard as it is known without reading its rows.

    `panels` counts the cells of all canvases, `distinct_panels` those that were encoded;
    `cut_prompts` those of `prompts` that were longer than the text encoders take. `files` has
    ``tar`` and ``text``, and is empty where no row was compiled. `dropped` are the rows that
    filters drop, by the filters' labels; `findings` what was seen of the samples, None in an index
    that was made before this was counted.
    """

    fingerprint: str
    number: int
    samples: int
    panels: int
    distinct_panels: int
    prompts: int
    cut_prompts: int
    files: dict[str, FileRecord]
    rejected: tuple[Rejection, ...]
    dropped: dict[str, tuple[Rejection, ...]] = field(default_factory=dict)
    findings: Counts | None = field(default_factory=dict)

    @property
    def rows(self) -> dict[str, int]:
        """How many rows were compiled, rejected and dropped, by the names in dataset.json."""
        dropped = sum(map(len, self.dropped.values()))
        return {"samples": self.samples, "rejected": len(self.rejected), "dropped": dropped}

    @property
    def left_out(self) -> list[Rejection]:
        """All rows that were not compiled, rejected and dropped, in order."""
        dropped = (row for rows in self.dropped.values() for row in rows)
        return sorted((*self.rejected, *dropped), key=lambda row: row.key)

    def to_json(self) -> bytes:
        """The header as it is kept in the Parquet file's metadata."""
        data = asdict(replace(self, findings=None))
        if self.findings is not None:
            data["findings"] = to_data(self.findings)
        return json.dumps(data, ensure_ascii=False).encode()

    @classmethod
    def from_json(cls, text: bytes) -> ShardHeader:
        """The inverse of `to_json`."""
        data = json.loads(text)
        data["files"] = {name: FileRecord(**record) for name, record in data["files"].items()}
        data["rejected"] = tuple(Rejection(**row) for row in data["rejected"])
        data["dropped"] = {
            label: tuple(Rejection(**row) for row in rows)
            for label, rows in data.get("dropped", {}).items()
        }
        found = data.get("findings")
        data["findings"] = None if found is None else from_data(found)
        return cls(**data)


def write_index(
    temporary: Path, final: Path, header: ShardHeader, samples: Sequence[dict[str, Any]]
) -> None:
    """Write the index under its temporary name, then give it its own: the shard is complete."""
    table = pa.Table.from_pylist(list(samples), schema=SCHEMA)
    table = table.replace_schema_metadata({_HEADER: header.to_json()})
    pq.write_table(table, temporary, write_page_checksum=True)
    settle(temporary, final)


def read_header(source: Path | pa.NativeFile) -> ShardHeader | None:
    """The header of an index; None where there is no index or it is damaged."""
    try:
        return header_of(pq.read_schema(source))
    except (OSError, pa.ArrowException, ValueError):
        return None


def header_of(schema: pa.Schema) -> ShardHeader:
    """The header in the metadata of an index's schema.

    Raises:
        ValueError: when there is none that can be read.
    """
    try:
        return ShardHeader.from_json(schema.metadata[_HEADER])
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError("its header is missing or not one of onepic") from error


def missized(header: ShardHeader, sizes: Mapping[str, int]) -> Iterator[str]:
    """Which of a shard's files are missing, or have other sizes than its index says.

    `sizes` are the bytes of the files that are there, by their paths in the dataset.
    """
    for name, record in header.files.items():
        path = shard_name(header.number, SHARD_FILES[name])
        file = path.rpartition("/")[2]
        if path not in sizes:
            yield f"{file} is missing"
        elif sizes[path] != record.size:
            yield f"{file} has {sizes[path]} bytes instead of {record.size}"


def read_columns(path: Path, columns: Sequence[str]) -> tuple[ShardHeader, pa.Table]:
    """The header and some columns of an index, from one opening of the file.

    Of those that came later, an older index has none: the table then lacks them.

    Raises:
        OSError, pa.ArrowException, ValueError: when the file is missing or damaged.
    """
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        _check_columns(file.schema_arrow)
        present = [name for name in columns if name in file.schema_arrow.names]
        return header_of(file.schema_arrow), file.read(present, use_threads=False)


def read_index(path: Path | pa.NativeFile) -> pa.Table:
    """The rows of an index, with `SCHEMA`'s columns; an older one lacks those that came later.

    Raises:
        DatasetError: when the file is missing or damaged.
    """
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        _check_columns(table.schema)
    except (OSError, pa.ArrowException, ValueError) as error:
        raise DatasetError(
            f"{path}: the shard's index cannot be read ({error}); delete it and compile "
            "again to restore it"
        ) from error
    return table


def _check_columns(schema: pa.Schema) -> None:
    if not schema.equals(SCHEMA) and not schema.equals(_FIRST_SCHEMA):
        raise ValueError("its columns are not those of this format version")
