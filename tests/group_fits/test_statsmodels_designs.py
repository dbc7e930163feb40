"""Designs that statsmodels' pseudo-inverse cannot take as they come: offsets, units, near collinearity."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from gbr_dag import FitStatus, GlmOptions, HuberOptions, RlmOptions
from gbr_dag.group_fits.huber import Huber
from gbr_dag.group_fits.least_squares import LeastSquares
from gbr_dag.group_fits.records import GroupFit, GroupRows
from gbr_dag.group_fits.statsmodels_fits import Glm, Rlm, StatsmodelsLeastSquares

SQUARES = [StatsmodelsLeastSquares(), Glm(GlmOptions())]
POISSON, GAMMA, BINOMIAL = GlmOptions("poisson"), GlmOptions("gamma", "log"), GlmOptions("binomial")


def rows_of(x, y, w=None, *, intercept=True) -> GroupRows:
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    w = np.ones(len(y)) if w is None else np.asarray(w, dtype=float)
    return GroupRows(x, y, w, np.full(x.shape[1] + 1, np.finfo(float).eps), intercept, 1)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(17)


def offset(rng) -> np.ndarray:
    return 1e8 + rng.normal(size=(60, 2)) * [1.0, 3.0]


def unit(rng) -> np.ndarray:
    return rng.normal(size=(60, 2)) * [1e20, 1e-20]


def collinear(rng) -> np.ndarray:
    x = 5.0 + rng.normal(size=60)
    return np.column_stack([x, x + 2e-6 * rng.normal(size=60)])  # kappa about 1e6


DESIGNS = [offset, unit, collinear]


def standardized(x: np.ndarray) -> np.ndarray:
    """About the means and in units of the scatter, exact enough where 1e8 is added: the mean's rounding is 1e-8."""
    centre = x[0]  # differences of neighbours are exact
    moved = x - centre
    return (moved - moved.mean(axis=0)) / moved.std(axis=0)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("fitter", SQUARES, ids=["wls", "glm"])
def test_least_squares_equal_the_reference_in_every_design(rng, fitter, design, intercept):
    x = design(rng)
    y = standardized(x) @ [1.0, -0.5] + rng.normal(size=60)
    rows = rows_of(x, y, 10.0 ** rng.uniform(-3, 3, size=60), intercept=intercept)
    fit, expected = fitter(rows), LeastSquares()(rows)
    assert fit.rank == expected.rank == 2 + intercept
    assert fit.flags == 0
    # 1e-6: of differences of predictors at 1e8 without intercept, kappa 1e8, some 1e-8 are rounding
    rtol = 1e-6 if design is offset and not intercept else 1e-8
    size = np.sqrt(np.diag(expected.unit_covariance)) * expected.scale
    assert (np.abs(fit.values - expected.values) <= rtol * np.maximum(size, np.abs(expected.values))).all()
    scale = np.sqrt(np.outer(np.diag(expected.unit_covariance), np.diag(expected.unit_covariance)))
    assert (np.abs(fit.unit_covariance - expected.unit_covariance) <= rtol * scale).all()
    np.testing.assert_allclose([fit.scale, fit.sse], [expected.scale, expected.sse], rtol=rtol)


def test_the_slope_of_a_predictor_far_off_is_found(rng):
    z = rng.normal(size=200)
    x = 1e8 + z
    fit = StatsmodelsLeastSquares()(rows_of(x[:, None], 2.0 * (x - 1e8) + 0.1 * rng.normal(size=200)))
    np.testing.assert_allclose(fit.values[1], 2.0, rtol=0.02)
    counts = rng.poisson(np.exp(z))
    fit = Glm(POISSON)(rows_of(z[:, None] * 1e20, counts))
    plain = Glm(POISSON)(rows_of(z[:, None], counts))
    np.testing.assert_allclose(fit.values * [1.0, 1e20], plain.values, rtol=1e-9)


