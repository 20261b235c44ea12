"""A store on a PostgreSQL server that can be searched there.

Few pictures are compared one by one. Of many, a graph gives candidates
(`samebut.index.postgres.graph`), which are scored again exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from samebut.confidence import spread
from samebut.errors import StoreBusy
from samebut.index import Acceleration, Found, RankedPictures, searcher
from samebut.index.described import DescribedStore, parsed
from samebut.index.postgres import filters, graph
from samebut.index.postgres.database import Link, PostgresDatabase, make_store
from samebut.index.postgres.schema import MAX_GRAPH_DIM
from samebut.index.postgres.server import Server, server_of
from samebut.index.selection import Condition
from samebut.index.sql import Transaction
from samebut.index.store import Revision, StoredModel, gallery_of, model_of
from samebut.index.where import Filter
from samebut.loader import Progress, silent

GRAPH_FROM = 10_000
"""Stores with at least this many pictures get a graph: comparing fewer takes 7 ms at most, and is
exact."""
EXACT_BELOW = 10_000
"""Pictures that pass a filter, below which all of them are compared: the graph, which has to pass
by those that do not pass, would take longer (benchmarks/postgres_graph.py)."""

_Answer = tuple[graph.Scored, float | None]
"""What was found, and the recall that was measured of such answers; None: all were compared."""


@dataclass(frozen=True, slots=True)
class ServerStore:
    """The address of a store on a server; implements `samebut.index.Address`."""

    server: Server

    def __str__(self) -> str:
        return str(self.server)

    @property
    def folder(self) -> Path | None:
        return None

    @property
    def discard(self) -> str:
        name = self.server.schema
        return f"drop the schemas {name} and {name}_m* of the database"

    def open(self, *, writable: bool = False) -> PostgresIndex:
        return PostgresIndex.open(self.server, writable=writable)

    def create(self, *, dim: int, fingerprint: str, model: str) -> PostgresIndex:
        return PostgresIndex.create(self.server, dim=dim, fingerprint=fingerprint, model=model)


def address_of(url: str) -> ServerStore:
    """Read an address. Raises StoreError, as `samebut.index.postgres.server.server_of`."""
    return ServerStore(server_of(url))


class PostgresIndex(DescribedStore):
    """A store on a server, opened for reading or for writing too.

    Methods without a docstring here do what `samebut.index.Index` says.
    """

    _database: PostgresDatabase

    def __init__(self, database: PostgresDatabase, model: StoredModel) -> None:
        super().__init__(database, model)
        self._sample: tuple[Revision, NDArray[np.float32]] | None = None

    @classmethod
    def open(cls, server: Server, *, writable: bool = False) -> Self:
        """Open a store that is there.

        Raises:
            StoreMissing: nothing was indexed here yet.
            StoreNewer, StoreError: it can't be used; the hint says what to do.
        """
        database = PostgresDatabase(server, writable=writable)
        return cls(database, model_of(database))

    @classmethod
    def create(cls, server: Server, *, dim: int, fingerprint: str, model: str) -> Self:
        """Open a store for indexing, making it first if it is not there.

        Raises:
            StoreNewer, StoreBusy, StoreError: it can't be used; the hint says why.
        """
        make_store(server, StoredModel(fingerprint, dim, model))
        return cls.open(server, writable=True)

    @property
    def address(self) -> ServerStore:
        return ServerStore(self._database.server)

    @contextmanager
    def writer_lock(self) -> Iterator[None]:
        busy = StoreBusy(
            f"{self.name}: another process is indexing into it",
            hint="Wait for it, or stop it: nothing is lost, and the same command continues.",
        )
        with self._database.indexing(busy):
            yield

    def replace_model(self, *, fingerprint: str, dim: int, model: str) -> None:
        """Switch to a separate set of pictures, which another model will embed; ids stay with their
        paths. Until `publish`, everybody else keeps searching the current set.

        An indexer that was killed after this finds the pictures it has embedded since.
        """
        new = StoredModel(fingerprint, dim, model)
        with self._database.reading() as link:
            old, _ = gallery_of(link, self.name)
        if old.fingerprint != fingerprint:
            self._database.fill(new)
        self._model = old if old.fingerprint == fingerprint else new

    def publish(self) -> None:
        """Build the graph if there are enough pictures, measure it, and let every process search
        what `replace_model` began. Pictures added later are inserted into the graph one by one,
        which takes several times as long for each."""
        if self.dim <= MAX_GRAPH_DIM:
            self._grow_graph()
        self._database.publish()

    def accelerate(
        self, progress: Progress = silent, *, threads: int | None = None
    ) -> float | None:
        """Nothing to do: the server maintains the graph."""

    def acceleration(self) -> Acceleration | None:
        """None: the server maintains the graph."""

    def count(self, where: str | Filter | None = None) -> int:
        if where is None:
            return len(self)
        with self._database.reading() as link:
            chosen = filters.passing(link, parsed(where))
            counted = f"SELECT count(*) FROM ({chosen.sql}) AS chosen (id) JOIN picture USING (id)"
            return int(link.execute(counted, chosen.parameters).fetchone()[0])

    def listing(
        self, count: int, *, offset: int = 0, where: str | Filter | None = None
    ) -> list[int]:
        with self._database.reading() as link:
            chosen = filters.passing(link, None if where is None else parsed(where))
            rows = link.execute(
                f"""SELECT id FROM path JOIN picture USING (id) WHERE id IN ({chosen.sql})
                    ORDER BY left(name, 600), name LIMIT ? OFFSET ?""",
                (*chosen.parameters, count, offset),
            )
            return [int(number) for (number,) in rows]

    def search(
        self,
        queries: NDArray[np.float32],
        k: int,
        *,
        where: str | Filter | None = None,
        exclude: Sequence[int] = (),
        exact: bool = False,
    ) -> Found:
        """The ``k`` best pictures for each query, of those the filter lets through: exact where few
        pass the filter, else as the graph finds them.

        Raises:
            QueryError: the queries do not fit the store, or are not numbers.
            FilterError: ``where`` can't be understood, or names an unknown column.
            FingerprintMismatch: the store was given another model after it was opened here.
        """
        queries = searcher.checked(queries, k, self.dim)
        with self._database.reading() as link:
            each = self._answers(link, queries, k, where, exclude, exact=exact)
        return _together([scored for scored, _ in each])

    def ranking(
        self,
        query: NDArray[np.float32],
        k: int,
        *,
        where: str | Filter | None = None,
        exclude: Sequence[int] = (),
        exact: bool = False,
    ) -> RankedPictures:
        queries = searcher.checked(query[None], k, self.dim)
        with self._database.reading() as link:
            ((scored, recall),) = self._answers(link, queries, k, where, exclude, exact=exact)
            ids, scores = _together([scored])
            return RankedPictures(ids[0], scores[0], self.embedding(ids[0].tolist()), recall)

    def sampled(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        queries = searcher.checked(queries, 1, self.dim)
        with self._database.reading() as link:
            revision = self.revision_in(link)
            if self._sample is None or self._sample[0] != revision:
                self._sample = revision, self._spread(link)
        return queries @ self._sample[1].T

    def _each(self, statement: str, ids: Sequence[int]) -> list[Any]:
        with self._database.reading() as link:
            return link.each(statement, [(int(number),) for number in ids])

    def _passing(self, connection: Transaction, where: Filter) -> NDArray[np.int64]:
        chosen = filters.passing(connection, where)
        rows = connection.execute(
            f"SELECT id FROM ({chosen.sql}) AS chosen (id) JOIN picture USING (id) ORDER BY id",
            chosen.parameters,
        )
        return np.fromiter((number for (number,) in rows), np.int64)

    def _answers(
        self,
        link: Link,
        queries: NDArray[np.float32],
        k: int,
        where: str | Filter | None,
        exclude: Sequence[int],
        *,
        exact: bool,
    ) -> list[_Answer]:
        self.revision_in(link)
        chosen = filters.passing(link, None if where is None else parsed(where))
        measured = None if exact else graph.measured(link)
        recall = None if measured is None else measured.recall(k)
        few = None if recall is None else _few(link, chosen)
        if recall is None or few is not None:
            among = _among(chosen) if few is None else few
            return [(graph.compared(link, query, k, among, exclude), None) for query in queries]
        among = _among(chosen)
        return [_asked(link, query, k, among, exclude, recall) for query in queries]

    def _grow_graph(self) -> None:
        with self._database.reading() as link:
            there, measured = graph.is_there(link), graph.measured(link)
            if measured is not None and not measured.is_old(link):
                return
            (count,) = link.execute("SELECT count(*) FROM embedding").fetchone()
        if not there:
            if count < GRAPH_FROM:
                return
            with self._database.writing() as link:
                graph.make(link, count, self.dim)
        self._measure_graph()

    def _measure_graph(self) -> None:
        """Measure the graph and store the result, in new transactions: the one that builds the
        graph can't search it."""
        with self._database.reading() as link:
            measured = graph.measure(link, self._spread(link))
        if measured is not None:
            with self._database.writing() as link:
                graph.keep(link, measured)

    def _spread(self, link: Link) -> NDArray[np.float32]:
        """Embeddings ``(S, D)`` of pictures evenly apart by id: the same as the SQLite index
        samples."""
        rows = link.execute(
            """SELECT vector FROM embedding JOIN (SELECT id, row_number() OVER (ORDER BY id) - 1
                AS place FROM picture) AS numbered USING (id) WHERE place = ANY(?) ORDER BY id""",
            (spread(len(self)).tolist(),),
        )
        halves = np.frombuffer(b"".join(row for (row,) in rows), "<f2")
        return halves.reshape(-1, self.dim).astype(np.float32)


