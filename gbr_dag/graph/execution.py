"""One run of a graph: the nodes' calls, times, sizes and progress."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional, Union

from gbr_dag.errors import InputError
from gbr_dag.graph.progress import ProgressBar, wants_bar
from gbr_dag.graph.sizes import measured_bytes

if TYPE_CHECKING:
    import pandas as pd

    from gbr_dag.graph.request import Request
    from gbr_dag.graph.structure import Graph

Progress = Union[bool, Callable[[str, int, int], None], None]


def checked_progress(progress: Progress) -> Progress:
    """What shows the progress of runs; anything else is refused."""
    if not (progress is None or isinstance(progress, bool) or callable(progress)):
        message = f"progress must be None, True, False or a function (node, done, total), got {progress!r}"
        raise InputError(message)
    return progress


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
    callables : mapping of str to callable
        Functions of the nodes.
    request : Request
        What runs.
    progress : bool, callable or None
        See :class:`gbr_dag.graph.Driver`.
    sized : bool
        Whether the steps tell the bytes of their values.
    """

    def __init__(
        self,
        graph: Graph,
        callables: Mapping[str, Callable[..., Any]],
        request: Request,
        progress: Progress,
        *,
        sized: bool,
    ) -> None:
        self._graph, self._callables, self._request = graph, callables, request
        self._sized = sized
        self._total = len(request.order)
        self._done = 0
        self._bar: Optional[ProgressBar] = None
        self._tell: Optional[Callable[[str, int, int], None]] = None
        if callable(progress):
            self._tell = progress
        elif wants_bar(progress):
            self._bar = ProgressBar(self._total, at_once=progress is True)
            self._tell = self._bar.show
        self.steps: list[Step] = []

    def values(self, inputs: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
        """Run the nodes in order and give the outputs; a value is let go as soon as nothing needs it any more."""
        graph, request = self._graph, self._request
        values = {**graph.config, **{name: inputs[name] for name in request.inputs}}
        for name in request.kept:
            values[name] = overrides[name]
            self.steps.append(Step(name, "kept", 0.0, self._bytes(overrides[name])))
        uses = Counter(need.name for name in request.order for need in graph.nodes[name].needs)
        uses.update(request.outputs)
        for name in request.order:
            needs = graph.nodes[name].needs
            values[name] = self._run_node(name, {need.name: values[need.name] for need in needs if need.name in values})
            for need in needs:
                uses[need.name] -= 1
                if not uses[need.name]:
                    values.pop(need.name, None)
        return {name: values[name] for name in request.outputs}

    def close(self) -> None:
        """Take the progress bar away."""
        if self._bar is not None:
            self._bar.close()

    def _run_node(self, name: str, arguments: Mapping[str, Any]) -> Any:
        """Call the function of a node, and write down how it went."""
        self._report_progress(name)
        start = time.perf_counter()
        try:
            value = self._callables[name](**arguments)
        except BaseException as error:
            self.steps.append(Step(name, "failed", time.perf_counter() - start, None))
            if isinstance(error, Exception):
                # as add_note does, which Python has from 3.11 on
                error.__dict__.setdefault("__notes__", []).append(f"in node {name!r} ({self._graph.nodes[name].place})")
            raise
        seconds = time.perf_counter() - start
        self.steps.append(Step(name, "ran", seconds, self._bytes(value)))
        self._done += 1
        self._report_progress(name)
        return value

    def _bytes(self, value: Any) -> Optional[int]:
        return measured_bytes(value) if self._sized else None

    def _report_progress(self, name: str) -> None:
        if self._tell is not None:
            self._tell(name, self._done, self._total)


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
