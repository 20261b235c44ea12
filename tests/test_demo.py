"""demo.py: the gallery that ships is what the wardrobe draws, and answers what the demo asks."""

from __future__ import annotations

import csv
import importlib
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from samebut.demo import CATALOG, GALLERY, queries
from samebut.gallery import Gallery

MAKEFILE = Path(__file__).parents[1] / "Makefile"
ONE_OF_EACH_KIND = 70
BYTES_AT_MOST = 1_500_000


def rows(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def redraw(folder: Path, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first ``count`` pictures, by the command of ``make demo-gallery``."""
    lines = MAKEFILE.read_text(encoding="utf-8").splitlines()
    (line,) = (line for line in lines if "python -m" in line and "src/samebut/demo_gallery" in line)
    _, _, module, _, *options = shlex.split(line)
    monkeypatch.setattr("sys.argv", [module, str(folder), *options, "--count", str(count)])
    importlib.import_module(f"{module}.__main__").main()


def test_the_gallery_is_drawn_by_the_command_that_is_documented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    redraw(tmp_path, ONE_OF_EACH_KIND, monkeypatch)
    drawn = rows(tmp_path / "catalog.csv")
    assert drawn == rows(CATALOG)[:ONE_OF_EACH_KIND]
    other = [
        row["file"]
        for row in drawn
        if (GALLERY / row["file"]).read_bytes() != (tmp_path / row["file"]).read_bytes()
    ]
    assert other == [], "run: make demo-gallery"


def test_the_gallery_is_its_table_and_small() -> None:
    files = {path.name: path.stat().st_size for path in GALLERY.iterdir()}
    assert set(files) == {CATALOG.name, *(row["file"] for row in rows(CATALOG))}
    assert len(files) == 301
    assert sum(files.values()) < BYTES_AT_MOST


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    store = tmp_path_factory.mktemp("demo") / "store"
    with Gallery.build(GALLERY, store=store, model="bundled", metadata=CATALOG)[0] as built:
        yield built


def test_the_first_answers_are_what_was_asked_for(gallery: Gallery) -> None:
    asked = [("colour", "blue", 4), ("pattern", "striped across", 2), ("colour", "blue", 1)]
    for turns, (column, value, count) in zip(queries(gallery), asked, strict=True):
        found = [hit.metadata[column] for hit in gallery.search(turns, count).hits]
        assert found == [value] * count, turns
