"""Order statistics of the values in every window, one window after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

import numpy as np
import numpy.typing as npt

from gbr_dag.tables import BinRows
from gbr_dag.windows.layout import WindowLayout
from gbr_dag.windows.pairs import neighbour_chunks

FloatArray = npt.NDArray[np.float64]

_TIE = 4.0 * np.finfo(np.float64).eps
"""Twice the distance of cumulative weights from a share of the total, relative to it, that rounding may make."""


def order_statistics(
    values: FloatArray,
    weights: Optional[FloatArray],
    bin_rows: BinRows,
    layout: WindowLayout,
    levels: Sequence[float],
    with_mad: bool,
) -> tuple[FloatArray, FloatArray]:
    """Quantiles and median absolute deviations of the finite values in every window.

    Parameters and results are those of the function of this name in ``compiled_order_statistics``. Cost
    O(rows in windows), times the logarithm of that where there are weights.
    """
    results, mads = np.full((len(levels), layout.n_bins), np.nan), np.full(layout.n_bins if with_mad else 0, np.nan)
    used = np.isfinite(values) if weights is None else np.isfinite(values) & (weights > 0.0)
    kept = used[bin_rows.rows]
    rows, offsets = bin_rows.rows[kept], np.concatenate(([0], np.cumsum(kept)))[bin_rows.offsets]
    values, lengths = values[rows], np.diff(offsets)
    weights = None if weights is None else weights[rows]
    for chunk in neighbour_chunks(layout):
        for centre in range(chunk.start, chunk.stop):
            entries = slice(*chunk.starts[centre - chunk.start : centre - chunk.start + 2])
            bins, kernel = chunk.bins[entries], chunk.weights[entries]
            count = lengths[bins]
            places = np.arange(count.sum()) + np.repeat(offsets[bins] - (np.cumsum(count) - count), count)
            if len(places) == 0:
                continue
            y, k = values[places], np.repeat(kernel, count)
            if weights is None:
                y = np.repeat(y, k.astype(np.int64))
                results[:, centre] = [_quantile(y, level) for level in levels]
                if with_mad:
                    mads[centre] = _quantile(np.abs(y - _quantile(y, np.nan)), np.nan)
                continue
            v = k * weights[places]
            results[:, centre] = [weighted_quantile(y, v, 0.5 if np.isnan(level) else level) for level in levels]
            if with_mad:
                mads[centre] = weighted_quantile(np.abs(y - weighted_quantile(y, v, 0.5)), v, 0.5)
    return results, mads


def _quantile(values: FloatArray, level: float) -> float:
    """NumPy's default, which scales down what would leave the range of doubles; the median where the level is NaN."""
    scale = 0.25 if np.abs(values).max() > 2.0**1022 else 1.0
    scaled = values * scale
    found = np.median(scaled) if np.isnan(level) else np.quantile(scaled, level)
    return float(found / scale) + 0.0


def weighted_quantile(values: FloatArray, weights: FloatArray, share: float) -> float:
    """Smallest value at which the cumulative weight passes a share of the total, weights above 0.

    The midpoint to the next value where it is at that share, within the rounding of the sums.
    """
    order = np.argsort(values, kind="stable")
    values, cumulative = values[order], np.cumsum(weights[order], dtype=np.longdouble)
    total = cumulative[-1]
    beyond = 2.0 * ((1.0 - share) * cumulative - share * (total - cumulative))
    lower = values[np.argmax(beyond >= -_TIE * total)]
    upper = values[np.argmax(beyond > _TIE * total)] if beyond[-1] > _TIE * total else lower
    return float(lower if lower == upper else lower / 2.0 + upper / 2.0) + 0.0
