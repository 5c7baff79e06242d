"""The gallery shows what the recipes are."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from PIL import Image

DOCS = Path(__file__).parents[2] / "docs"
RECIPES = DOCS.parent / "recipes"
gallery = runpy.run_path(str(DOCS / "gallery.py"))
NAMES = " ".join(gallery["GROUPS"].values()).split()


def test_the_gallery_is_up_to_date() -> None:
    written = (DOCS / "gallery.md").read_text(encoding="utf-8")
    assert written == gallery["page"](), "run python docs/gallery.py"


def test_every_recipe_is_in_the_gallery_and_in_the_readme() -> None:
    assert sorted(NAMES) == sorted(path.stem for path in RECIPES.glob("*.yaml"))
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in readme for name in NAMES)


def test_the_page_on_recipes_leads_to_the_gallery_and_the_gallery_to_each_recipe() -> None:
    recipes = (DOCS / "recipes.md").read_text(encoding="utf-8")
    assert "(gallery.md)" in recipes.partition("```")[0]
    contents = gallery["page"]().partition("\n## ")[0]
    assert all(f"(#{name})" in contents for name in NAMES)
    assert "source below" not in gallery["page"](), "it says what is below in the recipe's file"


def test_every_recipe_has_a_picture_and_all_of_them_are_small() -> None:
    files = {name: DOCS / f"recipes/{name}.webp" for name in NAMES}
    assert set(files.values()) == set((DOCS / "recipes").iterdir())
    assert sum(file.stat().st_size for file in files.values()) < 600_000
    for file in files.values():
        with Image.open(file) as image:
            image.load()


@pytest.mark.parametrize("name", ["super-resolution", "try-on"])
def test_the_pictures_are_drawn_from_the_recipes(name: str, tmp_path: Path) -> None:
    gallery["draw"](name, tmp_path / "drawn.webp")
    with (
        Image.open(tmp_path / "drawn.webp") as drawn,
        Image.open(DOCS / f"recipes/{name}.webp") as shown,
    ):
        assert drawn.size == shown.size
