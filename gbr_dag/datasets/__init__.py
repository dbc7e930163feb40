"""Small data sets: real ones, whose licences stand in ``NOTICE.md`` beside them, or made with a known truth."""

from gbr_dag.datasets.distortion import DISTORTION_TERMS, synthetic_distortion
from gbr_dag.datasets.flights import FLIGHTS_COLUMNS, load_flights

__all__ = ["DISTORTION_TERMS", "FLIGHTS_COLUMNS", "load_flights", "synthetic_distortion"]
