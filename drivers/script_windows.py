"""The door that scripts written for ``make_sliding_window_fit`` call.

It takes the arguments that those scripts know; new code takes :func:`gbr_dag.fit_windows`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Callable, Optional, Union

import numpy.typing as npt
import pandas as pd

from gbr_dag.drivers.arguments import checked_frame, checked_names
from gbr_dag.drivers.fitters import WINDOW_ENGINES_OF, check_window_engine, fitter_name
from gbr_dag.drivers.script_calls import check_choice, check_numeric, check_text, checked_whole
from gbr_dag.drivers.script_formulas import SumOfColumns, sum_of_columns
from gbr_dag.drivers.sliding_window import window_driver_of
from gbr_dag.drivers.window_arguments import DEFAULTS, check_statistics
from gbr_dag.errors import InputError, InvalidWindowSpec
from gbr_dag.graph.checks import unknown

Names = Union[str, Sequence[str]]
Aggregations = Mapping[str, Optional[Names]]

_BACKENDS = ("numba", "numpy")

_NAMES = {
    "binning": "binning_formulas",
    "by": "group_columns",
    "predictors": "predictor_columns",
    "targets": "fit_columns",
    "weights": "weights_column",
    "window": "window_spec",
}
"""What the door calls arguments of ``fit_windows``."""

_OF_ARGUMENTS = re.compile(
    r"""'(?:[^'\\]|\\.)*'|"[^"]*"|\A(?:binning|by|predictors|window)\b|\b(?:binning|by|weights)(?==)"""
    r"""|targets and predictors must|needs weights,"""
)
"""Where refusals name arguments; quoted text, which is skipped, comes first."""


