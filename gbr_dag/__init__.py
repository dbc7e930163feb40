"""Fit very many small models at once, as a graph of plain functions asked for outputs by name.

Public names are imported when first used, so ``import gbr_dag`` itself costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gbr_dag.datasets import load_flights, synthetic_distortion
    from gbr_dag.drivers.comparison import Comparison
    from gbr_dag.drivers.dfextensions import (
        GroupByRegressor,
        GroupByRegressorOptimized,
        make_parallel_fit_v2,
        make_parallel_fit_v3,
        make_parallel_fit_v4,
    )
    from gbr_dag.drivers.explanation import Explanation, explain
    from gbr_dag.drivers.features import ModelDriver
    from gbr_dag.drivers.fit_links import GroupFit, WindowFit
    from gbr_dag.drivers.fitting import fit_groups
    from gbr_dag.drivers.groupby import GroupByDriver
    from gbr_dag.drivers.merged_pipeline import MergedPipeline
    from gbr_dag.drivers.metadata import fit_metadata
    from gbr_dag.drivers.pipeline import ModelPipeline
    from gbr_dag.drivers.predictions import predictions
    from gbr_dag.drivers.script_windows import make_sliding_window_fit
    from gbr_dag.drivers.sliding_window import SlidingWindowDriver
    from gbr_dag.drivers.window_fitting import fit_windows
    from gbr_dag.errors import (
        CycleError,
        DataWarning,
        DuplicateNameError,
        GbrDagError,
        GraphError,
        InputError,
        InvalidWindowSpec,
        MissingExtraError,
        MissingInputError,
        PerformanceWarning,
        UnknownNameError,
        WorkerError,
    )
    from gbr_dag.features.columns import GroupedColumn
    from gbr_dag.features.registry import FeatureRegistry
    from gbr_dag.features.verification import Verification
    from gbr_dag.graph import Driver, Plan
    from gbr_dag.options import CutOptions, GlmOptions, HuberOptions, RlmOptions
    from gbr_dag.tables import FitStatus, explain_status

__all__ = [
    "Comparison",
    "CutOptions",
    "CycleError",
    "DataWarning",
    "Driver",
    "DuplicateNameError",
    "Explanation",
    "FeatureRegistry",
    "FitStatus",
    "GbrDagError",
    "GlmOptions",
    "GraphError",
    "GroupByDriver",
    "GroupByRegressor",
    "GroupByRegressorOptimized",
    "GroupFit",
    "GroupedColumn",
    "HuberOptions",
    "InputError",
    "InvalidWindowSpec",
    "MergedPipeline",
    "MissingExtraError",
    "MissingInputError",
    "ModelDriver",
    "ModelPipeline",
    "PerformanceWarning",
    "Plan",
    "RlmOptions",
    "SlidingWindowDriver",
    "UnknownNameError",
    "Verification",
    "WindowFit",
    "WorkerError",
    "__version__",
    "explain",
    "explain_status",
    "fit_groups",
    "fit_metadata",
    "fit_windows",
    "load_flights",
    "make_parallel_fit_v2",
    "make_parallel_fit_v3",
    "make_parallel_fit_v4",
    "make_sliding_window_fit",
    "predictions",
    "synthetic_distortion",
]

__version__ = "0.1.0"

_MODULE_OF = {
    "Comparison": "gbr_dag.drivers.comparison",
    "CutOptions": "gbr_dag.options",
    "CycleError": "gbr_dag.errors",
    "DataWarning": "gbr_dag.errors",
    "Driver": "gbr_dag.graph",
    "DuplicateNameError": "gbr_dag.errors",
    "Explanation": "gbr_dag.drivers.explanation",
    "FeatureRegistry": "gbr_dag.features.registry",
    "FitStatus": "gbr_dag.tables",
    "GbrDagError": "gbr_dag.errors",
    "GlmOptions": "gbr_dag.options",
    "GraphError": "gbr_dag.errors",
    "GroupByDriver": "gbr_dag.drivers.groupby",
    "GroupByRegressor": "gbr_dag.drivers.script_regressor",
    "GroupByRegressorOptimized": "gbr_dag.drivers.dfextensions",
    "GroupFit": "gbr_dag.drivers.fit_links",
    "GroupedColumn": "gbr_dag.features.columns",
    "HuberOptions": "gbr_dag.options",
    "InputError": "gbr_dag.errors",
    "InvalidWindowSpec": "gbr_dag.errors",
    "MergedPipeline": "gbr_dag.drivers.merged_pipeline",
    "MissingExtraError": "gbr_dag.errors",
    "MissingInputError": "gbr_dag.errors",
    "ModelDriver": "gbr_dag.drivers.features",
    "ModelPipeline": "gbr_dag.drivers.pipeline",
    "PerformanceWarning": "gbr_dag.errors",
    "Plan": "gbr_dag.graph",
    "RlmOptions": "gbr_dag.options",
    "SlidingWindowDriver": "gbr_dag.drivers.sliding_window",
    "UnknownNameError": "gbr_dag.errors",
    "Verification": "gbr_dag.features.verification",
    "WindowFit": "gbr_dag.drivers.fit_links",
    "WorkerError": "gbr_dag.errors",
    "explain": "gbr_dag.drivers.explanation",
    "explain_status": "gbr_dag.tables",
    "fit_groups": "gbr_dag.drivers.fitting",
    "fit_metadata": "gbr_dag.drivers.metadata",
    "fit_windows": "gbr_dag.drivers.window_fitting",
    "load_flights": "gbr_dag.datasets",
    "make_parallel_fit_v2": "gbr_dag.drivers.dfextensions",
    "make_parallel_fit_v3": "gbr_dag.drivers.dfextensions",
    "make_parallel_fit_v4": "gbr_dag.drivers.dfextensions",
    "make_sliding_window_fit": "gbr_dag.drivers.script_windows",
    "predictions": "gbr_dag.drivers.predictions",
    "synthetic_distortion": "gbr_dag.datasets",
}

# In a checkout nodes/ and drivers/ lie beside this folder, in an installed package inside it.
_HERE = Path(__file__).resolve().parent
if not (_HERE / "nodes").is_dir():
    __path__.append(str(_HERE.parent))


def __getattr__(name: str) -> object:
    """Import a public name when it is first used."""
    if name not in _MODULE_OF:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Give the public names, whether imported yet or not."""
    return sorted({*globals(), *__all__})
