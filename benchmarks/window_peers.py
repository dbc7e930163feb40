"""The ways one would otherwise fit in windows: each yields keys, slopes, their errors and rms of occupied bins.

Those that sum over all bins at once sum weighted products, centred on the means of all rows; they lose digits with the
square of what a window's condition and its place among all rows amount to. Those that gather rows are timed on a
sample of the windows and scaled up, their preparation of all rows as it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.peers import solved, sums_by
from benchmarks.window_scenarios import WindowScenario

Array = npt.NDArray[Any]

SAMPLE = 100
"""Windows that are gathered and scaled up; fewer where there are fewer."""


@dataclass(frozen=True)
class Grid:
    """The cell of every row, in a box that the rows' keys span; sectors come first."""

    keys: tuple[str, ...]
    lows: tuple[int, ...]
    shape: tuple[int, ...]
    sizes: tuple[int, ...]
    cell: Array

    def keys_of(self, cells: Array) -> dict[str, Array]:
        places = np.unravel_index(cells, self.shape)
        return {name: place + low for name, place, low in zip(self.keys, places, self.lows)}


def grid_of(frame: pd.DataFrame, scenario: WindowScenario) -> Grid:
    """Integer keys of which nothing else is known."""
    names = (*scenario.within, *scenario.keys)
    lows, shape, cell = [], [], np.zeros(len(frame), dtype=np.int64)
    for name in names:
        column = frame[name].to_numpy()
        low, high = int(column.min()), int(column.max())
        cell *= high - low + 1
        cell += column - low
        lows.append(low)
        shape.append(high - low + 1)
    return Grid(names, tuple(lows), tuple(shape), (0,) * len(scenario.within) + scenario.sizes, cell)


def shifted_sums(sums: Array, sizes: tuple[int, ...]) -> Array:
    """Sums over every window, offset by offset: the whole volume of the window is added up."""
    shape = sums.shape[1:]
    padded = np.pad(sums, [(0, 0), *((size, size) for size in sizes)])
    result = np.zeros_like(sums)
    for offset in product(*(range(2 * size + 1) for size in sizes)):
        result += padded[(slice(None), *(slice(start, start + n) for start, n in zip(offset, shape)))]
    return result


def box_sums(sums: Array, sizes: tuple[int, ...]) -> Array:
    """Sums over every window, axis by axis: running sums of scipy."""
    from scipy.ndimage import uniform_filter1d

    for axis, size in enumerate(sizes, start=1):
        if size:
            sums = uniform_filter1d(sums, 2 * size + 1, axis=axis, mode="constant")
    return sums * np.prod([2.0 * size + 1.0 for size in sizes])


def merged(
    frame: pd.DataFrame, scenario: WindowScenario, over_windows: Callable[[Array, tuple[int, ...]], Array]
) -> pd.DataFrame:
    """bincount, sums over windows, one solve of all of them."""
    grid = grid_of(frame, scenario)
    n_cells = int(np.prod(grid.shape))
    columns = {name: frame[name].to_numpy() for name in (*scenario.predictors, *scenario.targets)}
    columns = {name: values - values.mean() for name, values in columns.items()}
    own = np.bincount(grid.cell, minlength=n_cells)
    add = partial(np.bincount, grid.cell, minlength=n_cells)
    sums = {"n": own, **sums_by(add, {**columns, "w": frame["w"].to_numpy()}, scenario)}
    table = np.stack([values.reshape(grid.shape) for values in sums.values()], dtype=np.float64)
    there = np.flatnonzero(own)
    in_windows = over_windows(table, grid.sizes).reshape(len(sums), -1)[:, there]
    fits = solved(grid.keys_of(there), dict(zip(sums, in_windows)), scenario)
    names = [*grid.keys, *scenario.results]
    return pd.DataFrame({name: fits[name] for name in names}, copy=False)


@dataclass(frozen=True)
class SortedRows:
    """Rows sorted by cell, so that a row of neighbouring bins is one slice."""

    grid: Grid
    starts: Array
    rows: Array
    centres: Array

    def windows(self) -> Iterator[Array]:
        """Rows of the windows around the centres."""
        steps = np.append(np.cumprod(self.grid.shape[:0:-1])[::-1], 1)
        for place in zip(*np.unravel_index(self.centres, self.grid.shape)):
            ranges = [
                range(max(at - size, 0), min(at + size + 1, n))
                for at, size, n in zip(place, self.grid.sizes, self.grid.shape)
            ]
            last = ranges.pop()
            firsts = [int(np.dot(corner, steps[:-1])) + last.start for corner in product(*ranges)]
            slices = [self.rows[self.starts[first] : self.starts[first + len(last)]] for first in firsts]
            yield np.concatenate(slices)


