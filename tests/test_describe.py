"""describe.py: rows of tables are matched with pictures, also with pictures that are added later,
and metadata follows a picture that is renamed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from samebut import catalog
from samebut.describe import MetadataReport, describe
from samebut.index import Address, Index, PictureRow

EMBEDDING = np.array([1, 0], np.float32)


@pytest.fixture
def index(new_address: Callable[[], Address]) -> Iterator[Index]:
    with closing(new_address().create(dim=2, fingerprint="print", model="small")) as index:
        yield index


def put(index: Index, *paths: str, digest: str = "") -> None:
    index.put([PictureRow(path, 1, 1, digest or path, 2, 2, EMBEDDING) for path in paths])


def rename(index: Index, old: str, new: str) -> None:
    index.rename(old, new, size=1, mtime_ns=2)


def lay(index: Index, text: str, *, afresh: bool = False) -> MetadataReport:
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder, "table.csv")
        table.write_text(text, encoding="utf-8")
        return describe(index, catalog.read(table), afresh=afresh)


def said(index: Index) -> dict[str, dict[str, str]]:
    """What is said of every picture, after its filters were found to say the same."""
    every = index.pictures(index.listing(999))
    for column, values in index.facets(99).items():
        for value, count in values:
            where = f"\"{column}\" = '{value}'"
            fits = [e.path for e in every if value in e.metadata.get(column, "").split(", ")]
            listed = [e.path for e in index.pictures(index.listing(999, where=where))]
            assert (listed, len(listed)) == (fits, count)
        missing = [e.path for e in every if column not in e.metadata]
        listed = [e.path for e in index.pictures(index.listing(999, where=f'"{column}" is null'))]
        assert listed == missing
    return {entry.path: entry.metadata for entry in every}


def test_a_second_table_adds(index: Index) -> None:
    put(index, "a.jpg", "b.jpg", "c.jpg")
    lay(index, "file,colour,price\na.jpg,red,10\nb.jpg,blue,20\n")
    report = lay(index, "file,price,size\nb.jpg,25,S\nc.jpg,30,M\na.jpg,,L\n")
    assert said(index) == {
        "a.jpg": {"colour": "red", "size": "L"},
        "b.jpg": {"colour": "blue", "price": "25", "size": "S"},
        "c.jpg": {"price": "30", "size": "M"},
    }
    assert (report.changed, report.replaced, report.cleared, report.described) == (3, 1, 1, 3)
    again = lay(index, "file,price,size\nb.jpg,25,S\nc.jpg,30,M\na.jpg,,L\n")
    assert (again.changed, again.matched) == (0, {"exactly": 3})


def test_afresh_forgets_what_earlier_tables_said(index: Index) -> None:
    put(index, "a.jpg", "b.jpg")
    lay(index, "file,colour\na.jpg,red\ngone.jpg,blue\n")
    report = lay(index, "file,size\nb.jpg,S\n", afresh=True)
    assert "of 1 pictures nothing is said any more" in report.lines()
    assert said(index) == {"a.jpg": {}, "b.jpg": {"size": "S"}}
    assert index.columns() == ["size"]
    assert list(index.table_rows()) == ["b.jpg"]


def test_a_row_waits_for_its_picture(index: Index) -> None:
    put(index, "a.jpg")
    report = lay(index, "file,colour\na.jpg,red\nlate.jpg,blue\n")
    assert report.waiting == ["late.jpg"]
    assert describe(index).came == 0
    put(index, "sub/LATE.JPG")
    report = describe(index)
    assert (report.came, report.waiting) == (1, [])
    assert said(index)["sub/LATE.JPG"] == {"colour": "blue"}


def test_a_row_moves_to_the_picture_that_is_exactly_its_own(index: Index) -> None:
    put(index, "dresses/1.jpg")
    report = lay(index, "file,title\nshoes/1.jpg,a shoe\n")
    assert report.matched == {"by name alone": 1}
    put(index, "shoes/1.jpg")
    describe(index)
    assert said(index) == {"dresses/1.jpg": {}, "shoes/1.jpg": {"title": "a shoe"}}


def test_a_row_of_another_table_takes_the_picture_that_it_names_exactly(index: Index) -> None:
    put(index, "dresses/1.jpg")
    lay(index, "file,title\nshoes/1.jpg,a shoe\n")
    report = lay(index, "file,colour\ndresses/1.jpg,red\n")
    assert said(index) == {"dresses/1.jpg": {"colour": "red"}}
    assert report.waiting_before == 1


def test_a_later_table_may_name_pictures_otherwise(index: Index) -> None:
    put(index, "sub/a.jpg")
    lay(index, "file,colour\nsub/a.jpg,red\n")
    assert lay(index, "sku,file,size\n1,A,S\n2,A,M\n").matched == {"by name alone": 1}
    assert said(index) == {"sub/a.jpg": {"colour": "red", "sku": "1, 2", "size": "S, M"}}
    assert describe(index).changed == 0


def test_what_became_ambiguous_stays_and_is_said(index: Index) -> None:
    put(index, "x/1.jpg")
    lay(index, "file,n\n1.jpg,one\n")
    put(index, "y/1.jpg")
    assert describe(index).ambiguous == {"1.jpg": "x/1.jpg, y/1.jpg; stays with x/1.jpg"}
    assert said(index) == {"x/1.jpg": {"n": "one"}, "y/1.jpg": {}}


def test_a_renamed_picture_keeps_what_is_said_and_a_new_one_of_its_name_has_the_row(
    index: Index,
) -> None:
    put(index, "a.jpg")
    lay(index, "file,n\na.jpg,one\n")
    rename(index, "a.jpg", "moved.jpg")
    report = describe(index)
    assert (report.followed, report.waiting) == (1, ["a.jpg"])
    assert said(index) == {"moved.jpg": {"n": "one"}}
    put(index, "a.jpg", digest="another")
    describe(index)
    assert said(index) == {"a.jpg": {"n": "one"}, "moved.jpg": {"n": "one"}}


def test_a_copy_has_what_is_said_of_the_first(index: Index) -> None:
    put(index, "a.jpg", "b.jpg", digest="same")
    lay(index, "file,n\na.jpg,one\nb.jpg,two\n")
    put(index, "c.jpg", digest="same")
    assert describe(index).followed == 1
    assert said(index)["c.jpg"] in ({"n": "one"}, {"n": "two"})
    assert said(index)["a.jpg"] == {"n": "one"}
    assert said(index)["b.jpg"] == {"n": "two"}


def test_copies_that_stay_keep_their_own_when_one_leaves(index: Index) -> None:
    """A shop's "no picture yet" is many products' picture."""
    put(index, "a.jpg", "b.jpg", digest="same")
    lay(index, "file,n\na.jpg,one\nb.jpg,two\n")
    index.remove(["a.jpg"])
    describe(index)
    assert said(index) == {"b.jpg": {"n": "two"}}


def test_a_picture_that_was_away_comes_back_under_another_name(index: Index) -> None:
    put(index, "a.jpg")
    lay(index, "file,n\na.jpg,one\n")
    index.remove(["a.jpg"])
    assert describe(index).described == 0
    put(index, "b.jpg", digest="a.jpg")
    assert describe(index).followed == 1
    assert said(index) == {"b.jpg": {"n": "one"}}


def test_pictures_that_change_places_take_it_with_them(index: Index) -> None:
    put(index, "a.jpg", "b.jpg")
    lay(index, "file,n\na.jpg,one\nb.jpg,two\n")
    put(index, "a.jpg", digest="b.jpg")
    put(index, "b.jpg", digest="a.jpg")
    assert describe(index).followed == 2
    assert said(index) == {"a.jpg": {"n": "two"}, "b.jpg": {"n": "one"}}


def test_a_picture_that_is_renamed_over_another_brings_its_own(index: Index) -> None:
    put(index, "a.jpg", "b.jpg")
    lay(index, "file,n\na.jpg,one\nb.jpg,two\n")
    rename(index, "b.jpg", "a.jpg")
    describe(index)
    assert said(index) == {"a.jpg": {"n": "two"}}


def test_an_edited_picture_keeps_what_is_said_of_its_path(index: Index) -> None:
    put(index, "a.jpg")
    lay(index, "file,n\na.jpg,one\n")
    put(index, "a.jpg", digest="edited")
    describe(index)
    assert said(index) == {"a.jpg": {"n": "one"}}
    lay(index, "file,n\na.jpg,two\n")
    put(index, "a.jpg", digest="a.jpg")  # as it was; the table has been at it since
    describe(index)
    assert said(index) == {"a.jpg": {"n": "two"}}


def test_another_picture_under_a_name_that_was_given_up_has_nothing(index: Index) -> None:
    put(index, "old.jpg")
    index.set_metadata({"old.jpg": {"n": "one"}})
    rename(index, "old.jpg", "new.jpg")
    describe(index)
    put(index, "old.jpg", digest="another")
    describe(index)
    assert said(index) == {"new.jpg": {"n": "one"}, "old.jpg": {}}


def test_nothing_matched_is_told_from_nothing_to_match(index: Index) -> None:
    assert not describe(index).nothing_matched
    put(index, "a.jpg")
    report = lay(index, "file,n\nother.jpg,1\n")
    assert report.nothing_matched
    assert report.first_name == "other.jpg"
    assert not lay(index, "file,n\na.jpg,1\n").nothing_matched
