"""Connections to one store, each used by one thread at a time, and whole transactions on them."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import psycopg

from samebut.errors import FingerprintMismatch, StoreBusy, StoreNewer
from samebut.index.postgres import schema
from samebut.index.postgres.server import Server
from samebut.index.store import StoredModel

_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_WRITES = "SELECT pg_advisory_xact_lock(hashtextextended('samebut writes {name}', 0))"
_WRITE = f"""BEGIN; SET LOCAL lock_timeout = '10s'; {_WRITES};
    UPDATE {{name}}.store SET changes = changes + 1"""
_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('samebut indexes {name}', 0))"
_PLACE = "SELECT token, number, changes FROM {name}.store"
_THERE = "SELECT to_regclass('{name}.store') IS NOT NULL"
_TRIES = 5  # a store may change its model once more while it is opened again


class Place(NamedTuple):
    """Which store, and which model's pictures in it."""

    token: str
    number: int


class Link:
    """One connection whose search path is one `Place`; implements
    `samebut.index.sql.Transaction`."""

    def __init__(self, raw: Any, place: Place) -> None:
        self.raw = raw
        self.place = place
        self.changes = 0  # how often the store had been written to when this transaction began

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Any:
        return self.raw.execute(_translated(sql), tuple(parameters), binary=True)

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Any:
        cursor = self.raw.cursor()
        cursor.executemany(_translated(sql), parameters)
        return cursor

    def each(self, sql: str, parameters: Sequence[Sequence[Any]], /) -> list[Any]:
        """The one row for each of ``parameters``, or None, without waiting between them."""
        with self.raw.pipeline():
            cursors = [self.execute(sql, each) for each in parameters]
            return [cursor.fetchone() for cursor in cursors]

    @property
    def usable(self) -> bool:
        return not (self.raw.closed or self.raw.broken)


