"""Windows that cannot be: refused with one clear message before anything runs."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import gbr_dag


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    n = 120
    x = rng.normal(size=n)
    return pd.DataFrame(
        {
            "i": np.arange(n) % 6,
            "j": rng.integers(0, 5, size=n),
            "v": rng.uniform(0, 9, size=n),
            "x": x,
            "a b": x,
            "a_b": x,
            "y": rng.normal(size=n),
            "w": rng.uniform(0.1, 5.0, size=n),
            "time": pd.date_range("2024-01-01", periods=n, freq="7min"),
            "name": list("ab") * (n // 2),
            "ok": rng.uniform(size=n) > 0.3,
        }
    )


def fit(frame, **changes):
    arguments = {"by": ["i", "j"], "window": {"i": 1}, "targets": "y", "predictors": "x", "statistics": ()}
    return gbr_dag.fit_windows(frame, **{**arguments, "engine": "numpy", **changes})


def run(engine="numpy", fitter="ols", progress=None, **inputs):
    driver = gbr_dag.SlidingWindowDriver(engine=engine, fitter=fitter, progress=progress)
    return driver.execute(["fit_table"], {"by": ["i", "j"], "window": {"i": 1}, "targets": "y", **inputs})


def own_kernel(offsets, _widths):
    return np.ones(len(offsets))


BOTH = {"i": 1, "j": 1}
NO_WINDOW = "of 'j' must be left out, its window has size 0, got"
ALL_ZERO = "is used by no dimension; all windows have size 0; give one a size of at least 1, or leave it out"
SIZE = "must be an integer of at least 0, the bins to either side, got"
WINDOWS = {
    "none": ({"window": None}, "window must be a dict of sizes by name such as {'i': 1}, got None"),
    "empty": ({"window": {}}, "window must have a size for at least one of 'i', 'j', got none"),
    "unknown dimension": ({"window": {"k": 1}}, "window 'k' is unknown; dimensions: i, j"),
    "dimension no text": ({"window": {3: 1}}, "window 3 is unknown; dimensions: i, j"),
    "negative": ({"window": {"i": -1}}, f"window['i'] {SIZE} -1"),
    "float": ({"window": {"i": 1.0}}, f"window['i'] {SIZE} 1.0"),
    "boolean": ({"window": {"i": True}}, f"window['i'] {SIZE} True"),
    "boolean of numpy": ({"window": {"i": np.True_}}, f"window['i'] {SIZE}"),
    "beyond 64 bits": ({"window": {"i": 2**70}}, f"window['i'] {SIZE} {2**70}"),
    "unknown part": ({"window": {"i": {"sizes": 1}}}, "window['i']: part 'sizes' is unknown; did you mean 'size'?"),
    "no size": ({"window": {"i": {"boundary": "mirror"}}}, "window['i'] must have a size, got {'boundary': 'mirror'}"),
    "boundary": ({"boundary": "wrap"}, "boundary of 'i' 'wrap' is unknown; choices: mirror, periodic, symmetric"),
    "boundary zero": ({"boundary": 0}, "boundary of 'i' 0 is unknown"),
    "boundary of one": (
        {"boundary": {"j": "mirrored"}},
        "boundary of 'j' 'mirrored' is unknown; did you mean 'mirror'?",
    ),
    "boundary of none": ({"boundary": {"k": "mirror"}}, "boundary 'k' is unknown; dimensions: i, j"),
    "rich boundary": ({"window": {"i": {"size": 1, "boundary": None}}}, "boundary of 'i' None is unknown"),
    "period unused": ({"period": 24}, "period 24 is used by no dimension; give boundary='periodic' too"),
    "period of another": (
        {"window": BOTH, "boundary": {"i": "periodic"}, "period": {"j": 9}},
        "period of 'j' is for boundary 'periodic', its boundary is 'truncate'",
    ),
    "period too short": (
        {"boundary": "periodic", "period": 2},
        "period of 'i' must be an integer of at least 3 for a window of 1, got 2",
    ),
    "period float": ({"boundary": "periodic", "period": 12.0}, "period of 'i' must be an integer of at least 3"),
    "period boolean": ({"boundary": "periodic", "period": True}, "period of 'i' must be an integer of at least 3"),
    "kernel": ({"kernel": "gauss"}, "kernel of 'i' 'gauss' is unknown; did you mean 'gaussian'?"),
    "own kernel of one": (
        {"kernel": {"i": own_kernel}},
        "a kernel of your own is for all dimensions; give it as kernel=",
    ),
    "rich own kernel": ({"window": {"i": {"size": 1, "kernel": own_kernel}}}, "a kernel of your own is for all"),
    "width unused": ({"kernel_width": 2}, "kernel_width 2 is used by no dimension; give kernel='gaussian'"),
    "width of none": (
        {"window": BOTH, "kernel": {"i": "gaussian"}, "kernel_width": {"j": 2.0}},
        "kernel_width of 'j' must be left out, kernel 'uniform' has none, got 2.0",
    ),
    "width zero": ({"kernel": "gaussian", "kernel_width": 0}, "kernel_width of 'i' must be a number above 0, in bins"),
    "width boolean": ({"kernel": "linear", "kernel_width": True}, "kernel_width of 'i' must be a number above 0"),
    "boundary without a window": ({"boundary": {"j": "mirror"}}, f"boundary {NO_WINDOW} 'mirror'; give it a size of"),
    "kernel without a window": ({"kernel": {"j": "linear"}}, f"kernel {NO_WINDOW} 'linear'"),
    "width without a window": ({"kernel": "linear", "kernel_width": {"j": 2}}, f"kernel_width {NO_WINDOW} 2"),
    "period without a window": ({"boundary": {"i": "periodic"}, "period": {"j": 9}}, f"period {NO_WINDOW} 9"),
    "rich without a window": ({"window": {"i": 1, "j": {"size": 0, "width": 2}}}, f"kernel_width {NO_WINDOW} 2"),
    "boundary of no window": ({"window": {"i": 0}, "boundary": "mirror"}, f"boundary 'mirror' {ALL_ZERO}"),
    "kernel of no window": ({"window": {"i": 0}, "kernel": "linear"}, f"kernel 'linear' {ALL_ZERO}"),
    "own kernel of no window": ({"window": {"i": 0}, "kernel": own_kernel}, ALL_ZERO),
    "width of no window": ({"window": {"i": 0}, "kernel_width": 2}, f"kernel_width 2 {ALL_ZERO}"),
    "period of no window": ({"window": {"i": 0}, "period": 9}, f"period 9 {ALL_ZERO}"),
    "boundary twice": (
        {"window": {"i": {"size": 1, "boundary": "mirror"}}, "boundary": {"i": "symmetric"}},
        "boundary of 'i' must be given once, got 'symmetric' beside 'mirror' of its window; leave one out",
    ),
    "width twice": (
        {"window": {"i": {"size": 1, "kernel": "linear", "width": 2}}, "kernel_width": {"i": 3}},
        "kernel_width of 'i' must be given once, got 3 beside 2 of its window",
    ),
    "boundary overridden": (
        {"window": {"i": {"size": 1, "boundary": "mirror"}}, "boundary": "symmetric"},
        "boundary 'symmetric' is used by no dimension; every dimension it could be for has its own boundary; leave it",
    ),
    "kernel overridden": (
        {"window": {"i": {"size": 1, "kernel": "linear"}}, "kernel": own_kernel},
        "is used by no dimension; every dimension it could be for has its own kernel; leave it out",
    ),
    "period overridden": (
        {"window": {"i": {"size": 1, "boundary": "periodic", "period": 6}}, "period": 7},
        "period 7 is used by no dimension; every dimension it could be for has its own period; leave it out",
    ),
    "width overridden": (
        {"kernel": "linear", "window": {"i": {"size": 1, "width": 6}}, "kernel_width": 7},
        "kernel_width 7 is used by no dimension; every dimension it could be for has its own width; leave it out",
    ),
    "width beyond doubles": (
        {"kernel": "linear", "kernel_width": 10**400},
        "kernel_width of 'i' must be a number above",
    ),
    "width infinite": ({"kernel": "linear", "kernel_width": np.inf}, "kernel_width of 'i' must be a number above 0"),
}
RANGES = {
    "mirror": (
        {"boundary": "mirror", "window": {"i": 6}},
        "boundary 'mirror' needs at least 7 bins of 'i' for a window of 6, its range is 0 to 5",
    ),
    "observed period": (
        {"boundary": "periodic", "window": {"i": 3}},
        "boundary 'periodic' needs a period of at least 7 bins of 'i' for a window of 3, the observed range is 6",
    ),
    "period within the range": (
        {"boundary": {"i": "periodic"}, "period": 4},
        "period 4 of 'i' is shorter than its range, 0 to 5; take the bins modulo 4 first",
    ),
}
REFUSED = {
    "float bins": ({"by": "v", "window": {"v": 1}}, "by must be integer bins, column 'v' is float64; make bins with"),
    "times": ({"by": "time", "window": {"time": 1}}, "make bins with binning={'bin': {'column': 'time', 'width':"),
    "boolean bins": ({"by": "ok", "window": {"ok": 1}}, "column 'ok' is bool; move it to within, or make integers"),
    "text bins": ({"by": "name", "window": {"name": 1}}, "move it to within, or make integers of it"),
    "within and by": ({"within": "i"}, "within and by must not share columns, got 'i' in both"),
    "missing key": ({"within": "nam"}, "within: column 'nam' is not in the frame; did you mean 'name'?"),
    "min_entries 0": ({"min_entries": 0}, "min_entries must be an integer of at least 1, got 0"),
    "min_entries float": ({"min_entries": 3.0}, "min_entries must be an integer of at least 1, got 3.0"),
    "min_entries none": ({"min_entries": None}, "min_entries must be an integer of at least 1, got None"),
    "min_entries boolean": ({"min_entries": True}, "min_entries must be an integer of at least 1, got True"),
    "engine": ({"engine": "nunpy"}, "engine 'nunpy' is unknown; did you mean 'numpy'?"),
    "engine of groups": ({"engine": "loky"}, "engine 'loky' is unknown; engines:"),
    "fitter": ({"fitter": "olss"}, "fitter 'olss' is unknown; did you mean 'ols'?"),
    "own fitter": ({"fitter": own_kernel}, "fitter of your own is not there for windows; fitters:"),
    "fitter on engine": ({"fitter": "huber"}, "fitter 'huber' does not run on engine 'numpy'; engines that can:"),
    "wls without weights": ({"fitter": "wls"}, "fitter 'wls' needs weights, got none"),
    "weighted medians without weights": (
        {"weighted_medians": True, "statistics": "median"},
        "weighted_medians=True needs weights, got none; give weights=..., or leave it out",
    ),
    "weighted medians without medians": (
        {"weighted_medians": True, "weights": "w", "statistics": ["mean", "std"]},
        "weighted_medians=True needs 'median', 'mad' or a quantile such as 'q05' in statistics, got 'mean', 'std'; add",
    ),
    "words collide": (
        {"predictors": ["a b", "a_b"]},
        "predictors 'a b' and 'a_b' would both be 'a_b' in the names of columns; rename one",
    ),
    "column collides with key": (
        {"within": "y_mean", "statistics": "mean"},
        "columns of the table would collide: 'y_mean'; give a suffix, or rename columns",
    ),
    "count collides with key": ({"within": "quality_flag"}, "columns of the table would collide: 'quality_flag'"),
    "statistic": ({"statistics": "means"}, "statistics 'means' is unknown; did you mean 'mean'? choices: entries, mad"),
    "quantile": ({"statistics": "q5"}, "statistics 'q5' is unknown; choices:"),
    "statistic no name": ({"statistics": [np.mean]}, "statistics must be names (str), got <function mean"),
    "diagnostic of groups": ({"diagnostics": "mad"}, "diagnostics 'mad' is not there for windows; statistics='mad'"),
    "weights length": ({"weights": np.ones(3)}, "weights must have one value per row (120,), got (3,)"),
    "mask": ({"selection": np.arange(120)}, "selection must be boolean, got int64"),
    "expression": ({"selection": "abs(x) > 1"}, "Call is not allowed"),
    "formula": ({"selection": "xx > 1"}, "column 'xx' is unknown"),
}  # fmt: skip


@pytest.mark.parametrize("case", {**WINDOWS, **RANGES})
def test_windows_that_cannot_be_are_refused(frame, case):
    changes, text = {**WINDOWS, **RANGES}[case]
    with pytest.raises(gbr_dag.InvalidWindowSpec, match=re.escape(text)) as caught:
        fit(frame, **changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("case", REFUSED)
def test_bad_arguments_are_refused_in_one_message(frame, case):
    changes, text = REFUSED[case]
    with pytest.raises(gbr_dag.GbrDagError, match=re.escape(text)) as caught:
        fit(frame.assign(y_mean=1, quality_flag=1), **changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("case", {**WINDOWS, **REFUSED})
def test_nothing_has_run_before(frame, case):
    changes, _ = {**WINDOWS, **REFUSED}[case]
    frame = frame.assign(y_mean=1, quality_flag=1)
    ran = []
    with pytest.raises(gbr_dag.GbrDagError):
        run(progress=lambda node, *_: ran.append(node), frame=frame, **changes)
    assert ran == []


def test_an_unknown_keyword_is_refused(frame):
    with pytest.raises(TypeError, match="wieghts"):
        fit(frame, wieghts="w")
    with pytest.raises(gbr_dag.GraphError, match="input 'kernels' is unknown"):
        run(frame=frame, kernels="gaussian")


def test_coordinates_beyond_reach_are_refused(frame):
    with pytest.raises(gbr_dag.InvalidWindowSpec, match=r"bins of 'i' must lie within -2\*\*60 to 2\*\*60, got 0 to"):
        fit(frame.assign(i=frame["i"] * 2**59))
    with pytest.raises(gbr_dag.InvalidWindowSpec, match=r"bins of 'i' must lie within -2\*\*60 to 2\*\*60"):
        fit(frame.assign(i=frame["i"].astype("uint64") + np.uint64(2**64 - 10)))
    assert len(fit(frame.assign(i=frame["i"] * 2**57), by="i")) == 6


def test_windows_beyond_any_range_are_all_of_it(frame):
    table = fit(frame, window={"i": 2**60, "j": 2**60})
    assert (table["n_rows_aggregated"] == len(frame)).all()
    assert table["effective_window_fraction"].between(0, 1e-30).all()


def test_one_period_or_width_is_for_the_dimensions_that_have_a_use_for_it(frame):
    spec = {"i": {"size": 1, "boundary": "periodic", "period": 8}, "j": {"size": 1, "kernel": "gaussian", "width": 0.7}}
    rich = fit(frame, window=spec)
    plain = fit(
        frame,
        window={"i": 1, "j": 1},
        boundary={"i": "periodic"},
        period=8,
        kernel={"j": "gaussian"},
        kernel_width=0.7,
    )
    pd.testing.assert_frame_equal(plain, rich)


def test_the_recorded_window_can_be_given_again(frame):
    import json

    table = fit(frame, window={"i": 2, "j": 1}, boundary={"i": "periodic"}, kernel={"j": "linear", "i": "distance"})
    again = fit(frame, window=json.loads(table.attrs["window_spec_json"]))
    pd.testing.assert_frame_equal(again, table)


def test_tiny_widths_leave_the_bin_alone(frame):
    alone, tiny = fit(frame, window={"i": 0}), fit(frame, kernel="gaussian", kernel_width=1e-200)
    columns = ["y_slope_x", "y_slope_x_err", "y_n_fitted", "n_neighbors_used"]
    pd.testing.assert_frame_equal(tiny[columns], alone[columns])


@pytest.mark.parametrize("statistic", ["median", "mad", "q05"])
def test_weighted_medians_are_for_every_order_statistic(frame, statistic):
    assert f"y_{statistic}" in fit(frame, weighted_medians=True, weights="w", statistics=["mean", statistic])


def test_defaults_may_be_given_where_they_change_nothing(frame):
    defaults = {"boundary": "truncate", "kernel": "uniform", "period": None, "width": None}
    rich = {"i": {"size": 0, **defaults}, "j": {"size": 1, "boundary": "mirror"}}
    named = {"boundary": {"i": "truncate", "j": "truncate"}, "kernel": {"i": "uniform"}, "kernel_width": {"i": None}}
    expected = fit(frame, window={"j": 1}, boundary="mirror")
    pd.testing.assert_frame_equal(fit(frame, window=rich, **named), expected)
    pd.testing.assert_frame_equal(fit(frame, window=rich, boundary="truncate", kernel="uniform"), expected)


def test_dimensions_without_a_window_take_nothing_from_the_others(frame):
    table = fit(frame, boundary="mirror", kernel="gaussian", kernel_width=2.0)
    assert table.attrs["gbr_dag"]["inputs"]["window"] == {
        "i": {"size": 1, "boundary": "mirror", "kernel": "gaussian", "width": 2.0},
        "j": {"size": 0, "boundary": "truncate", "kernel": "uniform"},
    }
    pd.testing.assert_frame_equal(fit(frame, window=table.attrs["gbr_dag"]["inputs"]["window"]), table)


ODD = {"array": np.ones((3, 3)), "frame": pd.DataFrame({"a": [1, 2]}), "scalar": np.array(3), "missing": pd.NA}


@pytest.mark.parametrize("value", [*ODD.values(), object()], ids=[*ODD, "object"])
@pytest.mark.parametrize("argument", ["window", "missing", "kernel", "kernel_width", "min_entries", "dtype", "by"])
def test_whatever_comes_is_refused_on_one_line(frame, argument, value):
    with pytest.raises(gbr_dag.GbrDagError) as caught:
        fit(frame, **{"kernel": "gaussian", argument: value})
    assert "\n" not in str(caught.value)


def test_refusals_outlive_pickling():
    import pickle

    error = gbr_dag.InvalidWindowSpec("two\n  lines")
    assert str(pickle.loads(pickle.dumps(error))) == str(error) == "two lines"


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_more_rows_than_64_bits_count_are_never_there(frame, engine):
    assert (fit(frame, engine=engine, min_entries=10**30)["quality_flag"] == "insufficient_stats").all()
