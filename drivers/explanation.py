"""One result of a fit table: what stands in it, and the rows, weights and status that are behind it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Optional, Union

import numpy as np
import numpy.typing as npt
import pandas as pd

from gbr_dag.drivers.behind import group_positions, group_rows, recorded_inputs, row_counts
from gbr_dag.drivers.fitters import REJECTING
from gbr_dag.drivers.keys import group_place
from gbr_dag.drivers.metadata import fit_metadata
from gbr_dag.errors import DataWarning, InputError
from gbr_dag.group_fits.glm_family import link_of
from gbr_dag.naming import FitColumn, coefficient_names, fit_columns
from gbr_dag.options import GlmOptions, options_of_record
from gbr_dag.tables import FloatArray, explain_status

_SHOWN_ROWS = 20

_SAME = 1e-5
"""Relative difference of coefficients of one fitter, whose table may be in single precision."""

_MEANINGS = {
    "errors": "standard error of {coefficient}",
    "low": "lower 95 % confidence bound of {coefficient}",
    "high": "upper 95 % confidence bound of {coefficient}",
    "pvalues": "two-sided p-value of {coefficient} being zero",
    "rms": "residual scatter at weight 1, sqrt(sum w r^2 / (n - rank)) or the fitter's own scale",
    "mad": "median absolute deviation of the residuals, unscaled",
    "r_squared": "share of the weighted scatter of {target} that the fit explains",
    "condition": "condition number of the centred, scaled design",
    "chi2": "weighted sum of squared residuals",
    "ndf": "rows less the rank",
    "n_used": "rows in the fit",
    "status": "flags of FitStatus",
    "n_refits": "fits after the first, each without the rows that the one before had rejected",
    "n_rejected": "rows rejected as outliers",
}


@dataclass(frozen=True)
class Explanation:
    """What is behind one row of a fit table. ``str(explanation)`` says it in words.

    Attributes
    ----------
    group : dict of str to object
        The key values.
    values : pandas.Series
        The group's row of the table without the keys.
    meanings : dict of str to str
        What each of these columns means.
    status : dict of str to str
        The status of each target's fit in words.
    record : dict
        How the table came to be, as :func:`fit_metadata` gives it.
    rows : pandas.DataFrame (n_rows_of_the_group,), optional
        Every row with the group's key, used or not, with the frame's index: ``position`` in the frame, the
        predictors, ``weight``; for target t: ``t``, ``t_used``, ``t_reason`` (``"used"`` or why not), ``t_fitted``,
        ``t_residual``, ``t_pull`` (sqrt(w) residual / rms, for ``"glm"`` the Pearson residual over the root of the
        dispersion) and ``t_leverage`` (of rows used; they sum up to the rank). A name that is taken gets an underscore.
        None without a frame.
    counts : dict of str to dict of str to int
        Rows by reason for each target; empty without a frame.

    Examples
    --------
    >>> import gbr_dag
    >>> flights = gbr_dag.load_flights()
    >>> table = gbr_dag.fit_groups(flights, by=["origin", "carrier"], targets="arr_delay", predictors="dep_delay")
    >>> gbr_dag.explain(table, ("LGA", "OO")).meanings["arr_delay_slope_dep_delay"]
    'change of arr_delay per unit of dep_delay'
    """

    group: Mapping[str, Any] = field(hash=False)
    values: pd.Series = field(hash=False, compare=False)
    meanings: Mapping[str, str] = field(hash=False, repr=False)
    status: Mapping[str, str] = field(hash=False)
    record: Mapping[str, Any] = field(hash=False, repr=False)
    rows: Optional[pd.DataFrame] = field(default=None, hash=False, repr=False, compare=False)
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        """Say what the values mean, what the status is and which rows are behind it."""
        inputs = self.record["inputs"]
        model = " + ".join([*["1"] * inputs["intercept"], *inputs["predictors"]])
        weights = "without weights" if inputs["weights"] is None else f"weights: {inputs['weights']}"
        lines = [
            f"group {', '.join(f'{name}={value}' for name, value in self.group.items())}",
            f"fit: {', '.join(inputs['targets'])} ~ {model}, {weights}; fitter {self.record['fitter']}, engine"
            f" {self.record['engine']}",
        ]
        if inputs["selection"] is not None:
            lines.append(f"selection: {inputs['selection']}")
        lines += [f"status of {target}: {words}" for target, words in self.status.items()]
        width = max(len(name) for name in self.meanings)
        lines += [f"  {name:<{width}}  {self.values[name]:<12.6g}  {words}" for name, words in self.meanings.items()]
        for target, counts in self.counts.items():
            lines.append(f"rows for {target}: {', '.join(f'{n} {reason}' for reason, n in counts.items())}")
        if self.rows is not None:
            lines.append(self.rows.head(_SHOWN_ROWS).to_string())
            if len(self.rows) > _SHOWN_ROWS:
                lines.append(f"... and {len(self.rows) - _SHOWN_ROWS} more")
        return "\n".join(lines)


def explain(
    table: pd.DataFrame,
    key: Any,
    frame: Optional[pd.DataFrame] = None,
    *,
    weights: Optional[Union[str, npt.ArrayLike]] = None,
    selection: Optional[Union[str, npt.ArrayLike]] = None,
    fitter: Any = None,
) -> Explanation:
    """Say what is behind one result: its values and status in words and, given the frame, every row with its share.

    Parameters
    ----------
    table : pandas.DataFrame (n_groups,)
        Result of :func:`fit_groups`, with its metadata.
    key : object, tuple or dict
        The group: the value of the only key, a tuple in the order of ``by``, or a dict by name.
    frame : pandas.DataFrame (n_rows,), optional
        The frame that was fitted. The other arguments of the fit are read from the table.
    weights, selection : array-like (n_rows,), optional
        As they were given to the fit; needed only if they were arrays, which the table does not hold.
    fitter : callable or estimator, optional
        As it was given to the fit; needed only if it was one of your own.

    Returns
    -------
    Explanation
        Without a frame ``rows`` is None.

    Raises
    ------
    InputError
        If the table has no such group (the message names close ones), carries no metadata, or the frame, weights,
        selection or fitter are missing or not those that were fitted.

    Notes
    -----
    The rows are found by the graph's own nodes and fitted once more, the group alone, with the engine and fitter of the
    table. Leverage is w x' (X'WX)^-1 x with centred predictors if there is an intercept. For ``"glm"`` w are the
    working weights of the last step, weight (dmu/deta)^2 / V(mu); for all others the weights given: for ``"huber"``,
    ``"rlm"`` and fitters of your own it says how a row lies in the design, not what the fit made of it. Cost O(n_rows)
    to find them.

    Examples
    --------
    >>> import gbr_dag
    >>> flights = gbr_dag.load_flights()
    >>> table = gbr_dag.fit_groups(flights, by=["origin", "carrier"], targets="arr_delay", predictors="dep_delay")
    >>> explanation = gbr_dag.explain(table, {"origin": "EWR", "carrier": "OO"}, flights)
    >>> explanation.counts
    {'arr_delay': {'used': 6}}
    >>> explanation.rows[["position", "arr_delay_residual", "arr_delay_leverage"]].head(2).round(2)
           position  arr_delay_residual  arr_delay_leverage
    58004     58004                6.96                0.21
    64529     64529               15.27                0.17
    """
    record = fit_metadata(table)
    inputs = record["inputs"]
    if "window" in inputs:
        message = "table is one of windows, whose rows explain does not know yet; give the table of fit_groups"
        raise InputError(message)
    place = group_place(table, inputs["by"], key)
    group = {name: table[name].iloc[place] for name in inputs["by"]}
    columns = _table_columns(record)
    for name in columns:
        if name not in table:
            message = f"table: column {name!r} is not there; give the table as fit_groups returned it"
            raise InputError(message)
    explanation = Explanation(
        group=group,
        values=pd.Series({name: table[name].iloc[place] for name in columns}, dtype=object),
        meanings=columns,
        status={
            target: explain_status(int(table[f"{target}_status{inputs['suffix']}"].iloc[place]))
            for target in inputs["targets"]
        },
        record=record,
    )
    if frame is None:
        if weights is not None or selection is not None or fitter is not None:
            message = (
                "weights, selection and fitter serve to explain rows, got no frame; give the frame that was fitted too"
            )
            raise InputError(message)
        return explanation
    return _with_rows(explanation, frame, weights, selection, fitter)


def _with_rows(explanation: Explanation, frame: pd.DataFrame, weights: Any, selection: Any, fitter: Any) -> Explanation:
    record, values = explanation.record, explanation.values
    given = recorded_inputs(record, frame, weights, selection, fitter)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # the rows say themselves which of them are left out
        positions = group_positions(given, explanation.group)
        rows = group_rows(given, positions, record)
    counts = row_counts(rows, record["inputs"]["targets"])
    for target, found in counts.items():
        expected = int(values[f"{target}_n_used{record['inputs']['suffix']}"])
        if found.get("used", 0) != expected:
            message = (
                f"frame: {found.get('used', 0)} rows of the group serve {target!r}, the table says {expected}; give the"
                " frame, weights and selection that were fitted"
            )
            raise InputError(message)
    if record["fitter"] == "own":
        _check_same_fitter(rows.coefficients, record["inputs"], values)
    return Explanation(
        explanation.group, values, explanation.meanings, explanation.status, record, rows=rows.frame, counts=counts
    )


def _check_same_fitter(coefficients: Mapping[str, FloatArray], inputs: Mapping[str, Any], values: pd.Series) -> None:
    """Refuse a fitter that only has the name of the one that was fitted with."""
    names = coefficient_names(inputs["predictors"], inputs["intercept"])
    for target, found in coefficients.items():
        expected = values[[f"{target}_{name}{inputs['suffix']}" for name in names]].to_numpy(dtype=np.float64)
        size = float(np.max(np.abs(expected), initial=0.0, where=np.isfinite(expected)))
        if not np.allclose(found, expected, rtol=_SAME, atol=_SAME * size, equal_nan=True):
            message = (
                f"fitter gives other coefficients of {target!r} than the table holds ({found.tolist()} against"
                f" {expected.tolist()}); give the one that was fitted with"
            )
            raise InputError(message)


def _table_columns(record: Mapping[str, Any]) -> dict[str, str]:
    """Columns of the table besides the keys, with what they mean."""
    inputs, words = record["inputs"], {}
    names = coefficient_names(inputs["predictors"], inputs["intercept"])
    for target in inputs["targets"]:
        for column in fit_columns(
            target,
            inputs["predictors"],
            inputs["diagnostics"],
            intercept=inputs["intercept"],
            suffix=inputs["suffix"],
            rejecting=record["fitter"] in REJECTING,
        ):
            words[column.name] = _meaning(column, target, names, record)
    words.update({f"{name}{inputs['suffix']}": f"median of {name}" for name in inputs["medians"]})
    words[f"n_rows{inputs['suffix']}"] = "selected rows of the group"
    return words


def _meaning(column: FitColumn, target: str, names: list[str], record: Mapping[str, Any]) -> str:
    inputs = record["inputs"]
    coefficients = [name if name == "intercept" else f"the slope of {name[6:]}" for name in names]
    if column.source == "covariance":
        i, j = column.place
        return f"covariance of {coefficients[i]} and {coefficients[j]}"
    if column.source != "values":
        coefficient = f"{target}_{names[column.place[0]]}" if column.place else ""
        return _MEANINGS[column.source].format(target=target, coefficient=coefficient)
    options = options_of_record(record["fitter"], inputs.get("fitter_options"))
    linked = isinstance(options, GlmOptions) and link_of(options) != "identity"
    modelled = f"link({target})" if linked else target
    i = column.place[0] - inputs["intercept"]
    if i >= 0:
        return f"change of {modelled} per unit of {inputs['predictors'][i]}"
    if inputs["predictors"]:
        return f"{modelled} where the predictors are 0"
    return f"link of the weighted mean of {target}" if linked else f"weighted mean of {target}"
