"""Models and fits in a chain: the groups of one are the rows of the next, or its results are joined to the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional, Union

import pandas as pd

from gbr_dag.compilation import announced_compilation
from gbr_dag.drivers.chain_frames import chain_frame, result_frames
from gbr_dag.drivers.chain_links import checked_links, checked_on
from gbr_dag.drivers.features import ModelDriver
from gbr_dag.drivers.fit_links import GroupFit
from gbr_dag.drivers.merged_pipeline import MergedPipeline
from gbr_dag.drivers.model_frames import checked_columns
from gbr_dag.drivers.model_links import ModelLink
from gbr_dag.errors import InputError, MissingInputError
from gbr_dag.features.chain import SEPARATOR, Chain, Demand, Link, LinkRun, On
from gbr_dag.features.verification import Verification, check_request
from gbr_dag.frames import column_names
from gbr_dag.graph import Plan
from gbr_dag.graph.execution import Progress, checked_progress

OnArgument = Union[On, Sequence[On]]


class ModelPipeline:
    """Models and fits in a chain.

    A link is a :class:`ModelDriver`, a :class:`GroupFit` or a :class:`WindowFit`. What a link takes is looked for among
    its own features first, then in what the links before it give, and in the frame.

    Parameters
    ----------
    links : sequence of ModelDriver, GroupFit or WindowFit
        In order; where all of them have a ``seq``, in that order.
    on : {"groups", "rows"} or sequence of these, default "groups"
        ``"groups"``: a link's groups, keys and group-level outputs, are the rows of the next one. ``"rows"``: the next
        one works on the same rows, with what the link gives joined to them: row-level outputs as columns, group-level
        ones for every row of the group, missing where the row is in none. A sequence has one value per pair of
        neighbours.
    progress : bool or callable, optional
        Of merged graphs; see :class:`gbr_dag.Driver`. Models have their own.

    Raises
    ------
    InputError
        If an argument breaks its rule: names must be distinct, hold no ``__`` and not end with ``_``.

    Notes
    -----
    A link that takes a column which two of those before it give is refused. It may take ``pp__age``, the output ``age``
    of the link ``pp``: that is always known by this name, too.

    Examples
    --------
    >>> import gbr_dag
    >>> routes = gbr_dag.ModelDriver({"model_name": "routes", "group_by": ["carrier", "dest"]})
    >>> _ = routes.register_attribute("delay", lambda arr_delay: arr_delay.mean())
    >>> carriers = gbr_dag.ModelDriver({"model_name": "carriers", "group_by": "carrier"})
    >>> _ = carriers.register_attribute("worst", lambda delay: delay.max())
    >>> pipeline = gbr_dag.ModelPipeline([routes, carriers])
    >>> flights = gbr_dag.load_flights()
    >>> pipeline.execute(flights, ["carriers__worst"])["output"].round(1).head(2)
      carrier  worst
    0      9E   22.1
    1      AA   18.5
    >>> pipeline.merged(["carriers__worst"]).required_inputs()
    ['carrier', 'dest', 'arr_delay']
    """

    def __init__(
        self, links: Sequence[Union[ModelDriver, GroupFit]], on: OnArgument = "groups", progress: Progress = None
    ) -> None:
        ordered = checked_links(links)
        self._chain = Chain(ordered, checked_on(on, len(ordered)))
        self._progress = checked_progress(progress)
        self._ran: tuple[Link, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the links, in order."""
        return tuple(link.name for link in self._chain.links)

    def execute(self, frame: Any, outputs: Optional[Iterable[str]] = None) -> dict[str, Any]:
        """Run the links one after the other, each as far as the outputs and the later links need.

        Parameters
        ----------
        frame : pandas.DataFrame, polars.DataFrame, polars.LazyFrame or pyarrow.Table (n_rows,)
            The rows; any index, unsorted. Never modified. A lazy frame is collected once.
        outputs : sequence of str, optional
            Names ``link__output``; ``fit__fit_table`` and ``fit__predictions`` stand for all of the one and the other
            of a fit. Default everything of every link.

        Returns
        -------
        dict
            By name of the link what :meth:`ModelDriver.execute` gives: ``"rows"``, the row-level outputs asked for over
            the rows that the link works on; ``"groups"``, and the same as ``"output"``, the keys with the group-level
            ones. None for what was not asked for. Then ``"output"``: the groups of the last link, or its rows where no
            group-level output of it was asked for. Of the kind of ``frame``.

        Raises
        ------
        UnknownNameError
            If an output is unknown.
        MissingInputError, InputError
            As :meth:`validate` does, and what the links raise.
        """
        asked = self._chain.asked(_listed(outputs))
        runs = self._runs(frame, asked)
        found = {place: (run.rows, run.groups) for place, run in runs.items()}
        return result_frames(frame, self._chain, asked, found)

    def _runs(
        self,
        frame: Any,
        asked: Sequence[tuple[int, str]],
        before: Optional[Callable[[Link, pd.DataFrame, Sequence[str]], None]] = None,
    ) -> dict[int, LinkRun]:
        """Run the links that something needs; ``before`` is called with each, its rows and what is wanted of it."""
        demand = self._demand(asked, list(column_names(frame)))
        checked_columns(frame, demand.columns)
        rows = {0: chain_frame(frame, self._chain, demand)}
        runs: dict[int, LinkRun] = {}
        with announced_compilation(self._progress):
            for place, link in enumerate(self._chain.links):
                if not demand.runs(place):
                    continue
                given = _given(self._chain, demand, place, rows[self._chain.start(place)], runs)
                wanted, spread = list(demand.wanted[place]), list(demand.spread[place])
                if before is not None:
                    before(link, given, wanted)
                runs[place] = link.run(given, wanted, spread, keyed=demand.keyed[place])
                if demand.keyed[place]:
                    rows[place + 1] = _as_rows(runs[place].groups)
        self._ran = tuple(self._chain.links[place] for place in runs)
        return runs

    def validate(
        self,
        frame: Any = None,
        columns: Optional[Sequence[str]] = None,
        outputs: Optional[Iterable[str]] = None,
    ) -> None:
        """Refuse a chain that cannot run, with everything that is wrong with it, before anything runs.

        Parameters
        ----------
        frame : pandas.DataFrame, polars.DataFrame, polars.LazyFrame or pyarrow.Table, optional
            What would be given; only the names of its columns are looked at.
        columns : sequence of str, optional
            These names, in place of a frame. Without either, only what the links need of each other is looked at.
        outputs : sequence of str, optional
            As for :meth:`execute`.

        Raises
        ------
        MissingInputError
            If columns are missing: of every link, each with who needs it, what is there and the nearest name; the first
            five, and how many more there are. Told first: that ``on="rows"`` would find them.
        InputError
            If anything else is wrong with names; missing columns are told, too.
        UnknownNameError
            If an output is unknown.
        """
        if frame is not None and columns is not None:
            message = "validate takes a frame or the names of its columns, got both; give one"
            raise InputError(message)
        known = list(column_names(frame)) if frame is not None else columns
        self._demand(self._chain.asked(_listed(outputs)), None if known is None else list(known))

    def required_inputs(self, outputs: Optional[Iterable[str]] = None) -> list[str]:
        """Columns of the frame that a choice of outputs needs.

        Parameters
        ----------
        outputs : sequence of str, optional
            As for :meth:`execute`.

        Returns
        -------
        list of str
        """
        return list(self._demand(self._chain.asked(_listed(outputs)), None).columns)

    def merged(self, outputs: Optional[Iterable[str]] = None) -> MergedPipeline:
        """Make one graph of all links, which runs what the outputs need and nothing else.

        Parameters
        ----------
        outputs : sequence of str, optional
            As for :meth:`execute`.

        Returns
        -------
        MergedPipeline
            Its ``execute(frame)`` gives what ``execute(frame, outputs)`` gives here.

        Raises
        ------
        UnknownNameError
            If an output is unknown.
        MissingInputError, InputError
            As :meth:`validate` does.
        """
        asked = self._chain.asked(_listed(outputs))
        self._demand(asked, None)
        return MergedPipeline(self._chain, asked, self._demand, self._progress)

    def plan(self, outputs: Optional[Iterable[str]] = None, frame: Any = None) -> Plan:
        """Say what the merged graph would run: the nodes in order, why, and what is missing.

        Parameters
        ----------
        outputs : sequence of str, optional
            As for :meth:`execute`.
        frame : pandas.DataFrame, polars.DataFrame, polars.LazyFrame or pyarrow.Table, optional
            As for :meth:`execute`; its columns are looked for, and their sizes told.

        Returns
        -------
        Plan
            That of :meth:`merged`.
        """
        return self.merged(outputs).plan(frame)

    def draw(self, outputs: Optional[Iterable[str]] = None, path: Optional[Union[str, Path]] = None) -> str:
        """Draw the merged graph behind some outputs.

        Parameters
        ----------
        outputs : sequence of str, optional
            As for :meth:`execute`.
        path : str or Path, optional
            ``.svg``, ``.png``, ``.dot`` or ``.mmd`` file to write.

        Returns
        -------
        str
            The path, or the mermaid text; see :meth:`gbr_dag.Driver.draw`.
        """
        return self.merged(outputs).draw(path)

    def verify(
        self,
        frame: Any,
        sample: int = 50,
        outputs: Optional[Iterable[str]] = None,
        *,
        seed: int = 0,
        tolerance: float = 1e-9,
    ) -> dict[str, Verification]:
        """Verify every model on the rows that it gets in the chain.

        Parameters
        ----------
        frame : pandas.DataFrame, polars.DataFrame, polars.LazyFrame or pyarrow.Table (n_rows,)
            As for :meth:`execute`.
        sample : int, default 50
            As for :meth:`ModelDriver.verify`, of every model.
        outputs : sequence of str, optional
            As for :meth:`execute`.
        seed, tolerance
            As for :meth:`ModelDriver.verify`.

        Returns
        -------
        dict of str to Verification
            By name of the model, in order. Fits are run and left out: they have no literal form to compare with. Models
            that need not run are left out, too.

        Raises
        ------
        MissingInputError, InputError
            As :meth:`execute` and :meth:`ModelDriver.verify`.
        """
        check_request(sample, seed, tolerance)
        found: dict[str, Verification] = {}

        def verify(link: Link, rows: pd.DataFrame, wanted: Sequence[str]) -> None:
            if isinstance(link, ModelLink) and wanted:
                found[link.name] = link.verify(rows, wanted, sample=sample, seed=seed, tolerance=tolerance)

        self._runs(frame, self._chain.asked(_listed(outputs)), verify)
        return found

    def report(self) -> pd.DataFrame:
        """Give the steps of the last run, link after link.

        Returns
        -------
        pandas.DataFrame (n_steps,)
            ``link``, then as :meth:`gbr_dag.Driver.report`.
        """
        steps = [link.report().assign(link=link.name) for link in self._ran]
        columns = ["link", "node", "state", "seconds", "bytes"]
        return pd.concat(steps, ignore_index=True)[columns] if steps else pd.DataFrame(columns=columns)

    def list_outputs(self) -> pd.DataFrame:
        """List everything that can be asked for.

        Returns
        -------
        pandas.DataFrame (n_outputs,)
            ``name`` (``link__output``), ``link`` and ``level``.
        """
        records = [
            {"name": f"{link.name}{SEPARATOR}{name}", "link": link.name, "level": level}
            for link in self._chain.links
            for level in ("row", "group")
            for name in link.outputs(level)
        ]
        return pd.DataFrame(records, columns=["name", "link", "level"])

    def __repr__(self) -> str:
        """Give the links and how they are joined."""
        text = self.names[0]
        for name, on in zip(self.names[1:], self._chain.on):
            text += f" -> {on} -> {name}"
        return f"<ModelPipeline {text}>"

    def _demand(self, asked: Sequence[tuple[int, str]], columns: Optional[Sequence[Any]]) -> Demand:
        """What runs, if nothing is wrong."""
        demand = self._chain.demand(asked, columns)
        wrong = self._chain.wrong(demand)
        if wrong:
            raise InputError(wrong) if demand.problems else MissingInputError(wrong)
        return demand


