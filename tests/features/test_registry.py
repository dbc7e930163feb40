"""The list of features: what it tells, finds and refuses."""

from __future__ import annotations

import re

import pytest

from gbr_dag import DuplicateNameError, FeatureRegistry, UnknownNameError
from gbr_dag.features.feature import made_feature


def age(year_built, base=2025):
    """Years since it was built.

    At the survey.
    """
    return base - year_built


def avg_age(age):  # agg
    return age.mean()


def bounds(age):
    return age.min(), age.max()


@pytest.fixture
def registry():
    found = FeatureRegistry()
    found.add(made_feature("age", age, "row", inputs=["Year <built>"], tags=["survey", "plain"]))
    found.add(made_feature("avg_age", avg_age, "group", tags=["survey"]))
    found.add(made_feature("bounds", bounds, "group", outputs=["low", "high"]))
    return found


def test_metadata(registry):
    feature = registry["age"]
    assert (feature.level, feature.way, feature.module) == ("row", "grouped", __name__)
    assert feature.inputs == ("Year <built>", "base")
    assert (feature.outputs, feature.tags) == (("age",), ("survey", "plain"))
    assert feature.doc == "Years since it was built.\n\nAt the survey."
    assert feature.place == f"{__file__}:{age.__code__.co_firstlineno}"
    assert feature.source.startswith("def age(year_built, base=2025):\n")
    assert feature.source.endswith("return base - year_built\n")
    assert registry.to_frame()["doc"].tolist() == ["Years since it was built.", "", ""]
    assert registry.to_frame()["inputs"].tolist() == ["Year <built>, base", "age", "age"]


def test_a_replacement_takes_the_place_and_the_outputs(registry):
    registry.add(made_feature("age", age, "row", outputs=["years"]), replace=True)
    assert [feature.name for feature in registry] == ["age", "avg_age", "bounds"]
    assert registry.outputs() == ("years", "avg_age", "low", "high")
    registry.add(made_feature("later", bounds, "group", outputs=["age", "most"]), replace=True)  # "age" is free now
    assert registry.yielding("age").name == "later"


def test_a_refused_replacement_changes_nothing(registry):
    before, owners = list(registry), registry.outputs()
    new = made_feature("age", age, "row", inputs=["other"])
    for features in (
        [new, made_feature("avg_age", avg_age, "group", outputs=["low"])],
        [new, made_feature("age", age, "row")],
    ):
        with pytest.raises(DuplicateNameError):
            registry.extend(features, replace=True)
        assert list(registry) == before
        assert registry["age"] is before[0]
        assert registry.outputs() == owners
    with pytest.raises(
        DuplicateNameError, match=r"feature 'age' is there twice: .*; rename one, or register it anew with replace=True"
    ):
        registry.add(new)


def test_finding(registry):
    def names(**words):
        return [feature.name for feature in registry.find(**words)]

    assert names() == ["age", "avg_age", "bounds"]
    assert names(tag="survey") == ["age", "avg_age"]
    assert names(level="group") == ["avg_age", "bounds"]
    assert names(tag="survey", level="group") == ["avg_age"]
    with pytest.raises(UnknownNameError, match=r"tag 'surwey' is unknown; did you mean 'survey'\? tags: survey, plain"):
        registry.find(tag="surwey")
    with pytest.raises(UnknownNameError, match="level 'groups' is unknown; did you mean 'group'"):
        registry.find(level="groups")
    with pytest.raises(UnknownNameError, match="feature 'agee' is unknown; did you mean 'age'"):
        registry["agee"]
    with pytest.raises(UnknownNameError, match="output 'lows' is unknown; did you mean 'low'"):
        registry.yielding("lows")
    assert registry.yielding("high").name == "bounds"
    assert registry.outputs("group") == ("avg_age", "low", "high")
    assert "age" in registry
    assert "low" not in registry


def test_shown(registry):
    assert repr(registry).splitlines() == [
        "<FeatureRegistry of 3 features>",
        "  age <- Year <built>, base  (row)",
        "  avg_age <- age  (group)",
        "  bounds: low, high <- age  (group)",
    ]
    page = registry._repr_html_()
    assert page.count("<tr>") == 4
    assert "Year &lt;built&gt;" in page
    assert repr(FeatureRegistry()) == "<FeatureRegistry of 0 features>"
    assert FeatureRegistry()._repr_html_().count("<tr>") == 1


def test_several_are_added_all_or_none(registry):
    new = made_feature("oldest", avg_age)
    with pytest.raises(DuplicateNameError, match=r"'age' is there twice: .*:\d+ and .*:\d+; rename one"):
        registry.extend([new, made_feature("age", age)])
    clash = made_feature("extremes", bounds, "group", outputs=["high", "highest"])
    with pytest.raises(DuplicateNameError, match=re.escape("output 'high' is yielded twice: by feature 'bounds' (")):
        registry.extend([new, clash])
    assert [feature.name for feature in registry] == ["age", "avg_age", "bounds"]
    assert "oldest" not in registry.outputs()
    registry.extend([new])
    assert registry.outputs()[-1] == "oldest"
