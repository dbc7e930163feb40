"""Groups of unequal length as a few padded batches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]

_BATCH_DOUBLES = 1 << 19
"""Doubles of a batch, 4 MiB; 20,000 groups of 50 took 1.09 times as long at 1 << 17, 1.05 at 1 << 22."""


def padded_batches(
    count: IntArray, offsets: IntArray, *, doubles: int, least: int
) -> Iterator[tuple[IntArray, IntArray]]:
    """Groups of about equal length with the positions of their members (n_groups, padded length), -1 where padded.

    Group ``g`` has the ``count[g]`` members from ``offsets[g]`` on; empty ones are left out. A member takes so many
    ``doubles``. Lengths are padded to the next of 2^i and 1.5 * 2^i, at least to ``least``.
    """
    order = np.argsort(count, kind="stable")
    order = order[np.searchsorted(count[order], 1) :]
    size = np.maximum(count[order], least)
    power = 2 ** np.floor(np.log2(np.maximum(size, 1))).astype(np.int64)
    padded = np.where(size == power, size, np.where(2 * size <= 3 * power, 3 * power // 2, 2 * power))
    limit = _BATCH_DOUBLES // doubles
    padded = np.where(size > limit, size, np.minimum(np.maximum(padded, size), limit))  # ascending, as size is
    start = 0
    while start < len(order):
        width = int(padded[start])
        same = int(np.searchsorted(padded, width, side="right"))
        stop = min(same, start + max(_BATCH_DOUBLES // (width * doubles), 1))
        groups = order[start:stop]
        step = np.arange(width)
        yield groups, np.where(step < count[groups, None], offsets[groups, None] + step, -1)
        start = stop
