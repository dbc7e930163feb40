"""The decorators that say in a file how a feature was registered."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from gbr_dag.errors import InputError
from gbr_dag.features.constant_values import NoPlainValueError, value_of
from gbr_dag.features.feature import Feature, made_feature
from gbr_dag.features.levels import attribute, decorators_of, per_group, per_row, row

_LONGEST_LINE = 88
_WORDS = {id(each): f"@{each.__name__}" for each in (attribute, row, per_group, per_row)}


def mark_decorators(node: ast.FunctionDef, namespace: Mapping[str, Any]) -> list[tuple[ast.expr, str]]:
    """Decorators of a def that are marks, each with its word."""
    found = []
    for decorator in node.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        if not isinstance(called, (ast.Name, ast.Attribute)):
            continue
        try:
            word = _WORDS.get(id(value_of(called, namespace)))
        except NoPlainValueError:
            continue
        if word:
            found.append((decorator, word))
    return found


def new_marks(feature: Feature, node: ast.FunctionDef, words: Sequence[str], commented: bool) -> Optional[list[str]]:
    """Decorators to write above a def in place of its marks; None where these say already how it was registered.

    ``commented`` tells whether its text has ``#agg``.
    """
    mark = decorators_of(feature.function)
    level = "group" if commented or mark.way == "per_group" else "row"
    if tuple(reversed(words)) == mark.words and (mark.level or level) == feature.level:
        try:
            if made_feature(mark.name or node.name, feature.function, feature.level) == feature:
                return None
        except InputError:  # an old-style function, which is none without its names
            pass
    arguments = _arguments(feature, node)
    word = "attribute" if feature.level == "group" else "row"
    level = "group" if commented or feature.way == "per_group" else "row"
    lines = [_decorator(word, arguments)] if arguments or level != feature.level else []
    if feature.way in {"per_group", "per_row"}:
        lines.append(f"@{feature.way}")
    return lines


def _arguments(feature: Feature, node: ast.FunctionDef) -> list[str]:
    arguments = []
    if feature.name != node.name:
        arguments.append(f"name={_quoted(feature.name)}")
    if feature.way == "frame" or any(each.name != each.source for each in feature.arguments):
        arguments.append(f"inputs={_list(feature.inputs)}")
    if feature.way == "frame" or feature.outputs != (feature.name,):
        arguments.append(f"outputs={_list(feature.outputs)}")
    if feature.tags:
        arguments.append(f"tags={_list(feature.tags)}")
    if feature.way == "frame":
        arguments.append("legacy_mode=True")
    return arguments


def _decorator(word: str, arguments: Sequence[str]) -> str:
    if not arguments:
        return f"@{word}"
    line = f"@{word}({', '.join(arguments)})"
    if len(line) <= _LONGEST_LINE:
        return line
    return "\n".join([f"@{word}(", *(f"    {argument}," for argument in arguments), ")"])


def _list(names: Sequence[str]) -> str:
    return f"[{', '.join(map(_quoted, names))}]"


def _quoted(name: str) -> str:
    """As formatters quote."""
    plain = repr(name)
    return f'"{plain[1:-1]}"' if plain.startswith("'") and '"' not in plain else plain
