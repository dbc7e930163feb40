"""The window as the caller describes it, checked."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from typing import Any, Optional

import numpy as np

from gbr_dag.errors import InvalidWindowSpec
from gbr_dag.graph.checks import unknown
from gbr_dag.windows.specification import BOUNDARIES, KERNELS, WindowDimension, default_width

_PARTS = ("size", "boundary", "period", "kernel", "width")


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
            _check_names("kernel_width" if part == "width" else part, value, by)
    return tuple(_dimension(name, window.get(name, 0), given) for name in by)


def _dimension(name: str, described: Any, given: Mapping[str, Any]) -> WindowDimension:
    own = dict(described) if isinstance(described, Mapping) else {"size": described}
    for part in own:
        if part not in _PARTS:
            text = unknown(f"window[{name!r}]", part, _PARTS, f"parts: {', '.join(_PARTS)}")
            raise InvalidWindowSpec(text)
    if "size" not in own:
        message = f"window[{name!r}] must have a size, got {described!r}"
        raise InvalidWindowSpec(message)
    of = {part: own[part] if part in own else _of_dimension(value, name) for part, value in given.items()}
    size = _checked_size(name, own["size"])
    boundary = _checked_choice("boundary", name, of["boundary"] or "truncate", BOUNDARIES)
    if "kernel" in own and callable(own["kernel"]):
        message = f"window[{name!r}]: a kernel of your own is for all dimensions; give it as kernel=..."
        raise InvalidWindowSpec(message)
    kernel = of["kernel"] or "uniform"
    if not callable(kernel):
        kernel = _checked_choice("kernel", name, kernel, KERNELS)
    width = default_width(kernel, size) if of["width"] is None else _checked_width(name, of["width"])
    return WindowDimension(name, size, boundary, _checked_period(name, of["period"], boundary, size), kernel, width)


def _of_dimension(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else value


def _check_names(argument: str, given: Mapping[str, Any], by: Sequence[str]) -> None:
    for name in given:
        if name not in by:
            raise InvalidWindowSpec(unknown(argument, name, by, f"dimensions: {', '.join(by)}"))


def _checked_size(name: str, size: Any) -> int:
    if not isinstance(size, numbers.Integral) or isinstance(size, (bool, np.bool_)) or size < 0:
        message = f"window[{name!r}] must be an integer of at least 0, the bins to either side, got {size!r}"
        raise InvalidWindowSpec(message)
    return int(size)


def _checked_choice(argument: str, name: str, value: Any, choices: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in choices:
        text = unknown(f"{argument} of {name!r}", value, choices, f"choices: {', '.join(choices)}")
        raise InvalidWindowSpec(text)
    return value


def _checked_width(name: str, width: Any) -> float:
    if not isinstance(width, numbers.Real) or isinstance(width, (bool, np.bool_)) or not 0 < width < np.inf:
        message = f"kernel_width of {name!r} must be a number above 0, in bins, got {width!r}"
        raise InvalidWindowSpec(message)
    return float(width)


def _checked_period(name: str, period: Any, boundary: str, size: int) -> Optional[int]:
    if period is None:
        return None
    if boundary != "periodic":
        message = f"period of {name!r} is for boundary 'periodic', its boundary is {boundary!r}"
        raise InvalidWindowSpec(message)
    if not isinstance(period, numbers.Integral) or isinstance(period, (bool, np.bool_)) or period < 2 * size + 1:
        message = (
            f"period of {name!r} must be an integer of at least {2 * size + 1} for a window of {size}, got {period!r}"
        )
        raise InvalidWindowSpec(message)
    return int(period)
