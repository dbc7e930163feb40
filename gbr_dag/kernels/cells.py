"""Keys into cells of a grid: bounds, row-major positions, counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from gbr_dag.kernels.jit import kernel
from gbr_dag.kernels.memory import empty, zeros
from gbr_dag.kernels.read_only import read_only
from gbr_dag.kernels.threads import Stopped, blocks, shares, side_by_side, thread_count

Codes = npt.NDArray[Any]

_ROWS_PER_BLOCK = 1 << 16
"""Rows whose positions stay in the second cache while key after key is added to them."""

_ROWS_PER_CELL = 16
"""Every thread has its own counts; with fewer rows a cell, one thread counts, so that they stay small."""


def bounds(
    codes: Sequence[Codes], present: Optional[npt.NDArray[np.bool_]], threads: Optional[int]
) -> list[tuple[int, int]]:
    """Smallest and largest code of the rows present, key by key, (0, -1) if there are none."""
    n = len(codes[0])
    share = shares(n, thread_count(threads, n))
    mask = np.empty(0, bool) if present is None else present

    def of_thread(i: int, stopped: Stopped) -> list[list[tuple[int, int]]]:
        return [
            [_bounds(read_only(column[a:b]), read_only(mask[a:b])) for column in codes]
            for a, b in blocks(*share[i], stopped)
        ]

    found = [block for part in side_by_side(of_thread, len(share)) for block in part]
    return [_joined([block[key] for block in found]) for key in range(len(codes))]


def _joined(parts: list[tuple[int, int]]) -> tuple[int, int]:
    parts = [(low, high) for low, high in parts if low <= high]
    return (min(low for low, _ in parts), max(high for _, high in parts)) if parts else (0, -1)


def cells(
    codes: Sequence[Codes],
    lows: Sequence[int],
    spans: Sequence[int],
    present: Optional[npt.NDArray[np.bool_]],
    threads: Optional[int],
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Row-major position of every row on the grid of ``spans``, int32 (n_rows,), and the rows of every cell (n_cells,).

    Rows that are not present are at -1 and not counted.
    """
    n = len(codes[0])
    n_cells = math.prod(spans)
    ids: npt.NDArray[np.int32] = empty((n,), np.int32)
    share = shares(n, thread_count(threads, n))
    mask = np.empty(0, bool) if present is None else present
    together = len(share) == 1 or n >= _ROWS_PER_CELL * n_cells

    def of_thread(i: int, stopped: Stopped) -> npt.NDArray[np.int64]:
        found: npt.NDArray[np.int64] = zeros((n_cells if together else 0,), np.int64)
        for start, stop in blocks(*share[i], stopped, _ROWS_PER_BLOCK):
            part = ids[start:stop]
            _begin(part, read_only(codes[0][start:stop]), lows[0])
            for column, low, span in zip(codes[1:], lows[1:], spans[1:]):
                _extend(part, read_only(column[start:stop]), low, span)
            if mask.size:
                _leave_out(part, read_only(mask[start:stop]))
            if together:
                _count(part, found)
        return found

    total, *others = side_by_side(of_thread, len(share))
    for other in others:
        total += other
    if not together:
        total = zeros((n_cells,), np.int64)
        _count(ids, total)
    return ids, total


def occupied(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Cells that have rows, ascending, int64 (n_occupied,)."""
    places: npt.NDArray[np.int64] = empty((int(np.count_nonzero(counts)),), np.int64)
    _occupied(counts, places)
    return places


def unravelled(places: npt.NDArray[np.int64], lows: Sequence[int], spans: Sequence[int]) -> list[npt.NDArray[np.int64]]:
    """Codes of cells (n_cells,), key by key, from their row-major positions on the grid of ``spans``."""
    codes: npt.NDArray[np.int64] = empty((len(spans), len(places)), np.int64)
    _unravel(places, np.array(lows, dtype=np.int64), np.array(spans, dtype=np.int64), codes)
    return list(codes)


def relabelled(ids: Codes, labels: npt.NDArray[np.int32], threads: Optional[int]) -> npt.NDArray[np.int32]:
    """``labels[id]`` of every row, int32 (n_rows,), -1 for id -1."""
    result = empty((len(ids),), np.int32)
    share = shares(len(ids), thread_count(threads, len(ids)))
    ids, labels = read_only(ids), read_only(labels)

    def of_thread(i: int, stopped: Stopped) -> None:
        for start, stop in blocks(*share[i], stopped):
            _relabel(ids[start:stop], labels, result[start:stop])

    side_by_side(of_thread, len(share))
    return result


@kernel
def _bounds(codes: Codes, present: npt.NDArray[np.bool_]) -> tuple[int, int]:
    low, high = np.int64(0), np.int64(-1)
    if present.size == 0:
        if codes.size > 0:
            low, high = np.int64(codes[0]), np.int64(codes[0])
            for code in codes:
                low, high = min(low, np.int64(code)), max(high, np.int64(code))
        return int(low), int(high)
    found = False
    for i in range(codes.size):
        if present[i]:
            code = np.int64(codes[i])
            low, high = (min(low, code), max(high, code)) if found else (code, code)
            found = True
    return int(low), int(high)


@kernel
def _begin(ids: npt.NDArray[np.int32], codes: Codes, low: int) -> None:
    for i in range(ids.size):
        ids[i] = np.int64(codes[i]) - low


@kernel
def _extend(ids: npt.NDArray[np.int32], codes: Codes, low: int, span: int) -> None:
    for i in range(ids.size):
        ids[i] = ids[i] * span + (np.int64(codes[i]) - low)


@kernel
def _leave_out(ids: npt.NDArray[np.int32], present: npt.NDArray[np.bool_]) -> None:
    for i in range(ids.size):
        if not present[i]:
            ids[i] = -1


@kernel
def _count(ids: Codes, found: npt.NDArray[np.int64]) -> None:
    for i in ids:
        if i >= 0:
            found[i] += 1


@kernel
def _occupied(counts: npt.NDArray[np.int64], places: npt.NDArray[np.int64]) -> None:
    found = 0
    for cell in range(counts.size):
        if counts[cell] > 0:
            places[found] = cell
            found += 1


@kernel
def _unravel(
    places: npt.NDArray[np.int64],
    lows: npt.NDArray[np.int64],
    spans: npt.NDArray[np.int64],
    codes: npt.NDArray[np.int64],
) -> None:
    for i in range(places.size):
        place = np.uint32(places[i])  # grids have fewer than 2^31 cells, and short divisions are fast
        for key in range(spans.size - 1, 0, -1):
            span = np.uint32(spans[key])
            above = place // span
            codes[key, i] = lows[key] + (place - above * span)
            place = above
        codes[0, i] = lows[0] + place


@kernel
def _relabel(ids: Codes, labels: npt.NDArray[np.int32], result: npt.NDArray[np.int32]) -> None:
    for i in range(ids.size):
        result[i] = labels[ids[i]] if ids[i] >= 0 else -1
