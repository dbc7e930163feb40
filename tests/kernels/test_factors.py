"""Rows into records, by straight-line kernels and by loops, against triangles in 60-digit arithmetic."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gbr_dag.kernels import factoring, generator, records, threads
from gbr_dag.kernels.factoring import factored, record_width, straight_kernels
from gbr_dag.tables import Factors
from gbr_dag.tables import record_width as documented_width
from gbr_dag.triangles import triangle_of

EPS = np.finfo(np.float64).eps
SIZES = [(p, t) for p in range(5) for t in (1, 2, 3)]
LARGER = [(5, 1), (6, 5), (2, 4), (0, 8)]
ROUNDINGS = 20
"""How often a triangle may be off by what rounding its rows once would move it; 4 was the most seen with 30 rows."""


def sample(p, t, *, n=120, n_bins=4, hard=False, seed=0):
    """Predictors and targets, weights, bins (-1 and a last one without rows among them)."""
    rng = np.random.default_rng([seed, p, t])
    columns = rng.normal(size=(p + t, n))
    if hard:  # nearly collinear, far from zero
        columns[1:] = columns[0] + 1e-5 * columns[1:]
        columns = 1e8 + columns * 2.0 ** rng.integers(-3, 4, size=(p + t, 1))
    row_bin = rng.integers(-1, n_bins - 1, size=n).astype(np.int32)
    return list(columns), rng.lognormal(0.0, 2.0, size=n), row_bin


def filled(columns, weights, row_bin, p, *, n_bins=4, centred=True, n_threads=1):
    entries = np.bincount(row_bin[row_bin >= 0], minlength=n_bins)
    return factored(row_bin, entries, columns, weights, p, centred, n_threads)


def triangles(table, p, k, centred=True):
    return triangle_of(Factors(tuple(range(k - p)), table, np.full(k, EPS), centred))


def exact(columns, weights, p, *, centred):
    """Means and triangle of one bin's rows, and how far roundings of the columns may carry into the triangle.

    Row i of Q, so of the triangle, hangs on the columns up to i; a diagonal, being a distance, on those before it.
    """
    with mpmath.workdps(60):
        rows = [[mpmath.mpf(float(value)) for value in column] for column in columns]
        w = [mpmath.mpf(float(weight)) for weight in weights]
        k = len(rows)
        means = [mpmath.fdot(w, row) / mpmath.fsum(w) if centred else mpmath.mpf(0) for row in rows]
        rows = [[value - mean for value in row] for row, mean in zip(rows, means)]
        weighted = [[a * b for a, b in zip(w, row)] for row in rows]
        rest = [[mpmath.fdot(weighted[i], rows[j]) for j in range(k)] for i in range(k)]
        triangle = np.zeros((k, k))
        for i in range(p):
            root = mpmath.sqrt(rest[i][i])
            row = [rest[i][j] / root for j in range(k)]
            triangle[i, i:] = [float(value) for value in row[i:]]
            rest = [[rest[a][b] - row[a] * row[b] for b in range(k)] for a in range(k)]
        for j in range(p, k):
            triangle[j, j] = float(mpmath.sqrt(rest[j][j]))
    length = np.linalg.norm(triangle, axis=0)
    scaled = triangle / np.where(length == 0.0, 1.0, length)
    condition = [1.0, *(np.linalg.cond(scaled[:i, :i]) for i in range(1, p + 1))]
    reach = np.array([[condition[min(i + (i < j), p)] for j in range(k)] for i in range(k)])
    return means, triangle, EPS * reach * length


def check_record(record, columns, weights, p, *, centred, roundings=ROUNDINGS):
    """One record against the rows that it stands for."""
    k, n = len(columns), len(weights)
    assert record[0] == n
    np.testing.assert_allclose(record[1], np.sum(weights), rtol=1e-13)  # n roundings of numbers of one sign
    assert not record[record_width(p, k) :].any()
    if n == 0:
        assert not record.any()
        return
    means, expected, reach = exact(columns, weights, p, centred=centred)
    found = triangles(record[None], p, k, centred)[0]
    assert np.all(np.abs(found - expected) <= roundings * reach)
    scatter = np.linalg.norm(expected, axis=0) / np.sqrt(np.sum(weights))
    with mpmath.workdps(60):
        gap = [abs(float(mpmath.mpf(record[2 + j]) + record[2 + k + j] - means[j])) for j in range(k)]
    # relative to the scatter, not to the mean: what hi + lo are for
    assert np.all(np.array(gap) <= 20 * EPS * scatter if centred else np.array(gap) == 0.0)


def loops_only(monkeypatch):
    monkeypatch.setattr(factoring, "straight_kernels", lambda p, t: None)  # noqa: ARG005


def test_sources_are_those_of_the_generator():
    stale = [path.name for path, source in generator.sources() if path.read_text(encoding="utf-8") != source]
    assert stale == [], "run python -m gbr_dag.kernels.generator"


def test_there_is_one_source_a_size_and_no_other():
    found = {path.name for path in generator.FOLDER.glob("*.py")}
    of_windows = {"windows_any_size.py", *(f"windows_p{p}_t{t}.py" for p, t in SIZES)}
    assert found == {"__init__.py", *(f"p{p}_t{t}.py" for p, t in SIZES)} | of_windows
    assert {path.name for path, _ in generator.sources()} == found - {"__init__.py"}


@pytest.mark.parametrize("called", generator._CALLED)
def test_a_change_of_what_is_called_changes_the_sources(called, monkeypatch, tmp_path):
    for name in generator._CALLED:
        text = (generator.FOLDER.parent / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text + "# changed\n" * (name == called), encoding="utf-8")
    before = generator.module_source(2, 1)
    monkeypatch.setattr(generator, "FOLDER", tmp_path / "straight")
    assert generator.module_source(2, 1) != before


@pytest.mark.parametrize(("p", "t"), [*SIZES, *LARGER])
def test_records_hold_the_triangles_of_their_rows(p, t, monkeypatch):
    for hard in (False, True):
        columns, weights, row_bin = sample(p, t, hard=hard)
        for given_weights in (None, weights):
            for centred in (True, False) if not hard else (True,):
                table = filled(columns, given_weights, row_bin, p, centred=centred).records
                assert table.shape[1] >= record_width(p, p + t) == documented_width(p, p + t)
                with monkeypatch.context() as patched:
                    loops_only(patched)
                    looped = filled(columns, given_weights, row_bin, p, centred=centred).records
                for b in range(4):
                    rows = row_bin == b
                    present = np.ones(rows.sum()) if given_weights is None else weights[rows]
                    for record in (table[b], looped[b]):
                        check_record(record, [column[rows] for column in columns], present, p, centred=centred)


def test_a_sum_of_products_would_not_pass():
    columns, weights, _ = sample(2, 1, hard=True)
    _, expected, reach = exact(columns, weights, 2, centred=True)
    centred = np.stack([column - np.average(column, weights=weights) for column in columns])
    found = np.linalg.cholesky((centred * weights) @ centred.T).T
    assert abs(found[1, 1] - expected[1, 1]) > 10 * ROUNDINGS * reach[1, 1]


@pytest.mark.parametrize(("p", "t"), [(1, 1), (3, 2), (5, 1), (1, 4)])
def test_a_poor_start_costs_no_digits(p, t):
    """U += s z' would keep the roundings of the first slopes, which are 1e9 times too large."""
    columns, weights, row_bin = sample(p, t, n_bins=2)
    for j in range(p):
        columns[j][1] = columns[j][0] + 1e-9 * columns[j][1]
    table = filled(columns, weights, np.zeros_like(row_bin), p, n_bins=1).records
    check_record(table[0], columns, weights, p, centred=True)


