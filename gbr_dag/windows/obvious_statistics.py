"""Statistics of windows from their gathered rows, one window after the other."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from gbr_dag.naming import quantile_level
from gbr_dag.tables import Columns, FloatArray
from gbr_dag.windows.gathered import WindowRows


def obvious_statistics(
    response: Columns,
    raw_weights: npt.NDArray[Any],
    windows: WindowRows,
    statistics: Sequence[str],
    uniform: bool,
    weighted_medians: bool,
) -> dict[str, npt.NDArray[Any]]:
    """Statistics by name, (n_bins, t) each; those of the values themselves take every finite target.

    ``uniform`` tells whether the kernel is, so that its weights say how often a value counts.
    """
    weights = raw_weights.astype(np.float64)
    valid = np.isfinite(weights) & (weights > 0.0)
    shape = (len(windows.rows), len(response))
    result: dict[str, npt.NDArray[Any]] = {name: np.full(shape, np.nan) for name in statistics}
    if "entries" in statistics:
        result["entries"] = np.zeros(shape, dtype=np.int64)
    for i, (rows, kernel) in enumerate(zip(windows.rows, windows.row_kernel)):
        for t, column in enumerate(response):
            values = column[rows].astype(np.float64)
            finite = np.isfinite(values)
            found: dict[str, float] = {"entries": int(finite.sum())}
            used = finite & valid[rows]
            if not {"mean", "std", "sum_weights"}.isdisjoint(statistics):
                found.update(_moments(values[used], kernel[used] * weights[rows][used]))
            if finite.any():
                found.update(min=values[finite].min(), max=values[finite].max())
            if uniform and not weighted_medians:
                repeated = np.repeat(values[finite], kernel[finite].astype(np.int64))
                found.update(_order_statistics(repeated, np.ones(len(repeated)), statistics, weighted=False))
            else:
                used = used if weighted_medians else finite
                v = kernel[used] * (weights[rows][used] if weighted_medians else 1.0)
                found.update(_order_statistics(values[used], v, statistics, weighted=True))
            for name in statistics:
                result[name][i, t] = found.get(name, np.nan)
    return result


def _moments(y: FloatArray, v: FloatArray) -> dict[str, float]:
    total = float(v.sum())
    found = {"sum_weights": total}
    if len(y):
        found["mean"] = float(y[0] + np.sum(v * (y - y[0])) / total)
    if len(y) > 1:
        divisor = np.sum(v * (1.0 - v / total))
        found["std"] = float(np.sqrt(np.sum(v * (y - found["mean"]) ** 2) / divisor))
    return found


def _order_statistics(y: FloatArray, v: FloatArray, names: Sequence[str], *, weighted: bool) -> dict[str, float]:
    if len(y) == 0:
        return {}
    if not weighted and np.abs(y).max() > 2.0**1022:  # sums of two values would leave the doubles
        found = _order_statistics(y / 4.0, v, names, weighted=False)
        return {name: 4.0 * value for name, value in found.items()}
    if not weighted:
        middle = float(np.median(y))
        found = {"median": middle, "mad": float(np.median(np.abs(y - middle)))}
        found.update({name: float(np.quantile(y, quantile_level(name))) for name in names if name[0] == "q"})
        return found
    middle = _inverted(y, v, 0.5)
    found = {"median": middle, "mad": _inverted(np.abs(y - middle), v, 0.5)}
    found.update({name: _inverted(y, v, quantile_level(name)) for name in names if name[0] == "q"})
    return found


def _inverted(y: FloatArray, v: FloatArray, share: float) -> float:
    """Smallest value at which more than a share of the weight is reached; midpoint to it from one that reaches just it.

    "Just" means within 2 roundoff units of the total weight.
    """
    order = np.argsort(y, kind="stable")
    reached = list(itertools.accumulate(Fraction(float(weight)) for weight in v[order]))
    beyond = [part - Fraction(share) * reached[-1] for part in reached]
    slack = 2 * Fraction(float(np.finfo(np.float64).eps)) * reached[-1]
    lower = next(value for value, distance in zip(y[order], beyond) if distance >= -slack)
    upper = next((value for value, distance in zip(y[order], beyond) if distance > slack), lower)
    return float(lower if lower == upper else lower / 2.0 + upper / 2.0)
