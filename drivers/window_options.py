"""What the command line says of windows, as arguments of ``fit_windows``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gbr_dag.drivers.fitters import number_or_text
from gbr_dag.errors import InputError

_FOR_ALL = ""
"""Stands for the name of a value without one."""


def window_arguments(
    by: Sequence[str],
    window: Iterable[str],
    boundary: Iterable[str],
    kernel: Iterable[str],
    kernel_width: Iterable[str],
    bins: Iterable[str],
) -> dict[str, Any]:
    """``window``, ``boundary``, ``period``, ``kernel``, ``kernel_width`` and ``binning`` from texts ``name=value``.

    A boundary, kernel or width without a name holds for every dimension that has none of its own.

    Raises
    ------
    InputError
        If a text cannot be read, or a value is given twice.
    """
    sizes = _by_name("--window", _split(window), "xBin=2")
    boundaries = {name: text.partition(":") for name, text in _of_dimensions("--boundary", boundary, by).items()}
    periods = {name: number_or_text(period) for name, (_, colon, period) in boundaries.items() if colon}
    widths = _by_name("--kernel-width", _split(kernel_width), "xBin=1.5", for_all=True)
    rules = _by_name("--bin", bins, "xBin=x:2")
    return {
        "window": {name: number_or_text(size) for name, size in sizes.items()},
        "boundary": {name: kind for name, (kind, _, _) in boundaries.items()},
        "period": periods or None,
        "kernel": _of_dimensions("--kernel", kernel, by),
        "kernel_width": _widths(widths, by),
        "binning": {name: _rule(rule) for name, rule in rules.items()},
    }


def _split(texts: Iterable[str]) -> list[str]:
    return [part for text in texts for part in text.split(",") if part.strip()]


def _of_dimensions(option: str, texts: Iterable[str], by: Sequence[str]) -> dict[str, str]:
    """Values by dimension; that without a name goes to all that have none of their own."""
    named = _by_name(option, _split(texts), "xBin=... or without a name", for_all=True)
    if _FOR_ALL not in named:
        return named
    general = named.pop(_FOR_ALL)
    return {**dict.fromkeys(by, general), **named}


def _widths(named: Mapping[str, str], by: Sequence[str]) -> Any:
    """By dimension, or one for all, of which dimensions whose kernel has no width take none."""
    widths = {name: number_or_text(width) for name, width in named.items()}
    if list(widths) == [_FOR_ALL]:
        return widths[_FOR_ALL]
    general = dict.fromkeys(by, widths.pop(_FOR_ALL)) if _FOR_ALL in widths else {}
    return {**general, **widths}


def _by_name(option: str, parts: Iterable[str], example: str, *, for_all: bool = False) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in parts:
        before, sign, after = (text.strip() for text in part.partition("="))
        name, value = (before, after) if sign else (_FOR_ALL, before)
        if not value or (not name and not (for_all and not sign)):
            message = f"{option} {part!r} cannot be read; write {option} {example}"
            raise InputError(message)
        if name in found:
            message = f"{option} must be given once for {name or 'all dimensions'}, got it again with {value!r}"
            raise InputError(message)
        found[name] = value
    return found


def _rule(text: str) -> Any:
    """``x:2``, ``x:30min``, ``x:2:0.5`` with an origin, ``x:[0, 1, 5]`` with edges; all else is an expression."""
    column, colon, rest = (part.strip() for part in text.partition(":"))
    if not colon:
        return text
    if rest.startswith("["):
        return {"column": column, "edges": [number_or_text(edge.strip()) for edge in rest.strip("[]").split(",")]}
    width, origin_given, origin = (part.strip() for part in rest.partition(":"))
    rule: dict[str, Any] = {"column": column, "width": number_or_text(width)}
    return {**rule, "origin": number_or_text(origin)} if origin_given else rule
