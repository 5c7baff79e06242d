"""Image files as they really come, decoded to upright 8-bit sRGB."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageCms

from .errors import RowError
from .formats import FORMATS, FormatError, open_image
from .heads import is_web_page

#: Pixels above which a file is taken for a decompression bomb (Pillow's own limit).
MAX_PIXELS = 178_956_970
#: Pixels that a side needs at least: one latent cell.
MIN_SIDE = 8

_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PREMULTIPLIED = {"La": "LA", "RGBa": "RGBA"}

RGB = tuple[int, int, int]
Size = tuple[int, int]  # (width, height), px


@dataclass(frozen=True)
class Decoded:
    """An upright RGB image, and its file's full size (width, height), upright as well.

    `image` is smaller than `original_size` only where `decode_image` was told that less is enough;
    it is then smaller by exactly 2, 4 or 8, so that a crop covers the same part of both.
    """

    image: Image.Image
    original_size: Size


def decode_image(
    value: str | bytes | Image.Image,
    *,
    background: RGB,
    at_least: Size | None = None,
    rough: bool = False,
    accept: Callable[[Size], None] = lambda _: None,
) -> Decoded:
    """Decode a path, a URL, an encoded file or a decoded image of any mode to RGB.

    Transparent parts show `background`, an animation its first frame. `at_least` (width, height) is
    the size that the caller needs; a JPEG may then come smaller than it is, and much faster; if
    `rough`, also by a factor that leaves a rest, as is enough for a look at the whole.
    `accept` is told the upright size before any pixel is decoded, and may raise.

    Raises:
        RowError: when the file cannot be read (stage ``read``), or is not a complete image of
            acceptable size (stage ``decode``).
    """
    where = f"{value}: " if isinstance(value, str) else ""
    if isinstance(value, Image.Image):
        accept(_acceptable_size(value, where))
        return _decode(value, background, where)
    with _open_file(value) as file, _identify(file, where) as image:
        accept(_acceptable_size(image, where))
        return _decode(image, background, where, at_least, rough)


def image_size(value: str | bytes | Image.Image) -> Size:
    """The upright size (width, height) in px, from the head of the file alone.

    Raises:
        RowError: as `decode_image` does, for all but damaged pixels.
    """
    where = f"{value}: " if isinstance(value, str) else ""
    if isinstance(value, Image.Image):
        return _acceptable_size(value, where)
    with _open_file(value) as file, _identify(file, where) as image:
        return _acceptable_size(image, where)


def file_bytes(value: str | bytes) -> bytes:
    """All bytes of an encoded file, from its path, its URL or themselves.

    Raises:
        RowError: when the file cannot be read (stage ``read``).
    """
    with _open_file(value) as file:
        return file.read()


def decode_mask(value: str | bytes | Image.Image, size: Size, *, column: str) -> Image.Image:
    """Decode a mask for an image of `size` px to mode L: 255 where it is white, 0 elsewhere.

    White is a luminance of 128 or more; transparent parts count as black.

    Raises:
        RowError: as `decode_image` does, and when the mask has another size (stage ``mask``).
    """
    try:
        mask = decode_image(value, background=(0, 0, 0)).image
    except RowError as error:
        raise RowError(error.stage, f"mask {column}: {error.reason}") from error
    if mask.size != size:
        found, expected = _by(mask.size), _by(size)
        reason = f"mask {column} is {found} px but its image is {expected} px; make them the same"
        raise RowError("mask", reason)
    return threshold(mask)


def threshold(mask: Image.Image) -> Image.Image:
    """Mode L with 255 where the luminance is 128 or more, and 0 elsewhere."""
    return mask.convert("L").point([0] * 128 + [255] * 128)


@contextmanager
def _open_file(value: str | bytes) -> Iterator[BinaryIO]:
    if isinstance(value, bytes):
        yield io.BytesIO(value)
    elif not isinstance(value, str):
        found = "nothing" if value is None else type(value).__name__
        raise RowError("read", f"expected an image's path, URL or bytes, found {found}")
    elif "://" in value:
        yield io.BytesIO(_download(value))
    else:
        try:
            file = Path(value).open("rb")  # noqa: SIM115 - only the opening is a read error
        except (OSError, ValueError) as error:
            raise RowError("read", f"{value} cannot be read: {_why(error)}") from error
        with file:
            yield file


def _download(url: str) -> bytes:
    import fsspec

    try:
        with fsspec.open(url, "rb") as file:
            return bytes(file.read())
    except Exception as error:  # each file system has errors of its own
        raise RowError("read", f"{url} cannot be read: {_why(error)}") from error


def _identify(file: BinaryIO, where: str) -> Image.Image:
    try:
        return open_image(file)
    except FormatError as error:
        raise RowError("decode", f"{where}{error}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        pixels = next(iter(re.findall(r"\d+", str(error))), "too many")
        raise RowError("decode", where + _too_large(f"{pixels} px")) from error
    except Exception as error:  # decoders raise anything on a damaged header
        reason = f"not an image: {_describe(file)}; expected {', '.join(FORMATS)}"
        raise RowError("decode", where + reason) from error


def _describe(file: BinaryIO) -> str:
    file.seek(0)
    head = file.read(256)
    if not head:
        return "the file is empty"
    if is_web_page(head):
        return "the file is a web page (often a failed download)"
    if all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head):
        return f"the file is text ({head[:24].decode('ascii')!r})"
    return f"the file begins with the bytes {head[:8].hex(' ')}, which Pillow cannot identify"


def _acceptable_size(image: Image.Image, where: str) -> Size:
    """The upright size of an image that need not be loaded, if it can be decoded at all."""
    size = image.size
    if size[0] * size[1] > MAX_PIXELS:
        raise RowError("decode", where + _too_large(f"{_by(size)} px"))
    if min(size) < MIN_SIDE:
        reason = f"{_kind(image)} is too small; expected at least {MIN_SIDE} px a side"
        raise RowError("decode", where + reason)
    # Pillow would decode a PNG to look for what may stand behind its pixels, and it turns a TIFF
    # itself.
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return size
    return _upright(size, _orientation(image))


def _kind(image: Image.Image) -> str:
    return f"{image.format or 'decoded'} image of {_by(image.size)} px"


def _upright(size: Size, turn: int) -> Size:
    return (size[1], size[0]) if turn >= 5 else size


def _decode(
    image: Image.Image,
    background: RGB,
    where: str,
    at_least: Size | None = None,
    rough: bool = False,
) -> Decoded:
    size, kind = image.size, _kind(image)
    try:
        if at_least and image.format in ("JPEG", "MPO"):
            _reduce(image, at_least, rough)
        image.load()
        turn = _orientation(image)
        pixels = _to_rgb(image, background)
    except RowError as error:
        raise RowError("decode", f"{where}{kind} {error.reason}") from error
    except Exception as error:  # decoders raise anything on damaged data
        reason = f"{kind} is truncated or damaged ({_why(error)}); expected a complete file"
        raise RowError("decode", where + reason) from error
    upright = pixels.transpose(_UPRIGHT[turn]) if turn in _UPRIGHT else pixels
    return Decoded(upright, _upright(size, turn))


def _reduce(image: Image.Image, at_least: Size, rough: bool) -> None:
    # By a factor that leaves no rest, crops fall on the same place as at full size.
    needed = at_least[::-1] if _orientation(image) >= 5 else at_least
    width, height = image.size
    for factor in (8, 4, 2):
        fits = rough or (width % factor == 0 and height % factor == 0)
        if fits and width // factor >= needed[0] and height // factor >= needed[1]:
            image.draft(None, (width // factor, height // factor))
            return


def _orientation(image: Image.Image) -> int:
    try:
        value = int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # broken metadata does not make a broken picture
        return 1
    return value if value in _UPRIGHT else 1


def _to_rgb(image: Image.Image, background: RGB) -> Image.Image:
    if image.mode.startswith("I"):
        return _from_16_bit(image).convert("RGB")
    if image.mode == "F":
        raise RowError("decode", "has floats for pixels, without a range; expected 8 or 16 bits")
    if image.mode in _PREMULTIPLIED:
        image = image.convert(_PREMULTIPLIED[image.mode])
    colours = _to_srgb(_opaque(image), image.info.get("icc_profile"))
    if not image.has_transparency_data:
        return colours
    alpha = image.convert("RGBA").getchannel("A")
    canvas = Image.new("RGB", image.size, background)
    canvas.paste(colours, mask=alpha)
    return canvas


def _from_16_bit(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        found = f"{values.min()} to {values.max()}"
        raise RowError("decode", f"has grey values from {found}; expected 0 to 65535")
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))


def _opaque(image: Image.Image) -> Image.Image:
    if image.mode in ("RGB", "L", "CMYK"):
        return image
    return image.convert("L" if image.mode in ("1", "LA") else "RGB")


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if not profile:
        return image.convert("RGB")
    try:
        mode, transform = _icc_transform(profile)
        if mode != image.mode and (mode != "RGB" or image.mode != "L"):
            return image.convert("RGB")  # the profile speaks of another kind of image
        return transform.apply(image.convert(mode))
    except (ImageCms.PyCMSError, OSError, ValueError, KeyError, TypeError):
        return image.convert("RGB")  # most viewers ignore a broken profile, too


@lru_cache(maxsize=16)
def _icc_transform(profile: bytes) -> tuple[str, ImageCms.ImageCmsTransform]:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    mode = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}[source.profile.xcolor_space.strip()]
    target = ImageCms.createProfile("sRGB")
    return mode, ImageCms.ImageCmsTransform(
        source, ImageCms.ImageCmsProfile(target), mode, "RGB", ImageCms.Intent.PERCEPTUAL
    )


def _too_large(found: str) -> str:
    return f"image claims {found}, above the limit of {MAX_PIXELS} px; make it smaller"


def _by(size: Size) -> str:
    return f"{size[0]}x{size[1]}"


def _why(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
