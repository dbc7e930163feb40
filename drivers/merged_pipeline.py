"""A chain of models and fits as one graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Optional, Union

import pandas as pd

from gbr_dag.compilation import announced_compilation
from gbr_dag.drivers.chain_frames import Frames, chain_frame, result_frames
from gbr_dag.drivers.feature_groups import grouping_of
from gbr_dag.drivers.model_frames import checked_columns
from gbr_dag.features.chain import SEPARATOR, Chain, Demand
from gbr_dag.features.levels import Level
from gbr_dag.features.merging import ROWS, FrameRows, column_values, merged_graph, raw
from gbr_dag.frames import column_names
from gbr_dag.graph import Driver, Plan
from gbr_dag.graph.execution import Progress

Demanded = Callable[[Sequence[tuple[int, str]], Optional[Sequence[Any]]], Demand]


class MergedPipeline:
    """A chain as one graph with nodes ``link__output``; made by :meth:`gbr_dag.ModelPipeline.merged`.

    Parameters
    ----------
    chain : object
        The links, as the pipeline holds them.
    asked : sequence of (int, str)
        Outputs, each with the place of its link.
    demand : callable
        Tells what runs, and refuses what cannot.
    progress : bool or callable, optional
        See :class:`gbr_dag.Driver`.

    Examples
    --------
    >>> import gbr_dag
    >>> model = gbr_dag.ModelDriver({"model_name": "routes", "group_by": "dest"})
    >>> _ = model.register_filter("late", lambda arr_delay: arr_delay > 15)
    >>> _ = model.register_attribute("n_late", lambda late: late.sum())
    >>> merged = gbr_dag.ModelPipeline([model]).merged(["routes__n_late"])
    >>> merged.plan().nodes
    ('routes__late', 'routes__group by dest', 'routes__n_late')
    """

    def __init__(
        self, chain: Chain, asked: Sequence[tuple[int, str]], demand: Demanded, progress: Progress = None
    ) -> None:
        self._chain, self._asked, self._demand = chain, tuple(asked), demand
        self._progress = progress
        merged = merged_graph(chain, grouping_of)
        self._driver = Driver.of_graph(merged.graph, merged.callables, progress)
        self._node_of = {(place, name): self._node(place, name) for place, name in asked}
        grouped = [place for place, name in asked if name in chain.links[place].outputs("group")]
        self._keys = {place: merged.keys[place] for place in dict.fromkeys(grouped)}

    def _node(self, place: int, name: str) -> str:
        """Node of an output: where all of a level of a fit is asked for, that of its table."""
        link = self._chain.links[place]
        level: Level = "group" if name in link.outputs("group") else "row"
        whole, asked = link.whole(level), {output for at, output in self._asked if at == place}
        return f"{link.name}{SEPARATOR}{whole if whole and asked.issuperset(link.outputs(level)) else name}"

    @property
    def outputs(self) -> tuple[str, ...]:
        """What is asked for, as names of nodes."""
        return tuple(dict.fromkeys(self._node_of.values()))

    def execute(self, frame: Any) -> dict[str, Any]:
        """Run what the outputs need, across all links.

        Parameters
        ----------
        frame : pandas.DataFrame, polars.DataFrame, polars.LazyFrame or pyarrow.Table (n_rows,)
            As for :meth:`gbr_dag.ModelPipeline.execute`.

        Returns
        -------
        dict
            As from :meth:`gbr_dag.ModelPipeline.execute` of the outputs.

        Raises
        ------
        MissingInputError, InputError
            As :meth:`gbr_dag.ModelPipeline.validate` does, and what the functions raise.
        """
        inputs, index_of_frame = self._inputs(frame)
        with announced_compilation(self._progress):
            values = self._driver.execute(dict.fromkeys([*self.outputs, *self._keys.values()]), inputs)
        found: dict[int, Frames] = {}
        for place in dict.fromkeys(place for place, _ in self._asked):
            index = index_of_frame if self._chain.start(place) == 0 else None
            found[place] = self._frames(place, values, index)
        return result_frames(frame, self._chain, self._asked, found)

    def _inputs(self, frame: Any) -> tuple[dict[str, Any], pd.Index]:
        """Inputs of the graph, and the index of the rows."""
        demand = self._demand(self._asked, list(column_names(frame)))
        checked_columns(frame, demand.columns)
        working = chain_frame(frame, self._chain, demand)
        columns = {name: column_values(working[name]) for name in demand.columns}
        return {ROWS: FrameRows(working.index, working.attrs, columns), **columns}, working.index

    def _frames(self, place: int, values: dict[str, Any], index: Optional[pd.Index]) -> Frames:
        """Rows and groups of a link."""
        link = self._chain.links[place]
        columns = {name: _column(values[node], name) for (at, name), node in self._node_of.items() if at == place}
        names = [name for name in columns if name in link.outputs("row")]
        rows = pd.DataFrame({name: columns[name] for name in names}, index=index, copy=False) if names else None
        if place not in self._keys:
            return rows, None
        source = values[self._keys[place]]
        keys = link.keys_of(source)
        groups = keys.assign(**{name: column for name, column in columns.items() if name not in names})
        groups.attrs = dict(source.attrs) if isinstance(source, pd.DataFrame) else keys.attrs
        return rows, groups

    def required_inputs(self) -> list[str]:
        """Columns of the frame that the outputs need.

        Returns
        -------
        list of str
        """
        return list(self._demand(self._asked, None).columns)

    def plan(self, frame: Any = None) -> Plan:
        """Say what :meth:`execute` runs: the nodes in order, why, and what is missing.

        Parameters
        ----------
        frame : pandas.DataFrame, polars.DataFrame, polars.LazyFrame or pyarrow.Table, optional
            As for :meth:`execute`; its columns are looked for, and their sizes told.

        Returns
        -------
        Plan
        """
        return self._driver.plan(self.outputs, None if frame is None else self._inputs(frame)[0])

    def why(self, name: str) -> str:
        """Say why a node runs, or why it does not; see :meth:`gbr_dag.Driver.why`.

        Parameters
        ----------
        name : str
            A node, ``link__output``, or a column.

        Returns
        -------
        str
        """
        return self._driver.why(name, self.outputs)

    def report(self) -> pd.DataFrame:
        """Give the steps of the last run with their seconds; see :meth:`gbr_dag.Driver.report`.

        Returns
        -------
        pandas.DataFrame (n_steps,)
        """
        return self._driver.report()

    def draw(self, path: Optional[Union[str, Path]] = None) -> str:
        """Draw what :meth:`execute` runs; see :meth:`gbr_dag.Driver.draw`.

        Parameters
        ----------
        path : str or Path, optional
            File to write.

        Returns
        -------
        str
            The path as a string, or the mermaid text when there is no path.
        """
        return self._driver.draw(self.outputs, path)

    def __repr__(self) -> str:
        """Give the links and the number of nodes that run."""
        links = ", ".join(link.name for link in self._chain.links)
        return f"<MergedPipeline of {links}: {len(self.plan().nodes)} nodes run>"


def _column(value: Any, name: str) -> Any:
    """Values of an output, from its node or from a table that holds it."""
    return raw(value[name] if isinstance(value, pd.DataFrame) else value)
