"""The rows of every window, gathered bin by bin: slow and obvious, what all else is compared with."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gbr_dag.errors import InvalidWindowSpec
from gbr_dag.windows.axes import checked_coordinates
from gbr_dag.windows.own_kernels import own_weights
from gbr_dag.windows.specification import SEPARABLE, WindowDimension, family_weights

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class WindowRows:
    """Rows of every window with their kernel weights.

    Attributes
    ----------
    bins : tuple of int64 arrays, one a centre
        Its neighbours, each once.
    kernel : tuple of float64 arrays, one a centre
        Kernel weight of each neighbour, above 0.
    rows : tuple of int64 arrays, one a centre
        Row positions, neighbour by neighbour; every row once.
    row_kernel : tuple of float64 arrays, one a centre
        Kernel weight of each of these rows.
    """

    bins: tuple[IntArray, ...]
    kernel: tuple[FloatArray, ...]
    rows: tuple[IntArray, ...]
    row_kernel: tuple[FloatArray, ...]


def window_rows(
    keys: pd.DataFrame,
    window: Sequence[WindowDimension],
    rows: npt.NDArray[np.signedinteger[Any]],
    offsets: IntArray,
) -> WindowRows:
    """Rows of every window, looked up offset by offset; cost O(bins * volume + rows in windows).

    ``keys`` (n_bins, n_keys) are the bins' keys, ``rows`` and ``offsets`` their rows.

    Raises
    ------
    InvalidWindowSpec
        If a boundary does not fit the range of the bins, or a bin is too large.
    InputError
        If a kernel of the user's own does not give 0 or weights from 1e-20 to 1e20.
    """
    names = [dimension.name for dimension in window]
    others = [name for name in keys if name not in names]
    coordinates = [[int(value) for value in keys[name]] for name in names]
    for dimension, values in zip(window, coordinates):
        if dimension.size > 0:
            checked_coordinates(dimension.name, np.array(values, dtype=object))
    groups = [tuple(row) for row in keys[others].itertuples(index=False)] if others else [()] * len(keys)
    bin_at = {(*place, group): i for i, (*place, group) in enumerate(zip(*coordinates, groups))}
    ranges = [(min(values), max(values)) for values in coordinates] if len(keys) else []
    weight_at: dict[tuple[int, ...], float] = {}
    found = []
    for *centre, group in zip(*coordinates, groups):
        weights: dict[int, float] = {}
        axes = [list(_reached(*given)) for given in zip(window, centre, ranges)]
        for steps in itertools.product(*axes):
            neighbour = bin_at.get((*(place for _, place in steps), group))
            if neighbour is not None:
                offsets_here = tuple(offset for offset, _ in steps)
                if offsets_here not in weight_at:
                    weight_at[offsets_here] = _weight(window, offsets_here)
                weights[neighbour] = weights.get(neighbour, 0.0) + weight_at[offsets_here]
        found.append({neighbour: weight for neighbour, weight in sorted(weights.items()) if weight > 0.0})
    of_bin = [rows[start:stop].astype(np.int64) for start, stop in zip(offsets[:-1], offsets[1:])]
    nothing = np.empty(0, dtype=np.int64)
    return WindowRows(
        tuple(np.array([*weights], dtype=np.int64) for weights in found),
        tuple(np.array([*weights.values()], dtype=np.float64) for weights in found),
        tuple(np.concatenate([nothing, *(of_bin[i] for i in weights)]) for weights in found),
        tuple(
            np.repeat([*weights.values()], [len(of_bin[i]) for i in weights]).astype(np.float64) for weights in found
        ),
    )


def _reached(dimension: WindowDimension, centre: int, bounds: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Offsets of the window along one dimension with the coordinate that each leads to."""
    if dimension.size == 0:
        yield 0, centre
        return
    low, high = bounds
    n, size = high - low + 1, dimension.size
    period = n if dimension.period is None else dimension.period
    if (dimension.boundary == "mirror" and n < size + 1) or (
        dimension.boundary == "periodic" and period < max(2 * size + 1, n)
    ):
        message = f"boundary {dimension.boundary!r} does not fit {dimension.name!r}, whose range is {low} to {high}"
        raise InvalidWindowSpec(message)
    if dimension.boundary == "symmetric":
        size = min(size, centre - low, high - centre)
    # where the observed range and its images lie as seen from the centre: all else leads to no bin
    images = [(low - centre, high - centre)]
    if dimension.boundary == "mirror":
        images = [(2 * low - high - centre, 2 * high - low - centre)]
    elif dimension.boundary == "periodic":
        images = [(low - centre + turn * period, high - centre + turn * period) for turn in (-1, 0, 1)]
    within = (range(max(-size, first), min(size, last) + 1) for first, last in images)
    for offset in itertools.chain.from_iterable(within):
        place = centre + offset
        if dimension.boundary == "mirror":
            place = 2 * low - place if place < low else 2 * high - place if place > high else place
        elif dimension.boundary == "periodic":
            place = (place - low) % period + low
        if low <= place <= high:
            yield offset, place


def _weight(window: Sequence[WindowDimension], offsets: Sequence[int]) -> float:
    """Kernel weight of one neighbour: the product of the kernels, each over the dimensions that name it."""
    weight = 1.0
    wide = [(dimension, offset) for dimension, offset in zip(window, offsets) if dimension.size > 0]
    kernels: dict[Any, list[tuple[int, float]]] = {}
    for dimension, offset in wide:  # a product's factors are weights by themselves: each may be too small to count
        kind = dimension.name if dimension.kernel in SEPARABLE else ""
        kernels.setdefault((dimension.kernel, kind), []).append((offset, dimension.width))
    for (kernel, _), members in kernels.items():
        places = np.array([[offset for offset, _ in members]])
        widths = [width for _, width in members]
        values = own_weights(kernel, places, widths) if callable(kernel) else family_weights(kernel, places, widths)
        weight *= float(values[0])
    return weight
