"""Rows into factors, factors into fits: 2 predictors, 1 targets; written by gbr_dag.kernels.generator.

Compiled together with jit.py and rows.py, as of e1615af60c87.
"""

import numpy as np

from gbr_dag.kernels.jit import fused, kernel, prefetch
from gbr_dag.kernels.rows import AHEAD, CHUNK, is_odd_size, note_target, note_weight, rows_of_range


@kernel
def update(records, row_bin, first, last, centred, notes, x0s, x1s, y0s, ws):
    """Add the rows of bins first <= bin < last to their records."""
    chosen = np.empty(CHUNK + AHEAD, np.uint32)
    for start in range(0, row_bin.size, CHUNK):
        bins = row_bin[start : start + CHUNK]
        n = rows_of_range(bins, first, last, chosen)
        for q in range(n):
            i = np.uint64(start) + chosen[q]
            r = records[np.uint64(row_bin[i])]
            ahead = np.uint64(bins[chosen[q + AHEAD]])
            prefetch(records, ahead, 0)
            prefetch(records, ahead, 8)
            x0 = x0s[i]
            x1 = x1s[i]
            y0 = y0s[i]
            w = ws[i]
            if (x0 - x0) + (x1 - x1) + (y0 - y0) + (w - w) != 0.0 or w <= 0.0:
                if w <= 0.0 or w - w != 0.0:
                    note_weight(notes, w)
                    continue
                if (x0 - x0) + (x1 - x1) != 0.0:
                    notes[6] += 1
                    continue
                note_target(notes, 0, y0)
                notes[0] += y0 - y0 == 0.0
                notes[1] += 1
                continue
            total = r[1] + w
            r[0] += 1.0
            if centred:
                share = w / total
                w = r[1] * share
                high = r[2]
                low = r[5]
                x0 = (x0 - high) - low
                low = fused(share, x0, low)
                new = high + low
                r[2] = new
                r[5] = low - (new - high)
                high = r[3]
                low = r[6]
                x1 = (x1 - high) - low
                low = fused(share, x1, low)
                new = high + low
                r[3] = new
                r[6] = low - (new - high)
                high = r[4]
                low = r[7]
                y0 = (y0 - high) - low
                low = fused(share, y0, low)
                new = high + low
                r[4] = new
                r[7] = low - (new - high)
            r[1] = total
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


@kernel
def update_unweighted(records, row_bin, first, last, centred, notes, x0s, x1s, y0s):
    """Add the rows of bins first <= bin < last to their records."""
    chosen = np.empty(CHUNK + AHEAD, np.uint32)
    for start in range(0, row_bin.size, CHUNK):
        bins = row_bin[start : start + CHUNK]
        n = rows_of_range(bins, first, last, chosen)
        for q in range(n):
            i = np.uint64(start) + chosen[q]
            r = records[np.uint64(row_bin[i])]
            ahead = np.uint64(bins[chosen[q + AHEAD]])
            prefetch(records, ahead, 0)
            prefetch(records, ahead, 8)
            x0 = x0s[i]
            x1 = x1s[i]
            y0 = y0s[i]
            w = 1.0
            if (x0 - x0) + (x1 - x1) + (y0 - y0) != 0.0:
                if (x0 - x0) + (x1 - x1) != 0.0:
                    notes[6] += 1
                    continue
                note_target(notes, 0, y0)
                notes[0] += y0 - y0 == 0.0
                notes[1] += 1
                continue
            total = r[1] + w
            r[0] += 1.0
            if centred:
                share = w / total
                w = r[1] * share
                high = r[2]
                low = r[5]
                x0 = (x0 - high) - low
                low = fused(share, x0, low)
                new = high + low
                r[2] = new
                r[5] = low - (new - high)
                high = r[3]
                low = r[6]
                x1 = (x1 - high) - low
                low = fused(share, x1, low)
                new = high + low
                r[3] = new
                r[6] = low - (new - high)
                high = r[4]
                low = r[7]
                y0 = (y0 - high) - low
                low = fused(share, y0, low)
                new = high + low
                r[4] = new
                r[7] = low - (new - high)
            r[1] = total
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


@kernel
def aliased(records, start, stop, centred, precision, tolerance):
    """How many of the bins start <= bin < stop have a predictor that the rank rule does not let pass."""
    found = 0
    squared = tolerance**2
    for b in range(start, stop):
        r = records[b]
        weight = r[1] if centred else 0.0
        square = weight * r[2] ** 2
        own0 = precision[0] ** 2 * (r[8] + square)
        limit0 = squared * (own0 + 2.0**-104 * square)
        square = weight * r[3] ** 2
        own1 = precision[1] ** 2 * (r[11] + r[8] * r[9] * r[9] + square)
        limit1 = squared * (own1 + 2.0**-104 * square + r[9] * own0 * r[9])
        found += 1 + centred >= r[0] or r[8] <= limit0 or r[11] <= limit1
    return found


@kernel
def solve(records, start, stop, min_entries, precision, out, constant, count, odd_sizes):
    """Fits of the bins start <= bin < stop that have rows enough and all predictors; how many others."""
    others = 0
    odd0 = 0
    odd1 = 0
    odd2 = 0
    for b in range(start, stop):
        r = records[b]
        count[b] = np.int64(r[0])
        if r[0] < min_entries or r[8] == 0.0 or r[11] == 0.0:
            others += 1
            continue
        weight = r[1]
        e0 = 1.0 / r[8]
        g0 = r[2]
        v01 = -(r[9])
        e1 = 1.0 / r[11]
        g1 = r[3] + v01 * r[2]
        s0 = r[8]
        size0 = s0 + weight * r[2] ** 2
        odd0 += is_odd_size(size0, weight, r[2])
        s1 = r[11] + r[8] * r[9] * r[9]
        size1 = s1 + weight * r[3] ** 2
        odd1 += is_odd_size(size1, weight, r[3])
        s2 = r[13] + r[8] * r[10] * r[10] + r[11] * r[12] * r[12]
        size2 = s2 + weight * r[4] ** 2
        odd2 += is_odd_size(size2, weight, r[4])
        b1 = r[12]
        out[2, b] = b1
        b0 = r[10] - r[9] * b1
        out[1, b] = b0
        high = r[4] - r[2] * b0 - r[3] * b1
        low = r[7] - r[5] * b0 - r[6] * b1
        out[0, b] = high + low
        out[3, b] = r[13]
        out[4, b] = s2
        constant[0, b] = s2 <= (32.0 * precision[2]) ** 2 * size2
        out[5, b] = 1.0 / weight + g0 * e0 * g0 + g1 * e1 * g1
        out[6, b] = -(g0 * e0 + v01 * e1 * g1)
        out[8, b] = -(g0 * e0 + v01 * e1 * g1)
        out[9, b] = e0 + v01 * e1 * v01
        out[10, b] = v01 * e1
        out[12, b] = v01 * e1
        out[7, b] = -(g1 * e1)
        out[11, b] = -(g1 * e1)
        out[13, b] = e1
        out[14, b] = 1.0 / (2.0 * (s0 * out[9, b] + s1 * out[13, b]))
    odd_sizes[0] += odd0
    odd_sizes[1] += odd1
    odd_sizes[2] += odd2
    return others
