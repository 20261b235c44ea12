"""Which of a store's promises a Milvus server keeps, tried on the real one.

    python -m venv milvus
    milvus/bin/pip install -e '.[dev]' 'milvus==2.3.5' 'pymilvus==2.3.5' 'marshmallow<4'
    milvus/bin/python benchmarks/milvus_promises.py [PROMISE ...]

Prints what was seen, promise by promise; docs/scale.md says what follows from it.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from itertools import count, islice
from pathlib import Path

import numpy as np
from pymilvus import Collection, CollectionSchema, DataType, FieldSchema, utility

from milvus_server import DIM, STRONG, Server, answer, collection, meanwhile, paths, rows

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from samebut.index import Index
from samebut.index.local import StoreFile
from samebut.index.where import And, Filter, Missing, Not, Or
from stores import create, picture
from test_index_postgres import CELLS
from test_index_postgres import answer as listed
from test_index_postgres import filters as generated

SWITCHES = 150


def durable(server: Server) -> Iterator[str]:
    where, acknowledged, tried = collection(), set[str](), count()

    def insert() -> None:
        batch = [f"{next(tried):06d}" for _ in range(10)]
        where.insert(rows(batch), timeout=5)
        acknowledged.update(batch)

    for kill in range(3):
        with meanwhile(insert):
            time.sleep(1 + kill)
            server.kill()
        started = time.perf_counter()
        server.start()
        up = time.perf_counter() - started
        where = Collection(where.name)
        where.load()
        there = paths(where)
        seconds = time.perf_counter() - started
        halves = [n for n in Counter(path[:5] for path in there).values() if n != 10]
        yield (
            f"kill {kill + 1}: {len(acknowledged)} acknowledged, {len(acknowledged - set(there))} "
            f"of them lost, {len(there)} there, {len(halves)} batches in part; "
            f"up after {up:.1f} s, answers after {seconds:.1f} s"
        )


def consistency(server: Server) -> Iterator[str]:
    for level in ("Strong", "Session", "Bounded", "Eventually"):
        where, missed, times = collection(), 0, []
        for i in range(30):
            where.insert(rows([f"{i:03d}"]))
            started = time.perf_counter()
            found = where.query(f'path == "{i:03d}"', consistency_level=level)
            times.append(time.perf_counter() - started)
            missed += not found
        yield f"{level}: {missed} of 30 not there; read in {np.median(times) * 1000:.0f} ms"


def transactions(server: Server) -> Iterator[str]:
    where = collection()
    where.insert(rows(["a", "b"]))
    with meanwhile(lambda: tuple(paths(where)), 8) as seen:
        for _ in range(SWITCHES):
            where.upsert(rows(["a", "b"]))
            time.sleep(0.02)
    yield f"two rows replaced at once (upsert), readers saw {dict(Counter(seen))}"
    with meanwhile(lambda: len(paths(where)), 8) as seen:
        for i in range(SWITCHES):
            old, new = ("a", "moved") if i % 2 == 0 else ("moved", "a")
            where.delete(f'path in ["{old}"]')
            where.insert(rows([new]))
            time.sleep(0.02)
    yield f"one row renamed (delete, insert), readers saw so many of two: {dict(Counter(seen))}"
    where.insert(rows(["twice"], said="first"))
    where.insert(rows(["twice"], said="second"))
    two = where.query('path == "twice"', output_fields=["said"], **STRONG)
    number = where.query("", output_fields=["count(*)"], **STRONG)[0]["count(*)"]
    yield f"one path inserted twice: {two[0]['said']}; of {len(paths(where))} count(*) is {number}"


def snapshot(server: Server) -> Iterator[str]:
    where = collection()
    moment = where.insert(rows(["a"])).timestamp
    paths(where)
    where.insert(rows(["b"]))
    paths(where)
    old = answer(lambda: paths(where, guarantee_timestamp=moment))
    yield f"a read with the time before b came (guarantee_timestamp): {old}"
    old = answer(lambda: paths(where, travel_timestamp=moment))
    yield f"a read of that time (travel_timestamp): {old}"


def lock(server: Server) -> Iterator[str]:
    key = FieldSchema("path", DataType.VARCHAR, is_primary=True, max_length=9)
    vector = FieldSchema("embedding", DataType.FLOAT_VECTOR, dim=2)

    def take(holder: str) -> str:
        schema = CollectionSchema([key, vector], description=holder)
        return answer(lambda: Collection("lock", schema).description)

    yield f"a collection as the lock: {take('first')!r} has it, then {take('second')!r}"
    server.kill()
    server.start()
    yield f"after the server's and the holder's end: held {utility.has_collection('lock')}"


def filters(server: Server) -> Iterator[str]:
    """The embedded store answers each test for each value; sent is a list of those that pass. So
    `in`, `not`, `and`, `or` and missing keys are compared."""
    dice, counts = random.Random(1), Counter[str]()
    table = {f"{i:02d}": {c: dice.choice(v) for c, v in CELLS.items()} for i in range(60)}
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(create(StoreFile(Path(folder, "s")))) as ours,
    ):
        ours.put([picture(name, int(name)) for name in table])
        ours.set_metadata(table)
        ids = {name: ours.id_of(name) for name in table}
        told = {column: set(ours.listing(99, where=Not(Missing(column)))) for column in CELLS}
        said = {n: {c: v for c, v in table[n].items() if ids[n] in told[c]} for n in table}
        where = collection()
        where.insert([list(table), [[1.0] * DIM] * len(table), list(said.values())])
        answered = (f for f in generated(2) if isinstance(listed(ours, f), list))
        for tree in islice(answered, 100):
            expected = sorted(entry.path for entry in ours.pictures(ours.listing(99, where=tree)))
            got = answer(partial(paths, where, sent(ours, tree)))
            counts[{str(expected): "same"}.get(got, "other" if got[0] == "[" else "refused")] += 1
            if got != str(expected):
                yield f"{sent(ours, tree)}: {got[:200]}, ours {expected}"
    yield f"100 generated filters: {dict(counts)}"

    def colours(test: str) -> list[str]:
        return sorted({table[path]["colour"] for path in paths(where, test)})

    for test in ('like "%lue"', 'like "b_ue"', '== "BLUE"'):
        test = f'said["colour"] {test}'
        cells = answer(partial(colours, test))
        yield f"{test}: {cells[:120]}"


def sent(ours: Index, tree: Filter) -> str:
    match tree:
        case Not(term):
            return f"(not {sent(ours, term)})"
        case And(terms) | Or(terms):
            joined = " and " if isinstance(tree, And) else " or "
            return f"({joined.join(sent(ours, term) for term in terms)})"
        case Missing(column):
            return f'(not exists said["{column}"])'
    passing = [entry.metadata for entry in ours.pictures(ours.listing(99, where=tree))]
    values = sorted({said[tree.column] for said in passing})
    return f'(said["{tree.column}"] in {json.dumps(values, ensure_ascii=False)})'


def alias(server: Server) -> Iterator[str]:
    old, new = collection(), collection()
    old.insert(rows(["old"]))
    new.insert(rows(["new"]))
    paths(old), paths(new)
    utility.create_alias(old.name, "pictures")
    query = {"limit": 5, "output_fields": ["path"], "param": {}, "anns_field": "embedding"}

    def search() -> str:
        (hits,) = Collection("pictures").search(data=[[1.0] * DIM], **query, **STRONG)
        return "+".join(hit.id for hit in hits)

    with meanwhile(search, 4) as seen:
        for i in range(20):
            utility.alter_alias((new if i % 2 == 0 else old).name, "pictures")
            time.sleep(0.2)
    yield f"20 switches under 4 searching threads: {dict(Counter(seen))}"
    other = collection(dim=4)
    other.insert([["large"], [[1.0] * 4], [{}]])
    paths(other)
    utility.alter_alias(other.name, "pictures")
    yield f"a query of the old model after the switch: {answer(search)[:200]}"


def limits(server: Server) -> Iterator[str]:
    where = collection()
    where.insert(rows(["b", "a", "p\0q"]))
    asked: dict[str, Callable[[], object]] = {
        "order": lambda: [row["path"] for row in where.query("", limit=9, **STRONG)],
        "20,000 rows": lambda: where.query("", limit=20000, **STRONG),
        "10 rows after 16,384": lambda: where.query("", limit=10, offset=16384, **STRONG),
        "20,000 answers": lambda: where.search([[1.0] * DIM], "embedding", {}, limit=20000),
        "a path of 65,536 bytes": lambda: where.insert(rows(["p" * 65536])).insert_count,
        "a path that is not UTF-8": lambda: where.insert(rows(["p\udcff"])).insert_count,
        "what is said in 70 kB": lambda: where.insert(rows(["j"], said="x" * 70000)).insert_count,
    }
    for name, ask in asked.items():
        yield f"{name}: {answer(ask)[:200]}"


def exact(server: Server) -> Iterator[str]:
    """Against a comparison of all in numpy; the index FLAT compares all, too."""
    dice = np.random.default_rng(1)
    vectors, queries = (dice.standard_normal((n, 256), np.float32) for n in (20_000, 50))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    nearest = np.argsort(-(queries @ vectors.T), axis=1)[:, :10]
    where = collection(dim=256)
    for at in range(0, len(vectors), 2000):
        part = vectors[at : at + 2000]
        names = [f"{i}" for i in range(at, at + len(part))]
        where.insert([names, list(part), [{}] * len(part)])
    where.flush()
    for level in ("Strong", "Eventually"):
        times, right = [], 0
        for query, best in zip(queries, nearest, strict=True):
            started = time.perf_counter()
            (hits,) = where.search([query], "embedding", {}, 10, consistency_level=level)
            times.append(time.perf_counter() - started)
            right += len({int(hit.id) for hit in hits} & set(best.tolist()))
        milliseconds = np.median(times) * 1000
        yield (
            f"{len(vectors)} vectors, {level}: recall@10 {right / 10 / len(queries):.3f}, "
            f"{milliseconds:.1f} ms (median), server {server.megabytes()} MB"
        )


PROMISES: dict[str, Callable[[Server], Iterator[str]]] = {
    "consistency": consistency,
    "transactions": transactions,
    "snapshot": snapshot,
    "filters": filters,
    "alias": alias,
    "limits": limits,
    "exact": exact,
    "durable": durable,
    "lock": lock,
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        server = Server(folder)
        print(
            f"started in {time.perf_counter() - started:.1f} s, {server.megabytes()} MB", flush=True
        )
        try:
            for name in sys.argv[1:] or PROMISES:
                for line in PROMISES[name](server):
                    print(f"{name}: {line}", flush=True)
        finally:
            server.kill()


if __name__ == "__main__":
    main()
