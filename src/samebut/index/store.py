"""The store: one SQLite file of record, which holds pictures and outlives its processes.

The file holds pictures, their embeddings as half-precision blobs, files that were skipped, and the
tables of `samebut.index.metadata`. Whatever was written is written whole: see
`samebut.index.database` for locks, recovery and the schema's versions.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from samebut.errors import (
    FingerprintMismatch,
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreMissing,
    UnknownPicture,
)
from samebut.index import Entry, FileState, PictureRow, Skipped, digests, embeddings, rows
from samebut.index.database import Database, exclusive
from samebut.index.paths import ID_OF, give_ids, given, kept
from samebut.index.schema import APPLICATION_ID, MIGRATIONS

_INSERT_GALLERY = """INSERT INTO gallery (fingerprint, dim, model, revision)
    SELECT ?, ?, ?, 0 WHERE NOT EXISTS (SELECT 1 FROM gallery)"""
_LEADS_OUT = """SELECT name FROM path WHERE name GLOB '/*' OR name = '..' OR name GLOB '../*'
    OR name GLOB '*/../*' OR name GLOB '*/..' LIMIT 1"""


Revision = tuple[int, int]
"""How often the store's file was opened here, for another may lie at its path by now, and how often
the embeddings in it changed."""


class StoredModel(NamedTuple):
    """Which model made the embeddings of a store."""

    fingerprint: str
    dim: int
    name: str


class Store:
    """A store file opened for reading or, by `create` or ``writable``, for writing too.

    Threads may share one. Writes are whole transactions: a method that returned has stored all it
    was given, through the end of the process and of the power; one that raised has stored nothing.
    Methods without a docstring here do what `samebut.index.Index` says.
    """

    def __init__(self, database: Database, model: StoredModel) -> None:
        self._database = database
        self._model = model

    @classmethod
    def create(cls, path: Path, *, dim: int, fingerprint: str, model: str) -> Self:
        """Open a store for indexing, making it first if it is not there.

        One that is there is opened as it is, whatever made its embeddings: compare `fingerprint`.

        Raises:
            StoreDamaged, StoreNewer, StoreBusy, StoreError: it can't be used; the hint says why.
        """
        return cls._on(
            Database.create(path, APPLICATION_ID, MIGRATIONS),
            StoredModel(fingerprint, dim, model),
        )

    @classmethod
    def open(cls, path: Path, *, writable: bool = False) -> Self:
        """Open a store that is there. Without ``writable`` it may lie in a read-only folder.

        Raises:
            StoreMissing: nothing was indexed here yet.
            StoreDamaged, StoreNewer, StoreError: it can't be used; the hint says what to do.
        """
        return cls._on(Database.open(path, APPLICATION_ID, MIGRATIONS, writable=writable))

    @classmethod
    def _on(cls, database: Database, new: StoredModel | None = None) -> Self:
        try:
            if new:
                with database.writing() as connection:
                    connection.execute(_INSERT_GALLERY, new)
            with database.reading() as connection:
                model, _ = _gallery(connection, database.path)
                _refuse_ways_out(connection, database.path)
        except BaseException:
            database.close()
            raise
        return cls(database, model)

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def path(self) -> Path:
        """The store file."""
        return self._database.path

    @property
    def fingerprint(self) -> str:
        return self._model.fingerprint

    @property
    def dim(self) -> int:
        return self._model.dim

    @property
    def model(self) -> str:
        return self._model.name

    def __len__(self) -> int:
        with self._database.reading() as connection:
            (count,) = connection.execute("SELECT count(*) FROM picture").fetchone()
            return int(count)

    @property
    def folder(self) -> str | None:
        """The folder of pictures that was indexed here, absolute; None if nobody has said."""
        with self._database.reading() as connection:
            (folder,) = connection.execute("SELECT folder FROM gallery").fetchone()
            return None if folder is None else given(folder)

    def keep_folder(self, folder: str) -> None:
        """Remember the folder of pictures that this store is about."""
        with self._database.writing() as connection:
            connection.execute("UPDATE gallery SET folder = ?", (kept(folder),))

    def damaged(self) -> list[str]:
        """Paths of pictures whose rows are not as they were written, by their digests."""
        with self._database.reading() as connection:
            names = digests.damaged(connection)
        return ["a path that is lost" if name is None else given(name) for name in names]

    def snapshot(self) -> AbstractContextManager[sqlite3.Connection]:
        return self._database.reading()

    @contextmanager
    def writer_lock(self) -> Iterator[None]:
        """Keep other indexers out, until the block or the process ends.

        The lock is a file of its own beside the store, so readers are not held up.

        Raises:
            StoreBusy: another indexer holds it.
        """
        busy = StoreBusy(
            f"{self.path}: another process is indexing into it",
            hint="let it finish, or stop it: nothing is lost, and the same command carries on",
        )
        with exclusive(self.path.with_name(f"{self.path.name}.lock"), busy):
            yield

    def replace_model(self, *, fingerprint: str, dim: int, model: str) -> None:
        """Forget every picture because another model will embed them; ids stay with their paths.

        With the fingerprint that the store has already, nothing happens: an indexer that was
        killed after this finds the pictures it has embedded since. Skipped files and metadata do
        not depend on the model and are kept.
        """
        new = StoredModel(fingerprint, dim, model)
        with self._database.writing() as connection:
            old, _ = _gallery(connection, self.path)
            if old.fingerprint != new.fingerprint:
                connection.execute("DELETE FROM checksum")
                connection.execute("DELETE FROM embedding")
                connection.execute("DELETE FROM picture")
                connection.execute("UPDATE gallery SET fingerprint = ?, dim = ?, model = ?", new)
                _changed(connection)
        self._model = old if old.fingerprint == new.fingerprint else new

    def put(self, pictures: Sequence[PictureRow]) -> None:
        """Insert pictures or replace them by path; clears skip records of their paths.

        Raises:
            StoreError: an embedding is not a unit vector of the store's length, or can't be kept.
            FingerprintMismatch: another process has given the store another model.
        """
        vectors = [embeddings.as_blob(picture, self.dim) for picture in pictures]
        names = [(kept(picture.path),) for picture in pictures]
        states = ((p.size, _storable(p.mtime_ns), p.digest, p.width, p.height) for p in pictures)
        with self._database.writing() as connection:
            self.revision(connection)
            give_ids(connection, names)
            rows.coming(connection, [(kept(p.path), p.digest) for p in pictures])
            connection.executemany(
                f"INSERT OR REPLACE INTO picture VALUES ({ID_OF}, ?, ?, ?, ?, ?)",
                [(*name, *state) for name, state in zip(names, states, strict=True)],
            )
            connection.executemany(
                f"INSERT OR REPLACE INTO embedding VALUES ({ID_OF}, ?)",
                [(*name, vector) for name, vector in zip(names, vectors, strict=True)],
            )
            connection.executemany(f"DELETE FROM skipped WHERE id = {ID_OF}", names)
            digests.keep(connection, names)
            _changed(connection)

    def skip(self, records: Sequence[Skipped]) -> None:
        names = [(kept(record.path),) for record in records]
        with self._database.writing() as connection:
            give_ids(connection, names)
            _forget(connection, names)
            connection.executemany(
                f"INSERT INTO skipped VALUES ({ID_OF}, ?, ?, ?)",
                [(kept(r.path), r.size, _storable(r.mtime_ns), kept(r.reason)) for r in records],
            )

    def touch(self, path: str, *, size: int, mtime_ns: int) -> None:
        """Note a new size and time of a picture whose content is the same.

        Raises:
            StoreError: the store has no picture of that path.
        """
        with self._database.writing() as connection:
            done = connection.execute(
                f"UPDATE picture SET size = ?, mtime_ns = ? WHERE id = {ID_OF}",
                (size, _storable(mtime_ns), kept(path)),
            )
            self._require(done, path)
            digests.keep(connection, [(kept(path),)])

    def rename(self, old: str, new: str, *, size: int, mtime_ns: int) -> None:
        """Move a picture to another path, which is another id; metadata comes with `follow`.

        Raises:
            StoreError: the store has no picture of the old path.
        """
        with self._database.writing() as connection:
            give_ids(connection, [(kept(new),)])
            connection.execute(f"DELETE FROM skipped WHERE id = {ID_OF}", (kept(new),))
            rows.leaving(connection, [(kept(new),)])
            rows.leaving(connection, [(kept(old),)], moved=True)
            ends = (kept(new), kept(old))
            connection.execute(
                f"UPDATE OR REPLACE embedding SET id = {ID_OF} WHERE id = {ID_OF}", ends
            )
            done = connection.execute(
                f"UPDATE OR REPLACE picture SET id = {ID_OF}, size = ?, mtime_ns = ?"
                f" WHERE id = {ID_OF}",
                (kept(new), size, _storable(mtime_ns), kept(old)),
            )
            self._require(done, old)
            connection.execute(f"DELETE FROM checksum WHERE id = {ID_OF}", (kept(old),))
            digests.keep(connection, [(kept(new),)])
            _changed(connection)

    def remove(self, paths: Iterable[str]) -> None:
        names = [(kept(path),) for path in paths]
        with self._database.writing() as connection:
            _forget(connection, names)

    def files(self) -> dict[str, FileState]:
        with self._database.reading() as connection:
            found = connection.execute(
                "SELECT name, size, mtime_ns, digest FROM picture JOIN path USING (id)"
            ).fetchall()
        return {given(name): FileState(*state) for name, *state in found}

    def skipped(self) -> list[Skipped]:
        with self._database.reading() as connection:
            found = connection.execute(
                "SELECT name, size, mtime_ns, reason FROM skipped JOIN path USING (id)"
            ).fetchall()
        records = [Skipped(given(n), size, time, given(reason)) for n, size, time, reason in found]
        return sorted(records, key=lambda record: record.path)

    def by_digest(self, digest: str) -> PictureRow | None:
        """A picture with this content, ready to be `put` under another path; the lowest id's."""
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT name, size, mtime_ns, digest, width, height, vector"
                " FROM picture JOIN path USING (id) JOIN embedding USING (id)"
                " WHERE digest = ? ORDER BY id LIMIT 1",
                (digest,),
            ).fetchone()
        if row is None:
            return None
        name, size, mtime_ns, found, width, height, vector = row
        full = embeddings.from_blob(vector, self.dim, self.path)
        return PictureRow(given(name), size, mtime_ns, found, width, height, full)

    def copies(self, digest: str) -> list[int]:
        with self._database.reading() as connection:
            found = connection.execute(
                "SELECT id FROM picture WHERE digest = ? ORDER BY id", (digest,)
            )
            return [int(number) for (number,) in found]

    def id_of(self, path: str) -> int | None:
        with self._database.reading() as connection:
            row = connection.execute(
                f"SELECT id FROM picture WHERE id = {ID_OF}", (kept(path),)
            ).fetchone()
        return None if row is None else int(row[0])

    def entries(self, ids: Sequence[int]) -> list[Entry]:
        """Pictures without their metadata, in the order asked; one that has left is left out."""
        found = self._each(
            "SELECT id, name, size, mtime_ns, digest, width, height"
            " FROM picture JOIN path USING (id) WHERE id = ?",
            ids,
        )
        return [Entry(row[0], given(row[1]), *row[2:]) for row in found if row]

    def embedding(self, ids: Sequence[int]) -> NDArray[np.float32]:
        found = self._each("SELECT vector FROM embedding WHERE id = ?", ids)
        if None in found:
            raise UnknownPicture(ids[found.index(None)])
        full = np.empty((len(ids), self.dim), np.float32)
        for place, row in enumerate(found):
            full[place] = embeddings.from_blob(row[0], self.dim, self.path)
        return full

    def revision(self, connection: sqlite3.Connection) -> Revision:
        """The store's revision, if it still holds the model it was opened with."""
        model, revision = _gallery(connection, self.path)
        if model != self._model:
            raise FingerprintMismatch(
                f"{self.path}: now holds embeddings of {model.name}, no longer {self.model}",
                hint="another process has indexed it again: open it again",
            )
        return self._database.times_opened, revision

    def _each(self, statement: str, ids: Sequence[int]) -> list[Any]:
        """The one row for each id, or None, read at one moment."""
        with self._database.reading() as connection:
            return [connection.execute(statement, (int(i),)).fetchone() for i in ids]

    def _require(self, done: sqlite3.Cursor, path: str) -> None:
        if not done.rowcount:
            raise StoreError(f"{self.path}: holds no picture {path}")


