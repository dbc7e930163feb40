"""What has no form for all groups at once, refused with the ways out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn, Optional

from gbr_dag.errors import InputError

_REFUSED: ContextVar[Optional[list[InputError]]] = ContextVar("refused", default=None)
"""What the running feature was refused; of each thread, and of the innermost call where features run features."""

WAYS_OUT = (
    "; @per_group (of gbr_dag.features) runs the whole function group by group, @per_row value by value, both slowly"
)


class RefusedAttributeError(InputError, AttributeError):
    """An attribute that one group's run has not either, so that ``hasattr`` finds the same there and here."""


class RefusedHashError(InputError, TypeError):
    """A hash, which a Series has not either."""


@contextmanager
def recorded_refusals() -> Iterator[list[InputError]]:
    """Refusals while a feature runs: one that its own ``except`` swallows would make a value of what is none."""
    found: list[InputError] = []
    token = _REFUSED.set(found)
    try:
        yield found
    finally:
        _REFUSED.reset(token)


def refusal_text(what: str, hint: str = "") -> str:
    """Say that something cannot be done for all groups at once, and the ways out."""
    return f"{what} has no form for all groups at once{hint}{WAYS_OUT}"


def refuse(what: str, hint: str = "") -> NoReturn:
    """Refuse what cannot be done for all groups at once.

    Raises
    ------
    InputError
        Always; the text tells the ways out.
    """
    _raise(refusal_text(what, hint))


def refuse_rows() -> NoReturn:
    """Refuse that columns of different rows meet."""
    refuse("an operation on columns of different rows, as x[mask] + x,", "; give both the same [mask]")


def refuse_change() -> NoReturn:
    """Refuse a change of what a function was given."""
    _raise("a feature must not change its arguments; write .where(condition, other) or np.where")


def _raise(message: str) -> NoReturn:
    error = InputError(message)
    found = _REFUSED.get()
    if found is not None:
        found.append(error)
    raise error


class RefusedMethod:
    """A method that is refused once it is called: who looks may only ask whether it is there."""

    def __init__(self, label: str, hint: str) -> None:
        self._label, self._hint = label, hint

    def __repr__(self) -> str:
        """Say what it is."""
        return f"<{self._label}, which has no form for all groups at once>"

    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse."""
        refuse(self._label, self._hint)


class Refusals:
    """What Python may ask of one value, and nobody can answer for all groups at once."""

    __slots__ = ()

    def __hash__(self) -> int:
        """Refuse: there is one value a row or group."""
        what = "an unhashable column, as in {x}, dict.get(x) or a cached function,"
        raise RefusedHashError(refusal_text(what, "; write .map(dict), .nunique()"))

    def __str__(self) -> str:
        """Refuse: the text would be one for all groups."""
        refuse("str() or print()", "; .astype(str) gives the text of every row, repr() says what the column is")

    def __format__(self, specification: str) -> str:
        """Refuse: the text would be one for all groups."""
        refuse("an f-string or format()", "; .astype(str) gives the text of every row")

    def __bool__(self) -> bool:
        """Refuse: there is one answer a row or group, not one."""
        refuse("if, and, or, not, in or a chain of comparisons", "; write &, |, ~, np.where, .isin or np.maximum")

    def __len__(self) -> int:
        """Refuse: there is one length a group."""
        refuse("len()", "; write .size")

    def __iter__(self) -> Any:
        """Refuse: what follows would loop over rows."""
        refuse("a loop, sum(), min(), max() or list() over a column", "; write .sum(), .min(), .max()")

    def __reversed__(self) -> Any:
        """Refuse: what follows would loop over rows."""
        refuse("reversed()")

    def __float__(self) -> float:
        """Refuse: there is one number a row or group."""
        return self._one_number()

    def __int__(self) -> int:
        """Refuse: there is one number a row or group."""
        return self._one_number()

    def __index__(self) -> int:
        """Refuse: there is one number a row or group."""
        return self._one_number()

    def __complex__(self) -> complex:
        """Refuse: there is one number a row or group."""
        return self._one_number()

    def _one_number(self) -> NoReturn:
        refuse("float(), int() or a function of math", "; write .astype(float), or NumPy's function of that name")

    def __contains__(self, value: object) -> bool:
        """Refuse: there is one answer a group."""
        refuse("in", "; write (column == value).any()")

    def __array__(self, *_: Any, **__: Any) -> Any:
        """Refuse: what takes an array does not know of groups."""
        refuse(
            "what makes an array of a column, as functions of pandas and SciPy do,",
            "; write the column's own method, as x.isna() for pd.isna(x); .to_numpy() is its array",
        )

    def __matmul__(self, other: Any) -> Any:
        """Refuse: there is one product a group."""
        refuse("@", "; write (x * y).sum()")

    __rmatmul__ = __matmul__

    def __setitem__(self, key: Any, value: Any) -> None:
        """Refuse: functions of a model do not change what they are given."""
        refuse_change()

    def __delitem__(self, key: Any) -> None:
        """Refuse: functions of a model do not change what they are given."""
        refuse_change()
