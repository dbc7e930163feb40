"""Group-by regression: one weighted fit per group key."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import cache
from types import ModuleType
from typing import Any, Literal, Optional, Union

import numpy.typing as npt
import pandas as pd

from gbr_dag.compilation import announced_compilation
from gbr_dag.drivers.arguments import checked_arguments
from gbr_dag.drivers.comparison import Comparison, checked_configs, checked_tolerance, compared
from gbr_dag.drivers.idle import idle_nodes
from gbr_dag.drivers.metadata import completed_record, with_metadata
from gbr_dag.errors import InputError
from gbr_dag.frames import in_kind_of, library_versions
from gbr_dag.graph import Driver, Plan
from gbr_dag.graph.checks import checked_outputs, checked_values
from gbr_dag.nodes import (
    bin_map,
    binning,
    compiled,
    design,
    diagnostics,
    factors,
    fit,
    prediction,
    rank,
    reference,
    result,
    selection,
    statistics,
)

Names = Union[str, Sequence[str]]

NODES = (
    selection,
    binning,
    bin_map,
    design,
    factors,
    rank,
    fit,
    compiled,
    reference,
    diagnostics,
    statistics,
    prediction,
    result,
)
"""The modules of the group-by graph, in the way of the data."""


class GroupByDriver(Driver):
    """The graph of group-by regression.

    Parameters
    ----------
    engine : {"numba", "numpy", "reference"}
        How the fits are made: compiled, in one pass over the unsorted rows; stacked QR over all groups; or one group
        after the other, slow and obvious.
    fitter : {"ols", "wls"}
        What is fitted: weighted least squares; ``"wls"`` insists on weights.
    modules : sequence of modules
        Further modules of node functions, added to the graph.
    replace : sequence of str
        Nodes whose function in ``modules`` takes the place of the one here.
    progress : bool or callable, optional
        See :class:`gbr_dag.Driver`.

    Notes
    -----
    ``execute``, ``plan`` and ``draw`` take as inputs the arguments of :func:`fit_groups`; what is not given has the
    default that stands there. A diagnostic that is not asked for is not computed for the table.

    A frame of polars or pyarrow goes through the graph as a pandas frame that holds the columns which the arguments
    name, over the same memory where that is possible; only ``fit_table`` goes out in the caller's kind. A lazy frame
    is collected for a plan too.

    Examples
    --------
    >>> import gbr_dag
    >>> driver = gbr_dag.GroupByDriver()
    >>> inputs = {"frame": gbr_dag.load_flights(), "by": "origin", "targets": "arr_delay"}
    >>> driver.execute(["entries"], inputs)["entries"]
    array([120835, 111279, 104662])
    """

    def __init__(
        self,
        *,
        engine: str = "numba",
        fitter: str = "ols",
        modules: Sequence[ModuleType] = (),
        replace: Sequence[str] = (),
        progress: Union[bool, Callable[[str, int, int], None], None] = None,
    ) -> None:
        super().__init__([*NODES, *modules], {"engine": engine, "fitter": fitter}, replace=replace, progress=progress)
        self._fitter, self._engine = fitter, engine
        self._extension = (self._modules[len(NODES) :], replace)
        self._idle: set[str] = set()

    def execute(
        self,
        outputs: Iterable[str],
        inputs: Optional[Mapping[str, Any]] = None,
        overrides: Optional[Mapping[str, Any]] = None,
    ) -> dict[str, Any]:
        """Run what the outputs need and give them by name; see :meth:`gbr_dag.Driver.execute`.

        Raises
        ------
        InputError
            If an argument breaks its rule, before anything runs.
        """
        start = time.perf_counter()
        names = checked_outputs(self._graph, outputs)
        given = checked_values("inputs", inputs)
        completed, idle = self._completed(names, given, overrides)
        self._idle = set(idle)
        with announced_compilation(self._progress) if self._engine == "numba" else nullcontext():
            results = super().execute(names, completed, {**idle, **(overrides or {})})
        found: dict[str, Any] = {"seconds": round(time.perf_counter() - start, 6), "versions": {}}
        if self._engine in sys.modules:
            found["versions"][self._engine] = sys.modules[self._engine].__version__
        if "frame" in given:
            found["versions"].update(library_versions(given["frame"]))
        if "fit_record" in results and "fit_record" not in (overrides or {}):
            results["fit_record"] = completed_record(results["fit_record"], found)
        if "fit_table" in results and "fit_table" not in (overrides or {}):
            # its columns may also be those of what else is asked for or given
            table = results["fit_table"].copy() if overrides or len(results) > 1 else results["fit_table"]
            results["fit_table"] = _table_of_caller(table, given.get("frame"), completed, found)
        return results

    def plan(
        self,
        outputs: Iterable[str],
        inputs: Optional[Mapping[str, Any]] = None,
        overrides: Optional[Mapping[str, Any]] = None,
    ) -> Plan:
        """What ``execute`` would do; see :meth:`gbr_dag.Driver.plan`.

        Raises
        ------
        InputError
            If an argument breaks its rule.
        """
        names = checked_outputs(self._graph, outputs)
        completed, idle = self._completed(names, inputs, overrides)
        plan = super().plan(names, completed, {**idle, **(overrides or {})})
        return replace(plan, kept=tuple(name for name in plan.kept if name not in idle))

    def compare(
        self,
        inputs: Mapping[str, Any],
        left: Mapping[str, str],
        right: Mapping[str, str],
        *,
        outputs: Iterable[str] = ("fit_table",),
        tolerance: float = 1e-9,
    ) -> Comparison:
        """Run two configurations on the same inputs and find the first node, and group in it, where they differ.

        Parameters
        ----------
        inputs : mapping of str to object
            As in :meth:`execute`.
        left, right : mapping of str to str
            ``engine`` and ``fitter`` of each side; what is not given is this driver's.
        outputs : sequence of str, default ("fit_table",)
            Whatever these need and both graphs have is compared.
        tolerance : float, default 1e-9
            Largest relative difference that is let pass.

        Returns
        -------
        Comparison
            Its ``equal`` is true when nothing differs that counts; the rules stand there.

        Raises
        ------
        UnknownNameError
            If a key or value of a configuration, or an output, is unknown.
        InputError
            If an argument breaks its rule.

        Examples
        --------
        >>> import gbr_dag
        >>> inputs = {"frame": gbr_dag.load_flights(), "by": "origin", "targets": "arr_delay"}
        >>> driver = gbr_dag.GroupByDriver()
        >>> driver.compare(inputs, {"engine": "reference"}, {"engine": "numpy"}).equal
        True
        """
        modules, replaced = self._extension

        def configured(config: Mapping[str, str]) -> GroupByDriver:
            return GroupByDriver(**config, modules=modules, replace=replaced, progress=self._progress)

        names = checked_outputs(self._graph, outputs)
        completed, _ = self._completed(names, inputs, None)
        configs = checked_configs(self._graph.config, left, right)
        return compared(configured, configs, names, completed, checked_tolerance(tolerance))

    def report(self) -> pd.DataFrame:
        """Steps of the last run; see :meth:`gbr_dag.Driver.report`. Diagnostics not asked for do not show."""
        steps = super().report()
        return steps[~steps["node"].isin(self._idle)].reset_index(drop=True)

    def _completed(
        self, outputs: Iterable[str], inputs: Optional[Mapping[str, Any]], overrides: Optional[Mapping[str, Any]]
    ) -> tuple[dict[str, Any], dict[str, None]]:
        """Checked inputs with defaults, and None for what nothing has a use for."""
        overrides = checked_values("overrides", overrides)
        completed = checked_arguments(checked_values("inputs", inputs), fitter=self._fitter)
        return completed, dict.fromkeys(idle_nodes(self._graph, outputs, completed, overrides))


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
    fitter: Literal["ols", "wls"] = "ols",
    engine: Literal["numba", "numpy", "reference"] = "numba",
    medians: Names = (),
    weighted_medians: bool = False,
    diagnostics: Names = ("errors", "rms"),
    suffix: str = "",
    dtype: npt.DTypeLike = "float64",
    threads: Optional[int] = None,
    return_metadata: bool = False,
) -> Any:
    """Fit one weighted linear regression per group.

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
    fitter : {"ols", "wls"}, default "ols"
        Least squares, weighted when there are weights; ``"wls"`` insists on them.
    engine : {"numba", "numpy", "reference"}, default "numba"
        ``"numba"``: one compiled pass over the unsorted rows; the first call of a kind compiles for some seconds and
        keeps the machine code on disk. ``"numpy"``: stacked QR over all groups. ``"reference"``: one group after the
        other, slow, obvious, for comparison.
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
    return_metadata : bool, default False
        Give what :func:`fit_metadata` tells beside the table: polars has no place for it in the table.

    Returns
    -------
    pandas.DataFrame, polars.DataFrame or pyarrow.Table (n_groups,)
        Of the frame's kind, for a lazy frame an eager one; with ``return_metadata`` a tuple of it and a dict.
        Sorted by key, keys in their own dtypes. For target t and predictor p: ``t_intercept``, ``t_slope_p``, each
        with ``_err`` (and ``_low``, ``_high``, ``_pvalue``), ``t_rms``, ``t_mad``, ``t_r_squared``, ``t_condition``,
        ``t_chi2``, ``t_ndf``, ``t_cov_p_q``, ``t_n_used`` (int64), ``t_status`` (int16, see :class:`FitStatus`),
        then the medians ``m`` and ``n_rows`` (int64), the selected rows of the group. A coefficient that is not
        determined is NaN, and so is everything of a group with fewer than ``min_entries`` usable rows.
        Metadata: :func:`fit_metadata`.

    Raises
    ------
    InputError
        If an argument breaks its rule, before anything runs.
    UnknownNameError
        If the engine or the fitter is unknown.

    Warns
    -----
    DataWarning
        Once, if rows are left out for a negative weight.

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
    }
    for argument, choice in (("engine", engine), ("fitter", fitter)):
        if not isinstance(choice, str):
            message = f"{argument} must be a name (str), got {choice!r} of type {type(choice).__name__}"
            raise InputError(message)
    if not isinstance(return_metadata, bool):
        message = f"return_metadata must be True or False, got {return_metadata!r}"
        raise InputError(message)
    outputs = ["fit_table", "fit_record"] if return_metadata else ["fit_table"]
    results = _driver(engine, fitter).execute(outputs, inputs)
    return (results["fit_table"], results["fit_record"]) if return_metadata else results["fit_table"]


@cache
def _driver(engine: str, fitter: str) -> GroupByDriver:
    """One graph a combination: building it takes longer than fitting a thousand groups."""
    driver = GroupByDriver(engine=engine, fitter=fitter)
    driver._reports = False
    return driver


def _table_of_caller(table: pd.DataFrame, frame: Any, arguments: Mapping[str, Any], found: Mapping[str, Any]) -> Any:
    """The fit table in the kind of the caller's frame, with all that is known of how it came to be."""
    record = getattr(table, "attrs", {}).get("gbr_dag")
    out = table if frame is None else in_kind_of(frame, table, keys=arguments["by"])
    return out if record is None else with_metadata(out, completed_record(record, found))
