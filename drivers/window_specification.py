"""The window as the caller describes it, checked."""

from __future__ import annotations

import numbers
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Optional

import numpy as np

from gbr_dag.errors import InvalidWindowSpec
from gbr_dag.graph.checks import unknown
from gbr_dag.windows.own_kernels import check_own_kernel
from gbr_dag.windows.specification import BOUNDARIES, KERNELS, WITHOUT_WIDTH, WindowDimension, default_width

_PARTS = ("size", "boundary", "period", "kernel", "width")

_DEFAULTS = {"boundary": "truncate", "period": None, "kernel": "uniform", "width": None}
"""What the parts but the size are where nothing else is said."""

_NEEDED: dict[str, tuple[str, Callable[[WindowDimension], bool]]] = {
    "period": ("boundary='periodic'", lambda dimension: dimension.boundary == "periodic"),
    "width": ("kernel='gaussian', 'epanechnikov' or 'linear'", lambda dimension: _takes_width(dimension.kernel)),
}
"""Parts that not every window has a use for: the words of what they need, and whether a dimension has it."""

_LARGEST = 2**60
"""Largest size and period, as of coordinates: their sums must stay in 64 bits."""


def checked_window(
    window: Any, by: Sequence[str], *, boundary: Any, period: Any, kernel: Any, kernel_width: Any
) -> tuple[WindowDimension, ...]:
    """The window along every dimension of ``by``, from sizes or from dicts of size, boundary, period, kernel, width.

    What a dimension does not say itself is taken from the other arguments: a dict by name, or one value for all that
    have a window.

    Raises
    ------
    InvalidWindowSpec
        If something is missing, unknown, out of its range, or of no use.
    """
    if not isinstance(window, Mapping):
        message = f"window must be a dict of sizes by name such as {{{by[0]!r}: 1}}, got {window!r}"
        raise InvalidWindowSpec(message)
    if not window:
        message = f"window must have a size for at least one of {', '.join(map(repr, by))}, got none"
        raise InvalidWindowSpec(message)
    _check_names("window", window, by)
    given = {"boundary": boundary, "period": period, "kernel": kernel, "width": kernel_width}
    for part, value in given.items():
        if isinstance(value, Mapping):
            _check_names(_argument(part), value, by)
    parts = {name: _own_parts(name, window.get(name, 0), given) for name in by}
    for_all = {part: value for part, value in given.items() if not isinstance(value, Mapping)}
    dimensions = tuple(_dimension(name, own, for_all) for name, own in parts.items())
    for part, value in for_all.items():
        if not _is_default(part, value):
            _check_used(part, value, dimensions, parts)
    own = [dimension for dimension in dimensions if callable(dimension.kernel) and dimension.size > 0]
    if own:
        check_own_kernel(own[0].kernel, [one.size for one in own], [one.width for one in own])
    return dimensions


