"""The doors of existing scripts as the benchmarks go through them, and the frames that they fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
import numpy.typing as npt
import pandas as pd

import gbr_dag
from benchmarks.scenarios import KEYS

MIN_ROWS = 5
"""Rows of the smallest group."""

NO_CUT = 1e9
"""A cut that no residual of these frames reaches, so that a door with rejection gives plain fits."""

V2_CUT, ROBUST_CUT = 5.0, 4.0
"""The doors' own defaults, in units of the median absolute residual."""

SLOPES = (1.0, 1.5)
PREDICTORS = ("x0", "x1")


@dataclass(frozen=True)
class Workload:
    """A frame's make-up, and the processes that doors with processes may take.

    Attributes
    ----------
    rows : int
        Of every group; on average, if the groups are ``clustered``: most are small and a few hold most of the rows.
    outliers : float
        Share of rows that lie far off, by more at larger ``x0``, so that they bend the slope.
    noise : float
        Standard deviation of a row of weight 1.
    decades : float
        Over which the weights spread; 0 leaves them all at 1.
    n_jobs : int, optional
        None for all cores.
    """

    key: str
    groups: int
    rows: int
    targets: int = 1
    outliers: float = 0.0
    noise: float = 0.1
    decades: float = 2.0
    clustered: bool = False
    n_jobs: Optional[int] = 1

    @property
    def target_names(self) -> list[str]:
        return [f"y{i}" for i in range(self.targets)]

    def sizes(self, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """Rows of every group."""
        if not self.clustered:
            return np.full(self.groups, self.rows)
        share = rng.lognormal(sigma=1.5, size=self.groups)
        sizes: npt.NDArray[np.int64] = np.maximum((share / share.mean() * self.rows).astype(np.int64), MIN_ROWS)
        return sizes

    def frame(self, seed: int = 1) -> pd.DataFrame:
        """Unsorted rows with three integer keys; the noise of a row of weight w is ``noise / sqrt(w)``."""
        rng = np.random.default_rng(seed)
        cell = rng.permutation(np.repeat(np.arange(self.groups), self.sizes(rng)))
        n = len(cell)
        frame = pd.DataFrame({"k1": cell % 10, "k2": cell // 10 % 10, "k3": cell // 100})
        frame["x0"], frame["x1"] = rng.normal(size=n), rng.normal(size=n) + 1.0
        weights = 10.0 ** (self.decades * (rng.random(n) - 0.5))
        sigma = self.noise / np.sqrt(weights)
        for i, name in enumerate(self.target_names):
            off = np.where(rng.random(n) < self.outliers, (3.0 + frame["x0"]) * 10.0 * sigma, 0.0)
            frame[name] = 1.0 + i + SLOPES[0] * frame["x0"] + SLOPES[1] * frame["x1"] + sigma * rng.normal(size=n) + off
        # one block of memory a kind, as a frame that was read in one go has
        return frame.assign(w=weights).copy()


def cell_of(frame: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Number of every row's group, from its keys."""
    return np.asarray(frame["k1"] + 10 * frame["k2"] + 100 * frame["k3"], dtype=np.int64)


@dataclass(frozen=True)
class Door:
    """One way in, with the settings that the benchmarks vary.

    Attributes
    ----------
    key : str
        Its name in the records.
    suffix : str
        Of its columns.
    call : callable
        ``(frame, workload, door) -> (rows, table)``.
    fitter : {"ols", "huber"}
        Of the reference that its table is held against.
    n_jobs : int, optional
        None: as the workload says.
    cut : float
        Residuals beyond so many median absolute residuals are rejected, by doors that reject.
    """

    key: str
    label: str
    suffix: str
    call: Callable[[pd.DataFrame, Workload, Door], Any]
    fitter: str = "ols"
    n_jobs: Optional[int] = None
    cut: float = NO_CUT

    def table(self, frame: pd.DataFrame, workload: Workload) -> pd.DataFrame:
        """One row a group, as the door gives it: this is what is timed."""
        table: pd.DataFrame = self.call(frame, workload, self)[1]
        return table

    def jobs(self, workload: Workload) -> int:
        """Processes: -1 for all cores."""
        chosen = workload.n_jobs if self.n_jobs is None else self.n_jobs
        return -1 if chosen is None else chosen


def _everything(frame: pd.DataFrame) -> pd.Series:
    return pd.Series(True, index=frame.index)


def _v2(frame: pd.DataFrame, workload: Workload, door: Door) -> Any:
    return gbr_dag.make_parallel_fit_v2(
        frame,
        list(KEYS),
        workload.target_names,
        list(PREDICTORS),
        [],
        "w",
        door.suffix,
        _everything(frame),
        n_jobs=door.jobs(workload),
        min_stat=3,
        sigmaCut=door.cut,
    )


def _v3(frame: pd.DataFrame, workload: Workload, door: Door) -> Any:
    return gbr_dag.make_parallel_fit_v3(
        frame,
        gb_columns=list(KEYS),
        fit_columns=workload.target_names,
        linear_columns=list(PREDICTORS),
        weights="w",
        suffix=door.suffix,
        diag=False,
    )


def _v4(frame: pd.DataFrame, workload: Workload, door: Door) -> Any:
    return gbr_dag.make_parallel_fit_v4(
        df=frame,
        gb_columns=list(KEYS),
        fit_columns=workload.target_names,
        linear_columns=list(PREDICTORS),
        weights="w",
        suffix=door.suffix,
    )


def _robust(frame: pd.DataFrame, workload: Workload, door: Door) -> Any:
    return gbr_dag.GroupByRegressor.make_parallel_fit(
        frame,
        list(KEYS),
        workload.target_names,
        list(PREDICTORS),
        [],
        "w",
        door.suffix,
        _everything(frame),
        n_jobs=door.jobs(workload),
        min_stat=3,
        sigmaCut=door.cut,
        diag=True,  # for the share of rejected rows
    )


V2 = Door("v2", "v2 (loky)", "_v2", _v2)
V3 = Door("v3", "v3 (numpy)", "_v3", _v3)
V4 = Door("v4", "v4 (numba)", "_v4", _v4)
ROBUST = Door("robust", "robust", "_rob", _robust, "huber")
