"""Files of features: where they are written, what is read from them, and what is refused."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from pathlib import Path

import pytest

from gbr_dag import DuplicateNameError, InputError
from tests.oracles.saved_features import new_driver, registered, saved_text


def test_files_edited_since(written, tmp_path):
    module = written("edited", "def f(x):\n    return x\n")
    file = tmp_path / "edited.py"
    file.write_text("# moved\n\n\ndef f(x):\n    return x\n", encoding="utf-8")
    assert "def f(x):\n    return x\n" in saved_text(registered(module.f))
    file.write_text("# moved\n\n\ndef f(x):\n    return -x\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"feature 'f' \(\S+edited.py:1\) is not in its file any more"):
        registered(module.f).save_to_python_file("new.py")


def test_saving_over_the_file_that_was_loaded(written, tmp_path):
    module = written("more", "import math\n\ndef another(x):\n    return math.pi * x\n")
    (tmp_path / "own.py").write_text("def f(x):  #agg\n    return x.sum()\n", encoding="utf-8")
    driver = new_driver().load_from_python_file("own.py").register_filter("another", module.another)
    for _ in range(2):  # the second time its functions stand on other lines
        driver.save_to_python_file("own.py", overwrite=True)
        text = (tmp_path / "own.py").read_text(encoding="utf-8")
        assert text.endswith("def f(x):  #agg\n    return x.sum()\n\n\ndef another(x):\n    return math.pi * x\n")


def test_a_file_read_again_takes_the_place_of_its_features(written, tmp_path):
    file = tmp_path / "own.py"
    file.write_text("def f(x):\n    return x\n", encoding="utf-8")
    driver = new_driver().load_from_python_file("own.py").register_filter("g", written("g", "def g(f): return f\n").g)
    file.write_text("def f(x):  #agg\n    return x.sum()\n\n\ndef h(x):\n    return x\n", encoding="utf-8")
    for load in (driver.load_from_python_file, driver.load_features_from_module):
        with pytest.raises(DuplicateNameError, match="replace=True"):
            load("own.py")
        assert list(load("own.py", replace=True).registry.outputs()) == ["f", "g", "h"]
        assert driver.registry["f"].level == "group"


def test_where_it_is_written(written, tmp_path):
    written("package.__init__", "")
    module = written("plain", "def f(x): return x\n")
    driver = registered(module.f)
    (tmp_path / "folder").mkdir()
    for target, file in [
        ("package.features", "package/features.py"),
        ("folder.features", "folder/features.py"),
        ("alone", "alone.py"),
        ("package/other.py", "package/other.py"),
        (tmp_path / "third.py", "third.py"),
    ]:
        assert driver.save_features_to_module(target).resolve() == (tmp_path / file).resolve()
    assert list(new_driver().load_features_from_module("package.features").registry) == list(driver.registry)
    again = importlib.import_module("folder.features")
    assert list(new_driver().load_features_from_module(again).registry) == list(driver.registry)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("packige.features", "'packige' can neither be imported nor is a folder here"),
        ("plain.features", "'plain' is a module, no package"),
        ("my features", "must be a path ending in .py or a dotted name like 'my_package.features'"),
        ("package.class", "or a dotted name like"),
        (".features", "or a dotted name like"),
        ("", "target must be a path"),
        (3, "target must be a path"),
        (Path("features.txt"), "path must end in .py, got 'features.txt'"),
        ("nowhere/features.py", "the folder 'nowhere' is not there"),
        ("plain.py", "'plain.py' is there already; give another one, or overwrite=True"),
        ("plain", "'plain.py' is there already"),
        ("json", "target 'json' is the name of another module ("),
        ("sys", "which the file 'sys.py' would hide; give another name, or the path 'sys.py'"),
        ("__main__", "target '__main__' is the name of another module"),
    ],
)
def test_targets_that_are_refused(written, tmp_path, target, words):
    module = written("plain", "def f(x): return x\n")
    driver = registered(module.f)
    with pytest.raises(InputError, match=re.escape(words)):
        driver.save_features_to_module(target)
    assert [path.name for path in tmp_path.iterdir()] == ["plain.py"]
    assert (tmp_path / "plain.py").read_text(encoding="utf-8") == "def f(x): return x\n"


def test_file_takes_a_path_only(written, monkeypatch):
    driver = registered(written("plain", "def f(x): return x\n").f)
    with pytest.raises(InputError, match=r"path must end in .py, got 'package.features'"):
        driver.save_to_python_file("package.features")
    with pytest.raises(InputError, match=r"path must be a text or a pathlib.Path"):
        driver.save_to_python_file(3)
    with pytest.raises(InputError, match="no features to save"):
        new_driver().save_to_python_file("saved.py")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        driver.save_to_python_file("saved.py")
    assert [path.name for path in Path().iterdir()] == ["plain.py"]


LOADED = """
from math import floor
from gbr_dag.features import attribute, row

