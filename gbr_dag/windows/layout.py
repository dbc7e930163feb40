"""How windows are gone through: along one axis at a time on a grid, or neighbour by neighbour."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gbr_dag.graph.sizes import readable_bytes
from gbr_dag.windows.axes import WindowAxis
from gbr_dag.windows.own_kernels import own_weights
from gbr_dag.windows.specification import family_weights

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# In merges of records with p = 2, t = 1, of 22 nanoseconds each:
_COST_OF_A_CELL = 0.25
_COST_OF_A_PAIR = 1.3
_COST_OF_A_SEARCH = 1.4
_MERGES_OF_A_RUN = 3.0
"""Runs of neighbours of weight 1 take so many merges a cell, whatever their length."""

_SMALL_TABLE = 1 << 14
_LARGEST_TABLE = 1 << 22
"""Joint weights that are tabulated even for few pairs, and at most: 32 MB."""

_CELLS_AT_A_TIME = 1 << 17
"""Slices of the grid are gone through together up to so many cells."""


@dataclass(frozen=True)
class WindowLayout:
    """Bins as cells of a grid of positions, one grid a slice.

    Dimensions without a window, and keys that take none, make slices: bins of different slices are never neighbours.

    Attributes
    ----------
    axes : tuple of WindowAxis
        The dimensions that have a window.
    ranks : int64 array (n_axes, n_bins)
        Position of every bin along each axis.
    slices : int64 array (n_bins,)
        Slice of every bin.
    n_slices : int
    volume : int
        Bins that a whole window has, the product of 2 size + 1 over the dimensions.
    """

    axes: tuple[WindowAxis, ...]
    ranks: IntArray
    slices: IntArray
    n_slices: int
    volume: int

    @property
    def n_bins(self) -> int:
        """Number of occupied bins."""
        return len(self.slices)

    @property
    def shape(self) -> tuple[int, ...]:
        """Positions along each axis."""
        return tuple(axis.n_positions for axis in self.axes)

    @property
    def n_cells(self) -> int:
        """Cells of the grids of all slices."""
        return self.n_slices * math.prod(self.shape)

    @property
    def is_plain(self) -> bool:
        """Whether every neighbour has weight 1."""
        return all(axis.is_plain for axis in self.axes)

    @property
    def has_uniform_kernel(self) -> bool:
        """Whether the kernel is uniform along every axis; a mirrored bin that is met twice still has weight 2."""
        return all(axis.dimension.kernel == "uniform" for axis in self.axes)

    @property
    def is_separable(self) -> bool:
        """Whether the kernel is a product of factors of single dimensions."""
        return not any(axis.joined for axis in self.axes)

    @property
    def joint_box(self) -> tuple[list[int], list[int]]:
        """Least offset along each joined axis, and how many there are up to the largest; 0 and 1 along other axes."""
        lows = [int(axis.offsets.min(initial=0)) if axis.joined else 0 for axis in self.axes]
        highs = [int(axis.offsets.max(initial=0)) if axis.joined else 0 for axis in self.axes]
        return lows, [high - low + 1 for low, high in zip(lows, highs)]

    @property
    def tabulates(self) -> bool:
        """Whether the compiled search tabulates joint weights by offset: there are no more of them than of pairs."""
        most = min(_LARGEST_TABLE, max(_SMALL_TABLE, self.n_bins * self.neighbours_expected))
        return not self.is_separable and math.prod(self.joint_box[1]) <= most

    @property
    def neighbours_expected(self) -> float:
        """Occupied neighbours of a bin, itself included, if occupied cells lie at random."""
        share = self.n_bins / max(self.n_cells, 1)
        return max(1.0, share * math.prod(axis.mean_length for axis in self.axes))

    @property
    def on_grid(self) -> bool:
        """Whether windows are merged along one axis at a time: O(cells sum(2 w + 1)) against O(occupied pairs)."""
        return self.is_separable and bool(self.axes) and self.n_bins > 0 and self.grid_cost <= self.pair_cost

    @property
    def grid_cost(self) -> float:
        """Merges that going along the axes is worth, if occupied cells lie at random: cells fill up on the way."""
        filled, cost = self.n_bins / max(self.n_cells, 1), 0.0
        for axis in self.axes:
            length = min(axis.mean_length, _MERGES_OF_A_RUN) if axis.is_plain else axis.mean_length
            cost += self.n_cells * (_COST_OF_A_CELL + length * filled)
            filled = 1.0 - (1.0 - filled) ** axis.mean_length
        return cost

    @property
    def pair_cost(self) -> float:
        """Merges that going neighbour by neighbour is worth, if occupied cells lie at random.

        Those of positions along the first axes whose cells are all empty are not looked at.
        """
        share, below = self.n_bins / max(self.n_cells, 1), math.prod(self.shape)
        reached, searches = 1.0, 0.0
        for axis in self.axes:
            searches += reached * (1.0 - (1.0 - share) ** below)
            reached *= axis.mean_length
            below //= max(axis.n_positions, 1)
        return self.n_bins * (_COST_OF_A_PAIR * self.neighbours_expected + _COST_OF_A_SEARCH * searches)

    def described(self, record_bytes: int) -> str:
        """How windows are gone through and why, and what memory records of so many bytes take on the way."""
        if not self.axes:
            return "no dimension has a window: every bin is its own"
        if not self.is_separable:
            table = readable_bytes(8 * math.prod(self.joint_box[1]) if self.tabulates else 0)
            return f"neighbour by neighbour: the kernel is no product of one factor a dimension, {table} of its weights"
        share = f"{100.0 * self.n_bins / max(self.n_cells, 1):.3g} % of {self.n_cells:,} cells are occupied"
        if not self.on_grid:
            return f"neighbour by neighbour: {share}"
        names = ", ".join(axis.dimension.name for axis in self.axes)
        at_once = self._slices_at_a_time * math.prod(self.shape) * record_bytes
        memory = readable_bytes(at_once if len(self.axes) > 1 else 0)
        return f"along {names} one after the other on a grid: {share}, {memory} at a time"

    @property
    def _slices_at_a_time(self) -> int:
        return max(1, min(self.n_slices, _CELLS_AT_A_TIME // max(math.prod(self.shape), 1)))

    def cells(self) -> IntArray:
        """Cell of every bin on the grids of all slices, row-major with the slice first, (n_bins,)."""
        cells = self.slices
        for axis, ranks in zip(self.axes, self.ranks):
            cells = cells * axis.n_positions + ranks
        return cells

    def slice_ranges(self) -> Iterator[tuple[int, int]]:
        """Ranges of slices whose grids are gone through together."""
        step = self._slices_at_a_time
        for first in range(0, self.n_slices, step):
            yield first, min(first + step, self.n_slices)

    def slice_batches(self) -> Iterator[tuple[int, int, IntArray, IntArray]]:
        """Ranges of slices whose grids are gone through together: first, last, bins and their cells on these grids."""
        size, cells = math.prod(self.shape), self.cells()
        ranges = list(self.slice_ranges())
        if len(ranges) == 1:
            yield 0, self.n_slices, np.arange(self.n_bins), cells
            return
        order = np.argsort(self.slices, kind="stable")
        edges = np.searchsorted(self.slices[order], [0, *(last for _, last in ranges)])
        for (first, last), start, stop in zip(ranges, edges[:-1], edges[1:]):
            bins = order[start:stop]
            yield first, last, bins, cells[bins] - first * size

    def joint_weights(self, offsets: IntArray) -> FloatArray:
        """What the joined axes contribute to the weights of neighbours at ``offsets`` (n_axes, n), (n,).

        Raises
        ------
        InputError
            If a kernel of the user's own does not give 0 or a weight from 1e-20 to 1e20 for each.
        """
        weights = np.ones(offsets.shape[1])
        joined = [i for i, axis in enumerate(self.axes) if axis.joined]
        families: dict[Any, list[int]] = {}
        for i in joined:
            families.setdefault(self.axes[i].dimension.kernel, []).append(i)
        for kernel, members in families.items():
            widths = [self.axes[i].dimension.width for i in members]
            places = offsets[members].T
            weights *= (
                own_weights(kernel, places, widths) if callable(kernel) else family_weights(kernel, places, widths)
            )
        return weights
