"""Nodes that a request reaches but has no use for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gbr_dag.drivers.fitters import REJECTING
from gbr_dag.graph.structure import Graph

_DIAGNOSTIC_NODES = {
    "covariance": "covariance",
    "confidence": "confidence_bounds",
    "pvalues": "p_values",
    "mad": "mad",
    "r_squared": "r_squared",
    "condition": "condition",
    "chi2": "chi2",
}
"""Nodes of the table that run only when their diagnostic is asked for; errors and rms cost nothing beside the fit."""


def idle_nodes(
    graph: Graph, outputs: Iterable[str], inputs: Mapping[str, Any], overrides: Mapping[str, Any]
) -> set[str]:
    """Nodes for which None may stand: those that take them do without, and nothing else that is reached needs them.

    The table takes no diagnostic that it was not asked for and no medians of no columns; medians and mads take no
    weights unless they are weighted; nothing is rejected by fitters that never do.
    """
    without = set() if graph.config["fitter"] in REJECTING else {"rejections"}
    unasked = {node for name, node in _DIAGNOSTIC_NODES.items() if name not in inputs["diagnostics"]}
    dispensable = {
        "target_columns": unasked | without,
        "fitted_blocks": without,
        "fit_table": set() if inputs["medians"] else {"bin_medians"},
        "bin_medians": set() if inputs["weighted_medians"] else {"row_weights"},
        "mad": set() if inputs["weighted_medians"] else {"row_weights"},
    }
    reached: set[str] = set()
    queue = list(outputs)
    for name in queue:
        if name in reached or name not in graph.nodes or name in overrides:
            continue
        reached.add(name)
        queue.extend({need.name for need in graph.nodes[name].needs} - dispensable.get(name, set()))
    return set().union(*dispensable.values()) - reached - set(overrides)
