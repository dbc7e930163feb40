"""Statistics of windows: engine against engine, and against NumPy on rows that the test itself gathers."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from gbr_dag.drivers.sliding_window import SlidingWindowDriver, window_driver_of
from gbr_dag.drivers.window_fitting import fit_windows
from gbr_dag.windows import pairs, tiles

ALL = ("mean", "std", "entries", "sum_weights", "min", "max", "median", "mad", "q05", "q50", "q97.5")
ROUNDED = ("mean", "std", "sum_weights")
"""Statistics that depend on the order of sums."""

BOUNDARIES = ("truncate", "symmetric", "mirror", "periodic")
MERGING = ("numba", "numpy")


def statistics_of(engine, frame, window, statistics=ALL, targets="y", **options):
    inputs = {"frame": frame, "by": list(window), "window": window, "targets": targets, "statistics": statistics}
    driver = window_driver_of(engine, "ols")
    return driver.execute(["target_statistics"], {**inputs, **options})["target_statistics"]


def grid_frame(shape, rows_per_bin, seed=0, occupied=1.0):
    """Rows in shuffled order, at least one in the first and the last bin; keys x0, x1, ..."""
    rng = np.random.default_rng(seed)
    cells = np.flatnonzero(rng.random(np.prod(shape)) < occupied)
    cells = np.union1d(cells, [0, np.prod(shape) - 1])
    of_row = rng.permutation(np.repeat(cells, rng.integers(1, 2 * rows_per_bin, size=len(cells))))
    keys = np.unravel_index(of_row, shape)
    frame = pd.DataFrame({f"x{i}": key for i, key in enumerate(keys)})
    frame["y"] = rng.normal(size=len(frame)).round(1) + 0.3 * frame["x0"]
    frame["w"] = rng.integers(1, 5, size=len(frame)) / 4.0
    return frame


def assert_same(found, expected, scale=1.0):
    assert list(found) == list(expected)
    for name, values in found.items():
        assert values.dtype == expected[name].dtype == (np.int64 if name == "entries" else np.float64)
        if name in ROUNDED:
            # sums over some hundred rows in another order
            np.testing.assert_allclose(values, expected[name], rtol=1e-12, atol=1e-12 * scale, err_msg=name)
        else:
            np.testing.assert_array_equal(values, expected[name], err_msg=name)


@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("occupied", [1.0, 0.2], ids=["dense", "sparse"])
@pytest.mark.parametrize(("shape", "sizes"), [((13,), (2,)), ((6, 7), (1, 2)), ((4, 4, 4), (1, 1, 1))])
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("kernel", ["uniform", "gaussian"])
def test_engines_agree(kernel, boundary, shape, sizes, occupied, weights):
    frame = grid_frame(shape, 3, occupied=occupied)
    period = {f"x{i}": max(n, 2 * size + 1) for i, (n, size) in enumerate(zip(shape, sizes))}
    options = {"kernel": kernel, "boundary": boundary, "weights": weights}
    options["period"] = period if boundary == "periodic" else None
    window = {f"x{i}": size for i, size in enumerate(sizes)}
    expected = statistics_of("reference", frame, window, **options)
    for engine in MERGING:
        assert_same(statistics_of(engine, frame, window, **options), expected)


@pytest.mark.parametrize("weighted_medians", [False, True])
@pytest.mark.parametrize("kernel", ["epanechnikov", "linear", "distance", {"x0": "gaussian"}])
def test_engines_agree_on_other_kernels(kernel, weighted_medians):
    frame = grid_frame((6, 5), 3)
    options = {"kernel": kernel, "weights": "w", "weighted_medians": weighted_medians, "boundary": "mirror"}
    expected = statistics_of("reference", frame, {"x0": 2, "x1": 1}, **options)
    for engine in MERGING:
        assert_same(statistics_of(engine, frame, {"x0": 2, "x1": 1}, **options), expected)


def gathered(frame, row, sizes):
    """Rows in the window about a bin, truncated; by definition."""
    inside = np.ones(len(frame), dtype=bool)
    for name, size in sizes.items():
        inside &= np.abs(frame[name].to_numpy() - row[name]) <= size
    return frame["y"].to_numpy(dtype=np.float64)[inside]


TARGETS = {
    "normal": lambda rng, frame: rng.normal(size=len(frame)),
    "steep": lambda rng, frame: rng.normal(size=len(frame)) + 1e6 * frame["x0"] + 1e3 * frame["x1"],
    "constant": lambda _, frame: np.full(len(frame), 0.1),
    "two values": lambda rng, frame: rng.integers(0, 2, size=len(frame)) * 1.0,
    "few values": lambda rng, frame: rng.integers(-3, 4, size=len(frame)) * 1.0,
    "mostly one": lambda rng, frame: np.where(rng.random(len(frame)) < 0.8, 5.0, rng.normal(size=len(frame))),
    "zeros of both signs": lambda rng, frame: np.where(rng.random(len(frame)) < 0.5, 0.0, -0.0),
    "tiny": lambda rng, frame: rng.integers(-4, 5, size=len(frame)) * 5e-324,
    "offset": lambda rng, frame: 1e8 + rng.normal(size=len(frame)),
    "long tails": lambda rng, frame: rng.standard_cauchy(size=len(frame)) ** 3,
}


@pytest.mark.parametrize("engine", MERGING)
@pytest.mark.parametrize("target", TARGETS)
def test_order_statistics_are_those_of_numpy(engine, target):
    rng = np.random.default_rng(3)
    frame = grid_frame((9, 6), 14, seed=4)
    frame["y"] = TARGETS[target](rng, frame)
    sizes = {"x0": 2, "x1": 1}
    found = statistics_of(engine, frame, sizes, ("median", "mad", "q00", "q10", "q33.3", "q75", "q99.9"))
    keys = frame[["x0", "x1"]].drop_duplicates().sort_values(["x0", "x1"])
    for i, row in enumerate(keys.to_dict("records")):
        values = gathered(frame, row, sizes)
        assert found["median"][i, 0] == np.median(values)
        assert found["mad"][i, 0] == np.median(np.abs(values - np.median(values)))
        for name in ("q00", "q10", "q33.3", "q75", "q99.9"):
            assert found[name][i, 0] == np.quantile(values, float(Fraction(name[1:]) / 100)), name
    if target == "zeros of both signs":
        assert not any(np.signbit(values).any() for values in found.values())


@pytest.mark.parametrize("engine", MERGING)
def test_small_tiles_agree_with_one(engine, monkeypatch):
    # tiles of some cells: windows reach over their edges, and slices share their geometry
    frame = grid_frame((11, 5, 3), 6, occupied=0.8)
    window = {"x0": 1, "x1": 1}
    options = {"statistics": ("median", "mad", "q20"), "within": ["x2"], "boundary": "mirror"}
    expected = statistics_of("reference", frame, window, **options)
    monkeypatch.setattr(tiles, "_CELLS", 1)
    assert_same(statistics_of(engine, frame, window, **options), expected)


def test_huge_values(engine):
    y = np.array([-1.7e308, 1.7e308, 1.7e308, 1.5e308])
    frame = pd.DataFrame({"x": [0, 0, 1, 1], "y": y})
    found = statistics_of(engine, frame, {"x": 1}, ("median", "q50", "q25", "min", "max"))
    assert found["median"][0, 0] == 1.6e308
    np.testing.assert_allclose(found["q50"][0, 0], 1.6e308, rtol=1e-15)
    np.testing.assert_allclose(found["q25"][0, 0], 0.7e308, rtol=1e-15)
    assert (found["min"][0, 0], found["max"][0, 0]) == (-1.7e308, 1.7e308)


@pytest.mark.parametrize("dtype", ["int64", "uint8", "float32", "bool", "Int32", "Float64", "longdouble", ">f8"])
def test_dtypes_of_targets(engine, dtype):
    frame = grid_frame((5, 4), 5)
    values = np.random.default_rng(2).integers(0, 9, size=len(frame))
    frame["y"] = pd.Series(values % 2 == 0 if dtype == "bool" else values).astype(dtype)
    plain = frame.assign(y=frame["y"].astype("float64"))
    expected = statistics_of("reference", plain, {"x0": 1, "x1": 1})
    assert_same(statistics_of(engine, frame, {"x0": 1, "x1": 1}), expected)


def test_missing_targets_and_weights(engine):
    """Order statistics, range and entries take every finite target; moments need a valid weight too."""
    rng = np.random.default_rng(8)
    frame = grid_frame((6, 4), 4)
    for name, odd in (("y", [np.nan, np.inf, -np.inf]), ("w", [np.nan, np.inf, 0.0, -1.0])):
        rows = rng.random(len(frame)) < 0.3
        frame.loc[rows, name] = rng.choice(odd, size=rows.sum())
    frame["z"] = frame["y"].where(frame["x0"] > 2)  # nothing in the windows of the first bins
    with_y = frame[np.isfinite(frame["y"])]
    with_w = with_y[np.isfinite(with_y["w"]) & (with_y["w"] > 0.0)]
    window = {"x0": 1, "x1": 1}
    options = {"targets": ["y", "z"], "weights": "w"}
    found = statistics_of(engine, frame, window, **options)
    for i, (x0, x1) in enumerate(itertools.product(range(6), range(4))):
        near, weighted = (
            part[((part["x0"] - x0).abs() <= 1) & ((part["x1"] - x1).abs() <= 1)] for part in (with_y, with_w)
        )
        y, w = weighted["y"].to_numpy(), weighted["w"].to_numpy()
        assert found["entries"][i, 0] == len(near)
        assert found["median"][i, 0] == near["y"].median()
        assert found["max"][i, 0] == near["y"].max()
        np.testing.assert_allclose(found["mean"][i, 0], np.average(y, weights=w), rtol=1e-13, atol=1e-13)
        variance = np.sum(w * (y - np.average(y, weights=w)) ** 2) / (w.sum() - np.sum(w**2) / w.sum())
        np.testing.assert_allclose(found["std"][i, 0], np.sqrt(variance), rtol=1e-12)
        np.testing.assert_allclose(found["sum_weights"][i, 0], w.sum(), rtol=1e-13)
    empty = np.repeat(np.arange(6) <= 1, 4)
    assert (found["entries"][empty, 1] == 0).all()
    assert (found["sum_weights"][empty, 1] == 0.0).all()
    for name in set(ALL) - {"entries", "sum_weights"}:
        assert np.isnan(found[name][empty, 1]).all()
        assert not np.isnan(found[name][~empty, 1]).any()


def test_centre_without_weight(engine):
    frame = pd.DataFrame({"x": [0, 0, 1, 4], "y": [1.0, 3.0, 7.0, 9.0]})
    found = statistics_of(engine, frame, {"x": 1}, kernel=lambda offsets, _: (offsets[:, 0] != 0) * 2.0)
    assert found["entries"][:, 0].tolist() == [1, 2, 0]
    np.testing.assert_array_equal(found["median"][:, 0], [7.0, 2.0, np.nan])
    np.testing.assert_array_equal(found["mean"][:, 0], [7.0, 2.0, np.nan])
    np.testing.assert_array_equal(found["sum_weights"][:, 0], [2.0, 4.0, 0.0])
    np.testing.assert_array_equal(found["mad"][:, 0], [0.0, 1.0, np.nan])
    np.testing.assert_array_equal(found["max"][:, 0], [7.0, 3.0, np.nan])


def test_windows_of_one_row(engine):
    frame = pd.DataFrame({"x": [0, 10, 20], "y": [-0.0, 2.0, 3.0], "w": [1.0, 2.0, 1e-300]})
    found = statistics_of(engine, frame, {"x": 2}, weights="w")
    for name in ("mean", "median", "min", "max", "q05"):
        assert found[name][:, 0].tolist() == [0.0, 2.0, 3.0]
    assert np.isnan(found["std"]).all()
    assert (found["mad"] == 0.0).all()


@pytest.mark.parametrize("size", [0, 2])
def test_no_rows_selected_or_no_window(engine, size):
    frame = grid_frame((4,), 3)
    found = statistics_of(engine, frame, {"x0": size}, selection=np.zeros(len(frame), dtype=bool))
    assert {values.shape for values in found.values()} == {(0, 1)}
    plain = frame.groupby("x0")["y"]
    zero = statistics_of(engine, frame, {"x0": 0}, ("median", "min"))
    np.testing.assert_array_equal(zero["median"][:, 0], plain.median())
    np.testing.assert_array_equal(zero["min"][:, 0], plain.min())


@pytest.mark.parametrize("kernel", ["uniform", "gaussian", "epanechnikov"])
def test_std_far_from_zero(engine, kernel):
    """Squares would have no digit left at an offset of 1e8 and a width of 1e-3."""
    frame = grid_frame((7, 5), 6)
    near = np.random.default_rng(1).integers(-1000, 1000, size=len(frame)) * 2.0**-20
    window = {"x0": 2, "x1": 1}
    options = {"statistics": ("mean", "std"), "weights": "w", "kernel": kernel}
    expected = statistics_of("reference", frame.assign(y=near), window, **options)
    found = statistics_of(engine, frame.assign(y=near + 2.0**27), window, **options)
    np.testing.assert_allclose(found["std"], expected["std"], rtol=1e-9)  # the means lie apart by less than 1e-8
    np.testing.assert_allclose(found["mean"] - 2.0**27, expected["mean"], atol=2.0**-26)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_std_with_weights_of_any_size(engine, scale):
    frame = grid_frame((5,), 5)
    expected = statistics_of("reference", frame, {"x0": 1}, ("std", "mean"), weights="w")
    found = statistics_of(engine, frame.assign(w=frame["w"] * scale), {"x0": 1}, ("std", "mean"), weights="w")
    np.testing.assert_allclose(found["std"], expected["std"], rtol=1e-12)
    np.testing.assert_allclose(found["mean"], expected["mean"], rtol=1e-12, atol=1e-12)


def weighted_quantile(values, weights, share):
    """Where the cumulative weight passes the share of the total; midpoint where it hits it; in rational arithmetic."""
    pairs = sorted(zip(values.tolist(), map(Fraction, weights.tolist())))
    wanted, reached = share * sum(weight for _, weight in pairs), Fraction(0)
    for (value, weight), following in zip(pairs, [*pairs[1:], (None, None)]):
        reached += weight
        if reached == wanted:
            return value if following[0] in (None, value) else (value + following[0]) / 2
        if reached > wanted:
            return value
    return np.nan


@pytest.mark.parametrize("weighted_medians", [False, True])
@pytest.mark.parametrize("kernel", ["uniform", "own"])
def test_weighted_medians(engine, kernel, weighted_medians):
    """Kernel and weights are dyadic: the cumulative weight often hits a quarter and a half, and sums are exact."""
    frame = grid_frame((6, 5), 3, seed=5)
    frame.loc[::7, "w"] = 0.0
    own = lambda offsets, _: 2.0 ** -np.abs(offsets).sum(axis=1)  # noqa: E731
    options = {"kernel": own if kernel == "own" else "uniform", "weights": "w", "weighted_medians": weighted_medians}
    names = ("median", "mad", "q25")
    found = statistics_of(engine, frame, {"x0": 1, "x1": 2}, names, **options)
    for i, (x0, x1) in enumerate(itertools.product(range(6), range(5))):
        steps = [(frame["x0"] - x0).abs().to_numpy(), (frame["x1"] - x1).abs().to_numpy()]
        inside = (steps[0] <= 1) & (steps[1] <= 2)
        y = frame["y"].to_numpy()[inside]
        if kernel == "uniform" and not weighted_medians:
            assert found["median"][i, 0] == np.median(y)
            continue
        v = (0.5 ** (steps[0] + steps[1]) if kernel == "own" else np.ones(len(frame)))[inside]
        v = v * frame["w"].to_numpy()[inside] if weighted_medians else v
        y, v = y[v > 0.0], v[v > 0.0]
        middle = weighted_quantile(y, v, Fraction(1, 2))
        # halves are added up where the test takes the half of the sum
        np.testing.assert_allclose(found["median"][i, 0], middle, rtol=1e-15)
        np.testing.assert_allclose(found["q25"][i, 0], weighted_quantile(y, v, Fraction(1, 4)), rtol=1e-15)
        mad = weighted_quantile(np.abs(y - found["median"][i, 0]), v, Fraction(1, 2))
        np.testing.assert_allclose(found["mad"][i, 0], mad, rtol=1e-15)


@pytest.mark.parametrize("values", ["normal", "steep", "two values", "mostly one", "long tails"])
def test_weighted_quantiles_of_many_rows(values):
    """Windows of which only a part is sorted; weights are dyadic, so that shares of the total are hit."""
    frame = grid_frame((6, 2), 300)
    frame["y"] = TARGETS[values](np.random.default_rng(1), frame)
    names, own = ("median", "mad", "q00", "q25", "q99.9"), lambda offsets, _: 0.5 ** np.abs(offsets[:, 0])
    options = {"weights": "w", "weighted_medians": True, "kernel": own}
    found = statistics_of("numba", frame, {"x0": 2}, names, within=["x1"], **options)
    for i, (x1, x0) in enumerate(itertools.product(range(2), range(6))):
        steps = (frame["x0"] - x0).abs().to_numpy()
        inside = (steps <= 2) & (frame["x1"] == x1).to_numpy()
        y, v = frame["y"].to_numpy()[inside], (frame["w"] * 0.5**steps).to_numpy()[inside]
        assert found["median"][i, 0] == weighted_quantile(y, v, Fraction(1, 2))
        assert found["q25"][i, 0] == weighted_quantile(y, v, Fraction(1, 4))
        assert found["q00"][i, 0] == y.min()
        assert found["q99.9"][i, 0] == weighted_quantile(y, v, Fraction(999, 1000))
        deviations = np.abs(y - found["median"][i, 0])
        assert found["mad"][i, 0] == weighted_quantile(deviations, v, Fraction(1, 2))


@pytest.mark.parametrize("heavy", [0, 2048])
def test_a_heavy_row_that_no_sample_shows(engine, heavy):
    frame = pd.DataFrame({"x": 0, "y": np.arange(2049.0), "w": 1.0})
    frame.loc[heavy, "w"] = 1e6
    found = statistics_of(engine, frame, {"x": 1}, ("median", "q25"), weights="w", weighted_medians=True)
    assert found["median"][0, 0] == found["q25"][0, 0] == heavy


def test_levels_of_quantiles_are_rounded_once(engine):
    frame = pd.DataFrame({"x0": np.arange(1001) % 3, "y": np.arange(1001.0)})
    found = statistics_of(engine, frame, {"x0": 2}, ("q99.9", "q00.1", "q29", "q57"))
    assert {name: values[0, 0] for name, values in found.items()} == {
        "q99.9": 999.0,
        "q00.1": 1.0,
        "q29": 290.0,
        "q57": 570.0,
    }


def test_mirrored_bins_count_twice(engine):
    frame = pd.DataFrame({"x": [0, 1, 1, 2], "y": [0.0, 1.0, 5.0, 9.0], "w": 1.0})
    found = statistics_of(
        engine, frame, {"x": 1}, ("median", "q50", "mad", "entries", "sum_weights"), boundary="mirror"
    )
    # about x = 0 the bin at 1 is met at -1 as well
    assert found["median"][0, 0] == np.median([0.0, 1.0, 5.0, 1.0, 5.0])
    assert found["mad"][0, 0] == np.median([1.0, 0.0, 4.0, 0.0, 4.0])
    assert (found["entries"][0, 0], found["sum_weights"][0, 0]) == (3, 5.0)
    weighted = statistics_of(
        engine, frame, {"x": 1}, ("median",), boundary="mirror", weights="w", weighted_medians=True
    )
    assert weighted["median"][0, 0] == 1.0


def test_threads_make_no_difference():
    frame = grid_frame((12, 10), 1200)
    window = {"x0": 2, "x1": 2}
    one, three = (statistics_of("numba", frame, window, threads=threads) for threads in (1, 3))
    for name, values in one.items():
        np.testing.assert_array_equal(values, three[name])


@pytest.mark.parametrize("engine", MERGING)
def test_only_what_is_asked_for_runs(engine):
    frame = grid_frame((4, 4), 3)
    driver = SlidingWindowDriver(engine=engine)
    inputs = {"frame": frame, "by": ["x0", "x1"], "window": {"x0": 1}, "targets": "y"}
    of_name = {"std": "target_moments", "entries": "target_ranges", "q10": "target_order_statistics"}
    for name, node in of_name.items():
        given = {**inputs, "statistics": name}
        assert {*of_name.values()} & {*driver.plan(["target_statistics"], given).nodes} == {node}
        assert list(driver.execute(["target_statistics"], given)["target_statistics"]) == [name]
        assert list(driver.execute([node], given)[node]) == [name]


@pytest.mark.parametrize("boundary", ["truncate", "periodic"])
def test_neighbours_with_the_same_window(engine, boundary):
    """Over gaps, windows of two centres may hold the same bins."""
    places = np.array([0, 1, 2, 3, 8, 9, 10, 12, 14])
    frame = pd.DataFrame({"x": places, "y": places * 1.0})
    found = statistics_of(engine, frame, {"x": 2}, ("mean", "sum_weights"), boundary=boundary)
    for i, place in enumerate(places):
        steps = np.abs(places - place)
        inside = (np.minimum(steps, 15 - steps) if boundary == "periodic" else steps) <= 2
        assert found["sum_weights"][i, 0] == inside.sum()
        np.testing.assert_allclose(found["mean"][i, 0], places[inside].mean(), rtol=1e-14)


@pytest.mark.parametrize("kernel", ["uniform", "gaussian", "epanechnikov"])
@pytest.mark.parametrize("fitter", ["ols", "huber"])
def test_compiled_engine_searches_mostly_empty_grids_by_compiled_loops(kernel, fitter, monkeypatch):
    places = np.random.default_rng(12).integers(0, 30, (400, 3))
    frame = pd.DataFrame(np.repeat(places, 3, axis=0), columns=list("abc"))
    frame["y"] = np.random.default_rng(13).normal(size=len(frame))
    model = {"by": list("abc"), "window": dict.fromkeys("abc", 3), "targets": "y", "kernel": kernel, "fitter": fitter}
    model["statistics"] = ALL if fitter == "ols" else ()
    expected = fit_windows(frame, engine="numpy" if fitter == "ols" else "reference", **model)

    def refused(*_):
        pytest.fail("NumPy searches")

    monkeypatch.setattr(pairs, "neighbours_between", refused)
    found = fit_windows(frame, engine="numba", **model)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-6 if fitter == "huber" else 1e-11, atol=1e-12)
