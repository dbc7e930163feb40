"""Feature models: functions of rows and of groups in one graph, run for all groups at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Optional, Union

import numpy as np
import pandas as pd

from gbr_dag.compilation import announced_compilation
from gbr_dag.drivers.feature_groups import grouping_of
from gbr_dag.errors import DuplicateNameError, InputError, MissingInputError
from gbr_dag.features.columns import GroupedColumn, of_rows
from gbr_dag.features.feature import Feature, made_feature
from gbr_dag.features.levels import Level, Names
from gbr_dag.features.loading import features_of_module, loaded_module, module_of_file
from gbr_dag.features.model import model_graph
from gbr_dag.features.module_text import file_of_path, file_of_target, module_text, written_module
from gbr_dag.features.registry import FeatureRegistry
from gbr_dag.frames import column_names, in_kind_of, library_of, rename_way_out, working_frame
from gbr_dag.graph import Driver, Plan
from gbr_dag.graph.checks import suggestion, unknown
from gbr_dag.graph.execution import Progress, checked_progress

_CONFIG = ("client_name", "group_by", "model_name", "seq")


class ModelDriver:
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
        self._config = _checked_config(config)
        self._by: tuple[str, ...] = self._config["group_by"]
        self._legacy = legacy_mode
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

        Returns
        -------
        ModelDriver
            Itself.

        Raises
        ------
        InputError
            If an argument breaks its rule, or the function is marked as group level.
        DuplicateNameError
            If another feature yields the same, or a key column has the name.
        """
        return self._register(name, function, "row", inputs, outputs, tags, legacy_mode)

    def register_attribute(
        self,
        name: str,
        function: Callable[..., Any],
        *,
        inputs: Optional[Names] = None,
        outputs: Sequence[str] = (),
        tags: Sequence[str] = (),
        legacy_mode: Optional[bool] = None,
    ) -> ModelDriver:
        """Add a function of group level: one value per group; see :meth:`register_filter`."""
        return self._register(name, function, "group", inputs, outputs, tags, legacy_mode)

    def _register(
        self,
        name: str,
        function: Callable[..., Any],
        level: Level,
        inputs: Optional[Names],
        outputs: Sequence[str],
        tags: Sequence[str],
        legacy_mode: Optional[bool],
    ) -> ModelDriver:
        legacy = self._legacy if legacy_mode is None else legacy_mode
        feature = made_feature(name, function, level, inputs=inputs, outputs=outputs, tags=tags, legacy=legacy)
        self._add(feature)
        return self

    def _add(self, *features: Feature) -> None:
        """Add features, all of them or none."""
        for feature in features:
            for output in feature.outputs:
                if output in self._by:
                    message = f"{feature.label} yields {output!r}, which is a key column; give it another name"
                    raise DuplicateNameError(message)
        self._features.extend(features)
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
        of_level: dict[str, dict[str, Any]] = {"row": {}, "group": {}}
        for name, column in values.items():
            of_level["group" if column.is_group_level else "row"][name] = column.raw
        groups = rows = None
        if of_level["row"]:
            table = pd.DataFrame(of_level["row"], index=grouping.index, copy=False)
            rows = in_kind_of(frame, table)
        if of_level["group"]:
            keys = grouping.groups.keys
            groups = in_kind_of(frame, keys.assign(**of_level["group"]), keys=self._by)
        return {"rows": rows, "groups": groups, "output": groups}

    def required_inputs(self, outputs: Optional[Iterable[str]] = None) -> list[str]:
        """Columns that a choice of outputs needs: the keys, then the others in the order in which they are taken."""
        plan = self._built().plan(self._names(outputs))
        return list(dict.fromkeys((*self._by, *plan.missing)))

    def plan(self, outputs: Optional[Iterable[str]] = None, frame: Any = None) -> Plan:
        """Say what :meth:`execute` would run: the nodes in order, why, and what is missing; see :class:`Plan`."""
        names = self._names(outputs)
        if frame is None:
            return self._built().plan(names)
        columns, _ = self._columns(frame, names)
        return self._built().plan(names, columns)

    def why(self, name: str, outputs: Optional[Iterable[str]] = None) -> str:
        """Say why a feature runs; see :meth:`gbr_dag.Driver.why`."""
        return self._built().why(name, outputs)

    def report(self) -> pd.DataFrame:
        """Give the steps of the last run with their seconds; see :meth:`gbr_dag.Driver.report`."""
        return self._built().report()

    def list_outputs(self) -> pd.DataFrame:
        """List the features; see :meth:`FeatureRegistry.to_frame`."""
        return self._features.to_frame()

    def draw(self, outputs: Optional[Iterable[str]] = None, path: Optional[Union[str, Path]] = None) -> str:
        """Draw the graph, or the part of it that some outputs need; see :meth:`gbr_dag.Driver.draw`."""
        return self._built().draw(None if outputs is None else self._names(outputs), path)

    def save_features_to_module(self, target: Union[str, Path], overwrite: bool = False) -> Path:
        """Write the features as a plain Python module; what is written is told by :meth:`save_to_python_file`.

        Parameters
        ----------
        target : str or Path
            A path that ends in ``.py``, or a dotted name: ``"my_package.features"`` is the file ``features.py`` of
            ``my_package``, which can be imported (its ``__init__`` is run to find it, if it is in another package) or
            is a folder here. The file is new; the package must be there.
        overwrite : bool, default False
            Replace a file that is there.

        Returns
        -------
        pathlib.Path
            The file.

        Raises
        ------
        InputError
            As :meth:`save_to_python_file`, or if the package is not found.
        """
        return written_module(file_of_target(target), self._module_text(), overwrite=overwrite)

    def save_to_python_file(self, path: Union[str, Path], overwrite: bool = False) -> Path:
        """Write the features as a plain Python module, as one would write it by hand.

        Functions stand in the order in which they were registered, byte for byte as in their sources, listed in
        ``__all__``; before them the imports, constants and helpers that they use. Where their own marks do not say how
        they were registered, a decorator is written that does: ``@attribute``, ``@row(name="age", inputs=["built"])``,
        ``@row(..., legacy_mode=True)`` for functions of frames. Read back by :meth:`load_from_python_file` the module
        gives the same features, which saved again give the same bytes.

        Parameters
        ----------
        path : str or Path
            Ends in ``.py``. Written to a temporary name first, so that no half of it is ever seen.
        overwrite : bool, default False
            Replace a file that is there.

        Returns
        -------
        pathlib.Path
            The file.

        Raises
        ------
        InputError
            If the file is there, or something has no text that gives it back: lambdas, closures, methods, functions
            edited since they were imported, constants that were changed or are neither literals nor arithmetic, one
            name of two meanings. All are named at once, with place and reason.
        """
        return written_module(file_of_path(path), self._module_text(), overwrite=overwrite)

    def load_features_from_module(self, module: Union[ModuleType, str, Path]) -> ModelDriver:
        """Add the functions that a module defines. **Importing a module runs its code**: load what you trust.

        Added are the functions that its ``__all__`` lists, or without one all whose names do not start with ``_``, in
        the order of its lines; what it imports from elsewhere is left out. Levels are as marked by decorators or
        ``#agg``, row level without a mark. If one is refused none is added.

        Parameters
        ----------
        module : module, str or Path
            A module, a dotted name that can be imported, or a path as of :meth:`load_from_python_file`. A module that
            is imported already is taken as it is.

        Returns
        -------
        ModelDriver
            Itself.

        Raises
        ------
        InputError
            If there is no such module, it defines no function, or one of them cannot be a feature.
        DuplicateNameError
            If a feature of that name, or one that yields the same, is there already.
        """
        self._add(*features_of_module(loaded_module(module)))
        return self

    def load_from_python_file(self, path: Union[str, Path]) -> ModelDriver:
        """Add the functions of a Python file. **This runs the file's code**: give the path of one that you trust.

        See :meth:`load_features_from_module`; ``path`` ends in ``.py``, nothing is searched for. The file runs as a
        module of its own, also if it can be imported.
        """
        self._add(*features_of_module(module_of_file(path)))
        return self

    def _module_text(self) -> str:
        return module_text(self._features, f"Features of the model {self.name}, by {', '.join(self._by)}.")

    def __repr__(self) -> str:
        """Give the name, the keys and the number of features."""
        return f"<ModelDriver {self.name!r} by {', '.join(self._by)}: {len(self._features)} features>"

    def _built(self) -> Driver:
        if self._driver is None:
            graph, callables = model_graph(list(self._features), self._by)
            self._driver = Driver.of_graph(graph, callables, self._progress)
        return self._driver

    def _names(self, outputs: Optional[Iterable[str]]) -> tuple[str, ...]:
        """Outputs asked for; default all."""
        if isinstance(outputs, str):
            message = f"outputs must be a list of names, got the string {outputs!r}; write [{outputs!r}]"
            raise InputError(message)
        names = self._features.outputs() if outputs is None else tuple(dict.fromkeys(outputs))
        if not names:
            message = f"model {self.name!r} has no features yet; add them with register_filter or register_attribute"
            raise InputError(message)
        for name in names:
            self._features.yielding(name)
        return names

    def _columns(self, frame: Any, names: Sequence[str]) -> tuple[dict[str, GroupedColumn], Any]:
        """Columns of the frame that the outputs need, and the groups."""
        library, known = library_of(frame), column_names(frame)
        plan = self._built().plan(names)
        graph = plan.graph
        running = {name for name in plan.nodes if name in self._features.outputs()}
        for name in plan.nodes:
            if name in running and name in known:
                message = (
                    f"{self._features.yielding(name).label} has the name of a column of the frame; rename one of the"
                    " two, or drop the column"
                )
                raise DuplicateNameError(message)
        wanted = list(dict.fromkeys((*self._by, *plan.missing)))
        self._check_present(wanted, known, plan)
        optional = [
            name
            for name, takers in graph.inputs.items()
            if name in known and name not in wanted and any(taker.node in plan.nodes for taker in takers)
        ]
        wanted += optional
        repeated = [name for name in wanted if list(known).count(name) > 1]
        if repeated:
            message = f"frame has several columns {repeated[0]!r}; {rename_way_out(library)}"
            raise InputError(message)
        working = working_frame(frame, wanted, keys=self._by)
        if library == "pandas":
            working = working[wanted]
        grouping = grouping_of(working, self._by)
        columns = {name: of_rows(_values(working[name]), grouping) for name in wanted}
        taken = {name: column for name, column in columns.items() if name in graph.inputs}
        return taken, grouping

    def _check_present(self, wanted: Sequence[str], known: Sequence[Any], plan: Plan) -> None:
        parts = []
        for name in wanted:
            if name in known:
                continue
            if name in self._by:
                user = "a key"
            else:
                takers = [taker.node for taker in plan.graph.inputs[name] if taker.node in plan.nodes]
                user = f"taken by {', '.join(takers)}"
            near = suggestion(name, [*map(str, known), *self._features.outputs()])
            parts.append(f"{name!r} ({user}){near}")
        if parts:
            kind = "column is" if len(parts) == 1 else "columns are"
            message = f"{kind} missing in the frame: {'; '.join(parts)}"
            raise MissingInputError(message)


def _values(column: pd.Series) -> Any:
    return column.to_numpy() if isinstance(column.dtype, np.dtype) and column.dtype.kind not in "mM" else column.array


def _checked_config(config: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(config, Mapping):
        message = f"config must be a dict with model_name and group_by, got {config!r}"
        raise InputError(message)
    for key in config:
        if key not in _CONFIG:
            raise InputError(unknown("config key", key, _CONFIG, f"keys: {', '.join(_CONFIG)}"))
    for key in ("model_name", "group_by"):
        if not config.get(key):
            message = (
                f"config must have {key!r}, as in {{'model_name': 'ages', 'group_by': 'zone'}}; got {dict(config)!r}"
            )
            raise InputError(message)
    by = config["group_by"]
    keys = (by,) if isinstance(by, str) else tuple(by)
    return {"client_name": None, "seq": None, **config, "group_by": keys}
