"""The argument ``binning``, checked: which keys are made of which columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gbr_dag.bin_columns import Bins, checked_bins, source_columns
from gbr_dag.errors import InputError
from gbr_dag.frames import column_names
from gbr_dag.graph.checks import unknown


def checked_binning(binning: Any, keys: Sequence[str]) -> dict[str, Bins]:
    """Rules of the bins by name; None is none.

    Raises
    ------
    InputError
        If it is no dict, names what is no key, or a rule cannot be read.
    """
    if binning is None:
        return {}
    if not isinstance(binning, Mapping):
        message = f"binning must be a dict of rules by name, such as {{{keys[0]!r}: 'x // 2'}}, got {binning!r}"
        raise InputError(message)
    for name in binning:
        if name not in keys:
            raise InputError(unknown("binning", name, keys, f"keys: {', '.join(keys)}"))
    return {name: checked_bins(name, described) for name, described in binning.items()}


def binning_sources(frame: Any, binning: Mapping[str, Bins]) -> dict[str, tuple[str, ...]]:
    """Columns of the caller's frame that each key is made of.

    Raises
    ------
    InputError
        If the frame has a column of the key's name already, or an expression names what it lacks.
    """
    known = list(column_names(frame))
    sources = {}
    for name, bins in binning.items():
        if name in known:
            message = f"binning: the frame has a column {name!r} already; leave its rule out, or rename the bins"
            raise InputError(message)
        sources[name] = source_columns(bins, known)
    return sources
