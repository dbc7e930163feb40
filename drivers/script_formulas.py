"""Formulas of existing scripts: sums of columns, as in ``"target ~ a + b"``."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gbr_dag.errors import InputError
from gbr_dag.graph.checks import suggestion

_BACKTICKS = re.compile(r"`([^`]+)`")
_WAY_OUT = "terms are columns joined by +, with - 1 or + 0 for no intercept; make a column of anything else first"


@dataclass(frozen=True)
class SumOfColumns:
    """Predictors in the order of the formula, and whether there is a constant beside them."""

    predictors: tuple[str, ...]
    intercept: bool


def sum_of_columns(formula: Any, targets: Sequence[str], predictors: Sequence[str]) -> SumOfColumns:
    """What a formula asks for; its left side may be absent, the word ``target`` or the only target.

    Raises
    ------
    InputError
        If it cannot be read, has a term that is no column of ``predictors``, or nothing to fit. The text names the
        token.
    """
    if not isinstance(formula, str):
        message = f"fit_formula must be a string such as 'target ~ a + b', or None for statistics only, got {formula!r}"
        raise InputError(message)
    left, tilde, right = formula.rpartition("~")
    quoted: dict[str, str] = {}

    def placeholder(match: re.Match[str]) -> str:
        quoted[f"_backtick_{len(quoted)}"] = match.group(1)
        return f"_backtick_{len(quoted) - 1}"

    if tilde:
        _check_left(formula, left.strip().strip("`"), right.strip(), targets)
    right = _BACKTICKS.sub(placeholder, right).strip()
    tree = _tree(formula, right)
    intercept = True
    found: dict[str, None] = {}
    for sign, term in _terms(tree):
        constant = term.value if isinstance(term, ast.Constant) and not isinstance(term.value, bool) else None
        if constant == 1 or (constant == 0 and sign > 0):
            intercept = constant == 1 and sign > 0
        elif isinstance(term, ast.Name) and sign > 0:
            found[_checked_term(formula, quoted.get(term.id, term.id), predictors)] = None
        else:
            token = ast.get_source_segment(right, term)
            raise InputError(_refused(formula, f"{'- ' if sign < 0 else ''}{token}", quoted))
    if not found and not intercept:
        message = f"fit_formula {formula!r} has nothing to fit; name a column, or leave out - 1 or + 0 for means"
        raise InputError(message)
    return SumOfColumns(tuple(found), intercept)


def _check_left(formula: str, left: str, right: str, targets: Sequence[str]) -> None:
    if left in ("", "target"):
        return
    if left not in targets:
        message = (
            f"fit_formula {formula!r}: the left side must be the word target or one of fit_columns"
            f" ({', '.join(targets)}), got {left!r}; the right side serves every target"
        )
        raise InputError(message)
    if len(targets) > 1:
        message = (
            f"fit_formula {formula!r}: the left side names one of {len(targets)} fit_columns; write"
            f" {'target ~ ' + right!r}, which serves them all, or call once for each target"
        )
        raise InputError(message)


def _tree(formula: str, right: str) -> ast.expr:
    try:
        return ast.parse(right, mode="eval").body
    except SyntaxError as error:
        token = right[max((error.offset or 1) - 1, 0) :].split(" ")[0]
        message = f"fit_formula {formula!r} cannot be read at {token!r}; {_WAY_OUT}"
        raise InputError(message) from error
    except (MemoryError, RecursionError, ValueError) as error:  # the first two from deep nesting
        message = f"fit_formula of {len(formula)} letters cannot be read: {error}; {_WAY_OUT}"
        raise InputError(message) from error


def _terms(tree: ast.expr) -> Iterator[tuple[int, ast.expr]]:
    """Terms from left to right with their sign, 1 or -1."""
    behind: list[tuple[int, ast.expr]] = []
    while isinstance(tree, ast.BinOp) and isinstance(tree.op, (ast.Add, ast.Sub)):
        behind.append((1 if isinstance(tree.op, ast.Add) else -1, tree.right))
        tree = tree.left
    for own, term in [(1, tree), *reversed(behind)]:
        if isinstance(term, ast.UnaryOp) and isinstance(term.op, (ast.UAdd, ast.USub)):
            yield (own if isinstance(term.op, ast.UAdd) else -own), term.operand
        else:
            yield own, term


def _checked_term(formula: str, name: str, predictors: Sequence[str]) -> str:
    if name not in predictors:
        message = (
            f"fit_formula {formula!r}: term {name!r} is not in predictor_columns"
            f" ({', '.join(predictors) or 'none'}){suggestion(name, predictors)}"
        )
        raise InputError(message)
    return name


def _refused(formula: str, token: str, quoted: Mapping[str, str]) -> str:
    for placeholder, name in quoted.items():
        token = token.replace(placeholder, f"`{name}`")
    return (
        f"fit_formula {formula!r}: term {token!r} is no plain column; formulas with products and functions are not"
        f" there yet: {_WAY_OUT}"
    )
