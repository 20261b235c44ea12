"""The contract of every store (`samebut.index.Index`): what was added is found, also after renames,
after a process was killed, and from other processes."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from numpy.typing import NDArray

from samebut.errors import (
    FilterError,
    FingerprintMismatch,
    MetadataError,
    QueryError,
    StoreBusy,
    StoreDamaged,
    StoreError,
)
from samebut.index import Address, Entry, FileState, Index, PictureRow, Skipped
from stores import DIM, create, found, halved, indexing, picture, run, unit

NewAddress = Callable[[], Address]


@pytest.fixture
def address(new_address: NewAddress) -> Address:
    return new_address()


@pytest.fixture
def index(address: Address) -> Iterator[Index]:
    with closing(create(address)) as index:
        yield index


def test_it_is_an_index(index: Index) -> None:
    def takes(index: Index) -> str:
        return index.fingerprint

    assert takes(index) == "print"


def test_of_two_pictures_at_one_path_the_last_is_kept(index: Index) -> None:
    index.put([picture("a.jpg", 1), picture("b.jpg", 2), picture("a.jpg", 3)])
    assert {path: state.digest for path, state in index.files().items()} == {
        "a.jpg": "digest 3",
        "b.jpg": "digest 2",
    }
    assert found(index, 3, 1) == ["a.jpg"] and index.damaged() == []


def test_what_was_put_comes_back(index: Index, address: Address) -> None:
    pictures = [picture("a.jpg", 1), picture("ü/蓝色 衬衫.jpg", 2), picture("b'; --.jpg", 3)]
    index.put(pictures)
    index.put([])
    index.close()
    for writable in (False, True):
        with closing(address.open(writable=writable)) as index:
            assert (index.fingerprint, index.dim, index.model) == ("print", DIM, "small")
            assert (index.address, len(index)) == (address, 3)
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
    with closing(create(address)) as index:
        assert len(index) == 3


def test_names_that_are_no_unicode(index: Index) -> None:
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


def test_replacing_keeps_the_id_and_clears_the_skip_record(index: Index) -> None:
    index.skip([Skipped("a", 1, 2, "cut short"), Skipped("0", 3, 4, "empty")])
    index.put([picture("a", 1), picture("b", 2)])
    assert index.skipped() == [Skipped("0", 3, 4, "empty")]
    before = index.id_of("a")
    index.put([picture("a", 5, width=7)])
    assert index.id_of("a") == before
    assert index.files()["a"] == FileState(105, 1_700_000_000_123_456_789, "digest 5")
    assert found(index, 5, 1) == ["a"] and len(index) == 2


def test_a_skipped_file_is_no_longer_found(index: Index) -> None:
    index.put([picture("a", 1), picture("b", 2)])
    assert found(index, 1, 1) == ["a"]
    index.skip([Skipped("a", 9, 9, "now it is broken")])
    assert found(index, 1) == ["b"] and list(index.files()) == ["b"]
    index.skip([Skipped("a", 10, 10, "still is")])
    assert index.skipped() == [Skipped("a", 10, 10, "still is")]


def test_removed_paths_keep_their_ids_for_themselves(index: Index) -> None:
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


def test_touch(index: Index) -> None:
    index.put([picture("a", 1)])
    index.touch("a", size=7, mtime_ns=8)
    assert index.files() == {"a": (7, 8, "digest 1")}
    with pytest.raises(StoreError, match="holds no picture b"):
        index.touch("b", size=7, mtime_ns=8)


def test_rename(index: Index) -> None:
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


def test_a_copy_is_recognised_by_its_content(index: Index) -> None:
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
        (np.ones(DIM + 1, np.float32), f"has shape 9, and this store holds {DIM} numbers"),
        (np.ones((1, DIM), np.float32), "has shape 1x8"),
        (np.zeros(DIM, np.float32), "has length 0, not 1"),
        (np.full(DIM, np.nan, np.float32), "has length nan, not 1"),
        (2 * unit(1), "has length 2, not 1"),
    ],
)
def test_an_embedding_that_is_none_is_refused(
    index: Index, row: NDArray[np.float32], words: str
) -> None:
    with pytest.raises(StoreError, match=words) as caught:
        index.put([picture("good", 1), picture("bad.jpg", 1, embedding=row)])
    assert str(caught.value).startswith("bad.jpg: ")
    assert len(index) == 0


def test_search(index: Index) -> None:
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
    for where in (None, "kind = 'vowel'", "kind = 'other'"):
        assert index.ranking(queries[0], 4, where=where).recall is None  # all were compared


def test_search_in_an_empty_store(index: Index) -> None:
    result = index.search(unit(1)[None], 5)
    assert (result.ids.shape, result.scores.shape) == ((1, 0), (1, 0))


@pytest.mark.parametrize(
    ("queries", "k", "words"),
    [
        (unit(1), 5, r"have shape 8; this store takes \(Q, 8\)"),
        (unit(1, 9)[None], 5, r"have shape 1x9; this store takes \(Q, 8\)"),
        (np.full((1, DIM), np.inf), 5, "holds NaN or infinity"),
        (np.full((1, DIM), np.nan), 5, "holds NaN or infinity"),
        (unit(1)[None], 0, "0 results were asked for"),
    ],
)
def test_a_search_that_can_not_be_run(
    index: Index, queries: NDArray[np.float32], k: int, words: str
) -> None:
    with pytest.raises(QueryError, match=words):
        index.search(queries, k)


def test_another_model(index: Index, address: Address) -> None:
    index.put([picture("a", 1), picture("b", 2)])
    index.skip([Skipped("bad", 1, 1, "broken")])
    index.set_metadata({"b": {"colour": "blue"}})
    with closing(address.open()) as reader, closing(address.open(writable=True)) as late:
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
        index.publish()
        index.publish()
        assert index.search(unit(1, 4)[None], 5).ids.tolist() == [[2]]
        for old in (lambda: found(reader, 1), lambda: late.put([picture("c", 1)])):
            with pytest.raises(FingerprintMismatch, match="embeddings of large, no longer small"):
                old()
    with closing(address.open()) as reader:
        assert (reader.fingerprint, reader.dim, list(reader.files())) == ("other", 4, ["b"])


def test_searches_go_on_until_another_model_has_all(index: Index, address: Address) -> None:
    index.put([picture(name, seed) for seed, name in enumerate("abcd")])
    index.set_metadata({name: {"colour": "blue"} for name in "abc"})
    index.keep_folder("/photos")
    with closing(address.open()) as reader, closing(address.open(writable=True)) as late:
        before = reader.files(), found(reader, 1), reader.embedding([1, 2, 3, 4]).tolist()

        def same() -> None:
            assert (reader.files(), found(reader, 1), reader.damaged()) == (*before[:2], [])
            assert reader.embedding([1, 2, 3, 4]).tolist() == before[2]
            assert (reader.fingerprint, len(reader), reader.folder) == ("print", 4, "/photos")
            assert reader.facets(5) == {"colour": [("blue", 3)]}
            assert reader.listing(9, where="colour = 'blue'") == [1, 2, 3]
            with closing(address.open()) as another:
                assert (another.fingerprint, another.files()) == ("print", before[0])
                assert another.damaged() == another.damaged_metadata() == []

        index.replace_model(fingerprint="other", dim=4, model="large")
        same()
        index.put(
            [picture(name, seed, embedding=unit(seed, 4)) for seed, name in enumerate("bcef")]
        )
        index.put([picture("b", 7, embedding=unit(7, 4))])
        index.touch("c", size=7, mtime_ns=8)
        index.rename("e", "g", size=9, mtime_ns=10)
        index.remove(["f"])
        index.describe({"g": {"colour": ("blue",)}}, {"g": "g"})
        index.follow()
        assert (list(index.files()), index.damaged()) == (["b", "c", "g"], [])
        assert index.listing(9, where="colour = 'blue'") == [2, 3, 7]
        assert index.search(unit(1, 4)[None], 1).ids.tolist() == [[3]] == [index.copies("digest 1")]
        same()
        late.put([picture("d", 3)])
        same()
        index.publish()
        for old in (lambda: found(reader, 1), lambda: late.put([picture("d", 3)])):
            with pytest.raises(FingerprintMismatch, match="embeddings of large, no longer small"):
                old()
    with closing(address.open()) as reader:
        assert (reader.fingerprint, reader.folder) == ("other", "/photos")
        assert (list(reader.files()), reader.damaged()) == (["b", "c", "g"], [])
        assert reader.listing(9, where="colour = 'blue'") == [2, 3, 7]
        assert reader.inconsistencies() == []
    index.put([picture("h", 8, embedding=unit(8, 4))])
    assert (len(index), index.copies("digest 8")) == (4, [8])


def test_a_model_that_was_half_filled_is_filled_further(index: Index, address: Address) -> None:
    index.put([picture("a", 1), picture("b", 2)])
    half = picture("a", 1, embedding=unit(1, 4))
    for fingerprint, there in (("other", []), ("other", ["a"]), ("third", []), ("other", [])):
        with closing(address.open(writable=True)) as indexer:
            assert indexer.fingerprint == "print"
            indexer.replace_model(fingerprint=fingerprint, dim=4, model="large")
            assert list(indexer.files()) == there
            indexer.put([half])
    assert found(index, 1) == ["a", "b"]
    with closing(address.open(writable=True)) as indexer:
        indexer.replace_model(fingerprint="other", dim=4, model="moved")
        indexer.put([half])
        indexer.publish()
    for fingerprint in ("print", "other"):  # and back again, which nobody may take for the same
        dim = 8 if fingerprint == "print" else 4
        with closing(address.open(writable=True)) as indexer:
            assert indexer.fingerprint != fingerprint
            indexer.replace_model(fingerprint=fingerprint, dim=dim, model=fingerprint)
            indexer.put([picture("b", 2, embedding=unit(2, dim))])
            indexer.publish()
            assert found(indexer, 2) == ["b"] if dim == 8 else len(indexer) == 1
    with closing(address.open()) as reader:
        assert (reader.model, list(reader.files())) == ("other", ["b"])


def test_metadata(index: Index) -> None:
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
def test_metadata_that_is_no_text_changes_nothing(index: Index, bad: str) -> None:
    index.set_metadata({"a": {"colour": "red"}})
    for row in ({"colour": bad}, {bad: "red"}):
        with pytest.raises(MetadataError, match=r"^b: ") as caught:
            index.set_metadata({"a": {"colour": "blue"}, "b": row})
        assert "UTF-8" in caught.value.hint
    assert index.columns() == ["colour"]


def test_facets_count_what_a_filter_would_find(index: Index) -> None:
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


def test_facets_follow_every_change(index: Index, address: Address) -> None:
    """They are counted once for each state of the store, whoever changes it."""
    index.put([picture(name, seed) for seed, name in enumerate("abc")])
    index.set_metadata({name: {"colour": "blue"} for name in "abc"})
    with closing(address.open()) as reader:
        for each in (index, reader):
            assert each.facets(5) == {"colour": [("blue", 3)]}
            each.facets(5)["colour"].clear()
            assert each.facets(5, "colour = 'red'") == {"colour": [("blue", 3)]}
        index.remove(["a"])
        assert reader.facets(5) == index.facets(5) == {"colour": [("blue", 2)]}
        index.set_metadata({"b": {"colour": "red"}, "c": {"colour": "blue"}})
        assert reader.facets(1) == index.facets(1) == {"colour": [("blue", 1)]}
        assert reader.facets(5) == {"colour": [("blue", 1), ("red", 1)]}


class Changes(RuleBasedStateMachine):
    """Any sequence of changes leaves the store equal to a dictionary that was treated the same."""

    paths = st.sampled_from(["a", "b", "c", "d/e", "蓝"])
    seeds = st.integers(0, 5)

    def __init__(self, address: Address) -> None:
        super().__init__()
        self.address = address
        self.index = create(self.address)
        self.reader = self.address.open()
        self.pictures: dict[str, PictureRow] = {}
        self.broken: dict[str, Skipped] = {}

    def teardown(self) -> None:
        self.index.close()
        self.reader.close()

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
        self.index = self.address.open(writable=True)

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


def test_any_sequence_of_changes(new_address: NewAddress) -> None:
    run_state_machine_as_test(
        lambda: Changes(new_address()),
        settings=settings(max_examples=8, stateful_step_count=12, deadline=None),
    )


def test_a_search_sees_what_another_process_wrote(index: Index, address: Address) -> None:
    index.put([picture("a", 1)])
    assert found(index, 1) == ["a"]
    run(address, "index.put([picture('b', 1)])")
    assert found(index, 1) == ["a", "b"]
    run(address, "index.remove(['a'])")
    assert found(index, 1) == ["b"]


def test_readers_see_whole_transactions_while_a_writer_writes(
    index: Index, address: Address
) -> None:
    """Pairs are put, renamed and removed together: no reader may ever see half of one."""
    done = threading.Event()

    def watch(reader: Index) -> int:
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
    with closing(address.open()) as own, ThreadPoolExecutor(4) as pool:
        watching = [pool.submit(watch, reader) for reader in (own, own, index, index)]
        for i in range(20):
            index.put([picture(f"{i} left", i), picture(f"{i} right", i)])
            if i % 3 == 0:
                index.remove([f"{i} left", f"{i} right"])
        done.set()
        assert all(watched.result() for watched in watching)
    assert len(index) == 26


def test_a_second_indexer_is_refused(index: Index, address: Address) -> None:
    with index.writer_lock():
        script = """
