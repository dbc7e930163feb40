"""From modules of functions and a config to a graph, with everything that is wrong with them refused."""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Optional

from gbr_dag.errors import DuplicateNameError, GraphError, InputError
from gbr_dag.graph.checks import check_replaced
from gbr_dag.graph.sizes import estimate_of
from gbr_dag.graph.structure import Graph, Need, Node, check_cycles, check_edges, input_takers
from gbr_dag.graph.variants import Swap, Variant, check_config, check_swaps, conditions_of

Function = Callable[..., Any]


def build_graph(
    modules: Sequence[ModuleType], config: Mapping[str, Any], replace: Sequence[str] = ()
) -> tuple[Graph, dict[str, Callable[..., Any]]]:
    """Build the graph of the modules' functions under a config.

    Returns
    -------
    graph : Graph
        What can be asked for.
    callables : dict of str to callable
        The nodes' functions as Hamilton resolved them.
    """
    from gbr_dag.graph import backend

    backend.load_extensions()
    seen: dict[Function, Variant] = {}
    for module in modules:
        for variant in _variants(module):
            seen.setdefault(variant.function, variant)  # a package may show functions of its modules
    variants = list(seen.values())
    check_config(variants, config, {name for variant in variants for name in _argument_names(variant.function)})
    picked = [variant for variant in variants if _is_picked(variant, config)]
    for variant in picked:
        _check_annotations(variant)
    _check_replace(variants, replace)
    with _names_kept(seen):
        found = [(variant, backend.resolve_nodes(variant.function, dict(config))) for variant in picked]
    nodes = _distinct_nodes(found, config, replace)
    graph = _graph(nodes, variants, config)
    with _names_kept(seen):
        return graph, backend.node_callables(modules, dict(config))


@contextmanager
def _names_kept(functions: Iterable[Function]) -> Iterator[None]:
    """Give functions their names back: Hamilton cuts the suffix of variants off, one more each time it reads them."""
    names = {function: function.__name__ for function in functions}
    try:
        yield
    finally:
        for function, name in names.items():
            function.__name__ = name


def checked_modules(modules: Iterable[ModuleType]) -> tuple[ModuleType, ...]:
    """Modules, each once and in ``sys.modules``, where Hamilton looks for the module of a function."""
    if isinstance(modules, ModuleType):
        message = f"modules must be a list of modules, got the module {modules.__name__!r}; write [{modules.__name__}]"
        raise InputError(message)
    distinct = tuple(dict.fromkeys(modules))
    for module in distinct:
        if not isinstance(module, ModuleType):
            message = f"modules must be modules, got {module!r} of type {type(module).__name__}; import it first"
            raise InputError(message)
        sys.modules.setdefault(module.__name__, module)
    return distinct


def _variants(module: ModuleType) -> list[Variant]:
    """Functions of a module that are meant as nodes, in the order of their lines."""
    from gbr_dag.graph import backend

    found = []
    for name, function in backend.find_functions(module):
        resolvers = backend.resolvers_of(function)
        conditions = conditions_of(resolvers, backend.hamilton_exclude)
        target = next((one.target_name for one in resolvers if getattr(one, "target_name", None)), None)
        node = target or (name.rpartition("__")[0] or name if conditions else function.__name__)
        found.append((_line(function), Variant(node, function, module.__name__, _place(function), conditions)))
    return [variant for _, variant in sorted(found, key=lambda pair: pair[0])]


def _is_picked(variant: Variant, config: Mapping[str, Any]) -> bool:
    try:
        return variant.is_picked(config)
    except KeyError as error:
        message = f"config key {error} is missing: the @config of {variant.node!r} ({variant.place}) reads it"
        raise GraphError(message) from error


def _check_annotations(variant: Variant) -> None:
    """Refuse functions that Hamilton cannot make a node of, before it fails with less to say."""
    function, where = variant.function, f"function {variant.node!r} ({variant.place})"
    way_out = "; if it is no node, let its name start with an underscore"
    if inspect.iscoroutinefunction(function):
        message = f"{where} is async; nodes must be plain functions{way_out}"
        raise GraphError(message)
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError, AttributeError, SyntaxError) as error:
        message = f"{where} has an annotation that cannot be evaluated: {error}"
        raise GraphError(message) from error
    signature = inspect.signature(function)
    if "return" not in hints:
        message = f"{where} does not say what it yields; annotate it with -> type{way_out}"
        raise GraphError(message)
    for name, parameter in signature.parameters.items():
        if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY}:
            message = f"{where} takes {parameter}; a node takes each thing it needs by its name{way_out}"
            raise GraphError(message)
        if name not in hints:
            message = f"{where} has no type for its argument {name!r}; annotate it{way_out}"
            raise GraphError(message)