def make_sliding_window_fit(
    df: pd.DataFrame,
    group_columns: Names,
    window_spec: Mapping[str, Any],
    fit_columns: Names,
    predictor_columns: Names,
    fit_formula: Optional[str] = None,
    fitter: str = "ols",
    aggregation_functions: Optional[Aggregations] = None,
    weights_column: Optional[str] = None,
    selection: Optional[Union[str, npt.ArrayLike]] = None,
    binning_formulas: Optional[Mapping[str, Any]] = None,
    min_entries: int = 10,
    backend: str = "numpy",
    partition_strategy: None = None,
    *,
    boundary: Union[str, Mapping[str, str]] = "truncate",
    kernel: Union[str, Callable[..., Any], Mapping[str, str]] = "uniform",
    kernel_width: Optional[Union[float, Mapping[str, float]]] = None,
    suffix: str = "",
) -> pd.DataFrame:
    """Fit every bin of a grid from its own rows and those of its neighbours, or give their statistics only.

    Parameters
    ----------
    df : pandas.DataFrame (n_rows,)
        The data; any index, rows are positions. Never modified.
    group_columns : str or sequence of str
        Dimensions of the grid: integer columns, or names that ``binning_formulas`` makes.
    window_spec : dict of str to int or dict
        Bins to either side, for every dimension: ``{"xBin": 2, "yBin": 1}``; or dicts as of :func:`fit_windows`.
    fit_columns, predictor_columns : str or sequence of str
        Targets and predictors. A missing target leaves its row out for that target only.
    fit_formula : str, optional
        ``"target ~ a + b"``: predictors joined by ``+``, with ``- 1`` or ``+ 0`` for no intercept. The left side may be
        absent, the word ``target`` or the only target: the right side serves every target, and names every predictor.
        None: statistics only.
    fitter : {"ols", "wls", "huber"}, default "ols"
        As for :func:`fit_windows`.
    aggregation_functions : dict of str to sequence of str, optional
        Statistics by target, as of :func:`fit_windows`; a target that is not named has none, None stands for the
        default. Default for every target ``mean``, ``std``, ``median``, ``entries``.
    weights_column : str, optional
        Column of relative inverse variances. Rows whose weight is missing, infinite, zero or negative are left out of
        fits.
    selection : bool array-like (n_rows,) or str, optional
        Rows to take: a mask by position, or an expression as of :func:`fit_groups`.
    binning_formulas : dict of str to str or dict, optional
        Dimensions that are made of columns: ``{"xBin": "x // 2"}``, or rules as ``binning`` of :func:`fit_windows`.
    min_entries : int, default 10
        Distinct rows that a target's fit needs.
    backend : {"numpy", "numba"}, default "numpy"
        As ``engine`` of :func:`fit_windows`.
    partition_strategy : None
        Windows are merged from their bins: there are no tiles to choose.
    boundary, kernel, kernel_width : optional
        As for :func:`fit_windows`.
    suffix : str, default ""
        Appended to every column but the keys.

    Returns
    -------
    pandas.DataFrame (n_bins,)
        One row an occupied bin, sorted by key, with the columns of :func:`fit_windows`; of statistics only, without
        those of fits. Its ``attrs`` hold ``group_columns``, ``window_spec_json``, ``binning_formulas_json``,
        ``boundary_mode_per_dim``, ``kernel``, ``backend_used``, ``fitter_used`` (None without fits),
        ``computation_time_sec``, ``python_version`` and ``left_out_rows``.

    Raises
    ------
    InvalidWindowSpec
        If ``window_spec`` is empty, lacks a dimension or has one too many, or is otherwise not as described.
    InputError
        If another argument breaks its rule, before anything runs.
    UnknownNameError
        If the fitter is unknown, or the backend cannot run it.

    Examples
    --------
    >>> import gbr_dag
    >>> flights = gbr_dag.load_flights()
    >>> grid = (["month", "hour"], {"month": 1, "hour": 1})
    >>> model = {"fit_columns": "arr_delay", "predictor_columns": "dep_delay", "fit_formula": "target ~ dep_delay"}
    >>> fits = gbr_dag.make_sliding_window_fit(flights, *grid, **model, aggregation_functions={})
    >>> fits[["month", "hour", "arr_delay_slope_dep_delay", "arr_delay_n_fitted"]].tail(2).round(3)
         month  hour  arr_delay_slope_dep_delay  arr_delay_n_fitted
    227     12    22                      1.009                2448
    228     12    23                      1.013                 643
    """
    roles = _checked_roles(df, group_columns, fit_columns, predictor_columns, weights_column, binning_formulas)
    by, targets, predictors = roles
    _check_dimensions(by, window_spec)
    _check_engine(fitter, backend, partition_strategy)
    check_text("suffix", suffix)
    statistics = _statistics(targets, aggregation_functions)
    inputs: dict[str, Any] = {
        "frame": df,
        "by": by,
        "window": window_spec,
        "targets": targets,
        "weights": weights_column,
        "selection": selection,
        "binning": binning_formulas,
        "min_entries": checked_whole("min_entries", min_entries, 1),
        "boundary": boundary,
        "kernel": kernel,
        "kernel_width": kernel_width,
        "suffix": suffix,
        "statistics": list(dict.fromkeys(name for of_target in statistics.values() for name in of_target)),
    }
    output = "statistics_table"
    if fit_formula is None:
        inputs["diagnostics"] = ()
    else:
        output, terms = "fit_table", _terms(fit_formula, targets, predictors)
        inputs.update(predictors=terms.predictors, intercept=terms.intercept)
    try:
        table: pd.DataFrame = window_driver_of(backend, fitter).execute([output], inputs)[output]
    except InputError as error:
        raise type(error)(_in_words_of_the_door(str(error))) from error.__cause__
    unasked = [
        f"{target}_{name}{suffix}"
        for target in targets
        for name in inputs["statistics"]
        if name not in statistics[target]
    ]
    return table.drop(columns=unasked)


def _in_words_of_the_door(message: str) -> str:
    """A refusal of :func:`fit_windows` with the names that this door has for its arguments."""

    def named(match: re.Match[str]) -> str:
        found = match.group()
        return (
            found if found[0] in "'\"" else re.sub(r"\w+", lambda word: _NAMES.get(word.group(), word.group()), found)
        )

    return _OF_ARGUMENTS.sub(named, message).replace("move it to within", "give it to fit_windows as within")


