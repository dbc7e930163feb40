"""Neighbours along one dimension: boundaries become lists of positions, kernels weights of their entries."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gbr_dag.errors import InvalidWindowSpec
from gbr_dag.windows.specification import WindowDimension, family_weights

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_FARTHEST = 2**60
"""Largest coordinate: sums of it, a window and a period must stay in 64 bits."""

_POSITIONS_PER_BIN = 4
"""A table over the span of the coordinates beats sorting while it is not much larger than the bins."""


@dataclass(frozen=True)
class WindowAxis:
    """Which occupied positions along one dimension lie in the window about each other.

    Positions are ranks among the coordinates that occur in some bin: gaps, negative and huge coordinates cost nothing.

    Attributes
    ----------
    dimension : WindowDimension
    coordinates : int64 array (n_positions,)
        Coordinates that occur, ascending.
    starts : int64 array (n_positions + 1,)
        Entries of position ``c`` are ``starts[c]`` to ``starts[c + 1]``; there is at least one, itself.
    neighbours : int64 array (n_entries,)
        Positions of the neighbours, ascending for each centre; a position appears once, but on an axis whose kernel is
        joined with others it appears once for every offset that leads to it.
    offsets : int64 array (n_entries,)
        Bins from the centre to the neighbour or to its image beyond the boundary.
    weights : float64 array (n_entries,)
        The kernel's factor of this dimension, summed over the offsets that lead to one position; 1 if it is joined.
    joined : bool
        Whether the kernel is not a product of factors of single dimensions.
    """

    dimension: WindowDimension
    coordinates: IntArray
    starts: IntArray
    neighbours: IntArray
    offsets: IntArray
    weights: FloatArray
    joined: bool = False

    @property
    def kernel_name(self) -> str:
        """What the kernel is called: a function of the user's own by its name."""
        kernel = self.dimension.kernel
        return kernel if isinstance(kernel, str) else getattr(kernel, "__name__", type(kernel).__name__)

    @property
    def n_positions(self) -> int:
        """Number of coordinates that occur."""
        return len(self.coordinates)

    @property
    def mean_length(self) -> float:
        """Mean number of neighbours along the axis, itself included."""
        return len(self.neighbours) / max(self.n_positions, 1)

    @property
    def is_plain(self) -> bool:
        """Whether every neighbour has weight 1."""
        return not self.joined and bool((self.weights == 1.0).all())


def occupied_positions(coordinates: IntArray) -> tuple[IntArray, IntArray]:
    """Coordinates that occur, ascending, and the rank among them of each one, (n_bins,)."""
    if len(coordinates) == 0:
        return coordinates, coordinates
    low, high = int(coordinates.min()), int(coordinates.max())
    if high - low >= _POSITIONS_PER_BIN * len(coordinates) + 1024:
        found, ranks = np.unique(coordinates, return_inverse=True)
        return found, ranks.reshape(-1)
    present = np.zeros(high - low + 1, dtype=bool)
    places = coordinates - low
    present[places] = True
    found = np.flatnonzero(present) + low
    return found, places if len(found) == len(present) else (np.cumsum(present) - 1)[places]


def checked_coordinates(name: str, bins: npt.NDArray[np.integer[Any]]) -> IntArray:
    """Bins along one dimension as 64-bit integers that leave room for a window and a period.

    Raises
    ------
    InvalidWindowSpec
        If one is too large.
    """
    if len(bins):
        low, high = int(bins.min()), int(bins.max())
        if max(abs(low), abs(high)) > _FARTHEST:
            message = f"by: bins of {name!r} must lie within -2**60 to 2**60, got {low} to {high}; subtract an offset"
            raise InvalidWindowSpec(message)
    return bins.astype(np.int64, copy=False)


def window_axis(dimension: WindowDimension, coordinates: IntArray, *, joined: bool) -> WindowAxis:
    """Neighbours along one dimension, from the coordinates that occur (n_positions,), ascending.

    Cost O(neighbours log(positions)), whatever the window's size.

    Raises
    ------
    InvalidWindowSpec
        If the observed range is too short to be mirrored, or longer than the period.
    """
    starts, neighbours, offsets = _entries(dimension, coordinates)
    weights = np.ones(len(neighbours))
    axis = WindowAxis(dimension, coordinates, starts, neighbours, offsets, weights, joined)
    if joined or (dimension.kernel == "uniform" and dimension.boundary != "mirror"):
        return axis
    if isinstance(dimension.kernel, str):
        weights = family_weights(dimension.kernel, offsets[:, None], [dimension.width])
    return _each_once(replace(axis, weights=weights))


