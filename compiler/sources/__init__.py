"""Where the rows come from: photographs, scenes, folders, tables, Hub datasets, WebDataset tars.

A source is found by its ``kind``; `tables.source` says what each offers.

- `infer`: the short form that commands take, such as a folder or a file.
- `photos`, `photographs`, `scenes`: rows that come with onepic.
- `folder`, `folder_rows`: folders of images; `listing`, `patterns`, `no_data`, `passed`: which
  files those are; `matching`, `spelling`: which belong together; `captions`, `metadata`,
  `row_texts`: what is said of them.
- `huggingface`: datasets of the Hub.
- `tars`, `tar_index`, `tar_links`, `members`, `unread`: WebDataset tars.
- `groups`: rows of several rows of another source.
- `presets`: the layouts of published datasets.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ...canvas.row import Columns, Row, Value
from ...tables.source import Source, StampKind
from ...tables.table import TableSource
from .folder import FolderSource
from .groups import GroupsSource, Member, SequencesSource
from .huggingface import HuggingFaceSource
from .infer import infer_source
from .photos import PhotosSource
from .presets import DreamBenchSource, DressCodeSource, MagicBrushSource, VitonHDSource
from .scenes import ScenesSource
from .tars import WebDatasetSource

AnySource = Annotated[
    Member | VitonHDSource | DressCodeSource | GroupsSource | SequencesSource,
    Field(discriminator="kind"),
]

__all__ = [
    "AnySource",
    "Columns",
    "DreamBenchSource",
    "DressCodeSource",
    "FolderSource",
    "GroupsSource",
    "HuggingFaceSource",
    "MagicBrushSource",
    "PhotosSource",
    "Row",
    "ScenesSource",
    "SequencesSource",
    "Source",
    "StampKind",
    "TableSource",
    "Value",
    "VitonHDSource",
    "WebDatasetSource",
    "infer_source",
]
