"""The table of windowed fits: one row a bin, with the story of how it came to be."""

import json
import platform
from collections.abc import Mapping, Sequence
from typing import Any, Optional, Union

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.extensions import ExtensionArray

import gbr_dag
from gbr_dag.graph.backend import config
from gbr_dag.group_fits.records import Rejections
from gbr_dag.naming import column_word, fit_columns
from gbr_dag.options import Options, options_record
from gbr_dag.table_columns import own_column, table_columns
from gbr_dag.tables import BinMap, BinTable, Coefficients, Columns, Factors, FitStatus, FloatArray, IntArray
from gbr_dag.windows.layout import WindowLayout
from gbr_dag.windows.specification import WITHOUT_WIDTH, WindowDimension
from gbr_dag.windows.sums import window_sums

_FLAGS = (
    (FitStatus.FAILED | FitStatus.NOT_CONVERGED, "fit_failed"),
    (FitStatus.RANK_DEFICIENT, "singular"),
)
"""Statuses of single targets that the quality flag tells of."""


@config.when_in(fitter=["ols", "wls"], engine=["numba", "numpy"])
def sum_of_weights__factors(reduced_factors: tuple[Factors, ...], coefficients: Coefficients) -> FloatArray:
    """Sum of the weights of the rows in each fit, the kernel's and their own, (n_bins, t)."""
    return coefficients.of_targets(np.stack([factors.sum_weights for factors in reduced_factors], axis=1))


