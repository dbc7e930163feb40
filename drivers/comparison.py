"""Two configurations of one graph side by side: the first node, and the first group in it, where they differ."""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional

import pandas as pd

from gbr_dag.drivers.agreement import Agreement, agreement_of
from gbr_dag.drivers.fitters import inputs_for
from gbr_dag.drivers.leaves import Layout
from gbr_dag.drivers.pairs import Place, entry, first_pair, largest_uncounted, pairs_of
from gbr_dag.errors import InputError, UnknownNameError
from gbr_dag.graph.checks import checked_values, unknown
from gbr_dag.naming import column_word, fit_columns

if TYPE_CHECKING:
    from gbr_dag.graph import Driver
    from gbr_dag.graph.structure import Graph

_SHOWN_ROWS = 10
_UNCOUNTED = ("node", "field", "values", "left", "right", "difference", "group")


@dataclass(frozen=True)
class Comparison:
    """Where two configurations of a driver differ first. ``str(comparison)`` says it in words.

    Attributes
    ----------
    sides : tuple of str
        The two configurations: ``"engine='reference', fitter='ols'"``.
    tolerance : float
        As asked for.
    nodes_compared : tuple of str
        Nodes that ran on both sides, in the order of the left plan.
    not_comparable : dict of str to str
        Nodes and parts of nodes that were left out, with the reason.
    largest : float
        Largest relative difference, without the uncounted ones; infinite where one side alone is missing.
    uncounted : pandas.DataFrame
        Differences beyond ``tolerance`` in fits for which no accuracy is promised, one row a field: ``node``,
        ``field``, ``values`` (how many), and of the largest ``left``, ``right``, ``difference``, ``group``.
    node, field : str
        Where the first difference is; empty when there is none. ``field`` is the part of the node's value, with the
        target and the coefficient: ``"values, target y, slope_x"``.
    group : dict of str to object
        Key values of its group; empty when the difference belongs to no group.
    left, right : object
        The values there.
    difference : float
        Relative difference; of integers the difference itself.
    rows : pandas.DataFrame (n_rows_of_the_group,)
        The group's rows of the frame, with their index.

    Notes
    -----
    Values count, dtypes do not; integers, booleans and everything else that is no float must be equal, and NaN
    equals NaN. Floats a and b differ if abs(a - b) > tolerance max(abs(a), abs(b), s) with the natural scale s of
    the quantity in its group: s_y / s_j for a slope (s the root of the centred weighted scatter); the target's
    mean, the error of that and what the slopes pass on for an intercept; the target's size for residuals and
    fitted values; 1 for r_squared and p-values; the larger half of the confidence interval for its bounds;
    otherwise 0. Sums of squares and covariances may differ by twice as much as their roots.

    The tolerance of a fit is never below twice :func:`gbr_dag.nodes.diagnostics.promised_accuracy`, the smaller
    one of the two sides: each may be off by that much. Coefficients, fitted values and residuals go by the
    collinearity q alone, the others by min(q, SSE/Syy). Where neither side promises anything (ILL_CONDITIONED,
    NEARLY_EXACT) differences stand in ``uncounted`` and do not count. Numbers of cells and codes of keys need only have
    the same order. Nodes that only one graph has stand in ``not_comparable``, and so do factors, which the coefficients
    are made from, and the engine's name. All values of both runs are held in memory, and one more factorisation gives
    the scales.

    Examples
    --------
    >>> import gbr_dag
    >>> inputs = {"frame": gbr_dag.load_flights(), "by": "origin", "targets": "arr_delay"}
    >>> comparison = gbr_dag.GroupByDriver().compare(inputs, {"engine": "reference"}, {"engine": "numpy"})
    >>> comparison.equal, len(comparison.nodes_compared)
    (True, 25)
    >>> comparison.not_comparable["bin_factors"]
    "only with engine='numpy', fitter='ols'"
    """

    sides: tuple[str, str]
    tolerance: float
    nodes_compared: tuple[str, ...]
    not_comparable: Mapping[str, str] = dataclasses.field(hash=False)
    largest: float
    uncounted: pd.DataFrame = dataclasses.field(hash=False, repr=False, compare=False)
    node: str = ""
    field: str = ""
    group: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)
    left: Any = None
    right: Any = None
    difference: float = 0.0
    rows: pd.DataFrame = dataclasses.field(default_factory=pd.DataFrame, hash=False, repr=False, compare=False)

    @property
    def equal(self) -> bool:
        """Whether nothing differs that counts."""
        return not self.node

    def __str__(self) -> str:
        """Say what differs first, or that nothing does."""
        left, right = self.sides
        lines = []
        if self.equal:
            lines.append(
                f"no difference between {left} and {right} in {len(self.nodes_compared)} nodes; largest relative"
                f" difference {self.largest:.1e}, let pass {self.tolerance:.1e} or twice what is promised"
            )
        else:
            where = f"{self.node!r} ({self.field})" if self.field else f"{self.node!r}"
            text = f"first difference in {where}: {self.left} ({left}) against {self.right} ({right})"
            keys = ", ".join(f"{name}={value}" for name, value in self.group.items())
            text += f", group {keys}" if keys else ", in no group"
            if len(self.rows):
                text += f"; its {len(self.rows)} rows:" if keys else "; the row:"
            lines.append(text)
            if len(self.rows):
                lines.append(self.rows.head(_SHOWN_ROWS).to_string())
            if len(self.rows) > _SHOWN_ROWS:
                lines.append(f"... and {len(self.rows) - _SHOWN_ROWS} more")
        if len(self.uncounted):
            count, nodes = self.uncounted["values"].sum(), ", ".join(dict.fromkeys(self.uncounted["node"]))
            lines.append(f"not counted, since no accuracy is promised for these fits: {count} values of {nodes}")
        if self.not_comparable:
            lines.append(f"not comparable: {', '.join(self.not_comparable)}")
        return "\n".join(lines)


