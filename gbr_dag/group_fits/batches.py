"""How groups are dealt out to processes: in batches of consecutive groups."""

from __future__ import annotations

import numbers
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np

from gbr_dag.errors import InputError
from gbr_dag.tables import BoolArray, FloatArray, IntArray

STRATEGIES = ("auto", "no_batching", "size_bucketing")
BACKENDS = ("loky", "multiprocessing", "threading")

_BATCHES_PER_PROCESS = 6
"""So many even out: when all but one process have run dry, the last has a sixth of a share to do, or less."""

_ROWS_PER_GROUP = 500
"""A group costs as much as so many rows more than it has: least squares takes 0.2 ms of 5 rows, 0.3 to 0.6 of 500."""

Range = tuple[int, int]


@dataclass(frozen=True)
class Batches:
    """How the groups of engine ``"loky"`` are dealt out.

    Attributes
    ----------
    size : int, optional
        Groups a batch; default as the strategy says. Given, it stands above the strategies ``"auto"`` and
        ``"size_bucketing"``.
    strategy : {"auto", "size_bucketing", "no_batching"}, default "auto"
        ``"auto"`` and ``"size_bucketing"``, which are one: batches of about equal work, several a process, and a group
        that is more work than that on its own. ``"no_batching"``: one group a batch.
    small_group_threshold : int, default 30
        A group of fewer rows is small.
    min_batch_size : int, default 10
        Small groups go together: fewer than so many are no batch, unless a group with a batch of its own parts them or
        there are no more.
    backend : {"loky", "multiprocessing", "threading"}, default "loky"
        What of joblib runs the batches: fresh processes; those of ``multiprocessing``, forked where that is the way of
        the system; threads of this process, which fitters in Python make no use of.

    Raises
    ------
    InputError
        If a value breaks its rule.

    Examples
    --------
    >>> Batches(size=100).backend
    'loky'
    """

    size: Optional[int] = None
    strategy: str = "auto"
    small_group_threshold: int = 30
    min_batch_size: int = 10
    backend: str = "loky"

    def __post_init__(self) -> None:
        """Refuse values that break their rule."""
        _check_choice("strategy", self.strategy, STRATEGIES)
        _check_choice("backend", self.backend, BACKENDS)
        if self.size is not None:
            _check_whole("size", self.size, 1, ", or None for batches of equal work")
        if self.size not in (None, 1) and self.strategy == "no_batching":
            message = f"size must be left out, or 1, with strategy 'no_batching', got {self.size!r}"
            raise InputError(message)
        _check_whole("small_group_threshold", self.small_group_threshold, 0)
        _check_whole("min_batch_size", self.min_batch_size, 1)


def batch_ranges(batches: Batches, rows_per_group: IntArray, n_processes: int) -> list[Range]:
    """Ranges ``(start, stop)`` of consecutive groups, one a batch, over ``rows_per_group`` (n_bins,).

    None for no groups.
    """
    n = len(rows_per_group)
    if batches.strategy == "no_batching":
        return [(b, b + 1) for b in range(n)]
    if batches.size is not None:
        return [(start, min(start + int(batches.size), n)) for start in range(0, n, int(batches.size))]
    cost = np.asarray(rows_per_group, dtype=np.float64) + _ROWS_PER_GROUP
    share = float(cost.sum()) / (_BATCHES_PER_PROCESS * n_processes)
    small = rows_per_group < batches.small_group_threshold
    # among few groups a small one may be a share too, and is still not worth a batch
    return _equal_work(cost, share, (cost >= share) & ~small, small, int(batches.min_batch_size))


def _equal_work(cost: FloatArray, share: float, alone: BoolArray, small: BoolArray, least: int) -> list[Range]:
    """Ranges that cost a share each; groups ``alone`` have their own, one of small groups has ``least`` or more."""
    n = len(cost)
    total = np.concatenate([[0.0], np.cumsum(cost)])
    edges = np.append(np.flatnonzero(alone), n)
    not_small = np.append(np.flatnonzero(~small), n)
    ranges: list[Range] = []
    start = 0
    while start < n:
        edge = int(edges[np.searchsorted(edges, start)])  # no range goes beyond a group that is alone
        if edge == start:
            ranges.append((start, start + 1))
            start += 1
            continue
        stop = min(max(int(np.searchsorted(total, total[start] + share)), start + 1), edge)
        if not_small[np.searchsorted(not_small, start)] >= stop:
            stop = min(max(stop, start + least), edge)
            if edge - stop < least and not_small[np.searchsorted(not_small, stop)] >= edge:
                stop = edge
        ranges.append((start, stop))
        start = stop
    return ranges


def _check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        from gbr_dag.graph.checks import unknown  # the graph is nothing that a process with groups to fit needs

        raise InputError(unknown(name, value, choices, f"choices: {', '.join(choices)}"))


def _check_whole(name: str, value: Any, least: int, way_out: str = "") -> None:
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < least:
        message = f"{name} must be an integer of at least {least}{way_out}, got {value!r}"
        raise InputError(message)
