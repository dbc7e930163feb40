"""Feature models: functions of rows and of groups in one graph, run for all groups at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional, Union

import pandas as pd

from gbr_dag.compilation import announced_compilation
from gbr_dag.drivers.feature_files import FeatureFiles
from gbr_dag.drivers.model_config import check_are_names, checked_config, checked_switch
from gbr_dag.drivers.model_frames import result_frames, taken_columns, taken_frame
from gbr_dag.errors import DuplicateNameError, InputError
from gbr_dag.features.columns import GroupedColumn
from gbr_dag.features.feature import Feature, made_feature
from gbr_dag.features.grouping import Grouping
from gbr_dag.features.levels import Level, Names
from gbr_dag.features.model import model_graph
from gbr_dag.features.registry import FeatureRegistry
from gbr_dag.features.verification import Verification, check_request, verified
from gbr_dag.graph import Driver, Plan
from gbr_dag.graph.checks import distinct_names
from gbr_dag.graph.execution import Progress, checked_progress


class ModelDriver(FeatureFiles):
    """A model of features: functions of rows (filters) and of groups (attributes) in one graph.

    A function is written as if for one group: its argument names are columns or other features, its name is what it
    yields. It runs once, for all groups. A filter that takes a group's value gets it for every row of the group.

    Parameters
    ----------
    config : mapping
        ``group_by``: key column, or a list of them. ``model_name``: its name in chains. ``client_name``: whose it is,
        optional. ``seq``: its place in a chain, optional.
    legacy_mode : bool, default False
        Functions take and return a frame, with ``inputs=`` and ``outputs=`` given.
    progress : bool or callable, optional
        See :class:`gbr_dag.Driver`.

    Raises
    ------
    InputError
        If the config lacks a key, or has one that is unknown.

    Examples
    --------
    >>> import gbr_dag
    >>> import pandas as pd
    >>> driver = gbr_dag.ModelDriver({"model_name": "ages", "group_by": "zone"})
    >>> def age(year_built):
    ...     return 2025 - year_built
    >>> def avg_age(age):
    ...     return age.mean()
    >>> def older_than_zone(age, avg_age):
    ...     return age > avg_age
    >>> def n_older(older_than_zone):
    ...     return older_than_zone.sum()
    >>> _ = driver.register_filter("age", age)
    >>> _ = driver.register_attribute("avg_age", avg_age)
    >>> _ = driver.register_filter("older_than_zone", older_than_zone)
    >>> _ = driver.register_attribute("n_older", n_older)
    >>> houses = pd.DataFrame({"zone": ["B", "A", "B", "A"], "year_built": [1925, 1975, 2005, 1985]})
    >>> driver.execute(houses, outputs=["avg_age", "n_older"])["groups"]
      zone  avg_age  n_older
    0    A     45.0        1
    1    B     60.0        1
    >>> driver.required_inputs(["n_older"])
    ['zone', 'year_built']
    """

    def __init__(self, config: Mapping[str, Any], *, legacy_mode: bool = False, progress: Progress = None) -> None:
        self._config = checked_config(config)
        self._by: tuple[str, ...] = self._config["group_by"]
        self._legacy = checked_switch("legacy_mode", legacy_mode)
        self._progress = checked_progress(progress)
        self._features = FeatureRegistry()
        self._driver: Optional[Driver] = None

    @property
    def config(self) -> dict[str, Any]:
        """The config, with ``group_by`` as a tuple."""
        return dict(self._config)

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self._config["model_name"])

    @property
    def by(self) -> tuple[str, ...]:
        """Key columns."""
        return self._by

    @property
    def registry(self) -> FeatureRegistry:
        """The features."""
        return self._features

    def register_filter(
        self,
        name: str,
        function: Callable[..., Any],
        *,
        inputs: Optional[Names] = None,
        outputs: Sequence[str] = (),
        tags: Sequence[str] = (),
        legacy_mode: Optional[bool] = None,
        replace: bool = False,
    ) -> ModelDriver:
        """Add a function of row level: one value per row.

        Parameters
        ----------
        name : str
            Name of the feature, and of its output unless ``outputs`` names others.
        function : callable
            Written for one group; arguments with a default take it where there is neither a feature nor a column.
        inputs : sequence of str or dict, optional
            Features or columns that the arguments take, in their order or by argument; default their own names.
        outputs : sequence of str, optional
            One name a value of the tuple, or a key of the dict, that the function returns.
        tags : sequence of str, optional
            Words to find it by in the registry.
        legacy_mode : bool, optional
            The function takes and returns a frame; default as the driver.
        replace : bool, default False
            Take the place of the feature of that name, if there is one; a function registered anew needs it.

        Returns
        -------
        ModelDriver
            Itself.

        Raises
        ------
        InputError
            If an argument breaks its rule, or the function is marked as group level.
        DuplicateNameError
            If another feature has the name or yields the same, or a key column has the name. Nothing changes then.
        """
        return self._register(name, function, "row", inputs, outputs, tags, legacy_mode, replace)

    def register_attribute(
        self,
        name: str,
        function: Callable[..., Any],
        *,
        inputs: Optional[Names] = None,
        outputs: Sequence[str] = (),
        tags: Sequence[str] = (),
        legacy_mode: Optional[bool] = None,
        replace: bool = False,
    ) -> ModelDriver:
        """Add a function of group level: one value per group.

        Parameters
        ----------
        name, function, inputs, outputs, tags, legacy_mode, replace
            As for :meth:`register_filter`.

        Returns
        -------
        ModelDriver
            Itself.

        Raises
        ------
        InputError, DuplicateNameError
            As :meth:`register_filter`.
        """
        return self._register(name, function, "group", inputs, outputs, tags, legacy_mode, replace)

    def _register(
        self,
        name: str,
        function: Callable[..., Any],
        level: Level,
        inputs: Optional[Names],
        outputs: Sequence[str],
        tags: Sequence[str],
        legacy_mode: Optional[bool],
        replace: bool,
    ) -> ModelDriver:
        asked = checked_switch(f"legacy_mode of feature {name!r}", legacy_mode, none=True)
        legacy = bool(self._legacy if asked is None else asked)
        feature = made_feature(name, function, level, inputs=inputs, outputs=outputs, tags=tags, legacy=legacy)
        self._add(feature, replace=replace)
        return self

    def _add(self, *features: Feature, replace: bool = False) -> None:
        """Add features, all of them or none."""
        checked_switch("replace", replace)
        for feature in features:
            for output in feature.outputs:
                if output in self._by:
                    message = f"{feature.label} yields {output!r}, which is a key column; give it another name"
                    raise DuplicateNameError(message)
        self._features.extend(features, replace=replace)
        self._driver = None

    def execute(self, frame: Any, outputs: Optional[Iterable[str]] = None) -> dict[str, Any]:
        """Run what the outputs need, and nothing else.

        Parameters
        ----------
        frame : pandas.DataFrame, polars.DataFrame, polars.LazyFrame or pyarrow.Table (n_rows,)
            The rows; any index, unsorted. Never modified.
        outputs : sequence of str, optional
            Features; default all.

        Returns
        -------
        dict
            ``"rows"``: frame (n_rows,) of the row-level outputs in the order and with the index of ``frame``.
            ``"groups"``, and the same as ``"output"``: frame (n_groups,) of the keys, sorted, and the group-level
            outputs. Of the kind of ``frame``. None for a level of which no output was asked for.

        Raises
        ------
        UnknownNameError
            If an output is unknown.
        MissingInputError
            If columns are missing: all of them at once, each with the nearest name.
        DuplicateNameError
            If a feature that runs has the name of a column.
        InputError
            If a function does what cannot be done for all groups at once, or gives values of the wrong level.
        """
        names = self._names(outputs)
        columns, grouping = self._columns(frame, names)
        with announced_compilation(self._progress):
            values: dict[str, GroupedColumn] = self._built().execute(names, columns)
        rows, groups = result_frames(frame, values, columns.values(), grouping)
        return {"rows": rows, "groups": groups, "output": groups}

    def verify(
        self,
        frame: Any,
        sample: int = 50,
        outputs: Optional[Iterable[str]] = None,
        *,
        seed: int = 0,
        tolerance: float = 1e-9,
    ) -> Verification:
        """Run the model, and literally group by group for a sample of the groups, and compare.

        Parameters
        ----------
        frame : pandas.DataFrame, polars.DataFrame, polars.LazyFrame or pyarrow.Table (n_rows,)
            As for :meth:`execute`.
        sample : int, default 50
            Groups to compare: the largest, the smallest, one with a missing value if there is one, the others by
            chance; all if there are fewer.
        outputs : sequence of str, optional
            Features; they and all that they need are compared. Default all.
        seed : int, default 0
            Of the choice of groups.
        tolerance : float, default 1e-9
            Relative difference of floats that is none.

        Returns
        -------
        Verification
            ``.equal``, ``.differences``; ``print`` it to read which feature differs first, and where. Costs a run, and
            a call per feature and group of the sample.

        Raises
        ------
        InputError
            If ``sample``, ``seed`` or ``tolerance`` break their rule, and as :meth:`execute`.
        """
        check_request(sample, seed, tolerance)
        plan = self._built().plan(self._names(outputs))
        running = [self._features.yielding(name) for name in plan.nodes if name in self._features.outputs()]
        features = list(dict.fromkeys(running))
        names = [name for feature in features for name in feature.outputs]
        working = taken_frame(frame, plan, self._features, self._by)
        result = self.execute(working, names)
        return verified(features, working, self._by, result, sample=sample, seed=seed, tolerance=tolerance)

    def required_inputs(self, outputs: Optional[Iterable[str]] = None) -> list[str]:
        """Columns that a choice of outputs needs: the keys, then the others in the order in which they are taken.

        Parameters
        ----------
        outputs : sequence of str, optional
            Features; default all.

        Returns
        -------
        list of str
        """
        return list(dict.fromkeys((*self._by, *self._built().plan(self._names(outputs)).missing)))

    def plan(self, outputs: Optional[Iterable[str]] = None, frame: Any = None) -> Plan:
        """Say what :meth:`execute` would run: the nodes in order, and why.

        Parameters
        ----------
        outputs : sequence of str, optional
            Features; default all.
        frame : pandas.DataFrame, polars.DataFrame, polars.LazyFrame or pyarrow.Table, optional
            As for :meth:`execute`; its columns are looked for, and their sizes told.

        Returns
        -------
        Plan
        """
        names = self._names(outputs)
        if frame is None:
            return self._built().plan(names)
        columns, _ = self._columns(frame, names)
        return self._built().plan(names, columns)

    def why(self, name: str, outputs: Optional[Iterable[str]] = None) -> str:
        """Say why a feature runs.

        Parameters
        ----------
        name : str
            Of a node of the plan.
        outputs : sequence of str, optional
            Features; default all.

        Returns
        -------
        str
            See :meth:`gbr_dag.Driver.why`.
        """
        return self._built().why(name, outputs)

    def report(self) -> pd.DataFrame:
        """Give the steps of the last run with their seconds.

        Returns
        -------
        pandas.DataFrame
            See :meth:`gbr_dag.Driver.report`.
        """
        return self._built().report()

    def list_outputs(self) -> pd.DataFrame:
        """List the features.

        Returns
        -------
        pandas.DataFrame (n_features,)
            See :meth:`gbr_dag.FeatureRegistry.to_frame`.
        """
        return self._features.to_frame()

    def draw(self, outputs: Optional[Iterable[str]] = None, path: Optional[Union[str, Path]] = None) -> str:
        """Draw the graph, or the part of it that some outputs need.

        Parameters
        ----------
        outputs : sequence of str, optional
            Features; without it the whole graph is drawn.
        path : str or Path, optional
            ``.svg``, ``.png``, ``.dot`` or ``.mmd`` file to write.

        Returns
        -------
        str
            The path, or the mermaid text; see :meth:`gbr_dag.Driver.draw`.
        """
        return self._built().draw(None if outputs is None else self._names(outputs), path)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is built anew when it is needed, so that a driver is pickled after a run as before."""
        return {**self.__dict__, "_driver": None}

    def __repr__(self) -> str:
        """Give the name, the keys and the number of features."""
        return f"<ModelDriver {self.name!r} by {', '.join(self._by)}: {len(self._features)} features>"

    def _built(self) -> Driver:
        if self._driver is None:
            self._driver = Driver.of_graph(*model_graph(list(self._features), self._by), self._progress)
        return self._driver

    def _names(self, outputs: Optional[Iterable[str]]) -> tuple[str, ...]:
        """Outputs asked for; default all."""
        check_are_names(outputs)
        if outputs is None and not len(self._features):
            message = f"model {self.name!r} has no features yet; add them with register_filter or register_attribute"
            raise InputError(message)
        names = self._features.outputs() if outputs is None else distinct_names(outputs)
        for name in names:
            self._features.yielding(name)
        return names

    def _columns(self, frame: Any, names: Sequence[str]) -> tuple[dict[str, GroupedColumn], Grouping]:
        """Columns of the frame that the outputs need, and the groups."""
        plan = self._built().plan(names)
        return taken_columns(taken_frame(frame, plan, self._features, self._by), plan, self._by)
