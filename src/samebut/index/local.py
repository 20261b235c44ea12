"""The embedded index: one SQLite file of record, searched in memory through FAISS.

The file holds pictures, their embeddings as half-precision blobs, files that were skipped, and
metadata. Embeddings are read into memory by the first search and again when another process has
changed them. Metadata is kept twice, for the two ways it is asked for: whole per picture, to be
shown, and as one list of pictures per value, to be filtered on.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from samebut.errors import (
    FingerprintMismatch,
    QueryError,
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreMissing,
)
from samebut.index import Entry, FileState, Found, Picture, Skipped, metadata
from samebut.index.database import Database, exclusive
from samebut.index.where import Filter, parse

if TYPE_CHECKING:
    from samebut.index.vectors import Vectors

APPLICATION_ID = 0x53414D45  # "SAME", in the file's header: tells a store from any other SQLite.

MIGRATIONS: dict[int, tuple[str, ...]] = {
    1: (
        # One row: what the embeddings are, and a count of the times they changed.
        """CREATE TABLE gallery (fingerprint TEXT NOT NULL, dim INTEGER NOT NULL,
            model TEXT NOT NULL, revision INTEGER NOT NULL)""",
        "CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        # Rows are never deleted, so an id never comes to mean another path.
        "CREATE TABLE path (id INTEGER PRIMARY KEY, name NOT NULL UNIQUE)",
        """CREATE TABLE picture (id INTEGER PRIMARY KEY, size INTEGER NOT NULL,
            mtime_ns INTEGER NOT NULL, digest TEXT NOT NULL, width INTEGER NOT NULL,
            height INTEGER NOT NULL)""",
        "CREATE INDEX picture_digest ON picture (digest)",
        # Apart from the picture, so that listing pictures does not read a hundred megabytes.
        "CREATE TABLE embedding (id INTEGER PRIMARY KEY, vector BLOB NOT NULL)",
        """CREATE TABLE skipped (id INTEGER PRIMARY KEY, size INTEGER NOT NULL,
            mtime_ns INTEGER NOT NULL, reason TEXT NOT NULL)""",
        *metadata.TABLES_1,
    ),
}
"""The ladder of schema versions. A rung that was released is never edited: add the next one."""

_HALF = np.dtype("<f2")
_UNIT_TOLERANCE = 0.01
_ROWS_AT_ONCE = 4096
_INSERT_GALLERY = "INSERT INTO gallery SELECT ?, ?, ?, 0 WHERE NOT EXISTS (SELECT 1 FROM gallery)"
_ID_OF = "(SELECT id FROM path WHERE name = ?)"


class _Model(NamedTuple):
    fingerprint: str
    dim: int
    name: str


class LocalIndex:
    """A store file opened for searching or, by `create` or ``writable``, for indexing too.

    Threads may share one. Writes are whole transactions: a method that returned has stored all it
    was given, through the end of the process and of the power; one that raised has stored nothing.
    Methods without a docstring here do what `samebut.index.Index` says.
    """

    def __init__(self, database: Database, model: _Model) -> None:
        self._database = database
        self._model = model
        self._loaded: tuple[int, Vectors] | None = None

    @classmethod
    def create(cls, path: Path, *, dim: int, fingerprint: str, model: str) -> Self:
        """Open a store for indexing, making it first if it is not there.

        One that is there is opened as it is, whatever made its embeddings: compare `fingerprint`.

        Raises:
            StoreDamaged, StoreNewer, StoreBusy, StoreError: it can't be used; the hint says why.
        """
        return cls._on(
            Database.create(path, APPLICATION_ID, MIGRATIONS), _Model(fingerprint, dim, model)
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
    def _on(cls, database: Database, new: _Model | None = None) -> Self:
        try:
            if new:
                with database.writing() as connection:
                    connection.execute(_INSERT_GALLERY, new)
            with database.reading() as connection:
                model, _ = _gallery(connection, database.path)
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

    def setting(self, name: str) -> str | None:
        with self._database.reading() as connection:
            row = connection.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return None if row is None else _given(row[0])

    def set_setting(self, name: str, value: str) -> None:
        with self._database.writing() as connection:
            connection.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, _kept(value)))

    def replace_model(self, *, fingerprint: str, dim: int, model: str) -> None:
        """Forget every picture because another model will embed them; ids stay with their paths.

        With the fingerprint that the store has already, nothing happens: an indexer that was
        killed after this finds the pictures it has embedded since. Skipped files and metadata do
        not depend on the model and are kept.
        """
        new = _Model(fingerprint, dim, model)
        with self._database.writing() as connection:
            old, _ = _gallery(connection, self.path)
            if old.fingerprint != new.fingerprint:
                connection.execute("DELETE FROM embedding")
                connection.execute("DELETE FROM picture")
                connection.execute("UPDATE gallery SET fingerprint = ?, dim = ?, model = ?", new)
                _changed(connection)
        self._model = old if old.fingerprint == new.fingerprint else new

    def put(self, pictures: Sequence[Picture]) -> None:
        """Insert pictures or replace them by path; clears skip records of their paths.

        Raises:
            StoreError: an embedding is not a unit vector of the store's length, or can't be kept.
            FingerprintMismatch: another process has given the store another model.
        """
        vectors = [self._half(picture) for picture in pictures]
        names = [(_kept(picture.path),) for picture in pictures]
        rows = ((p.size, p.mtime_ns, p.digest, p.width, p.height) for p in pictures)
        with self._database.writing() as connection:
            self._revision(connection)
            _name(connection, names)
            connection.executemany(
                f"INSERT OR REPLACE INTO picture VALUES ({_ID_OF}, ?, ?, ?, ?, ?)",
                [(*name, *row) for name, row in zip(names, rows, strict=True)],
            )
            connection.executemany(
                f"INSERT OR REPLACE INTO embedding VALUES ({_ID_OF}, ?)",
                [(*name, vector) for name, vector in zip(names, vectors, strict=True)],
            )
            connection.executemany(f"DELETE FROM skipped WHERE id = {_ID_OF}", names)
            _changed(connection)

    def skip(self, records: Sequence[Skipped]) -> None:
        names = [(_kept(record.path),) for record in records]
        with self._database.writing() as connection:
            _name(connection, names)
            _forget(connection, names)
            connection.executemany(
                f"INSERT INTO skipped VALUES ({_ID_OF}, ?, ?, ?)",
                [(_kept(r.path), r.size, r.mtime_ns, _kept(r.reason)) for r in records],
            )

    def touch(self, path: str, *, size: int, mtime_ns: int) -> None:
        """Note a new size and time of a picture whose content is the same.

        Raises:
            StoreError: the store has no picture of that path.
        """
        with self._database.writing() as connection:
            done = connection.execute(
                f"UPDATE picture SET size = ?, mtime_ns = ? WHERE id = {_ID_OF}",
                (size, mtime_ns, _kept(path)),
            )
            self._require(done, path)

    def rename(self, old: str, new: str, *, size: int, mtime_ns: int) -> None:
        """Move a picture to another path, which is another id; metadata stays with the paths.

        Raises:
            StoreError: the store has no picture of the old path.
        """
        with self._database.writing() as connection:
            _name(connection, [(_kept(new),)])
            connection.execute(f"DELETE FROM skipped WHERE id = {_ID_OF}", (_kept(new),))
            ends = (_kept(new), _kept(old))
            connection.execute(
                f"UPDATE OR REPLACE embedding SET id = {_ID_OF} WHERE id = {_ID_OF}", ends
            )
            done = connection.execute(
                f"UPDATE OR REPLACE picture SET id = {_ID_OF}, size = ?, mtime_ns = ?"
                f" WHERE id = {_ID_OF}",
                (_kept(new), size, mtime_ns, _kept(old)),
            )
            self._require(done, old)
            _changed(connection)

    def remove(self, paths: Iterable[str]) -> None:
        names = [(_kept(path),) for path in paths]
        with self._database.writing() as connection:
            _forget(connection, names)

    def files(self) -> dict[str, FileState]:
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT name, size, mtime_ns, digest FROM picture JOIN path USING (id)"
            ).fetchall()
        return {_given(name): FileState(*state) for name, *state in rows}

    def skipped(self) -> list[Skipped]:
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT name, size, mtime_ns, reason FROM skipped JOIN path USING (id)"
            ).fetchall()
        records = [Skipped(_given(n), size, time, _given(reason)) for n, size, time, reason in rows]
        return sorted(records, key=lambda record: record.path)

    def by_digest(self, digest: str) -> Picture | None:
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
        full = self._full(vector)
        return Picture(_given(name), size, mtime_ns, found, width, height, full)

    def copies(self, digest: str) -> list[int]:
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT id FROM picture WHERE digest = ? ORDER BY id", (digest,)
            )
            return [int(number) for (number,) in rows]

    def id_of(self, path: str) -> int | None:
        with self._database.reading() as connection:
            row = connection.execute(
                f"SELECT id FROM picture WHERE id = {_ID_OF}", (_kept(path),)
            ).fetchone()
        return None if row is None else int(row[0])

    def pictures(self, ids: Sequence[int]) -> list[Entry]:
        rows = self._each(
            "SELECT id, name, size, mtime_ns, digest, width, height"
            " FROM picture JOIN path USING (id) WHERE id = ?",
            ids,
        )
        return [Entry(row[0], _given(row[1]), *row[2:]) for row in rows if row]

    def embedding(self, ids: Sequence[int]) -> NDArray[np.float32]:
        rows = self._each("SELECT vector FROM embedding WHERE id = ?", ids)
        if None in rows:
            raise QueryError(f"there is no picture with id {ids[rows.index(None)]}")
        full = np.empty((len(ids), self.dim), np.float32)
        for place, row in enumerate(rows):
            full[place] = self._full(row[0])
        return full

    def set_metadata(self, rows: Mapping[str, Mapping[str, str]]) -> None:
        """Replace all metadata: path to column to text. An empty text is a missing value.

        Paths need not be indexed: what is said about a path holds once it is.

        Raises:
            MetadataError: a name or text with broken characters or a NUL.
        """
        metadata.check(rows)
        kept = {_kept(path): columns for path, columns in rows.items()}
        with self._database.writing() as connection:
            _name(connection, [(name,) for name in kept])
            ids = dict(connection.execute("SELECT name, id FROM path"))
            metadata.replace(connection, {ids[name]: columns for name, columns in kept.items()})

    def metadata(self, ids: Sequence[int]) -> list[dict[str, str]]:
        with self._database.reading() as connection:
            return [metadata.of(connection, int(i)) for i in ids]

    def columns(self) -> list[str]:
        with self._database.reading() as connection:
            return list(metadata.fields(connection))

    def facets(self, limit: int) -> dict[str, list[tuple[str, int]]]:
        """Each column's commonest values among the indexed pictures, with their counts.

        Spellings that a filter takes for the same are counted together, under the commonest of
        them. Values with equal counts are in the order of their texts.
        """
        with self._database.reading() as connection:
            return metadata.facets(connection, limit)

    def count(self, where: str | Filter | None = None) -> int:
        """How many pictures the filter lets through.

        Raises:
            FilterError: ``where`` can't be understood, or names an unknown column.
        """
        if where is None:
            return len(self)
        with self._database.reading() as connection:
            return len(self._passing(connection, where))

    def listing(
        self, count: int, *, offset: int = 0, where: str | Filter | None = None
    ) -> list[int]:
        """Ids of ``count`` pictures after ``offset`` of them, by path, of those that pass.

        Raises:
            FilterError: ``where`` can't be understood, or names an unknown column.
        """
        ordered = "SELECT id FROM path JOIN picture USING (id) ORDER BY name"
        with self._database.reading() as connection:
            if where is None:
                rows = connection.execute(f"{ordered} LIMIT ? OFFSET ?", (count, offset))
                return [int(number) for (number,) in rows]
            passing = set(self._passing(connection, where).tolist())
            every = (int(number) for (number,) in connection.execute(ordered))
            return list(islice((i for i in every if i in passing), offset, offset + count))

    def _passing(self, connection: sqlite3.Connection, where: str | Filter) -> NDArray[np.int64]:
        chosen = parse(where) if isinstance(where, str) else where
        rows = connection.execute("SELECT id FROM picture ORDER BY id")
        ids = np.fromiter((number for (number,) in rows), np.int64)
        return ids[metadata.select(connection, chosen, lambda some: np.isin(ids, some))]

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
        queries = self._checked(queries, k)
        chosen = parse(where) if isinstance(where, str) else where
        with self._database.reading() as connection:
            vectors = self._current(connection)
            allowed = None
            if chosen is not None:
                allowed = metadata.select(connection, chosen, vectors.among)
        if len(exclude):
            others = ~vectors.among(np.asarray(exclude, np.int64))
            allowed = others if allowed is None else allowed & others
        return vectors.search(queries, k, allowed)

    def _checked(self, queries: NDArray[np.float32], k: int) -> NDArray[np.float32]:
        queries = np.ascontiguousarray(queries, np.float32)
        if queries.ndim != 2 or queries.shape[1] != self.dim:
            shape = "x".join(map(str, queries.shape))
            raise QueryError(f"queries of shape {shape}, this store wants Qx{self.dim}")
        if not np.isfinite(queries).all():
            raise QueryError("a query holds numbers that are not finite")
        if k < 1:
            raise QueryError(f"{k} results were asked for; ask for at least one")
        return queries

    def _revision(self, connection: sqlite3.Connection) -> int:
        """The store's revision, if it still holds the model it was opened with."""
        model, revision = _gallery(connection, self.path)
        if model != self._model:
            raise FingerprintMismatch(
                f"{self.path}: now holds embeddings of {model.name}, no longer {self.model}",
                hint="another process has indexed it again: open it again",
            )
        return revision

    def _current(self, connection: sqlite3.Connection) -> Vectors:
        revision = self._revision(connection)
        if self._loaded is None or self._loaded[0] != revision:
            self._loaded = revision, self._load(connection)
        return self._loaded[1]

    def _load(self, connection: sqlite3.Connection) -> Vectors:
        from samebut.index.vectors import Vectors  # FAISS: an indexer has no need to wait for it.

        (count,) = connection.execute("SELECT count(*) FROM embedding").fetchone()
        ids = np.empty(count, np.int64)
        codes = np.empty((count, self.dim), _HALF)
        cursor = connection.execute("SELECT id, vector FROM embedding ORDER BY id")
        at = 0
        while rows := cursor.fetchmany(_ROWS_AT_ONCE):
            block = slice(at, at + len(rows))
            ids[block], blobs = zip(*rows, strict=True)
            codes[block] = self._halves(b"".join(blobs), len(rows))
            at += len(rows)
        return Vectors(ids, codes)

    def _halves(self, blob: bytes, count: int) -> NDArray[np.float16]:
        if len(blob) != count * self.dim * _HALF.itemsize:
            raise StoreDamaged(
                f"{self.path}: an embedding is not of {self.dim} numbers",
                hint="move the file away and index again; your pictures are not touched",
            )
        halves: NDArray[np.float16] = np.frombuffer(blob, _HALF).reshape(count, self.dim)
        return halves

    def _full(self, blob: bytes) -> NDArray[np.float32]:
        full: NDArray[np.float32] = self._halves(blob, 1)[0].astype(np.float32)
        return full

    def _half(self, picture: Picture) -> bytes:
        embedding = np.asarray(picture.embedding, np.float32)
        if embedding.shape != (self.dim,):
            shape = "x".join(map(str, embedding.shape))
            raise StoreError(
                f"{picture.path}: its embedding has shape {shape}, this store keeps {self.dim}",
                hint="index with the model the store was made with, or index all again",
            )
        length = float(np.linalg.norm(embedding))
        if not abs(length - 1) <= _UNIT_TOLERANCE:
            raise StoreError(f"{picture.path}: its embedding has length {length:g}, not 1")
        return embedding.astype(_HALF).tobytes()

    def _each(self, statement: str, ids: Sequence[int]) -> list[Any]:
        """The one row for each id, or None, read at one moment."""
        with self._database.reading() as connection:
            return [connection.execute(statement, (int(i),)).fetchone() for i in ids]

    def _require(self, done: sqlite3.Cursor, path: str) -> None:
        if not done.rowcount:
            raise StoreError(f"{self.path}: holds no picture {path}")


