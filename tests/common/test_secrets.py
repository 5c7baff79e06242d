"""No message and no file shows what opens a door."""

from __future__ import annotations

import huggingface_hub
import pytest

from onepic.common.errors import OnepicError, RowError
from onepic.common.secrets import (
    marked_place,
    public_data,
    public_place,
    public_recipe,
    public_text,
    unsigned_place,
    without_secrets,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:secret@host/data", "https://host/data"),
        ("http://token@host/data", "http://host/data"),
        ("ftp://me@host/data", "ftp://host/data"),
        ("https://me:p@ss:'word@host/data", "https://host/data"),
        ("zip://a.csv::https://me:secret@host/a.zip?sig=s", "zip://a.csv::https://host/a.zip"),
        ("failed at 'ftp://me:secret@host/x' twice", "failed at 'ftp://host/x' twice"),
        ("https://host/data?sig=secret is gone", "https://host/data is gone"),
        ("https://host/data?secret#secret: not an image", "https://host/data: not an image"),
        ("https://host/data#secret", "https://host/data"),
        ("(403, url='https://host/a.png?sig=se%3D')", "(403, url='https://host/a.png')"),
        (
            "retries exceeded with url: /data?secret (Caused by",
            "retries exceeded with url: /data (Caused by",
        ),
        ("s3://bucket/a.png?X-Amz-Signature=secret", "s3://bucket/a.png"),
        ("s3://bucket/00?.tar: no tars there", "s3://bucket/00?.tar: no tars there"),
        ("at /data?sig=secret&x=1 twice", "at /data twice"),
        ("hf://datasets/user/name@main/data", "hf://datasets/user/name@main/data"),
        ("abfs://container@account/data", "abfs://container@account/data"),
        ("github://owner:repository@main/data", "github://owner:repository@main/data"),
        ("photos/who?.jpg cannot be read", "photos/who?.jpg cannot be read"),
        ("photos/a#1.jpg and me@home", "photos/a#1.jpg and me@home"),
    ],
)
def test_addresses_lose_their_users_passwords_and_queries(text, shown):
    assert without_secrets(text) == shown
    assert public_text(shown) == shown


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


def test_no_error_is_raised_with_the_secret_of_an_address():
    text = "https://me:secret@host/a.png?sig=secret cannot be read"
    assert str(OnepicError(text)) == "https://host/a.png cannot be read"
    assert RowError("read", text).reason == "https://host/a.png cannot be read"


@pytest.mark.parametrize(
    "place",
    [
        "photos/a?b#c.png",
        "/photos/me@home:x",
        "s3://bucket/day=1/00?.tar",
        "gs://bucket/a#1.png",
        "hf://datasets/u/n@main",
    ],
)
def test_a_place_without_secrets_stays_as_it_is(place):
    assert public_place(place) == unsigned_place(place) == marked_place(place) == place


@pytest.mark.parametrize(
    "query",
    [
        "sig=secret&se=2026-01-01&sp=r&sv=2023&sr=b&skoid=1",
        "X-Amz-Algorithm=AWS4&X-Amz-Signature=secret&X-Amz-Expires=60",
        "X-Goog-Credential=me&X-Goog-Signature=secret",
        "AWSAccessKeyId=me&Signature=secret&Expires=60",
        "Policy=secret&Signature=secret&Key-Pair-Id=me",
        "access_token=secret",
        "accessToken=secret&auth=secret",
    ],
)
def test_a_file_that_is_signed_anew_is_the_same_file(query):
    assert unsigned_place(f"https://host/a.png?{query}") == "https://host/a.png"
    assert marked_place(f"https://me:secret@host/a.png?{query}") == "https://host/a.png"
    assert unsigned_place(f"https://host/a?id=3&{query}") == "https://host/a?id=3"
    assert marked_place(f"https://host/a?id=3&{query}") == marked_place("https://host/a?id=3")


@pytest.mark.parametrize("other", ["design=3", "skin=3", "sort=3", "step=3", "id=4"])
def test_files_that_only_a_query_tells_apart_stay_apart(other):
    one, two = marked_place("https://host/a?id=3"), marked_place(f"https://host/a?{other}")
    assert one != two
    assert public_place(one) == public_place(two) == "https://host/a"
    assert marked_place(one) == one
    assert marked_place(f"{one}+2") == f"{one}+2"


def test_a_recipe_keeps_its_prompt_and_no_address_that_opens():
    recipe = {
        "prompt": "what is https://host/a?sig=b",
        "source": {"kind": "groups", "of": {"path": "https://me:secret@host/a.csv?sig=secret"}},
        "operations": ["a?b=c.py"],
        "limit": 3,
    }
    assert public_recipe(recipe) == recipe | {
        "source": {"kind": "groups", "of": {"path": "https://host/a.csv"}}
    }
    assert public_data("seen at https://host/a?sig=b") == "seen at https://host/a"
