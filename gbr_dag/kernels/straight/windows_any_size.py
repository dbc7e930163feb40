"""Records merged over windows: any number of columns; written by gbr_dag.kernels.generator.

Compiled together with jit.py and records.py, as of aa6c161cc21b.
"""

import numpy as np

from gbr_dag.kernels.jit import kernel, prefetch
from gbr_dag.kernels.records import merge_scaled

AHEAD = 8


@kernel
def merge_lines(
    source, place_of, extra, result, wanted, inner, piece, first, last, line,
    starts, neighbours, weights, centred, sizes,
):
    """Merge the neighbours of every cell along one axis, each scaled by its weight; units first <= unit < last."""
    n = starts.size - 1
    pieces = (n + piece - 1) // piece
    p, k = sizes
    own = 2 + 2 * k + p * k - p * (p - 1) // 2 + k - p
    r, z = np.empty(own + 1), np.empty(k)
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
            r[:] = 0.0
            for e in range(starts[centre], starts[centre + 1]):
                cell = here + neighbours[e] * step
                if place_of.size > 0:
                    cell = place_of[cell]
                if cell >= 0:
                    merge_scaled(r, cells[cell], weights[e], extra, centred, z, p, k)
            result[place][: own + 1] = r


@kernel
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
    p, k = sizes
    own = 2 + 2 * k + p * k - p * (p - 1) // 2 + k - p
    r, z = np.empty(own + 1), np.empty(k)
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
                r[:] = 0.0
                tails[rest][: own + 1] = r
                for q in range(middle - 1, bottom - 1, -1):
                    cell = q - n if q >= n else q + n if q < 0 else q
                    cell = here + cell * step
                    if place_of.size > 0:
                        cell = place_of[cell]
                    if cell >= 0:
                        merge_scaled(r, cells[cell], 1.0, extra, centred, z, p, k)
                    tails[q-bottom][: own + 1] = r
            else:
                r[:] = tails[rest][: own + 1]
            if top < ends[centre]:
                for q in range(top, ends[centre]):
                    ahead = q + AHEAD
                    if ahead < n and ahead >= 0:
                        ahead = here + ahead * step
                        if place_of.size > 0:
                            ahead = place_of[ahead]
                        if ahead >= 0:
                            prefetch(cells, ahead, 0)
                    cell = q - n if q >= n else q + n if q < 0 else q
                    cell = here + cell * step
                    if place_of.size > 0:
                        cell = place_of[cell]
                    if cell >= 0:
                        merge_scaled(r, cells[cell], 1.0, extra, centred, z, p, k)
                tails[rest][: own + 1] = r
                top = ends[centre]
            place = base + centre * inner
            if wanted.size > 0:
                place = wanted[place]
            if place < 0:
                continue
            if not turned:  # its run may be the same as the one before: tails hold all of it
                merge_scaled(r, tails[begins[centre]-bottom], 1.0, own, centred, z, p, k)
            result[place][: own + 1] = r


@kernel
def merge_pairs(records, result, offset, starts, bins, weights, first, last, centred, sizes):
    """Merge the neighbours of the centres first <= i < last, each scaled by its weight; results from offset on."""
    p, k = sizes
    own = 2 + 2 * k + p * k - p * (p - 1) // 2 + k - p
    r, z = np.empty(own + 1), np.empty(k)
    for i in range(first, last):
        r[:] = 0.0
        for e in range(starts[i], starts[i + 1]):
            merge_scaled(r, records[bins[e]], weights[e], 0, centred, z, p, k)
        result[offset+i][: own + 1] = r
