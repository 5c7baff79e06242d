"""The fingerprint follows what shapes a dataset's bytes, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from onepic.backbones.model import Model, open_model
from onepic.canvas.masks.choice import READING
from onepic.canvas.operations.colour import Grayscale
from onepic.common.files import digest, to_json
from onepic.compiler.compile import make_layout
from onepic.compiler.fingerprint import (
    Checksums,
    differences,
    fingerprint_parts,
)
from onepic.compiler.recipe import Recipe
from onepic.compiler.recipe_file import recipe_from_data

#: For each key of a recipe that shapes bytes, another value.
SHAPING: dict[str, Any] = {
    "source": {"kind": "folder", "path": "pictures", "stamp": "checksum"},
    "panels": {"grey": {"from": "image"}, "colour": {"from": "image"}},
    "layout": [["colour", "grey"]],
    "target": "grey",
    "prompt": "colorise",
    "panel_size": {"width": 64, "height": 128},
    "fit": "contain",
    "background": "black",
    "align": ["image"],
    "latent": "sample",
    "seed": 1,
    "filters": [{"min_size": {"width": 8}}],
    "samples_per_shard": 3,
}
#: For each key that shapes none, another value. Operations' names stand for files: see below.
WITHOUT_EFFECT: dict[str, Any] = {
    "task": "another",
    "limit": 7,
    "max_rejected": 0.5,
    "revision": "main",
}

TINT = """
from typing import ClassVar
from onepic.compiler.operations import Operation, Picture, register

@register
class Tint(Operation):
    name: ClassVar[str] = "tint_of_a_test"

    def apply(self, picture: Picture) -> Picture:
        return picture
"""


def parts_of(
    recipe: Recipe, tmp_path: Path, *, folder: Path | None = None, model: Model | None = None
) -> dict[str, Any]:
    model = model or open_model(recipe.model)
    layout = make_layout(recipe, model)
    return fingerprint_parts(recipe, folder or tmp_path, layout, model, Checksums(tmp_path))


@pytest.fixture
def parts(bare_project: Any, tmp_path: Path) -> dict[str, Any]:
    """The parts of the plain recipe."""
    return parts_of(bare_project.recipe(), tmp_path)


@pytest.fixture(scope="module")
def copied_model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The miniature in a folder that tests may change."""
    source = open_model("miniature").folder
    return open_model(str(shutil.copytree(source, tmp_path_factory.mktemp("models") / "copy")))


def test_every_key_of_a_recipe_is_known_to_shape_bytes_or_not():
    elsewhere = {"operations", "model", "masks"}
    assert set(SHAPING) | set(WITHOUT_EFFECT) | elsewhere == set(Recipe.model_fields)


@pytest.mark.parametrize("key", SHAPING)
def test_a_key_that_shapes_bytes_changes_the_fingerprint(bare_project, tmp_path, parts, key):
    changed = parts_of(bare_project.recipe(**{key: SHAPING[key]}), tmp_path)
    assert digest(changed) != digest(parts)
    assert differences(parts, changed)


def test_keys_that_came_later_are_no_part_as_long_as_they_say_nothing(bare_project, tmp_path):
    people = {"kind": "groups", "of": {"kind": "folder", "path": "pictures"}}
    for source in (bare_project.data()["source"], people):
        recipe = parts_of(bare_project.recipe(source=source), tmp_path)["recipe"]
        assert "filters" not in recipe
        assert "group" not in json.dumps(recipe["source"] | {"kind": ""})
    said = {"kind": "folder", "path": "pictures", "group": "caption"}
    parts = parts_of(bare_project.recipe(source=said), tmp_path)
    assert parts["recipe"]["source"]["group"] == "caption"


def test_how_a_mask_is_drawn_shapes_bytes(bare_project, tmp_path):
    target = {"panel": "colour", "mask": "hole"}
    box, brush = (
        digest(parts_of(bare_project.recipe(masks={"hole": how}, target=target), tmp_path))
        for how in ("box", "brush")
    )
    assert box != brush


@pytest.mark.parametrize(
    "option",
    [{"kind": "labels"}, {"kind": "picture"}, {"range": "minmax"}, {"range": [0.0, 10000.0]}],
    ids=str,
)
def test_how_a_panels_file_is_read_shapes_bytes(bare_project, tmp_path, parts, option):
    panels = {name: panel | option for name, panel in bare_project.data()["panels"].items()}
    changed = parts_of(bare_project.recipe(panels=panels), tmp_path)
    assert differences(parts, changed) == [
        f"recipe.panels.{name}.{key}: {value!r} is new"
        for name in panels
        for key, value in option.items()
    ]


