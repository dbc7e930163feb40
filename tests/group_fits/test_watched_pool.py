"""A pool that is ended does not wait for ever for its own threads."""

from __future__ import annotations

import multiprocessing
import threading
from types import SimpleNamespace

import pytest

from gbr_dag.group_fits import watched_pool

ENDED = SimpleNamespace(exitcode=-15)


@pytest.fixture
def writing(monkeypatch):
    """A thread that hands a megabyte to a pipe nobody reads."""
    monkeypatch.setattr(watched_pool, "_PATIENCE_SECONDS", 0.05)
    reader, writer = multiprocessing.Pipe(duplex=False)
    thread = threading.Thread(target=writer.send_bytes, args=(bytes(1 << 20),), daemon=True)
    thread.start()
    yield thread, reader
    if not thread.is_alive():
        reader.close()
        writer.close()


def test_a_full_pipe_is_emptied_when_all_processes_have_ended(writing):
    thread, reader = writing
    thread.join(0.2)
    assert thread.is_alive()
    watched_pool.emptied_pipe(thread, [ENDED, ENDED], reader)
    assert not thread.is_alive()


def test_what_a_process_may_still_read_is_left(writing):
    thread, reader = writing
    process = SimpleNamespace(exitcode=None)
    helper = threading.Thread(target=watched_pool.emptied_pipe, args=(thread, [ENDED, process], reader), daemon=True)
    helper.start()
    thread.join(0.5)
    assert thread.is_alive()
    process.exitcode = 0
    thread.join(10)
    assert not thread.is_alive()
