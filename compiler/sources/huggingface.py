"""Datasets of the Hugging Face Hub, or saved by the `datasets` library, as a source."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from pydantic import Field

from ...canvas.row import Columns, Row, Value
from ...common.errors import RowError, SourceError
from ...common.strict import suggest
from ...tables.cells import cell_stamps, content_stamps, join_stamps, values_of_cells
from ...tables.mapped import check_keys, constant, map_batches
from ...tables.places import file_stamp, is_url, name_of, reason_of, resolve
from ...tables.source import Source

_ROWS_AT_ONCE = 20_000
_IMAGES_AT_ONCE = 32
_PATHS_OR_BYTES = ("string", "large_string", "binary", "large_binary")
#: Files by which a folder is known as one that `save_to_disk` wrote.
SAVED_FILES = ("state.json", "dataset_dict.json")


class HuggingFaceSource(Source):
    """A dataset of the Hub, a folder that `save_to_disk` wrote, or files that `datasets` loads.

    Its Image features are handed on as they are stored, in bytes or as paths.

    By default all rows carry one stamp: names, sizes and modification times of the Arrow files that
    `datasets` made or saved. These are public, equal in every process that sees the same files, and
    new when the library made the dataset again from changed data; its own fingerprint is private
    and can be random. With ``stamp: checksum`` (and for a dataset without files) a row's stamp is
    of its own data, so that a row added leaves the others as they are, on any machine.
    """

    kind: Literal["huggingface"] = "huggingface"
    path: str = Field(description="A Hub id such as user/name, or a folder.")
    name: str | None = Field(default=None, description="The configuration, where there are many.")
    split: str = Field(default="train", description="The split of the dataset.")
    revision: str | None = Field(
        default=None, description="Branch, tag or commit of the dataset on the Hub."
    )
    key: str | None = Field(
        default=None, description="The column that names rows; by default their numbers do."
    )

    def scan(self, columns: Columns, base: Path) -> pa.Table:
        """List the dataset's rows; see `Source.scan`."""
        place = self._place(base)
        _open.cache_clear()
        dataset = self._open(place)
        self._check(dataset, columns)
        table = map_batches(_schema(), self._batches(dataset, columns, place))
        if not len(table):
            raise SourceError(f"{self.path}: has no rows in the split {self.split!r}")
        if self.key is not None:
            check_keys(table["key"], self.path)
        return table

    def read(self, rows: pa.Table, columns: Columns) -> Iterator[Row]:
        """Read the rows of a slice; see `Source.read`."""
        if not len(rows):
            return
        dataset = _selected(self._open(rows["path"][0].as_py()), columns.names)
        for row in rows.select(["key", "row"]).to_pylist():
            read = partial(self._read_values, dataset, row["row"], columns)
            yield Row.reading(row["key"], read)

    def _read_values(self, dataset: Any, number: int, columns: Columns) -> dict[str, Value]:
        try:
            cells = _name_classes(dataset.features, dataset[number])
        except Exception as error:  # Arrow has errors of many kinds
            reason = f"{self.path}, row {number} cannot be read: {reason_of(error)}"
            raise RowError("read", reason) from error
        return values_of_cells(cells, columns, "/")

    def _place(self, base: Path) -> str:
        local = resolve(self.path, base)
        return local if not is_url(local) and Path(local).exists() else self.path

    def _open(self, place: str) -> Any:
        return _open(place, self.name, self.split, self.revision)

    def _check(self, dataset: Any, columns: Columns) -> None:
        from datasets import Image

        columns.check(dataset.column_names, self.path)
        if self.key is not None:
            Columns((self.key,)).check(dataset.column_names, self.path)
        for name in columns.images:
            feature = dataset.features[name]
            paths = getattr(feature, "dtype", "") in _PATHS_OR_BYTES
            if not paths and not isinstance(feature, Image):
                expected = "an Image feature, paths or bytes"
                message = f"{self.path}: the column {name!r} is {feature}; expected {expected}"
                raise SourceError(message)

    def _batches(self, dataset: Any, columns: Columns, place: str) -> Iterator[pa.RecordBatch]:
        shared = None if self.stamp == "checksum" else _stamp_of_files(dataset)
        length = len(dataset)
        at_once = _ROWS_AT_ONCE if shared else _IMAGES_AT_ONCE
        needed = () if shared else columns.names
        read = _selected(dataset, (*needed, *([self.key] if self.key is not None else [])))
        for start in range(0, length, at_once):
            numbers = list(range(start, min(start + at_once, length)))
            cells = read[start : start + at_once] if read.column_names else {}
            stamps = [shared] * len(numbers) if shared else self._row_stamps(cells, columns)
            keys = list(map(str, numbers if self.key is None else cells[self.key]))
            path = constant(len(numbers), [place])
            yield pa.record_batch([keys, stamps, numbers, path], schema=_schema())

    def _row_stamps(self, cells: dict[str, list[Any]], columns: Columns) -> list[str]:
        images = {n: cell_stamps(cells[n], "/", "checksum") for n in columns.images}
        texts = [cells[name] for name in columns.only_texts if name in cells]
        return join_stamps(images, content_stamps(texts, len(next(iter(images.values())))))


def _schema() -> pa.Schema:
    path = pa.dictionary(pa.int32(), pa.string())
    texts = [("key", pa.string()), ("stamp", pa.string())]
    return pa.schema([*texts, ("row", pa.int64()), ("path", path)])


@lru_cache(maxsize=2)
def _open(place: str, name: str | None, split: str, revision: str | None) -> Any:
    """The dataset with its images left encoded."""
    from datasets import DatasetDict, Image, disable_progress_bars, load_dataset, load_from_disk

    disable_progress_bars()
    try:
        if any(Path(place, file).is_file() for file in SAVED_FILES) or is_url(place):
            dataset = load_from_disk(place)
        else:
            dataset = load_dataset(place, name, split=split, revision=revision)
    except Exception as error:  # the library has errors of many kinds
        raise SourceError(f"{place}: `datasets` cannot load it: {reason_of(error)}") from error
    if isinstance(dataset, DatasetDict):
        if split not in dataset:
            raise SourceError(f"{place}: no split {split!r}; {suggest(split, dataset)}")
        dataset = dataset[split]
    for column, feature in dataset.features.items():
        if isinstance(feature, Image):
            dataset = dataset.cast_column(column, Image(decode=False))
    return dataset


def _selected(dataset: Any, names: tuple[str, ...]) -> Any:
    return dataset.select_columns([n for n in dict.fromkeys(names) if n in dataset.column_names])


def _stamp_of_files(dataset: Any) -> str | None:
    """One stamp for all rows, from the files that hold them; None for a dataset in memory."""
    files = [file["filename"] for file in dataset.cache_files]
    if not files:
        return None
    stamps = sorted(f"{name_of(file)} {file_stamp(file, 'stat')}" for file in files)
    return f"data={hashlib.sha256(' '.join(stamps).encode()).hexdigest()[:16]}"


def _name_classes(features: Any, cells: dict[str, Any]) -> dict[str, Any]:
    """Cells with the names of classes in place of their numbers; below 0 there is no class."""
    from datasets import ClassLabel

    def name_of_class(feature: Any, number: int | None) -> str | None:
        return None if number is None or number < 0 else str(feature.int2str(number))

    return {
        name: name_of_class(features[name], value)
        if isinstance(features[name], ClassLabel)
        else value
        for name, value in cells.items()
    }
