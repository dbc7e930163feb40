"""What flows between the nodes: frozen records of arrays, each array with its shape.

``n_rows`` counts the rows of the caller's frame, ``n_bins`` the groups (or bins) of the result, ``p`` the
predictors, ``t`` the targets. Rows are positions, never labels.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional, TypeVar, Union, overload

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

_Scalar = TypeVar("_Scalar", bound=np.generic)

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Columns = tuple[npt.NDArray[Any], ...]
"""One-dimensional numeric arrays of equal length, in their own dtypes."""


class FitStatus(enum.IntFlag):
    """What is to be known of one fit, as flags that can stand together.

    ``OK`` is 0: nothing to report. Thresholds and guarantees are those of :func:`explain_status`.

    Examples
    --------
    >>> FitStatus(6) == FitStatus.RANK_DEFICIENT | FitStatus.SATURATED
    True
    """

    OK = 0
    INSUFFICIENT = 1
    RANK_DEFICIENT = 2
    SATURATED = 4
    ILL_CONDITIONED = 8
    NEARLY_EXACT = 16
    NOT_CONVERGED = 32
    FAILED = 64

    # From Python 3.11 on a flag iterates over its bits, which makes pandas take table["y_status"] == FitStatus.OK for
    # a comparison with a list.
    __iter__ = None  # type: ignore[assignment]


_STATUS_WORDS = {
    FitStatus.INSUFFICIENT: "insufficient: fewer usable rows than min_entries, nothing was fitted",
    FitStatus.RANK_DEFICIENT: (
        "rank deficient: a predictor is constant or a linear combination of earlier ones (or there are fewer rows"
        " than coefficients); its coefficient is missing and the rest is fitted without it"
    ),
    FitStatus.SATURATED: "saturated: as many coefficients as rows, so there is no scatter to take errors and rms from",
    FitStatus.ILL_CONDITIONED: (
        "ill conditioned: predictors are nearly collinear; coefficients lose about as many digits as their condition"
        " number has"
    ),
    FitStatus.NEARLY_EXACT: (
        "nearly exact: residuals are below 1e-5 of the target's scatter, so rms and errors are limited by rounding"
    ),
    FitStatus.NOT_CONVERGED: (
        "not converged: the fit, or its rejection of outliers, had not settled within the steps allowed; the values are"
        " those of the last step"
    ),
    FitStatus.FAILED: "failed: the fitter raised an error or returned no fit; a warning told the first of these",
}


@overload
def explain_status(status: Union[int, np.integer[Any]]) -> str: ...
@overload
def explain_status(status: pd.Series) -> pd.Series: ...
def explain_status(status: Any) -> Any:
    """Say in words what a fit's status means.

    Parameters
    ----------
    status : int, FitStatus or pandas.Series of int
        A value or a column ``t_status`` of a fit table.

    Returns
    -------
    str or pandas.Series of str
        ``"ok"`` for 0, else the flags' meanings joined by ``"; "``; a Series keeps its index.

    Raises
    ------
    ValueError
        If a value holds a bit that no flag has.

    Examples
    --------
    >>> explain_status(0)
    'ok'
    >>> explain_status(FitStatus.SATURATED)
    'saturated: as many coefficients as rows, so there is no scatter to take errors and rms from'
    """
    if hasattr(status, "map"):
        return status.map({value: explain_status(value) for value in status.dropna().unique()})
    value = int(status)
    known = sum(flag.value for flag in _STATUS_WORDS)
    if value < 0 or value & ~known:
        message = f"status must be a combination of FitStatus flags (0 to {known}), got {value}"
        raise ValueError(message)
    return "; ".join(words for flag, words in _STATUS_WORDS.items() if value & flag.value) or "ok"


@dataclass(frozen=True)
class BinCoordinates:
    """Where every row lies, key by key: row i at ``codes[key][i] - lows[key]`` in the sorted order of the key's values.

    Attributes
    ----------
    codes : tuple of integer arrays, one a key, each (n_rows,)
        The column itself where the key is an integer, else positions among ``levels`` (int32). Rows that are not
        present hold anything.
    lows, spans : tuples of int
        Smallest code of the rows present, and how many codes there are from it to the largest.
    levels : tuple of (pandas.Index or None)
        Sorted key values by code; None where the code is the value.
    present : bool array (n_rows,)
        Rows that belong to a bin; a broadcast True when all do.
    """

    codes: tuple[npt.NDArray[np.integer[Any]], ...]
    lows: tuple[int, ...]
    spans: tuple[int, ...]
    levels: tuple[Optional[pd.Index], ...]
    present: BoolArray


@dataclass(frozen=True)
class CellIds:
    """One integer a row that sorts as the keys do.

    Attributes
    ----------
    ids : int32 or int64 array (n_rows,)
        Row-major position of the row's coordinates, or the rank of that position among those that occur; -1 where the
        row is left out.
    span : int
        Exclusive upper bound of the ids.
    counts : int64 array (span,)
        Rows of every id.
    members : int64 array (span,) or None
        A row of every id, where ids are ranks; None where ids are positions on the grid.
    """

    ids: npt.NDArray[np.signedinteger[Any]]
    span: int
    counts: IntArray
    members: Optional[IntArray]


@dataclass(frozen=True)
class BinTable:
    """The occupied bins, sorted by key.

    Attributes
    ----------
    keys : pandas.DataFrame (n_bins, n_keys)
        Key values in the caller's dtypes; a plain range index.
    cells : int64 array (n_bins,)
        Cell id of every bin, ascending.
    """

    keys: pd.DataFrame
    cells: IntArray

    @property
    def n_bins(self) -> int:
        """Number of occupied bins."""
        return len(self.cells)


@dataclass(frozen=True)
class BinMap:
    """The bin of every row.

    Attributes
    ----------
    row_bin : int32 or int64 array (n_rows,)
        Bin of every row, -1 where the row is left out.
    n_bins : int
        Number of bins.
    """

    row_bin: npt.NDArray[np.signedinteger[Any]]
    n_bins: int


@dataclass(frozen=True)
class BinRows:
    """The rows of every bin: row positions and offsets into them.

    Attributes
    ----------
    rows : int64 array (n_binned_rows,), int32 from the compiled sort
        Row positions sorted by bin, within a bin in the frame's order.
    offsets : int64 array (n_bins + 1,)
        Bin ``b`` holds ``rows[offsets[b]:offsets[b + 1]]``.
    """

    rows: npt.NDArray[np.signedinteger[Any]]
    offsets: IntArray


@dataclass(frozen=True)
class TargetBlock:
    """Targets that are fitted on the same rows, so that they share one factor.

    Attributes
    ----------
    targets : tuple of int
        Positions of the targets in the caller's order.
    rows : bool array (n_rows,)
        Rows that enter the fit: positive weight, finite predictors, finite targets.
    """

    targets: tuple[int, ...]
    rows: BoolArray


@dataclass(frozen=True)
class Factors:
    """Triangular factors of the weighted rows of every bin, one record of doubles a bin.

    Columns are the ``p`` predictors and then the targets of one block, ``k`` in all, centred on the weighted means
    when there is an intercept (which is therefore no column). For every target t, X'WX of (predictors, t) is U' D U
    with U unit upper triangular; targets know nothing of each other. A record holds, in this order: the number of
    rows, the sum of their weights, the means of the k columns as hi and then as lo, for each predictor its squared
    pivot D_j and the rest of its row of U, and the residual sum of squares of each target. Means are hi + lo pairs: hi
    alone carries the rounding of the offset into the scatter.

    Attributes
    ----------
    targets : tuple of int
        Positions of the block's targets in the caller's order.
    records : float64 array (n_bins, at least record_width(p, k))
    precision : float64 array (k,)
        Unit roundoff of the dtype that each column came in, as ``numpy.finfo(dtype).eps``.
    intercept : bool
        Whether the columns are centred.
    kept : bool array (n_bins, p) or None
        Predictors that the rank rule let pass; None before it was applied.
    """

    targets: tuple[int, ...]
    records: FloatArray
    precision: FloatArray
    intercept: bool
    kept: Optional[BoolArray] = None

    @property
    def n_predictors(self) -> int:
        """Number of predictor columns."""
        return len(self.precision) - len(self.targets)

    @property
    def count(self) -> IntArray:
        """Rows in the factor, int64 (n_bins,)."""
        return self.records[:, 0].astype(np.int64)

    @property
    def sum_weights(self) -> FloatArray:
        """Sum of their weights, (n_bins,)."""
        return self.records[:, 1]

    @property
    def mean_hi(self) -> FloatArray:
        """Weighted means without their small part, (n_bins, k); zero without intercept."""
        return self.records[:, 2 : 2 + len(self.precision)]

    @property
    def mean_lo(self) -> FloatArray:
        """The small part of the means, (n_bins, k)."""
        k = len(self.precision)
        return self.records[:, 2 + k : 2 + 2 * k]


def record_row(i: int, k: int) -> int:
    """Where row ``i`` of U begins in a record of ``k`` columns; after the last, where the residual sums do."""
    return 2 + 2 * k + i * k - i * (i - 1) // 2


def record_width(p: int, k: int) -> int:
    """Doubles of a record of ``p`` predictors and ``k - p`` targets."""
    return record_row(p, k) + k - p


@dataclass(frozen=True)
class Coefficients:
    """Solved fits of every bin and target, with what errors and diagnostics are made from.

    ``m`` is the number of coefficients, the intercept (if any) first. ``block_of[i]`` tells which of the ``n_blocks``
    sets of rows target ``i`` was fitted on. Bins with fewer than ``min_entries`` usable rows hold NaN.

    Attributes
    ----------
    values : float64 array (n_bins, t, m)
        Coefficients; NaN where aliased or not fitted.
    sse, syy : float64 arrays (n_bins, t)
        Weighted residual sum of squares, weighted scatter of the target (about its mean if there is an intercept).
    constant : bool array (n_bins, t)
        The target's scatter is the rounding of its own size.
    unit_covariance : float64 array (n_bins, n_blocks, m, m)
        (X'WX)^-1; NaN in rows and columns of aliased predictors.
    count, rank : int64 arrays (n_bins, n_blocks)
        Rows used; coefficients that they determine (0 where not fitted).
    conditioning : float64 array (n_bins, n_blocks)
        q = 1 / (p * sum of VIF_j), a bound from below on 1/kappa^2 of the scaled design; 1 without predictors.
    block_of : tuple of int
        Block of each target.
    scale : float64 array (n_bins, t) or None
        Standard deviation of a row of weight 1 by the fitter's own estimate; None where it is the rms.
    flags : int16 array (n_bins, t) or None
        Bits of ``FitStatus`` that the fitter itself set; None where it sets none.
    """

    values: FloatArray
    sse: FloatArray
    syy: FloatArray
    constant: BoolArray
    unit_covariance: FloatArray
    count: IntArray
    rank: IntArray
    conditioning: FloatArray
    block_of: tuple[int, ...]
    scale: Optional[FloatArray] = None
    flags: Optional[npt.NDArray[np.int16]] = None

    @property
    def fitted(self) -> BoolArray:
        """Whether anything was fitted, bool (n_bins, n_blocks)."""
        return ~np.isnan(self.conditioning)

    def of_targets(self, per_block: npt.NDArray[_Scalar]) -> npt.NDArray[_Scalar]:
        """Spread an array (n_bins, n_blocks, ...) over the targets, (n_bins, t, ...); one block is not copied."""
        if per_block.shape[1] == 1:
            n_bins, _, *rest = per_block.shape
            return np.broadcast_to(per_block, (n_bins, len(self.block_of), *rest))
        return per_block[:, list(self.block_of)]

    def without_bins(self, left_out: BoolArray) -> Coefficients:
        """The same with nothing fitted where ``left_out`` (n_bins,) is true."""
        absent = left_out[:, None]
        return Coefficients(
            values=np.where(absent[:, :, None], np.nan, self.values),
            sse=np.where(absent, np.nan, self.sse),
            syy=np.where(absent, np.nan, self.syy),
            constant=self.constant & ~absent,
            unit_covariance=np.where(absent[:, :, None, None], np.nan, self.unit_covariance),
            count=self.count,
            rank=np.where(absent, 0, self.rank),
            conditioning=np.where(absent, np.nan, self.conditioning),
            block_of=self.block_of,
        )

    @classmethod
    def joined(cls, blocks: Sequence[Coefficients], targets: Sequence[tuple[int, ...]]) -> Coefficients:
        """One record of all targets from one of each block; ``targets`` are the blocks' target positions."""
        if len(blocks) == 1:
            return blocks[0]
        order = np.argsort([target for block in targets for target in block])
        block_of = np.repeat(np.arange(len(blocks)), [len(block) for block in targets])[order]

        def by_target(name: str) -> npt.NDArray[Any]:
            return np.concatenate([getattr(block, name) for block in blocks], axis=1)[:, order]

        def by_block(name: str) -> npt.NDArray[Any]:
            return np.concatenate([getattr(block, name) for block in blocks], axis=1)

        return cls(
            **{name: by_target(name) for name in ("values", "sse", "syy", "constant")},
            **{name: by_block(name) for name in ("unit_covariance", "count", "rank", "conditioning")},
            block_of=tuple(block_of.tolist()),
        )
