"""The store of a gallery: what was put in comes out, through renames, kills and other processes."""

from __future__ import annotations

import dataclasses
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from numpy.typing import NDArray

from samebut.errors import (
    FilterError,
    FingerprintMismatch,
    MetadataError,
    QueryError,
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreMissing,
    StoreNewer,
)
from samebut.index import Entry, FileState, Index, PictureRow, Skipped, database, schema
from samebut.index.local import LocalIndex

DIM = 8


def unit(seed: int, dim: int = DIM) -> NDArray[np.float32]:
    row = np.random.default_rng(seed).standard_normal(dim)
    return (row / np.linalg.norm(row)).astype(np.float32)


def halved(row: NDArray[np.float32]) -> NDArray[np.float32]:
    return row.astype(np.float16).astype(np.float32)


def picture(path: str, seed: int = 0, **changes: object) -> PictureRow:
    made = PictureRow(
        path, 100 + seed, 1_700_000_000_123_456_789, f"digest {seed}", 4, 3, unit(seed)
    )
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def create(path: Path) -> LocalIndex:
    return LocalIndex.create(path, dim=DIM, fingerprint="print", model="small")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".samebut" / "store.sqlite"


@pytest.fixture
def index(path: Path) -> Iterator[LocalIndex]:
    with create(path) as index:
        yield index


def found(index: Index, seed: int, k: int = 99) -> list[str]:
    """Paths of the best pictures for the embedding of ``seed``."""
    ids = index.search(unit(seed)[None], k).ids[0].tolist()
    return [entry.path for entry in index.pictures(ids)]


def described(index: Index, ids: list[int]) -> list[dict[str, str]]:
    return [entry.metadata for entry in index.pictures(ids)]


def test_it_is_an_index(index: LocalIndex) -> None:
    def takes(index: Index) -> str:
        return index.fingerprint

    assert takes(index) == "print"


def test_what_was_put_comes_back(index: LocalIndex, path: Path) -> None:
    pictures = [picture("a.jpg", 1), picture("ü/蓝色 衬衫.jpg", 2), picture("b'; --.jpg", 3)]
    index.put(pictures)
    index.put([])
    index.close()
    for writable in (False, True):
        with LocalIndex.open(path, writable=writable) as index:
            assert (index.fingerprint, index.dim, index.model) == ("print", DIM, "small")
            assert (index.path, len(index)) == (path, 3)
            assert index.files() == {p.path: (p.size, p.mtime_ns, p.digest) for p in pictures}
            ids = [index.id_of(p.path) for p in pictures]
            assert ids == [1, 2, 3]
            entries = index.pictures([3, 1])
            assert entries == [
                Entry(3, "b'; --.jpg", 103, 1_700_000_000_123_456_789, "digest 3", 4, 3),
                Entry(1, "a.jpg", 101, 1_700_000_000_123_456_789, "digest 1", 4, 3),
            ]
            rows = index.embedding([2, 2, 1])
            assert rows.dtype == np.float32
            np.testing.assert_array_equal(rows, [halved(unit(2)), halved(unit(2)), halved(unit(1))])
            assert index.embedding([]).shape == (0, DIM)
    with create(path) as index:
        assert len(index) == 3


def test_names_that_are_no_unicode(index: LocalIndex) -> None:
    """As Linux gives them when their bytes are not UTF-8, and as Windows can."""
    names = ["caf\udce9.jpg", "\ud83d.jpg", "café.jpg"]
    index.put([picture(name, seed) for seed, name in enumerate(names)])
    index.skip([Skipped("bad \udcff.gif", 1, 2, "bad \udcff.gif: no picture")])
    index.set_metadata({names[0]: {"colour": "blue"}})
    assert list(index.files()) == names
    assert [index.id_of(name) for name in names] == [1, 2, 3]
    assert index.skipped()[0].reason == "bad \udcff.gif: no picture"
    assert described(index, [1]) == [{"colour": "blue"}]
    index.remove(names[:2])
    assert list(index.files()) == ["café.jpg"]