def _few(link: Link, chosen: Condition) -> Condition | None:
    """The ids of the pictures that pass, if they are few enough to be compared one by one; else
    None."""
    if chosen is filters.EVERY:
        return None
    rows = link.execute(
        f"SELECT id FROM ({chosen.sql}) AS chosen (id) LIMIT ?",
        (*chosen.parameters, EXACT_BELOW),
    ).fetchall()
    return None if len(rows) == EXACT_BELOW else Condition("id = ANY(?)", ([i for (i,) in rows],))


def _asked(
    link: Link,
    query: NDArray[np.float32],
    k: int,
    among: Condition,
    exclude: Sequence[int],
    recall: float,
) -> _Answer:
    """What the graph finds; if the server stops before it has found ``k``, the exact result
    instead."""
    found = graph.nearest(link, query, k, among, exclude)
    if len(found) == k:
        return found, recall
    return graph.compared(link, query, k, among, exclude), None


def _among(chosen: Condition) -> Condition:
    """The condition that a picture is among ``chosen``. ``IS TRUE`` keeps PostgreSQL from planning
    a join, whose cost it would misjudge: it builds one hash table and looks each id up."""
    if chosen is filters.EVERY:
        return graph.EVERY
    return Condition(f"(id IN ({chosen.sql})) IS TRUE", chosen.parameters)


def _together(each: Sequence[graph.Scored]) -> Found:
    shape = (len(each), len(each[0]) if each else 0)
    ids = np.array([[number for number, _ in row] for row in each], np.int64)
    scores = np.array([[score for _, score in row] for row in each], np.float32)
    return Found(ids.reshape(shape), scores.reshape(shape))