def sorted_rows(frame: pd.DataFrame, scenario: WindowScenario, names: list[str]) -> SortedRows:
    """All rows sorted, and the windows of the sample drawn."""
    grid = grid_of(frame, scenario)
    order = np.argsort(grid.cell, kind="stable")
    counts = np.bincount(grid.cell, minlength=int(np.prod(grid.shape)))
    there = np.flatnonzero(counts)
    chosen = np.random.default_rng(5).choice(there, size=min(SAMPLE, len(there)), replace=False)
    rows = np.column_stack([frame[name].to_numpy()[order] for name in names])
    return SortedRows(grid, np.append(0, np.cumsum(counts)), rows, np.sort(chosen))


def by_lstsq(X: Array, y: Array, w: Array) -> tuple[Array, Array, float]:
    """Coefficients, errors and rms by ``np.linalg.lstsq``."""
    root = np.sqrt(w)
    weighted = X * root[:, None]
    beta, *_ = np.linalg.lstsq(weighted, y * root, rcond=None)
    scale = np.sum(w * (y - X @ beta) ** 2) / (len(y) - X.shape[1])
    return beta, np.sqrt(scale * np.diag(np.linalg.inv(weighted.T @ weighted))), float(np.sqrt(scale))


def by_statsmodels(X: Array, y: Array, w: Array) -> tuple[Array, Array, float]:
    """Coefficients, errors and rms by WLS of statsmodels."""
    import statsmodels.api as sm

    fit = sm.WLS(y, X, weights=w).fit()
    return fit.params, fit.bse, float(np.sqrt(fit.scale))


def fits_of(
    prepared: SortedRows, scenario: WindowScenario, fit: Callable[[Array, Array, Array], tuple[Array, Array, float]]
) -> pd.DataFrame:
    """Fits of the windows of the sample, one after the other; columns are predictors, target and weights."""
    found = []
    for rows in prepared.windows():
        X = np.column_stack([np.ones(len(rows)), rows[:, : scenario.p]])
        beta, error, rms = fit(X, rows[:, -2], rows[:, -1])
        found.append([*beta[1:], *error[1:], rms])
    keys = pd.DataFrame(prepared.grid.keys_of(prepared.centres))
    return keys.join(pd.DataFrame(found, columns=scenario.results))


def medians_of(prepared: SortedRows, scenario: WindowScenario) -> pd.DataFrame:
    """Medians of the target in the windows of the sample by ``np.partition``."""
    found = []
    for rows in prepared.windows():
        middle = [(len(rows) - 1) // 2, len(rows) // 2]
        found.append(np.partition(rows[:, 0], middle)[middle].mean())
    return pd.DataFrame({**prepared.grid.keys_of(prepared.centres), f"{scenario.targets[0]}_median": found})


@dataclass(frozen=True)
class WindowPeer:
    """One way to fit all windows: ``run`` gives a table and the seconds that all windows take."""

    key: str
    label: str
    run: Callable[[pd.DataFrame, WindowScenario], tuple[pd.DataFrame, float]]


def whole(
    fit: Callable[[pd.DataFrame, WindowScenario], pd.DataFrame],
) -> Callable[[pd.DataFrame, WindowScenario], tuple[pd.DataFrame, float]]:
    """All windows, timed."""

    def run(frame: pd.DataFrame, scenario: WindowScenario) -> tuple[pd.DataFrame, float]:
        start = time.perf_counter()
        table = fit(frame, scenario)
        return table, time.perf_counter() - start

    return run


def sampled(
    fit: Callable[[SortedRows, WindowScenario], pd.DataFrame], names: Callable[[WindowScenario], list[str]]
) -> Callable[[pd.DataFrame, WindowScenario], tuple[pd.DataFrame, float]]:
    """A sample of the windows, its seconds scaled up to all occupied bins; sorting the rows is timed as it is."""

    def run(frame: pd.DataFrame, scenario: WindowScenario) -> tuple[pd.DataFrame, float]:
        start = time.perf_counter()
        prepared = sorted_rows(frame, scenario, names(scenario))
        middle = time.perf_counter()
        table = fit(prepared, scenario)
        end = time.perf_counter()
        bins = np.count_nonzero(np.diff(prepared.starts))
        return table, middle - start + (end - middle) * bins / len(prepared.centres)

    return run


def _model(scenario: WindowScenario) -> list[str]:
    return [*scenario.predictors, *scenario.targets, "w"]


VOLUME = WindowPeer(
    "shifted", "bincount, shifted sums over the volume, solve", whole(partial(merged, over_windows=shifted_sums))
)
BOX = WindowPeer(
    "box", "bincount, scipy uniform_filter1d axis by axis, solve", whole(partial(merged, over_windows=box_sums))
)
PEERS = (
    VOLUME,
    BOX,
    WindowPeer(
        "lstsq", f"gather, NumPy lstsq, {SAMPLE} windows scaled up", sampled(partial(fits_of, fit=by_lstsq), _model)
    ),
    WindowPeer(
        "statsmodels",
        f"gather, statsmodels WLS, {SAMPLE} windows scaled up",
        sampled(partial(fits_of, fit=by_statsmodels), _model),
    ),
)
MEDIANS = WindowPeer(
    "partition",
    f"gather, np.partition, {SAMPLE} windows scaled up",
    sampled(medians_of, lambda scenario: scenario.targets),
)
