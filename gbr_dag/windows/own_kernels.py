"""Kernels that are functions of the user's own, with what they give checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gbr_dag.errors import InputError
from gbr_dag.group_fits.records import Caught
from gbr_dag.windows.specification import LARGEST_WEIGHT, LEAST_WEIGHT

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_FARTHEST_PROBE = 1000
"""Windows may be declared larger than any range: powers of offsets that never occur would leave 64 bits."""


def own_weights(kernel: Any, offsets: IntArray, widths: Sequence[float]) -> FloatArray:
    """Weights (n,) of a user's own kernel, checked.

    Raises
    ------
    InputError
        If it raises, or does not give 0 or a weight from 1e-20 to 1e20 for each of the offsets (n, n_dimensions).
    """
    weights = _given(kernel, offsets, widths)
    fit = (weights == 0.0) | ((weights >= LEAST_WEIGHT) & (weights <= LARGEST_WEIGHT))
    if not fit.all():
        message = f"kernel must give 0 or weights from 1e-20 to 1e20, got {weights[~fit][0]}; rescale it or cut it off"
        raise InputError(message)
    return weights


def check_own_kernel(kernel: Any, sizes: Sequence[int], widths: Sequence[float]) -> None:
    """Refuse a kernel that cannot be: asked for a handful of offsets together and one by one.

    Parameters
    ----------
    kernel : callable
    sizes : sequence of int
        Bins to either side along each dimension that has a window.
    widths : sequence of float

    Raises
    ------
    InputError
        If it raises, gives no weights, no fit weight of the centre, or an offset's weight depends on what else it is
        asked for: engines ask for different offsets at a time.
    """
    ends = np.diag(np.minimum(np.array(sizes, dtype=object), _FARTHEST_PROBE).astype(np.int64))
    offsets = np.concatenate([np.zeros((1, len(sizes)), dtype=np.int64), ends, -ends, ends.sum(axis=0)[None]])
    own_weights(kernel, offsets[:1], widths)
    together = _given(kernel, offsets, widths)
    for offset, weight in zip(offsets, together):
        alone = float(_given(kernel, offset[None], widths)[0])
        # loops over several elements at a time may round otherwise
        if not np.isclose(alone, weight, rtol=1e-9, atol=0.0, equal_nan=True):
            message = (
                f"kernel must weigh each offset by itself: of offset {offset.tolist()} it gives {alone:.6g} alone and"
                f" {weight:.6g} among others; leave out what depends on all offsets, such as their sum"
            )
            raise InputError(message)


def _given(kernel: Any, offsets: IntArray, widths: Sequence[float]) -> FloatArray:
    """What the kernel gives, as doubles (n,); it may change its copies of the arguments."""
    given: Any = None
    with Caught() as caught:
        given = np.asarray(kernel(offsets.copy(), np.array(widths, dtype=np.float64)))
        if given.dtype.kind == "O":
            given = given.astype(np.float64)
    if isinstance(caught.error, MemoryError):
        raise caught.error
    if caught.error is not None:
        said = " ".join(f"{type(caught.error).__name__}: {caught.error}".split())
        message = f"kernel must give weights of offsets {offsets.shape} and widths ({len(widths)},), it raised {said}"
        raise InputError(message) from caught.error
    if given.dtype.kind not in "biuf":
        message = f"kernel must give numbers, got an array of {given.dtype}"
        raise InputError(message)
    if given.shape != (len(offsets),):
        message = f"kernel must give one weight for each of {len(offsets)} offsets, got an array {given.shape}"
        raise InputError(message)
    weights: FloatArray = given.astype(np.float64)
    return weights
