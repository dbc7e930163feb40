"""Memory for the large arrays that every fit needs anew."""

from __future__ import annotations

import math
import mmap
from typing import Any

import numpy as np
import numpy.typing as npt

_LARGE = 1 << 18
"""Bytes from which an array gets memory of its own."""

_HUGE_PAGE = 1 << 21

_MOST_KEPT = 1 << 27
"""Bytes that are kept for the next arrays of about the same size.

Memory fresh from the system costs a page fault every 4 kB. On a virtual machine whose host takes back what is free,
these took 25 to 80 ms for the 19 MB that 500,000 rows fill at random within 11 ms.
"""

_LINE = 64

_PRIVATE = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
"""Without it the processes of a fork would write into one memory."""

_SHELF: list[mmap.mmap] = []


class _Lease:
    """Memory of one array; when the last view of it is gone, it goes onto the shelf."""

    def __init__(self, memory: mmap.mmap) -> None:
        self._memory = memory
        address = np.frombuffer(memory, dtype=np.uint8).__array_interface__["data"][0]
        shape = (len(memory),)
        self.__array_interface__ = {"data": (address, False), "shape": shape, "typestr": "|u1", "version": 3}

    def __del__(self) -> None:
        if sum(len(memory) for memory in _SHELF) + len(self._memory) <= _MOST_KEPT:
            _SHELF.append(self._memory)


def empty(shape: tuple[int, ...], dtype: npt.DTypeLike = np.float64) -> npt.NDArray[Any]:
    """An array that holds anything, beginning on a cache line; on huge pages where the system has them."""
    dtype = np.dtype(dtype)
    size = dtype.itemsize * math.prod(shape)
    if size < _LARGE:
        memory = np.empty(size + _LINE, dtype=np.uint8)
        memory = memory[-memory.ctypes.data % _LINE :]
    else:
        memory = np.asarray(_Lease(_pages(size)))
    return memory[:size].view(dtype).reshape(shape)


def zeros(shape: tuple[int, ...], dtype: npt.DTypeLike = np.float64) -> npt.NDArray[Any]:
    """An array of zeros, beginning on a cache line; on huge pages where the system has them."""
    table = empty(shape, dtype)
    table.fill(0)
    return table


def _pages(size: int) -> mmap.mmap:
    step = _HUGE_PAGE if size >= _HUGE_PAGE else _LARGE
    size = -(-size // step) * step
    for memory in list(_SHELF):
        if size <= len(memory) <= size + size // 4:
            try:
                _SHELF.remove(memory)
            except ValueError:  # another thread was faster
                continue
            return memory
    try:
        memory = mmap.mmap(-1, size, **_PRIVATE)
    except OSError as error:
        message = f"no memory for an array of {size / 1e6:.1f} MB"
        raise MemoryError(message) from error
    if size >= _HUGE_PAGE and hasattr(mmap, "MADV_HUGEPAGE"):
        memory.madvise(mmap.MADV_HUGEPAGE)
    return memory
