"""A shard job is a pure function: what it writes follows from its rows and its recipe alone."""

from __future__ import annotations

import io
import random
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from onepic.backbones.model import open_model
from onepic.canvas.findings import Count, Finding
from onepic.canvas.sizes import batch_size
from onepic.common.errors import RunError
from onepic.common.lock import locked
from onepic.compiler.compile import make_layout
from onepic.compiler.engines.local import LocalEncoder
from onepic.compiler.plan import Plan
from onepic.compiler.shard import PanelEncoder, Progress, ShardJob, compile_shard
from onepic.dataset.dataset import Dataset, DatasetSample
from onepic.dataset.index import ShardHeader, read_index
from onepic.dataset.names import STATE, shard_path
from onepic.dataset.stores.local import LocalStore
from tests.datasets import make_info

Latents = NDArray[np.float16]


@dataclass
class Answer:
    """An answer that comes after `delay` seconds."""

    value: Any
    delay: float = 0
    asked: float = field(default_factory=time.monotonic)

    def done(self) -> bool:
        return time.monotonic() >= self.asked + self.delay

    def result(self) -> Any:
        return self.value


@dataclass
class Encoder:
    """A panel encoder around the miniature's that counts batches, and that can be late or fail.

    `delays` gives the seconds that each answer takes; panels that are `overflowing` get no latents.
    """

    inner: LocalEncoder
    delays: Callable[[], float] = lambda: 0.0
    overflowing: Callable[[NDArray[np.uint8]], bool] = lambda panel: False
    batches: list[int] = field(default_factory=list)

    def panels(self, pixels: NDArray[np.uint8], seeds: Sequence[int]) -> Answer:
        self.batches.append(len(pixels))
        latents = self.encode(pixels, seeds)
        pairs = zip(pixels, latents, strict=True)
        return Answer([None if self.overflowing(p) else x for p, x in pairs], self.delays())

    def encode(self, pixels: NDArray[np.uint8], seeds: Sequence[int]) -> list[Latents | None]:
        return self.inner.panels(pixels, seeds).result()

    def prompts(self, prompts: Sequence[str]) -> Answer:
        return Answer(self.inner.prompts(prompts).result())


class BlockMeans(Encoder):
    """The mean colours of blocks for latents: fast enough to encode many batches of large panels.

    Latents depend on the number of panels in their batch, as they may on some devices.
    """

    def encode(self, pixels: NDArray[np.uint8], seeds: Sequence[int]) -> list[Latents | None]:
        count, height, width, _ = pixels.shape
        blocks = pixels.reshape(count, height // 8, 8, width // 8, 8, 3).mean((2, 4))
        means = np.moveaxis(blocks, 3, 1).astype(np.float16) / count
        return [
            np.concatenate([mean, mean[:1] + seed % 7])
            for mean, seed in zip(means, seeds, strict=True)
        ]


def make_job(project: Any, output: Path, token: str, number: int = 0, **changes: Any) -> ShardJob:
    recipe = project.recipe(**changes)
    layout = make_layout(recipe, open_model(recipe.model))
    rows = recipe.source.scan(recipe.columns, project.root)
    return Plan(recipe, project.root, layout, rows, "f" * 64, output).job(number, token)


def make_shard(
    project: Any, encoder: PanelEncoder, name: str = "data", number: int = 0, **changes: Any
) -> ShardHeader:
    """Compile a shard of a project into the folder `name`; all rows lie in one by default."""
    output = project.root / name
    with locked(output, STATE) as token:
        job = make_job(project, output, token, number, **{"samples_per_shard": 100} | changes)
        *progress, header = compile_shard(job, encoder)
    assert all(isinstance(event, Progress) for event in progress)
    assert sum(event.rows for event in progress) == job.rows.num_rows
    return header


def files(project: Any, name: str = "data") -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((project.root / name / "shards").iterdir())}


def index(project: Any, column: str, number: int = 0) -> list[Any]:
    return read_index(shard_path(project.root / "data", number, ".parquet"))[column].to_pylist()


