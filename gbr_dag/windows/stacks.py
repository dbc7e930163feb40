"""Factors of windows by stacked QR: the records of the neighbours are rows of a factor to be made anew."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Optional

import numpy as np
import numpy.typing as npt

from gbr_dag.ragged import padded_batches
from gbr_dag.tables import Factors, record_width
from gbr_dag.triangles import triangle_of, with_triangle
from gbr_dag.windows.axes import WindowAxis
from gbr_dag.windows.layout import WindowLayout
from gbr_dag.windows.pairs import neighbour_chunks

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Stack:
    """Factors of n bins or cells: ``count``, ``kernel_sum``, ``weight`` (n,), means (n, k), ``triangle`` (n, k, k)."""

    count: FloatArray
    kernel_sum: FloatArray
    weight: FloatArray
    mean_hi: FloatArray
    mean_lo: FloatArray
    triangle: FloatArray


def stacked_windows(factors: Factors, layout: WindowLayout, power: int) -> Factors:
    """Factors of every window from those of its bins, rows weighted by the kernel to a power.

    The record of a window counts every row once and is followed by the sum of the kernel's powers over the rows.
    Cost O(cells sum(2 w + 1) k^3) on a grid, O(pairs k^3) otherwise.
    """
    stack = _stack_of(factors)
    if layout.on_grid:
        stack = _on_grids(stack, layout, power, centred=factors.intercept)
    elif layout.axes:
        parts = [
            _merged(stack, chunk.starts, chunk.bins, chunk.weights**power, centred=factors.intercept)
            for chunk in neighbour_chunks(layout)
        ]
        stack = _joined(parts) if parts else stack
    return _factors_of(stack, factors)


def _stack_of(factors: Factors) -> _Stack:
    count = factors.records[:, 0]
    return _Stack(
        count, count, factors.sum_weights, factors.mean_hi, factors.mean_lo, np.ascontiguousarray(triangle_of(factors))
    )


def _factors_of(stack: _Stack, like: Factors) -> Factors:
    width = record_width(like.n_predictors, len(like.precision))
    k = len(like.precision)
    records = np.zeros((len(stack.count), width + 1))
    records[:, 0], records[:, 1], records[:, width] = stack.count, stack.weight, stack.kernel_sum
    records[:, 2 : 2 + k], records[:, 2 + k : 2 + 2 * k] = stack.mean_hi, stack.mean_lo
    return with_triangle(replace(like, records=records), stack.triangle)


def _joined(parts: list[_Stack]) -> _Stack:
    names = [field.name for field in fields(_Stack)]
    return _Stack(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def _on_grids(stack: _Stack, layout: WindowLayout, power: int, *, centred: bool) -> _Stack:
    """Merge along one axis after the other; only cells that hold something are kept in between."""
    wanted = layout.cells()
    size = math.prod(layout.shape)
    order = np.argsort(wanted, kind="stable")
    cells, stack = wanted[order], _taken(stack, order)
    inner = size
    for i, axis in enumerate(layout.axes):
        inner //= axis.n_positions
        last = i == len(layout.axes) - 1
        targets, starts, members, weights = _axis_pairs(cells, inner, axis, np.sort(wanted) if last else None)
        stack = _merged(stack, starts, members, weights**power, centred=centred)
        cells = targets
    return _taken(stack, np.searchsorted(cells, wanted))


def _axis_pairs(
    cells: IntArray, inner: int, axis: WindowAxis, wanted: Optional[IntArray]
) -> tuple[IntArray, IntArray, IntArray, FloatArray]:
    """Cells that have neighbours along an axis among ``cells``, ascending; where their entries begin, and the entries.

    Entries are positions in ``cells`` with their weights.
    """
    centres = np.repeat(np.arange(axis.n_positions), np.diff(axis.starts))
    order = np.argsort(axis.neighbours, kind="stable")
    begin = np.concatenate(([0], np.cumsum(np.bincount(axis.neighbours, minlength=axis.n_positions))))
    ranks = cells // inner % axis.n_positions
    count = np.diff(begin)[ranks]
    member = np.repeat(np.arange(len(cells)), count)
    entry = order[np.arange(len(member)) + np.repeat(begin[ranks] - (np.cumsum(count) - count), count)]
    target = cells[member] + (centres[entry] - ranks[member]) * inner
    if wanted is not None:
        place = np.minimum(np.searchsorted(wanted, target), max(len(wanted) - 1, 0))
        there = wanted[place] == target
        member, entry, target = member[there], entry[there], target[there]
    order = np.argsort(target, kind="stable")
    target, member, entry = target[order], member[order], entry[order]
    first = np.flatnonzero(np.diff(target, prepend=-1))
    return target[first], np.append(first, len(target)), member, axis.weights[entry]


def _taken(stack: _Stack, places: IntArray) -> _Stack:
    return _Stack(**{field.name: getattr(stack, field.name)[places] for field in fields(_Stack)})


def _merged(stack: _Stack, starts: IntArray, members: IntArray, weights: FloatArray, *, centred: bool) -> _Stack:
    """One factor from the members of each group; the means are centred anew, hi and lo."""
    n, k = len(starts) - 1, stack.mean_hi.shape[1]
    result = _Stack(*(np.zeros((n, *getattr(stack, field.name).shape[1:])) for field in fields(_Stack)))
    lengths = np.diff(starts)
    for groups, positions in padded_batches(lengths, starts[:-1], doubles=(k + 1) * k + 1, least=1):
        member = members[positions]
        factor = np.where((positions >= 0) & (stack.count[member] > 0.0), weights[positions], 0.0)
        part = stack.weight[member] * factor
        total = part.sum(axis=1)
        result.count[groups] = np.where(factor > 0.0, stack.count[member], 0.0).sum(axis=1)
        result.kernel_sum[groups] = (stack.kernel_sum[member] * factor).sum(axis=1)
        result.weight[groups] = total
        rows = np.empty((*positions.shape, k + 1, k))
        rows[:, :, 1:] = stack.triangle[member] * np.sqrt(factor)[..., None, None]
        rows[:, :, 0] = 0.0
        if centred:
            share = part / np.where(total == 0.0, 1.0, total)[:, None]
            hi = np.einsum("gm,gmk->gk", share, stack.mean_hi[member])
            left = (stack.mean_hi[member] - hi[:, None]) + stack.mean_lo[member]
            lo = np.einsum("gm,gmk->gk", share, left)
            result.mean_hi[groups], result.mean_lo[groups] = hi, lo
            rows[:, :, 0] = (left - lo[:, None]) * np.sqrt(part)[..., None]
        result.triangle[groups] = np.linalg.qr(rows.reshape(len(groups), -1, k), mode="r")
    return result
