"""Every recipe that comes with onepic compiles as it is, on any machine, and raises no doubt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from onepic import recipes
from onepic.common.yaml_file import Override
from onepic.compiler import Scheduling, compile_dataset, open_dataset, read_recipe
from onepic.compiler.recipe_file import RECIPE
from onepic.compiler.sources import ScenesSource
from onepic.dataset.remarks import doubts_in, remarks_of

SHIPPED = sorted(Path(recipes.__file__).parent.glob("*.yaml"))
#: As small as pictures can be of which it is known whether they align.
SMALL = ("panel_size={width: 64, height: 64}", "limit=3")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_recipe_compiles_without_a_rejected_row_or_a_doubt(
    path: Path, tmp_path: Path
) -> None:
    is_drawn = isinstance(read_recipe(path).source, ScenesSource)
    small = (*SMALL, "source.size=[48, 64]") if is_drawn else SMALL
    recipe = read_recipe(path, [Override.parse(text, RECIPE) for text in small])
    summary = compile_dataset(recipe, tmp_path / "data", scheduling=Scheduling(local=True))
    assert summary.totals["samples"] == 3
    assert not summary.rejected
    assert not doubts_in(remarks_of(summary.findings))
    rows, columns = len(recipe.layout), len(recipe.layout[0])
    for sample in open_dataset(tmp_path / "data"):
        assert sample.latents.shape == (4, 8 * rows, 8 * columns)
        share = float(np.mean(sample.mask))
        assert (
            0 < share <= max(recipe.target.choose or [len(recipe.target.panels)]) / (rows * columns)
        )
