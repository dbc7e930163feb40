"""Frames of a chain: what comes in of the caller's, and how results go out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

import pandas as pd

from gbr_dag.drivers.metadata import with_metadata
from gbr_dag.features.chain import Chain, Demand
from gbr_dag.frames import column_names, in_kind_of, library_of, working_frame

Frames = tuple[Optional[pd.DataFrame], Optional[pd.DataFrame]]


def chain_frame(frame: Any, chain: Chain, demand: Demand) -> pd.DataFrame:
    """The columns that a chain takes of a frame, as pandas; a lazy one is collected."""
    taken = list(demand.columns)
    running = [place for place in range(len(chain.links)) if demand.runs(place)]
    keys = {key for place in running for key in chain.links[place].by if key in demand.columns}
    compared = {name for place in running for name in chain.links[place].compared() if name in demand.columns}
    working = working_frame(frame, taken, keys=keys, compared=compared, plain=taken)
    return working[taken] if library_of(frame) == "pandas" else working


def result_frames(
    frame: Any, chain: Chain, asked: Sequence[tuple[int, str]], found: Mapping[int, Frames]
) -> dict[str, Any]:
    """What a run of a chain gives.

    Parameters
    ----------
    frame : pandas.DataFrame, polars.DataFrame, polars.LazyFrame or pyarrow.Table
        The caller's.
    chain : Chain
    asked : sequence of (int, str)
        Outputs, each with the place of its link.
    found : mapping of int to (frame or None, frame or None)
        Rows and groups of the links that ran; they may hold more than was asked for.

    Returns
    -------
    dict
    """
    results: dict[str, Any] = {}
    for place, link in enumerate(chain.links):
        names = [name for at, name in asked if at == place]
        rows, groups = found.get(place, (None, None))
        rows = _chosen(rows, [name for name in names if name in link.outputs("row")])
        of_groups = [name for name in names if name in link.outputs("group")]
        groups = _chosen(groups, [*link.by, *of_groups] if of_groups else [])
        keys = [key for key in link.by if _is_of_frame(chain, place, key, column_names(frame))]
        results[link.name] = _of_caller(frame, rows, groups, keys)
    last = results[chain.links[-1].name]
    return {**results, "output": last["rows"] if last["groups"] is None else last["groups"]}


def _chosen(table: Optional[pd.DataFrame], names: list[str]) -> Optional[pd.DataFrame]:
    if table is None or not names:
        return None
    return table if list(table.columns) == names else table[names]


def _of_caller(
    frame: Any, rows: Optional[pd.DataFrame], groups: Optional[pd.DataFrame], keys: Sequence[str]
) -> dict[str, Any]:
    """Frames of the caller's kind; a fit table keeps what it tells of itself where there is a place for it."""
    if rows is not None:
        rows = in_kind_of(frame, rows)
    if groups is not None:
        record = groups.attrs.get("gbr_dag")
        groups = in_kind_of(frame, groups, keys=keys)
        groups = groups if record is None else with_metadata(groups, record)
    return {"rows": rows, "groups": groups, "output": groups}


def _is_of_frame(chain: Chain, place: int, key: str, columns: Sequence[Any]) -> bool:
    """Whether the values of a key are those of the frame's column."""
    sources = chain.sources(place, key)
    if not sources:
        return chain.start(place) == 0 and key in columns
    source = sources[0]
    return source.level == "key" and source.name == key and _is_of_frame(chain, source.link, key, columns)
