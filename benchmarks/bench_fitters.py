"""What every fitter costs on every engine that runs it, in one process and one run.

``python benchmarks/bench_fitters.py [--quick] [--page FILE]``. Groups of 20 rows with weights and two predictors, one
target in twenty rows far off. Warm: compilation, the start of processes and imports are not in the figures. The page's
table between the marks is replaced.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import pandas as pd

import gbr_dag
from benchmarks import report
from benchmarks.goals import Timing

BEGIN, END = "<!-- bench_fitters -->", "<!-- end of bench_fitters -->"
ROWS = 20
FEW, MANY = 1_000, 100_000
LIBRARIES = ("numpy", "pandas", "numba", "statsmodels", "joblib", "scikit-learn")


def by_lstsq(X: np.ndarray, y: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Weighted least squares in one line of numpy."""
    root = np.sqrt(w)
    return np.linalg.lstsq(X * root[:, None], y * root, rcond=None)[0]


def median_regression(X: np.ndarray, y: np.ndarray, _: np.ndarray) -> Any:
    """Median regression by statsmodels, which takes no weights."""
    from statsmodels.regression.quantile_regression import QuantReg

    return QuantReg(y, X).fit(q=0.5)


def ridge() -> Any:
    """A penalised fit of scikit-learn."""
    from sklearn.linear_model import Ridge

    return Ridge(alpha=1.0)