class PostgresDatabase:
    """An existing store; implements `samebut.index.sql.Transactions`. Readers have a connection
    each, writers share one.

    Every connection switches to the model that is searched now. After `fill`, all statements go to
    the model that is being filled instead, until `publish`.
    """

    def __init__(self, server: Server, *, writable: bool) -> None:
        self.server = server
        self.times_opened = 1
        self._writable = writable
        self._filling: int | None = None
        self._place: Place | None = None
        self._free: list[Link] = []
        self._writer: Link | None = None
        self._indexing: Link | None = None  # the connection that holds the indexer's lock
        self._write_lock = threading.RLock()
        self._lock = threading.Lock()
        self._thread = threading.local()
        with self.reading():
            pass

    @property
    def name(self) -> str:
        return str(self.server)

    def close(self) -> None:
        """Close all connections; later calls open new ones."""
        with self._lock:
            links, self._free = [*self._free], []
            if self._writer:
                links.append(self._writer)
                self._writer = None
        for link in links:
            link.raw.close()

    @contextmanager
    def reading(self) -> Iterator[Link]:
        """One read transaction: everything read inside is of the same moment. Inside another
        block of the same thread it is part of that block's transaction."""
        inside: Link | None = getattr(self._thread, "link", None)
        if inside is not None:
            yield inside
            return
        link = None
        try:
            with self._explained(), self._begun(self._take_free, _READ) as link:
                yield link
        finally:
            if link is not None:
                self._give_back(link)

    def state(self) -> tuple[int, int]:
        """A value that differs after every change of the store, by whichever process."""
        with self.reading() as link:
            return self.times_opened, link.changes

    @contextmanager
    def writing(self) -> Iterator[Link]:
        """One write transaction, durable when the block is left; an exception undoes all of it."""
        begin = _WRITE.format(name=self.server.schema)
        with (
            self._write_lock,
            self._explained(),
            self._begun(self._take_writer, begin) as link,
        ):
            yield link

    @contextmanager
    def indexing(self, busy: StoreBusy) -> Iterator[None]:
        """Hold the indexer's lock; raises ``busy`` at once if another process holds it. The server
        releases it when the connection ends, also after a crash."""
        with self._write_lock, self._explained():
            if self._indexing is not None:
                raise busy
            link = self._linked()
            (held,) = link.execute(_LOCK.format(name=self.server.schema)).fetchone()
            if not held:
                link.raw.close()
                raise busy
            self._indexing = link
        try:
            yield
        finally:
            with self._write_lock:
                self._indexing = None
                link.raw.close()

    def fill(self, model: StoredModel) -> None:
        """Switch to a set of pictures of another model, which nobody searches yet: what an
        interrupted run left, or an empty set."""
        name = self.server.schema
        with self.writing() as link:
            begun = link.execute(
                f"SELECT number, fingerprint FROM {name}.model WHERE number <> ?",
                (link.place.number,),
            ).fetchall()
            numbers = [number for number, fingerprint in begun if fingerprint == model.fingerprint]
            for number, _ in begun:
                if number not in numbers:
                    _drop(link, name, number)
            number = numbers[0] if numbers else make_model(link, self.server, model)
            # The model's folder may have moved since that run.
            link.execute(f"UPDATE {name}_m{number}.gallery SET model = ?", (model.name,))
        self._filling = number

    def publish(self) -> None:
        """Let everybody search the set that `fill` began, and drop the previous one."""
        if self._filling is None:
            return
        name, number = self.server.schema, self._filling
        with self.writing() as link:
            (old,) = link.execute(f"SELECT number FROM {name}.store").fetchone()
            link.execute(
                f"""UPDATE {name}_m{number}.gallery SET folder =
                    (SELECT folder FROM {name}_m{old}.gallery)"""
            )
            link.execute(f"UPDATE {name}.store SET number = ?", (number,))
            _drop(link, name, old)
        self._filling = None

    @contextmanager
    def _begun(self, take: Any, begin: str) -> Iterator[Link]:
        link = self._begin(take, begin)
        outside, self._thread.link = getattr(self._thread, "link", None), link
        try:
            yield link
            link.raw.execute("COMMIT")
        except BaseException:
            with suppress(psycopg.Error):
                link.raw.execute("ROLLBACK")
            raise
        finally:
            self._thread.link = outside

    def _begin(self, take: Any, begin: str) -> Link:
        """A link inside a new transaction, set to the place that is current in that transaction."""
        look = f"{begin}; {_PLACE.format(name=self.server.schema)}"
        for last in (False,) * _TRIES + (True,):
            link: Link = take()
            try:
                now = self._look(link, look)
            except BaseException as error:
                broken = isinstance(error, psycopg.OperationalError) and not link.usable
                link.raw.close()
                if last or not broken:
                    raise
                self.close()  # the server was restarted: the other connections are broken, too
                continue
            if now == link.place:
                return link
            link.raw.close()
            self.close()
            with self._lock:
                self._place, self.times_opened = now, self.times_opened + 1
        raise self._another()

    def _look(self, link: Link, statements: str) -> Place:
        try:
            cursor = link.raw.execute(statements)
        except psycopg.errors.UndefinedTable:
            raise self.server.missing() from None
        while cursor.nextset():
            pass
        row = cursor.fetchone()
        if row is None:
            raise self.server.missing()
        link.changes = row[2]
        return Place(row[0], row[1] if self._filling is None else self._filling)

    def _take_free(self) -> Link:
        with self._lock:
            if self._free:
                return self._free.pop()
        return self._linked()

    def _take_writer(self) -> Link:
        if self._indexing is not None:
            # Fails if this connection is lost: its lock is gone then, and another indexer may be
            # writing.
            self._indexing.execute("SELECT 1")
        if self._writer is None or not self._writer.usable:
            self._writer = self._linked()
        return self._writer

    def _give_back(self, link: Link) -> None:
        with self._lock:
            if link.usable and link.place == self._place:
                self._free.append(link)
                return
        link.raw.close()

    def _linked(self) -> Link:
        """A new connection, to the place that was current when it was last looked at."""
        raw = self.server.connect()
        try:
            if not raw.execute(_THERE.format(name=self.server.schema)).fetchone()[0]:
                raise self.server.missing()
            vector = self.server.vector(raw)
            with self._lock:
                if self._place is None:
                    self._place = self._first_place(raw)
                place = self._place
            if self._filling is not None:
                place = place._replace(number=self._filling)
            name = self.server.schema
            raw.execute(f'SET search_path = {name}_m{place.number}, {name}, "{vector.schema}"')
            raw.execute(schema.SETTINGS)
            if not self._writable:
                raw.execute("SET default_transaction_read_only = on")
            return Link(raw, place)
        except BaseException:
            raw.close()
            raise

    def _first_place(self, raw: Any) -> Place:
        name = self.server.schema
        version, token, number = raw.execute(
            f"SELECT version, token, number FROM {name}.store"
        ).fetchone()
        if version > schema.VERSION:
            raise StoreNewer(
                f"{self.name}: was written by a newer samebut (schema version {version}; this one "
                f"knows up to {schema.VERSION})",
                hint="Install the newer samebut, or use another schema: --store URL#NAME",
            )
        return Place(token, number)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        with self.server.explained():
            try:
                yield
            except psycopg.errors.UndefinedTable as error:
                # Another process's `publish`, or a person, dropped the tables during this
                # transaction.
                raise self._another() from error

    def _another(self) -> FingerprintMismatch:
        return FingerprintMismatch(
            f"{self.name}: another process has indexed it again, with another model",
            hint="Open the gallery again.",
        )


