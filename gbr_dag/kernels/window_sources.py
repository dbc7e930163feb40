"""Sources of the kernels that merge records over windows; :mod:`gbr_dag.kernels.generator` writes them.

The loops over lines of a grid and over pairs of bins are the same for every p and t. What they call is written out for
the common ones, and is :func:`gbr_dag.kernels.records.merge_scaled` beyond.
"""

from __future__ import annotations

from collections.abc import Iterator

from gbr_dag.kernels.straight_lines import Names, rotations

_HEAD = '''"""Records merged over windows: {columns}; written by gbr_dag.kernels.generator.

Compiled together with {called}, as of {digest}.
"""

import numpy as np

'''

# A unit is a line of the grid or a piece of one. Cells are looked up through place_of (-1: empty) where it has any; the
# results go to the places that wanted has for their cells (-1: to none) where it has any. extra is the place of the
# kernel sum in a source: in a bin's record that of the count, since k = 1 for its rows.
_LINES = '''@kernel
def merge_lines(
    source, place_of, extra, result, wanted, starts, neighbours, weights, inner, piece, first, last, line, centred{sizes}
):
    """Merge the neighbours of every cell along one axis, scaled by their weights, for the units first <= unit < last."""
    n = starts.size - 1
    pieces = (n + piece - 1) // piece{scratch}
    for unit in range(first, last):
        beside = unit // pieces % inner
        base = (unit // pieces - beside) * n + beside
        cells, here, step = source, base, inner
        if line.size > 0:  # results take the places of sources
            for c in range(n):
                for j in range(line.shape[1]):
                    line[c, j] = source[base + c * inner, j]
            cells, here, step = line, 0, 1
        start = unit % pieces * piece
        for c in range(start, min(start + piece, n)):
            place = base + c * inner
            if wanted.size > 0:
                place = wanted[place]
            if place < 0:
                continue
            for j in range(result.shape[1]):
                result[place, j] = 0.0
            for e in range(starts[c], starts[c + 1]):
                cell = here + neighbours[e] * step
                if place_of.size > 0:
                    cell = place_of[cell]
                if cell >= 0:
                    merge_scaled(result, place, cells, cell, weights[e], extra, centred{arguments})
'''

# All tails of a run up to its middle are kept, and what follows the middle is merged into one record; when a run begins
# past the middle, its end is the next one. Three merges a cell, and nothing is ever subtracted.
_RUNS = '''@kernel
def merge_runs(
    source, place_of, extra, result, wanted, begins, ends, inner, piece, first, last, line, tails, centred{sizes}
):
    """Merge runs of neighbours of weight 1 that move on along one axis, for the units first <= unit < last.

    Positions beyond the end of the line are those at its beginning.
    """
    n = begins.size
    pieces = (n + piece - 1) // piece
    own = {own}
    rest = tails.shape[0] - 1{scratch}
    for unit in range(first, last):
        beside = unit // pieces % inner
        base = (unit // pieces - beside) * n + beside
        cells, here, step = source, base, inner
        if line.size > 0:  # results take the places of sources
            for c in range(n):
                for j in range(line.shape[1]):
                    line[c, j] = source[base + c * inner, j]
            cells, here, step = line, 0, 1
        start = unit % pieces * piece
        bottom = middle = top = begins[start]
        for c in range(start, min(start + piece, n)):
            if begins[c] >= middle:
                bottom, middle, top = begins[c], ends[c], ends[c]
                tails[rest, 0] = 0.0
                for q in range(middle - 1, bottom - 1, -1):
                    tails[q - bottom, 0] = 0.0
                    cell = here + q % n * step
                    if place_of.size > 0:
                        cell = place_of[cell]
                    if cell >= 0:
                        merge_scaled(tails, q - bottom, cells, cell, 1.0, extra, centred{arguments})
                    if q + 1 < middle:
                        merge_scaled(tails, q - bottom, tails, q + 1 - bottom, 1.0, own, centred{arguments})
            for q in range(top, ends[c]):
                cell = here + q % n * step
                if place_of.size > 0:
                    cell = place_of[cell]
                if cell >= 0:
                    merge_scaled(tails, rest, cells, cell, 1.0, extra, centred{arguments})
            top = ends[c]
            place = base + c * inner
            if wanted.size > 0:
                place = wanted[place]
            if place < 0:
                continue
            for j in range(result.shape[1]):
                result[place, j] = 0.0
            merge_scaled(result, place, tails, begins[c] - bottom, 1.0, own, centred{arguments})
            merge_scaled(result, place, tails, rest, 1.0, own, centred{arguments})
'''

