"""Records merged over windows: 4 predictors, 3 targets; written by gbr_dag.kernels.generator.

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
        r[8] = o[8]
        r[9] = o[9]
        r[10] = o[10]
        r[11] = o[11]
        r[12] = o[12]
        r[13] = o[13]
        r[14] = o[14]
        r[15] = o[15]
        r[16] = a * o[16]
        r[17] = o[17]
        r[18] = o[18]
        r[19] = o[19]
        r[20] = o[20]
        r[21] = o[21]
        r[22] = o[22]
        r[23] = a * o[23]
        r[24] = o[24]
        r[25] = o[25]
        r[26] = o[26]
        r[27] = o[27]
        r[28] = o[28]
        r[29] = a * o[29]
        r[30] = o[30]
        r[31] = o[31]
        r[32] = o[32]
        r[33] = o[33]
        r[34] = a * o[34]
        r[35] = o[35]
        r[36] = o[36]
        r[37] = o[37]
        r[38] = a * o[38]
        r[39] = a * o[39]
        r[40] = a * o[40]
        r[41] = a * o[extra]
        return
    r[0] += o[0]
    r[41] += a * o[extra]
    weight = a * o[1]
    total = r[1] + weight
    if centred and total > 0.0:
        share = weight / total
        w = r[1] * share
        x0 = (o[2] - r[2]) + (o[9] - r[9])
        low = fused(share, x0, r[9])
        new = r[2] + low
        r[9] = low - (new - r[2])
        r[2] = new
        x1 = (o[3] - r[3]) + (o[10] - r[10])
        low = fused(share, x1, r[10])
        new = r[3] + low
        r[10] = low - (new - r[3])
        r[3] = new
        x2 = (o[4] - r[4]) + (o[11] - r[11])
        low = fused(share, x2, r[11])
        new = r[4] + low
        r[11] = low - (new - r[4])
        r[4] = new
        x3 = (o[5] - r[5]) + (o[12] - r[12])
        low = fused(share, x3, r[12])
        new = r[5] + low
        r[12] = low - (new - r[5])
        r[5] = new
        y0 = (o[6] - r[6]) + (o[13] - r[13])
        low = fused(share, y0, r[13])
        new = r[6] + low
        r[13] = low - (new - r[6])
        r[6] = new
        y1 = (o[7] - r[7]) + (o[14] - r[14])
        low = fused(share, y1, r[14])
        new = r[7] + low
        r[14] = low - (new - r[7])
        r[7] = new
        y2 = (o[8] - r[8]) + (o[15] - r[15])
        low = fused(share, y2, r[15])
        new = r[8] + low
        r[15] = low - (new - r[8])
        r[8] = new
        pivot = r[16]
        part = w * x0
        new = fused(part, x0, pivot)
        if new > 0.0:
            c = pivot / new
            s = part / new
            w *= c
            r[16] = new
            u = r[17]
            r[17] = fused(c, u, s * x1)
            x1 = fused(-x0, u, x1)
            u = r[18]
            r[18] = fused(c, u, s * x2)
            x2 = fused(-x0, u, x2)
            u = r[19]
            r[19] = fused(c, u, s * x3)
            x3 = fused(-x0, u, x3)
            u = r[20]
            r[20] = fused(c, u, s * y0)
            y0 = fused(-x0, u, y0)
            u = r[21]
            r[21] = fused(c, u, s * y1)
            y1 = fused(-x0, u, y1)
            u = r[22]
            r[22] = fused(c, u, s * y2)
            y2 = fused(-x0, u, y2)
        pivot = r[23]
        part = w * x1
        new = fused(part, x1, pivot)
        if new > 0.0:
            c = pivot / new
            s = part / new
            w *= c
            r[23] = new
            u = r[24]
            r[24] = fused(c, u, s * x2)
            x2 = fused(-x1, u, x2)
            u = r[25]
            r[25] = fused(c, u, s * x3)
            x3 = fused(-x1, u, x3)
            u = r[26]
            r[26] = fused(c, u, s * y0)
            y0 = fused(-x1, u, y0)
            u = r[27]
            r[27] = fused(c, u, s * y1)
            y1 = fused(-x1, u, y1)
            u = r[28]
            r[28] = fused(c, u, s * y2)
            y2 = fused(-x1, u, y2)
        pivot = r[29]
        part = w * x2
        new = fused(part, x2, pivot)
        if new > 0.0:
            c = pivot / new
            s = part / new
            w *= c
            r[29] = new
            u = r[30]
            r[30] = fused(c, u, s * x3)
            x3 = fused(-x2, u, x3)
            u = r[31]
            r[31] = fused(c, u, s * y0)
            y0 = fused(-x2, u, y0)
            u = r[32]
            r[32] = fused(c, u, s * y1)
            y1 = fused(-x2, u, y1)
            u = r[33]
            r[33] = fused(c, u, s * y2)
            y2 = fused(-x2, u, y2)
        pivot = r[34]
        part = w * x3
        new = fused(part, x3, pivot)
        if new > 0.0:
            c = pivot / new
            s = part / new
            w *= c
            r[34] = new
            u = r[35]
            r[35] = fused(c, u, s * y0)
            y0 = fused(-x3, u, y0)
            u = r[36]
            r[36] = fused(c, u, s * y1)
            y1 = fused(-x3, u, y1)
            u = r[37]
            r[37] = fused(c, u, s * y2)
            y2 = fused(-x3, u, y2)
        r[38] = fused(w * y0, y0, r[38])
        r[39] = fused(w * y1, y1, r[39])
        r[40] = fused(w * y2, y2, r[40])
    r[1] = total
    w = a * o[16]
    x0 = 1.0
    x1 = o[17]
    x2 = o[18]
    x3 = o[19]
    y0 = o[20]
    y1 = o[21]
    y2 = o[22]
    pivot = r[16]
    part = w * x0
    new = fused(part, x0, pivot)
    if new > 0.0:
        c = pivot / new
        s = part / new
        w *= c
        r[16] = new
        u = r[17]
        r[17] = fused(c, u, s * x1)
        x1 = fused(-x0, u, x1)
        u = r[18]
        r[18] = fused(c, u, s * x2)
        x2 = fused(-x0, u, x2)
        u = r[19]
        r[19] = fused(c, u, s * x3)
        x3 = fused(-x0, u, x3)
        u = r[20]
        r[20] = fused(c, u, s * y0)
        y0 = fused(-x0, u, y0)
        u = r[21]
        r[21] = fused(c, u, s * y1)
        y1 = fused(-x0, u, y1)
        u = r[22]
        r[22] = fused(c, u, s * y2)
        y2 = fused(-x0, u, y2)
    pivot = r[23]
    part = w * x1
    new = fused(part, x1, pivot)
    if new > 0.0:
        c = pivot / new
        s = part / new
        w *= c
        r[23] = new
        u = r[24]
        r[24] = fused(c, u, s * x2)
        x2 = fused(-x1, u, x2)
        u = r[25]
        r[25] = fused(c, u, s * x3)
        x3 = fused(-x1, u, x3)
        u = r[26]
        r[26] = fused(c, u, s * y0)
        y0 = fused(-x1, u, y0)
        u = r[27]
        r[27] = fused(c, u, s * y1)
        y1 = fused(-x1, u, y1)
        u = r[28]
        r[28] = fused(c, u, s * y2)
        y2 = fused(-x1, u, y2)
    pivot = r[29]
    part = w * x2
    new = fused(part, x2, pivot)
    if new > 0.0:
        c = pivot / new
        s = part / new
        w *= c
        r[29] = new
        u = r[30]
        r[30] = fused(c, u, s * x3)
        x3 = fused(-x2, u, x3)
        u = r[31]
        r[31] = fused(c, u, s * y0)
        y0 = fused(-x2, u, y0)
        u = r[32]
        r[32] = fused(c, u, s * y1)
        y1 = fused(-x2, u, y1)
        u = r[33]
        r[33] = fused(c, u, s * y2)
        y2 = fused(-x2, u, y2)
    pivot = r[34]
    part = w * x3
    new = fused(part, x3, pivot)
    if new > 0.0:
        c = pivot / new
        s = part / new
        w *= c
        r[34] = new
        u = r[35]
        r[35] = fused(c, u, s * y0)
        y0 = fused(-x3, u, y0)
        u = r[36]
        r[36] = fused(c, u, s * y1)
        y1 = fused(-x3, u, y1)
        u = r[37]
        r[37] = fused(c, u, s * y2)
        y2 = fused(-x3, u, y2)
    r[38] = fused(w * y0, y0, r[38])
    r[39] = fused(w * y1, y1, r[39])
    r[40] = fused(w * y2, y2, r[40])
    w = a * o[23]
    x1 = 1.0
    x2 = o[24]
    x3 = o[25]
    y0 = o[26]
    y1 = o[27]
    y2 = o[28]
    pivot = r[23]
    part = w * x1
    new = fused(part, x1, pivot)
    if new > 0.0:
        c = pivot / new
        s = part / new
        w *= c
        r[23] = new
        u = r[24]
        r[24] = fused(c, u, s * x2)
        x2 = fused(-x1, u, x2)
        u = r[25]
        r[25] = fused(c, u, s * x3)
        x3 = fused(-x1, u, x3)
        u = r[26]
        r[26] = fused(c, u, s * y0)
        y0 = fused(-x1, u, y0)
        u = r[27]
        r[27] = fused(c, u, s * y1)
        y1 = fused(-x1, u, y1)
        u = r[28]
        r[28] = fused(c, u, s * y2)
        y2 = fused(-x1, u, y2)
    pivot = r[29]
    part = w * x2
    new = fused(part, x2, pivot)
    if new > 0.0:
        c = pivot / new
        s = part / new
        w *= c
        r[29] = new
        u = r[30]
        r[30] = fused(c, u, s * x3)
        x3 = fused(-x2, u, x3)
        u = r[31]
        r[31] = fused(c, u, s * y0)
        y0 = fused(-x2, u, y0)
        u = r[32]
        r[32] = fused(c, u, s * y1)
        y1 = fused(-x2, u, y1)
        u = r[33]
        r[33] = fused(c, u, s * y2)
        y2 = fused(-x2, u, y2)
    pivot = r[34]
    part = w * x3
    new = fused(part, x3, pivot)
    if new > 0.0:
        c = pivot / new
        s = part / new
        w *= c
        r[34] = new
        u = r[35]
        r[35] = fused(c, u, s * y0)
        y0 = fused(-x3, u, y0)
        u = r[36]
        r[36] = fused(c, u, s * y1)
        y1 = fused(-x3, u, y1)
        u = r[37]
        r[37] = fused(c, u, s * y2)
        y2 = fused(-x3, u, y2)
    r[38] = fused(w * y0, y0, r[38])
    r[39] = fused(w * y1, y1, r[39])
    r[40] = fused(w * y2, y2, r[40])
    w = a * o[29]
    x2 = 1.0
    x3 = o[30]
    y0 = o[31]
    y1 = o[32]
    y2 = o[33]
    pivot = r[29]
    part = w * x2
    new = fused(part, x2, pivot)
    if new > 0.0:
        c = pivot / new
        s = part / new
        w *= c
        r[29] = new
        u = r[30]
        r[30] = fused(c, u, s * x3)
        x3 = fused(-x2, u, x3)
        u = r[31]
        r[31] = fused(c, u, s * y0)
        y0 = fused(-x2, u, y0)
        u = r[32]
        r[32] = fused(c, u, s * y1)
        y1 = fused(-x2, u, y1)
        u = r[33]
        r[33] = fused(c, u, s * y2)
        y2 = fused(-x2, u, y2)
    pivot = r[34]
    part = w * x3
    new = fused(part, x3, pivot)
    if new > 0.0:
        c = pivot / new
        s = part / new
        w *= c
        r[34] = new
        u = r[35]
        r[35] = fused(c, u, s * y0)
        y0 = fused(-x3, u, y0)
        u = r[36]
        r[36] = fused(c, u, s * y1)
        y1 = fused(-x3, u, y1)
        u = r[37]
        r[37] = fused(c, u, s * y2)
        y2 = fused(-x3, u, y2)
    r[38] = fused(w * y0, y0, r[38])
    r[39] = fused(w * y1, y1, r[39])
    r[40] = fused(w * y2, y2, r[40])
    w = a * o[34]
    x3 = 1.0
    y0 = o[35]
    y1 = o[36]
    y2 = o[37]
    pivot = r[34]
    part = w * x3
    new = fused(part, x3, pivot)
    if new > 0.0:
        c = pivot / new
        s = part / new
        w *= c
        r[34] = new
        u = r[35]
        r[35] = fused(c, u, s * y0)
        y0 = fused(-x3, u, y0)
        u = r[36]
        r[36] = fused(c, u, s * y1)
        y1 = fused(-x3, u, y1)
        u = r[37]
        r[37] = fused(c, u, s * y2)
        y2 = fused(-x3, u, y2)
    r[38] = fused(w * y0, y0, r[38])
    r[39] = fused(w * y1, y1, r[39])
    r[40] = fused(w * y2, y2, r[40])
    r[38] = fused(a, o[38], r[38])
    r[39] = fused(a, o[39], r[39])
    r[40] = fused(a, o[40], r[40])


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
    own = 41
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
