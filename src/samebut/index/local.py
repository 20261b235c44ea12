"""The embedded index: one SQLite file of record, searched in memory through FAISS.

It puts three things together, each in a module of its own: the store (`samebut.index.store`), what
is said about its pictures (`samebut.index.metadata`) and the search over its embeddings
(`samebut.index.searcher`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from samebut.index import (
    Changes,
    Entry,
    Found,
    Reading,
    TableRow,
    embeddings,
    metadata,
    nearest,
    searcher,
)
from samebut.index import rows as table_rows
from samebut.index.database import Database
from samebut.index.metadata import Columns
from samebut.index.paths import give_ids, given, kept
from samebut.index.searcher import Searcher
from samebut.index.store import Store, StoredModel
from samebut.index.where import Filter


class LocalIndex(Store):
    """A store that can be searched; `Store` says how it is opened.

    Methods without a docstring here do what `samebut.index.Index` says.
    """

    def __init__(self, database: Database, model: StoredModel) -> None:
        super().__init__(database, model)
        self._searcher = Searcher()

    def pictures(self, ids: Sequence[int]) -> list[Entry]:
        with self.snapshot() as connection:
            return [
                replace(entry, metadata=metadata.of(connection, entry.id))
                for entry in self.entries(ids)
            ]

    def set_metadata(self, rows: Mapping[str, Mapping[str, str]]) -> None:
        """Replace all metadata: path to column to text. An empty text is a missing value.

        Paths need not be indexed: what is said about a path holds once it is.

        Raises:
            MetadataError: a name or text with broken characters or a NUL.
        """
        described = {path: {c: (text,) for c, text in row.items()} for path, row in rows.items()}
        metadata.check(described)
        by_name = {kept(path): columns for path, columns in described.items()}
        with self._database.writing() as connection:
            give_ids(connection, [(name,) for name in by_name])
            ids = dict(connection.execute("SELECT name, id FROM path"))
            metadata.forget_all(connection)
            table_rows.forget_all(connection)
            metadata.change(connection, {ids[name]: row for name, row in by_name.items()})

    def describe(
        self,
        rows: Mapping[str, Columns],
        places: Mapping[str, str | None],
        *,
        afresh: bool = False,
    ) -> Changes:
        """Keep rows of a table by the name of their picture, and let them speak of the pictures
        at ``places`` (None: no picture fits); rows kept earlier may have found another place.

        A row's columns replace what was said of the same ones, an empty one clears; others stay.
        ``afresh`` forgets all that was said before.

        Raises:
            MetadataError: a name or text with broken characters or a NUL.
        """
        metadata.check(rows)
        paths = [(kept(path),) for path in places.values() if path is not None]
        with self._database.writing() as connection:
            if afresh:
                metadata.forget_all(connection)
                table_rows.forget_all(connection)
            give_ids(connection, paths)
            ids = dict(connection.execute("SELECT name, id FROM path"))
            moves = {
                name: None if path is None else ids[kept(path)] for name, path in places.items()
            }
            return table_rows.describe(connection, rows, moves)

    def follow(self) -> int:
        with self._database.writing() as connection:
            return table_rows.follow(connection)

    def table_rows(self) -> dict[str, TableRow]:
        with self.snapshot() as connection:
            names = dict(connection.execute("SELECT id, name FROM path"))
            return {
                name: TableRow(number, None if place is None else given(names[place]))
                for name, number, place in table_rows.places(connection)
            }

    def described(self) -> set[str]:
        with self.snapshot() as connection:
            names = dict(connection.execute("SELECT id, name FROM path JOIN picture USING (id)"))
            every = metadata.described_paths(connection)
            return {given(names[number]) for number in every if number in names}

    def columns(self) -> list[str]:
        with self.snapshot() as connection:
            return list(metadata.fields(connection))

    def facets(self, limit: int) -> dict[str, list[tuple[str, int]]]:
        """Each column's commonest values among the indexed pictures, with their counts.

        Spellings that a filter takes for the same are counted together, under the commonest of
        them. Values with equal counts are in the order of their texts.
        """
        with self.snapshot() as connection:
            return metadata.facets(connection, limit)

    def readings(self) -> list[Reading]:
        """How the values of each column are read, in the order of the columns."""
        with self.snapshot() as connection:
            total = len(self)
            readings = []
            for name, column in metadata.understood(connection).items():
                values = metadata.values_of(connection, name)
                unread = tuple(
                    (value.text, value.pictures) for value in values if value.number is None
                )
                told = sum(value.pictures for value in values)
                readings.append(Reading(name, column, told, total - told, unread))
            return readings

    def why_nothing(self, where: str | Filter) -> list[str]:
        """Why no picture passes a filter, test by test, with the values that are nearest to what
        was asked for; empty if some picture passes.

        Raises:
            FilterError: ``where`` can't be understood, or names an unknown column.
        """
        with self.snapshot() as connection:
            return nearest.why_nothing(
                connection,
                searcher.parsed(where),
                lambda some: searcher.passing(connection, some),
            )

    def count(self, where: str | Filter | None = None) -> int:
        """How many pictures the filter lets through.

        Raises:
            FilterError: ``where`` can't be understood, or names an unknown column.
        """
        if where is None:
            return len(self)
        with self.snapshot() as connection:
            return len(searcher.passing(connection, searcher.parsed(where)))

    def listing(
        self, count: int, *, offset: int = 0, where: str | Filter | None = None
    ) -> list[int]:
        """Ids of ``count`` pictures after ``offset`` of them, by path, of those that pass.

        Raises:
            FilterError: ``where`` can't be understood, or names an unknown column.
        """
        ordered = "SELECT id FROM path JOIN picture USING (id) ORDER BY name"
        with self.snapshot() as connection:
            if where is None:
                rows = connection.execute(f"{ordered} LIMIT ? OFFSET ?", (count, offset))
                return [int(number) for (number,) in rows]
            passing = set(searcher.passing(connection, searcher.parsed(where)).tolist())
            every = (int(number) for (number,) in connection.execute(ordered))
            return list(islice((i for i in every if i in passing), offset, offset + count))

    def search(
        self,
        queries: NDArray[np.float32],
        k: int,
        *,
        where: str | Filter | None = None,
        exclude: Sequence[int] = (),
    ) -> Found:
        """The ``k`` best pictures for each query, exactly, as they are stored at this moment.

        The order is by falling score, and by rising id where scores are equal. Scores are inner
        products of the query with the embedding in half precision: cosines to about 0.0005.

        Args:
            queries: ``(Q, D)``, unit length.
            where: only pictures this filter lets through (`samebut.index.where`).
            exclude: ids never to answer with; unknown ones are fine.

        Returns:
            ``ids`` and ``scores``, ``(Q, K)``; K is ``k`` or as many pictures as there are.

        Raises:
            QueryError: the queries do not fit the store, or are not numbers.
            FilterError: ``where`` can't be understood, or names an unknown column.
            FingerprintMismatch: the store was given another model after it was opened here.
        """
        queries = searcher.checked(queries, k, self.dim)
        chosen = None if where is None else searcher.parsed(where)
        with self.snapshot() as connection:
            revision = self.revision(connection)
            vectors = self._searcher.vectors(revision, lambda: self._load(connection))
            allowed = searcher.allowed(connection, vectors, where=chosen, exclude=exclude)
        # Outside of the transaction, where a long scan would hold up all other threads.
        return vectors.search(queries, k, allowed)

    def sampled(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        queries = searcher.checked(queries, 1, self.dim)
        with self.snapshot() as connection:
            revision = self.revision(connection)
            vectors = self._searcher.vectors(revision, lambda: self._load(connection))
        return vectors.sampled(queries)

    def _load(self, connection: sqlite3.Connection) -> searcher.Embeddings:
        return embeddings.read_all(connection, self.dim, self.path)
