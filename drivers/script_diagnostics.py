"""Summaries of the diagnostics in a door's table of groups."""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from gbr_dag.columns import is_numeric
from gbr_dag.drivers.script_calls import check_text, checked_whole
from gbr_dag.errors import InputError


def summarize_diagnostics(
    dfGB: pd.DataFrame,
    diag_prefix: str = "diag_",
    diag_suffix: str = "",
    quantiles: Sequence[float] = (0.5, 0.9, 0.95, 0.99),
) -> pd.DataFrame:
    """Say how the diagnostics are distributed over the groups.

    Parameters
    ----------
    dfGB : pandas.DataFrame (n_groups,)
        Table of a fit with ``diag=True``.
    diag_prefix : str, default "diag_"
        As it was given to the fit.
    diag_suffix : str, default ""
        Suffix of the fit; names keep it when it is left out here.
    quantiles : sequence of float, default (0.5, 0.9, 0.95, 0.99)
        From 0 to 1.

    Returns
    -------
    pandas.DataFrame
        A row a diagnostic: ``count`` of groups that have one, ``mean``, ``std``, ``min``, the quantiles as ``q50``,
        ..., ``max``. A diagnostic in words has a row a word, ``status=OK``, with nothing but its count.

    Raises
    ------
    InputError
        If the table has no such columns, or an argument breaks its rule.
    """
    wanted = _checked_quantiles(quantiles)
    rows: dict[str, dict[str, float]] = {}
    words: dict[str, dict[str, float]] = {}
    for name, column in _diagnostics(dfGB, diag_prefix, diag_suffix).items():
        if not is_numeric(column.dtype):
            words.update({f"{name}={value}": {"count": count} for value, count in column.value_counts().items()})
            continue
        values = column.astype("float64")
        rows[name] = {"count": values.count(), "mean": values.mean(), "std": values.std(), "min": values.min()}
        rows[name].update({_label(quantile): values.quantile(quantile) for quantile in wanted})
        rows[name]["max"] = values.max()
    columns = ["count", "mean", "std", "min", *map(_label, wanted), "max"]
    summary = pd.DataFrame({**rows, **words}, index=columns).T
    return summary.astype({**dict.fromkeys(columns, "float64"), "count": "int64"})


def format_diagnostics_summary(summary: pd.DataFrame) -> str:
    """Write a summary as text to be printed.

    Parameters
    ----------
    summary : pandas.DataFrame
        Result of ``summarize_diagnostics``.

    Returns
    -------
    str
        A line a row, four digits; what has no number stays empty.

    Raises
    ------
    InputError
        If it is something else.
    """
    if not isinstance(summary, pd.DataFrame) or "count" not in summary:
        message = "summary must be the result of summarize_diagnostics"
        raise InputError(message)
    text: str = summary.to_string(float_format="{:.4g}".format, na_rep="")
    return text


def summarize_diagnostics_top(
    dfGB: pd.DataFrame, diag_prefix: str = "diag_", suffix: str = "", top: int = 10
) -> dict[str, pd.DataFrame]:
    """Name the groups in which each diagnostic is largest.

    Parameters
    ----------
    dfGB : pandas.DataFrame (n_groups,)
        Table of a fit with ``diag=True``.
    diag_prefix : str, default "diag_"
        As it was given to the fit.
    suffix : str, default ""
        Suffix of the fit; names keep it when it is left out here.
    top : int, default 10
        Most groups of each.

    Returns
    -------
    dict of str to pandas.DataFrame
        By diagnostic: the keys and the diagnostic of these groups, the largest first, with their index in ``dfGB``.
        The keys are left out if ``dfGB`` lost its ``attrs``, as by ``merge``.

    Raises
    ------
    InputError
        If the table has no such columns, or an argument breaks its rule.
    """
    most = checked_whole("top", top, 1)
    found = _diagnostics(dfGB, diag_prefix, suffix)
    inputs = dfGB.attrs.get("gbr_dag", {}).get("inputs", {})
    keys = [name for name in inputs.get("by", ()) if name in dfGB.columns]
    largest = {}
    for name, column in found.items():
        if is_numeric(column.dtype):
            places = column.reset_index(drop=True).astype("float64").nlargest(most).index
            largest[name] = dfGB[[*keys, column.name]].rename(columns={column.name: name}).iloc[places]
    return largest


def _diagnostics(table: pd.DataFrame, prefix: str, suffix: str) -> dict[str, pd.Series]:
    """Diagnostic columns by their names without prefix and suffix."""
    if not isinstance(table, pd.DataFrame):
        message = f"dfGB must be the table of groups that a fit returned, got {type(table).__name__}"
        raise InputError(message)
    check_text("diag_prefix", prefix)
    check_text("suffix", suffix)
    found = {
        name[len(prefix) : len(name) - len(suffix)]: table[name]
        for name in table.columns
        if isinstance(name, str) and name.startswith(prefix) and name.endswith(suffix)
    }
    if not found:
        behind = f" and end with {suffix!r}" if suffix else ""
        message = f"dfGB has no columns that begin with {prefix!r}{behind}; fit with diag=True, with the same prefix"
        raise InputError(message)
    return found


def _checked_quantiles(quantiles: Any) -> list[float]:
    wanted = list(quantiles) if isinstance(quantiles, Iterable) and not isinstance(quantiles, str) else [quantiles]
    for value in wanted:
        if not isinstance(value, numbers.Real) or not 0.0 <= float(value) <= 1.0:
            message = f"quantiles must be numbers from 0 to 1, got {value!r}"
            raise InputError(message)
    return [float(value) for value in wanted]


def _label(quantile: float) -> str:
    """``q50`` for 0.5, ``q99.9`` for 0.999."""
    return f"q{100 * quantile:.10g}"
