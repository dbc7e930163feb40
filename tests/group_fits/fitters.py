"""Fitters for tests, in a module that other processes import: it must be light."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gbr_dag.group_fits.least_squares import LeastSquares
from gbr_dag.group_fits.records import GroupFit, GroupFits, GroupRows, SortedRows


def grouped(sizes, p=2, t=2, seed=1, intercept=True):
    """Rows of groups of given sizes, with weights, each target missing in some rows."""
    rng = np.random.default_rng(seed)
    n = int(np.sum(sizes))
    x = rng.normal(5.0, 1.0, size=(n, p))
    return SortedRows(
        x=x,
        y=x.sum(axis=1)[:, None] + rng.normal(size=(n, t)),
        w=rng.uniform(0.1, 3.0, size=n),
        used=rng.random((n, t)) < 0.9,
        offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        precision=np.full(p + t, np.finfo(float).eps),
        intercept=intercept,
        min_entries=p + intercept,
    )


def different(one: GroupFits, other: GroupFits) -> list[str]:
    """Fields that are not the same to the last bit."""
    names = [name for name in vars(one) if name != "failures"]
    arrays = {name: (getattr(one, name), getattr(other, name)) for name in names}
    found = [
        name
        for name, (a, b) in arrays.items()
        if a.dtype != b.dtype or a.shape != b.shape or a.tobytes() != b.tobytes()
    ]
    return found + (["failures"] if one.failures != other.failures else [])


class Stubborn(Exception):
    """Cannot be pickled."""

    def __init__(self, text):
        super().__init__(text)
        self.file = sys.stderr


class OddWarning(UserWarning):
    """Takes two arguments."""

    def __init__(self, text, more):
        super().__init__(text, more)


@dataclass(frozen=True)
class Misbehaving:
    """Least squares that does something on the way, in groups whose first weight is beyond a bound."""

    what: str = ""
    above: float = 2.0
    note: str = ""

    def __call__(self, rows: GroupRows) -> GroupFit:
        if rows.w[0] > self.above:
            getattr(self, f"_{self.what}")(rows)
        return LeastSquares()(rows)

    def _raises(self, rows):
        message = f"{len(rows.y)} rows are odd"
        raise Stubborn(message)

    def _warns(self, rows):
        warnings.warn(f"{len(rows.y)} rows are odd", RuntimeWarning, stacklevel=1)

    def _warns_oddly(self, rows):
        warnings.warn(OddWarning("odd", len(rows.y)), stacklevel=1)

    def _exits(self, _):
        sys.exit(3)

    def _dies(self, _):
        os._exit(5)

    def _is_killed(self, _):
        os.kill(os.getpid(), signal.SIGKILL)

    def _crashes(self, _):
        ctypes.string_at(0)

    def _dawdles(self, _):
        Path(self.note, str(os.getpid())).touch()
        time.sleep(60)

    def _notes(self, _):
        Path(self.note, str(os.getpid())).touch()

    def _tells(self, rows):
        heavy = {"pandas", "hamilton", "numba", "scipy", "networkx", "pyarrow", "statsmodels"} & set(sys.modules)
        threads = {os.environ.get(name) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
        message = f"{sorted(heavy)} {threads} {type(self).__module__} writeable={rows.x.flags.writeable}"
        raise ValueError(message)


@dataclass(frozen=True)
class Rejecting:
    """Least squares that rejects the row of the largest target."""

    def __call__(self, rows: GroupRows) -> GroupFit:
        kept = rows.y < rows.y.max()
        return replace(LeastSquares()(rows.of(kept)), n_refits=1, n_rejected=1, rejected=~kept)


@dataclass(frozen=True)
class Calling:
    """Least squares with a function of somebody's, which may be one that cannot be sent."""

    function: object

    def __call__(self, rows: GroupRows) -> GroupFit:
        fit = LeastSquares()(rows)
        return replace(fit, values=self.function(fit.values))
