"""Group-by regression: one weighted fit per group key."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import cache
from types import ModuleType
from typing import Any, Optional, Union

import pandas as pd

from gbr_dag.compilation import announced_compilation
from gbr_dag.drivers.arguments import checked_arguments
from gbr_dag.drivers.comparison import Comparison, checked_configs, checked_tolerance, compared
from gbr_dag.drivers.fitters import check_engine, fitter_name
from gbr_dag.drivers.idle import idle_nodes
from gbr_dag.drivers.metadata import completed_record, with_metadata
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
    fitters,
    group_fits,
    huber,
    prediction,
    processes,
    rank,
    result,
    selection,
    statistics,
    statsmodels_fits,
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
    group_fits,
    huber,
    statsmodels_fits,
    fitters,
    processes,
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
    engine : {"numba", "numpy", "reference", "loky", "statsmodels"}
        How the fits are made: compiled; by stacked QR over all groups; one group after the other, slow and obvious; the
        same in several processes; by statsmodels.
    fitter : {"ols", "wls", "huber", "glm", "rlm"}, callable or estimator
        What is fitted; see :func:`fit_groups`.
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
        fitter: Any = "ols",
        modules: Sequence[ModuleType] = (),
        replace: Sequence[str] = (),
        progress: Union[bool, Callable[[str, int, int], None], None] = None,
    ) -> None:
        name = fitter_name(fitter)
        check_engine(name, engine)
        super().__init__([*NODES, *modules], {"engine": engine, "fitter": name}, replace=replace, progress=progress)
        self._fitter, self._engine = name, engine
        self._own_fitter = fitter if name == "own" else None
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
            fitter = self._own_fitter if config["fitter"] == "own" else config["fitter"]
            return GroupByDriver(
                engine=config["engine"], fitter=fitter, modules=modules, replace=replaced, progress=self._progress
            )

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
        given = {"own_fitter": self._own_fitter, **checked_values("inputs", inputs)}
        completed = checked_arguments(given, fitter=self._fitter, engine=self._engine)
        return completed, dict.fromkeys(idle_nodes(self._graph, outputs, completed, overrides))


def driver_of(engine: Any, fitter: Any) -> GroupByDriver:
    """The driver behind a call: one a pair, since building it takes longer than fitting a thousand groups.

    One for a fitter of the user's own is built for the call.

    Raises
    ------
    UnknownNameError, InputError
        As :class:`GroupByDriver` does.
    """
    name = fitter_name(fitter)
    check_engine(name, engine)
    if name != "own":
        return _cached_driver(engine, name)
    return _without_report(GroupByDriver(engine=engine, fitter=fitter))


@cache
def _cached_driver(engine: str, fitter: str) -> GroupByDriver:
    return _without_report(GroupByDriver(engine=engine, fitter=fitter))


def _without_report(driver: GroupByDriver) -> GroupByDriver:
    driver._reports = False
    return driver


def _table_of_caller(table: pd.DataFrame, frame: Any, arguments: Mapping[str, Any], found: Mapping[str, Any]) -> Any:
    """The fit table in the kind of the caller's frame, with all that is known of how it came to be."""
    record = getattr(table, "attrs", {}).get("gbr_dag")
    out = table if frame is None else in_kind_of(frame, table, keys=arguments["by"])
    return out if record is None else with_metadata(out, completed_record(record, found))
