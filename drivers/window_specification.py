"""The window as the caller describes it, checked."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from typing import Any, Optional

import numpy as np

from gbr_dag.errors import InvalidWindowSpec
from gbr_dag.graph.checks import unknown
from gbr_dag.windows.own_kernels import check_own_kernel
from gbr_dag.windows.specification import BOUNDARIES, KERNELS, WITHOUT_WIDTH, WindowDimension, default_width

_PARTS = ("size", "boundary", "period", "kernel", "width")

_LARGEST = 2**60
"""Largest size and period, as of coordinates: their sums must stay in 64 bits."""


def checked_window(
    window: Any, by: Sequence[str], *, boundary: Any, period: Any, kernel: Any, kernel_width: Any
) -> tuple[WindowDimension, ...]:
    """The window along every dimension of ``by``, from sizes or from dicts of size, boundary, period, kernel, width.

    What a dimension does not say itself is taken from the other arguments: one value for all, or a dict by name.

    Raises
    ------
    InvalidWindowSpec
        If something is missing, unknown or out of its range.
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
    dimensions = tuple(_dimension(name, window.get(name, 0), given) for name in by)
    _check_used("period", period, any(dimension.boundary == "periodic" for dimension in dimensions))
    _check_used("width", kernel_width, any(_takes_width(dimension.kernel) for dimension in dimensions))
    own = [dimension for dimension in dimensions if callable(dimension.kernel) and dimension.size > 0]
    if own:
        check_own_kernel(own[0].kernel, [one.size for one in own], [one.width for one in own])
    return dimensions


def _dimension(name: str, described: Any, given: Mapping[str, Any]) -> WindowDimension:
    own = dict(described) if isinstance(described, Mapping) else {"size": described}
    for part in own:
        if part not in _PARTS:
            text = unknown(f"window[{name!r}]: part", part, _PARTS, f"parts: {', '.join(_PARTS)}")
            raise InvalidWindowSpec(text)
    if "size" not in own:
        message = f"window[{name!r}] must have a size, got {described!r}"
        raise InvalidWindowSpec(message)
    own.update({part: value[name] for part, value in given.items() if _names(value, name) and part not in own})
    for_all = {part: value for part, value in given.items() if not isinstance(value, Mapping)}
    size = _checked_size(name, own["size"])
    boundary = _checked_choice("boundary", name, own.get("boundary", for_all.get("boundary", "truncate")), BOUNDARIES)
    if callable(own.get("kernel")):
        message = f"kernel of {name!r}: a kernel of your own is for all dimensions; give it as kernel=..."
        raise InvalidWindowSpec(message)
    kernel = own.get("kernel", for_all.get("kernel", "uniform"))
    if not callable(kernel):
        kernel = _checked_choice("kernel", name, kernel, KERNELS)
    period = own.get("period", for_all.get("period") if boundary == "periodic" else None)
    width = own.get("width", for_all.get("width") if _takes_width(kernel) else None)
    return WindowDimension(
        name,
        size,
        boundary,
        _checked_period(name, period, boundary, size),
        kernel,
        default_width(kernel, size) if width is None else _checked_width(name, width, kernel),
    )


def _names(value: Any, name: str) -> bool:
    return isinstance(value, Mapping) and name in value


def _argument(part: str) -> str:
    return "kernel_width" if part == "width" else part


def _takes_width(kernel: Any) -> bool:
    return kernel not in WITHOUT_WIDTH


def _check_used(part: str, value: Any, used: bool) -> None:
    """Refuse one value for all dimensions where none has a use for it."""
    if value is not None and not isinstance(value, Mapping) and not used:
        way_out = "boundary='periodic'" if part == "period" else "kernel='gaussian', 'epanechnikov' or 'linear'"
        message = f"{_argument(part)} {value!r} is used by no dimension; give {way_out} too, or leave it out"
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
    if not isinstance(width, numbers.Real) or isinstance(width, (bool, np.bool_)) or not 0.0 < float(width) < np.inf:
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
