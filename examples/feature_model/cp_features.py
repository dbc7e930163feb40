"""Features per carrier, of flights that know their route: is a carrier held up more often than its routes are?"""

import numpy as np

from gbr_dag.features import attribute


def arrived(behind_route):
    """Whether the flight arrived."""
    return behind_route.notna()


@attribute
def flights(arrived):
    """Flights that arrived."""
    return arrived.sum()


@attribute(tags=["rate"])
def share_held_up(held_up, arrived):
    """Share of the carrier's flights that were held up."""
    return held_up[arrived].mean()


@attribute(tags=["rate"])
def expected_share(route_share_held_up, arrived):
    """Share that the routes it flies have, each as often as it flies it."""
    return route_share_held_up[arrived].mean()


@attribute(tags=["rate"])
def share_error(expected_share, flights):
    """Standard error of the share of so many independent flights, if they were held up as their routes are."""
    return np.sqrt(expected_share * (1 - expected_share) / flights)


@attribute
def pull(share_held_up, expected_share, share_error):
    """Standard errors between the carrier and its routes."""
    return (share_held_up - expected_share) / share_error