def _storable(mtime_ns: int) -> int:
    """A time as SQLite can keep it: some file systems know years after 2262, and before 1677."""
    return min(max(mtime_ns, -(2**63)), 2**63 - 1)


def _gallery(connection: sqlite3.Connection, path: Path) -> tuple[StoredModel, int]:
    row = connection.execute("SELECT fingerprint, dim, model, revision FROM gallery").fetchone()
    if row is None:
        raise StoreMissing(f"{path}: nothing is indexed here yet", hint="run: samebut index PHOTOS")
    return StoredModel(*row[:3]), int(row[3])


def _refuse_ways_out(connection: sqlite3.Connection, path: Path) -> None:
    """A store that somebody prepared must not make a server give away other files."""
    if row := connection.execute(_LEADS_OUT).fetchone():
        raise StoreDamaged(
            f"{path}: names {given(row[0])!r}, which lies outside of the folder of pictures",
            hint="this store was not made by indexing; move the file away and index again",
        )


def _changed(connection: sqlite3.Connection) -> None:
    """Tell every process that its embeddings in memory are old."""
    connection.execute("UPDATE gallery SET revision = revision + 1")


def _forget(connection: sqlite3.Connection, names: Sequence[tuple[str | bytes]]) -> None:
    rows.leaving(connection, names)
    for table in ("skipped", "checksum", "picture"):
        connection.executemany(f"DELETE FROM {table} WHERE id = {ID_OF}", names)
    gone = connection.executemany(f"DELETE FROM embedding WHERE id = {ID_OF}", names)
    if gone.rowcount > 0:
        _changed(connection)
