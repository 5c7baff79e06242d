"""What is asked for, and pictures that carry it."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin
from pydantic import ValidationError

from onepic.common.errors import RunError, TaskError
from onepic.sampler.guidance import Guidance
from onepic.sampler.request import Request, absolute, read_request, save_picture, was_made

FULL = Request(
    run="/runs/tryon",
    task="tryon",
    model="USER/NAME",
    images={"person": "/photos/ich und du.jpg", "garment": "https://example.org/shirt.png"},
    values={"caption": "ein Kleid, „grün“ 👗"},
    prompt="a\nprompt",
    negative_prompt="",
    seed=2**63 - 1,
    number=3,
    steps=7,
    scheduler="heun",
    guidance=Guidance(guidance_scale=-1.5, image_guidance_scale=1.25, guidance_rescale=0.7),
    panel_size=(512, 384),
)
SMALL = Request(run="runs/x", images={})


@pytest.mark.parametrize("request_", [FULL, SMALL], ids=["every setting", "the defaults"])
def test_a_picture_carries_how_it_was_made(tmp_path, picture, request_):
    path = tmp_path / "new" / "a picture ü.png"
    save_picture(picture(), path, request_)
    assert read_request(path) == request_
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.convert("RGB").tobytes() == picture().tobytes()
    assert list(path.parent.iterdir()) == [path]


def test_equal_pictures_and_requests_give_equal_files(tmp_path, picture):
    save_picture(picture(), tmp_path / "a.png", FULL)
    save_picture(picture(), tmp_path / "b.png", FULL)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_the_settings_of_guidance_lie_flat_among_the_others(tmp_path, picture):
    """As they did before they had a model of their own, so that older pictures are made again."""
    plain = FULL.public().model_dump(mode="json")
    assert list(plain)[9:15] == [
        "steps",
        "scheduler",
        "guidance_scale",
        "image_guidance_scale",
        "guidance_rescale",
        "panel_size",
    ]
    info = PngImagePlugin.PngInfo()
    text = '{"run": "x", "images": {}, "guidance_scale": 2.0, "guidance_rescale": 0.5, "steps": 7}'
    info.add_itxt("onepic", text)
    picture().save(tmp_path / "old.png", pnginfo=info)
    asked = read_request(tmp_path / "old.png")
    assert asked.guidance == Guidance(guidance_scale=2.0, guidance_rescale=0.5)
    assert was_made(tmp_path / "old.png", asked)


def test_guidance_is_given_once(tmp_path):
    twice = {"guidance": Guidance(), "guidance_scale": 2.0}
    with pytest.raises(ValidationError, match="guidance_scale"):
        Request.model_validate({"run": "x", "images": {}} | twice)


def test_was_made_tells_a_picture_of_the_same_request(tmp_path, picture):
    path = tmp_path / "a.png"
    assert not was_made(path, FULL)
    save_picture(picture(), path, FULL)
    assert was_made(path, FULL)
    assert not was_made(path, FULL.model_copy(update={"seed": 1}))
    path.write_bytes(b"\x89PNG half a file")
    assert not was_made(path, FULL)


def test_a_picture_without_a_request_is_refused(tmp_path, picture):
    picture().save(tmp_path / "photo.jpg")
    with pytest.raises(TaskError, match=r"photo.jpg: does not say how it was made; expected a PNG"):
        read_request(tmp_path / "photo.jpg")
    save_picture(picture(), tmp_path / "sheet.png")
    with pytest.raises(TaskError, match="does not say how it was made"):
        read_request(tmp_path / "sheet.png")


@pytest.mark.parametrize("content", [None, b"", b"text", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"])
def test_what_is_no_picture_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "no.png").write_bytes(content)
    with pytest.raises(TaskError, match=r"no\.png: cannot be read as a picture"):
        read_request(tmp_path / "no.png")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"run": "x", "images": {}, "style": "new"}', "made by another onepic: .*style.*unknown"),
        ('{"images": {}}', "made by another onepic: run: Field required"),
        ("{", "made by another onepic: Invalid JSON"),
        ("[]", "made by another onepic: "),
    ],
)
def test_a_request_of_another_version_is_refused_in_one_line(tmp_path, picture, text, message):
    info = PngImagePlugin.PngInfo()
    info.add_itxt("onepic", text)
    picture().save(tmp_path / "other.png", pnginfo=info)
    with pytest.raises(TaskError, match=message) as caught:
        read_request(tmp_path / "other.png")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"steps": 1001},
        {"seed": -1},
        {"seed": 2**63},
        {"number": -1},
        {"scheduler": "eular"},
        {"guidance_scale": float("nan")},
        {"image_guidance_scale": float("inf")},
        {"guidance_rescale": 1.1},
        {"panel_size": (64,)},
        {"panel_size": (64, 0)},
        {"style": "none"},
    ],
    ids=str,
)
def test_settings_that_make_no_picture_are_refused(wrong):
    with pytest.raises(ValidationError):
        Request.model_validate({"run": "x", "images": {}} | wrong)


def test_a_picture_that_cannot_be_written_leaves_the_one_before(tmp_path, picture, largest_file):
    path = tmp_path / "a.png"
    save_picture(picture(seed=1), path, SMALL)
    before = path.read_bytes()
    with largest_file(100), pytest.raises(RunError, match=r"a\.png: cannot be written: File too"):
        save_picture(picture(seed=2), path, SMALL)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_named(tmp_path, picture):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"file/out: cannot be made: Not a directory"):
        save_picture(picture(), tmp_path / "file" / "out" / "a.png", SMALL)


def test_places_hold_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    assert absolute("a b/c.png") == str(tmp_path / "a b/c.png")
    assert absolute("/x/c.png") == "/x/c.png"
    assert absolute("~/c.png") == "/home/me/c.png"
    assert absolute("~$c.png") == str(tmp_path / "~$c.png")
    assert absolute("https://example.org/a.png") == "https://example.org/a.png"
    assert Path(absolute(".")) == tmp_path
