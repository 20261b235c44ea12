"""The inverted file beside a store: what it finds, what has changed since, and what breaks it."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from samebut.errors import DiskFull
from samebut.index import PictureRow, acceleration, clustering, inverted_file
from samebut.index.local import LocalIndex

DIM = 16
COUNT = 3_000
MANY = 1_000
FEW = 50
GROUPS = 60
RATES = {"half": 2, "tenth": 10, "hundredth": 100}


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few pictures are many here, so that not all of them are compared."""
    monkeypatch.setattr(acceleration, "MANY", MANY)
    monkeypatch.setattr(acceleration, "_AT_ONCE", 700)
    monkeypatch.setattr(inverted_file, "FEW", FEW)
    monkeypatch.setattr(clustering, "_FEWEST", 2)


def clustered(count: int, seed: int) -> NDArray[np.float32]:
    """Rows ``(count, DIM)`` of length one, in groups."""
    centres = np.random.default_rng(99).standard_normal((GROUPS, DIM))
    dice = np.random.default_rng(seed)
    rows = centres[dice.integers(0, GROUPS, count)] + 0.3 * dice.standard_normal((count, DIM))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def pictures(rows: NDArray[np.float32], first: int = 0) -> list[PictureRow]:
    return [
        PictureRow(f"{i:05d}.jpg", 100, 1, f"digest {i}", 4, 3, row)
        for i, row in enumerate(rows, first)
    ]


