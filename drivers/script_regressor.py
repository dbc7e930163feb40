"""The older of the doors that existing scripts call: methods of a class that has no instances."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Optional, Union

import numpy.typing as npt
import pandas as pd

from gbr_dag.drivers.script_calls import (
    MIN_STAT,
    check_fitter,
    check_switch,
    check_text,
    checked_batch_size,
    checked_call,
    checked_cut,
    checked_jobs,
    checked_min_stat,
    checked_whole,
)
from gbr_dag.drivers.script_diagnostics import (
    format_diagnostics_summary,
    summarize_diagnostics,
    summarize_diagnostics_top,
)
from gbr_dag.drivers.script_fits import least_squares
from gbr_dag.drivers.script_group_fits import ChosenFitter, group_fits
from gbr_dag.drivers.script_tables import LINEAR, ROBUST, checked_columns, group_table, rows_with_predictions
from gbr_dag.group_fits.batches import Batches
from gbr_dag.options import CutOptions, HuberOptions

Names = Union[str, Sequence[str]]
Selection = Optional[Union[str, npt.ArrayLike]]
Tables = tuple[pd.DataFrame, pd.DataFrame]


class GroupByRegressor:
    """Plain and robust fits per group, and summaries of how they went.

    Examples
    --------
    >>> import gbr_dag
    >>> flights = gbr_dag.load_flights()
    >>> model = ("origin", "arr_delay", "dep_delay", None, "_fit", "carrier == 'B6'")
    >>> _, fits = gbr_dag.GroupByRegressor.make_linear_fit(flights, *model)
    >>> fits.round(3)
      origin  arr_delay_slope_dep_delay_fit  arr_delay_intercept_fit  bin_count_fit
    0    EWR                          1.025                   -3.951           6557
    1    JFK                          1.023                   -4.116          42076
    2    LGA                          1.006                   -1.300           6002
    """

    @staticmethod
    def make_linear_fit(
        df: pd.DataFrame,
        gb_columns: Names,
        fit_columns: Names,
        linear_columns: Names,
        median_columns: Optional[Names],
        suffix: str,
        selection: Selection,
        addPrediction: bool = False,
        cast_dtype: Optional[npt.DTypeLike] = None,
        min_stat: int = 10,
    ) -> Tables:
        """Fit every group by least squares, without weights.

        Parameters
        ----------
        df : pandas.DataFrame (n_rows,)
            The data; any index, rows are positions. Never modified.
        gb_columns, fit_columns, linear_columns : str or sequence of str
            Keys, targets and predictors. A missing target leaves its row out for that target only.
        median_columns : str or sequence of str, or None
            Columns whose median over the group's rows is wanted.
        suffix : str
            Appended to every column of the table but the keys, and to the predictions.
        selection : bool array-like (n_rows,), str or None
            Rows to take: a mask by position, or an expression as of :func:`fit_groups`.
        addPrediction : bool, default False
            Give the fitted values of the rows.
        cast_dtype : float dtype, optional
            Of the table's floats and of the predictions.
        min_stat : int, default 10
            Rows that a target's fit needs.

        Returns
        -------
        df_out : pandas.DataFrame (n_rows,)
            A copy of ``df``; with ``addPrediction`` columns ``t s``, NaN in rows that entered no fit.
        dfGB : pandas.DataFrame (n_groups,)
            Sorted by key. For target t and predictor p: ``t_slope_p s``, ``t_intercept s``; medians ``m s``; then
            ``bin_count s``, the selected rows of the group. NaN in groups with too few rows.

        Raises
        ------
        InputError
            If an argument breaks its rule, before anything runs.
        """
        call = checked_call(
            df,
            gb_columns,
            fit_columns,
            linear_columns,
            median_columns,
            None,
            suffix,
            selection,
            addPrediction,
            cast_dtype,
        )
        columns = checked_columns(call, LINEAR)
        fits = least_squares(call, "numba", min_stat=checked_whole("min_stat", min_stat, 1))
        return rows_with_predictions(call, fits), group_table(call, fits, columns)

    @staticmethod
    def make_parallel_fit(
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
        min_stat: Union[int, Sequence[int]] = MIN_STAT,
        sigmaCut: Optional[float] = 4.0,
        fitter: Any = "auto",
        batch_size: Union[int, str] = "auto",
        diag: bool = False,
        diag_prefix: str = "diag_",
    ) -> Tables:
        """Fit every group by a robust regression; rows far off are rejected and the rest is fitted again.

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
            Threads, or processes for a fitter of your own; -1 for all cores.
        min_stat : int or sequence of int, default [10, 10]
            Rows that each predictor needs; the default is 10 for any number of them. A predictor with fewer usable
            rows in a group is dropped there for that target. A fit needs the least of these.
        sigmaCut : float or None, default 4.0
            Rows whose residual sqrt(w) r is beyond so many medians of abs(sqrt(w) r) are rejected, until none is;
            None or infinity for no cut. The default, 2.7 standard deviations, costs good rows of normal noise, and the
            errors come out too small; see Notes.
        fitter : {"auto", "robust", "huber", "ols"}, callable or estimator, default "auto"
            Huber's M-estimate under three names; least squares; or one of your own, as :func:`fit_groups` takes it.
            ``"ols"`` is a Huber fit with infinite tuning, which is least squares with the cut; :func:`fit_metadata`
            has it under ``huber``.
        batch_size : int or "auto", default "auto"
            Groups a task for a fitter of your own; compiled fits are not sent anywhere. No number depends on it.
        diag : bool, default False
            Give diagnostics.
        diag_prefix : str, default "diag_"
            Goes in front of their names.

        Returns
        -------
        df_out : pandas.DataFrame (n_rows,)
            A copy of ``df``; with ``addPrediction`` columns ``t s``, NaN in rows that entered no fit. Rejected rows
            have one.
        dfGB : pandas.DataFrame (n_groups,)
            Sorted by key. For target t and predictor p: ``t_slope_p s`` with its error ``t_err_p s`` (Huber's H1, as
            statsmodels RLM), ``t_intercept s``, ``t_rms s`` (root of the mean squared residual of the rows used),
            ``t_mad s`` (median abs(r) of these); medians ``m s``; ``bin_count s``, the selected rows of the group.
            Diagnostics, each the largest of the targets: ``n_refits``, ``frac_rejected`` of the rows that entered,
            ``hat_max`` the largest leverage and ``cond_xtx`` the condition number of X'WX with its column of ones,
            both of the rows used; ``time_ms`` the group's share, by rows, of the time of the whole fit, ``n_rows`` its
            selected rows. NaN in groups with too few rows.

        Raises
        ------
        InputError
            If an argument breaks its rule, before anything runs.

        Notes
        -----
        Of normal noise the default cut takes the good rows in the tails, 1.7 % of 50, and the rest looks too quiet:
        pulls (slope - true slope) / error of 40,000 groups with one predictor have a standard deviation of 1.51, 1.13
        and 1.07 for groups of 20, 50 and 100 rows; 1.15, 1.03 and 1.01 with ``sigmaCut=6``; 1.09, 1.03 and 1.01
        without a cut.
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
        check_switch("diag", diag)
        check_text("diag_prefix", diag_prefix)
        columns = checked_columns(call, ROBUST, diag_prefix if diag else None)
        least = checked_min_stat(min_stat, len(call.predictors))
        chosen = _robust_fitter(fitter, checked_cut(sigmaCut), checked_jobs(n_jobs), checked_batch_size(batch_size))
        fits = group_fits(call, chosen, least, per_predictor=True, condition=bool(diag))
        return rows_with_predictions(call, fits), group_table(call, fits, columns)

    summarize_diagnostics = staticmethod(summarize_diagnostics)
    format_diagnostics_summary = staticmethod(format_diagnostics_summary)
    summarize_diagnostics_top = staticmethod(summarize_diagnostics_top)


def _robust_fitter(fitter: Any, cut: Optional[float], n_jobs: Optional[int], batch_size: Optional[int]) -> ChosenFitter:
    check_fitter(fitter)
    if isinstance(fitter, str):
        options = HuberOptions(math.inf, cut) if fitter == "ols" else HuberOptions(sigma_cut=cut)
        return ChosenFitter("huber", "numba", {"threads": n_jobs, "fitter_options": options})
    batches = Batches(size=batch_size)
    inputs = {"n_jobs": -1 if n_jobs is None else n_jobs, "fitter_options": CutOptions(cut), "batches": batches}
    return ChosenFitter(fitter, "loky", inputs)