def test_replacing_keeps_the_id_and_clears_the_skip_record(index: LocalIndex) -> None:
    index.skip([Skipped("a", 1, 2, "cut short"), Skipped("0", 3, 4, "empty")])
    index.put([picture("a", 1), picture("b", 2)])
    assert index.skipped() == [Skipped("0", 3, 4, "empty")]
    before = index.id_of("a")
    index.put([picture("a", 5, width=7)])
    assert index.id_of("a") == before
    assert index.files()["a"] == FileState(105, 1_700_000_000_123_456_789, "digest 5")
    assert found(index, 5, 1) == ["a"] and len(index) == 2


def test_a_skipped_file_is_no_longer_found(index: LocalIndex) -> None:
    index.put([picture("a", 1), picture("b", 2)])
    assert found(index, 1, 1) == ["a"]
    index.skip([Skipped("a", 9, 9, "now it is broken")])
    assert found(index, 1) == ["b"] and list(index.files()) == ["b"]
    index.skip([Skipped("a", 10, 10, "still is")])
    assert index.skipped() == [Skipped("a", 10, 10, "still is")]


def test_removed_paths_keep_their_ids_for_themselves(index: LocalIndex) -> None:
    index.put([picture("a", 1), picture("b", 2)])
    index.skip([Skipped("c", 1, 1, "broken")])
    (a, b) = index.id_of("a"), index.id_of("b")
    assert b is not None
    index.remove(["b", "c", "never there"])
    assert (index.id_of("b"), index.skipped(), found(index, 2)) == (None, [], ["a"])
    assert index.pictures([b]) == []
    with pytest.raises(QueryError, match=f"no picture with id {b}"):
        index.embedding([b])
    index.put([picture("d", 3), picture("b", 2)])
    assert (index.id_of("a"), index.id_of("b")) == (a, b)
    assert index.id_of("d") not in (a, b)


def test_touch(index: LocalIndex) -> None:
    index.put([picture("a", 1)])
    index.touch("a", size=7, mtime_ns=8)
    assert index.files() == {"a": (7, 8, "digest 1")}
    with pytest.raises(StoreError, match="holds no picture b"):
        index.touch("b", size=7, mtime_ns=8)


def test_rename(index: LocalIndex) -> None:
    index.put([picture("a", 1), picture("b", 2)])
    index.skip([Skipped("new", 1, 1, "broken")])
    index.rename("a", "new", size=7, mtime_ns=8)
    assert index.files()["new"] == (7, 8, "digest 1")
    assert found(index, 1) == ["new", "b"]
    assert index.id_of("a") is None and index.skipped() == []
    index.rename("new", "b", size=5, mtime_ns=6)
    assert index.files() == {"b": (5, 6, "digest 1")}
    assert found(index, 1) == ["b"]
    with pytest.raises(StoreError, match="holds no picture a"):
        index.rename("a", "c", size=1, mtime_ns=1)
    index.rename("b", "b", size=9, mtime_ns=9)
    assert index.files() == {"b": (9, 9, "digest 1")}


