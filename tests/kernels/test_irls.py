"""Huber's iteration: its basis, its steps, where it ends, and the digits that it keeps."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gbr_dag.kernels import irls, orthogonal
from tests.oracles.huber import ARRAYS, DOUBLE, errors, exact, fitted, groups

ROOT = Path(__file__).resolve().parent.parent.parent


INTERPRETED = """
import sys
import numpy as np
from gbr_dag.kernels import irls
from tests.oracles.huber import ARRAYS, fitted, groups, noise_free
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


@pytest.mark.parametrize("place", [0, 7])
@pytest.mark.parametrize("size", [1e6, 1e12])
def test_gross_outlier_costs_no_digits(size, place):
    # the target is centred on its median: beside a mean of 2e10 the other rows would keep 6 of their digits
    rng = np.random.default_rng(9)
    x, w = rng.normal(size=50), rng.uniform(0.5, 2.0, 50)
    y = 1.0 + 2.0 * x + rng.normal(size=50)
    y[place] = size
    fits = fitted([x], [y], w, np.zeros(50))
    beta, covariance, scale, _ = exact([x], y, w)
    bse = float(scale) * np.sqrt(np.diag(covariance)).astype(float)
    np.testing.assert_allclose((fits.values[0, 0] - beta.astype(float)) / bse, 0.0, atol=1e-11)
    np.testing.assert_allclose(errors(fits, 0), bse, rtol=1e-11)
    assert not fits.not_converged[0, 0]
    cut = fitted([x], [y], w, np.zeros(50), sigma_cut=5.0)
    assert np.flatnonzero(cut.rejected).tolist() == [place]


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
    lines, matrix, step, other = rng.normal(size=(6, 30)), np.empty((k, k)), np.empty(k), np.empty(k)
    lines[irls.ROOT_KERNEL] = rng.uniform(0.1, 2.0, 30)
    irls._fill_step(q, lines, 30, k, 0.01, matrix, step)
    v = np.minimum(1.0, 0.01 * lines[irls.ROOT_KERNEL] / np.abs(lines[irls.RESIDUALS]))
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


def test_a_fit_has_settled_when_its_scale_has_too():
    # a row that carries a fit moves as far as the fit does, and with it a median that is at this row, over 0.67
    rng = np.random.default_rng(22)
    n_bins, n, tol = 2000, 3, 0.3
    row_bin = np.repeat(np.arange(n_bins), n)
    x, y = rng.normal(size=n_bins * n) * np.tile([10.0, 1.0, 1.0], n_bins), rng.normal(size=n_bins * n)
    data = ([x], [y], np.ones(n_bins * n), row_bin)
    lengths = np.sqrt(np.sum(x.reshape(n_bins, n) ** 2, axis=1))
    steps = [fitted(*data, intercept=False, max_iter=i, tol=1e-300) for i in range(40)]
    slopes, scales = np.stack([s.values[:, 0, 0] for s in steps]), np.stack([s.scale[:, 0] for s in steps])
    still = lengths * np.abs(np.diff(slopes, axis=0)) <= tol * scales[1:]
    settled = still & (np.abs(np.diff(scales, axis=0)) <= tol * scales[1:])
    assert settled.any(axis=0).all()
    last = 1 + np.argmax(settled, axis=0)
    assert np.sum(1 + np.argmax(still, axis=0) < last) > 5  # the fit alone would have settled earlier in these
    fits = fitted(*data, intercept=False, tol=tol)
    np.testing.assert_array_equal(fits.scale[:, 0], scales[last, np.arange(n_bins)])
    assert not fits.not_converged.any()


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


def test_intercept_takes_both_parts_of_the_means():
    # the mean of 2,000 values of 1e8 is known to 1e-7 as one double
    rng = np.random.default_rng(0)
    x = 1e8 + rng.normal(size=2000)
    fits = fitted([x], [2.0 * x], rng.uniform(0.5, 2.0, 2000), np.zeros(2000))
    np.testing.assert_allclose(fits.values[0, 0], [0.0, 2.0], rtol=1e-15, atol=1e-12)
