"""What a fit table carries of how it came to be."""

from __future__ import annotations

from typing import Any

import pandas as pd

from gbr_dag.errors import InputError


def fit_metadata(table: pd.DataFrame) -> dict[str, Any]:
    """How a fit table came to be.

    Parameters
    ----------
    table : pandas.DataFrame
        Result of :func:`fit_groups`.

    Returns
    -------
    dict
        Plain JSON: ``inputs`` by name, ``fitter``, ``engine``, ``n_rows``, ``left_out_rows`` by reason, ``versions``,
        ``seconds``.

    Raises
    ------
    InputError
        If the table carries none; pandas keeps ``attrs`` through most methods, but not through ``merge``.

    Examples
    --------
    >>> import gbr_dag
    >>> table = gbr_dag.fit_groups(gbr_dag.load_flights(), by="origin", targets="arr_delay")
    >>> gbr_dag.fit_metadata(table)["left_out_rows"]["target missing or infinite: arr_delay"]
    9430
    """
    record = getattr(table, "attrs", {}).get("gbr_dag")
    if record is None:
        message = "table carries no metadata of a fit; give the table that fit_groups returned (merge drops them)"
        raise InputError(message)
    return dict(record)