def samples(project: Any) -> list[DatasetSample]:
    """The samples of shard 0."""
    folder = project.root / "data"
    totals = make_info().totals.model_copy(update={"shards": 1})
    info = make_info().model_copy(update={"totals": totals})
    return list(Dataset("data", LocalStore("data", folder), info))


@pytest.fixture
def project(bare_project: Any) -> Any:
    """Six pictures, not compiled."""
    bare_project.draw(*range(6))
    return bare_project


def test_a_shard_that_is_made_again_has_the_same_bytes(project, encoder):
    assert make_shard(project, encoder, "a") == make_shard(project, encoder, "b")
    assert files(project, "a") == files(project, "b")
    assert len(files(project, "a")) == 3


def test_late_latents_change_no_byte(project, encoder):
    make_shard(project, encoder, "prompt")
    make_shard(project, Encoder(encoder, delays=lambda: 3600.0), "late")
    assert files(project, "prompt") == files(project, "late")


@pytest.mark.parametrize("seed", range(3))
def test_many_batches_in_any_rhythm_give_the_same_bytes(project, encoder, seed):
    project.draw(*range(20))
    large = {"panel_size": {"width": 512, "height": 384}}
    steady = BlockMeans(encoder)
    make_shard(project, steady, "steady", **large)
    chance = random.Random(seed)
    make_shard(
        project, BlockMeans(encoder, lambda: chance.choice([0, 0.02, 3600])), "uneven", **large
    )
    assert files(project, "steady") == files(project, "uneven")
    assert steady.batches == [batch_size(512, 384)] * 8


def test_equal_panels_are_encoded_once(bare_project, encoder, picture):
    folder = bare_project.root / "pictures"
    folder.mkdir(parents=True)
    picture(seed=0).save(folder / "a.png")
    picture(seed=0).save(folder / "again.png")
    picture(seed=1).convert("L").save(folder / "grey.png")
    watched = Encoder(encoder)
    header = make_shard(bare_project, watched)
    assert (header.panels, header.distinct_panels) == (6, 3)
    assert watched.batches == [3]
    first, again, grey = (sample.latents for sample in samples(bare_project))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(grey[..., :8], grey[..., 8:])
    assert not np.array_equal(first[..., :8], first[..., 8:])


def test_what_is_odd_about_a_row_is_counted_if_it_is_compiled(project, encoder, picture):
    picture(seed=0).convert("L").save(project.root / "pictures/000.png")
    Image.new("RGB", (64, 48), "red").save(project.root / "pictures/003.png")
    found = make_shard(project, encoder).findings
    assert found == {
        Finding("copied-target", "panels 'grey' and 'colour'"): Count(1, ("000.png",)),
        Finding("flat-panel", "panel 'grey': one colour"): Count(1, ("003.png",)),
        Finding("flat-panel", "panel 'colour': one colour"): Count(1, ("003.png",)),
    }
    overflowing = Encoder(encoder, overflowing=lambda panel: (panel == panel[0, 0]).all())
    assert [
        count.examples for count in make_shard(project, overflowing, "b").findings.values()
    ] == [("000.png",)]


def test_latents_that_no_picture_has_are_counted(project, encoder):
    class Unscaled(Encoder):
        def encode(self, pixels: NDArray[np.uint8], seeds: Sequence[int]) -> list[Latents | None]:
            return [x if x is None else x * np.float16(20) for x in super().encode(pixels, seeds)]

    found = make_shard(project, Unscaled(encoder)).findings
    assert found[Finding("odd-latents", "panel 'colour'")].number == 6


def test_equal_panels_of_different_batches_are_encoded_once(project, encoder):
    for path in sorted((project.root / "pictures").iterdir()):
        path.with_stem(f"again-{path.stem}").write_bytes(path.read_bytes())
    quick = BlockMeans(encoder)
    header = make_shard(project, quick, panel_size={"width": 512, "height": 512})
    assert (header.panels, header.distinct_panels) == (24, 12)
    assert quick.batches == [4, 4, 4]


