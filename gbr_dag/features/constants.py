"""Whether the text of a constant still tells its value."""

from __future__ import annotations

import ast
import collections
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from gbr_dag.features.constant_values import NoPlainValueError, same_value, value_of

_LONGEST_VALUE = 60
# each call makes another one, all alike
_MADE_ANEW = (typing.TypeVar, typing.NewType, collections.namedtuple)
_FAILURES = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def reason_against(statement: ast.stmt, namespace: Mapping[str, Any]) -> str:
    """Why an assignment cannot be copied; empty where it can be."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return ""  # the text that documents it
    if not isinstance(statement, (ast.Assign, ast.AnnAssign)) or statement.value is None:
        return "shares its line with what is no assignment: write it on a line of its own"
    targets: list[ast.expr] = [statement.target] if isinstance(statement, ast.AnnAssign) else statement.targets
    node = statement.value
    try:
        if isinstance(node, ast.Call) and value_of(node.func, namespace) in _MADE_ANEW:
            return ""
        value = value_of(node, namespace)
        pairs = [pair for target in targets for pair in _pairs(target, value)]
    except (NoPlainValueError, *_FAILURES) as error:
        part = str(error) if isinstance(error, NoPlainValueError) else ast.unparse(node)
        kinds = " and ".join(sorted({_kind(namespace.get(name)) for name in _names(targets)}))
        return (
            f"is made by {_short(part)} (type {kinds}), which is neither a literal nor arithmetic of such: write the"
            " value itself, or make it in the function that uses it"
        )
    for name, said in pairs:
        if name not in namespace or not same_value(said, namespace[name]):
            now = _short(repr(namespace.get(name)))
            return f"is {now} now, its text says {_short(repr(said))}: it was changed, assign what it is"
    return ""


def _pairs(target: ast.expr, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, (ast.Tuple, ast.List)) and len(target.elts) == len(value):
        for inner, part in zip(target.elts, value):
            yield from _pairs(inner, part)
    else:
        raise NoPlainValueError(ast.unparse(target))


def _names(targets: list[ast.expr]) -> list[str]:
    return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]


def _kind(value: Any) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_VALUE else f"{line[: _LONGEST_VALUE - 3]}..."
