"""Do fits in windows give back the known distortion of a detector within the errors that they state?

``python -m benchmarks.distortion_closure [--seeds N] [--engine ENGINE]`` from the root of the checkout: the pulls of
predictions at the centres of all bins of the synthetic distortion, and their root mean square against the mean error,
seed by seed. The exit code is 1 if a bound is broken.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
import pandas as pd

import gbr_dag
from gbr_dag.datasets import DISTORTION_TERMS

KEYS = ["xBin", "y2xBin", "z2xBin"]
WINDOW = {"xBin": 2, "y2xBin": 1, "z2xBin": 1}
WORST_MEAN_OF_SEEDS = 0.05
"""Largest mean of the pulls' means over 20 seeds."""


@dataclass(frozen=True)
class Closure:
    """How predictions at the centres of all bins agree with the truth."""

    width: float
    mean: float
    rms: float
    mean_error: float

    def wrong(self) -> set[str]:
        """What one set of data must not show. Windows overlap 45-fold, so that one mean pull scatters by 0.1."""
        bounds = {
            "width": abs(self.width - 1.0) <= 0.1,
            "rms": self.rms < 1.2 * self.mean_error,
            "mean": abs(self.mean) < 0.3,
        }
        return {name for name, kept in bounds.items() if not kept}


def closure(
    rows: pd.DataFrame,
    engine: str,
    predictors: Sequence[str] = DISTORTION_TERMS,
    overrides: Optional[Mapping[str, Any]] = None,
    **arguments: Any,
) -> Closure:
    """Fit in windows, predict at the mean regressors of every centre, compare with the truth there.

    There is an intercept, as dX0 of the model is a parameter though its true value is 0. Without it every seed is
    accepted too, but the median condition grows from 41 to 166 and errors vanish (1e-5 cm) where dr = dsec = 0.
    """
    model = {"by": KEYS, "targets": "dX_meas", "predictors": predictors}
    asked = {"window": WINDOW, "statistics": (), "diagnostics": ("covariance", "rms"), **arguments}
    driver = gbr_dag.SlidingWindowDriver(engine=engine)
    table = driver.execute(["fit_table"], {"frame": rows, **model, **asked}, overrides)["fit_table"]
    if (table["dX_meas_status"] != 0).any():
        message = "some bins could not be fitted; take more rows"
        raise ValueError(message)
    # the truth is linear in the terms: its mean over a bin is the truth at their means
    centres = rows.groupby(KEYS, as_index=False)[[*DISTORTION_TERMS, "dX_true", "dX_meas"]].mean()
    found = gbr_dag.predictions(centres, table, **model)
    difference, error = found["dX_meas_prediction"] - centres["dX_true"], found["dX_meas_prediction_err"]
    pull = difference / error
    return Closure(pull.std(), pull.mean(), np.sqrt((difference**2).mean()), error.mean())


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Print the pulls by seed; 1 if a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--engine", default="numba")
    asked = parser.parse_args(arguments)
    found = [closure(gbr_dag.synthetic_distortion(seed=seed), asked.engine) for seed in range(asked.seeds)]
    table = pd.DataFrame(
        {
            "pull width": [closed.width for closed in found],
            "mean pull": [closed.mean for closed in found],
            "RMS / mean error": [closed.rms / closed.mean_error for closed in found],
        }
    )
    sys.stdout.write(table.rename_axis("seed").round(3).to_string() + "\n")
    mean = float(table["mean pull"].mean())
    sys.stdout.write(
        f"widths {table['pull width'].min():.3f} to {table['pull width'].max():.3f}, mean pulls to"
        f" {table['mean pull'].abs().max():.3f}, RMS / mean error to {table['RMS / mean error'].max():.3f}, mean of the"
        f" mean pulls {mean:.4f}\n"
    )
    wrong = {seed: closed.wrong() for seed, closed in enumerate(found) if closed.wrong()}
    for seed, names in wrong.items():
        sys.stdout.write(f"seed {seed} breaks its bounds: {', '.join(sorted(names))}\n")
    return int(bool(wrong) or abs(mean) >= WORST_MEAN_OF_SEEDS)


if __name__ == "__main__":
    sys.exit(main())
