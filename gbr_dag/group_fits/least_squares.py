"""Weighted least squares of one group by Householder QR of its centred rows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gbr_dag.group_fits.records import DOUBLE_EPS, GroupFit, GroupRows
from gbr_dag.tables import FloatArray


@dataclass(frozen=True)
class RootedRows:
    """Rows scaled by the roots of their weights, about the weighted means (hi + lo) when there is an intercept.

    ``x`` (n, p), ``y`` (n,); ``size`` (p + 1,): weighted sums of squares about zero; ``total``: sum of the weights.
    """

    x: FloatArray
    y: FloatArray
    hi: FloatArray
    lo: FloatArray
    size: FloatArray
    total: float


@dataclass(frozen=True)
class LeastSquares:
    """Fits by weighted least squares, the reference of all others."""

    def __call__(self, rows: GroupRows) -> GroupFit:
        """Coefficients, unit covariance and sums of squares."""
        p, n = rows.x.shape[1], len(rows.y)
        rooted = rooted_rows(rows)
        kept = kept_predictors(rows, rooted)
        slopes, root = np.zeros(p), np.zeros((p, p))
        conditioning, residuals = 1.0, rooted.y
        if kept:
            q, r = np.linalg.qr(rooted.x[:, kept])
            slopes[kept] = np.linalg.solve(r, q.T @ rooted.y)
            residuals = rooted.y - rooted.x[:, kept] @ slopes[kept]
            root[np.ix_(kept, kept)] = np.linalg.inv(r)
            length = np.linalg.norm(rooted.x[:, kept], axis=0)
            conditioning = 1.0 / (len(kept) * float(np.sum((length[:, None] * root[kept]) ** 2)))
        values, unit_covariance = slopes, root @ root.T
        if rows.intercept:
            values, unit_covariance = _with_intercept(slopes, root, rooted)
        aliased = np.setdiff1d(np.arange(p), kept) + rows.intercept
        values[aliased] = np.nan
        unit_covariance[aliased, :] = unit_covariance[:, aliased] = np.nan
        sse, syy = float(np.sum(residuals**2)), float(np.sum(rooted.y**2))
        rank = len(kept) + rows.intercept
        scale = math.sqrt(sse / (n - rank)) if n > rank else math.nan
        constant = math.sqrt(syy) <= 32 * float(rows.precision[p]) * math.sqrt(rooted.size[p])
        return GroupFit(values, unit_covariance, scale, sse, syy, constant, n, rank, conditioning)


def rooted_rows(rows: GroupRows) -> RootedRows:
    """Rows as the fit takes them, sums by ``math.fsum``."""
    data, w = np.vstack([rows.x.T, rows.y]), rows.w
    size = np.array([math.fsum(w * column**2) for column in data])
    total = math.fsum(w)
    hi, lo = np.zeros(len(data)), np.zeros(len(data))
    if rows.intercept:
        hi = np.array([math.fsum(w * column) / total for column in data])
        lo = np.array([math.fsum(w * (column - centre)) / total for column, centre in zip(data, hi)])
    rooted = ((data - hi[:, None]) - lo[:, None]) * np.sqrt(w)
    return RootedRows(rooted[:-1].T, rooted[-1], hi, lo, size, total)


def kept_predictors(rows: GroupRows, rooted: RootedRows) -> list[int]:
    """Predictors that are no linear combination of earlier ones: the rank rule, tried column by column."""
    p = rows.x.shape[1]
    rounding = rooted.size[:p] * rows.precision[:p] ** 2
    of_intercept = rooted.total * (rooted.hi[:p] * DOUBLE_EPS) ** 2
    kept: list[int] = []
    for j in range(p):
        _, r = np.linalg.qr(rooted.x[:, [*kept, j]])
        if len(kept) >= len(rows.y) - rows.intercept:
            continue
        share = r[:-1, -1] / np.diag(r)[:-1]
        tolerance = 32 * math.sqrt(rounding[j] + of_intercept[j] + float(np.sum(share * rounding[kept] * share)))
        if abs(r[-1, -1]) > tolerance:
            kept.append(j)
    return kept


def _with_intercept(slopes: FloatArray, root: FloatArray, rooted: RootedRows) -> tuple[FloatArray, FloatArray]:
    """Coefficients (1 + p,) and unit covariance (1 + p, 1 + p) of the uncentred columns; root root' is the slopes'.

    The intercept's variance is a sum of squares; as 1 / total + mean' covariance mean it comes out negative when the
    means are large and the predictors nearly collinear.
    """
    p, hi, lo = len(slopes), rooted.hi, rooted.lo
    values, unit_covariance = np.empty(1 + p), np.empty((1 + p, 1 + p))
    values[1:] = slopes
    values[0] = math.fsum([hi[p], lo[p], *(-slopes * hi[:p]), *(-slopes * lo[:p])])
    leverage = root.T @ hi[:p]
    unit_covariance[1:, 1:] = root @ root.T
    unit_covariance[0, 1:] = unit_covariance[1:, 0] = -root @ leverage
    unit_covariance[0, 0] = 1.0 / rooted.total + leverage @ leverage
    return values, unit_covariance
