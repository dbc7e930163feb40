"""Are errors under kernel weights as large as the fits scatter, and do 95 % bounds cover the truth as often?

``python -m benchmarks.window_pulls [--toys N] [--engine ENGINE]`` from the root of the checkout. Every toy is one
window with a gaussian kernel, two predictors of which one drifts from bin to bin, and row weights over two decades,
var(y) = 1 / w; the pull is (coefficient - truth) / error. Beside the errors of the package stand those of plain
weighted least squares, which takes kernel weights for inverse variances, and beside its bounds, which are Student's t
with Satterthwaite's nu, those with n - rank degrees of freedom and of the normal distribution.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Optional

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from gbr_dag.drivers.sliding_window import SlidingWindowDriver

TRUTH = {"intercept": 5.0, "slope_x": -2.0, "slope_z": 0.5}
CASES = ((48, 1, 0.7), (7, 1, 0.7), (3, 3, 1.5), (3, 3, 1.0))
"""Rows of a bin, bins to either side, the kernel's width in bins."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Toys:
    """Fits of independent windows of ``n_rows`` rows; arrays (n_toys, 3) over the coefficients.

    Attributes
    ----------
    n_rows, size : int
        Rows of a window, bins to either side.
    width : float
        Of the kernel.
    off : float array
        Coefficients less the truth.
    errors, naive : float arrays
        The package's errors; those of plain weighted least squares with weights k w.
    inside : bool array
        Whether the package's 95 % bounds hold the truth.
    freedom : float array (n_toys,)
        Satterthwaite's nu.
    """

    n_rows: int
    size: int
    width: float
    off: Array
    errors: Array
    naive: Array
    inside: NDArray[np.bool_]
    freedom: Array

    @property
    def pull_widths(self) -> Array:
        """Width of the pulls, (3,)."""
        return np.asarray(np.std(self.off / self.errors, axis=0))

    @property
    def naive_widths(self) -> Array:
        """Width of the pulls by the errors of plain weighted least squares, (3,)."""
        return np.asarray(np.std(self.off / self.naive, axis=0))

    @property
    def means(self) -> Array:
        """Mean pulls, (3,)."""
        return np.asarray(np.mean(self.off / self.errors, axis=0))

    @property
    def coverage(self) -> Array:
        """Share of toys whose bounds hold the truth, (3,)."""
        return self.inside.mean(axis=0)

    def coverage_with(self, quantile: float) -> Array:
        """The same with bounds at a given number of errors, (3,)."""
        return np.asarray(np.mean(np.abs(self.off) <= quantile * self.errors, axis=0))


def toy_frame(n_toys: int, rows_per_bin: int, size: int, seed: int) -> pd.DataFrame:
    """Bins -size to size of every toy; the noise is normal and its variance is 1 / w."""
    rng = np.random.default_rng([seed, rows_per_bin])
    n_bins = 2 * size + 1
    n = n_bins * n_toys * rows_per_bin
    frame = pd.DataFrame({"toy": np.tile(np.arange(n_toys), n_bins * rows_per_bin)})
    frame["bin"] = np.repeat(np.arange(-size, size + 1), n_toys * rows_per_bin)
    frame["x"] = rng.normal(size=n) + 0.5 * frame["bin"]
    frame["z"] = rng.normal(size=n)
    frame["w"] = 10.0 ** rng.uniform(-1.0, 1.0, size=n)
    signal = TRUTH["intercept"] + TRUTH["slope_x"] * frame["x"] + TRUTH["slope_z"] * frame["z"]
    frame["y"] = signal + rng.normal(size=n) / np.sqrt(frame["w"])
    return frame


def toys(n_toys: int, rows_per_bin: int, size: int, width: float, *, engine: str, seed: int = 1) -> Toys:
    """Fit the windows about the middle bins."""
    driver = SlidingWindowDriver(engine=engine)
    outputs = ["fit_table", "distribution_freedom", "coefficients"]
    inputs = {
        "frame": toy_frame(n_toys, rows_per_bin, size, seed),
        "by": "bin",
        "within": "toy",
        "window": {"bin": size},
        "targets": "y",
        "predictors": ["x", "z"],
        "weights": "w",
        "kernel": "gaussian",
        "kernel_width": width,
        "statistics": (),
        "diagnostics": ["errors", "confidence"],
    }
    found = driver.execute(outputs, inputs)
    middle = (found["fit_table"]["bin"] == 0).to_numpy()
    table, fit = found["fit_table"][middle], found["coefficients"]
    truth = np.array([*TRUTH.values()])
    values, errors, low, high = (
        table[[f"y_{name}{end}" for name in TRUTH]].to_numpy() for end in ("", "_err", "_low", "_high")
    )
    variances = np.einsum("gmm->gm", fit.unit_covariance[middle, 0])
    scale = np.sqrt(fit.sse[middle] / (fit.count[middle] - fit.rank[middle]))
    inside = (low < truth) & (truth < high)
    freedom = found["distribution_freedom"][middle, 0]
    return Toys(
        (2 * size + 1) * rows_per_bin, size, width, values - truth, errors, np.sqrt(variances) * scale, inside, freedom
    )


def table_of(found: Iterable[Toys]) -> str:
    """Markdown, a row for every case and coefficient."""
    head = [
        "rows",
        "bins to either side",
        "kernel width",
        "coefficient",
        "pull width",
        "mean pull",
        "width, plain WLS errors",
    ]
    head += ["mean nu", "covered by 95 % bounds", "with n - rank", "with the normal"]
    lines = [head, ["---:"] * len(head)]
    for case in found:
        by_rank = case.coverage_with(float(stats.t.ppf(0.975, case.n_rows - len(TRUTH))))
        by_normal = case.coverage_with(float(stats.norm.ppf(0.975)))
        for i, name in enumerate(TRUTH):
            lines.append(
                [
                    *(str(case.n_rows), str(case.size), str(case.width), name),
                    *(f"{values[i]:.3f}" for values in (case.pull_widths, case.means, case.naive_widths)),
                    f"{case.freedom.mean():.1f}",
                    *(f"{100 * values[i]:.1f} %" for values in (case.coverage, by_rank, by_normal)),
                ]
            )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(arguments: Optional[list[str]] = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--toys", type=int, default=20_000)
    parser.add_argument("--engine", default="numba", choices=("numba", "numpy", "reference"))
    options = parser.parse_args(arguments)
    found = [toys(options.toys, *case, engine=options.engine) for case in CASES]
    print(f"{table_of(found)}\n\n{options.toys:,} toys each, engine {options.engine}; their widths are known to")
    print(f"{1 / np.sqrt(2 * options.toys):.3f}, coverages to {100 * np.sqrt(0.95 * 0.05 / options.toys):.2f} points")


if __name__ == "__main__":
    sys.exit(main())
