"""No message shows what opens a door."""

from __future__ import annotations

import huggingface_hub
import pytest

from onepic.compiler.secrets import without_secrets


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:secret@host/data", "https://host/data"),
        ("http://token@host/data", "http://host/data"),
        ("failed at 'ftp://me:secret@host/x' twice", "failed at 'ftp://host/x' twice"),
        ("https://host/data?sig=secret is gone", "https://host/data is gone"),
        ("hf://datasets/user/name@main/data", "hf://datasets/user/name@main/data"),
        ("abfs://container@account/data", "abfs://container@account/data"),
    ],
)
def test_addresses_lose_their_passwords(text, shown):
    assert without_secrets(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no entry for hf_abcdefghijklmnopqrst", "no entry for [hidden]"),
        ("Illegal header value b'Bearer hf_a\\x01b'", "Illegal header value b'Bearer [hidden]'"),
        ("sent secret-of-mine twice", "sent [hidden] twice"),
        ("hf_hub_download failed", "hf_hub_download failed"),
    ],
)
def test_the_token_of_the_hub_is_hidden_in_any_form(text, shown, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret-of-mine")
    assert huggingface_hub.get_token() == "secret-of-mine"
    assert without_secrets(text) == shown
