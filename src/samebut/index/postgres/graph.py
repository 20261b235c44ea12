"""pgvector's graph (HNSW, of half-precision vectors), and the measurement of its recall.

The graph gives candidates, which are scored again exactly. The recall is measured against a
comparison of all pictures and stored as the SQL comment of the graph's index, so it is dropped
together with the graph. A graph without a measurement is not searched: every approximate answer
comes with its recall.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import psycopg
from numpy.typing import NDArray

from samebut.index.postgres.database import Link
from samebut.index.selection import Condition

Scored = list[tuple[int, float]]
"""Ids with their scores, best first."""

COUNTS = (10, 100, 1_000, 10_000)
"""How many pictures the recall is measured for."""
QUERIES = 17
"""At each of the distances of `samebut.index.clustering.made_queries`."""
EVERY = Condition("TRUE", ())
_SHARE = 20  # of the pictures: when so many have come or left, it is measured again
_CANDIDATES = 4  # times k that are scored again

_M = 16  # neighbours of a picture in the graph
_CONSTRUCTION = 200  # pictures that are looked at to find them
_MAX_WORKING_MB = 4096  # that the server is asked to build the graph in

_IS_THERE = "SELECT to_regclass('embedding_graph') IS NOT NULL"
_COMMENT = "SELECT obj_description(to_regclass('embedding_graph'), 'pg_class')"
_MAKE = """CREATE INDEX embedding_graph ON embedding USING hnsw (vector halfvec_ip_ops)
    WITH (m = {m}, ef_construction = {construction})"""
_SCORED = "SELECT id, -(vector::vector <#> ?::vector)::float4 AS score"
_BEST = "ORDER BY score DESC, id LIMIT ?"


class GraphRecall(NamedTuple):
    """What was measured: the ``recalls`` by the number of pictures asked for, ascending, of those
    numbers for which the server uses the graph; how many ``pictures`` there were, and their
    ``last_id``."""

    pictures: int
    recalls: dict[int, float]
    last_id: int

    def recall(self, k: int) -> float | None:
        """The recall for ``k`` pictures, that of the next larger number measured; None if ``k`` is
        beyond all."""
        return next((share for count, share in self.recalls.items() if count >= k), None)

    def is_old(self, link: Link) -> bool:
        """Whether so many pictures have come or left since that it should be measured again."""
        now, come = link.execute(
            "SELECT count(*), count(*) FILTER (WHERE id > ?) FROM embedding", (self.last_id,)
        ).fetchone()
        left = abs(self.pictures + come - now)  # or added at an old path, with its id
        return bool(come + left > self.pictures // _SHARE)


def is_there(link: Link) -> bool:
    return bool(link.execute(_IS_THERE).fetchone()[0])


def measured(link: Link) -> GraphRecall | None:
    """What was measured of the graph; None if there is no graph or that is not known of it."""
    (text,) = link.execute(_COMMENT).fetchone()
    try:
        pictures, recalls, *rest = json.loads(text or "")
        by_count = {int(count): float(share) for count, share in recalls}
        # samebut 0.2.0 stored no id. With 0 all pictures count as new, so the graph is measured
        # again.
        return GraphRecall(int(pictures), by_count, int(rest[0]) if rest else 0)
    except (ValueError, TypeError):  # made by an earlier samebut, or by hand
        return None


def keep(link: Link, found: GraphRecall) -> None:
    text = json.dumps([found.pictures, [*found.recalls.items()], found.last_id])
    link.execute(f"COMMENT ON INDEX embedding_graph IS '{text}'")  # numbers alone


def make(link: Link, pictures: int, dim: int) -> None:
    """Build the graph, in the transaction that the link is in."""
    # A graph that does not fit into this memory is built on disk, which takes many times as long.
    needed = pictures * (2 * dim + 64 * _M + 200) // 1_000_000 + 64
    link.execute(f"SET LOCAL maintenance_work_mem = '{min(needed, _MAX_WORKING_MB)}MB'")
    statement = _MAKE.format(m=_M, construction=_CONSTRUCTION)
    try:
        with link.raw.transaction():
            link.execute(statement)
    except (psycopg.errors.DiskFull, psycopg.errors.OutOfMemory):
        # Parallel workers build it in shared memory, of which a container has little: use none.
        link.execute("SET LOCAL max_parallel_maintenance_workers = 0")
        link.execute(statement)


def measure(link: Link, sample: NDArray[np.float32]) -> GraphRecall | None:
    """Measure the graph with queries made from ``sample (S, D)``. None if there are too few
    pictures, or if the server never uses the graph, as while an older transaction is still
    running."""
    from samebut.index.clustering import made_queries  # FAISS: a search has no need to wait for it

    pictures, last_id = link.execute("SELECT count(*), max(id) FROM embedding").fetchone()
    if pictures <= COUNTS[0]:
        return None
    dice = np.random.default_rng(pictures)
    queries = made_queries(sample.astype(np.float16), QUERIES, dice)
    counts = [count for count in COUNTS if count < pictures and _is_asked(link, queries[0], count)]
    if not counts:
        return None
    shares = np.array([_shares(link, query, counts) for query in queries])
    means = shares.mean(axis=0).round(4).tolist()
    return GraphRecall(pictures, dict(zip(counts, means, strict=True)), last_id)


def nearest(
    link: Link,
    query: NDArray[np.float32],
    k: int,
    among: Condition = EVERY,
    exclude: Sequence[int] = (),
) -> Scored:
    """The best ``k`` of the graph's candidates; fewer if the server stopped before it found
    enough."""
    found: Scored = link.execute(*_asking(query, k, among, exclude)).fetchall()
    return found


def compared(
    link: Link,
    query: NDArray[np.float32],
    k: int,
    among: Condition = EVERY,
    exclude: Sequence[int] = (),
) -> Scored:
    """The best ``k`` of all pictures, or as many as there are."""
    found: Scored = link.execute(
        f"{_SCORED} FROM embedding WHERE {among.sql} AND id <> ALL(?) {_BEST}",
        (_text(query), *among.parameters, _ids(exclude), k),
    ).fetchall()
    return found


def _shares(link: Link, query: NDArray[np.float32], counts: Sequence[int]) -> list[float]:
    """The recall of the graph for one query, for each of ``counts``."""
    best = [number for number, _ in compared(link, query, counts[-1])]
    found = [{number for number, _ in nearest(link, query, count)} for count in counts]
    return [
        len(some.intersection(best[:count])) / count
        for some, count in zip(found, counts, strict=True)
    ]


def _is_asked(link: Link, query: NDArray[np.float32], k: int) -> bool:
    """Whether the server's plan for ``k`` pictures uses the graph, and not a scan of all."""
    statement, parameters = _asking(query, k, EVERY, ())
    plan = link.execute(f"EXPLAIN {statement}", parameters).fetchall()
    return any("embedding_graph" in line for (line,) in plan)


def _asking(
    query: NDArray[np.float32], k: int, among: Condition, exclude: Sequence[int]
) -> tuple[str, tuple[object, ...]]:
    """The statement that searches the graph, and its parameters."""
    asked = _text(query)
    statement = f"""WITH near AS MATERIALIZED (SELECT id, vector FROM embedding
            WHERE {among.sql} AND id <> ALL(?) ORDER BY vector <#> ?::halfvec LIMIT ?)
        {_SCORED} FROM near {_BEST}"""
    candidates = max(_CANDIDATES * k, k + 100)
    return statement, (*among.parameters, _ids(exclude), asked, candidates, asked, k)


def _text(query: NDArray[np.float32]) -> str:
    return "[" + ",".join(map(str, query.tolist())) + "]"


def _ids(exclude: Sequence[int]) -> list[int]:
    return [int(number) for number in exclude]