def test_a_panel_in_several_cells_is_encoded_once(project, encoder):
    layout = [["grey", "grey"], ["grey", "colour"]]
    header = make_shard(project, watched := Encoder(encoder), layout=layout)
    assert (header.panels, watched.batches) == (24, [12])
    latents = samples(project)[0].latents
    np.testing.assert_array_equal(latents[:, :8, :8], latents[:, :8, 8:])
    np.testing.assert_array_equal(latents[:, :8, :8], latents[:, 8:, :8])


def test_context_latents_know_nothing_of_the_target(bare_project, encoder, picture):
    for column in ("before", "after"):
        (bare_project.root / "pictures" / column).mkdir(parents=True)
        picture(seed=0).save(bare_project.root / "pictures" / column / "a.png")
    recipe = {
        "panels": {"source": {"from": "before"}, "result": {"from": "after"}},
        "layout": [["source", "result"], ["source", "source"]],
        "target": "result",
    }
    picture(seed=1).save(bare_project.root / "pictures/after/a.png")
    make_shard(bare_project, encoder, **recipe)
    (one,) = samples(bare_project)
    picture(seed=2).save(bare_project.root / "pictures/after/a.png")
    make_shard(bare_project, encoder, **recipe)
    (other,) = samples(bare_project)
    context = np.broadcast_to(one.mask == 0, one.latents.shape)
    np.testing.assert_array_equal(one.mask, other.mask)
    np.testing.assert_array_equal(one.latents[context], other.latents[context])
    assert not np.array_equal(one.latents[~context], other.latents[~context])


def test_a_sample_is_named_after_its_rows_number(project, encoder):
    make_shard(project, encoder, number=1, samples_per_shard=4)
    assert index(project, "key", 1) == ["000000004", "000000005"]
    assert index(project, "source", 1) == ["004.png", "005.png"]


def test_rejected_rows_are_recorded_in_order_and_take_no_number_from_others(project, encoder):
    folder = project.root / "pictures"
    (folder / "001.png").write_bytes(b"not a picture")
    for name in ("000", "002", "003", "005"):
        (folder / f"{name}.txt").write_text(f"picture {name}")
    (folder / "005.png").write_bytes(b"")
    header = make_shard(project, encoder, prompt="{caption}")
    assert [(row.key, row.source, row.stage) for row in header.rejected] == [
        ("000000001", "001.png", "prompt"),
        ("000000004", "004.png", "prompt"),
        ("000000005", "005.png", "decode"),
    ]
    assert "column 'caption' is empty" in header.rejected[0].reason
    assert index(project, "key") == ["000000000", "000000002", "000000003"]
    assert index(project, "prompt") == ["picture 000", "picture 002", "picture 003"]


def test_a_sample_with_a_panel_that_the_vae_cannot_encode_is_rejected(project, encoder, picture):
    folder = project.root / "pictures"
    Image.new("RGB", (64, 64), (255, 0, 0)).save(folder / "002.png")
    (folder / "004.png").write_bytes(b"not a picture")
    header = make_shard(
        project, Encoder(encoder, overflowing=lambda panel: (panel[0, 0] == (255, 0, 0)).all())
    )
    assert [(row.source, row.stage) for row in header.rejected] == [
        ("002.png", "encode"),
        ("004.png", "decode"),
    ]
    assert header.rejected[0].reason == "the VAE gives NaN or infinity for: colour"
    assert header.rejected[0].stamp.startswith("image=")
    assert header.samples == 4


def test_a_shard_whose_rows_are_all_rejected_is_complete(project, encoder):
    header = make_shard(project, encoder, prompt="{caption}")
    assert (header.samples, len(header.rejected), header.files) == (0, 6, {})
    assert set(files(project)) == {"00000.parquet"}


