"""catalog/workbook.py: sheets of .xlsx files."""

from __future__ import annotations

import datetime
import io
import sys
import zipfile
from pathlib import Path

import pytest

from samebut import catalog
from samebut.catalog import workbook
from samebut.errors import MetadataError

openpyxl = pytest.importorskip("openpyxl")


def saved(tmp_path: Path, *sheets: list[list[object]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for number, rows in enumerate(sheets, start=1):
        page = book.create_sheet(f"Page {number}")
        for row in rows:
            page.append(row)
    path = tmp_path / "table.xlsx"
    book.save(path)
    return path


def test_cells_say_what_the_spreadsheet_shows(tmp_path: Path) -> None:
    header = ["file", "price", "count", "sale", "since", "share", "code", "none"]
    row = [10001, 19.9, 3, True, datetime.datetime(2024, 5, 1), 0.15, 42, None]
    path = saved(tmp_path, [["about us"]], [header, [], row, ["b.jpg", "=1+1"]])
    book = openpyxl.load_workbook(path)
    page = book["Page 2"]
    page["F3"].number_format, page["G3"].number_format = "0%", "00000"
    book.save(path)
    table = catalog.read(path)
    assert table.rows == {
        "10001": {
            "price": "19.9",
            "count": "3",
            "sale": "yes",
            "since": "2024-05-01",
            "share": "15%",
            "code": "00042",
        },
        "b.jpg": {},
    }
    assert table.notes[:2] == ("sheet 'Page 2'", "sheets not used: Page 1")


def test_the_line_of_a_row_is_the_spreadsheets(tmp_path: Path) -> None:
    table = catalog.read(saved(tmp_path, [["file", "n"], ["a.jpg", 1], [], [None, 2]]))
    assert [(each.line, each.reason) for each in table.unusable] == [(4, "names no picture")]


def test_what_is_no_workbook_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.xlsx"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("other.txt", "x")
    with pytest.raises(MetadataError, match=r"table\.xlsx can't be read as a workbook"):
        catalog.read(path)
    path.write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(MetadataError, match=r"table\.xlsx can't be read as a workbook"):
        catalog.read(path)
    with pytest.raises(MetadataError, match="is empty"):
        catalog.read(saved(tmp_path, []))


def test_sizes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, [["file", "n"], *([f"{n}.jpg", n] for n in range(100))])
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as parts:
        unpacked = sum(part.file_size for part in parts.infolist())
    monkeypatch.setattr(workbook, "MAX_UNPACKED_BYTES", unpacked)
    monkeypatch.setattr(workbook, "MAX_CELLS", 202)
    assert len(catalog.read(path).rows) == 100
    monkeypatch.setattr(workbook, "MAX_CELLS", 201)
    with pytest.raises(MetadataError, match="more than 201 cells"):
        catalog.read(path)
    monkeypatch.setattr(workbook, "MAX_UNPACKED_BYTES", unpacked - 1)
    with pytest.raises(MetadataError, match="bytes, more than"):
        catalog.read(path)


def test_the_extra_is_named_where_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path, [["file"], ["a.jpg"]])
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(MetadataError, match="is not installed") as error:
        catalog.read(path)
    assert "pip install 'samebut[xlsx]'" in error.value.hint
