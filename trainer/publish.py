"""Putting a finished run on the Hub."""

from __future__ import annotations

from pathlib import Path

from ..compiler.errors import RunError
from .checkpoint import CHECKPOINTS

#: What only serves to go on training, or says what this machine is like.
_KEPT_HERE = (f"{CHECKPOINTS}/*", "logs/*", ".*")


def push_to_hub(run: Path, repository: str) -> str:
    """Upload a run's adapter, cards and metrics to USER/NAME, which is made if need be; its URL.

    Raises:
        RunError: when the Hub refuses; everything is still in the run's folder.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        url = api.create_repo(repository, exist_ok=True)
        api.upload_folder(
            repo_id=repository,
            folder_path=run,
            ignore_patterns=list(_KEPT_HERE),
            commit_message="Upload adapter trained with onepic",
        )
    except Exception as error:  # among others those of its HTTP library, whichever that is
        excluded = " ".join(f"--exclude '{pattern}'" for pattern in _KEPT_HERE)
        raise RunError(
            f"{repository}: the Hub did not take it ({error}); log in with `hf auth login`, then: "
            f"hf upload {repository} {run} {excluded}"
        ) from error
    return str(url)
