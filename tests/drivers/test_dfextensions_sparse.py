"""Predictors with too few rows in a group: the robust door drops them there, and tells of failures once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import gbr_dag
from gbr_dag.errors import InputError
from tests.oracles.doors import fit, huber, least_squares

TARGETS, PREDICTORS = ["y", "u"], ["x", "z"]


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    n = 240
    x, z, w = rng.normal(2.0, 1.0, n), rng.normal(size=n), 10.0 ** rng.uniform(-1.0, 1.0, n)
    df = pd.DataFrame({"a": rng.integers(0, 3, n), "b": rng.choice(["p", "qq"], n), "x": x, "z": z, "w": w})
    df["y"] = 1.0 + 2.0 * x - z + rng.normal(size=n) / np.sqrt(w)
    df["u"] = 4.0 - x + rng.normal(size=n) / np.sqrt(w)
    return df


def with_gaps(frame: pd.DataFrame) -> pd.DataFrame:
    """Group 1 has z in 4 rows only, group 2 in none; x is whole but for one row."""
    frame = frame.sort_values("a", kind="stable").reset_index(drop=True)
    frame.loc[frame.index[frame["a"] == 1][4:], "z"] = np.nan
    frame.loc[frame["a"] == 2, "z"] = np.nan
    frame.loc[frame.index[frame["a"] == 2][0], "x"] = np.nan
    return frame


def test_predictors_with_few_rows_are_dropped(frame):
    df = with_gaps(frame)
    rows, groups = fit(
        "robust", df, "a", TARGETS, PREDICTORS, weights="w", fitter="ols", sigmaCut=None, addPrediction=True, diag=True
    )
    for values in groups.to_dict("records"):
        inside = df[df["a"] == values["a"]]
        predictors = PREDICTORS if values["a"] == 0 else ["x"]
        used = inside[inside["x"].notna()]
        design = np.sqrt(used["w"].to_numpy())[:, None] * np.column_stack([np.ones(len(used)), used[predictors]])
        assert values["diag_cond_xtx_s"] == pytest.approx(np.linalg.cond(design.T @ design), rel=1e-9)
        assert values["bin_count_s"] == len(inside)
        for target in TARGETS:
            expected = least_squares(used, target, predictors, "w")
            ours = [values[f"{target}_{name}_s"] for name in ("intercept", *(f"slope_{name}" for name in predictors))]
            np.testing.assert_allclose(ours, expected, rtol=1e-9)
            prediction = expected[0] + used[predictors] @ expected[1:]
            np.testing.assert_allclose(rows[f"{target}_s"][used.index], prediction, rtol=1e-9)
            r = used[target] - prediction
            assert values[f"{target}_rms_s"] == pytest.approx(np.sqrt(np.mean(r**2)), rel=1e-9)
            assert values[f"{target}_mad_s"] == pytest.approx(np.median(np.abs(r)), rel=1e-8)
            assert np.isnan(values[f"{target}_slope_z_s"]) == (values["a"] != 0)
            assert np.isnan(values[f"{target}_err_z_s"]) == (values["a"] != 0)
    assert rows.loc[df["x"].isna(), ["y_s", "u_s"]].isna().all(axis=None)


def test_min_stat_of_every_predictor(frame):
    df = with_gaps(frame)
    few = fit("robust", df, "a", "y", PREDICTORS, weights="w", min_stat=[10, 4])[1]
    assert few["y_slope_z_s"].isna().tolist() == [False, False, True]
    counts = df["a"].value_counts().sort_index()
    least = int(counts.max())
    some = fit("robust", df, "a", "y", PREDICTORS, weights="w", min_stat=[least, 3])[1]
    whole = counts.to_numpy() == least
    assert some["y_slope_x_s"].notna().tolist() == list(whole & (counts.index != 2))
    alone = fit("robust", df, "a", "y", ["z"], weights="w", min_stat=10)[1]
    assert alone.drop(columns="a").select_dtypes("float").isna().all(axis=1).tolist() == [False, True, True]
    assert fit("robust", df, "a", "y", "x")[1]["y_slope_x_s"].notna().all()  # [10, 10] serves one predictor
    for wrong in ([5], [5, 5, 5], [], [0, 1], ["10", 10], "10", 0, 2.5, True):
        with pytest.raises(InputError, match="min_stat"):
            fit("robust", df, "a", "y", PREDICTORS, min_stat=wrong)


@pytest.mark.parametrize("fitter", ["ols", "huber"])
def test_errors_of_what_is_left(fitter, frame):
    df = with_gaps(frame)
    _, groups = fit("robust", df, "a", TARGETS, PREDICTORS, weights="w", fitter=fitter, sigmaCut=None)
    for values in groups.to_dict("records"):
        predictors = PREDICTORS if values["a"] == 0 else ["x"]
        used = df[(df["a"] == values["a"]) & df["x"].notna()]
        for target in TARGETS:
            if fitter == "huber":
                expected = huber(used, target, predictors, "w").bse[1:]
            else:
                root = np.sqrt(used["w"].to_numpy())
                design = root[:, None] * np.column_stack([np.ones(len(used)), used[predictors]])
                left = root * used[target] - design @ least_squares(used, target, predictors, "w")
                variance = (left**2).sum() / (len(used) - design.shape[1])
                expected = np.sqrt(variance * np.diag(np.linalg.inv(design.T @ design)))[1:]
            ours = [values[f"{target}_err_{name}_s"] for name in predictors]
            np.testing.assert_allclose(ours, expected, rtol=1e-6)  # both iterations stop at about 1e-10 of a scale


class Refusal:
    """A fitter of one's own that takes no group of some size, or none without the last predictor."""

    def __init__(self, size: int = -1, columns: int = -1) -> None:
        self.size, self.columns = size, columns
        self.fits: list[tuple[int, int]] = []

    def __call__(self, design: np.ndarray, y: np.ndarray, w: np.ndarray) -> np.ndarray:
        self.fits.append(design.shape)
        if len(y) == self.size or design.shape[1] == self.columns:
            message = f"no fit of {design.shape[1]} columns"
            raise ValueError(message)
        root = np.sqrt(w)
        return np.linalg.lstsq(root[:, None] * design, root * y, rcond=None)[0]


