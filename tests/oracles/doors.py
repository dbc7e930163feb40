"""The doors of existing scripts behind one call, and per-group fits by NumPy and statsmodels to compare them with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable, Optional

import numpy as np
import pandas as pd
import statsmodels.api as sm

import gbr_dag

DOORS = ("linear", "robust", "v2", "v3", "v4")
WEIGHTED = ("robust", "v2", "v3", "v4")
REJECTING = ("robust", "v2")

_LEAST_SQUARES = {"robust": {"fitter": "ols", "sigmaCut": None}, "v2": {"fitter": "ols", "sigmaCut": None}}

Tables = tuple[pd.DataFrame, pd.DataFrame]


def fit(
    door: str,
    df: pd.DataFrame,
    by: Any,
    targets: Any,
    predictors: Any,
    medians: Any = None,
    weights: Optional[str] = None,
    selection: Any = None,
    *,
    suffix: str = "_s",
    plain: bool = False,
    **options: Any,
) -> Tables:
    """Call a door with what all of them take; the linear one knows no weights. ``plain``: least squares, no cut."""
    options = {**(_LEAST_SQUARES.get(door, {}) if plain else {}), **options}
    if door == "linear":
        method = gbr_dag.GroupByRegressor.make_linear_fit
        return method(df, by, targets, predictors, medians, suffix, selection, **options)
    if door in REJECTING:
        method = gbr_dag.GroupByRegressor.make_parallel_fit if door == "robust" else gbr_dag.make_parallel_fit_v2
        return method(df, by, targets, predictors, medians, weights, suffix, selection, **options)
    method = gbr_dag.make_parallel_fit_v3 if door == "v3" else gbr_dag.make_parallel_fit_v4
    return method(
        df=df,
        gb_columns=by,
        fit_columns=targets,
        linear_columns=predictors,
        median_columns=medians,
        weights=weights,
        suffix=suffix,
        selection=selection,
        **options,
    )


def least_squares(
    rows: pd.DataFrame, target: str, predictors: Sequence[str], weights: Optional[str] = None
) -> np.ndarray:
    """Intercept and slopes of one group, by numpy.linalg.lstsq on data about their weighted means."""
    x, y = rows[list(predictors)].to_numpy(dtype=float), rows[target].to_numpy(dtype=float)
    w = np.ones(len(y)) if weights is None else rows[weights].to_numpy(dtype=float)
    middle, level = np.average(x, axis=0, weights=w), np.average(y, weights=w)
    root = np.sqrt(w)
    slopes = np.linalg.lstsq(root[:, None] * (x - middle), root * (y - level), rcond=None)[0]
    return np.array([level - middle @ slopes, *slopes])


def huber(rows: pd.DataFrame, target: str, predictors: Sequence[str], weights: Optional[str] = None) -> Any:
    """Fit of one group by statsmodels RLM of rows scaled by the roots of their weights."""
    w = np.ones(len(rows)) if weights is None else rows[weights].to_numpy(dtype=float)
    design = np.column_stack([np.ones(len(rows)), rows[list(predictors)].to_numpy(dtype=float)])
    root = np.sqrt(w)
    model = sm.RLM(root * rows[target].to_numpy(dtype=float), root[:, None] * design, M=sm.robust.norms.HuberT())
    return model.fit(conv="coefs", maxiter=500, tol=1e-12)


def huber_values(rows: pd.DataFrame, target: str, predictors: Sequence[str], weights: Optional[str]) -> np.ndarray:
    """Intercept and slopes of :func:`huber`."""
    return np.asarray(huber(rows, target, predictors, weights).params)


def rejecting(
    one_fit: Callable[..., np.ndarray],
    rows: pd.DataFrame,
    target: str,
    predictors: Sequence[str],
    weights: Optional[str],
    cut: float,
) -> tuple[np.ndarray, np.ndarray, int]:
    """Coefficients, rows used and refits of a fit that drops rows beyond ``cut`` raw MAD until none is."""
    used, refits = np.ones(len(rows), dtype=bool), 0
    while True:
        values = one_fit(rows[used], target, predictors, weights)
        residual = rows[target].to_numpy() - values[0] - rows[list(predictors)].to_numpy() @ values[1:]
        scaled = np.abs(residual) * (1.0 if weights is None else np.sqrt(rows[weights].to_numpy()))
        beyond = used & (scaled > cut * np.median(scaled[used]))
        if not beyond.any():
            return values, used, refits
        used &= ~beyond
        refits += 1