def test_a_copy_is_recognised_by_its_content(index: LocalIndex) -> None:
    index.put([picture("a", 1), picture("b", 2), picture("also a", 1)])
    original = index.by_digest("digest 1")
    assert original is not None and original.path == "a"
    np.testing.assert_array_equal(original.embedding, halved(unit(1)))
    index.put([dataclasses.replace(original, path="c", mtime_ns=3)])
    assert found(index, 1, 3) == ["a", "also a", "c"]
    ids = [index.id_of(name) for name in "ac"]
    np.testing.assert_array_equal(*index.embedding([i for i in ids if i]))
    assert index.by_digest("unknown") is None
    assert (index.copies("digest 1"), index.copies("unknown")) == ([1, 3, 4], [])


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (np.ones(DIM + 1, np.float32), f"has shape 9, this store keeps {DIM}"),
        (np.ones((1, DIM), np.float32), "has shape 1x8"),
        (np.zeros(DIM, np.float32), "has length 0, not 1"),
        (np.full(DIM, np.nan, np.float32), "has length nan, not 1"),
        (2 * unit(1), "has length 2, not 1"),
    ],
)
def test_an_embedding_that_is_none_is_refused(
    index: LocalIndex, row: NDArray[np.float32], words: str
) -> None:
    with pytest.raises(StoreError, match=words) as caught:
        index.put([picture("good", 1), picture("bad.jpg", 1, embedding=row)])
    assert str(caught.value).startswith("bad.jpg: ")
    assert len(index) == 0


def test_search(index: LocalIndex) -> None:
    index.put([picture(name, seed) for seed, name in enumerate("abcdef")])
    queries = np.stack([unit(3), unit(1), unit(77)])
    result = index.search(queries, 4)
    assert (result.ids.dtype, result.scores.dtype) == (np.int64, np.float32)
    scores = queries @ np.stack([halved(unit(seed)) for seed in range(6)]).T
    expected = np.argsort(-scores, axis=1)[:, :4]
    np.testing.assert_array_equal(result.ids, expected + 1)
    np.testing.assert_allclose(
        result.scores, np.take_along_axis(scores, expected, 1), rtol=1e-5, atol=1e-6
    )
    ids, _ = index.search(queries[:1], 100, exclude=[4, 4, 999])
    assert sorted(ids[0].tolist()) == [1, 2, 3, 5, 6]
    index.set_metadata({name: {"kind": "vowel"} for name in "ae"})
    ids, _ = index.search(queries[:1], 100, where="kind = 'vowel'", exclude=[5])
    assert ids.tolist() == [[1]]
    assert index.search(queries, 5, where="kind = 'other'").ids.shape == (3, 0)


def test_search_in_an_empty_store(index: LocalIndex) -> None:
    result = index.search(unit(1)[None], 5)
    assert (result.ids.shape, result.scores.shape) == ((1, 0), (1, 0))


@pytest.mark.parametrize(
    ("queries", "k", "words"),
    [
        (unit(1), 5, "queries of shape 8, this store wants Qx8"),
        (unit(1, 9)[None], 5, "queries of shape 1x9, this store wants Qx8"),
        (np.full((1, DIM), np.inf), 5, "not finite"),
        (np.full((1, DIM), np.nan), 5, "not finite"),
        (unit(1)[None], 0, "0 results were asked for"),
    ],
)
def test_a_search_that_can_not_be_run(
    index: LocalIndex, queries: NDArray[np.float32], k: int, words: str
) -> None:
    with pytest.raises(QueryError, match=words):
        index.search(queries, k)


def test_another_model(index: LocalIndex, path: Path) -> None:
    index.put([picture("a", 1), picture("b", 2)])
    index.skip([Skipped("bad", 1, 1, "broken")])
    index.set_metadata({"b": {"colour": "blue"}})
    reader = LocalIndex.open(path)
    assert len(found(reader, 1)) == 2
    index.replace_model(fingerprint="other", dim=4, model="large")
    assert (index.fingerprint, index.dim, index.model) == ("other", 4, "large")
    assert (index.files(), index.by_digest("digest 1")) == ({}, None)
    assert index.search(unit(1, 4)[None], 5).ids.shape == (1, 0)
    index.put([picture("b", 2, embedding=unit(2, 4))])
    index.replace_model(fingerprint="other", dim=4, model="large")
    assert list(index.files()) == ["b"] and index.id_of("b") == 2
    assert index.skipped() == [Skipped("bad", 1, 1, "broken")]
    assert index.search(unit(1, 4)[None], 5, where="colour = 'blue'").ids.tolist() == [[2]]
    with reader, pytest.raises(FingerprintMismatch, match="embeddings of large, no longer small"):
        found(reader, 1)
    with pytest.raises(FingerprintMismatch), LocalIndex.open(path, writable=True) as late:
        index.replace_model(fingerprint="third", dim=4, model="third")
        late.put([picture("c", 1, embedding=unit(1, 4))])