def _given(chain: Chain, demand: Demand, place: int, rows: pd.DataFrame, runs: Mapping[int, LinkRun]) -> pd.DataFrame:
    """The frame that a link runs on: what it takes, by the names by which it does."""
    columns: dict[str, Any] = {}
    row_columns = {link: run.rows for link, run in runs.items() if run.rows is not None}
    for requirement in chain.links[place].requirements(list(demand.wanted[place])):
        name, source = requirement.column, demand.taken[place].get(requirement.column)
        if source is None:
            if name in rows.columns and chain.start(place) == 0:
                columns[name] = rows[name]
        elif source.link < chain.start(place):
            columns[name] = rows[source.name]
        elif source.level == "group":
            columns[name] = runs[source.link].spread[source.name]
        else:
            columns[name] = row_columns[source.link][source.name]
    frame = pd.DataFrame(columns, index=rows.index, copy=False)
    frame.attrs = dict(rows.attrs)
    return frame


def _as_rows(groups: Optional[pd.DataFrame]) -> pd.DataFrame:
    """Groups of one link as the rows of the next: a plain index, and nothing of how they came to be."""
    columns = {} if groups is None else {name: groups[name].array for name in groups}
    frame = pd.DataFrame(columns, copy=False)
    frame.attrs = {}
    return frame


def _listed(outputs: Optional[Iterable[str]]) -> Any:
    return outputs if outputs is None or isinstance(outputs, str) else list(outputs)
