"""Type annotations of nodes: whether values and other annotations fit them, and how they are written."""

from __future__ import annotations

import collections.abc
import inspect
import numbers
import re
import types
import typing
from collections.abc import Iterator
from typing import Any, Union

_TOWER: dict[Any, type] = {int: numbers.Integral, float: numbers.Real, complex: numbers.Complex}
_UNIONS = (Union, getattr(types, "UnionType", Union))
_STRING_TRAPS = (collections.abc.Sequence, collections.abc.Collection, collections.abc.Iterable)


def value_fits(annotation: Any, value: Any) -> bool:
    """Say whether a value may be given for an annotation.

    Containers are not looked into. None fits everything, as it stands for "not given"; numbers fit wider numbers;
    what can be indexed and has a length is a sequence, but one string is no sequence of strings.
    """
    return value is None or any(_value_fits(one, value) for one in _alternatives(annotation))


def annotations_match(given: Any, wanted: Any) -> bool:
    """Say whether a value annotated as ``given`` can be one of ``wanted``: False only when it cannot."""
    return any(_may_be(left, right) for left in _alternatives(given) for right in _alternatives(wanted))


def _value_fits(annotation: Any, value: Any) -> bool:
    origin = typing.get_origin(annotation)
    if origin is typing.Literal:
        return value in typing.get_args(annotation)
    if origin is type:
        return isinstance(value, type)
    wanted = origin or annotation
    if not _is_checkable(wanted):
        return True
    if wanted is bool:
        return isinstance(value, bool) or type(value).__name__ in {"bool", "bool_"}
    if isinstance(value, str) and wanted in _STRING_TRAPS and typing.get_args(annotation) == (str,):
        return False
    if wanted is collections.abc.Sequence:
        return not isinstance(value, (collections.abc.Mapping, type)) and _is_indexed(value)
    return isinstance(value, _TOWER.get(wanted, wanted))


def _may_be(given: Any, wanted: Any) -> bool:
    left, right = _class_of(given), _class_of(wanted)
    if not _is_checkable(left) or not _is_checkable(right):
        return True
    if inspect.isabstract(left) or inspect.isabstract(right):
        return True
    wider = _TOWER.get(right, right)
    return issubclass(left, wider) or issubclass(right, left)


def _alternatives(annotation: Any) -> Iterator[Any]:
    """Members of a union, behind Annotated, NewType and aliases (as NDArray is one from numpy 2.5 on)."""
    while hasattr(alias := typing.get_origin(annotation) or annotation, "__value__"):
        annotation = alias.__value__
    while hasattr(annotation, "__metadata__") or hasattr(annotation, "__supertype__"):
        annotation = getattr(annotation, "__supertype__", None) or annotation.__origin__
    if typing.get_origin(annotation) in _UNIONS:
        for member in typing.get_args(annotation):
            yield from _alternatives(member)
    else:
        yield annotation


def _class_of(annotation: Any) -> Any:
    origin = typing.get_origin(annotation)
    if origin is typing.Literal:
        return type(typing.get_args(annotation)[0])
    return origin or annotation


def _is_checkable(wanted: Any) -> bool:
    """Whether isinstance tells something: not for Any, type variables and protocols that hide their members."""
    if not isinstance(wanted, type) or wanted in (Any, object):  # from 3.11 on Any is a class
        return False
    return not getattr(wanted, "_is_protocol", False) or getattr(wanted, "_is_runtime_protocol", False)


def _is_indexed(value: Any) -> bool:
    return hasattr(value, "__len__") and hasattr(value, "__getitem__")


def annotation_text(annotation: Any) -> str:
    """Write an annotation as one would in code, without the names of modules."""
    if annotation is None or annotation is type(None):
        return "None"
    if isinstance(annotation, type) and not typing.get_args(annotation):
        return annotation.__qualname__
    members = [annotation_text(member) for member in typing.get_args(annotation)]
    origin = typing.get_origin(annotation)
    if origin in _UNIONS:
        rest = [member for member in members if member != "None"]
        inner = rest[0] if len(rest) == 1 else f"Union[{', '.join(rest)}]"
        return f"Optional[{inner}]" if len(rest) < len(members) else inner
    text = re.sub(r"\b[A-Za-z_]\w*\.", "", str(annotation)).replace("~", "")
    return re.sub(r"ndarray\[.*?, dtype\[(\w+)\]\]", r"NDArray[\1]", text)
