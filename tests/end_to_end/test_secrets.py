"""What opens an address is in no file and no message, from a signed URL to a published dataset."""

from __future__ import annotations

import io
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest
from guarded import PASSWORD, SIGNATURES, USER, Guarded, guarding
from hub import TOKEN, Hub
from PIL import Image
from typer import Typer
from typer.testing import CliRunner

from onepic.compiler import cli as compiler
from onepic.compiler.inspection import cli as inspection
from onepic.compiler.publishing import cli as publishing
from onepic.sampler import cli as sampler
from onepic.trainer import cli as trainer

if TYPE_CHECKING:
    from tests.conftest import DrawPicture, Project

NAME = "someone/colours"
#: None of these may be in a file or a message, nor what a password is sent as.
SECRETS = (USER, PASSWORD, *SIGNATURES, TOKEN, "dW5pcXVl")
Run = Callable[..., str]


@pytest.fixture
def run() -> Iterator[Run]:
    """`run(app, *arguments)` runs a command; all that it prints, without a secret."""
    handler = signal.getsignal(signal.SIGTERM)

    def invoke(app: Typer, *arguments: object, code: int = 0) -> str:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exit_code == code, result.output
        check_bytes("its messages", result.output.encode())
        return str(result.output)

    yield invoke
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def server(picture: DrawPicture) -> Iterator[Guarded]:
    """Signed pictures, of which one is none and one is not there, and a signed table of them."""

    def find(server: Guarded, path: str, signature: str) -> bytes | None:
        if path == "rows.csv":
            urls = (server.url(f"{number}.png", signature) for number in range(6))
            return "\n".join(["image", *urls]).encode()
        number = int(path.removesuffix(".png"))
        return [*map(png, range(4)), b"<html>gone</html>", None][number]

    def png(seed: int) -> bytes:
        buffer = io.BytesIO()
        picture(seed=seed).save(buffer, "PNG")
        return buffer.getvalue()

    with guarding(find) as server:
        yield server


def check_bytes(place: object, data: bytes) -> None:
    for secret in SECRETS:
        assert secret.encode() not in data, f"{secret} is in {place}"


def check_folder(folder: Path) -> None:
    """Look through every file, hidden ones too, and through all that Parquet compresses."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    assert paths
    for path in paths:
        check_bytes(path, path.read_bytes())
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            check_bytes(path, repr((table.to_pylist(), table.schema.metadata)).encode())


def test_no_secret_of_an_address_leaves_the_command_that_reads_it(
    bare_project: Project, server: Guarded, hub: Hub, run: Run, tmp_path: Path
) -> None:
    def compile_it(signature: str) -> str:
        source = {"kind": "table", "path": server.url("rows.csv", signature), "key": "image"}
        filters = [{"duplicates": {"of": "image"}}]
        recipe = bare_project.write_recipe(source=source, filters=filters, max_rejected=0.5)
        return run(compiler.app, recipe, "--local", "--output", bare_project.output)

    first = compile_it(SIGNATURES[0])
    assert "made 3 of 3 shards" in first
    rejected = pq.read_table(bare_project.output / "rejected.parquet").to_pylist()
    assert [row["source"] for row in rejected] == [f"http://{server.host}/{n}.png" for n in (4, 5)]
    assert all(f"http://{server.host}/" in row["reason"] for row in rejected)
    before = bare_project.files()
    later = compile_it(SIGNATURES[1])
    assert "nothing to do: 3 shards are up to date" in later
    assert bare_project.files() == before
    check_folder(bare_project.output)

    page, trained, picture = tmp_path / "page.html", tmp_path / "run", tmp_path / "colour.png"
    run(inspection.app, bare_project.output, "--html", page)
    check_bytes(page, page.read_bytes())
    run(publishing.app, bare_project.output, NAME)
    for path, blob in hub.dataset(NAME).files().items():
        check_bytes(path, blob.data)

    settings = ("steps=1", "batch_size=2", "gradient_checkpointing=false", "adapter.rank=1")
    sets = [word for setting in settings for word in ("--set", setting)]
    run(trainer.app, bare_project.output, "--output", trained, *sets)
    check_folder(trained)

    grey = server.url("0.png", SIGNATURES[0])
    sample = (sampler.app, trained, "--image", f"grey={grey}", "--steps", 1, "--output", picture)
    run(*sample)
    with Image.open(picture) as image:
        assert f"http://{server.host}/0.png" in image.info["onepic"]
        check_bytes(picture, image.info["onepic"].encode())
    table = tmp_path / "table.csv"
    table.write_text(f"grey\n{grey}\n{server.url('5.png', SIGNATURES[0])}\n")
    run(sampler.app, trained, "--table", table, "--steps", 1, "--output", tmp_path / "all", code=1)
    check_folder(tmp_path / "all")
