"""The embedded store: what is SQLite's own (all else is in test_index_contract.py)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from samebut.errors import (
    FingerprintMismatch,
    StoreDamaged,
    StoreError,
    StoreMissing,
    StoreNewer,
)
from samebut.index import Skipped, beside, database, schema
from samebut.index.local import LocalIndex, StoreFile
from stores import DIM, found, picture, run, unit


def created(path: Path) -> LocalIndex:
    return LocalIndex.create(path, dim=DIM, fingerprint="print", model="small")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".samebut" / "store.sqlite"


@pytest.fixture
def index(path: Path) -> Iterator[LocalIndex]:
    with created(path) as index:
        yield index


def test_embeddings_are_read_again_only_when_they_changed(
    index: LocalIndex, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[int] = []
    load = LocalIndex._load

    def counted(self: LocalIndex, connection: sqlite3.Connection) -> object:
        loads.append(1)
        return load(self, connection)

    monkeypatch.setattr(LocalIndex, "_load", counted)
    with LocalIndex.open(path) as reader:
        for change in (
            lambda: index.put([picture("a", 1)]),
            lambda: index.touch("a", size=1, mtime_ns=1),
            lambda: index.set_metadata({"a": {"colour": "blue"}}),
            lambda: index.skip([Skipped("b", 1, 1, "broken")]),
            lambda: index.remove(["b", "c"]),
        ):
            change()
            assert found(reader, 1) == ["a"]
        assert len(loads) == 1
        index.remove(["a"])
        assert found(reader, 1) == []
        assert len(loads) == 2


def test_a_store_whose_making_was_cut_off(path: Path) -> None:
    database.Database.create(path, schema.APPLICATION_ID, schema.MIGRATIONS).close()
    with pytest.raises(StoreMissing, match="nothing is indexed"):
        LocalIndex.open(path)
    with created(path) as index:
        assert (index.fingerprint, len(index)) == ("print", 0)


def test_the_ladder(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(schema.MIGRATIONS) == list(range(1, len(schema.MIGRATIONS) + 1))
    with created(path) as index:
        index.put([picture("a", 1)])
    taller = len(schema.MIGRATIONS) + 1
    rung = ("CREATE TABLE note (word TEXT)", "INSERT INTO note SELECT name FROM path")
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS | {taller: rung})
        with LocalIndex.open(path) as index:
            assert found(index, 1) == ["a"]
    with pytest.raises(StoreNewer, match=f"version {taller}; this one knows up to {taller - 1}"):
        LocalIndex.open(path)


def test_a_full_disk_keeps_what_was_stored(index: LocalIndex) -> None:
    index.put([picture("a", 1)])
    with index._database.reading() as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(StoreError, match="the disk is full") as caught:
        index.put([picture(f"{i} {'long' * 50}", i) for i in range(200)])
    assert "run the same command again" in caught.value.hint
    assert found(index, 1) == ["a"]


def test_a_vector_of_the_wrong_length_is_damage(index: LocalIndex) -> None:
    index.put([picture("a", 1), picture("b", 2)])
    with index._database.writing() as connection:
        connection.execute("UPDATE embedding SET vector = x'0000' WHERE id = 2")
    for use in (
        lambda: index.search(unit(1)[None], 1),
        lambda: index.embedding([2]),
        lambda: index.by_digest("digest 2"),
    ):
        with pytest.raises(StoreDamaged, match="not have 8 numbers"):
            use()


def test_opening_does_not_wait_for_faiss(index: LocalIndex, path: Path) -> None:
    index.put([picture("a", 1)])
    script = """
