"""The page shows what it says, in one file, and nothing of a dataset becomes a part of it."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onepic.common.report import Silent
from onepic.compiler.inspection.facts import gather_facts
from onepic.compiler.inspection.page import render_page
from onepic.compiler.inspection.selection import draw_selection
from onepic.dataset.catalogue import open_catalogue
from tests.compiler.inspection.conftest import (
    drop_previews,
    latents,
    open_picture,
    reject,
    sample,
    write_dataset,
)

HOSTILE = [
    "<script>alert(1)</script>",
    "</script></style><img src=x onerror=alert(1)>",
    '"quotes" \'and\' `more` onmouseover=alert(1) x="',
    "{{ 7 * 7 }} {% raw %} &amp; <!-- ]]>",
    "düne 日本 🙈 \u202etfel \u0000 \x1b[31m",
]


class Tags(HTMLParser):
    """Every element of a page with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.append((tag, dict(attrs)))

    def of(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.found if tag == name]


def page_of(folder: Path, samples: int = 60, seed: int = 0) -> str:
    catalogue = open_catalogue(folder)
    selection = draw_selection(catalogue.samples, seed)
    facts = gather_facts(catalogue, selection)
    return render_page(catalogue, facts, selection.numbers[:samples], Silent())


def gallery(page: str) -> list[str]:
    return re.findall(r"<article.*?</article>", page, re.DOTALL)


def test_every_sample_of_a_small_dataset_is_shown(make_dataset):
    page = page_of(make_dataset(*map(sample, range(5))))
    cards = gallery(page)
    assert len(cards) == 5
    for number, card in enumerate(cards):
        assert f"prompt {number}<" in card
        assert f"{number:03d}.png" in card
        assert f"{number:09d}" in card
        assert "4 x 8 x 16, target 50.0%" in card
    assert "All 5 samples." in page
    assert "No problems found" in page


def test_of_a_large_dataset_a_selection_is_shown_which_it_says(make_dataset):
    folder = make_dataset(*map(sample, range(30)), per_shard=7)
    page = page_of(folder, samples=4, seed=3)
    assert len(gallery(page)) == 4
    assert "A selection of 4 of 30 samples, drawn with seed 3" in page
    assert gallery(page) == gallery(page_of(folder, samples=4, seed=3))
    assert gallery(page) != gallery(page_of(folder, samples=4, seed=4))


def test_pictures_are_the_previews_as_they_are_stored(make_dataset):
    one = sample(0)
    images = Tags(page_of(make_dataset(one))).of("img")
    assert images[0]["src"] == f"data:image/webp;base64,{base64.b64encode(one.preview).decode()}"
    assert (images[0]["width"], images[0]["height"]) == ("128", "64")
    assert {image["loading"] for image in images} == {"lazy"}


def test_without_previews_the_latents_are_decoded(finished_project, project):
    before = Tags(page_of(finished_project.output)).of("img")
    drop_previews(project.output)
    after = Tags(page_of(project.output)).of("img")
    assert len(before) == len(after) == 10
    for old, new in zip(before[::2], after[::2], strict=True):
        assert old["src"] != new["src"]
        pictures = [
            open_picture(base64.b64decode(image["src"].partition(",")[2])).astype(int)
            for image in (old, new)
        ]
        assert np.abs(pictures[0] - pictures[1]).mean() < 12


def test_without_previews_and_model_the_page_says_so(make_dataset):
    model = {"name": "gone/for/good", "revision": None, "factor": 8}
    folder = make_dataset(sample(0), model=model | {"scaling_factor": 1.0, "shift_factor": 0.0})
    drop_previews(folder)
    page = page_of(folder)
    assert "Some samples have no picture: model gone/for/good: no such folder" in page
    assert "no picture of sample 0" in page
    assert "prompt 0" in page


