"""What a fit table says of every row of a frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional, Union

import numpy as np
import numpy.typing as npt
import pandas as pd

from gbr_dag.bin_columns import with_bins
from gbr_dag.caller_warnings import warn_caller
from gbr_dag.drivers.arguments import checked_frame, checked_names, checked_weights
from gbr_dag.drivers.binning_arguments import binning_sources, checked_binning
from gbr_dag.drivers.fitters import checked_options, fitter_name
from gbr_dag.drivers.metadata import fit_metadata
from gbr_dag.errors import DataWarning, InputError
from gbr_dag.frames import column_names, in_kind_of, working_frame
from gbr_dag.graph.checks import suggestion
from gbr_dag.naming import coefficient_names, column_word, covariance_columns
from gbr_dag.nodes.design import design, response
from gbr_dag.nodes.prediction import (
    fitted_targets,
    linear_prediction__glm,
    pull__glm,
    pull__linear,
    residual,
    row_prediction__glm,
    row_prediction__linear,
    row_prediction_error__glm,
    row_prediction_error__linear,
)
from gbr_dag.nodes.selection import raw_weights
from gbr_dag.options import OPTIONS_OF, GlmOptions, Options, options_of_record
from gbr_dag.tables import BinMap, BoolArray, FitStatus, FloatArray, IntArray

Names = Union[str, Sequence[str]]


def predictions(
    frame: Any,
    table: Any,
    *,
    by: Names,
    targets: Names,
    predictors: Names = (),
    within: Names = (),
    weights: Optional[Union[str, npt.ArrayLike]] = None,
    suffix: str = "",
    fitter: Any = None,
    fitter_options: Optional[Options] = None,
) -> Any:
    """Fitted value, its error, residual and pull of every row, from the fits of the row's group or bin.

    Parameters
    ----------
    frame : pandas.DataFrame, polars.DataFrame, polars.LazyFrame or pyarrow.Table (n_rows,)
        Rows to predict, not necessarily those that were fitted; any index.
    table : pandas.DataFrame, polars.DataFrame or pyarrow.Table (n_groups,)
        Result of :func:`fit_groups` or :func:`fit_windows`, keys as columns; not necessarily of the frame's kind.
    by, targets, predictors : str or sequence of str
        As they were given to the fit. Bins that ``binning`` made are made again, as the table's metadata say, if the
        frame lacks them; a table of polars carries no metadata, and the frame must have the bins.
    within : str or sequence of str, default ()
        As it was given to :func:`fit_windows`; default what the table's metadata say.
    weights : str or array-like (n_rows,), optional
        As they were given to the fit, for the pulls.
    suffix : str, default ""
        As it was given to the fit.
    fitter, fitter_options : optional
        As they were given to the fit; default what the table's metadata say (:func:`fit_metadata`), and ``"ols"``
        where it carries none. Only for ``"glm"`` do they make a difference, and a table of polars, which carries no
        metadata, needs them there.

    Returns
    -------
    pandas.DataFrame, polars.DataFrame or pyarrow.Table (n_rows, 4 * n_targets)
        Of the frame's kind, rows in its order and with its index; for target t: ``t_prediction``,
        ``t_prediction_err`` (standard error of the fitted value, not of a single row), ``t_residual`` = t - prediction,
        ``t_pull`` = sqrt(w) residual / rms, each with the suffix. NaN where the group was not fitted or a value is
        missing. An aliased predictor adds nothing. For ``"glm"`` the fitted value is the mean mu of the target, not its
        link, and the pull is the Pearson residual over the root of the dispersion, sqrt(w) residual / (rms sqrt(V(mu)))
        with the family's variance function V. A row of a bin gets the fit of the window about that bin.

    Raises
    ------
    InputError
        If a column is missing in the frame or the table, or the table has two rows for one key; if the predictors, the
        fitter or its options are not those of the table.
    UnknownNameError
        If the fitter is unknown.

    Warns
    -----
    DataWarning
        If the table lacks the covariance that the errors, or the rms that the pulls, are made from: these are NaN.

    Notes
    -----
    The error is sqrt(x' Cov x). Cov refers to the origin, so its rounding error is about 1e-16 (offset / scatter)^2
    of the predictors. For ``"glm"`` it is that of the linear predictor times the derivative of the inverse link.

    The table's ``t_status`` tells which groups were fitted. Without it those whose coefficients are all NaN count as
    unfitted, also where every predictor is aliased and there is no intercept.

    Examples
    --------
    >>> import gbr_dag
    >>> flights = gbr_dag.load_flights()
    >>> model = {"by": "origin", "targets": "arr_delay", "predictors": "dep_delay"}
    >>> table = gbr_dag.fit_groups(flights, **model, diagnostics=("errors", "covariance", "rms"))
    >>> gbr_dag.predictions(flights, table, **model).loc[0].round(2)
    arr_delay_prediction        -4.23
    arr_delay_prediction_err     0.05
    arr_delay_residual          15.23
    arr_delay_pull               0.90
    Name: 0, dtype: float64
    """
    roles = {"targets": checked_names("targets", targets), "predictors": checked_names("predictors", predictors)}
    columns_of_table = column_names(table, "table")
    record = _record(table)
    of_windows = _is_of_windows(record, columns_of_table, roles["targets"], suffix)
    by = _keys(checked_names("by", by), checked_names("within", within), record)
    _check_predictors(roles["predictors"], roles["targets"], record, columns_of_table)
    given = frame
    if of_windows and record is None:
        _check_bins(column_names(frame), columns_of_table, by)
    frame = _rows(given, {"by": by, **roles}, weights, record)
    targets, predictors = roles["targets"], roles["predictors"]
    row_weights = raw_weights(frame, checked_weights(frame, weights))
    glm = _glm_options(record, fitter, fitter_options)
    columns = design(frame, predictors)
    if of_windows:
        predictors = tuple(column_word(name) for name in predictors)
    table = working_frame(table, columns_of_table, keys=set(by).intersection(columns_of_table))
    intercept = f"{targets[0]}_intercept{suffix}" in table.columns.difference(list(by))
    names = coefficient_names(predictors, intercept)
    values = _required(table, by, [[f"{target}_{name}{suffix}" for name in names] for target in targets])
    row_bin = BinMap(row_of_table(frame, table, by, of_windows=of_windows), len(table))
    covariance = _covariance(table, targets, predictors, intercept, suffix)
    present = _fitted(table, [f"{target}_status{suffix}" for target in targets], values)
    rms = _optional(table, [f"{target}_rms{suffix}" for target in targets], "pulls", "rms")
    fits = (columns, row_bin, values)
    if glm is None:
        fitted = row_prediction__linear(*fits, present, intercept)
        error = row_prediction_error__linear(*fits, covariance, present, intercept)
        left = residual(response(frame, targets), fitted)
        pull = pull__linear(left, row_weights, rms, row_bin)
    else:
        linear = linear_prediction__glm(*fits, present, intercept)
        fitted = row_prediction__glm(linear, glm)
        error = row_prediction_error__glm(*fits, covariance, present, intercept, linear, glm)
        left = residual(response(frame, targets), fitted)
        pull = pull__glm(left, row_weights, rms, row_bin, fitted, glm)
    parts = {"prediction": fitted, "prediction_err": error, "residual": left, "pull": pull}
    rows = pd.DataFrame(
        {f"{target}_{name}{suffix}": part[:, i] for i, target in enumerate(targets) for name, part in parts.items()},
        index=frame.index,
    )
    return in_kind_of(given, rows)


def _record(table: Any) -> Optional[dict[str, Any]]:
    """The table's metadata; None without any, which is as good: the arguments say what they would."""
    try:
        record: dict[str, Any] = fit_metadata(table)
    except InputError:
        return None
    return record


def _keys(by: tuple[str, ...], within: tuple[str, ...], record: Optional[Mapping[str, Any]]) -> tuple[str, ...]:
    """All keys of the table, those of ``within`` first."""
    recorded = tuple(record["inputs"].get("within", ())) if record else ()
    if record and within and set(within) != set(recorded):
        message = f"within {within!r} is not that of the table, {recorded!r}; leave within out"
        raise InputError(message)
    keys = within or tuple(name for name in recorded if name not in by)
    found: tuple[str, ...] = checked_names("within and by", (*keys, *by))
    return found


def _rows(
    frame: Any, roles: Mapping[str, tuple[str, ...]], weights: Any, record: Optional[Mapping[str, Any]]
) -> pd.DataFrame:
    """What is needed of the frame, with the bins that it lacks and the table was made with."""
    rules = record["inputs"].get("binning", {}) if record else {}
    known = column_names(frame)
    lacking = {name: rules[name] for name in roles["by"] if name in rules and name not in known}
    binning = checked_binning(lacking, roles["by"])
    sources = binning_sources(frame, binning)
    there = {**roles, "by": tuple(name for name in roles["by"] if name not in binning)}
    there.update({f"binning of {name!r}": of_name for name, of_name in sources.items()})
    columns = [column for of_name in sources.values() for column in of_name]
    return with_bins(checked_frame(frame, there, weights, sources=columns), binning)


def _check_bins(known: Sequence[str], names: Sequence[str], by: Sequence[str]) -> None:
    """Refuse keys that the table has and the frame lacks, where nothing says what they are made of."""
    lacking = [name for name in by if name in names and name not in known]
    if lacking:
        message = (
            f"by: column {lacking[0]!r} is not in the frame, and a table without metadata does not say what it is made"
            " of; make the bins in the frame, or give the fit's own table of pandas or pyarrow, which carries metadata"
        )
        raise InputError(message)


def _is_of_windows(
    record: Optional[Mapping[str, Any]], names: Sequence[str], targets: Sequence[str], suffix: str
) -> bool:
    """Whether names of predictors are words there, by the metadata or else by a column that only windows have."""
    return "window" in record["inputs"] if record else f"{targets[0]}_n_fitted{suffix}" in names


def _check_predictors(
    predictors: Sequence[str], targets: Sequence[str], record: Optional[dict[str, Any]], columns: Sequence[Any]
) -> None:
    """Refuse predictors that are not those of the fit: a fitted value without one of them is none."""
    if record is not None:
        fitted = record["inputs"]["predictors"]
        if set(fitted) != set(predictors):
            message = f"predictors must be those of the fit, {', '.join(map(repr, fitted)) or 'none'}, got" + (
                f" {', '.join(map(repr, predictors))}" if predictors else " none"
            )
            raise InputError(message)
        return
    slopes = [name for name in columns if str(name).startswith(tuple(f"{target}_slope_" for target in targets))]
    if slopes and not predictors:
        message = f"predictors must be those of the fit, got none, but the table has {slopes[0]!r}; name them"
        raise InputError(message)


def _glm_options(record: Optional[Mapping[str, Any]], fitter: Any, options: Optional[Options]) -> Optional[GlmOptions]:
    """Settings of the generalized linear model that the table holds; None for a table of another fitter."""
    name = None if fitter is None else fitter_name(fitter)
    if record is None:
        _check_told(name, options)
        chosen = checked_options(name or "ols", options)
        return chosen if isinstance(chosen, GlmOptions) else None
    fitted_by = record["fitter"]
    if name is not None and name != fitted_by:
        message = f"fitter {name!r} is not that of the table, {fitted_by!r}; leave fitter out"
        raise InputError(message)
    recorded = options_of_record(fitted_by, record["inputs"].get("fitter_options"))
    if options is not None and (type(options) is not type(recorded) or options != recorded):
        message = f"fitter_options {options!r} are not those of the table, {recorded!r}; leave fitter_options out"
        raise InputError(message)
    return recorded if isinstance(recorded, GlmOptions) else None


def _check_told(name: Optional[str], options: Optional[Options]) -> None:
    """Refuse settings without the fitter that they are of, where the table does not tell it."""
    wanted = [fitter for fitter, kind in OPTIONS_OF.items() if isinstance(options, kind)]
    if name is None and wanted:
        fitter = "the fitter of your own" if wanted[0] == "own" else f"fitter={wanted[0]!r}"
        message = f"fitter_options {options!r} need their fitter, which this table does not tell; give {fitter} too"
        raise InputError(message)


def _fitted(table: pd.DataFrame, names: Sequence[str], values: FloatArray) -> BoolArray:
    """Whether there is a fit of each group and target, (n_groups, t), from the statuses or else the coefficients."""
    if not all(name in table for name in names):
        return np.asarray(~np.all(np.isnan(values), axis=2))
    status = table[list(names)].to_numpy(dtype=np.float64)
    fitted: BoolArray = fitted_targets(np.where(np.isnan(status), FitStatus.INSUFFICIENT, status).astype(np.int16))
    return fitted


def _required(table: pd.DataFrame, by: Sequence[str], names: list[list[str]]) -> FloatArray:
    """Coefficients of the table, (n_groups, t, m)."""
    wanted = [*by, *(name for row in names for name in row)]
    for name in wanted:
        if name not in table:
            message = (
                f"table: column {name!r} is not there{suggestion(name, list(table))}; give by, targets, predictors"
                " and suffix as they were given to the fit"
            )
            raise InputError(message)
    columns = [table[row].to_numpy(dtype=np.float64) for row in names]
    return np.stack(columns, axis=1)


def _optional(table: pd.DataFrame, names: list[str], used_for: str, diagnostic: str) -> FloatArray:
    """Columns of the table as floats (n_groups, len(names)), NaN with a warning if one is not there."""
    absent = [name for name in names if name not in table]
    if absent:
        message = f"the {used_for} are missing: the table has no {absent[0]!r}; fit with diagnostics={diagnostic!r} too"
        warn_caller(message, DataWarning)
        return np.full((len(table), len(names)), np.nan)
    values: FloatArray = table[names].to_numpy(dtype=np.float64)
    return values


def _covariance(
    table: pd.DataFrame, targets: Sequence[str], predictors: Sequence[str], intercept: bool, suffix: str
) -> FloatArray:
    """Covariance of the coefficients, (n_groups, t, m, m)."""
    m = len(predictors) + intercept
    if not predictors and f"{targets[0]}_intercept_err{suffix}" in table:
        errors = _optional(
            table, [f"{target}_intercept_err{suffix}" for target in targets], "prediction errors", "errors"
        )
        return (errors**2)[:, :, None, None]
    triangle = [list(covariance_columns(target, predictors, intercept)) for target in targets]
    names = [f"{name}{suffix}" for entries in triangle for _, _, name in entries]
    upper = _optional(table, names, "prediction errors", "covariance")
    upper = upper.reshape(len(table), len(targets), len(triangle[0]))
    result = np.empty((len(table), len(targets), m, m))
    for place, (i, j, _) in enumerate(triangle[0]):
        result[:, :, i, j] = result[:, :, j, i] = upper[:, :, place]
    return result


def row_of_table(frame: pd.DataFrame, table: pd.DataFrame, by: Sequence[str], *, of_windows: bool) -> IntArray:
    """Row of the table with each row's keys, (n_rows,), -1 where there is none."""
    if table.duplicated(list(by)).any():
        way_out = "give within as it was given to the fit, or a table of one fit"
        way_out = way_out if of_windows else "give a table of one fit"
        message = f"table has several rows for one key of by={list(by)}; {way_out}"
        raise InputError(message)
    places = list(range(len(by)))
    right = table[list(by)].set_axis(places, axis=1).reset_index(drop=True).assign(found=np.arange(len(table)))
    left = frame[list(by)].set_axis(places, axis=1).reset_index(drop=True)
    try:
        found = left.merge(right.dropna(), how="left", on=places, validate="many_to_one")["found"]
    except ValueError as error:
        message = f"the keys {list(by)} of frame and table have types that cannot be compared: {error}"
        raise InputError(message) from error
    row_bin: IntArray = found.fillna(-1).to_numpy(dtype=np.int64)
    return row_bin
