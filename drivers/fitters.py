"""Which fitters there are, which engines can run them, and what settings they take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import fields
from typing import Any, Optional

from gbr_dag.errors import InputError, UnknownNameError
from gbr_dag.graph.checks import suggestion, unknown
from gbr_dag.options import OPTIONS_OF, Options

_LEAST_SQUARES = ("loky", "numba", "numpy", "reference", "statsmodels")

ENGINES_OF = {
    "ols": _LEAST_SQUARES,
    "wls": _LEAST_SQUARES,
    "huber": ("loky", "numba", "reference"),
    "glm": ("statsmodels",),
    "rlm": ("statsmodels",),
    "own": ("loky", "statsmodels"),
}
"""Engines of every fitter; ``own`` stands for a callable or an estimator."""

WINDOW_ENGINES_OF = {
    "ols": ("numba", "numpy", "reference"),
    "wls": ("numba", "numpy", "reference"),
    "huber": ("numba", "reference"),
}
"""Engines of the fitters that windows can have."""

REJECTING = ("huber", "own")
"""Fitters that may reject rows."""

SCALED = ("ols", "wls")
"""Fitters that can do without a scale of their own, as known weights ask for."""


def fitter_name(fitter: Any) -> str:
    """The name that chooses the nodes: that of a string, ``own`` for a callable or an estimator.

    Raises
    ------
    UnknownNameError
        If a string names no fitter.
    InputError
        If it is neither text, nor can be called, nor has a method ``fit``.
    """
    named = [name for name in ENGINES_OF if name != "own"]
    if isinstance(fitter, str):
        if fitter not in named:
            way_out = f"fitters: {', '.join(sorted(named))}, or a callable or estimator of your own"
            raise UnknownNameError(unknown("fitter", fitter, named, way_out))
        return fitter
    if isinstance(fitter, type) or not (callable(fitter) or hasattr(fitter, "fit")):
        way_out = " (an instance, not the class)" if isinstance(fitter, type) else ""
        message = (
            f"fitter must be one of {', '.join(sorted(named))}, a function (X, y, w) -> coefficients, or an estimator"
            f" with a method fit{way_out}, got {fitter!r}"
        )
        raise InputError(message)
    return "own"


def check_engine(fitter: str, engine: Any) -> None:
    """Refuse an engine that is unknown or cannot run the fitter.

    Raises
    ------
    InputError
        If it is no name.
    UnknownNameError
        With the engines that can.
    """
    _check_pair(fitter, engine, ENGINES_OF)


def check_window_engine(fitter: str, engine: Any) -> None:
    """Refuse an engine or a fitter that is unknown or not there for windows, or that do not go together.

    Raises
    ------
    InputError
        If the engine is no name.
    UnknownNameError
        With the fitters, or the engines, that can.
    """
    if fitter not in WINDOW_ENGINES_OF:
        words = "of your own" if fitter == "own" else repr(fitter)
        message = f"fitter {words} is not there for windows; fitters: {', '.join(sorted(WINDOW_ENGINES_OF))}"
        raise UnknownNameError(message)
    _check_pair(fitter, engine, WINDOW_ENGINES_OF)


def _check_pair(fitter: str, engine: Any, engines_of: Mapping[str, tuple[str, ...]]) -> None:
    if not isinstance(engine, str):
        message = f"engine must be a name (str), got {engine!r} of type {type(engine).__name__}"
        raise InputError(message)
    every = sorted({name for names in engines_of.values() for name in names})
    if engine not in every:
        raise UnknownNameError(unknown("engine", engine, every, f"engines: {', '.join(every)}"))
    able = engines_of[fitter]
    if engine not in able:
        words = "of your own" if fitter == "own" else repr(fitter)
        message = f"fitter {words} does not run on engine {engine!r}; engines that can: {', '.join(able)}"
        raise UnknownNameError(message)


def checked_options(fitter: str, options: Any) -> Optional[Options]:
    """The settings given, or the fitter's default ones.

    Raises
    ------
    InputError
        If they are those of another fitter.
    """
    kind = OPTIONS_OF.get(fitter)
    if kind is None:
        if options is not None:
            message = f"fitter_options must be left out for fitter {fitter!r}, which has no settings, got {options!r}"
            raise InputError(message)
        return None
    if options is None:
        return kind()
    if not isinstance(options, kind):
        words = "a fitter of your own" if fitter == "own" else f"fitter {fitter!r}"
        message = f"fitter_options must be a gbr_dag.{kind.__name__} for {words}, got {options!r}"
        raise InputError(message)
    return options


def options_of_text(fitter: str, settings: Iterable[str]) -> Optional[Options]:
    """Settings of a fitter from texts ``name=value``, None from no text.

    Raises
    ------
    InputError
        If the fitter has no such setting, or the value cannot be read, or one is given twice.
    """
    given = [setting.partition("=") for setting in settings]
    if not given:
        return None
    kind = OPTIONS_OF.get(fitter)
    if kind is None:
        message = f"option must be left out for fitter {fitter!r}, which has no settings, got {given[0][0]!r}"
        raise InputError(message)
    known = [field.name for field in fields(kind)]
    values: dict[str, Any] = {}
    for name, _, value in given:
        if name not in known:
            near = suggestion(name, known)
            options = f"{near}{' ' if near else '; '}options: {', '.join(known)}"
            message = f"fitter {fitter!r} has no option {name!r}{options}"
            raise InputError(message)
        if name in values:
            message = f"option {name!r} must be given once, got it again with {value!r}"
            raise InputError(message)
        values[name] = number_or_text(value)
    return kind(**values)


def number_or_text(text: str) -> Any:
    """An integer or float if the text is one."""
    with suppress(ValueError):
        return int(text)
    with suppress(ValueError):
        return float(text)
    return text


def inputs_for(fitter: str, engine: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs of one fitter and engine for another pair: without settings that this one does not have."""
    kind: Any = OPTIONS_OF.get(fitter, ())
    fitting = dict(inputs)
    if not isinstance(fitting.get("fitter_options"), kind):
        fitting.pop("fitter_options", None)
    for name in ("n_jobs", "batches") if engine != "loky" else ():
        fitting.pop(name, None)
    if engine != "numba":
        fitting.pop("threads", None)
    return fitting
