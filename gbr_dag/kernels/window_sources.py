"""Sources of the kernels that merge records over windows; :mod:`gbr_dag.kernels.generator` writes them.

The loops over lines of a grid and over pairs of bins are the same for every p and t. For the common ones the record in
the making is a number a place, which the processor keeps in registers; beyond, it is an array.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from gbr_dag.kernels.straight_lines import Names, rotations

_HEAD = '''"""Records merged over windows: {columns}; written by gbr_dag.kernels.generator.

Compiled together with {called}, as of {digest}.
"""
'''

_IMPORTED = ("jit import kernel, prefetch", "records import merge_scaled")

# Nanoseconds a merge, p = 2, t = 1: 22; with the record in the making in memory 39, whether it was read into numbers
# for
# each merge or not, and whether or not six lines were merged in turn. One reciprocal instead of two divisions in a
# rotation was no faster either.
#
# Between bars stands what is done with the record in the making: |nothing| is in it, |add| a row of a table scaled by a
# weight, whose kernel sum stands at the place given last, |read| a row, |write| one.
#
# A unit is a line of the grid or a piece of one. Cells are looked up through place_of (-1: empty) where it has any; the
# results go to the places that wanted has for their cells (-1: to none) where it has any. The kernel sum of a bin's own
# record is its count, since k = 1 for its rows.
_LINES = '''@kernel
def merge_lines(
    source, place_of, extra, result, wanted, inner, piece, first, last, line,
    starts, neighbours, weights, centred, sizes,
):
    """Merge the neighbours of every cell along one axis, each scaled by its weight; units first <= unit < last."""
    n = starts.size - 1
    pieces = (n + piece - 1) // piece
    |prepare|
    for unit in range(first, last):
        beside = unit // pieces % inner
        base = (unit // pieces - beside) * n + beside
        cells, here, step = source, base, inner
        if line.size > 0:  # results take the places of sources
            for centre in range(n):
                for j in range(line.shape[1]):
                    line[centre, j] = source[base + centre * inner, j]
            cells, here, step = line, 0, 1
        start = unit % pieces * piece
        for centre in range(start, min(start + piece, n)):
            place = base + centre * inner
            if wanted.size > 0:
                place = wanted[place]
            if place < 0:
                continue
            |nothing|
            for e in range(starts[centre], starts[centre + 1]):
                cell = here + neighbours[e] * step
                if place_of.size > 0:
                    cell = place_of[cell]
                if cell >= 0:
                    |add cells[cell] weights[e] extra|
            |write result[place]|
'''

# Cells of a line lie far apart, and the next one is not needed before this one is merged. Milliseconds on one thread
# for 100 x 50 x 50 cells at +-2: 62 without fetching ahead, 56 with 8 cells, 58 with 20.
_CONSTANTS = "AHEAD = 8\n"

# All tails of a run up to its middle are kept, and what follows the middle is merged into one record; when a run begins
# past the middle, its end is the next one. Three merges a cell, and nothing is ever subtracted. One place for all that
# is added compiles in half the time (p = 2, t = 1: 1.1 for 2.2 s) but takes twice as long, 118 for 58 ns a cell.
_RUNS = '''@kernel
def merge_runs(
    source, place_of, extra, result, wanted, inner, piece, first, last, line,
    begins, ends, tails, centred, sizes,
):
    """Merge runs of neighbours of weight 1 that move on along one axis; units first <= unit < last.

    Positions beyond an end of the line are those at the other end.
    """
    n = begins.size
    pieces = (n + piece - 1) // piece
    rest = tails.shape[0] - 1
    |prepare|
    for unit in range(first, last):
        beside = unit // pieces % inner
        base = (unit // pieces - beside) * n + beside
        cells, here, step = source, base, inner
        if line.size > 0:  # results take the places of sources
            for centre in range(n):
                for j in range(line.shape[1]):
                    line[centre, j] = source[base + centre * inner, j]
            cells, here, step = line, 0, 1
        start = unit % pieces * piece
        bottom = middle = top = begins[start]
        for centre in range(start, min(start + piece, n)):
            turned = begins[centre] >= middle
            if turned:
                bottom, middle, top = begins[centre], ends[centre], ends[centre]
                |nothing|
                |write tails[rest]|
                for q in range(middle - 1, bottom - 1, -1):
                    cell = q - n if q >= n else q + n if q < 0 else q
                    cell = here + cell * step
                    if place_of.size > 0:
                        cell = place_of[cell]
                    if cell >= 0:
                        |add cells[cell] 1.0 extra|
                    |write tails[q-bottom]|
            else:
                |read tails[rest]|
            if top < ends[centre]:
                for q in range(top, ends[centre]):
                    ahead = q + AHEAD
                    if ahead < n and ahead >= 0:
                        ahead = here + ahead * step
                        if place_of.size > 0:
                            ahead = place_of[ahead]
                        if ahead >= 0:
                            |fetch cells ahead|
                    cell = q - n if q >= n else q + n if q < 0 else q
                    cell = here + cell * step
                    if place_of.size > 0:
                        cell = place_of[cell]
                    if cell >= 0:
                        |add cells[cell] 1.0 extra|
                |write tails[rest]|
                top = ends[centre]
            place = base + centre * inner
            if wanted.size > 0:
                place = wanted[place]
            if place < 0:
                continue
            if not turned:  # its run may be the same as the one before: tails hold all of it
                |add tails[begins[centre]-bottom] 1.0 own|
            |write result[place]|
'''

_PAIRS = '''@kernel
def merge_pairs(records, result, offset, starts, bins, weights, first, last, centred, sizes):
    """Merge the neighbours of the centres first <= i < last, each scaled by its weight; results from offset on."""
    |prepare|
    for i in range(first, last):
        |nothing|
        for e in range(starts[i], starts[i + 1]):
            |add records[bins[e]] weights[e] 0|
        |write result[offset+i]|
'''

_Steps = dict[str, Callable[..., list[str]]]
"""Lines that stand for each step, from its parameters."""

_STEP = re.compile(r"^( *)\|(\w+) ?(.*)\|$")


def straight_source(p: int, t: int, called: str, digest: str) -> str:
    """Source of the file for one size, with the merging of two records written out."""
    names = Names(p, t)
    width = names.width
    every = range(width + 1)
    steps: _Steps = {
        "prepare": lambda: [f"own = {width}"],
        "nothing": lambda: [f"r{i} = 0.0" for i in every],
        "fetch": lambda table, row: [f"prefetch({table}, {row}, {8 * line})" for line in range((width + 8) // 8)],
        "read": lambda row: [f"o = {row}", *(f"r{i} = o[{i}]" for i in every)],
        "write": lambda row: [f"o = {row}", *(f"o[{i}] = r{i}" for i in every)],
        "add": lambda row, weight, extra: _addition(names, row, weight, extra),
    }
    head = _HEAD.format(columns=f"{p} predictors, {t} targets", called=called, digest=digest)
    imports = ["from gbr_dag.kernels.jit import fused, kernel, prefetch\n", _CONSTANTS]
    return "\n\n".join(["\n".join([head, *imports]), *_loops(steps)])


def any_size_source(called: str, digest: str) -> str:
    """Source of the file for any number of columns."""
    steps: _Steps = {
        "prepare": lambda: [
            "p, k = sizes",
            "own = 2 + 2 * k + p * k - p * (p - 1) // 2 + k - p",
            "r, z = np.empty(own + 1), np.empty(k)",
        ],
        "nothing": lambda: ["r[:] = 0.0"],
        "fetch": lambda table, row: [f"prefetch({table}, {row}, 0)"],
        "read": lambda row: [f"r[:] = {row}[: own + 1]"],
        "write": lambda row: [f"{row}[: own + 1] = r"],
        "add": lambda row, weight, extra: [f"merge_scaled(r, {row}, {weight}, {extra}, centred, z, p, k)"],
    }
    head = _HEAD.format(columns="any number of columns", called=called, digest=digest)
    imports = ["import numpy as np\n", *(f"from gbr_dag.kernels.{name}" for name in _IMPORTED), "", _CONSTANTS]
    return "\n\n".join(["\n".join([head, *imports]), *_loops(steps)])


def _loops(steps: _Steps) -> Iterator[str]:
    """The loops with what is done in every step written into them."""
    for loop in (_LINES, _RUNS, _PAIRS):
        lines = []
        for line in loop.splitlines():
            step = _STEP.match(line)
            if step is None:
                lines.append(line)
            else:
                lines += [step[1] + inside for inside in steps[step[2]](*step[3].split())]
        yield "\n".join([*lines, ""])


def _addition(names: Names, row: str, weight: str, extra: str) -> list[str]:
    lines = [
        f"o, a = {row}, {weight}",
        "if o[0] != 0.0 and a != 0.0:",
        "    if r0 == 0.0:",
        *(f"        {line}" for line in _scaled_copy(names)),
        "    else:",
        *(f"        {line}" for line in _scaled_merge(names)),
        "    r0 += o[0]",
        f"    r{names.width} += a * o[{extra}]",
    ]
    return [re.sub(r"\br\[(\d+)\]", r"r\1", line) for line in lines]


def _scaled_copy(names: Names) -> Iterator[str]:
    """The first record of a window: the means' low parts come along."""
    of_weights = [*(names.pivot(i) for i in range(names.p)), *(names.residual(j) for j in range(names.t))]
    scaled = [1, *(_place(number) for number in of_weights)]
    for place in range(1, names.width):
        yield f"r[{place}] = {'a * ' if place in scaled else ''}o[{place}]"


def _scaled_merge(names: Names) -> Iterator[str]:
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


def _place(number: str) -> int:
    return int(number[2:-1])
