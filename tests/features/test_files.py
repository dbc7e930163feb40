"""Features saved as plain Python and read back: what travels, what is refused, and that nothing is lost."""

from __future__ import annotations

import ast
import importlib
import inspect
import linecache
import re
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from gbr_dag import DuplicateNameError, InputError, ModelDriver
from gbr_dag.features import attribute

HOUSES = '''"""Ages of houses, by zone."""

from __future__ import annotations

import functools
import json
import math
import os.path
from math import log as ln, sqrt
from typing import TYPE_CHECKING, Optional

import numpy as np
from gbr_dag.features import attribute, per_row, row

if TYPE_CHECKING:
    import pandas as pd
    from pathlib import Path

UNUSED = json.dumps({})
# the year of the survey
YEAR = 2025  # AD
DAYS = 365.25 * YEAR
LIMITS = {"old": 50, "new": 5}
"""Ages that count as old and as new."""

ALMOST, FULL = 0.9, 1.0


class Bounds:
    """Limits."""

    low = YEAR - 2000


LOWEST: float = Bounds.low
Number = Optional[float]


def unused():
    return UNUSED


def clipped(value, low=LOWEST):
    return np.clip(value, low, DAYS)  # both ends


def timed(function):
    @functools.wraps(function)
    def inner(*values, **named):
        return function(*values, **named)

    return inner


def age(year_built: pd.Series, base: int = YEAR) -> pd.Series:  # the usual
    """Years since it was built."""
    # counted from the survey
    return base - year_built


# mean of the zone
@timed
def avg_age(age: "pd.Series") -> Number:  #agg
    return age.mean()
    # of all of them


def older(age, avg_age, *, scale: float = -1.5):
    note = """
  kept
"""
    return clipped(age) > avg_age * sqrt(ln(math.e)) * (scale + 2.5) * len(note.split())


def n_older(older):
    return older.sum() + len(os.path.join("a", "b")) * FULL + LIMITS["new"]


@attribute(outputs=["lo", "hi"])
def bounds(age):
    return age.min(), age.max()
'''
SCALES = """import datetime as dt
import re
from collections import namedtuple
from enum import Enum
from math import *

Limit = namedtuple("Limit", ["low", "high"])
START = dt.date(2020, 1, 1) + 2 * dt.timedelta(days=1); WEEK = 7
WORD = re.compile("a+")
NAMES = "a b c".split()
NOTHING = float("nan")

class Colour(Enum):
    RED = 2

RED = Colour.RED
def doubled(x): return 2 * x  # at once
twice = doubled

def fib(n):
    return 1 if n < 2 else fib(n - 1) + fib(n - 2)

def scaled(value, limit=Limit(0, WEEK)):
    return twice(value) * RED.value + sum([limit.high for _ in NAMES]) + fib(3) + floor(pi) + START.year
def total(scaled): return scaled.sum() + (0 if WORD.match("aa") and NOTHING != NOTHING else 1)  #agg
def spread(total, scaled):
    def within(part):
        return part - total
    return within(scaled)
"""
IMPORTS = '''"""Uses its package."""
from typing import Dict
try:
    import json
except ImportError:
    json = None
import xml.dom.minidom, xml.etree.ElementTree
import scipy as sp
import scipy.special
from . import around
from .around import SCALE as FACTOR, doubled

WEIGHTS: Dict[str, float] = {
    "a": 1.0,  # first

    "b": 2.0,
}

def gamma(x):
    return doubled(x) * sp.special.gamma(3.0) * FACTOR * around.SCALE * WEIGHTS["b"] * json.loads("2")

def tag(x):
    return x + len(xml.dom.minidom.parseString("<a>b</a>").documentElement.tagName)
'''


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Writes a module and imports it; forgets all that a test imported."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(name: str, text: str) -> ModuleType:
        path = tmp_path.joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        importlib.invalidate_caches()
        sys.modules.pop(name, None)
        return importlib.import_module(name)

    yield write
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def new_driver() -> ModelDriver:
    return ModelDriver({"model_name": "ages", "group_by": "zone"})


