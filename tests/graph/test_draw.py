"""Drawings: the files, the texts, and that the picture can be read."""

from __future__ import annotations

import importlib.util
import itertools
import random
import re
import struct
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from gbr_dag.errors import InputError, MissingExtraError, UnknownNameError
from gbr_dag.graph import Driver
from gbr_dag.graph.layers import compact_layers
from gbr_dag.graph.layout import layered_layout
from gbr_dag.graph.markup import Box, Sketch

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def driver(fit_steps):
    return Driver([fit_steps], {"engine": "numpy", "fitter": "ols"})


def without_matplotlib(monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "matplotlib" else find_spec(name))


def drawn_nodes(svg: str) -> set[str]:
    ids = (element.get("id", "") for element in ET.fromstring(svg).iter(f"{SVG}g"))
    return {name[len("node-") :] for name in ids if name.startswith("node-")}


def test_svg(driver, tmp_path):
    path = tmp_path / "graph.svg"
    assert driver.draw(["fit_table"], path) == str(path)
    text = path.read_text(encoding="utf-8")
    assert ET.fromstring(text).tag == f"{SVG}svg"
    assert drawn_nodes(text) == {"bin_map", "entries", "bin_factors", "coefficients", "fit_table"}


def test_png(driver, tmp_path):
    path = tmp_path / "graph.PNG"
    driver.draw(["fit_table"], str(path))
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", content[16:24])
    assert 400 < width < 2000
    assert 400 < height < 2000


@pytest.mark.parametrize("suffix", ["svg", "png", "dot", "mmd"])
def test_files_are_whole_and_the_same_each_time(driver, tmp_path, suffix):
    one, two = tmp_path / f"one.{suffix}", tmp_path / f"two.{suffix}"
    driver.draw(["fit_table"], one)
    driver.draw(["fit_table"], two)
    assert one.read_bytes() == two.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} >= {one.name, two.name}
    assert not list(tmp_path.glob(".*"))


def test_a_file_that_cannot_be_made_leaves_the_old_one(driver, tmp_path, monkeypatch):
    path = tmp_path / "graph.svg"
    path.write_text("old", encoding="utf-8")
    without_matplotlib(monkeypatch)
    with pytest.raises(MissingExtraError):
        driver.draw(["fit_table"], path)
    assert path.read_text(encoding="utf-8") == "old"
    assert not list(tmp_path.glob(".*"))


def test_a_file_is_renamed_into_its_place(driver, tmp_path, monkeypatch):
    path = tmp_path / "graph.mmd"
    path.write_text("old", encoding="utf-8")

    def full_disk(self, target):
        assert self.read_text(encoding="utf-8").startswith("flowchart")
        raise OSError(target)

    monkeypatch.setattr(type(path), "replace", full_disk)
    with pytest.raises(OSError, match=r"graph\.mmd"):
        driver.draw(["fit_table"], path)
    assert path.read_text(encoding="utf-8") == "old"
    assert not list(tmp_path.glob(".*"))


def test_unknown_kinds_of_files(driver, tmp_path):
    path = tmp_path / "graph.jpg"
    message = f"path must end in .dot, .mmd, .png or .svg, got {str(path)!r}"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        driver.draw(["fit_table"], path)
    folder = tmp_path / "nowhere"
    message = f"path: the folder {str(folder)!r} is not there; make it first"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        driver.draw(["fit_table"], folder / "graph.svg")


def test_unknown_outputs(driver):
    with pytest.raises(UnknownNameError, match="output 'fit_tabel' is unknown; did you mean 'fit_table'"):
        driver.draw(["fit_tabel"])


def test_pictures_need_matplotlib_and_texts_do_not(driver, tmp_path, monkeypatch):
    without_matplotlib(monkeypatch)
    message = 'pictures need matplotlib; get it with: pip install "gbr-dag[draw]" (.dot and .mmd work without)'
    with pytest.raises(MissingExtraError, match=f"^{re.escape(message)}$"):
        driver.draw(["fit_table"], tmp_path / "graph.svg")
    driver.draw(["fit_table"], tmp_path / "graph.dot")
    assert driver.draw(["fit_table"]).startswith("flowchart TD\n")


def test_mermaid(driver):
    text = driver.draw(["entries"])
    assert text.splitlines() == [
        "flowchart TD",
        '    frame(["frame"]):::given',
        '    bin_map["bin_map"]:::stage0',
        '    entries["entries"]:::stage0',
        "    frame -.-> bin_map",
        "    bin_map --> entries",
        "    classDef stage0 fill:#dbe9fb,stroke:#3b73b9,color:#1f2430",
        "    classDef given fill:#f4f5f7,stroke:#8b94a3,color:#4a5261,stroke-dasharray:4 3",
        "    style entries stroke-width:3px",
    ]


def test_mermaid_shows_variants_and_kept_nodes(driver):
    text = driver.draw(["fit_table"], overrides={"entries": np.zeros(2)})
    assert '    bin_factors["bin_factors<br/><i>numpy</i>"]:::stage0' in text
    assert '    entries["entries"]:::kept' in text
    assert "bin_map --> entries" not in text


def test_the_whole_graph_has_no_asked_outputs(driver):
    assert "stroke-width:3px" not in driver.draw()
    assert len(re.findall(r":::stage\d", driver.draw())) == 5


def test_optional_inputs_are_drawn_when_given(fit_steps):
    driver = Driver([fit_steps], {"engine": "numba", "fitter": "ols"})
    assert "threads" not in driver.draw(["fit_table"])
    assert "threads -.-> bin_factors" in driver.draw(["fit_table"], inputs={"threads": 1})