@pytest.mark.parametrize("diag", [False, True])
def test_failures_are_told_of_once(diag, frame):
    df = with_gaps(frame)
    with pytest.warns(gbr_dag.DataWarning, match="the fitter failed in 4 of 6 fits") as warned:
        _, groups = fit("robust", df, "a", TARGETS, PREDICTORS, weights="w", fitter=Refusal(columns=2), diag=diag)
    assert len(warned) == 1
    assert "the first, of 'y' in a=1: ValueError: no fit of 2 columns" in str(warned[0].message)
    for target in TARGETS:
        assert groups[f"{target}_slope_x_s"].isna().tolist() == [False, True, True]


def test_the_first_failure_is_that_of_the_first_group(frame):
    df = with_gaps(frame)
    df["a"] = 2 - df["a"]  # the whole group comes last
    size = int((df["a"] == 2).sum())
    df.loc[df.index[df["a"] == 2][0], "u"] = np.nan  # so that it fails for y only
    with pytest.warns(
        gbr_dag.DataWarning, match="failed in 5 of 6 fits.* the first, of 'y' in a=0: .* 2 col"
    ) as warned:
        fit("robust", df, "a", TARGETS, PREDICTORS, weights="w", fitter=Refusal(size, columns=2))
    assert len(warned) == 1


def test_a_failure_of_whole_groups_only_is_told_of(frame):
    df = with_gaps(frame)
    with pytest.warns(gbr_dag.DataWarning, match="failed in 2 of 6 fits.* in a=0: ValueError: no fit of 3") as warned:
        fit("robust", df, "a", TARGETS, PREDICTORS, weights="w", fitter=Refusal(columns=3))
    assert len(warned) == 1


def test_nothing_is_fitted_that_is_fitted_anew(frame):
    df, fitter = with_gaps(frame), Refusal()
    fit("robust", df, "a", TARGETS, PREDICTORS, weights="w", fitter=fitter, sigmaCut=None)
    sizes = [(df["x"].notna() & (df["a"] == a)).sum() for a in range(3)]
    expected = [(sizes[0], 3), (sizes[1], 2), (sizes[2], 2)]
    assert sorted(fitter.fits) == sorted(2 * expected)


def test_rows_left_out_are_counted_as_without_a_sparse_predictor(frame):
    df = with_gaps(frame)
    df.loc[5, "y"] = np.nan
    sparse, whole = (
        gbr_dag.fit_metadata(fit(door, df, "a", TARGETS, PREDICTORS, weights="w")[1])["left_out_rows"]
        for door in ("robust", "v2")
    )
    assert sparse == whole