def registered(*functions, level: str = "row", **words) -> ModelDriver:
    driver = new_driver()
    add = driver.register_filter if level == "row" else driver.register_attribute
    for function in functions:
        add(getattr(function, "__name__", "object"), function, **words)
    return driver


def saved_text(driver: ModelDriver, path: str = "saved.py") -> str:
    """Text that a driver saves, after a round trip that must change nothing."""
    file = driver.save_to_python_file(path, overwrite=True)
    text = file.read_text(encoding="utf-8")
    again = new_driver().load_from_python_file(file)
    assert list(again.registry) == list(driver.registry)
    assert again.save_to_python_file("again.py", overwrite=True).read_bytes() == file.read_bytes()
    check_is_clean(text)
    return text


def check_is_clean(text: str) -> None:
    """Every import is used, no name is bound twice, no line ends in a blank."""
    tree = ast.parse(text)
    words = re.sub(r"^\s*(from .* )?import .*$", "", text, flags=re.MULTILINE)
    aliases = [
        alias for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom)) for alias in node.names
    ]
    unused = [alias.name for alias in aliases if not re.search(rf"\b{alias.asname or alias.name}\b", words)]
    assert set(unused) <= {"annotations", "scipy.special"}  # used as sp.special
    defined = [node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    assert len(set(defined)) == len(defined)
    assert "\n\n\n\n" not in text
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def houses_driver(houses: ModuleType) -> ModelDriver:
    driver = new_driver()
    driver.register_filter("age", houses.age)
    driver.register_attribute("avg_age", houses.avg_age)
    driver.register_filter("older than", houses.older, tags=["survey"])
    driver.register_attribute("n_older", houses.n_older, inputs=["older than"])
    driver.register_attribute("bounds", houses.bounds)
    return driver


def test_saved_file_as_a_person_would_write_it(written):
    text = saved_text(houses_driver(written("houses", HOUSES)))
    expected = HOUSES
    for old, new in [
        ("import json\n", ""),
        ("from math import log as ln, sqrt\n", "from math import log as ln\nfrom math import sqrt\n"),
        ("from gbr_dag.features import attribute, per_row, row\n", "from gbr_dag.features import attribute, row\n"),
        ("    from pathlib import Path\n\n", '\n__all__ = ["age", "avg_age", "older", "n_older", "bounds"]\n\n'),
        ("UNUSED = json.dumps({})\n", ""),
        ("def unused():\n    return UNUSED\n\n\n", ""),
        ("def older(", '@row(name="older than", tags=["survey"])\ndef older('),
        ("def n_older(", '@attribute(inputs=["older than"])\ndef n_older('),
    ]:
        assert old in expected
        expected = expected.replace(old, new)
    assert text == expected


def test_what_was_saved_gives_the_same(written):
    driver = houses_driver(written("houses", HOUSES))
    again = new_driver().load_from_python_file(driver.save_to_python_file("saved.py"))
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"zone": rng.integers(0, 9, 99), "year_built": rng.integers(1900, 2025, 99)})
    for one, other in zip(driver.execute(frame).values(), again.execute(frame).values()):
        pd.testing.assert_frame_equal(one, other)


def test_realistic_module_with_values_of_many_kinds(written):
    module = written("scales", SCALES)
    driver = new_driver().load_features_from_module("scales")
    listed = ["doubled", "fib", "scaled", "total", "spread"]
    assert [feature.name for feature in driver.registry] == listed
    driver = registered(module.scaled, module.spread)
    driver.register_attribute("total", module.total)
    text = saved_text(driver)
    assert "from math import floor, pi\n" in text
    assert "def doubled(x): return 2 * x  # at once\n\n\ntwice = doubled\n" in text.replace("\n\n\n\n", "\n\n\n")
    assert "START = dt.date(2020, 1, 1) + 2 * dt.timedelta(days=1); WEEK = 7\n" in text
    again = new_driver().load_from_python_file("saved.py")
    assert again.registry["scaled"].function(3) == module.scaled(3)


