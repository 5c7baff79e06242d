"""The page in a browser: it renders without errors, and what can be switched and filtered is."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from onepic.common.report import Silent
from onepic.compiler.inspection.facts import gather_facts
from onepic.compiler.inspection.page import render_page
from onepic.compiler.inspection.selection import draw_selection
from onepic.dataset.catalogue import open_catalogue
from tests.compiler.inspection.conftest import latents, reject, sample, write_dataset

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
HOSTILE = "</script><script>document.title = 'run'</script><img src=x onerror=alert(1)> \"düne\" 🙈"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium: the system's, or the one that playwright installs."""
    with playwright.sync_playwright() as started:
        own = Path(started.chromium.executable_path)
        found = next(filter(None, map(shutil.which, CHROMIUM)), None)
        path = found or (str(own) if own.is_file() else None)
        if path is None:
            pytest.skip("there is no Chromium; CONTRIBUTING.md says how to get it")
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of four samples, of two shapes, one with a hostile prompt, two with one target."""
    folder = tmp_path_factory.mktemp("page")
    samples = [
        sample(0, prompt="a red ball"),
        sample(1, prompt="a Red cube", latents=latents(1, (4, 8, 8))),
        sample(2, prompt=HOSTILE, source="'\"><b>"),
        sample(3, prompt="a blue ball " + "x" * 10_000, latents=latents(2)),
    ]
    write_dataset(folder, *samples, rejected=[reject(9, reason=HOSTILE)])
    catalogue = open_catalogue(folder)
    selection = draw_selection(catalogue.samples, 0)
    facts = gather_facts(catalogue, selection)
    path = folder / "page ü.html"
    path.write_text(render_page(catalogue, facts, selection.numbers, Silent()))
    return path


class Opened:
    """The page in a tab, with all that went wrong and all that it asked for."""

    def __init__(self, tab: Any, path: Path) -> None:
        self.tab = tab
        self.complaints: list[str] = []
        self.requests: list[str] = []
        tab.on("console", lambda message: self.complaints.append(message.text))
        tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        tab.on("dialog", lambda dialog: (self.complaints.append("dialog"), dialog.dismiss()))
        tab.on("request", lambda request: self.requests.append(request.url))
        tab.goto(path.as_uri())

    def shown(self) -> list[str]:
        """The keys of the samples that can be seen."""
        return [
            card.locator(".searched").last.inner_text()
            for card in self.tab.locator("article").all()
            if card.is_visible()
        ]

    def picture(self, number: int) -> NDArray[np.int64]:
        """What is seen of a sample's canvas."""
        data = self.tab.locator(".picture").nth(number).screenshot()
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


@pytest.fixture
def opened(browser: Any, page_file: Path) -> Iterator[Callable[..., Opened]]:
    """`opened(width=, scheme=)` shows the page in a tab of its own."""
    contexts = []

    def show(width: int = 1200, scheme: str = "light", script: bool = True) -> Opened:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            java_script_enabled=script,
        )
        contexts.append(context)
        return Opened(context.new_page(), page_file)

    yield show
    for context in contexts:
        context.close()


def test_it_renders_without_errors_and_asks_for_nothing(opened):
    page = opened()
    for image in page.tab.locator("img").all():
        image.scroll_into_view_if_needed()
        assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith("data:")] == [page.tab.url]


def test_texts_of_a_dataset_are_shown_and_not_run(opened):
    page = opened()
    prompts = page.tab.locator(".prompt").all_inner_texts()
    assert " ".join(HOSTILE.split()) in prompts
    assert page.tab.title().endswith("4 samples of colorization")
    assert page.tab.locator("bdi.searched").nth(2).inner_text() == "'\"><b>"
    doubt = page.tab.get_by_label("Doubts and notes").locator("bdi").inner_text()
    assert doubt == "equal latents and masks: 2 ('\"><b>, 003.png)"
    assert HOSTILE in page.tab.locator(".rejected td").nth(2).inner_text()


def test_nothing_else_would_be_loaded_or_run(opened):
    page = opened()
    page.tab.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "document.title = 'run'";
            document.body.append(script);
            const image = document.createElement("img");
            image.src = "http://127.0.0.1:9/picture.png";
            document.body.append(image);
        }"""
    )
    page.tab.wait_for_timeout(100)
    assert page.tab.title() != "run"
    assert len(page.complaints) == 2
    assert all("Content Security Policy" in text for text in page.complaints)


def test_the_overlay_colours_the_target_and_is_switched_by_keyboard(opened):
    page = opened()
    switch = page.tab.get_by_role("switch", name="show the target")
    with_overlay = page.picture(0)
    switch.focus()
    page.tab.keyboard.press("Space")
    assert not switch.is_checked()
    without = page.picture(0)
    half = without.shape[1] // 2
    np.testing.assert_allclose(with_overlay[:, : half - 4], without[:, : half - 4], atol=2)
    changed = with_overlay[:, half + 4 :] - without[:, half + 4 :]
    assert (np.abs(changed).sum(axis=2) > 60).mean() > 0.95
    page.tab.keyboard.press("Space")
    np.testing.assert_array_equal(page.picture(0), with_overlay)


def test_text_filters_by_all_of_its_words(opened):
    page = opened()
    text = page.tab.get_by_role("searchbox")
    assert len(page.shown()) == 4
    text.fill("BALL  a")
    assert page.shown() == ["000000000", "000000003"]
    assert page.tab.locator("#shown").inner_text() == "2 of 4 shown"
    text.fill("002")
    assert page.shown() == ["000000002"]
    text.fill("</script><script>")
    assert page.shown() == ["000000002"]
    text.fill("nothing has this")
    assert page.shown() == []
    text.fill("")
    assert len(page.shown()) == 4


def test_shapes_filter_together_with_text(opened):
    page = opened()
    shape = page.tab.get_by_label("shape")
    shape.select_option("4 x 8 x 16")
    assert page.shown() == ["000000000", "000000002", "000000003"]
    page.tab.get_by_role("searchbox").fill("red")
    assert page.shown() == ["000000000"]
    shape.select_option("4 x 8 x 8")
    assert page.shown() == ["000000001"]
    shape.select_option("all")
    assert page.shown() == ["000000000", "000000001"]


@pytest.mark.parametrize("width", [320, 700, 1600])
def test_no_width_needs_scrolling_sideways(opened, width):
    page = opened(width=width)
    assert page.tab.evaluate("document.documentElement.scrollWidth") <= width


def test_it_is_dark_where_the_browser_is(opened):
    def brightness(scheme: str) -> float:
        data = opened(scheme=scheme).tab.screenshot()
        return float(np.asarray(Image.open(io.BytesIO(data)).convert("L")).mean())

    assert brightness("dark") < 60
    assert brightness("light") > 200


def test_without_scripts_all_is_shown_and_the_overlay_still_switches(opened):
    page = opened(script=False)
    assert len(page.shown()) == 4
    assert not page.tab.get_by_role("searchbox").is_visible()
    with_overlay = page.picture(0)
    page.tab.get_by_role("switch").uncheck()
    assert np.abs(page.picture(0) - with_overlay).max() > 30
