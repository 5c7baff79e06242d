"""One page for a browser: nothing is loaded for it, and nothing in a dataset can run in it."""

from __future__ import annotations

import hashlib
import io
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from ...common.errors import DatasetError, ModelError
from ...common.report import Report
from ...dataset.catalogue import Catalogue
from ...dataset.info_parts import ModelInfo
from ...dataset.remarks import count_of, doubts_in, printable
from ...dataset.stored import StoredSample, Unreadable, read_samples
from ..preview import encode_preview
from . import charts
from .charts import Chart, draw_chart
from .facts import Facts
from .picture import decode_canvas, encode_overlay
from .summary import (
    CHANNEL_COLUMNS,
    channel_rows,
    describe_selection,
    pixels_of,
    selected_rows,
    shape_name,
    title_of,
    whole_rows,
)

#: Rows that were not compiled, problems, and characters of a text that are shown.
MOST_LEFT_OUT, MOST_PROBLEMS, MOST_TEXT = 200, 100, 2000
#: Bytes of a preview that is taken as it is.
_MOST_PREVIEW = 500_000
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Card:
    """A sample in the gallery; `picture` and `overlay` are data URLs, and a picture can be None."""

    number: int
    key: str
    source: str
    prompt: str
    shape: str
    target: str
    width: int
    height: int
    picture: str | None
    overlay: str


def render_page(
    catalogue: Catalogue, facts: Facts, numbers: NDArray[np.int64], report: Report
) -> str:
    """The page as HTML: the facts, and a gallery of the samples of these numbers."""
    pictures = _Pictures(catalogue.info.model)
    cards = list(_cards(catalogue, pictures, numbers, report))
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"shortened": shortened, "printable": printable, "counted": count_of}
    style, script = ((_HERE / name).read_text("utf-8") for name in ("page.css", "page.js"))
    return environment.get_template("page.html").render(
        title=title_of(facts.whole),
        facts=facts,
        whole=whole_rows(facts.whole),
        selected=selected_rows(facts),
        selection=describe_selection(facts.selected),
        columns=CHANNEL_COLUMNS,
        channels=list(channel_rows(facts.selected.channels)),
        problems=facts.problems[:MOST_PROBLEMS],
        doubts=doubts_in(facts.remarks),
        charts=list(_charts(facts)),
        chart_size=(charts.WIDTH, charts.HEIGHT),
        shapes=[
            (shape_name(shape), pixels_of(shape, facts.whole), shape.samples)
            for shape in facts.whole.shapes
        ],
        cards=cards,
        drawn=len(numbers),
        missing=pictures.missing,
        left_out=list(islice(catalogue.left_out(), MOST_LEFT_OUT)),
        style=Markup(style),  # noqa: S704 - a file of this package
        script=Markup(script),  # noqa: S704
        policy=_policy(style, script),
    )


def shortened(text: str) -> str:
    """A text, cut where it is longer than a page can bear, which it then says."""
    more = len(text) - MOST_TEXT
    return f"{text[:MOST_TEXT]}… ({more:,} more characters)" if more > 0 else text


def _policy(style: str, script: str) -> str:
    """Policy of what a browser may load and run: the page's own style and script, and data URLs."""
    hashes = [
        b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)
    ]
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{hashes[0]}'; "
        f"script-src 'sha256-{hashes[1]}'; base-uri 'none'; form-action 'none'"
    )


def _charts(facts: Facts) -> Iterator[Chart]:
    length, share = facts.whole.prompts.length, facts.selected.target_share
    if length is not None:
        yield draw_chart("Prompt length", "in characters", length.histogram, lambda v: f"{v:,.0f}")
    if share is not None:
        note = "of the canvas"
        yield draw_chart("Target area", note, share.histogram, lambda v: f"{v:.0%}")
    for number, channel in enumerate(facts.selected.channels):
        yield draw_chart(
            f"Latent channel {number}",
            "both ends open; line: as expected",
            channel.histogram,
            lambda v: f"{v:g}",
            facts.expected,
        )


def _cards(
    catalogue: Catalogue, pictures: _Pictures, numbers: NDArray[np.int64], report: Report
) -> Iterator[Card]:
    report.begin(len(numbers), verb="drawing", unit="samples")
    try:
        for sample in read_samples(catalogue, numbers, with_picture=True):
            report.advance(1)
            if not isinstance(sample, Unreadable):
                yield _card(sample, pictures)
    finally:
        report.end()


def _card(sample: StoredSample, pictures: _Pictures) -> Card:
    factor = pictures.model.factor
    height, width = sample.latents.shape[1:]
    picture = pictures.of(sample)
    return Card(
        number=sample.number,
        key=sample.key,
        source=sample.source,
        prompt=sample.prompt,
        shape=" x ".join(map(str, sample.latents.shape)),
        target=f"{(sample.mask != 0).mean():.1%}",
        width=width * factor,
        height=height * factor,
        picture=None if picture is None else _data_url("webp", picture),
        overlay=_data_url("png", encode_overlay(sample.mask)),
    )


def _data_url(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{b64encode(data).decode()}"


class _Pictures:
    """The canvases of samples as WebP: their previews, or where there is none, their latents.

    `missing` says why samples have no picture; None while all have one.
    """

    def __init__(self, model: ModelInfo) -> None:
        self.model = model
        self.missing: str | None = None
        self._vae: Any = None
        self._failed: ModelError | None = None

    def of(self, sample: StoredSample) -> bytes | None:
        """A sample's picture; None where there is none and none can be made."""
        if sample.preview is not None and _is_small_webp(sample.preview):
            return sample.preview
        try:
            return encode_preview(decode_canvas(self._load(), sample, self.model))
        except (DatasetError, ModelError) as error:
            self.missing = str(error)
            return None

    def _load(self) -> Any:
        """The dataset's VAE; loading it is tried once."""
        if self._failed is not None:
            raise self._failed
        if self._vae is None:
            from ...backbones.model import load_vae

            try:
                self._vae = load_vae(self.model.name, self.model.revision)
            except ModelError as error:
                self._failed = error
                raise
        return self._vae


def _is_small_webp(data: bytes) -> bool:
    if len(data) > _MOST_PREVIEW:
        return False
    try:
        with Image.open(io.BytesIO(data), formats=["WEBP"]) as image:
            image.verify()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False
    return True
