"""The doors that scripts written for ``dfextensions.groupby_regression`` call.

They take the arguments and give the columns that those scripts know. A group with too few rows has a row of missing
values; rows with a missing key are in no group; rows are positions, whatever the index. New code takes
:func:`gbr_dag.fit_groups`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Optional, Union

import numpy.typing as npt
import pandas as pd

from gbr_dag.drivers.script_calls import (
    ScriptCall,
    check_choice,
    check_fitter,
    check_switch,
    check_text,
    checked_batch_size,
    checked_call,
    checked_cut,
    checked_jobs,
    checked_whole,
)
from gbr_dag.drivers.script_fits import least_squares
from gbr_dag.drivers.script_group_fits import ChosenFitter, group_fits
from gbr_dag.drivers.script_regressor import GroupByRegressor
from gbr_dag.drivers.script_tables import V2, checked_columns, group_table, rows_with_predictions, with_errors
from gbr_dag.group_fits.batches import STRATEGIES, Batches
from gbr_dag.options import CutOptions, HuberOptions

__all__ = [
    "GroupByRegressor",
    "GroupByRegressorOptimized",
    "make_parallel_fit_v2",
    "make_parallel_fit_v3",
    "make_parallel_fit_v4",
]

Names = Union[str, Sequence[str]]
Selection = Optional[Union[str, npt.ArrayLike]]
Tables = tuple[pd.DataFrame, pd.DataFrame]


def make_parallel_fit_v2(
    df: pd.DataFrame,
    gb_columns: Names,
    fit_columns: Names,
    linear_columns: Names,
    median_columns: Optional[Names],
    weights: Optional[str],
    suffix: str,
    selection: Selection,
    addPrediction: bool = False,
    cast_dtype: Optional[npt.DTypeLike] = None,
    n_jobs: int = 1,
    min_stat: int = 10,
    sigmaCut: Optional[float] = 5.0,
    fitter: Any = "ols",
    batch_size: Union[int, str] = "auto",
    batch_strategy: str = "auto",
    max_refits: int = 10,
    small_group_threshold: int = 30,
    min_batch_size: int = 10,
    backend: str = "loky",
) -> Tables:
    """Fit every group on its own, in several processes; rows far off are rejected and the rest is fitted again.

    Parameters
    ----------
    df : pandas.DataFrame (n_rows,)
        The data; any index, rows are positions. Never modified.
    gb_columns, fit_columns, linear_columns : str or sequence of str
        Keys, targets and predictors. A missing target leaves its row out for that target only.
    median_columns : str or sequence of str, or None
        Columns whose median over the group's rows is wanted.
    weights : str or None
        Column of relative inverse variances. Rows whose weight is missing, infinite, zero or negative are left out.
    suffix : str
        Appended to every column of the table but the keys, and to the predictions.
    selection : bool array-like (n_rows,), str or None
        Rows to take: a mask by position, or an expression as of :func:`fit_groups`.
    addPrediction : bool, default False
        Give the fitted values of the rows.
    cast_dtype : float dtype, optional
        Of the table's floats and of the predictions.
    n_jobs : int, default 1
        Processes; 1 is this one, -1 all cores.
    min_stat : int, default 10
        Rows that a target's fit needs.
    sigmaCut : float or None, default 5.0
        Rows whose residual sqrt(w) r is beyond so many medians of abs(sqrt(w) r) are rejected, until none is; None or
        infinity for no cut.
    fitter : {"ols", "robust", "huber", "auto"}, callable or estimator, default "ols"
        Least squares; Huber's M-estimate under three names; or one of your own, as :func:`fit_groups` takes it.
        ``"ols"`` is a Huber fit with infinite tuning, which is least squares with the cut; :func:`fit_metadata` has it
        under ``huber``.
    batch_size : int or "auto", default "auto"
        Groups that go to a process at a time; "auto" balances them by their rows. No number depends on this and the
        other settings of batches.
    batch_strategy : {"auto", "size_bucketing", "no_batching"}, default "auto"
        Batches balanced by rows, under two names; or one group at a time.
    max_refits : int, default 10
        Most fits after the first.
    small_group_threshold, min_batch_size : int, default 30 and 10
        Groups with fewer rows go together, at least so many at a time.
    backend : {"loky", "multiprocessing", "threading"}, default "loky"
        Kind of workers, as joblib has them.

    Returns
    -------
    df_out : pandas.DataFrame (n_rows,)
        A copy of ``df``; with ``addPrediction`` columns ``t s``, NaN in rows that entered no fit; rejected rows have
        them.
    dfGB : pandas.DataFrame (n_groups,)
        Sorted by key. For target t and predictor p: ``t_slope_p s``, ``t_intercept s``, ``t_rms s`` (root of the mean
        squared residual of the rows used), ``t_mad s`` (1.4826 median abs(r - median r) of these); then
        ``n_refits s``, ``n_used s``, ``frac_rejected s`` (of the targets the largest, the smallest and the largest);
        medians ``m s``. NaN in groups with too few rows.

    Raises
    ------
    InputError
        If an argument breaks its rule, before anything runs.

    Examples
    --------
    >>> import gbr_dag
    >>> flights = gbr_dag.load_flights()
    >>> model = ("origin", "arr_delay", "dep_delay", None, None, "_fit", "carrier == 'AS'")
    >>> _, fits = gbr_dag.make_parallel_fit_v2(flights, *model)
    >>> fits[["origin", "arr_delay_slope_dep_delay_fit", "n_refits_fit", "n_used_fit"]].round(3)
      origin  arr_delay_slope_dep_delay_fit  n_refits_fit  n_used_fit
    0    EWR                          0.972             2         706
    """
    call = checked_call(
        df,
        gb_columns,
        fit_columns,
        linear_columns,
        median_columns,
        weights,
        suffix,
        selection,
        addPrediction,
        cast_dtype,
    )
    columns = checked_columns(call, V2)
    check_fitter(fitter)
    check_choice("batch_strategy", batch_strategy, STRATEGIES)
    cut, refits = checked_cut(sigmaCut), checked_whole("max_refits", max_refits, 0)
    settings = {
        "n_jobs": -1 if checked_jobs(n_jobs) is None else n_jobs,
        "batches": Batches(
            size=checked_batch_size(batch_size, batch_strategy),
            strategy=batch_strategy,
            small_group_threshold=small_group_threshold,
            min_batch_size=min_batch_size,
            backend=backend,
        ),
    }
    if isinstance(fitter, str):
        huber = HuberOptions(sigma_cut=cut, max_refits=refits)
        options = replace(huber, tuning=math.inf) if fitter == "ols" else huber
        chosen = ChosenFitter("huber", "loky", {**settings, "fitter_options": options})
    else:
        chosen = ChosenFitter(fitter, "loky", {**settings, "fitter_options": CutOptions(cut, refits)})
    least = (checked_whole("min_stat", min_stat, 1),)
    fits = group_fits(call, chosen, least, per_predictor=False, condition=False)
    return rows_with_predictions(call, fits), group_table(call, fits, columns)


def make_parallel_fit_v3(
    df: pd.DataFrame,
    *,
    gb_columns: Names,
    fit_columns: Names,
    linear_columns: Names,
    median_columns: Optional[Names] = None,
    weights: Optional[str] = None,
    suffix: str = "_fast",
    selection: Selection = None,
    addPrediction: bool = False,
    fit_intercept: bool = True,
    cast_dtype: Optional[npt.DTypeLike] = None,
    diag: bool = True,
    diag_prefix: str = "diag_",
    min_stat: int = 3,
) -> Tables:
    """Fit all groups at once by weighted least squares, with NumPy alone.

    Parameters
    ----------
    df : pandas.DataFrame (n_rows,)
        The data; any index, rows are positions. Never modified.
    gb_columns, fit_columns, linear_columns : str or sequence of str
        Keys, targets and predictors. A missing target leaves its row out for all of them.
    median_columns : str or sequence of str, optional
        Columns whose median over the group's rows is wanted.
    weights : str, optional
        Column of relative inverse variances. Rows whose weight is missing, infinite, zero or negative are left out.
    suffix : str, default "_fast"
        Appended to every column of the table but the keys, and to the predictions.
    selection : bool array-like (n_rows,) or str, optional
        Rows to take: a mask by position, or an expression as of :func:`fit_groups`.
    addPrediction : bool, default False
        Give the fitted values of the rows.
    fit_intercept : bool, default True
        Whether a constant is fitted.
    cast_dtype : float dtype, optional
        Of the table's floats and of the predictions.
    diag : bool, default True
        Give diagnostics.
    diag_prefix : str, default "diag_"
        Goes in front of their names.
    min_stat : int, default 3
        Rows that a fit needs.

    Returns
    -------
    df_out : pandas.DataFrame (n_rows,)
        A copy of ``df``; with ``addPrediction`` columns ``t s``, NaN in rows that entered no fit.
    dfGB : pandas.DataFrame (n_groups,)
        Sorted by key. For target t and predictor p: ``t_intercept s``, ``t_intercept_err s``, ``t_slope_p s``,
        ``t_slope_p_err s``, ``t_rms s``, ``t_mad s`` as of :func:`fit_groups`; medians ``m s``. Diagnostics:
        ``n_total``, ``n_valid`` and ``n_filtered`` rows selected, used and left out, ``cond_xtx`` the condition number
        of X'WX with its column of ones, ``status`` one of ``OK``, ``INSUFFICIENT_DATA``, ``SINGULAR_MATRIX``,
        ``ILL_CONDITIONED``, the worst of the targets; ``wall_ms`` the time of the whole fit, the same in every row,
        ``time_ms`` the group's share of it by rows. NaN in groups with too few rows.

    Raises
    ------
    InputError
        If an argument breaks its rule, before anything runs.

    Examples
    --------
    >>> import gbr_dag
    >>> flights = gbr_dag.load_flights()
    >>> _, fits = gbr_dag.make_parallel_fit_v3(
    ...     flights, gb_columns="origin", fit_columns="arr_delay", linear_columns="dep_delay"
    ... )
    >>> fits[["origin", "arr_delay_slope_dep_delay_fast", "diag_n_valid_fast", "diag_status_fast"]].round(3)
      origin  arr_delay_slope_dep_delay_fast  diag_n_valid_fast diag_status_fast
    0    EWR                           1.025             117127               OK
    1    JFK                           1.029             109079               OK
    2    LGA                           1.003             101140               OK
    """
    call = checked_call(
        df,
        gb_columns,
        fit_columns,
        linear_columns,
        median_columns,
        weights,
        suffix,
        selection,
        addPrediction,
        cast_dtype,
    )
    return _least_squares_tables(call, "numpy", fit_intercept, diag, diag_prefix, min_stat)


def make_parallel_fit_v4(
    *,
    df: pd.DataFrame,
    gb_columns: Names,
    fit_columns: Names,
    linear_columns: Names,
    median_columns: Optional[Names] = None,
    weights: Optional[str] = None,
    suffix: str = "_v4",
    selection: Selection = None,
    addPrediction: bool = False,
    fit_intercept: bool = True,
    cast_dtype: Optional[npt.DTypeLike] = "float64",
    diag: bool = False,
    diag_prefix: str = "diag_",
    min_stat: int = 3,
) -> Tables:
    """Fit all groups in one compiled pass by weighted least squares.

    Parameters
    ----------
    df, gb_columns, fit_columns, linear_columns, median_columns, weights, suffix, selection : optional
    addPrediction, fit_intercept, cast_dtype, diag, diag_prefix, min_stat : optional
        As of :func:`make_parallel_fit_v3`, but for the defaults.

    Returns
    -------
    df_out : pandas.DataFrame (n_rows,)
    dfGB : pandas.DataFrame (n_groups,)
        As of :func:`make_parallel_fit_v3`, without the times.

    Raises
    ------
    InputError
        If an argument breaks its rule, before anything runs.

    Examples
    --------
    >>> import gbr_dag
    >>> flights = gbr_dag.load_flights()
    >>> model = {"gb_columns": "origin", "fit_columns": "arr_delay", "linear_columns": "dep_delay"}
    >>> rows, fits = gbr_dag.make_parallel_fit_v4(df=flights, **model, addPrediction=True)
    >>> fits[["origin", "arr_delay_slope_dep_delay_v4", "arr_delay_slope_dep_delay_err_v4"]].round(4)
      origin  arr_delay_slope_dep_delay_v4  arr_delay_slope_dep_delay_err_v4
    0    EWR                        1.0255                            0.0012
    1    JFK                        1.0285                            0.0015
    2    LGA                        1.0035                            0.0014
    >>> rows["arr_delay_v4"].head(2).round(2).tolist()
    [-4.23, -0.53]
    """
    call = checked_call(
        df,
        gb_columns,
        fit_columns,
        linear_columns,
        median_columns,
        weights,
        suffix,
        selection,
        addPrediction,
        cast_dtype,
    )
    return _least_squares_tables(call, "numba", fit_intercept, diag, diag_prefix, min_stat)


class GroupByRegressorOptimized:
    """The doors v2, v3 and v4 as methods; ``make_parallel_fit_optimized`` is v2.

    Examples
    --------
    >>> import gbr_dag
    >>> gbr_dag.GroupByRegressorOptimized.make_parallel_fit_v4 is gbr_dag.make_parallel_fit_v4
    True
    """

    make_parallel_fit_optimized = staticmethod(make_parallel_fit_v2)  # first: below, the name means the method
    make_parallel_fit_v2 = staticmethod(make_parallel_fit_v2)
    make_parallel_fit_v3 = staticmethod(make_parallel_fit_v3)
    make_parallel_fit_v4 = staticmethod(make_parallel_fit_v4)


def _least_squares_tables(
    call: ScriptCall, engine: str, fit_intercept: Any, diag: Any, diag_prefix: Any, min_stat: Any
) -> Tables:
    check_switch("fit_intercept", fit_intercept)
    check_switch("diag", diag)
    check_text("diag_prefix", diag_prefix)
    layout = with_errors(bool(fit_intercept), times=engine == "numpy")
    columns = checked_columns(call, layout, diag_prefix if diag else None)
    fits = least_squares(
        call,
        engine,
        min_stat=checked_whole("min_stat", min_stat, 1),
        intercept=bool(fit_intercept),
        missing="any",
        errors=True,
        diagnostics=bool(diag),
    )
    return rows_with_predictions(call, fits), group_table(call, fits, columns)