def test_a_key_that_recipes_have_since_lately_is_no_part_at_its_default(bare_project, parts):
    """Datasets that were compiled before there was such a key are not made anew."""
    assert set(parts["recipe"]["panels"]["colour"]) == {"from", "apply"}
    assert "filters" not in parts["recipe"]
    panels = {
        n: {"kind": "auto", "range": "full"} | p for n, p in bare_project.data()["panels"].items()
    }
    assert parts_of(bare_project.recipe(panels=panels, filters=[]), bare_project.root) == parts


def test_how_a_mask_is_read_shapes_bytes_where_one_is_read(bare_project, tmp_path, parts):
    assert "mask_reading" not in parts
    target = {"panel": "colour", "mask": "hole"}
    assert "mask_reading" not in parts_of(
        bare_project.recipe(masks={"hole": "box"}, target=target), tmp_path
    )
    plain = parts_of(bare_project.recipe(target=target), tmp_path)
    assert plain["mask_reading"] == READING
    labels = parts_of(
        bare_project.recipe(masks={"hole": {"read": {"labels": [1]}}}, target=target), tmp_path
    )
    assert digest(labels) != digest(plain)


TABLE = {"kind": "table", "path": "t.csv"}
#: Keys of sources that came later, with another value than their default.
LATER = {"encoding": "cp1252", "delimiter": ";", "quoting": "none"}


@pytest.mark.parametrize("key", LATER)
@pytest.mark.parametrize("wrap", [lambda table: table, lambda of: {"kind": "groups", "of": of}])
def test_a_key_that_came_later_is_no_part_until_it_says_something(
    bare_project, tmp_path, key, wrap
):
    before = parts_of(bare_project.recipe(source=wrap(TABLE)), tmp_path)
    assert key not in json.dumps(before)
    said = parts_of(bare_project.recipe(source=wrap(TABLE | {key: LATER[key]})), tmp_path)
    assert digest(said) != digest(before)


@pytest.mark.parametrize("key", WITHOUT_EFFECT)
def test_a_key_that_shapes_none_leaves_it(bare_project, tmp_path, parts, key):
    assert parts_of(bare_project.recipe(**{key: WITHOUT_EFFECT[key]}), tmp_path) == parts


def test_a_panel_size_that_is_chosen_is_that_size_written_out(bare_project, tmp_path):
    chosen = bare_project.recipe(panel_size="auto")
    layout = make_layout(chosen, open_model("miniature"))
    written = bare_project.recipe(panel_size={"width": layout.width, "height": layout.height})
    assert digest(parts_of(chosen, tmp_path)) == digest(parts_of(written, tmp_path))


def test_a_model_is_its_files_wherever_they_lie(bare_project, tmp_path, parts, copied_model):
    recipe = bare_project.recipe(model=str(copied_model.folder))
    assert parts_of(recipe, tmp_path) == parts


@pytest.mark.parametrize(
    "name",
    [
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/model.safetensors",
        "text_encoder_2/config.json",
        "tokenizer/merges.txt",
        "tokenizer_2/vocab.json",
    ],
)
def test_a_models_changed_file_changes_it_and_is_named(
    bare_project, tmp_path, parts, copied_model, name
):
    path = copied_model.folder / name
    before = path.read_bytes()
    path.write_bytes(before + b" ")
    changed = parts_of(bare_project.recipe(), tmp_path, model=copied_model)
    path.write_bytes(before)
    (difference,) = differences(parts, changed)
    assert difference.startswith(f"model.{name}: ")
    assert digest(changed) != digest(parts)


def test_the_u_net_and_the_scheduler_shape_no_bytes(bare_project, tmp_path, parts, copied_model):
    (copied_model.folder / "scheduler/scheduler_config.json").write_text("{}")
    (copied_model.folder / "unet").mkdir(exist_ok=True)
    (copied_model.folder / "unet/diffusion_pytorch_model.safetensors").write_bytes(b"weights")
    assert parts_of(bare_project.recipe(), tmp_path, model=copied_model) == parts


def test_a_raised_version_of_an_operation_changes_it(bare_project, tmp_path, parts, monkeypatch):
    monkeypatch.setattr(Grayscale, "version", Grayscale.version + 1)
    changed = parts_of(bare_project.recipe(), tmp_path)
    assert differences(parts, changed) == ["operations.grayscale: 1 is now 2"]
    assert digest(changed) != digest(parts)


