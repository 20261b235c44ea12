"""Keeps a gallery in line with its folder while it is served."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from samebut.errors import SamebutError, StoreBusy
from samebut.gallery import Gallery
from samebut.index.local import LocalIndex
from samebut.scan import scan

_SHARE = 0.05  # of the time may go into looking, however large the folder is
_logger = logging.getLogger("samebut.serve")

State = frozenset[tuple[str, int, int]]


class Watch:
    """A thread that looks at the folder every ``seconds`` and stores what changed.

    It writes through a connection of its own, in whole transactions: a search sees the gallery
    before or after a batch of pictures, never between. While another process indexes, it waits.
    """

    def __init__(self, gallery: Gallery, seconds: float) -> None:
        index = LocalIndex.open(gallery.index.path, writable=True)
        self._gallery = Gallery(gallery.folder, index, gallery.model, gallery.rules)
        self._seconds = seconds
        self._seen: State | None = None
        self._complaint = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End it after the batch it is at; what was stored stays."""
        self._stopping.set()
        self._thread.join()
        self._gallery.close()

    def look(self) -> bool:
        """One look: store what changed since the last. Returns whether there was anything.

        Raises SamebutError if the folder or the store can't be used; the next look tries again.
        """
        found = scan(self._gallery.folder, self._gallery.rules)
        now = frozenset((s.path, s.size, s.mtime_ns) for s in found.pictures)
        if now == self._seen:
            return False
        report = self._gallery.update(progress=self._go_on)
        self._seen = now
        changes = {
            "new or changed": report.encoded,
            "copies": report.copied,
            "renamed": report.renamed,
            "gone": report.removed,
            "unusable": len(report.skipped),
        }
        said = ", ".join(f"{count} {name}" for name, count in changes.items() if count)
        _logger.info("folder: %s", said or "nothing new")
        return True

    def _go_on(self, done: int, total: int, skipped: int = 0, /) -> None:
        if self._stopping.is_set():
            raise _StoppedError("stopped")

    def _run(self) -> None:
        while not self._stopping.is_set():
            started = time.monotonic()
            self._complain(_failure(self.look))
            took = time.monotonic() - started
            self._stopping.wait(max(self._seconds, took / _SHARE))

    def _complain(self, complaint: str) -> None:
        """Log what is wrong once, not at every look."""
        if complaint and complaint != self._complaint:
            _logger.warning("the folder can't be taken up: %s", complaint)
        self._complaint = complaint


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
