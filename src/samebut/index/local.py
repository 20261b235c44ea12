"""The embedded index: one SQLite file that holds everything, searched in memory through FAISS.

It combines the file (`samebut.index.database`), the rows that every store has
(`samebut.index.described`) and the search over their embeddings (`samebut.index.searcher`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from samebut.errors import StoreBusy
from samebut.index import (
    Acceleration,
    Found,
    RankedPictures,
    acceleration,
    beside,
    embeddings,
    filling,
    metadata,
    schema,
    searcher,
)
from samebut.index.database import Database, exclusive
from samebut.index.described import DescribedStore, parsed
from samebut.index.searcher import Searcher
from samebut.index.sql import Transaction
from samebut.index.store import StoredModel, gallery_of, model_of
from samebut.index.where import Filter
from samebut.loader import Progress, silent

if TYPE_CHECKING:
    from samebut.index.searcher import Pictures


@dataclass(frozen=True, slots=True)
class StoreFile:
    """The file of an embedded store; implements `samebut.index.Address`."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def folder(self) -> Path:
        return self.path.parent

    @property
    def discard(self) -> str:
        return "move the file away"

    def open(self, *, writable: bool = False) -> LocalIndex:
        return LocalIndex.open(self.path, writable=writable)

    def create(self, *, dim: int, fingerprint: str, model: str) -> LocalIndex:
        return LocalIndex.create(self.path, dim=dim, fingerprint=fingerprint, model=model)


class LocalIndex(DescribedStore):
    """A store file opened for reading or, by `create` or ``writable``, for writing too.

    Methods without a docstring here do what `samebut.index.Index` says.
    """

    _database: Database

    def __init__(self, database: Database, model: StoredModel) -> None:
        super().__init__(database, model)
        self._searcher = Searcher(self.path, model.dim)
        self._is_filling = False  # another model's pictures, which nobody else searches yet

    @classmethod
    def create(cls, path: Path, *, dim: int, fingerprint: str, model: str) -> Self:
        """Open a store for indexing, making it first if it is not there.

        One that is there is opened as it is, whatever made its embeddings: compare `fingerprint`.

        Raises:
            StoreDamaged, StoreNewer, StoreBusy, StoreError: it can't be used; the hint says why.
        """
        database = Database.create(
            path, schema.APPLICATION_ID, schema.MIGRATIONS, unchecked=beside.UNCHECKED
        )
        return cls(database, model_of(database, StoredModel(fingerprint, dim, model)))

    @classmethod
    def open(cls, path: Path, *, writable: bool = False) -> Self:
        """Open a store that is there. Without ``writable`` it may lie in a read-only folder.

        Raises:
            StoreMissing: nothing was indexed here yet.
            StoreDamaged, StoreNewer, StoreError: it can't be used; the hint says what to do.
        """
        database = Database.open(
            path,
            schema.APPLICATION_ID,
            schema.MIGRATIONS,
            writable=writable,
            unchecked=beside.UNCHECKED,
        )
        return cls(database, model_of(database))

    @property
    def address(self) -> StoreFile:
        return StoreFile(self.path)

    @property
    def path(self) -> Path:
        """The store file."""
        return self._database.path

    def inconsistencies(self) -> list[str]:
        """Faults within the file that SQLite finds."""
        return self._database.inconsistencies()

    @contextmanager
    def writer_lock(self) -> Iterator[None]:
        """Keep other indexers out, until the block or the process ends.

        The lock is a file of its own beside the store, so readers are not held up.

        Raises:
            StoreBusy: another indexer holds it.
        """
        busy = StoreBusy(
            f"{self.name}: another process is indexing into it",
            hint="Wait for it, or stop it: nothing is lost, and the same command continues.",
        )
        with exclusive(self.path.with_name(f"{self.path.name}.lock"), busy):
            yield

    def replace_model(self, *, fingerprint: str, dim: int, model: str) -> None:
        """Switch to a separate set of pictures, which another model will embed; ids stay with their
        paths. Until `publish`, everybody else keeps searching the current set.

        An indexer that was killed after this finds the pictures it has embedded since. Skipped
        files and metadata do not depend on the model and are kept.
        """
        new = StoredModel(fingerprint, dim, model)
        with self._database.writing() as connection:
            old, _ = gallery_of(connection, self.name)
            if old.fingerprint == new.fingerprint:
                return
            filling.begin(connection, new)
        self._database.redirect(filling.TABLES)
        self._is_filling = True
        self._model = new
        self._searcher = Searcher(self.path, dim)

    def publish(self) -> None:
        if not self._is_filling:
            return
        self.revision()  # raises if another file, with nothing to publish, has taken the place
        self._database.redirect({})
        try:
            with self._database.writing() as connection:
                filling.publish(connection)
        except BaseException:
            self._database.redirect(filling.TABLES)
            raise
        self._is_filling = False

    def accelerate(
        self, progress: Progress = silent, *, threads: int | None = None
    ) -> float | None:
        return acceleration.accelerate(self._database, self._model, progress, threads)

    def acceleration(self) -> Acceleration | None:
        with self.snapshot() as connection:
            return acceleration.examined(connection, self.path)

    def search(
        self,
        queries: NDArray[np.float32],
        k: int,
        *,
        where: str | Filter | None = None,
        exclude: Sequence[int] = (),
        exact: bool = False,
    ) -> Found:
        """The ``k`` best pictures for each query, as they are stored at this moment.

        All pictures are compared, unless there are so many that the store has an inverted file
        (`samebut.index.inverted_file`); with ``exact`` always all. The order is by falling score,
        and by rising id where scores are equal. Scores are inner products of the query with the
        embedding in half precision: cosines to about 0.0005.

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
        pictures, allowed = self._searched(where)
        # Not in the transaction: other threads wait for it, and a scan may take long.
        return pictures.answer(queries, k, allowed, exclude, exact=exact).found

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
        pictures, allowed = self._searched(where)
        (ids, scores), recall = pictures.answer(queries, k, allowed, exclude, exact=exact)
        return RankedPictures(ids[0], scores[0], pictures.of(ids[0]), recall)

    def _searched(self, where: str | Filter | None) -> tuple[Pictures, NDArray[np.bool_] | None]:
        """All vectors of one state of the store, and a mask of those that the filter lets through;
        None: all."""
        chosen = None if where is None else parsed(where)
        with self.snapshot() as connection:
            pictures = self._pictures(connection)
            if chosen is None:
                return pictures, None
            return pictures, metadata.select(connection, chosen, pictures.among)

    def sampled(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        queries = searcher.checked(queries, 1, self.dim)
        with self.snapshot() as connection:
            pictures = self._pictures(connection)
        return pictures.sampled(queries)

    def _pictures(self, connection: Transaction) -> Pictures:
        revision = self.revision_in(connection)
        return self._searcher.pictures(connection, revision, lambda: self._load(connection))

    def _load(self, connection: Transaction) -> searcher.Embeddings:
        return embeddings.read_all(connection, self.dim, self.name)
