"""Warnings of windows that are gone through one row or neighbour at a time, when that will take long."""

from __future__ import annotations

from gbr_dag.caller_warnings import warn_caller
from gbr_dag.errors import PerformanceWarning

_TOLERATED_SECONDS = 10.0

SECONDS_OF = {"gathered window": 1.5e-3, "row of a window": 2e-7, "neighbour": 3e-8}
"""Measured with two predictors: a window of the reference engine, a row of a Huber window, a merged neighbour."""


def warn_if_slow(path: str, step: str, steps: float, way_out: str) -> None:
    """Warn if so many steps will take longer than 10 s: what takes long, how long, and what is faster.

    ``path`` names what the steps are made for, ``step`` is a key of ``SECONDS_OF``.
    """
    seconds = SECONDS_OF[step] * steps
    if seconds <= _TOLERATED_SECONDS:
        return
    length = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes"
    plural = (
        "windows" if step == "gathered window" else "rows in windows" if step == "row of a window" else "neighbours"
    )
    message = f"{path} goes through {steps:,.0f} {plural} one by one, which will take about {length}; {way_out}"
    warn_caller(message, PerformanceWarning)
