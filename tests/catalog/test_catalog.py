"""catalog: tables of metadata, from the file to what is said of each picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from samebut import catalog
from samebut.errors import MetadataError


def write(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_read(tmp_path: Path, delimiter: str) -> None:
    lines = ["file,colour,价格", "a.jpg, blue ,3", "b.jpg,,", "", "sub\\c.jpg,red,5"]
    table = catalog.read(write(tmp_path, "\r\n".join(lines).replace(",", delimiter), "utf-8-sig"))
    assert table.rows == {
        "a.jpg": {"colour": "blue", "价格": "3"},
        "b.jpg": {},
        "sub/c.jpg": {"colour": "red", "价格": "5"},
    }
    assert table.columns == ("colour", "价格")
    assert not table.unusable


def test_rows_of_one_picture_are_joined(tmp_path: Path) -> None:
    text = "sku,file,size,price\n1,a.jpg,S,9\n2,a.jpg,M,9\n3,b.jpg,L,8\n"
    table = catalog.read(write(tmp_path, text))
    assert table.values["a.jpg"] == {"sku": ("1", "2"), "size": ("S", "M"), "price": ("9",)}
    assert table.row("a.jpg") == {"sku": "1, 2", "size": "S, M", "price": "9"}


def test_a_row_without_a_picture_is_named_and_the_rest_is_used(tmp_path: Path) -> None:
    table = catalog.read(write(tmp_path, "file,title\na.jpg,x\n,none\n-,neither\nb.jpg,y\n"))
    assert list(table.rows) == ["a.jpg", "b.jpg"]
    assert [(each.line, each.reason) for each in table.unusable] == [
        (3, "names no picture"),
        (4, "names no picture"),
    ]
    with pytest.raises(MetadataError, match="2 rows can't be used: line 3 names no picture; line"):
        table.require_whole()


@pytest.mark.parametrize("word", ["N/A", "none", "-", "null", "无", "#N/A", "NaN"])
def test_words_that_say_nothing_are_empty(tmp_path: Path, word: str) -> None:
    table = catalog.read(write(tmp_path, f"file,colour,title\na.jpg,{word},nonesuch\n"))
    assert table.rows == {"a.jpg": {"title": "nonesuch"}}


@pytest.mark.parametrize(
    "column", ["Image", "file name", "IMAGE_URL", "图片", "Photo", "image-path"]
)
def test_usual_names_of_the_column_of_pictures(tmp_path: Path, column: str) -> None:
    assert list(catalog.read(write(tmp_path, f"n,{column}\n1,a\n")).rows) == ["a"]


def test_the_column_of_pictures_is_known_by_its_cells_or_named(tmp_path: Path) -> None:
    path = write(tmp_path, "title,Foto,sku\nx.jpg story,a.JPG,10\nplain,b.png?v=1,11\n")
    table = catalog.read(path)
    assert list(table.rows) == ["a.JPG", "b.png?v=1"]
    assert "pictures are named in the column 'Foto'" in table.notes
    assert list(catalog.read(path, "SKU").rows) == ["10", "11"]
    with pytest.raises(MetadataError, match="has no column nothing") as error:
        catalog.read(path, "nothing")
    assert error.value.hint == "Give one of its columns: title, Foto, sku."


def test_several_pictures_in_a_cell(tmp_path: Path) -> None:
    text = 'file,n\n"a.jpg, b.jpg",1\n"[""c.jpg"", ""d.jpg""]",2\n"red, blue.jpg",3\n'
    assert catalog.read(write(tmp_path, text)).rows == {
        "a.jpg": {"n": "1"},
        "b.jpg": {"n": "1"},
        "c.jpg": {"n": "2"},
        "d.jpg": {"n": "2"},
        "red, blue.jpg": {"n": "3"},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour\nblue\n", "no column could be found that names the pictures' files"),
        ("", "is empty"),
        (" \n\n", "is empty"),
        ("a.jpg,blue\nb.jpg,red\n", "no column could be found that names the pictures' files"),
    ],
)
def test_bad_tables(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(MetadataError, match=message):
        catalog.read(write(tmp_path, text))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(MetadataError, match="No such file"):
        catalog.read(tmp_path / "none.csv")
    with pytest.raises(MetadataError, match="Is a directory"):
        catalog.read(tmp_path)


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


def test_none_is_a_value_in_a_table_made_to_train_with(tmp_path: Path) -> None:
    (tmp_path / "catalog.csv").write_text("file,collar,colour\na.jpg,none,N/A\n")
    assert catalog.rows_beside(tmp_path) == {"a.jpg": {"collar": "none", "colour": ""}}
    (tmp_path / "catalog.csv").write_text("file,collar\na.jpg,none\n,pointed\n")
    with pytest.raises(MetadataError, match="1 rows can't be used: line 3"):
        catalog.rows_beside(tmp_path)
