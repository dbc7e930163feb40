"""The one way in which loops are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compile a loop when it is first called, and keep the machine code on disk.

    ``nogil``: threads run kernels side by side. ``error_model="numpy"``: a division by zero is not an exception, which
    would end vectorisation and leave work half done. No ``fastmath``: the compensated means of the factors are exact
    only as long as nobody reorders their sums.
    """
    compiled: Function = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    return compiled
