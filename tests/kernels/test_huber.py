"""Huber fits of bins, against statsmodels group by group and the same mathematics in extended precision."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm

from gbr_dag.kernels import irls, orthogonal
from gbr_dag.kernels.counting_sort import counting_sort
from gbr_dag.kernels.huber import HuberFits, huber_fits

ROOT = Path(__file__).resolve().parent.parent.parent
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


@pytest.mark.parametrize("t", [1, 2])
@pytest.mark.parametrize("p", [0, 1, 2, 3])
@pytest.mark.parametrize("intercept", [True, False])
def test_statsmodels_agrees(p, t, intercept):
    if p == 0 and not intercept:
        pytest.skip("nothing to fit")
    x, y, w, row_bin = groups(p, t, np.random.default_rng(10 * p + t))
    fits = fitted(x, y, w, row_bin, intercept=intercept)
    assert not fits.not_converged.any()
    assert not fits.at_floor.any()
    assert fits.rejected is None
    assert np.all(fits.rank == p + intercept)
    for b in range(12):
        rows = row_bin == b
        root = np.sqrt(w[rows])
        design = root[:, None] * np.stack([np.ones(rows.sum())] * intercept + [column[rows] for column in x], axis=1)
        hat = np.einsum("ij,ji->i", design, np.linalg.pinv(design))
        for j in range(t):
            target = root * y[j][rows]
            rlm = sm.RLM(target, design, M=sm.robust.norms.HuberT()).fit(conv="coefs", tol=1e-12, maxiter=1000)
            # 1e-8: both iterations end where steps are 1e-12 of the scale
            np.testing.assert_allclose((fits.values[b, j] - rlm.params) / rlm.bse, 0.0, atol=1e-8)
            np.testing.assert_allclose(fits.scale[b, j], rlm.scale, rtol=1e-8)
            covariance = fits.scale[b, j] ** 2 * fits.unit_covariance[b, j]
            np.testing.assert_allclose(covariance, rlm.bcov_scaled, rtol=1e-8)
            np.testing.assert_allclose(fits.sse[b, j], rlm.resid @ rlm.resid, rtol=1e-8)
            centre = np.average(y[j][rows], weights=w[rows]) if intercept else 0.0
            np.testing.assert_allclose(fits.syy[b, j], w[rows] @ (y[j][rows] - centre) ** 2, rtol=1e-12)
            np.testing.assert_allclose(fits.leverage[b, j], hat.max(), rtol=1e-12)
            assert fits.count[b, j] == rows.sum()
            assert not fits.constant[b, j]


@pytest.mark.parametrize("tuning", [0.7, 3.0])
def test_other_tunings(tuning):
    x, y, w, row_bin = groups(2, 1, np.random.default_rng(3), n_bins=4)
    fits = fitted(x, y, w, row_bin, tuning=tuning)
    for b in range(4):
        rows = row_bin == b
        beta, covariance, scale, _ = exact([c[rows] for c in x], y[0][rows], w[rows], tuning=tuning)
        np.testing.assert_allclose(fits.values[b, 0], beta.astype(float), rtol=1e-9)
        np.testing.assert_allclose(fits.unit_covariance[b, 0], covariance.astype(float), rtol=1e-9)
        np.testing.assert_allclose(fits.scale[b, 0], float(scale), rtol=1e-9)


@pytest.mark.parametrize(("offset", "closeness"), [(1e8, 1e-3), (1e3, 1e-6)])
def test_accuracy_of_ill_conditioned_groups(offset, closeness):
    # the error is that of QR, condition times roundoff; by normal equations it would be 1e3 to 1e6 times that
    rng = np.random.default_rng(5)
    n, n_bins = 40 * 5, 5
    row_bin = np.repeat(np.arange(n_bins), 40)
    first = offset + rng.normal(size=n)
    x = [first, first + closeness * rng.normal(size=n)]
    w = 10.0 ** rng.uniform(-1.0, 1.0, n)
    y = [offset + 2.0 * rng.normal(size=n) * (1.0 + 9.0 * (rng.random(n) < 0.1))]
    fits = fitted(x, y, w, row_bin, tol=1e-14)
    assert np.all(fits.rank == 3)
    assert not fits.not_converged.any()
    for b in range(n_bins):
        rows = row_bin == b
        *shifted, target = [column[rows].astype(LONG) - LONG(offset) for column in (*x, *y)]  # exact
        beta, covariance, scale, _ = exact(shifted, target, w[rows])
        bse = np.sqrt(np.diag(covariance)).astype(float) * float(scale)
        bound = 4.0 * DOUBLE / closeness
        assert np.all(np.abs(fits.values[b, 0, 1:] - beta[1:].astype(float)) <= bound * bse[1:])
        np.testing.assert_allclose(errors(fits, b)[1:], bse[1:], rtol=bound)
        intercept = float(beta[0] + LONG(offset) * (1 - beta[1] - beta[2]))
        size = offset * float(np.abs(beta[1:]).max())
        assert abs(fits.values[b, 0, 0] - intercept) <= bound * offset * bse[1:].max() + 8.0 * DOUBLE * size
        length = np.sqrt(np.sum(w[rows] * (first[rows] - np.average(first[rows], weights=w[rows])) ** 2))
        assert 0.1 < fits.conditioning[b, 0] / closeness**2 * np.sum(w[rows]) / length**2 / 0.25 < 10.0


def test_intercept_takes_both_parts_of_the_means():
    # the mean of 2,000 values of 1e8 is known to 1e-7 as one double
    rng = np.random.default_rng(0)
    x = 1e8 + rng.normal(size=2000)
    fits = fitted([x], [2.0 * x], rng.uniform(0.5, 2.0, 2000), np.zeros(2000))
    np.testing.assert_allclose(fits.values[0, 0], [0.0, 2.0], rtol=1e-15, atol=1e-12)


def test_basis_is_orthonormal_whatever_the_condition():
    # once through Gram-Schmidt would leave products of 1e-6
    rng = np.random.default_rng(0)
    first, w, rows = rng.normal(size=40), rng.uniform(0.5, 2.0, 40), np.arange(40)
    columns = np.stack([first, first + 1e-10 * rng.normal(size=40), first**2])
    basis = orthogonal.new_basis(3, 4, 40)
    assert orthogonal.fill_basis(columns, w, rows, 40, True, np.full(3, DOUBLE), basis) == 4
    np.testing.assert_allclose(basis.q @ basis.q.T, np.eye(4), atol=1e-14)
    centred = np.sqrt(w) * np.vstack([np.ones(40), columns - basis.centre[:, :1] - basis.centre[:, 1:]])
    np.testing.assert_allclose(np.triu(basis.triangle).T @ basis.q, centred, atol=1e-14)


@pytest.mark.parametrize("intercept", [True, False])
def test_infinite_tuning_is_least_squares(intercept):
    x, y, w, row_bin = groups(2, 2, np.random.default_rng(8))
    fits = fitted(x, y, w, row_bin, intercept=intercept, tuning=np.inf)
    m = 2 + intercept
    for b in range(12):
        rows = row_bin == b
        root = np.sqrt(w[rows])
        design = np.stack([np.ones(rows.sum())] * intercept + [c[rows] for c in x], axis=1) * root[:, None]
        centred = np.stack([root * (c[rows] - intercept * np.average(c[rows], weights=w[rows])) for c in x], axis=1)
        inflations = np.diag(np.linalg.inv(centred.T @ centred)) * np.sum(centred**2, axis=0)
        for j in range(2):
            beta, sse, *_ = np.linalg.lstsq(design, root * y[j][rows], rcond=None)
            np.testing.assert_allclose(fits.values[b, j], beta, rtol=1e-11)
            np.testing.assert_allclose(fits.sse[b, j], sse[0], rtol=1e-12)
            covariance = sse[0] / (rows.sum() - m) * np.linalg.inv(design.T @ design)
            np.testing.assert_allclose(fits.scale[b, j] ** 2 * fits.unit_covariance[b, j], covariance, rtol=1e-10)
            np.testing.assert_allclose(fits.conditioning[b, j], 1.0 / (2.0 * inflations.sum()), rtol=1e-10)
            mad = np.median(np.abs(root * y[j][rows] - design @ beta)) / 0.6744897501960817
            np.testing.assert_allclose(fits.scale[b, j], mad, rtol=1e-10)
    assert not fits.not_converged.any()


def noise_free(n_bins=60):
    rng = np.random.default_rng(42)
    x = rng.normal(size=5 * n_bins)
    return [x], [2.0 + 1.1 * x], rng.uniform(0.5, 2.0, 5 * n_bins), np.repeat(np.arange(n_bins), 5)


@pytest.mark.parametrize("sigma_cut", [None, 2.0])
def test_groups_without_noise_lose_no_rows(sigma_cut):
    fits = fitted(*noise_free(), sigma_cut=sigma_cut)
    np.testing.assert_allclose(fits.values[:, 0], np.tile([2.0, 1.1], (60, 1)), rtol=1e-13)
    assert np.all(fits.n_rejected == 0)
    assert np.all(fits.count == 5)
    assert fits.at_floor.all()
    assert not fits.not_converged.any()
    if sigma_cut is not None:
        assert not fits.rejected.any()


def test_floor_counts_the_rounding_of_single_precision():
    # the targets are exact in single precision only: their rounding is no outlier
    rng = np.random.default_rng(2)
    x = rng.normal(size=300)
    y = (2.0 + 1.1 * x).astype(np.float32)
    row_bin = np.repeat(np.arange(60), 5)
    w = np.ones(300)
    fits = fitted([x], [y], w, row_bin, sigma_cut=2.0, precision=np.array([DOUBLE, SINGLE]))
    assert fits.at_floor.all()
    assert np.all(fits.n_rejected == 0)
    squares = SINGLE**2 * np.sum(y.reshape(60, 5).astype(float) ** 2, axis=1)
    np.testing.assert_allclose(fits.scale[:, 0], 16.0 * np.sqrt(squares / 5.0), rtol=1e-12)
    fits = fitted([x.astype(np.float32)], [y], w, row_bin, sigma_cut=2.0, precision=np.array([SINGLE, SINGLE]))
    squares += (1.1 * SINGLE) ** 2 * np.sum(x.reshape(60, 5) ** 2, axis=1)
    np.testing.assert_allclose(fits.scale[:, 0], 16.0 * np.sqrt(squares / 5.0), rtol=1e-6)
    assert np.any(fitted([x], [y], w, row_bin, sigma_cut=2.0).n_rejected > 0)


INTERPRETED = """
import sys
import numpy as np
from gbr_dag.kernels import irls
from tests.kernels.test_huber import ARRAYS, fitted, groups, noise_free
assert not hasattr(irls.huber_iteration, "py_func")
with np.errstate(all="ignore"):
    x, y, w, row_bin = groups(2, 2, np.random.default_rng(4), n_bins=3, largest=30)
    fits = fitted(x, y, w, row_bin, sigma_cut=3.0)
    np.savez(sys.argv[1], rejected=fits.rejected, **{name: getattr(fits, name) for name in ARRAYS})
    data = noise_free()
    print(fitted(*data, sigma_cut=2.0).n_rejected.sum())
    irls._FLOOR = 0.0
    print(fitted(*data, sigma_cut=2.0).n_rejected.sum())
