"""Records merged over windows: 2 predictors, 1 targets; written by gbr_dag.kernels.generator.

Compiled together with jit.py, as of 7ec8b1f945ba.
"""

from gbr_dag.kernels.jit import fused, kernel, prefetch

AHEAD = 8


@kernel
def merge_lines(
    source, place_of, extra, result, wanted, inner, piece, first, last, line,
    starts, neighbours, weights, centred, sizes,
):
    """Merge the neighbours of every cell along one axis, each scaled by its weight; units first <= unit < last."""
    n = starts.size - 1
    pieces = (n + piece - 1) // piece
    own = 14
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
            r0 = 0.0
            r1 = 0.0
            r2 = 0.0
            r3 = 0.0
            r4 = 0.0
            r5 = 0.0
            r6 = 0.0
            r7 = 0.0
            r8 = 0.0
            r9 = 0.0
            r10 = 0.0
            r11 = 0.0
            r12 = 0.0
            r13 = 0.0
            r14 = 0.0
            for e in range(starts[centre], starts[centre + 1]):
                cell = here + neighbours[e] * step
                if place_of.size > 0:
                    cell = place_of[cell]
                if cell >= 0:
                    o, a = cells[cell], weights[e]
                    if o[0] != 0.0 and a != 0.0:
                        if r0 == 0.0:
                            r1 = a * o[1]
                            r2 = o[2]
                            r3 = o[3]
                            r4 = o[4]
                            r5 = o[5]
                            r6 = o[6]
                            r7 = o[7]
                            r8 = a * o[8]
                            r9 = o[9]
                            r10 = o[10]
                            r11 = a * o[11]
                            r12 = o[12]
                            r13 = a * o[13]
                        else:
                            weight = a * o[1]
                            total = r1 + weight
                            if centred and total > 0.0:
                                share = weight / total
                                w = r1 * share
                                x0 = (o[2] - r2) + (o[5] - r5)
                                low = fused(share, x0, r5)
                                new = r2 + low
                                r5 = low - (new - r2)
                                r2 = new
                                x1 = (o[3] - r3) + (o[6] - r6)
                                low = fused(share, x1, r6)
                                new = r3 + low
                                r6 = low - (new - r3)
                                r3 = new
                                y0 = (o[4] - r4) + (o[7] - r7)
                                low = fused(share, y0, r7)
                                new = r4 + low
                                r7 = low - (new - r4)
                                r4 = new
                                pivot = r8
                                part = w * x0
                                new = fused(part, x0, pivot)
                                if new > 0.0:
                                    c = pivot / new
                                    s = part / new
                                    w *= c
                                    r8 = new
                                    u = r9
                                    r9 = fused(c, u, s * x1)
                                    x1 = fused(-x0, u, x1)
                                    u = r10
                                    r10 = fused(c, u, s * y0)
                                    y0 = fused(-x0, u, y0)
                                pivot = r11
                                part = w * x1
                                new = fused(part, x1, pivot)
                                if new > 0.0:
                                    c = pivot / new
                                    s = part / new
                                    w *= c
                                    r11 = new
                                    u = r12
                                    r12 = fused(c, u, s * y0)
                                    y0 = fused(-x1, u, y0)
                                r13 = fused(w * y0, y0, r13)
                            r1 = total
                            w = a * o[8]
                            x0 = 1.0
                            x1 = o[9]
                            y0 = o[10]
                            pivot = r8
                            part = w * x0
                            new = fused(part, x0, pivot)
                            if new > 0.0:
                                c = pivot / new
                                s = part / new
                                w *= c
                                r8 = new
                                u = r9
                                r9 = fused(c, u, s * x1)
                                x1 = fused(-x0, u, x1)
                                u = r10
                                r10 = fused(c, u, s * y0)
                                y0 = fused(-x0, u, y0)
                            pivot = r11
                            part = w * x1
                            new = fused(part, x1, pivot)
                            if new > 0.0:
                                c = pivot / new
                                s = part / new
                                w *= c
                                r11 = new
                                u = r12
                                r12 = fused(c, u, s * y0)
                                y0 = fused(-x1, u, y0)
                            r13 = fused(w * y0, y0, r13)
                            w = a * o[11]
                            x1 = 1.0
                            y0 = o[12]
                            pivot = r11
                            part = w * x1
                            new = fused(part, x1, pivot)
                            if new > 0.0:
                                c = pivot / new
                                s = part / new
                                w *= c
                                r11 = new
                                u = r12
                                r12 = fused(c, u, s * y0)
                                y0 = fused(-x1, u, y0)
                            r13 = fused(w * y0, y0, r13)
                            r13 = fused(a, o[13], r13)
                        r0 += o[0]
                        r14 += a * o[extra]
            o = result[place]
            o[0] = r0
            o[1] = r1
            o[2] = r2
            o[3] = r3
            o[4] = r4
            o[5] = r5
            o[6] = r6
            o[7] = r7
            o[8] = r8
            o[9] = r9
            o[10] = r10
            o[11] = r11
            o[12] = r12
            o[13] = r13
            o[14] = r14


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
    own = 14
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
                r0 = 0.0
                r1 = 0.0
                r2 = 0.0
                r3 = 0.0
                r4 = 0.0
                r5 = 0.0
                r6 = 0.0
                r7 = 0.0
                r8 = 0.0
                r9 = 0.0
                r10 = 0.0
                r11 = 0.0
                r12 = 0.0
                r13 = 0.0
                r14 = 0.0
                o = tails[rest]
                o[0] = r0
                o[1] = r1
                o[2] = r2
                o[3] = r3
                o[4] = r4
                o[5] = r5
                o[6] = r6
                o[7] = r7
                o[8] = r8
                o[9] = r9
                o[10] = r10
                o[11] = r11
                o[12] = r12
                o[13] = r13
                o[14] = r14
                for q in range(middle - 1, bottom - 1, -1):
                    cell = q - n if q >= n else q + n if q < 0 else q
                    cell = here + cell * step
                    if place_of.size > 0:
                        cell = place_of[cell]
                    if cell >= 0:
                        o, a = cells[cell], 1.0
                        if o[0] != 0.0 and a != 0.0:
                            if r0 == 0.0:
                                r1 = a * o[1]
                                r2 = o[2]
                                r3 = o[3]
                                r4 = o[4]
                                r5 = o[5]
                                r6 = o[6]
                                r7 = o[7]
                                r8 = a * o[8]
                                r9 = o[9]
                                r10 = o[10]
                                r11 = a * o[11]
                                r12 = o[12]
                                r13 = a * o[13]
                            else:
                                weight = a * o[1]
                                total = r1 + weight
                                if centred and total > 0.0:
                                    share = weight / total
                                    w = r1 * share
                                    x0 = (o[2] - r2) + (o[5] - r5)
                                    low = fused(share, x0, r5)
                                    new = r2 + low
                                    r5 = low - (new - r2)
                                    r2 = new
                                    x1 = (o[3] - r3) + (o[6] - r6)
                                    low = fused(share, x1, r6)
                                    new = r3 + low
                                    r6 = low - (new - r3)
                                    r3 = new
                                    y0 = (o[4] - r4) + (o[7] - r7)
                                    low = fused(share, y0, r7)
                                    new = r4 + low
                                    r7 = low - (new - r4)
                                    r4 = new
                                    pivot = r8
                                    part = w * x0
                                    new = fused(part, x0, pivot)
                                    if new > 0.0:
                                        c = pivot / new
                                        s = part / new
                                        w *= c
                                        r8 = new
                                        u = r9
                                        r9 = fused(c, u, s * x1)
                                        x1 = fused(-x0, u, x1)
                                        u = r10
                                        r10 = fused(c, u, s * y0)
                                        y0 = fused(-x0, u, y0)
                                    pivot = r11
                                    part = w * x1
                                    new = fused(part, x1, pivot)
                                    if new > 0.0:
                                        c = pivot / new
                                        s = part / new
                                        w *= c
                                        r11 = new
                                        u = r12
                                        r12 = fused(c, u, s * y0)
                                        y0 = fused(-x1, u, y0)
                                    r13 = fused(w * y0, y0, r13)
                                r1 = total
                                w = a * o[8]
                                x0 = 1.0
                                x1 = o[9]
                                y0 = o[10]
                                pivot = r8
                                part = w * x0
                                new = fused(part, x0, pivot)
                                if new > 0.0:
                                    c = pivot / new
                                    s = part / new
                                    w *= c
                                    r8 = new
                                    u = r9
                                    r9 = fused(c, u, s * x1)
                                    x1 = fused(-x0, u, x1)
                                    u = r10
                                    r10 = fused(c, u, s * y0)
                                    y0 = fused(-x0, u, y0)
                                pivot = r11
                                part = w * x1
                                new = fused(part, x1, pivot)
                                if new > 0.0:
                                    c = pivot / new
                                    s = part / new
                                    w *= c
                                    r11 = new
                                    u = r12
                                    r12 = fused(c, u, s * y0)
                                    y0 = fused(-x1, u, y0)
                                r13 = fused(w * y0, y0, r13)
                                w = a * o[11]
                                x1 = 1.0
                                y0 = o[12]
                                pivot = r11
                                part = w * x1
                                new = fused(part, x1, pivot)
                                if new > 0.0:
                                    c = pivot / new
                                    s = part / new
                                    w *= c
                                    r11 = new
                                    u = r12
                                    r12 = fused(c, u, s * y0)
                                    y0 = fused(-x1, u, y0)
                                r13 = fused(w * y0, y0, r13)
                                r13 = fused(a, o[13], r13)
                            r0 += o[0]
                            r14 += a * o[extra]
                    o = tails[q-bottom]
                    o[0] = r0
                    o[1] = r1
                    o[2] = r2
                    o[3] = r3
                    o[4] = r4
                    o[5] = r5
                    o[6] = r6
                    o[7] = r7
                    o[8] = r8
                    o[9] = r9
                    o[10] = r10
                    o[11] = r11
                    o[12] = r12
                    o[13] = r13
                    o[14] = r14
            else:
                o = tails[rest]
                r0 = o[0]
                r1 = o[1]
                r2 = o[2]
                r3 = o[3]
                r4 = o[4]
                r5 = o[5]
                r6 = o[6]
                r7 = o[7]
                r8 = o[8]
                r9 = o[9]
                r10 = o[10]
                r11 = o[11]
                r12 = o[12]
                r13 = o[13]
                r14 = o[14]
            if top < ends[centre]:
                for q in range(top, ends[centre]):
                    ahead = q + AHEAD
                    if ahead < n and ahead >= 0:
                        ahead = here + ahead * step
                        if place_of.size > 0:
                            ahead = place_of[ahead]
                        if ahead >= 0:
                            prefetch(cells, ahead, 0)
                            prefetch(cells, ahead, 8)
                    cell = q - n if q >= n else q + n if q < 0 else q
                    cell = here + cell * step
                    if place_of.size > 0:
                        cell = place_of[cell]
                    if cell >= 0:
                        o, a = cells[cell], 1.0
                        if o[0] != 0.0 and a != 0.0:
                            if r0 == 0.0:
                                r1 = a * o[1]
                                r2 = o[2]
                                r3 = o[3]
                                r4 = o[4]
                                r5 = o[5]
                                r6 = o[6]
                                r7 = o[7]
                                r8 = a * o[8]
                                r9 = o[9]
                                r10 = o[10]
                                r11 = a * o[11]
                                r12 = o[12]
                                r13 = a * o[13]
                            else:
                                weight = a * o[1]
                                total = r1 + weight
                                if centred and total > 0.0:
                                    share = weight / total
                                    w = r1 * share
                                    x0 = (o[2] - r2) + (o[5] - r5)
                                    low = fused(share, x0, r5)
                                    new = r2 + low
                                    r5 = low - (new - r2)
                                    r2 = new
                                    x1 = (o[3] - r3) + (o[6] - r6)
                                    low = fused(share, x1, r6)
                                    new = r3 + low
                                    r6 = low - (new - r3)
                                    r3 = new
                                    y0 = (o[4] - r4) + (o[7] - r7)
                                    low = fused(share, y0, r7)
                                    new = r4 + low
                                    r7 = low - (new - r4)
                                    r4 = new
                                    pivot = r8
                                    part = w * x0
                                    new = fused(part, x0, pivot)
                                    if new > 0.0:
                                        c = pivot / new
                                        s = part / new
                                        w *= c
                                        r8 = new
                                        u = r9
                                        r9 = fused(c, u, s * x1)
                                        x1 = fused(-x0, u, x1)
                                        u = r10
                                        r10 = fused(c, u, s * y0)
                                        y0 = fused(-x0, u, y0)
                                    pivot = r11
                                    part = w * x1
                                    new = fused(part, x1, pivot)
                                    if new > 0.0:
                                        c = pivot / new
                                        s = part / new
                                        w *= c
                                        r11 = new
                                        u = r12
                                        r12 = fused(c, u, s * y0)
                                        y0 = fused(-x1, u, y0)
                                    r13 = fused(w * y0, y0, r13)
                                r1 = total
                                w = a * o[8]
                                x0 = 1.0
                                x1 = o[9]
                                y0 = o[10]
                                pivot = r8
                                part = w * x0
                                new = fused(part, x0, pivot)
                                if new > 0.0:
                                    c = pivot / new
                                    s = part / new
                                    w *= c
                                    r8 = new
                                    u = r9
                                    r9 = fused(c, u, s * x1)
                                    x1 = fused(-x0, u, x1)
                                    u = r10
                                    r10 = fused(c, u, s * y0)
                                    y0 = fused(-x0, u, y0)
                                pivot = r11
                                part = w * x1
                                new = fused(part, x1, pivot)
                                if new > 0.0:
                                    c = pivot / new
                                    s = part / new
                                    w *= c
                                    r11 = new
                                    u = r12
                                    r12 = fused(c, u, s * y0)
                                    y0 = fused(-x1, u, y0)
                                r13 = fused(w * y0, y0, r13)
                                w = a * o[11]
                                x1 = 1.0
                                y0 = o[12]
                                pivot = r11
                                part = w * x1
                                new = fused(part, x1, pivot)
                                if new > 0.0:
                                    c = pivot / new
                                    s = part / new
                                    w *= c
                                    r11 = new
                                    u = r12
                                    r12 = fused(c, u, s * y0)
                                    y0 = fused(-x1, u, y0)
                                r13 = fused(w * y0, y0, r13)
                                r13 = fused(a, o[13], r13)
                            r0 += o[0]
                            r14 += a * o[extra]
                o = tails[rest]
                o[0] = r0
                o[1] = r1
                o[2] = r2
                o[3] = r3
                o[4] = r4
                o[5] = r5
                o[6] = r6
                o[7] = r7
                o[8] = r8
                o[9] = r9
                o[10] = r10
                o[11] = r11
                o[12] = r12
                o[13] = r13
                o[14] = r14
                top = ends[centre]
            place = base + centre * inner
            if wanted.size > 0:
                place = wanted[place]
            if place < 0:
                continue
            if not turned:  # its run may be the same as the one before: tails hold all of it
                o, a = tails[begins[centre]-bottom], 1.0
                if o[0] != 0.0 and a != 0.0:
                    if r0 == 0.0:
                        r1 = a * o[1]
                        r2 = o[2]
                        r3 = o[3]
                        r4 = o[4]
                        r5 = o[5]
                        r6 = o[6]
                        r7 = o[7]
                        r8 = a * o[8]
                        r9 = o[9]
                        r10 = o[10]
                        r11 = a * o[11]
                        r12 = o[12]
                        r13 = a * o[13]
                    else:
                        weight = a * o[1]
                        total = r1 + weight
                        if centred and total > 0.0:
                            share = weight / total
                            w = r1 * share
                            x0 = (o[2] - r2) + (o[5] - r5)
                            low = fused(share, x0, r5)
                            new = r2 + low
                            r5 = low - (new - r2)
                            r2 = new
                            x1 = (o[3] - r3) + (o[6] - r6)
                            low = fused(share, x1, r6)
                            new = r3 + low
                            r6 = low - (new - r3)
                            r3 = new
                            y0 = (o[4] - r4) + (o[7] - r7)
                            low = fused(share, y0, r7)
                            new = r4 + low
                            r7 = low - (new - r4)
                            r4 = new
                            pivot = r8
                            part = w * x0
                            new = fused(part, x0, pivot)
                            if new > 0.0:
                                c = pivot / new
                                s = part / new
                                w *= c
                                r8 = new
                                u = r9
                                r9 = fused(c, u, s * x1)
                                x1 = fused(-x0, u, x1)
                                u = r10
                                r10 = fused(c, u, s * y0)
                                y0 = fused(-x0, u, y0)
                            pivot = r11
                            part = w * x1
                            new = fused(part, x1, pivot)
                            if new > 0.0:
                                c = pivot / new
                                s = part / new
                                w *= c
                                r11 = new
                                u = r12
                                r12 = fused(c, u, s * y0)
                                y0 = fused(-x1, u, y0)
                            r13 = fused(w * y0, y0, r13)
                        r1 = total
                        w = a * o[8]
                        x0 = 1.0
                        x1 = o[9]
                        y0 = o[10]
                        pivot = r8
                        part = w * x0
                        new = fused(part, x0, pivot)
                        if new > 0.0:
                            c = pivot / new
                            s = part / new
                            w *= c
                            r8 = new
                            u = r9
                            r9 = fused(c, u, s * x1)
                            x1 = fused(-x0, u, x1)
                            u = r10
                            r10 = fused(c, u, s * y0)
                            y0 = fused(-x0, u, y0)
                        pivot = r11
                        part = w * x1
                        new = fused(part, x1, pivot)
                        if new > 0.0:
                            c = pivot / new
                            s = part / new
                            w *= c
                            r11 = new
                            u = r12
                            r12 = fused(c, u, s * y0)
                            y0 = fused(-x1, u, y0)
                        r13 = fused(w * y0, y0, r13)
                        w = a * o[11]
                        x1 = 1.0
                        y0 = o[12]
                        pivot = r11
                        part = w * x1
                        new = fused(part, x1, pivot)
                        if new > 0.0:
                            c = pivot / new
                            s = part / new
                            w *= c
                            r11 = new
                            u = r12
                            r12 = fused(c, u, s * y0)
                            y0 = fused(-x1, u, y0)
                        r13 = fused(w * y0, y0, r13)
                        r13 = fused(a, o[13], r13)
                    r0 += o[0]
                    r14 += a * o[own]
            o = result[place]
            o[0] = r0
            o[1] = r1
            o[2] = r2
            o[3] = r3
            o[4] = r4
            o[5] = r5
            o[6] = r6
            o[7] = r7
            o[8] = r8
            o[9] = r9
            o[10] = r10
            o[11] = r11
            o[12] = r12
            o[13] = r13
            o[14] = r14


