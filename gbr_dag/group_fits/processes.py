"""Fits of one group at a time in several processes, which share the rows by memory maps."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import sys
import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from gbr_dag.errors import InputError, MissingExtraError, WorkerError
from gbr_dag.group_fits.batches import Batches, Range, batch_ranges
from gbr_dag.group_fits.blas_threads import one_blas_thread
from gbr_dag.group_fits.records import Caught, GroupFit, GroupFits, GroupFitter, GroupRows, SortedRows, fits_of_bins
from gbr_dag.group_fits.warning_counts import SentFilter, Warned, WarningCounts, pickled_by_value, sent_filters, tell
from gbr_dag.options import fitter_text

MAPPED_BYTES = 1000
"""Arrays from here on are mapped into the processes, shorter ones travel with every batch."""

_LONGEST_NAME = 200

_PATIENCE_SECONDS = 0.1
"""Ctrl-C is heard after so long, where a wait does not end by it."""

_Sent = npt.NDArray[np.uint8]


def fits_in_processes(
    fitter: GroupFitter, rows: SortedRows, n_jobs: Optional[int] = None, batches: Optional[Batches] = None
) -> GroupFits:
    """Fits of every group and target, as ``fits_of_bins`` makes them, to the last bit, in several processes.

    Parameters
    ----------
    fitter : GroupFitter
        Goes to every batch as a copy; functions of a script and lambdas can go too.
    rows : SortedRows
        Written once to a temporary folder (``JOBLIB_TEMP_FOLDER``, shared memory, or the system's) and mapped.
    n_jobs : int, optional
        Processes; -1 and the default are the cores that this process may use. 1 stays here and needs no joblib, and so
        does a call from inside a worker of joblib, from a daemon, or from a fork of a process that has workers.
    batches : Batches, optional
        How the groups are dealt out.

    Returns
    -------
    GroupFits
        Of all groups; ``rejected`` in the order of the sorted rows.

    Raises
    ------
    InputError
        If the fitter cannot be sent to another process, before any is started, or cannot be loaded there.
    MissingExtraError
        If joblib is needed and not there.
    WorkerError
        If a process dies, or the rows cannot be shared. All others are ended, and the next call starts new ones.

    Warns
    -----
    Warning
        What a fitter warns of in another process: each place in the source once, with its own class, its first text
        and how often it spoke. The filters of this process hold there too: one that makes a warning an error makes the
        fit a failed one, as it would here.

    Notes
    -----
    BLAS runs on one thread in every process, with threadpoolctl in this one also: other numbers of threads would
    change the last bits of large groups.
    """
    with one_blas_thread():
        if n_jobs == 1:
            return fits_of_bins(fitter, rows, 0, rows.n_bins)
        sent = _sent(fitter)
        ranges, n_processes = [], 1
        if not _must_stay():
            batches = Batches() if batches is None else batches
            n_processes = _cores() if n_jobs in (None, -1) else int(n_jobs)
            ranges = batch_ranges(batches, np.diff(rows.offsets), n_processes)
            n_processes = min(n_processes, len(ranges))
        if batches is None or n_processes <= 1:
            return fits_of_bins(fitter, rows, 0, rows.n_bins)
        return _joined(_run(sent, rows, ranges, n_processes, batches.backend), fitter)


@dataclass(frozen=True)
class _Done:
    """A batch's fits, None if the fitter cannot be loaded in that process; ``refusal`` says why."""

    fits: Optional[GroupFits]
    warned: tuple[Warned, ...] = ()
    refusal: str = ""


def fits_of_batch(
    sent: _Sent, rows: SortedRows, start: int, stop: int, filters: Optional[tuple[SentFilter, ...]]
) -> _Done:
    """Fits of a batch, in another process; warnings are counted unless ``filters`` is None."""
    with Caught() as caught:
        fitter = pickle.loads(sent.data)
    if caught.error is not None:
        return _Done(None, refusal=_told(caught.error))
    if filters is None:
        return _Done(fits_of_bins(fitter, rows, start, stop))
    with WarningCounts(filters) as counts:
        fits = fits_of_bins(fitter, rows, start, stop)
    return _Done(fits, counts.found())


class _Abandoned(BaseException):
    """Ends a thread's batch: nobody waits for it any more."""


@dataclass(frozen=True)
class _Abandonable:
    """A fitter that does not begin another group once it is abandoned: threads cannot be ended from outside."""

    fitter: GroupFitter
    abandoned: threading.Event

    def __call__(self, rows: GroupRows) -> GroupFit:
        if self.abandoned.is_set():
            raise _Abandoned
        return self.fitter(rows)


def _in_thread(abandoned: threading.Event, sent: _Sent, rows: SortedRows, start: int, stop: int) -> _Done:
    fitter = _Abandonable(pickle.loads(sent.data), abandoned)  # a copy, as fitters may change while they fit
    return _Done(fits_of_bins(fitter, rows, start, stop))


def _run(sent: _Sent, rows: SortedRows, ranges: list[Range], n_processes: int, backend: str) -> list[_Done]:
    """What the batches gave, in their order; errors of joblib in words of ours."""
    run = {"loky": _in_workers, "multiprocessing": _in_pool, "threading": _in_threads}[backend]
    try:
        return run(sent, rows, ranges, n_processes)
    except (BrokenProcessPool, WorkerError) as error:
        message = (
            "a process that was fitting groups died, so there is no result: it was killed, or ran out of memory, or a"
            " library crashed in it; give fewer n_jobs if memory is short, or n_jobs=1 to see it happen"
        )
        raise WorkerError(message) from error
    except pickle.PicklingError as error:
        cause = str(error.__cause__ or error).rstrip(' \n"').splitlines()[-1]  # of a traceback in words
        message = (
            f"the rows could not be shared with other processes: {cause}; set the environment variable"
            " JOBLIB_TEMP_FOLDER to a folder with more room, or give n_jobs=1"
        )
        raise WorkerError(message) from error


def _in_workers(sent: _Sent, rows: SortedRows, ranges: list[Range], n_processes: int) -> list[_Done]:
    """By loky. Ctrl-C while joblib starts workers would leave it in pieces, so that it runs on a thread of its own."""
    import joblib
    from joblib.parallel import LokyBackend

    backend = LokyBackend(inner_max_num_threads=1)
    filters = sent_filters()
    tasks = (joblib.delayed(fits_of_batch)(sent, rows, *one, filters) for one in ranges)
    with _one_call, ThreadPoolExecutor(1) as apart:
        future = apart.submit(_results, backend, n_processes, tasks)
        try:
            while not wait([future], _PATIENCE_SECONDS).done:  # in short waits, as Windows hears no Ctrl-C in a wait
                pass
        finally:
            if not future.done():  # on Ctrl-C
                _end(future, backend)
        return future.result()


def _end(future: Future[Any], backend: Any) -> None:
    """End a call by its workers, as joblib clears up by itself after some that die; then joblib needs new ones."""
    executor = None
    while not (future.done() or future.cancel()):
        executor = getattr(backend, "_workers", None) or executor
        for worker in list((getattr(executor, "_processes", None) or {}).values()):
            worker.terminate()
        wait([future], _PATIENCE_SECONDS)
    if executor is not None:  # they may have died when all was done, which joblib would notice in its next call only
        executor.terminate(kill_workers=True)


def _in_pool(sent: _Sent, rows: SortedRows, ranges: list[Range], n_processes: int) -> list[_Done]:
    """By multiprocessing, on the caller's thread: to fork beside another thread is asking for trouble."""
    import joblib

    from gbr_dag.group_fits.watched_pool import watched_pool

    filters = sent_filters()
    tasks = (joblib.delayed(fits_of_batch)(sent, rows, *one, filters) for one in ranges)
    return _results(watched_pool(), n_processes, tasks)


def _in_threads(sent: _Sent, rows: SortedRows, ranges: list[Range], n_processes: int) -> list[_Done]:
    import joblib

    abandoned = threading.Event()
    tasks = (joblib.delayed(_in_thread)(abandoned, sent, rows, *one) for one in ranges)
    try:
        return _results("threading", n_processes, tasks)
    finally:
        abandoned.set()


def _results(backend: Any, n_processes: int, tasks: Iterable[Any]) -> list[_Done]:
    import joblib

    with joblib.parallel_config(backend=backend):
        # joblib hands out a few at a time: with more than that waiting, loky is loud when one of them fails
        parallel = joblib.Parallel(n_jobs=n_processes, batch_size=1, max_nbytes=MAPPED_BYTES, mmap_mode="r")
        return list(parallel(tasks))


def _joined(done: Iterable[_Done], fitter: GroupFitter) -> GroupFits:
    parts: list[GroupFits] = []
    warned: list[Warned] = []
    for one in done:
        if one.fits is None:
            message = f"fitter {_name(fitter)} cannot be loaded in another process: {one.refusal}; {_WAYS_OUT}"
            raise InputError(message)
        parts.append(one.fits)
        warned.extend(one.warned)
    tell(warned)
    return GroupFits.joined(parts)


_WAYS_OUT = (
    "define it at the top level of a module that can be imported, without open files, locks or connections, or give"
    " n_jobs=1"
)


def _sent(fitter: GroupFitter) -> _Sent:
    """A fitter as bytes; an array, so that a large one is mapped too."""
    _require_joblib()
    with Caught() as caught:
        return np.frombuffer(pickled_by_value(fitter), dtype=np.uint8)
    cause = _told(caught.error)
    message = f"fitter {_name(fitter)} cannot be sent to another process: {cause}; {_WAYS_OUT}"
    raise InputError(message) from caught.error


def _name(fitter: GroupFitter) -> str:
    text = fitter_text(getattr(fitter, "fitter", fitter))  # the user knows what was given, not what it was put into
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}..."


