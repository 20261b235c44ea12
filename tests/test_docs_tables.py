"""The tables of the documentation are those of the code, and a row that is added is found."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from samebut.learning.fusion import FUSIONS
from samebut.learning.fusion.sum import Sum

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture
def tables() -> dict[str, Any]:
    return runpy.run_path(str(DOCS / "tables.py"))


@pytest.mark.parametrize("page", [path.name for path in sorted(DOCS.glob("*.md"))])
def test_no_table_is_stale(tables: dict[str, Any], page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    assert tables["written"](text) == text, "run: python docs/tables.py"


def test_every_table_stands_in_a_page(tables: dict[str, Any]) -> None:
    pages = "".join(path.read_text(encoding="utf-8") for path in DOCS.glob("*.md"))
    assert [name for name in tables["TABLES"] if f"<!-- table: {name} -->" not in pages] == []


def test_a_new_row_makes_a_table_stale(
    tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (DOCS / "fusion.md").read_text(encoding="utf-8")
    monkeypatch.setitem(FUSIONS, "twice", Sum)
    assert "| `twice` | pooled |" in tables["written"](text)
    assert tables["written"](text) != text
