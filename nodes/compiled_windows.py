"""The compiled engine of windows: records of bins merged, in memory that hardly exceeds the result's.

Two records are merged exactly: the difference of their means and the rows of the one are rotated into the other, which
is as good as adding its rows one by one. Kernel weights scale pivots and sums, nothing is ever subtracted.
"""

from typing import Optional

import numpy as np

from gbr_dag.graph.backend import config
from gbr_dag.tables import Factors, IntArray
from gbr_dag.windows.layout import WindowLayout
from gbr_dag.windows.slow_paths import warn_if_slow
from gbr_dag.windows.sums import window_sums


@config.when(engine="numba")
def neighbour_counts__numba(window_layout: WindowLayout, entries: IntArray) -> IntArray:
    """Occupied neighbours of every bin and the selected rows in them, int64 (n_bins, 2); each counts once."""
    from gbr_dag.windows.counts import counts_on_grid
    from gbr_dag.windows.searching import searched_neighbours

    if window_layout.on_grid:
        return counts_on_grid(window_layout, entries)
    return window_sums(window_layout, np.stack([np.ones_like(entries), entries], axis=1), searched_neighbours)


@config.when(engine="numba")
def window_factors__numba(
    bin_factors: tuple[Factors, ...], window_layout: WindowLayout, threads: Optional[int]
) -> tuple[Factors, ...]:
    """Factors of the rows in every window, weighted by the kernel, one record a target block, by merging.

    Warns
    -----
    PerformanceWarning
        Once, if a kernel that is no product takes longer than 10 s, with the time that it will.
    """
    if not window_layout.is_separable:
        kernels = sorted({axis.kernel_name for axis in window_layout.axes if axis.joined})
        warn_if_slow(
            f"kernel {', '.join(map(repr, kernels))} of several dimensions",
            "neighbour",
            window_layout.n_bins * window_layout.neighbours_expected * len(bin_factors),
            "kernel 'gaussian' does not depend on the window's size",
        )
    return _merged(bin_factors, window_layout, 1, threads)


@config.when(engine="numba")
def squared_kernel_factors__numba(
    bin_factors: tuple[Factors, ...], window_layout: WindowLayout, threads: Optional[int]
) -> Optional[tuple[Factors, ...]]:
    """Factors of the rows in every window, weighted by the kernel's square, for the errors; None if it is 1."""
    return None if window_layout.is_plain else _merged(bin_factors, window_layout, 2, threads)


@config.when(engine="numba")
def cubed_kernel_factors__numba(
    bin_factors: tuple[Factors, ...], window_layout: WindowLayout, threads: Optional[int]
) -> Optional[tuple[Factors, ...]]:
    """Factors of the rows in every window, weighted by the kernel's cube, for Student's t; None if it is 1."""
    return None if window_layout.is_plain else _merged(bin_factors, window_layout, 3, threads)


def _merged(
    bin_factors: tuple[Factors, ...], layout: WindowLayout, power: int, threads: Optional[int]
) -> tuple[Factors, ...]:
    from gbr_dag.windows.merging import merged_windows

    return tuple(merged_windows(factors, layout, power, threads) for factors in bin_factors)
