"""Builds the inverted file of a large gallery in the background, while it is served."""

from __future__ import annotations

import logging
import os
import sys
import threading
from contextlib import suppress

from samebut.errors import SamebutError
from samebut.gallery import Gallery
from samebut.serve.current import CurrentGallery

_SECONDS = 30.0  # between two checks for changes
_GRACE_SECONDS = 0.5
_NICE = 10
_logger = logging.getLogger("samebut.serve")


class Accelerating:
    """A thread that rebuilds a gallery's search structure when the gallery has changed enough
    (`samebut.index.Index.accelerate`), on one core and with a lower priority than requests."""

    def __init__(self, current: CurrentGallery, name: str = "") -> None:
        self._current = current
        self._log_prefix = f"{name}: " if name else ""
        self._seen: object = None
        self._complaint = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="accelerating", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread without waiting for an unfinished build: the store does not refer to it
        yet."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_GRACE_SECONDS)

    def look(self) -> bool:
        """Check once, and build if it is due. Returns whether anything was built. Raises
        SamebutError if that fails."""
        revision = self._current.run(lambda gallery: gallery.index.revision())
        if revision == self._seen:
            return False
        recall = self._current.run(_accelerate)
        self._seen = revision
        if recall is not None:
            _logger.info(
                "%ssearches compare the likeliest pictures, which finds %.1f %% of the nearest",
                self._log_prefix,
                100 * recall,
            )
        return recall is not None

    def _run(self) -> None:
        if sys.platform == "linux":  # there priorities are per thread, and inherited
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        while not self._stopping.is_set():
            try:
                self.look()
                self._complaint = ""
            except SamebutError as error:
                self._complain(f"{error}. {error.hint}")
            except Exception as error:  # the server must go on
                _logger.debug("a look failed", exc_info=True)
                self._complain(repr(error))
            self._stopping.wait(_SECONDS)

    def _complain(self, complaint: str) -> None:
        """Log a problem once, not at every check."""
        if complaint != self._complaint:
            _logger.warning("%ssearches compare all pictures: %s", self._log_prefix, complaint)
        self._complaint = complaint


def _accelerate(gallery: Gallery) -> float | None:
    return gallery.index.accelerate(threads=1)
