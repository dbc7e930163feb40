"""Triangular factors of the weighted rows of every bin.

The numpy engine groups bins of about equal size, centres them and factors them by stacked Householder QR. No sum of
squares and products is formed anywhere: the error grows with the condition number, not with its square.
"""

from collections.abc import Sequence
from typing import Optional, Union

import numpy as np

from gbr_dag.columns import roundoff
from gbr_dag.graph.backend import config
from gbr_dag.magnitudes import check_magnitudes
from gbr_dag.ragged import padded_batches
from gbr_dag.tables import BinMap, BinRows, Columns, Factors, FloatArray, TargetBlock, record_width
from gbr_dag.triangles import with_triangle


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
    for bins, positions in padded_batches(count, offsets, doubles=k, least=k):
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
