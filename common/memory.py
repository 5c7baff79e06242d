"""Keeping memory between batches."""

from __future__ import annotations

import ctypes

# Parameters of glibc's mallopt(3).
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8


def keep_freed_memory() -> None:
    """Let this process reuse what it frees, instead of giving it back to the system.

    Every batch of a VAE on the CPU frees and asks for the same hundreds of megabytes. By default
    the system takes them back and clears them each time, which takes as long as the encoding. Does
    nothing where the C library is not glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)
        # The pools of other threads than the first cannot hold blocks of this size.
        mallopt(_ARENA_MAX, 1)
