"""One SQLite file that outlives its processes: checked when opened, changed in whole transactions.

WAL mode lets any number of readers work beside one writer, and a commit that returned survives a
crash and a power cut. A `Database` is one connection shared by the threads of a process, one
transaction at a time. It knows nothing about what is stored.

Every `sqlite3` error leaves this module as one of `samebut.errors`, naming the file.
"""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

from samebut.errors import (
    DiskFull,
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreMissing,
    StoreNewer,
)

Ladder = Mapping[int, Sequence[str]]
"""Rung n is the statements that bring a store of schema version n - 1 to version n."""

_WAIT_SECONDS = 10.0
_AGAIN_SECONDS = 0.01  # between two tries of operations that SQLite's busy timeout does not cover
_PAGE_BYTES = 8192  # Two thirds fewer wasted bytes than 4096 with vectors of 1 KB, and faster.
_MAGIC = b"SQLite format 3\0"
# One statement, so that all three are of the same moment while another process makes the store.
_IDENTITY = """SELECT (SELECT application_id FROM pragma_application_id),
    (SELECT user_version FROM pragma_user_version), count(*) FROM sqlite_master"""
_INDEX_AGAIN = "Move the file away and index again; your pictures are not touched."
_TABLE = re.compile(r"\b(FROM|JOIN|INTO|UPDATE)\s+(\w+)")  # as statements name one
_ELSEWHERE = "Put the store where you may write: --store FILE"


class _Cause(NamedTuple):
    error: type[StoreError]
    phrase: str
    hint: str


_CAUSES = {
    sqlite3.SQLITE_FULL: _Cause(
        DiskFull,
        "the disk is full",
        "Free some space and run the same command again; all that was stored before is there.",
    ),
    sqlite3.SQLITE_BUSY: _Cause(
        StoreBusy, "another process is writing to it", "Try again when it is done."
    ),
    sqlite3.SQLITE_READONLY: _Cause(StoreError, "can't be written to", _ELSEWHERE),
    sqlite3.SQLITE_CANTOPEN: _Cause(StoreError, "can't be opened or created", _ELSEWHERE),
    sqlite3.SQLITE_PERM: _Cause(StoreError, "access is denied", _ELSEWHERE),
    sqlite3.SQLITE_IOERR: _Cause(
        StoreError, "the disk reports an error", "Check the disk, or use another: --store FILE"
    ),
    sqlite3.SQLITE_CORRUPT: _Cause(StoreDamaged, "the store is damaged", _INDEX_AGAIN),
    sqlite3.SQLITE_NOTADB: _Cause(StoreDamaged, "this is not a store", _INDEX_AGAIN),
    sqlite3.SQLITE_ERROR: _Cause(StoreDamaged, "the store lacks a part", _INDEX_AGAIN),
}
_FOLDER_NOT_WRITABLE = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY})


