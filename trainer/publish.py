"""Putting a finished run on the Hub."""

from __future__ import annotations

from pathlib import Path

from ..common.hub import hub_errors
from .checkpoint import CHECKPOINTS

#: What only serves to go on training, or says what this machine is like.
_KEPT_HERE = (f"{CHECKPOINTS}/*", "logs/*", ".*")


def push_to_hub(run: Path, repository: str) -> str:
    """Upload a run's adapter, cards and metrics to a repository that is there; its URL.

    Raises:
        HubError: when the Hub refuses or fails; everything is still in the run's folder.
    """
    from huggingface_hub import HfApi

    excluded = " ".join(f"--exclude '{pattern}'" for pattern in _KEPT_HERE)
    by_hand = f"try again with: hf upload {repository} {run} {excluded}"
    with hub_errors(repository, by_hand):
        commit = HfApi().upload_folder(
            repo_id=repository,
            folder_path=run,
            ignore_patterns=list(_KEPT_HERE),
            commit_message="Upload adapter trained with onepic",
        )
    return str(commit.repo_url)
