"""From the features of a model to the nodes of a graph: groupings and broadcasts stand where levels meet."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Optional

import numpy as np
import pandas as pd

from gbr_dag.errors import CycleError, DuplicateNameError, InputError
from gbr_dag.features.columns import GroupedColumn, of_groups, of_rows
from gbr_dag.features.feature import Argument, Feature
from gbr_dag.features.frames import called_on_frame
from gbr_dag.features.grouping import Grouping
from gbr_dag.features.literal import called_per_group, called_per_row, parts
from gbr_dag.features.refusals import recorded_refusals, refusal_text
from gbr_dag.graph.structure import Graph, Need, Node, graph_of

STAGES = ("row", "group", "grouping", "broadcast", "link", "fit")
"""Stages of nodes, in the order of their colours."""

Callables = Mapping[str, Callable[..., Any]]


@dataclass(frozen=True)
class Place:
    """Where a model stands in a graph.

    Attributes
    ----------
    by : tuple of str
        Its key columns.
    prefix : str
        Goes before the names of its nodes.
    columns : mapping of str to str
        Nodes that its columns come from; the others are inputs of the graph.
    shared : str, optional
        Node of another model with the same rows and keys that finds the groups.
    """

    by: tuple[str, ...]
    prefix: str
    columns: Mapping[str, str]
    shared: Optional[str] = None

    def column(self, name: str) -> str:
        """Node or input that a column comes from."""
        return self.columns.get(name, name)

    @property
    def grouping(self) -> str:
        """Node that finds the groups."""
        return self.shared or f"{self.prefix}group by {', '.join(self.by)}"


def model_graph(features: Sequence[Feature], by: Sequence[str]) -> tuple[Graph, Callables]:
    """Graph of a model, whose inputs are columns.

    Parameters
    ----------
    features : sequence of Feature
        No two with the same output.
    by : sequence of str
        Key columns.

    Raises
    ------
    CycleError
        If features need each other in a circle.
    """
    nodes = model_nodes(features, Place(tuple(by), "", {}))
    return graph_of((node for node, _ in nodes), STAGES), {node.name: function for node, function in nodes}


def model_nodes(features: Sequence[Feature], place: Place) -> list[tuple[Node, Callable[..., Any]]]:
    """Nodes of a model with what they call.

    A node ``x per row`` stands between a feature of groups and those of rows that take it, a node ``group by ...``
    before whatever needs the groups: each is there once.
    """
    level_of = {output: feature.level for feature in features for output in feature.outputs}
    _check_circles(features)
    found: list[tuple[Node, Callable[..., Any]]] = []
    spread: dict[str, None] = {}
    for feature in features:
        builder = _Builder(feature, place, level_of)
        found += builder.nodes()
        spread.update(dict.fromkeys(builder.spread))
    if any(feature.level == "group" or feature.way == "per_group" for feature in features) or spread:
        found.append(_grouping_node(place))
    found += [_spread_node(name, place) for name in spread]
    _check_steps(features, place, level_of, {node.name for node, _ in found})
    return found


def _check_steps(
    features: Sequence[Feature], place: Place, level_of: Mapping[str, str], nodes: Collection[str]
) -> None:
    """Refuse columns whose name a step between features has: the one would be taken for the other."""
    for feature in features:
        for source in feature.inputs:
            if source in nodes and source not in level_of and source not in place.columns:
                message = (
                    f"{feature.label} takes column {source!r}, whose name a step of the model has; rename the column"
                )
                raise DuplicateNameError(message)


def _check_circles(features: Sequence[Feature]) -> None:
    """Refuse features that need each other in a circle, in the user's own words: levels and calls left out."""
    try:
        graph_of(_plain_node(feature, output) for feature in features for output in feature.outputs)
    except CycleError as error:
        own = [repr(output) for feature in features for output in feature.outputs if output in feature.inputs]
        hint = ""
        if own:
            hint = (
                f"; {', '.join(own)} would take what it yields itself: a feature may not have the name of a column that"
                " it takes, so rename it, or tell with inputs=[...] what its argument takes"
            )
        message = f"{error}{hint}"
        raise CycleError(message) from None


