"""Merged factors against the gathered rows of every window, over boundaries, kernels, dimensions and all else."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from gbr_dag.drivers.sliding_window import SlidingWindowDriver
from gbr_dag.tables import FitStatus
from tests.oracles.window_designs import (
    BOUNDARIES,
    DIMENSIONS,
    KERNELS,
    PROMISED,
    Reference,
    WindowDesign,
    differences,
    matrix,
    reference_of,
)

SEED = 1
DESIGNS = {design.number: design for design in matrix(SEED)}
WINDOWS = 20_000
"""Windows that are compared at least, by each engine."""


@cache
def _reference(number: int) -> Reference:
    return reference_of(DESIGNS[number])


def _label(design: WindowDesign) -> str:
    return f"{design.boundary}-{design.kernel}-{design.n_dimensions}"


@pytest.mark.parametrize("design", DESIGNS.values(), ids=_label)
@pytest.mark.parametrize("merging", ["numpy", "numba"])
def test_engines_agree(design, merging):
    reference = _reference(design.number)
    table = SlidingWindowDriver(engine=merging).execute(["fit_table"], design.inputs)["fit_table"]
    assert len(table) == design.n_windows
    apart = differences(design, reference, table)
    assert {name: worst for name, worst in apart.items() if worst > PROMISED} == {}


def test_the_matrix_is_large_and_every_choice_meets_every_boundary_and_kernel():
    assert sum(design.n_windows for design in DESIGNS.values()) >= WINDOWS
    for place in (*BOUNDARIES, *KERNELS, *DIMENSIONS):
        here = [d for d in DESIGNS.values() if place in (d.boundary, d.kernel, d.n_dimensions)]
        for choice in here[0].choices:
            values = {design.choices[choice] for design in here}
            assert values == (set(range(4)) if choice == "n_predictors" else {False, True}), (place, choice)


def test_the_matrix_meets_every_status_that_rows_alone_can_bring():
    seen: set[int] = set()
    no_promise = fits = 0
    for number in list(DESIGNS)[::4]:
        reference = _reference(number)
        for target, promised in reference.promised.items():
            seen.update(reference.table[f"{target}_status"].tolist())
            no_promise, fits = no_promise + int(np.sum(~promised)), fits + len(promised)
    assert {0, FitStatus.INSUFFICIENT, FitStatus.RANK_DEFICIENT, FitStatus.SATURATED} <= seen
    assert no_promise < 0.002 * fits
