"""The graph engine: plain typed functions become a graph that is asked for outputs by name. Knows no numerics."""

from gbr_dag.graph.driver import Driver
from gbr_dag.graph.plan import Plan

__all__ = ["Driver", "Plan"]
