"""What must not change a fit, or must change it in a known way, whatever the data."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

import gbr_dag
from gbr_dag import FitStatus

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


def engine_for(seed: int) -> str:
    """Both engines in turn: hypothesis does not take fixtures that change between examples."""
    return ("numpy", "reference")[seed % 2]


seeds = st.integers(0, 2**32 - 1)


@given(seed=seeds)
@settings(max_examples=40)
def test_the_engines_agree(seed):
    frame = random_frame(seed, n=30)
    frame.loc[frame["g"] == 2, "z"] = 1.5
    assert_equal(fitted(frame, "numpy"), fitted(frame, "reference"))


@given(seed=seeds)
@settings(max_examples=20)
def test_the_order_of_the_rows_does_not_matter(seed):
    frame, engine = random_frame(seed), engine_for(seed)
    shuffled = frame.iloc[np.random.default_rng(seed).permutation(len(frame))]
    assert_equal(fitted(shuffled, engine), fitted(frame, engine))


@given(seed=seeds)
@settings(max_examples=20)
def test_labels_of_groups_do_not_matter(seed):
    frame, engine = random_frame(seed), engine_for(seed)
    names = np.array(["delta", "alpha", "echo", "bravo", "charlie", "foxtrot"])
    renamed = fitted(frame.assign(g=names[frame["g"]]), engine).set_index("g")
    plain = fitted(frame, engine).set_index("g")
    assert_equal(renamed.loc[names[plain.index]].reset_index(drop=True), plain.reset_index(drop=True))


@given(seed=seeds, scale=st.sampled_from([1e-9, -3.0, 1e7]))
@settings(max_examples=20)
def test_a_scaled_target_scales_the_fit(seed, scale):
    frame, engine = random_frame(seed), engine_for(seed)
    plain, scaled = fitted(frame, engine), fitted(frame.assign(y=scale * frame["y"]), engine)
    for name in plain.columns.difference(["g", "n_rows", "y_n_used", "y_status", "y_r_squared", "y_condition"]):
        factor = scale if "_err" not in name and name not in {"y_rms", "y_mad"} else abs(scale)
        np.testing.assert_allclose(scaled[name], factor * plain[name], rtol=RTOL, atol=1e-11 * abs(scale))
    for name in ("y_r_squared", "y_condition", "y_status"):
        np.testing.assert_allclose(scaled[name], plain[name], rtol=RTOL, atol=1e-11)


@given(seed=seeds)
@settings(max_examples=20)
def test_a_shifted_predictor_moves_only_the_intercept(seed):
    """A shift of 1e8 leaves 8 digits of the data: they are rounded to a grid first, so that the shift is exact."""
    frame, engine = random_frame(seed), engine_for(seed)
    frame["x"] = np.round(frame["x"] * 2**20) / 2**20
    plain, shifted = fitted(frame, engine), fitted(frame.assign(x=frame["x"] + 1e8), engine)
    for name in ("y_slope_x", "y_slope_x_err", "y_slope_z", "y_slope_z_err", "y_rms", "y_r_squared", "y_condition"):
        np.testing.assert_allclose(shifted[name], plain[name], rtol=RTOL, atol=1e-11)
    assert (shifted["y_status"] == plain["y_status"]).all()
    moved = plain["y_intercept"] - 1e8 * plain["y_slope_x"]
    np.testing.assert_allclose(shifted["y_intercept"], moved, rtol=1e-6)


@given(seed=seeds)
@settings(max_examples=20)
def test_rows_twice_are_rows_of_double_weight(seed):
    """Coefficients and SSE agree; the scale does not, as the rows count twice."""
    frame, engine = random_frame(seed), engine_for(seed)
    twice = fitted(pd.concat([frame, frame]), engine)
    double = fitted(frame.assign(w=2.0 * frame["w"]), engine)
    enough = (double["y_n_used"] > 3).to_numpy()
    for name in ("y_intercept", "y_slope_x", "y_slope_z"):
        np.testing.assert_allclose(twice.loc[enough, name], double.loc[enough, name], rtol=1e-8, atol=1e-10)
    freedom = (twice["y_n_used"] - 3) / (double["y_n_used"] - 3)
    np.testing.assert_allclose(
        (twice["y_rms"] * np.sqrt(freedom))[enough], double.loc[enough, "y_rms"], rtol=1e-8, atol=1e-11
    )


@given(seed=seeds)
@settings(max_examples=20)
def test_other_groups_do_not_matter(seed):
    frame, engine = random_frame(seed), engine_for(seed)
    group = int(frame["g"].iloc[0])
    alone = fitted(frame[frame["g"] == group], engine)
    among = fitted(frame, engine)
    assert_equal(alone, among[among["g"] == group].reset_index(drop=True))


@given(seed=seeds)
@settings(max_examples=20)
def test_a_row_of_weight_zero_is_no_row(seed):
    frame, engine = random_frame(seed), engine_for(seed)
    frame.loc[::5, "w"] = 0.0
    counted = ["n_rows", "y_n_used"]
    with_zero, without = fitted(frame, engine), fitted(frame[frame["w"] > 0], engine)
    with_zero = with_zero[with_zero["g"].isin(without["g"])].reset_index(drop=True)
    assert_equal(with_zero.drop(columns=counted), without.drop(columns=counted))
    assert (with_zero["y_n_used"] == without["y_n_used"]).all()


def test_statuses_are_flags_of_the_enum(engine):
    table = fitted(random_frame(0, n=12), engine)
    assert set(table["y_status"]) <= {int(a | b) for a in FitStatus for b in FitStatus} | {0}