@kernel
def merge_pairs(records, result, offset, starts, bins, weights, first, last, centred, sizes):
    """Merge the neighbours of the centres first <= i < last, each scaled by its weight; results from offset on."""
    own = 14
    for i in range(first, last):
        r0 = 0.0
        r1 = 0.0
        r2 = 0.0
        r3 = 0.0
        r4 = 0.0
        r5 = 0.0
        r6 = 0.0
        r7 = 0.0
        r8 = 0.0
        r9 = 0.0
        r10 = 0.0
        r11 = 0.0
        r12 = 0.0
        r13 = 0.0
        r14 = 0.0
        for e in range(starts[i], starts[i + 1]):
            o, a = records[bins[e]], weights[e]
            if o[0] != 0.0 and a != 0.0:
                if r0 == 0.0:
                    r1 = a * o[1]
                    r2 = o[2]
                    r3 = o[3]
                    r4 = o[4]
                    r5 = o[5]
                    r6 = o[6]
                    r7 = o[7]
                    r8 = a * o[8]
                    r9 = o[9]
                    r10 = o[10]
                    r11 = a * o[11]
                    r12 = o[12]
                    r13 = a * o[13]
                else:
                    weight = a * o[1]
                    total = r1 + weight
                    if centred and total > 0.0:
                        share = weight / total
                        w = r1 * share
                        x0 = (o[2] - r2) + (o[5] - r5)
                        low = fused(share, x0, r5)
                        new = r2 + low
                        r5 = low - (new - r2)
                        r2 = new
                        x1 = (o[3] - r3) + (o[6] - r6)
                        low = fused(share, x1, r6)
                        new = r3 + low
                        r6 = low - (new - r3)
                        r3 = new
                        y0 = (o[4] - r4) + (o[7] - r7)
                        low = fused(share, y0, r7)
                        new = r4 + low
                        r7 = low - (new - r4)
                        r4 = new
                        pivot = r8
                        part = w * x0
                        new = fused(part, x0, pivot)
                        if new > 0.0:
                            c = pivot / new
                            s = part / new
                            w *= c
                            r8 = new
                            u = r9
                            r9 = fused(c, u, s * x1)
                            x1 = fused(-x0, u, x1)
                            u = r10
                            r10 = fused(c, u, s * y0)
                            y0 = fused(-x0, u, y0)
                        pivot = r11
                        part = w * x1
                        new = fused(part, x1, pivot)
                        if new > 0.0:
                            c = pivot / new
                            s = part / new
                            w *= c
                            r11 = new
                            u = r12
                            r12 = fused(c, u, s * y0)
                            y0 = fused(-x1, u, y0)
                        r13 = fused(w * y0, y0, r13)
                    r1 = total
                    w = a * o[8]
                    x0 = 1.0
                    x1 = o[9]
                    y0 = o[10]
                    pivot = r8
                    part = w * x0
                    new = fused(part, x0, pivot)
                    if new > 0.0:
                        c = pivot / new
                        s = part / new
                        w *= c
                        r8 = new
                        u = r9
                        r9 = fused(c, u, s * x1)
                        x1 = fused(-x0, u, x1)
                        u = r10
                        r10 = fused(c, u, s * y0)
                        y0 = fused(-x0, u, y0)
                    pivot = r11
                    part = w * x1
                    new = fused(part, x1, pivot)
                    if new > 0.0:
                        c = pivot / new
                        s = part / new
                        w *= c
                        r11 = new
                        u = r12
                        r12 = fused(c, u, s * y0)
                        y0 = fused(-x1, u, y0)
                    r13 = fused(w * y0, y0, r13)
                    w = a * o[11]
                    x1 = 1.0
                    y0 = o[12]
                    pivot = r11
                    part = w * x1
                    new = fused(part, x1, pivot)
                    if new > 0.0:
                        c = pivot / new
                        s = part / new
                        w *= c
                        r11 = new
                        u = r12
                        r12 = fused(c, u, s * y0)
                        y0 = fused(-x1, u, y0)
                    r13 = fused(w * y0, y0, r13)
                    r13 = fused(a, o[13], r13)
                r0 += o[0]
                r14 += a * o[0]
        o = result[offset+i]
        o[0] = r0
        o[1] = r1
        o[2] = r2
        o[3] = r3
        o[4] = r4
        o[5] = r5
        o[6] = r6
        o[7] = r7
        o[8] = r8
        o[9] = r9
        o[10] = r10
        o[11] = r11
        o[12] = r12
        o[13] = r13
        o[14] = r14
