"""Group-by regression: one weighted fit per group key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Union

from gbr_dag.drivers.arguments import checked_arguments
from gbr_dag.drivers.fit_driver import FitDriver
from gbr_dag.drivers.fitters import check_engine, fitter_name
from gbr_dag.drivers.idle import of_groups
from gbr_dag.nodes import (
    bin_map,
    binning,
    compiled,
    design,
    diagnostics,
    factors,
    fit,
    fitters,
    group_fits,
    groups,
    huber,
    prediction,
    processes,
    rank,
    result,
    selection,
    statistics,
    statsmodels_fits,
)

Names = Union[str, Sequence[str]]

NODES = (
    selection,
    binning,
    bin_map,
    design,
    factors,
    groups,
    rank,
    fit,
    compiled,
    group_fits,
    huber,
    statsmodels_fits,
    fitters,
    processes,
    diagnostics,
    statistics,
    prediction,
    result,
)
"""The modules of the group-by graph, in the way of the data."""


class GroupByDriver(FitDriver):
    """The graph of group-by regression.

    Parameters
    ----------
    engine : {"numba", "numpy", "reference", "loky", "statsmodels"}
        How the fits are made: compiled; by stacked QR over all groups; one group after the other, slow and obvious; the
        same in several processes; by statsmodels.
    fitter : {"ols", "wls", "huber", "glm", "rlm"}, callable or estimator
        What is fitted; see :func:`fit_groups`.
    modules : sequence of modules
        Further modules of node functions, added to the graph.
    replace : sequence of str
        Nodes whose function in ``modules`` takes the place of the one here.
    progress : bool or callable, optional
        See :class:`gbr_dag.Driver`.

    Notes
    -----
    ``execute``, ``plan`` and ``draw`` take as inputs the arguments of :func:`fit_groups`; what is not given has the
    default that stands there. A diagnostic that is not asked for is not computed for the table.

    A frame of polars or pyarrow goes through the graph as a pandas frame that holds the columns which the arguments
    name, over the same memory where that is possible; only ``fit_table`` goes out in the caller's kind. A lazy frame
    is collected for a plan too.

    Examples
    --------
    >>> import gbr_dag
    >>> driver = gbr_dag.GroupByDriver()
    >>> inputs = {"frame": gbr_dag.load_flights(), "by": "origin", "targets": "arr_delay"}
    >>> driver.execute(["entries"], inputs)["entries"]
    array([120835, 111279, 104662])
    """

    _nodes = NODES

    def _checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return checked_arguments(given, fitter=self._fitter, engine=self._engine)

    def _dispensable(self, inputs: Mapping[str, Any]) -> dict[str, set[str]]:
        return of_groups(self._fitter, inputs)


def driver_of(engine: Any, fitter: Any) -> GroupByDriver:
    """The driver behind a call: one a pair, since building it takes longer than fitting a thousand groups.

    One for a fitter of the user's own is built for the call.

    Raises
    ------
    UnknownNameError, InputError
        As :class:`GroupByDriver` does.
    """
    name = fitter_name(fitter)
    check_engine(name, engine)
    if name != "own":
        return _cached_driver(engine, name)
    return _without_report(GroupByDriver(engine=engine, fitter=fitter))


@cache
def _cached_driver(engine: str, fitter: str) -> GroupByDriver:
    return _without_report(GroupByDriver(engine=engine, fitter=fitter))


def _without_report(driver: GroupByDriver) -> GroupByDriver:
    driver._reports = False
    return driver
