"""Records into fits: columns taken out, the rank rule, and the solution, against numpy on the same records."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gbr_dag.kernels import solving
from gbr_dag.kernels.factoring import factored
from gbr_dag.kernels.records import drop_column
from gbr_dag.nodes.compiled import _block_coefficients
from gbr_dag.nodes.fit import coefficients__numpy
from gbr_dag.nodes.rank import TOLERANCE, reduced_factors__numpy
from gbr_dag.tables import Factors
from gbr_dag.triangles import triangle_of

DOUBLE, SINGLE = np.finfo(np.float64).eps, np.finfo(np.float32).eps
SIZES = [(p, t) for p in range(5) for t in (1, 2, 3)]
FIELDS = ("values", "sse", "syy", "constant", "unit_covariance", "count", "rank", "conditioning")


def factors_of(columns, weights, row_bin, p, *, n_bins, centred=True, precision=None):
    row_bin = row_bin.astype(np.int32)
    entries = np.bincount(row_bin[row_bin >= 0], minlength=n_bins)
    table = factored(row_bin, entries, list(columns), weights, p, centred, 1).records
    precision = np.full(len(columns), DOUBLE) if precision is None else precision
    return Factors(tuple(range(len(columns) - p)), table, precision, centred)


def deficient(p, t, rng, *, n_bins=60, single=False, offset=1e9):
    """Bins of 0 to 14 rows whose predictors are copies, multiples, sums and constants as often as new ones."""
    n = 7 * n_bins
    sizes = rng.multinomial(n, rng.dirichlet(np.ones(n_bins)))
    row_bin = rng.permutation(np.repeat(np.arange(n_bins), sizes))
    columns = rng.integers(-4, 5, size=(p + t, n)).astype(np.float64)
    for b in range(n_bins):
        rows = row_bin == b
        for j in range(p):
            kind = rng.integers(0, 7)
            if kind == 0:
                columns[j, rows] = 3.0
            elif kind == 1:
                columns[j, rows] = 0.0
            elif kind == 2 and j > 0:
                columns[j, rows] = -2.0 * columns[j - 1, rows]
            elif kind == 3 and j > 1:
                columns[j, rows] = columns[0, rows] + 3.0 * columns[j - 1, rows] + 1.0
            elif kind == 4:
                columns[j, rows] += offset
    if single:  # combinations that hold to the rounding of single precision only
        columns[:p] = (columns[:p] * np.float32(0.1)).astype(np.float32)
    weights = rng.integers(1, 9, size=n) / 4.0
    return columns, weights, row_bin


def same(found, expected, rtol, floors=()):
    """Equal fits; sums of squares to the roundings of the target's scatter."""
    for name in FIELDS:
        left, right = getattr(found, name), getattr(expected, name)
        np.testing.assert_array_equal(np.isnan(left), np.isnan(right), err_msg=name)
        if left.dtype.kind != "f":
            np.testing.assert_array_equal(left, right, err_msg=name)
            continue
        floor = dict(floors).get(name, 0.0)
        gap = np.abs(left - right) - rtol * np.abs(right)
        assert np.all((gap <= floor) | np.isnan(right)), name


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize(("p", "t"), [(1, 1), (3, 2), (4, 3), (6, 2)])
def test_a_dropped_column_leaves_what_the_others_hold(p, t, centred):
    rng = np.random.default_rng(p)
    columns, weights = rng.normal(size=(p + t, 40)) + 5.0, rng.uniform(0.1, 4.0, size=40)
    before = factors_of(columns, weights, np.zeros(40, dtype=int), p, n_bins=1, centred=centred)
    centre = np.average(columns, axis=1, weights=weights)[:, None] if centred else 0.0
    rows = ((columns - centre) * np.sqrt(weights)).T
    for dropped in [(j,) for j in range(p)] + [(0, p - 1), (p - 1, 0)] * (p > 1):
        table = before.records.copy()
        for j in dropped:
            drop_column(table[0], j, np.empty(p + t), p, p + t)
        found = triangle_of(Factors(before.targets, table, before.precision, centred))[0]
        kept = [j for j in range(p) if j not in dropped]
        assert not found[list(dropped)].any()
        assert not found[:, list(dropped)].any()
        np.testing.assert_array_equal(table[0, : 2 + 2 * (p + t)], before.records[0, : 2 + 2 * (p + t)])
        for target in range(p, p + t):
            columns_left = [*kept, target]
            expected = np.linalg.qr(rows[:, columns_left], mode="r")
            expected *= np.sign(np.diag(expected))[:, None]
            # 40 roundings at a condition number below 10
            np.testing.assert_allclose(found[np.ix_(columns_left, columns_left)], expected, rtol=1e-11, atol=1e-12)
            conserved = np.sum(found[:, columns_left] ** 2, axis=0)
            np.testing.assert_allclose(conserved, np.sum(rows[:, columns_left] ** 2, axis=0), rtol=1e-12)


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize(("p", "t"), [(1, 1), (2, 2), (4, 1), (6, 1)])
def test_the_rank_rule_is_that_of_numpy(p, t, single, centred):
    rng = np.random.default_rng([p, t, single])
    offset = 1e9 if centred and not single else 1e4  # without intercept it becomes the condition number
    columns, weights, row_bin = deficient(p, t, rng, single=single, offset=offset)
    precision = np.array([SINGLE if single else DOUBLE] * p + [DOUBLE] * t)
    factors = factors_of(columns, weights, row_bin, p, n_bins=60, centred=centred, precision=precision)
    given_records = factors.records.copy()
    (expected,) = reduced_factors__numpy((factors,))
    table, kept = solving.reduced(factors.records, centred, precision, TOLERANCE, p, 1)
    np.testing.assert_array_equal(factors.records, given_records)
    np.testing.assert_array_equal(kept, expected.kept)
    assert 0.1 < kept.mean() < 0.9
    found = triangle_of(Factors(factors.targets, table, precision, centred))
    length = np.linalg.norm(triangle_of(factors), axis=1)[:, None, :]
    # what is put back of aliased columns is up to 32 roundings of the data; condition numbers up to 1e4 or so
    assert np.all(np.abs(found - triangle_of(expected)) <= max(300 * precision[0], 1e-11) * length)