def rmse(coefficients: Coefficients, sum_of_weights: FloatArray) -> FloatArray:
    """Root of the weighted mean of the squared residuals, sqrt(sum v r^2 / sum v), (n_bins, t), in the target's unit.

    v is the row's weight times the kernel's.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sqrt(coefficients.sse / sum_of_weights)


def target_columns(
    targets: Sequence[str],
    predictors: Sequence[str],
    diagnostics: Sequence[str],
    intercept: bool,
    suffix: str,
    dtype: str,
    residual_freedom: FloatArray,  # factors are let go after this one
    rmse: Optional[FloatArray],  # and this one, before the columns are made
    coefficients: Coefficients,
    fit_status: npt.NDArray[np.int16],
    coefficient_errors: Optional[FloatArray],
    covariance: Optional[FloatArray],
    confidence_bounds: Optional[FloatArray],
    p_values: Optional[FloatArray],
    rms: Optional[FloatArray],
    r_squared: Optional[FloatArray],
    condition: Optional[FloatArray],
    chi2: Optional[FloatArray],
    rejections: Optional[Rejections],
) -> list[dict[str, npt.NDArray[Any]]]:
    """Columns (n_bins,) of the fits by name, one dict a target, in the order of the table; floats in ``dtype``.

    A diagnostic that was not asked for may be None.
    """
    low, high = (None, None) if confidence_bounds is None else confidence_bounds
    sources = {
        "values": coefficients.values,
        "errors": coefficient_errors,
        "low": low,
        "high": high,
        "pvalues": p_values,
        "rms": rms,
        "rmse": rmse,
        "r_squared": r_squared,
        "condition": condition,
        "chi2": chi2,
        "ndf": residual_freedom,
        "covariance": covariance,
        "n_used": coefficients.of_targets(coefficients.count),
        "status": fit_status,
        "n_refits": None if rejections is None else rejections.n_refits,
        "n_rejected": None if rejections is None else rejections.n_rejected,
    }
    words = [column_word(name) for name in predictors]
    rejecting = rejections is not None
    given: dict[str, Any] = {"intercept": intercept, "suffix": suffix, "rejecting": rejecting, "count": "n_fitted"}
    named = [fit_columns(target, words, diagnostics, **given) for target in targets]
    # one target after the other, so that sources stay (n_bins, t, ...)
    return [
        table_columns([columns], {n: _of(v, i) for n, v in sources.items()}, dtype) for i, columns in enumerate(named)
    ]


def _of(values: Optional[npt.NDArray[Any]], target: int) -> Optional[npt.NDArray[Any]]:
    return None if values is None else values[:, target : target + 1]


def quality_flag(
    targets: Sequence[str], fit_status: npt.NDArray[np.int16], coefficients: Coefficients
) -> ExtensionArray:
    """What is wrong with each bin, text (n_bins,), joined by commas; empty where all is well.

    ``empty_window``: no row in the window can be used for any target. ``insufficient_stats``: a target has fewer usable
    rows than ``min_entries``. ``fit_failed_t``: the fit of target t failed or did not converge. ``singular_t``: a
    coefficient of target t is not determined.
    """
    empty = (coefficients.count == 0).all(axis=1)
    too_few = ((fit_status & np.int16(FitStatus.INSUFFICIENT)) != 0).any(axis=1) & ~empty
    flags = [("empty_window", empty), ("insufficient_stats", too_few)]
    for i, target in enumerate(targets):
        flags += [(f"{word}_{target}", (fit_status[:, i] & np.int16(status)) != 0) for status, word in _FLAGS]
    return _joined(flags, len(fit_status))


def _joined(flags: Sequence[tuple[str, npt.NDArray[np.bool_]]], n_bins: int) -> ExtensionArray:
    """Words of every bin, of the type that pandas gives to text; made of the few texts that occur.

    A column of 3M bins took 0.02 s in place of the 0.26 s that pandas needs to look at so many texts.
    """
    codes = np.zeros(n_bins, dtype=np.int32)
    texts = [""]
    for word, where in flags:
        if where.any():
            before, places = np.unique(codes[where], return_inverse=True)
            codes[where] = len(texts) + places
            texts += [f"{texts[code]},{word}" if texts[code] else word for code in before]
    flag: ExtensionArray = pd.Series(np.array(texts, dtype=object)).array.take(codes)
    return flag


def fit_record(
    frame: pd.DataFrame,
    by: Sequence[str],
    within: Sequence[str],
    window: Sequence[WindowDimension],
    binning: Mapping[str, Any],
    targets: Sequence[str],
    predictors: Sequence[str],
    weights: Optional[Union[str, FloatArray]],
    absolute_weights: bool,
    selection: Optional[Union[str, npt.NDArray[np.bool_]]],
    intercept: bool,
    min_entries: int,
    missing: str,
    statistics: Sequence[str],
    weighted_medians: bool,
    diagnostics: Sequence[str],
    suffix: str,
    dtype: str,
    threads: Optional[int],
    n_jobs: Optional[int],
    fitter: str,
    fitter_options: Optional[Options],
    engine: str,
    left_out_rows: dict[str, int],
) -> dict[str, Any]:
    """How the table came to be, as plain JSON: inputs by name, versions, rows left out by reason."""
    return {
        "inputs": {
            "by": [name for name in by if name not in within],
            "within": list(within),
            "window": {dimension.name: _dimension_record(dimension) for dimension in window},
            "binning": dict(binning),
            "targets": list(targets),
            "predictors": list(predictors),
            "weights": weights if isinstance(weights, (str, type(None))) else f"array of {len(weights)} values",
            "absolute_weights": absolute_weights,
            "selection": selection if isinstance(selection, (str, type(None))) else f"mask of {len(selection)} rows",
            "intercept": intercept,
            "min_entries": min_entries,
            "missing": missing,
            "statistics": list(statistics),
            "weighted_medians": weighted_medians,
            "diagnostics": list(diagnostics),
            "suffix": suffix,
            "dtype": dtype,
            "threads": threads,
            "n_jobs": n_jobs,
            "fitter_options": options_record(fitter_options),
        },
        "fitter": fitter,
        "engine": engine,
        "n_rows": len(frame),
        "left_out_rows": left_out_rows,
        "versions": {
            "gbr_dag": gbr_dag.__version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "pandas": pd.__version__,
        },
    }


def fit_table(
    bin_table: BinTable,
    fit_record: dict[str, Any],  # first: it counts rows from the pass over them, whose records are let go then
    targets: Sequence[str],
    statistics: Sequence[str],
    suffix: str,
    dtype: str,
    target_statistics: Optional[dict[str, npt.NDArray[Any]]],
    target_columns: list[dict[str, npt.NDArray[Any]]],
    n_neighbors_used: IntArray,
    n_rows_aggregated: IntArray,
    effective_window_fraction: FloatArray,
    quality_flag: ExtensionArray,
) -> pd.DataFrame:
    """One row a bin, sorted by key: keys, statistics and fits of every target, what the window held, quality flag."""
    of_targets = _statistic_columns(targets, statistics, suffix, dtype, target_statistics)
    for columns, fits in zip(of_targets, target_columns):
        columns.update(fits)
    of_bins = (n_neighbors_used, n_rows_aggregated, effective_window_fraction)
    return _table(bin_table, of_targets, of_bins, quality_flag, suffix, dtype, fit_record)


def target_entries(response: Columns, bin_map: BinMap, window_layout: WindowLayout) -> IntArray:
    """Finite values of each target among the selected rows of every window, int64 (n_bins, t)."""
    in_bins = []
    for column in response:
        rows = bin_map.row_bin >= 0
        if column.dtype.kind == "f":
            rows = rows & np.isfinite(column)
        in_bins.append(np.bincount(bin_map.row_bin[rows], minlength=bin_map.n_bins))
    return window_sums(window_layout, np.stack(in_bins, axis=1)).astype(np.int64)


def statistics_flag(target_entries: IntArray, min_entries: int) -> ExtensionArray:
    """What is wrong with each bin where nothing is fitted, text (n_bins,), joined by commas; empty where all is well.

    ``empty_window``: no target has a finite value in the window. ``insufficient_stats``: a target has fewer finite
    values than ``min_entries``.
    """
    empty = (target_entries == 0).all(axis=1)
    too_few = (target_entries < min_entries).any(axis=1) & ~empty
    return _joined([("empty_window", empty), ("insufficient_stats", too_few)], len(empty))


def statistics_table(
    bin_table: BinTable,
    targets: Sequence[str],
    statistics: Sequence[str],
    suffix: str,
    dtype: str,
    target_statistics: Optional[dict[str, npt.NDArray[Any]]],
    n_neighbors_used: IntArray,
    n_rows_aggregated: IntArray,
    effective_window_fraction: FloatArray,
    statistics_flag: ExtensionArray,
    fit_record: dict[str, Any],
) -> pd.DataFrame:
    """One row a bin, sorted by key, without fits: keys, statistics of every target, what the window held, its flag."""
    of_targets = _statistic_columns(targets, statistics, suffix, dtype, target_statistics)
    of_bins = (n_neighbors_used, n_rows_aggregated, effective_window_fraction)
    return _table(bin_table, of_targets, of_bins, statistics_flag, suffix, dtype, {**fit_record, "fitter": None})


def _statistic_columns(
    targets: Sequence[str],
    statistics: Sequence[str],
    suffix: str,
    dtype: str,
    values: Optional[dict[str, npt.NDArray[Any]]],
) -> list[dict[str, npt.NDArray[Any]]]:
    if values is None:
        return [{} for _ in targets]
    return [
        {f"{target}_{name}{suffix}": own_column(values[name][:, i], dtype) for name in statistics}
        for i, target in enumerate(targets)
    ]


def _table(
    bin_table: BinTable,
    of_targets: Sequence[dict[str, npt.NDArray[Any]]],
    of_bins: Sequence[npt.NDArray[Any]],
    flag: ExtensionArray,
    suffix: str,
    dtype: str,
    record: dict[str, Any],
) -> pd.DataFrame:
    columns: dict[str, Any] = {name: bin_table.keys[name].array for name in bin_table.keys}
    for name in record["inputs"]["binning"]:  # nullable if some row is in no bin, which no row of the table is
        columns[name] = bin_table.keys[name].to_numpy(dtype=np.int64)
    for of_target in of_targets:
        columns.update(of_target)
    names = ("n_neighbors_used", "n_rows_aggregated", "effective_window_fraction")
    columns.update({f"{name}{suffix}": own_column(values, dtype) for name, values in zip(names, of_bins)})
    columns[f"quality_flag{suffix}"] = flag
    table = pd.DataFrame(columns, copy=False)
    table.attrs.update(_attributes(record), gbr_dag=record)
    return table


def _dimension_record(dimension: WindowDimension) -> dict[str, Any]:
    kernel = dimension.kernel if isinstance(dimension.kernel, str) else getattr(dimension.kernel, "__name__", "own")
    record = {"size": dimension.size, "boundary": dimension.boundary, "kernel": kernel}
    if kernel not in WITHOUT_WIDTH:
        record["width"] = dimension.width
    return {**record, "period": dimension.period} if dimension.boundary == "periodic" else record


def _attributes(record: dict[str, Any]) -> dict[str, Any]:
    """The record's main points one by one, for scripts that look for them in ``attrs``."""
    inputs = record["inputs"]
    window = inputs["window"]
    kernels = sorted({dimension["kernel"] for dimension in window.values()})
    return {
        "group_columns": [*inputs["within"], *inputs["by"]],
        "window_spec_json": json.dumps(window),
        "binning_formulas_json": json.dumps(inputs["binning"]),
        "boundary_mode_per_dim": {name: dimension["boundary"] for name, dimension in window.items()},
        "kernel": ",".join(kernels),
        "backend_used": record["engine"],
        "fitter_used": record["fitter"],
        "python_version": record["versions"]["python"],
        "left_out_rows": record["left_out_rows"],
        "computation_time_sec": None,  # known when the run has ended
    }
