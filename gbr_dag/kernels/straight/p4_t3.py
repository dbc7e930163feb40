"""Rows into factors, factors into fits: 4 predictors, 3 targets; written by gbr_dag.kernels.generator.

Compiled together with jit.py and rows.py, as of e1615af60c87.
"""

import numpy as np

from gbr_dag.kernels.jit import fused, kernel, prefetch
from gbr_dag.kernels.rows import AHEAD, CHUNK, is_odd_size, note_target, note_weight, rows_of_range


@kernel
def update(records, row_bin, first, last, centred, notes, x0s, x1s, x2s, x3s, y0s, y1s, y2s, ws):
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
            prefetch(records, ahead, 32)
            prefetch(records, ahead, 40)
            x0 = x0s[i]
            x1 = x1s[i]
            x2 = x2s[i]
            x3 = x3s[i]
            y0 = y0s[i]
            y1 = y1s[i]
            y2 = y2s[i]
            w = ws[i]
            if (x0 - x0) + (x1 - x1) + (x2 - x2) + (x3 - x3) + (y0 - y0) + (y1 - y1) + (y2 - y2) + (w - w) != 0.0 or w <= 0.0:
                if w <= 0.0 or w - w != 0.0:
                    note_weight(notes, w)
                    continue
                if (x0 - x0) + (x1 - x1) + (x2 - x2) + (x3 - x3) != 0.0:
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
                low = r[9]
                x0 = (x0 - high) - low
                low = fused(share, x0, low)
                new = high + low
                r[2] = new
                r[9] = low - (new - high)
                high = r[3]
                low = r[10]
                x1 = (x1 - high) - low
                low = fused(share, x1, low)
                new = high + low
                r[3] = new
                r[10] = low - (new - high)
                high = r[4]
                low = r[11]
                x2 = (x2 - high) - low
                low = fused(share, x2, low)
                new = high + low
                r[4] = new
                r[11] = low - (new - high)
                high = r[5]
                low = r[12]
                x3 = (x3 - high) - low
                low = fused(share, x3, low)
                new = high + low
                r[5] = new
                r[12] = low - (new - high)
                high = r[6]
                low = r[13]
                y0 = (y0 - high) - low
                low = fused(share, y0, low)
                new = high + low
                r[6] = new
                r[13] = low - (new - high)
                high = r[7]
                low = r[14]
                y1 = (y1 - high) - low
                low = fused(share, y1, low)
                new = high + low
                r[7] = new
                r[14] = low - (new - high)
                high = r[8]
                low = r[15]
                y2 = (y2 - high) - low
                low = fused(share, y2, low)
                new = high + low
                r[8] = new
                r[15] = low - (new - high)
            r[1] = total
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


@kernel
def update_unweighted(records, row_bin, first, last, centred, notes, x0s, x1s, x2s, x3s, y0s, y1s, y2s):
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
            prefetch(records, ahead, 32)
            prefetch(records, ahead, 40)
            x0 = x0s[i]
            x1 = x1s[i]
            x2 = x2s[i]
            x3 = x3s[i]
            y0 = y0s[i]
            y1 = y1s[i]
            y2 = y2s[i]
            w = 1.0
            if (x0 - x0) + (x1 - x1) + (x2 - x2) + (x3 - x3) + (y0 - y0) + (y1 - y1) + (y2 - y2) != 0.0:
                if (x0 - x0) + (x1 - x1) + (x2 - x2) + (x3 - x3) != 0.0:
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
                low = r[9]
                x0 = (x0 - high) - low
                low = fused(share, x0, low)
                new = high + low
                r[2] = new
                r[9] = low - (new - high)
                high = r[3]
                low = r[10]
                x1 = (x1 - high) - low
                low = fused(share, x1, low)
                new = high + low
                r[3] = new
                r[10] = low - (new - high)
                high = r[4]
                low = r[11]
                x2 = (x2 - high) - low
                low = fused(share, x2, low)
                new = high + low
                r[4] = new
                r[11] = low - (new - high)
                high = r[5]
                low = r[12]
                x3 = (x3 - high) - low
                low = fused(share, x3, low)
                new = high + low
                r[5] = new
                r[12] = low - (new - high)
                high = r[6]
                low = r[13]
                y0 = (y0 - high) - low
                low = fused(share, y0, low)
                new = high + low
                r[6] = new
                r[13] = low - (new - high)
                high = r[7]
                low = r[14]
                y1 = (y1 - high) - low
                low = fused(share, y1, low)
                new = high + low
                r[7] = new
                r[14] = low - (new - high)
                high = r[8]
                low = r[15]
                y2 = (y2 - high) - low
                low = fused(share, y2, low)
                new = high + low
                r[8] = new
                r[15] = low - (new - high)
            r[1] = total
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


