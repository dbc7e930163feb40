"""The driver: a graph of functions that is asked for outputs by name."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Optional, Union

from gbr_dag.errors import MissingExtraError
from gbr_dag.graph.annotations import annotation_text
from gbr_dag.graph.build import build_graph, checked_modules
from gbr_dag.graph.checks import check_complete, check_types
from gbr_dag.graph.execution import Progress, Run, checked_progress, report_frame
from gbr_dag.graph.plan import Plan, demand, made_plan
from gbr_dag.graph.request import Request, resolved_request

if TYPE_CHECKING:
    import pandas as pd

    from gbr_dag.graph.structure import Graph


class Driver:
    """A graph of plain functions that is asked for outputs by name.

    A function's name is what it yields, its argument names are what it needs; both are annotated with types.
    Functions whose names start with an underscore are no nodes. A node that can be made in several ways has one
    function a way, named ``node__way`` and decorated with Hamilton's ``@config.when(key=value)``.

    Parameters
    ----------
    modules : sequence of modules
        Modules with functions; generated ones too, which are put into ``sys.modules`` if they are not there.
    config : mapping of str to object, optional
        Picks the functions of swappable nodes: ``{"engine": "numba"}``. A function may take a key as an argument.
    replace : sequence of str
        Nodes for which the function of a later module wins over that of an earlier one. Any other name that is
        there twice is refused.
    progress : bool or callable, optional
        None shows a bar on a terminal once a run takes half a second, True does so whatever stderr is, False shows
        nothing. A callable is called as ``progress(node, done, total)`` twice for each of the ``total`` nodes that
        run: right before, with the number of nodes ``done`` so far, and right after, with one more. What it raises
        ends the run.

    Raises
    ------
    UnknownNameError
        If a config key or value is unknown, values have no function together, or a name in ``replace`` replaces
        nothing.
    DuplicateNameError
        If two functions yield the same name.
    CycleError
        If functions need each other in a circle.
    GraphError
        If a function lacks annotations, types of nodes contradict each other or a config key is missing.

    Examples
    --------
    >>> from types import ModuleType
    >>> from gbr_dag.graph import Driver
    >>> circle = ModuleType("circle")
    >>> exec("def area(radius: float) -> float: return 3.14 * radius**2", circle.__dict__)
    >>> Driver([circle]).execute(["area"], inputs={"radius": 2})
    {'area': 12.56}
    """

    def __init__(
        self,
        modules: Sequence[ModuleType],
        config: Optional[Mapping[str, Any]] = None,
        *,
        replace: Sequence[str] = (),
        progress: Progress = None,
    ) -> None:
        self._modules = checked_modules(modules)
        self._progress = checked_progress(progress)
        self._graph, self._callables = build_graph(self._modules, dict(config or {}), replace)
        self._last_run: Optional[Run] = None
        self._reports = True  # False where nobody can ask for a report: measuring values takes a fifth of a small fit

    @classmethod
    def of_graph(cls, graph: Graph, callables: Mapping[str, Callable[..., Any]], progress: Progress = None) -> Driver:
        """Make a driver of a graph that was built by other means than from modules.

        Parameters
        ----------
        graph : Graph
            Its nodes may have any names.
        callables : mapping of str to callable
            What each node calls, with what it needs by name.
        progress : bool or callable, optional
            As above.
        """
        driver = cls.__new__(cls)
        driver._modules = ()
        driver._progress = checked_progress(progress)
        driver._graph, driver._callables = graph, dict(callables)
        driver._last_run = None
        driver._reports = True
        return driver

    def execute(
        self,
        outputs: Iterable[str],
        inputs: Optional[Mapping[str, Any]] = None,
        overrides: Optional[Mapping[str, Any]] = None,
    ) -> dict[str, Any]:
        """Run what the outputs need, and nothing else.

        Parameters
        ----------
        outputs : sequence of str
            Names of nodes.
        inputs : mapping of str to object, optional
            Values of the inputs; those that the outputs do not need are not looked at.
        overrides : mapping of str to object, optional
            Values that stand in for nodes: these do not run, nor does what only they need.

        Returns
        -------
        dict of str to object
            The values by name, in the order asked for.

        Raises
        ------
        UnknownNameError
            If the graph does not know a name.
        MissingInputError
            If inputs are missing: all of them at once.
        InputError
            If an argument is of the wrong kind or an input does not fit the annotations of the nodes that take it.

        Notes
        -----
        Everything wrong with the request is refused before anything runs. What a node raises comes through as it is,
        with a note (``__notes__``, printed from Python 3.11 on) that names the node.
        """
        request = resolved_request(self._graph, outputs, inputs, overrides)
        check_complete(self._graph, request)
        check_types(self._graph, request, inputs or {})
        values = self._run(request, inputs or {}, overrides or {})
        return {name: values[name] for name in request.outputs}

    def _run(self, request: Request, inputs: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
        run = Run(self._graph, self._callables, request, self._progress, sized=self._reports)
        self._last_run = run
        try:
            return run.values(inputs, overrides)
        finally:
            run.close()

    def plan(
        self,
        outputs: Iterable[str],
        inputs: Optional[Mapping[str, Any]] = None,
        overrides: Optional[Mapping[str, Any]] = None,
    ) -> Plan:
        """Say what :meth:`execute` would run: the nodes in order, why, what is missing, and bytes where known.

        Missing inputs are listed, unknown names are refused.

        Parameters
        ----------
        outputs, inputs, overrides
            As in :meth:`execute`.

        Returns
        -------
        Plan
        """
        return made_plan(self._graph, outputs, inputs, overrides)

    def why(self, node: str, outputs: Optional[Iterable[str]] = None) -> str:
        """Say why a node runs.

        Parameters
        ----------
        node : str
            A node or an input.
        outputs : sequence of str, optional
            Outputs that would be asked for; without them, all nodes that depend on it are named.

        Returns
        -------
        str
        """
        return demand(self._graph, node) if outputs is None else self.plan(outputs).why(node)

    def report(self) -> pd.DataFrame:
        """Give the steps of the last run, in order.

        Returns
        -------
        pandas.DataFrame (n_steps,)
            ``node``; ``state``: ``kept`` for overrides, which come first, ``ran`` or ``failed``; ``seconds``;
            ``bytes``, missing where a value holds no arrays. Empty before any run.
        """
        return report_frame(self._last_run)

    def list_outputs(self) -> pd.DataFrame:
        """List everything that can be asked for.

        Returns
        -------
        pandas.DataFrame (n_nodes,)
            ``name``, ``type``, ``stage`` (the module) and ``description`` (first line of the docstring), in the order
            of the modules and their lines.
        """
        import pandas as pd

        nodes = list(self._graph.nodes.values())
        columns = {
            "name": [node.name for node in nodes],
            "type": [annotation_text(node.type) for node in nodes],
            "stage": [node.stage for node in nodes],
            "description": [node.description for node in nodes],
        }
        return pd.DataFrame({name: pd.Series(values, dtype=str) for name, values in columns.items()})

    def draw(
        self,
        outputs: Optional[Iterable[str]] = None,
        path: Optional[Union[str, Path]] = None,
        inputs: Optional[Mapping[str, Any]] = None,
        overrides: Optional[Mapping[str, Any]] = None,
    ) -> str:
        """Draw the graph, or the part of it that some outputs need.

        Parameters
        ----------
        outputs : sequence of str, optional
            What would be asked for; without it the whole graph is drawn.
        path : str or Path, optional
            File to write: ``.svg`` and ``.png`` (these need matplotlib, the extra ``draw``), ``.dot`` for Graphviz,
            ``.mmd`` for mermaid. It is written whole or not at all.
        inputs, overrides : mapping of str to object, optional
            As in :meth:`execute`; overrides are drawn as kept, optional inputs only when given.

        Returns
        -------
        str
            The path as a string, or the mermaid text when there is no path.

        Raises
        ------
        InputError
            If the suffix of the path is not one of these.
        MissingExtraError
            If matplotlib is needed and not there.
        """
        from gbr_dag.graph.draw import drawn, sketch

        names = list(self._graph.nodes) if outputs is None else outputs
        picture = sketch(self._graph, self.plan(names, inputs, overrides), asked=outputs is not None)
        return drawn(picture, path)

    def __repr__(self) -> str:
        """Give the config and the size of the graph."""
        stages = dict.fromkeys(node.stage for node in self._graph.nodes.values())
        settings = "".join(f", {key}={value!r}" for key, value in self._graph.config.items())
        counts = f"{len(self._graph.nodes)} nodes of {', '.join(stages)}; {len(self._graph.inputs)} inputs"
        return f"<{type(self).__name__}{settings[1:]}: {counts}>"

    def _repr_html_(self) -> str:
        from gbr_dag.graph.draw import sketch, svg_text

        plan = made_plan(self._graph, list(self._graph.nodes), None, None)
        picture = sketch(self._graph, plan, asked=False)
        try:
            shown = svg_text(picture)
        except MissingExtraError:
            shown = f"<pre>{html.escape(picture.mermaid())}</pre>"
        return f"<div>{html.escape(repr(self))}<br>{shown}</div>"
