"""The links of a chain as one graph."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from gbr_dag.errors import DuplicateNameError, InputError
from gbr_dag.features.chain import SEPARATOR, Chain, Link, RowNodes, Source
from gbr_dag.features.columns import GroupedColumn, of_groups, of_rows
from gbr_dag.features.feature import Feature
from gbr_dag.features.grouping import Grouping
from gbr_dag.features.model import Place, model_nodes
from gbr_dag.graph.structure import Graph, Need, Node, graph_of

ROWS = "rows of the frame"
"""Input of a merged graph that tells which rows there are."""

Made = tuple[Node, Callable[..., Any]]
Grouper = Callable[[pd.DataFrame, Sequence[str]], Grouping]


@dataclass(frozen=True)
class FrameRows:
    """The rows that a link works on: the index (n_rows,), and what else a frame of them tells (``attrs``)."""

    index: pd.Index
    attrs: Mapping[Any, Any]

    def frame(self, columns: Mapping[str, Any]) -> pd.DataFrame:
        """A frame of columns (n_rows,)."""
        made = pd.DataFrame({name: raw(value) for name, value in columns.items()}, index=self.index, copy=False)
        made.attrs = dict(self.attrs)
        return made


def raw(value: Any) -> Any:
    """Values of a column as pandas holds them: text that functions gave as objects becomes text."""
    if isinstance(value, GroupedColumn):
        value = value.raw
    return column_values(pd.Series(value, copy=False))


def column_values(column: pd.Series) -> Any:
    """Values of a column: of NumPy's type, or else, and for dates, pandas' own array."""
    plain = isinstance(column.dtype, np.dtype) and column.dtype.kind not in "mM"
    return column.to_numpy() if plain else column.array


def spread_over(values: Any, grouping: Grouping) -> Any:
    """Value of the group of every row (n_rows,), from one per group; missing where the row is in none."""
    return of_groups(values, grouping).per_row().raw


def prefix_of(link: Link) -> str:
    """What stands before the names of a link's nodes."""
    return f"{link.name}{SEPARATOR}"


def merged_graph(chain: Chain, grouper: Grouper) -> tuple[Graph, Mapping[str, Callable[..., Any]]]:
    """Graph of all links, whose inputs are columns of the frame and :data:`ROWS`.

    Parameters
    ----------
    chain : Chain
    grouper : callable
        Gives the groups of a frame's rows, by key columns.

    Raises
    ------
    InputError
        If a column of the frame has the name of a node.
    """
    graphs = _Merging(chain, grouper)
    for place in range(len(chain.links)):
        graphs.add(place)
    for name in graphs.columns:
        if name in graphs.made:
            message = f"column {name!r} of the frame has the name of a node of the merged graph; rename the column"
            raise InputError(message)
    graph = graph_of(node for node, _ in graphs.made.values())
    return graph, {name: function for name, (_, function) in graphs.made.items()}


