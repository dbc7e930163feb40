"""Features by a plain loop over groups and functions, on Series of pandas: the meaning of a model, written out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class PlainFeature:
    """A function with its level and the names that it takes."""

    name: str
    level: str
    takes: tuple[str, ...]
    function: Callable[..., Any]


def rows_of_groups(frame: pd.DataFrame, by: Sequence[str]) -> dict[tuple[Any, ...], list[int]]:
    """Positions of the rows of every key, without those that lack one."""
    rows: dict[tuple[Any, ...], list[int]] = {}
    for position, key in enumerate(zip(*(frame[name].tolist() for name in by))):
        if not any(pd.isna(value) for value in key):
            rows.setdefault(key, []).append(position)
    return rows


def looped(
    features: Sequence[PlainFeature], frame: pd.DataFrame, by: Sequence[str]
) -> tuple[dict[tuple[Any, ...], dict[str, Any]], dict[tuple[Any, ...], list[int]]]:
    """Values of every feature in every group, and its rows; features in an order in which they can run.

    Functions of rows get the value of a group as a Series that repeats it, functions of groups get it as it is. What
    a function of rows gives comes to others as a Series.
    """
    rows = rows_of_groups(frame, by)
    level_of = {feature.name: feature.level for feature in features}
    values: dict[tuple[Any, ...], dict[str, Any]] = {}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # means of nothing, divisions by zero
        for key, positions in rows.items():
            part = frame.iloc[positions]
            known: Mapping[str, Any] = {name: part[name] for name in frame}
            found: dict[str, Any] = {}
            for feature in features:
                given = {}
                for name in feature.takes:
                    given[name] = found.get(name, known.get(name))
                    if feature.level == "row" and level_of.get(name) == "group":
                        given[name] = pd.Series([found[name]] * len(part), index=part.index)
                value = feature.function(**given)
                if isinstance(value, np.ndarray):  # of np.where
                    value = pd.Series(value, index=part.index) if value.ndim else value[()]
                found[feature.name] = value
            values[key] = found
    return values, rows
