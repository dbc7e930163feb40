"""What every link of a chain needs of the links before it, and where it comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Optional, Protocol

from gbr_dag.errors import InputError, UnknownNameError
from gbr_dag.features.levels import Level
from gbr_dag.graph.checks import listed, suggestion, unknown

if TYPE_CHECKING:
    import pandas as pd

    from gbr_dag.features.grouping import Grouping
    from gbr_dag.features.model import Place
    from gbr_dag.graph.structure import Node

SEPARATOR = "__"
"""Between a link's name and that of what it yields."""

On = Literal["groups", "rows"]
"""What the next link works on: the groups that a link gives, or the rows that it was given."""

_LONGEST, _MOST_TOLD = 8, 5


@dataclass(frozen=True)
class Requirement:
    """A column that a link takes: its name, who takes it (for messages) and whether that can do without."""

    column: str
    user: str
    optional: bool = False


@dataclass(frozen=True)
class Source:
    """Where a column comes from: place of the link in the chain, the name there, and what it is there."""

    link: int
    name: str
    level: Literal["row", "group", "key"]


@dataclass(frozen=True)
class LinkRun:
    """What one link gave on its own.

    Attributes
    ----------
    rows : pandas.DataFrame (n_rows,) or None
        Row-level outputs.
    groups : pandas.DataFrame (n_groups,) or None
        Keys, then group-level outputs.
    spread : dict of str to array (n_rows,)
        Group-level outputs, for every row.
    """

    rows: Optional[pd.DataFrame]
    groups: Optional[pd.DataFrame]
    spread: Mapping[str, Any]


class KeyedRows(Protocol):
    """The rows that a link works on with its keys, from the values of some nodes; made once a run."""

    @property
    def needs(self) -> Sequence[str]:
        """Nodes whose values it takes."""

    @property
    def keys(self) -> Mapping[str, str]:
        """Keys of the link before, which it knows, by the nodes that would give them."""

    def __call__(self, values: Mapping[str, Any]) -> Grouping:
        """The rows, whose groups are found when something asks for them."""

    def key(self, values: Mapping[str, Any], name: str) -> Any:
        """Values of a key of the link before."""


@dataclass(frozen=True)
class RowNodes:
    """What tells of the rows that a link works on: a node, and the rows with the link's keys."""

    plain: str
    keyed: KeyedRows


class Link(Protocol):
    """What a chain asks of a link."""

    @property
    def name(self) -> str:
        """Name, before those of its outputs."""

    @property
    def seq(self) -> Any:
        """Place in the chain, None where the order given counts."""

    @property
    def by(self) -> tuple[str, ...]:
        """Columns that its groups have as keys."""

    def outputs(self, level: Optional[Level] = None) -> tuple[str, ...]:
        """Names of what it yields, of one level or of both."""

    def expanded(self, output: str) -> tuple[str, ...]:
        """Outputs that a name stands for; none for an unknown one."""

    def requirements(self, wanted: Sequence[str]) -> list[Requirement]:
        """Columns that outputs need, the keys first."""

    def clashes(self, wanted: Sequence[str], columns: Sequence[Any]) -> list[str]:
        """What is wrong with the names of a frame's columns for what runs."""

    def hint(self, output: str) -> str:
        """Way to an output that it does not yield but could."""

    def run(self, frame: pd.DataFrame, wanted: Sequence[str], spread: Sequence[str], *, keyed: bool) -> LinkRun:
        """Give outputs, some of group level for every row too, and the keys even if no output is of group level."""

    def report(self) -> pd.DataFrame:
        """Steps of the last run."""

    def keys_node(self, place: Place) -> str:
        """Node that the keys are taken from."""

    def rows_node(self, place: Place) -> str:
        """Node that tells of the groups as rows of the next link."""

    def whole(self, level: Level) -> Optional[str]:
        """Output that holds all of a level, where there is one."""

    def keys_of(self, value: Any) -> pd.DataFrame:
        """Keys (n_groups,) from that node's value."""

    def compared(self) -> tuple[str, ...]:
        """Columns that stand in an expression, where a null is not NaN."""

    def nodes(self, place: Place, rows: RowNodes) -> list[tuple[Node, Callable[..., Any]]]:
        """Nodes of a graph."""

    def spread_node(self, place: Place, output: str) -> tuple[Node, Callable[..., Any]]:
        """Node of a group-level output for every row."""