class _Merging:
    """Nodes of the links so far."""

    def __init__(self, chain: Chain, grouper: Grouper) -> None:
        self._chain, self._grouper = chain, grouper
        self.made: dict[str, Made] = {}
        self.columns: set[str] = set()
        self._groupings: dict[tuple[str, tuple[str, ...]], str] = {}

    def add(self, place: int) -> None:
        """Nodes of a link, and those that hand columns on to it."""
        link, start = self._chain.links[place], self._chain.start(place)
        base = ROWS if start == 0 else self._chain.links[start - 1].keys_node()
        columns: dict[str, str] = {}
        for requirement in link.requirements(link.outputs()):
            sources = self._chain.sources(place, requirement.column)
            if sources:
                columns[requirement.column] = self._handed_on(place, sources[0])
            elif start == 0:
                self.columns.add(requirement.column)
        at = Place(link.by, prefix_of(link), columns)
        for made in link.nodes(at, RowNodes(base, partial(self._grouping, place, at, base))):
            if made[0].name in self.made:
                message = f"two nodes of the merged graph are called {made[0].name!r}; rename one of the features"
                raise DuplicateNameError(message)
            self._share(made)

    def _share(self, made: Made) -> None:
        self.made.setdefault(made[0].name, made)

    def _handed_on(self, place: int, source: Source) -> str:
        """Node that a column comes from."""
        link = self._chain.links[source.link]
        if source.level == "key":
            self._share(_key_node(link, source.name))
        elif source.level == "group" and source.link >= self._chain.start(place):
            made = link.spread_node(source.name)
            self._share(made)
            return made[0].name
        return f"{prefix_of(link)}{source.name}"

    def _grouping(self, place: int, at: Place, base: str) -> str:
        """Node with a link's rows by its keys; links with the same keys share it."""
        keys = tuple(at.column(name) for name in at.by)
        if (base, keys) not in self._groupings:
            made = self._grouping_node(place, at, base)
            self._share(made)
            self._groupings[base, keys] = made[0].name
        return self._groupings[base, keys]

    def _grouping_node(self, place: int, at: Place, base: str) -> Made:
        """Node with a link's rows by its keys; keys of the link before come straight from its groups."""
        start = self._chain.start(place)
        before = self._chain.links[start - 1] if start else None
        sources = {key: self._chain.sources(place, key) for key in at.by}
        of_groups = {key: found[0].name for key, found in sources.items() if found and found[0].level == "key"}
        others = {key: at.column(key) for key in at.by if key not in of_groups}
        grouper = self._grouper

        def rows(**values: Any) -> Grouping:
            """Hold the rows with their keys; the groups are found when something asks for them."""
            columns = {key: values[node] for key, node in others.items()}
            if before is not None and of_groups:
                keys = before.keys_of(values[base])
                columns.update({key: column_values(keys[name]) for key, name in of_groups.items()})
            return grouper(rows_of(values[base]).frame({key: columns[key] for key in at.by}), at.by)

        text = f"The rows with {', '.join(at.by)}."
        return made_node(f"{at.prefix}rows by {', '.join(at.by)}", "link", [base, *others.values()], rows, text)


def rows_of(value: Any) -> FrameRows:
    """The rows that a node tells of: those of the frame, or the groups of a model or a fit."""
    if isinstance(value, FrameRows):
        return value
    return FrameRows(pd.RangeIndex(value.groups.n_groups if isinstance(value, Grouping) else len(value)), {})


def _key_node(link: Link, key: str) -> Made:
    source = link.keys_node()

    def key_values(**values: Any) -> Any:
        """Give the key of every group."""
        return column_values(link.keys_of(values[source])[key])

    return made_node(f"{prefix_of(link)}{key}", "link", [source], key_values, f"Key {key} of the groups.")


def made_node(name: str, stage: str, needs: Sequence[str], function: Callable[..., Any], text: str) -> Made:
    """A node that needs all of some others, with its function."""
    node = Node(
        name=name,
        type=Any,
        stage=stage,
        description=text,
        choice=(),
        needs=tuple(Need(need, Any, optional=False) for need in dict.fromkeys(needs)),
        function=function,
        place="gbr_dag",
        has_estimate=False,
    )
    return node, function


def placed_model_nodes(features: Sequence[Feature], at: Place, grouping: str) -> list[Made]:
    """Nodes of a model whose columns come from elsewhere: the values stay, the groups are those of its own keys.

    Parameters
    ----------
    features : sequence of Feature
    at : Place
    grouping : str
        Node with the rows by the keys.
    """
    nodes = [(node, function) for node, function in model_nodes(features, at) if node.name != at.grouping]
    own = {at.grouping, *(node.name for node, _ in nodes)}

    def groups(**values: Any) -> Grouping:
        """Find the groups of the rows."""
        return _with_groups(values[grouping])

    found = [_on_rows(node, function, own, grouping) for node, function in nodes]
    return [*found, made_node(at.grouping, "grouping", [grouping], groups, "The groups of the rows.")]


def _with_groups(grouping: Grouping) -> Grouping:
    _ = grouping.groups
    return grouping


def _on_rows(node: Node, function: Callable[..., Any], own: Collection[str], grouping: str) -> Made:
    """A node that takes what is not of its model as columns over the model's rows."""
    others = {need.name for need in node.needs if need.name not in own}
    if not others:
        return node, function

    def on_rows(**values: Any) -> Any:
        rows = values.pop(grouping)
        return function(
            **{name: of_rows(raw(value), rows) if name in others else value for name, value in values.items()}
        )

    needs = (*node.needs, Need(grouping, Any, optional=False))
    return replace(node, needs=needs), on_rows
