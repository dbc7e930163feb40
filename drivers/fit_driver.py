"""What the drivers of fits share: checked arguments in, a table of the caller's kind out."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from types import ModuleType
from typing import Any, Optional, Union

import pandas as pd

from gbr_dag.compilation import announced_compilation
from gbr_dag.drivers.comparison import Comparison, checked_configs, checked_tolerance, compared
from gbr_dag.drivers.fitters import check_engine, fitter_name
from gbr_dag.drivers.idle import unneeded_nodes
from gbr_dag.drivers.metadata import completed_record, with_metadata
from gbr_dag.frames import column_names, in_kind_of, library_versions
from gbr_dag.graph import Driver, Plan
from gbr_dag.graph.checks import checked_outputs, checked_values


class FitDriver(Driver):
    """A graph of fits whose inputs are the arguments of one call."""

    _nodes: tuple[ModuleType, ...] = ()
    """The modules of the graph, in the way of the data."""

    _tables: tuple[str, ...] = ("fit_table",)
    """Outputs that go out in the kind of the caller's frame."""

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
        self._check_engine(name, engine)
        config = {"engine": engine, "fitter": name}
        super().__init__([*self._nodes, *modules], config, replace=replace, progress=progress)
        self._fitter, self._engine = name, engine
        self._own_fitter = fitter if name == "own" else None
        self._extension = (self._modules[len(self._nodes) :], replace)
        self._idle: set[str] = set()

    def _check_engine(self, fitter: str, engine: Any) -> None:
        """Refuse an engine that cannot run the fitter."""
        check_engine(fitter, engine)

    def _checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Inputs of the graph from the caller's arguments: defaults filled in, every rule checked."""
        raise NotImplementedError

    def _dispensable(self, inputs: Mapping[str, Any]) -> dict[str, set[str]]:
        """Nodes that take others only for what was not asked for, and these others."""
        raise NotImplementedError

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
        for name in self._tables:
            if name in results and name not in (overrides or {}):
                # its columns may also be those of what else is asked for or given
                table = results[name].copy() if overrides or len(results) > 1 else results[name]
                results[name] = _table_of_caller(table, given.get("frame"), completed, found)
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

        def configured(config: Mapping[str, str]) -> FitDriver:
            fitter = self._own_fitter if config["fitter"] == "own" else config["fitter"]
            return type(self)(
                engine=config["engine"], fitter=fitter, modules=modules, replace=replaced, progress=self._progress
            )

        names = checked_outputs(self._graph, outputs)
        completed, _ = self._completed(names, inputs, None)
        configs = checked_configs(self._graph.config, left, right)
        given = checked_values("inputs", inputs)
        return compared(configured, configs, names, given, completed, checked_tolerance(tolerance))

    def report(self) -> pd.DataFrame:
        """Steps of the last run; see :meth:`gbr_dag.Driver.report`. Diagnostics not asked for do not show."""
        steps = super().report()
        return steps[~steps["node"].isin(self._idle)].reset_index(drop=True)

    def _completed(
        self, outputs: Iterable[str], inputs: Optional[Mapping[str, Any]], overrides: Optional[Mapping[str, Any]]
    ) -> tuple[dict[str, Any], dict[str, None]]:
        """Checked inputs with defaults, and None for what nothing has a use for."""
        overrides = checked_values("overrides", overrides)
        completed = self._checked({"own_fitter": self._own_fitter, **checked_values("inputs", inputs)})
        idle = unneeded_nodes(self._graph, outputs, self._dispensable(completed), overrides)
        return completed, dict.fromkeys(idle)


def _table_of_caller(table: pd.DataFrame, frame: Any, arguments: Mapping[str, Any], found: Mapping[str, Any]) -> Any:
    """The fit table in the kind of the caller's frame, with all that is known of how it came to be."""
    record = getattr(table, "attrs", {}).get("gbr_dag")
    if frame is not None:
        known = column_names(frame)  # keys may be made of columns
        table = in_kind_of(frame, table, keys=[name for name in arguments["by"] if name in known])
    return table if record is None else with_metadata(table, completed_record(record, found))
