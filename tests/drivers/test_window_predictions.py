"""Predictions of rows from tables of windows: the row's bin is the centre whose fit it gets."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import gbr_dag

MODEL = {"by": ["i", "j"], "targets": ["y", "z"], "predictors": ["x", "a.b"], "within": "side", "weights": "w"}
WIDE = {"diagnostics": ("errors", "covariance", "rms"), "statistics": (), "engine": "numpy"}


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(9)
    n = 600
    frame = pd.DataFrame(
        {
            "i": rng.integers(-2, 3, n),
            "j": rng.integers(0, 4, n),
            "side": pd.Categorical(rng.choice(["C", "A"], n), categories=["C", "A", "B"]),
            "x": rng.normal(size=n),
            "a.b": rng.normal(5.0, 1.0, size=n),
            "w": rng.uniform(0.3, 3.0, n),
        }
    )
    frame["y"] = 1 + frame["x"] - 0.5 * frame["a.b"] + rng.normal(size=n) / np.sqrt(frame["w"])
    frame["z"] = 2 - frame["x"] + rng.normal(size=n) / np.sqrt(frame["w"])
    return frame


def fit(frame, **changes):
    return gbr_dag.fit_windows(frame, **{"window": {"i": 1, "j": 1}, **MODEL, **WIDE, **changes})


@pytest.mark.parametrize("kernel", ["uniform", "gaussian"])
@pytest.mark.parametrize("intercept", [True, False])
def test_the_centres_fit_serves_the_rows_of_its_bin(frame, kernel, intercept):
    table = fit(frame, kernel=kernel, intercept=intercept, suffix="_s")
    found = gbr_dag.predictions(frame, table, **MODEL, suffix="_s")
    rows = frame[["side", "i", "j"]].merge(table, how="left", on=["side", "i", "j"])
    words = ["intercept", "x", "a_b"][not intercept :]
    design = np.column_stack([np.ones(len(frame)), frame["x"], frame["a.b"]])[:, not intercept :]
    for target in ("y", "z"):
        names = [word if word == "intercept" else f"slope_{word}" for word in words]
        fitted = np.sum(rows[[f"{target}_{name}_s" for name in names]].to_numpy() * design, axis=1)
        spread = np.zeros(len(frame))
        for i, left in enumerate(words):
            for j, right in enumerate(words[i:], start=i):
                both = rows[f"{target}_cov_{left}_{right}_s"] * design[:, i] * design[:, j]
                spread += both.to_numpy() * (1 if i == j else 2)
        residual = frame[target] - fitted
        pull = np.sqrt(frame["w"]) * residual / rows[f"{target}_rms_s"]
        np.testing.assert_allclose(found[f"{target}_prediction_s"], fitted, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(found[f"{target}_prediction_err_s"], np.sqrt(spread), rtol=1e-9)
        np.testing.assert_allclose(found[f"{target}_residual_s"], residual, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(found[f"{target}_pull_s"], pull, rtol=1e-9, atol=1e-12)


def test_a_window_of_one_bin_predicts_as_groups_do(frame):
    renamed = frame.rename(columns={"a.b": "ab"})
    groups = {"by": ["side", "i", "j"], "targets": "y", "predictors": ["x", "ab"], "weights": "w"}
    options = {"diagnostics": ("errors", "covariance", "rms"), "engine": "numpy", "min_entries": 10}
    expected = gbr_dag.predictions(renamed, gbr_dag.fit_groups(renamed, **groups, **options), **groups)
    windows = {**groups, "by": ["i", "j"], "within": "side"}
    table = gbr_dag.fit_windows(renamed, window={"i": 0}, statistics=(), **windows, **options)
    found = gbr_dag.predictions(renamed, table, **windows)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-10)
    assert found["y_prediction"].isna().any() or (table["quality_flag"] == "").all()


def test_within_may_be_left_out_where_the_table_tells_it(frame):
    table = fit(frame)
    expected = gbr_dag.predictions(frame, table, **MODEL)
    without = {name: value for name, value in MODEL.items() if name != "within"}
    pd.testing.assert_frame_equal(gbr_dag.predictions(frame, table, **without), expected)
    merged = table.copy()
    merged.attrs = {}
    pd.testing.assert_frame_equal(gbr_dag.predictions(frame, merged, **MODEL), expected)
    with pytest.raises(
        gbr_dag.InputError, match=r"several rows for one key .*; give within as it was given to the fit"
    ):
        gbr_dag.predictions(frame, merged, **without)
    with pytest.raises(gbr_dag.InputError, match=r"within \('w',\) is not that of the table, \('side',\)"):
        gbr_dag.predictions(frame, table, **{**MODEL, "within": "w"})


RULES = {"i": {"column": "u", "width": 2.0, "origin": 0.5}, "j": {"column": "t", "width": "30min"}}


@pytest.fixture
def unbinned(frame) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    minutes = pd.to_timedelta(30 * frame["j"] + rng.integers(0, 30, len(frame)), unit="min")
    u = 0.5 + 2.0 * (frame["i"] + rng.uniform(0.0, 0.99, len(frame)))
    return frame.drop(columns=["i", "j"]).assign(u=u, t=pd.Timestamp(0) + minutes)


def test_bins_are_made_again_as_the_table_says(frame, unbinned):
    table = fit(unbinned, binning=RULES)
    pd.testing.assert_frame_equal(table, fit(frame))
    expected = gbr_dag.predictions(frame, table, **MODEL)
    before = unbinned.copy(deep=True)
    pd.testing.assert_frame_equal(gbr_dag.predictions(unbinned, table, **MODEL), expected)
    pd.testing.assert_frame_equal(unbinned, before)
    unbinned.loc[:2, "u"] = np.nan
    found = gbr_dag.predictions(unbinned, table, **MODEL)
    assert found.loc[:2].isna().all(axis=None)
    pd.testing.assert_frame_equal(found.loc[3:], expected.loc[3:])


def test_what_the_bins_are_made_of_must_be_there(unbinned):
    table = fit(unbinned, binning=RULES)
    with pytest.raises(gbr_dag.InputError, match="binning of 'i': column 'u' is not in the frame"):
        gbr_dag.predictions(unbinned.drop(columns="u"), table, **MODEL)
    table.attrs = {}
    with pytest.raises(gbr_dag.InputError, match=r"by: column 'i' is not in the frame, and .*; make the bins in the"):
        gbr_dag.predictions(unbinned, table, **MODEL)
    with pytest.raises(gbr_dag.InputError, match=r"by: column 'jj' is not in the frame$"):
        gbr_dag.predictions(unbinned, table, **{**MODEL, "by": "jj"})


def test_rows_beyond_the_bins_and_unfitted_bins_are_missing(frame):
    table = fit(frame, window={"i": 0, "j": 0}, min_entries=20)
    unfitted = table[(table["y_status"] & int(gbr_dag.FitStatus.INSUFFICIENT)) != 0]
    assert 0 < len(unfitted) < len(table)
    far = frame.copy()
    far.loc[0, "i"] = 99
    found = gbr_dag.predictions(far, table, **MODEL)
    few = far.reset_index().merge(unfitted[["side", "i", "j"]], on=["side", "i", "j"])["index"]
    missing = found.index[found["y_prediction"].isna()]
    assert set(missing) == {0, *few}


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_other_frames(frame, unbinned, kind):
    import pyarrow as pa

    pl = pytest.importorskip("polars")
    text = unbinned.astype({"side": str})
    other = pa.Table.from_pandas(text, preserve_index=False) if kind == "pyarrow" else pl.from_pandas(text)
    expected = gbr_dag.predictions(text, fit(text, binning=RULES), **MODEL)
    table = fit(other, binning=RULES)
    if kind == "polars":  # which carries no rules in its tables
        other = pl.from_pandas(frame.astype({"side": str}))
    found = gbr_dag.predictions(other, table, **MODEL)
    assert type(found) is type(other)
    pd.testing.assert_frame_equal(found.to_pandas(), expected, rtol=1e-12)


def test_without_rms_there_are_no_pulls(frame):
    table = fit(frame, diagnostics=("errors", "covariance", "rmse"))
    with pytest.warns(gbr_dag.DataWarning, match="the pulls are missing: the table has no 'y_rms'"):
        found = gbr_dag.predictions(frame, table, **MODEL)
    assert found["y_pull"].isna().all()
    assert found["y_prediction"].notna().all()
