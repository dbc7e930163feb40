"""Fits random hard designs with every engine and holds each figure against 100-digit arithmetic.

``python -m benchmarks.scan_designs`` from the root of the checkout prints, by engine, the violations of every tier of
accuracy (there must be none), the worst error of each kind and the share of every status; it exits with 1 if a promise
is broken. The definitions of the errors stand in ``tests/oracles/accuracy.py``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gbr_dag.drivers.fitting import fit_groups
from gbr_dag.tables import FitStatus
from tests.oracles.accuracy import BEYOND, TIERS, EngineFit, Verdict, judge
from tests.oracles.designs import Design, random_designs
from tests.oracles.exact import ExactFit, exact_fit

ENGINES = ("reference", "numpy", "numba")


@dataclass(frozen=True)
class Scan:
    """What one engine made of the designs.

    Attributes
    ----------
    engine : str
    designs : list of Design
    exact : list of ExactFit
        The oracle's answers; where the rank rule is within a factor 4 of its bound and the engine decided otherwise,
        for the columns that the engine kept.
    fits : list of EngineFit
    verdicts : list of Verdict
    near, decided_otherwise : list of int
        Numbers of the designs near the boundary of the rank rule, and of those among them that the engine decided
        otherwise than exact arithmetic.
    seconds : float
        Time of the engine.
    """

    engine: str
    designs: list[Design]
    exact: list[ExactFit]
    fits: list[EngineFit]
    verdicts: list[Verdict]
    near: list[int]
    decided_otherwise: list[int]
    seconds: float

    @property
    def violations(self) -> dict[int, list[str]]:
        """Broken promises by the number of the design."""
        pairs = zip(self.designs, self.verdicts)
        return {design.number: verdict.violations for design, verdict in pairs if verdict.violations}


def exact_fits(designs: Iterable[Design], *, progress: bool = False) -> list[ExactFit]:
    """Fit every design in extended precision, about 1 ms each."""
    fits = []
    for count, design in enumerate(designs, start=1):
        fits.append(exact_fit(design.predictors, design.target, design.weights, intercept=design.intercept))
        if progress and count % 1000 == 0:
            print(f"oracle: {count} designs", file=sys.stderr, flush=True)
    return fits


def engine_fits(designs: Sequence[Design], engine: str) -> list[EngineFit]:
    """Fit the designs as groups of a few frames, one call for each number of predictors, rows shuffled."""
    shapes = defaultdict(list)
    for position, design in enumerate(designs):
        shapes[design.predictors.shape[1], design.intercept].append(position)
    fits: dict[int, EngineFit] = {}
    for (n_predictors, intercept), positions in shapes.items():
        predictors = [f"x{number}" for number in range(1, n_predictors + 1)]
        table = fit_groups(
            stacked_frame([designs[position] for position in positions], positions, predictors),
            "design",
            "y",
            predictors,
            weights="w",
            intercept=intercept,
            engine=engine,
            diagnostics=("errors", "rms", "r_squared"),
        )
        fits.update(zip(table["design"].tolist(), table_fits(table, "y", predictors, intercept=intercept)))
    return [fits[position] for position in range(len(designs))]


def stacked_frame(designs: Sequence[Design], keys: Sequence[int], predictors: list[str]) -> pd.DataFrame:
    """Put designs of one shape into a frame ``design, x1, ..., y, w``, rows shuffled, index in disorder."""
    sizes = [len(design.target) for design in designs]
    frame = pd.DataFrame(np.concatenate([design.predictors for design in designs]), columns=predictors)
    frame["design"] = np.repeat(keys, sizes)
    frame["y"] = np.concatenate([design.target for design in designs])
    frame["w"] = np.concatenate([design.weights for design in designs])
    return frame.iloc[np.random.default_rng(0).permutation(len(frame))]


def table_fits(table: pd.DataFrame, target: str, predictors: Sequence[str], *, intercept: bool) -> list[EngineFit]:
    """Read the rows of a fit table, in its order."""
    names = [f"{target}_intercept"] * intercept + [f"{target}_slope_{name}" for name in predictors]
    columns = (
        table[names].to_numpy(),
        table[[f"{name}_err" for name in names]].to_numpy(),
        table[f"{target}_rms"],
        table[f"{target}_r_squared"],
        table[f"{target}_status"],
    )
    return [EngineFit(*row[:4], status=int(row[4])) for row in zip(*columns)]


def scan(designs: list[Design], exact: list[ExactFit], engine: str) -> Scan:
    """Fit the designs with one engine and judge every fit."""
    start = time.perf_counter()
    fits = engine_fits(designs, engine)
    seconds = time.perf_counter() - start
    used, near, otherwise = list(exact), [], []
    for position, (design, answer, fit) in enumerate(zip(designs, exact, fits)):
        min_entries = design.predictors.shape[1] + design.intercept
        if answer.n_rows < min_entries or not answer.near_boundary():
            continue
        near.append(design.number)
        kept = np.isfinite(fit.coefficients)
        if not np.array_equal(kept, answer.kept):
            otherwise.append(design.number)
            used[position] = exact_fit(
                design.predictors, design.target, design.weights, intercept=design.intercept, kept=kept
            )
    verdicts = [
        judge(answer, fit, design.predictors.shape[1] + design.intercept)
        for design, answer, fit in zip(designs, used, fits)
    ]
    return Scan(engine, designs, used, fits, verdicts, near, otherwise, seconds)


def accuracy_table(scans: Iterable[Scan]) -> str:
    """Worst errors by engine and tier, in markdown; a fit counts where it holds a violation of that tier."""
    lines = [
        "| engine | q or min(q, SSE/Syy) above | allowed | by q | worst coefficient | by min | worst error | worst rms "
        "| worst r² | violations |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for result in scans:
        for number in range(BEYOND + 1):
            by_q = [verdict for verdict in result.verdicts if verdict.coefficient_tier == number]
            by_both = [verdict for verdict in result.verdicts if verdict.scatter_tier == number]
            label, allowed = [f"{value:.0e}" for value in TIERS[number]] if number < BEYOND else ["below", "none"]
            broken = sum(bool(verdict.violations) for verdict in by_q)
            worst = [_worst(by_q, "coefficients"), *(_worst(by_both, kind) for kind in ("errors", "rms", "r_squared"))]
            lines.append(
                f"| {result.engine} | {label} | {allowed} | {len(by_q)} | {worst[0]} | {len(by_both)} "
                f"| {' | '.join(worst[1:])} | {broken} |"
            )
    return "\n".join(lines)


def _worst(verdicts: Iterable[Verdict], kind: str) -> str:
    return f"{max((getattr(verdict, kind) for verdict in verdicts), default=0.0):.1e}"


def kappa_table(scans: Iterable[Scan]) -> str:
    """Errors of ill-conditioned coefficients in units of eps kappa, in markdown."""
    lines = ["| engine | q ≤ 1e-10 | median / (eps κ) | 99 % | worst | above 5 |", "|---|---|---|---|---|---|"]
    for result in scans:
        over = [verdict.over_kappa for verdict in result.verdicts if verdict.coefficient_tier == BEYOND]
        figures = [f"{np.quantile(over, level):.2g}" for level in (0.5, 0.99, 1.0)] if over else ["none"] * 3
        above = sum(value > 5 for value in over)
        lines.append(f"| {result.engine} | {len(over)} | {' | '.join(figures)} | {above} |")
    return "\n".join(lines)


def status_table(scans: Iterable[Scan]) -> str:
    """Share of every combination of flags by engine, in markdown."""
    scans = list(scans)
    counts = [Counter(fit.status for fit in result.fits) for result in scans]
    lines = [
        f"| status | {' | '.join(result.engine for result in scans)} |",
        f"|---|{'---|' * len(scans)}",
    ]
    for status in sorted(set().union(*counts)):
        words = " + ".join(flag.name or "" for flag in FitStatus if flag and status & flag) or "OK"
        shares = [f"{count[status]} ({100 * count[status] / sum(count.values()):.2f} %)" for count in counts]
        lines.append(f"| {words} | {' | '.join(shares)} |")
    return "\n".join(lines)


def boundary_table(scans: Iterable[Scan]) -> str:
    """Designs near the boundary of the rank rule and designs with a violation by engine, in markdown."""
    lines = [
        "| engine | within a factor 4 of the rank rule | decided otherwise | seconds | designs with any violation |",
        "|---|---|---|---|---|",
    ]
    for result in scans:
        counts = len(result.near), len(result.decided_otherwise), f"{result.seconds:.1f}", len(result.violations)
        lines.append(f"| {result.engine} | {' | '.join(map(str, counts))} |")
    return "\n".join(lines)


def main() -> int:
    """Scan, print the tables; 1 if a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--designs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engines", nargs="+", default=list(ENGINES), choices=ENGINES)
    options = parser.parse_args()
    designs = random_designs(options.designs, options.seed)
    exact = exact_fits(designs, progress=True)
    scans = []
    for engine in options.engines:
        scans.append(scan(designs, exact, engine))
        print(f"{engine}: {scans[-1].seconds:.1f} s", file=sys.stderr, flush=True)
    print(f"{options.designs} designs, seed {options.seed}, numpy {np.__version__}, pandas {pd.__version__}\n")
    print("\n\n".join(table(scans) for table in (accuracy_table, kappa_table, status_table, boundary_table)))
    for result in scans:
        for number, words in list(result.violations.items())[:20]:
            print(f"\n{result.engine}, design {number}: {'; '.join(words)}")
    return int(any(result.violations for result in scans))


if __name__ == "__main__":
    sys.exit(main())
