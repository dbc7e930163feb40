"""Checks of what a graph is asked for, made before anything runs, and the words of their errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Optional

from gbr_dag.errors import InputError, MissingInputError, UnknownNameError
from gbr_dag.graph.annotations import annotation_text, value_fits

if TYPE_CHECKING:
    from gbr_dag.graph.request import Request
    from gbr_dag.graph.structure import Graph

_LONGEST_LIST = 3
_SHOW_ALL = "`driver.list_outputs()` shows all"


def suggestion(name: object, known: Iterable[str]) -> str:
    """Name the nearest known name: ``"; did you mean 'numba'?"``, or ``""`` when none is near."""
    text, names = str(name), list(known)
    near = get_close_matches(text, names, n=1, cutoff=0.6)
    if not near:  # 'OLS' has no letter of 'ols'
        in_lower_case = {other.lower(): other for other in names}
        near = [in_lower_case[other] for other in get_close_matches(text.lower(), in_lower_case, n=1, cutoff=0.6)]
    return f"; did you mean {near[0]!r}?" if near else ""


def unknown(kind: str, name: object, known: Iterable[str], way_out: str) -> str:
    """Word the refusal of a name: ``engine 'nunba' is unknown; did you mean 'numba'? engines: numba, numpy``."""
    near = suggestion(name, known)
    return f"{kind} {name!r} is unknown{near}{' ' if near else '; '}{way_out}"


def listed(names: Iterable[str], longest: int = _LONGEST_LIST) -> str:
    """Join names: ``a, b, c and 4 more``."""
    names = list(names)
    rest = len(names) - longest
    return ", ".join(names) if rest <= 0 else f"{', '.join(names[:longest])} and {rest} more"


def checked_outputs(graph: Graph, outputs: Iterable[str]) -> tuple[str, ...]:
    """Names of computed nodes, each once; what the graph does not compute is refused."""
    if isinstance(outputs, str):
        message = f"outputs must be a list of names, got the string {outputs!r}; write [{outputs!r}]"
        raise InputError(message)
    names = distinct_names(outputs)
    for name in names:
        if name in graph.nodes:
            continue
        if name in graph.absent:
            raise UnknownNameError(graph.absent[name].explanation(graph.config, f"output {name!r}"))
        if name in graph.inputs or name in graph.config:
            kind = "an input of the graph" if name in graph.inputs else "part of the config"
            message = f"output {name!r} is {kind}, nothing computes it; {_SHOW_ALL}"
            raise UnknownNameError(message)
        raise UnknownNameError(unknown("output", name, graph.nodes, _SHOW_ALL))
    return names


def distinct_names(outputs: Iterable[str]) -> tuple[str, ...]:
    """The names, each once; anything but names is refused."""
    if not isinstance(outputs, Iterable):
        message = f"outputs must be a list of names, got {outputs!r} of type {type(outputs).__name__}"
        raise InputError(message)
    given = list(outputs)
    for name in given:
        if not isinstance(name, str):
            message = f"outputs must be names (str), got {name!r} of type {type(name).__name__}"
            raise InputError(message)
    names = tuple(dict.fromkeys(given))
    if not names:
        message = f"outputs must name at least one node, got none; {_SHOW_ALL}"
        raise InputError(message)
    return names


def checked_values(argument: str, values: Optional[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The mapping itself; None stands for an empty one."""
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        message = f"{argument} must be a dict of name to value, got {type(values).__name__}"
        raise InputError(message)
    return values


def check_given_names(graph: Graph, inputs: Mapping[str, Any], overrides: Mapping[str, Any]) -> None:
    """Refuse inputs that the graph does not take and overrides that it does not compute."""
    for name in inputs:
        if name in graph.inputs or name in graph.spare_inputs:
            continue
        if name in graph.nodes:
            message = f"input {name!r} is computed by the graph; to give its value, put it into overrides"
        elif name in graph.config:
            message = f"input {name!r} is part of the driver's config; make a driver with another config"
        else:
            message = unknown("input", name, graph.inputs, f"inputs: {', '.join(sorted(graph.inputs))}")
        raise UnknownNameError(message)
    for name in overrides:
        if name in graph.nodes or name in graph.absent:
            continue
        if name in graph.inputs:
            message = f"override {name!r} is an input of the graph; put it into inputs"
        elif name in graph.config:
            message = f"override {name!r} is part of the driver's config; make a driver with another config"
        else:
            message = unknown("override", name, graph.nodes, _SHOW_ALL)
        raise UnknownNameError(message)


def check_complete(graph: Graph, request: Request) -> None:
    """Refuse a request whose inputs are missing, all of them at once, each with the nodes that need it."""
    if not request.missing:
        return
    running = set(request.order)
    parts = []
    for name in request.missing:
        needed_by = [taker.node for taker in graph.inputs[name] if taker.node in running and not taker.optional]
        parts.append(f"{name!r} (needed by {listed(needed_by)})")
    kind = "input is" if len(parts) == 1 else "inputs are"
    message = f"{kind} missing: {', '.join(parts)}"
    raise MissingInputError(message)


def check_types(graph: Graph, request: Request, values: Mapping[str, Any]) -> None:
    """Refuse inputs that do not fit the annotations of the nodes that will run."""
    running = set(request.order)
    for name in request.inputs:
        value = values.get(name)
        for taker in graph.inputs[name]:
            if value is None or taker.node not in running or value_fits(taker.type, value):
                continue
            got = f"the string {value!r}" if isinstance(value, str) else _kind(value)
            message = f"input {name!r} must be {annotation_text(taker.type)} for node {taker.node!r}, got {got}"
            raise InputError(message)


def _kind(value: object) -> str:
    kind = type(value)
    text = (
        kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__.split('.')[0]}.{kind.__qualname__}"
    )
    return f"{value!r} of type {text}" if isinstance(value, (int, float, complex)) else text


def check_replaced(replace: Sequence[str], replaced: Iterable[str], known: Iterable[str]) -> None:
    """Refuse names in ``replace`` that replace nothing."""
    if isinstance(replace, str):
        message = f"replace must be a list of names, got the string {replace!r}; write [{replace!r}]"
        raise InputError(message)
    for name in replace:
        if name not in set(replaced):
            near = suggestion(name, known) if name not in set(known) else ""
            message = f"replace: {name!r} replaces nothing: no two of the modules have a function for it{near}"
            raise UnknownNameError(message)
