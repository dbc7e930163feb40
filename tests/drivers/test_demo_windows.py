"""The demo's second half fits what it says and leaves white what was not fitted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

import gbr_dag
from gbr_dag.drivers.demo_windows import seasons_table, window_picture, windowed_slopes, with_day_of_year


def test_windows_of_the_demo_are_fits_of_neighbouring_days_and_hours():
    flights = with_day_of_year(gbr_dag.load_flights())
    assert flights["day_of_year"].max() == 365
    assert flights.query("month == 3 and day == 1")["day_of_year"].eq(60).all()
    fits = windowed_slopes(flights[flights["day_of_year"] < 30], engine="numpy").set_index(["day_of_year", "hour"])
    near = flights.query("12 <= day_of_year <= 26 and 5 <= hour <= 7").dropna(subset=["arr_delay", "dep_delay"])
    slope, intercept = np.polyfit(near["dep_delay"], near["arr_delay"], 1)
    fit = fits.loc[(19, 6)]
    assert fit["arr_delay_slope_dep_delay"] == pytest.approx(slope, rel=1e-9)  # well-conditioned, two ways
    assert fit["arr_delay_intercept"] == pytest.approx(intercept, rel=1e-9)
    assert fit["arr_delay_n_fitted"] == len(near)
    late = fits.loc[(10, 23)]
    assert late["n_neighbors_used"] == 30  # the hours go round, but nobody flies at midnight


def test_maps_are_white_where_nothing_was_fitted():
    pytest.importorskip("matplotlib", reason="the demo draws pictures")
    days, hours = np.divmod(np.arange(40), 4)
    slopes = np.linspace(0.9, 1.1, 40)
    slopes[5] = np.nan
    table = pd.DataFrame({"day_of_year": 200 + days, "hour": 10 + hours, "arr_delay_slope_dep_delay": slopes})
    table["arr_delay_slope_dep_delay_err"] = 0.01 * slopes
    maps = [axis.collections[0] for axis in window_picture(table.drop(index=17)).axes[:2]]
    for drawn in maps:
        values = drawn.get_array().reshape(4, 10)
        assert np.argwhere(np.ma.getmaskarray(values)).tolist() == [[1, 1], [1, 4]]


def test_a_window_without_errors_is_empty_in_the_table(capsys):
    table = pd.DataFrame({"day_of_year": [15, 105], "hour": [6, 6], "arr_delay_slope_dep_delay": [1.0, np.nan]})
    table["arr_delay_slope_dep_delay_err"] = [0.25, np.nan]
    Console(width=100).print(seasons_table(table))
    lines = capsys.readouterr().out.splitlines()
    assert next(line.split() for line in lines if line.startswith(" 6 h")) == ["6", "h", "1.000", "±", "0.250"]
