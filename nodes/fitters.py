"""What fits the rows of one group, in whichever process."""

from typing import Any, Optional, Union

from gbr_dag.errors import InputError
from gbr_dag.graph.backend import config
from gbr_dag.group_fits.huber import Huber
from gbr_dag.group_fits.least_squares import LeastSquares
from gbr_dag.group_fits.own import OwnFitter, takes_weights
from gbr_dag.group_fits.records import GroupFitter
from gbr_dag.options import CutOptions, HuberOptions
from gbr_dag.tables import FloatArray


@config.when_in(fitter=["ols", "wls"], engine=["reference", "loky"])
def group_fitter__least_squares() -> GroupFitter:
    """What fits one group: weighted least squares by Householder QR of its centred rows."""
    return LeastSquares()


@config.when_in(fitter=["huber"], engine=["reference", "loky"])
def group_fitter__huber(fitter_options: HuberOptions) -> GroupFitter:
    """What fits one group: Huber's M-estimate by reweighted QR, and the cut if there is one."""
    return Huber(fitter_options)


@config.when_in(fitter=["own"], engine=["loky", "statsmodels"])
def group_fitter__own(
    own_fitter: Any, fitter_options: CutOptions, weights: Optional[Union[str, FloatArray]]
) -> GroupFitter:
    """What fits one group: a function or estimator of the user's own, and the cut if there is one.

    Raises
    ------
    InputError
        If there are weights, which the estimator cannot take.
    """
    if weights is not None and not takes_weights(own_fitter):
        message = (
            f"weights must be left out for estimator {type(own_fitter).__name__}, whose fit has no argument"
            " sample_weight (a pipeline cannot take weights); give an estimator whose fit has it, or a function"
            " (X, y, w) -> coefficients"
        )
        raise InputError(message)
    return OwnFitter(own_fitter, fitter_options)
