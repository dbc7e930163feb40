"""Numeric columns of a frame as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd


def numeric_values(column: pd.Series) -> npt.NDArray[Any]:
    """Values of a numeric or boolean column (n_rows,), in its own dtype and uncopied where numpy has that dtype.

    Nullable and Arrow-backed columns become float64 with NaN for a missing value, those of float32 float32; float16
    becomes float32.
    """
    if isinstance(column.dtype, np.dtype):
        values: npt.NDArray[Any] = column.to_numpy()
        return values.astype(np.float32) if values.dtype.kind == "f" and values.itemsize == 2 else values
    kind = np.float32 if getattr(column.dtype, "numpy_dtype", None) == np.float32 else np.float64
    present: npt.NDArray[Any] = column.to_numpy(dtype=kind, na_value=np.nan)
    return present


def compiled_values(column: pd.Series) -> npt.NDArray[Any]:
    """Values as by :func:`numeric_values`, in a dtype that compiled loops read.

    Extended precision and foreign byte order, which they do not read, become float64 and native byte order.
    """
    values = numeric_values(column)
    dtype = np.dtype(np.float64) if values.dtype.kind == "f" and values.itemsize > 8 else values.dtype.newbyteorder("=")
    return values.astype(dtype, copy=False)


def is_numeric(dtype: Any) -> bool:
    """Whether a column of this dtype can enter a fit: integers, floats and booleans, nullable or not."""
    plain = dtype if isinstance(dtype, np.dtype) else getattr(dtype, "numpy_dtype", None)  # object for Arrow decimals
    return isinstance(plain, np.dtype) and plain.kind in "biuf"


def roundoff(column: npt.NDArray[Any]) -> float:
    """Unit roundoff of the precision that a column came in: that of float32 for float32, of double for all others."""
    single = column.dtype.kind == "f" and column.dtype.itemsize == 4  # in either byte order
    return float(np.finfo(np.float32 if single else np.float64).eps)


def every_row(n_rows: int) -> npt.NDArray[np.bool_]:
    """A mask (n_rows,) that lets every row in and takes one byte."""
    mask: npt.NDArray[np.bool_] = np.broadcast_to(np.True_, n_rows)
    return mask


def is_every_row(mask: npt.NDArray[np.bool_]) -> bool:
    """Whether a mask is known to let every row in, without looking at it."""
    return is_broadcast(mask) and (len(mask) == 0 or bool(mask[0]))


def is_broadcast(values: npt.NDArray[Any]) -> bool:
    """Whether an array repeats one value without memory of its own."""
    return values.strides == (0,)
