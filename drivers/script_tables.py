"""What the doors of existing scripts give out: groups in the columns of each door, rows with their predictions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
import numpy.typing as npt
import pandas as pd

from gbr_dag.drivers.metadata import with_metadata
from gbr_dag.drivers.script_calls import ScriptCall, check_distinct
from gbr_dag.drivers.script_fits import ScriptFits
from gbr_dag.naming import FitColumn

Named = tuple[tuple[str, str], ...]
"""Pairs of a column's name and the array that it is taken from."""


@dataclass(frozen=True)
class Layout:
    """Columns of a door's table in their order.

    Attributes
    ----------
    before, after : pairs
        Of every target, before and after those of its predictors; the target's name goes in front.
    of_predictor : pairs
        Of every target and predictor; the predictor's name goes behind.
    groups_first, groups_last : pairs
        Of the group, before and after the medians.
    diagnostics : pairs
        The last of the group, behind the prefix; only when asked for.
    """

    before: Named = ()
    of_predictor: Named = ()
    after: Named = ()
    groups_first: Named = ()
    groups_last: Named = ()
    diagnostics: Named = ()


LINEAR = Layout(
    of_predictor=(("slope_{}", "slope"),),
    after=(("intercept", "intercept"),),
    groups_last=(("bin_count", "entries"),),
)

ROBUST = Layout(
    of_predictor=(("slope_{}", "slope"), ("err_{}", "slope_err")),
    after=(("intercept", "intercept"), ("rms", "rms"), ("mad", "mad_about_zero")),
    groups_last=(("bin_count", "entries"),),
    diagnostics=(
        ("n_refits", "n_refits"),
        ("frac_rejected", "frac_rejected"),
        ("hat_max", "hat_max"),
        ("cond_xtx", "cond_xtx"),
        ("time_ms", "time_ms"),
        ("n_rows", "entries"),
    ),
)

V2 = Layout(
    of_predictor=(("slope_{}", "slope"),),
    after=(("intercept", "intercept"), ("rms", "rms"), ("mad", "mad_scaled")),
    groups_first=(("n_refits", "n_refits"), ("n_used", "n_used"), ("frac_rejected", "frac_rejected")),
)

_COUNTS = (
    ("n_total", "entries"),
    ("n_valid", "n_valid"),
    ("n_filtered", "n_filtered"),
    ("cond_xtx", "cond_xtx"),
    ("status", "status"),
)


def with_errors(intercept: bool, *, times: bool) -> Layout:
    """Layout of v3, which tells the times, and of v4."""
    return Layout(
        before=(("intercept", "intercept"), ("intercept_err", "intercept_err")) if intercept else (),
        of_predictor=(("slope_{}", "slope"), ("slope_{}_err", "slope_err")),
        after=(("rms", "rms"), ("mad", "mad")),
        diagnostics=(*_COUNTS, ("time_ms", "time_ms"), ("wall_ms", "wall_ms")) if times else _COUNTS,
    )


def checked_columns(call: ScriptCall, layout: Layout, diag_prefix: Optional[str] = None) -> list[FitColumn]:
    """Columns of a door's table but the keys; without a prefix those of diagnostics stay out.

    Raises
    ------
    InputError
        If two have one name, or one that of a key.
    """
    bare = list(_columns(call, layout))
    columns = [FitColumn(f"{column.name}{call.suffix}", column.source, column.place) for column in bare]
    if diag_prefix is not None:
        columns += [FitColumn(f"{diag_prefix}{name}{call.suffix}", source) for name, source in layout.diagnostics]
    check_distinct([*call.by, *(column.name for column in columns)])
    return columns


def group_table(call: ScriptCall, fits: ScriptFits, columns: list[FitColumn]) -> pd.DataFrame:
    """One row a group, sorted by key; floats in the caller's dtype, ``attrs`` with how it came to be."""
    table: dict[str, Any] = {name: fits.keys[name].array for name in fits.keys}
    for column in columns:
        place: tuple[Any, ...] = (slice(None), *column.place)
        values = fits.arrays[column.source][place]
        table[column.name] = np.array(_cast(values, call.cast_dtype))  # its own, whatever it was cut out of
    return with_metadata(pd.DataFrame(table, copy=False), fits.record)


def rows_with_predictions(call: ScriptCall, fits: ScriptFits) -> pd.DataFrame:
    """A copy of the caller's frame, with predictions if asked for; a column of that name is replaced."""
    rows = call.frame.copy()
    if not call.add_prediction or fits.prediction is None:
        return rows
    fitted = {
        name: _cast(fits.prediction[:, i].copy(), call.cast_dtype) for i, name in enumerate(call.prediction_names)
    }
    there = set(rows.columns)
    for name in [name for name in fitted if name in there]:
        rows[name] = fitted.pop(name)
    if not fitted:
        return rows
    together = pd.concat([rows, pd.DataFrame(fitted, index=rows.index)], axis=1)
    together.attrs = rows.attrs
    return together


def _columns(call: ScriptCall, layout: Layout) -> Iterator[FitColumn]:
    for i, target in enumerate(call.targets):
        for name, source in layout.before:
            yield FitColumn(f"{target}_{name}", source, (i,))
        for j, predictor in enumerate(call.predictors):
            for template, source in layout.of_predictor:
                yield FitColumn(f"{target}_{template.format(predictor)}", source, (i, j))
        for name, source in layout.after:
            yield FitColumn(f"{target}_{name}", source, (i,))
    for name, source in layout.groups_first:
        yield FitColumn(name, source)
    for k, median in enumerate(call.medians):
        yield FitColumn(median, "medians", (k,))
    for name, source in layout.groups_last:
        yield FitColumn(name, source)


def _cast(values: npt.NDArray[Any], dtype: Optional[np.dtype[Any]]) -> npt.NDArray[Any]:
    """Floats in another dtype; what it cannot hold becomes infinite."""
    if dtype is None or values.dtype.kind != "f":
        return values
    with np.errstate(over="ignore"):
        return values.astype(dtype)
