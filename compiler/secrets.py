"""Messages without the passwords and tokens that addresses and libraries put into them."""

from __future__ import annotations

import re
import sys

_ADDRESSES = re.compile(r"(?<=http://)[^/@\s]*@|(?<=https://)[^/@\s]*@|://[^/@\s]*:[^/@\s]*@|\?\S+")
#: The header of a request, as HTTP libraries quote it, and the Hub's tokens by their form.
_TOKENS = re.compile(r"(?<=Bearer )[^\s'\"]+|\bhf_[A-Za-z0-9]{16,}")
_HIDDEN = "[hidden]"


def without_secrets(text: str) -> str:
    """The text without the passwords and queries of the URLs in it, and without the Hub's token."""
    text = _ADDRESSES.sub(lambda found: "://" if found[0].startswith("://") else "", text)
    text = _TOKENS.sub(_HIDDEN, text)
    token = _token_of_the_hub()
    return text.replace(token, _HIDDEN) if token else text


def _token_of_the_hub() -> str | None:
    """The token that is sent; a process that has not loaded the Hub's library has sent none."""
    library = sys.modules.get("huggingface_hub")
    return library.get_token() if library else None
