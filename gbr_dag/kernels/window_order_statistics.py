"""Exact medians, quantiles and median absolute deviations over windows of a grid of bins.

The values of every bin are in ascending order. A tile of the grid has its own buckets, each holding about equally many
of its values; how many values of a window lie below each bucket's edge is summed along one axis at a time, in integers,
and only the values of the buckets that hold the wanted ranks are looked at.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gbr_dag.kernels.jit import kernel
from gbr_dag.kernels.medians import _heap_sort, _midpoint, _select

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
CountArray = npt.NDArray[Any]

_SAMPLES = 16
"""Values of the sample that the edges of buckets are taken from, a bucket."""


@kernel
def of_tile(
    runs: FloatArray,
    offsets: IntArray,
    lengths: IntArray,
    bin_at: npt.NDArray[Any],
    shape: IntArray,
    halo: IntArray,
    halo_sizes: IntArray,
    centres: IntArray,
    centre_sizes: IntArray,
    starts: IntArray,
    members: IntArray,
    multiples: IntArray,
    first_slice: int,
    last_slice: int,
    levels: FloatArray,
    work: CountArray,
    most_buckets: int,
    results: FloatArray,
    mads: FloatArray,
) -> None:
    """Order statistics of the windows about the bins of one tile, slice by slice.

    Parameters
    ----------
    runs, offsets, lengths : float64 array (n_values,), int64 arrays (n_bins + 1,), (n_bins,)
        The ``lengths[b]`` values of bin ``b``, ascending, begin at ``offsets[b]``.
    bin_at : int32 array (n_cells,)
        Bin of every cell of the grids of all slices, -1 for none.
    shape : int64 array (n_axes,)
        Positions along each axis.
    halo, halo_sizes, centres, centre_sizes : int64 arrays
        Positions of the tile and of its windows along each axis, one axis after the other, and how many they are.
    starts, members, multiples : int64 arrays
        Neighbours of the centres, one axis after the other: places among the halo's, and how often each counts.
    first_slice, last_slice : int
        Slices to do.
    levels : float64 array (m,)
        Quantiles from 0 to 1; NaN for the median.
    work : int32 or int64 array (3, cells of the halo * (most_buckets + 1))
        Scratch; its integers hold the number of values of a window.
    most_buckets : int
    results : float64 array (m, n_bins)
        Statistics at the levels; NaN for a window without values.
    mads : float64 array (n_bins,), or (0,) if they are not wanted

    Notes
    -----
    Cost per bin: buckets times the sum of 2 w + 1 over the axes, the number of neighbours, and the values of a bucket.
    There are about as many buckets as values in a bin.
    """
    n_axes, n_halo, n_centres = len(shape), 1, 1
    for axis in range(n_axes):
        n_halo *= halo_sizes[axis]
        n_centres *= centre_sizes[axis]
    bins, edges = np.empty(n_halo, dtype=np.int64), np.empty(most_buckets + 1)
    cells, counts = np.empty(n_halo, dtype=np.int64), np.empty(n_halo, dtype=np.int64)
    sample, scratch = np.empty(2 * _SAMPLES * most_buckets), np.empty(0)
    for s in range(first_slice, last_slice):
        n_values, n_filled = _find(bins, lengths, bin_at, shape, halo, halo_sizes, s)
        if n_filled == 0:
            continue
        n_buckets = max(1, min(most_buckets, n_values // n_filled))
        _cut(edges, n_buckets, runs, offsets, lengths, bins, n_values, sample)
        _place(work[0], edges, n_buckets, runs, offsets, lengths, bins)
        sums = _summed(work, n_buckets, halo_sizes, centre_sizes, starts, members, multiples)
        for c in range(n_centres):
            b = _bin_of(bin_at, shape, centres, centre_sizes, s, c)
            if b < 0:
                continue
            below = sums[c * (n_buckets + 1) : (c + 1) * (n_buckets + 1)]
            if len(scratch) < below[n_buckets]:
                scratch = np.empty(2 * below[n_buckets])
            n = _cells_of(c, centre_sizes, halo_sizes, starts, members, multiples, cells, counts)
            window = (runs, offsets, bins, work[0], cells[:n], counts[:n])
            for i in range(len(levels)):
                results[i, b] = _at_level(levels[i], below, edges, window, scratch)
            if len(mads):
                middle = _at_level(np.nan, below, edges, window, scratch)
                mads[b] = _deviation(middle, below, edges, window, scratch)


@kernel
def _find(
    bins: IntArray,
    lengths: IntArray,
    bin_at: npt.NDArray[Any],
    shape: IntArray,
    halo: IntArray,
    halo_sizes: IntArray,
    s: int,
) -> tuple[int, int]:
    """Bins of the halo's cells, -1 for none; how many values they hold, and how many of them hold any."""
    n_values, n_filled = 0, 0
    for cell in range(len(bins)):
        bins[cell] = _bin_of(bin_at, shape, halo, halo_sizes, s, cell)
        if bins[cell] >= 0 and lengths[bins[cell]] > 0:
            n_values += lengths[bins[cell]]
            n_filled += 1
    return n_values, n_filled


