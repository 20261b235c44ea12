"""What the store asks of a database, and the SQL that it may use.

`samebut.index.store` and the rooms below it speak to any `Database`: SQLite's
(`samebut.index.database`) or PostgreSQL's (`samebut.index.postgres`). Their statements are written
once, with ``?`` for parameters, in what both engines understand:

* ``ON CONFLICT`` in place of ``OR REPLACE``; ``RETURNING`` for a new id; ``TRUE`` and ``FALSE``;
* texts compare by their bytes, ``LIKE`` names `ESCAPE`, a list of values is never empty;
* ``instr(text, part)``, ``length(paths)`` in bytes and ``row_digest(...)`` are functions of both.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

ESCAPE = "ESCAPE '\U0010ffff'"
"""After ``LIKE ?``: a character that no text has, for PostgreSQL's default is the backslash."""


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


class Connection(Protocol):
    """A connection inside a transaction."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Cursor:
        """Run one statement."""

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Cursor:
        """Run a statement for each of ``parameters``."""


class Database(Protocol):
    """Rows that outlive their processes, changed in whole transactions."""

    @property
    def name(self) -> str:
        """What messages call it; holds no password."""

    @property
    def times_opened(self) -> int:
        """Rises whenever another store may be behind the same name."""

    def state(self) -> Hashable:
        """Another after every change of what is stored, whoever made it. It may change more often;
        it costs microseconds."""

    def reading(self) -> AbstractContextManager[Connection]:
        """One read transaction: everything read inside is of the same moment. Inside another
        block of the same thread it is part of that block's transaction."""

    def writing(self) -> AbstractContextManager[Connection]:
        """One write transaction, durable when the block is left; an exception undoes all of it."""

    def close(self) -> None:
        """Let go of it. Closing twice is fine."""