def spoiled(p, t, *, weighted, seed=1):
    """A sample, some rows of which cannot enter a fit, and why they are left out: told row by row."""
    columns, weights, row_bin = sample(p, t, n=400, seed=seed)
    rng = np.random.default_rng(seed)
    bad = [np.nan, np.inf, -np.inf]
    for column in columns:
        rows = rng.random(400) < 0.12
        column[rows] = rng.choice(bad, size=rows.sum())
    rows = rng.random(400) < 0.3
    weights[rows] = rng.choice([*bad, 0.0, -0.0, -1.5], size=rows.sum())
    weights = weights if weighted else None
    notes, used = np.zeros(8 + t, dtype=np.int64), np.zeros(400, dtype=bool)
    for i in range(400):
        w = 1.0 if weights is None else weights[i]
        absent = [not np.isfinite(columns[p + j][i]) for j in range(t)]
        if row_bin[i] < 0:
            continue
        if not np.isfinite(w):
            notes[3] += 1
        elif w <= 0:
            notes[4 if w == 0 else 5] += 1
        elif not all(np.isfinite(columns[j][i]) for j in range(p)):
            notes[6] += 1
        elif any(absent):
            notes[0] += not all(absent)
            notes[1] += 1
            notes[8:] += absent
        else:
            used[i] = True
    return columns, weights, row_bin, notes, used


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("p", "t"), [*SIZES, (5, 2)])
def test_rows_are_left_out_and_noted(p, t, weighted, monkeypatch):
    columns, weights, row_bin, notes, used = spoiled(p, t, weighted=weighted)
    found = [filled(columns, weights, row_bin, p)]
    loops_only(monkeypatch)
    found.append(filled(columns, weights, row_bin, p))
    for result in found:
        np.testing.assert_array_equal(result.notes, notes)
        assert (result.lacking_some, result.lacking_any) == tuple(notes[:2])
        np.testing.assert_array_equal(result.left_out, [0, 0, *notes[2:7]])
        np.testing.assert_array_equal(result.without_target, notes[8:])
        for b in range(4):
            rows = used & (row_bin == b)
            present = np.ones(rows.sum()) if weights is None else weights[rows]
            check_record(result.records[b], [column[rows] for column in columns], present, p, centred=True)


