"""Three nodes on top of the group-by graph: which routes make up most of a late departure."""

import numpy as np
import pandas as pd

from gbr_dag.tables import BinTable, Coefficients, FloatArray


def minutes_made_up(coefficient_values: FloatArray, late_by: float) -> FloatArray:
    """Minutes between departure and arrival that a flight leaving ``late_by`` minutes late makes up, (n_routes,)."""
    intercept, slope = coefficient_values[:, 0].T
    return late_by - (intercept + slope * late_by)


def minutes_made_up_error(covariance: FloatArray, late_by: float) -> FloatArray:
    """Standard error of ``minutes_made_up``, sqrt(x' Cov x) with x = (1, late_by), (n_routes,)."""
    x = np.array([1.0, late_by])
    return np.sqrt(np.einsum("i,rij,j->r", x, covariance[:, 0], x))


def route_ranking(
    bin_table: BinTable,
    coefficients: Coefficients,
    minutes_made_up: FloatArray,
    minutes_made_up_error: FloatArray,
    fewest_flights: int,
) -> pd.DataFrame:
    """Routes with at least ``fewest_flights`` fitted flights, one row each, most minutes made up first."""
    ranking = bin_table.keys.assign(
        flights=coefficients.count[:, 0],
        made_up_min=minutes_made_up,
        made_up_min_err=minutes_made_up_error,
    )
    known = (ranking["flights"] >= fewest_flights) & ranking["made_up_min_err"].notna()
    return ranking[known].sort_values("made_up_min", ascending=False, ignore_index=True)
