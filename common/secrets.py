"""Addresses and messages without what opens a door: user names, passwords, signatures and tokens.

Nothing that is written, printed or raised has more of an address than `public_place` leaves. Only
what opens an address has it whole.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Mapping
from typing import Any

#: What stands before the @ of these is no user: a container, a repository or a revision.
_WITHOUT_USERS = {"abfs", "abfss", "wasb", "wasbs", "git", "github", "hf"}
_ADDRESS = re.compile(r"[A-Za-z][\w+.:-]*://")
_USER = re.compile(r"([A-Za-z][\w+.-]*)://[^\s/?#]*@")
#: In the addresses of other stores ? stands for any letter, and # for itself.
_WEB_QUERY = re.compile(r"(https?://[^?#]*)[?#].*", re.DOTALL)
_NAMED_QUERY = re.compile(r"\?[^/?=&]*=.*", re.DOTALL)
#: The query of an address in a text, up to the quotes and stops that end a sentence.
_QUERY = re.compile(r"(https?://[^\s?#]*)[?#]\S*?(?=[])}>'\"]*[.,:;]*(?:\s|$))")
#: Queries without their address, as libraries of HTTP quote them.
_LONE_QUERY = re.compile(r"(\burl: [^\s?]*)\?\S*|\?[^\s=?]*=\S*")
#: Parameters that say who may read a file and how long, and not which file it is.
_SIGNING = re.compile(
    r"(x-(amz|goog|oss|cos|obs|tos)-.*|(aws|google|oss)?access_?(key)?_?id|key-pair-id|policy"
    r"|(.*[-_.])?(sig|sign|signature|secret|auth|authorization|credential|password|hmac|jwt|expir\w*)"
    r"|.*token|s[epstrv]|srt|spr|sip|sk(oid|tid|[tesv]))(=.*)?",
    re.IGNORECASE,
)
#: The header of a request, as HTTP libraries quote it, and the Hub's tokens by their form.
_TOKENS = re.compile(r"(?<=Bearer )[^\s'\"]+|\bhf_[A-Za-z0-9]{16,}")
_HIDDEN = "[hidden]"
#: What `marked_place` leaves, also with a number that makes a row's name of it.
_MARKED = re.compile(r"[^?#]*#[0-9a-f]{8}(\+\d+)?")


def without_query(place: str) -> str:
    """A place up to the query of its URL, if it is one of the web."""
    return _WEB_QUERY.sub(r"\1", place)


def public_place(place: str) -> str:
    """A path as it is; a URL without user name, password, query and fragment."""
    if not _ADDRESS.match(place):
        return place
    return _NAMED_QUERY.sub("", without_query(_USER.sub(_without_user, place)))


def unsigned_place(place: str) -> str:
    """A place without who may read it, but with all that says which file it is.

    Of a URL the user name, the password and the parameters that sign it are left out.
    """
    if not _ADDRESS.match(place):
        return place
    address, _, query = _USER.sub(_without_user, place).partition("?")
    kept = [part for part in query.split("&") if part and not _SIGNING.fullmatch(part)]
    return f"{address}?{'&'.join(kept)}" if kept else address


def marked_place(place: str) -> str:
    """Make a `public_place` with a mark behind ``#`` where a query says which file it is.

    So files of one path stay apart, and a file whose address is signed anew stays the same.
    """
    public, whole = public_place(place), unsigned_place(place)
    if public == whole or (place == whole and _MARKED.fullmatch(place)):
        return whole
    return f"{public}#{hashlib.blake2b(whole.encode(), digest_size=4).hexdigest()}"


def public_recipe(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's plain data with all of its addresses made public; its prompt is left as it is."""
    return {key: value if key == "prompt" else public_data(value) for key, value in recipe.items()}


def public_data(data: Any) -> Any:
    """Plain data whose texts have no more of an address than `public_place` leaves."""
    if isinstance(data, str):
        whole = _ADDRESS.match(data) or "://" not in data
        return public_place(data) if whole else public_text(data)
    if isinstance(data, Mapping):
        return {key: public_data(value) for key, value in data.items()}
    return [public_data(item) for item in data] if isinstance(data, list | tuple) else data


def public_text(text: str) -> str:
    """A message whose addresses have no user names, passwords, queries and fragments."""
    if "://" in text:
        text = _QUERY.sub(r"\1", _USER.sub(_without_user, text))
    return _LONE_QUERY.sub(r"\1", text) if "?" in text else text


def without_secrets(text: str) -> str:
    """Make a `public_text` without the Hub's tokens."""
    text = _TOKENS.sub(_HIDDEN, public_text(text))
    token = _token_of_the_hub()
    return text.replace(token, _HIDDEN) if token else text


def _without_user(found: re.Match[str]) -> str:
    return found[0] if found[1].lower() in _WITHOUT_USERS else f"{found[1]}://"


def _token_of_the_hub() -> str | None:
    """The token that is sent; a process that has not loaded the Hub's library has sent none."""
    library = sys.modules.get("huggingface_hub")
    return library.get_token() if library else None
