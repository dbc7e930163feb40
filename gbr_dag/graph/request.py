"""One request to a graph: what runs, in which order, from which values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Optional

from gbr_dag.errors import UnknownNameError
from gbr_dag.graph.checks import check_given_names, checked_outputs, checked_values
from gbr_dag.graph.structure import Graph


@dataclass(frozen=True)
class Request:
    """What a request comes to.

    Attributes
    ----------
    outputs : tuple of str
        As asked for.
    order : tuple of str
        Nodes that run, in the order in which they run.
    inputs : tuple of str
        Inputs that the nodes take, given or required.
    missing : tuple of str
        Inputs that are required and not given.
    kept : tuple of str
        Overrides in use.
    """

    outputs: tuple[str, ...]
    order: tuple[str, ...]
    inputs: tuple[str, ...]
    missing: tuple[str, ...]
    kept: tuple[str, ...]


def resolved_request(
    graph: Graph,
    outputs: Iterable[str],
    inputs: Optional[Mapping[str, Any]],
    overrides: Optional[Mapping[str, Any]],
) -> Request:
    """Find what runs; unknown names are refused, missing inputs only listed."""
    names = checked_outputs(graph, outputs)
    inputs, overrides = checked_values("inputs", inputs), checked_values("overrides", overrides)
    check_given_names(graph, inputs, overrides)
    order, reached = _walk(graph, names, overrides)
    running = set(order)
    kept = tuple(name for name in reached if name in overrides)
    needed, missing = [], []
    for name in reached:
        if name in overrides:
            continue
        required = any(not taker.optional and taker.node in running for taker in graph.inputs[name])
        if name in inputs or required:
            needed.append(name)
        if name not in inputs and required:
            _check_present(graph, name, running)
            missing.append(name)
    return Request(names, tuple(order), tuple(needed), tuple(missing), kept)


def _walk(graph: Graph, starts: Iterable[str], overrides: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Nodes depth first, arguments in the order of the signature; and all that ends a branch."""
    order: list[str] = []
    ends: list[str] = []
    seen: set[str] = set()
    stack: list[tuple[str, Iterator[str]]] = []

    def enter(name: str) -> None:
        if name in seen or name in graph.config:
            return
        seen.add(name)
        if name in overrides or name not in graph.nodes:
            ends.append(name)
        else:
            stack.append((name, iter([need.name for need in graph.nodes[name].needs])))

    for start in starts:
        enter(start)
        while stack:
            name, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                order.append(name)
                stack.pop()
            else:
                enter(following)
    return order, ends


def _check_present(graph: Graph, name: str, running: set[str]) -> None:
    """Refuse a needed node that the config has no function for."""
    swap = graph.absent.get(name)
    if swap is None or not set(swap.config_keys()) <= set(graph.config):
        return
    user = next(taker.node for taker in graph.inputs[name] if taker.node in running and not taker.optional)
    raise UnknownNameError(swap.explanation(graph.config, f"node {name!r}, which {user!r} needs,"))