def make_store(server: Server, model: StoredModel) -> None:
    """Make a store for ``model`` where there is none, in one transaction."""
    raw = server.connect()
    with server.explained(), raw:
        _make_extension(raw)
        vector = server.vector(raw)
        with raw.transaction():
            raw.execute(_WRITES.format(name=server.schema))
            if raw.execute(_THERE.format(name=server.schema)).fetchone()[0]:
                return
            for statement in schema.TABLES:
                raw.execute(
                    statement.format(
                        name=server.schema,
                        version=schema.VERSION,
                        halfvec=f'"{vector.schema}".halfvec',
                    )
                )
            make_model(Link(raw, Place("", 0)), server, model)


def make_model(link: Link, server: Server, model: StoredModel) -> int:
    """Make the tables of a model's pictures; returns its number."""
    name = server.schema
    (number,) = link.execute(
        f"INSERT INTO {name}.model (fingerprint) VALUES (?) RETURNING number", (model.fingerprint,)
    ).fetchone()
    (vector,) = link.execute(
        """SELECT nspname FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
            WHERE extname = 'vector'"""
    ).fetchone()
    for statement in schema.MODEL_TABLES:
        link.execute(
            statement.format(
                name=name,
                number=number,
                dim=int(model.dim),
                halfvec=f'"{vector}".halfvec',
                storage="PLAIN" if model.dim <= schema.MAX_GRAPH_DIM else "EXTERNAL",
            )
        )
    link.execute(
        f"""INSERT INTO {name}_m{number}.gallery (fingerprint, dim, model, revision)
            VALUES (?, ?, ?, 0)""",
        model,
    )
    return int(number)


def _make_extension(raw: Any) -> None:
    """Create pgvector if it is missing. Errors are ignored: `Server.vector` reports a missing
    one."""
    if raw.execute("SELECT 1 FROM pg_extension WHERE extname = 'vector'").fetchone() is None:
        with suppress(psycopg.Error):
            raw.execute("CREATE EXTENSION IF NOT EXISTS vector")


def _drop(link: Link, name: str, number: int) -> None:
    link.execute(f"DROP SCHEMA IF EXISTS {name}_m{number} CASCADE")
    link.execute(f"DELETE FROM {name}.model WHERE number = ?", (number,))


@functools.cache
def _translated(sql: str) -> str:
    """A statement of the store with psycopg's marks for its parameters."""
    return sql.replace("%", "%%").replace("?", "%s")
