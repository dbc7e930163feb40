"""The import of Hamilton, which resolves and runs the graphs, and the adapter through which it runs a node.

Modules of nodes take ``config`` from here, so that Hamilton is imported in one way only.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.metadata import version
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gbr_dag.graph.execution import Run


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
    from hamilton.execution import graph_functions as _graph_functions
    from hamilton.function_modifiers import config
    from hamilton.function_modifiers.base import NodeResolver, resolve_nodes
    from hamilton.function_modifiers.configuration import hamilton_exclude
    from hamilton.graph_utils import find_functions
    from hamilton.lifecycle import EdgeConnectionHook, NodeExecutionMethod

__all__ = [
    "RUN",
    "config",
    "find_functions",
    "hamilton_driver",
    "hamilton_exclude",
    "is_parallel",
    "load_extensions",
    "resolve_nodes",
    "resolvers_of",
]

RUN: ContextVar[Run] = ContextVar("gbr_dag_run")
"""What the adapter reports to; of the context, so that threads and drivers inside nodes keep apart."""


class _Adapter(NodeExecutionMethod, EdgeConnectionHook):  # type: ignore[misc]
    """Runs a node through the current run; types are checked by our own rules before."""

    def run_to_execute_node(self, *, node_name: str, node_callable: Any, node_kwargs: dict[str, Any], **_: Any) -> Any:
        return RUN.get().run_node(node_name, node_callable, node_kwargs)

    def check_edge_types_match(self, type_from: Any, type_to: Any, **_: Any) -> bool:  # noqa: ARG002
        return True

    def validate_input(self, node_type: Any, input_value: Any, **_: Any) -> bool:  # noqa: ARG002
        return True


class _Executor(_hamilton_driver.DefaultGraphExecutor):  # type: ignore[misc]
    """Runs a request and lets go of its values.

    Hamilton's traversal holds the values and the inputs of a run in a circle of references: gigabytes would live on
    until the garbage collector comes by.
    """

    def execute(self, fg: Any, final_vars: list[str], overrides: Any, inputs: Any, run_id: str) -> dict[str, Any]:
        values: dict[str, Any] = {}
        given = _graph_functions.combine_config_and_inputs(fg.config, inputs)
        taken = dict(overrides)
        nodes = [fg.nodes[name] for name in final_vars if name in fg.nodes]
        try:
            _graph_functions.execute_subdag(nodes, given, self.adapter, values, taken, run_id)
            return {name: values.get(name, inputs.get(name)) for name in final_vars}
        finally:
            for held in (values, given, taken):
                held.clear()


def hamilton_driver(modules: Sequence[ModuleType], settings: dict[str, Any]) -> Any:
    """Build Hamilton's driver; of functions with the same name the one of the later module wins."""
    builder = _hamilton_driver.Builder().with_modules(*modules).with_config(settings)
    driver = builder.allow_module_overrides().with_adapters(_Adapter()).build()
    driver.graph_executor = _Executor(driver.adapter)
    return driver


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