def test_imports_of_all_kinds(written):
    written("package.__init__", "")
    written("package.around", "SCALE = 3\ndef doubled(x):\n    return 2 * x\n")
    module = written("package.features", IMPORTS)
    driver = registered(module.gamma, module.tag)
    text = saved_text(driver)
    head = text.partition("__all__")[0]
    assert head.split("\n\n") == [
        '"""Uses its package."""',
        "import json\nimport xml.dom.minidom\nfrom typing import Dict",
        "import scipy as sp\nimport scipy.special",
        "from package import around\nfrom package.around import SCALE as FACTOR\nfrom package.around import doubled",
        "",
    ]
    again = new_driver().load_from_python_file("saved.py")
    assert again.registry["gamma"].function(2.0) == module.gamma(2.0)


@pytest.mark.parametrize(
    ("text", "register", "decorators"),
    [
        ("def f(x):\n", {"level": "row"}, ""),
        ("def f(x):\n", {"level": "group"}, "@attribute\n"),
        ("def f(x):  #agg\n", {"level": "group"}, ""),
        ("def f(x):\n", {"level": "row", "inputs": ["Year Built"]}, '@row(inputs=["Year Built"])\n'),
        ("def f(x, y=1):\n", {"level": "row", "inputs": {"y": "z"}}, '@row(inputs=["x", "z"])\n'),
        ("def f(x):\n", {"level": "group", "outputs": ["it's", 'a"b']}, "@attribute(outputs=[\"it's\", 'a\"b'])\n"),
        ("def f(x):  #agg\n", {"level": "group", "tags": ["t"]}, '@attribute(tags=["t"])\n'),
        ("@attribute\ndef f(x):\n", {"level": "group"}, "@attribute\n"),
        ("@marks.attribute(\n    tags=['t'],  # why\n)\ndef f(x):\n", {"level": "group"}, "@marks.attribute(\n"),
        ("@row(inputs=['a'])\ndef f(x):\n", {"level": "row", "inputs": ["b"]}, '@row(inputs=["b"])\n'),
        ("@row(tags=['a'])\ndef f(x):\n", {"level": "row", "tags": ["b"]}, '@row(tags=["a", "b"])\n'),
        ("@per_group\ndef f(x):\n", {"level": "group"}, "@per_group\n"),
        ("@per_group\ndef f(x):\n", {"level": "row"}, "@row\n@per_group\n"),
        ("@per_group\n@row\ndef f(x):\n", {"level": "row"}, "@per_group\n@row\n"),
        ("@per_row\ndef f(x):\n", {"level": "row", "inputs": ["b"]}, '@row(inputs=["b"])\n@per_row\n'),
        (
            "def f(x):\n",
            {"level": "group", "inputs": ["a", "b"], "outputs": ["f"], "legacy_mode": True},
            '@attribute(inputs=["a", "b"], outputs=["f"], legacy_mode=True)\n',
        ),
        (
            "def f(x):\n",
            {
                "level": "row",
                "inputs": ["a rather long name of a column"],
                "outputs": ["a rather long name of a feature"],
            },
            '@row(\n    inputs=["a rather long name of a column"],\n'
            '    outputs=["a rather long name of a feature"],\n)\n',
        ),
    ],
)
def test_how_it_was_registered_becomes_decorators(written, text, register, decorators):
    head = "import gbr_dag.features as marks\nfrom gbr_dag.features import attribute, per_group, per_row, row\n\n"
    module = written("marked", f"{head}{text}    return x.sum()\n")
    saved = saved_text(registered(module.f, **register))
    above = saved[: saved.index("def f(")].rpartition("]\n\n\n")[2]
    assert above.startswith(decorators)
    if not decorators:
        assert above == ""


def test_marks_made_by_a_call(written):
    module = written("called", "def f(x):\n    return x.sum()\n\ndef g(x):\n    return x\n")
    driver = new_driver()
    driver.register_attribute("f", attribute(outputs=["a"])(module.f))
    driver.register_filter("named", module.g)
    text = saved_text(driver)
    assert '@attribute(outputs=["a"])\ndef f(x):' in text
    assert '@row(name="named")\ndef g(x):' in text


