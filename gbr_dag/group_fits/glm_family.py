"""Families of generalized linear models with their links: what the linear predictor says of the target."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from gbr_dag.options import DEFAULT_LINKS, FAMILIES, LINKS, GlmOptions
from gbr_dag.tables import FloatArray

_KNOWN_SCALE = ("poisson", "binomial", "negative_binomial")
"""Families whose variance is given by the mean alone."""


def scale_is_known(options: GlmOptions) -> bool:
    """Whether the family fixes the dispersion at 1, so that nothing of it is estimated."""
    return options.family in _KNOWN_SCALE


def link_of(options: GlmOptions) -> str:
    """Name of the link, the family's own where none is given."""
    return DEFAULT_LINKS[options.family] if options.link is None else options.link


def family_of(options: GlmOptions) -> Any:
    """The family of ``statsmodels`` with its link."""
    from statsmodels.genmod import families

    kind = getattr(families, FAMILIES[options.family])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the negative binomial says that it takes its default dispersion
        return kind() if options.link is None else kind(link=getattr(families.links, LINKS[options.link])())


def mean_of(options: GlmOptions, linear: FloatArray) -> FloatArray:
    """Mean of the target where the linear predictor is ``linear``, any shape; NaN stays."""
    with np.errstate(all="ignore"):
        return np.asarray(family_of(options).link.inverse(linear), dtype=np.float64)


def mean_slope_of(options: GlmOptions, linear: FloatArray) -> FloatArray:
    """Derivative of the mean by the linear predictor, any shape; NaN stays."""
    with np.errstate(all="ignore"):
        return np.asarray(family_of(options).link.inverse_deriv(linear), dtype=np.float64)


def variance_of(options: GlmOptions, mean: FloatArray) -> FloatArray:
    """Variance V(mu) of a target of this mean at weight 1 and dispersion 1, any shape."""
    with np.errstate(all="ignore"):
        return np.asarray(family_of(options).variance(mean), dtype=np.float64) * np.ones_like(mean)
