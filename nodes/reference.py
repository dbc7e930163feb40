"""The slow, obvious fit: one group after the other, straight from its rows. Shares no arithmetic with other engines."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional, Union

import numpy as np
import numpy.typing as npt

from gbr_dag.graph.backend import config
from gbr_dag.magnitudes import check_magnitudes
from gbr_dag.tables import BinMap, BinRows, Coefficients, Columns, FloatArray, TargetBlock

_DOUBLE_EPS = float(np.finfo(np.float64).eps)
_SINGLE_EPS = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class ReferenceFit:
    """One group's fit on the rows of one target block: ``m`` coefficients of ``t`` targets, NaN where not determined.

    ``values`` (t, m), ``sse`` (t,), ``syy`` (t,), ``constant`` (t,), ``unit_covariance`` (m, m).
    """

    values: FloatArray
    sse: FloatArray
    syy: FloatArray
    constant: npt.NDArray[np.bool_]
    unit_covariance: FloatArray
    count: int
    rank: int
    conditioning: float
    condition: float


@config.when(engine="reference")
def reference_fits(
    design: Columns,
    response: Columns,
    row_weights: FloatArray,
    target_blocks: tuple[TargetBlock, ...],
    bin_map: BinMap,
    bin_rows: BinRows,
    intercept: bool,
    min_entries: int,
    predictors: Sequence[str],
    targets: Sequence[str],
    weights: Optional[Union[str, FloatArray]],
) -> tuple[tuple[ReferenceFit, ...], ...]:
    """Fit of every group, one tuple a target block, by Householder QR of its centred, weighted rows.

    Raises
    ------
    InputError
        If a column's squares leave the range of doubles in some bin.
    """
    check_magnitudes(zip(predictors, design), zip(targets, response), weights, row_weights, bin_map.row_bin)
    fits = []
    for block in target_blocks:
        columns = (*design, *(response[target] for target in block.targets))
        eps = [_SINGLE_EPS if column.dtype.newbyteorder("=") == np.float32 else _DOUBLE_EPS for column in columns]
        groups = []
        for start, stop in zip(bin_rows.offsets[:-1], bin_rows.offsets[1:]):
            rows = bin_rows.rows[start:stop]
            rows = rows[block.rows[rows]]
            data = np.array([column[rows] for column in columns], dtype=np.float64)
            groups.append(_fit(data, row_weights[rows], len(design), np.array(eps), intercept, min_entries))
        fits.append(tuple(groups))
    return tuple(fits)


@config.when_in(fitter=["ols", "wls"], engine=["reference"])
def coefficients__reference(
    reference_fits: tuple[tuple[ReferenceFit, ...], ...],
    target_blocks: tuple[TargetBlock, ...],
    predictors: Sequence[str],
    intercept: bool,
) -> Coefficients:
    """The reference fits as arrays over the bins."""
    m = len(predictors) + intercept
    blocks = []
    for groups, block in zip(reference_fits, target_blocks):
        n, t = len(groups), len(block.targets)
        blocks.append(
            Coefficients(
                values=np.array([fit.values for fit in groups]).reshape(n, t, m),
                sse=np.array([fit.sse for fit in groups]).reshape(n, t),
                syy=np.array([fit.syy for fit in groups]).reshape(n, t),
                constant=np.array([fit.constant for fit in groups], dtype=bool).reshape(n, t),
                unit_covariance=np.array([fit.unit_covariance for fit in groups]).reshape(n, 1, m, m),
                count=np.array([fit.count for fit in groups], dtype=np.int64).reshape(n, 1),
                rank=np.array([fit.rank for fit in groups], dtype=np.int64).reshape(n, 1),
                conditioning=np.array([fit.conditioning for fit in groups]).reshape(n, 1),
                block_of=(0,) * t,
            )
        )
    return Coefficients.joined(blocks, [block.targets for block in target_blocks])


@config.when(engine="reference")
def condition__reference(
    reference_fits: tuple[tuple[ReferenceFit, ...], ...], coefficients: Coefficients
) -> FloatArray:
    """Condition number of the centred, weighted design with columns scaled to length 1, (n_bins, t)."""
    numbers = np.array([[fit.condition for fit in groups] for groups in reference_fits]).T
    return coefficients.of_targets(numbers.reshape(coefficients.count.shape))


def _fit(data: FloatArray, w: FloatArray, p: int, eps: FloatArray, intercept: bool, min_entries: int) -> ReferenceFit:
    """Fit one group: ``data`` (p + t, n) holds its predictors and targets."""
    n, t, m = len(w), len(data) - p, p + intercept
    if n < min_entries:
        missing = np.full(t, np.nan)
        never = np.zeros(t, dtype=bool)
        nothing = np.full((t, m), np.nan), missing, missing, never, np.full((m, m), np.nan)
        return ReferenceFit(*nothing, count=n, rank=0, conditioning=np.nan, condition=np.nan)
    size = np.array([math.fsum(w * column**2) for column in data])
    total = math.fsum(w)
    hi, lo = np.zeros(p + t), np.zeros(p + t)
    if intercept:
        hi = np.array([math.fsum(w * column) / total for column in data])
        lo = np.array([math.fsum(w * (column - centre)) / total for column, centre in zip(data, hi)])
    rooted = ((data - hi[:, None]) - lo[:, None]) * np.sqrt(w)
    x, y = rooted[:p].T, rooted[p:].T
    kept = _kept(x, size[:p] * eps[:p] ** 2, total * (hi[:p] * _DOUBLE_EPS) ** 2, n - intercept)
    slopes, root = np.zeros((p, t)), np.zeros((p, p))
    conditioning, condition, residuals = 1.0, 1.0, y
    if kept:
        q, r = np.linalg.qr(x[:, kept])
        slopes[kept] = np.linalg.solve(r, q.T @ y)
        residuals = y - x[:, kept] @ slopes[kept]
        root[np.ix_(kept, kept)] = np.linalg.inv(r)
        length = np.linalg.norm(x[:, kept], axis=0)
        conditioning = 1.0 / (len(kept) * float(np.sum((length[:, None] * root[kept]) ** 2)))
        condition = float(np.linalg.cond(x[:, kept] / length))
    values, unit_covariance = slopes.T, root @ root.T
    if intercept:
        values, unit_covariance = _with_intercept(slopes, root, hi, lo, total)
    aliased = np.setdiff1d(np.arange(p), kept) + intercept
    values[:, aliased] = np.nan
    unit_covariance[aliased, :] = unit_covariance[:, aliased] = np.nan
    syy = np.sum(y**2, axis=0)
    constant = np.sqrt(syy) <= 32 * eps[p:] * np.sqrt(size[p:])
    sse = np.sum(residuals**2, axis=0)
    rank = len(kept) + intercept
    return ReferenceFit(values, sse, syy, constant, unit_covariance, n, rank, conditioning, condition)


def _kept(x: FloatArray, rounding: FloatArray, intercept_rounding: FloatArray, room: int) -> list[int]:
    """Predictors that are no linear combination of earlier ones: the rank rule, tried column by column."""
    kept: list[int] = []
    for j in range(x.shape[1]):
        _, r = np.linalg.qr(x[:, [*kept, j]])
        if len(kept) >= room:
            continue
        share = r[:-1, -1] / np.diag(r)[:-1]
        tolerance = 32 * math.sqrt(rounding[j] + intercept_rounding[j] + float(np.sum(share * rounding[kept] * share)))
        if abs(r[-1, -1]) > tolerance:
            kept.append(j)
    return kept


def _with_intercept(
    slopes: FloatArray, root: FloatArray, hi: FloatArray, lo: FloatArray, total: float
) -> tuple[FloatArray, FloatArray]:
    """Coefficients (t, 1 + p) and unit covariance (1 + p, 1 + p) of the uncentred columns; root root' is the slopes'.

    The intercept's variance is a sum of squares; as 1 / total + mean' covariance mean it comes out negative when the
    means are large and the predictors nearly collinear.
    """
    p, t = slopes.shape
    values = np.empty((t, 1 + p))
    values[:, 1:] = slopes.T
    for i in range(t):
        terms = [hi[p + i], lo[p + i], *(-slopes[:, i] * hi[:p]), *(-slopes[:, i] * lo[:p])]
        values[i, 0] = math.fsum(terms)
    unit_covariance = np.empty((1 + p, 1 + p))
    leverage = root.T @ hi[:p]
    unit_covariance[1:, 1:] = root @ root.T
    unit_covariance[0, 1:] = unit_covariance[1:, 0] = -root @ leverage
    unit_covariance[0, 0] = 1.0 / total + leverage @ leverage
    return values, unit_covariance
