"""Every (carrier, origin, month) of the flights against statsmodels' WLS and against 100-digit arithmetic."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from benchmarks.scan_designs import table_fits
from gbr_dag.datasets import load_flights
from gbr_dag.drivers.fitting import fit_groups
from tests.oracles.accuracy import INSUFFICIENT, RANK_DEFICIENT, SATURATED, EngineFit, judge
from tests.oracles.exact import ExactFit, exact_fit

BY = ["carrier", "origin", "month"]
PREDICTORS = ["dep_delay", "distance"]
MIN_ENTRIES = 3
RTOL = 1e-9
"""statsmodels solves the raw rows by a pseudo-inverse, which on these data is good to about 7e-12 itself."""


@dataclass(frozen=True)
class Peer:
    """What statsmodels says of the identifiable columns of one group."""

    params: np.ndarray
    bse: np.ndarray
    rms: float
    r_squared: float


@pytest.fixture(scope="module")
def flights() -> pd.DataFrame:
    """Flights with weights over two decades: falling with the delay at departure, times a fixed random factor."""
    frame = load_flights()
    factor = np.random.default_rng(2013).uniform(0.2, 5.0, len(frame))
    return frame.assign(weight=factor / (1 + frame["dep_delay"].abs() / 30))


@pytest.fixture(scope="module")
def groups(flights) -> dict[tuple, pd.DataFrame]:
    """Usable rows by key, taken apart by pandas alone."""
    used = flights.dropna(subset=["arr_delay", *PREDICTORS, "weight"]).astype({"carrier": str, "origin": str})
    return dict(iter(used.groupby(BY)))


@pytest.fixture(scope="module")
def exact(groups) -> dict[tuple, ExactFit]:
    return {
        key: exact_fit(group[PREDICTORS], group["arr_delay"], group["weight"])
        for key, group in groups.items()
        if len(group) >= MIN_ENTRIES
    }


@pytest.fixture(scope="module")
def peers(groups, exact) -> dict[tuple, Peer]:
    """statsmodels' fits of every group with a spare row, on the columns that the oracle finds identifiable."""
    api = pytest.importorskip("statsmodels.regression.linear_model", reason="the peer is statsmodels")
    fits = {}
    for key, answer in exact.items():
        if answer.n_rows == answer.rank:
            continue
        group = groups[key]
        columns = np.column_stack([np.ones(len(group)), group[PREDICTORS]])[:, answer.kept]
        fit = api.WLS(group["arr_delay"].to_numpy(), columns, weights=group["weight"].to_numpy()).fit()
        fits[key] = Peer(fit.params, fit.bse, float(np.sqrt(fit.scale)), float(fit.rsquared))
    return fits


def fitted(flights: pd.DataFrame, engine: str) -> dict[tuple, EngineFit]:
    table = fit_groups(
        flights,
        BY,
        "arr_delay",
        PREDICTORS,
        weights="weight",
        engine=engine,
        diagnostics=("errors", "rms", "r_squared"),
    )
    keys = table[BY].astype({"carrier": str, "origin": str}).itertuples(index=False, name=None)
    return dict(zip(keys, table_fits(table, "arr_delay", PREDICTORS, intercept=True)))


def test_flights_equal_statsmodels(flights, groups, exact, peers, engine):
    fits = fitted(flights, engine)

    # a group without a usable row has a row in the table too, so the table may hold more groups
    assert set(fits) >= set(groups)
    assert len(peers) > 390
    for key, peer in peers.items():
        kept = exact[key].kept
        assert np.array_equal(np.isfinite(fits[key].coefficients), kept), key
        np.testing.assert_allclose(fits[key].coefficients[kept], peer.params, rtol=RTOL, err_msg=str(key))
        np.testing.assert_allclose(fits[key].errors[kept], peer.bse, rtol=RTOL, err_msg=str(key))
        np.testing.assert_allclose(fits[key].rms, peer.rms, rtol=RTOL, err_msg=str(key))
        np.testing.assert_allclose(fits[key].r_squared, peer.r_squared, atol=RTOL, err_msg=str(key))


def test_flights_equal_extended_precision(flights, groups, exact, engine):
    fits = fitted(flights, engine)
    expected = Counter()
    for key in groups:
        if key not in exact:
            expected[INSUFFICIENT] += 1
            assert fits[key].status == INSUFFICIENT
            continue
        assert judge(exact[key], fits[key], MIN_ENTRIES).violations == [], key
        saturated = exact[key].n_rows == exact[key].rank
        expected[RANK_DEFICIENT * (not exact[key].kept.all()) + SATURATED * saturated] += 1

    assert Counter(fits[key].status for key in groups) == expected
    assert expected[RANK_DEFICIENT] > 50


def test_statsmodels_itself_is_as_good_as_the_tolerance(exact, peers):
    """The peer's own distance from extended precision, so that the parity above is held against good figures."""
    off = []
    for key, peer in peers.items():
        kept = exact[key].kept
        off.append(np.abs(peer.params / exact[key].coefficients[kept] - 1).max())
        off.append(np.abs(peer.bse / exact[key].errors[kept] - 1).max())

    assert max(off) < RTOL
