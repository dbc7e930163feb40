"""Settings of the fitters: frozen, checked when they are made."""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Optional, Union

from gbr_dag.errors import InputError
from gbr_dag.graph.checks import unknown


@dataclass(frozen=True)
class HuberOptions:
    """Settings of ``fitter="huber"``.

    Attributes
    ----------
    tuning : float, default 1.345
        Residuals beyond so many scales count less: weight tuning / abs(u) with u = sqrt(w) r / s. 1.345 keeps 95 % of
        the efficiency of least squares for normal noise. ``inf`` is least squares, with the cut if there is one.
    sigma_cut : float, optional
        Rows with abs(u) beyond it are rejected and the rest is fitted again, until none is beyond; s is
        1.4826 times the median of abs(sqrt(w) r) over the rows used. Rejected rows do not come back.
    max_refits : int, default 10
        Most fits after the first; a cut that has not settled by then is flagged NOT_CONVERGED.
    max_iter : int, default 200
        Most steps of each fit; one that has not settled by then is flagged NOT_CONVERGED.
    tol : float, default 1e-10
        A fit has settled when the fitted values move by less than ``tol`` scales (root of the sum of squares), and the
        scale by less than ``tol`` of itself.

    Raises
    ------
    InputError
        If a value breaks its rule.

    Examples
    --------
    >>> HuberOptions(sigma_cut=5.0)
    HuberOptions(tuning=1.345, sigma_cut=5.0, max_refits=10, max_iter=200, tol=1e-10)
    """

    tuning: float = 1.345
    sigma_cut: Optional[float] = None
    max_refits: int = 10
    max_iter: int = 200
    tol: float = 1e-10

    def __post_init__(self) -> None:
        """Refuse values that break their rule."""
        _set_positive(self, "tuning", infinite=True)
        _set_cut(self)
        _set_whole(self, "max_iter", 1)
        _set_positive(self, "tol")


@dataclass(frozen=True)
class GlmOptions:
    """Settings of ``fitter="glm"``: those of statsmodels GLM.

    Attributes
    ----------
    family : str, default "gaussian"
        ``gaussian``, ``poisson``, ``binomial``, ``gamma``, ``inverse_gaussian``, ``negative_binomial`` or
        ``tweedie``, with the defaults of statsmodels.
    link : str, optional
        ``identity``, ``log``, ``logit``, ``probit``, ``cloglog``, ``inverse_power``, ``inverse_squared`` or ``sqrt``;
        default the family's own. Every family has some of them.
    max_iter : int, default 100
        Most steps; a fit that has not settled by then is flagged NOT_CONVERGED.

    Raises
    ------
    InputError
        If a value breaks its rule.

    Examples
    --------
    >>> GlmOptions(family="poisson")
    GlmOptions(family='poisson', link=None, max_iter=100)
    """

    family: str = "gaussian"
    link: Optional[str] = None
    max_iter: int = 100

    def __post_init__(self) -> None:
        """Refuse values that break their rule."""
        _check_choice("family", self.family, FAMILIES)
        if self.link is not None:
            _check_choice("link", self.link, LINKS)
            _check_link(self.family, self.link)
        _set_whole(self, "max_iter", 1)


FAMILIES = {
    "gaussian": "Gaussian",
    "poisson": "Poisson",
    "binomial": "Binomial",
    "gamma": "Gamma",
    "inverse_gaussian": "InverseGaussian",
    "negative_binomial": "NegativeBinomial",
    "tweedie": "Tweedie",
}
"""Families by name, with the class of ``statsmodels.genmod.families``."""

LINKS = {
    "identity": "Identity",
    "log": "Log",
    "logit": "Logit",
    "probit": "Probit",
    "cloglog": "CLogLog",
    "inverse_power": "InversePower",
    "inverse_squared": "InverseSquared",
    "sqrt": "Sqrt",
}
"""Links by name, with the class of ``statsmodels.genmod.families.links``."""

LINKS_OF = {
    "gaussian": ("identity", "inverse_power", "log"),
    "poisson": ("identity", "log", "sqrt"),
    "binomial": ("cloglog", "identity", "log", "logit", "probit"),
    "gamma": ("identity", "inverse_power", "log"),
    "inverse_gaussian": ("identity", "inverse_power", "inverse_squared", "log"),
    "negative_binomial": ("cloglog", "identity", "inverse_power", "inverse_squared", "log", "sqrt"),
    "tweedie": ("identity", "inverse_power", "inverse_squared", "log", "sqrt"),
}
"""Links that statsmodels lets a family have."""

DEFAULT_LINKS = {
    "gaussian": "identity",
    "poisson": "log",
    "binomial": "logit",
    "gamma": "inverse_power",
    "inverse_gaussian": "inverse_squared",
    "negative_binomial": "log",
    "tweedie": "log",
}
"""The family's own link, which it has where none is given."""

