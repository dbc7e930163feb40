"""Records merged over windows: 2 predictors, 1 targets; written by gbr_dag.kernels.generator.

Compiled together with jit.py, as of 7ec8b1f945ba.
"""

import numpy as np

from gbr_dag.kernels.jit import fused, kernel


@kernel
def merge_scaled(records, row, others, other, a, extra, centred):
    """Add the rows behind a record of others, their weights times a; rows are counted as they are."""
    r, o = records[row], others[other]
    if o[0] == 0.0 or a == 0.0:
        return
    if r[0] == 0.0:
        r[0] = o[0]
        r[1] = a * o[1]
        r[2] = o[2]
        r[3] = o[3]
        r[4] = o[4]
        r[5] = o[5]
        r[6] = o[6]
        r[7] = o[7]
        r[8] = a * o[8]
        r[9] = o[9]
        r[10] = o[10]
        r[11] = a * o[11]
        r[12] = o[12]
        r[13] = a * o[13]
        r[14] = a * o[extra]
        return
    r[0] += o[0]
    r[14] += a * o[extra]
    weight = a * o[1]
    total = r[1] + weight
    if centred and total > 0.0:
        share = weight / total
        w = r[1] * share
        x0 = (o[2] - r[2]) + (o[5] - r[5])
        low = fused(share, x0, r[5])
        new = r[2] + low
        r[5] = low - (new - r[2])
        r[2] = new
        x1 = (o[3] - r[3]) + (o[6] - r[6])
        low = fused(share, x1, r[6])
        new = r[3] + low
        r[6] = low - (new - r[3])
        r[3] = new
        y0 = (o[4] - r[4]) + (o[7] - r[7])
        low = fused(share, y0, r[7])
        new = r[4] + low
        r[7] = low - (new - r[4])
        r[4] = new
        pivot = r[8]
        part = w * x0
        new = fused(part, x0, pivot)
        if new > 0.0:
            c = pivot / new
            s = part / new
            w *= c
            r[8] = new
            u = r[9]
            r[9] = fused(c, u, s * x1)
            x1 = fused(-x0, u, x1)
            u = r[10]
            r[10] = fused(c, u, s * y0)
            y0 = fused(-x0, u, y0)
        pivot = r[11]
        part = w * x1
        new = fused(part, x1, pivot)
        if new > 0.0:
            c = pivot / new
            s = part / new
            w *= c
            r[11] = new
            u = r[12]
            r[12] = fused(c, u, s * y0)
            y0 = fused(-x1, u, y0)
        r[13] = fused(w * y0, y0, r[13])
    r[1] = total
    w = a * o[8]
    x0 = 1.0
    x1 = o[9]
    y0 = o[10]
    pivot = r[8]
    part = w * x0
    new = fused(part, x0, pivot)
    if new > 0.0:
        c = pivot / new
        s = part / new
        w *= c
        r[8] = new
        u = r[9]
        r[9] = fused(c, u, s * x1)
        x1 = fused(-x0, u, x1)
        u = r[10]
        r[10] = fused(c, u, s * y0)
        y0 = fused(-x0, u, y0)
    pivot = r[11]
    part = w * x1
    new = fused(part, x1, pivot)
    if new > 0.0:
        c = pivot / new
        s = part / new
        w *= c
        r[11] = new
        u = r[12]
        r[12] = fused(c, u, s * y0)
        y0 = fused(-x1, u, y0)
    r[13] = fused(w * y0, y0, r[13])
    w = a * o[11]
    x1 = 1.0
    y0 = o[12]
    pivot = r[11]
    part = w * x1
    new = fused(part, x1, pivot)
    if new > 0.0:
        c = pivot / new
        s = part / new
        w *= c
        r[11] = new
        u = r[12]
        r[12] = fused(c, u, s * y0)
        y0 = fused(-x1, u, y0)
    r[13] = fused(w * y0, y0, r[13])
    r[13] = fused(a, o[13], r[13])


@kernel
def merge_lines(
    source, place_of, extra, result, wanted, starts, neighbours, weights, inner, piece, first, last, line, centred
):
    """Merge the neighbours of every cell along one axis, scaled by their weights, for the units first <= unit < last."""
    n = starts.size - 1
    pieces = (n + piece - 1) // piece
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
                    merge_scaled(result, place, cells, cell, weights[e], extra, centred)


@kernel
def merge_runs(
    source, place_of, extra, result, wanted, begins, ends, inner, piece, first, last, line, tails, centred
):
    """Merge runs of neighbours of weight 1 that move on along one axis, for the units first <= unit < last.

    Positions beyond the end of the line are those at its beginning.
    """
    n = begins.size
    pieces = (n + piece - 1) // piece
    own = 14
    rest = tails.shape[0] - 1
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
                        merge_scaled(tails, q - bottom, cells, cell, 1.0, extra, centred)
                    if q + 1 < middle:
                        merge_scaled(tails, q - bottom, tails, q + 1 - bottom, 1.0, own, centred)
            for q in range(top, ends[c]):
                cell = here + q % n * step
                if place_of.size > 0:
                    cell = place_of[cell]
                if cell >= 0:
                    merge_scaled(tails, rest, cells, cell, 1.0, extra, centred)
            top = ends[c]
            place = base + c * inner
            if wanted.size > 0:
                place = wanted[place]
            if place < 0:
                continue
            for j in range(result.shape[1]):
                result[place, j] = 0.0
            merge_scaled(result, place, tails, begins[c] - bottom, 1.0, own, centred)
            merge_scaled(result, place, tails, rest, 1.0, own, centred)


@kernel
def merge_pairs(records, result, offset, starts, bins, weights, first, last, centred):
    """Merge the neighbours of the centres first <= i < last, scaled by their weights, into result from offset on."""
    for i in range(first, last):
        for j in range(result.shape[1]):
            result[offset + i, j] = 0.0
        for e in range(starts[i], starts[i + 1]):
            merge_scaled(result, offset + i, records, bins[e], weights[e], 0, centred)
