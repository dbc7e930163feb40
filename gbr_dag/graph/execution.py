"""One run of a graph: the nodes' calls, times, sizes and progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional, Union

from gbr_dag.graph.progress import ProgressBar, wants_bar
from gbr_dag.graph.sizes import measured_bytes

if TYPE_CHECKING:
    import pandas as pd

    from gbr_dag.graph.request import Request
    from gbr_dag.graph.structure import Graph

Progress = Union[bool, Callable[[str, int, int], None], None]


class NodeFailure(BaseException):
    """Carries an exception past Hamilton, which logs the inputs of the failing node if it sees an ``Exception``."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


@dataclass(frozen=True)
class Step:
    """What a run did about one node: ``state`` is ``ran``, ``kept`` or ``failed``."""

    node: str
    state: str
    seconds: float
    bytes: Optional[int]


class Run:
    """The calls of one request.

    Parameters
    ----------
    graph : Graph
    request : Request
        What runs.
    overrides : mapping
        Values of the nodes that are kept.
    progress : bool, callable or None
        See :class:`gbr_dag.graph.Driver`.
    """

    def __init__(self, graph: Graph, request: Request, overrides: Mapping[str, Any], progress: Progress) -> None:
        self._graph = graph
        self._total = len(request.order)
        self._done = 0
        self._bar: Optional[ProgressBar] = None
        self._tell: Optional[Callable[[str, int, int], None]] = None
        if callable(progress):
            self._tell = progress
        elif wants_bar(progress):
            self._bar = ProgressBar(self._total, at_once=progress is True)
            self._tell = self._bar.show
        self.steps = [Step(name, "kept", 0.0, measured_bytes(overrides[name])) for name in request.kept]

    def run_node(self, name: str, function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
        """Call the function of a node, and write down how it went."""
        self._report_progress(name)
        start = time.perf_counter()
        try:
            value = function(**arguments)
        except BaseException as error:
            self.steps.append(Step(name, "failed", time.perf_counter() - start, None))
            if isinstance(error, Exception):
                self._add_note(error, name)
                raise NodeFailure(_from_node(error)) from error
            raise
        seconds = time.perf_counter() - start
        self.steps.append(Step(name, "ran", seconds, measured_bytes(value)))
        self._done += 1
        self._report_progress(name)
        return value

    def close(self) -> None:
        """Take the progress bar away."""
        if self._bar is not None:
            self._bar.close()

    def _report_progress(self, name: str) -> None:
        if self._tell is None:
            return
        try:
            self._tell(name, self._done, self._total)
        except BaseException as error:
            if isinstance(error, Exception):
                raise NodeFailure(_from_node(error)) from error
            raise

    def _add_note(self, error: Exception, name: str) -> None:
        if hasattr(error, "add_note"):
            error.add_note(f"in node {name!r} ({self._graph.nodes[name].place})")


def _from_node(error: Exception) -> Exception:
    """Cut our own frame off the traceback, so that it leads from the driver into the node."""
    frames = error.__traceback__
    return error if frames is None or frames.tb_next is None else error.with_traceback(frames.tb_next)


def report_frame(run: Optional[Run]) -> pd.DataFrame:
    """Give the steps of a run as a frame, with the same columns and dtypes when there was none."""
    import pandas as pd

    steps = [] if run is None else run.steps
    return pd.DataFrame(
        {
            "node": pd.Series([step.node for step in steps], dtype=str),
            "state": pd.Series([step.state for step in steps], dtype=str),
            "seconds": pd.Series([step.seconds for step in steps], dtype="float64"),
            "bytes": pd.Series([step.bytes for step in steps], dtype="Int64"),
        }
    )