def test_a_samples_json_says_where_its_panels_come_from_and_lie(bare_project, encoder, picture):
    folder = bare_project.root / "pictures"
    folder.mkdir(parents=True)
    picture(96, 48).save(folder / "wide.png")
    layout = [["grey", "grey", "colour"]]
    make_shard(bare_project, encoder, layout=layout)
    crop = {"original_size": [96, 48], "crop": [24.0, 0.0, 72.0, 48.0]}
    assert samples(bare_project)[0].metadata == {
        "source": "wide.png",
        "canvas_size": [192, 64],
        "panels": {
            "grey": {"boxes": [[0, 0, 64, 64], [64, 0, 64, 64]]} | crop,
            "colour": {"boxes": [[128, 0, 64, 64]]} | crop,
        },
        "target_boxes": [[128, 0, 64, 64]],
        "prompt_row": 0,
    }


def test_a_sample_shows_its_canvas_and_masks_its_target(project, encoder):
    make_shard(project, encoder)
    sample = samples(project)[0]
    assert sample.latents.shape == (4, 8, 16)
    assert np.isfinite(sample.latents).all()
    np.testing.assert_array_equal(sample.mask[0], [[0] * 8 + [1] * 8] * 8)
    preview = np.asarray(Image.open(io.BytesIO(sample.preview)).convert("RGB")).astype(int)
    assert preview.shape == (64, 128, 3)
    spread = preview.max(axis=2) - preview.min(axis=2)
    assert spread[:, :56].max() < 30 < spread[:, 72:].max()


def test_a_job_that_is_dropped_halfway_leaves_nothing(project, encoder):
    output = project.root / "data"
    with locked(output, STATE) as token:
        events = compile_shard(make_job(project, output, token), encoder)
        next(events)
        events.close()
    assert {path.name for path in output.rglob("*") if path.is_file()} == {"lock", "run"}


def test_a_job_of_an_earlier_run_completes_nothing(project, encoder):
    output = project.root / "data"
    with locked(output, STATE) as earlier:
        job = make_job(project, output, earlier)
    with locked(output, STATE), pytest.raises(RunError, match="another run has taken over"):
        list(compile_shard(job, encoder))
    assert not (output / "shards").exists()


class TestSharing:
    """What the index says of the pictures and the groups of samples."""

    def write_table(self, root: Path, lines: str) -> dict[str, str]:
        (root / "table.csv").write_text(lines)
        return {"kind": "table", "path": "table.csv"}

    def test_rows_of_one_picture_have_its_numbers(self, project, encoder):
        source = self.write_table(
            project.root, "image\npictures/000.png\npictures/001.png\npictures/000.png\n"
        )
        make_shard(project, encoder, source=source)
        first, other, again = index(project, "target_images")
        assert first == again
        assert len(first) == 2
        assert not set(first) & set(other)
        assert index(project, "context_images") == [[]] * 3
        assert index(project, "group") == [None] * 3

    def test_crops_of_one_file_share_its_number_and_not_that_of_their_pixels(
        self, project, encoder
    ):
        panels = {
            "grey": {"from": "image", "apply": [{"resize": {"width": 32}}]},
            "colour": {"from": "image"},
        }
        make_shard(project, encoder, panels=panels)
        for target, context in zip(
            index(project, "target_images"), index(project, "context_images"), strict=True
        ):
            assert len(target) == 2
            assert len(context) == 1
            assert context[0] not in target

    def test_where_a_project_lies_does_not_show(self, project, encoder, tmp_path):
        make_shard(project, encoder)
        moved = type(project)(Path(shutil.copytree(project.root, tmp_path / "moved")))
        make_shard(moved, encoder, name="again")
        assert files(moved, "again") == files(moved)

    def test_a_column_of_the_source_says_which_rows_belong_together(self, project, encoder):
        lines = "image,session\npictures/000.png,a\npictures/001.png,\npictures/002.png,a\n"
        source = self.write_table(project.root, lines) | {"group": "session"}
        make_shard(project, encoder, source=source)
        assert index(project, "group") == ["a", None, "a"]
