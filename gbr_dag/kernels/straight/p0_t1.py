"""Rows into factors, factors into fits: 0 predictors, 1 targets; written by gbr_dag.kernels.generator.

Compiled together with jit.py and rows.py, as of e1615af60c87.
"""

import numpy as np

from gbr_dag.kernels.jit import fused, kernel, prefetch
from gbr_dag.kernels.rows import AHEAD, CHUNK, is_odd_size, note_target, note_weight, rows_of_range


@kernel
def update(records, row_bin, first, last, centred, notes, y0s, ws):
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
            y0 = y0s[i]
            w = ws[i]
            if (y0 - y0) + (w - w) != 0.0 or w <= 0.0:
                if w <= 0.0 or w - w != 0.0:
                    note_weight(notes, w)
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
                low = r[3]
                y0 = (y0 - high) - low
                low = fused(share, y0, low)
                new = high + low
                r[2] = new
                r[3] = low - (new - high)
            r[1] = total
            r[4] = fused(w * y0, y0, r[4])


@kernel
def update_unweighted(records, row_bin, first, last, centred, notes, y0s):
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
            y0 = y0s[i]
            w = 1.0
            if (y0 - y0) != 0.0:
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
                low = r[3]
                y0 = (y0 - high) - low
                low = fused(share, y0, low)
                new = high + low
                r[2] = new
                r[3] = low - (new - high)
            r[1] = total
            r[4] = fused(w * y0, y0, r[4])


@kernel
def aliased(records, start, stop, centred, precision, tolerance):
    """How many of the bins start <= bin < stop have a predictor that the rank rule does not let pass."""
    found = 0
    squared = tolerance**2
    for b in range(start, stop):
        r = records[b]
        weight = r[1] if centred else 0.0
        pass
    return found


@kernel
def solve(records, start, stop, min_entries, precision, out, constant, count, odd_sizes):
    """Fits of the bins start <= bin < stop that have rows enough and all predictors; how many others."""
    others = 0
    odd0 = 0
    for b in range(start, stop):
        r = records[b]
        count[b] = np.int64(r[0])
        if r[0] < min_entries:
            others += 1
            continue
        weight = r[1]
        s0 = r[4]
        size0 = s0 + weight * r[2] ** 2
        odd0 += is_odd_size(size0, weight, r[2])
        high = r[2]
        low = r[3]
        out[0, b] = high + low
        out[1, b] = r[4]
        out[2, b] = s0
        constant[0, b] = s0 <= (32.0 * precision[0]) ** 2 * size0
        out[3, b] = 1.0 / weight
        out[4, b] = 1.0
    odd_sizes[0] += odd0
    return others
