"""catalog.py: tables of metadata."""

from __future__ import annotations

from pathlib import Path

import pytest

from samebut import catalog
from samebut.errors import MetadataError


def write(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_read(tmp_path: Path, delimiter: str) -> None:
    lines = ["file,colour,价格", "a.jpg, blue ,3", "b.jpg,,", "", "sub\\c.jpg,red,5"]
    table = catalog.read(write(tmp_path, "\r\n".join(lines).replace(",", delimiter), "utf-8-sig"))
    assert table.rows == {
        "a.jpg": {"colour": "blue", "价格": "3"},
        "b.jpg": {},
        "sub/c.jpg": {"colour": "red", "价格": "5"},
    }


def test_quoted_cells_may_hold_lines(tmp_path: Path) -> None:
    table = catalog.read(write(tmp_path, 'Image,title\na.jpg,"two\nlines, one comma"\n'))
    assert table.rows == {"a.jpg": {"title": "two\nlines, one comma"}}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["\u2028", "\x0b", "\x0c", "\x85", "\x1c"])
def test_only_ends_of_lines_end_a_row(tmp_path: Path, mark: str, end: str) -> None:
    """Titles copied from web pages hold such separators."""
    lines = ["file,title", f"a.jpg,one{mark}two", "b.jpg,three"]
    table = catalog.read(write(tmp_path, end.join(lines)))
    assert table.rows == {"a.jpg": {"title": f"one{mark}two"}, "b.jpg": {"title": "three"}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour\nblue\n", "no column that names the picture"),
        ("", "no column that names the picture"),
        ("file,colour,colour\na,b,c\n", "the column 'colour' twice"),
        ("file,colour\na.jpg\n", "row 2 has 1 cells, the header has 2"),
        ("file,colour\na.jpg,red\na.jpg,blue\n", "row 3 names a.jpg a second time"),
        ('file,colour\na.jpg,"red\n', "line 2"),
    ],
)
def test_bad_tables(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(MetadataError, match=message):
        catalog.read(write(tmp_path, text))


def test_another_encoding_is_named(tmp_path: Path) -> None:
    with pytest.raises(MetadataError, match="is not UTF-8"):
        catalog.read(write(tmp_path, "file,colour\na.jpg,蓝色\n", "gb18030"))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(MetadataError, match="No such file"):
        catalog.read(tmp_path / "none.csv")


def test_match_by_path_then_by_name(tmp_path: Path) -> None:
    table = catalog.read(write(tmp_path, "file,n\nx/a.jpg,1\nb.jpg,2\nc.jpg,3\ngone.jpg,4\n"))
    pictures = ["x/a.jpg", "y/b.jpg", "x/c.jpg", "y/c.jpg", "d.jpg"]
    matched = catalog.match(table, pictures)
    assert matched.rows == {"x/a.jpg": {"n": "1"}, "y/b.jpg": {"n": "2"}}
    assert matched.without_picture == ["c.jpg", "gone.jpg"]  # two are called c.jpg
    assert matched.without_row == 3


def test_no_match_shows_both_sides(tmp_path: Path) -> None:
    table = catalog.read(write(tmp_path, "file,n\n10001,1\n"))
    with pytest.raises(MetadataError, match="none of its 1 rows") as error:
        catalog.match(table, ["10001.jpg"])
    assert error.value.hint == "It says '10001', the folder has '10001.jpg'."


def test_the_table_beside_pictures_has_every_column_in_each_row(tmp_path: Path) -> None:
    """Training takes the columns in the table's order, whichever the first picture has."""
    assert catalog.rows_beside(tmp_path) == {}
    (tmp_path / "catalog.csv").write_text("colour,file,size,none\n,a.jpg,L,\nred,b.jpg,,\n")
    rows = catalog.rows_beside(tmp_path)
    assert rows == {
        "a.jpg": {"colour": "", "size": "L", "none": ""},
        "b.jpg": {"colour": "red", "size": "", "none": ""},
    }
    assert all(list(row) == ["colour", "size", "none"] for row in rows.values())
    (tmp_path / "catalog.csv").write_text("image,size\na.jpg,L\n")
    with pytest.raises(MetadataError, match="has no column file"):
        catalog.rows_beside(tmp_path)
