"""Sight of samples: what in their bytes can be trained on and may yet be wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...canvas.findings import Counts, Finding, count_findings
from ...canvas.layout import Box, Layout
from ...canvas.looks import size_of
from ...dataset.stored import StoredSample
from .expectation import FAR_OFF

#: Latents whose channels deviate less than this show nothing. The VAE gives one colour 0.05 or
#: more, as the edges of a panel differ from its middle.
_CONSTANT = 0.01
#: Samples from which it can be said what is usual for them.
_ENOUGH = 3


class Sight:
    """Looks at samples one by one; `counts` says what was seen of all of them."""

    def __init__(self, layout: Layout, is_narrowed: bool) -> None:
        """`is_narrowed` says whether a mask leaves only a part of the target's panels."""
        self._layout, self._is_narrowed = layout, is_narrowed
        self._found: list[tuple[str, list[Finding]]] = []
        self._sizes: dict[str, list[tuple[int, float]]] = {}
        self._targets: dict[bytes, list[int]] = {}
        self._groups: list[str | None] = []

    def add(self, sample: StoredSample) -> None:
        """Look at a sample whose latents are finite and whose mask marks something."""
        number = len(self._found)
        boxes = self._boxes(sample)
        findings = list(_full_masks(sample, boxes, self._is_narrowed))
        flat = {name for name, box in boxes.items() if _is_constant(_part(sample.latents, box))}
        findings += (Finding("flat-panel", f"{name}: equal latents everywhere") for name in flat)
        findings += _copies(sample, boxes)
        for name, box in boxes.items():
            size = size_of(_part(sample.latents, box))
            self._sizes.setdefault(name, []).append((number, size))
        if not flat:
            self._targets.setdefault(_digest_of_target(sample), []).append(number)
        self._found.append((sample.source, findings))
        self._groups.append(sample.group)

    def counts(self) -> Counts:
        """The findings, with the first samples of which they are true."""
        for numbers in self._targets.values():
            if len({self._groups[n] or n for n in numbers}) > 1:
                self._note(numbers, Finding("repeated-target", "equal latents and masks"))
        for name, sizes in self._sizes.items():
            usual = float(np.median([size for _, size in sizes]))
            odd = [n for n, size in sizes if not usual / FAR_OFF <= size <= usual * FAR_OFF]
            if len(sizes) >= _ENOUGH:
                about = f"{name}: {FAR_OFF} times larger or smaller than usual here"
                self._note(odd, Finding("odd-latents", about))
        return count_findings(self._found)

    def _note(self, numbers: list[int], finding: Finding) -> None:
        for number in numbers:
            self._found[number][1].append(finding)

    def _boxes(self, sample: StoredSample) -> dict[str, Box]:
        """The first box of each panel in latent cells; of another canvas the whole."""
        height, width = sample.latents.shape[1:]
        if self._layout.latent_size != (width, height):
            return {"canvas": Box(0, 0, width, height)}
        factor = self._layout.factor
        names = self._layout.panels
        return {f"panel {n!r}": self._layout.boxes(n)[0].divided(factor) for n in names}


def _part(values: NDArray[Any], box: Box) -> NDArray[Any]:
    return values[(slice(None), *box.slices)]


def _is_constant(latents: NDArray[np.float16]) -> bool:
    return bool((latents.astype(np.float32).std(axis=(1, 2)) < _CONSTANT).all())


def _full_masks(
    sample: StoredSample, boxes: Mapping[str, Box], is_narrowed: bool
) -> Iterator[Finding]:
    if sample.mask.all():
        yield Finding("no-context", "the whole canvas")
    elif is_narrowed:
        for name, box in boxes.items():
            if _part(sample.mask, box).all():
                yield Finding("no-context", f"{name}: all of it")


def _copies(sample: StoredSample, boxes: Mapping[str, Box]) -> Iterator[Finding]:
    """The panels of the context that show what is to be learned at the same places."""
    masks = {name: _part(sample.mask, box)[0] != 0 for name, box in boxes.items()}
    for target, mask in masks.items():
        for other in boxes:
            if mask.any() and not masks[other].any():
                learned = _part(sample.latents, boxes[target])[:, mask]
                if np.array_equal(learned, _part(sample.latents, boxes[other])[:, mask]):
                    yield Finding("copied-target", f"{other} and {target}: equal latents")


def _digest_of_target(sample: StoredSample) -> bytes:
    """A digest that tells a sample's mask and the latents under it from all others."""
    digest = hashlib.blake2b(sample.mask.tobytes(), digest_size=16)
    digest.update(sample.latents[:, sample.mask[0] != 0].tobytes())
    return digest.digest()
