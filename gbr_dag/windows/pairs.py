"""Neighbours of every bin one by one, for kernels that are no product and for grids that are mostly empty."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Optional

import numpy as np
import numpy.typing as npt

from gbr_dag.windows.layout import WindowLayout

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_PAIRS_AT_A_TIME = 1 << 20
"""Pairs of a centre and a candidate that are held at a time, about 64 MB of working memory."""


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


Search = Callable[[WindowLayout], Iterable[Neighbours]]
"""Finds the neighbours of all bins, some bins at a time; what it gave may be overwritten as it goes on."""


def neighbour_chunks(layout: WindowLayout, most: int = _PAIRS_AT_A_TIME) -> Iterator[Neighbours]:
    """Neighbours of all bins, some bins at a time, in the order of the bins."""
    return neighbours_between(layout, neighbour_tree(layout), 0, layout.n_bins, most)


def neighbours_between(
    layout: WindowLayout, levels: list[IntArray], start: int, stop: int, most: int = _PAIRS_AT_A_TIME
) -> Iterator[Neighbours]:
    """Neighbours of the bins from start to stop, some bins at a time, found in their tree ``levels``.

    Cost O(candidates log(n_bins)). Candidates are the positions in the window along an axis about all that was found
    along the axes before; of any axis there are at most ``most`` at a time, or the neighbours of one bin.
    """
    step = float(most) / max([1.0, *(axis.mean_length for axis in layout.axes)])
    while start < stop:
        last = min(start + max(1, int(step)), stop)
        found, candidates = _neighbours(layout, levels, start, last, most)
        step = (last - start) * min(4.0, 0.5 * most / max(candidates, 1))
        if found is not None:
            yield found
            start = last


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


def _neighbours(
    layout: WindowLayout, levels: list[IntArray], start: int, stop: int, most: int
) -> tuple[Optional[Neighbours], int]:
    """Neighbours, None if some axis has more candidates than ``most`` and there are several centres; candidates."""
    found, largest = _Found.themselves(layout, start, stop), 1  # never none: a centre is its own neighbour
    for i in range(len(layout.axes)):
        candidates = found.n_candidates(layout, i)
        largest = max(largest, int(candidates.sum()))
        if largest > most and stop - start > 1:
            return None, largest
        ends = np.cumsum(candidates)
        edges = np.unique([0, *np.searchsorted(ends, np.arange(most, ends[-1], most)), len(ends)])
        parts = [found.part(low, high).along(layout, i, levels[i]) for low, high in zip(edges[:-1], edges[1:])]
        found = _Found.joined(parts)
    centres, weights = found.centres - start, found.weights
    bins = levels[-1][found.nodes] if layout.axes else found.centres
    if not layout.is_separable:
        weights = weights * layout.joint_weights(found.offsets)
        centres, bins, weights = _each_once(layout, centres, bins, weights)
    starts = np.concatenate(([0], np.cumsum(np.bincount(centres, minlength=stop - start))))
    return Neighbours(start, stop, starts, bins, weights), largest


@dataclass(frozen=True)
class _Found:
    """Nodes of the tree found about ``centres`` along the first axes, (n,) each; offsets (axes, n) of joint kernels."""

    centres: IntArray
    nodes: IntArray
    weights: FloatArray
    offsets: IntArray

    @classmethod
    def themselves(cls, layout: WindowLayout, start: int, stop: int) -> _Found:
        offsets = np.empty((0, stop - start), dtype=np.int64)
        return cls(np.arange(start, stop), layout.slices[start:stop], np.ones(stop - start), offsets)

    @classmethod
    def joined(cls, parts: list[_Found]) -> _Found:
        if len(parts) == 1:
            return parts[0]
        return cls(
            np.concatenate([part.centres for part in parts]),
            np.concatenate([part.nodes for part in parts]),
            np.concatenate([part.weights for part in parts]),
            np.concatenate([part.offsets for part in parts], axis=1),
        )

    def part(self, low: int, high: int) -> _Found:
        inside = slice(low, high)
        return _Found(self.centres[inside], self.nodes[inside], self.weights[inside], self.offsets[:, inside])

    def n_candidates(self, layout: WindowLayout, i: int) -> IntArray:
        """Positions in the window along axis ``i`` about every one found, (n,)."""
        lengths: IntArray = np.diff(layout.axes[i].starts)
        of_found: IntArray = lengths[layout.ranks[i, self.centres]]
        return of_found

    def along(self, layout: WindowLayout, i: int, keys: IntArray) -> _Found:
        """Those of their children that lie in the window along axis ``i``."""
        axis, count = layout.axes[i], self.n_candidates(layout, i)
        first = axis.starts[layout.ranks[i, self.centres]]
        origin = np.repeat(np.arange(len(count)), count)
        entry = np.arange(len(origin)) + np.repeat(first - (np.cumsum(count) - count), count)
        wanted = self.nodes[origin] * axis.n_positions + axis.neighbours[entry]
        nodes = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        there = keys[nodes] == wanted
        del wanted
        origin, entry, nodes = origin[there], entry[there], nodes[there]
        offsets = self.offsets[:, origin]
        if not layout.is_separable:
            offsets = np.concatenate([offsets, axis.offsets[None, entry]])
        return _Found(self.centres[origin], nodes, self.weights[origin] * axis.weights[entry], offsets)


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
