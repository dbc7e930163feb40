"""What goes into the fit of one group and target, and what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Optional, Protocol

import numpy as np
import numpy.typing as npt

from gbr_dag.tables import BoolArray, Coefficients, FitStatus, FloatArray, IntArray

DOUBLE_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class GroupRows:
    """The usable rows of one group for one target.

    Attributes
    ----------
    x : float64 array (n, p)
        Predictors, without a column of ones.
    y, w : float64 arrays (n,)
        Target and positive weights.
    precision : float64 array (p + 1,)
        Unit roundoff of the dtype that each predictor and the target came in.
    intercept : bool
        Whether a constant is fitted.
    min_entries : int
        Rows that a fit needs; there are as many.
    """

    x: FloatArray
    y: FloatArray
    w: FloatArray
    precision: FloatArray
    intercept: bool
    min_entries: int

    @property
    def n_coefficients(self) -> int:
        """Coefficients of the model, the intercept among them."""
        return int(self.x.shape[1]) + int(self.intercept)

    def of(self, kept: BoolArray) -> GroupRows:
        """The same with the rows kept (n,) only."""
        return GroupRows(self.x[kept], self.y[kept], self.w[kept], self.precision, self.intercept, self.min_entries)


@dataclass(frozen=True)
class GroupFit:
    """The fit of one group and target: ``m`` coefficients, the intercept (if any) first.

    Attributes
    ----------
    values : float64 array (m,)
        NaN where aliased or not fitted.
    unit_covariance : float64 array (m, m)
        Covariance of the coefficients over the squared scale; NaN where it is not known.
    scale : float
        Standard deviation of a row of weight 1; NaN where it is not known.
    sse, syy : float
        Weighted residual sum of squares, weighted scatter of the target, over the rows used.
    constant : bool
        The target's scatter is the rounding of its own size.
    count, rank : int
        Rows used; coefficients that they determine.
    conditioning : float
        q = 1 / (p * sum of VIF_j); 1 without predictors, and for fitters that are not linear least squares.
    flags : int
        Bits of ``FitStatus`` that the fitter itself sets.
    n_refits, n_rejected : int
        Fits after the first; rows that a cut threw out.
    leverage : float
        Largest of the rows used; NaN where it is not known.
    rejected : bool array (n,) or None
        Rows that a cut threw out; None without a cut.
    """

    values: FloatArray
    unit_covariance: FloatArray
    scale: float
    sse: float
    syy: float
    constant: bool
    count: int
    rank: int
    conditioning: float = 1.0
    flags: int = 0
    n_refits: int = 0
    n_rejected: int = 0
    leverage: float = np.nan
    rejected: Optional[BoolArray] = None

    @classmethod
    def nothing(cls, count: int, m: int, flags: int = 0) -> GroupFit:
        """No fit: too few rows, or the fitter failed."""
        nan = float("nan")
        conditioning = 1.0 if flags else nan
        return cls(np.full(m, nan), np.full((m, m), nan), nan, nan, nan, False, count, 0, conditioning, flags)


class GroupFitter(Protocol):
    """Fits one group and target; can be sent to other processes."""

    def __call__(self, rows: GroupRows) -> GroupFit:
        """Fit the rows; what it raises costs this group only."""


@dataclass(frozen=True)
class SortedRows:
    """The rows of all groups, group after group.

    Attributes
    ----------
    x : float64 array (n, p)
    y : float64 array (n, t)
    w : float64 array (n,)
    used : bool array (n, t)
        Rows that enter the fit of each target.
    offsets : int64 array (n_bins + 1,)
        Group ``b`` holds the rows from ``offsets[b]`` to ``offsets[b + 1]``.
    precision : float64 array (p + t,)
    intercept : bool
    min_entries : int
    """

    x: FloatArray
    y: FloatArray
    w: FloatArray
    used: BoolArray
    offsets: IntArray
    precision: FloatArray
    intercept: bool
    min_entries: int

    @property
    def n_bins(self) -> int:
        """Number of groups."""
        return len(self.offsets) - 1

    def of(self, b: int, target: int) -> GroupRows:
        """The usable rows of one group for one target."""
        part = slice(self.offsets[b], self.offsets[b + 1])
        used = self.used[part, target]
        p = self.x.shape[1]
        precision = self.precision[[*range(p), p + target]]
        return GroupRows(
            self.x[part][used],
            self.y[part, target][used],
            self.w[part][used],
            precision,
            self.intercept,
            self.min_entries,
        )


@dataclass(frozen=True)
class Failure:
    """A fitter's failure: which group, which target, and what it said."""

    bin: int
    target: int
    text: str


