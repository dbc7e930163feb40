"""Chains of models: one after the other, and as one graph."""

from __future__ import annotations

import re
from typing import Any, Optional

import numpy as np
import pandas as pd
import pytest

import gbr_dag
from gbr_dag.errors import DuplicateNameError, InputError, MissingInputError, UnknownNameError

BOTH = pytest.mark.parametrize("merged", [False, True], ids=["sequence", "merged"])


def made_rows(n: int = 400) -> pd.DataFrame:
    """Houses on an odd index, unsorted, some without a street or a town."""
    generator = np.random.default_rng(4)
    return pd.DataFrame(
        {
            "street": generator.choice(["elm", "oak", "ash", "fir", "yew", None], n, p=[0.3, 0.2, 0.2, 0.1, 0.1, 0.1]),
            "town": generator.choice([10.0, 20.0, 30.0, np.nan], n, p=[0.4, 0.3, 0.2, 0.1]),
            "price": generator.gamma(2.0, 100.0, n).round(2),
            "built": generator.integers(1900, 2020, n),
        },
        index=generator.integers(0, 50, n),
    )


def model(name: str, by: Any, seq: Optional[int] = None) -> gbr_dag.ModelDriver:
    config = {"model_name": name, "group_by": by}
    return gbr_dag.ModelDriver(config if seq is None else {**config, "seq": seq})


def age(built):
    return 2025 - built


def mean_age(age):
    return age.mean()


def older(age, mean_age):
    return age > mean_age


def n_older(older):
    return older.sum()


def total(price):
    return price.sum()


def houses(seq: Optional[int] = None) -> gbr_dag.ModelDriver:
    """Features of every street in every town."""
    driver = model("pp", ["town", "street"], seq)
    driver.register_filter("age", age)
    driver.register_attribute("mean_age", mean_age)
    driver.register_filter("older", older)
    driver.register_attribute("n_older", n_older)
    driver.register_attribute("total", total)
    return driver


def most_older(n_older):
    return n_older.max()


def share(total):
    return total / total.sum()


def above(n_older, most_older):
    return n_older == most_older


def first_street(street):
    return street.first()


def towns(seq: Optional[int] = None) -> gbr_dag.ModelDriver:
    """Features of every town, of its streets."""
    driver = model("cp", "town", seq)
    driver.register_attribute("most_older", most_older)
    driver.register_filter("share", share)
    driver.register_filter("above", above)
    driver.register_attribute("first_street", first_street)
    return driver


def executed(pipeline: gbr_dag.ModelPipeline, frame: Any, outputs: Any, *, merged: bool) -> dict[str, Any]:
    return pipeline.merged(outputs).execute(frame) if merged else pipeline.execute(frame, outputs)


def assert_same(left: dict[str, Any], right: dict[str, Any]) -> None:
    """Every frame of two results is the other's, to the bit."""
    assert list(left) == list(right)
    for name, one in left.items():
        other = right[name]
        parts = zip(one.values(), other.values()) if isinstance(one, dict) else [(one, other)]
        for frame, twin in parts:
            assert (frame is None) == (twin is None)
            if frame is not None:
                pd.testing.assert_frame_equal(frame, twin, check_exact=True)


