"""The small expression language of ``selection``: column names, numbers, strings, arithmetic, comparisons, ``& | ~``.

Nothing else is accepted, so that an expression from a configuration file can do no harm: no calls, attributes,
indexing or ``@``. A column whose name is no identifier is written in backticks.
"""

import ast
import operator
import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from gbr_dag.errors import InputError
from gbr_dag.frames import NULLS_MARK
from gbr_dag.graph.checks import suggestion

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Invert: operator.invert,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_BACKTICKS = re.compile(r"""('[^']*'|"[^"]*")|`([^`]+)`""")
_WAYS_OUT: dict[type[ast.AST], str] = {
    ast.Call: "calls are not allowed; compute the column first, or give a mask",
    ast.Attribute: "attributes are not allowed; compute the column first, or give a mask",
    ast.Subscript: "indexing is not allowed; compute the column first, or give a mask",
    ast.BoolOp: "'and' and 'or' are not allowed; use & and | with parentheses",
    ast.Not: "'not' is not allowed; use ~",
    ast.In: "'in' is not allowed; use == with |",
}


def _checked_expression(text: str, columns: Iterable[str]) -> ast.expr:
    """Syntax tree of an expression in which every name is a column; what the language does not have is refused."""
    known = list(columns)
    quoted: dict[str, str] = {}

    def placeholder(match: "re.Match[str]") -> str:
        if match.group(1) is not None:  # a string, whatever stands in it
            return str(match.group(1))
        quoted[f"_backtick_{len(quoted)}"] = match.group(2)
        return f"_backtick_{len(quoted) - 1}"

    try:
        tree = ast.parse(_BACKTICKS.sub(placeholder, text).strip(), mode="eval").body
    except (MemoryError, RecursionError, SyntaxError, ValueError) as error:  # the first two from deep nesting
        message = f"expression {text!r} cannot be read: {getattr(error, 'msg', error)}"
        raise InputError(message) from error
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = quoted.get(node.id, node.id)
            if known.count(node.id) > 1:
                message = (
                    f"expression {text!r}: the frame has {known.count(node.id)} columns named {node.id!r}; rename them"
                )
                raise InputError(message)
            if node.id not in known:
                message = f"expression {text!r}: column {node.id!r} is unknown{suggestion(node.id, known)}"
                raise InputError(message)
        else:
            _refuse_foreign(node, text)
    return tree


def expression_columns(text: str, columns: Iterable[Any]) -> tuple[str, ...]:
    """Columns that an expression names, each once.

    Raises
    ------
    InputError
        If the expression cannot be read, or names what is not there exactly once.
    """
    tree = _checked_expression(text, [name for name in columns if isinstance(name, str)])
    return tuple(dict.fromkeys(node.id for node in ast.walk(tree) if isinstance(node, ast.Name)))


def expression_values(text: str, frame: pd.DataFrame) -> pd.Series:
    """Value of an expression on every row, a Series of length n_rows in the frame's order.

    Raises
    ------
    InputError
        If the expression cannot be read, or its operands do not go together.
    """
    tree = _checked_expression(text, [name for name in frame.columns if isinstance(name, str)])
    try:
        value = _value(tree, frame)
    except (ArithmeticError, NotImplementedError, RecursionError, TypeError, ValueError) as error:
        message = (
            f"expression {text!r} cannot be evaluated: {error}; comparisons joined by & or | need parentheses,"
            " as in (a > 1) & (b < 2)"
        )
        raise InputError(message) from error
    return value if isinstance(value, pd.Series) else pd.Series(np.full(len(frame), value), index=frame.index)


def _refuse_foreign(node: ast.AST, text: str) -> None:
    if isinstance(node, ast.Constant):
        allowed = isinstance(node.value, (bool, int, float, str))
    elif isinstance(node, (ast.operator, ast.unaryop, ast.cmpop)):
        allowed = type(node) in {*_BINARY, *_UNARY, *_COMPARE}
    else:
        allowed = isinstance(node, (ast.BinOp, ast.UnaryOp, ast.Compare, ast.expr_context))
    if not allowed:
        way_out = _WAYS_OUT.get(
            type(node), "use column names, numbers, strings, arithmetic, comparisons, & | ~ and parentheses"
        )
        message = f"expression {text!r}: {type(node).__name__} is not allowed: {way_out}"
        raise InputError(message)


def _value(node: ast.AST, frame: pd.DataFrame) -> Any:
    if isinstance(node, ast.Name):
        return _mixable(frame[node.id])
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.UnaryOp):
        return _UNARY[type(node.op)](_value(node.operand, frame))
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left, frame), _value(node.right, frame)
        if isinstance(node.op, (ast.BitAnd, ast.BitOr)):
            _check_conditions(left, right)
        elif not isinstance(node.op, ast.Add):
            left, right = _number(left), _number(right)
        return _BINARY[type(node.op)](left, right)
    if isinstance(node, ast.Compare):
        return _comparison(node, frame)
    raise AssertionError(node)  # _checked_expression lets nothing else through


def _comparison(node: ast.Compare, frame: pd.DataFrame) -> Any:
    """A chain such as ``0 < x < 5`` is the conjunction of its links."""
    values = [_value(operand, frame) for operand in (node.left, *node.comparators)]
    links = [
        _null_where_missing(_mixable(_COMPARE[type(op)](left, right)), left, right, nulls=NULLS_MARK in frame.attrs)
        for op, left, right in zip(node.ops, values, values[1:])
    ]
    result = links[0]
    for link in links[1:]:
        result = result & link
    return result


def _mixable(value: Any) -> Any:
    """Conditions of Arrow as pandas' own: the two cannot be joined by & and |."""
    return value.astype("boolean") if isinstance(value, pd.Series) and str(value.dtype) == "bool[pyarrow]" else value


def _null_where_missing(result: Any, *operands: Any, nulls: bool) -> Any:
    """Let the comparison with a null category or date be null: pandas has no such dtypes, and calls it unequal."""
    if nulls:
        for operand in operands:
            if isinstance(operand, pd.Series) and (
                isinstance(operand.dtype, pd.CategoricalDtype) or operand.dtype.kind in "mM"
            ):
                result = result.astype("boolean").mask(operand.isna())
    return result


def _number(operand: Any) -> Any:
    """Refuse text, which arithmetic would repeat or format; numbers become doubles, whose powers stay small."""
    if isinstance(operand, pd.Series):
        if operand.dtype == object or pd.api.types.is_string_dtype(operand.dtype):
            message = f"arithmetic needs numbers, column {operand.name!r} is {operand.dtype}"
            raise TypeError(message)
        return operand
    return float(operand)


def _check_conditions(*operands: Any) -> None:
    for operand in operands:
        kind = operand.dtype if isinstance(operand, pd.Series) else type(operand).__name__
        if not (pd.api.types.is_bool_dtype(operand) if isinstance(operand, pd.Series) else isinstance(operand, bool)):
            message = f"& and | join conditions, not {kind}"
            raise TypeError(message)
