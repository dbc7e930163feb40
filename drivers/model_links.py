"""A feature model as a link of a chain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Optional

import pandas as pd

from gbr_dag.drivers.feature_groups import grouping_of
from gbr_dag.drivers.features import ModelDriver
from gbr_dag.features.chain import LinkRun, Requirement, RowNodes
from gbr_dag.features.grouping import Grouping
from gbr_dag.features.levels import Level
from gbr_dag.features.merging import Made, column_values, made_node, placed_model_nodes, spread_over
from gbr_dag.features.model import Place
from gbr_dag.features.verification import Verification
from gbr_dag.graph import Driver
from gbr_dag.graph.structure import Node, graph_of


class ModelLink:
    """A :class:`gbr_dag.ModelDriver` in a chain; see :class:`gbr_dag.features.chain.Link`."""

    def __init__(self, driver: ModelDriver) -> None:
        self._driver = driver
        self._steps: list[pd.DataFrame] = []

    @property
    def name(self) -> str:
        """The model's name."""
        return self._driver.name

    @property
    def seq(self) -> Any:
        """What the config says."""
        return self._driver.config.get("seq")

    @property
    def by(self) -> tuple[str, ...]:
        """Key columns."""
        return self._driver.by

    def outputs(self, level: Optional[Level] = None) -> tuple[str, ...]:
        """Names of what the features yield."""
        return self._driver.registry.outputs(level)

    def expanded(self, output: str) -> tuple[str, ...]:
        """The output itself."""
        return (output,) if output in self.outputs() else ()

    def hint(self, output: str) -> str:  # noqa: ARG002  (fits have more to say)
        """Nothing: a model yields what is registered."""
        return ""

    def requirements(self, wanted: Sequence[str]) -> list[Requirement]:
        """The keys, then the columns that running functions take."""
        found = {key: Requirement(key, f"a key of {self.name!r}") for key in self.by}
        if not wanted:
            return list(found.values())
        plan = self._driver.plan(wanted)
        for name, takers in plan.graph.inputs.items():
            running = [taker for taker in takers if taker.node in plan.nodes]
            if running and name not in found:
                users = [f"{taker.node} ({plan.graph.nodes[taker.node].place})" for taker in running]
                optional = all(taker.optional for taker in running)
                found[name] = Requirement(name, f"needed by {', '.join(users)}", optional)
        return list(found.values())

    def clashes(self, wanted: Sequence[str], columns: Sequence[Any]) -> list[str]:
        """Running features that have the name of a column."""
        running = self._driver.plan(wanted).nodes if wanted else ()
        return [
            f"link {self.name!r}: {self._driver.registry.yielding(name).label} has the name of a column of the frame;"
            " rename one of the two, or drop the column"
            for name in running
            if name in self.outputs() and name in columns
        ]

    def run(self, frame: pd.DataFrame, wanted: Sequence[str], spread: Sequence[str], *, keyed: bool) -> LinkRun:
        """Run the driver, and find the groups once more where others ask for them."""
        result = self._driver.execute(frame, wanted) if wanted else {"rows": None, "groups": None}
        self._steps = [self._driver.report()] if wanted else []
        groups: Optional[pd.DataFrame] = result["groups"]
        values = self._handed_on(frame, groups, spread, keyed=keyed)
        if groups is None and keyed:
            groups = values[self._grouping].groups.keys
        return LinkRun(result["rows"], groups, {name: values[_per_row(name)] for name in spread})

    def verify(
        self, frame: pd.DataFrame, wanted: Sequence[str], *, sample: int, seed: int, tolerance: float
    ) -> Verification:
        """Verify the driver."""
        return self._driver.verify(frame, sample, wanted, seed=seed, tolerance=tolerance)

    def _handed_on(
        self, frame: pd.DataFrame, groups: Optional[pd.DataFrame], spread: Sequence[str], *, keyed: bool
    ) -> dict[str, Any]:
        """What later links take beside the driver's results: steps of a graph, so that the report tells of them."""
        outputs = [_per_row(name) for name in spread]
        if groups is None and keyed:
            outputs.append(self._grouping)
        if not outputs:
            return {}

        def found() -> Grouping:
            """Find the groups of the rows."""
            grouping = grouping_of(frame, self.by)
            _ = grouping.groups
            return grouping

        nodes = [made_node(self._grouping, "grouping", [], found, "The groups of the rows.")]
        nodes += [self._joined_node(name, groups) for name in spread if groups is not None]
        graph = graph_of(node for node, _ in nodes)
        driver = Driver.of_graph(graph, {node.name: function for node, function in nodes}, progress=False)
        values = driver.execute(outputs)
        self._steps.append(driver.report())
        return values

    @property
    def _grouping(self) -> str:
        return Place(self.by, "", {}).grouping

    def _joined_node(self, name: str, values_of: pd.DataFrame) -> Made:
        def joined(**values: Any) -> Any:
            """Give every row the value of its group."""
            return spread_over(column_values(values_of[name]), values[self._grouping])

        return made_node(_per_row(name), "broadcast", [self._grouping], joined, f"{name}, for every row of the group")

    def report(self) -> pd.DataFrame:
        """Steps of the last run."""
        return pd.concat(self._steps, ignore_index=True) if self._steps else self._driver.report().iloc[:0]

    def keys_node(self, place: Place) -> str:
        """The node that finds the groups."""
        return place.grouping

    def rows_node(self, place: Place) -> str:
        """The same: a grouping tells of its groups."""
        return place.grouping

    def whole(self, level: Level) -> None:
        """None: every feature is a node of its own."""

    def keys_of(self, value: Any) -> pd.DataFrame:
        """Keys of a grouping's groups."""
        keys: pd.DataFrame = value.groups.keys
        return keys

    def compared(self) -> tuple[str, ...]:
        """None: functions take columns as pandas has them."""
        return ()

    def nodes(self, place: Place, rows: RowNodes) -> list[tuple[Node, Callable[..., Any]]]:
        """Nodes of the features."""
        return placed_model_nodes(list(self._driver.registry), place, rows)

    def spread_node(self, place: Place, output: str) -> tuple[Node, Callable[..., Any]]:
        """Node that gives every row the value of its group, as the model's own row-level features take it."""
        source = f"{place.prefix}{output}"

        def spread(**values: Any) -> Any:
            """Give every row the value of its group."""
            return values[source].per_row()

        text = f"{output}, for every row of the group"
        return made_node(_per_row(source), "broadcast", [source, place.grouping], spread, text)


def _per_row(name: str) -> str:
    return f"{name} per row"
