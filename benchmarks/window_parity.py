"""Fits random designs of windows with the merging engines and holds every column against the gathered rows.

``python -m benchmarks.window_parity --designs N`` from the root of the checkout prints how many windows were compared,
by boundary, kernel and number of dimensions, and the worst relative difference of every kind of column by engine; it
exits with 1 if one is beyond 1e-9. The designs, and what differences are relative to, stand in
``tests/oracles/window_designs.py``.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Optional

import numpy as np
import pandas as pd

from gbr_dag.drivers.sliding_window import SlidingWindowDriver
from tests.oracles.window_designs import (
    BOUNDARIES,
    DIMENSIONS,
    KERNELS,
    PROMISED,
    WindowDesign,
    differences,
    reference_of,
    window_design,
)

ENGINES = ("numpy", "numba")


@dataclass
class Parity:
    """What was compared.

    Attributes
    ----------
    windows : Counter
        Windows by (boundary, kernel, dimensions).
    fits, no_promise : int
        Fits of a target in a window; those for which an accuracy of 1e-9 is not promised, which do not count.
    worst : dict of str to dict of str to float
        By engine and kind of column.
    beyond : list of str
        Designs with a difference that is too large.
    """

    windows: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    fits: int = 0
    no_promise: int = 0
    worst: dict[str, dict[str, float]] = field(default_factory=dict)
    beyond: list[str] = field(default_factory=list)


def random_designs(n_designs: int, seed: int) -> Iterable[WindowDesign]:
    """Designs one after the other, boundaries, kernels and dimensions in turn."""
    turns = [
        combination
        for combination in product(BOUNDARIES, KERNELS, DIMENSIONS)
        if combination[2] > 1 or "mixed" not in combination
    ]
    for number in range(n_designs):
        yield window_design(seed, number, *turns[number % len(turns)])


def parity(designs: Iterable[WindowDesign], engines: Sequence[str]) -> Parity:
    """Fit every design with the reference and the engines, and keep the worst of the differences."""
    found = Parity(worst={engine: {} for engine in engines})
    for design in designs:
        reference = reference_of(design)
        found.windows[design.boundary, design.kernel, design.n_dimensions] += len(reference.table)
        for promised in reference.promised.values():
            found.fits += len(promised)
            found.no_promise += int(np.sum(~promised))
        for engine in engines:
            table = SlidingWindowDriver(engine=engine).execute(["fit_table"], design.inputs)["fit_table"]
            for name, apart in differences(design, reference, table).items():
                found.worst[engine][name] = max(apart, found.worst[engine].get(name, 0.0))
                if not apart <= PROMISED:
                    found.beyond.append(f"design {design.number}, {engine}, {name}: {apart:.1e}")
    return found


def tables(found: Parity) -> str:
    """Markdown: windows by what they were made with, worst differences by engine."""
    parts = []
    for place, word in enumerate(("boundary", "kernel", "dimensions")):
        counts: Counter[object] = Counter()
        for key, number in found.windows.items():
            counts[key[place]] += number
        parts.append(_table([word, *map(str, counts)], [["windows", *(f"{number:,}" for number in counts.values())]]))
    engines = list(found.worst)
    kinds = dict.fromkeys(name for worst in found.worst.values() for name in worst)
    rows = [[name, *(f"{found.worst[engine].get(name, 0.0):.1e}" for engine in engines)] for name in kinds]
    parts.append(_table(["worst relative difference", *engines], rows))
    return "\n\n".join(parts)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(arguments: Optional[list[str]] = None) -> int:
    """Run from the command line; 1 if a difference is beyond what is promised."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--designs", type=int, default=1_300)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--engines", nargs="+", default=list(ENGINES), choices=ENGINES)
    options = parser.parse_args(arguments)
    found = parity(random_designs(options.designs, options.seed), options.engines)
    print(f"{tables(found)}\n")
    print(
        f"{options.designs} designs, seed {options.seed}, {sum(found.windows.values()):,} windows, {found.fits:,} fits,"
        f" of which {found.no_promise:,} are promised less than {PROMISED:.0e} and do not count; numpy"
        f" {np.__version__}, pandas {pd.__version__}"
    )
    print("\n".join(found.beyond[:20]))
    return int(bool(found.beyond))


if __name__ == "__main__":
    sys.exit(main())
