"""Huber fits of windows: engines, statsmodels, the equations that they solve, and toys whose truth is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import gbr_dag
from gbr_dag import FitStatus, HuberOptions, InputError
from gbr_dag.kernels import window_huber
from gbr_dag.kernels.medians import selected_weighted_median, sorted_pairs, weighted_median

TARGETS = ("y", "t")
TERMS = ("intercept", "slope_x", "slope_z")
ALL = ["errors", "covariance", "confidence", "pvalues", "rms", "rmse", "r_squared"]
TUNING = 1.345


def grid(seed, *, shape=(6, 5), rows=12, share=0.1, tracks=1):
    """Unsorted rows of a plane over a grid with weights over two decades, a share of the noise ten times as wide."""
    rng = np.random.default_rng(seed)
    axes = np.indices((tracks, *shape, rows)).reshape(len(shape) + 2, -1)
    order = rng.permutation(axes.shape[1])
    frame = pd.DataFrame({name: axis[order] for name, axis in zip(("g", "a", "b"), axes)})
    n = len(frame)
    frame["x"], frame["z"] = rng.normal(size=n) + 3.0, rng.uniform(-1.0, 1.0, size=n)
    frame["w"] = 10.0 ** rng.uniform(-1, 1, size=n)
    for target, slope in zip(TARGETS, (1.5, -2.0)):
        wide = np.where(rng.random(n) < share, 10.0, 1.0)
        frame[target] = 0.5 + slope * frame["x"] + frame["z"] + wide * rng.normal(size=n) / np.sqrt(frame["w"])
    return frame


def windows(frame, **given):
    model = {"by": ["a", "b"], "window": {"a": 2, "b": 1}, "targets": list(TARGETS), "predictors": ["x", "z"]}
    asked = {**model, "weights": "w", "fitter": "huber", "statistics": ()}
    return gbr_dag.fit_windows(frame, **{**asked, **given})


def column(table, word, target="y"):
    return table[[f"{target}_{term}{word}" for term in TERMS]].to_numpy()


FRAME = grid(1)


@pytest.mark.parametrize("cut", [None, 3.0])
@pytest.mark.parametrize(
    ("kernel", "boundary"),
    [("uniform", "truncate"), ("uniform", "mirror"), ("gaussian", "periodic"), ("epanechnikov", "mirror")],
)
def test_engines_agree(kernel, boundary, cut):
    """They take the same steps from the same start by different algebra."""
    frame = FRAME.copy()
    frame.loc[::7, "t"] = np.nan
    frame.loc[::31, "w"] = 0.0
    given = {"kernel": kernel, "boundary": boundary, "diagnostics": ALL}
    given["fitter_options"] = HuberOptions(sigma_cut=cut)
    left, right = (windows(frame, engine=engine, **given) for engine in ("numba", "reference"))
    pd.testing.assert_frame_equal(left, right, rtol=1e-7, atol=1e-9)
    assert (left["quality_flag"] == "").all()
    assert np.isfinite(left.select_dtypes("float")).all(axis=None)
    assert (left["y_n_rejected"].sum() > 100) == (cut is not None)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("kernel", ["uniform", "linear"])
def test_infinite_tuning_is_least_squares(kernel, intercept):
    """Coefficients, errors, freedoms and scatter of merged factors, from rows: nothing is shared but the definition."""
    given = {"kernel": kernel, "diagnostics": ALL, "intercept": intercept}
    robust = windows(FRAME, fitter_options=HuberOptions(tuning=np.inf), **given)
    plain = windows(FRAME, fitter="wls", engine="numpy", **given)
    # the scale of a Huber fit is that of the median residual whatever its tuning
    names = [name for name in plain if not name.endswith("_rms")]
    bounds = [name for name in names if name.endswith(("_low", "_high", "_pvalue", "_err")) or "_cov_" in name]
    pd.testing.assert_frame_equal(robust[names], plain[names], rtol=1e-9, atol=1e-12)
    assert bounds


def test_uniform_windows_equal_statsmodels():
    table = windows(FRAME, diagnostics=["errors", "rms"])
    for row in table.to_dict("records"):
        inside = ((FRAME["a"] - row["a"]).abs() <= 2) & ((FRAME["b"] - row["b"]).abs() <= 1)
        near = FRAME[inside]
        root = np.sqrt(near["w"])
        peer = sm.RLM(near["y"] * root, sm.add_constant(near[["x", "z"]]).mul(root, axis=0), M=sm.robust.norms.HuberT())
        fit = peer.fit(conv="coefs", tol=1e-12, maxiter=2000)
        errors = np.array([row[f"y_{term}_err"] for term in TERMS])
        values = np.array([row[f"y_{term}"] for term in TERMS])
        assert row["y_n_fitted"] == len(near)
        # statsmodels leaves the last digits to its pseudo-inverse; a coefficient near zero is judged by its error
        assert np.max(np.abs(values - fit.params) / np.maximum(np.abs(fit.params), errors)) < 1e-6
        np.testing.assert_allclose(errors, fit.bse, rtol=1e-6)
        np.testing.assert_allclose(row["y_rms"], fit.scale, rtol=1e-6)


@pytest.mark.parametrize("engine", ["numba", "reference"])
def test_kernel_fits_solve_their_equations(engine):
    """Sum k sqrt(w) x psi(u) = 0 with s the weighted median; errors by the formula as it is written."""
    table = windows(FRAME, kernel="gaussian", engine=engine, diagnostics=["errors", "covariance", "rms"])
    for row in table.iloc[[0, 13, 29]].to_dict("records"):
        inside = ((FRAME["a"] - row["a"]).abs() <= 2) & ((FRAME["b"] - row["b"]).abs() <= 1)
        near = FRAME[inside]
        k = np.exp(-0.5 * ((near["a"] - row["a"]) / 2.0) ** 2 - 0.5 * (near["b"] - row["b"]) ** 2).to_numpy()
        w, y, s = near["w"].to_numpy(), near["y"].to_numpy(), row["y_rms"]
        x = np.column_stack([np.ones(len(near)), near["x"], near["z"]])
        u = np.sqrt(w) * (y - x @ [row[f"y_{term}"] for term in TERMS]) / s
        psi, slope = np.clip(u, -TUNING, TUNING), (np.abs(u) <= TUNING).astype(float)
        score = (k * np.sqrt(w) * psi) @ x
        assert np.max(np.abs(score)) < 1e-7 * np.max(np.abs((k * np.sqrt(w))[:, None] * x))
        below, above = (np.sum(k[np.abs(u) * s <= (1.0 + sign) * s * 0.6744897501960817]) for sign in (-1e-9, 1e-9))
        assert below < 0.5 * k.sum() < above
        b = np.linalg.inv((x.T * k * w) @ x)
        m = (x.T * k**2 * w) @ x
        total, trace, mean = k.sum(), np.trace(b @ m), np.sum(k * slope) / k.sum()
        correction = 1.0 + trace / total * (np.sum(k * (slope - mean) ** 2) / total) / mean**2
        factor = correction**2 * s**2 * np.sum(k * psi**2) / (total - trace) / mean**2
        covariance = factor * b @ m @ b
        np.testing.assert_allclose([row[f"y_{term}_err"] for term in TERMS], np.sqrt(np.diag(covariance)), rtol=1e-8)
        np.testing.assert_allclose(row["y_cov_intercept_x"], covariance[0, 1], rtol=1e-8)


@pytest.mark.parametrize("cut", [None, 3.0])
def test_window_of_size_0_is_the_group(cut):
    options = HuberOptions(sigma_cut=cut)
    frame = FRAME.copy()
    frame.loc[::5, "t"] = np.nan
    given = {"fitter_options": options, "min_entries": 1, "diagnostics": ["errors", "rms", "r_squared"]}
    table = windows(frame, window={"a": 0}, **given)
    groups = gbr_dag.fit_groups(frame, ["a", "b"], list(TARGETS), ["x", "z"], weights="w", fitter="huber", **given)
    groups = groups.rename(columns={f"{target}_n_used": f"{target}_n_fitted" for target in TARGETS})
    names = [name for name in groups if name in table]
    assert len(names) >= 2 + 2 * 11
    pd.testing.assert_frame_equal(table[names], groups[names], check_exact=True)


@pytest.mark.parametrize("engine", ["numba", "reference"])
def test_a_factor_on_the_kernel_changes_nothing(engine):
    """Weights of 2 throughout take the weighted way, which must end where the plain one does."""
    given = {"engine": engine, "diagnostics": ALL, "fitter_options": HuberOptions(sigma_cut=4.0)}
    twice = windows(FRAME, kernel=lambda offsets, widths: np.full(len(offsets), 2.0), **given)  # noqa: ARG005
    pd.testing.assert_frame_equal(twice, windows(FRAME, **given), rtol=1e-8, atol=1e-12)


def test_bins_that_a_mirror_meets_twice_count_twice():
    """Coefficients and scale are those of the rows written twice; so is not their number."""
    frame = FRAME[FRAME["b"] == 0]
    given = {"by": "a", "window": {"a": {"size": 1, "boundary": "mirror"}}, "diagnostics": "rms"}
    table = windows(frame, **given)
    first = frame[frame["a"] <= 1]
    again = pd.concat([first, first[first["a"] == 1]]).assign(a=0)
    expected = gbr_dag.fit_groups(again, "a", "y", ["x", "z"], weights="w", fitter="huber", diagnostics="rms")
    np.testing.assert_allclose(column(table, "")[0], column(expected, "")[0], rtol=1e-9)
    np.testing.assert_allclose(table["y_rms"][0], expected["y_rms"][0], rtol=1e-9)
    assert table["y_n_fitted"][0] == len(first)


@pytest.mark.parametrize("kernel", ["uniform", "gaussian"])
def test_gross_outliers_do_not_move_the_slopes(kernel):
    frame = grid(3, share=0.0)
    clean = windows(frame, kernel=kernel)
    frame.loc[::25, "y"] += 1e4
    spoilt, plain = windows(frame, kernel=kernel), windows(frame, kernel=kernel, fitter="wls", engine="numpy")
    moved = np.abs(column(spoilt, "") - column(clean, "")) / column(clean, "_err")
    assert moved.max() < 1.5
    assert np.median(np.abs(column(plain, "") - column(clean, "")) / column(clean, "_err")) > 100.0


def test_a_row_can_be_rejected_in_one_window_and_stay_in_another():
    """A cut goes by the scatter of the window: 12 is far off where the noise is 1, and not among rows whose is 10."""
    rng = np.random.default_rng(8)
    frame = pd.DataFrame({"a": np.repeat([0, 1, 2], [60, 30, 120]), "b": 0, "w": 1.0, "x": rng.normal(size=210)})
    frame["z"] = rng.normal(size=210)
    frame["y"] = rng.normal(size=210) * np.array([1.0, 1.0, 10.0])[frame["a"]]
    frame.loc[frame.index[frame["a"] == 1][0], "y"] = 12.0
    table = windows(frame, window={"a": 1}, targets="y", fitter_options=HuberOptions(sigma_cut=5.0))
    assert table["y_n_rejected"].tolist()[::2] == [1, 0]
    assert table["y_n_refits"].tolist()[::2] == [1, 0]
    assert table["y_n_fitted"].tolist()[::2] == [89, 150]
    alone = windows(frame[frame["y"] != 12.0], window={"a": 1}, targets="y")
    np.testing.assert_allclose(column(table, "_err")[0], column(alone, "_err")[0], rtol=1e-9)
    np.testing.assert_allclose(table["y_rmse"][0], alone["y_rmse"][0], rtol=1e-9)


@pytest.mark.parametrize("engine", ["numba", "reference"])
def test_windows_that_cannot_be_fitted_say_so(engine):
    frame = pd.DataFrame({"a": np.repeat([0, 1, 10, 20, 21, 30], [30, 30, 30, 3, 3, 30]), "b": 0, "w": 1.0})
    rng = np.random.default_rng(5)
    frame["x"], frame["z"] = rng.normal(size=len(frame)), rng.normal(size=len(frame))
    frame.loc[frame["a"] == 10, "z"] = 2.0
    frame["y"] = frame["x"] + rng.normal(size=len(frame))
    frame.loc[frame["a"] == 30, "y"] = np.nan
    given = {"targets": "y", "window": {"a": 1}, "engine": engine, "kernel": "linear"}
    table = windows(frame, **given)
    flags = ["", "", "singular_y", "insufficient_stats", "insufficient_stats", "empty_window"]
    assert table["quality_flag"].tolist() == flags
    assert table["y_n_fitted"].tolist() == [60, 60, 30, 6, 6, 0]
    assert np.isnan(column(table, "")[3:]).all()
    deficient = windows(frame[frame["a"] == 10], **{**given, "predictors": "x"})
    assert np.isnan(table["y_slope_z"][2])
    np.testing.assert_allclose(table["y_slope_x_err"][2], deficient["y_slope_x_err"][0], rtol=1e-9)
    stopped = windows(frame, **given, fitter_options=HuberOptions(max_iter=1))
    assert stopped["quality_flag"][0] == "fit_failed_y"
    assert stopped["y_status"][0] == FitStatus.NOT_CONVERGED
    assert np.isfinite(stopped["y_slope_x"][0])


def test_condition_numbers_are_those_of_the_targets_own_rows():
    frame = FRAME.assign(early=FRAME["y"].where(FRAME["a"] < 3), too=FRAME["t"].where(FRAME["a"] < 3))
    given = {"targets": ["early", "too", "y"], "window": {"a": 1}, "diagnostics": "condition", "kernel": "gaussian"}
    left, right, plain = (
        windows(frame, **given, **asked)
        for asked in ({"engine": "numba"}, {"engine": "reference"}, {"fitter": "wls", "engine": "numpy"})
    )
    names = [f"{target}_condition" for target in given["targets"]]
    assert left["early_condition"].isna().any()
    assert left["y_condition"].notna().all()
    for other in (right, plain):
        pd.testing.assert_frame_equal(left[names], other[names], rtol=1e-10)


@pytest.mark.parametrize("engine", ["numba", "reference"])
def test_windows_with_as_many_rows_as_coefficients_are_saturated(engine):
    frame = grid(6, shape=(3, 1), rows=1)
    table = windows(
        frame, window={"a": 2}, min_entries=1, engine=engine, kernel="gaussian", diagnostics=["errors", "rms"]
    )
    assert (table["y_status"] & FitStatus.SATURATED != 0).all()
    assert np.isnan(column(table, "_err")).all()
    assert np.isnan(table["y_rms"]).all()
    np.testing.assert_allclose(
        (column(table, "") * np.column_stack([np.ones(3), frame[["x", "z"]]])).sum(axis=1), frame["y"], rtol=1e-9
    )


@pytest.mark.parametrize(("kernel", "share"), [("uniform", 0.0), ("gaussian", 0.0), ("gaussian", 0.1)])
def test_pulls_have_width_one(kernel, share):
    """150 rows a window, of which the kernel leaves the worth of 141."""
    frame = grid(21, shape=(3, 1), rows=50, share=share, tracks=8_000)
    table = windows(frame, within="g", window={"a": 1}, targets="y", kernel=kernel)
    pulls = ((column(table, "") - [0.5, 1.5, 1.0]) / column(table, "_err"))[table["a"] == 1]
    # 8,000 pulls: their mean scatters by 0.011, their width by 0.008
    assert np.max(np.abs(pulls.mean(axis=0))) < 0.045
    assert np.max(np.abs(pulls.std(axis=0) - 1.0)) < 0.05


def test_parts_and_threads_leave_every_bit(monkeypatch):
    expected = windows(FRAME, kernel="gaussian", threads=1)
    monkeypatch.setattr("gbr_dag.kernels.huber._ROWS_PER_CALL", 100)
    monkeypatch.setattr(window_huber, "thread_count", lambda threads, _: threads)
    monkeypatch.setattr("gbr_dag.windows.searching._PAIRS_OF_ALL", 600)
    pd.testing.assert_frame_equal(windows(FRAME, kernel="gaussian", threads=3), expected, check_exact=True)


def test_columns_of_rejections_must_not_collide():
    with pytest.raises(InputError, match=r"'y_n_rejected'.*suffix"):
        windows(FRAME.rename(columns={"b": "y_n_rejected"}), by=["a", "y_n_rejected"], window={"a": 1})


@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 100, 1001])
def test_selected_median_is_that_of_the_sorted_columns(n):
    rng = np.random.default_rng(n)
    kinds = [np.ones(4), np.array([1.0, 2.0, 0.5, 0.25]), np.exp(-0.5 * np.arange(4.0) ** 2)]
    values = [rng.normal(size=n), rng.integers(0, 5, n).astype(float), np.arange(n) % 3 * 1.0, np.zeros(n)]
    for weights in kinds:
        for column_ in values:
            for _ in range(5):
                pairs = np.stack([column_, weights[rng.integers(0, 4, n)]])
                expected = weighted_median(sorted_pairs(pairs.copy(), np.empty((2, n)), n), n)
                assert selected_weighted_median(pairs.copy(), np.empty((2, n)), n) == expected
                if weights[1] == 1.0:
                    assert expected == np.median(column_)


def test_drivers_compare_engines():
    inputs = {"frame": FRAME, "by": ["a", "b"], "window": {"a": 1}, "targets": "y", "predictors": ["x", "z"]}
    inputs |= {"weights": "w", "kernel": "gaussian", "statistics": (), "fitter_options": HuberOptions(sigma_cut=3.0)}
    driver = gbr_dag.SlidingWindowDriver(fitter="huber")
    assert driver.compare(inputs, {"engine": "reference"}, {"engine": "numba"}).equal
    spoilt = driver.compare(inputs, {"fitter": "wls"}, {"fitter": "huber"})
    assert not spoilt.equal
    assert "coefficients" in str(spoilt)
