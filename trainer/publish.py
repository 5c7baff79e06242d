"""Putting a finished run on the Hub."""

from __future__ import annotations

from pathlib import Path

from ..compiler.errors import RunError
from .checkpoint import CHECKPOINTS

#: What only serves to go on training, or says what this machine is like.
_KEPT_HERE = (f"{CHECKPOINTS}/*", "logs/*", ".*")


def make_repository(repository: str) -> None:
    """Make USER/NAME where it is not there yet, so that a wrong name or login is told at once.

    Raises:
        RunError: when the Hub refuses.
    """
    from huggingface_hub import HfApi

    try:
        HfApi().create_repo(repository, exist_ok=True)
    except Exception as error:  # among others those of its HTTP library, whichever that is
        raise RunError(
            f"{repository}: the Hub refuses to make it ({error}); log in with `hf auth login`, and "
            "give USER/NAME"
        ) from error


def push_to_hub(run: Path, repository: str) -> str:
    """Upload a run's adapter, cards and metrics to a repository that is there; its URL.

    Raises:
        RunError: when the Hub refuses; everything is still in the run's folder.
    """
    from huggingface_hub import HfApi

    try:
        commit = HfApi().upload_folder(
            repo_id=repository,
            folder_path=run,
            ignore_patterns=list(_KEPT_HERE),
            commit_message="Upload adapter trained with onepic",
        )
    except Exception as error:
        excluded = " ".join(f"--exclude '{pattern}'" for pattern in _KEPT_HERE)
        raise RunError(
            f"{repository}: the Hub did not take it ({error}); try again with: "
            f"hf upload {repository} {run} {excluded}"
        ) from error
    return str(commit.repo_url)
