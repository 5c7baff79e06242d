"""One sample, looked at closely."""

from __future__ import annotations

from collections.abc import Iterator

from ...common.errors import DatasetError, OutputError
from ...dataset.catalogue import Catalogue
from ...dataset.remarks import printable
from ...dataset.stored import StoredSample, Unreadable, read_samples
from .statistics import LatentTally
from .summary import CHANNEL_COLUMNS, channel_rows


def read_one(catalogue: Catalogue, number: int) -> StoredSample:
    """A sample by its number, from 0, among those whose index can be read.

    Raises:
        OutputError: when there are not so many.
        DatasetError: when it cannot be read.
    """
    count = catalogue.samples.num_rows
    if number >= count:
        known = f"0 to {count - 1}" if count else "none"
        raise OutputError(f"{catalogue.name}: has no sample {number}; there are {known}")
    (sample,) = read_samples(catalogue, [number], with_picture=True)
    if isinstance(sample, Unreadable):
        raise DatasetError(
            f"{catalogue.name}: sample {number} cannot be read from {sample.file}: "
            f"{sample.reason}; onepic-compile --verify {catalogue.name} says what to do"
        )
    return sample


def sample_lines(sample: StoredSample) -> Iterator[str]:
    """Describe a sample in plain lines."""
    yield f"sample {sample.number}: {sample.key}, source {printable(sample.source)}"
    yield f"prompt: {printable(sample.prompt) or 'none'}"
    shape = " x ".join(map(str, sample.latents.shape))
    yield f"latents: {shape}; target area {(sample.mask != 0).mean():.1%}"
    tally = LatentTally(len(sample.latents))
    is_finite = tally.add(sample.latents)
    channels = [tally.channel(number) for number in range(tally.channels)]
    for number, figures in enumerate(channel_rows(channels)):
        pairs = zip(CHANNEL_COLUMNS[1:], figures, strict=True)
        yield f"latent channel {number}: " + ", ".join(f"{name} {text}" for name, text in pairs)
    if not is_finite:
        yield "problem: NaN or infinity in the latents"
