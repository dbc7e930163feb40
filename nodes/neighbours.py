"""Which bins lie in the window about each bin, and how all windows are gone through."""

from collections.abc import Sequence
from typing import Any, Optional

import numpy as np
import numpy.typing as npt
import pandas as pd

from gbr_dag.columns import is_every_row
from gbr_dag.errors import InvalidWindowSpec
from gbr_dag.graph.backend import config
from gbr_dag.graph.notes import plan_note
from gbr_dag.graph.sizes import readable_bytes
from gbr_dag.nodes import selection as row_selection
from gbr_dag.tables import BinTable, Factors, FloatArray, IntArray, record_width
from gbr_dag.windows.axes import checked_coordinates, occupied_positions, window_axis
from gbr_dag.windows.layout import WindowLayout
from gbr_dag.windows.specification import SEPARABLE, WindowDimension
from gbr_dag.windows.stacks import stacked_windows
from gbr_dag.windows.sums import window_sums


def _window_path(
    frame: pd.DataFrame,
    by: Sequence[str],
    window: Sequence[WindowDimension],
    selection: Any = None,
    predictors: Sequence[str] = (),
    targets: Sequence[str] = (),
) -> str:
    """How windows will be gone through, on what grid and why, from the bins alone."""
    usable = row_selection.usable_rows(
        row_selection.selected_rows(frame, selection), row_selection.keyed_rows(frame, by)
    )
    keys = frame[list(by)] if is_every_row(usable) else frame.loc[usable, list(by)]
    keys = keys.drop_duplicates().reset_index(drop=True)
    try:
        layout = window_layout(BinTable(keys, np.arange(len(keys))), window, by)
    except InvalidWindowSpec as error:
        return f"will be refused: {error}"
    lines = -(-(record_width(len(predictors), len(predictors) + len(targets)) + 1) // 8)
    size = 64 * lines  # the compiled engine pads records to cache lines
    return f"{layout.described(size)}; {len(keys):,} windows, {readable_bytes(size * len(keys))}"


@plan_note(_window_path)
def window_layout(bin_table: BinTable, window: Sequence[WindowDimension], by: Sequence[str]) -> WindowLayout:
    """Neighbours along each dimension that has a window, and the slice of every bin by its other keys.

    The range of a dimension is that of the selected rows over all values of the other keys.

    Raises
    ------
    InvalidWindowSpec
        If a boundary does not fit the range of the bins.
    """
    wide = [dimension for dimension in window if dimension.size > 0]
    names = {dimension.name for dimension in wide}
    joined = _joined(wide)
    axes = []
    ranks = np.empty((len(wide), bin_table.n_bins), dtype=np.int64)
    for dimension, places in zip(wide, ranks):
        coordinates = checked_coordinates(dimension.name, _integers(bin_table.keys[dimension.name]))
        positions, places[:] = occupied_positions(coordinates)
        axes.append(window_axis(dimension, positions, joined=dimension.name in joined))
    slices = _slices(bin_table, [name for name in by if name not in names])
    n_slices = int(slices.max(initial=-1)) + 1
    volume = int(np.prod([2 * dimension.size + 1 for dimension in window], dtype=object))
    return WindowLayout(tuple(axes), ranks, slices, n_slices, volume)


@config.when(engine="numpy")
def neighbour_counts__numpy(window_layout: WindowLayout, entries: IntArray) -> IntArray:
    """Occupied neighbours of every bin and the selected rows in them, int64 (n_bins, 2); each counts once."""
    return window_sums(window_layout, np.stack([np.ones_like(entries), entries], axis=1))


def n_neighbors_used(neighbour_counts: IntArray) -> IntArray:
    """Occupied bins in the window of every bin, itself included, int64 (n_bins,)."""
    return neighbour_counts[:, 0]


def n_rows_aggregated(neighbour_counts: IntArray) -> IntArray:
    """Selected rows in the window of every bin, int64 (n_bins,)."""
    return neighbour_counts[:, 1]


@config.when_in(engine=["numba", "numpy"])
def effective_window_fraction__layout(n_neighbors_used: IntArray, window_layout: WindowLayout) -> FloatArray:
    """Occupied bins in the window over the bins of a whole window, prod(2 w + 1), (n_bins,)."""
    return n_neighbors_used / float(window_layout.volume)  # which may be beyond 64 bits


@config.when(engine="numpy")
def window_factors__numpy(bin_factors: tuple[Factors, ...], window_layout: WindowLayout) -> tuple[Factors, ...]:
    """Factors of the rows in every window, weighted by the kernel, one record a target block, by stacked QR."""
    return tuple(stacked_windows(factors, window_layout, 1) for factors in bin_factors)


@config.when(engine="numpy")
def squared_kernel_factors__numpy(
    bin_factors: tuple[Factors, ...], window_layout: WindowLayout
) -> Optional[tuple[Factors, ...]]:
    """Factors of the rows in every window, weighted by the kernel's square, for the errors; None if it is 1."""
    if window_layout.is_plain:
        return None
    return tuple(stacked_windows(factors, window_layout, 2) for factors in bin_factors)


@config.when(engine="numpy")
def cubed_kernel_factors__numpy(
    bin_factors: tuple[Factors, ...], window_layout: WindowLayout
) -> Optional[tuple[Factors, ...]]:
    """Factors of the rows in every window, weighted by the kernel's cube, for Student's t; None if it is 1."""
    if window_layout.is_plain:
        return None
    return tuple(stacked_windows(factors, window_layout, 3) for factors in bin_factors)


def _integers(column: pd.Series) -> npt.NDArray[np.integer[Any]]:
    """Integers in their own type, of nullable and Arrow columns too: no key is missing."""
    dtype = column.dtype
    integers: npt.NDArray[np.integer[Any]] = column.to_numpy(dtype=getattr(dtype, "numpy_dtype", dtype))
    return integers


def _joined(wide: Sequence[WindowDimension]) -> set[str]:
    """Dimensions whose kernel is not a product: those that share one of such a kind, and a kernel of one's own."""
    families: dict[str, list[str]] = {}
    for dimension in wide:
        if callable(dimension.kernel) or dimension.kernel not in SEPARABLE:
            families.setdefault("own" if callable(dimension.kernel) else dimension.kernel, []).append(dimension.name)
    return {name for kernel, names in families.items() if kernel == "own" or len(names) > 1 for name in names}


def _slices(bin_table: BinTable, names: Sequence[str]) -> IntArray:
    """Rank of every bin's values of these keys among the combinations that occur, (n_bins,)."""
    slices = np.zeros(bin_table.n_bins, dtype=np.int64)
    for i, name in enumerate(names):
        codes, values = pd.factorize(bin_table.keys[name])
        if i > 0:
            codes = pd.factorize(slices * len(values) + codes)[0]
        slices = codes.astype(np.int64, copy=False)
    return slices
