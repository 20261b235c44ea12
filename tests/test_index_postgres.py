"""The store on a server: what is PostgreSQL's own (all else is in test_index_contract.py)."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from postgres_server import PostgresServer
from samebut.errors import (
    FilterError,
    FingerprintMismatch,
    StoreBusy,
    StoreError,
    StoreMissing,
    StoreNewer,
)
from samebut.gallery import Gallery
from samebut.index import Address, Index, PictureRow
from samebut.index.address import address_of
from samebut.index.local import StoreFile
from samebut.index.postgres import graph, schema
from samebut.index.postgres import index as postgres_index
from samebut.index.postgres.adapt import escaped, unescaped
from samebut.index.postgres.database import Link
from samebut.index.postgres.index import PostgresIndex
from samebut.index.sql import Halves
from samebut.index.where import Among, And, Compare, Filter, Missing, Not, Or
from stores import create, found, indexing, picture, unit


@pytest.fixture
def address(postgres: PostgresServer) -> Address:
    return address_of(postgres.url())


@pytest.fixture
def index(address: Address) -> Iterator[PostgresIndex]:
    with closing(create(address)) as index:
        assert isinstance(index, PostgresIndex)
        yield index


CELLS = {
    "colour": [
        "blue",
        "Blue",
        "ｂｌｕｅ",
        "light blue",
        "RED",
        "蓝",
        "b%ue",
        "b_ue",
        "a\\b",
        "N/A",
        "",
    ],
    "price": ["$19.90", "$5", "1,299.00", "19.90 USD", "ask us", "", "-"],
    "long": ["10 cm", "1 m", "50cm", "S", "70", ""],
    "added": ["2024-05-01", "1 June 2024", "2023-01-01 12:00", "soon", ""],
    "new": ["yes", "FALSE", "是", "n", "无", ""],
    "size": ["S", "M", "38", "038", "4.5", ""],
    "title": [
        "Straße",
        'it\'s "1"',
        "100 % wool",
        "\u00e9te\u0301",
        "\U0010fffe",
        "\U0010ffff",
        "",
    ],
}
ASKED = {
    "colour": ["blue", "BLUE", "蓝", "red", "a\\b", "b%", "%ue", "_lue", "b_ue", "nothing"],
    "price": [5.0, 19.9, "19.90", "$50", "ask us", 1e6],
    "long": [40.0, "0.5 m", "s", "70 cm"],
    "added": [2024.0, 2023.0, "2024-05", "2023-01-01", "2024-06-01"],
    "new": ["yes", "no"],
    "size": [38.0, 4.5, "38", "m", "s", 0.0],
    "title": ["strasse", 'it\'s "1"', "100 %", "100 \\%", "%wool", "été", "\U0010ffff"],
}


def filters(seed: int) -> Iterator[Filter]:
    """Trees of tests, without end."""
    dice = random.Random(seed)

    def test() -> Filter:
        column = dice.choice(sorted(ASKED))
        values = ASKED[column]
        match dice.randrange(6):
            case 0:
                return Missing(column)
            case 1:
                return Among(column, tuple(dice.sample(values, dice.randint(1, len(values)))))
            case 2:
                texts = [value for value in values if isinstance(value, str)]
                return Compare(column, dice.choice(["like", "contains"]), dice.choice(texts))
            case _:
                operator = dice.choice(["=", "=", "<", "<=", ">", ">="])
                return Compare(column, operator, dice.choice(values))

    def tree(depth: int) -> Filter:
        match dice.randrange(5) if depth else 0:
            case 1:
                return Not(tree(depth - 1))
            case 2:
                return And(tuple(tree(depth - 1) for _ in range(dice.randint(2, 3))))
            case 3:
                return Or(tuple(tree(depth - 1) for _ in range(dice.randint(2, 3))))
            case _:
                return test()

    while True:
        yield tree(3)


def answer(index: Index, where: Filter) -> list[int] | str:
    try:
        return index.listing(99, where=where)
    except FilterError as error:
        return str(error)


def test_a_thousand_filters_let_the_same_pictures_through(
    index: PostgresIndex, tmp_path: Path
) -> None:
    dice = random.Random(1)
    rows = {
        f"{i:02d}": {column: dice.choice(cells) for column, cells in CELLS.items()}
        for i in range(60)
    }
    with closing(create(StoreFile(tmp_path / "store"))) as embedded:
        for store in (embedded, index):
            store.put([picture(name, int(name)) for name in rows if int(name) % 7])
            store.set_metadata(rows)
        assert index.readings() == embedded.readings()
        assert index.facets(9) == embedded.facets(9)
        lengths = set()
        chosen = list(islice(filters(2), 1000))
        with embedded.snapshot(), index.snapshot():
            answers = [(answer(embedded, where), answer(index, where)) for where in chosen]
        for where, (expected, said) in zip(chosen, answers, strict=True):
            assert said == expected, str(where)
            if isinstance(expected, str):  # both refuse it in the same words
                continue
            if len(lengths) < 20:
                assert index.count(where) == len(expected)
                asked = unit(5)[None]
                theirs, ours = (i.search(asked, 9, where=where) for i in (embedded, index))
                np.testing.assert_array_equal(ours.ids, theirs.ids)
                np.testing.assert_allclose(ours.scores, theirs.scores, rtol=1e-5, atol=1e-6)
                assert index.why_nothing(where) == embedded.why_nothing(where)
            lengths.add(len(expected))
        assert {0, 51} < lengths and len(lengths) > 30
        np.testing.assert_allclose(
            index.sampled(unit(5)[None]), embedded.sampled(unit(5)[None]), atol=1e-6
        )


def test_names_and_values_may_be_longer_than_a_b_tree_takes(index: PostgresIndex) -> None:
    dice = np.random.default_rng(1)
    long = ["".join(map(chr, dice.integers(0x4E00, 0x9FFF, 3000))) for _ in range(3)]
    index.put([picture(name, seed) for seed, name in enumerate(long)])
    index.put([picture(long[0], 9)])
    index.describe({n: {"text": (n,), n[:2000]: ("x",)} for n in long}, {n: n for n in long})
    assert [index.id_of(name) for name in long] == [1, 2, 3]
    assert index.count(f"text = '{long[1]}'") == 1
    assert [e.path for e in index.pictures(index.listing(9))] == sorted(long)


@pytest.mark.parametrize(
    "text", ["", "a", "蓝", "a\udcff\ud800b", "\U0010ffff", "\U0010ffff00d800"]
)
def test_any_name_is_kept(text: str) -> None:
    kept = escaped(text)
    assert unescaped(kept) == text
    assert (kept.encode() and kept.isascii()) or text in ("", "蓝") or "\U0010ffff" in kept


def test_no_acknowledged_picture_is_lost_when_the_server_is_killed(
    postgres: PostgresServer, address: Address
) -> None:
    with closing(create(address)) as index:
        for lines in (3, 12):
            with indexing(address) as process:
                assert process.stdout is not None
                said = [int(process.stdout.readline()) for _ in range(lines)]
                postgres.kill()
                said += [int(line) for line in process.stdout]
                assert process.wait() == 1
            with pytest.raises(StoreError, match="the server"):
                index.files()
            postgres.start()
            stored = sorted(index.files())
            assert stored == [f"{i:06d}" for i in range(len(stored))]
            assert 0 <= len(stored) - said[-1] <= 10 and len(stored) % 10 == 0
            assert found(index, said[-1] - 1, 1) == [f"{said[-1] - 1:06d}"]
            assert index.damaged() == []
            index.put([picture(f"{i:06d}", i) for i in range(len(stored), len(stored) + 10)])


def test_an_indexer_that_lost_its_lock_writes_no_more(
    postgres: PostgresServer, index: PostgresIndex
) -> None:
    with index.writer_lock():
        index.put([picture("a", 1)])
        with postgres.connect() as administrator:
            administrator.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
            )
        with pytest.raises(StoreError, match="the server says"):
            index.put([picture("b", 2)])
    with index.writer_lock():
        index.put([picture("c", 3)])
    assert sorted(index.files()) == ["a", "c"]


def test_searches_go_on_while_another_model_fills_its_own_tables(
    index: PostgresIndex, address: Address
) -> None:
    index.put([picture(f"{i}", i) for i in range(20)])
    index.set_metadata({"3": {"colour": "blue"}})
    index.keep_folder("/photos")
    filled = threading.Event()
    answers: list[tuple[str, int]] = []

    def search() -> None:
        with closing(address.open()) as reader:
            while True:
                try:
                    ids = reader.search(unit(3)[None], 99).ids
                    answers.append((reader.fingerprint, ids.shape[1]))
                except FingerprintMismatch:
                    assert filled.is_set()
                    return

    reader = threading.Thread(target=search)
    reader.start()
    with index.writer_lock():
        index.replace_model(fingerprint="other", dim=4, model="large")
        for i in range(0, 15, 5):
            index.put([picture(f"{j}", j, embedding=unit(j, 4)) for j in range(i, i + 5)])
        while len(answers) < 20:
            time.sleep(0.01)
        filled.set()
        index.publish()
    reader.join()
    assert set(answers) == {("print", 20)}
    with closing(address.open()) as again:
        assert (again.fingerprint, len(again), again.folder) == ("other", 15, "/photos")
        assert again.search(unit(3, 4)[None], 9, where="colour = 'blue'").ids.tolist() == [[4]]
    with index._database.reading() as link:
        schemas = link.execute(
            "SELECT count(*) FROM pg_namespace WHERE nspname LIKE ?",
            (f"{index._database.server.schema}\\_m%",),
        ).fetchone()
    assert schemas == (1,)


@pytest.fixture(scope="module")
def clusters(postgres: PostgresServer) -> Iterator[PostgresIndex]:
    """3,000 pictures in 60 clusters, which a graph is kept of; ``part`` is said of each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgres_index, "GRAPH_FROM", 1000)
        patch.setattr(postgres_index, "EXACT_BELOW", 100)
        # So few pictures the server would compare by itself, and not ask the graph.
        patch.setattr(schema, "SETTINGS", f"{schema.SETTINGS}; SET enable_seqscan = off")
        patch.setattr(graph, "COUNTS", (10, 100))
        patch.setattr(graph, "QUERIES", 4)
        yield from clustered(address_of(postgres.url()))


