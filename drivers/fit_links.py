"""Fits as links of a chain of models."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Optional, Union

from gbr_dag.bin_columns import source_columns
from gbr_dag.drivers.arguments import checked_arguments
from gbr_dag.drivers.binning_arguments import checked_binning
from gbr_dag.drivers.fitters import REJECTING, check_engine, check_window_engine, fitter_name
from gbr_dag.drivers.fitting import fit_groups
from gbr_dag.drivers.window_arguments import OF_BINS, checked_window_arguments
from gbr_dag.drivers.window_fitting import fit_windows
from gbr_dag.errors import InputError
from gbr_dag.expressions import expression_columns
from gbr_dag.graph.checks import unknown
from gbr_dag.naming import column_word, fit_columns

Names = Union[str, Sequence[str]]

WHOLE = ("fit_table", "predictions")
"""Names that stand for the whole table of a fit, and for all that it says of every row."""


class GroupFit:
    """A fit per group as a link of a chain: :func:`gbr_dag.fit_groups`, with what it says of every row.

    Its groups are the fit table. Its rows are, for target t, ``t_prediction``, ``t_residual``, ``t_prediction_err``
    if ``diagnostics`` has ``"covariance"`` (or ``"errors"``, where there are no predictors) and ``t_pull`` if it has
    ``"rms"``, as :func:`gbr_dag.predictions` gives them.

    Parameters
    ----------
    name : str
        Its name in the chain.
    by, targets, predictors : str or sequence of str
        As for :func:`gbr_dag.fit_groups`; columns of the frame, or what earlier links give.
    seq : number, optional
        Its place in the chain.
    **arguments : object
        Any further argument of :func:`gbr_dag.fit_groups`; ``weights`` and ``selection`` as text.

    Raises
    ------
    InputError
        If an argument is unknown or breaks its rule.
    UnknownNameError
        If the engine or the fitter is unknown, or the engine cannot run the fitter.

    Examples
    --------
    >>> import gbr_dag
    >>> fit = gbr_dag.GroupFit("line", by="origin", targets="arr_delay", predictors="dep_delay")
    >>> results = gbr_dag.ModelPipeline([fit]).execute(gbr_dag.load_flights(), ["line__arr_delay_slope_dep_delay"])
    >>> results["line"]["groups"].round(3)
      origin  arr_delay_slope_dep_delay
    0    EWR                      1.025
    1    JFK                      1.029
    2    LGA                      1.003
    """

    _of_windows = False
    _door: Callable[..., Any] = staticmethod(fit_groups)

    def __init__(
        self, name: str, by: Names, targets: Names, predictors: Names = (), *, seq: Any = None, **arguments: Any
    ) -> None:
        self._setup(name, seq, {"by": by, "targets": targets, "predictors": predictors, **arguments})

    def _setup(self, name: str, seq: Any, arguments: dict[str, Any]) -> None:
        self.name, self.seq = name, seq
        self.arguments: Mapping[str, Any] = arguments
        label = f"{type(self).__name__} {name!r}"
        _check_names(label, arguments, self._door)
        try:
            self._checked = self._check(arguments)
            self.columns_by_role()  # reads expressions
        except InputError as error:
            message = f"{label}: {error}"
            raise type(error)(message) from error
        taken = [column for column in self.outputs("group") if column in WHOLE]
        if taken:
            message = f"{label}: a column of the table would be called {taken[0]!r}; give a suffix"
            raise InputError(message)

    def _check(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        fitter, engine = arguments.get("fitter", "ols"), arguments.get("engine", "numba")
        self._fitter = fitter_name(fitter)
        (check_window_engine if self._of_windows else check_engine)(self._fitter, engine)
        given = {key: value for key, value in arguments.items() if key not in ("fitter", "engine")}
        if self._of_windows:
            return checked_window_arguments(given, fitter=self._fitter, engine=engine)
        own = fitter if self._fitter == "own" else None
        return checked_arguments({"own_fitter": own, **given}, fitter=self._fitter, engine=engine)

    @property
    def by(self) -> tuple[str, ...]:
        """Keys of the fit table."""
        keys: tuple[str, ...] = self._checked["by"]
        return keys

    def outputs(self, level: Optional[str] = None) -> tuple[str, ...]:
        """Names of the columns that it gives.

        Parameters
        ----------
        level : {"row", "group"}, optional
            Those of the rows, or those of the fit table but for its keys; default both.

        Returns
        -------
        tuple of str
        """
        rows = self._row_columns() if level in (None, "row") else ()
        return (*rows, *(self._table_columns() if level in (None, "group") else ()))

    def required_inputs(self) -> list[str]:
        """Columns that it takes, keys first.

        Returns
        -------
        list of str
        """
        return list(self.columns_by_role())

    def columns_by_role(self) -> dict[str, str]:
        """Columns that it takes, each with the argument that names it.

        Returns
        -------
        dict of str to str
        """
        checked = self._checked
        binning = checked_binning(self.arguments.get("binning"), checked["by"])
        found = {name: "by" for name in checked["by"] if name not in binning}
        for name, bins in binning.items():
            known = _words(bins) if isinstance(bins, str) else ()
            found.update(dict.fromkeys(source_columns(bins, known), f"binning of {name!r}"))
        roles = ["targets", "predictors", *(() if self._of_windows else ("medians",))]
        for role in roles:
            for name in checked[role]:
                found.setdefault(name, role)
        if checked["weights"] is not None:
            found.setdefault(checked["weights"], "weights")
        for name in self.compared_columns():
            found.setdefault(name, "selection")
        return found

    def compared_columns(self) -> tuple[str, ...]:
        """Columns of the selection.

        Returns
        -------
        tuple of str
        """
        selection = self._checked["selection"]
        return () if selection is None else expression_columns(selection, _words(selection))

    def _row_columns(self) -> tuple[str, ...]:
        checked = self._checked
        asked, suffix = checked["diagnostics"], checked["suffix"]
        parts = ["prediction", "residual"]
        if "covariance" in asked or ("errors" in asked and not checked["predictors"]):
            parts.append("prediction_err")
        if "rms" in asked:
            parts.append("pull")
        return tuple(f"{target}_{part}{suffix}" for target in checked["targets"] for part in parts)

    def _table_columns(self) -> tuple[str, ...]:
        checked, suffix = self._checked, self._checked["suffix"]
        found: list[str] = []
        predictors = checked["predictors"]
        for target in checked["targets"]:
            if self._of_windows:
                found += [f"{target}_{statistic}{suffix}" for statistic in checked["statistics"]]
            columns = fit_columns(
                target,
                [column_word(name) for name in predictors] if self._of_windows else predictors,
                checked["diagnostics"],
                intercept=checked["intercept"],
                suffix=suffix,
                rejecting=self._fitter in REJECTING,
                count="n_fitted" if self._of_windows else "n_used",
            )
            found += [column.name for column in columns]
        of_bins = OF_BINS if self._of_windows else (*checked["medians"], "n_rows")
        return (*found, *(f"{name}{suffix}" for name in of_bins))

    def __repr__(self) -> str:
        """Give the name, the keys and what is fitted."""
        targets = ", ".join(self._checked["targets"])
        return f"<{type(self).__name__} {self.name!r} of {targets} by {', '.join(self.by)}>"


class WindowFit(GroupFit):
    """A sliding-window fit as a link of a chain: :func:`gbr_dag.fit_windows`, with what it says of every row.

    Rows and groups are as for :class:`GroupFit`; a row gets the fit of the window about its bin.

    Parameters
    ----------
    name : str
        Its name in the chain.
    by : str or sequence of str
        As for :func:`gbr_dag.fit_windows`; columns of the frame, what earlier links give, or made by ``binning``.
    window : dict of str to int or dict
        As for :func:`gbr_dag.fit_windows`.
    targets, predictors : str or sequence of str
        As for :func:`gbr_dag.fit_windows`.
    seq : number, optional
        Its place in the chain.
    **arguments : object
        Any further argument of :func:`gbr_dag.fit_windows`; ``weights`` and ``selection`` as text.

    Raises
    ------
    InputError
        If an argument is unknown or breaks its rule.
    UnknownNameError
        If the engine or the fitter is unknown, or the engine cannot run the fitter.

    Examples
    --------
    >>> import gbr_dag
    >>> fit = gbr_dag.WindowFit("smooth", by="month", window={"month": 1}, targets="arr_delay", diagnostics="errors")
    >>> fit.outputs("row")
    ('arr_delay_prediction', 'arr_delay_residual', 'arr_delay_prediction_err')
    """

    _of_windows = True
    _door: Callable[..., Any] = staticmethod(fit_windows)

    def __init__(
        self,
        name: str,
        by: Names,
        window: Mapping[str, Any],
        targets: Names,
        predictors: Names = (),
        *,
        seq: Any = None,
        **arguments: Any,
    ) -> None:
        given = {"by": by, "window": window, "targets": targets, "predictors": predictors, **arguments}
        self._setup(name, seq, given)


def _check_names(label: str, arguments: Mapping[str, Any], door: Callable[..., Any]) -> None:
    """Refuse arguments that the fit does not have, and those that only one frame can have."""
    known = [name for name in inspect.signature(door).parameters if name not in ("frame", "return_metadata")]
    for name in arguments:
        if name in ("frame", "return_metadata"):
            message = f"{label} takes no {name}: the chain gives the frame, and pandas tables carry their metadata"
            raise InputError(message)
        if name not in known:
            raise InputError(unknown(f"{label}: argument", name, known, f"arguments: {', '.join(known)}"))
    for name in ("weights", "selection"):
        value = arguments.get(name)
        if value is not None and not isinstance(value, str):
            text = "the name of a column" if name == "weights" else "an expression of columns"
            message = f"{label}: {name} must be {text} in a chain, got {type(value).__name__}"
            raise InputError(message)


def _words(expression: str) -> list[str]:
    """Whatever in an expression may be a column."""
    return list(dict.fromkeys(re.findall(r"[^\W\d]\w*", expression)))
