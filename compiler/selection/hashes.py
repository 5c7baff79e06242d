"""Hashes of the images that filters on duplicates compare, made in jobs and kept between runs."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from ...canvas.pictures.images import file_bytes, image_size
from ...canvas.row import Row, Value
from ...common.errors import RowError
from ...common.files import write_whole
from ...common.secrets import public_recipe
from ...dataset.names import STATE
from ..recipe import Recipe
from ..recipe_file import recipe_from_data
from .filters import DuplicateFilter, NearDuplicates, SizeFilter, check_size, check_values, of_kind
from .picture_hash import HASH_VERSION, exact_hash, perceptual_hash

#: Rows of a job, whose hashes are kept together.
ROWS_PER_JOB = 512

_HASHES, _ROW = "hashes", "row"


@dataclass(frozen=True)
class HashJob:
    """The input from which the hashes of some rows are made; plain data that can travel.

    `rows` is a slice of the scanned source, `ids` names each row and its data; `recipe` is the
    recipe's plain data and `recipe_folder` where its files are.
    """

    ids: NDArray[np.uint64]
    rows: pa.Table
    recipe: Mapping[str, Any]
    recipe_folder: Path


def hash_rows(job: HashJob) -> pa.Table:
    """The rows' ids in the column ``row``, and a uint64 column for each filter on duplicates.

    All are null where a row is not compared: it cannot be read, or another filter drops it.
    """
    recipe = recipe_from_data(job.recipe, job.recipe_folder)
    hashes = [_hash_row(recipe, row) for row in recipe.source.read(job.rows, recipe.columns)]
    columns = {
        item.label: pa.array([row[number] for row in hashes], pa.uint64())
        for number, item in enumerate(of_kind(DuplicateFilter, recipe.filters))
    }
    return pa.table({_ROW: job.ids, **columns})


def _hash_row(recipe: Recipe, row: Row) -> list[int] | list[None]:
    filters = of_kind(DuplicateFilter, recipe.filters)
    try:
        if row.error is not None:
            raise row.error
        check_values(recipe.filters, row.values)
        recipe.template.fill(row.values)
        # Read once: some lie behind a URL.
        images = {item.of: _content(row.values.get(item.of)) for item in filters}
        sizes = of_kind(SizeFilter, recipe.filters)
        for column in dict.fromkeys(panel.from_ for panel in recipe.panels.values()):
            if any(item.of in (None, column) for item in sizes):
                value = images.get(column) or _image(row.values.get(column))
                check_size(sizes, column, image_size(value))
        return [_hash(recipe, item, images[item.of]) for item in filters]
    except RowError:
        return [None] * len(filters)


def _image(value: Value) -> str | bytes | Image.Image:
    if not isinstance(value, str | bytes | Image.Image):
        raise RowError("read", "no image")
    return value


def _content(value: Value) -> bytes | Image.Image:
    value = _image(value)
    return value if isinstance(value, Image.Image) else file_bytes(value)


def _hash(recipe: Recipe, item: DuplicateFilter, image: bytes | Image.Image) -> int:
    if isinstance(item, NearDuplicates):
        return perceptual_hash(image, recipe.background, recipe.range_of(item.of))
    return exact_hash(image)


class HashStore:
    """The hashes of a dataset's rows, in its ``.compile`` folder; a table for each finished job.

    Rows are known by what names them and their data, so a row that moves keeps its hash and one
    that changes gets another. What was hashed for other filters is forgotten.
    """

    def __init__(self, output: Path, recipe: Recipe) -> None:
        names = [item.label for item in of_kind(DuplicateFilter, recipe.filters)]
        self._schema = pa.schema([(name, pa.uint64()) for name in (_ROW, *names)])
        folder = output / STATE / _HASHES / _spec(recipe)
        for other in folder.parent.glob("*"):
            if other != folder:
                shutil.rmtree(other)
        self.folder, self._jobs, self._all = folder, folder / "jobs", folder / "all.parquet"
        self._jobs.mkdir(parents=True, exist_ok=True)

    def keep(self, hashes: pa.Table) -> None:
        """Keep what a job made.

        Raises:
            OSError: when it cannot be written.
        """
        name = f"{hashes[_ROW][0].as_py():016x}.parquet"
        write_whole(self._jobs / name, to_parquet(hashes))

    def find(self, ids: NDArray[np.uint64]) -> tuple[NDArray[np.bool_], pa.Table]:
        """Which rows are known, and their hashes: a column for each filter on duplicates."""
        known = pa.concat_tables(self._tables())
        rows, hashes = known[_ROW].to_numpy(), known.drop_columns([_ROW])
        if not len(rows):
            return np.zeros(len(ids), bool), hashes
        order = np.argsort(rows)
        places = np.searchsorted(rows, ids, sorter=order)
        places = order[np.minimum(places, len(rows) - 1)]
        found = rows[places] == ids
        return found, hashes.take(pa.array(places[found]))

    def tidy(self, ids: NDArray[np.uint64], hashes: pa.Table) -> None:
        """Keep these rows alone, in one file, where jobs have left theirs.

        Raises:
            OSError: when it cannot be written.
        """
        done = list(self._jobs.iterdir())
        if done:
            write_whole(self._all, to_parquet(hashes.add_column(0, _ROW, pa.array(ids))))
        for path in done:
            path.unlink()

    def _tables(self) -> list[pa.Table]:
        """Read the tables there are; a damaged file is as if it had never been written."""
        paths = [self._all, *sorted(self._jobs.glob("*.parquet"))]
        tables = (read_parquet(path, self._schema) for path in paths)
        return [self._schema.empty_table(), *(table for table in tables if table is not None)]


def _spec(recipe: Recipe) -> str:
    """A digest, 16 digits, of what shapes the hashes of all rows."""
    plain = public_recipe(recipe.model_dump(mode="json", by_alias=True))
    shaping = [plain[key] for key in ("source", "filters", "panels", "background", "prompt")]
    text = json.dumps([HASH_VERSION, *shaping], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def row_ids(rows: pa.Table) -> NDArray[np.uint64]:
    """64 bits for each row of a scanned source, by its key and its stamp."""
    parts = [np.empty(0, np.uint64)]
    for batch in rows.select(["key", "stamp"]).to_batches(max_chunksize=65_536):
        pairs = zip(batch["key"].to_pylist(), batch["stamp"].to_pylist(), strict=True)
        digests = (
            hashlib.blake2b(f"{key}\0{stamp}".encode(), digest_size=8).digest()
            for key, stamp in pairs
        )
        parts.append(np.frombuffer(b"".join(digests), np.uint64))
    return np.concatenate(parts)


def hash_jobs(
    recipe: Recipe,
    recipe_folder: Path,
    rows: pa.Table,
    ids: NDArray[np.uint64],
    missing: NDArray[np.bool_],
) -> Iterator[HashJob]:
    """The jobs that hash the rows that are `missing`, bool [rows]."""
    plain = recipe.model_dump(mode="json", by_alias=True)
    for start in range(0, rows.num_rows, ROWS_PER_JOB):
        wanted = missing[start : start + ROWS_PER_JOB]
        if wanted.any():
            part = rows.slice(start, ROWS_PER_JOB).filter(pa.array(wanted))
            yield HashJob(ids[start : start + ROWS_PER_JOB][wanted], part, plain, recipe_folder)


def to_parquet(table: pa.Table) -> bytes:
    """A table as a Parquet file with checksums."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, write_page_checksum=True)
    return buffer.getvalue()


def read_parquet(path: Path, schema: pa.Schema) -> pa.Table | None:
    """The table that `to_parquet` wrote; None where it is not there, or no longer whole."""
    try:
        table = pq.read_table(path, page_checksum_verification=True)
    except (OSError, pa.ArrowException):
        return None
    return table if table.schema.equals(schema) else None
