"""Which image files can be opened: those that Pillow reads, and those of two optional packages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

#: Pillow also reads formats that start other programs or that no photograph comes in; its JPEG is
#: MPO as well.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "PPM", "JPEG2000", "QOI")

_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


class FormatError(Exception):
    """A file of a format that is known cannot be opened; the message says why."""


@dataclass(frozen=True)
class _Plugin:
    """A format that another package teaches Pillow: its name there, and onepic's extra for it."""

    format: str
    title: str
    extra: str
    is_head: Callable[[bytes], bool]
    register: Callable[[], None]


def open_image(file: BinaryIO) -> Image.Image:
    """Open an encoded image without decoding it, whatever the file is called.

    Raises:
        FormatError: when it is HEIC or JPEG XL, and damaged or the package for it is missing.
        Exception: as Pillow does, when it is no image.
    """
    try:
        return Image.open(file, formats=FORMATS)
    except UnidentifiedImageError:
        plugin = _plugin_for(file)
        if plugin is None:
            raise
    try:
        plugin.register()
        file.seek(0)
        image = Image.open(file, formats=(plugin.format,))
    except ImportError as error:
        advice = f"pip install 'onepic[{plugin.extra}]'"
        raise FormatError(f"{plugin.title} needs one more package: {advice}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise
    except Exception as error:  # each plugin has errors of its own
        raise FormatError(f"a damaged {plugin.title} file") from error
    if plugin.format == "JXL" and not getattr(image, "jpeg", False):
        # The pixels of JPEG XL come upright; only a JPEG inside is still to be turned.
        image.info.pop("exif", None)
    return image


def _plugin_for(file: BinaryIO) -> _Plugin | None:
    file.seek(0)
    head = file.read(32)
    return next((plugin for plugin in _PLUGINS if plugin.is_head(head)), None)


def _is_heif(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS


def _is_jxl(head: bytes) -> bool:
    return head.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL "))


def _register_heif() -> None:
    import pillow_heif

    pillow_heif.register_heif_opener()


def _register_jxl() -> None:
    import pillow_jxl  # noqa: F401 - importing it registers the format


_PLUGINS = (
    _Plugin("HEIF", "HEIC", "heic", _is_heif, _register_heif),
    _Plugin("JXL", "JPEG XL", "jxl", _is_jxl, _register_jxl),
)
