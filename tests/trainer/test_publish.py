"""A finished run goes to the Hub without what is of use on this machine only."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest

from onepic.compiler.errors import RunError
from onepic.trainer.publish import make_repository, push_to_hub


class Hub(ThreadingHTTPServer):
    """Enough of the Hub to make repositories and take commits; `refuses` is a status for all."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.made: list[dict[str, Any]] = []
        self.tokens: set[str | None] = set()
        self.refuses: int | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_POST(self) -> None:
        body = self._read()
        self.server.tokens.add(self.headers.get("Authorization"))
        if self.server.refuses is not None:
            self._answer({"error": "no"}, self.server.refuses)
        elif self.path == "/api/repos/create":
            self.server.made.append(json.loads(body))
            self._answer({"url": f"{self.server.url}/someone/colours"})
        elif self.path == "/api/validate-yaml":
            self._answer({"errors": [], "warnings": []})
        elif self.path.endswith("/preupload/main"):
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            self._answer({"files": files})
        elif self.path.endswith("/commit/main"):
            self._commit(body)
            self._answer(
                {"commitUrl": f"{self.server.url}/someone/colours/commit/1", "commitOid": "1" * 40}
            )
        else:
            self._answer({"error": f"unknown: {self.path}"}, 404)

    def do_GET(self) -> None:
        self._answer({"id": "someone/colours", "sha": "0" * 40, "siblings": []})

    def _commit(self, body: bytes) -> None:
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                value = line["value"]
                self.server.files[value["path"]] = base64.b64decode(value["content"])

    def _read(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, data: Any, status: int = 200) -> None:
        payload = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.url)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


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
    assert push_to_hub(run, "someone/colours") == f"{hub.url}/someone/colours"
    assert hub.files.keys() == {
        "README.md",
        "task.json",
        "settings.json",
        "metrics.jsonl",
        "curve.png",
        "pytorch_lora_weights.safetensors",
        "kohya.safetensors",
        "unet/config.json",
    }
    assert hub.files["unet/config.json"] == b"unet/config.json"


def test_the_repository_is_made_under_its_name_by_the_one_who_is_logged_in(hub):
    make_repository("someone/colours")
    assert (hub.made[0]["name"], hub.made[0].get("organization")) == ("colours", "someone")
    assert hub.tokens == {"Bearer hf_secret"}


@pytest.mark.parametrize("status", [401, 403, 500])
def test_a_refusal_says_how_to_do_it_by_hand(hub, run, status):
    hub.refuses = status
    with pytest.raises(RunError) as caught:
        push_to_hub(run, "someone/colours")
    message = str(caught.value)
    assert message.startswith("someone/colours: the Hub did not take it")
    assert f"try again with: hf upload someone/colours {run} --exclude" in message
    assert "'checkpoints/*'" in message


def test_a_repository_that_cannot_be_made_is_told_before_the_training(hub):
    hub.refuses = 500
    with pytest.raises(RunError, match="log in with `hf auth login`"):
        make_repository("someone/colours")


def test_a_hub_that_is_not_reached_is_an_error_like_a_refusal(run, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with pytest.raises(RunError, match="the Hub did not take it"):
        push_to_hub(run, "someone/colours")


@pytest.mark.parametrize("name", ["a/b/c", "someone/no spaces", ""])
def test_a_name_that_no_repository_can_have_is_an_error(hub, name):
    with pytest.raises(RunError, match="the Hub refuses to make it"):
        make_repository(name)
    assert not hub.made
