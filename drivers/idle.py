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
    "rmse": "rmse",
    "condition": "condition",
    "chi2": "chi2",
}
"""Nodes of the table that run only when their diagnostic is asked for; errors and rms cost nothing beside the fit."""


def of_groups(fitter: str, inputs: Mapping[str, Any]) -> dict[str, set[str]]:
    """What nodes of the group-by graph can do without, by node.

    The table takes no diagnostic that it was not asked for and no medians of no columns; medians and mads take no
    weights unless they are weighted; nothing is rejected by fitters that never do.
    """
    without = set() if fitter in REJECTING else {"rejections"}
    unweighted = set() if inputs["weighted_medians"] else {"row_weights"}
    return {
        "target_columns": _unasked(inputs) - {"rmse"} | without,
        "fitted_blocks": without,
        "fit_table": set() if inputs["medians"] else {"bin_medians"},
        "bin_medians": unweighted,
        "mad": unweighted,
    }


def of_windows(fitter: str, inputs: Mapping[str, Any]) -> dict[str, set[str]]:
    """What nodes of the sliding-window graph can do without, by node.

    The tables take no statistics and no diagnostics that they were not asked for. Kernel weights make errors only
    where errors are wanted and some weight is not 1; degrees of freedom of Student's t only where it is used.
    Nothing is rejected by fitters that never do.
    """
    asked = set(inputs["diagnostics"])
    needs_errors = asked & {"errors", "covariance", "confidence", "pvalues", "rms", "chi2"}
    statistics = set() if inputs["statistics"] else {"target_statistics"}
    unasked = _unasked(inputs) - {"mad"} | (set() if needs_errors else {"coefficient_errors", "rms"})
    return {
        "target_columns": unasked | (set() if fitter in REJECTING else {"rejections"}),
        "fit_table": statistics,
        "statistics_table": statistics,
        "kernel_spread": set() if asked & {"confidence", "pvalues"} else {"cubed_kernel_factors"},
    }


def unneeded_nodes(
    graph: Graph, outputs: Iterable[str], dispensable: Mapping[str, set[str]], overrides: Mapping[str, Any]
) -> set[str]:
    """Nodes for which None may stand: those that take them do without, and nothing else that is reached needs them."""
    reached: set[str] = set()
    queue = list(outputs)
    for name in queue:
        if name in reached or name not in graph.nodes or name in overrides:
            continue
        reached.add(name)
        queue.extend({need.name for need in graph.nodes[name].needs} - dispensable.get(name, set()))
    return set().union(*dispensable.values()) - reached - set(overrides)


def _unasked(inputs: Mapping[str, Any]) -> set[str]:
    return {node for name, node in _DIAGNOSTIC_NODES.items() if name not in inputs["diagnostics"]}