class _Connection(sqlite3.Connection):
    """A connection that may replace table names in its statements (`Database.redirect`)."""

    redirected: Mapping[str, str] = {}

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        return super().execute(self._redirected(sql), parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        return super().executemany(self._redirected(sql), parameters)

    def _redirected(self, sql: str) -> str:
        return _TABLE.sub(self._named, sql) if self.redirected else sql

    def _named(self, found: re.Match[str]) -> str:
        before, table = found.groups()
        other = self.redirected.get(table)
        return found[0] if other is None else f"{before} {other} AS {table}"


class Database:
    """A file of one application, at the newest schema version of its ``ladder``, the list of
    migrations.

    Use `create` or `open`. Threads may share it; only one is inside a transaction at a time. A file
    that was deleted or replaced meanwhile is noticed by the next transaction, which opens the one
    that is there now, or raises `StoreMissing`.
    """

    def __init__(
        self, path: Path, opened: _Opened, reopen: Callable[[], _Opened] | None = None
    ) -> None:
        self.path = path
        self.times_opened = 1
        self._connection = opened.connection
        self._reopen = reopen
        self._lock = threading.RLock()
        self._inside = False  # a transaction, of the thread that holds the lock
        # An immutable connection takes no locks and sees no change, so it is given up as soon as
        # the file looks different.
        self._looks = _state if opened.immutable else _identity
        self._looked = self._looks(path)
        self._beside = _beside(path)

    @classmethod
    def create(
        cls, path: Path, application: int, ladder: Ladder, *, unchecked: str | None = None
    ) -> Self:
        """Open the file for writing, making it and its folder first where they are missing.

        All tables are checked, but for those that ``unchecked``, an SQL query, names.

        Raises:
            StoreDamaged: the file is there and is something else, or broken.
            StoreNewer: its schema version is above the ladder.
            StoreError: the place can't be written to.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"{path.parent} can't be made: {error.strerror}", hint=_ELSEWHERE
            ) from error
        if _size(path):
            _check_file(path)
        way = _Way(path, application, ladder, unchecked)
        with _explained(path):
            opened = way.writer("rwc", new=True)
            return cls(path, opened, lambda: way.open(writable=True))

    @classmethod
    def open(
        cls,
        path: Path,
        application: int,
        ladder: Ladder,
        *,
        writable: bool,
        unchecked: str | None = None,
    ) -> Self:
        """Open a file that is there. Without ``writable`` the folder may be read-only.
        ``unchecked`` is as for `create`.

        Raises:
            StoreMissing: no file, or one whose making was cut off before anything was stored.
            StoreDamaged, StoreNewer, StoreError: as for `create`.
        """
        way = _Way(path, application, ladder, unchecked)
        with _explained(path):
            return cls(path, way.open(writable=writable), lambda: way.open(writable=writable))

    def close(self) -> None:
        """Close the connection; the last writer to close folds the log into the file."""
        with self._lock, _explained(self.path):
            self._connection.close()

    def redirect(self, tables: Mapping[str, str]) -> None:
        """From now on replace table names in statements as ``tables`` maps them, unless they are
        written with ``main.``. Ends when the file is replaced by another one."""
        with self._lock:
            self._connection.redirected = tables
            self.times_opened += 1  # so that what was read from the other tables is read again

    def inconsistencies(self) -> list[str]:
        """The first few faults of SQLite's full check, which also compares indexes with their
        tables: more thorough than the check when a file is opened, and slower."""
        with self.reading() as connection:
            found = [said for (said,) in connection.execute("PRAGMA integrity_check(5)")]
        return [] if found == ["ok"] else found

    @property
    def name(self) -> str:
        """What messages call it."""
        return str(self.path)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One read transaction: everything read inside is of the same moment. Inside another
        block of the same thread it is part of that block's transaction."""
        with self._lock:
            if self._inside:  # this thread's own transaction: it holds the lock
                yield self._connection
                return
            with self._transaction("BEGIN") as connection:
                yield connection

    def state(self) -> tuple[int, int, int]:
        """A value that differs after every change of the file, by whichever process."""
        with self.reading() as connection:
            (others,) = connection.execute("PRAGMA data_version").fetchone()
            return self.times_opened, int(others), connection.total_changes

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One write transaction, durable when the block is left; an exception undoes all of it."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._lock, _explained(self.path):
            self._renew()
            connection = self._connection
            connection.execute(begin)
            self._inside = True
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                # Some failures (a full disk) have already ended the transaction.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            finally:
                self._inside = False

    def _renew(self) -> None:
        """Open the file again if its path now leads to another file."""
        if self._looks(self.path) == self._looked or self._reopen is None:
            return
        _identity(self.path)  # raises if there is no file; the old one stays open, to compare later
        self._connection.close()
        # SQLite would apply the old file's log to the new file: remove it if it is still there.
        for file, identity in self._beside.items():
            if _beside(self.path).get(file) == identity:
                file.unlink(missing_ok=True)
        opened = self._reopen()
        self._connection = opened.connection
        self._beside = _beside(self.path)
        self._looks = _state if opened.immutable else _identity
        self._looked = self._looks(self.path)
        self.times_opened += 1


class _Opened(NamedTuple):
    """A connection, and whether it was opened with SQLite's ``immutable=1``."""

    connection: _Connection
    immutable: bool


class _Way(NamedTuple):
    """How one application's file is opened: checked first, then brought up to date."""

    path: Path
    application: int
    ladder: Ladder
    unchecked: str | None = None

    def open(self, *, writable: bool) -> _Opened:
        """Raises StoreMissing, StoreDamaged, StoreNewer, StoreError."""
        if not _size(self.path):
            raise _missing(self.path)
        _check_file(self.path)
        return self.writer("rw", new=False) if writable else self._reader()

    def _reader(self) -> _Opened:
        connection, immutable = _connect_reader(self.path)
        with _closing_on_error(connection):
            if self._version(connection, new=False) == max(self.ladder):
                _check_pages(self.path, connection, self.unchecked)
                return _Opened(connection, immutable)
        connection.close()
        self.writer("rw", new=False).connection.close()
        return self._reader()

    def writer(self, mode: str, *, new: bool) -> _Opened:
        """A connection that writes, after the file was checked and brought up to date."""
        connection = _connect(self.path, mode)
        with _closing_on_error(connection):
            # Nothing may be changed before the file is known to be ours.
            if not self._version(connection, new=new):
                connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
                _write_ahead(connection)
            # Without it a commit survives the process but not a power cut.
            connection.execute("PRAGMA synchronous = FULL")
            opened = _Opened(connection, immutable=False)
            with Database(self.path, opened).writing():
                # Read again: another process may have migrated the file meanwhile.
                version = self._version(connection, new=new)
                _climb(connection, self.application, self.ladder, version)
            _check_pages(self.path, connection, self.unchecked)
            return opened

    def _version(self, connection: sqlite3.Connection, *, new: bool) -> int:
        return _version(self.path, connection, self.application, self.ladder, new=new)


@contextmanager
def exclusive(path: Path, busy: StoreBusy) -> Iterator[None]:
    """Hold the file lock ``path``; raises ``busy`` at once if another process holds it.

    The lock is an SQLite file in an exclusive transaction: the operating system releases it when
    the process ends, also after a crash, so no stale lock can exist.
    """
    with _explained(path):
        connection = _connect(path, "rwc", wait=0)
    with closing(connection):
        try:
            with _explained(path):
                connection.execute("BEGIN EXCLUSIVE")
        except StoreBusy as error:
            raise busy from error
        yield


def row_digest(*values: object) -> bytes:
    """Digest of a row's values, also a function of SQL in every connection that is made here.

    Kind and length precede each value, so different rows are never the same bytes.
    """
    state = hashlib.blake2b(digest_size=8)
    for value in values:
        said = value if isinstance(value, bytes) else str(value).encode()
        state.update(f"{type(value).__name__}{len(said)}:".encode())
        state.update(said)
    return state.digest()


def _connect(path: Path, mode: str, wait: float | None = None) -> _Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=_WAIT_SECONDS if wait is None else wait,
        isolation_level=None,
        check_same_thread=False,
        factory=_Connection,
    )
    connection.create_function("row_digest", -1, row_digest, deterministic=True)
    return connection


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch a new file to a write-ahead log.

    SQLite waits for other writers everywhere but here: two that make one file at the same moment
    would otherwise fail with "database is locked".
    """
    last = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > last:
                raise
        time.sleep(_AGAIN_SECONDS)


def _connect_reader(path: Path) -> tuple[_Connection, bool]:
    """A connection that can't write, and whether it had to take the file for immutable.

    A WAL file is read through a shared-memory file beside it. Where that can't be made because the
    folder is read-only, the file alone may be read, but only if no log with newer rows lies there.
    """
    connection = _connect(path, "rw")
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return connection, False
    except sqlite3.OperationalError as error:
        connection.close()
        if _code(error) not in _FOLDER_NOT_WRITABLE:
            raise
    if _size(_log(path)):
        raise StoreError(
            f"{path}: its last rows are still in {_log(path).name}, and {path.parent} is read-only",
            hint="Copy both files to a folder you may write to, and name the copy: --store FILE",
        )
    return _connect(path, "ro&immutable=1"), True


def _climb(connection: sqlite3.Connection, application: int, ladder: Ladder, version: int) -> None:
    if version == 0:
        connection.execute(f"PRAGMA application_id = {application}")
    for rung in range(version + 1, max(ladder) + 1):
        for statement in ladder[rung]:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {rung}")


def _version(
    path: Path, connection: sqlite3.Connection, application: int, ladder: Ladder, *, new: bool
) -> int:
    """Schema version of the file; 0 for an empty one, which only `create` takes."""
    owner, version, objects = connection.execute(_IDENTITY).fetchone()
    if not (owner or version or objects):
        if new:
            return 0
        raise _missing(path)
    if owner != application:
        hint = f"Name another file with --store. Or: {_INDEX_AGAIN}"
        raise StoreDamaged(f"{path}: this SQLite file belongs to another program", hint=hint)
    if version < 0:
        raise StoreDamaged(f"{path}: its schema version is {version}", hint=_INDEX_AGAIN)
    if version > max(ladder):
        raise StoreNewer(
            f"{path}: was written by a newer samebut (schema version {version}; this one knows up "
            f"to {max(ladder)})",
            hint="Install the newer samebut, or use another file: --store FILE",
        )
    return int(version)


def _check_file(path: Path) -> None:
    """Refuse a file whose header shows that it is not a whole SQLite file, before SQLite opens
    it."""
    if _size(path.with_name(f"{path.name}-journal")):
        return  # creating it was interrupted; SQLite rolls back by the journal
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except OSError as error:
        raise StoreError(f"{path}: can't be read: {error}", hint=_ELSEWHERE) from error
    if not header.startswith(_MAGIC[: len(header)]):
        raise StoreDamaged(f"{path}: this is not a store", hint=_INDEX_AGAIN)
    # File format, section 1.3: page size at byte 16 (1 means 65536), pages in the file at byte 28.
    page = int.from_bytes(header[16:18], "big")
    whole = (65536 if page == 1 else page) * int.from_bytes(header[28:32], "big")
    # With a write-ahead log the file may be shorter than its header says.
    if len(header) < 100 or (_size(path) < whole and not _size(_log(path))):
        hint = _INDEX_AGAIN
        raise StoreDamaged(f"{path}: the store is cut short at {_size(path):,} bytes", hint=hint)


def _check_pages(path: Path, connection: sqlite3.Connection, unchecked: str | None) -> None:
    """SQLite's own structural check; tens of milliseconds for 100,000 pictures."""
    left_out = {name for (name,) in connection.execute(unchecked)} if unchecked else set()
    tables = ["1"]
    if left_out:
        every = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        tables = [f'"{name}"' for (name,) in every if name not in left_out]
    for table in tables:
        (verdict,) = connection.execute(f"PRAGMA quick_check({table})").fetchone()
        if verdict != "ok":
            raise StoreDamaged(f"{path}: the store is damaged: {verdict}", hint=_INDEX_AGAIN)


