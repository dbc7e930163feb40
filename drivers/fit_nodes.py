"""The link that a fit is in a chain: its nodes, and what they take."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Optional

import pandas as pd

from gbr_dag.bin_columns import with_bins
from gbr_dag.drivers.binning_arguments import checked_binning
from gbr_dag.drivers.fit_links import WHOLE, GroupFit
from gbr_dag.drivers.predictions import predictions, row_of_table
from gbr_dag.errors import DataWarning
from gbr_dag.features.chain import LinkRun, Requirement, RowNodes
from gbr_dag.features.grouping import Grouping, Groups
from gbr_dag.features.levels import Level
from gbr_dag.features.merging import ROWS, FrameRows, Made, column_values, made_node, rows_of, spread_over
from gbr_dag.features.model import Place
from gbr_dag.graph import Driver
from gbr_dag.graph.structure import graph_of

_OF_ROWS = ("by", "within", "targets", "predictors", "weights", "suffix")
"""Arguments of a fit that ``predictions`` takes, too."""

_SAID_BEFOREHAND = r"the (pulls|prediction errors) are missing"
"""What ``predictions`` warns of; a fit in a chain does not list these columns among its outputs."""

_TABLE, _PREDICTIONS = WHOLE
_ROWS_OF_TABLE = "row of the table"


class FitLink:
    """A fit in a chain; see :class:`gbr_dag.features.chain.Link`."""

    def __init__(self, fit: GroupFit) -> None:
        self._fit = fit
        self._driver: Optional[Driver] = None

    @property
    def name(self) -> str:
        """The fit's name."""
        return self._fit.name

    @property
    def seq(self) -> Any:
        """Place in the chain."""
        return self._fit.seq

    @property
    def by(self) -> tuple[str, ...]:
        """Keys of the fit table."""
        return self._fit.by

    def outputs(self, level: Optional[Level] = None) -> tuple[str, ...]:
        """Columns of the rows and of the fit table."""
        return self._fit.outputs(level)

    def expanded(self, output: str) -> tuple[str, ...]:
        """The output itself, or all that ``fit_table`` and ``predictions`` stand for."""
        if output in WHOLE:
            return self.outputs("group" if output == _TABLE else "row")
        return (output,) if output in self.outputs() else ()

    def hint(self, output: str) -> str:
        """The diagnostic that a column is made from."""
        targets, suffix = self._fit._checked["targets"], self._fit._checked["suffix"]
        for part, diagnostic in (("pull", "rms"), ("prediction_err", "covariance")):
            if output not in self.outputs("row") and output in {f"{target}_{part}{suffix}" for target in targets}:
                return f"fit {self.name!r} gives {output!r} if diagnostics has {diagnostic!r}"
        return ""

    def requirements(self, wanted: Sequence[str]) -> list[Requirement]:  # noqa: ARG002  (a fit needs all for anything)
        """Columns that the arguments of the fit name."""
        roles = self._fit.columns_by_role()
        return [Requirement(name, f"needed by fit {self.name!r} as {role}") for name, role in roles.items()]

    def clashes(self, wanted: Sequence[str], columns: Sequence[Any]) -> list[str]:  # noqa: ARG002  (bins are always made)
        """Bins that the frame has already."""
        binning = self._fit.arguments.get("binning") or {}
        return [
            f"link {self.name!r}: binning makes {name!r}, which the frame has already; rename one of the two"
            for name in binning
            if name in columns
        ]

    def compared(self) -> tuple[str, ...]:
        """Columns that stand in an expression."""
        return self._fit.compared_columns()

    def run(self, frame: pd.DataFrame, wanted: Sequence[str], spread: Sequence[str], *, keyed: bool) -> LinkRun:
        """Run the nodes on a frame."""
        columns = {name: f"column {name}" for name in self._fit.columns_by_role()}  # the table may have such names, too
        place = Place(self.by, "", columns)
        nodes = [*self._nodes(place, ROWS), *(self.spread_node(place, name) for name in spread)]
        graph = graph_of(node for node, _ in nodes)
        self._driver = Driver.of_graph(graph, {node.name: function for node, function in nodes}, progress=False)
        needs_table = keyed or any(name in self.outputs("group") for name in wanted)
        outputs = [*wanted, *([_TABLE] if needs_table else []), *(f"{name} per row" for name in spread)]
        inputs = {node: column_values(frame[name]) for name, node in columns.items()}
        values = self._driver.execute(outputs, {ROWS: FrameRows(frame.index, frame.attrs), **inputs})
        names = [name for name in wanted if name in self.outputs("row")]
        rows = pd.DataFrame({name: values[name] for name in names}, index=frame.index) if names else None
        return LinkRun(rows, values.get(_TABLE), {name: values[f"{name} per row"] for name in spread})

    def report(self) -> pd.DataFrame:
        """Steps of the last run."""
        driver = Driver.of_graph(graph_of([]), {}) if self._driver is None else self._driver
        return driver.report()

    def keys_node(self, place: Place) -> str:
        """The node of the fit table."""
        return f"{place.prefix}{_TABLE}"

    def rows_node(self, place: Place) -> str:
        """The node that takes the lines of the table for rows."""
        return f"{place.prefix}{_TABLE} as rows"

    def whole(self, level: Level) -> str:
        """The table, or what it says of every row."""
        return _TABLE if level == "group" else _PREDICTIONS

    def keys_of(self, value: Any) -> pd.DataFrame:
        """Keys of a fit table."""
        keys: pd.DataFrame = value[list(self.by)]
        return keys

    def nodes(self, place: Place, rows: RowNodes) -> list[Made]:
        """The fit table, what it says of every row, and one node a column."""
        return self._nodes(place, rows.plain)

    def _nodes(self, place: Place, base: str) -> list[Made]:
        columns = {name: place.column(name) for name in self._fit.columns_by_role()}
        table, said = f"{place.prefix}{_TABLE}", f"{place.prefix}{_PREDICTIONS}"

        def fit_table(**values: Any) -> pd.DataFrame:
            """Fit."""
            found: pd.DataFrame = self._fit._door(_frame(values, base, columns), **self._fit.arguments)
            return found

        def row_predictions(**values: Any) -> pd.DataFrame:
            """Say what the table says of every row."""
            return self._predictions(_frame(values, base, columns), values[table])

        door, needs = self._fit._door.__name__, [base, *columns.values()]
        found = [
            made_node(table, "fit", needs, fit_table, f"Table of {door}."),
            made_node(said, "fit", [*needs, table], row_predictions, "What the fit says of every row."),
        ]
        found += [_column_node(place.prefix, name, said) for name in self.outputs("row")]
        return [
            *found,
            *(_column_node(place.prefix, name, table) for name in self.outputs("group")),
            _rows_node(self.rows_node(place), table),
            self._ids(place, base),
        ]

    def _ids(self, place: Place, base: str) -> Made:
        """Node with the row of the table that each row belongs to, as a grouping."""
        roles = self._fit.columns_by_role()
        columns = {name: place.column(name) for name, role in roles.items() if role.startswith(("by", "binning"))}
        table = f"{place.prefix}{_TABLE}"

        def rows_of_table(**values: Any) -> Grouping:
            """Find the row of the table."""
            binning = checked_binning(self._fit.arguments.get("binning"), self.by)
            frame = with_bins(_frame(values, base, columns), binning)
            ids = row_of_table(frame, values[table], self.by, of_windows=self._fit._of_windows)
            return Grouping(frame.index, lambda: Groups(ids, values[table][list(self.by)]))

        text = "The row of the table that each row belongs to."
        return made_node(
            f"{place.prefix}{_ROWS_OF_TABLE}", "grouping", [base, *columns.values(), table], rows_of_table, text
        )

    def spread_node(self, place: Place, output: str) -> Made:
        """Node that gives every row the value of its fit."""
        source, rows = f"{place.prefix}{output}", f"{place.prefix}{_ROWS_OF_TABLE}"

        def spread(**values: Any) -> Any:
            """Give every row the value of its fit."""
            return spread_over(values[source], values[rows])

        return made_node(f"{source} per row", "broadcast", [source, rows], spread, f"{output}, for every row.")

    def _predictions(self, frame: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
        given = {name: value for name, value in self._fit.arguments.items() if name in _OF_ROWS}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=_SAID_BEFOREHAND, category=DataWarning)
            found: pd.DataFrame = predictions(frame, table, **given)
        return found


def _frame(values: dict[str, Any], base: str, columns: dict[str, str]) -> pd.DataFrame:
    made: pd.DataFrame = rows_of(values[base]).frame({name: values[node] for name, node in columns.items()})
    return made


def _rows_node(name: str, table: str) -> Made:
    def table_rows(**values: Any) -> FrameRows:
        """Take the lines of the table for rows."""
        return FrameRows(pd.RangeIndex(len(values[table])), {}, values[table])

    return made_node(name, "link", [table], table_rows, "The lines of the table as rows.")


def _column_node(prefix: str, name: str, source: str) -> Made:
    def column(**values: Any) -> Any:
        """Take a column."""
        return column_values(values[source][name])

    return made_node(f"{prefix}{name}", "fit", [source], column, f"Column {name}.")