def test_another_content_of_an_operations_file_changes_it(bare_project, tmp_path):
    data = bare_project.data(operations=["tint.py"])
    data["panels"]["grey"]["apply"] = ["tint_of_a_test"]
    found = []
    for name, text in (("a", TINT), ("b", TINT), ("c", TINT + "# changed\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tint.py").write_text(text)
        recipe = recipe_from_data(data, tmp_path / name)
        found.append(parts_of(recipe, tmp_path, folder=tmp_path / name))
    assert found[0] == found[1]
    (difference,) = differences(found[0], found[2])
    assert difference.startswith("operation_files.tint.py: ")


def test_a_changed_model_of_an_operation_changes_it(bare_project, tmp_path):
    folder = tmp_path / "depth"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"one")
    panels = {"grey": {"from": "image", "apply": [{"depth": {"model": str(folder)}}]}}
    recipe = bare_project.recipe(panels=panels | {"colour": {"from": "image"}})
    before = parts_of(recipe, tmp_path)
    assert parts_of(recipe, tmp_path) == before
    (folder / "model.safetensors").write_bytes(b"other")
    (difference,) = differences(before, parts_of(recipe, tmp_path))
    assert difference.startswith(f"operation_models.{folder}.model.safetensors: ")


def test_parts_survive_dataset_json(parts):
    loaded = json.loads(to_json(parts))
    assert loaded == parts
    assert differences(loaded, parts) == []
    assert digest(loaded) == digest(parts)


def test_the_fingerprint_does_not_depend_on_the_order_of_keys(parts):
    assert digest(dict(reversed(parts.items()))) == digest(parts)


def test_the_latents_factor_is_part_of_it(bare_project, tmp_path, parts):
    recipe, model = bare_project.recipe(), open_model("miniature")
    layout = replace(make_layout(recipe, model), factor=4)
    changed = fingerprint_parts(recipe, tmp_path, layout, model, Checksums(tmp_path))
    assert differences(parts, changed) == ["layout.factor: 8 is now 4"]


def test_differences_name_the_key_and_both_values():
    old = {"recipe": {"fit": "cover", "seed": 0, "align": ["a"]}, "model": {"vae": "1"}}
    new = {"recipe": {"fit": "contain", "seed": 0, "align": ["a"], "latent": "mean"}, "model": {}}
    assert differences(old, new) == [
        "recipe.fit: 'cover' is now 'contain'",
        "recipe.latent: 'mean' is new",
        "model.vae: '1' is gone",
    ]


def test_differences_are_short():
    (difference,) = differences({"prompt": "a" * 500}, {"prompt": "b" * 500})
    assert difference.startswith("prompt: 'aaa")
    assert len(difference) < 150


def write_unnoticed(path: Path, content: bytes) -> None:
    """Change a file of that size so that its size and time stay as they were."""
    status = path.stat()
    assert status.st_size == len(content)
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_an_unchanged_file_is_read_once_even_across_runs(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"one")
    (tmp_path / ".compile").mkdir()
    checksums = Checksums(tmp_path)
    before = checksums.of(path)
    checksums.save()
    write_unnoticed(path, b"two")
    assert checksums.of(path) == before
    assert Checksums(tmp_path).of(path) == before


@pytest.mark.parametrize("content", [b"two", b"longer"])
def test_a_changed_file_is_read_again(tmp_path, content):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"one")
    os.utime(path, (1, 1))
    checksums = Checksums(tmp_path)
    before = checksums.of(path)
    path.write_bytes(content)
    assert checksums.of(path) != before


def test_damaged_notes_of_checksums_are_forgotten(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"one")
    before = Checksums(tmp_path).of(path)
    (tmp_path / ".compile").mkdir()
    (tmp_path / ".compile/checksums.json").write_text("{")
    checksums = Checksums(tmp_path)
    assert checksums.of(path) == before
    checksums.save()
    assert json.loads((tmp_path / ".compile/checksums.json").read_text())


def test_a_source_whose_address_is_signed_anew_is_the_same(bare_project, tmp_path):
    plain, *signed = (
        parts_of(bare_project.recipe(source={"kind": "table", "path": place}), tmp_path)
        for place in (
            "https://host/rows.csv",
            "https://host/rows.csv?sig=first",
            "https://me:secret@host/rows.csv?sig=second",
        )
    )
    assert signed == [plain, plain]


def test_a_dataset_that_kept_an_address_whole_is_told_from_one_of_another_source():
    old = {"recipe": {"source": {"path": "https://me:secret@host/a.csv?sig=secret"}}}
    new = {"recipe": {"source": {"path": "https://host/a.csv"}}}
    assert differences(old, new) == [
        "recipe.source.path: 'https://host/a.csv' had its user name or its query, which may be "
        "secret"
    ]
