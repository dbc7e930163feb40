"""Statistics of windows from their gathered rows, one window after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gbr_dag.tables import Columns, FloatArray
from gbr_dag.windows.gathered import WindowRows


def obvious_statistics(
    response: Columns, raw_weights: npt.NDArray[Any], windows: WindowRows, statistics: Sequence[str]
) -> dict[str, FloatArray]:
    """Statistics by name, (n_bins, t) each; those of the values themselves take every finite target."""
    result = {name: np.full((len(windows.rows), len(response)), np.nan) for name in statistics}
    for i, (rows, kernel) in enumerate(zip(windows.rows, windows.row_kernel)):
        for t, column in enumerate(response):
            found = _statistics(column[rows].astype(np.float64), raw_weights[rows], kernel, statistics)
            for name, value in found.items():
                result[name][i, t] = value
    return result


def _statistics(values: FloatArray, weights: FloatArray, kernel: FloatArray, names: Sequence[str]) -> dict[str, float]:
    finite = np.isfinite(values)
    weighted = finite & np.isfinite(weights) & (weights > 0.0)
    present, y, v = values[finite], values[weighted], (weights * kernel)[weighted]
    total = v.sum()
    found: dict[str, float] = {"entries": len(present), "sum_weights": total}
    if len(y):
        found["mean"] = float(np.sum(v * y) / total)
    if len(y) > 1:
        divisor = total - np.sum(v**2) / total
        found["std"] = float(np.sqrt(np.sum(v * (y - found["mean"]) ** 2) / divisor))
    if len(present):
        found.update(min=present.min(), max=present.max(), median=float(np.median(present)))
        found["mad"] = float(np.median(np.abs(present - found["median"])))
        found.update({name: float(np.quantile(present, float(name[1:]) / 100.0)) for name in names if name[0] == "q"})
    return {name: value for name, value in found.items() if name in names}
