"""Writes docs/gallery.md and its pictures anew, from the recipes and their comments.

python docs/gallery.py
"""

from __future__ import annotations

import re
import tempfile
import textwrap
from pathlib import Path

from PIL import Image

from onepic import recipes
from onepic.common.yaml_file import Override
from onepic.compiler import Scheduling, compile_dataset, read_recipe
from onepic.compiler.recipe import Recipe
from onepic.compiler.recipe_file import RECIPE
from onepic.dataset.names import CANVASES

DOCS = Path(__file__).parent
RECIPES = Path(recipes.__file__).parent
GROUPS = {
    "A control becomes a picture": "canny hed lineart depth normal segments pose",
    "A picture becomes a map": "image-to-depth image-to-normals image-to-segments",
    "Photographs": "colorization super-resolution deblurring restoration inpainting outpainting",
    "Editing": "editing masked-editing local-editing repainting pasting style-transfer",
    "Subjects and persons": "subject portrait",
    "Clothes": "try-on try-on-outfit fashion-extraction",
    "Several pictures": "story views",
}
START = """# Gallery

Every task that comes with onepic: two canvases of each recipe as it is compiled, with what is
learned outlined and the prompt below. The commands are those of the recipe's comment; without
`--source` or `--set`, the same recipe compiles from pictures that need no download.
[recipes.md](recipes.md) explains the keys, and [new-task.md](new-task.md) how to add a task of
your own.

`python docs/gallery.py` writes this page and its pictures anew.
"""


def page() -> str:
    """The page, in Markdown."""
    parts = [START, _contents()]
    for title, names in GROUPS.items():
        parts += [f"## {title}\n", *(_section(name) for name in names.split())]
    return "\n".join(parts)


def _contents() -> str:
    """A list of all recipes, by group."""
    groups = (
        _filled(f"- **{title}**: {', '.join(f'[{name}](#{name})' for name in names.split())}")
        for title, names in GROUPS.items()
    )
    return "\n".join(group.replace("\n", "\n  ") for group in groups) + "\n"


def _section(name: str) -> str:
    file = RECIPES / f"{name}.yaml"
    recipe = read_recipe(file)
    text = _comment(file.read_text(encoding="utf-8"))
    layout = f"[`recipes/{name}.yaml`](../recipes/{name}.yaml), {_describe(recipe)}"
    what, _, rest = text.partition("\n\n")
    picture = f"![{name}](recipes/{name}.webp)"
    return f"### {name}\n\n{_filled(f'{what} {layout}.')}\n\n{picture}\n\n{rest}\n"


def _comment(text: str) -> str:
    """What a recipe's comment says in Markdown, less the note on the source that it comes with."""
    lines = [line[2:] for line in text.splitlines()[1:] if line.startswith("#")]
    whole = re.sub(r"The\s+source\s+below.*", "", "\n".join(lines), flags=re.DOTALL).rstrip()
    blocks = (
        "\n".join(f"  {line}" for line in block.splitlines())
        if block.startswith("  ")
        else _filled(block)
        for block in whole.split("\n\n")
    )
    return "\n\n".join(blocks)


def _filled(text: str) -> str:
    """A paragraph in lines of the docs' length."""
    words = " ".join(text.split())
    return textwrap.fill(words, 115, break_long_words=False, break_on_hyphens=False)


def _describe(recipe: Recipe) -> str:
    rows, columns = len(recipe.layout), len(recipe.layout[0])
    names = [f"`{name}`" for name in recipe.target.panels]
    listed = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    choice, mask = recipe.target.choose, recipe.target.mask
    if choice:
        listed = f"{choice[0]} to {choice[1]} of {listed}"
    return (
        f"{rows} x {columns}, target {listed}{f' where the mask `{mask}` is white' if mask else ''}"
    )


def draw(name: str, output: Path) -> None:
    """Compile two rows of a recipe, and keep the sheet of their canvases."""
    file = RECIPES / f"{name}.yaml"
    upright = read_recipe(file).panel_size != "auto"
    size = f"panel_size={{width: 192, height: {256 if upright else 192}}}"
    recipe = read_recipe(file, [Override.parse(text, RECIPE) for text in (size, "limit=2")])
    with tempfile.TemporaryDirectory() as folder:
        compile_dataset(recipe, Path(folder) / "data", scheduling=Scheduling(local=True))
        Image.open(Path(folder) / "data" / CANVASES).save(output, quality=70, method=6)


def main() -> None:
    """Write everything."""
    (DOCS / "recipes").mkdir(exist_ok=True)
    for name in " ".join(GROUPS.values()).split():
        draw(name, DOCS / f"recipes/{name}.webp")
    (DOCS / "gallery.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