_PAIRS = '''@kernel
def merge_pairs(records, result, offset, starts, bins, weights, first, last, centred{sizes}):
    """Merge the neighbours of the centres first <= i < last, scaled by their weights, into result from offset on."""{scratch}
    for i in range(first, last):
        for j in range(result.shape[1]):
            result[offset + i, j] = 0.0
        for e in range(starts[i], starts[i + 1]):
            merge_scaled(result, offset + i, records, bins[e], weights[e], 0, centred{arguments})
'''


def straight_source(p: int, t: int, called: str, digest: str) -> str:
    """Source of the file for one size, with the merging of two records written out."""
    names = Names(p, t)
    head = _HEAD.format(columns=f"{p} predictors, {t} targets", called=called, digest=digest)
    imports = "from gbr_dag.kernels.jit import fused, kernel\n"
    return "\n\n".join(
        [head + imports, _merge(names), *_loops(own=str(names.width), sizes="", scratch="", arguments="")]
    )


def any_size_source(called: str, digest: str) -> str:
    """Source of the file for any number of columns."""
    head = _HEAD.format(columns="any number of columns", called=called, digest=digest)
    imports = "from gbr_dag.kernels.jit import kernel\nfrom gbr_dag.kernels.records import merge_scaled\n"
    own = "2 + 2 * k + p * k - p * (p - 1) // 2 + k - p"
    loops = _loops(own=own, sizes=", p, k", scratch="\n    z = np.empty(k)", arguments=", z, p, k")
    return "\n\n".join([head + imports, *loops])


def _loops(**places: str) -> Iterator[str]:
    for loop in (_LINES, _RUNS, _PAIRS):
        yield loop.format(**places)


def _merge(names: Names) -> str:
    lines = [
        "@kernel",
        "def merge_scaled(records, row, others, other, a, extra, centred):",
        '    """Add the rows behind a record of others, their weights times a; rows are counted as they are."""',
        "    r, o = records[row], others[other]",
        "    if o[0] == 0.0 or a == 0.0:",
        "        return",
        "    if r[0] == 0.0:",
        *(f"        {line}" for line in _scaled_copy(names)),
        "        return",
        *(f"    {line}" for line in _scaled_merge(names)),
    ]
    return "\n".join([*lines, ""])


def _scaled_copy(names: Names) -> Iterator[str]:
    """The first record of a window: the means' low parts come along."""
    yield "r[0] = o[0]"
    yield "r[1] = a * o[1]"
    for j in range(2, names.width):
        yield f"r[{j}] = {'a * ' if f'r[{j}]' in _scaled(names) else ''}o[{j}]"
    yield f"r[{names.width}] = a * o[extra]"


def _scaled(names: Names) -> list[str]:
    """What is proportional to the weights: squared pivots and residual sums."""
    return [*(names.pivot(i) for i in range(names.p)), *(names.residual(j) for j in range(names.t))]


def _scaled_merge(names: Names) -> Iterator[str]:
    yield "r[0] += o[0]"
    yield f"r[{names.width}] += a * o[extra]"
    yield "weight = a * o[1]"
    yield "total = r[1] + weight"
    yield "if centred and total > 0.0:"
    yield "    share = weight / total"
    yield "    w = r[1] * share"
    for j, column in enumerate(names.columns):
        high, low = names.high(j), names.low(j)
        yield f"    {column} = ({_of_other(high)} - {high}) + ({_of_other(low)} - {low})"
        yield f"    low = fused(share, {column}, {low})"
        yield f"    new = {high} + low"
        yield f"    {low} = low - (new - {high})"
        yield f"    {high} = new"
    for line in rotations(names):
        yield f"    {line}"
    yield "r[1] = total"
    for i in range(names.p):
        yield f"w = a * {_of_other(names.pivot(i))}"
        yield f"{names.columns[i]} = 1.0"
        for j in range(i + 1, names.k):
            yield f"{names.columns[j]} = {_of_other(names.unit(i, j))}"
        yield from rotations(names, i)
    for j in range(names.t):
        residual = names.residual(j)
        yield f"{residual} = fused(a, {_of_other(residual)}, {residual})"


def _of_other(place: str) -> str:
    return f"o{place[1:]}"
