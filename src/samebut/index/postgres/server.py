"""The address of a store on a server, as given to ``--store``, and connecting to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import psycopg
from psycopg.conninfo import conninfo_to_dict

from samebut.errors import DiskFull, StoreBusy, StoreDamaged, StoreError, StoreMissing
from samebut.index.postgres.adapt import adapt, connect
from samebut.index.postgres.schema import OLDEST_VECTOR

_NAME = re.compile("[a-z][a-z0-9_]{0,39}")
_PASSWORD = "Put it into the file ~/.pgpass or the variable PGPASSWORD, as libpq reads them."
_OPTIONS = "-c synchronous_commit=on"  # a commit that returned has to survive the server
_VECTOR = """SELECT extversion, nspname, to_regtype(quote_ident(nspname) || '.halfvec')::oid
    FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
    WHERE extname = 'vector'"""


class _Refusal(NamedTuple):
    error: type[StoreError]
    phrase: str
    hint: str


_CAUSES = {
    "53100": _Refusal(
        DiskFull,
        "the server's disk is full",
        "Free some space and run the same command again; all that was stored before is there.",
    ),
    "55P03": _Refusal(StoreBusy, "another process is writing to it", "Try again when it is done."),
    "42501": _Refusal(StoreError, "access is denied", "Ask the server's administrator for it."),
    "25006": _Refusal(StoreError, "can't be written to", "Use a server that can be written to."),
    "42P01": _Refusal(StoreDamaged, "the store lacks a part", "Drop its schema and index again."),
    "XX001": _Refusal(StoreDamaged, "the store is damaged", "Restore it from a backup."),
    "XX002": _Refusal(StoreDamaged, "an index of it is damaged", "Run REINDEX on the server."),
}
"""By SQLSTATE, as PostgreSQL's appendix A lists them."""


class Vector(NamedTuple):
    """The extension pgvector of a server: its schema, and the number of its type ``halfvec``."""

    schema: str
    halfvec: int


@dataclass(frozen=True, slots=True)
class Server:
    """``url`` is what ``--store`` was given; ``schema`` the part after its ``#``."""

    url: str
    schema: str
    parameters: dict[str, str] = field(repr=False, compare=False)

    def __str__(self) -> str:
        return self.url

    def connect(self) -> Any:
        """A psycopg connection with this store's session settings. Raises StoreError."""
        try:
            return connect(self.parameters)
        except psycopg.Error as error:
            raise self._unreached(error) from error

    def _unreached(self, error: psycopg.Error) -> StoreError:
        return StoreError(
            f"{self}: the server can't be reached: {_first_line(error)}",
            hint="Check that it runs and that you have access; passwords are read from ~/.pgpass.",
        )

    def vector(self, connection: Any) -> Vector:
        """Its pgvector, whose types ``connection`` then knows.

        Raises:
            StoreError: it has none, or one that is too old.
        """
        row = connection.execute(_VECTOR).fetchone()
        if row is None:
            raise StoreError(
                f"{self}: the database does not have the extension vector",
                hint="Install pgvector on the server and run there: CREATE EXTENSION vector",
            )
        version, schema, halfvec = row
        if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_VECTOR:
            raise StoreError(
                f"{self}: its pgvector is {version}, too old to search behind a filter",
                hint="Update it to 0.8 or newer: ALTER EXTENSION vector UPDATE",
            )
        adapt(connection, halfvec)
        return Vector(schema, halfvec)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn psycopg's errors into errors of `samebut.errors`."""
        try:
            yield
        except psycopg.Error as error:
            cause = _CAUSES.get(error.sqlstate or "")
            if cause is not None:
                raise cause.error(f"{self}: {cause.phrase}", hint=cause.hint) from error
            if error.sqlstate is None and isinstance(error, psycopg.OperationalError):
                raise self._unreached(error) from error  # the connection broke
            raise StoreError(
                f"{self}: the server says: {_first_line(error)}",
                hint="Run the same command again; what was stored before is still there.",
            ) from error

    def missing(self) -> StoreMissing:
        return StoreMissing(
            f"{self}: nothing is indexed here yet", hint="Run: samebut index PHOTOS --store ..."
        )


def server_of(url: str) -> Server:
    """Read an address: what libpq takes, and after ``#`` the name of the store's schema.

    Raises:
        StoreError: it can't be understood, or holds a password, which others could see in the list
            of processes and in messages.
    """
    address, _, schema = url.partition("#")
    schema = schema or "samebut"
    try:
        parameters = conninfo_to_dict(address)
    except psycopg.Error:
        raise StoreError(
            "--store: the address of the server can't be understood",
            hint="Write postgresql://USER@HOST:PORT/DATABASE, with %40 for an @ inside a part.",
        ) from None  # libpq's message may contain a password
    if any("password" in name or "secret" in name for name in parameters):
        raise StoreError("--store: the address holds a password", hint=_PASSWORD)
    if not _NAME.fullmatch(schema):
        raise StoreError(
            f"--store: {schema!r} can't be the name of a schema",
            hint="After #, write at most 40 small letters, digits and _.",
        )
    given = {name: str(value) for name, value in parameters.items() if value is not None}
    ours = {"client_encoding": "UTF8", "options": f"{given.get('options', '')} {_OPTIONS}"}
    return Server(url, schema, {"application_name": "samebut", **given, **ours})


def _first_line(error: psycopg.Error) -> str:
    return str(error).strip().partition("\n")[0]
