"""Warnings of one process told in another: each place in the source once, with how often it spoke."""

from __future__ import annotations

import pickle
import re
import sys
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Optional

from gbr_dag.group_fits.records import Caught


@dataclass(frozen=True)
class SentFilter:
    """A warning filter in words, so that nothing is imported to read it."""

    action: str
    message: str
    module: str
    lineno: int
    category: tuple[str, str]


@dataclass(frozen=True)
class Warned:
    """What one place in the source said first, and how often it spoke. ``category`` is pickled."""

    text: str
    category: bytes
    filename: str
    lineno: int
    module: Optional[str]
    count: int = 1


def sent_filters() -> tuple[SentFilter, ...]:
    """The filters of this process, for another one."""

    def pattern(value: Any) -> str:
        return value.pattern if isinstance(value, re.Pattern) else (value or "")

    filters: Any = warnings.filters
    return tuple(
        SentFilter(action, pattern(message), pattern(module), lineno, (category.__module__, category.__qualname__))
        for action, message, category, module, lineno in filters
    )


class WarningCounts:
    """Counts warnings instead of showing them, and lets the filters of another process decide which are errors."""

    def __init__(self, filters: Iterable[SentFilter]) -> None:
        self._filters = tuple(filters)
        self._catch = warnings.catch_warnings()
        self._found: dict[tuple[type[Warning], str, int], Warned] = {}

    def __enter__(self) -> WarningCounts:
        """Count from here."""
        self._catch.__enter__()
        warnings.resetwarnings()
        for item in self._filters:
            category = _category(item)
            if category is not None:
                action: Any = item.action if item.action in {"error", "ignore"} else "always"
                warnings.filterwarnings(action, item.message, category, item.module, item.lineno, append=True)
        warnings.simplefilter("always", append=True)
        warnings.showwarning = self._note
        return self

    def __exit__(self, *_: object) -> None:
        """Let the process show its warnings again."""
        self._catch.__exit__(None, None, None)

    def found(self) -> tuple[Warned, ...]:
        """One record a place."""
        return tuple(self._found.values())

    def _note(
        self, message: Any, category: type[Warning], filename: str, lineno: int, file: Any = None, line: Any = None
    ) -> None:
        del file, line  # nothing is shown
        key = (category, filename, lineno)
        if key in self._found:
            self._found[key] = replace(self._found[key], count=self._found[key].count + 1)
        else:
            modules = list(sys.modules.items())
            module = next((name for name, one in modules if getattr(one, "__file__", None) == filename), None)
            self._found[key] = Warned(str(message), _pickled(category), filename, lineno, module)


def tell(warned: Iterable[Warned]) -> None:
    """Warn of what other processes warned of, as this process's filters will have it."""
    places: dict[tuple[bytes, str, int], Warned] = {}
    for one in warned:
        key = (one.category, one.filename, one.lineno)
        places[key] = replace(places[key], count=places[key].count + one.count) if key in places else one
    for one in places.values():
        times = f" ({one.count} times in other processes)" if one.count > 1 else ""
        with Caught() as caught:  # a class of somebody else, which may take other arguments than text
            warning = pickle.loads(one.category)(one.text + times)
        if caught.error is not None:
            warning = UserWarning(one.text + times)
        warnings.warn_explicit(warning, None, one.filename, one.lineno, module=one.module)


def _category(item: SentFilter) -> Optional[type[Warning]]:
    """The class of a filter; None where nothing here can warn by it, as its module is not loaded."""
    module, name = item.category
    if item.action == "error" and module not in sys.modules:
        with Caught():
            __import__(module)
    found = getattr(sys.modules.get(module), name, None)
    return found if isinstance(found, type) and issubclass(found, Warning) else None


def pickled_by_value(value: Any) -> bytes:
    """An object as ``pickle`` reads it; functions and classes of scripts travel whole."""
    try:
        import cloudpickle
    except ModuleNotFoundError:  # joblib had its own up to 1.5
        from joblib.externals import cloudpickle
    pickled: bytes = cloudpickle.dumps(value)
    return pickled


def _pickled(category: type[Warning]) -> bytes:
    for kind in category.__mro__:
        with Caught():
            return pickled_by_value(kind)
    return pickle.dumps(UserWarning)