def by_hand_streets(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows and groups of the first model, in pandas."""
    rows = rows.assign(age=2025 - rows["built"])
    keyed = rows.reset_index(drop=True)
    means = keyed.groupby(["town", "street"])["age"].transform("mean")
    keyed["older"] = keyed["age"] > means
    groups = keyed.groupby(["town", "street"], as_index=False).agg(
        mean_age=("age", "mean"), n_older=("older", "sum"), total=("price", "sum")
    )
    older = keyed["older"].astype("boolean").mask(means.isna()).array
    return rows.assign(older=older, mean_age=means.to_numpy()), groups


@BOTH
def test_groups_of_one_are_the_rows_of_the_next(merged):
    rows = made_rows()
    results = executed(gbr_dag.ModelPipeline([houses(), towns()]), rows, None, merged=merged)
    by_hand, streets = by_hand_streets(rows)
    pd.testing.assert_frame_equal(results["pp"]["rows"], by_hand[["age", "older"]], check_dtype=False)
    pd.testing.assert_frame_equal(results["pp"]["groups"], streets, check_dtype=False, rtol=1e-12)
    expected = streets.groupby("town", as_index=False).agg(
        most_older=("n_older", "max"), first_street=("street", "min")
    )
    pd.testing.assert_frame_equal(results["cp"]["groups"], expected, check_dtype=False)
    assert results["output"] is results["cp"]["groups"]
    by_town = streets.groupby("town")
    expected_rows = pd.DataFrame(
        {
            "share": streets["total"] / by_town["total"].transform("sum"),
            "above": streets["n_older"] == by_town["n_older"].transform("max"),
        }
    )
    pd.testing.assert_frame_equal(results["cp"]["rows"], expected_rows, rtol=1e-12)


def by_street() -> gbr_dag.ModelDriver:
    """A model of streets, over all towns, that takes what the first says of rows and of groups."""
    driver = model("cp", "street")

    def spread_of_means(mean_age):
        return mean_age.max() - mean_age.min()

    def dear(price, total):
        return price > 0.5 * total

    def mean_price(price, older):
        return price[older].mean()

    driver.register_attribute("spread_of_means", spread_of_means)
    driver.register_filter("dear", dear)
    driver.register_attribute("mean_price", mean_price)
    return driver


@BOTH
def test_results_are_joined_to_the_rows(merged):
    rows = made_rows()
    results = executed(gbr_dag.ModelPipeline([houses(), by_street()], on="rows"), rows, None, merged=merged)
    by_hand, streets = by_hand_streets(rows)
    joined = by_hand.merge(streets[["town", "street", "total"]], how="left", on=["town", "street"])
    by = joined.groupby("street")
    expected = pd.DataFrame({"spread_of_means": by["mean_age"].max() - by["mean_age"].min()})
    expected["mean_price"] = joined[joined["older"]].groupby("street")["price"].mean()
    found = results["cp"]["groups"].set_index("street")
    pd.testing.assert_frame_equal(found, expected, check_index_type=False, rtol=1e-12)
    assert results["cp"]["rows"].index.equals(rows.index)
    np.testing.assert_array_equal(results["cp"]["rows"]["dear"], joined["price"] > 0.5 * joined["total"])
    assert joined["total"].isna().any()  # rows without a key have no total


STEPS = ["groups", "rows", ("rows", "groups"), ("groups", "rows")]


def three(on: Any) -> gbr_dag.ModelPipeline:
    last = model("last", "town")
    last.register_attribute("n", lambda most_older, n_older: (most_older - n_older).sum())
    last.register_filter("rest", lambda n_older, pp__n_older: n_older - pp__n_older)
    if on != ("groups", "rows") and on != "rows":
        last = model("last", "town")
        last.register_attribute("n", lambda most_older: most_older.sum())
    return gbr_dag.ModelPipeline([houses(), towns(), last], on=on)


@pytest.mark.parametrize("on", STEPS, ids=str)
def test_three_links_merged_equal_the_sequence(on):
    rows, pipeline = made_rows(), three(on)
    results = pipeline.execute(rows)
    assert_same(pipeline.merged().execute(rows), results)
    by_hand, streets = by_hand_streets(rows)
    if on == ("groups", "rows"):
        rest = streets.groupby("town")["n_older"].transform("max") - streets["n_older"]
        expected = rest.groupby(streets["town"]).sum()
    elif on == "rows":
        joined = by_hand.merge(streets, how="left", on=["town", "street"])
        rest = joined.groupby("town")["n_older"].transform("max") - joined["n_older"]
        expected = rest.groupby(joined["town"]).sum()
    elif on == "groups":
        expected = streets.groupby("town")["n_older"].max()
    else:
        joined = by_hand.merge(streets, how="left", on=["town", "street"])
        expected = joined.groupby("town")["n_older"].max()
    np.testing.assert_array_equal(results["last"]["groups"]["n"], expected)


def test_merged_runs_fewer_nodes():
    rows, pipeline = made_rows(), gbr_dag.ModelPipeline([houses(), towns()])
    results = pipeline.execute(rows)
    everything = set(pipeline.report()["link"] + "__" + pipeline.report()["node"])
    merged = pipeline.merged(["cp__share"])
    found = merged.execute(rows)
    nodes = set(merged.report()["node"])
    assert len(nodes) < len(everything)
    assert nodes == {"pp__group by town, street", "pp__total", "cp__share"}
    assert nodes < everything
    pd.testing.assert_frame_equal(found["output"], results["cp"]["rows"][["share"]], check_exact=True)
    assert found["pp"] == {"rows": None, "groups": None, "output": None}
    assert merged.required_inputs() == ["town", "street", "price"]


def on_same_rows(by: Any) -> gbr_dag.ModelPipeline:
    other = model("cp", by)
    other.register_filter("new", lambda age, town: age < town)
    other.register_attribute("n_new", lambda new: new.sum())
    other.register_attribute("dearest", lambda price, total: (price / total).max())
    return gbr_dag.ModelPipeline([houses(), other], on="rows")


def n_run(pipeline: gbr_dag.ModelPipeline, outputs: Any) -> tuple[int, int]:
    """Nodes that the merged graph runs, and those of the sequence; the results are the same."""
    merged, rows = pipeline.merged(outputs), made_rows()
    assert_same(merged.execute(rows), pipeline.execute(rows, outputs))
    return len(merged.report()), len(pipeline.report())


@pytest.mark.parametrize("outputs", [None, ["pp__mean_age", "cp__n_new"], ["pp__n_older", "cp__dearest"]], ids=str)
def test_links_with_the_same_rows_and_keys_find_the_groups_once(outputs):
    pipeline = on_same_rows(["town", "street"])
    n_merged, n_sequence = n_run(pipeline, outputs)
    assert n_merged < n_sequence
    nodes = pipeline.merged(outputs).plan().nodes
    assert [node for node in nodes if "group by" in node] == ["pp__group by town, street"]


@pytest.mark.parametrize("by", ["town", ["street", "town"]], ids=str)
def test_links_with_other_keys_find_their_own_groups(by):
    pipeline = on_same_rows(by)
    rows = made_rows()
    assert_same(pipeline.merged().execute(rows), pipeline.execute(rows))
    assert sum("group by" in node for node in pipeline.merged().plan().nodes) == 2


def test_the_merged_graph_of_groups_as_rows_never_runs_more():
    def pipeline(on: Any, n_links: int) -> gbr_dag.ModelPipeline:
        same = model("same", "town")
        same.register_attribute("n_above", lambda above: above.sum())
        same.register_filter("first", lambda street, n_older: street.isin(["ash"]) & (n_older > 1))
        return gbr_dag.ModelPipeline([houses(), towns(), same][:n_links], on=on)

    for on, n_links in (("groups", 2), (("groups", "rows"), 3)):
        made = pipeline(on, n_links)
        for outputs in [None, *([name] for name in made.list_outputs()["name"])]:
            n_merged, n_sequence = n_run(pipeline(on, n_links), outputs)
            assert n_merged <= n_sequence, outputs
    assert "same__group by town" not in made.merged().plan().nodes


def test_sequence_runs_what_later_links_need():
    pipeline = gbr_dag.ModelPipeline([houses(), towns()])
    found = pipeline.execute(made_rows(), ["cp__share"])
    assert pipeline.report().query("link == 'pp'")["node"].tolist() == ["group by town, street", "total"]
    assert found["pp"]["groups"] is None
    assert pipeline.required_inputs(["cp__share"]) == ["town", "street", "price"]


def test_groups_and_broadcasts_are_made_once_for_links_with_the_same_keys():
    rows = made_rows()
    other = model("cp", ["town", "street"])
    other.register_filter("relative", lambda age, mean_age: age / mean_age)
    pipeline = gbr_dag.ModelPipeline([houses(), other], on="rows")
    merged = pipeline.merged(["pp__older", "cp__relative"])
    assert_same(merged.execute(rows), pipeline.execute(rows, ["pp__older", "cp__relative"]))
    nodes = merged.report()["node"].tolist()
    assert nodes.count("pp__mean_age per row") == 1
    steps = [node for node in nodes if " per row" in node or "group by" in node]
    assert steps == ["pp__group by town, street", "pp__mean_age per row"]
    by_hand, _ = by_hand_streets(rows)
    np.testing.assert_allclose(
        merged.execute(rows)["cp"]["rows"]["relative"], by_hand["age"] / by_hand["mean_age"], rtol=1e-14
    )


@BOTH
@pytest.mark.parametrize("on", ["groups", "rows"])
def test_one_name_in_two_models(merged, on):
    rows = made_rows()
    first, second = model("pp", ["town", "street"]), model("cp", "town")
    first.register_attribute("age", lambda built: (2025 - built).mean())
    second.register_attribute("age", lambda pp__age: pp__age.max())
    second.register_attribute("twice", lambda age: 2 * age)  # its own
    results = executed(gbr_dag.ModelPipeline([first, second], on=on), rows, None, merged=merged)
    streets = (2025 - rows["built"]).groupby([rows["town"], rows["street"]]).mean()
    np.testing.assert_allclose(results["pp"]["groups"]["age"], streets, rtol=1e-14)
    expected = streets.groupby("town").max()
    np.testing.assert_allclose(results["cp"]["groups"]["age"], expected, rtol=1e-14)
    np.testing.assert_allclose(results["cp"]["groups"]["twice"], 2 * expected, rtol=1e-14)


@BOTH
def test_keys_may_be_features_and_have_any_type(merged):
    rows = made_rows().assign(day=pd.Timestamp("2020-01-01"), kind=pd.Categorical(["b"] * 200 + ["a"] * 200))
    rows["day"] += pd.to_timedelta(rows["built"] % 5, unit="D")
    first, second = model("pp", ["kind", "street"]), model("cp", ["decade", "last_day", "kind"])
    first.register_attribute("last_day", lambda day: day.max())
    first.register_attribute("decade", lambda built: built.max() // 10)
    first.register_attribute("one_town", lambda town: town.first())
    second.register_attribute("n", lambda one_town: one_town.size())
    second.register_attribute("street_names", lambda street: street.first())
    results = executed(gbr_dag.ModelPipeline([first, second]), rows, None, merged=merged)
    groups = rows.reset_index(drop=True).groupby(["kind", "street"], observed=True, as_index=False)
    streets = groups.agg(last_day=("day", "max"), built=("built", "max"))
    streets["decade"] = streets["built"] // 10
    by = streets.groupby(["decade", "last_day", "kind"], observed=True, as_index=False)
    expected = by.agg(n=("street", "size"), street_names=("street", "first"))
    pd.testing.assert_frame_equal(results["output"], expected, check_dtype=False)
    assert str(results["output"]["last_day"].dtype).startswith("datetime64")


def test_a_default_takes_what_an_earlier_link_gives():
    rows = made_rows()
    second = model("cp", "town")
    second.register_attribute("n", lambda town, n_older=0: (town * 0 + n_older).sum())
    pipeline = gbr_dag.ModelPipeline([houses(), second])
    results = pipeline.execute(rows, ["cp__n"])
    _, streets = by_hand_streets(rows)
    np.testing.assert_array_equal(results["output"]["n"], streets.groupby("town")["n_older"].sum())
    assert_same(pipeline.merged(["cp__n"]).execute(rows), results)
    alone = gbr_dag.ModelPipeline([second])
    assert (alone.execute(rows)["output"]["n"] == 0).all()
    assert_same(alone.merged().execute(rows), alone.execute(rows))


@BOTH
def test_only_the_keys_of_a_link(merged):
    first, second = model("pp", ["town", "street"]), model("cp", "town")
    first.register_filter("unused", lambda price: price)
    second.register_attribute("n_streets", lambda street: street.size())
    rows = made_rows()
    results = executed(gbr_dag.ModelPipeline([first, second]), rows, ["cp__n_streets"], merged=merged)
    expected = rows.dropna().drop_duplicates(["town", "street"]).groupby("town").size()
    np.testing.assert_array_equal(results["output"]["n_streets"], expected)


@BOTH
def test_no_rows(merged):
    results = executed(gbr_dag.ModelPipeline([houses(), towns()]), made_rows().iloc[:0], None, merged=merged)
    assert len(results["output"]) == 0
    assert list(results["output"].columns) == ["town", "most_older", "first_street"]


def test_seq_orders_links():
    rows = made_rows()
    pipeline = gbr_dag.ModelPipeline([towns(seq=2), houses(seq=1)])
    assert pipeline.names == ("pp", "cp")
    assert_same(pipeline.execute(rows), gbr_dag.ModelPipeline([houses(), towns()]).execute(rows))
    assert repr(pipeline) == "<ModelPipeline pp -> groups -> cp>"


@pytest.mark.parametrize(
    ("links", "text"),
    [
        (lambda: [houses(seq=1), towns()], "seq must be given for all links or for none; 'cp' have none"),
        (lambda: [houses(seq=1), towns(seq=1)], "seq must be distinct, links 'pp' and 'cp' both have 1"),
        (lambda: [houses(), houses()], "names of links must be distinct, got 'pp' twice"),
        (lambda: [model("a__b", "town")], "without '__' that does not end with '_'"),
        (lambda: [model("a_", "town")], "got 'a_'"),
        (lambda: [model("output", "town")], "got 'output'"),
        (list, "links must hold at least one"),
        (lambda: houses(), "links must be a list"),
        (lambda: [3], "links must be ModelDriver, GroupFit or WindowFit, got int"),
    ],
)
def test_links_are_checked(links, text):
    with pytest.raises((InputError, DuplicateNameError), match=re.escape(text)):
        gbr_dag.ModelPipeline(links())


@pytest.mark.parametrize(
    ("on", "text"), [("row", "did you mean 'rows'"), (["rows", "rows"], r"per pair of neighbours (1), got 2")]
)
def test_on_is_checked(on, text):
    with pytest.raises(InputError, match=re.escape(text)):
        gbr_dag.ModelPipeline([houses(), towns()], on=on)


def misspelt() -> gbr_dag.ModelDriver:
    driver = model("cp", "twon")
    driver.register_attribute("worst", lambda n_oldr: n_oldr.max())
    driver.register_attribute("mean", lambda age: age.mean())
    return driver


def test_every_missing_column_of_every_link_is_told_at_once():
    with pytest.raises(MissingInputError) as caught:
        gbr_dag.ModelPipeline([houses(), misspelt()]).validate(columns=["town", "street", "prise", "built"])
    start = "did you mean on='rows'? of the rows, not of their groups: age; 4 things are wrong: "
    assert str(caught.value).startswith(start)
    problems = str(caught.value)[len(start) :].split(" | ")
    line = misspelt().registry["worst"].place
    offers = "link 'pp' offers its groups, town, street, mean_age, n_older, total"
    expected = [
        f"link 'cp': column 'n_oldr', needed by worst ({line}), is not there; {offers}; did you mean 'n_older'?",
        f"link 'cp': column 'twon', a key of 'cp', is not there; {offers}; did you mean 'town'?",
    ]
    assert set(expected) <= set(problems)
    [level] = [problem for problem in problems if "'age'" in problem]
    assert "'age' is row level in 'pp': hand it on by on='rows', or reduce it" in level
    [column] = [problem for problem in problems if "link 'pp'" in problem[:9]]
    place = houses().registry["total"].place
    assert column == f"link 'pp': column 'price', needed by total ({place}), is not there; did you mean 'prise'?"


def test_many_faults_are_cut_short_on_one_line():
    second = model("cp", "town")
    for name in ["price", "built", "age", *"abcde"]:
        second.register_attribute(f"of_{name}", lambda value: value.sum(), inputs=[name])
    pipeline = gbr_dag.ModelPipeline([houses(), second])
    with pytest.raises(MissingInputError) as caught:
        pipeline.validate(made_rows())
    text = str(caught.value)
    assert text.startswith("did you mean on='rows'? of the rows, not of their groups: price, built, age; 8 things are")
    assert text.count(" | ") == 5
    assert text.endswith(" | and 3 more")
    assert "\n" not in text


def test_nothing_runs_before_all_columns_are_there():
    first, calls = houses(), []
    first.register_attribute("seen", lambda price: calls.append(1) or price.sum())
    with pytest.raises(MissingInputError, match="n_oldr"):
        gbr_dag.ModelPipeline([first, misspelt()]).execute(made_rows())
    assert calls == []


def test_validate_without_a_frame_looks_at_the_links():
    pipeline = gbr_dag.ModelPipeline([houses(), towns()])
    assert pipeline.validate() is None
    assert pipeline.validate(made_rows()) is None
    assert pipeline.validate(columns=["town", "street", "price"], outputs=["cp__share"]) is None
    with pytest.raises(MissingInputError, match="'n_oldr'"):
        gbr_dag.ModelPipeline([houses(), misspelt()]).validate()
    with pytest.raises(InputError, match="got both"):
        pipeline.validate(made_rows(), columns=["town"])


def test_a_name_that_two_links_give_is_refused_unless_one_is_named():
    second, third = model("cp", "town"), model("last", "town")
    second.register_filter("age", lambda built: built)
    third.register_attribute("oldest", lambda age: age.max())
    pipeline = gbr_dag.ModelPipeline([houses(), second, third], on="rows")
    for run in (pipeline.execute, lambda rows: pipeline.merged().execute(rows)):
        with pytest.raises(InputError, match=r"'age', needed by oldest .* by pp and by cp; take pp__age or cp__age"):
            run(made_rows())


@BOTH
def test_a_feature_with_the_name_of_a_column_is_refused(merged):
    rows = made_rows().assign(share=1)
    with pytest.raises(InputError, match=r"link 'cp': feature 'share' \(.*\) has the name of a column of the frame"):
        executed(gbr_dag.ModelPipeline([houses(), towns()], on="rows"), rows, None, merged=merged)
    # between groups it is no column
    executed(gbr_dag.ModelPipeline([houses(), towns()]), rows, None, merged=merged)


@pytest.mark.parametrize(
    ("outputs", "text"),
    [
        (["cp__most_oldr"], "did you mean 'cp__most_older'"),
        (["pq__age"], "did you mean 'pp__age'"),
        (["age"], "output 'age' is unknown"),
        ("cp__share", "must be a list"),
        ([], "must name at least one"),
        ([3], r"must be names \(str\)"),
    ],
)
def test_outputs_are_checked(outputs, text):
    pipeline = gbr_dag.ModelPipeline([houses(), towns()])
    for run in (pipeline.merged, lambda outputs: pipeline.execute(made_rows(), outputs)):
        with pytest.raises((UnknownNameError, InputError), match=text):
            run(outputs)


def test_a_column_with_the_name_of_a_node_is_refused():
    first, second = model("pp", "town"), model("cp", "town")
    first.register_attribute("age", lambda cp__oldest: cp__oldest.mean())
    second.register_attribute("oldest", lambda age: age.max())
    pipeline = gbr_dag.ModelPipeline([first, second])
    with pytest.raises(InputError, match="column 'cp__oldest' of the frame has the name of a node"):
        pipeline.merged()


def test_the_chain_is_planned_and_drawn_merged(tmp_path):
    pipeline, rows = gbr_dag.ModelPipeline([houses(), towns()]), made_rows()
    merged = pipeline.merged(["cp__most_older"])
    assert str(pipeline.plan(["cp__most_older"])) == str(merged.plan())
    assert str(pipeline.plan(["cp__most_older"], rows)) == str(merged.plan(rows))
    assert pipeline.draw(["cp__most_older"]) == merged.draw()
    assert pipeline.draw(path=tmp_path / "chain.dot") == str(tmp_path / "chain.dot")


@pytest.mark.parametrize("on", ["groups", "rows"])
def test_every_model_is_verified_on_its_rows_of_the_chain(on):
    second = towns()

    def planted(n_older):
        return n_older.sum() + hasattr(n_older, "grouping")

    second.register_attribute("planted", planted)
    fit = gbr_dag.GroupFit("fit", by="town", targets="total")
    pipeline = gbr_dag.ModelPipeline([houses(), second, fit], on=[on, "rows"])
    rows = made_rows()
    found = pipeline.verify(rows, sample=3)
    assert list(found) == ["pp", "cp"]
    assert found["pp"].equal
    assert not found["cp"].equal
    assert "'planted'" in str(found["cp"])
    assert "3 of 3 groups" in str(found["cp"])
    assert pipeline.verify(rows, outputs=["cp__most_older"])["cp"].equal
    assert list(pipeline.verify(rows, outputs=["pp__total"])) == ["pp"]
    with pytest.raises(InputError, match="sample"):
        pipeline.verify(rows, sample=0)


def test_models_without_features_are_refused():
    with pytest.raises(InputError, match="no link of the chain has features yet"):
        gbr_dag.ModelPipeline([model("pp", "town")]).execute(made_rows())


def test_merged_is_planned_drawn_and_explained(tmp_path):
    pipeline = gbr_dag.ModelPipeline([houses(), towns()])
    merged = pipeline.merged(["cp__most_older"])
    assert merged.why("pp__age") == ("pp__age runs because cp__most_older <- pp__n_older <- pp__older <- pp__age")
    assert "pp__total" in merged.why("pp__total")
    assert "cp__most_older" in str(merged.plan())
    assert "pp__total" not in merged.plan().nodes
    assert merged.plan(made_rows()).missing == ()
    assert "pp__n_older" in merged.draw()
    assert merged.draw(tmp_path / "chain.dot").endswith("chain.dot")
    assert repr(merged) == f"<MergedPipeline of pp, cp: {len(merged.plan().nodes)} nodes run>"
    assert set(pipeline.list_outputs()["name"]) >= {"pp__age", "cp__share"}
    assert merged.report().empty
    assert pipeline.report().empty


@pytest.mark.parametrize("kind", ["polars", "lazy", "pyarrow"])
@BOTH
def test_frames_of_other_libraries(kind, merged):
    polars = pytest.importorskip("polars", reason="frames of polars")
    rows = made_rows()
    frame = polars.from_pandas(rows.reset_index(drop=True))
    frame = {"polars": frame, "lazy": frame.lazy(), "pyarrow": frame.to_arrow()}[kind]
    pipeline = gbr_dag.ModelPipeline([houses(), by_street()], on="rows")
    found = executed(pipeline, frame, None, merged=merged)
    expected = pipeline.execute(rows)
    for link in ("pp", "cp"):
        for part in ("rows", "groups"):
            table = found[link][part]
            assert type(table).__module__.split(".")[0] == ("pyarrow" if kind == "pyarrow" else "polars")
            known = table.to_pandas()
            wanted = expected[link][part].reset_index(drop=True)
            for name in wanted.columns[wanted.dtypes == "boolean"]:  # which are objects there
                known[name] = known[name].astype("boolean")
            pd.testing.assert_frame_equal(known, wanted, check_dtype=False)


def test_a_lazy_frame_is_collected_once():
    polars = pytest.importorskip("polars", reason="frames of polars")
    collected = []
    frame = polars.from_pandas(made_rows().reset_index(drop=True)).lazy()
    watched = frame.map_batches(lambda batch: collected.append(1) or batch)
    pipeline = gbr_dag.ModelPipeline([houses(), by_street()], on="rows")
    pipeline.execute(watched)
    assert len(collected) == 1


@BOTH
def test_keys_that_are_features_alone(merged):
    rows = made_rows()
    first, second = model("pp", ["town", "street"]), model("cp", "decade")
    first.register_attribute("decade", lambda built: built.max() // 10)
    second.register_attribute("n", lambda decade: decade.size())
    found = executed(gbr_dag.ModelPipeline([first, second]), rows, ["cp__n"], merged=merged)["output"]
    decades = rows.groupby(["town", "street"])["built"].max() // 10
    np.testing.assert_array_equal(found["n"], decades.groupby(decades).size())


@BOTH
def test_keys_of_polars_keep_their_types_and_all_their_digits(merged):
    polars = pytest.importorskip("polars", reason="frames of polars")
    large = [2**60 + 1, 2**60 + 2, None, 2**60 + 2]
    frame = polars.DataFrame({"a": large, "b": [1, 2, 3, 2], "v": [1.0, 2.0, 3.0, 4.0]})
    kinds = polars.Enum(["x", "w"])
    frame = frame.with_columns(
        polars.col("b").cast(polars.Int16), kind=polars.Series(["w", "x", "x", "x"], dtype=kinds)
    )
    first, second = model("pp", ["a", "b", "kind"]), model("cp", ["kind", "a"])
    first.register_attribute("mean", lambda v: v.mean())
    second.register_attribute("top", lambda mean: mean.max())
    results = executed(gbr_dag.ModelPipeline([first, second]), frame, None, merged=merged)
    assert results["pp"]["groups"].schema == {
        "a": polars.Int64,
        "b": polars.Int16,
        "kind": kinds,
        "mean": polars.Float64,
    }
    assert results["cp"]["groups"].schema == {"kind": kinds, "a": polars.Int64, "top": polars.Float64}
    assert results["cp"]["groups"].rows() == [("x", 2**60 + 2, 3.0), ("w", 2**60 + 1, 1.0)]


def test_a_column_that_one_can_do_without_and_another_cannot_is_missing():
    driver = model("cp", "town")
    driver.register_attribute("a", lambda area=1.0: area)
    driver.register_attribute("b", lambda area: area.sum())
    pipeline = gbr_dag.ModelPipeline([driver])
    with pytest.raises(MissingInputError, match=r"link 'cp': column 'area', needed by a .*, b"):
        pipeline.validate(made_rows())
    pipeline.validate(made_rows(), outputs=["cp__a"])
