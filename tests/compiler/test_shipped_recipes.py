"""Every recipe that comes with onepic compiles as it is, on any machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from onepic import recipes
from onepic.compiler import Scheduling, compile_dataset, open_dataset, read_recipe
from onepic.compiler.recipe_file import RECIPE
from onepic.compiler.yaml_file import Override

SHIPPED = sorted(Path(recipes.__file__).parent.glob("*.yaml"))
SMALL = ("panel_size={width: 32, height: 32}", "limit=3")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_recipe_compiles_without_a_rejected_row(path: Path, tmp_path: Path) -> None:
    recipe = read_recipe(path, [Override.parse(text, RECIPE) for text in SMALL])
    summary = compile_dataset(recipe, tmp_path / "data", scheduling=Scheduling(local=True))
    assert summary.totals["samples"] == 3
    assert not summary.rejected
    rows, columns = len(recipe.layout), len(recipe.layout[0])
    for sample in open_dataset(tmp_path / "data"):
        assert sample.latents.shape == (4, 4 * rows, 4 * columns)
        share = float(np.mean(sample.mask))
        assert (
            0 < share <= max(recipe.target.choose or [len(recipe.target.panels)]) / (rows * columns)
        )


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_recipe_says_how_to_run_it_on_data_of_ones_own(path: Path) -> None:
    assert read_recipe(path).task == path.stem
    comment = "".join(line for line in path.read_text().splitlines(True) if line.startswith("#"))
    assert f"onepic-compile recipes/{path.name} --source" in comment or "source: {kind:" in comment
