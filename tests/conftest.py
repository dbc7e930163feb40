"""What many tests share."""

from __future__ import annotations

import hypothesis
import pytest

ENGINES = ("reference", "numpy", "numba")

# the machine's speed must not decide over a test, and a failure must come back in the next run
hypothesis.settings.register_profile("house", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("house")


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Every engine in turn."""
    return request.param
