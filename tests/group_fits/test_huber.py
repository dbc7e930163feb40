"""Huber's M-estimate of single groups against statsmodels RLM, least squares, and what must hold at the edges."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import gbr_dag
from gbr_dag.group_fits import rejection
from gbr_dag.group_fits.huber import Huber
from gbr_dag.group_fits.least_squares import LeastSquares
from gbr_dag.group_fits.records import GroupRows
from gbr_dag.options import HuberOptions
from gbr_dag.tables import FitStatus

EPS = np.finfo(np.float64).eps
NOT_CONVERGED, NEARLY_EXACT = FitStatus.NOT_CONVERGED.value, FitStatus.NEARLY_EXACT.value


def group(x, y, w=None, *, intercept=True, min_entries=1, precision=EPS) -> GroupRows:
    x = np.asarray(x, dtype=np.float64).reshape(len(y), -1)
    w = np.ones(len(y)) if w is None else w
    return GroupRows(x, np.asarray(y), w, np.full(x.shape[1] + 1, precision), intercept, min_entries)


def noisy(rng, n, *, p=2, weighted=True, outliers=0.1, offset=0.0) -> GroupRows:
    w = rng.uniform(0.2, 5.0, size=n) if weighted else np.ones(n)
    x = rng.normal(size=(n, p)) + offset
    y = 2.0 + x @ np.linspace(1.1, -0.4, p) + rng.normal(size=n) / np.sqrt(w)
    y[: int(outliers * n)] += 30.0
    return group(x, y, w)


def errors(fit):
    return np.sqrt(np.diag(fit.unit_covariance)) * fit.scale


def rlm(rows: GroupRows, tuning=1.345):
    import statsmodels.api as sm

    root = np.sqrt(rows.w)
    design = sm.add_constant(rows.x, has_constant="add") if rows.intercept else rows.x
    model = sm.RLM(root * rows.y, root[:, None] * design, sm.robust.norms.HuberT(tuning))
    return model.fit(conv="coefs", tol=1e-12, maxiter=1000)


@pytest.fixture(scope="module")
def against_rlm():
    """60 groups of 20 to 100 rows, every other one weighted and every third without intercept, with their RLM fits."""
    rng = np.random.default_rng(8)
    groups = [noisy(rng, int(rng.integers(20, 101)), p=1 + i % 3, weighted=i % 2 == 0) for i in range(60)]
    groups = [replace(rows, intercept=i % 3 != 0) for i, rows in enumerate(groups)]
    return [(rows, rlm(rows)) for rows in groups]


def test_same_as_rlm(against_rlm):
    # the two stop at other steps: RLM's at 1e-12 of the coefficients, ours at 1e-10 of the scale
    for rows, expected in against_rlm:
        fit = Huber(HuberOptions())(rows)
        assert fit.flags == 0
        assert np.max(np.abs(fit.values - expected.params) / expected.bse) < 1e-6
        np.testing.assert_allclose(errors(fit), expected.bse, rtol=1e-6)
        np.testing.assert_allclose(fit.scale, expected.scale, rtol=1e-6)
        residuals = np.sqrt(rows.w) * rows.y - expected.model.exog @ expected.params
        np.testing.assert_allclose(fit.sse, residuals @ residuals, rtol=1e-6)
        assert (fit.count, fit.rank, fit.rejected) == (len(rows.y), rows.n_coefficients, None)


def test_tuning_is_passed_on():
    rows = noisy(np.random.default_rng(1), 40)
    fit, expected = Huber(HuberOptions(tuning=0.7))(rows), rlm(rows, 0.7)
    np.testing.assert_allclose(fit.values, expected.params, rtol=1e-6)
    np.testing.assert_allclose(errors(fit), expected.bse, rtol=1e-6)


@pytest.mark.parametrize("intercept", [True, False])
def test_infinite_tuning_is_least_squares(intercept):
    rng = np.random.default_rng(5)
    for n in (4, 9, 40):
        rows = replace(noisy(rng, n), intercept=intercept)
        fit, expected = Huber(HuberOptions(tuning=math.inf))(rows), LeastSquares()(rows)
        assert fit.flags == 0
        for name in ("values", "sse", "syy", "count", "rank", "conditioning"):
            np.testing.assert_allclose(getattr(fit, name), getattr(expected, name), rtol=1e-12, err_msg=name)
        covariance = fit.unit_covariance * fit.scale**2
        np.testing.assert_allclose(covariance, expected.unit_covariance * expected.scale**2, rtol=1e-12)


def test_infinite_tuning_settles_beside_a_perfect_fit():
    # two rows that differ have a predictor of their own, so that the scale is the rounding of the others
    x = np.column_stack([np.append(0.3, np.linspace(-1.0, 1.0, 12)), np.zeros(13)])
    x[:2] = [0.3, 1.0]
    fit = Huber(HuberOptions(tuning=math.inf))(group(x, 0.1 + 0.3 * x[:, 0] + np.eye(13)[0]))
    assert fit.scale < 1e-14
    assert fit.flags == NEARLY_EXACT
    np.testing.assert_allclose(fit.values, [0.1, 0.3, 0.5], rtol=1e-13)


@pytest.mark.parametrize("offset", [1e4, 1e8])
def test_offset_of_predictors_costs_nothing(offset):
    # rounded to the grid of the doubles at the offset, so that both groups hold the same numbers
    rng = np.random.default_rng(3)
    near = noisy(rng, 60)
    near = replace(near, x=(near.x + offset) - offset)
    far = replace(near, x=near.x + offset)
    one, other = Huber(HuberOptions())(near), Huber(HuberOptions())(far)
    assert other.flags == 0
    np.testing.assert_allclose(other.values[1:], one.values[1:], rtol=1e-9)
    np.testing.assert_allclose(errors(other)[1:], errors(one)[1:], rtol=1e-9)
    np.testing.assert_allclose(other.scale, one.scale, rtol=1e-9)
    np.testing.assert_allclose(other.leverage, one.leverage, rtol=1e-9)
    # the intercept is that of x = 0, of a size with offset times slope
    expected = one.values[0] - offset * one.values[1:].sum()
    np.testing.assert_allclose(other.values[0], expected, rtol=1e-8)


@pytest.mark.parametrize("collinearity", [1e-3, 1e-6, 1e-9])
def test_nearly_collinear_predictors_settle(collinearity):
    rng = np.random.default_rng(4)
    for _ in range(20):
        rows = noisy(rng, 25)
        x = np.column_stack([rows.x[:, 0], rows.x[:, 0] + collinearity * rows.x[:, 1]])
        fit = Huber(HuberOptions())(replace(rows, x=x))
        straight = Huber(HuberOptions())(rows)  # the same fitted values in other coordinates, up to rounding x / size
        assert fit.flags == 0
        fitted = np.column_stack([np.ones(25), rows.x]) @ straight.values
        recovered = fit.values[0] + x[:, 0] * (fit.values[1] + fit.values[2]) + (x[:, 1] - x[:, 0]) * fit.values[2]
        moved = {1e-3: 1e-9, 1e-6: 1e-8, 1e-9: 1e-5}[collinearity]
        target = rows.y - 2.0
        assert np.max(np.abs(recovered - fitted)) < moved * np.max(np.abs(target))


@pytest.mark.parametrize("noise", [1e-6, 1e-9, 1e-12, 1e-14, 0.0])
def test_little_noise_beside_gross_outliers_settles(noise):
    # the steps' own rounding must not be taken for movement: max_iter is far above what convergence takes
    rng = np.random.default_rng(6)
    for _ in range(30):
        x = rng.normal(size=(20, 2))
        y = 2.0 + x @ [1.1, -0.4] + noise * rng.normal(size=20)
        y[:2] += 10.0
        fit = Huber(HuberOptions(max_iter=2000))(group(x, y, rng.uniform(0.2, 5.0, size=20)))
        assert fit.flags == (NEARLY_EXACT if noise <= 1e-14 else 0)
        np.testing.assert_allclose(fit.values, [2.0, 1.1, -0.4], atol=20.0 * noise + 1e-13)


def noise_free() -> list[GroupRows]:
    rng = np.random.default_rng(42)
    keys = np.arange(500) % 100
    delta = rng.normal(size=500)
    y = 2.0 + 1.1 * delta
    return [group(delta[keys == key], y[keys == key], min_entries=2) for key in range(100)]


def test_noise_free_groups_keep_their_rows():
    fitter = Huber(HuberOptions(sigma_cut=4.0 / 1.4826))
    for rows in noise_free():
        fit = fitter(rows)
        assert abs(fit.values[1] - 1.1) < 1e-9
        assert (fit.n_rejected, fit.n_refits, fit.flags, fit.count) == (0, 0, NEARLY_EXACT, 5)
        assert not fit.rejected.any()


def test_without_the_floor_noise_free_groups_lose_rows(monkeypatch):
    monkeypatch.setattr(rejection, "FLOOR", 0.0)
    fitter = Huber(HuberOptions(sigma_cut=4.0 / 1.4826))
    robbed = sum(fitter(rows).n_rejected > 0 for rows in noise_free())
    assert robbed > 20, robbed


def test_noise_free_groups_through_the_graph():
    rng = np.random.default_rng(42)
    cells = np.stack(np.meshgrid(range(5), range(5), range(4), indexing="ij"), axis=-1).reshape(-1, 3)
    frame = pd.DataFrame(np.tile(cells, (5, 1)), columns=["a", "b", "c"]).assign(deltaIDC=rng.normal(size=500))
    frame["y"] = 2.0 + 1.1 * frame["deltaIDC"]
    options = HuberOptions(sigma_cut=4.0 / 1.4826)
    model = {"by": ["a", "b", "c"], "targets": "y", "predictors": "deltaIDC"}
    table = gbr_dag.fit_groups(frame, **model, fitter="huber", fitter_options=options, engine="reference")
    assert len(table) == 100
    np.testing.assert_allclose(table["y_slope_deltaIDC"], 1.1, atol=1e-9)
    assert not table[["y_n_rejected", "y_n_refits"]].any(axis=None)
    assert table["y_status"].eq(FitStatus.NEARLY_EXACT).all()


def test_single_precision_has_its_own_floor():
    # rounded to single precision, a line has scatter, and all of it is below the floor of that precision
    x = np.random.default_rng(7).normal(size=40).astype(np.float32)
    y = (2.0 + np.float32(1.1) * x).astype(np.float32)
    options = HuberOptions(sigma_cut=1.0)
    precision = float(np.finfo(np.float32).eps)
    single = Huber(options)(group(x, y.astype(np.float64), precision=precision))
    double = Huber(options)(group(x, y.astype(np.float64)))
    assert single.n_rejected == 0 < double.n_rejected
    size = math.sqrt(np.mean(y.astype(np.float64) ** 2 + (single.values[1] * x.astype(np.float64)) ** 2))
    np.testing.assert_allclose(single.scale, 16.0 * precision * size, rtol=1e-12)


def test_rejected_rows_are_the_outliers():
    rng = np.random.default_rng(9)
    rows = noisy(rng, 60, outliers=0.1)
    fit = Huber(HuberOptions(sigma_cut=6.0))(rows)
    np.testing.assert_array_equal(np.flatnonzero(fit.rejected), np.arange(6))
    assert (fit.n_rejected, fit.count, fit.flags) == (6, 54, 0)
    assert fit.n_refits >= 1
    rest = Huber(HuberOptions())(rows.of(~fit.rejected))
    for name in ("values", "unit_covariance", "scale", "sse", "syy", "leverage", "conditioning"):
        np.testing.assert_array_equal(getattr(fit, name), getattr(rest, name))


def test_cut_is_in_scales_of_weighted_residuals():
    # the same residual is beyond the cut at a large weight only
    y = np.array([1.0, -1.0] * 10 + [5.0, -5.0])
    w = np.ones(22)
    kept = Huber(HuberOptions(sigma_cut=5.0))(group(np.empty((22, 0)), y, w))
    w[20] = 4.0
    cut = Huber(HuberOptions(sigma_cut=5.0))(group(np.empty((22, 0)), y, w))
    np.testing.assert_allclose(kept.scale, 1.0 / 0.6744897501960817, rtol=1e-9)
    assert kept.n_rejected == 0
    np.testing.assert_array_equal(np.flatnonzero(cut.rejected), [20])


def test_target_of_zeros():
    fit = Huber(HuberOptions(sigma_cut=3.0))(group(np.arange(6.0), np.zeros(6)))
    np.testing.assert_array_equal(fit.values, [0.0, 0.0])
    assert (fit.scale, fit.sse, fit.syy, fit.constant, fit.flags, fit.n_rejected) == (
        0.0,
        0.0,
        0.0,
        True,
        NEARLY_EXACT,
        0,
    )
    np.testing.assert_array_equal(fit.unit_covariance, np.zeros((2, 2)))


def test_constant_target_has_the_floor_for_a_scale():
    fit = Huber(HuberOptions(sigma_cut=3.0))(group(np.arange(6.0), np.full(6, 0.1)))
    assert (fit.constant, fit.flags, fit.n_rejected) == (True, NEARLY_EXACT, 0)
    np.testing.assert_allclose(fit.scale, 16.0 * EPS * 0.1, rtol=1e-6)


def test_location_without_predictors():
    y = np.concatenate([np.random.default_rng(2).normal(size=30), [50.0]])
    fit, expected = Huber(HuberOptions())(group(np.empty((31, 0)), y)), rlm(group(np.empty((31, 0)), y))
    np.testing.assert_allclose(fit.values, expected.params, rtol=1e-7)
    np.testing.assert_allclose(errors(fit), expected.bse, rtol=1e-6)
    assert (fit.rank, fit.conditioning) == (1, 1.0)
    np.testing.assert_allclose(fit.leverage, 1.0 / 31.0, rtol=1e-12)


def test_aliased_predictor_is_left_out():
    rows = noisy(np.random.default_rng(11), 30, p=1)
    x = np.column_stack([rows.x[:, 0], 2.0 - 3.0 * rows.x[:, 0]])
    fit, expected = Huber(HuberOptions())(replace(rows, x=x, precision=np.full(3, EPS))), Huber(HuberOptions())(rows)
    np.testing.assert_allclose(fit.values, [*expected.values, np.nan], rtol=1e-12)
    np.testing.assert_allclose(fit.unit_covariance[:2, :2], expected.unit_covariance, rtol=1e-9)
    assert np.isnan(fit.unit_covariance[2]).all()
    assert np.isnan(fit.unit_covariance[:, 2]).all()
    assert (fit.rank, fit.flags) == (2, 0)
    np.testing.assert_allclose(fit.scale, expected.scale, rtol=1e-12)


def test_nothing_but_aliased_predictors():
    y = np.array([1.0, 2.0, 4.0])
    fit = Huber(HuberOptions())(group(np.zeros((3, 1)), y, intercept=False))
    assert np.isnan(fit.values).all()
    assert (fit.rank, fit.leverage, fit.flags) == (0, 0.0, 0)
    np.testing.assert_allclose(fit.scale, 2.0 / 0.6744897501960817, rtol=1e-15)


@pytest.mark.parametrize(("n", "rank"), [(3, 3), (2, 2), (1, 1)])
def test_saturated(n, rank):
    rng = np.random.default_rng(12)
    rows = group(rng.normal(size=(n, 2)), rng.normal(size=n))
    fit, expected = Huber(HuberOptions(sigma_cut=0.1))(rows), LeastSquares()(rows)
    np.testing.assert_array_equal(fit.values, expected.values)
    np.testing.assert_array_equal(fit.unit_covariance, expected.unit_covariance)
    assert math.isnan(fit.scale)
    assert (fit.rank, fit.count, fit.flags, fit.n_rejected, fit.n_refits) == (rank, n, 0, 0, 0)
    np.testing.assert_allclose(fit.leverage, 1.0, rtol=1e-12)


def test_too_few_steps_are_flagged():
    rows = noisy(np.random.default_rng(13), 40)
    settled = Huber(HuberOptions())(rows)
    left = []
    for max_iter in (1, 3, 9):
        fit = Huber(HuberOptions(max_iter=max_iter))(rows)
        assert fit.flags == NOT_CONVERGED
        left.append(np.max(np.abs(fit.values - settled.values)))
    assert left[0] > 2.0 * left[1] > 4.0 * left[2] > 0.0


def test_leverage_is_that_of_the_weighted_design():
    rows = noisy(np.random.default_rng(14), 30)
    design = np.sqrt(rows.w)[:, None] * np.column_stack([np.ones(30), rows.x])
    hat = design @ np.linalg.inv(design.T @ design) @ design.T
    np.testing.assert_allclose(Huber(HuberOptions())(rows).leverage, np.diag(hat).max(), rtol=1e-12)


def test_rows_are_read_only_and_their_order_does_not_matter():
    rng = np.random.default_rng(15)
    rows = noisy(rng, 50)
    for array in (rows.x, rows.y, rows.w, rows.precision):
        array.flags.writeable = False
    order = rng.permutation(50)
    fit, other = Huber(HuberOptions(sigma_cut=4.0))(rows), Huber(HuberOptions(sigma_cut=4.0))(rows.of(order))
    np.testing.assert_allclose(other.values, fit.values, rtol=1e-10)
    np.testing.assert_array_equal(other.rejected, fit.rejected[order])


def test_scale_of_target_and_weights():
    rows = noisy(np.random.default_rng(16), 50)
    fit = Huber(HuberOptions(sigma_cut=4.0))(rows)
    other = Huber(HuberOptions(sigma_cut=4.0))(replace(rows, y=1e30 * rows.y, w=1e-20 * rows.w))
    np.testing.assert_allclose(other.values, 1e30 * fit.values, rtol=1e-9)
    np.testing.assert_allclose(errors(other), 1e30 * errors(fit), rtol=1e-9)
    np.testing.assert_allclose(other.scale, 1e20 * fit.scale, rtol=1e-9)
    np.testing.assert_array_equal(other.rejected, fit.rejected)