def outside(x):  # agg
    # in the file of the tests, which pytest compiles in its own way
    return x.sum() * DOZEN


DOZEN = 12


def test_functions_of_tests_and_functions_in_functions(written):  # noqa: ARG001 - for its folder
    if DOZEN:
        # what it is for
        def inside(x, k=2):
            """Doc.

            more
            """
            text = """
            kept"""
            return x * k + len(text) - DOZEN
            # the end

    driver = registered(outside, level="group").register_filter("inside", inside)
    text = saved_text(driver)
    assert text.endswith(
        "DOZEN = 12\n\n\ndef outside(x):  # agg\n    # in the file of the tests, which pytest compiles in its own way\n"
        "    return x.sum() * DOZEN\n\n\n"
        '# what it is for\ndef inside(x, k=2):\n    """Doc.\n\n    more\n    """\n    text = """\n'
        '            kept"""\n    return x * k + len(text) - DOZEN\n    # the end\n'
    )
    assert new_driver().load_from_python_file("saved.py").registry["inside"].function(1) == inside(1)


def test_cells_of_a_notebook(written):  # noqa: ARG001 - for its folder
    namespace = {"__name__": "__main__"}
    cells = [
        "import numpy as np\nYEAR = 2025\ndef near(x):\n    return x + 1",
        "def age(x):\n    return near(np.abs(YEAR - x))",
    ]
    for i, cell in enumerate(cells):
        file = f"<cell {i}>"
        linecache.cache[file] = (len(cell), None, cell.splitlines(keepends=True), file)
        exec(compile(cell, file, "exec"), namespace)
    text = saved_text(registered(namespace["age"]))
    assert "import numpy as np\n" in text
    assert "\nYEAR = 2025\n\n\ndef near(x):\n    return x + 1\n\n\ndef age(x):\n" in text


REFUSED = """
import functools, threading
import numpy as np
import pandas as pd
LOCK = threading.Lock()
TABLE = pd.DataFrame({"a": [1]})
ARRAY = np.arange(3)
CHANGED = [1]
CHANGED.append(2)
AGAIN = 1
AGAIN = 2
if True:
    WITHIN = 3
for LOOP in range(3): pass
COUNT = 0
HERE = __file__
DERIVED = [TABLE]
def lock(x): return LOCK
def table(x): return TABLE
def array(x, n=ARRAY): return n
def changed(x): return CHANGED
def again(x): return AGAIN
def within(x): return WITHIN
def loop(x): return LOOP
def count(x):
    global COUNT
    COUNT += 1
def here(x): return HERE
def derived(x): return DERIVED
def nowhere(x): return missing
def through(x): return helper(x)
def helper(x): return LOCK
def make(k):
    def local(x, k=k): return k
    return local
def enclose(k):
    def closure(x): return x * k
    return closure
class Thing:
    def method(self, x): return x
    @staticmethod
    def static(x): return x
    def __call__(self, x): return x
lam = lambda x: x
def plain(x): return x
wrapped = functools.lru_cache(plain)
part = functools.partial(plain, x=1)
"""
REASONS = {
    "lock": r"constant 'LOCK' \(\S+:5\), used by feature 'lock' \(\S+:18\), is made by threading.Lock\(\) \(type",
    "table": r"constant 'TABLE' \(\S+:6\), used by feature 'table' \(\S+:19\), is made by pd.DataFrame",
    "array": r"constant 'ARRAY' \(\S+:7\), used by feature 'array' \(\S+:20\), is made by np.arange\(3\) \(type nu",
    "changed": r"constant 'CHANGED' \(\S+:8\), .* is \[1, 2\] now, its text says \[1\]: it was changed",
    "again": r"constant 'AGAIN' \(\S+:10, 11\), .* is assigned in several places",
    "within": r"constant 'WITHIN' \(\S+:13\), .* is assigned in several places, in a block",
    "loop": r"constant 'LOOP' \(\S+:14\), .* is assigned in several places, in a block",
    "count": r"feature 'count' \(\S+:25\) changes the global 'COUNT'",
    "here": r"constant 'HERE' \(\S+:16\), .* uses __file__, which is another one in another file",
    "derived": r"constant 'TABLE' \(\S+:6\), used by constant 'DERIVED'",
    "nowhere": r"feature 'nowhere' \(\S+:30\) uses 'missing', which is defined nowhere",
    "through": r"constant 'LOCK' \(\S+:5\), used by function 'helper' \(\S+:32\), used by feature 'through'",
    "local": r"feature 'local' \(\S+:34\) has a default or decorator with 'k', which is local",
    "closure": r"feature 'closure' \(\S+:37\) is a closure over k",
    "method": r"feature 'method' \(\S+:40\) is a method bound to an object",
    "static": r"feature 'static' \(\S+:41\) is defined in a class",
    "object": r"feature 'object' \(\S+:43\) is an object that can be called \(Thing\)",
    "lam": r"feature 'lam' \(\S+:44\) is a lambda",
    "wrapped": r"feature 'wrapped' \(\S+:45\) is not what its def and its decorators give, but was wrapped",
    "part": r"feature 'part' \(\S+:45\) is a functools.partial",
    "made": r"feature 'made' \(<string>:1\) has no source at hand",
}


