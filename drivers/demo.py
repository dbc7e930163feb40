"""The demonstration on real flights: who makes up time in the air, with uncertainties and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from gbr_dag.datasets import load_flights
from gbr_dag.drivers.demo_windows import seasons_table, window_picture, windowed_slopes, with_day_of_year
from gbr_dag.drivers.files import write_frame
from gbr_dag.drivers.groupby import GroupByDriver
from gbr_dag.drivers.summary import summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MIN_FLIGHTS = 30
"""Groups with fewer flights are in the table, but not in the pictures."""

_CARRIERS = {
    "9E": "Endeavor",
    "AA": "American",
    "AS": "Alaska",
    "B6": "JetBlue",
    "DL": "Delta",
    "EV": "ExpressJet",
    "F9": "Frontier",
    "FL": "AirTran",
    "HA": "Hawaiian",
    "MQ": "Envoy",
    "OO": "SkyWest",
    "UA": "United",
    "US": "US Airways",
    "VX": "Virgin America",
    "WN": "Southwest",
    "YV": "Mesa",
}

_ORIGIN_COLOURS = {"EWR": "#0072b2", "JFK": "#d55e00", "LGA": "#009e73"}


def run_demo(folder: Path, console: Console) -> None:
    """Fit the flights by groups and in windows, print what comes out, write tables and pictures into ``folder``.

    Raises
    ------
    MissingExtraError
        If matplotlib is not there, before anything runs.
    """
    from gbr_dag.graph.draw import require_matplotlib

    require_matplotlib()
    folder.mkdir(parents=True, exist_ok=True)
    console.print("Every flight out of New York City in 2013: arr_delay on dep_delay by (carrier, origin, month)\n")
    driver, flights = GroupByDriver(), load_flights()
    inputs = {
        "frame": flights,
        "by": ["carrier", "origin", "month"],
        "targets": "arr_delay",
        "predictors": "dep_delay",
    }
    table = driver.execute(["fit_table"], inputs)["fit_table"]
    console.print(made_up_table(time_made_up(table)))
    console.print(summary(table))
    write_frame(table, folder / "fits.parquet")
    slope_picture(table).savefig(folder / "slopes.png", dpi=120)
    driver.draw(["fit_table"], folder / "graph.svg", inputs=inputs)
    driver.draw(["fit_table"], folder / "graph.png", inputs=inputs)
    console.print("\nThe same by day of the year and hour, every fit from its neighbours too\n")
    windows = windowed_slopes(with_day_of_year(flights))
    console.print(seasons_table(windows))
    write_frame(windows, folder / "windows.parquet")
    window_picture(windows).savefig(folder / "windows.png", dpi=120)
    console.print("\nwrote")
    for name, what in {
        "fits.parquet": "the fits, one row a group",
        "slopes.png": "slopes with errors",
        "graph.svg, graph.png": "the graph that made them",
        "windows.parquet": "the fits in windows, one row a day and hour",
        "windows.png": "maps of their slopes and errors",
    }.items():
        console.print(f"  {folder}/{name}: {what}", highlight=False)


def time_made_up(table: pd.DataFrame) -> pd.DataFrame:
    """Minutes that each carrier makes up in the air when it leaves on time, with standard errors.

    Parameters
    ----------
    table : pandas.DataFrame
        Fits of arr_delay on dep_delay by (carrier, origin, month), with errors.

    Returns
    -------
    pandas.DataFrame
        Per carrier, most first: ``flights``, ``made_up`` = -intercept (min) and ``made_up_err``, ``slope`` and
        ``slope_err`` (minutes late at the gate per minute late at departure): means over the carrier's groups
        weighted by flights, errors propagated. Groups without errors are left out.
    """
    fitted = table[table["arr_delay_intercept_err"].notna()]
    flights = fitted["arr_delay_n_used"].astype(float)
    parts = pd.DataFrame(
        {
            "carrier": fitted["carrier"].astype(str),
            "flights": flights,
            "made_up": -flights * fitted["arr_delay_intercept"],
            "made_up_err": (flights * fitted["arr_delay_intercept_err"]) ** 2,
            "slope": flights * fitted["arr_delay_slope_dep_delay"],
            "slope_err": (flights * fitted["arr_delay_slope_dep_delay_err"]) ** 2,
        }
    )
    sums = parts.groupby("carrier").sum()
    for name in ("made_up", "slope"):
        sums[name] /= sums["flights"]
        sums[f"{name}_err"] = np.sqrt(sums[f"{name}_err"]) / sums["flights"]
    return sums.astype({"flights": int}).sort_values("made_up", ascending=False).reset_index()


def made_up_table(ranking: pd.DataFrame) -> Table:
    """The ranking as a table for the terminal."""
    table = Table(title="Who makes up most time in the air", title_justify="left", box=None, header_style="bold")
    table.add_column("carrier")
    for heading in ("flights", "minutes made up\nwhen on time", "minutes late on arrival\nper minute at departure"):
        table.add_column(heading, justify="right")
    for row in ranking.itertuples():
        table.add_row(
            f"{row.carrier} {_CARRIERS.get(row.carrier, '')}",
            f"{row.flights:,}",
            f"{row.made_up:.2f} ± {row.made_up_err:.2f}",
            f"{row.slope:.3f} ± {row.slope_err:.3f}",
        )
    return table


def slope_picture(table: pd.DataFrame) -> Figure:
    """Slopes with errors by month, one panel a carrier, one colour an airport."""
    from matplotlib.figure import Figure

    drawn = table[(table["arr_delay_n_used"] >= _MIN_FLIGHTS) & table["arr_delay_slope_dep_delay_err"].notna()]
    carriers = drawn.groupby(drawn["carrier"].astype(str))["arr_delay_n_used"].sum().sort_values(ascending=False).index
    figure = Figure(figsize=(12, 8.5), layout="constrained")
    axes = figure.subplots(-(-len(carriers) // 4), 4, sharex=True, sharey=True, squeeze=False).ravel()
    for ax in axes[len(carriers) :]:
        ax.set_visible(False)
    for ax in axes[max(len(carriers) - 4, 0) : len(carriers)]:
        ax.tick_params(labelbottom=True)  # the lowest of its column, not always in the last row
    for ax, carrier in zip(axes, carriers):
        _draw_carrier(ax, drawn[drawn["carrier"] == carrier], f"{carrier}  {_CARRIERS.get(carrier, '')}")
    handles = {name: line for ax in axes for line, name in zip(*ax.get_legend_handles_labels())}
    figure.legend(
        [handles[name] for name in _ORIGIN_COLOURS if name in handles],
        [name for name in _ORIGIN_COLOURS if name in handles],
        loc="outside upper right",
        ncols=3,
        frameon=False,
    )
    figure.suptitle("Minutes late on arrival per minute late at departure (slope ± standard error)", x=0.01, ha="left")
    figure.supxlabel(f"month of 2013, {_MIN_FLIGHTS} flights and more")
    return figure


def _draw_carrier(ax: Axes, fits: pd.DataFrame, title: str) -> None:
    ax.axhline(1.0, color="0.75", linewidth=1, zorder=0)
    for shift, (origin, colour) in enumerate(_ORIGIN_COLOURS.items(), start=-1):
        of_origin = fits[fits["origin"] == origin]
        if of_origin.empty:
            continue
        ax.errorbar(
            of_origin["month"] + 0.15 * shift,
            of_origin["arr_delay_slope_dep_delay"],
            yerr=of_origin["arr_delay_slope_dep_delay_err"],
            fmt="o",
            markersize=3.5,
            linewidth=1.2,
            color=colour,
            label=origin,
        )
    ax.set_title(title, loc="left", fontsize=10)
    ax.set_xticks([1, 4, 7, 10])
    ax.set_ylim(0.6, 1.4)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
