"""Neighbours of bins looked up in the tree of occupied ones: slice, position along the first axis, the second, ..."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gbr_dag.kernels.jit import kernel

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@kernel
def find_neighbours(
    slices: IntArray,
    ranks: IntArray,
    positions: IntArray,
    positions_at: IntArray,
    children: IntArray,
    children_at: IntArray,
    bin_of_leaf: IntArray,
    starts: IntArray,
    starts_at: IntArray,
    neighbours: IntArray,
    weights: FloatArray,
    places: IntArray,
    joint: FloatArray,
    first: int,
    last: int,
    found_starts: IntArray,
    found_bins: IntArray,
    found_weights: FloatArray,
) -> int:
    """Neighbours of the centres ``first <= bin < last`` with weights above 0, each once; for how many there was room.

    All axes' arrays lie one after the other. Node ``i`` of axis ``d`` is at ``positions[positions_at[d] + i]``, the
    children of its parent ``j`` begin at ``children[children_at[d] + j]``. Entries of position ``c`` begin at
    ``starts[starts_at[d] + c]``; they ascend, and several of one neighbour are its images. An entry's joint weight is
    that at the sum of its ``places`` over the axes.
    """
    n_axes = ranks.shape[0]
    n_axes, n = ranks.shape[0], 0
    node, stop, entry, end, image, images, current = np.empty((7, n_axes), np.int64)
    # of the way down the tree so far: the weight, the place among joint weights, whether there are several images
    weight_to, place_to, several_to = np.ones(n_axes), np.zeros(n_axes, np.int64), np.zeros(n_axes, np.bool_)
    found_starts[0] = 0
    for centre in range(first, last):
        d, parent, entering = 0, slices[centre], True
        while d >= 0:
            if entering:
                place = starts_at[d] + ranks[d, centre]
                entry[d], end[d] = starts[place], starts[place + 1]
                place = children_at[d] + parent
                low, stop[d] = positions_at[d] + children[place], positions_at[d] + children[place + 1]
                node[d] = _first_from(positions, low, stop[d], neighbours[entry[d]])
            e, k, last_e, last_k = entry[d], node[d], end[d], stop[d]
            weight, joint_place, several = weight_to[d], place_to[d], several_to[d]
            entering = False
            while e < last_e and k < last_k:
                if positions[k] != neighbours[e]:
                    if positions[k] < neighbours[e]:
                        k += 1
                    else:
                        e += 1
                    continue
                image[d], images[d] = e, e + 1
                while images[d] < last_e and neighbours[images[d]] == positions[k]:
                    images[d] += 1
                if d < n_axes - 1:
                    entering = True
                    break
                product = weight * weights[e]
                if joint.size > 0:
                    product *= joint[joint_place + places[e]]
                    if several or images[d] > e + 1:
                        product = _joint_weight(image, images, current, weights, places, joint)
                if product > 0.0:
                    if n == found_bins.size:
                        return centre - first
                    found_bins[n], found_weights[n] = bin_of_leaf[k - positions_at[d]], product
                    n += 1
                e, k = images[d], k + 1
            if entering:
                entry[d], node[d], parent = images[d], k + 1, k - positions_at[d]
                weight_to[d + 1] = weight * weights[e]
                several_to[d + 1] = several or images[d] > e + 1
                if joint.size > 0:
                    place_to[d + 1] = joint_place + places[e]
                d += 1
            else:
                d -= 1
        found_starts[centre - first + 1] = n
    return last - first


@kernel
def _first_from(positions: IntArray, low: int, high: int, wanted: int) -> int:
    """Where the first position of at least ``wanted`` stands among the ascending ones from low to high."""
    while low < high:
        middle = (low + high) // 2
        if positions[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def _joint_weight(
    image: IntArray,
    images: IntArray,
    current: IntArray,
    weights: FloatArray,
    places: IntArray,
    joint: FloatArray,
) -> float:
    """Sum over all images of one neighbour: along axis ``d`` these are the entries ``image[d]`` to ``images[d]``."""
    n_axes = image.size
    current[:] = image
    total = 0.0
    d = 0
    while d >= 0:
        weight, place = 1.0, 0
        for i in range(n_axes):
            weight *= weights[current[i]]
            place += places[current[i]]
        total += weight * joint[place]
        d = n_axes - 1
        while d >= 0:
            current[d] += 1
            if current[d] < images[d]:
                break
            current[d] = image[d]
            d -= 1
    return total