def _told(error: Optional[BaseException]) -> str:
    return f"{type(error).__name__}: {error}"


def _require_joblib() -> None:
    try:
        import joblib  # noqa: F401
    except ModuleNotFoundError as error:
        message = "engine 'loky' needs joblib; get it with: pip install \"gbr-dag[loky]\" (n_jobs=1 works without)"
        raise MissingExtraError(message) from error


def _cores() -> int:
    """Cores that this process may use: affinity and limits of containers count."""
    import joblib

    return int(joblib.cpu_count())


_one_call = threading.Lock()
"""Callers side by side share the workers of joblib, of which one would clear away the maps of the other."""

_forked_beside_workers = False


def _note_fork() -> None:
    """In a fork, the workers of joblib belong to the parent, and the thread that spoke with them is gone."""
    global _forked_beside_workers, _one_call
    _one_call = threading.Lock()
    module = sys.modules.get("joblib.externals.loky.reusable_executor")
    _forked_beside_workers = _forked_beside_workers or getattr(module, "_executor", None) is not None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


def _must_stay() -> bool:
    """Whether this process cannot, or should not, have workers of its own."""
    from joblib.parallel import get_active_backend

    nested = (get_active_backend()[0].nesting_level or 0) > 0
    return nested or _forked_beside_workers or bool(multiprocessing.current_process().daemon)
