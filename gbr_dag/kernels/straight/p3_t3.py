"""Rows into factors, factors into fits: 3 predictors, 3 targets; written by gbr_dag.kernels.generator.

Compiled together with jit.py and rows.py, as of e1615af60c87.
"""

import numpy as np

from gbr_dag.kernels.jit import fused, kernel, prefetch
from gbr_dag.kernels.rows import AHEAD, CHUNK, is_odd_size, note_target, note_weight, rows_of_range


@kernel
def update(records, row_bin, first, last, centred, notes, x0s, x1s, x2s, y0s, y1s, y2s, ws):
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
            prefetch(records, ahead, 16)
            prefetch(records, ahead, 24)
            x0 = x0s[i]
            x1 = x1s[i]
            x2 = x2s[i]
            y0 = y0s[i]
            y1 = y1s[i]
            y2 = y2s[i]
            w = ws[i]
            if (x0 - x0) + (x1 - x1) + (x2 - x2) + (y0 - y0) + (y1 - y1) + (y2 - y2) + (w - w) != 0.0 or w <= 0.0:
                if w <= 0.0 or w - w != 0.0:
                    note_weight(notes, w)
                    continue
                if (x0 - x0) + (x1 - x1) + (x2 - x2) != 0.0:
                    notes[6] += 1
                    continue
                note_target(notes, 0, y0)
                note_target(notes, 1, y1)
                note_target(notes, 2, y2)
                notes[0] += y0 - y0 == 0.0 or y1 - y1 == 0.0 or y2 - y2 == 0.0
                notes[1] += 1
                continue
            total = r[1] + w
            r[0] += 1.0
            if centred:
                share = w / total
                w = r[1] * share
                high = r[2]
                low = r[8]
                x0 = (x0 - high) - low
                low = fused(share, x0, low)
                new = high + low
                r[2] = new
                r[8] = low - (new - high)
                high = r[3]
                low = r[9]
                x1 = (x1 - high) - low
                low = fused(share, x1, low)
                new = high + low
                r[3] = new
                r[9] = low - (new - high)
                high = r[4]
                low = r[10]
                x2 = (x2 - high) - low
                low = fused(share, x2, low)
                new = high + low
                r[4] = new
                r[10] = low - (new - high)
                high = r[5]
                low = r[11]
                y0 = (y0 - high) - low
                low = fused(share, y0, low)
                new = high + low
                r[5] = new
                r[11] = low - (new - high)
                high = r[6]
                low = r[12]
                y1 = (y1 - high) - low
                low = fused(share, y1, low)
                new = high + low
                r[6] = new
                r[12] = low - (new - high)
                high = r[7]
                low = r[13]
                y2 = (y2 - high) - low
                low = fused(share, y2, low)
                new = high + low
                r[7] = new
                r[13] = low - (new - high)
            r[1] = total
            pivot = r[14]
            part = w * x0
            new = fused(part, x0, pivot)
            if new > 0.0:
                c = pivot / new
                s = part / new
                w *= c
                r[14] = new
                u = r[15]
                r[15] = fused(c, u, s * x1)
                x1 = fused(-x0, u, x1)
                u = r[16]
                r[16] = fused(c, u, s * x2)
                x2 = fused(-x0, u, x2)
                u = r[17]
                r[17] = fused(c, u, s * y0)
                y0 = fused(-x0, u, y0)
                u = r[18]
                r[18] = fused(c, u, s * y1)
                y1 = fused(-x0, u, y1)
                u = r[19]
                r[19] = fused(c, u, s * y2)
                y2 = fused(-x0, u, y2)
            pivot = r[20]
            part = w * x1
            new = fused(part, x1, pivot)
            if new > 0.0:
                c = pivot / new
                s = part / new
                w *= c
                r[20] = new
                u = r[21]
                r[21] = fused(c, u, s * x2)
                x2 = fused(-x1, u, x2)
                u = r[22]
                r[22] = fused(c, u, s * y0)
                y0 = fused(-x1, u, y0)
                u = r[23]
                r[23] = fused(c, u, s * y1)
                y1 = fused(-x1, u, y1)
                u = r[24]
                r[24] = fused(c, u, s * y2)
                y2 = fused(-x1, u, y2)
            pivot = r[25]
            part = w * x2
            new = fused(part, x2, pivot)
            if new > 0.0:
                c = pivot / new
                s = part / new
                w *= c
                r[25] = new
                u = r[26]
                r[26] = fused(c, u, s * y0)
                y0 = fused(-x2, u, y0)
                u = r[27]
                r[27] = fused(c, u, s * y1)
                y1 = fused(-x2, u, y1)
                u = r[28]
                r[28] = fused(c, u, s * y2)
                y2 = fused(-x2, u, y2)
            r[29] = fused(w * y0, y0, r[29])
            r[30] = fused(w * y1, y1, r[30])
            r[31] = fused(w * y2, y2, r[31])


