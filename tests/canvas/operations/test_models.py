"""Operations that run models, on tiny random ones saved in the real formats."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from onepic.canvas.operations import Picture, parse_operation
from onepic.canvas.operations.depth import _to_grey, load_estimator
from onepic.canvas.operations.detector import load_detector
from onepic.common.errors import ModelError, RowError


@pytest.fixture(scope="module")
def depth_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    import torch
    from transformers import DPTConfig, DPTForDepthEstimation, DPTImageProcessor

    torch.manual_seed(0)
    folder = str(tmp_path_factory.mktemp("depth"))
    config = DPTConfig(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=32,
        patch_size=16,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        head_hidden_size=8,
        initializer_range=1.0,
        is_hybrid=False,
    )
    DPTForDepthEstimation(config).save_pretrained(folder)
    DPTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def teed_weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    import torch

    pytest.importorskip("controlnet_aux")
    from controlnet_aux.teed.ted import TED

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("teed")
    torch.save(TED().state_dict(), folder / "teed.pth")
    return str(folder)


def test_depth_of_a_batch_equals_depth_of_each(picture: Any, depth_model: str) -> None:
    depth = parse_operation({"depth": {"model": depth_model, "batch_size": 2}})
    sizes = [(40, 24), (32, 32), (40, 24), (40, 24)]
    pictures = [Picture(picture(*size, seed=seed)) for seed, size in enumerate(sizes)]
    together = depth.apply_batch(pictures)
    for one, alone in zip(together, map(depth.apply, pictures), strict=True):
        difference = np.asarray(one.image).astype(int) - np.asarray(alone.image)
        assert np.abs(difference).max() <= 1
    assert [one.image.size for one in together] == sizes
    assert {one.image.getextrema() for one in together} == {((0, 255),) * 3}
    assert depth.model_references() == (depth_model,)


def test_depth_turns_distances_round(picture: Any, depth_model: str) -> None:
    estimator = load_estimator(depth_model)
    assert load_estimator(depth_model) is estimator
    image = picture(32, 32)
    (near,) = estimator.nearness([image])
    (far,) = replace(estimator, gives_distance=True).nearness([image])
    assert near.shape == (32, 32)
    assert np.allclose(far, 1 / np.maximum(near, 1e-3), rtol=1e-4)


def test_depth_without_depth_is_black_and_without_numbers_an_error() -> None:
    assert _to_grey(np.ones((8, 8))).getextrema() == ((0, 0),) * 3
    with pytest.raises(RowError, match="not finite"):
        _to_grey(np.full((8, 8), np.nan))


def test_a_detector_runs_from_its_weights_at_the_pictures_size(
    picture: Any, teed_weights: str
) -> None:
    options = {
        "detector": "TEEDdetector",
        "weights": teed_weights,
        "load": {"filename": "teed.pth"},
    }
    teed = parse_operation({"detector": options})
    before = Picture(picture(72, 136))
    first, second = teed.apply_batch([before, before])
    assert (first.image.mode, first.image.size) == ("RGB", (72, 136))
    assert first.image == second.image
    assert teed.model_references() == (teed_weights,)
    load = '{"filename": "teed.pth"}'
    assert load_detector("TEEDdetector", teed_weights, load) is load_detector(
        "TEEDdetector", teed_weights, load
    )


def test_a_detector_that_draws_lots_follows_the_pictures_seed(picture: Any) -> None:
    shuffle = parse_operation({"detector": {"detector": "ContentShuffleDetector"}})
    state = np.random.get_state()[1].copy()  # type: ignore[index, union-attr]
    first, again, other = (shuffle.apply(Picture(picture(), seed=seed)) for seed in (1, 1, 2))
    assert first.image == again.image
    assert first.image != other.image
    assert (np.random.get_state()[1] == state).all()  # type: ignore[index]


def test_what_cannot_be_loaded_is_an_error_of_the_model(picture: Any, tmp_path: Path) -> None:
    for options, reason in [
        ({"detector": "HEDdetector"}, "HEDdetector needs weights"),
        (
            {"detector": "HEDdetector", "weights": str(tmp_path)},
            "HEDdetector cannot be loaded from",
        ),
    ]:
        with pytest.raises(ModelError, match=reason):
            parse_operation({"detector": options}).apply(Picture(picture()))
    with pytest.raises(ModelError, match="cannot be loaded"):
        parse_operation({"depth": {"model": str(tmp_path)}}).apply(Picture(picture()))


def test_a_detector_that_fails_is_an_error_of_the_row(picture: Any) -> None:
    options = {"detector": "CannyDetector", "options": {"low_threshold": "high"}}
    with pytest.raises(RowError, match="detector CannyDetector failed"):
        parse_operation({"detector": options}).apply(Picture(picture()))
    plain = parse_operation({"detector": {"detector": "CannyDetector"}})
    assert plain.apply(Picture(Image.new("RGB", (20, 30)))).image.size == (20, 30)
