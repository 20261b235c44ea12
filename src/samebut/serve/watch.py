"""Keeps a gallery in line with its folder, and with a table about it, while it is served."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from samebut.errors import (
    FingerprintMismatch,
    MetadataError,
    SamebutError,
    StoreBusy,
    StoreMissing,
)
from samebut.gallery import Gallery
from samebut.remote import Place, RemotePath
from samebut.serve.settings import Settings
from samebut.update import UpdateReport

_SHARE = 0.05  # of the time may be spent on scanning, however large the folder is
_REMOTE_SECONDS = 60.0  # between two scans of a remote folder: each costs requests
_TABLE_SECONDS = 2.0  # between two checks of a table whose folder is not watched
_logger = logging.getLogger("samebut.serve")

State = frozenset[tuple[str, int, int]]
TableState = tuple[int, int, int]


class Watch:
    """A thread that scans the folder every ``seconds`` and stores what changed, unless ``folder``
    is False. A ``table`` is checked as often. It is read once it has changed and then stayed the
    same from one check to the next: by then its writer has finished.

    It writes through a connection of its own, in whole transactions: a search sees the gallery
    before or after a batch of pictures, never between. While another process indexes, it waits. If
    the store is deleted, it builds a new one; if another model has embedded it, it continues with
    that model.
    """

    def __init__(
        self,
        gallery: Gallery,
        seconds: float,
        *,
        folder: bool = True,
        table: Place | None = None,
        file_column: str | None = None,
        name: str = "",
    ) -> None:
        index = gallery.index.address.open(writable=True)
        self._gallery = Gallery(gallery.folder, index, gallery.model, gallery.rules)
        is_remote = isinstance(gallery.folder, RemotePath)
        self._seconds = max(seconds, _REMOTE_SECONDS) if is_remote else seconds
        self._log_prefix = f"{name}: " if name else ""
        self._seen: State | None = None
        self._scan_seconds = 0.0
        self._looks_at_folder = folder
        self._table, self._file_column = table, file_column
        self._table_seen: TableState | None = None
        self._table_before: TableState | None = None
        self._complaints: dict[str, str] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def is_behind(self) -> bool:
        """Whether the last scan failed, or the thread has ended."""
        return any(self._complaints.values()) or not self._thread.is_alive()

    def stop(self, seconds: float = 2.0) -> None:
        """End the thread after its current batch; what was stored stays.

        If it takes longer than ``seconds``, it is not waited for: the store survives its being
        killed.
        """
        self._stopping.set()
        self._thread.join(seconds)
        if not self._thread.is_alive():
            self._gallery.close()

    def look(self) -> bool:
        """Scan once and store what changed since the last scan. Returns whether anything did.

        Raises SamebutError if the folder or the store can't be used; the next scan tries again.
        """
        started = time.monotonic()
        found = self._gallery.scan()
        self._scan_seconds = time.monotonic() - started
        now = frozenset((s.path, s.size, s.mtime_ns) for s in found.pictures)
        if now == self._seen and self._is_ours():
            return False
        report = self._update()
        self._seen = now
        changes = {
            "new or changed": report.encoded,
            "copies": report.copied,
            "renamed": report.renamed,
            "gone": report.removed,
            "unusable": len(report.skipped),
            "with the metadata of their content": report.metadata.followed,
            "with metadata that waited for them": report.metadata.came,
        }
        said = ", ".join(f"{count} {name}" for name, count in changes.items() if count)
        _logger.info("%sfolder: %s", self._log_prefix, said or "nothing new")
        return True

    def _is_ours(self) -> bool:
        """Whether the store is there, with embeddings of the model that is used here."""
        try:
            self._gallery.index.revision()
        except (StoreMissing, FingerprintMismatch):
            return False
        return True

    def _update(self) -> UpdateReport:
        if not self._is_ours():
            old = self._gallery
            self._gallery, report = Gallery.build(
                old.folder, store=old.index.address, rules=old.rules, progress=self._go_on
            )
            old.close()
            return report
        return self._gallery.update(progress=self._go_on)

    def look_at_table(self) -> bool:
        """Read the table again if it has changed. Returns whether it was read.

        Raises SamebutError or OSError if it can't be; a table that can't be understood is not read
        again until it changes.
        """
        if self._table is None:
            return False
        found = self._table.stat()
        now = (found.st_ino, found.st_size, found.st_mtime_ns)
        settled, self._table_before = now == self._table_before, now
        if now == self._table_seen or not settled:
            return False
        try:
            report = self._gallery.describe(self._table, self._file_column)
        except MetadataError:
            self._table_seen = now
            raise
        is_first, self._table_seen = self._table_seen is None, now
        if is_first and not report.changed:
            return True  # the command that started the server has reported it
        for line in report.lines():
            _logger.info("%stable: %s", self._log_prefix, line)
        return True

    def _go_on(self, done: int, total: int, skipped: int = 0, /) -> None:
        if self._stopping.is_set():
            raise _StoppedError("stopped")

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self._looks_at_folder:
                self._complain("the folder", _failure(self.look))
            self._complain("the table", _failure(self.look_at_table))
            self._stopping.wait(self._pause)

    @property
    def _pause(self) -> float:
        """Seconds to the next scan. Only the time of scanning counts, not that of encoding what was
        found."""
        return max(self._seconds, self._scan_seconds / _SHARE)

    def _complain(self, what: str, complaint: str) -> None:
        """Log a problem once, not at every scan."""
        if complaint and complaint != self._complaints.get(what):
            _logger.warning("%s%s can't be indexed: %s", self._log_prefix, what, complaint)
        self._complaints[what] = complaint


def watch_of(gallery: Gallery, settings: Settings, name: str = "") -> Watch | None:
    """The watch that these settings ask for, not started yet; None if they ask for none. Its log
    lines begin with ``name``."""
    if not (settings.watch_seconds or settings.metadata):
        return None
    return Watch(
        gallery,
        settings.watch_seconds or _TABLE_SECONDS,
        folder=bool(settings.watch_seconds),
        table=settings.metadata,
        file_column=settings.file_column,
        name=name,
    )


class _StoppedError(SamebutError):
    """The server is going down."""


def _failure(look: Callable[[], bool]) -> str:
    try:
        look()
    except (StoreBusy, _StoppedError):
        return ""
    except (SamebutError, OSError) as error:
        return str(error)
    except Exception as error:  # the server must go on, and the next scan may succeed
        _logger.debug("a look failed", exc_info=True)
        return repr(error)
    return ""
