"""mutations.py: which faults it makes, and whose tests it runs."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import mutations
from mutations import PACKAGE, mutants_of, table

MODULE = PACKAGE / "made_up.py"


def faults(source: str) -> set[str]:
    """The whole module after each fault, which must be valid Python."""
    made = [each.applied(source.encode()).decode() for each in mutants_of(MODULE, source.encode())]
    for each in made:
        ast.parse(each)
    assert len(made) == len(set(made)) and source not in made
    return set(made)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a < b", {"(a <= b)", "pass"}),
        ("a in b", {"(a not in b)", "pass"}),
        ("x = a + b", {"x = (a - b)"}),
        ("x = a and b or c", {"x = ((a and b) and c)", "x = (a or b) or c"}),
        ("x = not a", {"x = (a)"}),
        ("x = ~a", {"x = (a)"}),
        ("x = 3", {"x = (4)"}),
        ("x = True", {"x = (False)"}),
        ("x = max(a, b)", {"x = (a)", "x = (b)"}),
        ("x = np.clip(a, b, c)", {"x = (a)"}),
        ("x = a.clamp(min=b)", set()),
        ("x[a] = b", {"pass"}),
        ("x += b", {"pass", "x -= b"}),
        ("f(a)", {"pass"}),
        ("def f():\n    return a", {"def f():\n    return None"}),
        ("if a:\n    raise b", {"if a:\n    pass"}),
        ("x = 'é' + a  # a letter of two bytes", {"x = ('é' - a)"}),
    ],
)
def test_faults(source: str, expected: set[str]) -> None:
    comment = source.partition("  #")[1] + source.partition("  #")[2]
    assert faults(source) == {each + comment for each in expected}


@pytest.mark.parametrize(
    "source",
    [
        '"""A docstring of 3 lines."""',
        "def f(x: int | None = None) -> int | None: ...",
        'x = f"{a + 1} pictures"',
        "if TYPE_CHECKING:\n    x = 1",
        "@decorated(1)\ndef f():\n    pass",
    ],
)
def test_what_is_no_behaviour_is_left_alone(source: str) -> None:
    assert faults(source) - {source.replace("= None", "= (None)")} == set()


def test_whose_tests_are_run(tmp_path: Path) -> None:
    for name in ("test_index_where", "test_index_local", "learning/test_fusion", "test_metrics"):
        path = tmp_path / "tests" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for module, tests in {
        "metrics": ["test_metrics"],
        "index/where": ["test_index_where"],
        "index/store": ["test_index_local", "test_index_where"],
        "learning/fusion/film": ["learning/test_fusion"],
        "learning/train": ["learning/test_fusion"],
        "nothing": [],
    }.items():
        found = mutations.tests_of(PACKAGE / f"{module}.py", tmp_path)
        assert found == [f"tests/{test}.py" for test in tests]


def test_the_table_names_every_survivor() -> None:
    mutants = mutants_of(MODULE, b"x = 1\ny = 2 < 3\n")
    lines = table(mutants, mutants[1:2]).splitlines()
    assert lines[1].split() == [str(MODULE), "4", "3", "1"]
    assert lines[2].split() == ["all", "4", "3", "1"]
    assert lines[-1].startswith(f"{MODULE}:2: 2  ->  (3)")
