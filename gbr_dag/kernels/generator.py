"""Writes the straight-line kernels of ``gbr_dag/kernels/straight``: ``python -m gbr_dag.kernels.generator``.

Loops over predictors and targets cost more than the arithmetic in them, and numba keeps compiled code on disk only for
functions that stand in a file. So there is one file for every p and t up to ``MOST_PREDICTORS`` and ``MOST_TARGETS``,
with every loop written out. The layout of a record is that of :class:`gbr_dag.tables.Factors`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from gbr_dag.kernels import window_sources
from gbr_dag.kernels.straight_lines import Names, rotations

MOST_PREDICTORS, MOST_TARGETS = 4, 3

FOLDER = Path(__file__).parent / "straight"

_CALLED = ("jit.py", "rows.py")
"""Modules whose code is compiled into the straight-line kernels."""

_CALLED_OF_WINDOWS, _CALLED_OF_ANY_SIZE = ("jit.py",), ("jit.py", "records.py")
"""The same of the kernels that merge records over windows."""

_HEAD = '''"""Rows into factors, factors into fits: {p} predictors, {t} targets; written by gbr_dag.kernels.generator.

Compiled together with {called}, as of {digest}.
"""

import numpy as np

from gbr_dag.kernels.jit import fused, kernel, prefetch
from gbr_dag.kernels.rows import AHEAD, CHUNK, is_odd_size, note_target, note_weight, rows_of_range
'''


def update_source(p: int, t: int, *, weighted: bool) -> str:
    """Source of the kernel that adds rows to records; see ``gbr_dag.kernels.factoring``."""
    names = Names(p, t)
    name = "update" if weighted else "update_unweighted"
    arrays = [*(f"{column}s" for column in names.columns), *["ws"] * weighted]
    lines = [
        "@kernel",
        f"def {name}(records, row_bin, first, last, centred, notes, {', '.join(arrays)}):",
        '    """Add the rows of bins first <= bin < last to their records."""',
        "    chosen = np.empty(CHUNK + AHEAD, np.uint32)",
        "    for start in range(0, row_bin.size, CHUNK):",
        "        bins = row_bin[start : start + CHUNK]",
        "        n = rows_of_range(bins, first, last, chosen)",
        "        for q in range(n):",
        "            i = np.uint64(start) + chosen[q]",  # numba looks after negative places of the signed kind only
        "            r = records[np.uint64(row_bin[i])]",
        "            ahead = np.uint64(bins[chosen[q + AHEAD]])",
        *(f"            prefetch(records, ahead, {8 * line})" for line in range((names.width + 7) // 8)),
    ]
    body = [*(f"{column} = {column}s[i]" for column in names.columns), *_row_checks(names, weighted=weighted)]
    body += [*_means(names), *rotations(names)]
    return "\n".join([*lines, *(f"            {line}" for line in body)])


def _row_checks(names: Names, *, weighted: bool) -> Iterator[str]:
    """One test that nothing is wrong with a row; what it is, is found out beside the way.

    ``0.0 < w < np.inf`` would be compiled to twenty instructions on the bits of w.
    """
    predictors, targets = names.columns[: names.p], names.columns[names.p :]
    yield "w = ws[i]" if weighted else "w = 1.0"
    every = [*predictors, *targets, *["w"] * weighted]
    yield f"if {_difference(every)} != 0.0{' or w <= 0.0' * weighted}:"
    if weighted:
        yield "    if w <= 0.0 or w - w != 0.0:"
        yield "        note_weight(notes, w)"
        yield "        continue"
    if predictors:
        yield f"    if {_difference(predictors)} != 0.0:"
        yield "        notes[6] += 1"
        yield "        continue"
    for place, target in enumerate(targets):
        yield f"    note_target(notes, {place}, {target})"
    yield f"    notes[0] += {' or '.join(f'{target} - {target} == 0.0' for target in targets)}"
    yield "    notes[1] += 1"
    yield "    continue"


def _difference(columns: list[str]) -> str:
    """Zero if all are finite, NaN otherwise."""
    return " + ".join(f"({column} - {column})" for column in columns)


def _means(names: Names) -> Iterator[str]:
    yield "total = r[1] + w"
    yield "r[0] += 1.0"
    yield "if centred:"
    yield "    share = w / total"
    yield "    w = r[1] * share"
    for j, column in enumerate(names.columns):
        yield f"    high = {names.high(j)}"
        yield f"    low = {names.low(j)}"
        yield f"    {column} = ({column} - high) - low"
        yield f"    low = fused(share, {column}, low)"
        yield "    new = high + low"
        yield f"    {names.high(j)} = new"
        yield f"    {names.low(j)} = low - (new - high)"
    yield "r[1] = total"


def aliased_source(p: int, t: int) -> str:
    """Source of the kernel that counts the records with aliased predictors; see ``gbr_dag.kernels.records.reduce``."""
    names = Names(p, t)
    lines = [
        "@kernel",
        "def aliased(records, start, stop, centred, precision, tolerance):",
        '    """How many of the bins start <= bin < stop have a predictor that the rank rule does not let pass."""',
        "    found = 0",
        "    squared = tolerance**2",
        "    for b in range(start, stop):",
        "        r = records[b]",
        "        weight = r[1] if centred else 0.0",
    ]
    body, tests = [], [f"{p - 1} + centred >= r[0]"]
    for j in range(p):
        above = [f"{names.pivot(i)} * {names.unit(i, j)} * {names.unit(i, j)}" for i in range(j)]
        body.append(f"square = weight * {names.high(j)} ** 2")
        body.append(f"own{j} = precision[{j}] ** 2 * ({' + '.join([names.pivot(j), *above])} + square)")
        shares = [f"{names.unit(i, j)} * own{i} * {names.unit(i, j)}" for i in range(j)]
        terms = [f"own{j}", "2.0**-104 * square", *shares]
        body.append(f"limit{j} = squared * ({' + '.join(terms)})")
        tests.append(f"{names.pivot(j)} <= limit{j}")
    body.append(f"found += {' or '.join(tests)}" if p else "pass")
    return "\n".join([*lines, *(f"        {line}" for line in body), "    return found"])


def solve_source(p: int, t: int) -> str:
    """Source of the kernel that solves records of full rank; see ``gbr_dag.kernels.solving``."""
    names = Names(p, t)
    lines = [
        "@kernel",
        "def solve(records, start, stop, min_entries, precision, out, constant, count, odd_sizes):",
        '    """Fits of the bins start <= bin < stop that have rows enough and all predictors; how many others."""',
        "    others = 0",
        *(f"    odd{j} = 0" for j in range(names.k)),
        "    for b in range(start, stop):",
        "        r = records[b]",
        "        count[b] = np.int64(r[0])",
    ]
    unusable = ["r[0] < min_entries", *(f"{names.pivot(i)} == 0.0" for i in range(p))]
    body = [f"if {' or '.join(unusable)}:", "    others += 1", "    continue", "weight = r[1]"]
    body += [*_unit_inverse(names), *_scatter(names), *_fits(names)]
    body += [f"out[{row}, b] = {value}" for row, value in _covariance(names)]
    ending = [*(f"    odd_sizes[{j}] += odd{j}" for j in range(names.k)), "    return others"]
    return "\n".join([*lines, *(f"        {line}" for line in body), *ending])


def _unit_inverse(names: Names) -> Iterator[str]:
    """V, the inverse of the predictors' U; g = V' times their means; e, the inverse pivots."""
    for j in range(names.p):
        for i in range(j - 1, -1, -1):
            terms = [names.unit(i, j), *(f"{names.unit(i, m)} * v{m}{j}" for m in range(i + 1, j))]
            yield f"v{i}{j} = -({' + '.join(terms)})"
        yield f"e{j} = 1.0 / {names.pivot(j)}"
        yield f"g{j} = {' + '.join([names.high(j), *(f'v{i}{j} * {names.high(i)}' for i in range(j))])}"


def _scatter(names: Names) -> Iterator[str]:
    """Weighted scatter of every column, and whether its size leaves the range in which squares are safe."""
    for j in range(names.k):
        # in this order: the square of a unit row alone may leave the doubles
        above = [f"{names.pivot(i)} * {names.unit(i, j)} * {names.unit(i, j)}" for i in range(min(j, names.p))]
        own = names.pivot(j) if j < names.p else names.residual(j - names.p)
        yield f"s{j} = {' + '.join([own, *above])}"
        yield f"size{j} = s{j} + weight * {names.high(j)} ** 2"
        yield f"odd{j} += is_odd_size(size{j}, weight, {names.high(j)})"


def _fits(names: Names) -> Iterator[str]:
    p, t = names.p, names.t
    for j in range(t):
        for i in range(p - 1, -1, -1):
            known = [f"{names.unit(i, m)} * b{m}" for m in range(i + 1, p)]
            yield f"b{i} = {' - '.join([names.unit(i, p + j), *known])}"
            yield f"out[{j * (p + 1) + 1 + i}, b] = b{i}"
        for part in ("high", "low"):
            terms = [getattr(names, part)(p + j), *(f"{getattr(names, part)(i)} * b{i}" for i in range(p))]
            yield f"{part} = {' - '.join(terms)}"
        yield f"out[{j * (p + 1)}, b] = high + low"
        yield f"out[{t * (p + 1) + j}, b] = {names.residual(j)}"
        yield f"out[{t * (p + 2) + j}, b] = s{p + j}"
        yield f"constant[{j}, b] = s{p + j} <= (32.0 * precision[{p + j}]) ** 2 * size{p + j}"


def _covariance(names: Names) -> Iterator[tuple[int, str]]:
    """Rows of ``out`` with the unit covariance, the intercept first, and below them q."""
    p, m = names.p, names.p + 1
    base = names.t * (p + 3)
    yield base, " + ".join(["1.0 / weight", *(f"g{i} * e{i} * g{i}" for i in range(p))])
    for i in range(p):
        terms = [f"g{i} * e{i}", *(f"v{i}{j} * e{j} * g{j}" for j in range(i + 1, p))]
        for place in (1 + i, m * (1 + i)):
            yield base + place, f"-({' + '.join(terms)})"
        for j in range(i, p):
            first = f"v{i}{j} * e{j}" if j > i else f"e{j}"
            terms = [first, *(f"v{i}{n} * e{n} * v{j}{n}" for n in range(j + 1, p))]
            for place in {m * (1 + i) + 1 + j, m * (1 + j) + 1 + i}:
                yield base + place, " + ".join(terms)
    inflation = [f"s{j} * out[{base + (m + 1) * (1 + j)}, b]" for j in range(p)]
    yield base + m * m, f"1.0 / ({p}.0 * ({' + '.join(inflation)}))" if p else "1.0"


def module_source(p: int, t: int) -> str:
    """Source of one file."""
    head = _HEAD.format(p=p, t=t, called=" and ".join(_CALLED), digest=_digest(_CALLED))
    updates = [update_source(p, t, weighted=True), update_source(p, t, weighted=False)]
    functions = [*updates, aliased_source(p, t), solve_source(p, t)]
    return "\n\n".join([head, *(f"{function}\n" for function in functions)])


def _digest(called: tuple[str, ...]) -> str:
    """What the called modules hold: numba compiles anew when a file changes, not when one does that it calls."""
    texts = [(FOLDER.parent / name).read_text(encoding="utf-8") for name in called]
    return hashlib.sha256("".join(texts).encode()).hexdigest()[:12]


def sources() -> Iterator[tuple[Path, str]]:
    """Every file with what it should hold."""
    called, digest = " and ".join(_CALLED_OF_WINDOWS), _digest(_CALLED_OF_WINDOWS)
    for p in range(MOST_PREDICTORS + 1):
        for t in range(1, MOST_TARGETS + 1):
            yield FOLDER / f"p{p}_t{t}.py", module_source(p, t)
            yield FOLDER / f"windows_p{p}_t{t}.py", window_sources.straight_source(p, t, called, digest)
    called, digest = " and ".join(_CALLED_OF_ANY_SIZE), _digest(_CALLED_OF_ANY_SIZE)
    yield FOLDER / "windows_any_size.py", window_sources.any_size_source(called, digest)


if __name__ == "__main__":
    for path, source in sources():
        path.write_text(source, encoding="utf-8")
