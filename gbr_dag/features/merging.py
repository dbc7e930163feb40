"""The links of a chain as one graph."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from gbr_dag.errors import DuplicateNameError, InputError
from gbr_dag.features.chain import SEPARATOR, Chain, KeyedRows, Link, RowNodes, Source
from gbr_dag.features.columns import GroupedColumn, of_groups, of_rows
from gbr_dag.features.feature import Feature
from gbr_dag.features.grouping import Grouping
from gbr_dag.features.model import STAGES, Place, model_nodes
from gbr_dag.graph.structure import Graph, Need, Node, graph_of

ROWS = "rows of the frame"
"""Input of a merged graph that tells which rows there are."""

Made = tuple[Node, Callable[..., Any]]
Grouper = Callable[[pd.DataFrame, Sequence[str]], Grouping]


@dataclass(frozen=True, eq=False)
class FrameRows:
    """The rows that a link works on.

    Attributes
    ----------
    index : pandas.Index (n_rows,)
    attrs : mapping
        What else a frame of them tells.
    columns : mapping of str to array or Series (n_rows,)
        Columns that are there whatever a node takes; keys are among them.
    groupings : dict
        The rows by keys, once a node has asked for them: groups are found once for all links with the same keys.
    """

    index: pd.Index
    attrs: Mapping[Any, Any]
    columns: Any = field(default_factory=dict)
    groupings: dict[tuple[str, ...], Grouping] = field(default_factory=dict)

    def frame(self, columns: Mapping[str, Any]) -> pd.DataFrame:
        """A frame of columns (n_rows,)."""
        made = pd.DataFrame({name: raw(value) for name, value in columns.items()}, index=self.index, copy=False)
        made.attrs = dict(self.attrs)
        return made


def raw(value: Any) -> Any:
    """Values of a column as pandas holds them: text that functions gave as objects becomes text."""
    if isinstance(value, GroupedColumn):
        value = value.released()
    return column_values(pd.Series(value, copy=False))


def column_values(column: pd.Series) -> Any:
    """Values of a column: of NumPy's type, or else, and for dates, pandas' own array."""
    plain = isinstance(column.dtype, np.dtype) and column.dtype.kind not in "mM"
    return column.to_numpy() if plain else column.array


def spread_over(values: Any, grouping: Grouping) -> Any:
    """Value of the group of every row (n_rows,), from one per group; missing where the row is in none."""
    return of_groups(values, grouping).per_row().released()


def prefix_of(link: Link) -> str:
    """What stands before the names of a link's nodes."""
    return f"{link.name}{SEPARATOR}"


@dataclass(frozen=True)
class Merged:
    """Links as one graph.

    Attributes
    ----------
    graph : Graph
        Its inputs are columns of the frame and :data:`ROWS`.
    callables : mapping of str to callable
        What its nodes call.
    keys : sequence of str
        Node that the keys of each link are taken from.
    """

    graph: Graph
    callables: Mapping[str, Callable[..., Any]]
    keys: Sequence[str]


def merged_graph(chain: Chain, grouper: Grouper) -> Merged:
    """Make one graph of all links.

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
    graphs.add_keys()
    for name in graphs.columns:
        if name in graphs.made:
            message = f"column {name!r} of the frame has the name of a node of the merged graph; rename the column"
            raise InputError(message)
    graph = graph_of((node for node, _ in graphs.made.values()), STAGES)
    keys = [link.keys_node(at) for link, at in zip(chain.links, graphs.places)]
    return Merged(graph, {name: function for name, (_, function) in graphs.made.items()}, keys)


class _Merging:
    """Nodes of the links so far."""

    def __init__(self, chain: Chain, grouper: Grouper) -> None:
        self._chain, self._grouper = chain, grouper
        self.made: dict[str, Made] = {}
        self.columns: set[str] = set()
        self.places: list[Place] = []
        self._keys: dict[str, Made] = {}
        self._groupings: dict[tuple[str, ...], str] = {}

    def add(self, place: int) -> None:
        """Nodes of a link, and those that hand columns on to it."""
        link, start = self._chain.links[place], self._chain.start(place)
        columns: dict[str, str] = {}
        for requirement in link.requirements(link.outputs()):
            sources = self._chain.sources(place, requirement.column)
            if sources:
                columns[requirement.column] = self._handed_on(place, sources[0])
            elif start == 0:
                self.columns.add(requirement.column)
        base = self._chain.links[start - 1].rows_node(self.places[start - 1]) if start else ROWS
        at = Place(link.by, prefix_of(link), columns)
        keyed = self._keyed(place, at, base)
        at = replace(at, shared=self._groupings.get((base, *keyed.token)))
        self.places.append(at)
        for made in link.nodes(at, RowNodes(base, keyed)):
            if made[0].name in self.made:
                message = f"two nodes of the merged graph are called {made[0].name!r}; rename one of the features"
                raise DuplicateNameError(message)
            self._share(made)
        if at.grouping in self.made:
            self._groupings[(base, *keyed.token)] = at.grouping

    def add_keys(self) -> None:
        """Nodes of keys, where something takes them as such."""
        needed = {need.name for node, _ in self.made.values() for need in node.needs}
        for name, made in self._keys.items():
            if name in needed:
                self._share(made)

    def _share(self, made: Made) -> None:
        self.made.setdefault(made[0].name, made)

    def _handed_on(self, place: int, source: Source) -> str:
        """Node that a column comes from."""
        link, at = self._chain.links[source.link], self.places[source.link]
        if source.level == "key":
            made = _key_node(link, at, source.name)
            self._keys[made[0].name] = made
        elif source.level == "group" and source.link >= self._chain.start(place):
            made = link.spread_node(at, source.name)
            self._share(made)
            return made[0].name
        return f"{prefix_of(link)}{source.name}"

    def _keyed(self, place: int, at: Place, base: str) -> _KeyedRows:
        """A link's rows by its keys; keys of the link before come straight from its groups."""
        start = self._chain.start(place)
        sources = {key: self._chain.sources(place, key) for key in at.by}
        known = {key: found[0].name for key, found in sources.items() if found and found[0].level == "key"}
        if not start:  # the rows of the frame know its columns
            known.update({key: key for key, found in sources.items() if not found})
        before = self._chain.links[start - 1] if start else None
        keys = {} if before is None else {f"{prefix_of(before)}{key}": key for key in before.by}
        return _KeyedRows(base, at, known, keys, self._grouper)


