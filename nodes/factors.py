"""Triangular factors of the weighted rows of every bin.

The numpy engine groups bins of about equal size, centres them and factors them by stacked Householder QR. No sum of
squares and products is formed anywhere: the error grows with the condition number, not with its square.
"""

from collections.abc import Iterator, Sequence
from typing import Optional, Union

import numpy as np

from gbr_dag.columns import roundoff
from gbr_dag.graph.backend import config
from gbr_dag.magnitudes import check_magnitudes
from gbr_dag.tables import BinMap, BinRows, Columns, Factors, FloatArray, IntArray, TargetBlock, record_width
from gbr_dag.triangles import with_triangle

_BATCH_DOUBLES = 1 << 19
"""Rows of a batch times columns, 4 MiB; 20,000 groups of 50 took 1.09 times as long at 1 << 17, 1.05 at 1 << 22."""


@config.when(engine="numpy")
def bin_factors__numpy(
    design: Columns,
    response: Columns,
    row_weights: FloatArray,
    target_blocks: tuple[TargetBlock, ...],
    bin_map: BinMap,
    bin_rows: BinRows,
    intercept: bool,
    predictors: Sequence[str],
    targets: Sequence[str],
    weights: Optional[Union[str, FloatArray]],
) -> tuple[Factors, ...]:
    """Factors of every bin, one record a target block, by stacked QR of centred rows; cost O(rows * columns^2).

    Raises
    ------
    InputError
        If a column's squares leave the range of doubles in some bin.
    """
    check_magnitudes(zip(predictors, design), zip(targets, response), weights, row_weights, bin_map.row_bin)
    return tuple(_block_factors(design, response, row_weights, block, bin_rows, intercept) for block in target_blocks)


def _block_factors(
    design: Columns,
    response: Columns,
    row_weights: FloatArray,
    block: TargetBlock,
    bin_rows: BinRows,
    intercept: bool,
) -> Factors:
    columns = (*design, *(response[target] for target in block.targets))
    n_bins, k = len(bin_rows.offsets) - 1, len(columns)
    used = block.rows[bin_rows.rows]
    rows = bin_rows.rows[used]
    offsets = np.concatenate(([0], np.cumsum(used)))[bin_rows.offsets]
    count = np.diff(offsets)
    records = np.zeros((n_bins, record_width(len(design), k)))
    records[:, 0] = count
    triangle = np.zeros((n_bins, k, k))
    for bins, positions in _batches(count, offsets, k):
        batch = rows[positions]
        weight = np.where(positions >= 0, row_weights[batch], 0.0)
        values = np.stack([column[batch].astype(np.float64) for column in columns], axis=-1)
        records[bins, 1] = weight.sum(axis=1)
        if intercept:
            records[bins, 2 : 2 + 2 * k] = np.concatenate(_centre(values, weight), axis=1)
        values *= np.sqrt(weight)[..., None]
        triangle[bins] = np.linalg.qr(values, mode="r")
    precision = np.array([roundoff(column) for column in columns])
    return with_triangle(Factors(block.targets, records, precision, intercept), triangle)


def _batches(count: IntArray, offsets: IntArray, k: int) -> Iterator[tuple[IntArray, IntArray]]:
    """Bins of about equal size with the positions of their rows (n_bins, padded size), -1 where padded.

    Sizes are padded to the next of 2^i and 1.5 * 2^i, at least ``k`` so that the factor is square.
    """
    order = np.argsort(count, kind="stable")
    order = order[np.searchsorted(count[order], 1) :]
    size = np.maximum(count[order], k)
    power = 2 ** np.floor(np.log2(np.maximum(size, 1))).astype(np.int64)
    padded = np.where(size == power, size, np.where(2 * size <= 3 * power, 3 * power // 2, 2 * power))
    limit = _BATCH_DOUBLES // k
    padded = np.where(size > limit, size, np.minimum(np.maximum(padded, size), limit))  # ascending, as size is
    start = 0
    while start < len(order):
        width = int(padded[start])
        same = int(np.searchsorted(padded, width, side="right"))
        stop = min(same, start + max(_BATCH_DOUBLES // (width * k), 1))
        bins = order[start:stop]
        step = np.arange(width)
        yield bins, np.where(step < count[bins, None], offsets[bins, None] + step, -1)
        start = stop


def _centre(values: FloatArray, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Subtract the weighted means in place and give them as hi + lo.

    The rounding of hi is an offset common to all rows, found as the mean of what is left and taken off as lo.
    """
    share = weight / weight.sum(axis=1, keepdims=True)
    hi = np.einsum("gm,gmk->gk", share, values)
    values -= hi[:, None, :]
    lo = np.einsum("gm,gmk->gk", share, values)
    values -= lo[:, None, :]
    return hi, lo
