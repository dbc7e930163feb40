"""Neighbours of every bin one by one, for kernels that are no product and for grids that are mostly empty."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gbr_dag.windows.layout import WindowLayout

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_PAIRS_AT_A_TIME = 1 << 20
"""Pairs of a centre and a neighbour that are held at a time, about 64 MB of working memory."""


@dataclass(frozen=True)
class Neighbours:
    """Neighbours of the centres ``start <= bin < stop``.

    Attributes
    ----------
    start, stop : int
    starts : int64 array (stop - start + 1,)
        Centre ``start + i`` has the entries ``starts[i]`` to ``starts[i + 1]``; there may be none.
    bins : int64 array (n_entries,)
        Neighbours, each once.
    weights : float64 array (n_entries,)
        Their kernel weights, all above 0.
    """

    start: int
    stop: int
    starts: IntArray
    bins: IntArray
    weights: FloatArray


def neighbour_chunks(layout: WindowLayout, most: int = _PAIRS_AT_A_TIME) -> Iterator[Neighbours]:
    """Neighbours of all bins, some bins at a time, in the order of the bins; cost O(pairs log(n_bins))."""
    levels = neighbour_tree(layout)
    per_centre = layout.neighbours_expected * max([1.0, *(axis.mean_length for axis in layout.axes)])
    step = max(1, int(most / per_centre))
    for start in range(0, layout.n_bins, step):
        yield _neighbours(layout, levels, start, min(start + step, layout.n_bins))


def neighbour_tree(layout: WindowLayout) -> list[IntArray]:
    """Nodes of the tree slice / first axis / second axis / ... that occur: per axis, parent * positions + position.

    A node is the rank of its key, so that keys stay below bins times positions however many dimensions there are. The
    leaves are the bins; the last level is followed by the bin of every leaf.
    """
    nodes, levels = layout.slices, []
    for axis, ranks in zip(layout.axes, layout.ranks):
        keys, nodes = _ranked(nodes * axis.n_positions + ranks)
        levels.append(keys)
    bin_of_leaf = np.empty(layout.n_bins, dtype=np.int64)
    bin_of_leaf[nodes] = np.arange(layout.n_bins)
    return [*levels, bin_of_leaf]


def _ranked(keys: IntArray) -> tuple[IntArray, IntArray]:
    """Keys that occur, ascending, and the rank of each one."""
    steps = np.diff(keys)
    if len(keys) and steps.min(initial=0) >= 0:  # sorting takes 20 times as long
        new = np.concatenate(([True], steps > 0))
        return keys[new], np.cumsum(new) - 1
    found, ranks = np.unique(keys, return_inverse=True)
    return found, ranks.reshape(-1)


def _neighbours(layout: WindowLayout, levels: list[IntArray], start: int, stop: int) -> Neighbours:
    centres = np.arange(stop - start)
    nodes = layout.slices[start:stop]
    weights: FloatArray = np.ones(stop - start)
    offsets = np.empty((0, stop - start), dtype=np.int64)
    for axis, ranks, keys in zip(layout.axes, layout.ranks, levels):
        place = ranks[start:stop][centres]
        first, count = axis.starts[place], np.diff(axis.starts)[place]
        origin = np.repeat(np.arange(len(centres)), count)
        entry = np.arange(len(origin)) + np.repeat(first - (np.cumsum(count) - count), count)
        wanted = nodes[origin] * axis.n_positions + axis.neighbours[entry]
        found = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        there = keys[found] == wanted
        origin, entry, nodes = origin[there], entry[there], found[there]
        centres, weights = centres[origin], weights[origin] * axis.weights[entry]
        offsets = np.concatenate([offsets[:, origin], axis.offsets[None, entry]])
    bins = levels[-1][nodes] if layout.axes else centres + start
    if not layout.is_separable:
        weights = weights * layout.joint_weights(offsets)
        centres, bins, weights = _each_once(layout, centres, bins, weights)
    starts = np.concatenate(([0], np.cumsum(np.bincount(centres, minlength=stop - start))))
    return Neighbours(start, stop, starts, bins, weights)


def _each_once(
    layout: WindowLayout, centres: IntArray, bins: IntArray, weights: FloatArray
) -> tuple[IntArray, IntArray, FloatArray]:
    """One entry a neighbour, the weights of its images summed; none of weight 0."""
    if any(axis.joined and axis.dimension.boundary == "mirror" for axis in layout.axes):
        keys, inverse = np.unique(centres * layout.n_bins + bins, return_inverse=True)
        weights = np.bincount(inverse.reshape(-1), weights=weights, minlength=len(keys)).astype(np.float64)
        centres, bins = keys // layout.n_bins, keys % layout.n_bins
    kept = weights > 0.0
    return centres[kept], bins[kept], weights[kept]
