"""catalog/sheet.py and catalog/text.py: rows and columns of whatever wrote the file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from samebut.catalog.sheet import MAX_COLUMNS, MAX_DEPTH, TableSheet, read_sheet
from samebut.catalog.text import decoded
from samebut.errors import MetadataError


def is_header(columns: Sequence[str]) -> bool:
    return "file" in columns


def sheet(tmp_path: Path, content: str | bytes) -> TableSheet:
    path = tmp_path / "table.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_sheet(path, is_header)


def cells(read: TableSheet) -> list[dict[str, str]]:
    return [{column: "|".join(v) for column, v in row.cells.items()} for row in read.rows]


CHINESE = "file,颜色,说明\na.jpg,蓝色,一件衬衫\nb.jpg,藍,無袖\n"
GERMAN = "Datei;file;Größe\nx;a.jpg;groß\n"
FRENCH = "file,couleur,prix\na.jpg,bleu foncé,été 19 €\nb.jpg,crème,soldée\n"


@pytest.mark.parametrize(
    ("text", "codec", "said"),
    [
        (CHINESE, "utf-8", "UTF-8"),
        (CHINESE, "utf-8-sig", "UTF-8"),
        (CHINESE, "utf-16", "UTF-16"),
        (CHINESE, "utf-16-le", "UTF-16"),
        (CHINESE, "utf-16-be", "UTF-16"),
        (CHINESE, "utf-32", "UTF-32"),
        (CHINESE, "gbk", "GB18030"),
        (CHINESE + "c.jpg,𠮷,x\n", "gb18030", "GB18030"),
        (GERMAN, "cp1252", "Windows-1252"),
        (FRENCH, "cp1252", "Windows-1252"),
        ("file,n\na.jpg,1\n", "ascii", "UTF-8"),
    ],
)
def test_encodings_are_detected(text: str, codec: str, said: str) -> None:
    assert decoded(text.encode(codec)) == (text, said)


def test_an_encoding_that_is_not_utf8_is_said(tmp_path: Path) -> None:
    assert sheet(tmp_path, CHINESE.encode("gbk")).notes == ["GB18030"]
    assert sheet(tmp_path, CHINESE).notes == []


def test_a_row_with_bytes_that_mean_nothing_is_named(tmp_path: Path) -> None:
    text = "file,title\na.jpg,蓝色的\nb.jpg,BAD\nc.jpg,红色的\n".encode().replace(
        b"BAD", b"\xff\xfe"
    )
    read = sheet(tmp_path, text)
    assert [row["file"] for row in cells(read)] == ["a.jpg", "c.jpg"]
    assert [(e.line, e.reason) for e in read.unusable] == [(3, "'title' is not readable as text")]


def test_a_line_may_name_the_delimiter(tmp_path: Path) -> None:
    read = sheet(tmp_path, "sep=;\r\nfile;title\r\na.jpg;x, y\r\n")
    assert cells(read) == [{"file": "a.jpg", "title": "x, y"}]
    assert (read.rows[0].line, read.notes) == (3, ["separated by semicolons"])


def test_the_delimiter_that_makes_a_header_is_taken(tmp_path: Path) -> None:
    read = sheet(tmp_path, 'file;"width, height, depth"\na.jpg;1,2\n')
    assert cells(read) == [{"file": "a.jpg", "width, height, depth": "1,2"}]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["\u2028", "\x0b", "\x0c", "\x85", "\x1c", "\u2029", "\x01"])
def test_only_ends_of_lines_end_a_row(tmp_path: Path, mark: str, end: str) -> None:
    """Titles copied from web pages hold such separators."""
    lines = ["file,title", f"a.jpg,one{mark}two", "b.jpg,three"]
    read = sheet(tmp_path, end.join(lines))
    assert cells(read) == [
        {"file": "a.jpg", "title": f"one{mark}two"},
        {"file": "b.jpg", "title": "three"},
    ]


def test_quotes(tmp_path: Path) -> None:
    text = 'file,title\na.jpg,"two\nlines, ""one"" comma"\nb.jpg,5" pipe\nc.jpg,"5" pipe"\n'
    read = sheet(tmp_path, text)
    assert [row["title"] for row in cells(read)] == [
        'two\nlines, "one" comma',
        '5" pipe',
        '5" pipe',
    ]
    assert [row.line for row in read.rows] == [2, 4, 5]
    assert not read.unusable


def test_a_quote_that_is_never_closed_costs_one_row(tmp_path: Path) -> None:
    text = 'file,title\na.jpg,"open\nb.jpg,x\nc.jpg,"y"\nd.jpg,"open again\ne.jpg,z\n'
    read = sheet(tmp_path, text)
    assert [row["file"] for row in cells(read)] == ["b.jpg", "c.jpg", "e.jpg"]
    assert [each.line for each in read.unusable] == [2, 5]


def test_huge_cells(tmp_path: Path) -> None:
    huge = "x" * 3_000_000
    assert cells(sheet(tmp_path, f"file,title\na.jpg,{huge}\n"))[0]["title"] == huge


def test_short_long_and_blank_rows(tmp_path: Path) -> None:
    read = sheet(tmp_path, "file,title,size\na.jpg\n\n,,\nb.jpg,x,S,,\nc.jpg,y,M,extra\n")
    assert cells(read) == [
        {"file": "a.jpg"},
        {"file": "b.jpg", "title": "x", "size": "S"},
        {"file": "c.jpg", "title": "y", "size": "M", "column 4": "extra"},
    ]
    assert read.columns == ["file", "title", "size", "column 4"]
    assert read.notes == [
        "line 2 is shorter than the header: the rest is empty",
        "line 6 is longer than the header: kept as 'column 4'",
    ]


def test_columns_without_a_name_and_names_that_stand_twice(tmp_path: Path) -> None:
    read = sheet(tmp_path, "file,,title,,title\na.jpg,,x,y,z\n")
    assert cells(read) == [{"file": "a.jpg", "title": "x", "column 4": "y", "title (2)": "z"}]
    assert read.columns == ["file", "title", "column 4", "title (2)"]
    assert read.notes == [
        "columns with the name of another are called 'title (2)'",
        "columns without a name are called 'column 4'",
    ]


def test_columns_are_bounded(tmp_path: Path) -> None:
    wide = "," * (MAX_COLUMNS - 2) + "last"
    read = sheet(tmp_path, f"file,title\na.jpg{wide}\nb.jpg,,{wide}\nc.jpg,x\n")
    assert [row["file"] for row in cells(read)] == ["a.jpg", "c.jpg"]
    assert [(e.line, e.reason) for e in read.unusable] == [
        (3, "has 16,385 cells, more than 16,384")
    ]
    with pytest.raises(MetadataError, match="header has 16,385 columns"):
        sheet(tmp_path, "file" + "," * MAX_COLUMNS + "\n")


def test_lines_above_the_header_are_named(tmp_path: Path) -> None:
    read = sheet(tmp_path, "Stock of 1 May\n\nfile,n\na.jpg,1\n")
    assert cells(read) == [{"file": "a.jpg", "n": "1"}]
    assert read.notes == ["header at line 3, not used: line 1"]


def test_json_lines(tmp_path: Path) -> None:
    deep = "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)
    lines = [
        json.dumps({"file": "a.jpg", "tags": ["x", "y"], "size": {"cm": 3.5}, "sale": True}),
        "{broken",
        '["no", "object"]',
        f'{{"file": "b.jpg", "deep": {deep}}}',
        '{"file": "half a pair \\ud800"}',
        json.dumps({"file": "c.jpg", "title": None}),
    ]
    read = sheet(tmp_path, "\n".join(lines))
    assert cells(read) == [
        {"file": "a.jpg", "tags": "x|y", "size.cm": "3.5", "sale": "true"},
        {"file": "c.jpg"},
    ]
    assert [each.line for each in read.unusable] == [2, 3, 4, 5]
    assert read.columns == ["file", "tags", "size.cm", "sale", "title"]


def test_a_json_array_is_read_as_its_elements(tmp_path: Path) -> None:
    assert cells(sheet(tmp_path, '[{"file": "a.jpg"}, {"file": "b.jpg", "n": 1}]')) == [
        {"file": "a.jpg"},
        {"file": "b.jpg", "n": "1"},
    ]


def test_a_workbook_of_the_old_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MetadataError, match="old format") as error:
        sheet(tmp_path, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500))
    assert error.value.hint == "Save it as .xlsx or as CSV UTF-8."
