"""Whether a module is still what its file says."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from gbr_dag.features.source_text import SourceText, source_text


def was_edited(module: ModuleType) -> bool:
    """Whether the file of a module has other functions, or other numbers or texts, than it had when imported.

    What was changed while it ran, and is no such thing, is not seen; nor is anything of a module without a file.
    """
    file = getattr(module, "__file__", None) or ""
    if not file.endswith(".py") or not Path(file).is_file():
        return False
    names = vars(module)
    text = source_text(file, names, {})
    if text is None:  # broken now: importing it tells how
        return Path(file).stat().st_size > 0
    written = [inspect.unwrap(value) for _, value in own_functions(module)]
    gone = [one for one in written if one.__code__.co_filename == file and text.definition(one.__code__) is None]
    return bool(gone) or any(name not in names or repr(names[name]) != value for name, value in _stated(text, names))


def own_functions(module: ModuleType) -> list[tuple[str, Callable[..., Any]]]:
    """Functions that a module defines by the names that it gives them, each once, in the order of its lines."""
    names = vars(module)
    by_line, by_call = [], []
    for name, value in names.items():
        if not callable(value) or inspect.isclass(value):
            continue
        written = inspect.unwrap(value)
        if not isinstance(written, FunctionType) or written.__globals__ is not names:
            continue
        if written.__name__ == name:
            by_line.append((written.__code__.co_firstlineno, name, value))
        elif names.get(written.__name__) is not value:  # else a second name
            by_call.append((name, value))
    # a def that is repeated keeps its first position among the names, and has the line of the last
    return [*((name, value) for _, name, value in sorted(by_line, key=lambda each: each[0])), *by_call]


def _stated(text: SourceText, names: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Names that a text binds once at its top level to a function, or to a number or a text, and how those print."""
    changing = {
        name
        for node in ast.walk(text.tree)
        if isinstance(node, (ast.Delete, ast.Global))
        for name in (node.names if isinstance(node, ast.Global) else [ast.unparse(target) for target in node.targets])
    }
    for statement in text.tree.body:
        if isinstance(statement, ast.FunctionDef) and statement.name not in changing:
            yield statement.name, repr(names.get(statement.name))
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant):
            for target in statement.targets:
                if isinstance(target, ast.Name) and len(text.bindings[target.id]) == 1 and target.id not in changing:
                    yield target.id, repr(statement.value.value)
