"""Synthetic distortion of a detector, of which the truth is known."""

from __future__ import annotations

import operator
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

from gbr_dag.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

DISTORTION_TERMS = ("drift_dr", "drift_dr2", "drift_dsec", "drift_dsec_dr", "meanIDC")
"""Columns in which the true distortion is linear: drift dr, drift dr^2, drift dsec, drift dsec dr, meanIDC."""

_INNER_RADIUS_CM, _RADIAL_SPAN_CM, _DRIFT_LENGTH_CM = 82.0, 168.0, 250.0
_A_DRIFT, _A1_DR, _A2_DR = 1e-3, 1.5e-2, -4e-5
_A_DRIFT_DSEC, _A1_DSEC, _A1_DSEC_DR = 5e-4, 0.8, 0.3
_A1_IDC = 2e-3


def synthetic_distortion(
    n_dr: int = 50, n_y: int = 10, n_z: int = 10, rows: int = 50, *, noise: float = 0.02, seed: int = 0
) -> pd.DataFrame:
    """Make the distortion of a time-projection chamber by space charge, measured with noise, in cm.

    Parameters
    ----------
    n_dr, n_y, n_z : int, default 50, 10, 10
        Bins in radius, across the sector and in z over r. A calibration of full size has 170, 20 and 20.
    rows : int, default 50
        Measurements a bin; 100 in full size.
    noise : float, default 0.02
        Standard deviation of a measurement in cm, the same everywhere.
    seed : int, default 0
        Of NumPy's ``default_rng``; the current is drawn before the noise.

    Returns
    -------
    pandas.DataFrame (n_dr * n_y * n_z * rows, 14)
        One row a measurement, sorted by bin, nothing missing.

        =================  =======  =====================================================================
        column             dtype    what
        =================  =======  =====================================================================
        xBin               int64    bin in radius, 0 to n_dr - 1
        y2xBin             int64    bin across the sector, 0 to n_y - 1
        z2xBin             int64    bin in z over r, 0 to n_z - 1
        r                  float64  radius of the bin, cm
        dr                 float64  distance from the innermost radius, in bins
        drift              float64  length of drift, cm
        dsec               float64  place across the sector, in sectors, -1/2 to 1/2
        meanIDC            float64  current integrated over the drift, in standard deviations from its mean
        drift_dr           float64  drift dr
        drift_dr2          float64  drift dr^2
        drift_dsec         float64  drift dsec
        drift_dsec_dr      float64  drift dsec dr
        dX_true            float64  distortion, cm
        dX_meas            float64  measured distortion, cm
        =================  =======  =====================================================================

    Raises
    ------
    InputError
        If a size or the seed is no integer in its range, or the noise is negative or not finite.

    Notes
    -----
    r = 82 cm + xBin 168 cm / n_dr, dr = xBin, drift = 250 cm - r z2xBin / n_z, dsec = (y2xBin - n_y / 2) / n_y,
    meanIDC ~ N(0, 1) and

        dX_true = a_drift drift (a1_dr dr + a2_dr dr^2) + a_drift_dsec drift (a1_dsec dsec + a1_dsec_dr dsec dr)
                  + a1_IDC meanIDC

    with a_drift = 1e-3, a1_dr = 1.5e-2, a2_dr = -4e-5, a_drift_dsec = 5e-4, a1_dsec = 0.8, a1_dsec_dr = 0.3 and
    a1_IDC = 2e-3; dX_meas = dX_true + N(0, noise). Within a bin only meanIDC varies: the other four terms are
    determined by neighbouring bins alone, and are far from orthogonal within a window.

    Examples
    --------
    >>> import gbr_dag
    >>> rows = gbr_dag.synthetic_distortion(n_dr=5, n_y=2, n_z=2, rows=3, seed=1)
    >>> rows[["xBin", "y2xBin", "z2xBin", "drift", "dX_true", "dX_meas"]].tail(2).round(3)
        xBin  y2xBin  z2xBin  drift  dX_true  dX_meas
    58     4       1       1  141.8    0.006   -0.015
    59     4       1       1  141.8    0.008    0.021
    """
    n_dr, n_y, n_z = (_integer(name, value, 1) for name, value in (("n_dr", n_dr), ("n_y", n_y), ("n_z", n_z)))
    rows, seed = _integer("rows", rows, 1), _integer("seed", seed, 0)
    if not isinstance(noise, Real) or isinstance(noise, bool) or not 0 <= noise < np.inf:
        message = f"noise must be a finite number of cm that is not negative, got {noise!r}"
        raise InputError(message)
    import pandas as pd

    x, y, z = (np.repeat(bins.ravel(), rows) for bins in np.indices((n_dr, n_y, n_z)))
    generator = np.random.default_rng(seed)
    dr, dsec = x.astype(np.float64), (y - n_y / 2) / n_y
    r = _INNER_RADIUS_CM + x * _RADIAL_SPAN_CM / n_dr
    drift = _DRIFT_LENGTH_CM - z / n_z * r
    current = generator.normal(size=len(x))
    true = _A_DRIFT * drift * (_A1_DR * dr + _A2_DR * dr**2) + _A1_IDC * current
    true += _A_DRIFT_DSEC * drift * (_A1_DSEC * dsec + _A1_DSEC_DR * dsec * dr)
    columns = {"xBin": x, "y2xBin": y, "z2xBin": z, "r": r, "dr": dr, "drift": drift, "dsec": dsec, "meanIDC": current}
    columns.update(
        drift_dr=drift * dr, drift_dr2=drift * dr**2, drift_dsec=drift * dsec, drift_dsec_dr=drift * dsec * dr
    )
    return pd.DataFrame({**columns, "dX_true": true, "dX_meas": true + generator.normal(0.0, noise, size=len(x))})


def _integer(name: str, value: object, least: int) -> int:
    """The value as an integer that is not below ``least``."""
    try:
        number = -1 if isinstance(value, bool) else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = -1
    if number < least:
        message = f"{name} must be an integer of at least {least}, got {value!r}"
        raise InputError(message)
    return number
