"""The scripts about windows run at small sizes, and fail where engines differ."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import window_parity, window_pulls
from tests.oracles import window_designs


def test_parity_counts_what_it_compares(capsys):
    assert window_parity.main(["--designs", "6", "--engines", "numpy"]) == 0
    text = capsys.readouterr().out
    designs = list(window_parity.random_designs(6, 2))
    assert f"6 designs, seed 2, {sum(design.n_windows for design in designs):,} windows" in text
    for design in designs:
        assert design.boundary in text
        assert design.kernel in text


def test_parity_fails_where_an_engine_differs(monkeypatch, capsys):
    right = window_parity.reference_of

    def off(design: window_designs.WindowDesign) -> window_designs.Reference:
        reference = right(design)
        table = reference.table.copy()
        table["y_rmse"] *= 1.0 + 3e-9
        return replace(reference, table=table)

    monkeypatch.setattr(window_parity, "reference_of", off)
    assert window_parity.main(["--designs", "2", "--engines", "numpy"]) == 1
    text = capsys.readouterr().out
    assert "| rmse | 3.0e-09 |" in text
    assert "design 1, numpy, rmse: 3.0e-09" in text


def test_pulls_are_printed_by_case(monkeypatch, capsys):
    monkeypatch.setattr(window_pulls, "CASES", ((4, 1, 0.7),))
    window_pulls.main(["--toys", "50", "--engine", "numpy"])
    text = capsys.readouterr().out
    assert text.count("| 12 | 1 | 0.7 |") == len(window_pulls.TRUTH)
    assert "50 toys each, engine numpy" in text


def test_toys_scatter_as_they_say():
    # weights over two decades: 1,000 toys know the noise of a row of weight 1 to 0.5 %
    frame = window_pulls.toy_frame(1_000, 7, 1, seed=3)
    truth = window_pulls.TRUTH
    signal = truth["intercept"] + truth["slope_x"] * frame["x"] + truth["slope_z"] * frame["z"]
    assert np.std((frame["y"] - signal) * np.sqrt(frame["w"])) == pytest.approx(1.0, abs=0.02)
    assert frame["w"].max() / frame["w"].min() > 90
    assert (frame.groupby(["toy", "bin"]).size() == 7).all()