def clustered(address: Address) -> Iterator[PostgresIndex]:
    dice = np.random.default_rng(3)
    centres = dice.standard_normal((60, 32))
    rows = centres[dice.integers(0, 60, 3000)] + 0.6 * dice.standard_normal((3000, 32))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    with closing(address.create(dim=32, fingerprint="f", model="m")) as index:
        assert isinstance(index, PostgresIndex)
        for at in range(0, 3000, 500):
            index.put(
                [
                    PictureRow(f"{i:04d}", 1, 1, f"{i}", 1, 1, rows[i].astype(np.float32))
                    for i in range(at, at + 500)
                ]
            )
        part = ["hundredth", *["rest"] * 99]
        part[1::10] = ["tenth"] * 10
        index.set_metadata({f"{i:04d}": {"part": part[i % 100]} for i in range(3000)})
        assert not has_graph(index)
        index.publish()
        yield index


def has_graph(index: PostgresIndex) -> bool:
    with index._database.reading() as link:
        return graph.is_there(link)


def test_the_graph_finds_what_a_comparison_of_all_finds(clusters: PostgresIndex) -> None:
    assert has_graph(clusters)
    every = clusters.embedding(clusters.listing(3000))
    ids = np.array(clusters.listing(3000))
    queries = every[::97] + 0.05 * np.random.default_rng(4).standard_normal(every[::97].shape)
    queries = (queries / np.linalg.norm(queries, axis=1, keepdims=True)).astype(np.float32)
    for where, keeps in (
        (None, np.full(3000, True)),
        ("part = 'hundredth'", ids % 100 == 1),
        ("part = 'tenth'", ids % 10 == 2),
        ("part != 'tenth'", ids % 10 != 2),
    ):
        excluded = ids[keeps][0]
        allowed = keeps & (ids != excluded)
        scores = np.where(allowed, queries @ every.T, -9)
        best = ids[np.argsort(-scores, axis=1)[:, :10]]
        result = clusters.search(queries, 10, where=where, exclude=[int(excluded)])
        shared = [len(set(a) & set(b)) / 10 for a, b in zip(result.ids, best, strict=True)]
        assert np.mean(shared) >= (1 if where == "part = 'hundredth'" else 0.98)
        np.testing.assert_allclose(
            result.scores, np.sort(scores, axis=1)[:, ::-1][:, :10], atol=0.02
        )
        assert excluded not in result.ids


