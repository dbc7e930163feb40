"""Features saved as plain Python and read back: what travels, and that nothing is lost."""

from __future__ import annotations

import importlib
import linecache
import re
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from gbr_dag import ModelDriver
from gbr_dag.features import attribute
from tests.oracles.saved_features import new_driver, registered, saved_text

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


def test_feature_that_calls_another(written):
    module = written("calls", "def b(x): return a(x) + c(x)\ndef a(x): return x\ndef c(x): return x\n")
    text = saved_text(registered(module.b, module.a))
    assert re.findall(r"^def (\w)", text, flags=re.MULTILINE) == ["c", "b", "a"]
    assert '__all__ = ["b", "a"]' in text