def said(count: int) -> dict[str, dict[str, str]]:
    return {
        f"{i:05d}.jpg": {name: "no" if i % one_of else "yes" for name, one_of in RATES.items()}
        for i in range(count)
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of ``COUNT`` pictures with metadata, and no inverted file."""
    path = tmp_path_factory.mktemp("made") / "store.sqlite"
    with LocalIndex.create(path, dim=DIM, fingerprint="print", model="small") as index:
        index.put(pictures(clustered(COUNT, 1)))
        index.set_metadata(said(COUNT))
    return path


@pytest.fixture
def path(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(made, tmp_path / "store.sqlite"))


@pytest.fixture
def index(path: Path) -> Iterator[LocalIndex]:
    with LocalIndex.open(path, writable=True) as index:
        yield index


@pytest.fixture
def accelerated(index: LocalIndex) -> LocalIndex:
    recall = index.accelerate()
    assert recall is not None
    assert recall >= 0.99
    return index


def files(index: LocalIndex) -> list[str]:
    return sorted(each.name for each in index.path.parent.glob("*.ivf"))


@dataclass
class Truth:
    """All embeddings by their id, compared one by one."""

    index: LocalIndex

    def best(self, query: NDArray[np.float32], k: int, where: str | None = None) -> list[int]:
        ids = np.array(sorted(self.index.listing(99_999, where=where)))
        scores = self.index.embedding(ids.tolist()) @ query
        found: list[int] = ids[np.lexsort((ids, -scores))][:k].tolist()
        return found


def recall_of(index: LocalIndex, k: int, where: str | None = None) -> float:
    truth, hit = Truth(index), 0
    queries = clustered(30, 2)
    for query in queries:
        ids = index.search(query[None], k, where=where).ids[0]
        assert len(ids) == min(k, index.count(where))
        hit += len(set(ids.tolist()) & set(truth.best(query, k, where)))
    return hit / (len(queries) * k)


def test_few_pictures_need_no_file(index: LocalIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceleration, "MANY", COUNT + 1)
    assert index.accelerate() is None
    assert (files(index), index.acceleration()) == ([], None)
    assert index.ranking(clustered(1, 2)[0], 5).recall is None


def test_it_finds_nearly_all_and_says_so(accelerated: LocalIndex) -> None:
    ranking = accelerated.ranking(clustered(1, 2)[0], 10)
    assert ranking.recall is not None
    assert ranking.recall >= 0.99
    assert recall_of(accelerated, 10) >= 0.98
    np.testing.assert_array_equal(ranking.embeddings, accelerated.embedding(ranking.ids.tolist()))
    assert accelerated.accelerate() is None  # nothing has changed


def test_only_some_clusters_are_looked_into(
    accelerated: LocalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    nearest = inverted_file.InvertedFile._nearest

    def noted(self: inverted_file.InvertedFile, *args: object) -> object:
        looked.append(args[3])  # type: ignore[arg-type]
        return nearest(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(inverted_file.InvertedFile, "_nearest", noted)
    accelerated.search(clustered(1, 2), 10)
    accelerated.search(clustered(1, 2), 10, exact=True)
    clusters = acceleration.clusters_for(COUNT)
    assert looked[0] < 0.3 * clusters
    assert looked[1] == clusters


def test_exact_is_what_a_store_without_the_file_answers(
    accelerated: LocalIndex, made: Path
) -> None:
    queries = clustered(7, 3)
    asked: list[dict[str, object]] = [
        {},
        {"where": "half = 'yes'"},
        {"where": "hundredth = 'no'", "exclude": [5, 77, 99_999]},
        {"exclude": list(range(1, 2_000))},
    ]
    with LocalIndex.open(made) as plain:
        for how in asked:
            for k in (1, 10, 700):
                found = accelerated.search(queries, k, exact=True, **how)  # type: ignore[arg-type]
                expected = plain.search(queries, k, **how)  # type: ignore[arg-type]
                np.testing.assert_array_equal(found.ids, expected.ids)
                np.testing.assert_array_equal(found.scores, expected.scores)
        np.testing.assert_array_equal(accelerated.sampled(queries), plain.sampled(queries))
        found = accelerated.search(queries[:1], 5)
        assert set(found.scores[0]) <= set(plain.search(queries[:1], COUNT).scores[0])


@pytest.mark.parametrize("rate", RATES)
def test_behind_a_filter(accelerated: LocalIndex, rate: str) -> None:
    where = f"{rate} = 'yes'"
    assert recall_of(accelerated, 10, where) >= 0.98
    exact = accelerated.ranking(clustered(1, 2)[0], 10, where=where).recall is None
    assert exact == (accelerated.count(where) <= FEW)


def test_a_filter_that_goes_against_the_query(accelerated: LocalIndex) -> None:
    """All that pass lie where the query does not."""
    query = clustered(1, 2)[0]
    ids = Truth(accelerated).best(-query, 400)
    names = {entry.path for entry in accelerated.pictures(ids)}
    rows = {f"{i:05d}.jpg": {"far": "yes"} for i in range(COUNT) if f"{i:05d}.jpg" in names}
    accelerated.set_metadata(rows)
    found = accelerated.search(query[None], 10, where="far = 'yes'").ids[0].tolist()
    assert len(set(found) & set(Truth(accelerated).best(query, 10, "far = 'yes'"))) >= 9


def test_more_than_the_clusters_hold_is_still_found(accelerated: LocalIndex) -> None:
    query = clustered(1, 2)
    assert sorted(accelerated.search(query, COUNT).ids[0]) == list(range(1, COUNT + 1))


def test_equal_scores_are_in_the_order_of_their_ids(index: LocalIndex) -> None:
    row = clustered(1, 5)[0]
    index.put(pictures(np.stack([row] * 60), COUNT))
    assert index.accelerate() is not None
    for exact in (False, True):
        found = index.search(row[None], 20, exact=exact)
        assert found.ids[0].tolist() == list(range(COUNT + 1, COUNT + 21))


def test_what_changed_since_is_found_and_what_left_is_not(
    accelerated: LocalIndex, made: Path, tmp_path: Path
) -> None:
    query = clustered(1, 2)
    best = accelerated.search(query, 8, exact=True).ids[0].tolist()
    first, second, third = (entry.path for entry in accelerated.pictures(best[:3]))
    before = accelerated._searcher._loaded
    far = -query[0]
    other = Path(shutil.copy(made, tmp_path / "other"))
    with LocalIndex.open(other, writable=True) as plain:
        for each in (accelerated, plain):
            each.remove([first])
            each.rename(second, "renamed.jpg", size=1, mtime_ns=1)
            each.put([PictureRow(third, 1, 1, "other", 4, 3, far)])
            each.put([PictureRow("new.jpg", 1, 1, "new", 4, 3, query[0])])
        for k in (1, 5, 300):
            found, expected = accelerated.search(query, k), plain.search(query, k)
            np.testing.assert_array_equal(found.ids[:, :5], expected.ids[:, :5])
            exact = accelerated.search(query, k, exact=True)
            np.testing.assert_array_equal(exact.ids, expected.ids)
            np.testing.assert_array_equal(exact.scores, expected.scores)
        np.testing.assert_array_equal(accelerated.sampled(query), plain.sampled(query))
    ids = accelerated.search(query, 5).ids[0].tolist()
    assert accelerated.id_of("new.jpg") == ids[0]
    assert accelerated.id_of("renamed.jpg") == ids[1]
    assert not set(best[:3]) & set(ids)
    ranking = accelerated.ranking(query[0], 5)
    np.testing.assert_array_equal(ranking.embeddings, accelerated.embedding(ids))
    after = accelerated._searcher._loaded
    assert before is not None
    assert after is not None
    assert before[1]._file is after[1]._file  # type: ignore[union-attr]


def test_any_sequence_of_changes(accelerated: LocalIndex, made: Path, tmp_path: Path) -> None:
    dice = np.random.default_rng(7)
    queries = clustered(3, 8)
    other = Path(shutil.copy(made, tmp_path / "other"))
    with LocalIndex.open(other, writable=True) as plain:
        for step in range(12):
            names = [f"{i:05d}.jpg" for i in dice.integers(0, COUNT, 12)]
            rows = clustered(12, 100 + step)
            for each in (accelerated, plain):
                each.remove(names[:4])
                each.put(
                    [
                        PictureRow(name, 1, 1, f"{step} {name}", 4, 3, row)
                        for name, row in zip(names[2:], rows, strict=False)
                    ]
                )
            if step == 8:
                assert accelerated.accelerate() is None or len(files(accelerated)) == 1
            for where in (None, "half = 'yes'", "not half = 'yes'", "hundredth = 'yes'"):
                found = accelerated.search(queries, 20, where=where, exact=True)
                expected = plain.search(queries, 20, where=where)
                np.testing.assert_array_equal(found.ids, expected.ids)
                there = set(plain.search(queries[:1], COUNT, where=where).ids[0].tolist())
                some = accelerated.search(queries[:1], 20, where=where).ids[0].tolist()
                assert len(set(some)) == min(20, len(there))
                assert set(some) <= there


def test_it_is_made_anew_when_enough_has_changed(
    accelerated: LocalIndex, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (old,) = files(accelerated)
    with LocalIndex.open(path) as reader:
        assert reader.ranking(clustered(1, 2)[0], 5).recall is not None
        accelerated.put(pictures(clustered(COUNT // 20, 3), COUNT))
        assert accelerated.accelerate() is None  # a twentieth is not enough yet
        accelerated.put(pictures(clustered(10, 4), 2 * COUNT))
        kept = accelerated.acceleration()
        assert kept is not None
        assert kept.changed == COUNT // 20 + 10
        assert accelerated.accelerate() is not None
        (new,) = files(accelerated)
        assert new != old
        found = reader.search(clustered(10, 4), 1)
        assert [each.path for each in reader.pictures(found.ids[:, 0].tolist())] == [
            f"{2 * COUNT + i:05d}.jpg" for i in range(10)
        ]
        kept = reader.acceleration()
        assert kept is not None
        assert (kept.pictures, kept.changed) == (COUNT + COUNT // 20 + 10, 0)
    monkeypatch.setattr(acceleration, "RECENT", 3)
    accelerated.put(pictures(clustered(4, 5), 3 * COUNT))
    assert accelerated.accelerate() is not None


def test_what_changes_while_it_is_made_is_not_lost(
    index: LocalIndex, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written between the moment that the file is of and the moment that it is put in place."""
    write = clustering.Clustering.write
    query = clustered(1, 2)
    (best,) = index.search(query, 1).ids[0].tolist()

    def changing(self: clustering.Clustering, target: Path) -> None:
        assert index.ranking(query[0], 5).recall is None  # searches go on
        with LocalIndex.open(path, writable=True) as other:
            other.put([PictureRow("new.jpg", 1, 1, "new", 4, 3, query[0])])
            other.remove([entry.path for entry in other.pictures([best])])
        write(self, target)

    monkeypatch.setattr(clustering.Clustering, "write", changing)
    assert index.accelerate() is not None
    ranking = index.ranking(query[0], 5)
    assert ranking.recall is not None
    assert ranking.ids[0] == index.id_of("new.jpg")
    assert best not in ranking.ids


def broken(target: Path, how: str) -> None:
    content = bytearray(target.read_bytes())
    if how == "flipped":
        content[len(content) // 2] ^= 4
        target.write_bytes(content)
    elif how == "cut":
        target.write_bytes(content[: len(content) // 2])
    elif how == "empty":
        target.write_bytes(b"")
    else:
        target.unlink()


@pytest.mark.parametrize("how", ["flipped", "cut", "empty", "gone"])
def test_a_broken_file_is_found_and_made_anew(
    accelerated: LocalIndex, path: Path, made: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    (name,) = files(accelerated)
    broken(path.with_name(name), how)
    query = clustered(1, 2)
    with LocalIndex.open(path) as reader, LocalIndex.open(made) as plain:
        with caplog.at_level(logging.WARNING):
            ranking = reader.ranking(query[0], 10)
        assert ranking.recall is None
        np.testing.assert_array_equal(ranking.ids, plain.search(query, 10).ids[0])
        assert name in caplog.text
        assert "all pictures are compared" in caplog.text
        examined = reader.acceleration()
        assert examined is not None
        assert name in examined.fault
        assert reader.accelerate() is not None  # also through a store that is open for reading
        assert reader.ranking(query[0], 10).recall is not None
    (new,) = files(accelerated)
    assert new != name


def test_what_the_store_says_of_it_may_be_damaged_too(accelerated: LocalIndex) -> None:
    with accelerated._database.writing() as connection:
        connection.execute("UPDATE inverted_file SET probes = '[[1'")
    assert accelerated.ranking(clustered(1, 2)[0], 10).recall is None
    assert accelerated.accelerate() is not None


def test_another_model_throws_it_away(accelerated: LocalIndex) -> None:
    rows = clustered(MANY + 1, 3)[:, :8]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    with LocalIndex.open(accelerated.path) as reader:
        accelerated.replace_model(fingerprint="other", dim=8, model="large")
        accelerated.put(pictures(rows[:MANY]))
        assert accelerated.search(rows[:1], 1).ids.tolist() == [[1]]
        assert accelerated.acceleration() is None
        assert reader.ranking(clustered(1, 2)[0], 10).recall is not None
    accelerated.publish()
    assert accelerated.acceleration() is None
    assert accelerated.accelerate() is not None
    accelerated.put(pictures(rows[MANY:], MANY))
    found = accelerated.acceleration()
    assert found is not None and (found.pictures, found.changed) == (MANY, 1)
    assert accelerated.search(rows[MANY:], 1).ids.tolist() == [[MANY + 1]]


def test_a_model_that_comes_while_it_is_made(
    index: LocalIndex, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = clustering.Clustering.write

    def replacing(self: clustering.Clustering, target: Path) -> None:
        with LocalIndex.open(path, writable=True) as other:
            other.replace_model(fingerprint="other", dim=DIM, model="large")
            other.publish()
        write(self, target)

    monkeypatch.setattr(clustering.Clustering, "write", replacing)
    assert index.accelerate() is None
    assert files(index) == []


def test_a_full_disk_leaves_all_as_it_was(
    index: LocalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: clustering.Clustering, target: Path) -> None:
        target.write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(clustering.Clustering, "write", full)
    with pytest.raises(DiskFull, match="No space left"):
        index.accelerate()
    assert files(index) == []
    assert len(index.search(clustered(1, 2), 5).ids[0]) == 5


KILLED = """
import os, sys
from pathlib import Path
from samebut.index import acceleration, clustering, beside
from samebut.index.local import LocalIndex

acceleration.MANY = 1_000
place, left = sys.argv[2].split(":")
owner = {"place": clustering.Clustering, "write": clustering.Clustering, "keep": beside}[place]
whole, left = getattr(owner, place), int(left)

def dying(*given):
    global left
    if left == 0:
        os.kill(os.getpid(), 9)
    left -= 1
    if place == "write":
        whole(*given)
        os.kill(os.getpid(), 9)
    return whole(*given)

setattr(owner, place, dying)
acceleration._AT_ONCE = 1_000
LocalIndex.open(Path(sys.argv[1]), writable=True).accelerate()
"""


@pytest.mark.skipif(os.name != "posix", reason="kills as POSIX does")
@pytest.mark.parametrize("when", ["place:0", "place:2", "write:0", "write:1", "keep:0"])
def test_killed_while_it_is_made(path: Path, made: Path, when: str) -> None:
    command = [sys.executable, "-c", KILLED, str(path), when]
    died = subprocess.run(command, check=False, capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL, died.stderr
    query = clustered(1, 2)
    with LocalIndex.open(path, writable=True) as index, LocalIndex.open(made) as plain:
        assert index.ranking(query[0], 9).recall is None
        np.testing.assert_array_equal(index.search(query, 9).ids, plain.search(query, 9).ids)
        index.put([PictureRow("new.jpg", 1, 1, "new", 4, 3, query[0])])
        assert index.accelerate() is not None
        assert len(files(index)) == 1
        ranking = index.ranking(query[0], 1)
        assert ranking.recall is not None
        assert ranking.ids.tolist() == [index.id_of("new.jpg")]


def test_one_makes_it_while_another_waits_for_nothing(
    index: LocalIndex, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, inside, go_on = clustering.Clustering.write, threading.Event(), threading.Event()

    def slow(self: clustering.Clustering, target: Path) -> None:
        inside.set()
        assert go_on.wait(30)
        write(self, target)

    monkeypatch.setattr(clustering.Clustering, "write", slow)
    with ThreadPoolExecutor(1) as pool, LocalIndex.open(path) as other:
        making = pool.submit(index.accelerate)
        assert inside.wait(30)
        assert other.accelerate() is None
        assert other.ranking(clustered(1, 2)[0], 5).recall is None
        go_on.set()
        assert making.result() is not None
        assert other.ranking(clustered(1, 2)[0], 5).recall is not None


def test_a_copy_that_goes_its_own_way(accelerated: LocalIndex, path: Path, tmp_path: Path) -> None:
    """Two stores that began as one: what one makes anew is never taken for the other's."""
    folder = tmp_path / "copy"
    folder.mkdir()
    accelerated.close()
    for each in (path, *path.parent.glob("*.ivf")):
        shutil.copy(each, folder / each.name)
    query = clustered(1, 2)
    with (
        LocalIndex.open(path, writable=True) as one,
        LocalIndex.open(folder / path.name, writable=True) as other,
    ):
        other.put([PictureRow("new.jpg", 1, 1, "new", 4, 3, query[0])])
        assert other.ranking(query[0], 1).recall is not None
        one.put(pictures(clustered(COUNT // 10, 3), COUNT))
        assert one.accelerate() is not None
        for each in path.parent.glob("*.ivf"):
            shutil.copy(each, folder / each.name)
        assert other.search(query, 1).ids[0].tolist() == [other.id_of("new.jpg")]


def test_searches_by_many_threads_while_it_is_made_and_put_in_place(index: LocalIndex) -> None:
    queries = clustered(8, 6)
    expected = index.search(queries, 10, exact=True)
    done = threading.Event()

    def ask() -> set[bool]:
        seen = set()
        while True:
            last = done.is_set()
            for place, query in enumerate(queries):
                ranking = index.ranking(query, 10)
                seen.add(ranking.recall is None)
                same = set(ranking.ids.tolist()) & set(expected.ids[place].tolist())
                assert len(same) >= 8
            if last:
                return seen

    with ThreadPoolExecutor(3) as pool:
        asking = [pool.submit(ask) for _ in range(3)]
        assert index.accelerate() is not None
        done.set()
        assert all(False in asked.result() for asked in asking)
