"""Neighbours of every bin one by one, searched by compiled loops."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from gbr_dag.kernels.window_pairs import find_neighbours
from gbr_dag.windows.layout import WindowLayout
from gbr_dag.windows.pairs import Neighbours, neighbour_chunks, neighbour_tree, neighbours_between

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_PAIRS_AT_A_TIME = 1 << 14

_PAIRS_OF_ALL = 1 << 18
"""Pairs at a time where those of all bins are asked for, for loops on threads: 4 MB."""

_OFFSETS_AT_A_TIME = 1 << 16


class NeighbourSearch:
    """The occupied bins of a layout as a tree, in which the neighbours of any bin are looked up.

    A layout must have an axis. Making it costs O(n_bins log(n_bins)); a search visits what lies in the window along the
    first axis, of these what lies in it along the second, and so on. The weights of a kernel that is no product are
    tabulated by offset where that pays (:attr:`WindowLayout.tabulates`), else its neighbours are looked up by NumPy.
    """

    def __init__(self, layout: WindowLayout) -> None:
        levels = neighbour_tree(layout)
        self._looked_up = (layout, levels) if not layout.is_separable and not layout.tabulates else None
        if self._looked_up:
            return
        axes = layout.axes
        positions = [keys % axis.n_positions for axis, keys in zip(axes, levels)]
        parents = [layout.n_slices, *(len(keys) for keys in levels[:-2])]
        children = [
            np.searchsorted(keys // axis.n_positions, np.arange(n + 1)) for axis, keys, n in zip(axes, levels, parents)
        ]
        begin = _begins([axis.neighbours for axis in axes])
        starts = [axis.starts + first for axis, first in zip(axes, begin)]
        places, joint = _joint_table(layout)
        self._tree = (
            *(np.ascontiguousarray(layout.slices), np.ascontiguousarray(layout.ranks)),
            *(np.concatenate(positions), _begins(positions), np.concatenate(children), _begins(children), levels[-1]),
            *(np.concatenate(starts), _begins(starts), np.concatenate([axis.neighbours for axis in axes])),
            *(np.concatenate([axis.weights for axis in axes]), places, joint),
        )

    def chunks(self, start: int, stop: int, most: int = _PAIRS_AT_A_TIME) -> Iterator[Neighbours]:
        """Neighbours of the bins from start to stop, at most ``most`` pairs at a time unless one bin has more.

        What it gave is overwritten when it goes on. Any number of threads may search at a time.
        """
        if self._looked_up:
            yield from neighbours_between(*self._looked_up, start, stop, max(most, _PAIRS_OF_ALL))
            return
        bins, weights = np.empty(most, dtype=np.int64), np.empty(most)
        starts = np.empty(stop - start + 1, dtype=np.int64)
        while start < stop:
            done = find_neighbours(*self._tree, start, stop, starts, bins, weights)
            if done == 0:  # a single centre has more
                bins, weights = np.empty(2 * len(bins), dtype=np.int64), np.empty(2 * len(bins))
                continue
            n = starts[done]
            yield Neighbours(start, start + done, starts[: done + 1], bins[:n], weights[:n])
            start += done


def searched_neighbours(layout: WindowLayout) -> Iterator[Neighbours]:
    """Neighbours of all bins, some bins at a time, in the order of the bins; what it gave is overwritten as it goes on.

    As :func:`gbr_dag.windows.pairs.neighbour_chunks`, some ten times as fast.
    """
    if not layout.axes:
        return neighbour_chunks(layout)
    return NeighbourSearch(layout).chunks(0, layout.n_bins, _PAIRS_OF_ALL)


def _begins(parts: list[IntArray]) -> IntArray:
    return np.cumsum([0, *(len(part) for part in parts)][:-1])


def _joint_table(layout: WindowLayout) -> tuple[IntArray, FloatArray]:
    """Joint weights of all offsets, and each entry's share of the place in them; no weights if the kernel separates."""
    if layout.is_separable:
        return np.empty(0, dtype=np.int64), np.empty(0)
    lows, spans = layout.joint_box
    strides = np.cumprod([1, *spans[:0:-1]])[::-1]
    shares = [
        (axis.offsets - low) * stride if axis.joined else np.zeros(len(axis.offsets), dtype=np.int64)
        for axis, low, stride in zip(layout.axes, lows, strides)
    ]
    joint = np.empty(math.prod(spans))
    for start in range(0, len(joint), _OFFSETS_AT_A_TIME):
        places = np.arange(start, min(start + _OFFSETS_AT_A_TIME, len(joint)))
        offsets = np.stack(np.unravel_index(places, spans)) + np.array(lows)[:, None]
        joint[places] = layout.joint_weights(offsets)
    return np.concatenate(shares), joint
