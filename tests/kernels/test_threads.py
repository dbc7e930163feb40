"""Work on threads: order, failures, Ctrl-C, and how it is shared."""

from __future__ import annotations

import signal
import threading
import time

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gbr_dag.kernels.threads import blocks, equal_loads, shares, side_by_side, thread_count

PATIENCE_SECONDS = 30.0


def wait_until(condition):
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


@pytest.mark.parametrize("n", [1, 2, 7])
def test_results_come_in_order(n):
    names = [threading.current_thread().name]

    def work(i, stopped):
        time.sleep(0.002 * (n - i))
        assert not stopped()
        return i, threading.current_thread().name

    results = side_by_side(work, n)
    assert [i for i, _ in results] == list(range(n))
    assert len({name for _, name in results}) == n
    assert results[0][1] == names[0]


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_a_failure_comes_out_and_stops_the_others(failing):
    ended = []

    def work(i, stopped):
        if i == failing:
            message = f"part {i}"
            raise ZeroDivisionError(message)
        wait_until(stopped)
        ended.append(i)

    before = threading.active_count()
    with pytest.raises(ZeroDivisionError, match=f"part {failing}"):
        side_by_side(work, 3)
    assert sorted([*ended, failing]) == [0, 1, 2]
    assert threading.active_count() == before


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals of POSIX")
@pytest.mark.parametrize("when", ["working", "waiting"])
def test_interrupt_stops_the_others(when):
    main, waiting, ended = threading.main_thread().ident, threading.Event(), []

    def work(i, stopped):
        if i == 1:
            waiting.wait(PATIENCE_SECONDS)
            time.sleep(0.05)  # until the caller has come to its join
            signal.pthread_kill(main, signal.SIGINT)
        waiting.set()
        if i > 0 or when == "working":
            wait_until(stopped)
        ended.append(i)

    assert threading.current_thread() is threading.main_thread()
    with pytest.raises(KeyboardInterrupt):
        side_by_side(work, 3)
    assert {1, 2} <= set(ended)


def test_threads_that_cannot_be_started_stop_those_that_were(monkeypatch):
    start, ended = threading.Thread.start, []

    def second_fails(thread):
        if started:
            message = "can't start new thread"
            raise RuntimeError(message)
        started.append(thread)
        start(thread)

    def work(i, stopped):
        wait_until(stopped)
        ended.append(i)

    started = []
    monkeypatch.setattr(threading.Thread, "start", second_fails)
    with pytest.raises(RuntimeError, match="can't start"):
        side_by_side(work, 3)
    assert ended == [1]


def test_few_rows_take_one_thread():
    assert thread_count(8, 1000) == thread_count(None, 0) == 1
    assert thread_count(2, 10**9) == 2
    assert thread_count(None, 10**12) == numba.config.NUMBA_NUM_THREADS
    assert thread_count(64, 3 << 16) == 3


def never():
    return False


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(1, 700))
def test_blocks_cover_exactly(start, length, size):
    covered = [i for first, last in blocks(start, start + length, never, size) for i in range(first, last)]
    assert covered == list(range(start, start + length))
    assert all(0 < last - first <= size for first, last in blocks(start, start + length, never, size))


def test_blocks_end_when_stopped():
    answers = iter([False, False, True])
    assert list(blocks(0, 100, lambda: next(answers), 10)) == [(0, 10), (10, 20)]


def check_ranges(ranges, n, parts):
    assert len(ranges) == parts
    assert [i for first, last in ranges for i in range(first, last)] == list(range(n))
    assert all(first <= last for first, last in ranges)


@given(st.integers(0, 10_000), st.integers(1, 70))
def test_shares_cover_exactly(n, parts):
    ranges = shares(n, parts)
    check_ranges(ranges, n, parts)
    lengths = [last - first for first, last in ranges]
    assert max(lengths) - min(lengths) <= 1


@given(st.lists(st.integers(0, 1000), max_size=60), st.integers(1, 12))
def test_equal_loads_cover_exactly(loads, parts):
    loads = np.array(loads, dtype=np.int64)
    ranges = equal_loads(loads, parts)
    check_ranges(ranges, len(loads), parts)
    of_parts = [loads[first:last].sum() for first, last in ranges]
    # an edge lies beside the ideal one: no share is off by more than two bins
    assert max(of_parts) <= loads.sum() / parts + 2 * loads.max(initial=0)
