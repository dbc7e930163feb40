"""One call: one fit per bin of a grid, from the bin and its neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Callable, Literal, Optional, Union

import numpy.typing as npt

from gbr_dag.drivers.sliding_window import window_driver_of
from gbr_dag.errors import InputError
from gbr_dag.options import HuberOptions

Names = Union[str, Sequence[str]]


def fit_windows(
    frame: Any,
    by: Names,
    window: Mapping[str, Any],
    targets: Names,
    predictors: Names = (),
    *,
    within: Names = (),
    weights: Optional[Union[str, npt.ArrayLike]] = None,
    absolute_weights: bool = False,
    selection: Optional[Union[str, npt.ArrayLike]] = None,
    intercept: bool = True,
    min_entries: int = 10,
    missing: Literal["per_target", "any"] = "per_target",
    boundary: Union[str, Mapping[str, str]] = "truncate",
    period: Optional[Union[int, Mapping[str, int]]] = None,
    kernel: Union[str, Callable[..., Any], Mapping[str, str]] = "uniform",
    kernel_width: Optional[Union[float, Mapping[str, float]]] = None,
    binning: Optional[Mapping[str, Any]] = None,
    statistics: Names = ("mean", "std", "median", "entries"),
    weighted_medians: bool = False,
    fitter: Literal["ols", "wls", "huber"] = "ols",
    fitter_options: Optional[HuberOptions] = None,
    engine: Literal["numba", "numpy", "reference"] = "numba",
    diagnostics: Names = ("errors", "rmse", "r_squared"),
    suffix: str = "",
    dtype: npt.DTypeLike = "float64",
    threads: Optional[int] = None,
    n_jobs: Optional[int] = None,
    return_metadata: bool = False,
) -> Any:
    """Fit one weighted regression per bin of a grid, from the rows of the bin and of its neighbours.

    Parameters
    ----------
    frame : pandas.DataFrame, polars.DataFrame, polars.LazyFrame or pyarrow.Table (n_rows,)
        The data; any index, rows are positions. Never modified or sorted.
    by : str or sequence of str
        Dimensions of the grid: integer columns, or names that ``binning`` makes. Every occupied bin is a centre.
    window : dict of str to int or dict
        Bins to either side by dimension: ``{"xBin": 2, "yBin": 1}``; a dimension that is not named has 0. Or per
        dimension a dict of ``size``, ``boundary``, ``period``, ``kernel``, ``width``; one of size 0 takes no other.
    targets : str or sequence of str
        Numeric columns to be fitted, each on its own.
    predictors : str or sequence of str, default ()
        Numeric columns; none for the means with their errors. A row with a missing or infinite predictor is left out
        and counted.
    within : str or sequence of str, default ()
        Keys that take no window, of any dtype: bins of different values are no neighbours. They never enlarge the grid.
    weights : str or array-like (n_rows,), optional
        Relative inverse variances, var(y) = sigma^2 / w. A row whose weight is missing, infinite, zero or negative is
        left out and counted, with one warning if any is negative.
    absolute_weights : bool, default False
        The weights are 1 / sigma^2: errors take no scale from the residuals, and chi2 and ndf columns come.
    selection : str or bool array-like (n_rows,), optional
        Rows to take, as for :func:`fit_groups`. The range of the grid is that of the rows taken.
    intercept : bool, default True
        Whether a constant is fitted.
    min_entries : int, default 10
        Distinct rows that a target's fit needs.
    missing : {"per_target", "any"}, default "per_target"
        A missing or infinite target leaves its row out for that target only, or for all of them.
    boundary : {"truncate", "symmetric", "mirror", "periodic"} or dict of str to these, default "truncate"
        What the part of a window beyond the observed range lo..hi does. ``truncate``: it is dropped. ``symmetric``:
        both sides shrink, so that the window stays centred. ``mirror``: bin 2 lo - i stands for i < lo, 2 hi - i for
        i > hi; a bin met twice has twice the weight. ``periodic``: the range repeats.
    period : int or dict of str to int, optional
        Bins after which a periodic dimension repeats, at least 2 w + 1; default the observed range. One number is that
        of every periodic dimension.
    kernel : {"uniform", "gaussian", "epanechnikov", "linear", "distance"}, callable or dict, default "uniform"
        Weights of neighbours; with u = offset / width by dimension: 1; exp(-sum u^2 / 2); max(0, 1 - sum u^2);
        max(0, 1 - sqrt(sum u^2)); 1 / (1 + d), d the Euclidean offset in bins. A function (offsets, widths) of int
        arrays (n, n_dimensions) and (n_dimensions,), those of the dimensions that have a window, gives weights (n,). By
        dimension: the product over different kernels; dimensions of one kernel share its sums. A bin of weight 0 is no
        neighbour; weights below 1e-20 (the centre has 1) count as 0, along each dimension of a product by itself. A
        function must give 0 or weights from 1e-20 to 1e20, each offset's by itself.
    kernel_width : float or dict of str to float, optional
        In bins; default max(w, 1) for gaussian and w + 1 for epanechnikov and linear. Uniform and distance have none.
    binning : dict of str to dict or str, optional
        Dimensions, or keys of ``within``, that are made from other columns; the frame must not have them. ``{"column":
        "x", "edges": [...]}``: bin i holds edges[i] <= x < edges[i + 1], the last one its right edge too. ``{"column":
        "x", "width": 2, "origin": 0}``: floor((x - origin) / width); of times and durations ``"30min"``, the origin a
        point in time, default 1970-01-01 of the time that is shown, of UTC with a time zone. An expression as of
        ``selection`` that gives whole numbers: ``"x // 2"``. A row whose value is missing, infinite or beyond the
        edges is left out and counted as one with a missing key.
    statistics : str or sequence of str, default ("mean", "std", "median", "entries")
        Of each target over the window: ``mean``, ``std`` (divisor sum v - sum v^2 / sum v), ``median``, ``entries``,
        ``sum_weights``, ``min``, ``max``, ``mad`` (median absolute deviation), quantiles such as ``q05``; exact.
    weighted_medians : bool, default False
        Weight medians, mad and quantiles by the rows' weights. The kernel weights them in any case.
    fitter : {"ols", "wls", "huber"}, default "ols"
        As for :func:`fit_groups`.
    fitter_options : HuberOptions, optional
        Settings of ``"huber"``.
    engine : {"numba", "numpy", "reference"}, default "numba"
        ``"numba"``: records of the bins merged along one axis at a time, compiled. ``"numpy"``: the same by stacked QR.
        ``"reference"``: the rows of every window gathered, slow, obvious, for comparison.
    diagnostics : str or sequence of str, default ("errors", "rmse", "r_squared")
        Any of ``errors``, ``covariance``, ``confidence`` (95 % bounds), ``pvalues``, ``r_squared``, ``rmse``, ``rms``,
        ``condition``, ``chi2``.
    suffix : str, default ""
        Appended to every column but the keys.
    dtype : {"float64", "float32"}, default "float64"
        Of the table's floats; the arithmetic is in double precision.
    threads : int, optional
        Most threads of the engine ``"numba"``; default ``NUMBA_NUM_THREADS`` or all cores.
    n_jobs : int, optional
        For engines that run in processes, of which there is none for windows.
    return_metadata : bool, default False
        Give what :func:`fit_metadata` tells beside the table: polars has no place for it in the table.

    Returns
    -------
    pandas.DataFrame, polars.DataFrame or pyarrow.Table (n_bins,)
        Of the frame's kind; with ``return_metadata`` a tuple of it and a dict. Sorted by key, those of ``within``
        first. For target t and predictor p (in which what is not alphanumeric becomes ``_``): the statistics ``t_mean``
        and so on, ``t_intercept``, ``t_slope_p``, each with ``_err`` (and ``_low``, ``_high``, ``_pvalue``),
        ``t_r_squared``, ``t_rmse`` = sqrt(sum v r^2 / sum v), ``t_rms`` (standard deviation of a row of weight 1),
        ``t_condition``, ``t_chi2``, ``t_ndf``, ``t_cov_p_q``, ``t_n_fitted`` (distinct rows, int64), ``t_status`` (see
        :class:`FitStatus`), of huber ``t_n_refits`` and ``t_n_rejected``. For every bin ``n_neighbors_used`` (occupied
        bins in the window, itself included), ``n_rows_aggregated`` (selected rows in them),
        ``effective_window_fraction`` (occupied bins over the prod(2 w + 1) of a whole window) and ``quality_flag``:
        empty, or ``empty_window``, ``insufficient_stats``, ``fit_failed_t``, ``singular_t`` joined by commas.

    Raises
    ------
    InvalidWindowSpec
        If the window, a boundary or a kernel is not described as above, or does not fit the range of the bins.
    InputError
        If another argument breaks its rule, before anything runs.
    UnknownNameError
        If the engine or the fitter is unknown, or the engine cannot run the fitter.

    Warns
    -----
    DataWarning
        Once, if rows are left out for a negative weight.
    PerformanceWarning
        Once, if windows are gone through row by row or neighbour by neighbour and that will take longer than 10 s, with
        the time that it will: engine ``"reference"``, fitter ``"huber"``, kernels that are no product.

    See Also
    --------
    SlidingWindowDriver : the same graph, asked for any of its nodes.
    predictions : fitted values, residuals and pulls of every row.

    Notes
    -----
    Minimises sum v (y - X beta)^2 over the rows of every window, v = k w with kernel weights k and row weights w. Each
    bin's rows become one triangular factor; factors are merged along one axis at a time, so that the cost is
    O(rows + bins sum(2 w + 1)) and not the window's volume. Grids that are mostly empty, and kernels that are no
    product of functions of one dimension, are merged neighbour by neighbour.

    Errors, with B = (sum v x x')^-1 and M = sum k^2 w x x': sigma^2 = sum v r^2 / (sum k - tr BM), Cov = sigma^2 B M B;
    for k = 1 those of weighted least squares. Bounds and p-values by Student's t with
    nu = (sum k - tr BM)^2 / (sum k^2 - 2 tr B M3 + tr BMBM), M3 = sum k^3 w x x'. This is wrong where the variance of
    a row is not sigma^2 / w, and so is any slope where the kernel averages over a bend.

    ``"huber"`` minimises sum k rho(u), u = sqrt(w) r / s, where s is 1.4826 times the median of abs(sqrt(w) r) weighted
    by k: residuals beyond the tuning count less. ``t_rms`` is s. Errors are Huber's H1 with B M B in the place of
    (X'WX)^-1: Cov = K^2 s^2 [sum k psi^2 / (sum k - tr BM)] / m^2 B M B, psi(u) u cut off at the tuning, m the
    k-weighted mean of psi', K = 1 + (tr BM / sum k) var(psi') / m^2. A row that ``sigma_cut`` rejects in one window can
    stay in another: ``t_n_refits`` and ``t_n_rejected`` tell of each. The rows of every window are gathered and gone
    through anew in every step: the cost is that of the rows times the window's volume.

    References
    ----------
    W. M. Gentleman, Algorithm AS 75, Appl. Statist. 23 (1974) 448; A. J. Miller, AS 274, Appl. Statist. 41 (1992) 458.
    F. E. Satterthwaite, Biometrics Bulletin 2 (1946) 110. P. J. Huber, Robust Statistics (1981), section 7.6.

    Examples
    --------
    >>> import gbr_dag
    >>> flights = gbr_dag.load_flights()
    >>> model = {"by": ["month", "hour"], "targets": "arr_delay", "predictors": "dep_delay", "statistics": ()}
    >>> table = gbr_dag.fit_windows(flights, window={"month": 1, "hour": 1}, **model)
    >>> table[["month", "hour", "arr_delay_slope_dep_delay", "arr_delay_n_fitted"]].tail(2).round(4)
         month  hour  arr_delay_slope_dep_delay  arr_delay_n_fitted
    227     12    22                     1.0092                2448
    228     12    23                     1.0127                 643
    """
    inputs = {name: value for name, value in locals().items() if name not in ("engine", "fitter", "return_metadata")}
    if not isinstance(return_metadata, bool):
        message = f"return_metadata must be True or False, got {return_metadata!r}"
        raise InputError(message)
    outputs = ["fit_table", "fit_record"] if return_metadata else ["fit_table"]
    results = window_driver_of(engine, fitter).execute(outputs, inputs)
    return (results["fit_table"], results["fit_record"]) if return_metadata else results["fit_table"]
