"""Facts about a dataset: of the whole from its indexes, the rest from a selection of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ...canvas.findings import Counts, add_up, found_in_shards
from ...common.report import Report, Silent
from ...dataset.catalogue import Catalogue
from ...dataset.members import SHAPE
from ...dataset.names import shard_stem
from ...dataset.remarks import Remark, remarks_of
from ...dataset.stored import StoredSample, Unreadable, read_samples
from .expectation import Expectation, expectation_of, judge
from .prompts import look_at_prompts
from .selection import Selection
from .sight import Sight
from .statistics import Channel, LatentTally, Spread, spread_of

_SHARES = np.linspace(0, 1, 21)
#: Samples that a line about a problem names before it counts the rest.
_NAMED = 3


@dataclass(frozen=True)
class Shape:
    """Latents of one shape, [C, H, W], and how many samples have it."""

    channels: int
    height: int
    width: int
    samples: int


@dataclass(frozen=True)
class Reason:
    """Why rows were rejected, and how many."""

    stage: str
    reason: str
    rows: int


@dataclass(frozen=True)
class Prompts:
    """The prompts of all samples; `cut` are longer than the text encoders take.

    `cut` counts a prompt once for each shard that has it. `length` is in characters.
    """

    distinct: int
    empty: int
    cut: int
    length: Spread | None


@dataclass(frozen=True)
class Whole:
    """Facts that the indexes tell of all samples.

    `factor` is the px along a side of a latent cell; `bytes` are those of tars and embeddings.
    `dropped` counts the rows that filters drop, and `filters` those of each.
    """

    dataset: str
    task: str
    complete: bool
    factor: int
    samples: int
    shards: int
    bytes: int
    rejected: int
    dropped: int
    shapes: tuple[Shape, ...]
    prompts: Prompts
    reasons: tuple[Reason, ...]
    filters: dict[str, int]


@dataclass(frozen=True)
class Selected:
    """Facts that the bytes of a selection tell; `samples` of those drawn out of `of` could be read.

    `channels` are those of the latents; `target_share` is that of the mask's cells.
    """

    samples: int
    drawn: int
    of: int
    seed: int
    bytes: int
    channels: tuple[Channel, ...]
    target_share: Spread | None


@dataclass(frozen=True)
class Facts:
    """The facts of a dataset, of the whole and of a selection; `problems` are each in a line.

    `remarks` are what may be wrong or should be known, seen while compiling or now.
    """

    whole: Whole
    selected: Selected
    expected: Expectation
    problems: tuple[str, ...]
    remarks: tuple[Remark, ...]


def gather_facts(catalogue: Catalogue, selection: Selection, report: Report | None = None) -> Facts:
    """Gather the facts of a dataset, from its indexes and from the samples drawn."""
    info = catalogue.info
    expected, disagreements = expectation_of(info.model)
    sight = Sight(info.layout, is_narrowed=info.canvas.target.mask is not None)
    selected, problems = _measure(catalogue, selection, sight, report or Silent())
    far_off = judge(selected.channels, expected, info.model.scaling_factor)
    problems = [*catalogue.problems, *problems, *disagreements, *([far_off] if far_off else [])]
    seen = add_up([sight.counts(), look_at_prompts(catalogue)])
    return Facts(
        whole=describe_whole(catalogue),
        selected=selected,
        expected=expected,
        problems=tuple(problems),
        remarks=remarks_of(_joined(_recorded(catalogue), seen)),
    )


def _recorded(catalogue: Catalogue) -> Counts:
    """Findings of compiling; of an unfinished dataset, those of the shards that are there."""
    if catalogue.info.found is not None:
        return catalogue.info.found
    return found_in_shards((shard_stem(h.number), h.findings) for h in catalogue.headers)


def _joined(recorded: Counts, seen: Counts) -> Counts:
    """Join findings, but for kinds that are seen in no more samples than are recorded."""
    known: Counter[str] = Counter()
    for finding, count in recorded.items():
        known[finding.kind] += count.number
    more = {finding: c for finding, c in seen.items() if c.number > known[finding.kind]}
    return add_up([recorded, more])


def describe_whole(catalogue: Catalogue) -> Whole:
    """Describe all samples by what the indexes say."""
    headers = catalogue.headers
    rejected = (row for header in headers for row in header.rejected)
    reasons = Counter((row.stage, row.reason) for row in rejected)
    filters: Counter[str] = Counter()
    for header in headers:
        filters.update({label: len(rows) for label, rows in header.dropped.items()})
    return Whole(
        dataset=catalogue.name,
        task=catalogue.info.task,
        complete=catalogue.info.complete,
        factor=catalogue.info.model.factor,
        samples=catalogue.samples.num_rows,
        shards=len(headers),
        bytes=sum(record.size for header in headers for record in header.files.values()),
        rejected=reasons.total(),
        dropped=filters.total(),
        shapes=tuple(_shapes(catalogue.samples)),
        prompts=_prompts(catalogue.samples, sum(header.cut_prompts for header in headers)),
        reasons=tuple(Reason(*why, rows) for why, rows in reasons.most_common()),
        filters=dict(filters.most_common()),
    )


def _shapes(samples: pa.Table) -> Iterator[Shape]:
    """The distinct shapes, the most common first."""
    counts = samples.group_by(list(SHAPE)).aggregate([([], "count_all")]).to_pylist()
    for row in sorted(counts, key=lambda row: (-row["count_all"], *(row[n] for n in SHAPE))):
        yield Shape(**{name: row[name] for name in SHAPE}, samples=row["count_all"])


def _prompts(samples: pa.Table, cut: int) -> Prompts:
    lengths = pc.utf8_length(samples["prompt"]).to_numpy()
    return Prompts(
        distinct=pc.count_distinct(samples["prompt"]).as_py(),
        empty=int((lengths == 0).sum()),
        cut=cut,
        length=spread_of(lengths),
    )


def _measure(
    catalogue: Catalogue, selection: Selection, sight: Sight, report: Report
) -> tuple[Selected, list[str]]:
    """The selected samples in figures, and what is wrong with them."""
    findings = _Findings()
    channels = catalogue.info.latents.shape[0]
    tally, shares, read = LatentTally(channels), [], 0
    report.begin(len(selection.numbers), verb="reading", unit="samples")
    try:
        for sample in read_samples(catalogue, selection.numbers):
            report.advance(1)
            if isinstance(sample, Unreadable):
                findings.add(f"{sample.file}: {sample.reason}", sample.number)
                continue
            read += 1
            shares.append(float(np.count_nonzero(sample.mask) / sample.mask.size))
            if len(sample.latents) != channels:
                findings.add(f"the latents have not {channels} channels", sample.number)
            elif not tally.add(sample.latents):
                findings.add("NaN or infinity in the latents", sample.number)
            elif sample.mask.any():
                sight.add(sample)
            _check_mask(sample, findings)
    finally:
        report.end()
    selected = Selected(
        samples=read,
        drawn=len(selection.numbers),
        of=selection.of,
        seed=selection.seed,
        bytes=selection.bytes,
        channels=tuple(tally.channel(number) for number in range(channels)) if read else (),
        target_share=spread_of(shares, _SHARES),
    )
    return selected, list(findings.lines())


def _check_mask(sample: StoredSample, findings: _Findings) -> None:
    if sample.mask.max() > 1:
        findings.add("values in the mask that are neither 0 nor 1", sample.number)
    elif not sample.mask.any():
        findings.add("an empty mask: there is no target to learn", sample.number)


class _Findings:
    """Problems of samples, and the samples that have them."""

    def __init__(self) -> None:
        self._samples: dict[str, list[int]] = {}

    def add(self, finding: str, sample: int) -> None:
        """A sample has it, too."""
        self._samples.setdefault(finding, []).append(sample)

    def lines(self) -> Iterator[str]:
        """A line for each finding, with the first samples that have it."""
        for finding, samples in self._samples.items():
            named = ", ".join(map(str, samples[:_NAMED]))
            more = f" and {len(samples) - _NAMED} more" if len(samples) > _NAMED else ""
            yield f"{finding} (sample{'s' if len(samples) > 1 else ''} {named}{more})"