@dataclass(frozen=True)
class GroupFits:
    """Fits of every group and target; the fields of :class:`GroupFit` as arrays (n_bins, t, ...).

    ``rejected`` is bool (n_rows, t), or None where nothing can be rejected; ``failures`` tells what fitters raised.
    """

    values: FloatArray
    unit_covariance: FloatArray
    scale: FloatArray
    sse: FloatArray
    syy: FloatArray
    constant: BoolArray
    count: IntArray
    rank: IntArray
    conditioning: FloatArray
    flags: npt.NDArray[np.int16]
    n_refits: IntArray
    n_rejected: IntArray
    leverage: FloatArray
    rejected: Optional[BoolArray] = None
    failures: tuple[Failure, ...] = ()

    def coefficients(self) -> Coefficients:
        """The same as what errors and diagnostics are made from; every target has a block of its own."""
        return Coefficients(
            values=self.values,
            sse=self.sse,
            syy=self.syy,
            constant=self.constant,
            unit_covariance=self.unit_covariance,
            count=self.count,
            rank=self.rank,
            conditioning=self.conditioning,
            block_of=tuple(range(self.values.shape[1])),
            flags=self.flags if self.flags.any() else None,
        )

    @classmethod
    def joined(cls, parts: Sequence[GroupFits]) -> GroupFits:
        """Fits of consecutive ranges of groups as one, from :func:`fits_of_bins`."""
        arrays: dict[str, Any] = {}
        for field in fields(cls):
            pieces = [getattr(part, field.name) for part in parts]
            if field.name == "failures":
                arrays[field.name] = tuple(failure for piece in pieces for failure in piece)
            else:
                arrays[field.name] = np.concatenate(pieces)
        return cls(**arrays)


@dataclass(frozen=True)
class Rejections:
    """What a cut did: refits and rejected rows of every fit, int64 (n_bins, t); the rows, bool (n_rows, t), or None."""

    n_refits: IntArray
    n_rejected: IntArray
    rejected: Optional[BoolArray]


_DTYPES = {
    "constant": np.bool_,
    "count": np.int64,
    "rank": np.int64,
    "flags": np.int16,
    "n_refits": np.int64,
    "n_rejected": np.int64,
}


class Caught:
    """Keeps what a fitter raises, so that no other group notices; Ctrl-C and exits pass."""

    def __init__(self) -> None:
        self.error: Optional[BaseException] = None

    def __enter__(self) -> Caught:
        """Begin to catch."""
        return self

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException], _: Any) -> bool:
        """Keep an ``Exception``, let all else pass."""
        if kind is None or not issubclass(kind, Exception):
            return False
        # the traceback holds the frame that holds this object: a cycle, which would keep the rows until it is found
        self.error = None if error is None else error.with_traceback(None)
        return True


def fits_of_bins(fitter: GroupFitter, rows: SortedRows, start: int, stop: int) -> GroupFits:
    """Fits of the groups from ``start`` up to but not including ``stop``, one after the other.

    A fitter that raises has the status FAILED for that group and target, and all else stands. ``rejected`` is in the
    order of the sorted rows, from the first of the range.
    """
    t, m = rows.y.shape[1], rows.x.shape[1] + rows.intercept
    first = int(rows.offsets[start])
    rejected = np.zeros((int(rows.offsets[stop]) - first, t), dtype=bool)
    failures: list[Failure] = []
    fits: list[GroupFit] = []
    for b in range(start, stop):
        part = slice(int(rows.offsets[b]) - first, int(rows.offsets[b + 1]) - first)
        for target in range(t):
            group = rows.of(b, target)
            if len(group.y) < rows.min_entries:
                fits.append(GroupFit.nothing(len(group.y), m))
                continue
            with Caught() as caught:
                fits.append(fitter(group))
            if caught.error is not None:
                failures.append(Failure(b, target, f"{type(caught.error).__name__}: {caught.error}"))
                fits.append(GroupFit.nothing(len(group.y), m, FitStatus.FAILED.value))
            elif fits[-1].rejected is not None:
                rejected[part, target][rows.used[rows.offsets[b] : rows.offsets[b + 1], target]] = fits[-1].rejected
    arrays: dict[str, Any] = {}
    for field in fields(GroupFits):
        if field.name not in {"rejected", "failures"}:
            column: npt.NDArray[Any] = np.array(
                [getattr(fit, field.name) for fit in fits], dtype=_DTYPES.get(field.name, np.float64)
            )
            shape = {"values": (m,), "unit_covariance": (m, m)}.get(field.name, ())
            arrays[field.name] = column.reshape(stop - start, t, *shape)
    return GroupFits(**arrays, rejected=rejected, failures=tuple(failures))