def _terms(formula: Any, targets: Sequence[str], predictors: Sequence[str]) -> SumOfColumns:
    """What the formula asks for; a predictor that it does not is refused."""
    terms = sum_of_columns(formula, targets, predictors)
    unused = [name for name in predictors if name not in terms.predictors]
    if unused:
        message = (
            f"predictor_columns: fit_formula {formula!r} has no {', '.join(map(repr, unused))}; add them, or leave them"
            " out"
        )
        raise InputError(message)
    return terms


def _checked_roles(
    df: Any, group_columns: Any, fit_columns: Any, predictor_columns: Any, weights_column: Any, binning: Any
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Keys, targets and predictors that are there; messages name the arguments as the door does."""
    if not isinstance(df, pd.DataFrame):
        kind = f"{type(df).__module__.split('.')[0]}.{type(df).__name__}"
        message = (
            f"df must be a pandas.DataFrame, got {kind}; convert it, or give it to fit_windows, which takes others"
        )
        raise InputError(message)
    if weights_column is not None and not isinstance(weights_column, str):
        message = f"weights_column must be the name of a column or None, got {type(weights_column).__name__}"
        raise InputError(message)
    given = {"group_columns": group_columns, "fit_columns": fit_columns, "predictor_columns": predictor_columns}
    roles = {argument: checked_names(argument, value) for argument, value in given.items()}
    for argument in ("group_columns", "fit_columns"):
        if not roles[argument]:
            message = f"{argument} must name at least one column, got none"
            raise InputError(message)
    made = set(binning) if isinstance(binning, Mapping) else set()
    there = {**roles, "group_columns": tuple(name for name in roles["group_columns"] if name not in made)}
    there["weights_column"] = () if weights_column is None else (weights_column,)
    checked_frame(df, there)
    check_numeric(df, {argument: names for argument, names in there.items() if argument != "group_columns"})
    by, targets, predictors = roles.values()
    return by, targets, predictors


def _check_dimensions(by: Sequence[str], window_spec: Any) -> None:
    """Refuse a window that leaves a dimension to chance: nobody should have to know what it would be."""
    if not isinstance(window_spec, Mapping) or not window_spec:
        message = f"window_spec must be a dict of sizes by name such as {{{by[0]!r}: 1}}, got {window_spec!r}"
        raise InvalidWindowSpec(message)
    missing = [name for name in by if name not in window_spec]
    if missing:
        message = f"window_spec must name every one of group_columns, it lacks {missing[0]!r}; give 0 for no window"
        raise InvalidWindowSpec(message)


def _check_engine(fitter: Any, backend: Any, partition_strategy: Any) -> None:
    check_choice("backend", backend, _BACKENDS)
    if partition_strategy is not None:
        message = (
            f"partition_strategy must be None, got {partition_strategy!r}: windows are merged from factors of their"
            " bins, which needs no tiles"
        )
        raise InputError(message)
    name = fitter_name(fitter)
    if name in WINDOW_ENGINES_OF and backend not in WINDOW_ENGINES_OF[name]:
        message = f"fitter {name!r} does not run on backend {backend!r}; give backend='numba'"
        raise InputError(message)
    check_window_engine(name, backend)


def _statistics(targets: Sequence[str], asked: Any) -> dict[str, tuple[str, ...]]:
    """Statistics of each target."""
    default = tuple(DEFAULTS["statistics"])
    if asked is None:
        return dict.fromkeys(targets, default)
    if not isinstance(asked, Mapping):
        message = (
            f"aggregation_functions must be a dict of statistics by target such as {{{targets[0]!r}: ['mean']}}, or"
            f" None, got {asked!r}"
        )
        raise InputError(message)
    for name in asked:
        if name not in targets:
            raise InputError(unknown("aggregation_functions", name, targets, f"targets: {', '.join(targets)}"))
    found: dict[str, tuple[str, ...]] = dict.fromkeys(targets, ())
    for name, of_target in asked.items():
        argument = f"aggregation_functions[{name!r}]"
        found[name] = default if of_target is None else checked_names(argument, of_target)
        check_statistics(found[name], argument)
    return found
