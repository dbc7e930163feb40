"""Small real data sets that ship with the package. Their licences stand in ``NOTICE.md`` beside them."""

from gbr_dag.datasets.flights import FLIGHTS_COLUMNS, load_flights

__all__ = ["FLIGHTS_COLUMNS", "load_flights"]
