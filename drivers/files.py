"""Frames in and out of files, the format told by the suffix."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from gbr_dag.errors import InputError

_FORMATS: dict[str, tuple[Callable[[Path], pd.DataFrame], Callable[[pd.DataFrame, Path], Any]]] = {
    ".parquet": (pd.read_parquet, lambda frame, path: frame.to_parquet(path, index=False)),
    ".feather": (pd.read_feather, lambda frame, path: frame.to_feather(path)),
    ".csv": (pd.read_csv, lambda frame, path: frame.to_csv(path, index=False)),
}


def check_suffix(path: Path) -> None:
    """Refuse a file whose suffix names no known format."""
    if path.suffix.lower() not in _FORMATS:
        message = f"{path}: the suffix must be one of {', '.join(_FORMATS)}, got {path.suffix!r}"
        raise InputError(message)


def read_frame(path: Path) -> pd.DataFrame:
    """Frame of a Parquet, Feather or CSV file.

    Raises
    ------
    InputError
        If the suffix is unknown or the file is not what its suffix says.
    """
    check_suffix(path)
    try:
        return _FORMATS[path.suffix.lower()][0](path)
    except ValueError as error:  # pyarrow and pandas derive their complaints about content from it
        message = f"{path} cannot be read as {path.suffix[1:]}: {str(error).splitlines()[0]}"
        raise InputError(message) from error


def write_frame(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame as the suffix says, first under a temporary name, so that no half-written file is ever seen."""
    check_suffix(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}-{os.getpid()}{path.suffix}")
    try:
        _FORMATS[path.suffix.lower()][1](frame, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
