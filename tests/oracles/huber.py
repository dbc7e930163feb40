"""Huber fits of bins by the kernel, data for them, and the same mathematics in extended precision."""

from __future__ import annotations

import numpy as np

from gbr_dag.kernels.counting_sort import counting_sort
from gbr_dag.kernels.huber import HuberFits, huber_fits

DOUBLE, SINGLE = float(np.finfo(np.float64).eps), float(np.finfo(np.float32).eps)
ARRAYS = [name for name in HuberFits.__dataclass_fields__ if name != "rejected"]
LONG = np.longdouble


def fitted(x, y, w, row_bin, *, n_bins=None, used=None, threads=1, precision=None, **options):
    """Fits of columns ``x`` and ``y``, with a tolerance that the iterations go to the end of."""
    row_bin = np.asarray(row_bin, dtype=np.int32)
    rows, offsets = counting_sort(row_bin, n_bins or int(row_bin.max(initial=-1)) + 1)
    defaults = {"intercept": True, "tuning": 1.345, "sigma_cut": None, "max_refits": 10, "max_iter": 1000, "tol": 1e-12}
    used = np.ones(len(row_bin), dtype=bool) if used is None else used
    precision = np.full(len(x) + len(y), DOUBLE) if precision is None else precision
    given = {**defaults, "min_entries": 1, **options}
    return huber_fits(x, y, w, used, rows, offsets, precision=precision, threads=threads, **given)


def groups(p, t, rng, *, n_bins=12, smallest=20, largest=100, outliers=0.05):
    """Bins of rows in random order with weights of a factor of 100 and outliers of both signs."""
    row_bin = rng.permutation(np.repeat(np.arange(n_bins), rng.integers(smallest, largest + 1, n_bins)))
    n = len(row_bin)
    x = [rng.normal(3.0 * j, 1.0 + j, n) for j in range(p)]
    w = 10.0 ** rng.uniform(-1.0, 1.0, n)
    y = []
    for j in range(t):
        noise = rng.normal(size=n) + (rng.random(n) < outliers) * rng.choice([-20.0, 30.0], n)
        y.append(1.5 + j + sum(((i + 2.0) * column for i, column in enumerate(x)), np.zeros(n)) + noise / np.sqrt(w))
    return x, y, w, row_bin


def exact(x, y, w, *, intercept=True, tuning=1.345):
    """Coefficients, covariance over scale^2, scale and residuals by an iteration in extended precision, no floor."""
    root = np.sqrt(np.asarray(w, dtype=LONG))
    x = [np.asarray(column, dtype=LONG) for column in x]
    y = np.asarray(y, dtype=LONG)
    design = root[:, None] * np.stack([np.ones(len(y), dtype=LONG)] * intercept + x, axis=1)
    target, v = root * y, np.ones(len(y), dtype=LONG)
    for _ in range(500):
        beta, _ = triangle_solution(design * np.sqrt(v)[:, None], target * np.sqrt(v))
        r = target - design @ beta
        s = LONG(np.median(np.abs(r))) / LONG(0.6744897501960817)
        v = 1 / np.maximum(1, np.abs(r) / (tuning * s))
    _, inverse = triangle_solution(design, target)
    u, n, k = r / s, len(y), design.shape[1]
    inside = np.mean(np.abs(u) <= tuning)
    correction = 1 + k / n * (inside - inside**2) / inside**2
    factor = correction**2 * np.sum(np.clip(u, -tuning, tuning) ** 2) / (n - k) / inside**2
    return beta, factor * inverse @ inverse.T, s, r


def triangle_solution(design, target):
    """Least squares and the inverse of the triangle, by Householder reflections."""
    a = np.column_stack([design, target])
    k = design.shape[1]
    for j in range(k):
        v = a[j:, j].copy()
        v[0] += np.copysign(np.sqrt(v @ v), v[0])
        a[j:] -= np.outer(v, 2 * (v @ a[j:]) / (v @ v))
    inverse = np.zeros((k, k), dtype=LONG)
    for j in range(k):
        for i in range(k - 1, -1, -1):
            inverse[i, j] = ((i == j) - a[i, i + 1 : k] @ inverse[i + 1 :, j]) / a[i, i]
    return inverse @ a[:k, k], inverse


def errors(fits, b, j=0):
    return fits.scale[b, j] * np.sqrt(np.diag(fits.unit_covariance[b, j]))


def same_bits(a, b):
    for name in [*ARRAYS, "rejected"]:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), name)


def noise_free(n_bins=60):
    rng = np.random.default_rng(42)
    x = rng.normal(size=5 * n_bins)
    return [x], [2.0 + 1.1 * x], rng.uniform(0.5, 2.0, 5 * n_bins), np.repeat(np.arange(n_bins), 5)


def masked():
    """A line with outliers, the larger of which hide the others."""
    rng = np.random.default_rng(6)
    x = np.linspace(-1.0, 1.0, 30)
    y = 1.0 + 2.0 * x + 0.1 * rng.normal(size=30)
    y[[3, 4, 5, 6, 7, 8, 9]] += [40.0, 35.0, 2.2, 1.7, 1.3, 1.0, 0.75]
    return x, y, rng.uniform(0.5, 2.0, 30)
