"""Boxes of a grid that are gone through one after the other, with what lies in the windows of each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gbr_dag.windows.axes import WindowAxis
from gbr_dag.windows.layout import WindowLayout

IntArray = npt.NDArray[np.int64]

_CELLS = 4096
"""Cells of a tile with its windows, about; smaller ones have more neighbours in common than cells of their own."""


@dataclass(frozen=True)
class Tile:
    """A box of centres. All arrays hold one axis after the other.

    Attributes
    ----------
    centres, centre_sizes : int64 arrays
        Positions along each axis, and how many there are.
    halo, halo_sizes : int64 arrays
        Positions that occur in windows about these, ascending for each axis, and how many there are.
    starts : int64 array (len(centres) + 1,)
        Neighbours of each centre position along its axis are ``starts[i]`` to ``starts[i + 1]``.
    members : int64 array (n_entries,)
        Their places among the axis's part of ``halo``.
    multiples : int64 array (n_entries,)
        How often each counts.
    """

    centres: IntArray
    centre_sizes: IntArray
    halo: IntArray
    halo_sizes: IntArray
    starts: IntArray
    members: IntArray
    multiples: IntArray

    @property
    def n_cells(self) -> int:
        """Cells of the windows, a slice."""
        return math.prod(self.halo_sizes.tolist())


def tiles(layout: WindowLayout) -> Iterator[Tile]:
    """Tiles that cover the grid of a slice; kernel weights must be whole numbers."""
    sides = _sides(layout)
    ranges = [
        [_along(axis, first, min(first + side, axis.n_positions)) for first in range(0, axis.n_positions, side)]
        for axis, side in zip(layout.axes, sides)
    ]
    for parts in itertools.product(*ranges):
        centres, halo, counts, members, multiples = (list(of_axes) for of_axes in zip(*parts))
        yield Tile(
            np.concatenate(centres),
            np.array([len(part) for part in centres]),
            np.concatenate(halo),
            np.array([len(part) for part in halo]),
            np.concatenate([[0], np.cumsum(np.concatenate(counts))]),
            np.concatenate(members),
            np.concatenate(multiples),
        )


def _sides(layout: WindowLayout) -> list[int]:
    """Positions of a tile along each axis: multiples of the window's length, as large as the cells allow."""
    lengths = [axis.mean_length for axis in layout.axes]

    def cells(scale: float) -> float:
        return math.prod(min(axis.n_positions, scale * length + length) for axis, length in zip(layout.axes, lengths))

    scale = 1.0
    while cells(1.25 * scale) <= _CELLS and any(
        scale * length < axis.n_positions for axis, length in zip(layout.axes, lengths)
    ):
        scale *= 1.25
    # of equal length: no sliver is left at the end
    parts = [math.ceil(axis.n_positions / (scale * length)) for axis, length in zip(layout.axes, lengths)]
    return [math.ceil(axis.n_positions / part) for axis, part in zip(layout.axes, parts)]


def _along(axis: WindowAxis, first: int, last: int) -> tuple[IntArray, IntArray, IntArray, IntArray, IntArray]:
    """Centres, halo, number of neighbours of each centre, places of these in the halo, multiples."""
    start, stop = axis.starts[first], axis.starts[last]
    halo, members = np.unique(axis.neighbours[start:stop], return_inverse=True)
    multiples = axis.weights[start:stop].astype(np.int64)
    return np.arange(first, last), halo, np.diff(axis.starts[first : last + 1]), members.reshape(-1), multiples
