"""Huber regression of every window from the rows of its bins, weighted by a kernel."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Optional, Protocol

import numpy as np
import numpy.typing as npt

from gbr_dag.kernels.huber import WORTH_OF_A_ROW, HuberFits, fits_of_table, ranges, used_part
from gbr_dag.kernels.huber_bins import Options, Table, fit_bins, new_table
from gbr_dag.kernels.threads import Stopped, equal_loads, side_by_side, thread_count

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


class Neighbours(Protocol):
    """Neighbours of the windows from ``start`` to ``stop``.

    ``bins`` and their positive kernel ``weights``, both (n_entries,), of window ``start + i`` from ``starts[i]`` to
    ``starts[i + 1]``.
    """

    @property
    def start(self) -> int:
        """First window."""

    @property
    def stop(self) -> int:
        """Window after the last."""

    @property
    def starts(self) -> IntArray:
        """Where each window's entries begin, and the end of the last ones, (stop - start + 1,)."""

    @property
    def bins(self) -> IntArray:
        """Neighbours."""

    @property
    def weights(self) -> FloatArray:
        """Their kernel weights."""


def window_huber_fits(
    predictors: Sequence[npt.NDArray[Any]],
    targets: Sequence[npt.NDArray[Any]],
    row_weights: FloatArray,
    used: BoolArray,
    rows: npt.NDArray[np.signedinteger[Any]],
    offsets: IntArray,
    windows: Iterable[Neighbours],
    *,
    is_plain: bool,
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
    """Huber fits about every bin; arguments as of :func:`gbr_dag.kernels.huber.huber_fits` but for two.

    Parameters
    ----------
    windows : iterable of Neighbours
        Of all bins, some bins at a time.
    is_plain : bool
        Whether every kernel weight is 1.

    Returns
    -------
    HuberFits
        ``sse``, ``syy``, ``sum_weights``, ``leverage`` and ``conditioning`` are of rows weighted by kernel times row
        weight, ``unit_covariance`` holds B M B. No ``rejected``: a row can stay in one window and not in another.

    Notes
    -----
    Cost O(rows in all windows m^2) a step, which is the window's volume times that of a fit of every bin. The memory is
    a copy of the columns and some 32,768 rows, or those of the largest window, a thread.
    """
    n_bins, p, t = len(offsets) - 1, len(predictors), len(targets)
    table = new_table(n_bins, t, p + int(intercept))
    part, ends = used_part(used, rows, offsets)
    data = np.empty((p + t + 1, len(part)))
    for values, column in zip(data, (*predictors, *targets, row_weights)):
        values[:] = column.take(part)
    cut = math.inf if sigma_cut is None else float(sigma_cut)
    options = Options(float(tuning), cut, int(max_refits), int(max_iter), float(tol), int(min_entries))
    precision = np.array(precision, dtype=np.float64)  # for a read-only array the kernel would be compiled once more
    for chunk in windows:
        _fit_chunk(chunk, data, ends, table, options, precision, threads, is_plain=is_plain, intercept=bool(intercept))
    return fits_of_table(table, None)


def _fit_chunk(
    chunk: Neighbours,
    data: FloatArray,
    offsets: IntArray,
    table: Table,
    options: Options,
    precision: FloatArray,
    threads: Optional[int],
    *,
    is_plain: bool,
    intercept: bool,
) -> None:
    """Fit some windows; ``data`` (p + t + 1, n) are columns and weights of the used rows, bin after bin."""
    sizes = np.diff(offsets)[chunk.bins]
    before = np.concatenate(([0], np.cumsum(sizes)))
    ends = before[chunk.starts]
    share = equal_loads(np.diff(ends), thread_count(threads, int(ends[-1]) * WORTH_OF_A_ROW))
    nobody_asks = np.zeros((0, table.numbers.shape[2]), dtype=np.bool_)

    def of_thread(i: int, stopped: Stopped) -> None:
        for start, stop in ranges(ends, *share[i]):
            if stopped():
                return
            entries = slice(chunk.starts[start], chunk.starts[stop])
            count = sizes[entries]
            # row i of entry e is row i of its bin: where the bin begins less the rows of the entries before
            shift = offsets[:-1][chunk.bins[entries]] - (before[entries] - ends[start])
            rows = np.arange(ends[stop] - ends[start]) + np.repeat(shift, count)
            gathered = data.take(rows, axis=1)
            weights, kernel_weights = gathered[-1], None
            if not is_plain:
                kernel_weights = np.repeat(chunk.weights[entries], count)
                weights = weights * kernel_weights
            own = ends[start : stop + 1] - ends[start]
            first = chunk.start + start
            fit_bins(
                gathered, weights, kernel_weights, rows, own, intercept, precision, options, table, first, nobody_asks
            )

    side_by_side(of_thread, len(share))
