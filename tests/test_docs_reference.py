"""The pages that are made of the code, and what is in them."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    return runpy.run_path(str(DOCS / "reference.py"))


@pytest.mark.parametrize("page", ["commands.md", "errors.md"])
def test_no_page_is_stale(reference: dict[str, Any], page: str) -> None:
    made = reference["MADE"] + reference["PAGES"][page]()
    assert (DOCS / page).read_text(encoding="utf-8") == made, "run: python docs/reference.py"


def test_an_error_has_its_words_and_its_way_out(reference: dict[str, Any]) -> None:
    found = [one for part in reference["raised"]().values() for one in part]
    said = {one[:2] for one in found}
    assert ("QueryError", "the packages of the server are not installed") in said
    one = next(one for one in found if one.message == "--look needs a picture")
    assert one.hint == "Give one: -i PICTURE."
    assert len(found) > 300


def test_an_option_has_its_default(reference: dict[str, Any]) -> None:
    lines = reference["commands"]().splitlines()
    assert any(line.startswith("| `-k, --count") and "| 10" in line for line in lines)
