"""The frames that the benchmarks fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

KEYS = ("k1", "k2", "k3")


@dataclass(frozen=True)
class Scenario:
    """A frame's make-up: groups, rows of each, predictors, targets; and how often everybody is timed on it."""

    key: str
    groups: int
    rows: int
    p: int
    t: int
    turns: int

    @property
    def label(self) -> str:
        size = f"{self.groups:,} x {self.rows}"
        return f"{self.key}: {size}, {self.p} predictor{'s'[: self.p - 1]}, {self.t} target{'s'[: self.t - 1]}"

    @property
    def predictors(self) -> list[str]:
        return [f"x{i}" for i in range(self.p)]

    @property
    def targets(self) -> list[str]:
        return [f"y{i}" for i in range(self.t)]

    def frame(self, seed: int = 1) -> pd.DataFrame:
        """Unsorted rows with three integer keys and weights over two decades."""
        rng = np.random.default_rng(seed)
        n = self.groups * self.rows
        cell = rng.permutation(np.repeat(np.arange(self.groups), self.rows))
        frame = pd.DataFrame({"k1": cell % 10, "k2": cell // 10 % 10, "k3": cell // 100})
        for i, name in enumerate(self.predictors):
            frame[name] = rng.normal(size=n) + i
        signal = frame[self.predictors].sum(axis=1)
        for i, name in enumerate(self.targets):
            frame[name] = 1.0 + i + signal + rng.normal(scale=0.1, size=n)
        # one block of memory a kind, as a frame that was read in one go has
        return frame.assign(w=10.0 ** rng.uniform(-1, 1, size=n)).copy()

    def results(self) -> list[str]:
        """Columns that everybody has to yield beside the keys."""
        names = []
        for target in self.targets:
            coefficients = [f"{target}_intercept", *(f"{target}_slope_{name}" for name in self.predictors)]
            names += [*coefficients, *(f"{name}_err" for name in coefficients), f"{target}_rms"]
        return names


SCENARIOS = {
    scenario.key: scenario
    for scenario in (
        Scenario("G1", 1_000, 5, 1, 1, turns=51),
        Scenario("Q", 10_000, 10, 2, 3, turns=15),
        Scenario("G2a", 100_000, 5, 2, 3, turns=15),
        Scenario("G2b", 100_000, 50, 2, 3, turns=7),
        Scenario("G3", 100_000, 100, 2, 1, turns=7),
    )
}
QUICK = ("G1", "Q")
FULL = ("G1", "G2a", "G2b", "G3")
