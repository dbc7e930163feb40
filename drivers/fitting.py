"""One call: one fit per group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Optional, Union

import numpy.typing as npt

from gbr_dag.drivers.groupby import driver_of
from gbr_dag.errors import InputError
from gbr_dag.options import Options

Names = Union[str, Sequence[str]]


def fit_groups(
    frame: Any,
    by: Names,
    targets: Names,
    predictors: Names = (),
    *,
    weights: Optional[Union[str, npt.ArrayLike]] = None,
    absolute_weights: bool = False,
    selection: Optional[Union[str, npt.ArrayLike]] = None,
    intercept: bool = True,
    min_entries: Optional[int] = None,
    missing: Literal["per_target", "any"] = "per_target",
    fitter: Any = "ols",
    fitter_options: Optional[Options] = None,
    engine: Literal["numba", "numpy", "reference", "loky", "statsmodels"] = "numba",
    medians: Names = (),
    weighted_medians: bool = False,
    diagnostics: Names = ("errors", "rms"),
    suffix: str = "",
    dtype: npt.DTypeLike = "float64",
    threads: Optional[int] = None,
    n_jobs: Optional[int] = None,
    return_metadata: bool = False,
) -> Any:
    """Fit one weighted regression per group.

    Parameters
    ----------
    frame : pandas.DataFrame, polars.DataFrame, polars.LazyFrame or pyarrow.Table (n_rows,)
        The data; any index, rows are positions. Never modified or sorted; numbers without nulls are not copied, unless
        they lie in several chunks. A lazy frame is collected once, with the columns that are named here.
    by : str or sequence of str
        Key columns: integers, strings, categories (observed ones, in category order), booleans, dates, floats (exact
        equality, -0 = 0). Enum and Arrow dictionaries sort as categories do, the Categorical of polars by its text,
        as in polars. A row with a missing key is left out and counted.
    targets : str or sequence of str
        Numeric columns to be fitted, each on its own.
    predictors : str or sequence of str, default ()
        Numeric columns; none for the means with their errors. A row with a missing or infinite predictor is left out
        and counted.
    weights : str or array-like (n_rows,), optional
        Relative inverse variances, var(y) = sigma^2 / w. A row whose weight is missing, infinite, zero or negative is
        left out and counted, with one warning if any is negative.
    absolute_weights : bool, default False
        The weights are 1 / sigma^2: errors take no scale from the residuals, and chi2 and ndf columns come.
    selection : str or bool array-like (n_rows,), optional
        Rows to take: a mask by position, or an expression of column names, numbers, strings, arithmetic,
        comparisons, ``& | ~`` and parentheses. A condition on null is false, and so is its opposite; NaN, and what is
        missing in a column of pandas that has no null, is unequal to everything.
    intercept : bool, default True
        Whether a constant is fitted.
    min_entries : int, optional
        Rows that a target's fit needs; default the number of coefficients.
    missing : {"per_target", "any"}, default "per_target"
        A missing or infinite target leaves its row out for that target only, or for all of them.
    fitter : {"ols", "wls", "huber", "glm", "rlm"}, callable or estimator, default "ols"
        ``"ols"``: least squares, weighted when there are weights; ``"wls"`` insists on them. ``"huber"``: Huber's
        M-estimate, for outliers. ``"glm"``, ``"rlm"``: those of statsmodels, with weights as ``var_weights`` and with
        rows scaled by sqrt(w). A function ``(X, y, w) -> coefficients`` of the design (n, m) with its column of ones
        first, the target and the weights; it may also return results of statsmodels. An estimator with ``fit`` and
        then ``coef_`` and ``intercept_``, as of scikit-learn.
    fitter_options : HuberOptions, GlmOptions, RlmOptions or CutOptions, optional
        Settings of the fitter: those of its name; :class:`CutOptions` for a fitter of your own.
    engine : {"numba", "numpy", "reference", "loky", "statsmodels"}, default "numba"
        ``"numba"``: one compiled pass over the unsorted rows (ols, wls), or compiled steps over the rows sorted by
        group (huber); the first call of a kind compiles for some seconds, huber for some 15 s, and keeps the machine
        code on disk.
        ``"numpy"``: stacked QR over all groups (ols, wls). ``"reference"``: one group after the other, slow, obvious,
        for comparison (ols, wls, huber). ``"loky"``: the same in several processes, and fitters of your own.
        ``"statsmodels"``: one statsmodels fit after the other (ols, wls, glm, rlm, fitters of your own).
    medians : str or sequence of str, default ()
        Numeric columns whose median over the group's rows is wanted.
    weighted_medians : bool, default False
        Weight the medians and the mad.
    diagnostics : str or sequence of str, default ("errors", "rms")
        Any of ``errors``, ``covariance`` (upper triangle), ``confidence`` (95 % bounds), ``pvalues``, ``rms``,
        ``mad`` (median absolute deviation of the residuals), ``r_squared``, ``condition``, ``chi2``.
    suffix : str, default ""
        Appended to every column but the keys.
    dtype : {"float64", "float32"}, default "float64"
        Of the table's floats; the arithmetic is in double precision.
    threads : int, optional
        Most threads of the engine ``"numba"``; default ``NUMBA_NUM_THREADS`` or all cores. Few rows take fewer.
    n_jobs : int, optional
        Processes of the engine ``"loky"``; -1 and the default are all cores, 1 stays in this process.
    return_metadata : bool, default False
        Give what :func:`fit_metadata` tells beside the table: polars has no place for it in the table.

    Returns
    -------
    pandas.DataFrame, polars.DataFrame or pyarrow.Table (n_groups,)
        Of the frame's kind, for a lazy frame an eager one; with ``return_metadata`` a tuple of it and a dict.
        Sorted by key, keys in their own dtypes. For target t and predictor p: ``t_intercept``, ``t_slope_p``, each
        with ``_err`` (and ``_low``, ``_high``, ``_pvalue``), ``t_rms``, ``t_mad``, ``t_r_squared``, ``t_condition``,
        ``t_chi2``, ``t_ndf``, ``t_cov_p_q``, ``t_n_used`` (int64), ``t_status`` (int16, see :class:`FitStatus`),
        huber and fitters of your own also ``t_n_refits`` and ``t_n_rejected`` (int64, rows that the cut threw out),
        then the medians ``m`` and ``n_rows`` (int64), the selected rows of the group. A coefficient that is not
        determined is NaN, and so is everything of a group with fewer than ``min_entries`` usable rows.
        Metadata: :func:`fit_metadata`.

    Raises
    ------
    InputError
        If an argument breaks its rule, before anything runs.
    UnknownNameError
        If the engine or the fitter is unknown, or the engine cannot run the fitter.
    MissingExtraError
        If the engine needs a library that is not installed.
    WorkerError
        If a process of the engine ``"loky"`` dies.

    Warns
    -----
    DataWarning
        Once, if rows are left out for a negative weight; once, if a fitter failed in some groups (status FAILED).
    PerformanceWarning
        Once, if the engine ``"statsmodels"`` will take long, with the time that it will.

    See Also
    --------
    GroupByDriver : the same graph, asked for any of its nodes.
    predictions : fitted values, residuals and pulls of every row.

    Notes
    -----
    Minimises sum w (y - X beta)^2 in every group by rotating each row (x - mean, y - mean) of weight w into the group's
    triangular factor (engine ``"numba"``) or by Householder QR of the rows sqrt(w) (x - mean, y - mean) (the others),
    so that the error grows with the condition number and not with its square; nothing is regularised. Errors are
    sqrt(diag((X'WX)^-1)) rms with rms = sqrt(SSE / (n - rank)), as ``bse`` and ``sqrt(scale)`` of statsmodels WLS.
    A predictor whose remaining scatter is at most 32 roundoff units of its own data is aliased: NaN, RANK_DEFICIENT,
    the rest fitted without it. Cost O(n_rows k^2) for k columns; medians and mad, and the other engines, also sort the
    rows by group.

    References
    ----------
    W. M. Gentleman, Algorithm AS 75, Appl. Statist. 23 (1974) 448; A. J. Miller, AS 274, Appl. Statist. 41 (1992) 458.
    A. Bjorck, Numerical Methods for Least Squares Problems, SIAM 1996, sections 2.4 and 4.4.

    Examples
    --------
    >>> import gbr_dag
    >>> flights = gbr_dag.load_flights()
    >>> table = gbr_dag.fit_groups(flights, by="origin", targets="arr_delay", predictors="dep_delay")
    >>> table[["origin", "arr_delay_slope_dep_delay", "arr_delay_slope_dep_delay_err"]].round(4)
      origin  arr_delay_slope_dep_delay  arr_delay_slope_dep_delay_err
    0    EWR                     1.0255                         0.0012
    1    JFK                     1.0285                         0.0015
    2    LGA                     1.0035                         0.0014
    """
    inputs = {
        "frame": frame,
        "by": by,
        "targets": targets,
        "predictors": predictors,
        "weights": weights,
        "absolute_weights": absolute_weights,
        "selection": selection,
        "intercept": intercept,
        "min_entries": min_entries,
        "missing": missing,
        "medians": medians,
        "weighted_medians": weighted_medians,
        "diagnostics": diagnostics,
        "suffix": suffix,
        "dtype": dtype,
        "threads": threads,
        "n_jobs": n_jobs,
        "fitter_options": fitter_options,
    }
    if not isinstance(return_metadata, bool):
        message = f"return_metadata must be True or False, got {return_metadata!r}"
        raise InputError(message)
    outputs = ["fit_table", "fit_record"] if return_metadata else ["fit_table"]
    results = driver_of(engine, fitter).execute(outputs, inputs)
    return (results["fit_table"], results["fit_record"]) if return_metadata else results["fit_table"]
