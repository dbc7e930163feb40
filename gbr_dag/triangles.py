"""Stacks of small triangular factors: split into D and U, put together, relieved of a column."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

import numpy as np

from gbr_dag.tables import BoolArray, Factors, FloatArray, record_row


def unit_factor(triangle: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Split triangular factors R (n, k, k) into squared pivots D (n, k) and unit rows U (n, k, k), R'R = U'DU.

    A row whose squared pivot is zero cannot be written so; it moves into the rows below. What its column holds in the
    rows above stays: for a target that is a multiple of an earlier one these are its coefficients.
    """
    k = triangle.shape[1]
    triangle = triangle.copy()
    for j in range(k):
        lost = np.flatnonzero((triangle[:, j, j] ** 2 == 0.0) & triangle[:, j].any(axis=1))
        if lost.size:
            below = np.linalg.qr(triangle[lost, j:, j + 1 :], mode="r")
            triangle[lost, j] = 0.0
            triangle[lost, j + 1 :, j + 1 :] = below
    diagonal = np.einsum("njj->nj", triangle).copy()
    unit_rows = triangle / np.where(diagonal == 0.0, 1.0, diagonal)[:, :, None]
    unit_rows[:, np.arange(k), np.arange(k)] = 1.0
    return diagonal**2, unit_rows


def triangle_of(factors: Factors) -> FloatArray:
    """Triangular factors R = sqrt(D) U of every record, (n_bins, k, k); the targets' corner is diagonal."""
    p, k = factors.n_predictors, len(factors.precision)
    triangle = np.zeros((len(factors.records), k, k))
    for i in range(p):
        start = record_row(i, k)
        root = np.sqrt(factors.records[:, start])
        triangle[:, i, i] = root
        triangle[:, i, i + 1 :] = root[:, None] * factors.records[:, start + 1 : start + k - i]
    start, places = record_row(p, k), np.arange(p, k)
    triangle[:, places, places] = np.sqrt(factors.records[:, start : start + k - p])
    return triangle


def with_triangle(factors: Factors, triangle: FloatArray, kept: Optional[BoolArray] = None) -> Factors:
    """The same rows with other triangular factors (n_bins, k, k)."""
    p, k = factors.n_predictors, len(factors.precision)
    records = factors.records.copy()
    pivots, unit_rows = unit_factor(triangle)
    for i in range(p):
        start = record_row(i, k)
        records[:, start] = pivots[:, i]
        records[:, start + 1 : start + k - i] = unit_rows[:, i, i + 1 :]
    start = record_row(p, k)
    records[:, start : start + k - p] = np.einsum("ni,nij->nj", pivots[:, p:], unit_rows[:, p:, p:] ** 2)
    return replace(factors, records=records, kept=kept)


def without_column(triangle: FloatArray, j: int) -> FloatArray:
    """Triangular factors (n, k, k) of the same rows with column ``j`` set to zero; its row goes into those below.

    Deleting the column alone would lose the row's part of the later columns: the residual scatter, so rms, would
    be too small by up to 99 %.
    """
    rest = np.delete(triangle, j, axis=2)
    keep = np.delete(np.arange(triangle.shape[1]), j)
    result = np.zeros_like(triangle)
    if len(keep):
        result[:, keep[:, None], keep] = np.linalg.qr(rest, mode="r")
    return result


def inverse_of(triangle: FloatArray) -> FloatArray:
    """Inverses of triangular factors (n, k, k), by back-substitution.

    A zero pivot stands for a column left out: its row and column of the inverse are zero.
    """
    k = triangle.shape[1]
    inverse = np.zeros_like(triangle)
    pivots = np.einsum("njj->nj", triangle)
    safe = np.where(pivots == 0.0, 1.0, pivots)
    for j in range(k):
        inverse[:, j, j] = np.where(pivots[:, j] == 0.0, 0.0, 1.0 / safe[:, j])
        for i in range(j - 1, -1, -1):
            sums = np.einsum("nl,nl->n", triangle[:, i, i + 1 : j + 1], inverse[:, i + 1 : j + 1, j])
            inverse[:, i, j] = np.where(pivots[:, i] == 0.0, 0.0, -sums / safe[:, i])
    return inverse


def back_substituted(triangle: FloatArray, right: FloatArray) -> FloatArray:
    """Solutions (n, k, t) of R x = right (n, k, t); zero where the pivot is zero (column left out)."""
    k = triangle.shape[1]
    solution = np.zeros_like(right)
    pivots = np.einsum("njj->nj", triangle)
    safe = np.where(pivots == 0.0, 1.0, pivots)
    for j in range(k - 1, -1, -1):
        known = np.einsum("nl,nlt->nt", triangle[:, j, j + 1 :], solution[:, j + 1 :])
        solution[:, j] = np.where((pivots[:, j] == 0.0)[:, None], 0.0, (right[:, j] - known) / safe[:, j, None])
    return solution
