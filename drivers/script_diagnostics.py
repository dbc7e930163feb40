"""Summaries of the diagnostics in a door's table of groups."""

from __future__ import annotations

import numbers
from collections.abc import Iterable

import pandas as pd

from gbr_dag.columns import is_numeric
from gbr_dag.drivers.script_calls import check_text, checked_whole
from gbr_dag.errors import InputError


def diagnostics_summary(
    table: pd.DataFrame, prefix: str, suffix: str, quantiles: Iterable[float]
) -> pd.DataFrame:
    """One row a diagnostic, and one a value of those that are words; see the door of that name."""
    wanted = _checked_quantiles(quantiles)
    found = _diagnostics(table, prefix, suffix)
    rows = {}
    words: dict[str, dict[str, float]] = {}
    for name, column in found.items():
        if not is_numeric(column.dtype):
            words.update({f"{name}={value}": {"count": count} for value, count in column.value_counts().items()})
            continue
        values = column.astype("float64")
        rows[name] = {"count": values.count(), "mean": values.mean(), "std": values.std(), "min": values.min()}
        rows[name].update({_label(quantile): values.quantile(quantile) for quantile in wanted})
        rows[name]["max"] = values.max()
    columns = ["count", "mean", "std", "min", *map(_label, wanted), "max"]
    summary = pd.DataFrame.from_dict({**rows, **words}, orient="index", columns=None).reindex(columns=columns)
    summary["count"] = summary["count"].astype("int64")
    return summary.astype(dict.fromkeys(columns[1:], "float64"))


def summary_text(summary: pd.DataFrame) -> str:
    """The summary as text of even columns; cells without a number stay empty."""
    if not isinstance(summary, pd.DataFrame) or "count" not in summary:
        message = "summary must be the result of summarize_diagnostics"
        raise InputError(message)
    return summary.to_string(float_format="{:.4g}".format, na_rep="")


def largest_diagnostics(table: pd.DataFrame, prefix: str, suffix: str, top: int) -> dict[str, pd.DataFrame]:
    """The groups in which each diagnostic is largest; see the door of that name."""
    top = checked_whole("top", top, 1)
    found = {name: column for name, column in _diagnostics(table, prefix, suffix).items() if is_numeric(column.dtype)}
    inputs = table.attrs.get("gbr_dag", {}).get("inputs", {})
    keys = [name for name in inputs.get("by", ()) if name in table.columns]
    largest = {}
    for name, column in found.items():
        places = column.reset_index(drop=True).astype("float64").nlargest(top).index
        largest[name] = pd.concat([table[keys], column.rename(name)], axis=1).iloc[places]
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


def _checked_quantiles(quantiles: Iterable[float]) -> list[float]:
    wanted = list(quantiles) if isinstance(quantiles, Iterable) and not isinstance(quantiles, str) else [quantiles]
    for value in wanted:
        if not isinstance(value, numbers.Real) or not 0.0 <= value <= 1.0:
            message = f"quantiles must be numbers from 0 to 1, got {value!r}"
            raise InputError(message)
    return [float(value) for value in wanted]


def _label(quantile: float) -> str:
    """``q50`` for 0.5, ``q99.9`` for 0.999."""
    return f"q{100 * quantile:.10g}"