def test_an_answer_of_the_graph_says_how_much_of_the_truth_it_has(
    clusters: PostgresIndex,
) -> None:
    with clusters._database.reading() as link:
        measured = graph.measured(link)
        assert measured is not None and measured.pictures == 3000
        every = clusters.embedding(clusters.listing(3000))
        asked = measure_again(link, clusters)
    assert measured == asked and 0.9 < measured.recalls[10] <= 1
    for where, recall in (
        (None, measured.recalls[10]),
        ("part != 'tenth'", measured.recalls[10]),
        ("part = 'hundredth'", None),
    ):
        assert clusters.ranking(every[0], 10, where=where).recall == recall
    assert clusters.ranking(every[0], 10, exact=True).recall is None
    assert clusters.ranking(every[0], 101).recall is None  # never measured for so many


def measure_again(link: Link, index: PostgresIndex) -> graph.GraphRecall | None:
    return graph.measure(link, index._spread(link))


def test_a_graph_that_finds_little_says_so(clusters: PostgresIndex) -> None:
    with clusters._database.reading() as link:
        link.execute("SET LOCAL hnsw.ef_search = 1")
        link.execute("SET LOCAL hnsw.iterative_scan = off")
        measured = measure_again(link, clusters)
    assert measured is not None and measured.recalls[10] < 0.5