def test_ordered_stages_keep_their_colours_in_every_part_of_the_graph():
    boxes = [Box(stage, stage, "", (), asked=False, kept=False) for stage in ("other", "group", "row")]
    whole = Sketch(boxes, [], [], stage_order=("row", "group")).stages()
    assert list(whole) == ["row", "group", "other"]
    for i in range(3):
        part = Sketch(boxes[i:], [], [], stage_order=("row", "group")).stages()
        assert part.items() <= whole.items()
    assert len(set(whole.values())) == 3


ODD = ['a "quoted" name', "back\\slash", "end", "style_error", "größe", "a.b", "<b>&#", "n1"]


@pytest.fixture
def odd():
    boxes = [Box(name, "stage", 'with "quotes"', ("graph",), i == 0, kept=False) for i, name in enumerate(ODD)]
    return Sketch(boxes, list(zip(ODD, ODD[1:])), ["graph"])


def test_dot_quotes_odd_names(odd):
    text = odd.dot()
    assert text.startswith("digraph {\n")
    assert text.endswith("}\n")
    string = r'"(?:[^"\\]|\\.)*"'
    attributes = rf"\[(?:[a-z]+=(?:{string}|[\w.]+)(?:, |))+\]"
    for line in text.splitlines()[4:-1]:
        assert re.fullmatch(rf"    {string}(?: -> {string})?(?: {attributes})?;", line), line
    assert r'"a \"quoted\" name" -> "back\\slash"' in text
    assert r'[label="end\nwith \"quotes\"", tooltip="stage"' in text


def test_mermaid_numbers_odd_names(odd):
    text = odd.mermaid()
    ids = re.findall(r'^    (\w+)\["', text, re.MULTILINE)
    assert len(set(ids)) == len(ODD)
    assert not {"end", "style_error"} & set(ids)
    assert '["a #34;quoted#34; name<br/><i>with #34;quotes#34;</i>"]' in text
    assert '["#60;b#62;#38;#35;<br/>' in text


def test_odd_names_can_be_drawn(odd, tmp_path):
    from gbr_dag.graph.draw import drawn, svg_text

    assert ET.fromstring(svg_text(odd)).tag == f"{SVG}svg"
    drawn(odd, tmp_path / "odd.png")


def random_graph(seed: int) -> tuple[dict[str, tuple[float, float]], list[tuple[str, str]]]:
    rng = random.Random(seed)
    count = rng.randint(1, 30)
    names = [f"n{i}" for i in range(count)]
    arrows = [(a, b) for a, b in itertools.combinations(names, 2) if rng.random() < 3 / count]
    return {name: (rng.uniform(60, 200), rng.uniform(25, 90)) for name in names}, arrows


@pytest.mark.parametrize("seed", range(25))
def test_boxes_keep_apart_and_arrows_go_around_them(seed):
    sizes, arrows = random_graph(seed)
    layout = layered_layout(sizes, arrows)
    edges = {
        name: (x - sizes[name][0] / 2, x + sizes[name][0] / 2, y - sizes[name][1] / 2, y + sizes[name][1] / 2)
        for name, (x, y) in layout.centres.items()
    }
    for one, two in itertools.combinations(edges.values(), 2):
        assert one[1] <= two[0] or two[1] <= one[0] or one[3] <= two[2] or two[3] <= one[2]
    for left, right, top, bottom in edges.values():
        assert left >= -1e-6
        assert top >= -1e-6
        assert right <= layout.width + 1e-6
        assert bottom <= layout.height + 1e-6
    for _, points in layout.strokes:
        for (x0, y0), (x1, y1) in zip(points, points[1:]):
            assert y1 >= y0 - 1e-6
            # a curve stays within the rectangle of its ends, a straight line upon itself
            for left, right, top, bottom in edges.values():
                inside = min(x0, x1) < right - 1e-6 and max(x0, x1) > left + 1e-6
                assert not (inside and y0 < bottom - 1e-6 and y1 > top + 1e-6)


@pytest.mark.parametrize("seed", range(25))
def test_every_arrow_is_drawn_downwards_to_its_box(seed):
    sizes, arrows = random_graph(seed)
    layout = layered_layout(sizes, arrows)
    layers = compact_layers(list(sizes), arrows)
    assert all(layers[start] < layers[end] for start, end in arrows)
    ends = {
        (owner, name)
        for owner, (x, y) in layout.heads
        for name, (centre, middle) in layout.centres.items()
        if abs(y - middle + sizes[name][1] / 2) < 1e-6 and abs(x - centre) <= sizes[name][0] / 2
    }
    assert ends == set(arrows)
    assert len(layout.heads) == len(set(arrows))


def test_a_source_moves_down_to_its_only_user():
    layers = compact_layers(["a", "b", "c", "late", "end"], [("a", "b"), ("b", "c"), ("c", "end"), ("late", "end")])
    assert layers == {"a": 0, "b": 1, "c": 2, "late": 2, "end": 3}


def test_notebooks_show_the_picture(driver):
    shown = driver._repr_html_()
    assert drawn_nodes(shown[shown.index("<svg") : shown.index("</svg>") + 6]) == set(driver.list_outputs()["name"])
    assert "&lt;Driver engine=&#x27;numpy&#x27;" in shown


def test_notebooks_without_matplotlib_show_the_mermaid_text(driver, monkeypatch):
    without_matplotlib(monkeypatch)
    assert "<pre>flowchart TD\n" in driver._repr_html_()