def _plain_node(feature: Feature, output: str) -> Node:
    """A node that needs what the function's arguments name, to look for circles in the user's own words."""
    needs = tuple(Need(argument.source, Any, argument.optional) for argument in feature.arguments)
    return _node(output, feature.level, needs, feature.function, feature.place, feature.doc.partition("\n")[0])


class _Builder:
    """The nodes of one feature."""

    def __init__(self, feature: Feature, place: Place, level_of: Mapping[str, str]) -> None:
        self._feature, self._place, self._level_of = feature, place, level_of
        self.spread: list[str] = []

    def nodes(self) -> list[tuple[Node, Callable[..., Any]]]:
        """One node, or one for the call and one an output."""
        feature, place = self._feature, self._place
        sources = {argument.name: self._source(argument) for argument in feature.arguments}
        if feature.way == "frame":  # such functions group by themselves
            sources = {**{key: place.column(key) for key in place.by}, **sources}
        required = {sources[argument.name] for argument in feature.arguments if not argument.optional}
        needs = {source: Need(source, Any, source not in required) for source in sources.values()}
        if feature.level == "group" or feature.way == "per_group":
            needs[place.grouping] = Need(place.grouping, Any, optional=False)
        elif all(need.optional for need in needs.values()):  # the rows are known from a column
            key = place.column(place.by[0])
            needs[key] = Need(key, Any, optional=False)
        call = _Call(feature, sources)
        several = len(feature.outputs) > 1
        name = f"{place.prefix}{feature.name}()" if several else f"{place.prefix}{feature.outputs[0]}"
        described = feature.doc.partition("\n")[0]
        node = _node(name, feature.level, tuple(needs.values()), feature.function, feature.place, described)
        if feature.way != "grouped":
            node = replace(node, choice=(("way", feature.way),))
        if not several:
            return [(node, lambda **values: call(values)[0])]
        found: list[tuple[Node, Callable[..., Any]]] = [(node, lambda **values: call(values))]
        for i, output in enumerate(feature.outputs):
            need = (Need(name, Any, optional=False),)
            part = _node(f"{place.prefix}{output}", feature.level, need, feature.function, feature.place, described)
            found.append((part, lambda i=i, **values: values[name][i]))
        return found

    def _source(self, argument: Argument) -> str:
        """Node that an argument comes from."""
        level = self._level_of.get(argument.source)
        if level is None:
            return self._place.column(argument.source)
        if (self._feature.level == "row" or self._feature.way == "frame") and level == "group":
            self.spread.append(argument.source)
            return _spread_name(argument.source, self._place)
        return f"{self._place.prefix}{argument.source}"


class _Call:
    """The call of a feature's function, with checks of what comes back."""

    def __init__(self, feature: Feature, sources: Mapping[str, str]) -> None:
        self._feature, self._sources = feature, sources

    def __call__(self, values: Mapping[str, Any]) -> tuple[GroupedColumn, ...]:
        feature = self._feature
        arguments = {name: values[source] for name, source in self._sources.items() if source in values}
        grouping = _grouping_of(values.values())
        if feature.way == "per_group":
            results: Sequence[Any] = called_per_group(feature, feature.function, arguments, grouping)
        elif feature.way == "per_row":
            results = called_per_row(feature, feature.function, arguments, grouping)
        elif feature.way == "frame":
            results = called_on_frame(feature, arguments, grouping)
        else:
            results = [_checked(feature, part, grouping) for part in parts(feature, self._grouped(arguments))]
        made = of_groups if feature.level == "group" else of_rows
        return tuple(one if isinstance(one, GroupedColumn) else made(one, grouping) for one in results)

    def _grouped(self, arguments: Mapping[str, Any]) -> Any:
        feature = self._feature
        with recorded_refusals() as refused:
            try:
                result = feature.function(**arguments)
            except InputError as error:
                message = f"{feature.label}: {error}"
                raise InputError(message) from error
            except TypeError as error:
                if GroupedColumn.__name__ not in str(error):
                    raise
                what = f"{feature.label}: a function that takes no columns of all groups ({error})"
                raise InputError(refusal_text(what, "; write the column's own method")) from error
        if refused:  # and caught by the function, whose value rests on that
            message = f"{feature.label}: {refused[0]}"
            raise InputError(message) from refused[0]
        return result


def _grouping_of(values: Iterable[Any]) -> Grouping:
    return next(value if isinstance(value, Grouping) else value.grouping for value in values)


