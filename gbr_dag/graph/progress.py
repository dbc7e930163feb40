"""A progress bar for runs on a terminal."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Optional

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_PATIENCE_SECONDS = 0.5
"""Shorter runs show no bar: it would only flicker."""


def wants_bar(progress: Any) -> bool:
    """Whether a bar is asked for: by True, or by None on a terminal."""
    return progress is True or (progress is None and sys.stderr is not None and sys.stderr.isatty())


class ProgressBar:
    """A bar on stderr that comes when a run takes long and leaves no trace.

    Parameters
    ----------
    total : int
        Number of nodes.
    at_once : bool
        Whether the bar comes even when stderr is no terminal.
    """

    def __init__(self, total: int, *, at_once: bool) -> None:
        self._total = total
        self._at_once = at_once
        self._start = time.monotonic()
        self._bar: Optional[Progress] = None
        self._task: Optional[TaskID] = None

    def show(self, node: str, done: int, total: int) -> None:
        """Show how far a run is; called between nodes."""
        if self._bar is None:
            if done == total or time.monotonic() - self._start < _PATIENCE_SECONDS:
                return
            self._open(total)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, description=node)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _open(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        console = Console(stderr=True, force_terminal=True if self._at_once else None)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bar = Progress(*columns, console=console, transient=True)
        self._task = self._bar.add_task("", total=total)
        self._bar.start()
