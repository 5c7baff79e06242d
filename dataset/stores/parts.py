"""Which bytes of a remote file to ask for, where only some of it is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: A request takes about as long as so many bytes more of the one before. Measured with eight at
#: once, answers after 30 ms and 40 MB/s in all, reading 916 of 2,560 samples of 140 kB: 11.8 s with
#: a tenth of a megabyte, 5.9 s with this, 8.0 s with a megabyte, and 9.6 s for the whole shards.
REQUEST = 300_000
#: Where so much of a file is needed, it is fetched whole: it is then compared, and kept.
_MOST = 0.8


@dataclass(frozen=True, order=True)
class Part:
    """Consecutive bytes of a file."""

    offset: int
    size: int

    @property
    def end(self) -> int:
        """The offset of the first byte behind it."""
        return self.offset + self.size


def spans_of(parts: Sequence[Part]) -> list[Part]:
    """The fewest bytes and requests that have all parts: what lies close together is one span."""
    spans: list[Part] = []
    for part in sorted(parts):
        if spans and part.offset - spans[-1].end <= REQUEST:
            first = spans.pop()
            part = Part(first.offset, max(first.end, part.end) - first.offset)
        spans.append(part)
    return spans


def is_whole_quicker(spans: Sequence[Part], total: int) -> bool:
    """Whether a file of `total` bytes is fetched about as quickly as these spans of it."""
    needed = sum(span.size for span in spans) + (len(spans) - 1) * REQUEST
    return needed >= _MOST * total


def cut(parts: Sequence[Part], spans: Sequence[Part], data: Sequence[bytes]) -> list[bytes]:
    """The bytes of each part, from those of the spans; fewer where a span's end was missing."""
    found = []
    for part in parts:
        place = next(n for n, s in enumerate(spans) if s.offset <= part.offset <= s.end)
        start = part.offset - spans[place].offset
        found.append(data[place][start : start + part.size])
    return found
