"""The import of Hamilton, which makes nodes of functions.

Modules of nodes take ``config`` from here, so that Hamilton is imported in one way only.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from types import ModuleType
from typing import Any


def _release(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2])


@contextmanager
def _default_environment(**defaults: str) -> Iterator[None]:
    """Environment variables that hold for a while, where the user has not set them."""
    added = {name: value for name, value in defaults.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


if _release(version("sf-hamilton")) < (1, 90):
    # these releases report every use to a server unless told not to before they are imported
    os.environ.setdefault("HAMILTON_TELEMETRY_ENABLED", "false")

# Left alone, Hamilton imports every data library that is installed: 0.5 s, matplotlib among them, and warnings of
# dask that are errors under -W error.
with _default_environment(HAMILTON_AUTOLOAD_EXTENSIONS="0"):
    from hamilton import driver as _hamilton_driver
    from hamilton import node as _hamilton_node
    from hamilton import registry as _registry
    from hamilton.function_modifiers import config
    from hamilton.function_modifiers.base import NodeResolver, resolve_nodes
    from hamilton.function_modifiers.configuration import hamilton_exclude
    from hamilton.graph_utils import find_functions
    from hamilton.lifecycle import EdgeConnectionHook

__all__ = [
    "config",
    "find_functions",
    "hamilton_exclude",
    "is_parallel",
    "load_extensions",
    "node_callables",
    "resolve_nodes",
    "resolvers_of",
]


class _AnyTypes(EdgeConnectionHook):  # type: ignore[misc]
    """Lets edges of any types pass: they are checked by our own rules before."""

    def check_edge_types_match(self, type_from: Any, type_to: Any, **_: Any) -> bool:  # noqa: ARG002
        return True

    def validate_input(self, node_type: Any, input_value: Any, **_: Any) -> bool:  # noqa: ARG002
        return True


def node_callables(modules: Sequence[ModuleType], settings: dict[str, Any]) -> dict[str, Callable[..., Any]]:
    """What Hamilton makes of the modules' functions, by node; of functions with one name that of the last module."""
    builder = _hamilton_driver.Builder().with_modules(*modules).with_config(settings)
    driver = builder.allow_module_overrides().with_adapters(_AnyTypes()).build()
    return {name: node.callable for name, node in driver.graph.nodes.items()}


def load_extensions() -> None:
    """Make ``extract_columns`` know the frames that are in use."""
    for name in ("pandas", "polars"):
        if name in sys.modules and name not in _registry.DF_TYPE_AND_COLUMN_TYPES:
            _registry.load_extension(name)


def resolvers_of(function: Any) -> list[Any]:
    """Decorators that decide whether a function is part of the graph."""
    return list(getattr(function, NodeResolver.get_lifecycle_name(), []))


def is_parallel(node: Any) -> bool:
    """Whether a node is one of Hamilton's Parallelizable or Collect."""
    return node.node_role in {_hamilton_node.NodeType.EXPAND, _hamilton_node.NodeType.COLLECT}
