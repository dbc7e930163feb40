"""Values of constants worked out from their text, to see whether that is still true."""

from __future__ import annotations

import ast
import builtins
import datetime
import decimal
import fractions
import logging
import math
import operator
import pathlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
    ast.BitXor: operator.xor,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
}
_UNARY: dict[type, Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
    ast.Not: operator.not_,
}
_BUILDERS: dict[type, Callable[[Any], Any]] = {ast.List: list, ast.Tuple: tuple, ast.Set: set}
# what these give depends on their arguments alone, and making it once more does nothing else
_PURE = [
    *(frozenset, set, dict, list, tuple, range, slice, int, float, complex, str, bytes, bool),
    *(abs, len, max, min, round, sorted, sum, re.compile, decimal.Decimal, fractions.Fraction),
    *(datetime.date, datetime.datetime, datetime.time, datetime.timedelta, datetime.timezone),
    *(pathlib.Path, pathlib.PurePath, pathlib.PurePosixPath, pd.Timestamp, pd.Timedelta, logging.getLogger),
]


class NoPlainValueError(Exception):
    """A text whose value cannot be told without running code of others; what it says is the part."""


def value_of(node: ast.expr, namespace: Mapping[str, Any]) -> Any:
    """Value of an expression of literals, names, arithmetic and pure functions.

    Raises
    ------
    NoPlainValueError
        If it has anything else.
    """
    kind = type(node)
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        if node.id in namespace or hasattr(builtins, node.id):
            return namespace[node.id] if node.id in namespace else getattr(builtins, node.id)
    elif isinstance(node, ast.Attribute):
        owner = value_of(node.value, namespace)
        if hasattr(owner, node.attr):
            return getattr(owner, node.attr)
    elif isinstance(node, ast.Subscript):
        return value_of(node.value, namespace)[value_of(node.slice, namespace)]
    elif isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        if not any(isinstance(item, ast.Starred) for item in node.elts):
            return _BUILDERS[kind](value_of(item, namespace) for item in node.elts)
    elif isinstance(node, ast.Dict):
        if None not in node.keys:
            pairs = zip(node.keys, node.values)
            return {value_of(key, namespace): value_of(value, namespace) for key, value in pairs if key is not None}
    elif isinstance(node, ast.UnaryOp):
        return _UNARY[type(node.op)](value_of(node.operand, namespace))
    elif isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        return _BINARY[type(node.op)](value_of(node.left, namespace), value_of(node.right, namespace))
    elif isinstance(node, ast.Call):
        return _called(node, namespace)
    raise NoPlainValueError(ast.unparse(node))


def _called(node: ast.Call, namespace: Mapping[str, Any]) -> Any:
    function = value_of(node.func, namespace)
    of_plain_value = isinstance(getattr(function, "__self__", None), (str, bytes, int, float))
    of_pure_module = getattr(function, "__module__", "") == math.__name__
    of_numpy = isinstance(function, (np.ufunc, type)) and (function in _UFUNCS or _is_scalar_type(function))
    starred = any(isinstance(item, ast.Starred) for item in node.args) or any(
        word.arg is None for word in node.keywords
    )
    pure = any(function is known for known in _PURE) or of_plain_value or of_pure_module or of_numpy
    if starred or not pure:
        raise NoPlainValueError(ast.unparse(node))
    words = {word.arg: value_of(word.value, namespace) for word in node.keywords if word.arg is not None}
    return function(*(value_of(item, namespace) for item in node.args), **words)


_UFUNCS = {value for value in vars(np).values() if isinstance(value, np.ufunc)}


def _is_scalar_type(function: Any) -> bool:
    return isinstance(function, type) and issubclass(function, np.generic)


def same_value(one: Any, other: Any) -> bool:
    """Whether two values are one, or read the same."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    return repr(one) == repr(other) or (isinstance(one, (set, frozenset, dict)) and one == other)


def is_literal(value: Any) -> bool:
    """Whether a value can be written as a literal that gives it back."""
    try:
        return same_value(ast.literal_eval(repr(value)), value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False
