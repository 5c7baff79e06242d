"""One mask saved in each way that people's tools save masks: read as it is meant, or refused."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageFilter

from onepic.canvas.findings import Finding
from onepic.canvas.masks.files import check_mask_size, read_mask
from onepic.canvas.masks.options import ReadMask
from onepic.common.errors import RowError

SIZE = 64
ROWS, COLUMNS = np.mgrid[:SIZE, :SIZE]
#: What the files of these tests mean: a disc, off the middle.
DISC = (ROWS - 28) ** 2 + (COLUMNS - 34) ** 2 < 15**2
LEFT = DISC & (COLUMNS < 34)
EVERYWHERE, NOWHERE = np.ones_like(DISC), np.zeros_like(DISC)
WHITE_DISC = Image.fromarray(np.where(DISC, np.uint8(255), np.uint8(0)))
VOC = [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0]


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def grey(marked: float, rest: float = 0, kind: Any = np.uint8) -> Image.Image:
    return Image.fromarray(np.where(DISC, marked, rest).astype(kind))


def colour(marked: Any, rest: Any) -> Image.Image:
    """In colours of three or four channels."""
    return Image.fromarray(np.where(DISC[..., None], marked, rest).astype(np.uint8))


def palette(*colours: int, marked: int = 1, rest: int = 0) -> Image.Image:
    indices = grey(marked, rest).convert("L")
    image = Image.new("P", indices.size)
    image.putdata(list(indices.tobytes()))
    image.putpalette(colours)
    return image


def layer(opacity: Any, picture: Image.Image) -> Image.Image:
    """A picture that is as opaque as a mask says."""
    image = picture.convert("RGBA")
    image.putalpha(opacity)
    return image


def labels() -> Image.Image:
    return Image.fromarray(np.where(LEFT, 1, np.where(DISC, 2, 0)).astype(np.uint8))


def photograph(picture: Callable[..., Image.Image]) -> Image.Image:
    return picture(SIZE, SIZE, seed=1)


def scaled(resample: Image.Resampling) -> Image.Image:
    """The disc, drawn four times as large and scaled down."""
    rows, columns = (np.mgrid[: SIZE * 4, : SIZE * 4] - 1.5) / 4
    large = (rows - 28) ** 2 + (columns - 34) ** 2 < 15**2
    return Image.fromarray(large.astype(np.uint8) * 255).resize((SIZE, SIZE), resample)


BLACK_AND_WHITE = "black and white"
PALETTE = "a palette, whose index 0 is the background"
LAYER = "paint of one colour on a transparent layer"
MARKER = "one colour on black"

CERTAIN: Mapping[str, tuple[Any, str]] = {
    "8 bits": (saved(WHITE_DISC), BLACK_AND_WHITE),
    "a decoded image": (WHITE_DISC, BLACK_AND_WHITE),
    "RGB": (saved(WHITE_DISC.convert("RGB")), BLACK_AND_WHITE),
    "opaque RGBA": (saved(WHITE_DISC.convert("RGBA")), BLACK_AND_WHITE),
    "opaque LA": (saved(WHITE_DISC.convert("LA")), BLACK_AND_WHITE),
    "CMYK": (saved(WHITE_DISC.convert("RGB").convert("CMYK"), "TIFF"), BLACK_AND_WHITE),
    "1 bit": (saved(WHITE_DISC.convert("1")), BLACK_AND_WHITE),
    "1 bit as TIFF": (
        saved(WHITE_DISC.convert("1"), "TIFF", compression="group4"),
        "black and white",
    ),
    "1 bit as BMP": (saved(WHITE_DISC.convert("1"), "BMP"), BLACK_AND_WHITE),
    "16 bits": (saved(grey(65535, kind=np.uint16)), BLACK_AND_WHITE),
    "8 bits in 16": (saved(grey(255, kind=np.uint16)), BLACK_AND_WHITE),
    "16 bits as TIFF": (saved(grey(65535, kind=np.uint16), "TIFF"), BLACK_AND_WHITE),
    "32 bits": (saved(grey(255, kind=np.int32), "TIFF"), BLACK_AND_WHITE),
    "floats": (saved(grey(1, kind=np.float32), "TIFF"), BLACK_AND_WHITE),
    "floats up to 255": (saved(grey(255, kind=np.float32), "TIFF"), BLACK_AND_WHITE),
    "truth values": (saved(grey(1)), "two values, 0 and 1"),
    "truth values in RGB": (saved(grey(1).convert("RGB")), "two values, 0 and 1"),
    "truth values in 16 bits": (saved(grey(1, kind=np.uint16)), "two values, 0 and 1"),
    "a grey": (saved(grey(100)), "two values, 0 and 100"),
    "a small float": (saved(grey(0.25, kind=np.float32), "TIFF"), "two values, 0 and 0.25"),
    "signed floats": (saved(grey(1, -1, np.float32), "TIFF"), "two values, -1 and 1"),
    "video's black and white": (saved(grey(235, 16)), "two values, 16 and 235"),
    "neighbours of half": (saved(grey(128, 127)), "two values, 127 and 128"),
    "VOC": (saved(palette(*VOC)), PALETTE),
    "VOC with another label": (saved(palette(*VOC, marked=3)), PALETTE),
    "a dark mark on a light background": (saved(palette(200, 200, 90, 9, 0, 0)), PALETTE),
    "a palette of two greys": (saved(palette(0, 0, 0, 255, 255, 255)), BLACK_AND_WHITE),
    "a palette whose white is first": (
        saved(palette(255, 255, 255, 0, 0, 0, marked=0, rest=1)),
        BLACK_AND_WHITE,
    ),
    "a GIF": (saved(WHITE_DISC, "GIF"), BLACK_AND_WHITE),
    "an animated GIF": (
        saved(WHITE_DISC, "GIF", save_all=True, append_images=[Image.new("L", (SIZE, SIZE))]),
        BLACK_AND_WHITE,
    ),
    "white paint": (saved(layer(WHITE_DISC, Image.new("L", (SIZE, SIZE), 255))), LAYER),
    "black paint": (saved(layer(WHITE_DISC, Image.new("L", (SIZE, SIZE)))), LAYER),
    "red paint": (saved(layer(WHITE_DISC, Image.new("RGB", (SIZE, SIZE), "red"))), LAYER),
    "paint in WebP": (
        saved(layer(WHITE_DISC, Image.new("L", (SIZE, SIZE))), "WEBP", lossless=True),
        LAYER,
    ),
    "half transparent paint": (
        saved(layer(grey(128), Image.new("RGB", (SIZE, SIZE), "red"))),
        LAYER,
    ),
    "grey paint": (saved(Image.merge("LA", [WHITE_DISC, WHITE_DISC])), LAYER),
    "a palette with a transparent index": (saved(palette(*VOC), transparency=0), LAYER),
    "a palette whose transparent index is not used": (
        saved(palette(*VOC), transparency=3),
        PALETTE,
    ),
    "a transparent grey": (saved(WHITE_DISC, transparency=0), LAYER),
    "red on black": (saved(colour((255, 0, 0), (0, 0, 0))), MARKER),
    "dark red on black": (saved(colour((90, 0, 0), (0, 0, 0))), MARKER),
    "red on black, opaque": (saved(colour((255, 0, 0, 255), (0, 0, 0, 255))), MARKER),
}

#: Whose edges are soft, so that a pixel of the edge may be in or out.
SOFT: Mapping[str, tuple[Any, str]] = {
    "blurred": (saved(WHITE_DISC.filter(ImageFilter.GaussianBlur(2))), BLACK_AND_WHITE),
    "JPEG": (saved(WHITE_DISC, "JPEG", quality=70), BLACK_AND_WHITE),
    "JPEG in colours": (saved(WHITE_DISC.convert("RGB"), "JPEG", quality=50), BLACK_AND_WHITE),
    "JPEG as CMYK": (
        saved(WHITE_DISC.convert("RGB").convert("CMYK"), "JPEG", quality=90),
        BLACK_AND_WHITE,
    ),
    "blurred JPEG": (
        saved(WHITE_DISC.filter(ImageFilter.GaussianBlur(2)), "JPEG", quality=60),
        BLACK_AND_WHITE,
    ),
    "scaled down": (saved(scaled(Image.Resampling.BOX)), BLACK_AND_WHITE),
    "scaled down, smoothly": (saved(scaled(Image.Resampling.LANCZOS)), BLACK_AND_WHITE),
    "blurred, in 16 bits": (
        saved(
            Image.fromarray(
                np.asarray(WHITE_DISC.filter(ImageFilter.GaussianBlur(2))).astype(np.uint16) * 257
            )
        ),
        BLACK_AND_WHITE,
    ),
    "blurred, in floats": (
        saved(
            Image.fromarray(
                np.asarray(WHITE_DISC.filter(ImageFilter.GaussianBlur(2))).astype(np.float32) / 255
            ),
            "TIFF",
        ),
        BLACK_AND_WHITE,
    ),
    "a soft brush": (
        saved(layer(scaled(Image.Resampling.BOX), Image.new("RGB", (SIZE, SIZE), "red"))),
        LAYER,
    ),
    "a soft red marker": (
        saved(
            Image.merge("RGB", [scaled(Image.Resampling.BOX), *[Image.new("L", (SIZE, SIZE))] * 2])
        ),
        MARKER,
    ),
}


def marks(value: Any, **options: Any) -> np.ndarray[Any, Any]:
    mask = read_mask(value, "m", ReadMask(**options)).mask
    assert mask.mode == "L"
    assert set(np.unique(np.asarray(mask)).tolist()) <= {0, 255}
    return np.asarray(mask) > 0


def refusal(value: Any, **options: Any) -> str:
    with pytest.raises(RowError) as caught:
        read_mask(value, "m", ReadMask(**options))
    assert caught.value.stage == "mask"
    return caught.value.reason


@pytest.mark.parametrize(("value", "how"), CERTAIN.values(), ids=CERTAIN)
def test_what_is_certain_is_read_to_the_pixel_and_said(value: Any, how: str) -> None:
    assert (marks(value) == DISC).all()
    assert read_mask(value, "m").findings == (Finding("mask-reading", f"m: {how}"),)


@pytest.mark.parametrize(("value", "how"), SOFT.values(), ids=SOFT)
def test_a_soft_edge_is_cut_at_half_and_counted(value: Any, how: str) -> None:
    found = marks(value)
    assert (found & DISC).sum() / (found | DISC).sum() > 0.96
    expected = (Finding("mask-reading", f"m: {how}"), Finding("mask-soft", "m"))
    assert read_mask(value, "m").findings == expected


UNCERTAIN: Mapping[str, tuple[Any, str, str]] = {
    "labels": (saved(labels()), "the values 0, 1 and 2", "labels: [1]"),
    "two labels and no background": (saved(grey(1, 2)), "the values 1 and 2", "labels: [1]"),
    "light greys": (saved(grey(250, 200)), "the values 200 and 250", "labels: [200]"),
    "labels with a void of white": (
        saved(Image.fromarray(np.where(DISC, 15, np.where(ROWS < 3, 255, 0)).astype(np.uint8))),
        "the values 0, 15 and 255",
        "labels: [15]",
    ),
    "black, white and unknown": (
        saved(Image.fromarray(np.where(LEFT, 128, np.where(DISC, 255, 0)).astype(np.uint8))),
        "the values 0, 128 and 255",
        "labels: [128]",
    ),
    "labels of a palette": (
        saved(Image.fromarray(np.asarray(labels())).convert("P")),
        "the indices 0, 1 and 2 of a palette",
        "labels: [1]",
    ),
    "a palette without a background": (
        saved(palette(*VOC, marked=1, rest=2)),
        "the indices 1 and 2 of a palette",
        "labels: [1]",
    ),
    "a palette whose black is not first": (
        saved(palette(255, 0, 0, 0, 0, 0, marked=0, rest=1)),
        "the indices 0 and 1 of a palette",
        "labels: [1]",
    ),
    "labels in colours": (
        saved(
            Image.merge(
                "RGB",
                [grey(255), Image.fromarray(np.where(LEFT, 0, 255).astype(np.uint8)), grey(0)],
            )
        ),
        "the colours",
        'labels: ["#',
    ),
    "two colours without black": (
        saved(colour((255, 0, 0), (255, 255, 255))),
        "the colours #ff0000 and #ffffff",
        'labels: ["#ff0000"]',
    ),
    "one grey": (saved(Image.new("L", (SIZE, SIZE), 7)), "the value 7 alone", "labels: [7]"),
    "floats between": (
        saved(Image.fromarray(np.where(LEFT, 0.5, DISC).astype(np.float32)), "TIFF"),
        "the values 0, 0.5 and 1",
        "threshold: 0.5",
    ),
    "no number": (
        saved(grey(np.nan, kind=np.float32), "TIFF"),
        "values that are no numbers",
        "threshold: 0.5",
    ),
    "a ramp": (
        saved(Image.fromarray(np.tile(np.arange(0, 256, 4, np.uint8), (SIZE, 1)))),
        "64 greys from 0 to 252, too few of them near black or white",
        "threshold: 128",
    ),
}


@pytest.mark.parametrize(("value", "found", "key"), UNCERTAIN.values(), ids=UNCERTAIN)
def test_what_is_uncertain_is_refused_with_what_was_found_and_a_key(
    value: Any, found: str, key: str
) -> None:
    reason = refusal(value)
    assert reason.startswith(f"mask m has {found}")
    assert f"`masks: {{m: {{read: {{{key}" in reason


def test_a_picture_is_no_mask(picture: Any) -> None:
    photo = photograph(picture)
    for image in (photo, photo.convert("RGBA"), photo.convert("CMYK")):
        assert "many colours, as a picture has" in refusal(image)
    assert "too few of them near black or white" in refusal(photo.convert("L"))
    assert "colours of a palette, as a picture has" in refusal(photo.quantize(64))
    assert "many colours" in refusal(saved(photo, "JPEG"))


def test_a_hole_in_a_picture_is_marked_where_the_recipe_says_so(picture: Any) -> None:
    holed = saved(layer(Image.fromarray(255 - np.asarray(WHITE_DISC)), photograph(picture)))
    reason = refusal(holed)
    assert "several colours and a transparent part" in reason
    assert "`masks: {m: {read: {alpha: transparent}}}`" in reason
    assert (marks(holed, alpha="transparent") == DISC).all()
    assert (marks(holed, alpha="opaque") == ~DISC).all()


def test_a_picture_whose_agnostic_part_is_grey_is_no_mask(picture: Any) -> None:
    agnostic = photograph(picture).convert("L")
    agnostic.paste(128, mask=WHITE_DISC)
    agnostic.paste(255, (0, 0, SIZE, 12))
    assert "too few of them near black or white" in refusal(agnostic)


@pytest.mark.parametrize(
    "value",
    [
        Image.new("L", (SIZE, SIZE)),
        Image.new("1", (SIZE, SIZE)),
        Image.new("I", (SIZE, SIZE)),
        Image.new("F", (SIZE, SIZE)),
        Image.new("RGB", (SIZE, SIZE)),
        Image.new("RGBA", (SIZE, SIZE), (255, 255, 255, 0)),
        palette(90, 0, 0, marked=0),
        saved(palette(*VOC, marked=0)),
    ],
)
def test_a_mask_that_marks_nothing_is_refused_unless_that_is_allowed(value: Any) -> None:
    reason = refusal(value)
    assert reason.startswith("mask m marks nothing")
    assert "`masks: {m: {read: {allow: [empty]}}}`" in reason
    assert (marks(value, allow=["empty"]) == NOWHERE).all()
    found = read_mask(value, "m", ReadMask(allow=("empty",))).findings
    assert found == (Finding("mask-empty", "m"),)


@pytest.mark.parametrize(
    "value",
    [
        Image.new("L", (SIZE, SIZE), 255),
        Image.new("L", (SIZE, SIZE), 1),
        Image.new("1", (SIZE, SIZE), 1),
        Image.new("F", (SIZE, SIZE), 1.0),
        Image.new("RGB", (SIZE, SIZE), "white"),
        Image.new("RGBA", (SIZE, SIZE), (255, 255, 255, 255)),
        Image.fromarray(np.full((SIZE, SIZE), 65535, np.uint16)),
    ],
)
def test_a_mask_that_marks_everything_is_refused_unless_that_is_allowed(value: Any) -> None:
    reason = refusal(value, allow=["empty"])
    assert reason.startswith("mask m marks everything")
    assert "`masks: {m: {read: {allow: [full]}}}`" in reason
    assert (marks(value, allow=["full"]) == EVERYWHERE).all()
    found = read_mask(value, "m", ReadMask(allow=("full",))).findings
    assert found == (Finding("mask-full", "m"),)


@pytest.mark.parametrize(
    ("value", "options", "how"),
    [
        (saved(labels()), {"labels": [1, 2]}, "labels 1 and 2"),
        (saved(labels()), {"labels": [0], "invert": True}, "labels 0, inverted"),
        (saved(labels().convert("P")), {"labels": [1, 2]}, "labels 1 and 2"),
        (saved(palette(*VOC, marked=3)), {"labels": [3]}, "labels 3"),
        (saved(grey(7, 3, np.uint16)), {"labels": [7]}, "labels 7"),
        (saved(colour((255, 0, 0), (0, 0, 255))), {"labels": ["red"]}, "labels #ff0000"),
        (saved(palette(*VOC, marked=1)), {"labels": ["#800000"]}, "labels #800000"),
        (saved(grey(0, 255)), {"invert": True}, "black and white, inverted"),
        (saved(grey(60, 50)), {"threshold": 60}, "from 60 upwards"),
        (saved(grey(0.6, 0.5, np.float32), "TIFF"), {"threshold": 0.55}, "from 0.55 upwards"),
        (saved(grey(600, 500, np.uint16)), {"threshold": 550}, "from 550 upwards"),
        (saved(colour((250, 250, 0), (0, 0, 250))), {"threshold": 128}, "from 128 upwards"),
        (
            saved(layer(WHITE_DISC, Image.new("L", (SIZE, SIZE), 200))),
            {"threshold": 100},
            "from 100 upwards",
        ),
        (saved(layer(grey(0, 255), labels())), {"alpha": "transparent"}, "transparent parts"),
    ],
)
def test_a_recipe_says_what_marks(value: Any, options: Any, how: str) -> None:
    assert (marks(value, **options) == DISC).all()
    found = read_mask(value, "m", ReadMask.model_validate(options)).findings
    assert found == (Finding("mask-reading", f"m: {how}"),)


@pytest.mark.parametrize(
    ("value", "options", "reason"),
    [
        (labels(), {"labels": [5]}, "mask m marks nothing (labels 5)"),
        (WHITE_DISC, {"threshold": 256}, "mask m marks nothing (from 256 upwards)"),
        (WHITE_DISC, {"threshold": 0}, "mask m marks everything (from 0 upwards)"),
        (WHITE_DISC, {"alpha": "transparent"}, "mask m has no transparency"),
        (
            saved(grey(65535, kind=np.uint16), transparency=0),
            {"alpha": "transparent"},
            "mask m has no transparency",
        ),
        (colour((255, 0, 0), (0, 0, 0)), {"labels": [1]}, "mask m has colours"),
    ],
)
def test_a_key_that_does_not_suit_a_file_is_told(value: Any, options: Any, reason: str) -> None:
    assert refusal(value, **options).startswith(reason)


def test_what_is_transparent_has_no_label() -> None:
    image = layer(WHITE_DISC, Image.new("L", (SIZE, SIZE), 3))
    assert (marks(image, labels=["#030303"]) == DISC).all()
    assert (marks(image, labels=[3]) == DISC).all()


@given(arrays(np.uint8, (8, 9), elements=st.sampled_from([0, 1, 2, 40, 127, 128, 200, 254, 255])))
def test_a_file_is_read_as_black_and_white_or_refused_whatever_it_holds(values: Any) -> None:
    try:
        found = np.asarray(read_mask(Image.fromarray(values), "m").mask) > 0
    except RowError:
        return
    assert 0 < found.sum() < found.size
    assert values[found].min() > values[~found].max()


@given(st.integers(1, 65535))
def test_of_zero_and_another_value_the_other_marks_at_every_depth(value: int) -> None:
    assert (marks(grey(value, kind=np.uint16)) == DISC).all()
    assert (marks(grey(value, kind=np.float32)) == DISC).all()


def test_a_mask_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    assert (marks(saved(WHITE_DISC, exif=exif)) == DISC[::-1, ::-1]).all()


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(RowError, match="mask m is 64x64 px but its image is 8x16 px") as caught:
        check_mask_size(WHITE_DISC, (8, 16), "m")
    assert caught.value.stage == "mask"
    assert check_mask_size(WHITE_DISC, (SIZE, SIZE), "m") is WHITE_DISC


def test_a_mask_that_is_no_image_says_which_mask() -> None:
    with pytest.raises(RowError, match="mask m: not an image") as caught:
        read_mask(b"text", "m")
    assert caught.value.stage == "decode"
