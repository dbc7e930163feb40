"""The pages of the documentation: api.md is what the docstrings say, links lead somewhere, tables have their marks."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import gbr_dag
from benchmarks import bench_fitters, bench_sliding_window, default_cut, huber_pulls, report

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [*ROOT.glob("*.md"), *DOCS.glob("*.md")]
FENCED = re.compile(r"^```.*?^```$", flags=re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", flags=re.MULTILINE)


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """``docs/generate_api.py``; docs is no package."""
    spec = importlib.util.spec_from_file_location("generate_api", DOCS / "generate_api.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def prose(page: Path) -> str:
    """The page without its code."""
    return FENCED.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings: lower case, words joined by hyphens, no other punctuation."""
    titles = [re.sub(r"[^\w\- ]", "", heading.lower()).strip() for heading in HEADING.findall(prose(page))]
    return {title.replace(" ", "-") for title in titles}


def links() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for link in LINK.findall(prose(page)):
            if not re.match(r"[a-z]+:", link):
                yield str(page.relative_to(ROOT)), link


def test_api_page_is_what_the_docstrings_say(generator):
    written = (DOCS / "api.md").read_text(encoding="utf-8")
    assert written == generator.page(), "write it anew: python docs/generate_api.py"


def test_every_public_name_has_a_heading():
    assert {name.lower() for name in gbr_dag.__all__ if name != "__version__"} <= anchors(DOCS / "api.md")


def test_a_stale_page_is_told(generator, tmp_path, monkeypatch):
    page = tmp_path / "api.md"
    monkeypatch.setattr(generator, "PAGE", page)
    with pytest.raises(SystemExit, match="write it anew"):
        generator.main(["--check"])
    assert not page.exists()
    generator.main([])
    generator.main(["--check"])
    page.write_text(page.read_text(encoding="utf-8") + "more")
    with pytest.raises(SystemExit, match="write it anew"):
        generator.main(["--check"])


def test_it_runs_as_a_script():
    script = [sys.executable, str(DOCS / "generate_api.py"), "--check"]
    done = subprocess.run(script, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_name_of_an_unknown_module_is_refused(generator, monkeypatch):
    monkeypatch.setitem(gbr_dag._MODULE_OF, "load_flights", "gbr_dag.elsewhere")
    with pytest.raises(KeyError, match="elsewhere"):
        generator.members()


@pytest.mark.parametrize(("page", "link"), sorted(set(links())))
def test_link_leads_somewhere(page, link):
    path, _, anchor = link.partition("#")
    target = (ROOT / page).parent / path if path else ROOT / page
    assert target.exists()
    if anchor:
        assert anchor in anchors(target)


def test_links_are_found():
    found = set(links())
    assert {("README.md", "docs/README.md"), ("README.md", "docs/api.md"), ("README.md", "docs/migration.md")} <= found


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_examples_end_before_their_fence(page):
    # doctest takes the closing fence for output otherwise
    for block in FENCED.findall(page.read_text(encoding="utf-8")):
        if ">>>" in block:
            assert block.endswith("\n\n```")


@pytest.mark.parametrize(
    ("page", "begin", "end"),
    [
        (ROOT / "README.md", report.BEGIN, report.END),
        (DOCS / "README.md", bench_fitters.BEGIN, bench_fitters.END),
        (DOCS / "README.md", huber_pulls.BEGIN, huber_pulls.END),
        (DOCS / "migration.md", default_cut.BEGIN, default_cut.END),
        (DOCS / "windows.md", bench_sliding_window.BEGIN, bench_sliding_window.END),
    ],
    ids=["peers", "fitters", "pulls", "cut", "windows"],
)
def test_measured_tables_stand_between_their_marks(page, begin, end):
    text = page.read_text(encoding="utf-8")
    assert text.count(begin) == text.count(end) == 1
    table = text.partition(begin)[2].partition(end)[0]
    assert "|---" in table
    assert re.search(r"commit [0-9a-f]{7,}", table)