def test_metadata(index: LocalIndex) -> None:
    index.put([picture(name, seed) for seed, name in enumerate("abc")])
    rows = {
        "a": {"title": 'It\'s "1"', "颜色": "蓝", "empty": ""},
        "c": {"title": "b", "颜色": "", "empty": ""},
        "later": {"title": "x", "new": "y"},
    }
    index.set_metadata(rows)
    assert index.columns() == ["title", "颜色", "empty", "new"]
    expected = [{"title": "b"}, {}, {"title": 'It\'s "1"', "颜色": "蓝"}]
    assert described(index, [3, 2, 1]) == expected
    index.put([picture("later", 9)])
    assert described(index, [index.id_of("later") or 0]) == [rows["later"]]
    index.rename("a", "moved", size=1, mtime_ns=1)
    assert described(index, [index.id_of("moved") or 0]) == [{}]
    index.set_metadata({"b": {"only": "this"}})
    assert (index.columns(), described(index, [1, 2])) == (["only"], [{"only": "this"}])
    index.set_metadata({})
    assert (index.columns(), index.facets(9)) == ([], {})


@pytest.mark.parametrize("bad", ["a\0b", "\udcff"])
def test_metadata_that_is_no_text_changes_nothing(index: LocalIndex, bad: str) -> None:
    index.set_metadata({"a": {"colour": "red"}})
    for row in ({"colour": bad}, {bad: "red"}):
        with pytest.raises(MetadataError, match=r"^b: ") as caught:
            index.set_metadata({"a": {"colour": "blue"}, "b": row})
        assert "UTF-8" in caught.value.hint
    assert index.columns() == ["colour"]


def test_facets_count_what_a_filter_would_find(index: LocalIndex) -> None:
    names = "abcdefg"
    index.put([picture(name, seed) for seed, name in enumerate(names)])
    colours = ["Blue", "blue", "blue", "red", "red", "green", ""]
    rows: dict[str, Mapping[str, str]] = {
        name: {"colour": colour, "none": ""} for name, colour in zip(names, colours, strict=True)
    }
    index.set_metadata(rows | {"not indexed": {"colour": "red"}, "nor this": {"colour": "black"}})
    facets = index.facets(10)
    assert facets == {"colour": [("blue", 3), ("red", 2), ("green", 1)], "none": []}
    for value, count in facets["colour"]:
        where = f"colour = '{value}'"
        assert index.search(unit(0)[None], 99, where=where).ids.shape == (1, count)
    assert index.facets(2)["colour"] == [("blue", 3), ("red", 2)]