@pytest.mark.parametrize(("p", "t"), [(2, 1), (5, 1)])
def test_other_bins_are_not_touched(p, t):
    columns, weights, row_bin = sample(p, t, n_bins=7)
    expected = filled(columns, weights, row_bin, p, n_bins=7).records
    table = np.full_like(expected, 7.0)
    table[2:4] = 0.0
    factoring._Pass(row_bin, columns, weights, p, True).run(table, (2, 4), (0, len(row_bin)), lambda: False)
    np.testing.assert_array_equal(table[2:4], expected[2:4])
    assert np.all(np.delete(table, [2, 3], axis=0) == 7.0)


@pytest.mark.parametrize(("p", "t"), [(0, 1), (2, 2), (5, 1)])
def test_shapes(p, t):
    columns, weights, row_bin = sample(p, t)
    none = [column[:0] for column in columns]
    assert filled(none, weights[:0], row_bin[:0], p, n_bins=0).records.shape[0] == 0
    assert not filled(none, None, row_bin[:0], p, n_bins=3).records.any()
    nowhere = filled(columns, weights, np.full_like(row_bin, -1), p, n_bins=2)
    assert not nowhere.records.any()
    assert not nowhere.notes.any()
    one = filled(columns, weights, np.zeros_like(row_bin), p, n_bins=1)
    check_record(one.records[0], columns, weights, p, centred=True)


@pytest.mark.parametrize("n", [1, 1023, 1024, 1025, 2049, 5000])
@pytest.mark.parametrize("p", [1, 5])
def test_every_row_of_every_chunk_is_taken(n, p):
    rng = np.random.default_rng(n)
    columns, row_bin = list(rng.integers(-9, 9, size=(p + 1, n)).astype(np.float64)), np.full(n, -1, dtype=np.int32)
    chosen = rng.random(n) < 0.6
    chosen[[0, -1]] = True
    row_bin[chosen] = rng.integers(0, 3, size=chosen.sum())
    table = filled(columns, None, row_bin, p, n_bins=3, centred=False).records
    np.testing.assert_array_equal(table[:, 0], np.bincount(row_bin[chosen], minlength=3))
    squares = np.bincount(row_bin[chosen], columns[0][chosen] ** 2, minlength=3)
    np.testing.assert_allclose(table[:, 2 + 2 * (p + 1)], squares, rtol=1e-12)  # 5000 roundings of one sign


def test_columns_of_any_kind_are_read():
    columns, weights, row_bin = sample(2, 1)
    whole = [np.round(8 * column) for column in columns]
    expected = filled(whole, np.round(weights) + 1, row_bin, 2).records
    other = [whole[0].astype(np.int8), whole[1].astype(np.float32)[::-1].copy()[::-1], np.repeat(whole[2], 3)[::3]]
    for column in other:
        column.flags.writeable = False
    found = filled(other, (np.round(weights) + 1).astype(np.int64), row_bin.astype(np.int64), 2).records
    np.testing.assert_array_equal(found, expected)


def test_the_fast_path_runs_where_it_should(monkeypatch):
    def refuse(*_):
        message = "the other path"
        raise ZeroDivisionError(message)

    monkeypatch.setattr(records, "update", refuse)
    for p, t in SIZES:
        columns, weights, row_bin = sample(p, t)
        filled(columns, weights, row_bin, p)
        assert straight_kernels(p, t) is not None
    for p, t in LARGER:
        columns, weights, row_bin = sample(p, t)
        assert straight_kernels(p, t) is None
        with pytest.raises(ZeroDivisionError, match="other path"):
            filled(columns, weights, row_bin, p)