def test_a_damaged_preview_is_replaced_by_the_latents(make_dataset):
    folder = make_dataset(sample(0, preview=b"RIFF, but no picture"))
    (picture, _) = Tags(page_of(folder)).of("img")
    assert open_picture(base64.b64decode(picture["src"].partition(",")[2])).shape == (64, 128, 3)


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_of_a_dataset_are_texts_of_the_page(make_dataset, text):
    plain = Tags(page_of(make_dataset(sample(0), rejected=[reject(1)])))
    folder = make_dataset(
        sample(0, prompt=text, source=text, key="k"),
        rejected=[reject(1, source=text, reason=text, key=text, stage=text)],
        task=text,
        name="hostile",
    )
    page = page_of(folder)
    assert text not in page or text == html.escape(text, quote=False)
    found = Tags(page)
    assert [tag for tag, _ in found.found] == [tag for tag, _ in plain.found]
    assert [set(attributes) for _, attributes in found.found] == [
        set(attributes) for _, attributes in plain.found
    ]
    assert html.escape(text, quote=False).split()[0] in page.replace("&#34;", '"').replace(
        "&#39;", "'"
    )


@given(text=st.text(st.characters(codec="utf-8"), min_size=1, max_size=60))
@settings(max_examples=25)
def test_any_text_leaves_the_page_whole(tmp_path_factory, text):
    folder = write_dataset(tmp_path_factory.mktemp("any"), sample(0, prompt=text, source=text))
    found = Tags(page_of(folder))
    assert len(found.of("article")) == 1
    assert len(found.of("script")) == 1
    assert len(found.of("img")) == 2


def test_a_browser_is_told_to_load_and_run_nothing_else(make_dataset):
    page = page_of(make_dataset(sample(0)))
    tags = Tags(page)
    (policy,) = (meta["content"] for meta in tags.of("meta") if "http-equiv" in meta)
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    for name in ("style", "script"):
        (text,) = re.findall(f"<{name}>(.*?)</{name}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert not tags.of("link")
    assert "http://" not in page
    assert "https://" not in page
    assert not any("style" in a or any(k.startswith("on") for k in a) for _, a in tags.found)


def test_long_texts_are_cut_which_is_said(make_dataset):
    page = page_of(make_dataset(sample(0, prompt="word " * 2000)))
    assert "… (8,000 more characters)" in page
    assert gallery(page)[0].count("word ") == 400


def test_rejected_rows_are_shown_with_their_reasons(make_dataset):
    folder = make_dataset(sample(0), rejected=[reject(n, reason=f"why {n}") for n in range(250)])
    page = page_of(folder)
    assert "The first 200 of 250; all are in <code>rejected.parquet</code>" in page
    rows = re.findall(r"<tr><td><bdi>(\d+)\.png</bdi></td><td>decode</td><td>why (\d+)</td>", page)
    assert [(int(source), int(why)) for source, why in rows] == [(n, n) for n in range(200)]


def test_problems_come_first(make_dataset):
    folder = make_dataset(*map(sample, range(4)))
    (folder / "shards/00000.parquet").unlink()
    page = page_of(folder)
    assert "1 problem<" in page
    assert page.index("shards/00000.parquet is missing or damaged") < page.index("Distributions")
    assert len(gallery(page)) == 2


def test_samples_that_cannot_be_read_are_counted(make_dataset):
    folder = make_dataset(*map(sample, range(5)))
    (folder / "shards/00000.tar").unlink()
    page = page_of(folder)
    assert len(gallery(page)) == 3
    assert "All 5 samples. 2 of them cannot be read." in page


def test_an_empty_dataset_has_a_page(make_dataset):
    page = page_of(make_dataset(rejected=[reject(0)]))
    assert "there is no sample in it" in page
    assert gallery(page) == []
    assert "not a picture" in page


def test_distributions_are_drawn(make_dataset):
    folder = make_dataset(sample(0), sample(1, latents=latents(1, (4, 8, 8))), sample(2))
    page = page_of(folder)
    titles = re.findall(r"<figcaption><b>(.*?)</b>", page)
    assert titles == [
        "Prompt length",
        "Target area",
        *(f"Latent channel {number}" for number in range(4)),
        "Shapes",
    ]
    assert "<title>8 to 9: 3</title>" in page
    assert "<title>50% to 55%: 3</title>" in page
    assert page.count('class="curve"') == 4
    assert "<option>4 x 8 x 16</option>" in page
    assert "<option>4 x 8 x 8</option>" in page