index.files(), index.by_digest("digest 1"), index.set_metadata({"a": {"b": "c"}})
assert "faiss" not in sys.modules
index.search(picture("a", 1).embedding[None], 1)
assert "faiss" in sys.modules
"""
    run(StoreFile(path), script)


def test_damage_that_sqlite_does_not_see_is_found_by_the_digests(index: LocalIndex) -> None:
    index.put([picture(f"{n}.jpg", n) for n in range(6)])
    index.touch("0.jpg", size=7, mtime_ns=8)
    index.rename("1.jpg", "one.jpg", size=9, mtime_ns=10)
    index.remove(["2.jpg"])
    index.put([picture("3.jpg", 33)])
    assert index.damaged() == []
    with index._database.writing() as connection:
        flipped = bytearray(unit(4).astype("<f2").tobytes())
        flipped[3] ^= 1
        connection.execute(
            "UPDATE embedding SET vector = ? WHERE id = ?", (bytes(flipped), index.id_of("4.jpg"))
        )
        connection.execute("UPDATE picture SET width = 5 WHERE id = ?", (index.id_of("5.jpg"),))
        connection.execute("UPDATE path SET name = X'ff' WHERE name = '3.jpg'")
        connection.execute("DELETE FROM picture WHERE id = ?", (index.id_of("one.jpg"),))
    assert sorted(set(index.damaged())) == ["4.jpg", "5.jpg", "one.jpg", "\udcff"]


DESCRIBED = {
    "0.jpg": {"colour": ("red",), "size": ("S", "M")},
    "1.jpg": {"colour": ("Red",), "size": ()},
    "2.jpg": {"colour": ("blue",), "size": ("M",)},
}


@pytest.mark.parametrize(
    ("flip", "paths"),
    [
        ("UPDATE description SET texts = replace(texts, 'blue', 'blud')", ["2.jpg"]),
        ("UPDATE description SET texts = replace(texts, 'size', 'sizd') WHERE id = 1", ["0.jpg"]),
        ("UPDATE description SET texts = replace(texts, '[', '{')", ["0.jpg"]),
        ("UPDATE description SET id = 9 WHERE id = 2", ["1.jpg", "a path that is lost"]),
        ("UPDATE value SET text = 'rdd' WHERE text = 'red'", ["0.jpg"]),
        ("UPDATE value SET folded = 'rdd' WHERE text = 'Red'", ["1.jpg"]),
        ("UPDATE value SET field_id = 99 WHERE text = 'Red'", ["1.jpg"]),
        ("UPDATE value SET paths = substr(paths, 1, 7) WHERE text = 'blue'", ["2.jpg"]),
        ("UPDATE value SET paths = X'0200000000000000' WHERE text = 'blue'", ["1.jpg", "2.jpg"]),
        ("UPDATE field SET name = 'colous' WHERE name = 'colour'", sorted(DESCRIBED)),
        ("UPDATE field SET paths = substr(paths, 1, 8) WHERE name = 'size'", ["2.jpg"]),
        ("DELETE FROM description WHERE id = 1", ["0.jpg"]),
    ],
)
def test_damaged_metadata_is_found_by_what_is_kept_twice(
    index: LocalIndex, flip: str, paths: list[str]
) -> None:
    index.put([picture(name, number) for number, name in enumerate(DESCRIBED)])
    index.describe(DESCRIBED, {name: name for name in DESCRIBED})
    assert index.damaged_metadata() == []
    with index._database.writing() as connection:
        assert connection.execute(flip).rowcount
    assert sorted(index.damaged_metadata()) == paths


def test_pages_that_changed_places_are_found_where_opening_does_not(path: Path) -> None:
    with created(path) as index:
        index.put([picture("a.jpg"), picture("b.jpg", 1)])
        assert index.inconsistencies() == []
        with index.snapshot() as connection:
            pages = connection.execute(
                "SELECT rootpage FROM sqlite_master WHERE name IN"
                " ('sqlite_autoindex_path_1', 'table_row_path')"
            ).fetchall()
    content = bytearray(path.read_bytes())
    one, other = (slice(8192 * (number - 1), 8192 * number) for (number,) in pages)
    content[one], content[other] = content[other], content[one]
    path.write_bytes(content)
    with LocalIndex.open(path) as index:
        assert index.listing(9) == []  # by an index that is not the one of paths any more
        assert "wrong # of entries in index" in index.inconsistencies()[0]


def test_a_store_of_the_version_before_is_brought_up_to_date(path: Path) -> None:
    with created(path) as index:
        index.put([picture("a.jpg", 1), picture("\udcff.jpg", 2)])
        index.set_metadata({"a.jpg": {"colour": "red"}, "b.jpg": {"colour": "Red"}})
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP INDEX value_common")
        connection.execute("ALTER TABLE gallery DROP COLUMN folder")
        connection.execute("ALTER TABLE field DROP COLUMN understood")
        for change in ("INSERT", "UPDATE", "DELETE"):
            connection.execute(f"DROP TRIGGER embedding_{change}")
        later = (
            "checksum", "table_row", "remembered", "inverted_file", "embedding_change", "variant",
        )  # fmt: skip
        for table in later:
            connection.execute(f"DROP TABLE {table}")
        connection.execute("PRAGMA user_version = 1")
        connection.commit()
    with LocalIndex.open(path) as index:
        assert index.folder is None
        assert index.damaged() == []
        assert sorted(index.files()) == ["a.jpg", "\udcff.jpg"]
        with index.snapshot() as connection:
            assert connection.execute("SELECT folded FROM variant").fetchall() == [("red",)]


def test_another_store_in_its_place_is_searched(index: LocalIndex, path: Path) -> None:
    """Though both say that their embeddings changed once."""
    index.put([picture("old.jpg", 1)])
    with LocalIndex.open(path) as reader:
        assert found(reader, 1) == ["old.jpg"]
        other = path.with_name("other.sqlite")
        with created(other) as made:
            made.put([picture("new.jpg", 1)])
        other.replace(path)
        assert found(reader, 1) == ["new.jpg"]


def test_a_last_step_that_fails_leaves_both_models_as_they_were(
    index: LocalIndex, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.put([picture("a", 1)])
    index.replace_model(fingerprint="other", dim=4, model="large")
    index.put([picture("b", 2, embedding=unit(2, 4))])
    with LocalIndex.open(path) as reader:
        with monkeypatch.context() as patch, pytest.raises(StoreDamaged):
            patch.setattr(beside, "TRIGGERS", ("CREATE nothing",))
            index.publish()
        assert (found(reader, 1), list(index.files())) == (["a"], ["b"])
        assert (reader.damaged(), index.damaged()) == ([], [])
    index.publish()
    with LocalIndex.open(path) as reader:
        assert (list(reader.files()), reader.fingerprint) == (["b"], "other")
        assert reader.inconsistencies() == []


def test_a_store_that_was_replaced_while_another_model_filled_it(
    index: LocalIndex, path: Path
) -> None:
    index.put([picture("a", 1)])
    index.replace_model(fingerprint="other", dim=4, model="large")
    path.unlink()
    with created(path) as new:
        new.put([picture("c", 3)])
        for late in (
            lambda: index.put([picture("b", 2, embedding=unit(2, 4))]),
            index.publish,
        ):
            with pytest.raises(FingerprintMismatch, match="now holds embeddings of small"):
                late()
        assert found(new, 3) == ["c"]