@kernel
def update_unweighted(records, row_bin, first, last, centred, notes, x0s, x1s, x2s, y0s, y1s, y2s):
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
            prefetch(records, ahead, 16)
            prefetch(records, ahead, 24)
            x0 = x0s[i]
            x1 = x1s[i]
            x2 = x2s[i]
            y0 = y0s[i]
            y1 = y1s[i]
            y2 = y2s[i]
            w = 1.0
            if (x0 - x0) + (x1 - x1) + (x2 - x2) + (y0 - y0) + (y1 - y1) + (y2 - y2) != 0.0:
                if (x0 - x0) + (x1 - x1) + (x2 - x2) != 0.0:
                    notes[6] += 1
                    continue
                note_target(notes, 0, y0)
                note_target(notes, 1, y1)
                note_target(notes, 2, y2)
                notes[0] += y0 - y0 == 0.0 or y1 - y1 == 0.0 or y2 - y2 == 0.0
                notes[1] += 1
                continue
            total = r[1] + w
            r[0] += 1.0
            if centred:
                share = w / total
                w = r[1] * share
                high = r[2]
                low = r[8]
                x0 = (x0 - high) - low
                low = fused(share, x0, low)
                new = high + low
                r[2] = new
                r[8] = low - (new - high)
                high = r[3]
                low = r[9]
                x1 = (x1 - high) - low
                low = fused(share, x1, low)
                new = high + low
                r[3] = new
                r[9] = low - (new - high)
                high = r[4]
                low = r[10]
                x2 = (x2 - high) - low
                low = fused(share, x2, low)
                new = high + low
                r[4] = new
                r[10] = low - (new - high)
                high = r[5]
                low = r[11]
                y0 = (y0 - high) - low
                low = fused(share, y0, low)
                new = high + low
                r[5] = new
                r[11] = low - (new - high)
                high = r[6]
                low = r[12]
                y1 = (y1 - high) - low
                low = fused(share, y1, low)
                new = high + low
                r[6] = new
                r[12] = low - (new - high)
                high = r[7]
                low = r[13]
                y2 = (y2 - high) - low
                low = fused(share, y2, low)
                new = high + low
                r[7] = new
                r[13] = low - (new - high)
            r[1] = total
            pivot = r[14]
            part = w * x0
            new = fused(part, x0, pivot)
            if new > 0.0:
                c = pivot / new
                s = part / new
                w *= c
                r[14] = new
                u = r[15]
                r[15] = fused(c, u, s * x1)
                x1 = fused(-x0, u, x1)
                u = r[16]
                r[16] = fused(c, u, s * x2)
                x2 = fused(-x0, u, x2)
                u = r[17]
                r[17] = fused(c, u, s * y0)
                y0 = fused(-x0, u, y0)
                u = r[18]
                r[18] = fused(c, u, s * y1)
                y1 = fused(-x0, u, y1)
                u = r[19]
                r[19] = fused(c, u, s * y2)
                y2 = fused(-x0, u, y2)
            pivot = r[20]
            part = w * x1
            new = fused(part, x1, pivot)
            if new > 0.0:
                c = pivot / new
                s = part / new
                w *= c
                r[20] = new
                u = r[21]
                r[21] = fused(c, u, s * x2)
                x2 = fused(-x1, u, x2)
                u = r[22]
                r[22] = fused(c, u, s * y0)
                y0 = fused(-x1, u, y0)
                u = r[23]
                r[23] = fused(c, u, s * y1)
                y1 = fused(-x1, u, y1)
                u = r[24]
                r[24] = fused(c, u, s * y2)
                y2 = fused(-x1, u, y2)
            pivot = r[25]
            part = w * x2
            new = fused(part, x2, pivot)
            if new > 0.0:
                c = pivot / new
                s = part / new
                w *= c
                r[25] = new
                u = r[26]
                r[26] = fused(c, u, s * y0)
                y0 = fused(-x2, u, y0)
                u = r[27]
                r[27] = fused(c, u, s * y1)
                y1 = fused(-x2, u, y1)
                u = r[28]
                r[28] = fused(c, u, s * y2)
                y2 = fused(-x2, u, y2)
            r[29] = fused(w * y0, y0, r[29])
            r[30] = fused(w * y1, y1, r[30])
            r[31] = fused(w * y2, y2, r[31])


