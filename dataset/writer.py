"""Writing one shard: samples into a tar, prompts beside it, and the index that completes it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from ..backbones.texts import Embeddings
from ..canvas.findings import Counts
from ..canvas.sharing import Shared
from ..common.files import settle, sha256
from ..common.lock import check_token
from .index import FileRecord, Rejection, ShardHeader, write_index
from .members import LATENTS, MASK, MEMBERS, SHAPE
from .names import SHARD_FILES, STATE, shard_path, shard_stem
from .tar import TarWriter


@dataclass(frozen=True)
class Sample:
    """One canvas, ready to be written.

    `latents` are float16 [C, H, W], `mask` uint8 [1, H, W], `preview` an encoded WebP, `metadata`
    what goes into the sample's JSON, `shared` what the sample may share with others.
    """

    key: str
    source: str
    stamp: str
    prompt: str
    latents: NDArray[np.float16]
    mask: NDArray[np.uint8]
    preview: bytes
    metadata: Mapping[str, Any]
    shared: Shared = field(default_factory=Shared)


class ShardWriter:
    """Collects a shard under temporary names; `complete` gives it its own, the index last.

    A shard that is not completed leaves nothing behind but what it replaced.
    """

    def __init__(self, output: Path, number: int, token: str) -> None:
        self._output, self._number, self._token = output, number, token
        folder, stem = output / STATE, f"{shard_stem(number)}.{token}"
        self._tar_path = folder / f"{stem}.tar"
        self._text_path = folder / f"{stem}.safetensors"
        self._index_path = folder / f"{stem}.parquet"
        self._file = self._tar_path.open("wb", buffering=1 << 20)
        self._tar = TarWriter(self._file)
        self._rows: list[dict[str, Any]] = []
        self._prompts: dict[str, int] = {}

    @property
    def prompts(self) -> list[str]:
        """The distinct prompts of the samples so far, in order of appearance."""
        return list(self._prompts)

    @property
    def samples(self) -> int:
        """How many samples were added."""
        return len(self._rows)

    def add(self, sample: Sample) -> None:
        """Append one sample.

        Raises:
            OSError: when it cannot be written.
            ValueError: when its arrays are none that a shard has.
        """
        prompt_row = self._prompts.setdefault(sample.prompt, len(self._prompts))
        metadata = {**sample.metadata, "prompt_row": prompt_row}
        shape = sample.latents.shape
        contents = {
            "latents": LATENTS.write(sample.latents, shape),
            "mask": MASK.write(sample.mask, shape),
            "json": json.dumps(metadata, ensure_ascii=False).encode(),
            "txt": sample.prompt.encode(),
            "webp": sample.preview,
        }
        row: dict[str, Any] = {"key": sample.key, "source": sample.source, "stamp": sample.stamp}
        row |= {"prompt": sample.prompt, "prompt_row": prompt_row}
        row |= dict(zip(SHAPE, shape, strict=True))
        for member in MEMBERS:
            at = self._tar.add(f"{sample.key}.{member.extension}", contents[member.name])
            row |= dict(zip(member.columns, (at.offset, at.size), strict=True))
        self._rows.append(row | asdict(sample.shared))

    def complete(
        self,
        fingerprint: str,
        embeddings: Embeddings | None,
        rejected: Sequence[Rejection],
        panels: tuple[int, int],
        dropped: Mapping[str, Sequence[Rejection]] | None = None,
        findings: Counts | None = None,
    ) -> ShardHeader:
        """Write the prompts' embeddings and the index, and put everything in its place.

        `embeddings` has a row for each of `prompts`, and is None for a shard without samples, which
        leaves an index alone. `rejected` and, by filter, `dropped` are the rows that were not
        compiled, and `findings` what was seen of those that were. `panels` counts all panels and
        the distinct ones.

        Raises:
            OSError: when something cannot be written.
            RunError: when another run has taken over the output folder.
        """
        tar_hash = self._tar.finish()
        self._file.close()
        files: dict[str, FileRecord] = {}
        if embeddings is not None:
            # save_file would keep other users out, and raise no OSError on a full disk.
            self._text_path.write_bytes(save(embeddings.arrays))
            files["tar"] = FileRecord(self._tar.size, tar_hash)
            files["text"] = FileRecord(self._text_path.stat().st_size, sha256(self._text_path))
        header = ShardHeader(
            fingerprint=fingerprint,
            number=self._number,
            samples=self.samples,
            panels=panels[0],
            distinct_panels=panels[1],
            prompts=len(self._prompts),
            cut_prompts=sum(embeddings.cut) if embeddings else 0,
            files=files,
            rejected=tuple(rejected),
            dropped={label: tuple(rows) for label, rows in (dropped or {}).items()},
            findings=findings or {},
        )
        check_token(self._output, STATE, self._token)
        index = shard_path(self._output, self._number, ".parquet")
        index.unlink(missing_ok=True)
        for name, temporary in (("tar", self._tar_path), ("text", self._text_path)):
            final = shard_path(self._output, self._number, SHARD_FILES[name])
            if name in files:
                settle(temporary, final)
            else:
                final.unlink(missing_ok=True)
        write_index(self._index_path, index, header, self._rows)
        return header

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._file.close()
        except OSError:
            # The disk is full and the last bytes could not be flushed; that error is on its way.
            if error is None:
                raise
        for path in (self._tar_path, self._text_path, self._index_path):
            path.unlink(missing_ok=True)
