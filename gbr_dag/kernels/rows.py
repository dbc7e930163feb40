"""What the kernels that go through rows share: which rows are theirs, and why a row is left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gbr_dag.kernels.jit import kernel

CHUNK = 1024
AHEAD = 24
"""Rows are picked by chunks that stay in the first cache, records fetched so many rows before they are written.

10M rows, 100,000 bins, p = 2, t = 1, two threads: 64 ms; 72 ms with 512 and 16. Testing every row in the loop over
records instead, without the list: 121 ms, since each thread mispredicts every other row.
"""

NOTES = 8
"""Length of the notes on rows left out, without those on targets, which follow.

By place: 0 rows that lack some of the targets but not all, 1 rows that lack a target; 3 weight missing or infinite, 4
zero, 5 negative, 6 predictor missing or infinite, as in ``gbr_dag.row_reasons``; 2 and 7 are not used.
"""


@kernel
def rows_of_range(row_bin: npt.NDArray[Any], first: int, last: int, chosen: npt.NDArray[np.uint32]) -> np.int64:
    """Find the rows of a chunk whose bin lies in ``first <= bin < last``; how many, their places in ``chosen``.

    ``AHEAD`` further places repeat the last one.
    """
    # one comparison without a sign for the two, places of 32 bits: half the time of the plain way
    width = np.uint64(last - first)
    n = np.uint32(0)
    for i in range(row_bin.size):
        chosen[n] = i
        n += np.uint32(np.uint64(row_bin[i] - first) < width)
    if n > 0:
        for q in range(AHEAD):
            chosen[n + q] = chosen[n - 1]
    return np.int64(n)


@kernel
def note_weight(notes: npt.NDArray[np.int64], w: float) -> None:
    """Note why a weight that is no positive number leaves its row out."""
    if w - w != 0.0:
        notes[3] += 1
    elif w == 0.0:
        notes[4] += 1
    else:
        notes[5] += 1


@kernel
def note_target(notes: npt.NDArray[np.int64], place: int, y: float) -> None:
    """Note a target that is missing or infinite."""
    if y - y != 0.0:
        notes[NOTES + place] += 1


@kernel
def is_odd_size(size: float, weight: float, mean: float) -> bool:
    """Whether a column's weighted sum of squares comes near the ends of the doubles: its squares cannot be trusted.

    So does a sum of weights that leaves 1e-100 to 1e100. A column that is zero throughout is fine.
    """
    if not 1e-100 < weight < 1e100:
        return True
    return not (1e-190 * weight < size < 1e190 * weight or (size == 0.0 and mean == 0.0))
