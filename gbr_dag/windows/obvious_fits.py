"""Fits of windows from their gathered rows, one window and target after the other: the reference of all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gbr_dag.columns import roundoff
from gbr_dag.group_fits.least_squares import RootedRows, kept_predictors, rooted_rows
from gbr_dag.group_fits.records import GroupRows, SortedRows
from gbr_dag.tables import BoolArray, Columns, FloatArray, TargetBlock
from gbr_dag.windows.gathered import WindowRows


@dataclass(frozen=True)
class GatheredRows:
    """The rows of all windows, window after window; a row stands there once for every window that it lies in.

    Attributes
    ----------
    rows : SortedRows
        Their columns; the weights are the rows' own times the kernel's.
    kernel : float64 array (n,)
        Kernel weights.
    """

    rows: SortedRows
    kernel: FloatArray

    def of(self, window: int, target: int) -> tuple[GroupRows, FloatArray]:
        """The usable rows of one window for one target, and their kernel weights."""
        part = slice(self.rows.offsets[window], self.rows.offsets[window + 1])
        return self.rows.of(window, target), self.kernel[part][self.rows.used[part, target]]


def gathered_rows(
    windows: WindowRows,
    design: Columns,
    response: Columns,
    row_weights: FloatArray,
    target_blocks: Sequence[TargetBlock],
    *,
    intercept: bool,
    min_entries: int,
) -> GatheredRows:
    """The columns of the fits, window after window, as doubles; memory O(rows * volume)."""
    rows = np.concatenate([np.empty(0, dtype=np.int64), *windows.rows])
    kernel = np.concatenate([np.empty(0), *windows.row_kernel])
    block_of = {target: block for block in target_blocks for target in block.targets}
    x, y = (
        np.array([column[rows].astype(np.float64) for column in columns]).reshape(len(columns), len(rows)).T
        for columns in (design, response)
    )
    sorted_rows = SortedRows(
        x=x,
        y=y,
        w=row_weights[rows] * kernel,
        used=np.stack([block_of[target].rows[rows] for target in range(len(response))], axis=1),
        offsets=np.cumsum([0, *(len(part) for part in windows.rows)]),
        precision=np.array([roundoff(column) for column in (*design, *response)]),
        intercept=intercept,
        min_entries=min_entries,
    )
    return GatheredRows(sorted_rows, kernel)


@dataclass(frozen=True)
class ObviousSpread:
    """B M B (n_bins, t, m, m), sum k - tr BM and nu (n_bins, t); NaN where nothing was fitted."""

    unit_covariance: FloatArray
    freedom: FloatArray
    student: FloatArray


def obvious_spread(gathered: GatheredRows, fitted: BoolArray) -> ObviousSpread:
    """What kernel weights make of the errors, from the hat values of the rows; ``fitted`` is (n_bins, t)."""
    m = gathered.rows.x.shape[1] + gathered.rows.intercept
    covariance = np.full((*fitted.shape, m, m), np.nan)
    freedom, student = np.full(fitted.shape, np.nan), np.full(fitted.shape, np.nan)
    for window, target in zip(*np.nonzero(fitted)):
        here = window, target
        covariance[here], freedom[here], student[here] = spread_of(*gathered.of(window, target))
    return ObviousSpread(covariance, freedom, student)


def spread_of(rows: GroupRows, kernel: FloatArray) -> tuple[FloatArray, float, float]:
    """B M B, sum k - tr BM and nu of one fit.

    Q is the orthogonal basis of the rows sqrt(v) x', Q R: B = (R'R)^-1, and with K = diag(k) M = R' Q'KQ R. The hat
    values h = diag(QQ') are v x'Bx, so that tr BM = sum k h and tr B M3 = sum k^2 h.
    """
    rooted = rooted_rows(rows)
    kept = kept_predictors(rows, rooted)
    basis, to_coefficients = orthonormal_basis(rows, rooted, kept)
    hat = np.sum(basis**2, axis=1)
    inner = basis.T @ (kernel[:, None] * basis)
    freedom = float(np.sum(kernel * (1.0 - hat)))
    spread = float(np.sum(kernel**2 * (1.0 - 2.0 * hat)) + np.sum(inner**2))
    # a product with its own transpose: no variance can come out negative
    half = to_coefficients @ (basis * np.sqrt(kernel)[:, None]).T
    covariance = np.full((rows.n_coefficients, rows.n_coefficients), np.nan)
    places = [*range(int(rows.intercept)), *(j + int(rows.intercept) for j in kept)]
    covariance[np.ix_(places, places)] = half @ half.T
    return covariance, freedom, freedom**2 / spread if spread > 0.0 else np.nan


def orthonormal_basis(rows: GroupRows, rooted: RootedRows, kept: list[int]) -> tuple[FloatArray, FloatArray]:
    """Orthonormal columns (n, rank) of the design, and what takes coefficients of them to those of the design."""
    q, r = np.linalg.qr(rooted.x[:, kept])
    slopes = np.linalg.inv(r)
    if not rows.intercept:
        return q, slopes
    # the columns are about their weighted means, the constant is orthogonal to them
    constant = np.sqrt(rows.w / rooted.total)[:, None]
    change = np.zeros((1 + len(kept), 1 + len(kept)))
    change[0, 0] = 1.0 / np.sqrt(rooted.total)
    change[0, 1:] = -rooted.hi[kept] @ slopes
    change[1:, 1:] = slopes
    return np.concatenate([constant, q], axis=1), change


def without_kernel(gathered: GatheredRows) -> bool:
    """Whether every kernel weight is 1."""
    return bool((gathered.kernel == 1.0).all())


def obvious_weights(gathered: GatheredRows) -> FloatArray:
    """Sum of the weights of the rows in each fit, the kernel's times their own, (n_bins, t)."""
    rows = gathered.rows
    result = np.zeros((rows.n_bins, rows.y.shape[1]))
    for window in range(rows.n_bins):
        for target in range(rows.y.shape[1]):
            result[window, target] = rows.of(window, target).w.sum()
    return result
