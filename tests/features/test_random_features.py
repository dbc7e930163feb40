"""Random models of features: all groups at once against a plain loop over the groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, note, settings
from hypothesis import strategies as st

import gbr_dag
from tests.oracles import feature_sources
from tests.oracles.feature_loop import PlainFeature, looped

EXAMPLES = 300
MASKED = 0.3
OPERATIONS = 5
RELATIVE = 1e-12  # variances and quantiles: sums are exact, see feature_sources


def driver_of(features: list[PlainFeature], by: list[str]) -> gbr_dag.ModelDriver:
    driver = gbr_dag.ModelDriver({"model_name": "random", "group_by": by})
    for feature in features:
        register = driver.register_filter if feature.level == "row" else driver.register_attribute
        register(feature.name, feature.function)
    return driver


def floats(values: Any) -> np.ndarray:
    return np.asarray(pd.Series(values).astype(object).where(pd.notna(values), np.nan), dtype=np.float64)


@settings(max_examples=EXAMPLES)
@given(st.integers(0, 2**32 - 1), st.integers(1, 200))
def test_random_models_equal_a_loop_over_groups(seed: int, n: int) -> None:
    sources = feature_sources.model(seed)
    assert min(source.operations for source in sources) >= OPERATIONS
    note("\n".join(source.text for source in sources))
    frame, by = feature_sources.frame(seed, n)
    before = frame.copy()
    features = feature_sources.compiled(sources)
    expected, rows = looped(features, frame, by)
    result = driver_of(features, by).execute(frame)
    pd.testing.assert_frame_equal(frame, before)
    levels = {feature.name: feature.level for feature in features}
    if "row" in levels.values():
        pd.testing.assert_index_equal(result["rows"].index, frame.index)
    if "group" in levels.values():
        keys = list(zip(*(result["groups"][name].tolist() for name in by)))
        assert sorted(map(repr, keys)) == sorted(map(repr, expected))
        place_of = {key: place for place, key in enumerate(keys)}
    for name, level in levels.items():
        for key, values in expected.items():
            if level == "row":
                got = result["rows"][name].iloc[rows[key]]
                np.testing.assert_allclose(floats(got), floats(values[name]), rtol=RELATIVE, atol=0, err_msg=name)
            else:
                got = result["groups"][name].iloc[[place_of[key]]]
                np.testing.assert_allclose(floats(got), floats([values[name]]), rtol=RELATIVE, atol=0, err_msg=name)


def test_the_models_are_as_rich_as_they_should_be() -> None:
    functions = [source for seed in range(EXAMPLES) for source in feature_sources.model(seed)]
    assert min(source.operations for source in functions) >= OPERATIONS
    assert np.mean([source.has_mask for source in functions]) >= MASKED
    assert {source.level for source in functions} == {"row", "group"}
    levels = [[source.level for source in feature_sources.model(seed)] for seed in range(EXAMPLES)]
    assert max(map(len, levels)) == 6  # rows, groups, rows, groups, rows, groups
