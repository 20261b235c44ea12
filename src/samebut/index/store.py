"""The rows of a store in any database: pictures, their embeddings in half precision, files that
were skipped, and the tables of `samebut.index.metadata`.

Every write is one transaction. The statements are in the SQL of `samebut.index.sql`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from samebut.errors import (
    FingerprintMismatch,
    StoreDamaged,
    StoreError,
    StoreMissing,
    UnknownPicture,
)
from samebut.garbage import no_garbage
from samebut.index import Entry, FileState, PictureRow, Skipped, digests, embeddings, rows
from samebut.index.paths import give_ids, given, ids_of, kept
from samebut.index.sql import Cursor, Transaction, Transactions, change_by, insert

_INSERT_GALLERY = """INSERT INTO gallery (fingerprint, dim, model, revision)
    SELECT ?, ?, ?, 0 WHERE NOT EXISTS (SELECT 1 FROM gallery)"""
_PUT_PICTURES = """INSERT INTO picture VALUES {rows} ON CONFLICT (id) DO UPDATE SET
    size = excluded.size, mtime_ns = excluded.mtime_ns, digest = excluded.digest,
    width = excluded.width, height = excluded.height"""
_PUT_EMBEDDINGS = """INSERT INTO embedding VALUES {rows}
    ON CONFLICT (id) DO UPDATE SET vector = excluded.vector"""
_LEADS_OUT = """SELECT name FROM path WHERE name LIKE '/%' OR name = '..' OR name LIKE '../%'
    OR name LIKE '%/../%' OR name LIKE '%/..' LIMIT 1"""

_BATCH = 1_000  # rows


Revision = tuple[int, int]
"""How often this process opened the file (its path may lead to another one now), and how often the
embeddings in it changed."""


class StoredModel(NamedTuple):
    """Which model made the embeddings of a store."""

    fingerprint: str
    dim: int
    name: str


class Store:
    """A store, opened for reading or for reading and writing.

    Threads may share one. Each write is one transaction: a method that returned has stored all it
    was given, and that survives a crash and a power cut; one that raised has stored nothing.
    Methods without a docstring here do what `samebut.index.Index` says.
    """

    def __init__(self, database: Transactions, model: StoredModel) -> None:
        self._database = database
        self._model = model

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
    def name(self) -> str:
        return self._database.name

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
        """The folder of pictures that was indexed here, absolute; None if it was never recorded."""
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

    def inconsistencies(self) -> list[str]:
        """Faults that the database finds in its own file; none here: a database server checks its
        own."""
        return []

    def snapshot(self) -> AbstractContextManager[Transaction]:
        return self._database.reading()

    def put(self, pictures: Sequence[PictureRow]) -> None:
        """Insert pictures or replace them by path; clears skip records of their paths.

        Raises:
            StoreError: an embedding is not a unit vector of the store's length, or can't be kept.
            FingerprintMismatch: another process has given the store another model.
        """
        vectors = {kept(p.path): embeddings.as_blob(p, self.dim) for p in pictures}
        states = {
            kept(p.path): (p.size, _storable(p.mtime_ns), p.digest, p.width, p.height)
            for p in pictures
        }
        with self._database.writing() as connection:
            self.revision_in(connection)
            ids = give_ids(connection, states)
            rows.coming(connection, {ids[kept(p.path)]: p.digest for p in pictures})
            insert(connection, _PUT_PICTURES, ((ids[n], *state) for n, state in states.items()))
            insert(connection, _PUT_EMBEDDINGS, ((ids[n], blob) for n, blob in vectors.items()))
            change_by(connection, "DELETE FROM skipped WHERE id IN ({keys})", ids.values())
            digests.keep(connection, ids.values())
            changed(connection)

    def skip(self, records: Sequence[Skipped]) -> None:
        states = {kept(r.path): (r.size, _storable(r.mtime_ns), kept(r.reason)) for r in records}
        with self._database.writing() as connection:
            ids = give_ids(connection, states)
            _forget(connection, ids.values())
            insert(
                connection,
                "INSERT INTO skipped VALUES {rows}",
                ((ids[name], *state) for name, state in states.items()),
            )

    def touch(self, path: str, *, size: int, mtime_ns: int) -> None:
        """Note a new size and time of a picture whose content is the same.

        Raises:
            StoreError: the store has no picture of that path.
        """
        with self._database.writing() as connection:
            ids = ids_of(connection, [kept(path)])
            done = connection.execute(
                "UPDATE picture SET size = ?, mtime_ns = ? WHERE id = ?",
                (size, _storable(mtime_ns), ids.get(kept(path))),
            )
            self._require(done, path)
            digests.keep(connection, ids.values())

    def rename(self, old: str, new: str, *, size: int, mtime_ns: int) -> None:
        """Move a picture to another path, which is another id; metadata comes with `follow`.

        Raises:
            StoreError: the store has no picture of the old path.
        """
        with self._database.writing() as connection:
            there = ids_of(connection, [kept(old)]).get(kept(old))
            to = give_ids(connection, [kept(new)])[kept(new)]
            connection.execute("DELETE FROM skipped WHERE id = ?", (to,))
            rows.leaving(connection, [to])
            rows.leaving(connection, [] if there is None else [there], moved=True)
            if there != to:
                _move(connection, there, to)
            done = connection.execute(
                "UPDATE picture SET size = ?, mtime_ns = ? WHERE id = ?",
                (size, _storable(mtime_ns), to),
            )
            self._require(done, old)
            digests.keep(connection, [to])
            changed(connection)

    def remove(self, paths: Iterable[str]) -> None:
        names = [kept(path) for path in paths]
        with self._database.writing() as connection:
            _forget(connection, ids_of(connection, names).values())

    def files(self) -> dict[str, FileState]:
        with self._database.reading() as connection, no_garbage():
            found = connection.execute(
                "SELECT name, size, mtime_ns, digest FROM picture JOIN path USING (id)"
            )
            states: dict[str, FileState] = {}
            # In batches, which take less time than row by row.
            while rows := found.fetchmany(_BATCH):
                states.update(
                    zip(
                        [given(row[0]) for row in rows],
                        [FileState._make(row[1:]) for row in rows],
                        strict=True,
                    )
                )
            return states

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
        full = embeddings.from_blob(vector, self.dim, self.name)
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
                "SELECT id FROM picture JOIN path USING (id) WHERE name = ?", (kept(path),)
            ).fetchone()
        return None if row is None else int(row[0])

    def entries(self, ids: Sequence[int]) -> list[Entry]:
        """Pictures without their metadata, in the order asked; unknown ids are left out."""
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
            full[place] = embeddings.from_blob(row[0], self.dim, self.name)
        return full

    def revision(self) -> Revision:
        """The store's revision, if it still holds the model it was opened with."""
        with self._database.reading() as connection:
            return self.revision_in(connection)

    def revision_in(self, connection: Transaction) -> Revision:
        """The store's revision, if it still holds the model it was opened with."""
        model, revision = gallery_of(connection, self.name)
        if model != self._model:
            raise FingerprintMismatch(
                f"{self.name}: now holds embeddings of {model.name}, no longer {self.model}",
                hint="another process has indexed it again: open it again",
            )
        return self._database.times_opened, revision

    def _each(self, statement: str, ids: Sequence[int]) -> list[Any]:
        """The one row for each id, or None, all from one state of the store."""
        with self._database.reading() as connection:
            return [connection.execute(statement, (int(i),)).fetchone() for i in ids]

    def _require(self, done: Cursor, path: str) -> None:
        if not done.rowcount:
            raise StoreError(
                f"{self.name}: holds no picture {path}",
                hint="name it by its path within the folder that was indexed",
            )