def test_a_graph_that_nobody_measured_is_not_searched_until_the_next_run(
    clusters: PostgresIndex,
) -> None:
    with clusters._database.reading() as link:
        before = graph.measured(link)
    for comment in ("NULL", "'mine'", "'[1]'"):
        with clusters._database.writing() as link:
            link.execute(f"COMMENT ON INDEX embedding_graph IS {comment}")
        assert clusters.ranking(clusters.embedding([1])[0], 10).recall is None
    clusters.publish()
    with clusters._database.reading() as link:
        assert graph.measured(link) == before


def test_a_graph_is_measured_again_when_a_twentieth_of_the_pictures_came_or_left(
    address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_index, "GRAPH_FROM", 40)
    monkeypatch.setattr(schema, "SETTINGS", f"{schema.SETTINGS}; SET enable_seqscan = off")
    monkeypatch.setattr(graph, "COUNTS", (5,))
    monkeypatch.setattr(graph, "QUERIES", 1)
    measured: list[int] = []
    measure = graph.measure

    def noted(link: Link, sample: NDArray[np.float32]) -> graph.GraphRecall | None:
        measured.append(len(index))
        return measure(link, sample)

    monkeypatch.setattr(graph, "measure", noted)

    def come(*seeds: int) -> None:
        index.put([picture(f"{seed}", seed) for seed in seeds])

    with closing(create(address)) as index:
        assert isinstance(index, PostgresIndex)
        come(*range(40))
        index.publish()
        assert measured == [40]
        come(40, 41)  # a twentieth, which is not more than one
        index.publish()
        assert measured == [40]
        come(42)
        index.publish()
        assert measured == [40, 43]
        index.remove(["0", "1"])
        index.publish()
        assert measured == [40, 43]
        come(43, 44)  # with those that left, though there are as many as before
        index.publish()
        assert measured == [40, 43, 43]
        index.remove(["2", "3"])
        come(0)  # a path that had its id before the graph was measured
        index.publish()
        assert measured == [40, 43, 43]
        index.remove(["4", "5"])
        index.publish()
        assert measured == [40, 43, 43, 40]
        with index._database.writing() as link:  # as samebut 0.2.0 kept it
            link.execute("COMMENT ON INDEX embedding_graph IS '[40, [[5, 0.75]]]'")
        assert index.ranking(unit(1), 5).recall == 0.75
        index.publish()
        assert measured == [40, 43, 43, 40, 40]
        index.remove(list(index.files()))
        index.publish()
        assert found(index, 1) == []


