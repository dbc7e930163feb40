"""The frames that the benchmark of sliding windows fits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Optional

import numpy as np
import pandas as pd

import gbr_dag
from gbr_dag.datasets import DISTORTION_TERMS


@dataclass(frozen=True)
class WindowScenario:
    """A frame's make-up, and how it is fitted.

    Attributes
    ----------
    shape : tuple of int
        Bins along each dimension, in each sector.
    rows : int
        Rows of an occupied bin.
    sizes : tuple of int
        Bins of the window to either side, by dimension.
    share : float
        Occupied share of the bins.
    sectors : int
        Grids beside each other that are no neighbours; 0 for a single one without the column.
    distortion : bool
        The synthetic distortion with its five terms, in place of two predictors and weights.
    """

    key: str
    shape: tuple[int, int, int]
    rows: int
    sizes: tuple[int, int, int]
    share: float = 1.0
    sectors: int = 0
    distortion: bool = False
    turns: int = 5

    t = 1

    @property
    def p(self) -> int:
        return len(self.predictors)

    @property
    def label(self) -> str:
        grid = "x".join(map(str, self.shape))
        half = "" if self.share == 1.0 else f", {self.share:.0%} occupied"
        sectors = f" in {self.sectors} sectors" if self.sectors else ""
        sizes = "/".join(map(str, dict.fromkeys(self.sizes)))
        return f"{self.key}: {grid} bins{half}{sectors} x {self.rows} rows, ±{sizes}"

    @property
    def keys(self) -> list[str]:
        return ["xBin", "y2xBin", "z2xBin"] if self.distortion else ["k1", "k2", "k3"]

    @property
    def within(self) -> list[str]:
        return ["sector"] if self.sectors else []

    @property
    def predictors(self) -> list[str]:
        return list(DISTORTION_TERMS) if self.distortion else ["x0", "x1"]

    @property
    def targets(self) -> list[str]:
        return ["dX_meas"] if self.distortion else ["y"]

    @property
    def results(self) -> list[str]:
        """Columns that are compared beside the keys: slopes with errors, and the scatter of a row."""
        slopes = [f"{self.targets[0]}_slope_{name}" for name in self.predictors]
        return [*slopes, *(f"{name}_err" for name in slopes), f"{self.targets[0]}_rms"]

    @property
    def n_cells(self) -> int:
        """Bins of the grid, occupied or not."""
        return math.prod(self.shape) * max(self.sectors, 1)

    def frame(self, seed: int = 1) -> pd.DataFrame:
        """Unsorted rows with integer keys and weights over two decades; the distortion as it comes."""
        if self.distortion:
            return gbr_dag.synthetic_distortion(*self.shape, self.rows, seed=seed)
        rng = np.random.default_rng(seed)
        occupied = np.flatnonzero(rng.random(self.n_cells) < self.share) if self.share < 1 else np.arange(self.n_cells)
        cell = rng.permutation(np.repeat(occupied, self.rows))
        n = len(cell)
        columns: dict[str, Any] = {}
        for name, size in zip(reversed(self.keys), reversed(self.shape)):
            cell, columns[name] = np.divmod(cell, size)
        if self.sectors:
            columns["sector"] = cell
        columns.update(x0=rng.normal(size=n), x1=rng.normal(size=n) + 1.0, w=10.0 ** rng.uniform(-1, 1, size=n))
        bent = 1.0 + columns["k1"] / self.shape[0]  # the slope differs from bin to bin
        columns["y"] = 1.0 + bent * columns["x0"] - columns["x1"] + rng.normal(size=n) / np.sqrt(columns["w"])
        # one block of memory a kind, as a frame that was read in one go has
        return pd.DataFrame(columns).copy()

    def arguments(self) -> dict[str, Any]:
        """Those of ``fit_windows``, without the frame and the engine."""
        return {
            "by": self.keys,
            "window": dict(zip(self.keys, self.sizes)),
            "targets": self.targets,
            "predictors": self.predictors,
            "within": self.within,
            "weights": None if self.distortion else "w",
            "statistics": (),
            "diagnostics": ("errors", "rms"),
        }


def fitted(frame: pd.DataFrame, scenario: WindowScenario, engine: Optional[str], **changed: Any) -> pd.DataFrame:
    """Our table, by the library's default engine if none is named."""
    chosen = {} if engine is None else {"engine": engine}
    return gbr_dag.fit_windows(frame, **{**scenario.arguments(), **changed}, **chosen)


S2 = WindowScenario("S2", (50, 20, 30), 100, (1, 1, 1))
SCENARIOS: Mapping[str, WindowScenario] = {
    scenario.key: scenario
    for scenario in (
        WindowScenario("S1", (10, 10, 10), 20, (1, 1, 1), turns=15),
        S2,
        WindowScenario("S3", (100, 50, 50), 10, (2, 2, 2), share=0.5),
        replace(S2, key="S4", sizes=(3, 3, 3)),
        WindowScenario("S5", (152, 20, 28), 3, (1, 1, 1), sectors=36, turns=3),
        WindowScenario("TPC", (170, 20, 20), 100, (2, 1, 1), distortion=True, turns=3),
    )
}
"""S1 to S5 are measured beside peers; TPC, the validation at full size, stands for itself."""


def small(scenario: WindowScenario) -> WindowScenario:
    """The same at a size that is over in a moment."""
    shape = tuple(min(size, 4 + 2 * most) for size, most in zip(scenario.shape, scenario.sizes))
    return replace(scenario, shape=shape, rows=min(scenario.rows, 12), sectors=min(scenario.sectors, 2), turns=2)