def _check_replace(variants: Sequence[Variant], replace: Sequence[str]) -> None:
    modules_of: dict[str, set[str]] = {}
    for variant in variants:
        modules_of.setdefault(variant.node, set()).add(variant.module)
    check_replaced(replace, (name for name, modules in modules_of.items() if len(modules) > 1), modules_of)


def _distinct_nodes(
    found: Iterable[tuple[Variant, Sequence[Any]]], config: Mapping[str, Any], replace: Sequence[str]
) -> dict[str, Node]:
    nodes: dict[str, Node] = {}
    owners: dict[str, Variant] = {}
    for variant, resolved in found:
        for node in resolved:
            name = str(node.name)
            _check_node(node, variant, config)
            earlier = owners.get(name)
            if earlier is not None:
                _check_distinct(name, earlier, variant, replace)
            owners[name] = variant
            nodes.pop(name, None)
            nodes[name] = _node(node, variant, config)
    return nodes


def _check_node(node: Any, variant: Variant, config: Mapping[str, Any]) -> None:
    from gbr_dag.graph import backend

    if node.name in config:
        message = (
            f"config key {node.name!r} is computed by the graph ({variant.place}); to give its value, put it into"
            " overrides"
        )
        raise GraphError(message)
    if backend.is_parallel(node):
        message = f"node {node.name!r} ({variant.place}) is Parallelizable or Collect, which these graphs do not run"
        raise GraphError(message)


def _check_distinct(name: str, earlier: Variant, later: Variant, replace: Sequence[str]) -> None:
    if earlier.module != later.module and name in replace:
        return
    way_out = "rename one"
    if earlier.module != later.module:
        way_out += f", or let the later one win with replace=[{name!r}]"
    elif earlier.conditions or later.conditions:
        way_out = "the config picks both; make their conditions exclude each other"
    message = f"node {name!r} is defined twice: {earlier.place} and {later.place}; {way_out}"
    raise DuplicateNameError(message)


def _node(node: Any, variant: Variant, config: Mapping[str, Any]) -> Node:
    needs = tuple(
        Need(name, kind, optional=dependency.name == "OPTIONAL")
        for name, (kind, dependency) in node.input_types.items()
    )
    return Node(
        name=node.name,
        type=node.type,
        stage=variant.function.__module__.rpartition(".")[2],
        description=inspect.cleandoc(node.documentation or "").partition("\n")[0],
        choice=tuple((key, config[key]) for key in variant.config_keys() if key in config),
        needs=needs,
        function=variant.function,
        place=variant.place,
        has_estimate=node.name == variant.node and estimate_of(variant.function) is not None,
    )


def _graph(nodes: Mapping[str, Node], variants: Sequence[Variant], config: Mapping[str, Any]) -> Graph:
    absent: dict[str, Swap] = {}
    for variant in variants:
        if variant.node not in nodes and variant.config_keys():
            earlier = absent[variant.node].variants if variant.node in absent else ()
            absent[variant.node] = Swap(variant.node, (*earlier, variant))
    inputs = input_takers(nodes, config)
    arguments = {name for variant in variants for name in _argument_names(variant.function)}
    check_swaps(absent.values(), config, {*inputs, *(name for name in absent if name not in arguments)})
    check_cycles(nodes)
    check_edges(nodes)
    return Graph(nodes, inputs, frozenset(arguments.difference(nodes, inputs, config)), dict(config), absent)


def _argument_names(function: Function) -> list[str]:
    return list(inspect.signature(function).parameters)


def _line(function: Function) -> int:
    code: Optional[Any] = getattr(inspect.unwrap(function), "__code__", None)
    return 0 if code is None else int(code.co_firstlineno)


def _place(function: Function) -> str:
    code: Optional[Any] = getattr(inspect.unwrap(function), "__code__", None)
    return "unknown place" if code is None else f"{code.co_filename}:{code.co_firstlineno}"
