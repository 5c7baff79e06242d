"""How good filled targets are: distances between pictures, uint8 [H, W, 3] each."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

Pixels = NDArray[np.uint8]

#: the thresholds of the recipe for canny, and how far an edge may be from its like, px
CANNY, NEAR = (100, 200), 2
#: a difference of colour values by which an edit is seen
SEEN = 24


def psnr(made: Pixels, truth: Pixels) -> float:
    """Peak signal-to-noise ratio in dB."""
    return float(peak_signal_noise_ratio(truth, made))


def ssim(made: Pixels, truth: Pixels) -> float:
    """Structural similarity, up to 1."""
    return float(structural_similarity(truth, made, channel_axis=2))


def colour_error(made: Pixels, truth: Pixels, where: NDArray[np.bool_] | None = None) -> float:
    """The mean CIEDE2000 distance after a blur, so that it tells of colours and not of detail.

    `where`, bool [H, W], is the part that counts; by default everything does.
    """
    labs = [rgb2lab(cv2.GaussianBlur(pixels, (0, 0), 2)) for pixels in (made, truth)]
    distances = deltaE_ciede2000(*labs)
    return float((distances if where is None else distances[where]).mean())


def edge_agreement(made: Pixels, truth: Pixels) -> float:
    """F1 of Canny's edges of both, where an edge within `NEAR` px of another counts as the same."""
    ours, theirs = (_edges(pixels) for pixels in (made, truth))
    precision = _share(ours, _widened(theirs))
    recall = _share(theirs, _widened(ours))
    return 2 * precision * recall / max(precision + recall, 1e-9)


def edit_done(made: Pixels, truth: Pixels, before: Pixels) -> float:
    """1 where the part that the edit changes is more like the truth than like what was before."""
    changed = np.abs(truth.astype(int) - before).max(axis=2) > SEEN
    if not changed.any():
        return float("nan")
    to_truth, to_before = (
        float(np.square(made.astype(float) - other)[changed].mean()) for other in (truth, before)
    )
    return float(to_truth < to_before)


def _edges(pixels: Pixels) -> NDArray[np.bool_]:
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return cv2.Canny(grey, *CANNY) > 0


def _widened(edges: NDArray[np.bool_]) -> NDArray[np.bool_]:
    side = 2 * NEAR + 1
    return cv2.dilate(edges.astype(np.uint8), np.ones((side, side), np.uint8)) > 0


def _share(edges: NDArray[np.bool_], near: NDArray[np.bool_]) -> float:
    return float((edges & near).sum() / max(edges.sum(), 1))