def test_a_graph_that_gives_up_is_no_reason_to_answer_with_less(
    clusters: PostgresIndex,
) -> None:
    with clusters._database.reading() as link:
        link.execute("SET LOCAL hnsw.max_scan_tuples = 1")
        link.execute("SET LOCAL hnsw.ef_search = 1")
        found = clusters.search(clusters.embedding([1]), 250, where="part = 'tenth'")
    assert found.ids.shape == (1, 250)
    assert set(found.ids[0] % 10) == {2}


def test_another_models_graph_is_there_before_its_pictures_are_searched(
    index: PostgresIndex, address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_index, "GRAPH_FROM", 5)
    index.put([picture(f"{i}", i) for i in range(4)])
    index.publish()
    assert not has_graph(index)
    index.put([picture("4", 4)])
    index.publish()
    assert has_graph(index)
    index.replace_model(fingerprint="other", dim=4, model="large")
    index.put([picture(f"{i}", i, embedding=unit(i, 4)) for i in range(5)])
    assert not has_graph(index)
    index.publish()
    with closing(address.open()) as reader:
        assert isinstance(reader, PostgresIndex)
        assert (reader.fingerprint, has_graph(reader)) == ("other", True)


def test_a_graph_is_built_by_one_process_where_shared_memory_is_short(
    index: PostgresIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = f"""DO $$ BEGIN IF current_setting('max_parallel_maintenance_workers') <> '0' THEN
        RAISE SQLSTATE '53100'; END IF; {graph._MAKE}; END $$"""
    monkeypatch.setattr(postgres_index, "GRAPH_FROM", 1)
    monkeypatch.setattr(graph, "_MAKE", short)
    index.put([picture("a", 1)])
    index.publish()
    assert has_graph(index)


def test_a_batch_is_stored_in_a_few_statements_planned_for_the_tables_as_they_are(
    index: PostgresIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []
    execute, executemany = Link.execute, Link.executemany

    def noted(link: Link, sql: str, parameters: Sequence[object] = (), /) -> object:
        statements.append(sql)
        return execute(link, sql, parameters)

    def noted_each(link: Link, sql: str, parameters: Iterable[Sequence[object]], /) -> object:
        every = list(parameters)
        statements.extend([sql] * len(every))
        return executemany(link, sql, every)

    monkeypatch.setattr(Link, "execute", noted)
    monkeypatch.setattr(Link, "executemany", noted_each)
    counts = []
    for number in (3, 300):
        statements.clear()
        index.put([picture(f"{number}/{i}", number * i) for i in range(number)])
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 20
    with index._database.reading() as link:
        assert link.execute("SHOW plan_cache_mode").fetchone() == ("force_custom_plan",)


def test_damage_is_found_by_the_digests(index: PostgresIndex) -> None:
    index.put([picture(f"{n}.jpg", n) for n in range(5)])
    index.touch("0.jpg", size=7, mtime_ns=8)
    index.rename("1.jpg", "one.jpg", size=9, mtime_ns=10)
    index.remove(["2.jpg"])
    assert index.damaged() == []
    with index._database.writing() as link:
        flipped = bytearray(unit(4).astype("<f2").tobytes())
        flipped[3] ^= 1
        link.execute("UPDATE embedding SET vector = ? WHERE id = 5", (Halves(flipped),))
        link.execute("UPDATE picture SET width = 5 WHERE id = 4")
        link.execute("DELETE FROM picture WHERE id = ?", (index.id_of("one.jpg"),))
    assert sorted(set(index.damaged())) == ["3.jpg", "4.jpg", "one.jpg"]


def test_a_store_that_is_not_there_or_can_not_be_used(
    postgres: PostgresServer, index: PostgresIndex, address: Address
) -> None:
    with pytest.raises(StoreMissing, match="nothing is indexed here yet"):
        address_of(postgres.url()).open()
    with closing(address.open()) as reader, pytest.raises(StoreError, match="can't be written"):
        reader.put([picture("a", 1)])
    with index._database.writing() as link:
        link.execute(f"UPDATE {index._database.server.schema}.store SET version = 99")
    with pytest.raises(StoreNewer, match="version 99"):
        address.open()


def test_a_store_that_was_dropped_and_made_again_is_searched(
    postgres: PostgresServer, index: PostgresIndex, address: Address
) -> None:
    name = index._database.server.schema
    index.put([picture("old", 1)])
    with closing(address.open()) as reader:
        assert found(reader, 1) == ["old"]
        with postgres.connect() as administrator:
            administrator.execute(f"DROP SCHEMA {name}, {name}_m1 CASCADE")
        with pytest.raises(StoreMissing):
            reader.files()
        with closing(create(address)) as made:
            made.put([picture("new", 1)])
        assert found(reader, 1) == ["new"]


def test_a_database_without_pgvector(postgres: PostgresServer) -> None:
    with postgres.connect() as administrator:
        administrator.execute("CREATE DATABASE plain")
        administrator.execute("CREATE ROLE somebody LOGIN")
        administrator.execute("GRANT CREATE ON DATABASE plain TO somebody")
    url = postgres.url("plain").replace("samebut@", "somebody@")
    with pytest.raises(StoreError, match="does not have the extension vector") as caught:
        create(address_of(url))
    assert "CREATE EXTENSION vector" in caught.value.hint


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:s3cret@host/db",
        "postgresql://me@host/db?password=s3cret",
        "postgresql://me@host/db?sslpassword=s3cret",
        "postgresql://me:s3cret%zz@host/db",
        "postgresql://me:s3cret@host/db?nonsense=1",
        "postgres://me:s3cret@ho st/db#name",
    ],
)
def test_a_password_in_an_address_is_refused_and_told_to_nobody(url: str) -> None:
    with pytest.raises(StoreError) as caught:
        address_of(url)
    error: BaseException | None = caught.value
    while error is not None:
        assert "s3cret" not in f"{error} {getattr(error, 'hint', '')}"
        error = error.__cause__


