"""One run at a time in an output folder, however the last one ended."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from onepic.common.errors import OutputError, RunError
from onepic.common.lock import check_token, locked

STATE = ".notes"
HOLD = """
import sys, time
from pathlib import Path
from onepic.common.lock import locked
with locked(Path(sys.argv[1]), sys.argv[2]) as token:
    print(token, flush=True)
    time.sleep(60)
"""


@contextmanager
def other_run(output: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the folder."""
    command = [sys.executable, "-c", HOLD, str(output), STATE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline()
            yield process
        finally:
            process.kill()


def test_a_second_run_is_refused_naming_the_first(tmp_path):
    with (
        locked(tmp_path, STATE),
        pytest.raises(OutputError, match=f"in use by another run .process {os.getpid()} on "),
        locked(tmp_path, STATE),
    ):
        pass


def test_a_run_of_another_process_is_refused_until_that_process_dies(tmp_path):
    with other_run(tmp_path) as process:
        with (
            pytest.raises(OutputError, match=f"process {process.pid} on "),
            locked(tmp_path, STATE),
        ):
            pass
        process.kill()
        process.wait()
        with locked(tmp_path, STATE) as token:
            check_token(tmp_path, STATE, token)


def test_the_folder_is_free_after_a_run_whatever_it_raised(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path, STATE):
        raise ZeroDivisionError
    with locked(tmp_path, STATE):
        pass


def test_a_refused_run_does_not_disturb_the_one_at_work(tmp_path):
    with locked(tmp_path, STATE) as token:
        for _ in range(2):
            with (
                pytest.raises(OutputError, match=f"process {os.getpid()} on"),
                locked(tmp_path, STATE),
            ):
                pass
        check_token(tmp_path, STATE, token)


def test_a_worker_of_an_earlier_run_is_refused_once_another_has_begun(tmp_path):
    with locked(tmp_path, STATE) as earlier:
        check_token(tmp_path, STATE, earlier)
    with locked(tmp_path, STATE) as later:
        check_token(tmp_path, STATE, later)
        with pytest.raises(RunError, match=f"{tmp_path}: another run has taken over"):
            check_token(tmp_path, STATE, earlier)


def test_two_folders_can_be_worked_on_at_once(tmp_path):
    with locked(tmp_path / "a", STATE) as first, locked(tmp_path / "b", STATE) as second:
        assert first != second


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    output = tmp_path / "file/data"
    with pytest.raises(OutputError, match=f"{output}: cannot write there"), locked(output, STATE):
        pass
