"""Errors, as a user can tell them apart.

Every error carries the whole message: what was found, what was expected, where, and what to do.
Commands print it without a traceback and leave with its ``exit_code``.
"""

from __future__ import annotations

from .secrets import public_text


class OnepicError(Exception):
    """Base of all errors that onepic raises on purpose; the run failed (exit code 1).

    Addresses in a message lose what opens them: messages go into files and logs.
    """

    exit_code = 1

    def __init__(self, message: str = "") -> None:
        super().__init__(public_text(message))


class RecipeError(OnepicError):
    """The recipe, or an override of it, is not valid."""

    exit_code = 2


class SettingsError(OnepicError):
    """The settings of a training run, or an override of them, are not valid."""

    exit_code = 2


class SourceError(OnepicError):
    """The source as a whole cannot be read: a missing folder, a broken table, no such column."""

    exit_code = 2


class ModelError(OnepicError):
    """The model cannot be found or lacks a component that is needed."""

    exit_code = 2


class OutputError(OnepicError):
    """The output folder cannot be used: it holds another recipe's dataset or is in use."""

    exit_code = 2


class DatasetError(OnepicError):
    """A compiled dataset is missing, unfinished or damaged."""


class DamagedFileError(DatasetError):
    """One file of a dataset is missing, or not what is known of it; `reason` says which."""

    def __init__(self, place: str, reason: str, advice: str) -> None:
        super().__init__(f"{place}: {reason}; {advice}")
        self.reason = reason


class HubError(OnepicError):
    """The Hub cannot be reached, or failed; the same command may do later."""


class HubRefusedError(HubError):
    """The Hub refuses: not logged in, no permission, or a repository that is something else."""

    exit_code = 2


class TaskError(OnepicError):
    """A trained task cannot be sampled: no such task, an image too few, another base model."""

    exit_code = 2


class RunError(OnepicError):
    """The run could not finish, or finished with too many rejected rows."""


class RowError(OnepicError):
    """One row cannot be compiled; it goes to ``rejected.parquet`` and the run goes on.

    ``stage`` is the step that failed: ``read``, ``decode``, ``prompt``, ``operation``, ``mask``
    or ``encode``; ``filter`` where nothing failed, see `DroppedRowError`.
    """

    def __init__(self, stage: str, reason: str) -> None:
        super().__init__(reason)
        self.stage = stage
        self.reason = str(self)


class DroppedRowError(RowError):
    """One row that a filter of the recipe drops; ``filter`` is that filter's label."""

    def __init__(self, label: str, reason: str) -> None:
        super().__init__("filter", reason)
        self.filter = label
