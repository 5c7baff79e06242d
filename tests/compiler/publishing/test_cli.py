"""`onepic-publish` says what it did and what comes next, and shows its token to nobody."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator

import pytest
from click.testing import Result
from typer.testing import CliRunner

from onepic.compiler.publishing.cli import app

NAME = "someone/colours"
URL = f"hf://datasets/{NAME}"


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """Give the process its handler back: the command takes SIGTERM for Ctrl-C."""
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


def publish(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_help_has_an_example_for_each_way():
    shown = publish("--help").output
    for words in ("onepic-publish data/tryon USER/tryon-canvases --dry-run", "--pull-request"):
        assert words in shown


def test_a_publication_sums_up_and_names_the_next_command(hub, canvases):
    result = publish(canvases, NAME)
    assert result.exit_code == 0, result.stderr
    published, sent, following = result.stdout.splitlines()
    assert published == f"published: {URL} at commit {hub.dataset(NAME).heads['main']}"
    assert re.match(r"sent 14 files, 0\.\d MB; 0 were there already; paths, sizes and", sent)
    assert following == f"next: onepic-train {URL} --output runs/colours"


def test_what_went_besides_is_told(hub, canvases, write_canvases):
    publish(canvases, NAME)
    hub.dataset(NAME).edit("README.md", b"edited in a browser")
    write_canvases(canvases, [0, 1])
    (canvases / "notes.txt").write_text("mine")
    lines = publish(canvases, NAME).stdout.splitlines()
    assert "deleted 3 files of shards that the dataset no longer has" in lines
    assert "README.md was edited on the Hub and is kept as it is there" in lines
    assert "not of the dataset, and not sent: notes.txt" in lines


def test_a_pull_request_says_where_it_is_merged(hub, canvases):
    hub.make("another/canvases")
    result = publish(canvases, "another/canvases", "--pull-request")
    assert result.stdout.splitlines()[-1] == (
        f"next: merge {hub.url}/datasets/another/canvases/discussions/1"
    )


def test_a_dry_run_lists_what_would_go_up(hub, canvases, write_canvases):
    result = publish(canvases, NAME, "--dry-run")
    assert result.exit_code == 0, result.stderr
    assert re.search(r"new +0\.\d{3} MB  shards/00000\.tar", result.stdout)
    assert f"{URL}: 14 files to send" in result.stdout
    assert "nothing was changed; leave --dry-run out to publish" in result.stdout
    assert not hub.repositories
    publish(canvases, NAME)
    write_canvases(canvases, [0, 7])
    lines = publish(canvases, NAME, "--dry-run").stdout
    assert re.search(r"changed +0\.\d{3} MB  shards/00001\.tar", lines)
    assert re.search(r"stale +shards/00002\.tar", lines)


@pytest.mark.parametrize(
    ("token", "arguments", "code", "message"),
    [
        ("", ["{data}", NAME], 2, "you are not logged in; run `hf auth login`, or set HF_TOKEN"),
        ("hf_wrongButOfTheRightForm", ["{data}", NAME], 2, "the Hub does not accept your token"),
        ("hf_broken\x01token", ["{data}", NAME], 2, "your token has characters that no token has"),
        (None, ["{data}", "other/colours"], 2, "the Hub gives no permission to write there"),
        (None, ["{data}", "colours"], 2, "'colours' cannot be the name of a repository; give US"),
        (None, ["nothing", NAME], 1, "nothing: no dataset.json there"),
        (None, ["{data}", NAME, "--pull-request", "--revision", "v2"], 2, "opens a new one from"),
    ],
)
def test_what_goes_wrong_is_told_in_a_line_without_the_token(
    hub, canvases, monkeypatch, tmp_path, token, arguments, code, message
):
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    if token is not None:
        monkeypatch.setenv("HF_TOKEN", token)
    result = publish(*(argument.format(data=canvases) for argument in arguments), "--debug")
    assert result.exit_code == code
    assert message in result.stderr
    for secret in ("wrongButOf", "broken", "onlyForTheTests"):
        assert secret not in result.output
