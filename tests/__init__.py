"""Tests of gbr-dag; the folders mirror those of the package."""
