"""Random models on columns of many types: values and their types against a loop over the groups, rows without a key."""

from __future__ import annotations

import ast
import random
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gbr_dag
from gbr_dag.features import per_row
from tests.oracles.feature_loop import PlainFeature, looped

MODELS = 60

ROWS = {
    "text": "s.str.upper() + s",
    "flagged": "np.where(flag, s, 'none')",
    "wide": "i.astype('int64') * 3 + u",
    "narrow": "i // np.int8(2)",
    "flipped": "~flag",
    "clipped": "x.clip(lower=-1, upper=2)",
    "shifted": "x.add(1.5).mul(2).sub(i)",
    "compared": "x.gt(0) | n.isna()",
    "nullable": "n + 1",
    "mixed": "n * x",
    "present": "n.fillna(7)",
}
GROUPS = {
    "label": "s.max()",
    "first_text": "s.iloc[0]",
    "smallest": "i.min()",
    "largest_unsigned": "u.max()",
    "total": "u.sum()",
    "total_nullable": "n.sum()",
    "any_flag": "flag.any()",
    "all_flags": "flag.all()",
    "is_large": "i.max() > 3",
    "average": "x.mean()",
    "texts": "s.nunique()",
    "n_present": "n.count()",
}
LATER_ROWS = {  # of a group's value
    "same_text": "s == label",
    "joined": "s + first_text",
    "above": "i > smallest",
    "distance": "x.sub(average).abs()",
    "bounded": "x.clip(lower=average)",
    "chosen": "np.where(any_flag, x, -x)",
    "both": "flag & is_large",
    "share": "u / total",
}
PER_ROW = {
    "sized": "'big' if is_large else s",
    "signed": "i if any_flag else -i",
    "half": "average / 2 if flag else average",
}
LATER_GROUPS = {
    "n_same": "same_text.sum()",
    "longest": "joined.max()",
    "n_above": "above.sum()",
    "farthest": "distance.max()",
    "lowest": "bounded.min()",
    "any_both": "both.any()",
    "shares": "share.max()",
}
COLUMNS = ("s", "flag", "i", "u", "n", "x")


def function_of(name: str, text: str) -> PlainFeature:
    known = {*COLUMNS, *ROWS, *GROUPS, *LATER_ROWS}
    names = [node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)]
    takes = tuple(dict.fromkeys(word for word in names if word in known))
    space: dict[str, Any] = {"np": np}
    exec(f"def {name}({', '.join(takes)}):\n    return {text}\n", space)
    function = per_row(space[name]) if name in PER_ROW else space[name]
    return PlainFeature(name, "group" if name in {**GROUPS, **LATER_GROUPS} else "row", takes, function)


def model(seed: int) -> list[PlainFeature]:
    """Some features with all that they take, in an order in which they can run."""
    rng = random.Random(seed)
    texts = {**ROWS, **GROUPS, **LATER_ROWS, **PER_ROW, **LATER_GROUPS}
    made = {name: function_of(name, text) for name, text in texts.items()}
    wanted = set(rng.sample(list(made), 8))
    for name in reversed(list(made)):
        if name in wanted:
            wanted.update(one for one in made[name].takes if one in made)
    return [feature for name, feature in made.items() if name in wanted]


def frame_of(seed: int, n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    numbers = rng.integers(0, 9, n)
    return pd.DataFrame(
        {
            "key": rng.choice(["b", "a", "d", "c"], n),
            "s": rng.choice(["u", "vv", "w"], n),
            "flag": rng.random(n) < 0.4,
            "i": rng.integers(-5, 9, n).astype(np.int8),
            "u": rng.integers(0, 9, n).astype(np.uint8),
            "n": pd.array(np.where(rng.random(n) < 0.2, None, numbers), dtype="Int64"),
            "x": rng.integers(-24, 24, n) / 8.0,
        },
        index=rng.permutation(n) * 2,
    )


def driver_of(features: list[PlainFeature]) -> gbr_dag.ModelDriver:
    driver = gbr_dag.ModelDriver({"model_name": "types", "group_by": "key"})
    for feature in features:
        register = driver.register_filter if feature.level == "row" else driver.register_attribute
        register(feature.name, feature.function)
    return driver


def in_groups(features: list[PlainFeature], frame: pd.DataFrame) -> tuple[dict[Any, dict[str, Any]], dict[Any, Any]]:
    """The loop, with functions of single rows called for each of them."""

    def looping(feature: PlainFeature) -> PlainFeature:
        if feature.name not in PER_ROW:
            return feature

        def function(**given: pd.Series) -> pd.Series:
            lists = {name: values.tolist() for name, values in given.items()}
            index = next(iter(given.values())).index
            rows = [dict(zip(lists, values)) for values in zip(*lists.values())]
            return pd.Series([feature.function(**row) for row in rows], index=index)

        return PlainFeature(feature.name, feature.level, feature.takes, function)

    return looped([looping(feature) for feature in features], frame, ["key"])


def kind_of(values: pd.Series) -> str:
    """Kind of the values: text, truth, whole or other numbers, and whether missing ones are NA."""
    kind = pd.api.types.infer_dtype(values, skipna=True)
    return {"string": "text", "mixed-integer-float": "floating"}.get(kind, kind)


@pytest.mark.filterwarnings("ignore::gbr_dag.PerformanceWarning")
@pytest.mark.parametrize("seed", range(MODELS))
def test_values_and_their_types_equal_a_loop_over_groups(seed: int) -> None:
    frame, features = frame_of(seed), model(seed)
    expected, rows = in_groups(features, frame)
    result = driver_of(features).execute(frame)
    for feature in features:
        if feature.level == "row":
            whole = pd.concat([pd.Series(expected[key][feature.name]) for key in rows]).reindex(frame.index)
            got = result["rows"][feature.name]
        else:
            keys = result["groups"]["key"].tolist()
            whole = pd.Series([expected[key,][feature.name] for key in keys], index=keys)
            got = result["groups"][feature.name].set_axis(keys)
        assert got.dtype == whole.dtype or kind_of(got) == kind_of(whole), feature.name
        pd.testing.assert_series_equal(
            got.astype(object).where(got.notna(), None),
            whole.astype(object).where(whole.notna(), None),
            check_names=False,
            rtol=1e-12,  # sums are exact
        )


@pytest.mark.filterwarnings("ignore::gbr_dag.PerformanceWarning")
@pytest.mark.filterwarnings("ignore::gbr_dag.DataWarning")
@pytest.mark.parametrize("seed", range(MODELS))
def test_a_row_without_a_key_changes_nothing_else(seed: int) -> None:
    frame, features = frame_of(seed), model(seed)
    more = pd.concat([frame, frame.iloc[[0]].assign(key=None).set_axis([-1])])
    assert (more.dtypes.drop("key") == frame.dtypes.drop("key")).all()
    one, other = driver_of(features).execute(frame), driver_of(features).execute(more)
    if one["groups"] is not None:
        pd.testing.assert_frame_equal(one["groups"], other["groups"])
    if one["rows"] is not None:
        for name, values in one["rows"].items():
            left = other["rows"][name].iloc[:-1]
            pd.testing.assert_series_equal(
                left.astype(object).where(left.notna(), None), values.astype(object).where(values.notna(), None)
            )