def _own_parts(name: str, described: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of one dimension by its name, in ``window`` or in a dict of another argument."""
    own = dict(described) if isinstance(described, Mapping) else {"size": described}
    for part in own:
        if part not in _PARTS:
            text = unknown(f"window[{name!r}]: part", part, _PARTS, f"parts: {', '.join(_PARTS)}")
            raise InvalidWindowSpec(text)
    if "size" not in own:
        message = f"window[{name!r}] must have a size, got {described!r}"
        raise InvalidWindowSpec(message)
    for part, value in given.items():
        if not isinstance(value, Mapping) or name not in value:
            continue
        if part in own and not _is_default(part, value[name]):
            message = (
                f"{_argument(part)} of {name!r} must be given once, got {value[name]!r} beside {own[part]!r} of its"
                " window; leave one out"
            )
            raise InvalidWindowSpec(message)
        own.setdefault(part, value[name])
    return own


def _dimension(name: str, own: Mapping[str, Any], for_all: Mapping[str, Any]) -> WindowDimension:
    size = _checked_size(name, own["size"])
    general = for_all if size else {}
    boundary = _checked_choice("boundary", name, own.get("boundary", general.get("boundary", "truncate")), BOUNDARIES)
    if callable(own.get("kernel")):
        message = f"kernel of {name!r}: a kernel of your own is for all dimensions; give it as kernel=..."
        raise InvalidWindowSpec(message)
    kernel = own.get("kernel", general.get("kernel", "uniform"))
    if not callable(kernel):
        kernel = _checked_choice("kernel", name, kernel, KERNELS)
    if not size:
        _check_without_window(name, own)
    period = own.get("period", general.get("period") if boundary == "periodic" else None)
    width = own.get("width", general.get("width") if _takes_width(kernel) else None)
    return WindowDimension(
        name,
        size,
        boundary,
        _checked_period(name, period, boundary, size),
        kernel,
        default_width(kernel, size) if width is None else _checked_width(name, width, kernel),
    )


def _argument(part: str) -> str:
    return "kernel_width" if part == "width" else part


def _is_default(part: str, value: Any) -> bool:
    default = _DEFAULTS[part]
    return value is None if default is None else isinstance(value, str) and value == default


def _takes_width(kernel: Any) -> bool:
    return kernel not in WITHOUT_WIDTH


def _check_without_window(name: str, own: Mapping[str, Any]) -> None:
    """Refuse what a dimension of window size 0 would ignore."""
    for part in _DEFAULTS:
        if part in own and not _is_default(part, own[part]):
            message = (
                f"{_argument(part)} of {name!r} must be left out, its window has size 0, got {own[part]!r}; give it a"
                " size of at least 1, or leave it out"
            )
            raise InvalidWindowSpec(message)


def _check_used(
    part: str, value: Any, dimensions: Sequence[WindowDimension], parts: Mapping[str, Mapping[str, Any]]
) -> None:
    """Refuse one value for all dimensions where none has a use for it."""
    able = [dimension for dimension in dimensions if dimension.size > 0]
    way_out = "all windows have size 0; give one a size of at least 1, or leave it out"
    if able and part in _NEEDED:
        needed, is_able = _NEEDED[part]
        able = [dimension for dimension in able if is_able(dimension)]
        way_out = f"give {needed} too, or leave it out"
    if able:
        way_out = f"every dimension it could be for has its own {part}; leave it out"
    if all(part in parts[dimension.name] for dimension in able):
        message = f"{_argument(part)} {value!r} is used by no dimension; {way_out}"
        raise InvalidWindowSpec(message)


def _check_names(argument: str, given: Mapping[str, Any], by: Sequence[str]) -> None:
    for name in given:
        if name not in by:
            raise InvalidWindowSpec(unknown(argument, name, by, f"dimensions: {', '.join(by)}"))


def _checked_size(name: str, size: Any) -> int:
    if not _is_whole(size) or not 0 <= size <= _LARGEST:
        message = f"window[{name!r}] must be an integer of at least 0, the bins to either side, got {size!r}"
        raise InvalidWindowSpec(message)
    return int(size)


def _is_whole(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, (bool, np.bool_))


def _checked_choice(argument: str, name: str, value: Any, choices: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in choices:
        text = unknown(f"{argument} of {name!r}", value, choices, f"choices: {', '.join(choices)}")
        raise InvalidWindowSpec(text)
    return value


def _checked_width(name: str, width: Any, kernel: Any) -> float:
    is_number = isinstance(width, numbers.Real) and not isinstance(width, (bool, np.bool_))
    if not is_number or not 0.0 < width <= sys.float_info.max:
        message = f"kernel_width of {name!r} must be a number above 0, in bins, got {width!r}"
        raise InvalidWindowSpec(message)
    if not _takes_width(kernel):
        message = f"kernel_width of {name!r} must be left out, kernel {kernel!r} has none, got {width!r}"
        raise InvalidWindowSpec(message)
    return float(width)


def _checked_period(name: str, period: Any, boundary: str, size: int) -> Optional[int]:
    if period is None:
        return None
    if boundary != "periodic":
        message = f"period of {name!r} is for boundary 'periodic', its boundary is {boundary!r}"
        raise InvalidWindowSpec(message)
    if not _is_whole(period) or not 2 * size + 1 <= period <= _LARGEST:
        message = (
            f"period of {name!r} must be an integer of at least {2 * size + 1} for a window of {size}, got {period!r}"
        )
        raise InvalidWindowSpec(message)
    return int(period)
