"""Image files as they really come, decoded to upright 8-bit sRGB."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from ...common.errors import RowError
from ..findings import Finding
from .formats import FORMATS, FormatError, open_image
from .heads import is_web_page
from .jpeg import StrangeJpegError, decode_jpeg
from .rgb import PREMULTIPLIED, to_rgb
from .value_range import ENOUGH_SPAN, ValueRange, has_few_levels, is_deep
from .whole import CHECKED, check_whole

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

RGB = tuple[int, int, int]
Size = tuple[int, int]  # (width, height), px


@dataclass(frozen=True)
class Decoded:
    """An upright RGB image, and its file's full size (width, height), upright as well.

    `image` is smaller than `original_size` only where `decode_image` was told that less is enough;
    it is then smaller by exactly 2, 4 or 8, so that a crop covers the same part of both.
    `has_palette` says that the file lists its colours, and `findings` what is odd about it.
    """

    image: Image.Image
    original_size: Size
    has_palette: bool = False
    findings: tuple[Finding, ...] = ()


def decode_image(
    value: str | bytes | Image.Image,
    *,
    background: RGB,
    at_least: Size | None = None,
    rough: bool = False,
    value_range: ValueRange = "full",
    accept: Callable[[Size], None] = lambda _: None,
) -> Decoded:
    """Decode a path, a URL, an encoded file or a decoded image of any mode to RGB.

    Transparent parts show `background`, an animation its first frame. `at_least` (width, height) is
    the size that the caller needs; a JPEG may then come smaller than it is, and much faster; if
    `rough`, also by a factor that leaves a rest, as is enough for a look at the whole.
    `value_range` says which values of a grey file, of any depth or of floats, are black and white.
    `accept` is told the upright size before any pixel is decoded, and may raise.

    Raises:
        RowError: when the file cannot be read (stage ``read``), or is not a complete image of
            acceptable size (stage ``decode``).
    """
    where = f"{value}: " if isinstance(value, str) else ""
    convert = partial(to_rgb, background=background, value_range=value_range)
    if isinstance(value, Image.Image):
        accept(_acceptable_size(value, where))
        return _decode(value, convert, where)
    with _open_file(value) as file, _identify(file, where) as image:
        accept(_acceptable_size(image, where))
        load = partial(_load, file=file, at_least=at_least, rough=rough)
        return _decode(image, convert, where, load)


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
    """Read an encoded file whole, from its path, its URL or its bytes.

    Raises:
        RowError: when the file cannot be read (stage ``read``).
    """
    with _open_file(value) as file:
        return file.read()


def load_values(value: str | bytes | Image.Image) -> Image.Image:
    """Decode to an upright image whose values are the file's own, as masks and labels need them.

    Its mode is 1, L, LA, I, I;16 (or a kind of it), F, P, RGB or RGBA; its colours are not those
    of a profile. Of an animation it is the first frame.

    Raises:
        RowError: as `decode_image` does.
    """
    where = f"{value}: " if isinstance(value, str) else ""
    if isinstance(value, Image.Image):
        _acceptable_size(value, where)
        return _decode(value, _own_values, where).image
    with _open_file(value) as file, _identify(file, where) as image:
        _acceptable_size(image, where)
        return _decode(image, _own_values, where, partial(_load, file=file)).image


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


#: A loaded picture and what is odd about its file, from an image that was opened.
_Load = Callable[[Image.Image], tuple[Image.Image, list[Finding]]]


def _as_it_is(image: Image.Image) -> tuple[Image.Image, list[Finding]]:
    image.load()
    return image, []


def _decode(
    image: Image.Image,
    convert: Callable[[Image.Image], Image.Image],
    where: str,
    load: _Load = _as_it_is,
) -> Decoded:
    size, kind, deep = image.size, _kind(image), is_deep(image)
    try:
        has_palette = image.mode in ("P", "PA") or image.format == "GIF"
        loaded, findings = load(image)
        turn = _orientation(image)
        pixels = convert(loaded)
    except RowError as error:
        raise RowError("decode", f"{where}{kind} {error.reason}") from error
    except Exception as error:  # decoders raise anything on damaged data
        reason = f"{kind} is truncated or damaged ({_why(error)}); expected a complete file"
        raise RowError("decode", where + reason) from error
    if deep and pixels.mode == "RGB" and has_few_levels(pixels, loaded):
        findings.append(Finding("few-levels", f"fewer than {ENOUGH_SPAN} of 256 levels"))
    upright = pixels.transpose(_UPRIGHT[turn]) if turn in _UPRIGHT else pixels
    return Decoded(upright, _upright(size, turn), has_palette, tuple(findings))


def _load(
    image: Image.Image, *, file: BinaryIO, at_least: Size | None = None, rough: bool = False
) -> tuple[Image.Image, list[Finding]]:
    """Load an opened image, a JPEG as small as may be; an error where its pixels are damaged."""
    if image.format not in ("JPEG", "MPO"):
        image.load()
        if image.format in CHECKED:
            check_whole(_content(file), image)
        return image, []
    factor = _factor(image, at_least, rough) if at_least else 1
    try:
        loaded = decode_jpeg(_content(file), image, factor)
    except StrangeJpegError as error:
        if factor > 1:
            image.draft(None, (image.width // factor, image.height // factor))
        image.load()
        return image, [Finding("strange-jpeg", str(error))]
    loaded.info = image.info
    return loaded, []


def _content(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()


def _factor(image: Image.Image, at_least: Size, rough: bool) -> int:
    """How many times smaller a picture may come."""
    # By a factor that leaves no rest, crops fall on the same place as at full size.
    needed = at_least[::-1] if _orientation(image) >= 5 else at_least
    width, height = image.size
    for factor in (8, 4, 2):
        fits = rough or (width % factor == 0 and height % factor == 0)
        if fits and width // factor >= needed[0] and height // factor >= needed[1]:
            return factor
    return 1


def _orientation(image: Image.Image) -> int:
    try:
        value = int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # broken metadata does not make a broken picture
        return 1
    return value if value in _UPRIGHT else 1


def _own_values(image: Image.Image) -> Image.Image:
    if image.mode in PREMULTIPLIED:
        return image.convert(PREMULTIPLIED[image.mode])
    if image.mode in ("1", "L", "LA", "P", "RGB", "RGBA") or image.mode.startswith(("I", "F")):
        return image.copy()
    return image.convert("RGBA" if image.mode == "PA" else "RGB")


def _too_large(found: str) -> str:
    return f"image claims {found}, above the limit of {MAX_PIXELS} px; make it smaller"


def _by(size: Size) -> str:
    return f"{size[0]}x{size[1]}"


def _why(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
