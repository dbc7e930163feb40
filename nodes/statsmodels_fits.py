"""Fits by statsmodels, one group after the other in this process, with a word beforehand on how long it will take."""

import time
from collections.abc import Sequence

import numpy as np

from gbr_dag.caller_warnings import warn_caller
from gbr_dag.errors import PerformanceWarning
from gbr_dag.graph.backend import config
from gbr_dag.group_fits.frame_order import in_frame_order
from gbr_dag.group_fits.records import GroupFits, GroupFitter, SortedRows, fits_of_bins
from gbr_dag.group_fits.statsmodels_fits import Glm, Rlm, StatsmodelsLeastSquares
from gbr_dag.options import GlmOptions, RlmOptions
from gbr_dag.tables import BinMap, BinRows, BinTable, IntArray

_TOLERATED_SECONDS = 10.0
"""A run that will take longer is announced."""

_TIMED_GROUPS = 20
_TIMED_SECONDS = 0.2
"""What the first batch has at least of groups and of time, so that its time tells that of the rest."""

_clock = time.perf_counter

_FASTER = {
    "ols": 'engine "numba" makes the same fits faster',
    "wls": 'engine "numba" makes the same fits faster',
    "rlm": 'fitter "huber" on engine "numba" is faster, and fits what "rlm" does with the norm "huber"',
    "glm": 'no other engine has fitter "glm": fewer groups take less',
    "own": 'engine "loky" runs a fitter of your own in several processes',
}
"""The way out, by fitter."""


@config.when_in(fitter=["ols", "wls"], engine=["statsmodels"])
def group_fitter__wls() -> GroupFitter:
    """What fits one group: WLS of statsmodels."""
    return StatsmodelsLeastSquares()


@config.when_in(fitter=["glm"], engine=["statsmodels"])
def group_fitter__glm(fitter_options: GlmOptions) -> GroupFitter:
    """What fits one group: GLM of statsmodels."""
    return Glm(fitter_options)


@config.when_in(fitter=["rlm"], engine=["statsmodels"])
def group_fitter__rlm(fitter_options: RlmOptions) -> GroupFitter:
    """What fits one group: RLM of statsmodels."""
    return Rlm(fitter_options)


@config.when_in(engine=["statsmodels"])
def group_fits__statsmodels(
    group_fitter: GroupFitter,
    sorted_rows: SortedRows,
    bin_map: BinMap,
    bin_rows: BinRows,
    bin_table: BinTable,
    targets: Sequence[str],
    fitter: str,
) -> GroupFits:
    """Fits of every group and target, one after the other; warns first if all will take longer than 10 s."""
    rows, due = sorted_rows, _fits_due(sorted_rows)
    # what the first group costs besides its fit, imports above all, tells nothing of the others
    done = min(int(np.argmax(due > 0)) + 1, rows.n_bins) if due.any() else rows.n_bins
    parts = [fits_of_bins(group_fitter, rows, 0, done)]
    start, timed_from = _clock(), done
    while done < rows.n_bins and (done - timed_from < _TIMED_GROUPS or _clock() - start < _TIMED_SECONDS):
        stop = min(done + _TIMED_GROUPS, rows.n_bins)
        parts.append(fits_of_bins(group_fitter, rows, done, stop))
        done = stop
    if done < rows.n_bins:
        seconds, timed = _clock() - start, int(due[timed_from:done].sum())
        _announce(fitter, int(due.sum()), timed, seconds)
        parts.append(fits_of_bins(group_fitter, rows, done, rows.n_bins))
    return in_frame_order(GroupFits.joined(parts), bin_map, bin_rows, bin_table, targets)


def _fits_due(rows: SortedRows) -> IntArray:
    """Targets of every group that have rows enough, (n_bins,)."""
    used = np.zeros((len(rows.used) + 1, rows.used.shape[1]), dtype=np.int64)
    np.cumsum(rows.used, axis=0, out=used[1:])
    due: IntArray = np.sum(np.diff(used[rows.offsets], axis=0) >= rows.min_entries, axis=1)
    return due


def _announce(fitter: str, n_fits: int, timed: int, seconds: float) -> None:
    """Warn if all fits will take long, from the time of the first ones."""
    expected = seconds * n_fits / timed if timed else 0.0
    if expected <= _TOLERATED_SECONDS:
        return
    length = f"{expected:.0f} s" if expected < 120 else f"{expected / 60:.0f} minutes"
    message = (
        f"engine 'statsmodels' makes {n_fits} fits one after the other: the first {timed} took {seconds:.2g} s, all of"
        f" them will take about {length}; {_FASTER[fitter]}"
    )
    warn_caller(message, PerformanceWarning)
