"""What pgvector's graph costs to build, and what it finds, by its settings.

    python benchmarks/postgres_graph.py [--count 100000] [--graphs 16,100 8,64] [--filters]

A store on the tests' own PostgreSQL server is filled as benchmarks/index_engines.py fills it. Then
graphs of several ``m`` and ``ef_construction`` are made one after the other, and each is asked with
several ``hnsw.ef_search``. ``--filters`` asks the last graph and a comparison of all that pass
behind filters that let more and more through. ``--grown``: how long a graph takes that was made of
the first fifth and got all others as they came.

Times are medians of 100 queries for ten pictures; processor seconds count server and client.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np

from index_engines import K, Stopwatch, Task, name, pictures, real_embeddings

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import psutil

from postgres_server import PostgresServer, started
from samebut.index.address import address_of
from samebut.index.postgres import graph
from samebut.index.postgres import index as postgres_index
from samebut.index.postgres.index import PostgresIndex

GRAPHS = ("8,64", "16,64", "16,100", "16,200", "32,100")
LOOKS = (40, 100, 200, 400)
SHARES = (0.01, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5)
Search = Callable[[int], list[int]]


def filled(server: PostgresServer, task: Task) -> PostgresIndex:
    """A store with all pictures and no graph; each has a ``part``, 0.000 to 0.999."""
    address = address_of(server.url())
    index = address.create(dim=task.real.shape[1], fingerprint="f", model="m")
    assert isinstance(index, PostgresIndex)
    for batch in pictures(task):
        index.put(batch)
    parts = np.random.default_rng(2).integers(0, 1000, task.count)
    index.set_metadata({name(i): {"part": f"{part / 1000}"} for i, part in enumerate(parts)})
    with server.connect() as administrator:
        administrator.execute("VACUUM ANALYZE")
    return index


def make(index: PostgresIndex, m: int, construction: int) -> None:
    with (
        mock.patch.multiple(graph, _M=m, _CONSTRUCTION=construction),
        mock.patch.object(postgres_index, "GRAPH_FROM", 0),
    ):
        index.publish()


def drop(index: PostgresIndex) -> float:
    """Drop the graph; returns how many MB it had."""
    with index._database.writing() as link:
        size = link.execute("SELECT pg_relation_size('embedding_graph')").fetchone()[0]
        link.execute("DROP INDEX embedding_graph")
    return float(size) / 1e6


def asked(count: int, search: Search, truth: list[list[int]], watch: Stopwatch) -> str:
    search(0)
    clocks, right, spent = [], 0, watch.processors()
    for number in range(count):
        started = time.perf_counter()
        found = search(number)
        clocks.append(time.perf_counter() - started)
        right += len(set(found) & set(truth[number]))
    processor = (watch.processors() - spent) / count
    wanted = sum(map(len, truth[:count]))
    return (
        f"{np.median(clocks) * 1e3:8.2f} ms, processor {processor * 1e3:7.2f} ms, "
        f"recall@{K} {right / wanted:.4f}"
    )


def searching(index: PostgresIndex, task: Task, where: str | None = None) -> Search:
    def search(number: int) -> list[int]:
        with index._database.reading():
            found: list[int] = index.search(task.queries[number][None], K, where=where).ids[0]
            return [int(each) for each in found]

    return search


def compared(index: PostgresIndex, task: Task, where: str | None = None) -> Search:
    """A search that compares all that pass, whatever graph there is."""
    search = searching(index, task, where)

    def exact(number: int) -> list[int]:
        with mock.patch.object(postgres_index, "EXACT_BELOW", sys.maxsize):
            return search(number)

    return exact


def looked(index: PostgresIndex, search: Search, look: int) -> Search:
    def with_look(number: int) -> list[int]:
        with index._database.reading() as link:
            link.execute(f"SET LOCAL hnsw.ef_search = {look}")
            return search(number)

    return with_look


def graphs(index: PostgresIndex, task: Task, asked_for: list[str], watch: Stopwatch) -> None:
    everything = [searching(index, task)(number) for number in range(len(task.queries))]
    few = asked(20, searching(index, task), everything, watch)
    print(f"{'no graph, all compared':34}{few}", flush=True)
    for said_of in asked_for:
        m, construction = map(int, said_of.split(","))
        with index._database.reading() as link:
            there = graph.is_there(link)
        if there:
            drop(index)
        clock, processor = watch.of(partial(make, index, m, construction))
        with index._database.reading() as link:
            size = link.execute("SELECT pg_relation_size('embedding_graph')").fetchone()[0] / 1e6
        print(
            f"m {m:2}, ef_construction {construction:3}: built in {clock:.1f} s, "
            f"processor {processor:.1f} s, {size:.0f} MB",
            flush=True,
        )
        for look in LOOKS:
            search = looked(index, searching(index, task), look)
            said = asked(len(task.queries), search, everything, watch)
            print(f"{f'    ef_search {look}':34}{said}", flush=True)


def filters(index: PostgresIndex, task: Task, watch: Stopwatch) -> None:
    for share in SHARES:
        where = f"part < {share}"
        exact = compared(index, task, where)
        truth = [exact(number) for number in range(len(task.queries))]
        print(f"{share:.0%} pass, {index.count(where):,}", flush=True)
        said = asked(len(task.queries), exact, truth, watch)
        print(f"{'    all of them compared':34}{said}", flush=True)
        with mock.patch.object(postgres_index, "EXACT_BELOW", 1):
            said = asked(len(task.queries), searching(index, task, where), truth, watch)
        print(f"{'    the graph':34}{said}", flush=True)


def grown(server: PostgresServer, task: Task, watch: Stopwatch) -> None:
    """What all but the first fifth cost with a graph that is there before them."""
    address = address_of(server.url())
    with closing(address.create(dim=task.real.shape[1], fingerprint="f", model="m")) as index:
        assert isinstance(index, PostgresIndex)
        batches = list(pictures(task))
        early = len(batches) // 5
        for batch in batches[:early]:
            index.put(batch)
        with mock.patch.object(postgres_index, "GRAPH_FROM", 0):
            index.publish()

        def put() -> None:
            for batch in batches[early:]:
                index.put(batch)

        clock, processor = watch.of(put)
        print(f"put with a graph: {clock:.1f} s, processor {processor:.1f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--graphs", nargs="*", default=list(GRAPHS), metavar="M,EF_CONSTRUCTION")
    parser.add_argument("--filters", action="store_true")
    parser.add_argument("--grown", action="store_true")
    wanted = parser.parse_args()
    task = Task(real_embeddings(), wanted.count, {})  # the truth is asked of the server here
    with started() as server:
        assert server._process is not None
        master = psutil.Process(server._process.pid)
        watch = Stopwatch(lambda: [master, *master.children(recursive=True)])
        begun = watch.processors()
        with closing(filled(server, task)) as index:
            print(f"filled: processor {watch.processors() - begun:.1f} s", flush=True)
            graphs(index, task, wanted.graphs, watch)
            if wanted.filters:
                filters(index, task, watch)
        if wanted.grown:
            grown(server, task, watch)


if __name__ == "__main__":
    main()
