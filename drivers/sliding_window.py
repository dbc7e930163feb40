"""Sliding-window regression: one weighted fit per bin of a grid, from the bin and its neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from gbr_dag.drivers.fit_driver import FitDriver
from gbr_dag.drivers.fitters import check_window_engine, fitter_name
from gbr_dag.drivers.idle import of_windows
from gbr_dag.drivers.window_arguments import checked_window_arguments
from gbr_dag.nodes import (
    bin_map,
    binning,
    compiled,
    compiled_windows,
    design,
    diagnostics,
    factors,
    fit,
    neighbours,
    rank,
    selection,
    window_errors,
    window_huber,
    window_reference,
    window_result,
    window_statistics,
)

NODES = (
    selection,
    binning,
    bin_map,
    neighbours,
    design,
    factors,
    rank,
    fit,
    compiled,
    compiled_windows,
    window_reference,
    window_huber,
    window_errors,
    diagnostics,
    window_statistics,
    window_result,
)
"""The modules of the sliding-window graph, in the way of the data."""


class SlidingWindowDriver(FitDriver):
    """The graph of sliding-window regression.

    Parameters
    ----------
    engine : {"numba", "numpy", "reference"}
        How the fits are made: factors of the bins merged along one axis at a time, compiled; the same by stacked QR;
        the rows of every window gathered, slow and obvious.
    fitter : {"ols", "wls", "huber"}
        What is fitted; see :func:`fit_windows`.
    modules : sequence of modules
        Further modules of node functions, added to the graph.
    replace : sequence of str
        Nodes whose function in ``modules`` takes the place of the one here.
    progress : bool or callable, optional
        See :class:`gbr_dag.Driver`.

    Notes
    -----
    ``execute``, ``plan`` and ``draw`` take as inputs the arguments of :func:`fit_windows`; what is not given has the
    default that stands there. What is not asked for is not computed for the table.

    Examples
    --------
    >>> import gbr_dag
    >>> driver = gbr_dag.SlidingWindowDriver(engine="numpy")
    >>> inputs = {"frame": gbr_dag.load_flights(), "by": "month", "window": {"month": 1}, "targets": "arr_delay"}
    >>> driver.execute(["n_neighbors_used"], inputs)["n_neighbors_used"]
    array([2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 2])
    """

    _nodes = NODES
    _tables = ("fit_table", "statistics_table")

    def _check_engine(self, fitter: str, engine: Any) -> None:
        check_window_engine(fitter, engine)

    def _checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        arguments = {name: value for name, value in given.items() if name != "own_fitter"}
        return checked_window_arguments(arguments, fitter=self._fitter, engine=self._engine)

    def _dispensable(self, inputs: Mapping[str, Any]) -> dict[str, set[str]]:
        return of_windows(self._fitter, inputs)


def window_driver_of(engine: Any, fitter: Any) -> SlidingWindowDriver:
    """The driver behind a call: one a pair, since building it takes longer than fitting a thousand bins.

    Raises
    ------
    UnknownNameError, InputError
        As :class:`SlidingWindowDriver` does.
    """
    name = fitter_name(fitter)
    check_window_engine(name, engine)
    return _cached_driver(engine, name)


@cache
def _cached_driver(engine: str, fitter: str) -> SlidingWindowDriver:
    driver = SlidingWindowDriver(engine=engine, fitter=fitter)
    driver._reports = False
    return driver