@kernel
def aliased(records, start, stop, centred, precision, tolerance):
    """How many of the bins start <= bin < stop have a predictor that the rank rule does not let pass."""
    found = 0
    squared = tolerance**2
    for b in range(start, stop):
        r = records[b]
        weight = r[1] if centred else 0.0
        square = weight * r[2] ** 2
        own0 = precision[0] ** 2 * (r[14] + square)
        limit0 = squared * (own0 + 2.0**-104 * square)
        square = weight * r[3] ** 2
        own1 = precision[1] ** 2 * (r[20] + r[14] * r[15] * r[15] + square)
        limit1 = squared * (own1 + 2.0**-104 * square + r[15] * own0 * r[15])
        square = weight * r[4] ** 2
        own2 = precision[2] ** 2 * (r[25] + r[14] * r[16] * r[16] + r[20] * r[21] * r[21] + square)
        limit2 = squared * (own2 + 2.0**-104 * square + r[16] * own0 * r[16] + r[21] * own1 * r[21])
        found += 2 + centred >= r[0] or r[14] <= limit0 or r[20] <= limit1 or r[25] <= limit2
    return found


@kernel
def solve(records, start, stop, min_entries, precision, out, constant, count, odd_sizes):
    """Fits of the bins start <= bin < stop that have rows enough and all predictors; how many others."""
    others = 0
    odd0 = 0
    odd1 = 0
    odd2 = 0
    odd3 = 0
    odd4 = 0
    odd5 = 0
    for b in range(start, stop):
        r = records[b]
        count[b] = np.int64(r[0])
        if r[0] < min_entries or r[14] == 0.0 or r[20] == 0.0 or r[25] == 0.0:
            others += 1
            continue
        weight = r[1]
        e0 = 1.0 / r[14]
        g0 = r[2]
        v01 = -(r[15])
        e1 = 1.0 / r[20]
        g1 = r[3] + v01 * r[2]
        v12 = -(r[21])
        v02 = -(r[16] + r[15] * v12)
        e2 = 1.0 / r[25]
        g2 = r[4] + v02 * r[2] + v12 * r[3]
        s0 = r[14]
        size0 = s0 + weight * r[2] ** 2
        odd0 += is_odd_size(size0, weight, r[2])
        s1 = r[20] + r[14] * r[15] * r[15]
        size1 = s1 + weight * r[3] ** 2
        odd1 += is_odd_size(size1, weight, r[3])
        s2 = r[25] + r[14] * r[16] * r[16] + r[20] * r[21] * r[21]
        size2 = s2 + weight * r[4] ** 2
        odd2 += is_odd_size(size2, weight, r[4])
        s3 = r[29] + r[14] * r[17] * r[17] + r[20] * r[22] * r[22] + r[25] * r[26] * r[26]
        size3 = s3 + weight * r[5] ** 2
        odd3 += is_odd_size(size3, weight, r[5])
        s4 = r[30] + r[14] * r[18] * r[18] + r[20] * r[23] * r[23] + r[25] * r[27] * r[27]
        size4 = s4 + weight * r[6] ** 2
        odd4 += is_odd_size(size4, weight, r[6])
        s5 = r[31] + r[14] * r[19] * r[19] + r[20] * r[24] * r[24] + r[25] * r[28] * r[28]
        size5 = s5 + weight * r[7] ** 2
        odd5 += is_odd_size(size5, weight, r[7])
        b2 = r[26]
        out[3, b] = b2
        b1 = r[22] - r[21] * b2
        out[2, b] = b1
        b0 = r[17] - r[15] * b1 - r[16] * b2
        out[1, b] = b0
        high = r[5] - r[2] * b0 - r[3] * b1 - r[4] * b2
        low = r[11] - r[8] * b0 - r[9] * b1 - r[10] * b2
        out[0, b] = high + low
        out[12, b] = r[29]
        out[15, b] = s3
        constant[0, b] = s3 <= (32.0 * precision[3]) ** 2 * size3
        b2 = r[27]
        out[7, b] = b2
        b1 = r[23] - r[21] * b2
        out[6, b] = b1
        b0 = r[18] - r[15] * b1 - r[16] * b2
        out[5, b] = b0
        high = r[6] - r[2] * b0 - r[3] * b1 - r[4] * b2
        low = r[12] - r[8] * b0 - r[9] * b1 - r[10] * b2
        out[4, b] = high + low
        out[13, b] = r[30]
        out[16, b] = s4
        constant[1, b] = s4 <= (32.0 * precision[4]) ** 2 * size4
        b2 = r[28]
        out[11, b] = b2
        b1 = r[24] - r[21] * b2
        out[10, b] = b1
        b0 = r[19] - r[15] * b1 - r[16] * b2
        out[9, b] = b0
        high = r[7] - r[2] * b0 - r[3] * b1 - r[4] * b2
        low = r[13] - r[8] * b0 - r[9] * b1 - r[10] * b2
        out[8, b] = high + low
        out[14, b] = r[31]
        out[17, b] = s5
        constant[2, b] = s5 <= (32.0 * precision[5]) ** 2 * size5
        out[18, b] = 1.0 / weight + g0 * e0 * g0 + g1 * e1 * g1 + g2 * e2 * g2
        out[19, b] = -(g0 * e0 + v01 * e1 * g1 + v02 * e2 * g2)
        out[22, b] = -(g0 * e0 + v01 * e1 * g1 + v02 * e2 * g2)
        out[23, b] = e0 + v01 * e1 * v01 + v02 * e2 * v02
        out[27, b] = v01 * e1 + v02 * e2 * v12
        out[24, b] = v01 * e1 + v02 * e2 * v12
        out[31, b] = v02 * e2
        out[25, b] = v02 * e2
        out[20, b] = -(g1 * e1 + v12 * e2 * g2)
        out[26, b] = -(g1 * e1 + v12 * e2 * g2)
        out[28, b] = e1 + v12 * e2 * v12
        out[29, b] = v12 * e2
        out[32, b] = v12 * e2
        out[21, b] = -(g2 * e2)
        out[30, b] = -(g2 * e2)
        out[33, b] = e2
        out[34, b] = 1.0 / (3.0 * (s0 * out[23, b] + s1 * out[28, b] + s2 * out[33, b]))
    odd_sizes[0] += odd0
    odd_sizes[1] += odd1
    odd_sizes[2] += odd2
    odd_sizes[3] += odd3
    odd_sizes[4] += odd4
    odd_sizes[5] += odd5
    return others