class Changes(RuleBasedStateMachine):
    """Any sequence of changes leaves the store equal to a dictionary that was treated the same."""

    paths = st.sampled_from(["a", "b", "c", "d/e", "蓝"])
    seeds = st.integers(0, 5)

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "store"
        self.index = create(self.path)
        self.reader = LocalIndex.open(self.path)
        self.pictures: dict[str, PictureRow] = {}
        self.broken: dict[str, Skipped] = {}

    def teardown(self) -> None:
        self.index.close()
        self.reader.close()
        self.folder.cleanup()

    @rule(changes=st.lists(st.tuples(paths, seeds), max_size=4))
    def put(self, changes: list[tuple[str, int]]) -> None:
        made = [picture(path, seed) for path, seed in changes]
        self.index.put(made)
        for each in made:
            self.pictures[each.path] = each
            self.broken.pop(each.path, None)

    @rule(path=paths, seed=seeds)
    def skip(self, path: str, seed: int) -> None:
        record = Skipped(path, seed, seed, "broken")
        self.index.skip([record])
        self.broken[path] = record
        self.pictures.pop(path, None)

    @rule(gone=st.lists(paths, max_size=3))
    def remove(self, gone: list[str]) -> None:
        self.index.remove(gone)
        for path in gone:
            self.pictures.pop(path, None)
            self.broken.pop(path, None)

    @rule(old=paths, new=paths, seed=seeds)
    def rename(self, old: str, new: str, seed: int) -> None:
        if old not in self.pictures:
            with pytest.raises(StoreError):
                self.index.rename(old, new, size=seed, mtime_ns=seed)
            return
        self.index.rename(old, new, size=seed, mtime_ns=seed)
        moved = self.pictures.pop(old)
        self.pictures[new] = dataclasses.replace(moved, path=new, size=seed, mtime_ns=seed)
        self.broken.pop(new, None)

    @rule()
    def reopen(self) -> None:
        self.index.close()
        self.index = LocalIndex.open(self.path, writable=True)

    @invariant()
    def same(self) -> None:
        states = {p.path: (p.size, p.mtime_ns, p.digest) for p in self.pictures.values()}
        for index in (self.index, self.reader):
            assert index.files() == states
            assert index.skipped() == sorted(self.broken.values(), key=lambda record: record.path)
            assert len(index) == len(states)
            ids, scores = index.search(unit(3)[None], 99)
            entries = index.pictures(ids[0].tolist())
            assert {entry.path for entry in entries} == set(states)
            expected = [halved(self.pictures[entry.path].embedding) @ unit(3) for entry in entries]
            np.testing.assert_allclose(scores[0], expected, rtol=1e-5, atol=1e-6)
            assert sorted(expected, reverse=True) == pytest.approx(expected)


TestChanges = Changes.TestCase
TestChanges.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)


def test_a_search_sees_what_another_process_wrote(index: LocalIndex, path: Path) -> None:
    index.put([picture("a", 1)])
    assert found(index, 1) == ["a"]
    run(path, "index.put([picture('b', 1)])")
    assert found(index, 1) == ["a", "b"]
    run(path, "index.remove(['a'])")
    assert found(index, 1) == ["b"]


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


def test_readers_see_whole_transactions_while_a_writer_writes(
    index: LocalIndex, path: Path
) -> None:
    """Pairs are put, renamed and removed together: no reader may ever see half of one."""
    done = threading.Event()

    def watch(reader: LocalIndex) -> int:
        looks = 0
        while not done.is_set() or looks == 0:
            ids, _ = reader.search(unit(0)[None], 99)
            where = reader.search(unit(0)[None], 99, where="side = 'left'").ids
            assert ids.shape[1] % 2 == 0
            assert set(where[0]) <= set(range(1, 999))
            assert len(reader.files()) % 2 == 0
            looks += 1
        return looks

    index.set_metadata({f"{i} left": {"side": "left"} for i in range(20)})
    with LocalIndex.open(path) as own, ThreadPoolExecutor(4) as pool:
        watching = [pool.submit(watch, reader) for reader in (own, own, index, index)]
        for i in range(20):
            index.put([picture(f"{i} left", i), picture(f"{i} right", i)])
            if i % 3 == 0:
                index.remove([f"{i} left", f"{i} right"])
        done.set()
        assert all(watched.result() for watched in watching)
    assert len(index) == 26


def test_a_second_indexer_is_refused(index: LocalIndex, path: Path) -> None:
    with index.writer_lock():
        script = """
try:
    with index.writer_lock(): print("both")
except StoreBusy as error: print(error, error.hint)
index.put([picture("a", 1)])
"""
        said = run(path, script)
        assert f"{path}: another process is indexing into it" in said and "stop it" in said
        assert found(index, 1) == ["a"]
    assert "alone" in run(path, "with index.writer_lock(): print('alone')")
    with index.writer_lock(), pytest.raises(StoreBusy), index.writer_lock():
        pass