@kernel
def aliased(records, start, stop, centred, precision, tolerance):
    """How many of the bins start <= bin < stop have a predictor that the rank rule does not let pass."""
    found = 0
    squared = tolerance**2
    for b in range(start, stop):
        r = records[b]
        weight = r[1] if centred else 0.0
        square = weight * r[2] ** 2
        own0 = precision[0] ** 2 * (r[16] + square)
        limit0 = squared * (own0 + 2.0**-104 * square)
        square = weight * r[3] ** 2
        own1 = precision[1] ** 2 * (r[23] + r[16] * r[17] * r[17] + square)
        limit1 = squared * (own1 + 2.0**-104 * square + r[17] * own0 * r[17])
        square = weight * r[4] ** 2
        own2 = precision[2] ** 2 * (r[29] + r[16] * r[18] * r[18] + r[23] * r[24] * r[24] + square)
        limit2 = squared * (own2 + 2.0**-104 * square + r[18] * own0 * r[18] + r[24] * own1 * r[24])
        square = weight * r[5] ** 2
        own3 = precision[3] ** 2 * (r[34] + r[16] * r[19] * r[19] + r[23] * r[25] * r[25] + r[29] * r[30] * r[30] + square)
        limit3 = squared * (own3 + 2.0**-104 * square + r[19] * own0 * r[19] + r[25] * own1 * r[25] + r[30] * own2 * r[30])
        found += 3 + centred >= r[0] or r[16] <= limit0 or r[23] <= limit1 or r[29] <= limit2 or r[34] <= limit3
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
    odd6 = 0
    for b in range(start, stop):
        r = records[b]
        count[b] = np.int64(r[0])
        if r[0] < min_entries or r[16] == 0.0 or r[23] == 0.0 or r[29] == 0.0 or r[34] == 0.0:
            others += 1
            continue
        weight = r[1]
        e0 = 1.0 / r[16]
        g0 = r[2]
        v01 = -(r[17])
        e1 = 1.0 / r[23]
        g1 = r[3] + v01 * r[2]
        v12 = -(r[24])
        v02 = -(r[18] + r[17] * v12)
        e2 = 1.0 / r[29]
        g2 = r[4] + v02 * r[2] + v12 * r[3]
        v23 = -(r[30])
        v13 = -(r[25] + r[24] * v23)
        v03 = -(r[19] + r[17] * v13 + r[18] * v23)
        e3 = 1.0 / r[34]
        g3 = r[5] + v03 * r[2] + v13 * r[3] + v23 * r[4]
        s0 = r[16]
        size0 = s0 + weight * r[2] ** 2
        odd0 += is_odd_size(size0, weight, r[2])
        s1 = r[23] + r[16] * r[17] * r[17]
        size1 = s1 + weight * r[3] ** 2
        odd1 += is_odd_size(size1, weight, r[3])
        s2 = r[29] + r[16] * r[18] * r[18] + r[23] * r[24] * r[24]
        size2 = s2 + weight * r[4] ** 2
        odd2 += is_odd_size(size2, weight, r[4])
        s3 = r[34] + r[16] * r[19] * r[19] + r[23] * r[25] * r[25] + r[29] * r[30] * r[30]
        size3 = s3 + weight * r[5] ** 2
        odd3 += is_odd_size(size3, weight, r[5])
        s4 = r[38] + r[16] * r[20] * r[20] + r[23] * r[26] * r[26] + r[29] * r[31] * r[31] + r[34] * r[35] * r[35]
        size4 = s4 + weight * r[6] ** 2
        odd4 += is_odd_size(size4, weight, r[6])
        s5 = r[39] + r[16] * r[21] * r[21] + r[23] * r[27] * r[27] + r[29] * r[32] * r[32] + r[34] * r[36] * r[36]
        size5 = s5 + weight * r[7] ** 2
        odd5 += is_odd_size(size5, weight, r[7])
        s6 = r[40] + r[16] * r[22] * r[22] + r[23] * r[28] * r[28] + r[29] * r[33] * r[33] + r[34] * r[37] * r[37]
        size6 = s6 + weight * r[8] ** 2
        odd6 += is_odd_size(size6, weight, r[8])
        b3 = r[35]
        out[4, b] = b3
        b2 = r[31] - r[30] * b3
        out[3, b] = b2
        b1 = r[26] - r[24] * b2 - r[25] * b3
        out[2, b] = b1
        b0 = r[20] - r[17] * b1 - r[18] * b2 - r[19] * b3
        out[1, b] = b0
        high = r[6] - r[2] * b0 - r[3] * b1 - r[4] * b2 - r[5] * b3
        low = r[13] - r[9] * b0 - r[10] * b1 - r[11] * b2 - r[12] * b3
        out[0, b] = high + low
        out[15, b] = r[38]
        out[18, b] = s4
        constant[0, b] = s4 <= (32.0 * precision[4]) ** 2 * size4
        b3 = r[36]
        out[9, b] = b3
        b2 = r[32] - r[30] * b3
        out[8, b] = b2
        b1 = r[27] - r[24] * b2 - r[25] * b3
        out[7, b] = b1
        b0 = r[21] - r[17] * b1 - r[18] * b2 - r[19] * b3
        out[6, b] = b0
        high = r[7] - r[2] * b0 - r[3] * b1 - r[4] * b2 - r[5] * b3
        low = r[14] - r[9] * b0 - r[10] * b1 - r[11] * b2 - r[12] * b3
        out[5, b] = high + low
        out[16, b] = r[39]
        out[19, b] = s5
        constant[1, b] = s5 <= (32.0 * precision[5]) ** 2 * size5
        b3 = r[37]
        out[14, b] = b3
        b2 = r[33] - r[30] * b3
        out[13, b] = b2
        b1 = r[28] - r[24] * b2 - r[25] * b3
        out[12, b] = b1
        b0 = r[22] - r[17] * b1 - r[18] * b2 - r[19] * b3
        out[11, b] = b0
        high = r[8] - r[2] * b0 - r[3] * b1 - r[4] * b2 - r[5] * b3
        low = r[15] - r[9] * b0 - r[10] * b1 - r[11] * b2 - r[12] * b3
        out[10, b] = high + low
        out[17, b] = r[40]
        out[20, b] = s6
        constant[2, b] = s6 <= (32.0 * precision[6]) ** 2 * size6
        out[21, b] = 1.0 / weight + g0 * e0 * g0 + g1 * e1 * g1 + g2 * e2 * g2 + g3 * e3 * g3
        out[22, b] = -(g0 * e0 + v01 * e1 * g1 + v02 * e2 * g2 + v03 * e3 * g3)
        out[26, b] = -(g0 * e0 + v01 * e1 * g1 + v02 * e2 * g2 + v03 * e3 * g3)
        out[27, b] = e0 + v01 * e1 * v01 + v02 * e2 * v02 + v03 * e3 * v03
        out[32, b] = v01 * e1 + v02 * e2 * v12 + v03 * e3 * v13
        out[28, b] = v01 * e1 + v02 * e2 * v12 + v03 * e3 * v13
        out[29, b] = v02 * e2 + v03 * e3 * v23
        out[37, b] = v02 * e2 + v03 * e3 * v23
        out[30, b] = v03 * e3
        out[42, b] = v03 * e3
        out[23, b] = -(g1 * e1 + v12 * e2 * g2 + v13 * e3 * g3)
        out[31, b] = -(g1 * e1 + v12 * e2 * g2 + v13 * e3 * g3)
        out[33, b] = e1 + v12 * e2 * v12 + v13 * e3 * v13
        out[38, b] = v12 * e2 + v13 * e3 * v23
        out[34, b] = v12 * e2 + v13 * e3 * v23
        out[35, b] = v13 * e3
        out[43, b] = v13 * e3
        out[24, b] = -(g2 * e2 + v23 * e3 * g3)
        out[36, b] = -(g2 * e2 + v23 * e3 * g3)
        out[39, b] = e2 + v23 * e3 * v23
        out[40, b] = v23 * e3
        out[44, b] = v23 * e3
        out[25, b] = -(g3 * e3)
        out[41, b] = -(g3 * e3)
        out[45, b] = e3
        out[46, b] = 1.0 / (4.0 * (s0 * out[27, b] + s1 * out[33, b] + s2 * out[39, b] + s3 * out[45, b]))
    odd_sizes[0] += odd0
    odd_sizes[1] += odd1
    odd_sizes[2] += odd2
    odd_sizes[3] += odd3
    odd_sizes[4] += odd4
    odd_sizes[5] += odd5
    odd_sizes[6] += odd6
    return others
