"""Are the errors of robust fits as large as the fits scatter? Toys of small groups, against least squares.

``python benchmarks/huber_pulls.py [--toys N] [--page FILE]``. Every toy is one group of n rows with one predictor; the
pull is (slope - true slope) / error. The page's table between the marks is replaced.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import pandas as pd
from scipy import stats

import gbr_dag
from benchmarks import report

BEGIN, END = "<!-- huber_pulls -->", "<!-- end of huber_pulls -->"
SIZES = (6, 10, 20, 50, 100, 200)
OUTLIERS = (0.0, 0.05)
SLOPE = 1.1
LIBRARIES = ("numpy", "pandas", "numba")
ONE_SIGMA = float(2 * stats.norm.cdf(1) - 1)

FITS = {
    "ols": {"fitter": "ols"},
    "huber": {"fitter": "huber"},
    "huber, cut at 4": {"fitter": "huber", "fitter_options": gbr_dag.HuberOptions(sigma_cut=4.0)},
}


@dataclass(frozen=True)
class Pulls:
    """Width of the pulls and share beyond 2: 1 and 0.046 if errors are right. Scatter of the slopes."""

    n: int
    outliers: float
    fit: str
    width: float
    beyond_two: float
    scatter: float


def toys(n: int, n_toys: int, outliers: float, seed: int = 1) -> pd.DataFrame:
    """Groups of n rows: normal noise of width 1, of width 10 for the given share of rows."""
    rng = np.random.default_rng([seed, n, int(100 * outliers)])
    rows = n * n_toys
    x = rng.normal(size=rows)
    noise = rng.normal(size=rows) * np.where(rng.random(rows) < outliers, 10.0, 1.0)
    return pd.DataFrame({"toy": np.repeat(np.arange(n_toys), n), "x": x, "y": 2.0 + SLOPE * x + noise})


def central_width(values: np.ndarray) -> float:
    """Half of the interval about 0 that holds 68.3 % of the values, as one sigma of a normal does."""
    return float(np.quantile(np.abs(values), ONE_SIGMA))


def pulls(n: int, n_toys: int, outliers: float) -> list[Pulls]:
    """Every fit of the same toys."""
    frame = toys(n, n_toys, outliers)
    found = []
    for name, chosen in FITS.items():
        table = gbr_dag.fit_groups(frame, "toy", "y", "x", diagnostics="errors", **chosen)
        off = table["y_slope_x"].to_numpy() - SLOPE
        pull = off / table["y_slope_x_err"].to_numpy()
        found.append(
            Pulls(n, outliers, name, central_width(pull), float(np.mean(np.abs(pull) > 2)), central_width(off))
        )
    return found


def tables(found: Sequence[Pulls]) -> str:
    """Markdown: the pulls, and how far the slopes scatter, a row for every size."""
    parts = [
        _table(found, "rows, pulls", lambda one: f"{one.width:.2f} ({one.beyond_two:.1%})"),
        _table(found, "rows, slopes", lambda one: f"{one.scatter:.3f}"),
    ]
    return "\n\n".join(parts)


def _table(found: Sequence[Pulls], corner: str, cell: Callable[[Pulls], str]) -> str:
    columns = [(outliers, fit) for outliers in dict.fromkeys(one.outliers for one in found) for fit in FITS]
    by_place = {(one.n, one.outliers, one.fit): one for one in found}
    heads = [f"{fit}, {f'{outliers:.0%} outliers' if outliers else 'normal noise'}" for outliers, fit in columns]
    lines = [f"| {' | '.join([corner, *heads])} |", f"|---:|{'---:|' * len(columns)}"]
    sizes = dict.fromkeys(one.n for one in found)
    lines += [f"| {n} | {' | '.join(cell(by_place[(n, *column)]) for column in columns)} |" for n in sizes]
    return "\n".join(lines)


def main(arguments: Optional[list[str]] = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--toys", type=int, default=20_000, help="groups of every size and kind of noise")
    parser.add_argument("--page", type=Path, help="file whose table between the marks is replaced")
    options = parser.parse_args(arguments)
    stamp = report.environment(LIBRARIES)
    found = [one for outliers in OUTLIERS for n in SIZES for one in pulls(n, options.toys, outliers)]
    text = f"{tables(found)}\n\n{options.toys:,} toys each; {stamp}; `benchmarks/huber_pulls.py --toys {options.toys}`."
    print(text)
    if options.page is not None:
        report.put_into(options.page, text, BEGIN, END)


if __name__ == "__main__":
    main()