@dataclass(frozen=True)
class Way:
    """A fitter on an engine; ``many`` for those that are timed on many groups too."""

    label: str
    engine: str
    fitter: Any = field(default="ols", hash=False, compare=False)
    target: str = "y"
    many: bool = False
    settings: dict[str, Any] = field(default_factory=dict, hash=False)

    def fit(self, frame: pd.DataFrame) -> Any:
        """The table of the fits."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it will take long, and steps of single fits
            return gbr_dag.fit_groups(
                frame,
                "group",
                self.target,
                ["x0", "x1"],
                weights="w",
                fitter=self.fitter,
                engine=self.engine,
                **self.settings,
            )


def ways() -> list[Way]:
    """Everything that runs."""
    cut = {"fitter_options": gbr_dag.HuberOptions(sigma_cut=5.0)}
    two = {"n_jobs": 2}
    poisson = {"fitter_options": gbr_dag.GlmOptions(family="poisson")}
    return [
        Way("ols", "numba", many=True),
        Way("ols", "numpy", many=True),
        Way("ols", "reference"),
        Way("ols", "loky", settings=two),
        Way("ols", "statsmodels"),
        Way("huber", "numba", "huber", many=True),
        Way("huber, cut at 5", "numba", "huber", many=True, settings=cut),
        Way("huber", "reference", "huber"),
        Way("huber, cut at 5", "reference", "huber", settings=cut),
        Way("huber", "loky", "huber", settings=two),
        Way("glm, Poisson", "statsmodels", "glm", "counts", settings=poisson),
        Way("rlm", "statsmodels", "rlm"),
        Way("own: lstsq of numpy", "loky", by_lstsq, settings=two),
        Way("own: lstsq of numpy", "statsmodels", by_lstsq),
        Way("own: Ridge of scikit-learn", "loky", ridge(), settings=two),
        Way("own: QuantReg of statsmodels", "statsmodels", median_regression),
    ]


def rows_of(groups: int, seed: int = 1) -> pd.DataFrame:
    """Unsorted rows, weights over two decades, 5 % of the targets ten times as far off."""
    rng = np.random.default_rng(seed)
    n = groups * ROWS
    frame = pd.DataFrame({"group": rng.permutation(np.repeat(np.arange(groups), ROWS))})
    frame["x0"], frame["x1"] = rng.normal(size=n), rng.normal(size=n)
    frame["w"] = 10.0 ** rng.uniform(-1, 1, size=n)
    noise = rng.normal(size=n) * np.where(rng.random(n) < 0.05, 10.0, 1.0) / np.sqrt(frame["w"])
    frame["y"] = 1.0 + frame["x0"] - frame["x1"] + 0.1 * noise
    frame["counts"] = rng.poisson(np.exp(1.0 + 0.2 * frame["x0"])).astype(float)
    return frame.copy()


def measure(entrants: Sequence[Way], frame: pd.DataFrame, groups: int, turns: int) -> dict[Way, Timing]:
    """Microseconds a group, in turns: nobody is timed in a busy minute alone. Slow ways have three turns."""
    taken: dict[Way, list[float]] = {way: [] for way in entrants}
    for way in entrants:
        way.fit(frame.iloc[: 40 * ROWS])
    for turn in range(turns):
        for way, seconds in taken.items():
            if turn > 2 and seconds[0] > 1.0:
                continue
            start = time.perf_counter()
            way.fit(frame)
            seconds.append(time.perf_counter() - start)
    return {
        way: Timing(f"{groups}", way.engine, way.label, tuple(1e6 * second / groups for second in seconds))
        for way, seconds in taken.items()
    }


def compile_seconds(fitter: str) -> tuple[float, float]:
    """Processor time of the first compiled fit of a process: with no machine code on disk, and with it."""
    command = [sys.executable, str(Path(__file__).resolve()), "--first", fitter]
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
        cold, cached = (
            float(subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout)
            for _ in range(2)
        )
    return cold, cached


def _first(fitter: str) -> float:
    """Processor time of the first fit of this process minus that of the second; imports and the rest were there."""
    frame = rows_of(100)
    Way("", "numpy").fit(frame)
    seconds = []
    for _ in range(2):
        start = time.process_time()
        Way("", "numba", fitter).fit(frame)
        seconds.append(time.process_time() - start)
    return seconds[0] - seconds[1]


def compile_line() -> str:
    """Words for what compilation takes."""
    found = {fitter: compile_seconds(fitter) for fitter in ("ols", "huber")}
    parts = [
        f"{fitter} {cold:.1f} s, {cached:.1f} s from the cache on disk" for fitter, (cold, cached) in found.items()
    ]
    return f"Compilation in the first fit of a process, processor time: {'; '.join(parts)}."


def table(small: Mapping[Way, Timing], large: Mapping[Way, Timing], few: int, many: int) -> str:
    """Markdown: a row for every way."""
    heads = [f"{groups:,} x {ROWS}, us a group | times the first" for groups in (few, many)]
    lines = [f"| fitter | engine | {' | '.join(heads)} |", "|---|---|---:|---:|---:|---:|"]
    lines += [f"| {way.label} | {way.engine} | {_cells(way, small)} | {_cells(way, large)} |" for way in small]
    return "\n".join(lines)


def _cells(way: Way, timings: Mapping[Way, Timing]) -> str:
    """Median and spread, and the ratio to the first."""
    if way not in timings:
        return " | "
    timing, first = timings[way], next(iter(timings.values()))
    spread = "" if timing.spread is None else f" ± {_digits(timing.spread)}"
    return f"{_digits(timing.median)}{spread} | {_digits(timing.median / first.median)}"


def _digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 99.5 else f"{value:.{1 if value >= 9.95 else 2}f}"


def main(arguments: Optional[list[str]] = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes: does it run, no figures to quote")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--page", type=Path, help="file whose table between the marks is replaced")
    parser.add_argument("--first", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.first is not None:
        print(_first(options.first))
        return
    few, many = (50, 500) if options.quick else (FEW, MANY)
    stamp, busy = report.environment(LIBRARIES), report.busy_note()
    entrants = ways()
    large = measure([way for way in entrants if way.many], rows_of(many), many, options.turns)
    small = measure(entrants, rows_of(few), few, options.turns)
    compiled = [] if options.quick else [compile_line()]
    text = "\n\n".join([table(small, large, few, many), *compiled, f"{stamp}{busy}; `benchmarks/bench_fitters.py`."])
    print(text)
    if options.page is not None:
        report.put_into(options.page, text, BEGIN, END)


if __name__ == "__main__":
    main()