def checked_tolerance(tolerance: Any) -> float:
    """A finite number that is not negative."""
    is_number = isinstance(tolerance, numbers.Real) and not isinstance(tolerance, bool)
    if not is_number or not math.isfinite(tolerance) or tolerance < 0:
        message = f"tolerance must be a finite number of at least 0, got {tolerance!r}; 1e-9 is usual"
        raise InputError(message)
    return float(tolerance)


def checked_configs(own: Mapping[str, str], left: Any, right: Any) -> tuple[dict[str, str], dict[str, str]]:
    """Both configurations with what they leave out taken from ``own``; unknown keys are refused."""
    complete = []
    for argument, given in (("left", left), ("right", right)):
        for key, value in checked_values(argument, given).items():
            if key not in own:
                raise UnknownNameError(unknown(f"{argument}: config key", key, own, f"keys: {', '.join(sorted(own))}"))
            if not isinstance(value, str):
                message = f"{argument}: {key} must be a name (str), got {value!r} of type {type(value).__name__}"
                raise InputError(message)
        complete.append({**own, **(given or {})})
    return complete[0], complete[1]


def compared(
    configured: Callable[[Mapping[str, str]], Driver],
    configs: tuple[Mapping[str, str], Mapping[str, str]],
    outputs: Sequence[str],
    inputs: Mapping[str, Any],
    checked: Mapping[str, Any],
    tolerance: float,
) -> Comparison:
    """Run both configurations of what ``configured`` makes, and compare the nodes that both ran, in order.

    ``inputs`` are the caller's, ``checked`` what the graph takes.
    """
    drivers = [configured(config) for config in configs]
    given = [inputs_for(config["fitter"], config["engine"], inputs) for config in configs]
    plans = [driver.plan(outputs, own) for driver, own in zip(drivers, given)]
    names = [", ".join(f"{key}={value!r}" for key, value in config.items()) for config in configs]
    common = tuple(name for name in plans[0].nodes if name in plans[1].nodes)
    if not common:
        message = f"outputs: no node that they need runs with both {names[0]} and {names[1]}; ask for 'coefficients'"
        raise InputError(message)
    omitted = {
        node: f"only with {name}" for name, plan in zip(names, plans) for node in plan.nodes if node not in common
    }
    wanted = dict.fromkeys([*common, "bin_table", "bin_map"])
    sides = (drivers[0].execute(wanted, given[0]), drivers[1].execute(common, given[1]))
    place = Place(checked, sides[0]["bin_table"].keys, sides[0]["bin_map"].row_bin)
    agreement = None
    if "coefficients" in common:
        witness = configured({**configs[0], "engine": "numpy", "fitter": "ols"})
        factors = witness.execute(["window_factors"], inputs_for("ols", "numpy", inputs))["window_factors"]
        agreement = agreement_of(sides, factors, place.row_bin, tolerance)
    found = _differences(plans[0].graph, common, sides, place, agreement, tolerance, omitted)
    seen = tuple(node for node in common if node not in omitted)
    return Comparison((names[0], names[1]), tolerance, seen, omitted, **found)


def _differences(
    graph: Graph,
    nodes: Sequence[str],
    sides: tuple[Mapping[str, Any], Mapping[str, Any]],
    place: Place,
    agreement: Optional[Agreement],
    tolerance: float,
    omitted: dict[str, str],
) -> dict[str, Any]:
    """Fields of a comparison that tell of differences; grows ``omitted``."""
    layout = _layout(place.inputs, len(place.keys))
    uncounted: list[dict[str, Any]] = []
    largest = 0.0
    first: dict[str, Any] = {}
    for node in nodes:
        fitted = agreement if "coefficients" in _origins(graph, node) else None
        pairs = list(pairs_of(node, (sides[0][node], sides[1][node]), layout, fitted, tolerance, omitted))
        for pair in pairs:
            largest = max(largest, pair.largest)
            if pair.uncounted.any():
                record = entry(pair, largest_uncounted(pair), place)
                uncounted.append({**record, "values": int(pair.uncounted.sum())})
        found = None if first else first_pair(pairs, place)
        if found is not None:
            pair, here = found
            first = {**entry(pair, here, place), "rows": place.rows(pair.leaf, here)}
    return {"largest": largest, "uncounted": pd.DataFrame(uncounted, columns=list(_UNCOUNTED)), **first}


def _layout(inputs: Mapping[str, Any], n_bins: int) -> Layout:
    targets, of_windows = inputs.get("targets", ()), "window" in inputs
    predictors = inputs.get("predictors", ())
    columns = {
        column.name: (column.source, (i, *column.place))
        for i, target in enumerate(targets)
        for column in fit_columns(
            target,
            [column_word(name) for name in predictors] if of_windows else predictors,
            inputs["diagnostics"],
            intercept=inputs["intercept"],
            suffix=inputs["suffix"],
            rejecting=True,
            count="n_fitted" if of_windows else "n_used",
        )
    }
    return Layout(len(inputs["frame"]), n_bins, len(targets), columns)


def _origins(graph: Graph, node: str) -> set[str]:
    """A node and everything that it is made from."""
    found: set[str] = set()
    queue = [node]
    for name in queue:
        if name not in found and name in graph.nodes:
            found.add(name)
            queue.extend(need.name for need in graph.nodes[name].needs)
    return found
