"""Features per route: how a flight compares with the others of its route."""

import numpy as np

from gbr_dag.features import attribute

HELD_UP = 3.0
"""Scatters of the route behind its usual flight from which on a flight counts as held up."""


def made_up(dep_delay, arr_delay):
    """Minutes made up between departure and arrival."""
    return dep_delay - arr_delay


def usual_made_up(made_up):  # agg
    """Minutes that the usual flight of the route makes up."""
    return made_up.median()


def behind_route(made_up, usual_made_up):
    """Minutes that a flight loses against the usual one of its route; missing if it never arrived."""
    return usual_made_up - made_up


@attribute
def route_scatter(behind_route):
    """Scatter of the route's flights in minutes, robust: 1.4826 times the median distance."""
    return 1.4826 * np.abs(behind_route).median()


def held_up(behind_route, route_scatter):
    """Whether a flight is far behind the usual one of its route."""
    return behind_route > HELD_UP * route_scatter


@attribute(tags=["rate"])
def route_share_held_up(held_up, behind_route):
    """Share of the route's flights that were held up, of those that arrived."""
    return held_up[behind_route.notna()].mean()


@attribute
def route_flights(behind_route):
    """Flights of the route that arrived."""
    return behind_route.count()
