"""How a fit table came to be, and where each kind of table carries that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from gbr_dag.errors import InputError
from gbr_dag.frames import library_of

_NAME = "gbr_dag"


def with_metadata(table: Any, record: dict[str, Any]) -> Any:
    """The table with the record where its kind has a place for it; polars has none."""
    library = library_of(table)
    if library == "pandas":
        table.attrs[_NAME] = record
        if "computation_time_sec" in table.attrs:
            table.attrs["computation_time_sec"] = record["seconds"]
    elif library == "pyarrow":
        return table.replace_schema_metadata({**(table.schema.metadata or {}), _NAME: json.dumps(record)})
    return table


def fit_metadata(table: Any) -> dict[str, Any]:
    """How a fit table came to be.

    Parameters
    ----------
    table : pandas.DataFrame or pyarrow.Table
        Result of :func:`fit_groups` or :func:`fit_windows`. A polars.DataFrame has no place for metadata: ask these for
        them with ``return_metadata=True``.

    Returns
    -------
    dict
        Plain JSON: ``inputs`` by name, ``fitter``, ``engine``, ``n_rows``, ``left_out_rows`` by reason, ``versions``,
        ``seconds``, of windows ``periods``.

    Raises
    ------
    InputError
        If the table carries none; pandas keeps ``attrs`` through most methods, but not through ``merge``, pyarrow its
        schema through most, but not through ``join``. Both write them into Parquet files and read them back.

    Examples
    --------
    >>> import gbr_dag
    >>> table = gbr_dag.fit_groups(gbr_dag.load_flights(), by="origin", targets="arr_delay")
    >>> gbr_dag.fit_metadata(table)["left_out_rows"]["target missing or infinite: arr_delay"]
    9430
    """
    library = library_of(table, "table")
    if library == "polars":
        message = (
            "table is of polars, which has no place for metadata; give return_metadata=True to fit_groups, which then"
            " gives them beside the table"
        )
        raise InputError(message)
    held = table.attrs.get(_NAME) if library == "pandas" else (table.schema.metadata or {}).get(_NAME.encode())
    if held is None:
        lost_in = "merge" if isinstance(table, pd.DataFrame) else "join"
        message = f"table carries no metadata of a fit; give the table that fit_groups returned ({lost_in} drops them)"
        raise InputError(message)
    return dict(held if library == "pandas" else json.loads(held))


def completed_record(record: dict[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """A record with the seconds of the run and the versions of the libraries that the frame is of."""
    return {**record, **found, "versions": {**record.get("versions", {}), **found.get("versions", {})}}
