"""Statuses and tiers of hand-made coefficients, each node called alone."""

from __future__ import annotations

import numpy as np
import pytest

from gbr_dag.nodes.diagnostics import fit_status__linear, promised_accuracy, r_squared, rms
from gbr_dag.nodes.groups import residual_freedom
from gbr_dag.tables import Coefficients, FitStatus


def one_fit(**changes: object) -> Coefficients:
    """Ten rows, intercept and slope; q and SSE/Syy both 0.5."""
    fields = {
        "values": [[[1.0, 2.0]]],
        "sse": [[2.0]],
        "syy": [[4.0]],
        "constant": [[False]],
        "unit_covariance": np.eye(2)[None, None],
        "count": [[10]],
        "rank": [[2]],
        "conditioning": [[0.5]],
        **changes,
    }
    return Coefficients(**{name: np.array(value) for name, value in fields.items()}, block_of=(0,))


@pytest.mark.parametrize(
    ("changes", "status", "accuracy"),
    [
        ({}, FitStatus.OK, 1e-10),
        ({"conditioning": [[1e-7]]}, FitStatus.OK, 1e-9),
        ({"conditioning": [[1e-9]]}, FitStatus.OK, 1e-8),
        ({"conditioning": [[1e-10]]}, FitStatus.ILL_CONDITIONED, np.nan),
        ({"sse": [[4e-7]]}, FitStatus.OK, 1e-9),
        ({"sse": [[4e-10]]}, FitStatus.NEARLY_EXACT, np.nan),
        ({"constant": [[True]]}, FitStatus.NEARLY_EXACT, np.nan),
        ({"count": [[2]], "sse": [[0.0]]}, FitStatus.SATURATED, 1e-10),
        ({"rank": [[1]]}, FitStatus.RANK_DEFICIENT, 1e-10),
        ({"rank": [[1]], "count": [[1]]}, FitStatus.RANK_DEFICIENT | FitStatus.SATURATED, 1e-10),
        ({"conditioning": [[np.nan]], "rank": [[0]]}, FitStatus.INSUFFICIENT, np.nan),
    ],
)
def test_flags_and_tiers(changes, status, accuracy):
    coefficients = one_fit(**changes)
    assert fit_status__linear(coefficients).tolist() == [[int(status)]]
    np.testing.assert_equal(promised_accuracy(coefficients), [[accuracy]])


def test_scatter_and_its_freedom():
    coefficients = one_fit()
    freedom = residual_freedom(coefficients)
    assert freedom.tolist() == [[8.0]]
    assert rms(coefficients, freedom).tolist() == [[0.5]]
    assert r_squared(coefficients).tolist() == [[0.5]]
    none = one_fit(conditioning=[[np.nan]])
    assert np.isnan(residual_freedom(none)).all()
