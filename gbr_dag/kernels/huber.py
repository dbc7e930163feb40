"""Huber regression of every bin from its rows, with a cut on the residuals on demand."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from gbr_dag.kernels import huber_bins as of_bins
from gbr_dag.kernels.huber_bins import Options, Table, fit_bins, new_table
from gbr_dag.kernels.threads import Stopped, equal_loads, side_by_side, thread_count

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_ROWS_PER_CALL = 1 << 15
"""Rows that are gathered and fitted at a time: some ten milliseconds, after which Ctrl-C is heard."""

WORTH_OF_A_ROW = 32
"""A row takes at least so many times as long as one of a plain pass over the rows, by which threads are counted."""


@dataclass(frozen=True)
class HuberFits:
    """Fits of every bin for t targets with m coefficients, the intercept first; arrays (n_bins, t) but where shown.

    ``values`` (n_bins, t, m) is NaN where aliased or not fitted, and so is ``unit_covariance`` (n_bins, t, m, m), the
    covariance over the square of ``scale``; in saturated fits, whose scale is NaN, it is the inverse of X'WX. ``sse``,
    ``syy``: weighted squared residuals and scatter of the target. ``constant``: the target's scatter is rounding;
    ``at_floor``: the scale is mostly rounding. ``count``: rows used in the end. ``leverage``: the largest of them.
    ``sum_weights``: theirs. ``freedom``, ``student``: degrees of freedom of the residuals and of Student's t, rows less
    rank where no kernel weighs them.
    ``rejected`` (n_rows, t): rows that a cut threw out; None without a cut.
    """

    values: FloatArray
    unit_covariance: FloatArray
    scale: FloatArray
    sse: FloatArray
    syy: FloatArray
    constant: BoolArray
    at_floor: BoolArray
    not_converged: BoolArray
    count: IntArray
    rank: IntArray
    n_refits: IntArray
    n_rejected: IntArray
    conditioning: FloatArray
    leverage: FloatArray
    sum_weights: FloatArray
    freedom: FloatArray
    student: FloatArray
    rejected: Optional[BoolArray]


def huber_fits(
    predictors: Sequence[npt.NDArray[Any]],
    targets: Sequence[npt.NDArray[Any]],
    row_weights: FloatArray,
    used: BoolArray,
    rows: npt.NDArray[np.signedinteger[Any]],
    offsets: IntArray,
    *,
    intercept: bool,
    precision: FloatArray,
    tuning: float,
    sigma_cut: Optional[float],
    max_refits: int,
    max_iter: int,
    tol: float,
    min_entries: int,
    threads: Optional[int],
) -> HuberFits:
    """Huber fits of every bin, by iteratively reweighted least squares.

    Parameters
    ----------
    predictors, targets : sequences of real arrays (n_rows,)
        Finite in the rows used.
    row_weights : float64 array (n_rows,)
        Positive in the rows used, which are scaled by their roots.
    used : bool array (n_rows,)
        Rows that enter.
    rows, offsets : integer array (n_binned_rows,), int64 array (n_bins + 1,)
        Bin ``b`` holds ``rows[offsets[b]:offsets[b + 1]]``.
    intercept : bool
        Whether there is one.
    precision : float64 array (p + t,)
        Unit roundoff of the dtype that each column came in.
    tuning : float
        Residuals beyond so many scales are weighted down; infinity for least squares.
    sigma_cut : float or None
        Rows with residuals beyond so many scales are thrown out, and what is left is fitted anew.
    max_refits : int
        Times that this is done.
    max_iter, tol : int, float
        Steps of one fit, and size of the last one in scales.
    min_entries : int
        Bins with fewer rows are not fitted.
    threads : int or None
        At most so many; the results are the same to the bit.

    Returns
    -------
    HuberFits
        NaN, false and 0 in bins with too few rows, but for their count.

    Notes
    -----
    Cost O(rows m^2) a step; the memory is that of the results and of some 32,768 rows, or of the largest bin, a thread.

    References
    ----------
    P. J. Huber, Robust Statistics (1981), ch. 7: errors H1.
    """
    n_bins, p, t = len(offsets) - 1, len(predictors), len(targets)
    table = new_table(n_bins, t, p + int(intercept))
    rejected = np.zeros((len(row_weights), t), dtype=np.bool_) if sigma_cut is not None else None
    marks = np.zeros((0, t), dtype=np.bool_) if rejected is None else rejected
    cut = math.inf if sigma_cut is None else float(sigma_cut)
    options = Options(float(tuning), cut, int(max_refits), int(max_iter), float(tol), int(min_entries))
    precision = np.array(precision, dtype=np.float64)  # for a read-only array the kernel would be compiled once more
    share = equal_loads(np.diff(offsets), thread_count(threads, len(rows) * WORTH_OF_A_ROW))

    def of_thread(i: int, stopped: Stopped) -> None:
        for start, stop in ranges(offsets, *share[i]):
            if stopped():
                return
            part, ends = used_part(used, rows, offsets[start : stop + 1])
            data = np.empty((p + t, len(part)))
            for values, column in zip(data, (*predictors, *targets)):
                values[:] = column.take(part)
            weights = row_weights.take(part)
            fit_bins(data, weights, None, part, ends, bool(intercept), precision, options, table, start, marks)

    side_by_side(of_thread, len(share))
    return fits_of_table(table, rejected)


def used_part(
    used: BoolArray, rows: npt.NDArray[np.signedinteger[Any]], offsets: IntArray
) -> tuple[npt.NDArray[np.intp], IntArray]:
    """Positions of the used rows of some bins, in the order of the bins, and the offsets of the bins in them."""
    part = rows[offsets[0] : offsets[-1]]
    enter = used.take(part)
    before = np.zeros(len(part) + 1, dtype=np.int64)
    np.cumsum(enter, out=before[1:])
    return part[enter].astype(np.intp), before[offsets - offsets[0]]


def fits_of_table(table: Table, rejected: Optional[BoolArray]) -> HuberFits:
    """The table's arrays by name."""
    return HuberFits(
        values=table.values,
        unit_covariance=table.unit_covariance,
        scale=table.numbers[of_bins.SCALE],
        sse=table.numbers[of_bins.SSE],
        syy=table.numbers[of_bins.SYY],
        constant=table.flags[of_bins.CONSTANT],
        at_floor=table.flags[of_bins.AT_FLOOR],
        not_converged=table.flags[of_bins.NOT_CONVERGED],
        count=table.counts[of_bins.COUNT],
        rank=table.counts[of_bins.RANK],
        n_refits=table.counts[of_bins.N_REFITS],
        n_rejected=table.counts[of_bins.N_REJECTED],
        conditioning=table.numbers[of_bins.CONDITIONING],
        leverage=table.numbers[of_bins.LEVERAGE],
        sum_weights=table.numbers[of_bins.SUM_WEIGHTS],
        freedom=table.numbers[of_bins.FREEDOM],
        student=table.numbers[of_bins.STUDENT],
        rejected=rejected,
    )


def ranges(offsets: IntArray, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Ranges of bins from start to stop with at most ``_ROWS_PER_CALL`` rows, or of one bin."""
    while start < stop:
        end = int(np.searchsorted(offsets, offsets[start] + _ROWS_PER_CALL, side="right")) - 1
        end = min(max(end, start + 1), stop)
        yield start, end
        start = end