def positions_reached(axis: WindowAxis) -> IntArray:
    """Begin and end of the run that the neighbours of every position are, (2, n_positions), both ascending.

    Neighbours along one axis are always a run, unless its kernel is joined with others. On a periodic axis it may begin
    before position 0 or end behind the last: the axis is a ring.
    """
    n, counts = axis.n_positions, np.diff(axis.starts)
    begins = axis.neighbours[axis.starts[:-1]]
    if axis.dimension.boundary == "periodic":
        behind = np.concatenate(([0], np.cumsum(axis.offsets < 0)))[axis.starts]
        begins = np.arange(n) - np.diff(behind)
    return np.stack([begins, begins + counts])


def _entries(dimension: WindowDimension, coordinates: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Starts, neighbours and offsets of all centres, a neighbour once for every image of it in the window."""
    n = len(coordinates)
    if n == 0:
        return np.zeros(1, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    size = min(dimension.size, int(coordinates[-1]) - int(coordinates[0]))
    low, high = coordinates[0], coordinates[-1]
    reach = np.full(n, size, dtype=np.int64)
    places = np.arange(n)
    lines = [(coordinates, places)]
    if dimension.boundary == "symmetric":
        reach = np.minimum(reach, np.minimum(coordinates - low, high - coordinates))
    elif dimension.boundary == "mirror":
        _check_mirror(dimension, int(low), int(high))
        lines.append(((2 * low - coordinates[1:])[::-1], places[:0:-1]))
        lines.append(((2 * high - coordinates[:-1])[::-1], places[-2::-1]))
    elif dimension.boundary == "periodic":
        period = _checked_period(dimension, int(low), int(high))
        reach = np.full(n, dimension.size, dtype=np.int64)
        lines += [(coordinates - period, places), (coordinates + period, places)]
    parts = []
    for line, sources in lines:
        first = np.searchsorted(line, coordinates - reach, side="left")
        count = np.searchsorted(line, coordinates + reach, side="right") - first
        centres = np.repeat(places, count)
        found = np.arange(len(centres)) + np.repeat(first - (np.cumsum(count) - count), count)
        parts.append((centres, sources[found], line[found] - coordinates[centres]))
    centres, neighbours, offsets = (np.concatenate(part) for part in zip(*parts))
    if len(parts) > 1:
        order = np.lexsort((neighbours, centres))
        centres, neighbours, offsets = centres[order], neighbours[order], offsets[order]
    starts = np.concatenate(([0], np.cumsum(np.bincount(centres, minlength=n))))
    return starts, neighbours, offsets


def _each_once(axis: WindowAxis) -> WindowAxis:
    """The axis with one entry a neighbour, weights summed, without neighbours of weight 0."""
    centres = np.repeat(np.arange(axis.n_positions), np.diff(axis.starts))
    new = np.ones(len(centres), dtype=bool)
    new[1:] = (np.diff(centres) != 0) | (np.diff(axis.neighbours) != 0)
    first = np.flatnonzero(new)
    weights = np.add.reduceat(axis.weights, first) if len(first) else axis.weights
    kept = first[weights > 0.0]
    starts = np.concatenate(([0], np.cumsum(np.bincount(centres[kept], minlength=axis.n_positions))))
    return replace(
        axis,
        starts=starts,
        neighbours=axis.neighbours[kept],
        offsets=axis.offsets[kept],
        weights=weights[weights > 0.0],
    )


def _check_mirror(dimension: WindowDimension, low: int, high: int) -> None:
    if high - low + 1 < dimension.size + 1:
        message = (
            f"boundary 'mirror' needs at least {dimension.size + 1} bins of {dimension.name!r} for a window of"
            f" {dimension.size}, its range is {low} to {high}; take a smaller window or boundary='truncate'"
        )
        raise InvalidWindowSpec(message)


def _checked_period(dimension: WindowDimension, low: int, high: int) -> int:
    observed = high - low + 1
    period = observed if dimension.period is None else dimension.period
    if period < 2 * dimension.size + 1:
        given = "observed range" if dimension.period is None else "period"
        message = (
            f"boundary 'periodic' needs a period of at least {2 * dimension.size + 1} bins of {dimension.name!r} for a"
            f" window of {dimension.size}, the {given} is {period}; take a smaller window"
        )
        raise InvalidWindowSpec(message)
    if observed > period:
        message = (
            f"period {period} of {dimension.name!r} is shorter than its range, {low} to {high}; take the bins modulo"
            f" {period} first"
        )
        raise InvalidWindowSpec(message)
    return period
