"""The benchmark of small sizes runs, and says whom it compares."""

from __future__ import annotations

from benchmarks import bench_peers


def test_peers_agree_and_are_listed():
    scenario = bench_peers.Scenario("30 x 8", 30, 8, 2, 2)
    timings = bench_peers.measure(scenario, repeats=1)
    assert [timing.who for timing in timings] == [bench_peers.OURS, *bench_peers.PEERS]
    text = bench_peers.table(timings)
    assert len(text.splitlines()) == 2 + len(timings)


def test_the_table_is_put_between_its_marks(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"above\n{bench_peers.BEGIN}\nold\n{bench_peers.END}\nbelow\n")
    bench_peers.put_into(readme, "new")
    assert readme.read_text() == f"above\n{bench_peers.BEGIN}\nnew\n{bench_peers.END}\nbelow\n"