def refused_functions(module: ModuleType) -> dict:
    namespace: dict = {}
    exec("def made(x): return x", namespace)
    thing = module.Thing()
    others = {
        "local": module.make(1),
        "closure": module.enclose(1),
        "method": thing.method,
        "static": module.Thing.static,
        "object": thing,
        "made": namespace["made"],
    }
    return {name: others.get(name) or getattr(module, name) for name in REASONS}


@pytest.mark.parametrize("name", REASONS)
def test_what_has_no_text_is_refused(written, tmp_path, name):
    functions = refused_functions(written("refused", REFUSED))
    driver = new_driver().register_filter(name, functions[name])
    with pytest.raises(InputError, match=f"^features cannot be saved: {REASONS[name]}"):
        driver.save_to_python_file("saved.py")
    assert [path.name for path in tmp_path.iterdir()] == ["refused.py"]


def test_all_refusals_are_told_at_once(written):
    driver = new_driver()
    for name, function in refused_functions(written("refused", REFUSED)).items():
        driver.register_filter(name, function)
    with pytest.raises(InputError) as caught:
        driver.save_features_to_module("saved")
    for name, reason in REASONS.items():
        if name not in {"derived", "through"}:  # their causes have been told
            assert re.search(reason, str(caught.value)), name
    assert str(caught.value).count("; ") == len(REASONS) - 3


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "def helper(x): return 1\ndef f(x): return helper(x)\n",
            "def helper(x): return 2\ndef g(x): return helper(x)\n",
        ),
        ("K = 1\ndef f(x): return K\n", "K = 2\ndef g(x): return K\n"),
        ("import math as m\ndef f(x): return m.pi\n", "import numpy as m\ndef g(x): return m.pi\n"),
        ("from math import log\ndef f(x): return log(x)\n", "from numpy import log\ndef g(x): return log(x)\n"),
        ("def f(x): return sum(x)\n", "def sum(x): return 3\ndef g(x): return sum(x)\n"),
        ("def sum(x): return 3\ndef f(x): return sum(x)\n", "def g(x): return sum(x)\n"),
        ("def f(x): return x\n", "def f(x): return 2 * x\ng = f\n"),
        ("def f(x): return x\n", "f = 3\ndef g(x): return f\n"),
    ],
)
def test_one_name_with_two_meanings_is_refused(written, one, other):
    first, second = written("first", one), written("second", other)
    driver = new_driver().register_filter("f", first.f).register_filter("g", second.g)
    with pytest.raises(InputError, match=r"the name '\w+' means two things, for .*first.py:\d.* and for .*second"):
        driver.save_to_python_file("saved.py")


