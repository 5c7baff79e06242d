"""The Hub as others use it here: its repositories, and its failures in one line each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, TypeVar

from .errors import HubError, HubRefusedError, OnepicError
from .patience import patiently
from .secrets import without_secrets

Kind = Literal["dataset", "model"]
T = TypeVar("T")
_PULL_REQUEST = "refs/pr/"
_LOG_IN = "run `hf auth login`, or set HF_TOKEN"
#: Statuses after which the same request may succeed.
_PASSING = (408, 425, 429)


def make_repository(name: str, kind: Kind, private: bool = False) -> None:
    """Make USER/NAME where it is not there yet, so that a wrong name or login is told at once.

    Raises:
        HubRefusedError: for a name that cannot be, or without the permission; also where the
            repository is public and `private` was asked for.
        HubError: when the Hub cannot be reached or fails.
    """
    from huggingface_hub import HfApi

    check_name(name)
    with hub_errors(name):
        api = HfApi()
        api.create_repo(name, repo_type=kind, private=private or None, exist_ok=True)
        is_public = private and not api.repo_info(name, repo_type=kind).private
    if is_public:
        raise HubRefusedError(
            f"{name} is there already and is public; make it private in its settings on the Hub, "
            "or leave --private out"
        )


def make_branch(name: str, revision: str | None) -> None:
    """Make a branch of a dataset where it is missing; pull requests are there, or are not.

    Raises:
        HubRefusedError, HubError: as for `make_repository`.
    """
    from huggingface_hub import HfApi

    if revision is None or revision.startswith(_PULL_REQUEST):
        return
    with hub_errors(name):
        HfApi().create_branch(name, branch=revision, repo_type="dataset", exist_ok=True)


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a repository.

    Raises:
        HubRefusedError: which says what was expected.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(name)
        if name.count("/") != 1:
            raise HFValidationError("it has no USER")
    except HFValidationError as error:
        raise HubRefusedError(
            f"{name!r} cannot be the name of a repository; give USER/NAME, of letters, digits, "
            "'-', '_' and '.'"
        ) from error


def insist(
    name: str,
    call: Callable[[], T],
    waits: Sequence[float],
    note: Callable[[Exception, float], None] | None = None,
) -> T:
    """Ask the Hub until it answers: again after each of `waits` seconds where that may help.

    Args:
        name: the repository, for messages.
        call: what asks the Hub.
        waits: the seconds before each further try.
        note: is told each failure and the seconds until the next try.

    Raises:
        HubRefusedError, HubError: see `hub_errors`.
    """

    def try_once() -> T:
        with hub_errors(name):
            return call()

    return patiently(
        try_once, waits, lambda error: isinstance(error, HubError) and is_passing(error), note
    )


@contextmanager
def hub_errors(name: str, advice: str = "") -> Iterator[None]:
    """Turn what the Hub's library raises into one line without secrets; see `is_passing`.

    Args:
        name: the repository, for messages.
        advice: what to do where the message does not know better.

    Raises:
        HubRefusedError: when something is wrong with the login, the permissions or the call.
        HubError: when the Hub cannot be reached or fails.
    """
    _check_token()
    try:
        with _discreet_log():
            yield
    except (OnepicError, KeyboardInterrupt):
        raise
    except Exception as error:  # among others those of its HTTP library, whichever that is
        raise explain(error, name, advice) from error


def explain(error: Exception, name: str, advice: str = "") -> HubError:
    """The error that tells a user what the Hub's library failed at, and what to do."""
    status, text = status_of(error), _shorten(error)
    if status is None and isinstance(error, OSError) and error.filename is not None:
        return HubError(f"{error.filename}: {error.strerror}; {name} was not sent")
    if status == 400 or (status is None and isinstance(error, TypeError | ValueError)):
        return HubRefusedError(f"{name}: the Hub does not take it: {text}")
    if status == 401:
        return HubRefusedError(f"{name}: {_explain_login(error)}")
    if status == 403:
        return HubRefusedError(
            f"{name}: the Hub gives no permission to write there ({text}); use a token with write "
            f"access, of an account that {name.partition('/')[0]} has as a member"
        )
    if status == 404:
        return HubRefusedError(
            f"{name}: the Hub knows no such repository or revision ({text}); check the name, and "
            "that your token may read it"
        )
    if status in (409, 412):
        return HubError(f"{name}: somebody else changed it meanwhile ({text}); run again")
    after = advice or "run again to go on where it stopped"
    if status is not None:
        return HubError(f"{name}: the Hub answered {status} ({text}); {after}")
    return HubError(f"{name}: the Hub cannot be reached ({text}); check the network, then {after}")


def status_of(error: BaseException | None) -> int | None:
    """The HTTP status that is at the root of an error; None where there was no answer."""
    while error is not None:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if isinstance(status, int):
            return status
        error = error.__cause__
    return None


def is_passing(error: HubError) -> bool:
    """Whether the same call may succeed in a moment."""
    status = status_of(error)
    return not isinstance(error, HubRefusedError) and (
        status is None or status >= 500 or status in _PASSING
    )


def _explain_login(error: Exception) -> str:
    from huggingface_hub import get_token
    from huggingface_hub.errors import RepositoryNotFoundError

    if isinstance(error.__cause__ or error, RepositoryNotFoundError):
        # To those who are not logged in the Hub does not tell what is private from what is not.
        return f"the Hub knows no public repository of that name; check it, or {_LOG_IN}"
    if get_token() is None:
        return f"you are not logged in; {_LOG_IN}"
    return f"the Hub does not accept your token; make one with write access and {_LOG_IN}"


def _check_token() -> None:
    """Refuse a token that no header can hold, before a library quotes it."""
    from huggingface_hub import get_token

    token = get_token() or ""
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise HubRefusedError(f"your token has characters that no token has; {_LOG_IN}")


def _shorten(error: Exception) -> str:
    """Shorten an error and its cause to a line without secrets."""
    texts = [str(error)]
    if isinstance(error.__cause__, Exception) and status_of(error) is None:
        texts.append(str(error.__cause__))
    lines = [line.strip() for text in texts for line in without_secrets(text).splitlines()]
    line = " ".join(line for line in lines if line) or type(error).__name__
    return line if len(line) <= 200 else f"{line[:199]}…"


class _Discreet(logging.Filter):
    """Takes secrets out of what the Hub's library logs: it quotes the addresses it retries."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let everything pass, without secrets."""
        record.msg, record.args = without_secrets(record.getMessage()), ()
        return True


@contextmanager
def _discreet_log() -> Iterator[None]:
    """Let the library log without secrets, and draw no bars: the report has one of its own."""
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    handlers = list(logging.getLogger("huggingface_hub").handlers)
    discreet, shown = _Discreet(), not are_progress_bars_disabled()
    for handler in handlers:
        handler.addFilter(discreet)
    if shown:
        disable_progress_bars()
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(discreet)
        if shown:
            enable_progress_bars()
