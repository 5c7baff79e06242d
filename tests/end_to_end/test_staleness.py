"""Running again makes what changed, says why, and leaves the rest alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import Project
    from tests.end_to_end.conftest import Command

RUN = ("recipe.yaml", "--output", "data", "--local")


def test_a_second_run_has_nothing_to_do(pictures: Project, onepic_compile: Command) -> None:
    pictures.compile()
    before = {path: path.stat().st_mtime_ns for path in pictures.output.rglob("*.parquet")}
    result = onepic_compile.here(*RUN)
    assert result.code == 0
    assert "nothing to do: 6 shards are up to date" in result.output
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_an_edited_image_makes_its_shard_anew_and_is_named(
    pictures: Project, onepic_compile: Command
) -> None:
    pictures.compile()
    before = pictures.files()
    pictures.draw(99)
    (pictures.root / "pictures/099.png").replace(pictures.root / "pictures/005.png")
    result = onepic_compile.here(*RUN)
    assert result.code == 0, result.errors
    assert "shard 00002 is made again: 005.png changed (image)" in result.errors
    assert "made 1 of 6 shards" in result.output
    changed = {name for name, data in pictures.files().items() if before[name] != data}
    changed -= {"dataset.json", "canvases.png"}  # totals, and the sheet that shows it
    assert changed == {"shards/00002.tar", "shards/00002.parquet"}


def test_another_recipe_is_refused_with_what_changed_and_nothing_is_lost(
    pictures: Project, onepic_compile: Command
) -> None:
    pictures.compile()
    before = pictures.files()
    result = onepic_compile.here(*RUN, "--set", "fit=contain")
    assert result.code == 2
    assert "recipe.fit: 'cover' is now 'contain'" in result.errors
    assert "give another --output" in result.errors
    assert pictures.files() == before


def test_verify_finds_damage_and_its_advice_restores_the_bytes(
    pictures: Project, onepic_compile: Command
) -> None:
    pictures.compile()
    before = pictures.files()
    assert onepic_compile.here("--verify", "data").code == 0
    tar = pictures.output / "shards" / "00003.tar"
    data = bytearray(tar.read_bytes())
    data[5000] ^= 1
    tar.write_bytes(data)
    result = onepic_compile.here("--verify", "data")
    assert result.code == 1
    assert "shards/00003.tar has another SHA-256 than its index says" in result.errors
    assert "rm data/shards/00003.parquet" in result.errors
    (pictures.output / "shards" / "00003.parquet").unlink()
    assert onepic_compile.here(*RUN).code == 0
    assert pictures.files() == before
