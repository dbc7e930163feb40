"""Records of factors of any size: a row added, two records merged, a column taken out.

Square-root-free Givens rotations after W. M. Gentleman, Algorithm AS 75, Appl. Statist. 23 (1974) 448, with the means
kept apart as hi + lo. The layout of a record is that of :class:`gbr_dag.tables.Factors`: ``p`` predictors, ``k``
columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gbr_dag.kernels.jit import kernel
from gbr_dag.kernels.rows import AHEAD, CHUNK, note_target, note_weight, rows_of_range

Record = npt.NDArray[np.float64]


@kernel
def include(r: Record, z: Record, w: float, first: int, p: int, k: int) -> None:
    """Rotate a centred row ``z`` (k,) of weight ``w`` into the rows from ``first`` on; its earlier columns are zero.

    ``z`` is used up. A pivot of zero means that the column is zero so far: the row passes on to the later columns.
    """
    for i in range(first, p):
        row = 2 + 2 * k + i * k - i * (i - 1) // 2 - i
        part = w * z[i]
        new = r[row + i] + part * z[i]
        if new > 0.0:
            c = r[row + i] / new
            s = part / new
            w *= c
            r[row + i] = new
            for j in range(i + 1, k):
                u = r[row + j]
                r[row + j] = c * u + s * z[j]
                z[j] -= z[i] * u
    row = 2 + 2 * k + p * k - p * (p - 1) // 2 - p
    for j in range(p, k):
        r[row + j] += w * z[j] * z[j]


@kernel
def shift_mean(r: Record, z: Record, share: float, k: int) -> None:
    """Move the means by ``share`` of the deviations ``z`` (k,)."""
    for j in range(k):
        high = r[2 + j]
        low = r[2 + k + j] + share * z[j]
        new = high + low
        r[2 + j] = new
        r[2 + k + j] = low - (new - high)


@kernel
def update(
    records: npt.NDArray[np.float64],
    row_bin: npt.NDArray[Any],
    first: int,
    last: int,
    centred: bool,
    notes: npt.NDArray[np.int64],
    columns: npt.NDArray[np.float64],
    ws: npt.NDArray[np.float64],
    p: int,
) -> None:
    """Add the rows of bins ``first <= bin < last`` to their records; ``columns`` (k, n), ``ws`` (n,) or (0,)."""
    k = columns.shape[0]
    chosen = np.empty(CHUNK + AHEAD, np.uint32)
    z = np.empty(k)
    for start in range(0, row_bin.size, CHUNK):
        n = rows_of_range(row_bin[start : start + CHUNK], first, last, chosen)
        for q in range(n):
            i = start + chosen[q]
            r = records[row_bin[i]]
            w = 1.0 if ws.size == 0 else ws[i]
            for j in range(k):
                z[j] = columns[j, i]
            if _is_left_out(z, w, p, notes):
                continue
            total = r[1] + w
            r[0] += 1.0
            if centred:
                share = w / total
                w = r[1] * share
                for j in range(k):
                    z[j] = (z[j] - r[2 + j]) - r[2 + k + j]
                shift_mean(r, z, share, k)
            r[1] = total
            include(r, z, w, 0, p, k)


@kernel
def _is_left_out(z: Record, w: float, p: int, notes: npt.NDArray[np.int64]) -> bool:
    if not 0.0 < w < np.inf:
        note_weight(notes, w)
        return True
    for j in range(p):
        if z[j] - z[j] != 0.0:
            notes[6] += 1
            return True
    missing = 0
    for j in range(p, z.size):
        missing += z[j] - z[j] != 0.0
    if missing:
        for j in range(p, z.size):
            note_target(notes, j - p, z[j])
        notes[0] += missing < z.size - p
        notes[1] += 1
    return missing > 0


@kernel
def merge(
    records: npt.NDArray[np.float64],
    others: npt.NDArray[np.float64],
    start: int,
    stop: int,
    centred: bool,
    p: int,
    k: int,
) -> None:
    """Add the rows behind ``others`` to ``records``, bin by bin; exact, as if the rows were added one by one."""
    z = np.empty(k)
    for b in range(start, stop):
        r, other = records[b], others[b]
        if other[0] == 0.0:
            continue
        if r[0] == 0.0:  # the means' low parts come along
            r[:] = other
            continue
        total = r[1] + other[1]
        r[0] += other[0]
        if centred:
            share = other[1] / total
            w = r[1] * share
            for j in range(k):
                z[j] = (other[2 + j] - r[2 + j]) + (other[2 + k + j] - r[2 + k + j])
            shift_mean(r, z, share, k)
            include(r, z, w, 0, p, k)
        r[1] = total
        for i in range(p):
            row = 2 + 2 * k + i * k - i * (i - 1) // 2 - i
            z[i] = 1.0
            for j in range(i + 1, k):
                z[j] = other[row + j]
            include(r, z, other[row + i], i, p, k)
        row = 2 + 2 * k + p * k - p * (p - 1) // 2 - p
        for j in range(p, k):
            r[row + j] += other[row + j]


@kernel
def merge_scaled(r: Record, o: Record, a: float, extra: int, centred: bool, z: Record, p: int, k: int) -> None:
    """Add the rows behind a record ``o``, their weights times ``a``, to ``r``; rows are counted as they are.

    ``r`` ends with the sum of the kernel's weights over its rows, that of ``o`` stands at ``extra``.
    """
    if o[0] == 0.0 or a == 0.0:
        return
    end = 2 + 2 * k + p * k - p * (p - 1) // 2 - p
    if r[0] == 0.0:  # the means' low parts come along
        for j in range(end + k):
            r[j] = o[j]
        r[1] *= a
        for i in range(p):
            r[2 + 2 * k + i * k - i * (i - 1) // 2] *= a
        for j in range(p, k):
            r[end + j] *= a
        r[end + k] = a * o[extra]
        return
    r[0] += o[0]
    r[end + k] += a * o[extra]
    weight = a * o[1]
    total = r[1] + weight
    if centred and total > 0.0:
        share = weight / total
        w = r[1] * share
        for j in range(k):
            z[j] = (o[2 + j] - r[2 + j]) + (o[2 + k + j] - r[2 + k + j])
        shift_mean(r, z, share, k)
        include(r, z, w, 0, p, k)
    r[1] = total
    for i in range(p):
        first = 2 + 2 * k + i * k - i * (i - 1) // 2 - i
        z[i] = 1.0
        for j in range(i + 1, k):
            z[j] = o[first + j]
        include(r, z, a * o[first + i], i, p, k)
    for j in range(p, k):
        r[end + j] += a * o[end + j]


@kernel
def drop_column(r: Record, column: int, z: Record, p: int, k: int) -> None:
    """Take a predictor out: what its row holds of the later columns goes into the rows below.

    Deleting it alone would lose that part of their scatter: rms would be too small by up to 99 %.
    """
    row = 2 + 2 * k + column * k - column * (column - 1) // 2 - column
    w = r[row + column]
    r[row + column] = 0.0
    for j in range(column + 1, k):
        z[j] = r[row + j]
        r[row + j] = 0.0
    include(r, z, w, column + 1, p, k)
    for i in range(column):
        r[2 + 2 * k + i * k - i * (i - 1) // 2 - i + column] = 0.0


@kernel
def reduce(
    records: npt.NDArray[np.float64],
    start: int,
    stop: int,
    centred: bool,
    precision: npt.NDArray[np.float64],
    tolerance: float,
    kept: npt.NDArray[np.bool_],
    p: int,
) -> int:
    """Take out the aliased predictors of the bins ``start <= bin < stop``; how many bins have any.

    The rule is that of ``reduced_factors``. With ``kept`` (0, 0) the records are only looked at.
    """
    k = precision.size
    z, own, offset = np.empty(k), np.empty(k), np.empty(k)
    found = 0
    for b in range(start, stop):
        r = records[b]
        _rounding_of(r, centred, precision, own, offset, p)
        rank = int(centred)
        for j in range(p):
            total = own[j] + offset[j]
            for i in range(j):
                u = r[2 + 2 * k + i * k - i * (i - 1) // 2 - i + j]
                total += u * own[i] * u
            pivot = r[2 + 2 * k + j * k - j * (j - 1) // 2]
            if pivot > tolerance**2 * total and rank < r[0]:
                rank += 1
                continue
            if kept.size == 0:
                break
            kept[b, j] = False
            drop_column(r, j, z, p, k)
        found += rank < p + int(centred)
    return found


@kernel
def _rounding_of(r: Record, centred: bool, precision: Record, own: Record, offset: Record, p: int) -> None:
    """Squared rounding of every predictor's data, and the intercept's share of it."""
    k = precision.size
    for j in range(p):
        scatter = 0.0
        for i in range(j + 1):
            row = 2 + 2 * k + i * k - i * (i - 1) // 2 - i
            u = 1.0 if i == j else r[row + j]
            scatter += r[row + i] * u * u  # in this order: the square of u alone may leave the doubles
        square = r[1] * r[2 + j] ** 2 if centred else 0.0
        own[j] = precision[j] ** 2 * (scatter + square)
        offset[j] = 2.0**-104 * square
