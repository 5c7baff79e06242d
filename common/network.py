"""Places that fsspec opens: whether one can be used, how to reach it, and what its errors mean."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Any

from .errors import DatasetError
from .secrets import public_place, without_secrets

_HOPELESS = (FileNotFoundError, PermissionError, NotImplementedError, TypeError, ValueError)
#: Statuses below 500 that ask for patience: Request Timeout, Too Early, Too Many Requests.
_PASSING = (408, 425, 429)


class StoreError(DatasetError):
    """The place of a dataset, or of its cache, cannot be used as it is given."""

    exit_code = 2


def check_protocol(url: str) -> None:
    """Refuse a URL for which fsspec has no file system.

    Raises:
        StoreError: which says what to install.
    """
    import fsspec

    protocol = protocol_of(url)
    try:
        fsspec.get_filesystem_class(protocol)
    except ImportError as error:
        raise StoreError(
            f"{without_secrets(url)}: {protocol}:// needs another package: {error}"
        ) from error
    except ValueError as error:
        raise StoreError(
            f"{without_secrets(url)}: {protocol}:// is not known; expected a local folder or a URL "
            "that fsspec opens, such as hf://, s3://, gs:// or https://"
        ) from error


def open_place(url: str) -> tuple[Any, str]:
    """The file system of a URL, set up to be patient, and the path in it."""
    import fsspec

    found: tuple[Any, str] = fsspec.core.url_to_fs(url, **_connection(protocol_of(url)))
    return found


def _connection(protocol: str) -> dict[str, Any]:
    """Options by which a large file may take its time: aiohttp's own limit is five minutes."""
    if protocol not in ("http", "https"):
        return {}
    import aiohttp
    import fsspec

    configured = fsspec.config.conf.get(protocol, {}).get("client_kwargs", {})
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=60)
    return {"client_kwargs": {"timeout": timeout, **configured}}


def protocol_of(url: str) -> str:
    """The protocol before ``://``, behind the last ``::``."""
    return url.partition("://")[0].rpartition("::")[2]


def is_hopeless(error: Exception) -> bool:
    """Whether the same call will fail again, as far as a file system's error tells."""
    status = _status_of(error)
    if status is not None:
        return 400 <= status < 500 and status not in _PASSING
    return isinstance(error, _HOPELESS)


def is_missing(error: Exception) -> bool:
    """Whether a file system's error says that there is no such file."""
    return isinstance(error, FileNotFoundError) or _status_of(error) == 404


def _status_of(error: Exception) -> int | None:
    """The HTTP status that a file system's error tells."""
    answer = getattr(error, "response", None)
    status = getattr(error, "status", None) or getattr(answer, "status_code", None)
    return status if isinstance(status, int) else None


def reason_of(error: Exception) -> str:
    """Put what an error says into a line without secrets."""
    text = getattr(error, "strerror", None) or str(error).strip() or type(error).__name__
    return " ".join(without_secrets(text).split())


def cache_folder() -> Path:
    """Where files of remote places are kept: ``$ONEPIC_CACHE`` or ``~/.cache/onepic``."""
    return Path(os.environ.get("ONEPIC_CACHE") or "~/.cache/onepic").expanduser()


def folder_name(place: str) -> str:
    """A folder's name for a URL: readable, without secrets, and of its own for each place."""
    place = public_place(place).rstrip("/")
    slug = re.sub(r"[^A-Za-z0-9.]+", "-", place)[-60:].strip("-.")
    return f"{slug}-{hashlib.sha256(place.encode()).hexdigest()[:12]}"