@pytest.mark.parametrize(("p", "t"), [(2, 1), (5, 1)])
def test_threads_change_no_bit_while_bins_can_be_shared_out(p, t, monkeypatch):
    monkeypatch.setattr(threads, "_ROWS_PER_THREAD", 1)
    columns, weights, row_bin, _, _ = spoiled(p, t, weighted=True)
    row_bin[row_bin >= 0] = np.arange(np.sum(row_bin >= 0)) % 20
    one = filled(columns, weights, row_bin, p, n_bins=20)
    for n_threads in (2, 3, 8):
        many = filled(columns, weights, row_bin, p, n_bins=20, n_threads=n_threads)
        np.testing.assert_array_equal(many.records, one.records)
        np.testing.assert_array_equal(many.notes, one.notes)


@pytest.mark.parametrize("centred", [True, False])
def test_threads_share_a_bin_that_holds_most_rows(centred, monkeypatch):
    monkeypatch.setattr(threads, "_ROWS_PER_THREAD", 1)
    columns, weights, row_bin = sample(2, 2, hard=centred)
    row_bin[row_bin >= 0] = np.where(np.arange(np.sum(row_bin >= 0)) % 10, 1, 0)
    found = filled(columns, weights, row_bin, 2, centred=centred, n_threads=3).records
    for b in range(4):
        rows = row_bin == b
        check_record(found[b], [column[rows] for column in columns], weights[rows], 2, centred=centred)


def merged(tables, p, k, centred):
    total, *others = [table.copy() for table in tables]
    for other in others:
        records.merge(total, other, 0, len(total), centred, p, k)
    return total


def parts_of(columns, weights, part, p, centred):
    """One table a part, each of one bin."""
    return [
        filled([column[part == i] for column in columns], weights[part == i], np.zeros(np.sum(part == i), np.int32), p,
               n_bins=1, centred=centred).records
        for i in range(part.max() + 1)
    ]  # fmt: skip


@settings(max_examples=40)
@given(st.lists(st.integers(0, 4), min_size=6, max_size=40), st.booleans(), st.sampled_from([(0, 1), (2, 2), (5, 1)]))
def test_any_split_merged_is_one_record(part, hard, size):
    p, t = size
    part = np.array(part)
    columns, weights, _ = sample(p, t, n=len(part), hard=hard, seed=len(part))
    if len(part) > p + t:
        for centred in (True, False) if not hard else (True,):
            tables = parts_of(columns, weights, part, p, centred)
            for order in (tables, tables[::-1]):
                record = merged(order, p, p + t, centred)[0]
                check_record(record, columns, weights, p, centred=centred, roundings=2 * ROUNDINGS)


def test_merging_is_associative():
    columns, weights, _ = sample(3, 2, hard=True)
    a, b, c = parts_of(columns, weights, np.arange(120) % 3, 3, True)
    left = merged([merged([a, b], 3, 5, True), c], 3, 5, True)[0]
    right = merged([a, merged([b, c], 3, 5, True)], 3, 5, True)[0]
    for record in (left, right):
        check_record(record, columns, weights, 3, centred=True)


def test_an_empty_record_takes_over_every_bit():
    columns, weights, row_bin = sample(2, 1, hard=True)
    table = filled(columns, weights, row_bin, 2).records
    found = merged([np.zeros_like(table), table], 2, 3, True)
    np.testing.assert_array_equal(found, table)
    np.testing.assert_array_equal(merged([table, np.zeros_like(table)], 2, 3, True), table)
    # a table whose means have no lo is far off
    rows = row_bin == 0
    found[:, 5:8] = 0.0
    with pytest.raises(AssertionError):
        check_record(found[0], [column[rows] for column in columns], weights[rows], 2, centred=True)


@pytest.mark.parametrize("same_memory", [True, False])
def test_a_record_merged_into_itself_has_twice_the_weights(same_memory):
    columns, weights, row_bin = sample(3, 2, hard=True)
    table = filled(columns, weights, row_bin, 3).records
    doubled = table.copy()
    records.merge(doubled, doubled if same_memory else table, 0, 4, True, 3, 5)
    np.testing.assert_array_equal(doubled[:, 0], 2 * table[:, 0])
    doubled[:, 0] /= 2
    for b in range(4):
        rows = row_bin == b
        check_record(doubled[b], [column[rows] for column in columns], 2 * weights[rows], 3, centred=True)


def test_merging_keeps_to_its_bins():
    columns, weights, row_bin = sample(1, 1)
    table = filled(columns, weights, row_bin, 1).records
    found = table.copy()
    records.merge(found, table, 1, 2, True, 1, 2)
    np.testing.assert_array_equal(found[[0, 2, 3]], table[[0, 2, 3]])
    assert found[1, 0] == 2 * table[1, 0]
