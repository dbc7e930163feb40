"""Modules of nodes that tests write and import."""

from __future__ import annotations

import importlib.util
import sys
import textwrap
from types import ModuleType

import pytest


@pytest.fixture
def make_module(tmp_path, monkeypatch):
    """Write source into a file, import it under a name of its own and forget it after the test."""

    def make(source: str, name: str = "steps") -> ModuleType:
        path = tmp_path / f"{name}.py"
        path.write_text(textwrap.dedent(source), encoding="utf-8")
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    return make


@pytest.fixture
def fit_steps(make_module) -> ModuleType:
    """A graph like those of the package in small: rows, bins, swappable factors, a fit and a table."""
    return make_module(
        """
        import numpy as np

        from gbr_dag.graph.backend import config
        from gbr_dag.graph.sizes import bytes_estimate


        @bytes_estimate(lambda frame: 8 * len(frame))
        def bin_map(frame: np.ndarray) -> np.ndarray:
            '''The bin of every row.

            More of it.
            '''
            return frame.astype(np.int64)


        def entries(bin_map: np.ndarray) -> np.ndarray:
            return np.bincount(bin_map)


        @config.when(engine="numpy")
        def bin_factors__numpy(bin_map: np.ndarray, weights: np.ndarray) -> dict:
            return {"made_by": "numpy"}


        @config.when(engine="numba")
        def bin_factors__numba(bin_map: np.ndarray, weights: np.ndarray, threads: int = 2) -> dict:
            return {"made_by": "numba", "threads": threads}


        @config.when_in(engine=["numpy", "numba"], fitter=["ols"])
        def coefficients__factors(bin_factors: dict) -> dict:
            return {"ols": bin_factors["made_by"]}


        @config.when_in(engine=["statsmodels"], fitter=["ols", "glm"])
        def coefficients__statsmodels(frame: np.ndarray, family: str) -> dict:
            return {"statsmodels": family}


        def fit_table(coefficients: dict, entries: np.ndarray, engine: str) -> tuple:
            return coefficients, entries.tolist(), engine
        """
    )
