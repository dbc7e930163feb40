"""What kernel weights make of the errors, from the factors of windows merged with powers of the kernel."""

from __future__ import annotations

from typing import Optional

import numpy as np
import numpy.typing as npt

from gbr_dag.kernels.jit import kernel
from gbr_dag.kernels.memory import empty
from gbr_dag.kernels.threads import Stopped, blocks, shares, side_by_side, thread_count

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_BINS_PER_CALL = 1 << 13

_WORTH_OF_A_BIN = 8
"""A bin counts as so many rows where threads are handed out."""


def spread_of_factors(
    records: FloatArray,
    squared: FloatArray,
    cubed: Optional[FloatArray],
    aliased: BoolArray,
    centred: bool,
    p: int,
    k: int,
    threads: Optional[int],
) -> tuple[FloatArray, FloatArray]:
    """B M B (n_bins, m, m), NaN where aliased, and three sums (3, n_bins); cost O(n_bins m^3).

    Parameters
    ----------
    records, squared, cubed : float64 arrays (n_bins, at least record_width(p, k) + 1)
        Records without aliased predictors, and those merged with the kernel's square and cube, the latter if wanted.
    aliased : bool array (n_bins, m)
    centred : bool
        Whether there is an intercept.
    p, k : int
        Predictors; columns.
    threads : int or None

    Returns
    -------
    unit_covariance : float64 array (n_bins, m, m)
        In memory the bins come last.
    sums : float64 array (3, n_bins)
        tr BM, tr BMBM and tr B M3; zeros in place of the last without ``cubed``.
    """
    n, m = aliased.shape
    covariance, sums = empty((m, m, n)), empty((3, n))
    third = np.empty((0, 0)) if cubed is None else cubed
    share = shares(n, thread_count(threads, n * _WORTH_OF_A_BIN))

    def of_thread(i: int, stopped: Stopped) -> None:
        for start, stop in blocks(*share[i], stopped, max(1, _BINS_PER_CALL // (1 + m**3 // 32))):
            _fill_spread(records, squared, third, aliased, start, stop, centred, (p, k), covariance, sums)

    side_by_side(of_thread, len(share))
    return np.moveaxis(covariance, -1, 0), sums


@kernel
def _fill_spread(
    records: FloatArray,
    squared: FloatArray,
    cubed: FloatArray,
    aliased: BoolArray,
    start: int,
    stop: int,
    centred: bool,
    sizes: tuple[int, int],
    covariance: FloatArray,
    sums: FloatArray,
) -> None:
    """Bins start <= bin < stop; all traces are sums of squares where B is the identity."""
    p, k = sizes
    first = int(centred)
    m = p + first
    inverse, root, change = np.zeros((p, p)), np.zeros((m, m)), np.zeros((m, m))
    half = np.zeros((m, m))
    for b in range(start, stop):
        _invert(records[b], inverse, p, k)
        sums[2, b] = 0.0
        if cubed.size > 0:
            sums[2, b] = _fill_root(cubed[b], records[b], inverse, root, centred, p, k)
        sums[0, b] = _fill_root(squared[b], records[b], inverse, root, centred, p, k)
        fourth = 0.0
        for i in range(m):
            for j in range(i + 1):
                element = 0.0
                for row in range(j + 1):
                    element += root[row, i] * root[row, j]
                fourth += (2.0 if j < i else 1.0) * element * element
        sums[1, b] = fourth
        _fill_change(records[b], inverse, change, centred, p)
        for i in range(m):
            for j in range(m):
                element = 0.0
                for row in range(i, m):
                    element += root[i, row] * change[row, j]
                half[i, j] = element
        for i in range(m):
            for j in range(i + 1):
                element = 0.0
                for row in range(m):
                    element += half[row, i] * half[row, j]
                if aliased[b, i] or aliased[b, j]:
                    element = np.nan
                covariance[i, j, b] = covariance[j, i, b] = element


@kernel
def _invert(record: FloatArray, inverse: FloatArray, p: int, k: int) -> None:
    """Write the inverse of the triangular factor; zero in rows and columns of pivots that are zero."""
    for j in range(p):
        for i in range(j, -1, -1):
            place = 2 + 2 * k + i * k - i * (i - 1) // 2
            pivot = np.sqrt(record[place])
            element = 0.0
            if pivot > 0.0 and i == j:
                element = 1.0 / pivot
            elif pivot > 0.0:
                for row in range(i + 1, j + 1):
                    element -= record[place + row - i] * inverse[row, j]
            inverse[i, j] = element


@kernel
def _fill_root(
    other: FloatArray, record: FloatArray, inverse: FloatArray, root: FloatArray, centred: bool, p: int, k: int
) -> float:
    """Write the factor of ``other`` where that of ``record`` is the identity; gives the sum of its squares."""
    first, total = int(centred), 0.0
    for i in range(p):
        place = 2 + 2 * k + i * k - i * (i - 1) // 2
        pivot = np.sqrt(other[place])
        for j in range(i, p):
            element = inverse[i, j]
            for row in range(i + 1, j + 1):
                element += other[place + row - i] * inverse[row, j]
            element *= pivot
            root[first + i, first + j] = element
            total += element * element
    if centred:
        weight = np.sqrt(other[1])
        root[0, 0] = weight / np.sqrt(record[1]) if record[1] > 0.0 else weight
        total += root[0, 0] * root[0, 0]
        for j in range(p):
            element = 0.0
            for i in range(j + 1):
                shift = (other[2 + i] - record[2 + i]) + (other[2 + k + i] - record[2 + k + i])
                element += shift * inverse[i, j]
            root[0, 1 + j] = weight * element
            total += root[0, 1 + j] * root[0, 1 + j]
    return total


@kernel
def _fill_change(record: FloatArray, inverse: FloatArray, change: FloatArray, centred: bool, p: int) -> None:
    """Write what takes coefficients in these coordinates to intercept and slopes, transposed."""
    first = int(centred)
    for i in range(p):
        for j in range(i + 1):
            change[first + i, first + j] = inverse[j, i]
    if centred:
        change[0, 0] = 1.0 / np.sqrt(record[1]) if record[1] > 0.0 else 1.0
        for j in range(p):
            element = 0.0
            for i in range(j + 1):
                element -= record[2 + i] * inverse[i, j]
            change[1 + j, 0] = element