def _checked(feature: Feature, value: Any, grouping: Grouping) -> GroupedColumn:
    """What a function gave, as one value per row or group."""
    if isinstance(value, GroupedColumn):
        if value.grouping is not grouping:
            message = f"{feature.label} gave a column of another run; return what is computed from its arguments"
            raise InputError(message)
        if value.is_group_level != (feature.level == "group"):
            raise InputError(_wrong_level(feature))
        if not value.is_group_level and not value.rows.same(grouping.every_row):
            message = (
                f"{feature.label} is row level but gives values for some rows only, as [mask] leaves them; give every"
                " row one, as by .where(mask)"
            )
            raise InputError(message)
        return _as_feature(value)
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if value is None or not pd.api.types.is_scalar(value):
        raise InputError(_wrong_kind(feature, value))
    if feature.level == "group":
        return of_groups(_repeated(value, grouping.groups.n_groups), grouping)
    return of_rows(_repeated(value, grouping.n_rows), grouping)


def _as_feature(column: GroupedColumn) -> GroupedColumn:
    """A column as others take it: of rows it is a Series, whatever it was to the function that gave it."""
    values = column.raw
    is_array = isinstance(values, np.ndarray)
    if is_array and values.dtype.kind in "USmM":  # texts of NumPy have no missing ones, and a length
        series = pd.Series(values, copy=False)
        values = series.to_numpy() if isinstance(series.dtype, np.dtype) and series.dtype.kind == "O" else series.array
    if values is column.raw and column.kind != "array":
        return column
    made: GroupedColumn = column.made(values, "group" if column.is_group_level else "series")
    return made


def _wrong_kind(feature: Feature, value: Any) -> str:
    if value is None:
        return f"{feature.label} gave None; is a return missing?"
    if isinstance(value, (np.ndarray, pd.Series, pd.Index, list, tuple)):
        return (
            f"{feature.label} gave {len(value)} values of type {type(value).__name__}, whose rows nobody can tell;"
            " return what is computed from its arguments, and take values from elsewhere as a column"
        )
    return f"{feature.label} gave {value!r:.80}; return what is computed from its arguments, or one value"


def _wrong_level(feature: Feature) -> str:
    if feature.level == "row":
        return (
            f"{feature.label} is row level but gives one value per group; mark it as such: #agg at the end of its def"
            " line, @attribute, or register_attribute"
        )
    return (
        f"{feature.label} is group level but gives one value per row; reduce them, as by .mean() or .iloc[0], or mark"
        " it as row level: no #agg, @row, or register_filter"
    )


def _repeated(value: Any, n: int) -> Any:
    series = pd.Series(value, index=pd.RangeIndex(n))
    return series.to_numpy() if isinstance(series.dtype, np.dtype) else series.array


def _spread_name(name: str, place: Place) -> str:
    return f"{place.prefix}{name} per row"


def _spread_node(name: str, place: Place) -> tuple[Node, Callable[..., Any]]:
    source = f"{place.prefix}{name}"
    needs = (Need(source, Any, optional=False), Need(place.grouping, Any, optional=False))

    def spread(**values: Any) -> GroupedColumn:
        """Give every row the value of its group."""
        column: GroupedColumn = values[source].per_row()
        return column

    text = f"{name}, for every row of the group"
    return _node(_spread_name(name, place), "broadcast", needs, spread, "gbr_dag.features", text), spread


def _grouping_node(place: Place) -> tuple[Node, Callable[..., Any]]:
    keys = [place.column(name) for name in place.by]
    needs = tuple(Need(key, Any, optional=False) for key in keys)

    def grouping(**values: Any) -> Grouping:
        """Find the groups of the rows."""
        found: Grouping = values[keys[0]].grouping
        _ = found.groups
        return found

    return _node(place.grouping, "grouping", needs, grouping, "gbr_dag.features", "The groups of the rows."), grouping


def _node(
    name: str, stage: str, needs: tuple[Need, ...], function: Callable[..., Any], where: str, described: str
) -> Node:
    return Node(
        name=name,
        type=Any,
        stage=stage,
        description=described,
        choice=(),
        needs=needs,
        function=function,
        place=where,
        has_estimate=False,
    )
