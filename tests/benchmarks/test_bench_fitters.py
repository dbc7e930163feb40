"""The scripts that measure fitters run at small sizes, and measure what they say."""

from __future__ import annotations

import math

import numpy as np
import pytest

import gbr_dag
from benchmarks import bench_fitters, default_cut, huber_pulls, report
from gbr_dag.drivers.fitters import ENGINES_OF, fitter_name


def test_every_fitter_and_every_pair_of_ours_is_timed():
    timed = {(fitter_name(way.fitter), way.engine) for way in bench_fitters.ways()}
    pairs = {(fitter, engine) for fitter, engines in ENGINES_OF.items() for engine in engines}
    assert pairs - timed == {("wls", engine) for engine in ENGINES_OF["wls"]}  # ols with weights


@pytest.mark.parametrize("way", bench_fitters.ways(), ids=lambda way: f"{way.label} on {way.engine}")
def test_every_way_fits_every_group(way):
    if way.engine == "loky" or "scikit-learn" in way.label:
        pytest.importorskip("sklearn")
    table = way.fit(bench_fitters.rows_of(30))
    assert len(table) == 30
    status = table[f"{way.target}_status"]
    assert (status & ~int(gbr_dag.FitStatus.NOT_CONVERGED) == 0).all()


def test_fitters_table_is_put_into_a_page(tmp_path, capsys):
    pytest.importorskip("sklearn")
    page = tmp_path / "page.md"
    page.write_text(f"above\n{bench_fitters.BEGIN}\n{bench_fitters.END}\nbelow\n")
    bench_fitters.main(["--quick", "--turns", "1", "--page", str(page)])
    text = page.read_text()
    assert "| ols | numba |" in text
    assert text.count("| 1.00 |") >= 1
    assert text.startswith("above\n")
    assert text.endswith("\nbelow\n")
    assert "commit" in capsys.readouterr().out


def test_compilation_is_told(monkeypatch):
    monkeypatch.setattr(bench_fitters, "compile_seconds", {"ols": (3.0, 0.25), "huber": (17.0, 0.5)}.__getitem__)
    assert "ols 3.0 s, 0.2 s from the cache on disk; huber 17.0 s, 0.5 s from" in bench_fitters.compile_line()


def test_the_first_fit_has_a_process_of_its_own(capsys):
    bench_fitters.main(["--first", "ols"])
    assert float(capsys.readouterr().out) < 60.0


def test_pulls_of_least_squares_are_those_of_student():
    # 4,000 toys know a share of 11.6 % to 0.5 %, a width of 1.14 to about 2 %
    found = {one.fit: one for one in huber_pulls.pulls(6, 4_000, 0.0)}
    assert found["ols"].width == pytest.approx(1.142, abs=0.07)
    assert found["ols"].beyond_two == pytest.approx(0.116, abs=0.016)
    assert found["huber"].width > found["ols"].width
    assert found["huber, cut at 4"].width > found["huber"].width


def test_robust_slopes_scatter_less_where_rows_are_far_off():
    found = {one.fit: one for one in huber_pulls.pulls(50, 1_000, 0.05)}
    assert found["huber"].scatter < 0.8 * found["ols"].scatter
    assert found["huber"].width == pytest.approx(1.0, abs=0.1)


def test_central_width_of_a_normal_is_its_sigma():
    values = 2.5 * np.random.default_rng(3).normal(size=200_000)
    assert huber_pulls.central_width(values) == pytest.approx(2.5, rel=0.01)
    assert math.isclose(huber_pulls.ONE_SIGMA, 0.6826894921370859)


def test_pulls_tables_are_put_into_a_page(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(huber_pulls, "SIZES", (6, 10))
    page = tmp_path / "page.md"
    page.write_text(f"{huber_pulls.BEGIN}\n{huber_pulls.END}\n")
    huber_pulls.main(["--toys", "50", "--page", str(page)])
    text = page.read_text()
    assert text.count("\n| 6 |") == text.count("\n| 10 |") == 2
    assert text in f"{huber_pulls.BEGIN}\n{capsys.readouterr().out}{huber_pulls.END}\n"


def test_a_page_without_marks_is_refused(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("nothing")
    with pytest.raises(ValueError, match="has no marks"):
        report.put_into(page, "text", "<!-- a -->", "<!-- b -->")
    assert page.read_text() == "nothing"


def test_the_default_cut_makes_errors_of_normal_noise_too_small(tmp_path):
    cut, none = default_cut.errors(50, 2_000, 4.0), default_cut.errors(50, 2_000, None)
    assert 0.01 < cut.rejected < 0.03
    assert none.rejected == 0.0
    # 2,000 pulls: their width scatters by 0.016
    assert cut.width > 1.08 > none.width > 0.95
    page = tmp_path / "page.md"
    page.write_text(f"{default_cut.BEGIN}\n{default_cut.END}\n")
    default_cut.main(["--toys", "50", "--page", str(page)])
    assert "| 100 |" in page.read_text()
