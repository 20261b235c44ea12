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

_SHARE = 0.05  # of the time may go into looking, however large the folder is
_REMOTE_SECONDS = 60.0  # between two looks at a folder elsewhere: each costs requests
_TABLE_SECONDS = 2.0  # between two looks at a table where the folder is not watched
_logger = logging.getLogger("samebut.serve")

State = frozenset[tuple[str, int, int]]
TableState = tuple[int, int, int]


class Watch:
    """A thread that looks at the folder every ``seconds`` and stores what changed, unless it is
    told not to look at the ``folder``. A ``table`` is looked at as often, and read when it has
    changed and then stayed as it is from one look to the next: by then it is written whole.

    It writes through a connection of its own, in whole transactions: a search sees the gallery
    before or after a batch of pictures, never between. While another process indexes, it waits. A
    store that was deleted is made anew, and one that was embedded by another model is gone on with.
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
        """Whether the last look at the folder failed, or there will be none any more."""
        return any(self._complaints.values()) or not self._thread.is_alive()

    def stop(self, seconds: float = 2.0) -> None:
        """End it after the batch it is at; what was stored stays.

        One that takes longer than ``seconds`` is left to itself: the store outlives its end.
        """
        self._stopping.set()
        self._thread.join(seconds)
        if not self._thread.is_alive():
            self._gallery.close()

    def look(self) -> bool:
        """One look: store what changed since the last. Returns whether there was anything.

        Raises SamebutError if the folder or the store can't be used; the next look tries again.
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
            return True  # the command that started the server has read it, and said the same
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
        """Seconds to the next look; taking up what has come, however long it took, is no look."""
        return max(self._seconds, self._scan_seconds / _SHARE)

    def _complain(self, what: str, complaint: str) -> None:
        """Log what is wrong once, not at every look."""
        if complaint and complaint != self._complaints.get(what):
            _logger.warning("%s%s can't be indexed: %s", self._log_prefix, what, complaint)
        self._complaints[what] = complaint


def watch_of(gallery: Gallery, settings: Settings, name: str = "") -> Watch | None:
    """The watch that these settings ask for, not started yet; None if they ask for none. ``name``
    is said in its lines of the log."""
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
    except Exception as error:  # the gallery is served on, and the next look may go well
        _logger.debug("a look failed", exc_info=True)
        return repr(error)
    return ""
