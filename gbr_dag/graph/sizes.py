"""How large values are, and how large the values of nodes will be."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Optional, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

_ATTRIBUTE = "__bytes_estimate__"
_LONGEST_CONTAINER = 1000
"""A longer tuple or list holds numbers or names rather than arrays, and looking at each of them takes time."""


def bytes_estimate(estimate: Callable[..., int]) -> Callable[[Function], Function]:
    """Say how many bytes a node's value will take, so that plans can show it before anything runs.

    Parameters
    ----------
    estimate : callable
        Gives the bytes; its argument names are names of inputs of the graph. A plan calls it when all of them are
        given, and shows nothing when one is not or the estimate does not apply to them.

    Returns
    -------
    callable
        A decorator that leaves the function as it is; it may stand above or below those of Hamilton.

    Examples
    --------
    >>> from gbr_dag.graph.sizes import bytes_estimate
    >>> @bytes_estimate(lambda frame: 8 * len(frame))
    ... def bin_map(frame: list) -> list:
    ...     return list(range(len(frame)))
    """

    def marked(function: Function) -> Function:
        setattr(function, _ATTRIBUTE, estimate)
        return function

    return marked


def estimate_of(function: Callable[..., Any]) -> Optional[Callable[..., int]]:
    """Give the estimate that a function was marked with."""
    return getattr(function, _ATTRIBUTE, None)


def estimated_bytes(function: Callable[..., Any], given: Mapping[str, Any]) -> Optional[int]:
    """Evaluate a function's estimate on the given inputs; None when it has none or they do not suffice."""
    estimate = estimate_of(function)
    if estimate is None:
        return None
    code = estimate.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    if any(given.get(name) is None for name in names):
        return None
    try:
        return int(estimate(**{name: given[name] for name in names}))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return None  # a plan may be asked for with inputs that a run would refuse


def measured_bytes(value: Any) -> Optional[int]:
    """Memory of the arrays in a value.

    Parameters
    ----------
    value : object
        NumPy array, pandas frame, series or index (not deep: the strings of object columns do not count), anything
        else with ``nbytes``, or a dataclass, mapping, tuple or list of such. An array that is held twice counts once,
        a broadcast axis counts as one element.

    Returns
    -------
    int or None
        Bytes; None when there is no array in it.
    """
    found = dict(_array_sizes(value))
    return sum(found.values()) if found else None


def _array_sizes(value: Any) -> Iterator[tuple[tuple[int, int], int]]:
    """Where each array lies, with its bytes; the key is the same for two arrays over the same memory."""
    size = _own_size(value)
    if size is not None:
        yield _place(value, size), size
        return
    for part in _parts(value):
        yield from _array_sizes(part)


def _own_size(value: Any) -> Optional[int]:
    if isinstance(value, (str, bytes, int, float, type)) or value is None:
        return None
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if numpy is not None and isinstance(value, numpy.ndarray):
        occupied = 1
        for length, stride in zip(value.shape, value.strides):
            occupied *= length if stride else min(length, 1)
        return occupied * int(value.itemsize)
    if numpy is not None and isinstance(value, numpy.generic):
        return None
    if pandas is not None:
        if isinstance(value, pandas.DataFrame):
            return _frame_bytes(value)
        if isinstance(value, (pandas.Series, pandas.Index)):
            return int(value.memory_usage(deep=False))
    size = getattr(value, "nbytes", None)
    return size if isinstance(size, int) else None


def _frame_bytes(frame: Any) -> int:
    """Memory of a frame; its own ``memory_usage`` makes a Series a column: 1 ms where ``attrs`` hold metadata."""
    dtypes = frame.dtypes.array
    if any(getattr(dtype, "isbuiltin", 0) != 1 for dtype in dtypes):
        return int(frame.memory_usage(index=True, deep=False).sum())
    row = sum(int(dtype.itemsize) for dtype in dtypes)
    return len(frame) * row + int(frame.index.memory_usage(deep=False))


def _place(value: Any, size: int) -> tuple[int, int]:
    interface = getattr(value, "__array_interface__", None) if type(value).__module__ == "numpy" else None
    return (id(value) if interface is None else int(interface["data"][0]), size)


def _parts(value: Any) -> Iterator[Any]:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield getattr(value, field.name)
    elif isinstance(value, Mapping) and len(value) <= _LONGEST_CONTAINER:
        yield from value.values()
    elif isinstance(value, (tuple, list)) and len(value) <= _LONGEST_CONTAINER:
        yield from value


def readable_bytes(size: int) -> str:
    """Give a size in decimal units: ``2.7 MB``."""
    amount, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 999.5:
            break
        amount, unit = amount / 1000, larger
    digits = 0 if unit == "B" or amount >= 99.95 else 1
    return f"{amount:.{digits}f} {unit}"
