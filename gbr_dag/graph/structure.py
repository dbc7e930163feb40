"""What a graph is made of: nodes with what they need, inputs, and what the config leaves out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gbr_dag.errors import CycleError, DuplicateNameError, GraphError
from gbr_dag.graph.annotations import annotation_text, annotations_match

if TYPE_CHECKING:
    from gbr_dag.graph.variants import Swap


@dataclass(frozen=True)
class Need:
    """An argument of a node: the name, its annotation and whether it has a default."""

    name: str
    type: Any
    optional: bool


@dataclass(frozen=True)
class Taker:
    """A node that takes an input: its name, the annotation there and whether there is a default."""

    node: str
    type: Any
    optional: bool


@dataclass(frozen=True)
class Node:
    """A computed node.

    ``choice`` holds the config keys and values that picked the function (empty when it was not a matter of choice),
    ``place`` is ``file:line``, ``has_estimate`` says whether the function can tell the bytes beforehand.
    """

    name: str
    type: Any
    stage: str
    description: str
    choice: tuple[tuple[str, Any], ...]
    needs: tuple[Need, ...]
    function: Callable[..., Any]
    place: str
    has_estimate: bool

    @property
    def variant(self) -> str:
        """The chosen values: ``"numba"`` or ``"ols, numba"``."""
        return ", ".join(str(value) for _, value in self.choice)


@dataclass(frozen=True)
class Graph:
    """Everything that can be asked for under one config.

    ``nodes`` come in the order of their modules and lines; ``inputs`` maps each input to the nodes that take it;
    ``spare_inputs`` are taken only by functions that the config did not pick; ``absent`` are nodes that are there
    under another config only. Stages in ``stage_order`` are drawn in the same colours whatever part is drawn.
    """

    nodes: Mapping[str, Node]
    inputs: Mapping[str, tuple[Taker, ...]]
    spare_inputs: frozenset[str]
    config: Mapping[str, Any]
    absent: Mapping[str, Swap]
    stage_order: tuple[str, ...] = ()

    def users(self, name: str) -> list[str]:
        """Nodes that take the value of a node or input directly."""
        return [node.name for node in self.nodes.values() if any(need.name == name for need in node.needs)]


def graph_of(nodes: Iterable[Node], stage_order: tuple[str, ...] = ()) -> Graph:
    """Graph of nodes that are made by other means than from modules, without a config.

    Parameters
    ----------
    nodes : iterable of Node
    stage_order : tuple of str, optional
        See :class:`Graph`.

    Raises
    ------
    DuplicateNameError
        If two nodes have one name.
    CycleError
        If nodes need each other in a circle.
    GraphError
        If a node yields what another that takes it can have no use for.
    """
    found: dict[str, Node] = {}
    for node in nodes:
        if node.name in found:
            message = f"node {node.name!r} is defined twice: {found[node.name].place} and {node.place}; rename one"
            raise DuplicateNameError(message)
        found[node.name] = node
    check_cycles(found)
    check_edges(found)
    return Graph(found, input_takers(found, {}), frozenset(), {}, {}, stage_order)


def input_takers(nodes: Mapping[str, Node], config: Mapping[str, Any]) -> dict[str, tuple[Taker, ...]]:
    """Inputs of the nodes, each with the nodes that take it."""
    takers: dict[str, tuple[Taker, ...]] = {}
    for node in nodes.values():
        for need in node.needs:
            if need.name not in nodes and need.name not in config:
                takers[need.name] = (*takers.get(need.name, ()), Taker(node.name, need.type, need.optional))
    return takers


def check_cycles(nodes: Mapping[str, Node]) -> None:
    """Refuse functions that need each other in a circle, naming the circle and where every function stands."""
    import networkx as nx

    arrows = [(node.name, need.name) for node in nodes.values() for need in node.needs if need.name in nodes]
    graph = nx.DiGraph(arrows)
    circles = []
    for component in nx.strongly_connected_components(graph):
        if len(component) > 1 or any(graph.has_edge(name, name) for name in component):
            start = min(component)
            circles.append([edge[0] for edge in nx.find_cycle(graph.subgraph(sorted(component)), start)])
    if not circles:
        return
    texts = []
    for circle in sorted(circles):
        places = ", ".join(f"{name} ({nodes[name].place})" for name in circle)
        texts.append(f"{' <- '.join([*circle, circle[0]])}: {places}")
    message = f"functions need each other in a circle: {'; '.join(texts)}"
    raise CycleError(message)


def check_edges(nodes: Mapping[str, Node]) -> None:
    """Refuse arguments that what the node of their name yields can never fit."""
    for name, node in nodes.items():
        for need in node.needs:
            source = nodes.get(need.name)
            if source is not None and not annotations_match(source.type, need.type):
                message = (
                    f"{name} ({node.place}) takes {need.name} as {annotation_text(need.type)}, but {need.name}"
                    f" ({source.place}) yields {annotation_text(source.type)}"
                )
                raise GraphError(message)