NORMS = {
    "huber": "HuberT",
    "tukey": "TukeyBiweight",
    "hampel": "Hampel",
    "andrew": "AndrewWave",
    "ramsay": "RamsayE",
    "trimmed": "TrimmedMean",
}
"""Norms of ``rlm`` by name, with the class of ``statsmodels.robust.norms``."""


@dataclass(frozen=True)
class RlmOptions:
    """Settings of ``fitter="rlm"``: those of statsmodels RLM.

    Attributes
    ----------
    norm : str, default "huber"
        ``huber``, ``tukey``, ``hampel``, ``andrew``, ``ramsay`` or ``trimmed``, with the defaults of statsmodels.
    max_iter : int, default 50
        Most steps; a fit that has not settled by then is flagged NOT_CONVERGED.
    tol : float, default 1e-8
        A fit has settled when no coefficient moves by more, in units of the target's scatter over the column's (about
        the weighted means, or about zero without intercept), or the fitted values do not (root mean square).

    Raises
    ------
    InputError
        If a value breaks its rule.

    Examples
    --------
    >>> RlmOptions(norm="tukey")
    RlmOptions(norm='tukey', max_iter=50, tol=1e-08)
    """

    norm: str = "huber"
    max_iter: int = 50
    tol: float = 1e-8

    def __post_init__(self) -> None:
        """Refuse values that break their rule."""
        _check_choice("norm", self.norm, NORMS)
        _set_whole(self, "max_iter", 1)
        _set_positive(self, "tol")


@dataclass(frozen=True)
class CutOptions:
    """Settings for a fitter of your own: rows far off are rejected and the rest is fitted again.

    Attributes
    ----------
    sigma_cut : float, optional
    max_refits : int, default 10
        As in :class:`HuberOptions`.

    Raises
    ------
    InputError
        If a value breaks its rule.

    Examples
    --------
    >>> CutOptions(sigma_cut=4.0)
    CutOptions(sigma_cut=4.0, max_refits=10)
    """

    sigma_cut: Optional[float] = None
    max_refits: int = 10

    def __post_init__(self) -> None:
        """Refuse values that break their rule."""
        _set_cut(self)


Options = Union[HuberOptions, GlmOptions, RlmOptions, CutOptions]

OPTIONS_OF: dict[str, type[Options]] = {
    "huber": HuberOptions,
    "glm": GlmOptions,
    "rlm": RlmOptions,
    "own": CutOptions,
}
"""The settings that a fitter takes; least squares takes none."""


def options_record(options: Optional[Options]) -> Optional[dict[str, Any]]:
    """Settings as plain JSON, which has no infinity."""
    if options is None:
        return None
    return {name: "inf" if value == math.inf else value for name, value in asdict(options).items()}


def options_of_record(fitter: str, record: Optional[Mapping[str, Any]]) -> Optional[Options]:
    """Settings from what :func:`options_record` made of them."""
    if record is None:
        return None
    settings: dict[str, Any] = {name: math.inf if value == "inf" else value for name, value in record.items()}
    return OPTIONS_OF[fitter](**settings)


def fitter_text(fitter: Any) -> str:
    """A callable or estimator in words: its name with the module, or how it writes itself, without addresses."""
    name = getattr(fitter, "__qualname__", None)
    text = repr(fitter) if name is None else f"{fitter.__module__}.{name}"
    return re.sub(r" at 0x[0-9a-fA-F]+", "", text)


def _set_cut(options: Union[HuberOptions, CutOptions]) -> None:
    if options.sigma_cut is not None:
        _set_positive(options, "sigma_cut")
    _set_whole(options, "max_refits", 0)


def _set_positive(options: Any, name: str, *, infinite: bool = False) -> None:
    """Check a number above 0, and keep it as Python's own: numpy's are not plain JSON."""
    value: Any = getattr(options, name)
    fits = isinstance(value, numbers.Real) and not isinstance(value, bool) and float(value) > 0
    if not fits or (math.isinf(value) and not infinite):
        message = f"{name} must be a number above 0, got {value!r}"
        raise InputError(message)
    object.__setattr__(options, name, value if isinstance(value, int) else float(value))


def _set_whole(options: Any, name: str, least: int) -> None:
    value = getattr(options, name)
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < least:
        message = f"{name} must be an integer of at least {least}, got {value!r}"
        raise InputError(message)
    object.__setattr__(options, name, int(value))


def _check_choice(name: str, value: Any, choices: Any) -> None:
    if value not in choices:
        raise InputError(unknown(name, value, list(choices), f"choices: {', '.join(sorted(choices))}"))


def _check_link(family: str, link: str) -> None:
    if link not in LINKS_OF[family]:
        message = f"link {link!r} does not go with family {family!r}; links that do: {', '.join(LINKS_OF[family])}"
        raise InputError(message)
