"""The facts of a dataset for people on a terminal, for a log, and for scripts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from ...dataset.remarks import doubts_in, printable, remark_lines
from .facts import Facts, Selected, Shape, Whole
from .statistics import Channel

if TYPE_CHECKING:
    from rich.console import RenderableType

#: Problems, reasons and shapes that are shown before the rest is counted.
_SHOWN_PROBLEMS, _SHOWN_REASONS, _SHOWN_SHAPES = 20, 8, 8
_UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))

Rows = list[tuple[str, str]]

CHANNEL_COLUMNS = ("channel", "mean", "deviation", "least", "greatest")


def to_json(facts: Facts) -> str:
    """Write the facts as one JSON object."""
    return json.dumps(asdict(facts), indent=2, ensure_ascii=False, allow_nan=False)


def to_lines(facts: Facts) -> Iterator[str]:
    """Write the facts in plain lines, for a log."""
    yield f"{title_of(facts.whole)}:"
    for label, text in [*whole_rows(facts.whole), *selected_rows(facts)]:
        yield f"{label}: {text}"
    for number, figures in enumerate(channel_rows(facts.selected.channels)):
        pairs = zip(CHANNEL_COLUMNS[1:], figures, strict=True)
        yield f"latent channel {number}: " + ", ".join(f"{name} {text}" for name, text in pairs)
    yield from remark_lines(facts.remarks)
    yield from problem_lines(facts)
    yield from next_lines(facts)


def to_tables(facts: Facts) -> Iterator[RenderableType]:
    """Write the facts for a terminal, as rich prints it."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    yield Text(title_of(facts.whole), style="bold")
    for heading, rows in (
        ("all samples, by the indexes", whole_rows(facts.whole)),
        ("a selection, by its bytes", selected_rows(facts)),
    ):
        yield Text(f"\n{heading}", style="bold cyan")
        table = Table.grid(padding=(0, 2, 0, 0))
        for label, text in rows:
            table.add_row(Text(label, style="dim"), Text(text))
        yield table
    if facts.selected.channels:
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
        for name in CHANNEL_COLUMNS:
            table.add_column(name, justify="right")
        for number, figures in enumerate(channel_rows(facts.selected.channels)):
            table.add_row(str(number), *figures)
        yield Text()
        yield table
    yield Text()
    for line in remark_lines(facts.remarks):
        text = line.lstrip()
        # Not a mere text, so that what is longer than a line is indented as well.
        indent = (0, 0, 0, len(line) - len(text))
        yield Padding(Text(text, style="bold yellow" if text == line else ""), indent)
    style = "bold red" if facts.problems else "green"
    yield from (Text(line, style=style) for line in problem_lines(facts))
    yield from (Text(line) for line in next_lines(facts))


def title_of(whole: Whole) -> str:
    """Describe the dataset in a line."""
    state = "" if whole.complete else ", unfinished"
    return printable(f"{whole.dataset}: {whole.samples:,} samples of {whole.task}{state}")


def whole_rows(whole: Whole) -> Rows:
    """Tabulate what the indexes say of all samples: labels and texts."""
    prompts, rows = whole.prompts, whole.samples + whole.rejected + whole.dropped
    found = [("shards", f"{whole.shards:,}, {_size(whole.bytes)}")]
    found += [
        (f"shape {shape_name(shape)}", f"{shape.samples:,} samples, {pixels_of(shape, whole)}")
        for shape in whole.shapes[:_SHOWN_SHAPES]
    ]
    if len(whole.shapes) > _SHOWN_SHAPES:
        found.append(("shapes", f"{len(whole.shapes) - _SHOWN_SHAPES:,} others"))
    text = f"{prompts.distinct:,} distinct; samples without one: {prompts.empty:,}"
    found.append(("prompts", text))
    if prompts.length is not None:
        length = prompts.length
        text = f"{length.least:,} to {length.greatest:,} characters, median {length.median:,g}"
        found.append(("prompt length", text))
    if prompts.cut:
        text = f"{prompts.cut:,} are longer than the text encoders take"
        found.append(("prompts cut", text))
    share = whole.rejected / max(1, rows)
    found.append(("rejected", f"{whole.rejected:,} of {rows:,} rows ({share:.1%})"))
    found += [
        (f"  {reason.stage}", f"{reason.rows:,} rows: {printable(reason.reason)}")
        for reason in whole.reasons[:_SHOWN_REASONS]
    ]
    if len(whole.reasons) > _SHOWN_REASONS:
        rest = whole.reasons[_SHOWN_REASONS:]
        text = f"{sum(each.rows for each in rest):,} rows for {len(rest):,} other reasons"
        found.append(("  others", text))
    if whole.filters:
        share = whole.dropped / max(1, rows)
        found.append(("dropped by filters", f"{whole.dropped:,} of {rows:,} rows ({share:.1%})"))
        found += [
            (f"  {printable(label)}", f"{count:,} rows") for label, count in whole.filters.items()
        ]
    return found