@pytest.mark.parametrize("fitter", SQUARES, ids=["wls", "glm"])
def test_twenty_predictors_with_weights_over_six_decades(rng, fitter):
    x = rng.normal(size=(80, 20)) * 10.0 ** rng.uniform(-6, 6, size=20) + 10.0 ** rng.uniform(-3, 5, size=20)
    y = 1e4 + standardized(x).sum(axis=1) + rng.normal(size=80)
    rows = rows_of(x, y, 10.0 ** rng.uniform(-3, 3, size=80))
    fit, expected = fitter(rows), LeastSquares()(rows)
    assert fit.rank == expected.rank
    size = np.sqrt(np.diag(expected.unit_covariance)) * expected.scale
    # 1e-9 of an error: conditions of about 1e2 at weights over six decades
    np.testing.assert_array_less(np.abs(fit.values - expected.values)[expected.values == expected.values], 1e-9 * size)
    np.testing.assert_allclose(np.diag(fit.unit_covariance), np.diag(expected.unit_covariance), rtol=1e-9)


def by_hand(options: GlmOptions, x: np.ndarray, y: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Newton's steps on orthonormal columns: linear predictor (n,), and its standard errors at dispersion 1."""
    q, _ = np.linalg.qr(np.column_stack([np.ones(len(y)), standardized(x)]))
    beta = np.linalg.lstsq(q, np.log((y + 0.5) / (1.5 - y) if options.family == "binomial" else y + 0.5), rcond=None)[0]
    for _ in range(60):
        eta = q @ beta
        mean = special.expit(eta) if options.family == "binomial" else np.exp(eta)
        # variance V and slope dmu/deta of the canonical links, and of gamma with the logarithm
        information = {"poisson": mean, "binomial": mean * (1.0 - mean), "gamma": np.ones(len(y))}[options.family]
        score = (y - mean) / mean if options.family == "gamma" else y - mean
        inverse = np.linalg.inv((q.T * (w * information)) @ q)
        beta = beta + inverse @ (q.T @ (w * score))
    return q @ beta, np.sqrt(np.einsum("ij,jk,ik->i", q, inverse, q))


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("options", [POISSON, GAMMA, BINOMIAL], ids=["poisson", "gamma", "binomial"])
def test_linear_predictors_of_glm_are_the_likeliest_in_every_design(rng, options, design):
    x, w = design(rng), 10.0 ** rng.uniform(-1, 1, size=60)
    mean = np.exp(0.5 + standardized(x) @ [0.3, -0.2])
    y = {
        "poisson": lambda: rng.poisson(mean),
        "gamma": lambda: rng.gamma(3.0, mean / 3.0),
        "binomial": lambda: rng.uniform(size=60) < mean / (1.0 + mean),
    }[options.family]()
    rows = rows_of(x, y, w)
    fit = Glm(options)(rows)
    assert fit.flags == 0
    linear, error = by_hand(options, x, rows.y, w)
    # values against the first row: the intercept at a predictor of 0 is far off and has its own rounding
    apart = (x - x[0]) @ fit.values[1:]
    # 1e-5 of an error: gamma's steps gain a factor only (deviance within 1e-12); kappa 1e6 takes 1e-10 of 1
    np.testing.assert_allclose((apart - (linear - linear[0])) / error, 0.0, atol=2e-5)
    covariance = fit.unit_covariance[1:, 1:]
    q, r = np.linalg.qr(np.column_stack([np.ones(60), standardized(x)]))
    mean = special.expit(linear) if options.family == "binomial" else np.exp(linear)
    information = {"poisson": mean, "binomial": mean * (1.0 - mean), "gamma": np.ones(60)}[options.family]
    inverse = np.linalg.inv((q.T * (w * information)) @ q)
    back = np.diag([1.0, *(1.0 / (x - x[0]).std(axis=0))]) @ np.linalg.inv(r)
    np.testing.assert_allclose(covariance, (back @ inverse @ back.T)[1:, 1:], rtol=1e-5)
    assert fit.unit_covariance[0, 0] > 0.0


def test_the_variance_of_a_far_intercept_is_positive(rng):
    """As mean' covariance mean it is rounding: 1e8 off, 1e-3 of scatter, and nearly collinear."""
    x = 1e8 + rng.normal(size=(30, 2)) * 1e-3
    x[:, 1] = x[:, 0] + 1e-5 * rng.normal(size=30)
    y = rng.poisson(3.0, size=30)
    for fitter in (StatsmodelsLeastSquares(), Glm(POISSON), Rlm(RlmOptions())):
        fit = fitter(rows_of(x, y))
        assert fit.rank == 3
        assert (
            np.linalg.eigvalsh(fit.unit_covariance / np.sqrt(np.outer(*[np.diag(fit.unit_covariance)] * 2)))[0] > -1e-9
        )
        assert (np.diag(fit.unit_covariance) > 0.0).all()


def huber_of(rows: GroupRows) -> GroupFit:
    return Huber(HuberOptions(tol=1e-12))(rows)


@pytest.mark.parametrize("design", DESIGNS)
def test_rlm_equals_huber_in_every_design(rng, design):
    x = design(rng)
    y = standardized(x) @ [1.0, -0.5] + rng.standard_t(2, size=60)
    rows = rows_of(x, y, rng.uniform(0.3, 3.0, size=60))
    fit, expected = Rlm(RlmOptions(max_iter=500, tol=1e-10))(rows), huber_of(rows)
    assert fit.flags == 0
    size = np.sqrt(np.diag(expected.unit_covariance)) * expected.scale
    np.testing.assert_allclose((fit.values - expected.values) / size, 0.0, atol=1e-6)
    np.testing.assert_allclose(np.diag(fit.unit_covariance), np.diag(expected.unit_covariance), rtol=1e-6)
    np.testing.assert_allclose(fit.scale, expected.scale, rtol=1e-7)


@pytest.mark.parametrize("centre", [1e5, 1e6])
def test_fits_of_rlm_settle_wherever_the_predictor_lies(rng, centre):
    for _ in range(50):
        x = centre + rng.normal(size=30)
        rows = rows_of(x[:, None], 3.0 + 2.0 * (x - centre) + rng.standard_t(3, size=30))
        fit, expected = Rlm(RlmOptions())(rows), huber_of(rows)
        assert fit.flags == 0
        np.testing.assert_allclose(fit.values[1], expected.values[1], rtol=1e-6)
        np.testing.assert_allclose(fit.scale, expected.scale, rtol=1e-6)


def test_what_statsmodels_takes_for_collinear_is_no_sound_fit(rng):
    """The rank rule keeps a direction that the pseudo-inverse drops: its coefficients would be the shortest of many."""
    x = rng.normal(size=(60, 24))
    x[:, 23] = x[:, :23].sum(axis=1) + 8e-14 * rng.normal(size=60)
    rows = rows_of(x, rng.normal(size=60))
    assert LeastSquares()(rows).rank == 25
    for fitter in (StatsmodelsLeastSquares(), Glm(GlmOptions()), Rlm(RlmOptions())):
        with pytest.raises(ArithmeticError, match="takes 25 independent columns for 24"):
            fitter(rows)


@pytest.mark.parametrize(("singular_values", "own"), [([1.0, 5e-16], 2), ([1.0, 0.5], 1)])
def test_a_rank_below_ours_is_refused(singular_values, own):
    from gbr_dag.group_fits.statsmodels_fits import _check_rank

    with pytest.raises(ArithmeticError, match="2 independent columns for 1"):
        _check_rank(2, np.array(singular_values), own)
    _check_rank(2, np.array([1.0, 1e-14]), 2)


def test_a_model_without_columns_has_its_scale():
    y, w = np.array([1.0, 2.0, 3.0, 5.0]), np.array([1.0, 4.0, 1.0, 1.0])
    rows = rows_of(np.zeros((4, 1)), y, w, intercept=False)
    squares = np.sum(w * y**2)
    expected = {
        "gaussian": np.sqrt(squares / 4),
        "poisson": 1.0,
        "gamma": np.sqrt(np.sum(w * (y - 1.0) ** 2) / 4),  # the mean is exp(0)
    }
    for options in (GlmOptions(), POISSON, GAMMA):
        fit = Glm(options)(rows)
        np.testing.assert_allclose(fit.scale, expected[options.family], rtol=1e-14)
        mean = 0.0 if options.family == "gaussian" else 1.0
        np.testing.assert_allclose(fit.sse, np.sum(w * (y - mean) ** 2), rtol=1e-14)
    robust = Rlm(RlmOptions())(rows)
    np.testing.assert_allclose(robust.scale, 3.5 / special.ndtri(0.75), rtol=1e-14)  # of 1, 4, 3, 5
    np.testing.assert_allclose(robust.sse, squares, rtol=1e-14)
    nothing = Rlm(RlmOptions())(rows_of(np.zeros((4, 1)), np.zeros(4), intercept=False))
    assert nothing.flags == FitStatus.NEARLY_EXACT
    with pytest.raises(ArithmeticError, match=r"the mean is inf, which family 'gamma' cannot have"):
        Glm(GlmOptions("gamma"))(rows)
