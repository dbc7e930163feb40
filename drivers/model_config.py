"""The config of a feature model, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from gbr_dag.errors import InputError
from gbr_dag.graph.checks import unknown

_KEYS = ("client_name", "group_by", "model_name", "seq")
_EXAMPLE = "{'model_name': 'ages', 'group_by': 'zone'}"


def checked_config(config: Any) -> dict[str, Any]:
    """The config with every key, and ``group_by`` as a tuple.

    Parameters
    ----------
    config : mapping
        As :class:`gbr_dag.ModelDriver` takes it.

    Raises
    ------
    InputError
        If a key is unknown or lacking, or a value is of the wrong kind.
    """
    if not isinstance(config, Mapping):
        message = f"config must be a dict with model_name and group_by, as in {_EXAMPLE}; got {config!r}"
        raise InputError(message)
    for key in config:
        if key not in _KEYS:
            raise InputError(unknown("config key", key, _KEYS, f"keys: {', '.join(_KEYS)}"))
    for key in ("model_name", "group_by"):
        if config.get(key) is None:
            message = f"config must have {key!r}, as in {_EXAMPLE}; got {dict(config)!r}"
            raise InputError(message)
    if not _is_name(config["model_name"]):
        _refuse("model_name", "a text that is not empty", config["model_name"])
    client, place = config.get("client_name"), config.get("seq")
    if client is not None and not isinstance(client, str):
        _refuse("client_name", "a text or None", client)
    if place is not None and (isinstance(place, bool) or not isinstance(place, int)):
        _refuse("seq", "an integer or None, its place in a chain", place)
    return {"client_name": None, "seq": None, **config, "group_by": _key_columns(config["group_by"])}


def checked_switch(name: str, value: Any, *, none: bool = False) -> Optional[bool]:
    """The value itself if it is True or False, or None where that may be."""
    if isinstance(value, bool) or (none and value is None):
        return value
    message = f"{name} must be True or False{', or None as the driver has it' if none else ''}, got {value!r}"
    raise InputError(message)


def check_are_names(outputs: Any) -> None:
    """Refuse what is easily given in place of a list of outputs: one name, or the frame.

    Raises
    ------
    InputError
        If it is.
    """
    message = ""
    if isinstance(outputs, str):
        message = f"outputs must be a list of names, got the string {outputs!r}; write [{outputs!r}]"
    elif hasattr(type(outputs), "columns"):  # of the class: lazy frames of polars warn of it
        kind = type(outputs).__name__
        message = (
            f"outputs must be names of features, got a {kind}; a frame is an argument of its own: plan(outputs, frame),"
            " plan(frame=frame), execute(frame, outputs)"
        )
    if message:
        raise InputError(message)


def _key_columns(by: Any) -> tuple[str, ...]:
    names = (by,) if isinstance(by, str) else by
    if not isinstance(names, (list, tuple)) or not names or not all(_is_name(name) for name in names):
        _refuse("group_by", "a key column or a list of them, which is not empty", by)
    if len(set(names)) < len(names):
        _refuse("group_by", "a list of distinct columns", by)
    return tuple(names)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _refuse(key: str, rule: str, value: Any) -> None:
    message = f"config: {key} must be {rule}, got {value!r}"
    raise InputError(message)
