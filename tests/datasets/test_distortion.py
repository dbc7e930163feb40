"""The synthetic distortion is the one of its formula."""

from __future__ import annotations

import re

import numpy as np
import pytest

import gbr_dag
from gbr_dag.datasets import DISTORTION_TERMS, synthetic_distortion

SIZES = {"n_dr": 7, "n_y": 4, "n_z": 3, "rows": 5}


def true_distortion_cm(x: int, y: int, z: int, current: float) -> float:
    """Row by row, written out."""
    radius = 82.0 + x * 168.0 / SIZES["n_dr"]
    drift = 250.0 - z / SIZES["n_z"] * radius
    sector = (y - SIZES["n_y"] / 2) / SIZES["n_y"]
    radial = 0.001 * drift * (0.015 * x - 0.00004 * x * x)
    return radial + 0.0005 * drift * (0.8 * sector + 0.3 * sector * x) + 0.002 * current


def test_rows_follow_the_formula():
    rows = synthetic_distortion(**SIZES, seed=3)
    found = [true_distortion_cm(*row) for row in rows[["xBin", "y2xBin", "z2xBin", "meanIDC"]].itertuples(index=False)]
    np.testing.assert_allclose(rows["dX_true"], found, rtol=1e-12, atol=1e-15)  # the same sum in another order
    assert rows.loc[rows["xBin"] == 6, "r"].eq(82.0 + 144.0).all()
    assert (rows["dr"] == rows["xBin"]).all()


def test_terms_determine_the_truth():
    rows = synthetic_distortion(**SIZES)
    design = rows[list(DISTORTION_TERMS)].to_numpy()
    slopes, *_ = np.linalg.lstsq(design, rows["dX_true"].to_numpy(), rcond=None)
    np.testing.assert_allclose(slopes, [1.5e-5, -4e-8, 4e-4, 1.5e-4, 2e-3], rtol=1e-9)  # condition 1e4
    product = rows["drift"] * rows["dr"]
    assert rows["drift_dr"].equals(product)
    assert rows["drift_dr2"].equals(rows["drift"] * rows["dr"] ** 2)
    np.testing.assert_allclose(rows["drift_dsec_dr"], product * rows["dsec"], rtol=1e-15)
    assert rows["drift_dsec"].equals(rows["drift"] * rows["dsec"])


def test_the_current_is_drawn_before_the_noise():
    rows = synthetic_distortion(**SIZES, noise=0.5, seed=11)
    generator = np.random.default_rng(11)
    np.testing.assert_array_equal(rows["meanIDC"], generator.normal(size=len(rows)))
    noise = 0.5 * generator.normal(size=len(rows))
    np.testing.assert_allclose(rows["dX_meas"] - rows["dX_true"], noise, rtol=0, atol=1e-15)


def test_bins_are_whole_and_sorted():
    rows = synthetic_distortion(**SIZES)
    keys = rows[["xBin", "y2xBin", "z2xBin"]]
    counts = keys.value_counts(sort=False)
    assert counts.index.is_monotonic_increasing
    assert counts.tolist() == [5] * 84
    assert keys.equals(keys.sort_values(list(keys), ignore_index=True))
    assert not rows.isna().any(axis=None)


def test_docstring_tells_every_column():
    table = re.findall(r"^ +(\w+) +(int64|float64) +\S", synthetic_distortion.__doc__, flags=re.MULTILINE)
    rows = synthetic_distortion(n_dr=1, n_y=1, n_z=1, rows=1)
    assert dict(table) == {name: str(dtype) for name, dtype in rows.dtypes.items()}
    assert f", {len(table)})" in synthetic_distortion.__doc__


def test_test_size_is_the_default():
    assert len(synthetic_distortion()) == 50 * 10 * 10 * 50
    assert synthetic_distortion(**SIZES, noise=0.0).eval("dX_meas == dX_true").all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_dr": 0}, "n_dr must be an integer of at least 1, got 0"),
        ({"n_y": 2.0}, r"n_y must be an integer of at least 1, got 2\.0"),
        ({"n_z": True}, "n_z must be an integer of at least 1, got True"),
        ({"rows": "5"}, "rows must be an integer of at least 1, got '5'"),
        ({"seed": -1}, "seed must be an integer of at least 0, got -1"),
        ({"noise": float("nan")}, "noise must be a finite number of cm that is not negative, got nan"),
        ({"noise": -0.1}, "noise must be"),
        ({"noise": "1"}, "noise must be"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(gbr_dag.InputError, match=message):
        synthetic_distortion(**arguments)
