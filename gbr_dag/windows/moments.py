"""Weighted means with the scatter about them, merged over windows without any sum of squares."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Optional

import numpy as np
import numpy.typing as npt

from gbr_dag.windows.axes import WindowAxis
from gbr_dag.windows.layout import WindowLayout
from gbr_dag.windows.pairs import Search, neighbour_chunks
from gbr_dag.windows.sums import window_sums
from gbr_dag.windows.weighted_sums import weighted_sums

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Moments:
    """Moments of n sets of rows, each array (n,) or of any one shape.

    Attributes
    ----------
    weight : float64 array
        Sum of the weights v.
    mean, rest : float64 arrays
        The weighted mean is their sum, ``rest`` being small; 0 without rows.
    scatter : float64 array
        Sum of v (y - mean)^2.
    """

    weight: FloatArray
    mean: FloatArray
    rest: FloatArray
    scatter: FloatArray

    def changed(self, change: Callable[[FloatArray], FloatArray]) -> Moments:
        """The same change made to every array."""
        return Moments(*(change(getattr(self, field.name)) for field in fields(self)))


def bin_moments(values: FloatArray, weights: FloatArray, offsets: IntArray) -> Moments:
    """Moments of values (n,) and weights (n,) from each offset to the next, (n_bins,); weight 0 is no row."""
    used = weights > 0.0
    values = np.where(used, values, 0.0)
    rows = Moments(weights, values, np.zeros_like(values), np.zeros_like(values))
    return _merged_groups(rows, np.ones(len(values)), offsets)


def window_moments(moments: Moments, layout: WindowLayout) -> Moments:
    """Moments of the rows in every window from those of the bins, (n_bins,), weights times the kernel's.

    Cost O(cells sum(2 w + 1)) on a grid, O(pairs) otherwise.
    """
    if not layout.axes or not layout.n_bins:
        return moments
    if layout.on_grid:
        return _on_grids(moments, layout)
    parts = [
        _merged_groups(_taken(moments, chunk.bins), chunk.weights, chunk.starts) for chunk in neighbour_chunks(layout)
    ]
    return Moments(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Moments)))


def _taken(moments: Moments, places: IntArray) -> Moments:
    return moments.changed(lambda values: values[places])


def _merged_groups(parts: Moments, factors: FloatArray, starts: IntArray) -> Moments:
    """Groups of members one after the other, of which some may be empty."""
    filled = np.flatnonzero(np.diff(starts))
    result = Moments(*(np.zeros(len(starts) - 1) for _ in fields(Moments)))
    if len(filled):
        merged = _merged(parts, factors, starts[filled], np.diff(starts)[filled])
        for field in fields(Moments):
            getattr(result, field.name)[filled] = getattr(merged, field.name)
    return result


def _on_grids(moments: Moments, layout: WindowLayout) -> Moments:
    cells, size = layout.cells(), math.prod(layout.shape)
    result = Moments(*(np.empty(layout.n_bins) for _ in fields(Moments)))
    for first, last in layout.slice_ranges():
        inside = np.flatnonzero((layout.slices >= first) & (layout.slices < last))
        places = cells[inside] - first * size
        grids = _spread(_taken(moments, inside), places, (last - first, *layout.shape))
        for i, axis in enumerate(layout.axes, start=1):
            grids = _along_axis(grids, i, axis)
        for field in fields(Moments):
            getattr(result, field.name)[inside] = getattr(grids, field.name).reshape(-1)[places]
    return result


def _spread(moments: Moments, places: IntArray, shape: tuple[int, ...]) -> Moments:
    def grid(values: FloatArray) -> FloatArray:
        cells = np.zeros(math.prod(shape))
        cells[places] = values
        return cells.reshape(shape)

    return moments.changed(grid)


def _along_axis(grids: Moments, place: int, axis: WindowAxis) -> Moments:
    parts = grids.changed(lambda grid: np.moveaxis(grid, place, 0)[axis.neighbours])
    factors = axis.weights.reshape(-1, *[1] * (parts.weight.ndim - 1))
    merged = _merged(parts, factors, axis.starts[:-1], np.diff(axis.starts))
    return merged.changed(lambda grid: np.moveaxis(grid, 0, place))


def _merged(parts: Moments, factors: FloatArray, starts: IntArray, counts: IntArray) -> Moments:
    """Merge members along the first axis, those from each start on; deviations are taken from the merged mean."""
    group = np.repeat(np.arange(len(starts)), counts)
    weight = parts.weight * factors
    total = np.add.reduceat(weight, starts, axis=0)
    share = weight / np.where(total == 0.0, 1.0, total)[group]
    mean = np.add.reduceat(share * parts.mean, starts, axis=0)
    left = (parts.mean - mean[group]) + parts.rest
    rest = np.add.reduceat(share * left, starts, axis=0)
    left -= rest[group]
    return Moments(total, mean, rest, np.add.reduceat(parts.scatter * factors + weight * left**2, starts, axis=0))


def moment_statistics(
    merged: Moments,
    counts: FloatArray,
    squares: Optional[FloatArray],
    unit: float,
    layout: WindowLayout,
    search: Search = neighbour_chunks,
) -> dict[str, FloatArray]:
    """Statistics ``mean``, ``std`` and ``sum_weights`` of every window, (n_bins,) each.

    Parameters
    ----------
    merged : Moments
        Of the windows.
    counts : float64 array (n_bins,)
        Rows of the bins.
    squares : float64 array (n_bins,) or None
        Sums of the squares of their weights over ``unit``: the largest weight, lest the squares leave the doubles.
        Without them there is no std.
    unit : float
    layout : WindowLayout
    search : callable
        Of neighbours, where windows are gone through pair by pair.

    Returns
    -------
    dict of str to float64 array (n_bins,)
        std has the divisor sum v - sum v^2 / sum v. NaN for the mean of no rows and for std of fewer than 2.
    """
    n = window_sums(layout, counts[:, None].astype(np.int64), search)[:, 0]
    mean = np.where(n > 0, merged.mean + merged.rest, np.nan)
    if squares is None:
        return {"mean": mean, "sum_weights": merged.weight}
    squared = weighted_sums(layout, squares, 2, search)
    with np.errstate(divide="ignore", invalid="ignore"):
        divisor = merged.weight - unit * (squared / (merged.weight / unit))
        std = np.where((n > 1) & (divisor > 0.0), np.sqrt(merged.scatter / divisor), np.nan)
    return {"mean": mean, "std": std, "sum_weights": merged.weight}
