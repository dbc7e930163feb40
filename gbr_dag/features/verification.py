"""A model's run for all groups at once, checked against a literal run of some groups."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
import pandas as pd

from gbr_dag.errors import InputError
from gbr_dag.features.feature import Feature
from gbr_dag.features.literal_run import FrameGroups, LiteralRun
from gbr_dag.features.shaken_values import Roundings
from gbr_dag.features.value_differences import precision_of, relative_tolerance, value_differences

_FACTS = ("feature", "level", "row", "grouped", "literal", "difference", "error")


@dataclass(frozen=True)
class Verification:
    """Whether a model gives for all groups at once what its functions give group by group; ``str()`` is a report.

    Attributes
    ----------
    differences : pandas.DataFrame
        One row a value that differs, in the order in which features run: ``feature`` (the output), ``level``, the key
        columns, ``row`` (index label, missing for a value of the group), ``grouped``, ``literal``, ``difference``
        (grouped - literal; infinite where one alone is missing, NaN where they are no numbers).
    failures : pandas.DataFrame
        Calls for a group, or for one of its rows, that raised: ``feature`` (its name), the key columns, ``error``.
    features : tuple of str
        Outputs that were compared, in the order in which they run.
    called_alike : tuple of str
        Outputs of functions that both runs call in the same way, so that equal values say nothing of them.
    groups, rows : int
        How many were compared.
    all_groups : int
        Groups of the frame.
    places : dict of str to str
        ``file:line`` of the function of every output.
    hints : dict of str to str
        What may explain a difference, by output.

    Notes
    -----
    Made by :meth:`gbr_dag.ModelDriver.verify`. The literal run starts from the columns of the frame and chains its own
    results. Functions get a Series of the group's rows for a column or a row-level feature, and for a group-level
    feature its value, as a constant Series if they are row level. Functions marked ``@per_group`` and ``@per_row`` are
    called in the same way in both runs, and those of frames once: their values are taken as they are, what follows from
    them is compared.

    Types do not count: 1 equals 1.0, and NaN, NaT, None and NA equal each other. Floats may differ by ``tolerance``
    relative to the larger one (64 roundings of single precision, if they are made of float32), and by what sums that
    cancel are good for: by as much as they move when the numbers that enter them are off by 64 roundings, and one a
    row of the group. Numbers that are only compared, as in a mask, do not count, however large they are.
    Integers, booleans, text and dates must be equal. A comparison of numbers that differ by rounding may come out
    differently: that is told.

    A literal call that raises gives missing values. It is a difference where the other run has a value, and only told
    where that is missing, too.

    Examples
    --------
    >>> import gbr_dag
    >>> import pandas as pd
    >>> driver = gbr_dag.ModelDriver({"model_name": "ages", "group_by": "zone"})
    >>> _ = driver.register_attribute("avg_age", lambda age: age.mean())
    >>> houses = pd.DataFrame({"zone": ["B", "A", "B", "A"], "age": [100, 50, 20, None]})
    >>> print(driver.verify(houses))
    the grouped run equals the literal one: 1 feature in 2 of 2 groups (4 rows)
    """

    differences: pd.DataFrame = dataclasses.field(repr=False, compare=False)
    failures: pd.DataFrame = dataclasses.field(repr=False, compare=False)
    features: tuple[str, ...]
    called_alike: tuple[str, ...]
    groups: int
    rows: int
    all_groups: int
    places: Mapping[str, str] = dataclasses.field(repr=False, hash=False)
    hints: Mapping[str, str] = dataclasses.field(repr=False, hash=False)

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not len(self.differences)

    def __str__(self) -> str:
        """Say what differs first, or that nothing does."""
        compared = (
            f"{_counted(len(self.features), 'feature')} in {self.groups:,} of {_counted(self.all_groups, 'group')}"
            f" ({_counted(self.rows, 'row')})"
        )
        if self.called_alike:
            compared += f"; {len(self.called_alike):,} called the same way in both runs: {', '.join(self.called_alike)}"
        if self.equal:
            found = "the grouped run equals the literal one" if self.features else "nothing to compare"
            return "\n".join([f"{found}: {compared}", *self._failures_in_words()])
        differing = list(dict.fromkeys(self.differences["feature"]))
        lines = [self._first_in_words(differing[0])]
        if differing[0] in self.hints:
            lines.append(self.hints[differing[0]])
        if differing[1:]:
            lines.append(f"later ones differ, too, and may follow from it: {', '.join(differing[1:])}")
        return "\n".join([*lines, *self._failures_in_words(), f"compared: {compared}"])

    def _first_in_words(self, name: str) -> str:
        """The first feature that differs, which is the cause of what follows."""
        of_it = self.differences[self.differences["feature"] == name]
        sizes = of_it["difference"].abs()
        worst = of_it.loc[sizes.idxmax()] if sizes.notna().any() else of_it.iloc[0]
        keys = [column for column in of_it.columns if column not in _FACTS]
        groups = len(of_it[keys].drop_duplicates())
        where = _key_words({key: worst[key] for key in keys})
        extent = f"in {groups:,} of {_counted(self.groups, 'group')}"
        if worst["level"] == "row":
            extent = f"in {_counted(len(of_it), 'row')} of {_counted(groups, 'group')}"
            where += f", row {worst['row']!r}"
        place = f" ({self.places[name]})" if self.places.get(name) else ""
        return (
            f"{name!r}{place} differs first, {extent}; worst at {where}: grouped {worst['grouped']!s}, literal"
            f" {worst['literal']!s}, difference {worst['difference']:.3g}"
        )

    def _failures_in_words(self) -> list[str]:
        lines = []
        for name, failed in self.failures.groupby("feature", sort=False):
            first = failed.iloc[0]
            where = _key_words({key: first[key] for key in failed.columns if key not in _FACTS})
            extent = _counted(len(failed), "group")
            lines.append(f"literal calls of {name!r} raised in {extent}, first at {where}: {first['error']}")
        return lines


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _key_words(keys: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value!r}" for name, value in keys.items())


def check_request(sample: Any, seed: Any, tolerance: Any) -> None:
    """Refuse arguments of a verification that break their rule.

    Raises
    ------
    InputError
        If ``sample`` is no count, ``seed`` no number to seed with or ``tolerance`` no number from 0 to below 1.
    """
    for name, value, least in (("sample", sample, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            message = f"{name} must be a whole number, {least} or more, got {value!r}"
            raise InputError(message)
    number = isinstance(tolerance, (int, float, np.number)) and not isinstance(tolerance, bool)
    if not number or not 0.0 <= tolerance < 1.0:
        message = f"tolerance must be a number from 0 to below 1, got {tolerance!r}"
        raise InputError(message)


def verified(
    features: Sequence[Feature],
    frame: pd.DataFrame,
    by: Sequence[str],
    result: Mapping[str, Any],
    *,
    sample: int,
    seed: int,
    tolerance: float,
) -> Verification:
    """Compare what a model gave with a literal run of some groups.

    Parameters
    ----------
    features : sequence of Feature
        In the order in which they run.
    frame : pandas.DataFrame (n_rows,)
        That the model was given.
    by : sequence of str
        Key columns.
    result : mapping
        What :meth:`gbr_dag.ModelDriver.execute` gave for the frame and all outputs of the features.
    sample, seed, tolerance
        As for :meth:`gbr_dag.ModelDriver.verify`.
    """
    groups = FrameGroups(frame, by)
    taken = {argument.source for feature in features for argument in feature.arguments}
    chosen = groups.sampled(sample, seed, [name for name in frame.columns if name in taken])
    grouped = _GroupedValues(result, groups)
    run = LiteralRun(groups, grouped)
    found, hints, precision = _compared(features, frame, chosen, run, grouped, tolerance)
    records = [*grouped.wrong_keys(), *found]
    keys = [f"{name} (key)" if name in _FACTS else name for name in by]
    order = {name: place for place, name in enumerate(precision)}
    records.sort(key=lambda record: order.get(record[0], -1))
    return Verification(
        differences=_table(records, ("feature", "level", *keys, "row", "grouped", "literal", "difference")),
        failures=_table(run.failures, ("feature", *keys, "error")),
        features=tuple(name for feature in features if feature.way == "grouped" for name in feature.outputs),
        called_alike=tuple(name for feature in features if feature.way != "grouped" for name in feature.outputs),
        groups=len(chosen),
        rows=sum(len(groups.rows[group]) for group in chosen),
        all_groups=len(groups.rows),
        places={name: feature.place for feature in features for name in feature.outputs},
        hints=hints,
    )


def _compared(
    features: Sequence[Feature],
    frame: pd.DataFrame,
    chosen: Sequence[int],
    run: LiteralRun,
    grouped: _GroupedValues,
    tolerance: float,
) -> tuple[list[tuple[Any, ...]], dict[str, str], dict[str, float]]:
    """Records of what differs, hints by output, and the spacing near 1 of the floats of every output."""
    records: list[tuple[Any, ...]] = []
    precision: dict[str, float] = {}
    roundings, hints = Roundings(run, precision), {}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # a mean of nothing, a division by zero: the values tell as much, and the grouped run does not warn either
        warnings.simplefilter("ignore", RuntimeWarning)
        for feature in features:
            own = _precision(feature, frame, grouped, precision)
            precision.update(dict.fromkeys(feature.outputs, own))
            for group in chosen:
                run.call(feature, group)
                found = _records(feature, group, run, grouped, roundings, relative_tolerance(tolerance, own))
                records += found
                no_numbers = [record[0] for record in found if np.isnan(record[-1])]
                hints.update({name: hint for name in no_numbers if (hint := _hint(feature, group, run, grouped))})
    return records, hints, precision


def _precision(feature: Feature, frame: pd.DataFrame, grouped: _GroupedValues, precision: Mapping[str, float]) -> float:
    """Spacing near 1 of the coarsest floats that a feature yields or is made of."""
    own = [precision_of(grouped.column(feature.level, name)) for name in feature.outputs]
    own += [precision_of(frame[source]) for source in feature.inputs if source in frame]
    return max([*own, *(precision[source] for source in feature.inputs if source in precision)])


def _records(
    feature: Feature, group: int, run: LiteralRun, grouped: _GroupedValues, roundings: Roundings, relative: float
) -> list[tuple[Any, ...]]:
    """Values of a feature that differ in a group."""
    found: list[tuple[Any, ...]] = []
    groups = run.groups
    for name in feature.outputs:
        left = grouped.values(feature.level, name, group)
        literal = run.values[name][group]
        right = pd.Series(literal if feature.level == "row" else [literal])
        if left is None:
            continue
        differing, difference = value_differences(left, right, relative)
        if differing.any():  # asked for late: what rounding may do costs calls for every argument
            rounding = roundings.allowed(feature, name, group)
            differing &= ~(np.abs(difference) <= rounding) | _are_counts(left, right)
        for place in np.flatnonzero(differing):
            row = groups.index(group)[place] if feature.level == "row" else None
            values = left.iloc[place], right.iloc[place]
            found.append((name, feature.level, *groups.keys[group], row, *values, difference[place]))
    return found


def _hint(feature: Feature, group: int, run: LiteralRun, grouped: _GroupedValues) -> Optional[str]:
    """What the column of all groups may have done to a value that is an integer in one group."""
    for source in feature.inputs:
        before = run.feature_of(source)
        if before is None or before.level == "row":
            continue
        column, value = grouped.column("group", source), run.values[source][group]
        if getattr(column.dtype, "kind", "") == "f" and isinstance(value, (int, np.integer, np.bool_)):
            return (
                f"{source!r} is an integer in this group, but missing in some group, so a float for all: the type is"
                " the column's, and text or containers made of it show it"
            )
    return None


def _are_counts(left: pd.Series, right: pd.Series) -> bool:
    """Whether values are integers or booleans on both sides, which no rounding touches."""
    return all(getattr(one.dtype, "kind", "O") in "iub" for one in (left, right))


class _GroupedValues:
    """What a model gave, by the group that the literal run knows."""

    def __init__(self, result: Mapping[str, Any], groups: FrameGroups) -> None:
        self._frames = {"row": result["rows"], "group": result["groups"]}
        self._groups = groups
        self._place_of: dict[tuple[Any, ...], int] = {}
        if result["groups"] is not None:
            keys = zip(*(result["groups"][name].tolist() for name in groups.by))
            self._place_of = {key: place for place, key in enumerate(keys)}

    def wrong_keys(self) -> list[tuple[Any, ...]]:
        """Differences: groups that one run has and the other has not."""
        if self._frames["group"] is None:
            return []
        name = ", ".join(self._groups.by)
        wrong = set(self._groups.keys).symmetric_difference(self._place_of)
        return [(name, "group", *key, None, key in self._place_of, key not in self._place_of, np.nan) for key in wrong]

    def column(self, level: str, name: str) -> pd.Series:
        """All values of a feature."""
        column: pd.Series = self._frames[level][name]
        return column

    def values(self, level: str, name: str, group: int) -> Optional[pd.Series]:
        """Those of a group; None if it has none."""
        column = self.column(level, name)
        if level == "row":
            return column.iloc[self._groups.rows[group]]
        place = self._place_of.get(self._groups.keys[group])
        return None if place is None else column.iloc[[place]]


def _table(records: Sequence[Sequence[Any]], columns: Sequence[str]) -> pd.DataFrame:
    table = pd.DataFrame(list(records), columns=range(len(columns)), dtype=object)
    table.columns = pd.Index(columns)
    return table.astype({"difference": float}) if "difference" in columns else table