"""


def test_interpreted_kernel_agrees_and_needs_the_floor(tmp_path):
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", INTERPRETED, str(tmp_path / "fits.npz")],
        cwd=ROOT,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    with_floor, without = map(int, process.stdout.split())
    assert with_floor == 0
    assert without > 10
    x, y, w, row_bin = groups(2, 2, np.random.default_rng(4), n_bins=3, largest=30)
    fits = fitted(x, y, w, row_bin, sigma_cut=3.0)
    with np.load(tmp_path / "fits.npz") as interpreted:
        for name in [*ARRAYS, "rejected"]:
            np.testing.assert_allclose(getattr(fits, name), interpreted[name], rtol=1e-13, atol=1e-13, err_msg=name)


def masked():
    """A line with outliers, the larger of which hide the others."""
    rng = np.random.default_rng(6)
    x = np.linspace(-1.0, 1.0, 30)
    y = 1.0 + 2.0 * x + 0.1 * rng.normal(size=30)
    y[[3, 4, 5, 6, 7, 8, 9]] += [40.0, 35.0, 2.2, 1.7, 1.3, 1.0, 0.75]
    return x, y, rng.uniform(0.5, 2.0, 30)


def test_rejection_goes_on_until_no_row_is_beyond_the_cut():
    x, y, w = masked()
    fits = fitted([x], [y], w, np.zeros(30), sigma_cut=4.0)
    kept, rounds = np.ones(30, dtype=bool), -1
    beyond = kept
    while beyond.any():
        _, covariance, scale, r = exact([x[kept]], y[kept], w[kept])
        beyond = np.abs(r) > 4.0 * scale
        kept[np.flatnonzero(kept)[beyond]] = False
        rounds += 1
    assert rounds >= 2
    assert fits.n_refits[0, 0] == rounds
    np.testing.assert_array_equal(fits.rejected[:, 0], ~kept)
    assert fits.n_rejected[0, 0] == np.sum(~kept)
    assert fits.count[0, 0] == kept.sum()
    assert not fits.not_converged[0, 0]
    # everything is that of the rows that are left
    alone = fitted([x[kept]], [y[kept]], w[kept], np.zeros(kept.sum()))
    for name in set(ARRAYS) - {"n_refits", "n_rejected"}:
        np.testing.assert_array_equal(getattr(fits, name), getattr(alone, name), name)
    np.testing.assert_allclose(fits.unit_covariance[0, 0], covariance.astype(float), rtol=1e-9)
    np.testing.assert_allclose(fits.scale[0, 0], float(scale), rtol=1e-9)


@pytest.mark.parametrize("max_refits", [0, 1])
def test_too_few_refits_are_flagged(max_refits):
    x, y, w = masked()
    fits = fitted([x], [y], w, np.zeros(30), sigma_cut=4.0, max_refits=max_refits)
    assert fits.n_refits[0, 0] == max_refits
    assert fits.not_converged[0, 0]
    assert (fits.n_rejected[0, 0] > 0) == (max_refits > 0)


@pytest.mark.parametrize(("min_entries", "made"), [(1, True), (9, True), (10, False)])
def test_no_rejection_leaves_too_few_rows(min_entries, made):
    rng = np.random.default_rng(0)
    y = np.append(rng.normal(size=9), 1e3)
    fits = fitted([], [y], np.ones(10), np.zeros(10), sigma_cut=5.0, min_entries=min_entries)
    assert fits.count[0, 0] == 10 - made
    assert fits.rejected[9, 0] == made
    assert not fits.not_converged[0, 0]
    # and not fewer than one more than there are coefficients
    x, y = np.arange(4.0), np.array([0.0, 1.0, 2.0 + 1e-9, 3e6])
    few = fitted([x, x**2], [y], np.ones(4), np.zeros(4), sigma_cut=1e-6)
    assert few.n_rejected[0, 0] == 0
    assert not few.not_converged[0, 0]


def test_targets_lose_rows_of_their_own():
    x, y, w, row_bin = groups(2, 3, np.random.default_rng(12), n_bins=5)
    together = fitted(x, y, w, row_bin, sigma_cut=3.0)
    assert together.rejected.any(axis=0).all()
    for j in range(3):
        alone = fitted(x, [y[j]], w, row_bin, sigma_cut=3.0)
        for name in [*ARRAYS, "rejected"]:
            np.testing.assert_array_equal(getattr(together, name)[:, j], getattr(alone, name)[:, 0], name)


def test_dependent_predictors_are_left_out():
    x, y, w, row_bin = groups(2, 2, np.random.default_rng(21), n_bins=4)
    dependent = [x[0], np.full(len(w), 7.0), 1e9 + 2.0 * x[0], x[1], x[0] - 3.0 * x[1]]
    # beside an offset of 1e9 the second half of x[0] is rounding: 1e9 + 2 x[0] is another predictor than x[0]
    fits = fitted(dependent, y, w, row_bin, precision=np.array([DOUBLE] * 7))
    alone = fitted(x, y, w, row_bin)
    assert np.all(fits.rank == 3)
    np.testing.assert_allclose(fits.values[:, :, [0, 1, 4]], alone.values, rtol=1e-11)
    kept = np.ix_(range(4), range(2), [0, 1, 4], [0, 1, 4])
    np.testing.assert_allclose(fits.unit_covariance[kept], alone.unit_covariance, rtol=1e-11)
    assert np.isnan(fits.values[:, :, [2, 3, 5]]).all()
    assert np.isnan(fits.unit_covariance[:, :, [2, 3, 5]]).all()
    assert np.isnan(fits.unit_covariance[:, :, :, [2, 3, 5]]).all()
    for name in ("conditioning", "scale", "sse", "leverage"):
        np.testing.assert_allclose(getattr(fits, name), getattr(alone, name), rtol=1e-11)


def test_dependence_up_to_single_precision():
    rng = np.random.default_rng(1)
    first = rng.normal(size=50).astype(np.float32)
    second = (np.float32(0.1) * first).astype(np.float32)
    y, w = rng.normal(size=50), np.ones(50)
    single = fitted([first, second], [y], w, np.zeros(50), precision=np.array([SINGLE, SINGLE, DOUBLE]))
    assert single.rank[0, 0] == 2
    # all columns in double precision but the earlier one: its rounding counts in the later one's
    mixed = fitted([first, second], [y], w, np.zeros(50), precision=np.array([SINGLE, DOUBLE, DOUBLE]))
    assert mixed.rank[0, 0] == 2
    assert fitted([first, second], [y], w, np.zeros(50)).rank[0, 0] == 3


def test_level_predictor_is_the_intercept_up_to_the_rounding_of_its_mean():
    rng = np.random.default_rng(2)
    level, w = 1e6 / 3.0 * (1.0 + DOUBLE * rng.integers(0, 3, 23)), rng.uniform(0.5, 2.0, 23)
    fits = fitted([level], [rng.normal(size=23)], w, np.zeros(23), precision=np.array([0.0, DOUBLE]))
    assert fits.rank[0, 0] == 1


def test_no_more_columns_than_rows():
    # of predictors that would have no rounding what is left beyond the rows is still nothing
    rng = np.random.default_rng(3)
    x, y = [rng.normal(size=2) for _ in range(5)], [rng.normal(size=2)]
    for intercept in (True, False):
        fits = fitted(x, y, np.ones(2), np.zeros(2), intercept=intercept, precision=np.append(np.zeros(5), DOUBLE))
        assert fits.rank[0, 0] == 2


def test_rows_that_are_not_used_do_not_enter():
    x, y, w, row_bin = groups(1, 1, np.random.default_rng(13), n_bins=6)
    used = np.random.default_rng(0).random(len(w)) < 0.7
    row_bin[:5] = -1
    for column in (x[0], y[0], w):
        column[~used] = np.nan
    fits = fitted(x, y, w, row_bin, used=used, sigma_cut=3.0)
    alone = fitted([x[0][used]], [y[0][used]], w[used], row_bin[used], sigma_cut=3.0)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(fits, name), getattr(alone, name), name)
    np.testing.assert_array_equal(fits.rejected[used], alone.rejected)
    assert not fits.rejected[~used].any()


def test_saturated_and_insufficient_bins():
    rng = np.random.default_rng(7)
    sizes = [0, 1, 2, 3, 4, 5]
    row_bin = np.repeat(np.arange(6), sizes)
    x, y = [rng.normal(size=15) for _ in range(2)], [rng.normal(size=15)]
    w = rng.uniform(0.5, 2.0, 15)
    fits = fitted(x, y, w, row_bin, n_bins=6, sigma_cut=1.0, min_entries=2)
    assert fits.count[:2, 0].tolist() == [0, 1]
    assert fits.rank[:, 0].tolist() == [0, 0, 2, 3, 3, 3]
    for name in ("values", "unit_covariance", "scale", "sse", "syy", "conditioning", "leverage"):
        assert np.isnan(getattr(fits, name)[:2]).all(), name
    for name in ("constant", "at_floor", "not_converged", "n_refits", "n_rejected"):
        assert not getattr(fits, name)[:4].any(), name
    assert np.isnan(fits.values[2, 0]).tolist() == [False, False, True]
    assert np.isnan(fits.scale[2:4]).all()
    assert np.isfinite(fits.scale[4:]).all()
    rows = row_bin == 3
    design = np.stack([np.ones(3), x[0][rows], x[1][rows]], axis=1)
    np.testing.assert_allclose(design @ fits.values[3, 0], y[0][rows], rtol=1e-12)
    inverse = np.linalg.inv(design.T @ (w[rows][:, None] * design))
    np.testing.assert_allclose(fits.unit_covariance[3, 0], inverse, rtol=1e-10)
    np.testing.assert_allclose(fits.leverage[2:4], 1.0, rtol=1e-14)
    assert fits.sse[3, 0] < 1e-25


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("p", [0, 1, 2])
def test_targets_without_scatter(p, intercept):
    rng = np.random.default_rng(p)
    x, w = [rng.normal(size=20) for _ in range(p)], rng.uniform(0.5, 2.0, 20)
    zero, level = np.zeros(20), np.full(20, 0.1)
    fits = fitted(x, [zero, level], w, np.zeros(20), sigma_cut=1.0, intercept=intercept)
    np.testing.assert_array_equal(fits.values[0, 0], 0.0)
    assert fits.scale[0, 0] == 0.0
    assert fits.at_floor[0, 0]
    np.testing.assert_array_equal(fits.unit_covariance[0, 0], 0.0)
    assert fits.constant[0].tolist() == [True, intercept]
    if intercept:
        np.testing.assert_allclose(fits.values[0, 1, 0], 0.1, rtol=1e-15)
        np.testing.assert_allclose(fits.values[0, 1, 1:], 0.0, atol=1e-16)
        assert fits.at_floor[0, 1]
        assert not fits.rejected.any()
    assert not fits.not_converged.any()


def test_identical_rows():
    x, y, w = np.full(9, 0.3), np.full(9, 0.7), np.full(9, 0.1)
    fits = fitted([x], [y], w, np.zeros(9), sigma_cut=1.0)
    assert fits.rank[0, 0] == 1
    np.testing.assert_allclose(fits.values[0, 0], [0.7, np.nan], rtol=1e-15)
    assert fits.n_rejected[0, 0] == 0
    assert fits.conditioning[0, 0] == 1.0


@pytest.mark.parametrize("size", [1e6, 1e12])
def test_gross_outlier_costs_no_digits(size):
    # the target is centred on its median: beside a mean of 2e10 the other rows would keep 6 of their digits
    rng = np.random.default_rng(9)
    x, w = rng.normal(size=50), rng.uniform(0.5, 2.0, 50)
    y = 1.0 + 2.0 * x + rng.normal(size=50)
    y[7] = size
    fits = fitted([x], [y], w, np.zeros(50))
    beta, covariance, scale, _ = exact([x], y, w)
    bse = float(scale) * np.sqrt(np.diag(covariance)).astype(float)
    np.testing.assert_allclose((fits.values[0, 0] - beta.astype(float)) / bse, 0.0, atol=1e-11)
    np.testing.assert_allclose(errors(fits, 0), bse, rtol=1e-11)
    assert not fits.not_converged[0, 0]
    cut = fitted([x], [y], w, np.zeros(50), sigma_cut=5.0)
    assert np.flatnonzero(cut.rejected).tolist() == [7]


def test_weights_of_six_decades():
    rng = np.random.default_rng(14)
    x, w = [1e4 + rng.normal(size=60), rng.normal(size=60)], 10.0 ** rng.uniform(-3.0, 3.0, 60)
    y = 5.0 + x[0] - x[1] + rng.standard_t(2, size=60) / np.sqrt(w)
    fits = fitted(x, [y], w, np.zeros(60))
    beta, covariance, scale, _ = exact(x, y, w)
    bse = float(scale) * np.sqrt(np.diag(covariance)).astype(float)
    np.testing.assert_allclose((fits.values[0, 0] - beta.astype(float)) / bse, 0.0, atol=1e-10)
    np.testing.assert_allclose(errors(fits, 0), bse, rtol=1e-10)


def test_more_than_half_of_the_rows_on_the_line():
    # the scale is at its floor, and what is off the line counts next to nothing
    rng = np.random.default_rng(15)
    x = rng.normal(size=40)
    y = 3.0 - x
    off = np.arange(40) >= 25
    y[off] += rng.normal(size=15)
    only_off = off * rng.normal(size=40)
    fits = fitted([x, only_off], [y], np.ones(40), np.zeros(40), max_iter=5000, tol=1e-9)
    assert fits.at_floor[0, 0]
    np.testing.assert_allclose(fits.values[0, 0, :2], [3.0, -1.0], rtol=1e-12)
    # the rows off the line are on their own a least-absolute fit through 0: a weighted median of the ratios
    ratios, sizes = (y - 3.0 + x)[off] / only_off[off], np.abs(only_off[off])
    order = np.argsort(ratios)
    middle = ratios[order][np.searchsorted(np.cumsum(sizes[order]), sizes.sum() / 2.0)]
    np.testing.assert_allclose(fits.values[0, 0, 2], middle, rtol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_direction_of_rows_that_count_for_nothing(seed):
    # two rows alone have the second predictor, and they are off the line: their weights of 1e-15 are its pivot
    rng = np.random.default_rng(seed)
    x, last = rng.normal(size=12), np.repeat([0.0, 1.0], [10, 2])
    y = 3.0 - x + np.repeat([0.0, 5.0, -5.0], [10, 1, 1])
    fits = fitted([x, last], [y], np.ones(12), np.zeros(12))
    np.testing.assert_allclose(fits.values[0, 0], [3.0, -1.0, 0.0], rtol=1e-13, atol=1e-13)
    assert fits.at_floor[0, 0]
    assert not fits.not_converged[0, 0]


@pytest.mark.parametrize("k", [1, 2, 4])
def test_both_ways_to_a_step(k):
    rng = np.random.default_rng(k)
    q = np.ascontiguousarray(np.linalg.qr(rng.normal(size=(30, k)))[0].T)
    lines, matrix, step, other = rng.normal(size=(4, 30)), np.empty((k, k)), np.empty(k), np.empty(k)
    irls._fill_step(q, lines, 30, k, 0.01, matrix, step)
    v = np.minimum(1.0, 0.01 / np.abs(lines[irls.RESIDUALS]))
    expected = np.linalg.solve(q * v @ q.T, q * v @ lines[irls.RESIDUALS])
    assert orthogonal.solve_by_cholesky(matrix, k, 1e-10, step)
    np.testing.assert_allclose(step, expected, rtol=1e-12)
    irls._fill_step_by_qr(q, lines, 30, k, np.empty((k, 30)), matrix, np.empty(k), other)
    np.testing.assert_allclose(other, expected, rtol=1e-12)
    # products are given up where a pivot is next to nothing
    doubtful = np.eye(k)
    doubtful[-1, :-1] = np.sqrt((1.0 - 1e-11) / max(k - 1, 1))
    assert orthogonal.solve_by_cholesky(doubtful, k, 1e-10, step) == (k == 1)
    assert not orthogonal.solve_by_cholesky(np.zeros((k, k)), k, 1e-10, step)


def test_too_few_steps_are_flagged():
    x, y, w, row_bin = groups(2, 1, np.random.default_rng(16), n_bins=4)
    fits = fitted(x, y, w, row_bin, max_iter=2)
    assert fits.not_converged.all()
    assert np.isfinite(fits.values).all()


def test_near_exact_targets_converge():
    # noise of 1e-15 to 1e-3 of the target: a step cannot be smaller than the rounding of the fit
    rng = np.random.default_rng(17)
    row_bin = np.repeat(np.arange(260), 20)
    x, w = rng.normal(size=5200), rng.uniform(0.5, 2.0, 5200)
    noise = 10.0 ** -(3.0 + row_bin / 20.0) * rng.normal(size=5200)
    for intercept in (True, False):
        fits = fitted([x], [1e3 * x * (1.0 + 0.1 * rng.normal()) + noise], w, row_bin, intercept=intercept)
        assert not fits.not_converged.any()


def test_threads_do_not_show():
    x, y, w, row_bin = groups(2, 2, np.random.default_rng(18), n_bins=250)
    options = {"sigma_cut": 3.0, "n_bins": 260}  # with empty bins
    one = fitted(x, y, w, row_bin, threads=1, **options)
    same_bits(one, fitted(x, y, w, row_bin, threads=3, **options))
    assert one.n_rejected.sum() > 100


def test_ranges_of_bins_do_not_show(monkeypatch):
    x, y, w, row_bin = groups(1, 1, np.random.default_rng(19), n_bins=30)
    whole = fitted(x, y, w, row_bin, sigma_cut=3.0)
    monkeypatch.setattr("gbr_dag.kernels.huber._ROWS_PER_CALL", 70)
    same_bits(whole, fitted(x, y, w, row_bin, sigma_cut=3.0))


def test_columns_of_any_number_type_that_may_not_be_written():
    rng = np.random.default_rng(20)
    n = 120
    row_bin = np.repeat(np.arange(4), 30).astype(np.int32)
    x = [rng.integers(-9, 9, n), rng.normal(size=n).astype(np.float32), rng.random(n) < 0.5]
    y = [rng.integers(0, 50, n).astype(np.int8), rng.normal(size=(n, 2))[:, 0]]
    w, used = rng.uniform(0.5, 2.0, n), rng.random(n) < 0.9
    rows, offsets = counting_sort(row_bin, 4)
    precision = np.full(5, DOUBLE)
    given = [*x, *y, w, used, rows, offsets, precision]
    before = [array.copy() for array in given]
    for array in given:
        array.flags.writeable = False
    options = {"intercept": True, "tuning": 1.345, "sigma_cut": 3.0, "max_refits": 5, "max_iter": 100, "tol": 1e-8}
    options |= {"min_entries": 4, "threads": 1, "precision": precision}
    fits = huber_fits(x, y, w, used, rows, offsets, **options)
    doubles = [[column.astype(np.float64) for column in columns] for columns in (x, y)]
    same_bits(fits, huber_fits(*doubles, w, used, rows.astype(np.int64), offsets, **options))
    for array, copy in zip(given, before):
        np.testing.assert_array_equal(array, copy)
    for name in ARRAYS:
        assert getattr(fits, name).shape[:2] == (4, 2)
    assert fits.rejected.shape == (n, 2)


def test_no_bins_and_no_rows():
    fits = fitted([np.empty(0)], [np.empty(0)], np.empty(0), np.empty(0), sigma_cut=2.0)
    assert fits.values.shape == (0, 1, 2)
    fits = fitted([np.ones(3)], [np.ones(3)], np.ones(3), np.full(3, -1), n_bins=2, sigma_cut=2.0)
    assert np.isnan(fits.values).all()
    assert not fits.rejected.any()
