"""What must not change a fit, or must change it in a known way, whatever the data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gbr_dag
from gbr_dag import FitStatus
from gbr_dag.kernels.factoring import factored
from gbr_dag.kernels.records import merge
from tests.conftest import ENGINES

RTOL = 1e-9
"""The designs below have condition numbers to about 1e3, so that rounding stays far below this."""


def random_frame(seed: int, n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"g": rng.integers(0, 6, size=n), "x": rng.normal(size=n), "z": rng.normal(size=n)})
    frame["y"] = 1.0 + frame["x"] - 2.0 * frame["z"] + rng.normal(size=n)
    frame["w"] = 10.0 ** rng.uniform(-2, 2, size=n)
    return frame


def fitted(frame: pd.DataFrame, engine: str, **changes: object) -> pd.DataFrame:
    model = {"by": "g", "targets": "y", "predictors": ["x", "z"], "weights": "w", "engine": engine, **changes}
    return gbr_dag.fit_groups(frame, **model, diagnostics=("errors", "rms", "mad", "r_squared", "condition"))


def assert_equal(one: pd.DataFrame, two: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(one, two, rtol=RTOL, atol=1e-11)


def assert_same_bits(one: pd.DataFrame, two: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(one, two, check_exact=True)


seeds = st.integers(0, 2**32 - 1)

every_engine = pytest.mark.parametrize("engine", ENGINES)
"""In place of the fixture: hypothesis does not take fixtures, which it could not set up anew for every example."""


@pytest.mark.parametrize("engine", [name for name in ENGINES if name != "reference"])
@given(seed=seeds)
@settings(max_examples=40)
def test_the_engines_agree(engine, seed):
    frame = random_frame(seed, n=30)
    frame.loc[frame["g"] == 2, "z"] = 1.5
    assert_equal(fitted(frame, engine), fitted(frame, "reference"))


@every_engine
@given(seed=seeds)
@settings(max_examples=20)
def test_the_order_of_the_rows_does_not_matter(engine, seed):
    frame = random_frame(seed)
    shuffled = frame.iloc[np.random.default_rng(seed).permutation(len(frame))]
    assert_equal(fitted(shuffled, engine), fitted(frame, engine))


@every_engine
@given(seed=seeds)
@settings(max_examples=20)
def test_labels_of_groups_do_not_matter(engine, seed):
    frame = random_frame(seed)
    names = np.array(["delta", "alpha", "echo", "bravo", "charlie", "foxtrot"])
    renamed = fitted(frame.assign(g=names[frame["g"]]), engine).set_index("g")
    plain = fitted(frame, engine).set_index("g")
    assert_equal(renamed.loc[names[plain.index]].reset_index(drop=True), plain.reset_index(drop=True))


@every_engine
@given(seed=seeds, scale=st.sampled_from([1e-9, -3.0, 1e7]))
@settings(max_examples=20)
def test_a_scaled_target_scales_the_fit(engine, seed, scale):
    frame = random_frame(seed)
    plain, scaled = fitted(frame, engine), fitted(frame.assign(y=scale * frame["y"]), engine)
    for name in plain.columns.difference(["g", "n_rows", "y_n_used", "y_status", "y_r_squared", "y_condition"]):
        factor = scale if "_err" not in name and name not in {"y_rms", "y_mad"} else abs(scale)
        np.testing.assert_allclose(scaled[name], factor * plain[name], rtol=RTOL, atol=1e-11 * abs(scale))
    for name in ("y_r_squared", "y_condition", "y_status"):
        np.testing.assert_allclose(scaled[name], plain[name], rtol=RTOL, atol=1e-11)


@every_engine
@given(seed=seeds)
@settings(max_examples=20)
def test_a_shifted_predictor_moves_only_the_intercept(engine, seed):
    """A shift of 1e8 leaves 8 digits of the data: they are rounded to a grid first, so that the shift is exact."""
    frame = random_frame(seed)
    frame["x"] = np.round(frame["x"] * 2**20) / 2**20
    plain, shifted = fitted(frame, engine), fitted(frame.assign(x=frame["x"] + 1e8), engine)
    for name in ("y_slope_x", "y_slope_x_err", "y_slope_z", "y_slope_z_err", "y_rms", "y_r_squared", "y_condition"):
        np.testing.assert_allclose(shifted[name], plain[name], rtol=RTOL, atol=1e-11)
    assert (shifted["y_status"] == plain["y_status"]).all()
    moved = plain["y_intercept"] - 1e8 * plain["y_slope_x"]
    np.testing.assert_allclose(shifted["y_intercept"], moved, rtol=1e-6)


@every_engine
@given(seed=seeds)
@settings(max_examples=20)
def test_rows_twice_are_rows_of_double_weight(engine, seed):
    """Coefficients and SSE agree; the scale does not, as the rows count twice. rtol 1e-8: errors of groups of 4 rows,
    whose sum of squares is what is left of rows nearly fitted exactly, lose a digit more than coefficients.
    """
    frame = random_frame(seed)
    twice = fitted(pd.concat([frame, frame]), engine)
    double = fitted(frame.assign(w=2.0 * frame["w"]), engine)
    enough = (double["y_n_used"] > 3).to_numpy()
    twice, double = twice[enough], double[enough]
    for name in ("y_intercept", "y_slope_x", "y_slope_z"):
        np.testing.assert_allclose(twice[name], double[name], rtol=1e-8, atol=1e-10)
    ratio = np.sqrt((double["y_n_used"] - 3) / (twice["y_n_used"] - 3))
    for name in ("y_rms", "y_intercept_err", "y_slope_x_err", "y_slope_z_err"):
        np.testing.assert_allclose(twice[name], double[name] * ratio, rtol=1e-8, atol=1e-11)


@every_engine
@given(seed=seeds)
@settings(max_examples=20)
def test_rows_twice_halve_the_unit_covariance(engine, seed):
    """With known weights the errors are the roots of the unit covariance, whatever the residuals."""
    frame = random_frame(seed)
    arguments = {"by": "g", "targets": "y", "predictors": ["x", "z"], "weights": "w", "absolute_weights": True}
    once, twice = (
        gbr_dag.fit_groups(rows, **arguments, engine=engine, diagnostics=("errors", "covariance"), min_entries=3)
        for rows in (frame, pd.concat([frame, frame]))
    )
    enough = (once["y_n_used"] >= 3).to_numpy()
    assert enough.any()
    for name in once.filter(regex="_cov_"):
        np.testing.assert_allclose(twice.loc[enough, name], once.loc[enough, name] / 2, rtol=1e-8, atol=1e-11)
    for name in once.filter(regex="_err$"):
        np.testing.assert_allclose(twice.loc[enough, name], once.loc[enough, name] / np.sqrt(2), rtol=1e-8)
    np.testing.assert_allclose(twice.loc[enough, "y_chi2"], 2 * once.loc[enough, "y_chi2"], rtol=1e-8, atol=1e-9)


@every_engine
@given(seed=seeds)
@settings(max_examples=20)
def test_it_does_not_matter_how_rows_are_split(engine, seed):
    frame = random_frame(seed)
    first = np.random.default_rng(seed).uniform(size=len(frame)) < 0.4
    pieces = [frame[~first], frame[first]]
    assert_equal(fitted(pd.concat(pieces), engine), fitted(frame, engine))
    assert_equal(fitted(pd.concat([*pieces, *pieces]), engine), fitted(pd.concat([frame, frame]), engine))


@given(seed=seeds, p=st.integers(0, 6), centred=st.booleans())
@settings(max_examples=30)
def test_merged_records_are_those_of_all_rows(seed, p, centred):
    """Counts are equal, sums of weights to the last digits. Means hi + lo of columns at 1e8 with a spread of 1 are good
    to the rounding of the spread, 8 digits beyond those of hi alone: 1e-14. The factor is as accurate as QR is.
    """
    rng = np.random.default_rng(seed)
    n, n_bins, k = 240, 4, p + 2
    row_bin = rng.integers(-1, n_bins, size=n).astype(np.int32)
    columns = [rng.normal(1e8 * j if centred else 0.0, 1.0, size=n) for j in range(k)]
    weights = 10.0 ** rng.uniform(-2, 2, size=n)
    cut = int(rng.integers(0, n))

    def records(rows: slice) -> np.ndarray:
        entries = np.bincount(row_bin[rows] + 1, minlength=n_bins + 1)[1:]
        parts = [column[rows] for column in columns]
        return factored(row_bin[rows], entries, parts, weights[rows], p, centred, 1).records

    whole, merged = records(slice(None)), records(slice(cut))
    merge(merged, records(slice(cut, None)), 0, n_bins, centred, p, k)
    np.testing.assert_array_equal(merged[:, 0], whole[:, 0])
    assert whole[:, 0].sum() == np.count_nonzero(row_bin >= 0)
    np.testing.assert_allclose(merged[:, 1], whole[:, 1], rtol=1e-13)
    high, low = slice(2, 2 + k), slice(2 + k, 2 + 2 * k)
    apart = (merged[:, high] - whole[:, high]) + (merged[:, low] - whole[:, low])
    np.testing.assert_allclose(apart, 0.0, atol=1e-14)
    if centred:
        exact = [
            [np.average(column[row_bin == b], weights=weights[row_bin == b]) for column in columns]
            for b in range(n_bins)
        ]
        np.testing.assert_allclose(whole[:, high], exact, rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(merged[:, 2 + 2 * k :], whole[:, 2 + 2 * k :], rtol=RTOL, atol=1e-10)


@every_engine
@given(seed=seeds)
@settings(max_examples=5)
def test_the_callers_arrays_may_be_read_only(engine, seed):
    frame = random_frame(seed)
    weights, mask = frame.pop("w").to_numpy(), (frame["x"] > -1.0).to_numpy()
    expected = fitted(frame, engine, weights=weights.copy(), selection=mask.copy())
    arrays = {name: frame[name].to_numpy().copy() for name in frame}
    for array in (*arrays.values(), weights, mask):
        array.flags.writeable = False
    before = {name: array.copy() for name, array in arrays.items()}
    frozen = pd.DataFrame(arrays, copy=False)
    assert all(np.shares_memory(frozen[name].to_numpy(), array) for name, array in arrays.items())
    assert_same_bits(fitted(frozen, engine, weights=weights, selection=mask), expected)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, before[name])


@every_engine
@given(seed=seeds)
@settings(max_examples=5)
def test_the_index_does_not_matter(engine, seed):
    frame = random_frame(seed)
    mask = (frame["x"] > -1.0).to_numpy()
    expected = fitted(frame, engine, selection=mask)
    n = len(frame)
    indexes = {
        "labels twice": np.arange(n) // 2,
        "one label": np.zeros(n, dtype=int),
        "backwards": np.arange(n)[::-1],
        "pairs": pd.MultiIndex.from_arrays([np.arange(n) // 7, list("ab") * (n // 2)]),
        "dates": pd.date_range("2024-02-28", periods=n, tz="UTC")[::-1],
        "missing": pd.Index([np.nan] * n),
        "the key's name": pd.Index(np.arange(n)[::-1], name="g"),
    }
    for index in indexes.values():
        assert_same_bits(fitted(frame.set_axis(index, axis=0), engine, selection=mask), expected)


@every_engine
@given(seed=seeds)
@settings(max_examples=5)
def test_the_order_of_the_frames_columns_does_not_matter(engine, seed):
    frame = random_frame(seed)
    order = np.random.default_rng(seed).permutation(list(frame))
    assert_same_bits(fitted(frame[order], engine), fitted(frame, engine))


@every_engine
@given(seed=seeds, data=st.data())
@settings(max_examples=5)
def test_chunks_do_not_matter(engine, seed, data):
    table = pa.Table.from_pandas(random_frame(seed))
    cuts = sorted(data.draw(st.lists(st.integers(0, table.num_rows), max_size=4)))
    edges = list(zip([0, *cuts], [*cuts, table.num_rows]))
    chunked = pa.concat_tables([table.slice(start, stop - start) for start, stop in edges])
    assert chunked["x"].num_chunks == len(edges)
    assert_same_bits(fitted(chunked, engine).to_pandas(), fitted(table, engine).to_pandas())


@every_engine
@given(seed=seeds)
@settings(max_examples=20)
def test_other_groups_do_not_matter(engine, seed):
    frame = random_frame(seed)
    group = int(frame["g"].iloc[0])
    alone = fitted(frame[frame["g"] == group], engine)
    among = fitted(frame, engine)
    assert_equal(alone, among[among["g"] == group].reset_index(drop=True))


@every_engine
@given(seed=seeds)
@settings(max_examples=20)
def test_a_row_of_weight_zero_is_no_row(engine, seed):
    frame = random_frame(seed)
    frame.loc[::5, "w"] = 0.0
    counted = ["n_rows", "y_n_used"]
    with_zero, without = fitted(frame, engine), fitted(frame[frame["w"] > 0], engine)
    with_zero = with_zero[with_zero["g"].isin(without["g"])].reset_index(drop=True)
    assert_equal(with_zero.drop(columns=counted), without.drop(columns=counted))
    assert (with_zero["y_n_used"] == without["y_n_used"]).all()


def test_statuses_are_flags_of_the_enum(engine):
    table = fitted(random_frame(0, n=12), engine)
    assert set(table["y_status"]) <= {int(a | b) for a in FitStatus for b in FitStatus} | {0}
