"""Stacks of small triangular factors: split into D and U, put together, relieved of a column."""

from __future__ import annotations

import numpy as np

from gbr_dag.tables import FloatArray


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


def triangle_of(pivots: FloatArray, unit_rows: FloatArray) -> FloatArray:
    """Triangular factors R (n, k, k) = sqrt(D) U."""
    return np.sqrt(pivots)[:, :, None] * unit_rows


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