@dataclass
class Demand:
    """What a request comes to.

    Attributes
    ----------
    wanted : list of dict
        Outputs of every link that run, in order; the values are None.
    keyed : list of bool
        Links whose groups are rows of the next.
    spread : list of dict
        Group-level outputs of every link that later ones take for every row.
    taken : list of dict
        Source of every column that a link takes from others, by the column's name there.
    columns : dict
        Columns of the frame that are taken.
    missing, problems : list of str
        What is wrong: columns that are not there, and anything else.
    of_rows : dict
        Columns that are not there because a link works on groups, and would be on the rows.
    """

    wanted: list[dict[str, None]]
    keyed: list[bool]
    spread: list[dict[str, None]]
    taken: list[dict[str, Source]]
    columns: dict[str, None] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    of_rows: dict[str, None] = field(default_factory=dict)

    def runs(self, place: int) -> bool:
        """Whether a link does anything."""
        return bool(self.wanted[place]) or self.keyed[place]


class Chain:
    """Links in order, and what each hands on to the next.

    Parameters
    ----------
    links : sequence of Link
        With distinct names.
    on : sequence of {"groups", "rows"}, one fewer than links
        What each link but the first works on.
    """

    def __init__(self, links: Sequence[Link], on: Sequence[On]) -> None:
        self.links, self.on = tuple(links), tuple(on)

    def start(self, place: int) -> int:
        """The first link that works on the same rows."""
        while place > 0 and self.on[place - 1] == "rows":
            place -= 1
        return place

    def sources(self, place: int, column: str) -> list[Source]:
        """Where a link may take a column from, besides the frame."""
        start = self.start(place)
        found = []
        if start > 0:
            before = start - 1
            levels: tuple[Level, ...] = ("group",)
            found += self._named(before, column, levels)
            if column in self._names(before, self.links[before].by, column):
                found.append(Source(before, self._plain(before, column), "key"))
        for earlier in range(start, place):
            found += self._named(earlier, column, ("row", "group"))
        return found

    def _named(self, place: int, column: str, levels: Sequence[Level]) -> list[Source]:
        return [
            Source(place, self._plain(place, column), level)
            for level in levels
            if column in self._names(place, self.links[place].outputs(level), column)
        ]

    def _names(self, place: int, outputs: Sequence[str], column: str) -> Sequence[str]:
        """Outputs as a later link may call them: by their names, or with the link's before them."""
        prefix = f"{self.links[place].name}{SEPARATOR}"
        return [f"{prefix}{name}" for name in outputs] if column.startswith(prefix) else outputs

    def _plain(self, place: int, column: str) -> str:
        return column.removeprefix(f"{self.links[place].name}{SEPARATOR}")

    def offered(self, place: int) -> list[str]:
        """Columns that a link may take from others."""
        start = self.start(place)
        found = [*self.links[start - 1].by, *self.links[start - 1].outputs("group")] if start else []
        return list(dict.fromkeys([*found, *(name for link in self.links[start:place] for name in link.outputs())]))

    def demand(self, asked: Sequence[tuple[int, str]], columns: Optional[Sequence[Any]]) -> Demand:
        """Find what runs.

        Parameters
        ----------
        asked : sequence of (int, str)
            Place of the link, and its output.
        columns : sequence, optional
            Columns of the frame; None for any.
        """
        n = len(self.links)
        found = Demand([{} for _ in range(n)], [False] * n, [{} for _ in range(n)], [{} for _ in range(n)])
        for place, name in asked:
            found.wanted[place][name] = None
        for place in reversed(range(n)):
            if found.runs(place):
                later, found.columns = found.columns, {}
                later_missing, found.missing = found.missing, []
                later_problems, found.problems = found.problems, []
                self._add(found, place, columns)
                found.columns = {**found.columns, **later}  # what concerns the first link comes first
                found.missing += later_missing
                found.problems += later_problems
        return found

    def _add(self, found: Demand, place: int, columns: Optional[Sequence[Any]]) -> None:
        """What a link takes for the outputs that are wanted of it."""
        wanted = found.wanted[place] = self._in_order(place, found.wanted[place])
        start = self.start(place)
        if start > 0:
            found.keyed[start - 1] = True
        elif columns is not None:
            found.problems += self.links[place].clashes(list(wanted), columns)
        for requirement in self.links[place].requirements(list(wanted)):
            self._trace(found, place, requirement, columns)

    def _in_order(self, place: int, wanted: Mapping[str, None]) -> dict[str, None]:
        """Outputs in the link's own order, whoever asked for them first."""
        return {name: None for name in self.links[place].outputs() if name in wanted}

    def _trace(self, found: Demand, place: int, needed: Requirement, columns: Optional[Sequence[Any]]) -> None:
        """Write down where a column comes from, or what is wrong with it."""
        sources = self.sources(place, needed.column)
        of_frame = self.start(place) == 0
        in_frame = of_frame and columns is not None and needed.column in columns
        if len(sources) + in_frame > 1:
            found.problems.append(self._ambiguity(place, needed, sources, in_frame=in_frame))
        elif sources:
            source = sources[0]
            found.taken[place][needed.column] = source
            if source.level == "key":
                found.keyed[source.link] = True
                return
            found.wanted[source.link][source.name] = None
            if source.level == "group" and source.link >= self.start(place):
                found.spread[source.link][source.name] = None
        elif in_frame or (of_frame and columns is None and not needed.optional):
            found.columns[needed.column] = None
        elif not needed.optional:
            found.missing.append(self._absence(place, needed, columns))
            if self._is_of_rows(place, needed.column, columns):
                found.of_rows[needed.column] = None

    def _is_of_rows(self, place: int, column: str, columns: Optional[Sequence[Any]]) -> bool:
        """Whether a link on groups would find a column among the rows that these were made of."""
        start = self.start(place)
        if start == 0:
            return False
        of_rows = any(column in link.outputs("row") for link in self.links[:start])
        return of_rows or (columns is not None and column in columns)

    def _ambiguity(self, place: int, needed: Requirement, sources: Sequence[Source], *, in_frame: bool) -> str:
        names = [f"{self.links[source.link].name}{SEPARATOR}{source.name}" for source in sources]
        given = [*(["the frame"] if in_frame else []), *(self.links[source.link].name for source in sources)]
        return (
            f"link {self.links[place].name!r}: column {needed.column!r}, {needed.user}, is given by"
            f" {' and by '.join(given)}; take {' or '.join(names)}, or rename one"
        )

    def _absence(self, place: int, needed: Requirement, columns: Optional[Sequence[Any]]) -> str:
        """Words for a column that is not there: who needs it, and what is there instead."""
        link, column, start = self.links[place], needed.column, self.start(place)
        text = f"link {link.name!r}: column {column!r}, {needed.user}, is not there"
        offered = self.offered(place)
        parts = [text]
        if start > 0:
            before = self.links[start - 1]
            parts.append(f"link {before.name!r} offers its groups, {listed(offered, _LONGEST)}")
            if column in before.outputs("row"):
                parts.append(f"{column!r} is row level in {before.name!r}: hand it on by on='rows', or reduce it")
        elif place > start:
            before = self.links[place - 1]
            parts.append(f"link {before.name!r} offers {listed(before.outputs(), _LONGEST)}")
        hints = [self.links[earlier].hint(column) for earlier in range(max(start - 1, 0), place)]
        known = [*offered, *map(str, columns or ())] if start == 0 else offered
        return "; ".join([*parts, *filter(None, hints)]) + suggestion(column, [*known, *link.outputs()])

    def wrong(self, demand: Demand) -> str:
        """Words for all that is wrong, in one line; none if nothing is."""
        problems = [*demand.missing, *demand.problems]
        if len(problems) > 1:
            rest = len(problems) - _MOST_TOLD
            more = f" | and {rest} more" if rest > 0 else ""
            text = f"{len(problems)} things are wrong: {' | '.join(problems[:_MOST_TOLD])}{more}"
        else:
            text = "".join(problems)
        if demand.of_rows:
            return (
                f"did you mean on='rows'? of the rows, not of their groups: {listed(demand.of_rows, _LONGEST)}; {text}"
            )
        return text

    def asked(self, outputs: Optional[Sequence[str]]) -> list[tuple[int, str]]:
        """Places and outputs that names ``link__output`` stand for; None for all.

        Raises
        ------
        UnknownNameError
            If a link, or an output of it, is unknown.
        """
        if isinstance(outputs, str):
            message = f"outputs must be a list of names, got the string {outputs!r}; write [{outputs!r}]"
            raise InputError(message)
        if outputs is None:
            everything = [(place, name) for place, link in enumerate(self.links) for name in link.outputs()]
            if not everything:
                message = "no link of the chain has features yet; add them with register_filter or register_attribute"
                raise InputError(message)
            return everything
        places = {link.name: place for place, link in enumerate(self.links)}
        found: dict[tuple[int, str], None] = {}
        for output in outputs:
            if not isinstance(output, str):
                message = f"outputs must be names (str), got {output!r} of type {type(output).__name__}"
                raise InputError(message)
            head, _, name = output.partition(SEPARATOR)
            expanded = self.links[places[head]].expanded(name) if head in places else ()
            if not expanded:
                raise UnknownNameError(self._unknown(output, places.get(head)))
            found.update(dict.fromkeys((places[head], one) for one in expanded))
        if not found:
            message = "outputs must name at least one, as model__feature; got none"
            raise InputError(message)
        return list(found)

    def _unknown(self, output: str, place: Optional[int]) -> str:
        links = self.links if place is None else (self.links[place],)
        known = [f"{link.name}{SEPARATOR}{name}" for link in links for name in link.outputs()]
        hint = "" if place is None else self.links[place].hint(output.partition(SEPARATOR)[2])
        return unknown("output", output, known, f"outputs: {listed(known, _LONGEST)}{hint and '; ' + hint}")
