"""What the cut of the robust door costs its errors where the noise is normal: toys without outliers.

``python benchmarks/default_cut.py [--toys N] [--page FILE]``. The pull is (slope - true slope) / error. The page's
table between the marks is replaced.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

import gbr_dag
from benchmarks import report
from benchmarks.huber_pulls import LIBRARIES, SLOPE, toys

BEGIN, END = "<!-- default_cut -->", "<!-- end of default_cut -->"
SIZES = (20, 50, 100)
CUTS = (4.0, 6.0, None)


@dataclass(frozen=True)
class Errors:
    """Good rows rejected; standard deviation of the pulls and share beyond 2, 1 and 0.046 if errors are right."""

    rejected: float
    width: float
    beyond_two: float


def errors(n: int, n_toys: int, cut: Optional[float]) -> Errors:
    """Of the robust door on groups of n rows."""
    frame = toys(n, n_toys, 0.0)
    arguments = (["toy"], ["y"], ["x"], None, None, "", None)
    _, table = gbr_dag.GroupByRegressor.make_parallel_fit(frame, *arguments, sigmaCut=cut, diag=True)
    pull = (table["y_slope_x"] - SLOPE) / table["y_err_x"]
    return Errors(table["diag_frac_rejected"].mean(), pull.std(), float(np.mean(np.abs(pull) > 2)))


def table_of(found: Sequence[Sequence[Errors]]) -> str:
    """Markdown: a row for every size, a column for every cut."""
    cuts = [f"`sigmaCut={cut if cut is None else format(cut, 'g')}`" for cut in CUTS]
    heads = [f"rejected by {cuts[0]}", *cuts]
    lines = [f"| rows a group | {' | '.join(heads)} |", f"|---:|{'---:|' * len(heads)}"]
    for n, row in zip(SIZES, found):
        cells = [f"{one.width:.2f} ({one.beyond_two:.1%})" for one in row]
        lines.append(f"| {n} | {row[0].rejected:.1%} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: Optional[list[str]] = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--toys", type=int, default=40_000, help="groups of every size")
    parser.add_argument("--page", type=Path, help="file whose table between the marks is replaced")
    options = parser.parse_args(arguments)
    found = [[errors(n, options.toys, cut) for cut in CUTS] for n in SIZES]
    stamp = f"{options.toys:,} groups each; {report.environment(LIBRARIES)}; `benchmarks/default_cut.py`."
    text = f"{table_of(found)}\n\n{stamp}"
    print(text)
    if options.page is not None:
        report.put_into(options.page, text, BEGIN, END)


if __name__ == "__main__":
    main()
