"""Panels of one row show the same part of the world, and a bad row harms only itself."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from onepic.canvas.findings import Finding
from onepic.canvas.fitting import crop_box, fit_image, panel_box
from onepic.canvas.layout import Layout
from onepic.canvas.operations import Operation, Picture, parse_operation
from onepic.canvas.panels import PreparedRow, prepare_rows, seed_of
from onepic.canvas.row import Row
from onepic.common.errors import RowError
from onepic.compiler.recipe import Recipe

WIDTH, HEIGHT = 32, 32


def prepare(panels: dict[str, Any], *rows: Row, **more: Any) -> list[PreparedRow | RowError]:
    """The panels of some rows; the last one is the target, all are from `image` if not said."""
    full = {name: {"from": "image"} | options for name, options in panels.items()}
    data = {"task": "t", "source": {"kind": "photos"}, "panels": full, "layout": [list(full)]}
    recipe = Recipe.model_validate({"target": list(full)[-1], **data, **more})
    return prepare_rows(recipe, Layout(recipe.layout, WIDTH, HEIGHT, 8), rows)


def prepared(panels: dict[str, Any], *rows: Row, **more: Any) -> list[PreparedRow]:
    """The same, where no row may be refused."""
    results = prepare(panels, *rows, **more)
    assert all(isinstance(result, PreparedRow) for result in results), results
    return [result for result in results if isinstance(result, PreparedRow)]


def refusals(panels: dict[str, Any], *rows: Row, **more: Any) -> list[str]:
    """``STAGE: REASON`` of each row that is refused, and the key of each that is not."""
    return [
        f"{result.stage}: {result.reason}" if isinstance(result, RowError) else result.key
        for result in prepare(panels, *rows, **more)
    ]


def steps(*apply: Any) -> dict[str, Any]:
    return {"apply": list(apply)}


def mask_of(size: tuple[int, int], *box: int) -> Image.Image:
    """Black, and white in a box of left, top, right and bottom."""
    mask = Image.new("L", size)
    if box:
        mask.paste(255, box)
    return mask


def as_image(panel: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(panel)


TWO = {"grey": steps("grayscale"), "colour": {}}


class Clumsy(Operation):
    """Fails on dark pictures with an error of its own."""

    name: ClassVar[str] = "clumsy_for_test"

    def apply(self, picture: Picture) -> Picture:
        if np.asarray(picture.image).mean() < 8:
            raise ValueError("black")
        return picture


class Picky(Operation):
    """Refuses dark pictures, and remembers how many it saw at once."""

    name: ClassVar[str] = "picky_for_test"
    seen: ClassVar[list[int]] = []

    def apply(self, picture: Picture) -> Picture:
        if np.asarray(picture.image).mean() < 8:
            raise RowError("operation", "too dark")
        return picture

    def apply_batch(self, pictures: Sequence[Picture]) -> list[Picture]:
        self.seen.append(len(pictures))
        return [self.apply(picture) for picture in pictures]


class Look(Operation):
    """Uses a mask, in a way that nobody knows of."""

    name: ClassVar[str] = "look_for_test"
    mask: str

    def mask_columns(self) -> tuple[str, ...]:
        return (self.mask,)

    def apply(self, picture: Picture) -> Picture:
        return picture


class Halve(Operation):
    """Changes the size, which its stage does not allow."""

    name: ClassVar[str] = "halve_for_test"

    def apply(self, picture: Picture) -> Picture:
        return picture.with_image(picture.image.reduce(2))


class Turn(Operation):
    """Turns the original by a right angle."""

    name: ClassVar[str] = "turn_for_test"
    stage: ClassVar[Literal["geometry", "pixels"]] = "geometry"

    def apply(self, picture: Picture) -> Picture:
        return picture.map(lambda image: image.transpose(Image.Transpose.ROTATE_90))


def test_panels_have_their_size_and_their_rows_key_and_prompt(picture: Any) -> None:
    row = Row("a/1.png", {"image": picture(80, 48), "caption": " a\ncat "})
    (result,) = prepared(TWO, row, prompt="the {caption}")
    assert (result.key, result.prompt) == ("a/1.png", "the a cat")
    assert list(result.panels) == ["grey", "colour"]
    for panel in result.panels.values():
        assert panel.shape == (HEIGHT, WIDTH, 3)
        assert panel.dtype == np.uint8
    assert result.narrowed is None
    assert result.without_pixels().panels == {}
    assert result.without_pixels().prompt == result.prompt


def test_rows_keep_their_order(picture: Any) -> None:
    rows = [Row(key, {"image": picture(seed=number)}) for number, key in enumerate("cab")]
    assert [result.key for result in prepared(TWO, *rows)] == ["c", "a", "b"]
    assert prepared(TWO) == []


@pytest.mark.parametrize("size", [(80, 48), (48, 80), (33, 32)])
@pytest.mark.parametrize("fit", ["cover", "contain", "stretch"])
def test_two_panels_of_one_image_are_cut_exactly_alike(
    picture: Any, size: tuple[int, int], fit: Any
) -> None:
    image = picture(*size)
    (result,) = prepared(TWO, Row("a", {"image": image}), fit=fit, background="lime")
    expected = fit_image(image, (WIDTH, HEIGHT), fit=fit, background=(0, 255, 0))
    assert as_image(result.panels["colour"]) == expected
    assert as_image(result.panels["grey"]) == expected.convert("L").convert("RGB")
    crop = crop_box(size, (WIDTH, HEIGHT), fit)
    assert result.crops == {"grey": crop, "colour": crop}
    assert result.original_sizes == {"grey": size, "colour": size}


def test_columns_of_one_size_are_cut_alike(picture: Any) -> None:
    row = Row("a", {"image": picture(80, 48), "depth": picture(80, 48).convert("L")})
    (result,) = prepared({"a": {"from": "depth"}, "b": {}}, row)
    assert result.crops["a"] == result.crops["b"]


def test_operations_run_in_the_order_of_the_recipe(picture: Any) -> None:
    panels = {"first": steps("grayscale", "noise"), "last": steps("noise", "grayscale"), "c": {}}
    (result,) = prepared(panels, Row("a", {"image": picture()}))
    coloured = {name: bool(np.ptp(panel, axis=2).any()) for name, panel in result.panels.items()}
    assert coloured == {"first": True, "last": False, "c": True}


def test_conditions_are_computed_from_the_final_pixels(picture: Any) -> None:
    small, lossy = {"downsample": {"factor": 4}}, {"jpeg": {"quality": 5}}
    panels = {"small": steps(small), "lossy": steps(lossy), "whole": {}}
    (result,) = prepared(panels, Row("a", {"image": picture(320, 200)}))
    whole = Picture(as_image(result.panels["whole"]))
    for name, step in {"small": small, "lossy": lossy}.items():
        condition = np.asarray(parse_operation(step).apply(whole).image)
        assert (result.panels[name] == condition).all()
        assert (result.panels[name] != result.panels["whole"]).any()


def test_geometry_runs_on_the_original_and_before_everything_else(picture: Any) -> None:
    image = picture(96, 64)
    (result,) = prepared({"a": steps("grayscale", Turn()), "b": {}}, Row("a", {"image": image}))
    turned = image.transpose(Image.Transpose.ROTATE_90)
    expected = fit_image(turned, (WIDTH, HEIGHT), fit="cover", background=(0, 0, 0))
    assert as_image(result.panels["a"]) == expected.convert("L").convert("RGB")
    upright = fit_image(image, (WIDTH, HEIGHT), fit="cover", background=(0, 0, 0))
    assert as_image(result.panels["b"]) == upright
    assert result.crops == {"a": None, "b": crop_box((96, 64), (WIDTH, HEIGHT), "cover")}
    assert result.original_sizes == {"a": (96, 64), "b": (96, 64)}


def test_a_large_jpeg_has_its_full_size_and_crop(picture: Any) -> None:
    file = io.BytesIO()
    picture(640, 384).save(file, "JPEG")
    (result,) = prepared(TWO, Row("a", {"image": file.getvalue()}))
    assert result.original_sizes["colour"] == (640, 384)
    assert result.crops["colour"] == (128, 0, 512, 384)


def test_a_bad_row_leaves_the_others_alone(picture: Any) -> None:
    good = [Row(key, {"image": picture(seed=n), "caption": key}) for n, key in enumerate("abc")]
    rows = [
        good[0],
        Row("gone", error=RowError("read", "no such file")),
        Row("none", {"image": None, "caption": "x"}),
        Row("broken", {"image": b"broken", "caption": "x"}),
        good[1],
        Row("mute", {"image": picture(), "caption": None}),
        good[2],
    ]
    panels = {"noisy": steps("noise"), "colour": {}}
    a, gone, none, broken, b, mute, c = refusals(panels, *rows, prompt="{caption}")
    assert (a, b, c) == ("a", "b", "c")
    assert gone == "read: no such file"
    assert none == "read: column 'image' has no image"
    assert broken.startswith("decode: column 'image': not an image")
    assert mute.startswith("prompt: column 'caption' is empty")
    results = prepare(panels, *rows, prompt="{caption}")
    for result, alone in zip(
        [results[0], results[4], results[6]],
        prepared(panels, *good, prompt="{caption}"),
        strict=True,
    ):
        assert isinstance(result, PreparedRow)
        for name, panel in alone.panels.items():
            assert (result.panels[name] == panel).all()


def test_a_row_that_took_the_prompts_default_is_counted(picture: Any) -> None:
    said, silent = ({"caption": text} for text in ("a cat", "NaN"))
    rows = [
        Row(key, {"image": picture(), **text})
        for key, text in zip("ab", (said, silent), strict=True)
    ]
    first, second = prepared(TWO, *rows, prompt="{caption|a photograph}")
    assert (first.prompt, first.findings) == ("a cat", ())
    assert second.prompt == "a photograph"
    assert second.findings == (Finding("default-prompt", "column caption"),)


def test_an_operation_sees_all_rows_at_once_and_the_failing_one_is_found(picture: Any) -> None:
    rows = [Row(str(n), {"image": picture(seed=n)}) for n in range(4)]
    rows[2] = Row("2", {"image": Image.new("RGB", (40, 40))})
    Picky.seen.clear()
    panels = {"a": steps(Picky(), "invert"), "b": {}}
    expected = ["0", "1", "operation: panel 'a': too dark", "3"]
    assert refusals(panels, *rows) == expected
    assert Picky.seen == [4, 1, 1, 1, 1]


def test_a_row_that_failed_is_not_worked_on_any_further(picture: Any) -> None:
    rows = [Row("0", {"image": Image.new("RGB", (40, 40))}), Row("1", {"image": picture()})]
    Picky.seen.clear()
    assert refusals({"a": steps(Picky()), "b": steps(Picky())}, *rows)[1] == "1"
    assert Picky.seen == [2, 1, 1, 1]


def test_an_operation_that_changes_the_size_is_named(picture: Any) -> None:
    (refusal,) = refusals({"a": steps(Halve()), "b": {}}, Row("a", {"image": picture()}))
    assert "panel 'a': halve_for_test changed the size" in refusal
    assert 'stage = "geometry"' in refusal


def test_whatever_an_operation_raises_is_its_rows_fault_and_names_the_operation(
    picture: Any,
) -> None:
    rows = [Row(str(n), {"image": picture(seed=n)}) for n in range(3)]
    rows[1] = Row("1", {"image": Image.new("RGB", (40, 40))})
    found = refusals({"a": steps(Clumsy()), "b": {}}, *rows)
    assert found == ["0", "operation: panel 'a': clumsy_for_test failed: ValueError: black", "2"]


ALIGNED = {"a": {"from": "photo"}, "b": {"from": "depth"}}


@pytest.mark.parametrize(
    ("photo", "depth", "aligned"),
    [
        ((80, 48), (80, 48), True),
        ((80, 48), (160, 96), True),
        ((100, 67), (50, 33), True),
        ((80, 48), (80, 52), False),
        ((80, 48), (48, 80), False),
        ((200, 48), (80, 48), False),
    ],
)
def test_columns_that_align_must_have_one_shape(
    picture: Any, photo: Any, depth: Any, aligned: bool
) -> None:
    row = Row("key", {"photo": picture(*photo), "depth": picture(*depth)})
    (found,) = refusals(ALIGNED, row, align=["photo", "depth"])
    sizes = f"'photo' ({photo[0]} x {photo[1]} px) and 'depth' ({depth[0]} x {depth[1]} px)"
    expected = f"decode: columns {sizes} must align but differ in shape"
    assert found.startswith("key" if aligned else expected)
    assert refusals(ALIGNED, row) == ["key"]


def colours_of(panel: NDArray[np.uint8]) -> int:
    return len(np.unique(panel.reshape(-1, 3), axis=0))


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("file", "kind", "is_mixed"),
    [
        ("P", "auto", False),
        ("P", "labels", False),
        ("P", "picture", True),
        ("RGB", "auto", True),
        ("RGB", "labels", False),
    ],
)
@pytest.mark.parametrize("apply", [[], [{"resize": {"width": 57}}]])
@pytest.mark.parametrize("size", [(150, 100), (20, 20)])
def test_maps_of_labels_are_scaled_without_mixing_colours(
    picture: Any, file: str, kind: str, is_mixed: bool, apply: Any, size: Any
) -> None:
    labels = encoded(picture(*size).quantize(3).convert(file))
    panels = {"map": {"kind": kind, "apply": apply}, "again": {"kind": kind, "apply": apply}}
    (result,) = prepared(panels, Row("a", {"image": labels}))
    for panel in result.panels.values():
        assert (colours_of(panel) > 3) is is_mixed


def test_labels_are_never_reduced_while_they_are_decoded(picture: Any) -> None:
    """A JPEG that is decoded at half its size mixes colours."""
    image = picture(256, 256).quantize(3).convert("RGB")
    file = encoded(image, "JPEG", quality=95)
    (result,) = prepared(
        {"a": {"kind": "labels"}, "b": {"kind": "labels"}}, Row("key", {"image": file})
    )
    whole = Image.open(io.BytesIO(file)).convert("RGB")
    assert (result.panels["a"] == np.asarray(whole.resize((WIDTH, HEIGHT), 0))).all()


def test_a_range_of_a_panel_is_that_of_its_column(picture: Any) -> None:
    depth = encoded(Image.fromarray(np.linspace(0, 5000, 1024, dtype=np.uint16).reshape(32, 32)))
    panels = {"depth": {"from": "depth", "range": [0, 5000]}, "photo": {"from": "photo"}}
    row = Row("a", {"depth": depth, "photo": picture(32, 32)})
    (result,) = prepared(panels, row)
    assert (result.panels["depth"].min(), result.panels["depth"].max()) == (0, 255)
    assert result.findings == ()
    (dark,) = prepared(panels | {"depth": {"from": "depth"}}, row)
    assert dark.panels["depth"].max() == 19
    assert [(found.kind, found.about) for found in dark.findings] == [
        ("few-levels", "column 'depth': fewer than 32 of 256 levels"),
        ("flat-panel", "panel 'depth': fewer than 32 of 256 levels"),
    ]


def test_pictures_that_are_cut_differently_are_counted(picture: Any) -> None:
    row = Row("a", {"photo": picture(80, 48), "depth": picture(48, 80)})
    (result,) = prepared(ALIGNED, row)
    about = "columns 'photo' and 'depth', as if one were turned (by a stale EXIF tag?)"
    assert [(found.kind, found.about) for found in result.findings] == [("cut-differently", about)]


ERASED = {"hole": steps({"erase": {"mask": "area", "colour": "red"}}), "whole": {}}
NARROWED = {"panel": "whole", "mask": "area"}


@pytest.mark.parametrize("fit", ["cover", "contain", "stretch"])
def test_what_is_erased_is_what_is_learned(picture: Any, fit: str) -> None:
    row = Row("a", {"image": picture(80, 48), "area": mask_of((80, 48), 30, 10, 55, 30)})
    (result,) = prepared(ERASED, row, target=NARROWED, fit=fit)
    assert result.narrowed is not None
    assert result.narrowed.dtype == bool
    assert result.narrowed.shape == (HEIGHT, WIDTH)
    assert 0 < result.narrowed.sum() < result.narrowed.size
    hole, whole = result.panels["hole"], result.panels["whole"]
    assert (hole[result.narrowed] == (255, 0, 0)).all()
    assert (hole[~result.narrowed] == whole[~result.narrowed]).all()


def test_a_mask_goes_through_geometry_with_its_image(picture: Any) -> None:
    row = Row("a", {"image": picture(64, 64), "area": mask_of((64, 64), 0, 0, 32, 16)})
    (result,) = prepared({"a": {}, "whole": steps(Turn())}, row, target=NARROWED)
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[16:, :8] = True
    assert result.narrowed is not None
    assert (result.narrowed == expected).all()


def test_the_background_is_never_learned(picture: Any) -> None:
    row = Row("a", {"image": picture(80, 40), "area": mask_of((80, 40), 0, 0, 80, 40)})
    allowed = {"area": {"read": {"allow": ["full"]}}}
    panels = {"a": {}, "whole": {}}
    (result,) = prepared(panels, row, target=NARROWED, fit="contain", masks=allowed)
    left, top, right, bottom = panel_box((80, 40), (WIDTH, HEIGHT), "contain")
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[top:bottom, left:right] = True
    assert result.narrowed is not None
    assert (result.narrowed == expected).all()


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (mask_of((80, 48)), "mask: mask area marks nothing; mend it"),
        (mask_of((80, 48), 0, 0, 80, 48), "mask: mask area marks everything; mend it"),
        (
            mask_of((80, 48), 0, 0, 8, 48),
            "mask: mask area marks nothing of what the panel 'hole' shows; mend it",
        ),
        (
            mask_of((80, 48), 8, 0, 72, 48),
            "mask: mask area marks everything of what the panel 'hole' shows; mend it",
        ),
        (mask_of((81, 48), 0, 0, 8, 48), "mask: mask area is 81x48 px but its image is 80x48 px"),
        (None, "mask: column 'area' has no mask"),
        (b"broken", "decode: mask area: not an image"),
    ],
    ids=[
        "black",
        "white",
        "white outside the cut",
        "white all over the cut",
        "another size",
        "missing",
        "broken",
    ],
)
def test_a_row_whose_mask_does_not_suit_is_refused(picture: Any, mask: Any, reason: str) -> None:
    rows = [
        Row("bad", {"image": picture(80, 48), "area": mask}),
        Row("good", {"image": picture(80, 48), "area": mask_of((80, 48), 20, 0, 60, 48)}),
    ]
    bad, good = refusals(ERASED, *rows, target=NARROWED)
    assert bad.startswith(reason)
    assert good == "good"


USES: dict[str, Any] = {
    "target": {"a": {}, "whole": {}},
    "erase": {"a": steps({"erase": {"mask": "area"}}), "whole": {}},
    "crop_to_mask": {"a": steps({"crop_to_mask": {"mask": "area"}}), "whole": {}},
    "an operation of one's own": {"a": steps(Look(mask="area")), "whole": {}},
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(("box", "extent"), [((), "nothing"), ((0, 0, 80, 48), "everything")])
def test_a_mask_of_nothing_or_everything_is_refused_whatever_uses_it(
    picture: Any, use: str, box: Any, extent: str
) -> None:
    row = Row("a", {"image": picture(80, 48), "area": mask_of((80, 48), *box)})
    target = {"target": NARROWED} if use == "target" else {}
    (refusal,) = refusals(USES[use], row, **target)
    assert refusal.startswith(f"mask: mask area marks {extent}")


@pytest.mark.parametrize(
    ("box", "extent", "covered"),
    [
        ((), "empty", 0),
        ((0, 0, 8, 48), "empty", 0),
        ((0, 0, 80, 48), "full", WIDTH * HEIGHT),
        ((8, 0, 72, 48), "full", WIDTH * HEIGHT),
    ],
)
def test_a_recipe_may_allow_it_and_such_rows_are_counted(
    picture: Any, box: Any, extent: str, covered: int
) -> None:
    row = Row("a", {"image": picture(80, 48), "area": mask_of((80, 48), *box)})
    allowed = {"area": {"read": {"allow": [extent]}}}
    (result,) = prepared(ERASED, row, masks=allowed)
    assert (result.panels["hole"] == (255, 0, 0)).all(axis=2).sum() == covered
    assert Finding(f"mask-{extent}", "area") in result.findings


def test_a_target_of_nothing_cannot_be_allowed(picture: Any) -> None:
    row = Row("a", {"image": picture(80, 48), "area": mask_of((80, 48))})
    allowed = {"area": {"read": {"allow": ["empty"]}}}
    (refusal,) = refusals(ERASED, row, target=NARROWED, masks=allowed)
    assert refusal.startswith("mask: mask 'area' leaves nothing of the target")


def test_what_is_left_of_a_crop_is_not_held_against_the_mask_that_asked_for_it(
    picture: Any,
) -> None:
    row = Row("a", {"image": picture(80, 48), "area": mask_of((80, 48), 8, 8, 40, 40)})
    crop = steps({"crop_to_mask": {"mask": "area", "margin": 0}})
    assert refusals({"a": crop, "whole": {}}, row) == ["a"]


def test_how_a_mask_was_read_is_told_of_each_row(picture: Any) -> None:
    truth = mask_of((64, 64), 20, 8, 60, 40).point(lambda value: value // 255)
    row = Row("a", {"image": picture(64, 64), "area": truth})
    (result,) = prepared(ERASED, row, target=NARROWED)
    assert result.findings == (Finding("mask-reading", "area: two values, 0 and 1"),)
    inverted = {"area": {"read": {"invert": True}}}
    (other,) = prepared(ERASED, row, target=NARROWED, masks=inverted)
    assert (other.narrowed == ~result.narrowed).all()


NOISY = {"one": steps("noise"), "two": steps("noise"), "whole": {}}


def test_what_is_random_follows_from_the_key_and_not_from_the_order(picture: Any) -> None:
    rows = [Row(key, {"image": picture()}) for key in "abc"]
    forward, backward = prepared(NOISY, *rows), prepared(NOISY, *rows[::-1])
    for one, other in zip(forward, backward[::-1], strict=True):
        assert one.key == other.key
        assert (one.panels["one"] == other.panels["one"]).all()
    assert (forward[0].panels["whole"] == forward[1].panels["whole"]).all()
    assert (forward[0].panels["one"] != forward[1].panels["one"]).any()


def test_what_is_random_differs_between_panels_and_recipe_seeds(picture: Any) -> None:
    row = Row("a", {"image": picture()})
    (first,), (again,), (other,) = (prepared(NOISY, row, seed=seed) for seed in (0, 0, 1))
    assert (first.panels["one"] != first.panels["two"]).any()
    assert (first.panels["one"] == again.panels["one"]).all()
    assert (first.panels["one"] != other.panels["one"]).any()


@given(st.lists(st.text() | st.integers()))
def test_a_seed_suits_every_generator(parts: list[Any]) -> None:
    assert 0 <= seed_of(*parts) < 2**63
    assert seed_of(*parts) == seed_of(*parts)


def test_a_seed_is_the_same_in_every_version_and_knows_its_parts_apart() -> None:
    assert seed_of(0, "a", "colour") == 5_786_546_846_488_894_328
    assert (
        len({seed_of(*parts) for parts in [("a", "bc"), ("ab", "c"), ("abc",), ("c", "ab")]}) == 4
    )


STORY = {"one": {}, "two": {}, "three": {}}


def story(*keys: str, **target: Any) -> list[PreparedRow]:
    rows = [Row(key, {"image": Image.new("RGB", (32, 32))}) for key in keys]
    return prepared(STORY, *rows, target={"panels": list(STORY), **target}, seed=3)


def test_targets_can_be_drawn_anew_for_each_row():
    keys = [str(number) for number in range(60)]
    rows = story(*keys, choose=[1, 2])
    drawn = {row.targets for row in rows}
    assert {len(targets) for targets in drawn} == {1, 2}
    assert len(drawn) == 3 + 3
    assert [row.targets for row in story(*keys, choose=[1, 2])] == [row.targets for row in rows]


def test_targets_that_are_drawn_do_not_depend_on_the_rows_around():
    alone = {key: story(key, choose=1)[0].targets for key in "abc"}
    assert {row.key: row.targets for row in story(*"cba", choose=1)} == alone


def test_without_a_choice_all_targets_are_learned():
    (row,) = prepared(TWO, Row("a", {"image": Image.new("RGB", (32, 32))}))
    assert row.targets == ("colour",)