@attribute
def last(x): return x.mean()
def _helper(x): return x
@row(name="The First")
def first(x, last): return _helper(x)
alias = first
class Other:
    def method(self): pass
    def __call__(self): pass
other = Other()
def middle(x):  #agg
    return x.sum()
"""


def test_what_is_loaded(written, tmp_path):
    module = written("loaded", LOADED)
    for source in (module, "loaded", "loaded.py", tmp_path / "loaded.py"):
        driver = new_driver().load_features_from_module(source)
        levels = [(feature.name, feature.level) for feature in driver.registry]
        assert levels == [("last", "group"), ("The First", "row"), ("middle", "group")]
    listed = written("listed", f'{LOADED}\n__all__ = ["Other", "_helper", "last", "floor"]\n')
    driver = new_driver().load_features_from_module(listed)
    assert [feature.name for feature in driver.registry] == ["last", "_helper"]


def test_loaded_from_a_path_it_is_a_module_as_any_other(written, tmp_path, monkeypatch):
    text = "from __future__ import annotations\nfrom dataclasses import dataclass\n\n"
    text += "@dataclass\nclass P:\n    x: int = 3\n\n"
    written("shadow", f"{text}def f(x):  #agg\n    return P().x\n")
    ours = sys.modules["shadow"]
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    driver = new_driver().load_from_python_file("shadow.py")
    feature = driver.registry["f"]
    assert sys.modules["shadow"] is ours
    assert feature.function is not ours.f
    assert inspect.getsource(feature.function) == "def f(x):  #agg\n    return P().x\n"
    assert feature.place == f"{tmp_path.resolve() / 'shadow.py'}:8"
    assert feature.function(0) == 3
    assert sys.modules[feature.module].f is feature.function
    assert not (tmp_path / "__pycache__").exists()
    # edited to as many bytes within the same second
    (tmp_path / "shadow.py").write_text(f"{text}def g(y):  #agg\n    return P().x\n", encoding="utf-8")
    assert "g" in new_driver().load_from_python_file("shadow.py").registry


@pytest.mark.parametrize(
    ("load", "words"),
    [
        ("lodaed", "module 'lodaed' cannot be imported: there is no 'lodaed'; did you mean 'loaded'?"),
        ("package.featuers", "there is no 'package.featuers'; did you mean 'package.features'?"),
        ("nopackage.features", "there is no 'nopackage'"),
        ("lodaed.py", "there is no file 'lodaed.py'; did you mean 'loaded.py'?"),
        (Path("nowhere/a.py"), "there is no file 'nowhere/a.py'; the folder"),
        (Path("loaded"), "path must be the path of a file that ends in .py, got"),
        (None, "module must be a module, a dotted name or a path ending in .py, got None"),
        ("empty", "defines no function; names that start with _ are helpers"),
        ("nothing", "defines no function; its __all__ lists none"),
        ("misspelt", "__all__ lists 'agee', which is not defined; did you mean 'age'?"),
        ("several", "takes *x; a feature takes each thing it needs by its name"),
    ],
)
def test_what_cannot_be_loaded_is_refused(written, load, words):
    written("loaded", LOADED)
    written("package.__init__", "")
    written("package.features", LOADED)
    written("empty", "def _f(x): return x\n")
    written("nothing", "__all__ = []\ndef f(x): return x\n")
    written("misspelt", "__all__ = ['agee']\ndef age(x): return x\n")
    written("several", "def f(x): return x\ndef g(*x): return x\n")
    driver = new_driver()
    with pytest.raises(InputError, match=re.escape(words)):
        driver.load_features_from_module(load)
    assert len(driver.registry) == 0


def test_errors_inside_a_file_come_through_with_their_place(written, tmp_path):  # noqa: ARG001 - for its folder
    before = set(sys.modules)
    for name, text, kind in [
        ("broken", "def f(x)\n    return x\n", SyntaxError),
        ("fails", "def f(x): return x\nf(1 / 0)\n", ZeroDivisionError),
        ("lacks", "import not_there\ndef f(x): return x\n", ModuleNotFoundError),
    ]:
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        driver = new_driver()
        for load in (driver.load_from_python_file, driver.load_features_from_module):
            with pytest.raises(kind) as caught:
                load(f"{name}.py")
            place = caught.value.filename if kind is SyntaxError else str(caught.traceback[-1].path)
            assert place == str(tmp_path.resolve() / f"{name}.py")
        assert len(driver.registry) == 0
    with pytest.raises(ModuleNotFoundError, match="not_there"):
        new_driver().load_features_from_module("lacks")
    assert {name for name in set(sys.modules) - before if "xml" not in name} == set()


def test_all_features_are_loaded_or_none(written):
    written("loaded", LOADED)
    written("keyed", "def a(x): return x\ndef zone(x): return x\n")
    written("clash", "def new(x): return x\ndef middle(x): return x\n")
    driver = new_driver().load_from_python_file("loaded.py")
    names = [feature.name for feature in driver.registry]
    for file, words in [
        ("loaded.py", "'last' is there twice"),
        ("clash.py", r"'middle' is there twice: \S+loaded.py:\d+ and \S+clash.py:2"),
        ("keyed.py", "'zone', which is a key column"),
    ]:
        with pytest.raises(DuplicateNameError, match=words):
            driver.load_from_python_file(file)
        assert [feature.name for feature in driver.registry] == names


def test_a_path_may_have_the_name_of_any_module(written):
    driver = registered(written("plain", "def f(x): return x\n").f)
    assert driver.save_features_to_module("json.py") == Path("json.py")
    assert driver.save_features_to_module("plain", overwrite=True) == Path("plain.py")


@pytest.mark.parametrize("load", ["leaves", "leaves.py"])
def test_a_file_that_ends_the_program_is_refused(tmp_path, monkeypatch, load):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "leaves.py").write_text("import sys\ndef f(x): return x\nsys.exit(3)\n", encoding="utf-8")
    with pytest.raises(InputError, match=rf"{load} ends the program when it is loaded \(SystemExit: 3\)") as caught:
        new_driver().load_features_from_module(load)
    assert isinstance(caught.value.__cause__, SystemExit)
    assert "leaves" not in sys.modules


BEFORE = "HIGH = 3\n\n\ndef f(x):\n    return x + HIGH\n"


@pytest.mark.parametrize(
    ("after", "value"),
    [
        (BEFORE.replace("x + HIGH", "x - HIGH"), 7),
        (BEFORE.replace("HIGH = 3", "HIGH = 4"), 14),
        (f"{BEFORE}\n\ndef g(x):\n    return x\n", 13),
    ],
)
def test_a_module_edited_since_is_imported_anew_by_its_name(written, tmp_path, monkeypatch, after, value):
    old = written("edited", BEFORE)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    driver = new_driver().load_features_from_module("edited")
    assert sys.modules["edited"] is old
    (tmp_path / "edited.py").write_text(f"# edited\n{after}", encoding="utf-8")
    importlib.invalidate_caches()
    again = new_driver().load_features_from_module("edited")
    assert again.registry["f"].function(10) == value
    assert ("g" in again.registry) == ("def g" in after)
    assert driver.registry["f"].function(10) == 13
    assert sys.modules["edited"] is not old
    assert new_driver().load_features_from_module(old).registry["f"].function is old.f


def test_a_module_that_changes_itself_is_taken_as_it_is(written):
    text = (
        "COUNT = 0\nSEEN = []\ndef _f(x): return x\ndef g(x):\n    global COUNT\n    COUNT += 1\n    return x\ndel _f\n"
    )
    module = written("changes", text)
    module.g(SEEN := module.SEEN).append(1)
    assert SEEN == [1]
    new_driver().load_features_from_module("changes")
    assert sys.modules["changes"] is module


def test_an_edit_that_fails_leaves_the_module_that_was_imported(written, tmp_path):
    old = written("edited", BEFORE)
    (tmp_path / "edited.py").write_text("def f(x)\n", encoding="utf-8")
    with pytest.raises(SyntaxError):
        new_driver().load_features_from_module("edited")
    assert sys.modules["edited"] is old


def test_packages_edited_since_are_refused(written, tmp_path):
    written("package.__init__", BEFORE)
    (tmp_path / "package" / "__init__.py").write_text(BEFORE.replace("+", "-"), encoding="utf-8")
    sys.modules["package"] = sys.modules.pop("package.__init__")
    sys.modules["package"].__path__ = [str(tmp_path / "package")]
    with pytest.raises(InputError, match="'package' is a package whose file was edited"):
        new_driver().load_features_from_module("package")


def test_what_is_overwritten_is_read_back_by_its_name(written, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    written("package.__init__", "")
    for name, sign in [("one", "+"), ("other", "-")]:  # as many bytes, within the same second
        module = written(name, f"def f(x): return 1 {sign} x\n")
        registered(module.f).save_features_to_module("package.saved", overwrite=True)
        function = new_driver().load_features_from_module("package.saved").registry["f"].function
        assert function(3) == module.f(3)
