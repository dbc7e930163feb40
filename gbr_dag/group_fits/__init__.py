"""Fits of one group at a time, straight from its rows: slow, obvious, and open to any fitter."""