def _storable(mtime_ns: int) -> int:
    """Clamp a time to what 64 bits of nanoseconds hold: some file systems have years before 1677 or
    after 2262."""
    return min(max(mtime_ns, -(2**63)), 2**63 - 1)


def model_of(database: Transactions, new: StoredModel | None = None) -> StoredModel:
    """The model of a store that is opened; ``new`` if it is new.

    Raises:
        StoreMissing: creating it was interrupted. StoreDamaged: it was not made by indexing.
    """
    try:
        if new:
            with database.writing() as connection:
                connection.execute(_INSERT_GALLERY, new)
        with database.reading() as connection:
            model, _ = gallery_of(connection, database.name)
            _refuse_ways_out(connection, database.name)
    except BaseException:
        database.close()
        raise
    return model


def gallery_of(connection: Transaction, name: str) -> tuple[StoredModel, int]:
    """The model of a store, and how often its embeddings changed.

    Raises:
        StoreMissing: its making was cut off.
    """
    row = connection.execute("SELECT fingerprint, dim, model, revision FROM gallery").fetchone()
    if row is None:
        raise StoreMissing(f"{name}: nothing is indexed here yet", hint="run: samebut index PHOTOS")
    return StoredModel(*row[:3]), int(row[3])


def _refuse_ways_out(connection: Transaction, name: str) -> None:
    """Refuse paths that lead out of the folder: a manipulated store must not make a server send
    other files."""
    if row := connection.execute(_LEADS_OUT).fetchone():
        raise StoreDamaged(
            f"{name}: names {given(row[0])!r}, which lies outside of the folder of pictures",
            hint="this store was not made by indexing; move the file away and index again",
        )


def changed(connection: Transaction) -> None:
    """Raise the revision, which makes every process read the embeddings again."""
    connection.execute("UPDATE gallery SET revision = revision + 1")


def _forget(connection: Transaction, ids: Collection[int]) -> None:
    rows.leaving(connection, ids)
    for table in ("skipped", "checksum", "picture"):
        change_by(connection, f"DELETE FROM {table} WHERE id IN ({{keys}})", ids)
    if change_by(connection, "DELETE FROM embedding WHERE id IN ({keys})", ids):
        changed(connection)


def _move(connection: Transaction, old: int | None, new: int) -> None:
    """Give a picture another id, by new rows: Citus can't update a column that rows are distributed
    by."""
    for table in ("embedding", "picture"):
        connection.execute(f"DELETE FROM {table} WHERE id = ?", (new,))
    connection.execute(
        "INSERT INTO embedding SELECT ?, vector FROM embedding WHERE id = ?", (new, old)
    )
    connection.execute(
        """INSERT INTO picture SELECT ?, size, mtime_ns, digest, width, height
            FROM picture WHERE id = ?""",
        (new, old),
    )
    for table in ("embedding", "picture", "checksum"):
        connection.execute(f"DELETE FROM {table} WHERE id = ?", (old,))
