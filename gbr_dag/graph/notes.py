"""What a node says beforehand about how it will go about its work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from gbr_dag.errors import GbrDagError

Function = TypeVar("Function", bound=Callable[..., Any])

_ATTRIBUTE = "__plan_note__"


def plan_note(note: Callable[..., str]) -> Callable[[Function], Function]:
    """Let a plan say how a node will go about its work.

    Parameters
    ----------
    note : callable
        Gives a few words; its argument names are names of inputs of the graph. A plan calls it when all of them that
        have no default are given.

    Returns
    -------
    callable
        A decorator that leaves the function as it is; it may stand above or below those of Hamilton.

    Examples
    --------
    >>> from gbr_dag.graph.notes import plan_note
    >>> @plan_note(lambda rows: "by hand" if len(rows) < 10 else "by machine")
    ... def sorted_rows(rows: list) -> list:
    ...     return sorted(rows)
    """

    def marked(function: Function) -> Function:
        setattr(function, _ATTRIBUTE, note)
        return function

    return marked


def note_of(function: Callable[..., Any], given: Mapping[str, Any]) -> str:
    """What a function notes about the given inputs; nothing if it has no note or they do not suffice."""
    note = getattr(function, _ATTRIBUTE, None)
    if note is None:
        return ""
    code = note.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    required = names[: len(names) - len(note.__defaults__ or ())]
    if any(given.get(name) is None for name in required):
        return ""
    try:
        return str(note(**{name: given[name] for name in names if name in given}))
    except (ArithmeticError, AttributeError, GbrDagError, LookupError, TypeError, ValueError):
        return ""  # a plan may be asked for with inputs that a run would refuse