def test_a_password_of_the_environment_is_told_to_nobody(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PGPASSWORD", "s3cret")
    address = address_of(f"postgresql://me@/db?host={tmp_path}#shop")
    with pytest.raises(StoreError, match="can't be reached") as caught:
        address.open()
    assert "s3cret" not in f"{caught.value} {caught.value.__cause__} {address!r}"
    assert str(address) in str(caught.value)


@pytest.mark.parametrize("name", ["A", "1", "a-b", 'a"b', "a" * 41, "é", "a;b"])
def test_a_name_that_is_none_for_a_schema_is_refused(name: str) -> None:
    with pytest.raises(StoreError, match="can't be the name of a schema"):
        address_of(f"postgresql://host/db#{name}")


def test_another_writer_is_waited_for_and_told(
    index: PostgresIndex, address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    from samebut.index.postgres import database

    monkeypatch.setattr(database, "_WRITE", database._WRITE.replace("10s", "100ms"))
    with (
        closing(address.open(writable=True)) as other,
        index._database.writing(),
        pytest.raises(StoreBusy, match="another process is writing to it"),
    ):
        other.put([picture("a", 1)])


def test_a_gallery_on_a_server(address: Address, photos: Path) -> None:
    """Indexed, updated, described and searched as one in its folder."""

    def hits(store: Address | None) -> list[tuple[str, float]]:
        with Gallery.open(photos, store=store) as gallery:
            results = gallery.similar(gallery.index.id_of("blue-round.png") or 0, 5)
            return [(hit.path, round(hit.score, 3)) for hit in results.hits]

    (photos / "table.csv").write_text("file,colour\nblue-round.png,blue\nred-round.png,red\n")
    for store in (None, address):
        with Gallery.build(photos, store=store)[0] as gallery:
            gallery.describe(photos / "table.csv")
    assert hits(address) == hits(None)
    (photos / "red-round.png").rename(photos / "moved.png")
    (photos / "green-round.png").unlink()
    with Gallery.build(photos, store=str(address))[0] as gallery:
        assert gallery.index.address == address
        assert len(gallery) == 9
        (entry,), total = gallery.listing(9, where="colour = 'red'")
        assert (entry.path, entry.metadata, total) == ("moved.png", {"colour": "red"}, 1)
        assert gallery.beside_store("x") == photos / ".samebut" / "x"


def test_the_protocol_is_kept(index: PostgresIndex) -> None:
    def takes(index: Index) -> str:
        return index.fingerprint

    assert takes(index) == "print"
