"""Arrays of one kind whatever the caller's: loops are compiled for it alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A contiguous, aligned view that cannot be written, like the columns of frames that copy on write; else a copy."""
    view = np.require(array, requirements=["C", "A"]).view()
    view.flags.writeable = False
    return view


def read_only_doubles(array: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """The same in double precision; of extended precision, what is beyond the doubles is infinite."""
    if array.dtype != np.float64:
        with np.errstate(over="ignore"):
            array = array.astype(np.float64)
    return read_only(array)
