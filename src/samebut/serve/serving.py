"""State that requests share: the threads and caches of a server, and one gallery that is served."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from samebut.errors import LabelsError
from samebut.gallery import Gallery
from samebut.serve.accelerating import Accelerating
from samebut.serve.current import CurrentGallery
from samebut.serve.kept import KeptPictures
from samebut.serve.originals import Originals
from samebut.serve.place import gallery_path
from samebut.serve.settings import Settings
from samebut.serve.telemetry import Telemetry
from samebut.serve.thumbnails import Thumbnails
from samebut.serve.watch import Watch
from samebut.serve.workers import Workers

T = TypeVar("T")
_logger = logging.getLogger("samebut.serve")
_THUMBNAIL_THREADS = 2
_THUMBNAILS_WAITING = 512
_LOOKS_WAITING = 64
_CLOSING_SECONDS = 2.0


class Resources:
    """Threads and caches that a server has once, however many galleries it serves.

    ``searching`` threads call the model, ``drawing`` threads open files; ``looking`` is kept free
    for readiness checks under overload.
    """

    def __init__(self, settings: Settings) -> None:
        self.telemetry = Telemetry()
        self.originals = Originals()
        self.thumbnails = Thumbnails(originals=self.originals)
        self.kept = KeptPictures()
        self._seconds = settings.seconds
        self.searching = self._workers("searching", settings.workers, settings.waiting)
        self.drawing = self._workers("drawing", _THUMBNAIL_THREADS, _THUMBNAILS_WAITING)
        self.looking = self._workers("looking", 1, _LOOKS_WAITING)
        self.telemetry.gauge("samebut_kept_uploads", lambda: len(self.kept))

    def close(self) -> bool:
        """Wait a short time for running jobs. Returns whether all have ended."""
        kinds = (self.searching, self.drawing, self.looking)
        for each in kinds:
            each.stop()
        last = time.monotonic() + _CLOSING_SECONDS
        ended = [each.close(last - time.monotonic()) for each in kinds]
        return all(ended)

    def _workers(self, name: str, threads: int, waiting: int) -> Workers:
        made = Workers(name, threads=threads, waiting=waiting, seconds=self._seconds)
        self.telemetry.gauge("samebut_jobs", lambda: made.taken, kind=name)
        return made


@dataclass
class Serving:
    """One gallery that is served. ``name`` is its own where there are several, else ""."""

    current: CurrentGallery
    settings: Settings
    resources: Resources
    watch: Watch | None = None
    name: str = ""
    labels_error: LabelsError | None = None

    def __post_init__(self) -> None:
        self.accelerating = Accelerating(self.current, self.name)
        labels = {"gallery": self.name} if self.name else {}
        telemetry, current = self.resources.telemetry, self.current
        telemetry.gauge("samebut_pictures", lambda: current.run(len), **labels)
        telemetry.gauge("samebut_watch_behind", lambda: float(self.is_behind), **labels)
        telemetry.gauge("samebut_model_changed", lambda: float(current.model_changed), **labels)

    @property
    def root(self) -> str:
        """The prefix of this gallery's addresses."""
        return self.settings.root_path + (gallery_path(self.name) if self.name else "")

    @property
    def is_behind(self) -> bool:
        """Whether the folder is watched but its latest changes could not be indexed."""
        return self.watch is not None and self.watch.is_behind

    @property
    def gallery(self) -> Gallery:
        """The current gallery. Jobs use the one that `search`, `draw` or `look` passes to them."""
        return self.current.gallery

    @property
    def telemetry(self) -> Telemetry:
        return self.resources.telemetry

    def note_labels(self, error: LabelsError | None) -> None:
        """Log why ``labels.toml`` can't be read, once for each change of the file."""
        if error is not None and error is not self.labels_error:
            _logger.warning("not read: %s. %s", error, error.hint)
        self.labels_error = error

    async def search(self, job: Callable[[Gallery], T]) -> T:
        """``job`` on a thread that calls the model; see `Workers.run`."""
        return await self.resources.searching.run(lambda: self.current.run(job))

    async def draw(self, job: Callable[[Gallery], T]) -> T:
        """``job`` on a thread that opens files."""
        return await self.resources.drawing.run(lambda: self.current.run(job))

    async def look(self, job: Callable[[Gallery], T]) -> T:
        """Run a short ``job`` on the thread that stays free under overload."""
        return await self.resources.looking.run(lambda: self.current.run(job))
