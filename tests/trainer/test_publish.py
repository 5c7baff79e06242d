"""A finished run goes to the Hub without what is of use on this machine only."""

from __future__ import annotations

from pathlib import Path

import huggingface_hub.constants
import pytest

from onepic.common.errors import HubError
from onepic.common.hub import make_repository
from onepic.trainer.publish import push_to_hub

NAME = "someone/colours"


@pytest.fixture(autouse=True)
def _brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the library's waits between its tries."""
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder with everything that can be in it."""
    folder = tmp_path / "run"
    for name in (
        "README.md",
        "task.json",
        "settings.json",
        "metrics.jsonl",
        "curve.png",
        "pytorch_lora_weights.safetensors",
        "kohya.safetensors",
        "unet/config.json",
        "checkpoints/step-0000500/weights.safetensors",
        "checkpoints/step-0000500/state.json",
        "checkpoints/.step-0001000.7/state.json",
        "logs/events.out.tfevents.1",
        "logs/171/hparams.yml",
        ".train/lock",
        ".README.md.7",
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return folder


def test_what_others_need_is_uploaded_and_nothing_else(hub, run):
    make_repository(NAME, "model")
    assert push_to_hub(run, NAME) == f"{hub.url}/{NAME}"
    files = hub.repositories[f"models/{NAME}"].files()
    assert files.keys() == {
        ".gitattributes",
        "README.md",
        "task.json",
        "settings.json",
        "metrics.jsonl",
        "curve.png",
        "pytorch_lora_weights.safetensors",
        "kohya.safetensors",
        "unet/config.json",
    }
    assert files["unet/config.json"].data == b"unet/config.json"


def test_the_repository_is_made_under_its_name_by_the_one_who_is_logged_in(hub):
    make_repository(NAME, "model")
    assert hub.repositories.keys() == {f"models/{NAME}"}
    assert len(hub.tokens) == 1


def test_a_failure_says_how_to_do_it_by_hand(hub, run):
    make_repository(NAME, "model")
    hub.fail("POST .*/preupload/", 500, times=9)
    with pytest.raises(HubError) as caught:
        push_to_hub(run, NAME)
    message = str(caught.value)
    assert message.startswith(f"{NAME}: the Hub answered 500")
    assert f"try again with: hf upload {NAME} {run} --exclude" in message
    assert "'checkpoints/*'" in message


@pytest.mark.parametrize(("status", "words"), [(401, "accept your token"), (403, "permission")])
def test_a_refusal_says_what_is_wrong_with_the_login(hub, run, status, words):
    make_repository(NAME, "model")
    hub.fail("POST .*/preupload/", status, message="Invalid credentials in Authorization header")
    with pytest.raises(HubError, match=words) as caught:
        push_to_hub(run, NAME)
    assert caught.value.exit_code == 2


def test_a_repository_that_cannot_be_made_is_told_before_the_training(hub):
    hub.fail("POST /api/repos/create", 500)
    with pytest.raises(HubError, match="the Hub answered 500"):
        make_repository(NAME, "model")


def test_a_hub_that_is_not_reached_is_an_error_like_a_refusal(hub, run, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(HubError, match="the Hub cannot be reached"):
        push_to_hub(run, NAME)
