"""Warnings that point to the line of the caller, whatever lies between."""

from __future__ import annotations

import sys
import warnings
from types import FrameType
from typing import Optional


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn at the first frame outside of the package: the line that the reader knows.

    From Python 3.12 on ``skip_file_prefixes`` would do; how many frames there are depends on what runs the node.
    """
    level = 1
    frame: Optional[FrameType] = sys._getframe()
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "gbr_dag":
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
