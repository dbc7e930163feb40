"""The demonstration's second half: how the slope of the delays goes with the day of the year."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Optional

import numpy as np
import pandas as pd
from rich.table import Table

from gbr_dag.drivers.window_fitting import fit_windows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

DAYS, HOURS = 7, 1
"""The window to either side."""

_MIN_FLIGHTS = 30
_SHOWN_DAYS = ("2013-01-15", "2013-04-15", "2013-07-15", "2013-10-15")
_SHOWN_HOURS = (6, 9, 12, 15, 18, 21)
_ERROR_TICKS = [0.005, 0.01, 0.02, 0.04]
_SLOPE = "arr_delay_slope_dep_delay"
_CENTRAL = (0.005, 0.995)
"""Quantiles at which the colours of the maps end."""


def with_day_of_year(flights: pd.DataFrame) -> pd.DataFrame:
    """The flights of 2013 with a column ``day_of_year``, 1 to 365."""
    dates = pd.to_datetime(pd.DataFrame({"year": 2013, "month": flights["month"], "day": flights["day"]}))
    return flights.assign(day_of_year=dates.dt.day_of_year)


def windowed_slopes(flights: pd.DataFrame, engine: Literal["numba", "numpy", "reference"] = "numba") -> pd.DataFrame:
    """Fits of arr_delay on dep_delay in windows of 15 days and 3 hours, the hours going round.

    Parameters
    ----------
    flights : pandas.DataFrame
        With ``day_of_year``, ``hour``, ``dep_delay`` and ``arr_delay``.
    engine : {"numba", "numpy", "reference"}
        As for :func:`fit_windows`.

    Returns
    -------
    pandas.DataFrame
        One row for every day and hour with a flight; NaN where the window has fewer than 30 that can be used.
    """
    return fit_windows(
        flights,
        by=["day_of_year", "hour"],
        window={"day_of_year": DAYS, "hour": HOURS},
        targets="arr_delay",
        predictors="dep_delay",
        boundary={"day_of_year": "truncate", "hour": "periodic"},
        period={"hour": 24},
        min_entries=_MIN_FLIGHTS,
        statistics=(),
        engine=engine,
    )


def seasons_table(table: pd.DataFrame) -> Table:
    """Slopes with errors at some hours of some days, for the terminal."""
    dates = [pd.Timestamp(day) for day in _SHOWN_DAYS]
    title = f"Minutes late on arrival per minute late at departure, ±{DAYS} days, ±{HOURS} hour"
    shown = Table(title=title, title_justify="left", box=None, header_style="bold")
    shown.add_column("departure")
    for date in dates:
        shown.add_column(f"{date:%d} {date:%b}", justify="right")
    fits = table.set_index(["hour", "day_of_year"])
    for hour in _SHOWN_HOURS:
        cells = [(hour, date.day_of_year) for date in dates]
        texts = [_with_error(fits.loc[cell]) if cell in fits.index else "" for cell in cells]
        shown.add_row(f"{hour} h", *texts)
    return shown


def _with_error(fit: pd.Series) -> str:
    slope, error = fit[_SLOPE], fit[f"{_SLOPE}_err"]
    return f"{slope:.3f} ± {error:.3f}" if np.isfinite(error) else ""


def window_picture(table: pd.DataFrame) -> Figure:
    """Maps of the slope and of its error by day of the year and hour; white where nothing was fitted."""
    from matplotlib.colors import LogNorm, Normalize
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 7), layout="constrained")
    slope_axis, error_axis = figure.subplots(2, 1, sharex=True)
    slopes, errors = _grid(table, _SLOPE), _grid(table, f"{_SLOPE}_err")
    _draw_map(slope_axis, slopes, Normalize(*np.nanquantile(slopes, _CENTRAL)), None, "slope")
    _draw_map(error_axis, errors, LogNorm(*np.nanquantile(errors, _CENTRAL)), _ERROR_TICKS, "standard error")
    months = pd.date_range("2013-01-01", periods=12, freq="MS")
    error_axis.set_xticks(months.day_of_year - 0.5, months.strftime("%b"), ha="left")
    error_axis.set_xlabel("day of 2013")
    title = f"Minutes late on arrival per minute late at departure, in windows of ±{DAYS} days and ±{HOURS} hour"
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def _grid(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Values by hour (rows) and day (columns) of the whole range, NaN where there are none."""
    values = table.pivot(index="hour", columns="day_of_year", values=column)
    hours, days = (range(int(index.min()), int(index.max()) + 1) for index in (values.index, values.columns))
    return values.reindex(index=hours, columns=days)


def _draw_map(ax: Axes, values: pd.DataFrame, norm: Normalize, ticks: Optional[list[float]], label: str) -> None:
    drawn = values.dropna(how="all")
    image = ax.pcolormesh(values.columns, values.index, np.ma.masked_invalid(values), cmap="viridis", norm=norm)
    bar = ax.figure.colorbar(image, ax=ax, label=label, extend="both", pad=0.01, ticks=ticks)
    bar.ax.minorticks_off()
    bar.ax.yaxis.set_major_formatter("{x:g}")
    ax.set_yticks(_SHOWN_HOURS)
    ax.set_ylim(drawn.index.min() - 0.5, drawn.index.max() + 0.5)
    ax.set_ylabel("scheduled departure (h)")
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
