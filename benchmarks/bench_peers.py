"""Group-by regression against the ways one would otherwise go, in one process and one run.

Every peer's slopes are compared with ours before anything is timed. Run ``python benchmarks/bench_peers.py [--quick]``.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

import gbr_dag

BEGIN, END = "<!-- bench_peers -->", "<!-- end of bench_peers -->"
OURS = "gbr-dag, engine numpy: exact, with errors and statuses"
KEYS = ["k1", "k2", "k3"]
STATSMODELS_GROUPS = 200
"""statsmodels is timed on this many groups and scaled up."""


@dataclass(frozen=True)
class Scenario:
    """A frame's make-up: groups, rows of each, predictors, targets."""

    name: str
    groups: int
    rows: int
    p: int
    t: int

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
        for i, name in enumerate(self.targets):
            frame[name] = 1.0 + i + frame[self.predictors].sum(axis=1) + rng.normal(scale=0.1, size=n)
        return frame.assign(w=10.0 ** rng.uniform(-1, 1, size=n))


QUICK = (Scenario("1,000 x 5", 1_000, 5, 1, 1), Scenario("10,000 x 10, 3 targets", 10_000, 10, 2, 3))
FULL = (
    *QUICK,
    Scenario("100,000 x 5, 3 targets", 100_000, 5, 2, 3),
    Scenario("100,000 x 50, 3 targets", 100_000, 50, 2, 3),
)

Fit = Callable[[pd.DataFrame, Scenario], np.ndarray]


def ours(frame: pd.DataFrame, scenario: Scenario) -> np.ndarray:
    """Slopes (groups, t, p) with their errors and rms in the table beside them."""
    table = gbr_dag.fit_groups(frame, KEYS, scenario.targets, scenario.predictors, weights="w")
    return slopes_of(table, scenario)


def slopes_of(table: pd.DataFrame, scenario: Scenario) -> np.ndarray:
    """Slopes (groups, t, p) of a fit table."""
    names = [f"{target}_slope_{name}" for target in scenario.targets for name in scenario.predictors]
    return table[names].to_numpy().reshape(len(table), scenario.t, scenario.p)


def hand_numpy(frame: pd.DataFrame, scenario: Scenario) -> np.ndarray:
    """argsort, reduceat of centred products, batched solve; errors and rms too."""
    cell = (frame["k1"].to_numpy() * 10 + frame["k2"].to_numpy()) * (frame["k3"].max() + 1) + frame["k3"].to_numpy()
    order = np.argsort(cell, kind="stable")
    starts = np.flatnonzero(np.diff(cell[order], prepend=-1))
    columns = frame[[*scenario.predictors, *scenario.targets]].to_numpy()[order]
    w = frame["w"].to_numpy()[order]
    total = np.add.reduceat(w, starts)
    mean = np.add.reduceat(w[:, None] * columns, starts) / total[:, None]
    count = np.diff(np.append(starts, len(w)))
    columns -= np.repeat(mean, count, axis=0)
    return _solved(
        np.add.reduceat(w[:, None, None] * columns[:, :, None] * columns[:, None, :], starts), count, scenario
    )


def pandas_moments(frame: pd.DataFrame, scenario: Scenario) -> np.ndarray:
    """groupby.ngroup, bincount of products, batched solve; errors and rms too."""
    cell = frame.groupby(KEYS).ngroup().to_numpy()
    n = cell.max() + 1
    w = frame["w"].to_numpy()
    columns = [frame[name].to_numpy() for name in (*scenario.predictors, *scenario.targets)]
    total = np.bincount(cell, w, n)
    means = [np.bincount(cell, w * column, n) / total for column in columns]
    moments = np.empty((n, len(columns), len(columns)))
    for i, left in enumerate(columns):
        for j, right in enumerate(columns[: i + 1]):
            moments[:, i, j] = np.bincount(cell, w * left * right, n) - total * means[i] * means[j]
            moments[:, j, i] = moments[:, i, j]
    return _solved(moments, np.bincount(cell, minlength=n), scenario)


def _solved(moments: np.ndarray, count: np.ndarray, scenario: Scenario) -> np.ndarray:
    p = scenario.p
    inverse = np.linalg.inv(moments[:, :p, :p])
    slopes = inverse @ moments[:, :p, p:]
    sse = np.einsum("gtt->gt", moments[:, p:, p:]) - np.einsum("gpt,gpt->gt", slopes, moments[:, :p, p:])
    rms = np.sqrt(np.maximum(sse, 0) / (count - p - 1)[:, None])
    _ = np.sqrt(np.einsum("gpp->gp", inverse))[:, None, :] * rms[:, :, None]
    return np.swapaxes(slopes, 1, 2)


