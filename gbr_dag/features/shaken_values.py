"""What rounding may do to the values of a literal run, found by calls with values that are a few roundings off."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
import numpy.typing as npt
import pandas as pd

from gbr_dag.features.feature import Argument, Feature
from gbr_dag.features.literal import Attempts, GroupSeries
from gbr_dag.features.literal_run import LiteralRun
from gbr_dag.features.value_differences import as_floats

FloatArray = npt.NDArray[np.float64]

_STEPS = 16
"""Roundings by which values are shaken: enough to change how the next operations round."""

_CALLS = 8
"""Calls with shaken values: one alone may by chance come out as without."""

_ROUNDINGS = 64
"""Roundings by which two ways of a sum may differ, beside one a row."""

_LARGEST_RESPONSE = 64
"""A result that moves by so many times all that was shaken has jumped: a mask let other rows through, say."""

_COMPARISONS = ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "isin")


class Shaken(GroupSeries):
    """A Series that counts as it was in comparisons, so that masks stay the same, and is shaken in arithmetic."""

    @property
    def _constructor(self) -> type[GroupSeries]:
        return GroupSeries


def _compared(name: str) -> Any:
    def compare(self: Any, other: Any) -> Any:
        return getattr(self._exact, name)(other._exact if isinstance(other, Shaken) else other)

    return compare


for _name in _COMPARISONS:
    setattr(Shaken, _name, _compared(_name))


class Roundings:
    """What rounding may leave of the values of a literal run, from the columns on.

    One argument of a function after the other is shaken by some roundings, or by what rounding does to it, and the
    function called again. What enters arithmetic moves the result; what is only compared, as in a mask, does not,
    however large it is.

    Parameters
    ----------
    run : LiteralRun
        Its values are taken, and stay as they are.
    precision : dict of str to float
        Spacing of the floats near 1, by output.
    """

    def __init__(self, run: LiteralRun, precision: dict[str, float]) -> None:
        self._run, self._precision = run, precision
        self._moved: dict[tuple[str, int], list[FloatArray]] = {}

    def allowed(self, feature: Feature, name: str, group: int) -> FloatArray:
        """By how much values of an output may differ in a group: (n_rows,), or (1,) for a value of the group."""
        n = len(self._run.groups.rows[group])
        moved = self.moved(feature, group)[feature.outputs.index(name)]
        return moved * ((_ROUNDINGS + n) / _STEPS)

    def moved(self, feature: Feature, group: int) -> list[FloatArray]:
        """By how much the outputs of a feature move when what they are made of is shaken; found once."""
        if (feature.name, group) not in self._moved:
            self._moved[feature.name, group] = self._found(feature, group)
        return self._moved[feature.name, group]

    def _found(self, feature: Feature, group: int) -> list[FloatArray]:
        run = self._run
        literal = [_numbers(run.values[name][group]) for name in feature.outputs]
        total = [np.zeros(len(values)) for values in literal]
        if feature.way == "frame":  # taken from the other run
            return total
        for argument in feature.arguments:
            if argument.name in run.given(feature, group):
                moved = self._moved_by(feature, group, argument, literal)
                total = [one + other for one, other in zip(total, moved)]
        return total

    def _moved_by(
        self, feature: Feature, group: int, argument: Argument, literal: list[FloatArray]
    ) -> list[FloatArray]:
        """By how much the outputs move when one argument is shaken."""
        precision, name = self._precision[feature.outputs[0]], argument.name
        value = self._run.given(feature, group)[name]
        most = self._steps(argument.source, value, group, precision)
        if most is None:
            return [np.zeros(len(values)) for values in literal]
        rng = np.random.default_rng(group)
        least = precision * _largest(value) if self._enters(feature, group, name, literal, rng) else 0.0
        found = [np.full(len(values), least) for values in literal]
        for call in range(_CALLS):
            n = len(most) if call % 2 else 1  # each row on its own, or all together, as sums move most
            steps = most * rng.uniform(0.5, 1.0, n) * rng.choice([-1.0, 1.0], n)
            for place, values in enumerate(self._called(feature, group, {name: _shaken(value, steps)})):
                distance = _distance(values, literal[place], _largest(value), _largest(steps), len(steps))
                found[place] = np.fmax(found[place], distance)
        return found

    def _enters(
        self, feature: Feature, group: int, name: str, literal: list[FloatArray], rng: np.random.Generator
    ) -> bool:
        """Whether floats do more in a function than to be compared: results then change with their values.

        All that is shaken may by chance, or where all rows are the same, come out as without.
        """
        value = self._run.given(feature, group)[name]
        if getattr(getattr(value, "dtype", None), "kind", "") != "f" or not isinstance(value, pd.Series):
            return False
        numbers = _numbers(value)
        for steps in (np.full(len(numbers), np.nan), np.nan_to_num(numbers) * rng.uniform(0.1, 0.5, len(numbers))):
            results = self._called(feature, group, {name: _shaken(value, steps)})
            if not results or not all(np.array_equal(*both, equal_nan=True) for both in zip(results, literal)):
                return True
        return False

    def _steps(self, source: str, value: Any, group: int, precision: float) -> Optional[FloatArray]:
        """The most that is added to an argument; None for what is no number, and for integers that it would change."""
        if getattr(getattr(value, "dtype", None), "kind", "") not in "iuf" and not isinstance(value, float):
            return None
        numbers = _numbers(value)
        before = self._run.feature_of(source)
        amplitude = np.nan_to_num(_STEPS * precision * np.abs(numbers), nan=0.0, posinf=0.0)
        if before is not None:
            amplitude = np.maximum(amplitude, self.moved(before, group)[before.outputs.index(source)])
        is_integer = getattr(getattr(value, "dtype", None), "kind", "f") in "iu"
        if is_integer and (np.ndim(value) == 0 or (amplitude >= 0.5).any()):
            return None
        if before is not None and before.level == "group":
            return amplitude[:1]  # for all rows the same
        return amplitude

    def _called(self, feature: Feature, group: int, changed: dict[str, Any]) -> list[FloatArray]:
        """Outputs of a call with changed arguments, none if it raises."""
        results: list[Any] = []
        with Attempts(through=()):
            results = list(self._run.results(feature, group, {**self._run.given(feature, group), **changed}))
        return [_numbers(one) for one in results]


def _shaken(value: Any, steps: FloatArray) -> Any:
    if not isinstance(value, pd.Series):
        return type(value)(value + steps[0])
    moved = pd.Series(value, copy=False) + steps
    shaken = Shaken(moved.astype(value.dtype) if value.dtype.kind == "f" else moved)
    object.__setattr__(shaken, "_exact", value)
    return shaken


def _numbers(value: Any) -> FloatArray:
    """Values as floats, NaN for what is none."""
    series = pd.Series(value, copy=False) if np.ndim(value) else pd.Series([value])
    numbers = as_floats(series)
    return np.full(len(series), np.nan) if numbers is None else numbers


def _largest(values: Any) -> float:
    numbers = np.abs(_numbers(values))
    return float(numbers[np.isfinite(numbers)].max(initial=0.0))


def _distance(values: FloatArray, literal: FloatArray, size: float, step: float, n: int) -> FloatArray:
    """How far values moved; 0 where they jumped."""
    with np.errstate(all="ignore"):
        moved = np.abs(values - literal)
        gain = np.fmax(1.0, np.abs(literal) / size) if size else np.ones(len(literal))
    jumped = ~(moved <= _LARGEST_RESPONSE * n * step * gain)
    return np.where(jumped, 0.0, moved)