@kernel
def _bin_of(bin_at: npt.NDArray[Any], shape: IntArray, positions: IntArray, sizes: IntArray, s: int, cell: int) -> int:
    """Bin at a cell of a box of positions."""
    place, stride, last = 0, 1, len(positions)
    for axis in range(len(shape) - 1, -1, -1):
        last -= sizes[axis]
        place += positions[last + cell % sizes[axis]] * stride
        cell //= sizes[axis]
        stride *= shape[axis]
    found: int = bin_at[s * stride + place]
    return found


@kernel
def _cut(
    edges: FloatArray,
    n_buckets: int,
    runs: FloatArray,
    offsets: IntArray,
    lengths: IntArray,
    bins: IntArray,
    n_values: int,
    sample: FloatArray,
) -> None:
    """Lower edges of buckets, from a sample of every bin's values; after the last comes infinity.

    A value that would fill several buckets has one of its own.
    """
    edges[0], edges[n_buckets] = -np.inf, np.inf
    if n_buckets == 1:
        return
    step = max(1, n_values // (_SAMPLES * n_buckets))
    n, place = 0, step // 2
    for b in bins:
        if b >= 0:
            while place < lengths[b] and n < len(sample):
                sample[n] = runs[offsets[b] + place]
                n += 1
                place += step
            place -= lengths[b]
    _heap_sort(sample[:n])
    for i in range(1, n_buckets):
        edge = sample[i * n // n_buckets]
        if edge == edges[i - 1]:
            edge = np.nextafter(edge, np.inf)
        edges[i] = max(edge, edges[i - 1])


@kernel
def _place(
    table: CountArray,
    edges: FloatArray,
    n_buckets: int,
    runs: FloatArray,
    offsets: IntArray,
    lengths: IntArray,
    bins: IntArray,
) -> None:
    """Values of every cell below each edge, (cells, n_buckets + 1)."""
    for cell in range(len(bins)):
        b, base = bins[cell], cell * (n_buckets + 1)
        if b < 0:
            table[base : base + n_buckets + 1] = 0
            continue
        i, n, first = 0, lengths[b], offsets[b]
        for bucket in range(n_buckets):
            while i < n and runs[first + i] < edges[bucket]:
                i += 1
            table[base + bucket] = i
        table[base + n_buckets] = n


@kernel
def _summed(
    work: CountArray,
    n_buckets: int,
    halo_sizes: IntArray,
    centre_sizes: IntArray,
    starts: IntArray,
    members: IntArray,
    multiples: IntArray,
) -> CountArray:
    """The first row of ``work`` summed over windows, (centres, n_buckets + 1), in one of the others."""
    outer, inner, first = 1, n_buckets + 1, 0
    for size in halo_sizes:
        inner *= size
    source, target, other = work[0], work[1], work[2]
    for axis in range(len(halo_sizes)):
        n_in, n_out = halo_sizes[axis], centre_sizes[axis]
        inner //= n_in
        for o in range(outer):
            for c in range(n_out):
                line = target[(o * n_out + c) * inner : (o * n_out + c + 1) * inner]
                line[:] = 0
                for entry in range(starts[first + c], starts[first + c + 1]):
                    place, multiple = (o * n_in + members[entry]) * inner, multiples[entry]
                    if multiple == 1:
                        for i in range(inner):
                            line[i] += source[place + i]
                    else:
                        for i in range(inner):
                            line[i] += multiple * source[place + i]
        outer, first = outer * n_out, first + n_out
        source, target, other = target, other, target
    return source


@kernel
def _cells_of(
    c: int,
    centre_sizes: IntArray,
    halo_sizes: IntArray,
    starts: IntArray,
    members: IntArray,
    multiples: IntArray,
    cells: IntArray,
    counts: IntArray,
) -> int:
    """Write the cells of a centre's window, and how often each counts; their number."""
    n, stride, last = 1, 1, len(starts) - 1
    cells[0], counts[0] = 0, 1
    for axis in range(len(centre_sizes) - 1, -1, -1):
        last -= centre_sizes[axis]
        place = last + c % centre_sizes[axis]
        c //= centre_sizes[axis]
        first, found = starts[place], starts[place + 1] - starts[place]
        for j in range(found - 1, -1, -1):  # the first neighbour last: it writes over what the others read
            for i in range(n):
                cells[j * n + i] = cells[i] + members[first + j] * stride
                counts[j * n + i] = counts[i] * multiples[first + j]
        n *= found
        stride *= halo_sizes[axis]
    return n


@kernel
def _gathered(window: Any, n_buckets: int, bucket: int, scratch: FloatArray, n: int) -> int:
    """Append a bucket's values in a window to the first ``n``, as often as each counts; their number then."""
    runs, offsets, bins, table, cells, counts = window
    for i in range(len(cells)):
        base = cells[i] * (n_buckets + 1) + bucket
        first, last = table[base], table[base + 1]
        if first < last:
            begin = offsets[bins[cells[i]]]
            for _ in range(counts[i]):
                for place in range(begin + first, begin + last):
                    scratch[n] = runs[place]
                    n += 1
    return n


@kernel
def _bucket_of(rank: int, below: CountArray) -> int:
    """Bucket that holds the value of a rank."""
    first, last = 0, len(below) - 1
    while last - first > 1:
        middle = (first + last) // 2
        if below[middle] <= rank:
            first = middle
        else:
            last = middle
    return first


@kernel
def _of_one_value(edges: FloatArray, bucket: int) -> bool:
    return bucket > 0 and edges[bucket + 1] == np.nextafter(edges[bucket], np.inf)


@kernel
def _at_level(level: float, below: CountArray, edges: FloatArray, window: Any, scratch: FloatArray) -> float:
    n_buckets = len(below) - 1
    total = below[n_buckets]
    if total == 0:
        return np.nan
    rank, share = ranks(level, total)
    bucket = _bucket_of(rank, below)
    if _of_one_value(edges, bucket):
        lower = edges[bucket]
        upper = lower
    else:
        n = _gathered(window, n_buckets, bucket, scratch, 0)
        lower, upper = adjacent(scratch, n, rank - below[bucket])
    if rank + 1 == below[bucket + 1] and share > 0.0:
        bucket = _bucket_of(rank + 1, below)
        if _of_one_value(edges, bucket):
            upper = edges[bucket]
        else:
            n = _gathered(window, n_buckets, bucket, scratch, 0)
            upper = scratch[:n].min()
    return between(level, lower, upper, share)


@kernel
def adjacent(values: FloatArray, n: int, rank: int) -> tuple[float, float]:
    """The value of a rank among the first ``n``, and the next one, or itself again where it is the last."""
    _select(values, n, rank)
    lower, upper = values[rank], values[rank]
    if rank + 1 < n:
        upper = values[rank + 1 : n].min()
    return lower, upper


@kernel
def ranks(level: float, total: int) -> tuple[int, float]:
    """Rank of the value below a level, and how far the level lies from it to the next, as NumPy's default has it."""
    if np.isnan(level):
        return (total - 1) // 2, 0.0 if total % 2 == 1 else 0.5
    place = (total - 1) * level
    rank = min(int(np.floor(place)), total - 1)
    return rank, place - rank


@kernel
def between(level: float, lower: float, upper: float, share: float) -> float:
    """The value at a share of the way from one value to the next; half way by their mean for the median."""
    if share == 0.0:
        return lower
    if np.isnan(level):
        return _midpoint(lower, upper)
    step = upper - lower
    if np.isinf(step):
        return lower * (1.0 - share) + upper * share
    return upper - step * (1.0 - share) if share >= 0.5 else lower + step * share


@kernel
def _deviation(middle: float, below: CountArray, edges: FloatArray, window: Any, scratch: FloatArray) -> float:
    """Median of the distances from ``middle``, from buckets taken outward from it, the nearer side first."""
    n_buckets = len(below) - 1
    total = below[n_buckets]
    if total == 0:
        return np.nan
    rank, share = ranks(np.nan, total)
    first = np.searchsorted(edges[: n_buckets + 1], middle, side="right") - 1
    last, reach, farthest = first + 1, 0.0, np.inf
    while first > 0 or last < n_buckets:
        left, right = middle - edges[first], edges[last] - middle
        taken = below[last] - below[first]
        if taken <= rank:
            reach = min(left, right)  # nearer values are all taken, and no more than the rank
        elif taken >= rank + 2 and farthest == np.inf:
            farthest = max(left, right)
        if min(left, right) >= farthest:
            break
        if first > 0 and (last == n_buckets or left <= right):
            first -= 1
        else:
            last += 1
    n, left_out = 0, 0
    for bucket in range(first, last):
        if max(middle - edges[bucket], edges[bucket + 1] - middle) <= reach:
            left_out += below[bucket + 1] - below[bucket]
        else:
            n = _gathered(window, n_buckets, bucket, scratch, n)
    for i in range(n):
        scratch[i] = abs(scratch[i] - middle)
    lower, upper = adjacent(scratch, n, rank - left_out)
    return between(np.nan, lower, upper, share)
