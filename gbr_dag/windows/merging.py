"""Factors of windows by merging those of their bins, compiled."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Optional

import numpy as np

from gbr_dag.kernels.window_merging import AxisNeighbours, Pairs, WindowMerging
from gbr_dag.tables import Factors, FloatArray, IntArray
from gbr_dag.windows.axes import WindowAxis, positions_reached
from gbr_dag.windows.layout import WindowLayout
from gbr_dag.windows.searching import NeighbourSearch


def merged_windows(factors: Factors, layout: WindowLayout, power: int, threads: Optional[int]) -> Factors:
    """Factors of every window from those of its bins, rows weighted by the kernel to a power.

    The record of a window counts every row once and is followed by the sum of the kernel's powers over the rows.
    Cost O(cells sum(2 w + 1) k^2) on a grid, where runs of neighbours of weight 1 take three merges a cell whatever
    their length; O(pairs k^2) otherwise. Beside the result there is one table of records of the cells of some slices.
    """
    p, t = factors.n_predictors, len(factors.targets)
    merging = WindowMerging(p, t, centred=factors.intercept, threads=threads)
    records = np.ascontiguousarray(factors.records)
    result = merging.empty_records(layout.n_bins)
    if not layout.on_grid:
        merging.of_pairs(records, result, _pairs(layout, power), layout.neighbours_expected)
        return replace(factors, records=result)
    axes = [_axis_neighbours(axis, power) for axis in layout.axes]
    size = math.prod(layout.shape)
    table = merging.empty_records(0)
    for first, last, bins, cells in layout.slice_batches():
        n_cells = (last - first) * size
        if len(axes) > 1 and len(table) < n_cells:
            table = merging.empty_records(n_cells)
        merging.along_axes(records, result, bins, cells, n_cells, axes, table)
    return replace(factors, records=result)


def _pairs(layout: WindowLayout, power: int) -> Pairs:
    if not layout.axes:
        return _themselves
    search = NeighbourSearch(layout)

    def pairs(first: int, last: int) -> Iterator[tuple[int, IntArray, IntArray, FloatArray]]:
        for found in search.chunks(first, last):
            yield found.start, found.starts, found.bins, found.weights**power

    return pairs


def _themselves(first: int, last: int) -> Iterator[tuple[int, IntArray, IntArray, FloatArray]]:
    yield first, np.arange(last - first + 1), np.arange(first, last), np.ones(last - first)


def _axis_neighbours(axis: WindowAxis, power: int) -> AxisNeighbours:
    return AxisNeighbours(
        axis.starts, axis.neighbours, axis.weights**power, positions_reached(axis) if axis.is_plain else None
    )
