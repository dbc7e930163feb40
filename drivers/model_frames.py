"""Frames of feature models: columns in, results out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gbr_dag.drivers.feature_groups import grouping_of
from gbr_dag.errors import DuplicateNameError, InputError, MissingInputError
from gbr_dag.features.columns import GroupedColumn, of_rows
from gbr_dag.features.grouping import Grouping
from gbr_dag.features.registry import FeatureRegistry
from gbr_dag.frames import column_names, in_kind_of, library_of, rename_way_out, working_frame
from gbr_dag.graph import Plan
from gbr_dag.graph.checks import suggestion


def checked_columns(frame: Any, taken: Iterable[str]) -> None:
    """Refuse a frame with several columns of a name that is taken.

    Raises
    ------
    InputError
        If there are.
    """
    known = list(column_names(frame))
    for name in taken:
        if known.count(name) > 1:
            message = f"frame has several columns {name!r}; {rename_way_out(library_of(frame))}"
            raise InputError(message)


def taken_frame(frame: Any, plan: Plan, registry: FeatureRegistry, by: Sequence[str]) -> pd.DataFrame:
    """Columns of a frame that a plan takes, the keys among them, as a frame of pandas with the index of ``frame``.

    Parameters
    ----------
    frame : pandas.DataFrame, polars.DataFrame, polars.LazyFrame or pyarrow.Table (n_rows,)
        Other columns of it are not looked at; a lazy one is collected.
    plan : Plan
        Of the features that are to run, without values.
    registry : FeatureRegistry
        The features.
    by : sequence of str
        Key columns.

    Raises
    ------
    MissingInputError
        If columns are missing: all of them at once.
    DuplicateNameError
        If a feature that runs has the name of a column.
    InputError
        If the frame is none, or has several columns of one name.
    """
    library, known = library_of(frame), list(column_names(frame))
    _check_distinct(plan, registry, known)
    _check_present(plan, registry, known, by)
    running, present = set(plan.nodes), set(known)
    takers = plan.graph.inputs
    optional = [
        name for name in takers if name in present and any(taker.node in running for taker in takers[name])
    ]  # arguments with a default take a column of their name
    wanted = list(dict.fromkeys((*by, *plan.missing, *optional)))
    checked_columns(frame, wanted)
    working = working_frame(frame, wanted, keys=by, plain=wanted)
    if library != "pandas":
        return working
    # frame[wanted] would copy the columns
    return pd.DataFrame({name: working[name] for name in wanted}, index=working.index, copy=False)


def taken_columns(working: pd.DataFrame, plan: Plan, by: Sequence[str]) -> tuple[dict[str, GroupedColumn], Grouping]:
    """Columns of :func:`taken_frame` as a graph takes them, and the rows with their groups."""
    grouping = grouping_of(working, by)
    takers = plan.graph.inputs
    return {name: of_rows(_values(working[name]), grouping) for name in working.columns if name in takers}, grouping


def result_frames(
    frame: Any, values: Mapping[str, GroupedColumn], taken: Iterable[GroupedColumn], grouping: Grouping
) -> tuple[Any, Any]:
    """Outputs of the rows and of the groups as frames of the kind of the caller's, None where there are none.

    Parameters
    ----------
    frame : pandas.DataFrame, polars.DataFrame, polars.LazyFrame or pyarrow.Table
        The caller's.
    values : mapping of str to GroupedColumn
        The outputs.
    taken : iterable of GroupedColumn
        What was taken from the frame. No output shares memory with these or with another output: who changes a result
        changes nothing else.
    grouping : Grouping
        Of the frame.
    """
    own = _OwnMemory(column.raw for column in taken)
    of_level: dict[bool, dict[str, Any]] = {True: {}, False: {}}
    for name, column in values.items():
        of_level[column.is_group_level][name] = own.of(column.released())
    rows = groups = None
    if of_level[False]:
        rows = in_kind_of(frame, pd.DataFrame(of_level[False], index=grouping.index, copy=False))
    if of_level[True]:
        keys = grouping.groups.keys
        results = pd.DataFrame(of_level[True], index=keys.index, copy=False)
        groups = in_kind_of(frame, pd.concat([keys, results], axis=1), keys=list(keys.columns))
    return rows, groups


class _OwnMemory:
    """Arrays that share no memory with those met before."""

    def __init__(self, taken: Iterable[Any]) -> None:
        self._met = list(taken)  # kept, so that ids stay theirs
        self._owners = {id(_owner(values)) for values in self._met}
        # what pandas' own arrays lie on cannot be asked for, and .to_numpy() may give it away
        self._is_hidden = not all(isinstance(values, np.ndarray) for values in self._met)

    def of(self, values: Any) -> Any:
        """The values, copied if they may have been met before or cannot be written to."""
        owner = _owner(values)
        is_array = isinstance(owner, np.ndarray)
        if not is_array or self._is_hidden or id(owner) in self._owners or not owner.flags.writeable:
            return values.copy()
        self._met.append(values)
        self._owners.add(id(owner))
        values = values.view()
        values.flags.writeable = True  # pandas gives its own results away as views that are not
        return values


def _owner(values: Any) -> Any:
    """What the memory of an array belongs to."""
    while isinstance(values, np.ndarray) and values.base is not None:
        values = values.base
    return values


def _values(column: pd.Series) -> Any:
    return column.to_numpy() if isinstance(column.dtype, np.dtype) and column.dtype.kind not in "mM" else column.array


def _check_distinct(plan: Plan, registry: FeatureRegistry, known: Sequence[Any]) -> None:
    outputs, columns = set(registry.outputs()), set(known)
    clashes = [name for name in plan.nodes if name in outputs and name in columns]
    if clashes:
        named = "; ".join(f"{registry.yielding(name).label} and column {name!r}" for name in clashes)
        message = f"a feature that runs has the name of a column of the frame: {named}; rename one, or drop the column"
        raise DuplicateNameError(message)


def _check_present(plan: Plan, registry: FeatureRegistry, known: Sequence[Any], by: Sequence[str]) -> None:
    columns, running = set(known), set(plan.nodes)
    parts = []
    for name in dict.fromkeys((*by, *plan.missing)):
        if name in columns:
            continue
        takers = [taker.node for taker in plan.graph.inputs.get(name, ()) if taker.node in running]
        users = ["a key of the model"] if name in by else []
        if name not in by:
            users = [f"taken by {node} ({plan.graph.nodes[node].place})" for node in takers]
        parts.append(f"{name!r} ({', '.join(users)}){_near(name, registry, known)}")
    if parts:
        kind = "column is" if len(parts) == 1 else "columns are"
        hint = _frames_hint(plan, registry, known, by)
        message = f"{kind} missing in the frame: {'; '.join(parts)}{hint}"
        raise MissingInputError(message)


def _frames_hint(plan: Plan, registry: FeatureRegistry, known: Sequence[Any], by: Sequence[str]) -> str:
    """That functions of frames are told apart, where one takes a single thing that nothing is like."""
    for output in registry.outputs():
        feature = registry.yielding(output)
        required = [argument.source for argument in feature.arguments if not argument.optional]
        if feature.way == "frame" or len(required) != 1 or output not in plan.nodes:
            continue
        if required[0] in plan.missing and required[0] not in (*known, *by) and not _near(required[0], registry, known):
            return f"; if {feature.label} takes and returns a frame, register it with legacy_mode=True"
    return ""


def _near(name: str, registry: FeatureRegistry, known: Sequence[Any]) -> str:
    """What was meant by a name that is neither a column nor an output."""
    if name in registry:  # of a feature whose outputs have names of their own
        return f"; feature {name!r} yields {', '.join(registry[name].outputs)}, take one of these"
    return suggestion(name, [*map(str, known), *registry.outputs()])
