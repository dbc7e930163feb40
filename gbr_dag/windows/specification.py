"""What a window is along each dimension of the grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Callable, Optional, Union

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
OwnKernel = Callable[[npt.NDArray[np.int64], FloatArray], Any]
"""Offsets (n, n_dimensions) in bins and widths (n_dimensions,) to weights (n,)."""

BOUNDARIES = ("mirror", "periodic", "symmetric", "truncate")
"""What happens to the part of a window beyond the observed range."""

KERNELS = ("distance", "epanechnikov", "gaussian", "linear", "uniform")
"""Weights of neighbours by their offset."""

SEPARABLE = ("gaussian", "uniform")
"""Kernels that are products of one factor a dimension."""

WITHOUT_WIDTH = ("distance", "uniform")
"""Kernels that no width belongs to."""

LEAST_WEIGHT = 1e-20
"""Smaller weights count as 0 (the centre has 1): their cubes, which errors take, would leave the range of doubles."""

LARGEST_WEIGHT = 1e20
"""Of kernels of the user's own."""


@dataclass(frozen=True)
class WindowDimension:
    """The window along one dimension.

    Attributes
    ----------
    name : str
        Key column.
    size : int
        Bins to either side.
    boundary : str
        One of ``BOUNDARIES``.
    period : int or None
        Bins after which a periodic dimension repeats; None for the observed range.
    kernel : str or callable
        One of ``KERNELS``, or one function for all dimensions.
    width : float
        Width of the kernel, in bins.
    """

    name: str
    size: int
    boundary: str = "truncate"
    period: Optional[int] = None
    kernel: Union[str, OwnKernel] = "uniform"
    width: float = 1.0


def default_width(kernel: Union[str, OwnKernel], size: int) -> float:
    """Width in bins where none is given: the window's size (at least 1) for gaussian and own kernels, else one more."""
    return float(max(size, 1)) if kernel == "gaussian" or callable(kernel) else float(size + 1)


def family_weights(kernel: str, offsets: npt.NDArray[np.int64], widths: Sequence[float]) -> FloatArray:
    """Weights (n,) of offsets (n, n_dimensions) that share one of ``KERNELS``; u = offset / width per dimension.

    ``uniform`` 1, ``gaussian`` exp(-sum u^2 / 2), ``epanechnikov`` max(0, 1 - sum u^2), ``linear``
    max(0, 1 - sqrt(sum u^2)), ``distance`` 1 / (1 + d) with d the Euclidean offset in bins. Weights below
    ``LEAST_WEIGHT`` are 0.
    """
    with np.errstate(over="ignore"):  # far beyond a tiny width the weight is 0
        squares = np.sum((offsets / np.asarray(widths, dtype=np.float64)) ** 2, axis=1)
    if kernel == "gaussian":
        weights: FloatArray = np.exp(-0.5 * squares)
    elif kernel == "epanechnikov":
        weights = np.maximum(0.0, 1.0 - squares)
    elif kernel == "linear":
        weights = np.maximum(0.0, 1.0 - np.sqrt(squares))
    elif kernel == "distance":
        weights = 1.0 / (1.0 + np.sqrt(np.sum(offsets.astype(np.float64) ** 2, axis=1)))
    else:
        weights = np.ones(len(offsets))
    return np.where(weights < LEAST_WEIGHT, 0.0, weights)
