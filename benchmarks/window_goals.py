"""What fits in windows must reach against their peers, and whether they do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.goals import Goal, Timing, Verdict, judged
from benchmarks.window_memory import Memory

ALL = ("shifted", "box", "lstsq", "statsmodels")
MOST_GROWTH = 1.5
"""Most that a window of +-3 may take, as a multiple of one of +-1 on the same frame."""

MOST_TABLES = 3.0
"""Most memory beside frame and result, as a multiple of the dense table of records."""

LEAST_RECORDS = 1e6
"""Bytes of a dense table below which pages and buffers of the process are larger than it."""

_STATSMODELS = "gathering with statsmodels"
GOALS = (
    Goal("S1", 100, ("statsmodels",), _STATSMODELS),
    Goal("S2", 4, ALL, "the best peer"),
    Goal("S2", 400, ("statsmodels",), _STATSMODELS),
    Goal("S3", 2, ALL, "the best peer"),
    Goal("S3", 400, ("statsmodels",), _STATSMODELS),
    Goal("S4", 4, ALL, "the best peer"),
    Goal("S4", 5_000, ("statsmodels",), _STATSMODELS),
    Goal("S4 medians", 5, ("partition",), "gathering with np.partition"),
)


def verdicts(timings: Sequence[Timing], memory: Mapping[str, Memory]) -> list[Verdict]:
    """One for every goal of what was measured."""
    found, ours = [], {timing.scenario: timing.median for timing in timings if timing.key == "ours"}
    for goal in GOALS:
        here = [timing for timing in timings if timing.scenario == goal.scenario]
        if here:
            medians = {timing.key: timing.median for timing in here}
            found.append(judged(goal, medians, {timing.key: timing.label for timing in here}))
    if {"S2", "S4"} <= set(ours):
        growth = ours["S4"] / ours["S2"]
        text = f"S4: at most {MOST_GROWTH:g} x the time of S2"
        found.append(Verdict(text, f"{growth:.2f} x", growth <= MOST_GROWTH))
    for key, used in memory.items():
        if used.records < LEAST_RECORDS:
            continue
        tables = (used.peak - used.result) / used.records
        text = f"{key}: at most {MOST_TABLES:g} x the dense table of records beside frame and result"
        found.append(Verdict(text, f"{tables:.2f} x", tables <= MOST_TABLES))
    return found