def test_records_of_full_rank_are_given_back():
    rng = np.random.default_rng(0)
    factors = factors_of(rng.normal(size=(3, 90)), None, np.arange(90) % 9, 2, n_bins=9)
    table, kept = solving.reduced(factors.records, True, factors.precision, TOLERANCE, 2, 1)
    assert table is factors.records
    assert kept is None


@pytest.mark.parametrize("count", range(4))
def test_there_is_no_more_rank_than_rows(count):
    rng = np.random.default_rng(count)
    factors = factors_of(rng.normal(size=(4, 90)), None, np.arange(90) % 9, 3, n_bins=9)
    factors.records[:, 0] = count  # pivots that rounding left behind
    _, kept = solving.reduced(factors.records, True, factors.precision, TOLERANCE, 3, 1)
    np.testing.assert_array_equal(kept, reduced_factors__numpy((factors,))[0].kept)
    assert np.all(kept.sum(axis=1) == max(count - 1, 0))


@given(st.integers(0, 2**32 - 1))
def test_the_rank_rule_on_any_design(seed):
    test_the_rank_rule_counts_no_more_than_rows(seed, 3)


@pytest.mark.parametrize("p", [2, 5])
@pytest.mark.parametrize("seed", range(3))
def test_the_rank_rule_counts_no_more_than_rows(seed, p):
    columns, weights, row_bin = deficient(p, 1, np.random.default_rng(seed), n_bins=12)
    factors = factors_of(columns, weights, row_bin, p, n_bins=12)
    (expected,) = reduced_factors__numpy((factors,))
    _, kept = solving.reduced(factors.records, True, factors.precision, TOLERANCE, p, 1)
    kept = np.ones((12, p), dtype=bool) if kept is None else kept
    np.testing.assert_array_equal(kept, expected.kept)
    assert np.all(kept.sum(axis=1) + 1 <= np.maximum(factors.count, 1))


