"""Memory for large arrays: where it begins, when it is handed out again, how much is kept."""

from __future__ import annotations

import gc
import multiprocessing
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gbr_dag.kernels import memory
from gbr_dag.kernels.memory import empty, zeros

ROOT = Path(__file__).resolve().parent.parent.parent
LARGE = 1 << 18


@pytest.fixture(autouse=True)
def _shelf_of_its_own(monkeypatch):
    gc.collect()  # what other tests left would come onto the shelf in the middle of one
    monkeypatch.setattr(memory, "_SHELF", [])


def extent(array):
    start = array.__array_interface__["data"][0]
    return start, start + array.nbytes


def shelved():
    return sum(map(len, memory._SHELF))


@pytest.mark.parametrize("dtype", [np.float64, np.int32, np.bool_])
@pytest.mark.parametrize(
    "shape", [(0,), (0, 8), (3, 0), (1,), (7, 3), (LARGE // 8,), (LARGE,), (1000, 333), (1 << 21,)]
)
def test_arrays_begin_on_a_cache_line_and_are_plain(shape, dtype):
    for made in (empty, zeros):
        array = made(shape, dtype)
        assert (array.shape, array.dtype, extent(array)[0] % 64) == (shape, dtype, 0)
        assert array.flags.c_contiguous
        assert array.flags.writeable
        array.fill(1)
        assert array.sum() == array.size
    assert not zeros(shape, dtype).any()


def test_zeros_are_zero_in_used_memory():
    for _ in range(3):
        array = zeros((LARGE,))
        assert not array.any()
        array.fill(3.0)
        del array


def test_memory_comes_back_once_the_last_view_is_gone():
    array = empty((LARGE,))
    place = extent(array)
    view = array[5:9].view(np.int64)
    view.flags.writeable = False
    del array
    other = empty((LARGE,))
    assert extent(other) != place
    del view
    again = empty((LARGE,))
    assert extent(again) == place


def test_two_of_one_size_never_share():
    arrays = [zeros((LARGE,)) for _ in range(6)]
    for i, array in enumerate(arrays):
        array.fill(i)
    assert [array.min() for array in arrays] == [array.max() for array in arrays] == list(range(6))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 2_000_000)), min_size=1, max_size=30))
def test_live_arrays_never_overlap(steps):
    live = {}
    for place, size in steps:
        live.pop(place, None)
        live[place] = empty((size,), np.uint8)
        edges = sorted(map(extent, live.values()))
        assert all(stop <= start for (_, stop), (start, _) in zip(edges, edges[1:]))
        assert all(array.nbytes == array.size for array in live.values())


def test_the_shelf_is_bounded(monkeypatch):
    monkeypatch.setattr(memory, "_MOST_KEPT", 3 * LARGE)
    arrays = [empty((LARGE,), np.uint8) for _ in range(5)]
    assert shelved() == 0
    del arrays
    assert shelved() == 3 * LARGE
    array = empty((LARGE,), np.uint8)
    assert shelved() == 2 * LARGE
    del array
    assert shelved() == 3 * LARGE
    del memory._SHELF[:]
    too_large = empty((4 * LARGE,), np.uint8)
    del too_large
    assert shelved() == 0


def test_a_small_array_takes_no_large_memory():
    large = empty((40 * LARGE,), np.uint8)
    del large
    kept = shelved()
    small = empty((LARGE,), np.uint8)
    assert shelved() == kept
    assert small.size == LARGE


def test_threads_never_get_the_same_memory():
    wrong = []

    def work(mark):
        for i in range(60):
            array = empty((LARGE + 1000 * (i % 3),), np.uint8)
            array.fill(mark)
            if array.min() != mark or array.max() != mark:
                wrong.append(mark)

    threads = [threading.Thread(target=work, args=(mark,)) for mark in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
def test_forked_processes_do_not_write_into_one_another():
    script = """
import os
from gbr_dag.kernels.memory import zeros
shelved, kept = zeros((1 << 20,)), zeros((1 << 20,))
del shelved
child = os.fork()
array = zeros((1 << 20,))
if child == 0:
    array.fill(5.0)
    kept.fill(5.0)
    os._exit(0)
os.waitpid(child, 0)
print(array.max(), kept.max())
"""
    process = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert process.stdout.split() == ["0.0", "0.0"]


def test_memory_alive_at_exit_is_no_trouble():
    script = (
        "import gbr_dag.kernels.memory as m; import sys; sys.kept = m.empty((1 << 20,)); kept = m.empty((1 << 20,))"
    )
    process = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert process.stderr == ""
