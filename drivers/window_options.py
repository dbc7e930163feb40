"""What the command line says of windows, as arguments of ``fit_windows``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Optional

from gbr_dag.drivers.fitters import number_or_text
from gbr_dag.errors import InputError
from gbr_dag.windows.specification import WITHOUT_WIDTH

_FOR_ALL = ""
"""Stands for the name of a value without one."""

_EXAMPLE = "xBin=... or without a name"


def window_arguments(
    by: Sequence[str],
    window: Iterable[str],
    boundary: Iterable[str],
    kernel: Iterable[str],
    kernel_width: Iterable[str],
    bins: Iterable[str],
) -> dict[str, Any]:
    """``window``, ``boundary``, ``period``, ``kernel``, ``kernel_width`` and ``binning`` from texts ``name=value``.

    A boundary, kernel or width without a name holds for every dimension that has a window, a use for it, and none of
    its own.

    Raises
    ------
    InputError
        If a text cannot be read, a value is given twice, or no dimension has a use for it.
    """
    sizes = _by_name("--window", _split(window), "xBin=2")
    wide = [name for name in by if number_or_text(sizes.get(name, "0")) != 0]
    kinds, periods = _boundaries(_by_name("--boundary", _split(boundary), _EXAMPLE, for_all=True), wide)
    kernels = _of_dimensions("--kernel", _by_name("--kernel", _split(kernel), _EXAMPLE, for_all=True), wide, "uniform")
    widths = _by_name("--kernel-width", _split(kernel_width), "xBin=1.5", for_all=True)
    with_width = [name for name in wide if _kernel_of(name, kernels) not in WITHOUT_WIDTH]
    rules = _by_name("--bin", bins, "xBin=x:2")
    return {
        "window": {name: number_or_text(size) for name, size in sizes.items()},
        "boundary": kinds,
        "period": periods,
        "kernel": kernels,
        "kernel_width": _of_dimensions(
            "--kernel-width", {name: number_or_text(width) for name, width in widths.items()}, with_width
        ),
        "binning": {name: _rule(rule) for name, rule in rules.items()},
    }


def _split(texts: Iterable[str]) -> list[str]:
    return [part for text in texts for part in text.split(",") if part.strip()]


def _of_dimensions(option: str, given: Mapping[str, Any], able: Sequence[str], default: Any = None) -> Any:
    """Values by dimension, where that without a name goes to all that are able to take it and have none of their own.

    A value without a name that stands alone stays one for all.
    """
    named = {name: value for name, value in given.items() if name != _FOR_ALL}
    if _FOR_ALL not in given:
        return named
    general = given[_FOR_ALL]
    if not named:
        return general
    rest = [name for name in able if name not in named]
    if not rest and general != default:
        message = f"{option} {general} is used by no dimension: none without its own has a use for it; leave it out"
        raise InputError(message)
    return {**dict.fromkeys(rest, general), **named}


def _boundaries(given: Mapping[str, str], wide: Sequence[str]) -> tuple[Any, Any]:
    """Boundaries, and the periods that stand behind a colon."""
    texts = _of_dimensions("--boundary", given, wide, "truncate")
    if isinstance(texts, str):
        return _boundary(texts)
    both = {name: _boundary(text) for name, text in texts.items()}
    periods = {name: period for name, (_, period) in both.items() if period is not None}
    return {name: kind for name, (kind, _) in both.items()}, periods or None


def _boundary(text: str) -> tuple[str, Optional[int]]:
    kind, colon, period = (part.strip() for part in text.partition(":"))
    if not colon:
        return kind, None
    try:
        return kind, int(period)
    except ValueError:
        message = (
            f"--boundary {text!r}: the period must be an integer, got {period!r}; write --boundary hour=periodic:24"
        )
        raise InputError(message) from None


def _kernel_of(name: str, kernels: Any) -> Any:
    return kernels.get(name, "uniform") if isinstance(kernels, Mapping) else kernels


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