def test_two_modules_in_one_file(written):
    first = written("first", '"""First."""\nimport math\nK = 1\ndef f(x): return K * math.pi\n')
    second = written(
        "second", "from __future__ import annotations\nimport math\nL = 2\ndef g(x: X): return L * math.pi\n"
    )
    text = saved_text(new_driver().register_filter("g", second.g).register_filter("f", first.f))
    assert text == (
        '"""Features of the model ages, by zone."""\n\nfrom __future__ import annotations\n\nimport math\n\n'
        '__all__ = ["g", "f"]\n\nL = 2\n\nK = 1\n\n\ndef g(x: X): return L * math.pi\n\n\n'
        "def f(x): return K * math.pi\n"
    )


HINTS = """
from typing import Literal, Optional
import fractions, decimal
LOW = 1
Number = Optional[int]
def f(x: "Number", mode: Literal["LOW", "high"] = "LOW", *, y: "list[fractions.Fraction]" = ()) -> "not a hint":
    z: decimal.Decimal = x
    return z
"""


def test_names_in_strings_are_hints_but_for_literals(written):
    text = saved_text(registered(written("hints", HINTS).f))
    head = text.partition("\ndef f(")[0]
    assert head == (
        '"""Features of the model ages, by zone."""\n\nimport decimal\nimport fractions\n'
        'from typing import Literal, Optional\n\n__all__ = ["f"]\n\nNumber = Optional[int]\n\n'
    )


KINDS = {
    "tabs": b"K = 3\nif K:\n\tdef f(x):\n\t\t# c\n\t\treturn x + K\n",
    "no last newline": b"def f(x):\n    return x",
    "carriage returns": b"K = 1\r\ndef f(x):\r\n    return x + K\r\n",
    "encoding": b"# -*- coding: latin-1 -*-\nK = '\xe9'\ndef f(x):\n    return K\n",
    "import or else": b"try:\n    from math import no as g\nexcept ImportError:\n    from math import floor as g\n"
    b"def f(x):\n    return g(x)\n",
    "one of two defs": b"if True:\n    def g(x):\n        return 1\nelse:\n    def g(x):\n        return 2\n"
    b"def f(x):\n    return g(x)\n",
    "imports inside": b"import math\ndef f(x):\n    import os.path as math\n    return len(math.sep) * x\n",
    "classes": b"class A:\n    k = 1\nclass B(A):\n    def g(self): return super().k\ndef f(x): return x + B().g()\n",
    "decorators with arguments": b"import functools\ndef by(n):\n    def deco(g):\n        @functools.wraps(g)\n"
    b"        def inner(*a, **k):\n            return g(*a, **k) + n\n        return inner\n    return deco\n"
    b"N = 2\n@by(N)\n@by(n=N)\ndef f(x):\n    return x\n",
    "cached": b"import functools\n@functools.lru_cache(maxsize=None)\ndef f(x):\n    return x\n",
    "chained": b"A = B = 3\nC: int\nC = 4\ndef f(x):\n    return A + B + C\n",
    "own names": b"sum = 3\nfloor = 2\ndef f(x):\n    floor = x\n    return floor + sum\n",
}


@pytest.mark.parametrize("kind", KINDS)
def test_modules_of_all_kinds(written, tmp_path, kind):  # noqa: ARG001 - for its folder
    (tmp_path / "kinds.py").write_bytes(KINDS[kind])
    module = importlib.import_module("kinds")
    text = saved_text(registered(module.f))
    assert "coding" not in text
    assert new_driver().load_from_python_file("saved.py").registry["f"].function(3) == module.f(3)


def test_one_function_registered_twice_is_refused(written):
    module = written("twice", "def f(x): return x\n")
    driver = new_driver().register_filter("a", module.f).register_filter("b", module.f, inputs=["y"])
    with pytest.raises(InputError, match=r"feature 'b' .* has the same function as feature 'a'"):
        driver.save_to_python_file("saved.py")


def test_feature_that_calls_another(written):
    module = written("calls", "def b(x): return a(x) + c(x)\ndef a(x): return x\ndef c(x): return x\n")
    text = saved_text(registered(module.b, module.a))
    assert re.findall(r"^def (\w)", text, flags=re.MULTILINE) == ["c", "b", "a"]
    assert '__all__ = ["b", "a"]' in text


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
        ("leaves", "import sys\ndef f(x): return x\nsys.exit(3)\n", SystemExit),
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