class _KeyedRows:
    """The rows that a link works on with its keys; see :class:`gbr_dag.features.chain.KeyedRows`."""

    def __init__(
        self, base: str, at: Place, known: Mapping[str, str], keys: Mapping[str, str], grouper: Grouper
    ) -> None:
        self._base, self._by, self._known, self._grouper = base, at.by, known, grouper
        self._others = {key: at.column(key) for key in at.by if key not in known}
        self.keys = keys
        self.needs = (base, *self._others.values())
        self.token = tuple(f"{key}={at.column(key)}" for key in at.by)

    def __call__(self, values: Mapping[str, Any]) -> Grouping:
        """The rows, whose groups are found when something asks for them."""
        rows = rows_of(values[self._base])
        if self.token not in rows.groupings:
            columns = {
                key: values[self._others[key]] if key in self._others else rows.columns[self._known[key]]
                for key in self._by
            }
            rows.groupings[self.token] = self._grouper(rows.frame(columns), self._by)
        return rows.groupings[self.token]

    def key(self, values: Mapping[str, Any], name: str) -> Any:
        """Values of a key of the link before."""
        return raw(rows_of(values[self._base]).columns[name])


def rows_of(value: Any) -> FrameRows:
    """The rows that a node tells of: those of the frame or of a fit's table, or the groups of a model."""
    if isinstance(value, FrameRows):
        return value
    keys = value.groups.keys
    return FrameRows(pd.RangeIndex(len(keys)), {}, keys, value.of_groups)


def _key_node(link: Link, at: Place, key: str) -> Made:
    source = link.keys_node(at)

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


def placed_model_nodes(features: Sequence[Feature], at: Place, rows: RowNodes) -> list[Made]:
    """Nodes of a model whose columns come from elsewhere: the values stay, the groups are those of its own keys.

    Parameters
    ----------
    features : sequence of Feature
    at : Place
    rows : RowNodes
        The rows with the keys of the model.
    """
    nodes = [(node, function) for node, function in model_nodes(features, at) if node.name != at.grouping]
    own = {at.grouping, *(node.name for node, _ in nodes)}

    def groups(**values: Any) -> Grouping:
        """Find the groups of the rows."""
        found = rows.keyed(values)
        _ = found.groups
        return found

    found = [_on_rows(node, function, own, rows.keyed) for node, function in nodes]
    if at.shared is None:
        keys = [at.column(key) for key in at.by if at.column(key) not in rows.keyed.keys]
        found.append(made_node(at.grouping, "grouping", [rows.plain, *keys], groups, "The groups of the rows."))
    return found


def _on_rows(node: Node, function: Callable[..., Any], own: Collection[str], keyed: KeyedRows) -> Made:
    """A node that takes what is not of its model as columns over the model's rows."""
    others = {need.name for need in node.needs if need.name not in own}
    if not others:
        return node, function
    keys = {name: key for name, key in keyed.keys.items() if name in others}

    def on_rows(**values: Any) -> Any:
        rows = keyed(values)
        taken = {name: of_rows(raw(values[name]), rows) for name in others if name in values and name not in keys}
        taken.update({name: of_rows(keyed.key(values, key), rows) for name, key in keys.items()})
        return function(**taken, **{name: value for name, value in values.items() if name in own})

    kept = {need.name: need for need in node.needs if need.name not in keys}
    more = {name: Need(name, Any, optional=False) for name in keyed.needs}
    return replace(node, needs=tuple({**kept, **more}.values())), on_rows
