"""Rows into factors, factors into fits: 1 predictors, 1 targets; written by gbr_dag.kernels.generator.

Compiled together with jit.py and rows.py, as of e1615af60c87.
"""

import numpy as np

from gbr_dag.kernels.jit import fused, kernel, prefetch
from gbr_dag.kernels.rows import AHEAD, CHUNK, is_odd_size, note_target, note_weight, rows_of_range


@kernel
def update(records, row_bin, first, last, centred, notes, x0s, y0s, ws):
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
            y0 = y0s[i]
            w = ws[i]
            if (x0 - x0) + (y0 - y0) + (w - w) != 0.0 or w <= 0.0:
                if w <= 0.0 or w - w != 0.0:
                    note_weight(notes, w)
                    continue
                if (x0 - x0) != 0.0:
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
                low = r[4]
                x0 = (x0 - high) - low
                low = fused(share, x0, low)
                new = high + low
                r[2] = new
                r[4] = low - (new - high)
                high = r[3]
                low = r[5]
                y0 = (y0 - high) - low
                low = fused(share, y0, low)
                new = high + low
                r[3] = new
                r[5] = low - (new - high)
            r[1] = total
            pivot = r[6]
            part = w * x0
            new = fused(part, x0, pivot)
            if new > 0.0:
                c = pivot / new
                s = part / new
                w *= c
                r[6] = new
                u = r[7]
                r[7] = fused(c, u, s * y0)
                y0 = fused(-x0, u, y0)
            r[8] = fused(w * y0, y0, r[8])


@kernel
def update_unweighted(records, row_bin, first, last, centred, notes, x0s, y0s):
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
            y0 = y0s[i]
            w = 1.0
            if (x0 - x0) + (y0 - y0) != 0.0:
                if (x0 - x0) != 0.0:
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
                low = r[4]
                x0 = (x0 - high) - low
                low = fused(share, x0, low)
                new = high + low
                r[2] = new
                r[4] = low - (new - high)
                high = r[3]
                low = r[5]
                y0 = (y0 - high) - low
                low = fused(share, y0, low)
                new = high + low
                r[3] = new
                r[5] = low - (new - high)
            r[1] = total
            pivot = r[6]
            part = w * x0
            new = fused(part, x0, pivot)
            if new > 0.0:
                c = pivot / new
                s = part / new
                w *= c
                r[6] = new
                u = r[7]
                r[7] = fused(c, u, s * y0)
                y0 = fused(-x0, u, y0)
            r[8] = fused(w * y0, y0, r[8])


@kernel
def aliased(records, start, stop, centred, precision, tolerance):
    """How many of the bins start <= bin < stop have a predictor that the rank rule does not let pass."""
    found = 0
    squared = tolerance**2
    for b in range(start, stop):
        r = records[b]
        weight = r[1] if centred else 0.0
        square = weight * r[2] ** 2
        own0 = precision[0] ** 2 * (r[6] + square)
        limit0 = squared * (own0 + 2.0**-104 * square)
        found += 0 + centred >= r[0] or r[6] <= limit0
    return found


@kernel
def solve(records, start, stop, min_entries, precision, out, constant, count, odd_sizes):
    """Fits of the bins start <= bin < stop that have rows enough and all predictors; how many others."""
    others = 0
    odd0 = 0
    odd1 = 0
    for b in range(start, stop):
        r = records[b]
        count[b] = np.int64(r[0])
        if r[0] < min_entries or r[6] == 0.0:
            others += 1
            continue
        weight = r[1]
        e0 = 1.0 / r[6]
        g0 = r[2]
        s0 = r[6]
        size0 = s0 + weight * r[2] ** 2
        odd0 += is_odd_size(size0, weight, r[2])
        s1 = r[8] + r[6] * r[7] * r[7]
        size1 = s1 + weight * r[3] ** 2
        odd1 += is_odd_size(size1, weight, r[3])
        b0 = r[7]
        out[1, b] = b0
        high = r[3] - r[2] * b0
        low = r[5] - r[4] * b0
        out[0, b] = high + low
        out[2, b] = r[8]
        out[3, b] = s1
        constant[0, b] = s1 <= (32.0 * precision[1]) ** 2 * size1
        out[4, b] = 1.0 / weight + g0 * e0 * g0
        out[5, b] = -(g0 * e0)
        out[6, b] = -(g0 * e0)
        out[7, b] = e0
        out[8, b] = 1.0 / (1.0 * (s0 * out[7, b]))
    odd_sizes[0] += odd0
    odd_sizes[1] += odd1
    return others