def statsmodels_sampled(frame: pd.DataFrame, scenario: Scenario) -> np.ndarray:
    """WLS group by group on the first groups in key order; NaN for the others."""
    import statsmodels.api as sm

    result = np.full((scenario.groups, scenario.t, scenario.p), np.nan)
    for g, (_, rows) in enumerate(first_groups(frame, scenario)):
        design = sm.add_constant(rows[scenario.predictors].to_numpy())
        for t, target in enumerate(scenario.targets):
            fit = sm.WLS(rows[target].to_numpy(), design, weights=rows["w"].to_numpy()).fit()
            result[g, t] = fit.params[1:]
            _ = fit.bse, fit.scale
    return result


def first_groups(frame: pd.DataFrame, scenario: Scenario) -> Iterator[tuple[object, pd.DataFrame]]:
    """Groups that statsmodels is timed on, in key order."""
    cells = frame[KEYS].drop_duplicates().sort_values(KEYS).head(min(STATSMODELS_GROUPS, scenario.groups))
    yield from frame.merge(cells, on=KEYS).groupby(KEYS)


PEERS: dict[str, Fit] = {
    "numpy by hand (argsort, reduceat, solve)": hand_numpy,
    "pandas (ngroup, bincount, solve)": pandas_moments,
    "statsmodels WLS per group": statsmodels_sampled,
}


@dataclass(frozen=True)
class Timing:
    """Seconds of one peer on one scenario."""

    scenario: str
    who: str
    seconds: tuple[float, ...]
    ours: float

    def row(self) -> str:
        """Markdown: median, spread and the ratio to our median."""
        median = statistics.median(self.seconds)
        spread = f"{1e3 * (max(self.seconds) - min(self.seconds)):,.2g} ms" if len(self.seconds) > 1 else ""
        ratio = f"{median / self.ours:,.2g}" if median < 100 * self.ours else f"{median / self.ours:,.0f}"
        return f"| {self.scenario} | {self.who} | {1e3 * median:,.1f} ms | {spread} | {ratio} |"


def measure(scenario: Scenario, repeats: int) -> list[Timing]:
    """Everybody's seconds, in turns, after the results were found to be equal."""
    frame = scenario.frame()
    expected = ours(frame, scenario)
    for name, peer in PEERS.items():
        got = peer(frame, scenario)
        known = ~np.isnan(got)
        # sums of products lose up to kappa^2 eps, and groups of 5 rows are collinear now and then
        np.testing.assert_allclose(got[known], expected[known], rtol=1e-6, atol=1e-8, err_msg=name)
    seconds: dict[str, list[float]] = {name: [] for name in (OURS, *PEERS)}
    for turn in range(repeats):
        for name, fit in {OURS: ours, **PEERS}.items():
            if fit is not statsmodels_sampled or turn == 0:
                start = time.perf_counter()
                fit(frame, scenario)
                seconds[name].append(time.perf_counter() - start)
    scale = max(scenario.groups / STATSMODELS_GROUPS, 1.0)
    base = statistics.median(seconds[OURS])
    timings = []
    for name, taken in seconds.items():
        sampled = PEERS.get(name) is statsmodels_sampled and scale > 1.0
        label = f"{name} ({STATSMODELS_GROUPS} groups, scaled up)" if sampled else name
        timings.append(Timing(scenario.name, label, tuple(x * scale if sampled else x for x in taken), base))
    return timings


def table(timings: list[Timing]) -> str:
    """Markdown."""
    head = ["| groups x rows | who | median | spread | times ours |", "|---|---|---:|---:|---:|"]
    return "\n".join([*head, *(timing.row() for timing in timings)])


def environment() -> str:
    """Machine, versions and commit."""
    git = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip() or "unknown"
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "pandas", "statsmodels"))
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return f"{machine}, Python {platform.python_version()}, {libraries}, commit {commit}"


def put_into(readme: Path, text: str) -> None:
    """Replace what stands between the two marks."""
    before, _, rest = readme.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    readme.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def main(arguments: list[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes only, under a minute")
    parser.add_argument("--readme", type=Path, help="file whose table is to be replaced")
    options = parser.parse_args(arguments)
    timings = [timing for scenario in (QUICK if options.quick else FULL) for timing in measure(scenario, repeats=7)]
    print(environment())
    print(table(timings))
    if options.readme:
        put_into(options.readme, f"{table(timings)}\n\n{environment()}; `benchmarks/bench_peers.py --quick`.")


if __name__ == "__main__":
    main()
