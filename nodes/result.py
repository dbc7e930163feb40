"""The table of fits: one row a group, with the story of how it came to be."""

import platform
from collections.abc import Sequence
from typing import Any, Optional, Union

import numpy as np
import numpy.typing as npt
import pandas as pd

import gbr_dag
from gbr_dag.group_fits.records import Rejections
from gbr_dag.naming import fit_columns
from gbr_dag.options import Options, fitter_text, options_record
from gbr_dag.table_columns import table_columns
from gbr_dag.tables import BinTable, Coefficients, FloatArray, IntArray


def target_columns(
    targets: Sequence[str],
    predictors: Sequence[str],
    diagnostics: Sequence[str],
    intercept: bool,
    suffix: str,
    dtype: str,
    coefficients: Coefficients,
    fit_status: npt.NDArray[np.int16],
    residual_freedom: FloatArray,
    coefficient_errors: Optional[FloatArray],
    covariance: Optional[FloatArray],
    confidence_bounds: Optional[FloatArray],
    p_values: Optional[FloatArray],
    rms: Optional[FloatArray],
    mad: Optional[FloatArray],
    r_squared: Optional[FloatArray],
    condition: Optional[FloatArray],
    chi2: Optional[FloatArray],
    rejections: Optional[Rejections],
) -> dict[str, npt.NDArray[Any]]:
    """Columns (n_bins,) of every target by name, in the order of the table; floats in ``dtype``.

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
        "mad": mad,
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
    given: dict[str, Any] = {"intercept": intercept, "suffix": suffix, "rejecting": rejections is not None}
    named = [fit_columns(target, predictors, diagnostics, **given) for target in targets]
    return table_columns(named, sources, dtype)


def fit_record(
    frame: pd.DataFrame,
    by: Sequence[str],
    targets: Sequence[str],
    predictors: Sequence[str],
    weights: Optional[Union[str, FloatArray]],
    absolute_weights: bool,
    selection: Optional[Union[str, npt.NDArray[np.bool_]]],
    intercept: bool,
    min_entries: int,
    missing: str,
    medians: Sequence[str],
    weighted_medians: bool,
    diagnostics: Sequence[str],
    suffix: str,
    dtype: str,
    threads: Optional[int],
    n_jobs: Optional[int],
    fitter: str,
    fitter_options: Optional[Options],
    own_fitter: Any,
    engine: str,
    left_out_rows: dict[str, int],
) -> dict[str, Any]:
    """How the table came to be, as plain JSON: inputs by name, versions, rows left out by reason."""
    return {
        "inputs": {
            "by": list(by),
            "targets": list(targets),
            "predictors": list(predictors),
            "weights": weights if isinstance(weights, (str, type(None))) else f"array of {len(weights)} values",
            "absolute_weights": absolute_weights,
            "selection": selection if isinstance(selection, (str, type(None))) else f"mask of {len(selection)} rows",
            "intercept": intercept,
            "min_entries": min_entries,
            "missing": missing,
            "medians": list(medians),
            "weighted_medians": weighted_medians,
            "diagnostics": list(diagnostics),
            "suffix": suffix,
            "dtype": dtype,
            "threads": threads,
            "n_jobs": n_jobs,
            "fitter_options": options_record(fitter_options),
            "own_fitter": None if own_fitter is None else fitter_text(own_fitter),
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
    entries: IntArray,
    target_columns: dict[str, npt.NDArray[Any]],
    bin_medians: Optional[FloatArray],
    medians: Sequence[str],
    suffix: str,
    dtype: str,
    fit_record: dict[str, Any],
) -> pd.DataFrame:
    """One row a group, sorted by key: keys, the targets' columns, medians, ``n_rows``; ``attrs`` hold the record."""
    columns: dict[str, Any] = {name: bin_table.keys[name].array for name in bin_table.keys}
    columns.update(target_columns)
    if bin_medians is not None:
        columns.update({f"{name}{suffix}": bin_medians[:, i].astype(dtype) for i, name in enumerate(medians)})
    columns[f"n_rows{suffix}"] = entries
    table = pd.DataFrame(columns, copy=False)
    table.attrs["gbr_dag"] = fit_record
    return table
