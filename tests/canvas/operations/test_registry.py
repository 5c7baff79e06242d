"""How recipes name operations, and how users add their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydantic import ValidationError

from onepic.canvas.operations import (
    OPERATIONS,
    Picture,
    dump_operation,
    load_operations_file,
    parse_operation,
)
from onepic.common.errors import RecipeError

SEPIA = '''
from typing import ClassVar

from PIL import Image
from pydantic import Field

from onepic.compiler.operations import Operation, Picture, register


@register
class Swap(Operation):
    """Exchange red and blue."""

    name: ClassVar[str] = "swap_for_test"
    also_green: bool = Field(default=False)

    def apply(self, picture: Picture) -> Picture:
        red, green, blue = picture.image.split()
        return picture.with_image(Image.merge("RGB", (blue, green, red)))
'''


def test_a_name_and_a_name_with_options() -> None:
    assert parse_operation("canny") == parse_operation({"canny": {}})
    assert parse_operation({"canny": None}) == parse_operation("canny")
    assert dump_operation(parse_operation({"canny": {"low": 50}})) == {
        "canny": {"low": 50, "high": 200}
    }


@pytest.mark.parametrize(
    "written",
    [
        {"erase": {"mask": "hole", "colour": "red"}},
        {"detector": {"detector": "HEDdetector", "weights": "a/b", "load": {"filename": "c"}}},
        {"resize": {"width": 64}},
        "noise",
    ],
)
def test_a_dump_has_every_option_and_is_read_back(written: Any) -> None:
    operation = parse_operation(written)
    dump = dump_operation(operation)
    assert dump[operation.name].keys() == type(operation).model_fields.keys()
    assert parse_operation(dump) == operation


def test_an_unknown_name_brings_the_closest() -> None:
    with pytest.raises(
        ValueError, match=r"'grayscal'; did you mean 'grayscale'.*known: blur, canny"
    ):
        parse_operation("grayscal")
    with pytest.raises(ValidationError, match="did you mean 'low'"):
        parse_operation({"canny": {"lo": 3}})
    with pytest.raises(ValidationError, match="did you mean 'HEDdetector'"):
        parse_operation({"detector": {"detector": "HedDetector"}})


@pytest.mark.parametrize("form", [3, None, [], {}, {"a": {}, "b": {}}, {"canny": 3}])
def test_other_forms_are_refused(form: Any) -> None:
    with pytest.raises(ValueError, match="an operation is a name"):
        parse_operation(form)


def test_every_option_is_described() -> None:
    for operation in OPERATIONS.values():
        for option in operation.model_json_schema()["properties"].values():
            assert option.get("description"), operation


def test_a_users_file_adds_an_operation(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(SEPIA)
    try:
        assert load_operations_file(file) is load_operations_file(file)
        swap = parse_operation("swap_for_test")
        result = swap.apply(Picture(Image.new("RGB", (8, 8), (1, 2, 3))))
        assert result.image.getpixel((0, 0)) == (3, 2, 1)
        assert dump_operation(swap) == {"swap_for_test": {"also_green": False}}
    finally:
        OPERATIONS.pop("swap_for_test", None)


def test_an_edited_file_is_imported_anew(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(SEPIA)
    try:
        first = load_operations_file(file)
        file.write_text(SEPIA + "\nEDITED = True\n")
        assert not hasattr(first, "EDITED")
        assert load_operations_file(file).EDITED
    finally:
        OPERATIONS.pop("swap_for_test", None)


def test_a_users_file_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"missing\.py does not exist"):
        load_operations_file(tmp_path / "missing.py")
    (tmp_path / "broken.py").write_text("1 / 0")
    with pytest.raises(RecipeError, match="division by zero"):
        load_operations_file(tmp_path / "broken.py")


def test_a_name_can_be_taken_only_once(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(SEPIA.replace("swap_for_test", "canny"))
    with pytest.raises(RecipeError, match="two operations are named 'canny'"):
        load_operations_file(file)


def test_importing_the_operations_imports_no_heavy_library() -> None:
    heavy = "{'torch', 'cv2', 'controlnet_aux', 'transformers'}"
    code = f"import sys, onepic.canvas.operations; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