def _gallery(connection: sqlite3.Connection, path: Path) -> tuple[_Model, int]:
    row = connection.execute("SELECT fingerprint, dim, model, revision FROM gallery").fetchone()
    if row is None:
        raise StoreMissing(f"{path}: nothing is indexed here yet", hint="run: samebut index PHOTOS")
    return _Model(*row[:3]), int(row[3])


def _changed(connection: sqlite3.Connection) -> None:
    """Tell every process that its embeddings in memory are old."""
    connection.execute("UPDATE gallery SET revision = revision + 1")


def _name(connection: sqlite3.Connection, names: Sequence[tuple[str | bytes]]) -> None:
    """Give ids to paths that have none."""
    connection.executemany("INSERT OR IGNORE INTO path (name) VALUES (?)", names)


def _forget(connection: sqlite3.Connection, names: Sequence[tuple[str | bytes]]) -> None:
    for table in ("skipped", "picture"):
        connection.executemany(f"DELETE FROM {table} WHERE id = {_ID_OF}", names)
    gone = connection.executemany(f"DELETE FROM embedding WHERE id = {_ID_OF}", names)
    if gone.rowcount > 0:
        _changed(connection)


def _kept(text: str) -> str | bytes:
    """A text as SQLite can keep it. A file's name need not be valid Unicode: such a one becomes
    bytes, which differ from every text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def _given(kept: str | bytes) -> str:
    return kept if isinstance(kept, str) else kept.decode("utf-8", "surrogatepass")
