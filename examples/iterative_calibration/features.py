"""Features between the passes of an iterative calibration: chambers, what a pass leaves over, which rows are kept."""


def chamber(r):
    """Readout chamber, from the inside: 0 up to 132 cm, 1 up to 195 cm, 2 beyond."""
    return (r > 132).astype(int) + (r > 195)


def left_1(dX_meas_residual):
    """What the first pass leaves over, cm."""
    return dX_meas_residual


def scatter_1(left_1):  # agg
    """Robust standard deviation of what the first pass leaves over in a chamber, cm."""
    return 1.4826 * left_1.abs().median()


def kept_1(left_1, scatter_1):
    """Whether a measurement is no outlier, as far as the first pass can tell."""
    return left_1.abs() < 5 * scatter_1


def left_2(left_1_residual):
    """What the second pass leaves over, cm."""
    return left_1_residual


def scatter_2(left_2):  # agg
    """Robust standard deviation of what the second pass leaves over in a chamber, cm."""
    return 1.4826 * left_2.abs().median()


def kept_2(left_2, scatter_2):
    """Whether a measurement is no outlier: the second pass tells much more of them."""
    return left_2.abs() < 5 * scatter_2


def correction_1(dX_meas_prediction):
    """Distortion by the first pass, cm."""
    return dX_meas_prediction


def correction_2(correction_1, left_1_prediction):
    """Distortion by two passes, cm."""
    return correction_1 + left_1_prediction


def correction_3(correction_2, left_2_prediction):
    """Distortion by three passes, cm."""
    return correction_2 + left_2_prediction


def error_1(correction_1, dX_true):  # agg
    """Mean of the first pass's error in a bin, cm."""
    return (correction_1 - dX_true).mean()


def error_2(correction_2, dX_true):  # agg
    """Mean of the error in a bin after two passes, cm."""
    return (correction_2 - dX_true).mean()


def error_3(correction_3, dX_true):  # agg
    """Mean of the error in a bin after three passes, cm."""
    return (correction_3 - dX_true).mean()


def residual_1(left_1, kept_2):  # agg
    """Mean of what the first pass leaves over in a bin, cm."""
    return left_1[kept_2].mean()


def residual_2(left_2, kept_2):  # agg
    """Mean of what two passes leave over in a bin, cm."""
    return left_2[kept_2].mean()


def residual_3(left_2_residual, kept_2):  # agg
    """Mean of what three passes leave over in a bin, cm."""
    return left_2_residual[kept_2].mean()


def n_kept(kept_2):  # agg
    """Measurements in a bin that are no outliers."""
    return kept_2.sum()