try:
    with index.writer_lock(): print("both")
except StoreBusy as error: print(error, error.hint)
index.put([picture("a", 1)])
"""
        said = run(address, script)
        assert f"{address}: another process is indexing into it" in said and "stop it" in said
        assert found(index, 1) == ["a"]
    assert "alone" in run(address, "with index.writer_lock(): print('alone')")
    with index.writer_lock(), pytest.raises(StoreBusy), index.writer_lock():
        pass


def test_no_acknowledged_picture_is_lost_to_a_kill(address: Address) -> None:
    acknowledged = 0
    for lines in (1, 7, 30):
        with indexing(address) as process:
            assert process.stdout is not None
            for _ in range(lines):
                acknowledged = int(process.stdout.readline())
            process.kill()
            acknowledged = int(([str(acknowledged), *process.stdout])[-1])
        with closing(address.open()) as index:
            stored = sorted(index.files())
            assert len(stored) >= acknowledged
            assert stored == [f"{i:06d}" for i in range(len(stored))] and len(stored) % 10 == 0
            ids, scores = index.search(unit(acknowledged - 1)[None], 1)
            assert index.pictures(ids[0].tolist())[0].path == f"{acknowledged - 1:06d}"
            assert scores[0, 0] == pytest.approx(1, abs=1e-3)


def test_listing_and_counting(index: Index) -> None:
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


def test_a_snapshot_is_of_one_moment(index: Index, address: Address) -> None:
    """Answers, paths, sizes and metadata belong together, whoever writes in between."""
    index.put([picture("a", 1), picture("b", 2)])
    index.set_metadata({"a": {"colour": "red"}})
    with closing(address.open()) as reader:
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


@pytest.mark.parametrize("name", ["/etc/passwd", "..", "../x.jpg", "a/../../x.jpg", "a/.."])
def test_a_store_whose_paths_lead_out_is_refused(address: Address, name: str) -> None:
    with closing(create(address)) as index:
        index.put([picture("a.jpg"), picture("b..c/..d.jpg", 1)])
        address.open().close()
        with index._database.writing() as connection:  # type: ignore[attr-defined]
            connection.execute("UPDATE path SET name = ? WHERE name = 'a.jpg'", (name,))
    for attempt in (address.open, lambda: create(address)):
        with pytest.raises(StoreDamaged, match="lies outside of the folder"):
            attempt()


@pytest.mark.parametrize("mtime_ns", [2**70, -(2**70)])
def test_times_beyond_64_bits_are_kept_as_far_as_they_go(index: Index, mtime_ns: int) -> None:
    index.put([picture("a.jpg", mtime_ns=mtime_ns)])
    index.skip([Skipped("b.jpg", 1, mtime_ns, "bad")])
    index.touch("a.jpg", size=1, mtime_ns=mtime_ns)
    index.rename("a.jpg", "c.jpg", size=1, mtime_ns=mtime_ns)
    assert abs(index.files()["c.jpg"].mtime_ns) >= 2**63 - 1


def described(index: Index, ids: list[int]) -> list[dict[str, str]]:
    return [entry.metadata for entry in index.pictures(ids)]