PRELUDE = """
import dataclasses, sys
from pathlib import Path
import numpy as np
from samebut.errors import StoreBusy
from samebut.index import PictureRow
from samebut.index.local import LocalIndex

def picture(path, seed):
    row = np.random.default_rng(seed).standard_normal(8)
    row = (row / np.linalg.norm(row)).astype(np.float32)
    return PictureRow(path, 100 + seed, 1, f"digest {seed}", 4, 3, row)

index = LocalIndex.create(Path(sys.argv[1]), dim=8, fingerprint="print", model="small")
"""


def run(path: Path, script: str) -> str:
    """What another process prints that has the store open as ``index``."""
    command = [sys.executable, "-c", PRELUDE + script, str(path)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


INDEXER = """
with index.writer_lock():
    at = len(index)
    while True:
        index.put([picture(f"{i:06d}", i) for i in range(at, at + 10)])
        at += 10
        print(at, flush=True)
"""


def test_no_acknowledged_picture_is_lost_to_a_kill(path: Path) -> None:
    acknowledged = 0
    for lines in (1, 7, 30):
        command = [sys.executable, "-c", PRELUDE + INDEXER, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(lines):
                acknowledged = int(process.stdout.readline())
            process.kill()
            acknowledged = int(([str(acknowledged), *process.stdout])[-1])
        with LocalIndex.open(path) as index:
            stored = sorted(index.files())
            assert len(stored) >= acknowledged
            assert stored == [f"{i:06d}" for i in range(len(stored))] and len(stored) % 10 == 0
            ids, scores = index.search(unit(acknowledged - 1)[None], 1)
            assert index.pictures(ids[0].tolist())[0].path == f"{acknowledged - 1:06d}"
            assert scores[0, 0] == pytest.approx(1, abs=1e-3)


def test_a_store_whose_making_was_cut_off(path: Path) -> None:
    database.Database.create(path, schema.APPLICATION_ID, schema.MIGRATIONS).close()
    with pytest.raises(StoreMissing, match="nothing is indexed"):
        LocalIndex.open(path)
    with create(path) as index:
        assert (index.fingerprint, len(index)) == ("print", 0)


def test_the_ladder(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(schema.MIGRATIONS) == list(range(1, len(schema.MIGRATIONS) + 1))
    with create(path) as index:
        index.put([picture("a", 1)])
    taller = len(schema.MIGRATIONS) + 1
    rung = ("CREATE TABLE note (word TEXT)", "INSERT INTO note SELECT name FROM path")
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS | {taller: rung})
        with LocalIndex.open(path) as index:
            assert found(index, 1) == ["a"]
    with pytest.raises(
        StoreNewer, match=f"version {taller}, this samebut knows up to {taller - 1}"
    ):
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
        with pytest.raises(StoreDamaged, match="not of 8 numbers"):
            use()


def test_opening_does_not_wait_for_faiss(index: LocalIndex, path: Path) -> None:
    index.put([picture("a", 1)])
    script = """
index.files(), index.by_digest("digest 1"), index.set_metadata({"a": {"b": "c"}})
assert "faiss" not in sys.modules
index.search(picture("a", 1).embedding[None], 1)
assert "faiss" in sys.modules
"""
    run(path, script)


def test_listing_and_counting(index: LocalIndex) -> None:
    index.put([picture(path, seed) for seed, path in enumerate("dbeac")])
    index.remove(["e"])
    index.set_metadata(
        {path: {"kind": "vowel" if path in "ae" else "consonant"} for path in "abcde"}
    )

    def listed(count: int, **more: object) -> list[str]:
        return [e.path for e in index.pictures(index.listing(count, **more))]  # type: ignore[arg-type]

    assert (index.count(), listed(9)) == (4, ["a", "b", "c", "d"])
    assert listed(2, offset=1) == ["b", "c"]
    assert listed(2, offset=4) == []
    where = "kind = 'consonant'"
    assert (index.count(where), listed(9, where=where)) == (3, ["b", "c", "d"])
    assert listed(1, offset=2, where=where) == ["d"]
    assert index.count("kind = 'none'") == 0
    with pytest.raises(FilterError, match="no column size"):
        index.count("size = 1")


def test_a_snapshot_is_of_one_moment(index: LocalIndex, path: Path) -> None:
    """Answers, paths, sizes and metadata belong together, whoever writes in between."""
    index.put([picture("a", 1), picture("b", 2)])
    index.set_metadata({"a": {"colour": "red"}})
    with LocalIndex.open(path) as reader:
        with reader.snapshot():
            before = reader.search(unit(1)[None], 1).ids[0].tolist()
            index.rename("a", "moved", size=1, mtime_ns=1)
            index.set_metadata({"moved": {"colour": "blue"}})
            (entry,) = reader.pictures(before)
            assert (entry.path, entry.metadata) == ("a", {"colour": "red"})
            assert (reader.count("colour = 'red'"), reader.listing(9)) == (1, [1, 2])
        assert reader.pictures(before) == []
        (entry,) = reader.pictures(reader.search(unit(1)[None], 1).ids[0].tolist())
        assert (entry.path, entry.metadata) == ("moved", {"colour": "blue"})


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
    "0.jpg": {"colour": ["red"], "size": ["S", "M"]},
    "1.jpg": {"colour": ["Red"], "size": []},
    "2.jpg": {"colour": ["blue"], "size": ["M"]},
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


def test_a_store_of_the_version_before_is_brought_up_to_date(path: Path) -> None:
    with create(path) as index:
        index.put([picture("a.jpg", 1), picture("\udcff.jpg", 2)])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE gallery DROP COLUMN folder")
        connection.execute("ALTER TABLE field DROP COLUMN understood")
        for table in ("checksum", "table_row", "remembered"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("PRAGMA user_version = 1")
        connection.commit()
    with LocalIndex.open(path) as index:
        assert index.folder is None
        assert index.damaged() == []
        assert sorted(index.files()) == ["a.jpg", "\udcff.jpg"]


@pytest.mark.parametrize("name", ["/etc/passwd", "..", "../x.jpg", "a/../../x.jpg", "a/.."])
def test_a_store_whose_paths_lead_out_is_refused(path: Path, name: str) -> None:
    with create(path) as index:
        index.put([picture("a.jpg"), picture("b..c/..d.jpg", 1)])
    LocalIndex.open(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE path SET name = ? WHERE name = 'a.jpg'", (name,))
        connection.commit()
    for attempt in (LocalIndex.open, create):
        with pytest.raises(StoreDamaged, match="lies outside of the folder"):
            attempt(path)


def test_another_store_in_its_place_is_searched(index: LocalIndex, path: Path) -> None:
    """Though both say that their embeddings changed once."""
    index.put([picture("old.jpg", 1)])
    with LocalIndex.open(path) as reader:
        assert found(reader, 1) == ["old.jpg"]
        other = path.with_name("other.sqlite")
        with create(other) as made:
            made.put([picture("new.jpg", 1)])
        other.replace(path)
        assert found(reader, 1) == ["new.jpg"]


@pytest.mark.parametrize("mtime_ns", [2**70, -(2**70)])
def test_times_that_sqlite_can_not_hold_are_kept_as_far_as_they_go(
    index: LocalIndex, mtime_ns: int
) -> None:
    index.put([picture("a.jpg", mtime_ns=mtime_ns)])
    index.skip([Skipped("b.jpg", 1, mtime_ns, "bad")])
    index.touch("a.jpg", size=1, mtime_ns=mtime_ns)
    index.rename("a.jpg", "c.jpg", size=1, mtime_ns=mtime_ns)
    assert abs(index.files()["c.jpg"].mtime_ns) >= 2**63 - 1