def selected_rows(facts: Facts) -> Rows:
    """Tabulate what the bytes of the selection say, but for the channels."""
    found = [("read", describe_selection(facts.selected))]
    share = facts.selected.target_share
    if share is not None:
        text = f"{share.mean:.1%} of the canvas, {share.least:.1%} to {share.greatest:.1%}"
        found.append(("target area", text))
    expected = facts.expected
    text = f"mean near {expected.mean:g}, deviation near {expected.deviation:g} ({expected.source})"
    return [*found, ("expected of latents", text)]


def describe_selection(selected: Selected) -> str:
    """Which samples were read."""
    if selected.drawn == selected.of:
        which = f"all {selected.of:,} samples"
    else:
        which = f"{selected.drawn:,} of {selected.of:,} samples, drawn with seed {selected.seed}"
    unread = selected.drawn - selected.samples
    failed = f"; {unread:,} of them cannot be read" if unread else ""
    return f"{which}, {_size(selected.bytes)} of latents and masks{failed}"


def channel_rows(channels: Sequence[Channel]) -> Iterator[tuple[str, ...]]:
    """Mean, deviation, least and greatest value of each channel."""
    for channel in channels:
        figures = (channel.mean, channel.deviation, channel.least, channel.greatest)
        yield tuple("none" if value is None else f"{value:.3f}" for value in figures)


def problem_lines(facts: Facts) -> Iterator[str]:
    """Each problem, or that there is none and no doubt either."""
    if not facts.problems and not doubts_in(facts.remarks):
        yield "no problems found in the indexes and the samples read"
    for problem in facts.problems[:_SHOWN_PROBLEMS]:
        yield f"problem: {printable(problem)}"
    if len(facts.problems) > _SHOWN_PROBLEMS:
        yield f"... and {len(facts.problems) - _SHOWN_PROBLEMS:,} more problems; --json has all"


def next_lines(facts: Facts) -> Iterator[str]:
    """Advise on what to do with the dataset next."""
    dataset = facts.whole.dataset
    if not facts.whole.complete and dataset.startswith("hf://"):
        yield "next: run the onepic-compile or onepic-publish again that makes it"
    elif not facts.whole.complete:
        yield "next: run onepic-compile with the same recipe again"
    elif facts.problems:
        yield f"next: onepic-compile --verify {dataset}"
    else:
        yield f"checksums: onepic-compile --verify {dataset}"
        before = "when the doubts are settled, " if doubts_in(facts.remarks) else ""
        yield f"next: {before}onepic-train {dataset}"


def shape_name(shape: Shape) -> str:
    """``4 x 16 x 48``, [C, H, W]."""
    return f"{shape.channels} x {shape.height} x {shape.width}"


def pixels_of(shape: Shape, whole: Whole) -> str:
    """The canvas of a shape in px, width first."""
    return f"{shape.width * whole.factor} x {shape.height * whole.factor} px"


def _size(count: int) -> str:
    unit, name = next((u for u in _UNITS if count >= u[0]), _UNITS[-1])
    return f"{count / unit:.1f} {name}"
