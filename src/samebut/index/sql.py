"""What the store asks of a database, and the SQL that it may use.

`samebut.index.store` and the modules below it speak to any of `Transactions`: SQLite's
(`samebut.index.database`) or PostgreSQL's (`samebut.index.postgres`). Their statements are written
once, with ``?`` for parameters, in what both engines understand:

* ``ON CONFLICT`` in place of ``OR REPLACE``; ``RETURNING`` for a new id; ``TRUE`` and ``FALSE``;
* texts compare by their bytes, ``LIKE`` names `ESCAPE`, a list of values is never empty;
* bytes are of one of the kinds below, for PostgreSQL has a type for each;
* ``instr(text, part)``, ``length(paths)`` in bytes and ``row_digest(...)`` are functions of both.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import chain, islice
from typing import Any, Protocol

ESCAPE = "ESCAPE '\U0010ffff'"
"""After ``LIKE ?``: a character that no text has, for PostgreSQL's default is the backslash."""

_AT_ONCE = 500  # keys or rows in one statement: a server is not asked for each


class Name(bytes):
    """A file's name that is not Unicode, in UTF-8 with surrogates."""


class Halves(bytes):
    """An embedding: little-endian numbers of half precision."""


class Ids(bytes):
    """A list of ids: little-endian numbers of 64 bits."""


class Cursor(Protocol):
    """What a statement returned."""

    @property
    def rowcount(self) -> int:
        """How many rows were changed."""

    def fetchone(self) -> Any:
        """The next row, or None."""

    def fetchmany(self, size: int, /) -> list[Any]:
        """The next rows, at most ``size``; none at the end."""

    def fetchall(self) -> list[Any]:
        """All rows that are left."""

    def __iter__(self) -> Iterator[Any]:
        """The rows that are left."""


class Transaction(Protocol):
    """A connection inside a transaction."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Cursor:
        """Run one statement."""

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Cursor:
        """Run a statement for each of ``parameters``."""


def found_by(connection: Transaction, sql: str, keys: Iterable[Any]) -> Iterator[Any]:
    """The rows of a statement that has ``IN ({keys})`` for whichever keys."""
    for some in _batches(keys):
        yield from connection.execute(sql.format(keys=", ".join("?" * len(some))), some)


def change_by(connection: Transaction, sql: str, keys: Iterable[Any]) -> int:
    """Run a statement that has ``IN ({keys})`` and returns no rows. Returns how many it changed."""
    changed = 0
    for some in _batches(keys):
        statement = sql.format(keys=", ".join("?" * len(some)))
        changed += connection.execute(statement, some).rowcount
    return changed


def insert(connection: Transaction, sql: str, rows: Iterable[Sequence[Any]]) -> None:
    """Run a statement that has ``VALUES {rows}``. With ``ON CONFLICT`` no two rows may have the
    same key: PostgreSQL refuses that."""
    for some in _batches(rows):
        row = f"({', '.join('?' * len(some[0]))})"
        statement = sql.format(rows=", ".join([row] * len(some)))
        connection.execute(statement, tuple(chain.from_iterable(some)))


def _batches(every: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
    rest = iter(every)
    while some := tuple(islice(rest, _AT_ONCE)):
        yield some


class Transactions(Protocol):
    """A database whose rows outlive its processes, changed in whole transactions."""

    @property
    def name(self) -> str:
        """What messages call it; holds no password."""

    @property
    def times_opened(self) -> int:
        """Counts how often the store was opened again, perhaps as another one of the same name."""

    def state(self) -> Hashable:
        """A value that differs after every change of the stored data, by whichever process, and
        perhaps without one. Reading it takes microseconds."""

    def reading(self) -> AbstractContextManager[Transaction]:
        """One read transaction: everything read inside is of the same moment. Inside another
        block of the same thread it is part of that block's transaction."""

    def writing(self) -> AbstractContextManager[Transaction]:
        """One write transaction, durable when the block is left; an exception undoes all of it."""

    def close(self) -> None:
        """Close it. Closing twice is fine."""