def fits_of(factors, min_entries, n_threads=1):
    fits = solving.solved(
        factors.records, min_entries, factors.intercept, factors.precision, factors.n_predictors, n_threads
    )
    return _block_coefficients(factors, fits), fits.odd_sizes


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize(("p", "t"), [*SIZES, (5, 1), (2, 5)])
def test_straight_generic_and_numpy_give_the_same_fits(p, t, centred, monkeypatch):
    columns, weights, row_bin = deficient(p, t, np.random.default_rng([p, t]), offset=100.0)
    columns[p:] += np.random.default_rng(1).normal(size=(t, columns.shape[1]))
    (factors,) = reduced_factors__numpy((factors_of(columns, weights, row_bin, p, n_bins=60, centred=centred),))
    m = p + centred
    for min_entries in {1, max(m, 1), m + 3}:
        expected = coefficients__numpy((factors,), min_entries)
        straight, odd = fits_of(factors, min_entries)
        with monkeypatch.context() as patched:
            patched.setattr(solving, "straight_kernels", lambda p, t: None)  # noqa: ARG005
            looped, odd_looped = fits_of(factors, min_entries)
        # condition numbers below 1e4; the sums of squares of fits through all points are rounding
        floors = [("sse", 1e-11 * np.nan_to_num(expected.syy)), ("values", 1e-8), ("unit_covariance", 1e-9)]
        same(straight, expected, 1e-8, floors)
        same(looped, expected, 1e-8, floors)
        same(straight, looped, 1e-8, floors)
        np.testing.assert_array_equal(odd, odd_looped)
        missing = np.isnan(expected.values).any(axis=(1, 2))
        insufficient = factors.count < min_entries
        assert insufficient.any()
        assert (missing & ~insufficient).any() == (p > 0 and min_entries < 10) or p < 2


@pytest.mark.parametrize("straight", [True, False])
def test_the_intercept_takes_in_the_low_parts_of_the_means(straight, monkeypatch):
    if not straight:
        monkeypatch.setattr(solving, "straight_kernels", lambda p, t: None)  # noqa: ARG005
    far, little = 2.0**40, 2.0**-30
    # count, sum of weights, hi of x and y, lo of x and y, pivot, slope, residual sum of squares
    record = np.array([[5.0, 5.0, far, far, little, 4.0 * little, 1.0, 1.0, 0.5]])
    fits, _ = fits_of(Factors((0,), record, np.full(2, DOUBLE), True), 2)
    assert fits.values.ravel().tolist() == [3.0 * little, 1.0]


