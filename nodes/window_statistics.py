"""Statistics of the targets' values over every window."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from gbr_dag.columns import is_broadcast
from gbr_dag.graph.backend import config
from gbr_dag.naming import quantile_level
from gbr_dag.tables import BinMap, BinRows, Columns, Factors, FloatArray, IntArray
from gbr_dag.windows.extremes import window_minima
from gbr_dag.windows.gathered import WindowRows
from gbr_dag.windows.layout import WindowLayout
from gbr_dag.windows.moments import Moments, bin_moments, moment_statistics, window_moments
from gbr_dag.windows.obvious_statistics import obvious_statistics
from gbr_dag.windows.order_statistics import order_statistics
from gbr_dag.windows.pairs import Search, neighbour_chunks
from gbr_dag.windows.specification import WindowDimension
from gbr_dag.windows.sums import window_sums

Statistics = dict[str, npt.NDArray[Any]]


@config.when(engine="reference")
def target_statistics__reference(
    response: Columns,
    raw_weights: npt.NDArray[Any],
    window_rows: WindowRows,
    window: Sequence[WindowDimension],
    statistics: Sequence[str],
    weighted_medians: bool,
) -> Statistics:
    """Statistics of each target over the rows of every window, by name, (n_bins, t) each."""
    uniform = all(dimension.kernel == "uniform" for dimension in window if dimension.size > 0)
    return obvious_statistics(response, raw_weights, window_rows, statistics, uniform, weighted_medians)


@config.when_in(engine=["numba", "numpy"])
def target_statistics__merged(
    statistics: Sequence[str],
    target_moments: Optional[Statistics],
    target_ranges: Optional[Statistics],
    target_order_statistics: Optional[Statistics],
) -> Statistics:
    """Statistics of each target over the rows of every window, by name, (n_bins, t) each.

    Parts of which nothing was asked for may be None.
    """
    found = {**(target_moments or {}), **(target_ranges or {}), **(target_order_statistics or {})}
    return {name: found[name] for name in statistics}


@config.when(engine="numpy")
def target_moments__numpy(
    response: Columns,
    raw_weights: npt.NDArray[Any],
    bin_rows: BinRows,
    window_layout: WindowLayout,
    statistics: Sequence[str],
) -> Statistics:
    """Those of ``mean``, ``std`` and ``sum_weights`` that are asked for, by name, (n_bins, t) each.

    Over the rows with a finite target and a valid weight, weights times the kernel's. Deviations are taken from the
    means of the bins and merged: no sum of squares is formed.
    """
    weights, rows, offsets = _valid_weights(raw_weights), bin_rows.rows, bin_rows.offsets
    unit = _unit(weights)
    of_targets = []
    for column in response:
        values = _doubles(column)[rows]
        used = np.where(np.isfinite(values), weights[rows], 0.0)
        counts = _bin_sums(1.0 * (used > 0.0), offsets)
        squares = _bin_sums(np.square(used / unit), offsets) if "std" in statistics else None
        merged = window_moments(bin_moments(values, used, offsets), window_layout)
        of_targets.append(moment_statistics(merged, counts, squares, unit, window_layout))
    return _asked(of_targets, statistics)


@config.when(engine="numba")
def target_moments__numba(
    response: Columns,
    raw_weights: npt.NDArray[Any],
    bin_map: BinMap,
    entries: IntArray,
    window_layout: WindowLayout,
    statistics: Sequence[str],
    threads: Optional[int],
) -> Statistics:
    """Those of ``mean``, ``std`` and ``sum_weights`` that are asked for, by name, (n_bins, t) each.

    Over the rows with a finite target and a valid weight, weights times the kernel's: one pass over the rows for each
    target makes factors without predictors, whose means and residual sums are merged.
    """
    from gbr_dag.kernels.factoring import factored
    from gbr_dag.windows.merging import merged_windows
    from gbr_dag.windows.searching import searched_neighbours

    weights = None if is_broadcast(raw_weights) and (raw_weights[:1] == 1.0).all() else raw_weights
    of_targets = []
    for column in response:
        records = factored(bin_map.row_bin, entries, [column], weights, 0, True, threads).records
        counts = np.ascontiguousarray(records[:, 0])
        unit = 1.0 if weights is None else _unit(records[:, 1])
        squares = None
        if "std" in statistics:
            squares = counts if weights is None else _squares(column, weights, unit, bin_map)
        factors = merged_windows(Factors((0,), records, np.zeros(1), True), window_layout, 1, threads)
        merged = Moments(*factors.records[:, 1:5].T)
        of_targets.append(moment_statistics(merged, counts, squares, unit, window_layout, searched_neighbours))
    return _asked(of_targets, statistics)


@config.when(engine="numpy")
def target_ranges__numpy(
    response: Columns, bin_rows: BinRows, window_layout: WindowLayout, statistics: Sequence[str]
) -> Statistics:
    """Those of ``entries``, ``min``, ``max`` that are asked for, by name, (n_bins, t) each, of the finite targets."""
    filled = np.flatnonzero(np.diff(bin_rows.offsets))
    of_targets = []
    for column in response:
        values = _doubles(column)[bin_rows.rows]
        finite = np.isfinite(values)
        ends = np.full((2, window_layout.n_bins), np.inf)
        if len(filled):
            for end, sign in zip(ends, (1.0, -1.0)):
                signed = np.where(finite, sign * values, np.inf)
                end[filled] = np.minimum.reduceat(signed, bin_rows.offsets[filled])
        of_targets.append(
            _ranges(_bin_sums(1.0 * finite, bin_rows.offsets), ends, window_layout, statistics, neighbour_chunks)
        )
    return _asked(of_targets, statistics)


@config.when(engine="numba")
def target_ranges__numba(
    response: Columns, bin_map: BinMap, window_layout: WindowLayout, statistics: Sequence[str]
) -> Statistics:
    """Those of ``entries``, ``min``, ``max`` that are asked for, by name, (n_bins, t) each, of the finite targets."""
    from gbr_dag.kernels.read_only import read_only_doubles
    from gbr_dag.kernels.threads import blocks
    from gbr_dag.kernels.value_runs import extremes
    from gbr_dag.windows.searching import searched_neighbours

    of_targets = []
    for column in response:
        counts = np.zeros(bin_map.n_bins, dtype=np.int64)
        ends = np.full((2, bin_map.n_bins), np.inf)
        for start, stop in blocks(0, len(column), lambda: False):
            extremes(read_only_doubles(column[start:stop]), bin_map.row_bin[start:stop], counts, ends)
        of_targets.append(_ranges(counts, ends, window_layout, statistics, searched_neighbours))
    return _asked(of_targets, statistics)


@config.when(engine="numpy")
def target_order_statistics__numpy(
    response: Columns,
    raw_weights: npt.NDArray[Any],
    bin_rows: BinRows,
    window_layout: WindowLayout,
    statistics: Sequence[str],
    weighted_medians: bool,
) -> Statistics:
    """Those of ``median``, ``mad`` and the quantiles that are asked for, by name, (n_bins, t) each, exact.

    As NumPy's defaults where the kernel is uniform; weighted by the kernel where it is not, and by the rows' weights
    with ``weighted_medians``. Gathered window by window.
    """
    return _order_statistics(
        order_statistics, response, raw_weights, bin_rows, window_layout, statistics, weighted_medians
    )


@config.when(engine="numba")
def target_order_statistics__numba(
    response: Columns,
    raw_weights: npt.NDArray[Any],
    bin_rows: BinRows,
    window_layout: WindowLayout,
    statistics: Sequence[str],
    weighted_medians: bool,
    threads: Optional[int],
) -> Statistics:
    """Those of ``median``, ``mad`` and the quantiles that are asked for, by name, (n_bins, t) each, exact.

    As NumPy's defaults where the kernel is uniform; weighted by the kernel where it is not, and by the rows' weights
    with ``weighted_medians``. Counts of values in buckets are summed over windows, and only the buckets that hold a
    wanted rank are looked at; weighted ones are gathered window by window.
    """
    from gbr_dag.windows import compiled_order_statistics

    compiled = partial(compiled_order_statistics.order_statistics, threads=threads)
    return _order_statistics(compiled, response, raw_weights, bin_rows, window_layout, statistics, weighted_medians)


def _order_statistics(
    of_column: Callable[..., tuple[FloatArray, FloatArray]],
    response: Columns,
    raw_weights: npt.NDArray[Any],
    bin_rows: BinRows,
    layout: WindowLayout,
    statistics: Sequence[str],
    weighted_medians: bool,
) -> Statistics:
    names = [name for name in statistics if name == "median" or name.startswith("q")]
    levels = [np.nan if name == "median" else quantile_level(name) for name in names]
    weights = None
    if weighted_medians:
        weights = _valid_weights(raw_weights)
    elif not layout.has_uniform_kernel:
        weights = np.ones(len(raw_weights))
    of_targets = []
    for column in response:
        found, mads = of_column(_doubles(column), weights, bin_rows, layout, levels, "mad" in statistics)
        of_targets.append({**dict(zip(names, found)), "mad": mads})
    return _asked(of_targets, statistics)


def _asked(of_targets: Sequence[dict[str, npt.NDArray[Any]]], statistics: Sequence[str]) -> Statistics:
    """Arrays (n_bins, t) from one (n_bins,) a target."""
    return {
        name: np.stack([found[name] for found in of_targets], axis=1) for name in statistics if name in of_targets[0]
    }


def _ranges(
    counts: npt.NDArray[Any], ends: FloatArray, layout: WindowLayout, statistics: Sequence[str], search: Search
) -> dict[str, npt.NDArray[Any]]:
    """Entries of windows, least and largest values if asked for; the largest of bins come with their sign changed."""
    n = window_sums(layout, counts[:, None], search)[:, 0].astype(np.int64)
    if {"min", "max"}.isdisjoint(statistics):
        return {"entries": n}
    least = window_minima(layout, ends.T, search)
    low, high = np.where((n > 0)[:, None], least, np.nan).T
    return {"entries": n, "min": low + 0.0, "max": 0.0 - high}


def _doubles(column: npt.NDArray[Any]) -> FloatArray:
    with np.errstate(over="ignore"):  # of extended precision: what is beyond the doubles is infinite
        return column.astype(np.float64, copy=False)


def _valid_weights(raw_weights: npt.NDArray[Any]) -> FloatArray:
    """Weights (n_rows,), 0 where they are not positive and finite."""
    weights = _doubles(raw_weights)
    return np.where(np.isfinite(weights) & (weights > 0.0), weights, 0.0)


def _unit(weights: FloatArray) -> float:
    largest = float(weights.max(initial=0.0))
    return largest if largest > 0.0 else 1.0


def _squares(
    column: npt.NDArray[Any], weights: npt.NDArray[Any], unit: float, bin_map: BinMap
) -> npt.NDArray[np.float64]:
    """Sums of the squared weights over ``unit`` of the rows with a finite target, by bin."""
    from gbr_dag.kernels.read_only import read_only_doubles
    from gbr_dag.kernels.threads import blocks
    from gbr_dag.kernels.value_runs import squared_weights

    squares = np.zeros(bin_map.n_bins)
    for start, stop in blocks(0, len(column), lambda: False):
        rows = slice(start, stop)
        squared_weights(
            read_only_doubles(column[rows]), read_only_doubles(weights[rows]), bin_map.row_bin[rows], unit, squares
        )
    return squares


def _bin_sums(values: npt.NDArray[Any], offsets: IntArray) -> FloatArray:
    total = np.zeros(len(offsets) - 1)
    filled = np.flatnonzero(np.diff(offsets))
    if len(filled):
        total[filled] = np.add.reduceat(values, offsets[filled])
    return total
