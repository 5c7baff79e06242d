"""Operations on the original pixels move the image and its masks together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from onepic.canvas.operations import OPERATIONS, Picture, parse_operation
from onepic.common.errors import RowError


def marked(picture: Any, box: tuple[int, int, int, int] | None) -> Picture:
    mask = Image.new("L", (64, 48))
    if box:
        mask.paste(255, box)
    return Picture(picture(64, 48), {"thing": mask})


def colours_of(image: Image.Image) -> set[Any]:
    return {colour for _, colour in image.getcolors(1 << 24) or []}


@pytest.mark.parametrize(
    ("options", "size"),
    [({"width": 32}, (32, 24)), ({"height": 96}, (128, 96)), ({"width": 9, "height": 8}, (9, 8))],
)
def test_resize_keeps_the_aspect_unless_both_sides_are_given(
    picture: Any, options: dict[str, int], size: tuple[int, int]
) -> None:
    result = parse_operation({"resize": options}).apply(marked(picture, (0, 0, 32, 48)))
    assert result.image.size == result.masks["thing"].size == size
    assert set(np.unique(np.asarray(result.masks["thing"]))) == {0, 255}
    assert OPERATIONS["resize"].stage == "geometry"


def test_resize_mixes_no_colours_of_labels(picture: Any) -> None:
    labels = picture(64, 48).quantize(4).convert("RGB")
    shrink = parse_operation({"resize": {"width": 37}})
    for nearest in (True, False):
        result = shrink.apply(Picture(labels, nearest=nearest)).image
        assert (colours_of(result) <= colours_of(labels)) is nearest


@pytest.mark.parametrize(
    ("margin", "box"), [(0, (20, 10, 40, 30)), (0.1, (18, 8, 42, 32)), (9, (0, 0, 64, 48))]
)
def test_crop_to_mask_keeps_the_box_with_its_margin(
    picture: Any, margin: float, box: tuple[int, int, int, int]
) -> None:
    before = marked(picture, (20, 10, 40, 30))
    crop = parse_operation({"crop_to_mask": {"mask": "thing", "margin": margin}})
    after = crop.apply(before)
    assert after.image == before.image.crop(box)
    assert after.masks["thing"] == before.masks["thing"].crop(box)
    assert crop.mask_columns() == ("thing",)


@pytest.mark.parametrize(
    ("box", "reason"),
    [(None, "mask thing marks nothing"), ((5, 5, 6, 6), "1x1 px around mask thing")],
)
def test_crop_to_a_mask_without_room_is_refused(picture: Any, box: Any, reason: str) -> None:
    with pytest.raises(RowError, match=reason) as caught:
        parse_operation({"crop_to_mask": {"mask": "thing"}}).apply(marked(picture, box))
    assert caught.value.stage == "mask"