def test_saturated_fits_go_through_their_points():
    columns = np.array([[1.0, 4.0, 2.0, 5.0], [3.0, -3.0, 7.0, 7.0]])
    factors = factors_of(columns, None, np.array([0, 0, 1, 1]), 1, n_bins=2)
    fits, _ = fits_of(factors, 2)
    np.testing.assert_allclose(fits.values[:, 0], [[5.0, -2.0], [7.0, 0.0]], rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(fits.sse, 0.0, atol=1e-28)
    assert fits.rank[:, 0].tolist() == [2, 2]
    assert fits.constant[:, 0].tolist() == [False, True]


def test_a_slope_beside_an_aliased_one_is_that_of_the_fit_without_it():
    rng = np.random.default_rng(2)
    x, y, weights = rng.normal(size=50), rng.normal(size=50), rng.uniform(0.5, 2.0, size=50)
    bins = np.zeros(50, dtype=int)
    factors = factors_of([x, 2.0 * x - 1.0, y], weights, bins, 2, n_bins=1)
    table, kept = solving.reduced(factors.records, True, factors.precision, TOLERANCE, 2, 1)
    assert kept.tolist() == [[True, False]]
    fits, _ = fits_of(Factors((0,), table, factors.precision, True, kept), 3)
    without, _ = fits_of(factors_of([x, y], weights, bins, 1, n_bins=1), 2)
    np.testing.assert_allclose(fits.values[0, 0, :2], without.values[0, 0], rtol=1e-13)
    np.testing.assert_allclose(fits.sse, without.sse, rtol=1e-13)
    np.testing.assert_allclose(fits.unit_covariance[0, 0, :2, :2], without.unit_covariance[0, 0], rtol=1e-13)
    assert np.isnan(fits.values[0, 0, 2])
    assert np.isnan(fits.unit_covariance[0, 0, 2]).all()
    assert (fits.rank[0, 0], fits.conditioning[0, 0]) == (2, pytest.approx(without.conditioning[0, 0], rel=1e-13))


@pytest.mark.parametrize(("p", "t"), [(2, 1), (5, 1)])
def test_shapes(p, t):
    rng = np.random.default_rng(3)
    columns = rng.normal(size=(p + t, 30))
    empty = factors_of(columns[:, :0], None, np.empty(0, dtype=int), p, n_bins=0)
    fits, _ = fits_of(empty, 1)
    assert (fits.values.shape, fits.unit_covariance.shape) == ((0, t, p + 1), (0, 1, p + 1, p + 1))
    one, _ = fits_of(factors_of(columns, None, np.zeros(30, dtype=int), p, n_bins=1), 1)
    design = np.column_stack([np.ones(30), *columns[:p]])
    expected, squares = np.linalg.lstsq(design, columns[p], rcond=None)[:2]
    np.testing.assert_allclose(one.values[0, 0], expected, rtol=1e-11)
    np.testing.assert_allclose(one.sse[0, 0], squares[0], rtol=1e-12)
    np.testing.assert_allclose(one.unit_covariance[0, 0], np.linalg.inv(design.T @ design), rtol=1e-10, atol=1e-14)


def test_the_fast_path_runs_where_it_should(monkeypatch):
    def refuse(*_):
        message = "the other path"
        raise ZeroDivisionError(message)

    monkeypatch.setattr(solving, "solve", refuse)
    rng = np.random.default_rng(4)
    for p, t in SIZES:
        fits_of(factors_of(rng.normal(size=(p + t, 40)), None, np.arange(40) % 2, p, n_bins=2), p + 1)
    for p, t in [(5, 1), (0, 4)]:
        with pytest.raises(ZeroDivisionError, match="other path"):
            fits_of(factors_of(rng.normal(size=(p + t, 40)), None, np.arange(40) % 2, p, n_bins=2), p + 1)


@pytest.mark.parametrize(("p", "t"), [(1, 2), (5, 1)])
@pytest.mark.parametrize("scale", [1e-160, 1e160])
def test_columns_whose_squares_are_not_safe_are_counted(p, t, scale):
    rng = np.random.default_rng(5)
    columns = rng.normal(size=(p + t, 40))
    columns[p] *= scale
    _, odd = fits_of(factors_of(columns, None, np.arange(40) % 4, p, n_bins=4), 1)
    assert odd.tolist() == [0] * p + [4] + [0] * (t - 1)


def test_threads_change_no_bit(monkeypatch):
    from gbr_dag.kernels import threads

    columns, weights, row_bin = deficient(2, 2, np.random.default_rng(6))
    factors = factors_of(columns, weights, row_bin, 2, n_bins=60)
    one_table, one_kept = solving.reduced(factors.records, True, factors.precision, TOLERANCE, 2, 1)
    one, _ = fits_of(Factors(factors.targets, one_table, factors.precision, True), 2)
    monkeypatch.setattr(threads, "_ROWS_PER_THREAD", 1)
    table, kept = solving.reduced(factors.records, True, factors.precision, TOLERANCE, 2, 3)
    np.testing.assert_array_equal(table, one_table)
    np.testing.assert_array_equal(kept, one_kept)
    many, _ = fits_of(Factors(factors.targets, table, factors.precision, True), 2, 3)
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(many, name), getattr(one, name), err_msg=name)