def _missing(path: Path) -> StoreMissing:
    return StoreMissing(f"{path}: nothing is indexed here yet", hint="Run: samebut index PHOTOS")


def _log(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _size(path: Path) -> int:
    """Bytes in the file, 0 if there is none."""
    try:
        return path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError as error:
        raise StoreError(f"{path}: can't be read: {error}", hint=_ELSEWHERE) from error


def _identity(path: Path) -> tuple[int, ...]:
    """A value that differs if the file was replaced by another one."""
    found = _stat(path)
    return found.st_dev, found.st_ino


def _state(path: Path) -> tuple[int, ...]:
    """A value that differs after every write to the file."""
    found = _stat(path)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, _size(_log(path))


def _beside(path: Path) -> dict[Path, tuple[int, ...]]:
    """SQLite's own files beside the store, by which its log is read."""
    files = [path.with_name(path.name + suffix) for suffix in ("-wal", "-shm")]
    return {file: _identity(file) for file in files if file.exists()}


def _stat(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _missing(path) from error
    except OSError as error:
        raise StoreError(f"{path}: can't be read: {error}", hint=_ELSEWHERE) from error


def _code(error: sqlite3.Error) -> int:
    """Primary result code. The Python module gives none to a text that is no longer UTF-8."""
    undecodable = sqlite3.SQLITE_CORRUPT if isinstance(error, sqlite3.OperationalError) else -1
    code: int = getattr(error, "sqlite_errorcode", undecodable)
    return code & 0xFF


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        cause = _CAUSES.get(_code(error))
        if cause is None:
            raise
        raise cause.error(f"{path}: {cause.phrase} ({error})", hint=cause.hint) from error


@contextmanager
def _closing_on_error(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with suppress(sqlite3.Error):
            connection.close()
        raise
