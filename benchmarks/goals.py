"""What the library must reach against its peers, and whether it does."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Optional

MAX_BYTES = 400e6
"""Largest memory of the fit of G3 beside the frame."""


@dataclass(frozen=True)
class Timing:
    """Seconds of one way on one scenario."""

    scenario: str
    key: str
    label: str
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def spread(self) -> Optional[float]:
        """Half of the distance between the quartiles; None for a single run."""
        if len(self.seconds) < 2:
            return None
        low, _, high = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return (high - low) / 2


@dataclass(frozen=True)
class Goal:
    """A bound on the ratio to the fastest of some peers: we take at most so many times as long, or they at least."""

    scenario: str
    bound: float
    peers: tuple[str, ...]
    whom: str
    at_most: bool = False

    @property
    def text(self) -> str:
        if self.at_most:
            return f"{self.scenario}: at most {self.bound:g} x the time of {self.whom}"
        return f"{self.scenario}: at least {self.bound:g} x as fast as {self.whom}"


@dataclass(frozen=True)
class Verdict:
    """What was measured against a goal; ``reached`` is None where it could not be."""

    text: str
    measured: str
    reached: Optional[bool]

    @property
    def word(self) -> str:
        return {True: "PASS", False: "FALLS SHORT", None: "NOT MEASURED"}[self.reached]


BY_HAND = ("numpy", "pandas", "polars", "polars_pandas", "duckdb", "duckdb_pandas")
GOALS = (
    Goal("G1", 4, ("numpy",), "NumPy by hand", at_most=True),
    Goal("G2a", 4, BY_HAND, "the best peer"),
    Goal("G2b", 3, BY_HAND, "the best peer"),
    Goal("G3", 5, ("duckdb",), "DuckDB from its own table"),
    Goal("G3", 7, ("polars_pandas",), "polars from the pandas frame"),
    Goal("G3", 10, ("read",), "one read", at_most=True),
)
"""The limit on dense integer keys, ``dense``, is shown but is no peer: it works for no other keys."""


def judged(goal: Goal, medians: Mapping[str, float], labels: Mapping[str, str]) -> Verdict:
    """Whether the medians of a scenario reach a goal; not measured unless all of its peers and ours were."""
    missing = [key for key in ("ours", *goal.peers) if key not in medians]
    if missing:
        return Verdict(goal.text, f"without {', '.join(missing)}", None)
    best = min(goal.peers, key=lambda key: medians[key])
    if goal.at_most:
        ratio = medians["ours"] / medians[best]
        reached = ratio <= goal.bound
    else:
        ratio = medians[best] / medians["ours"]
        reached = ratio >= goal.bound
    named = f" ({labels[best]})" if len(goal.peers) > 1 else ""
    return Verdict(goal.text, f"{ratio:.2f} x{named}", reached)


def verdicts(timings: Sequence[Timing], peak: Optional[float]) -> list[Verdict]:
    """One for every goal of the scenarios that were timed."""
    found = []
    for goal in GOALS:
        here = [timing for timing in timings if timing.scenario == goal.scenario]
        if here:
            medians = {timing.key: timing.median for timing in here}
            found.append(judged(goal, medians, {timing.key: timing.label for timing in here}))
    if peak is not None:
        text = f"G3: at most {MAX_BYTES / 1e6:.0f} MB of memory beside the frame"
        found.append(Verdict(text, f"{peak / 1e6:.0f} MB", peak <= MAX_BYTES))
    return found
