"""The gallery that is served, opened again when its store holds another model's embeddings."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

import numpy as np

from samebut.errors import FingerprintMismatch
from samebut.gallery import Gallery
from samebut.runtime import Surroundings

T = TypeVar("T")
_TRIES = 5  # a store may change once more while it is opened again
_logger = logging.getLogger("samebut.serve")


class CurrentGallery:
    """A gallery that may be replaced by a newer one while it is asked.

    A job keeps one gallery, and so one model, from its beginning to its end: what a search embeds
    is never compared with another model's embeddings. The caller closes the first gallery; later
    ones are closed here when no job uses them any more.
    """

    def __init__(self, gallery: Gallery) -> None:
        self._given = self._gallery = gallery
        self._users: dict[int, int] = {}
        self._lock = threading.Lock()
        self._opening = threading.Lock()
        self._on_disk = _ModelOnDisk()

    @property
    def gallery(self) -> Gallery:
        """The gallery that the next job gets."""
        return self._gallery

    @property
    def model_changed(self) -> bool:
        """Whether the model's folder now holds another model than the loaded one."""
        return self._on_disk.changed

    def run(self, job: Callable[[Gallery], T]) -> T:
        """What ``job`` returns; it is run again if the store turns out to hold another model's
        embeddings.

        Raises what ``job`` raises, and SamebutError if the gallery can't be opened again.
        """
        for last in (False,) * _TRIES + (True,):
            with self._using() as gallery:
                self._on_disk.look(gallery)
                try:
                    return job(gallery)
                except FingerprintMismatch as error:
                    if last:
                        raise
                    self._open_again(gallery, error)
        raise AssertionError

    def close(self) -> None:
        """Close what was opened here."""
        if self._gallery is not self._given:
            self._gallery.close()

    @contextmanager
    def _using(self) -> Iterator[Gallery]:
        with self._lock:
            gallery = self._gallery
            self._users[id(gallery)] = self._users.get(id(gallery), 0) + 1
        try:
            yield gallery
        finally:
            with self._lock:
                self._users[id(gallery)] -= 1
                unused = not self._users[id(gallery)]
                if unused:
                    del self._users[id(gallery)]
                retired = unused and gallery not in (self._gallery, self._given)
            if retired:
                gallery.close()

    def _open_again(self, old: Gallery, error: FingerprintMismatch) -> None:
        with self._opening:
            if self._gallery is not old:  # another thread was faster
                return
            _logger.info("%s", error)
            new = None
            try:
                new = Gallery.open(old.folder, store=old.index.address, threads=old.model.threads)
                new.exact = old.exact
                warm_up(new)
            except FingerprintMismatch:  # changed once more: try again
                if new:
                    new.close()
                return
            except BaseException:
                if new:
                    new.close()
                raise
            with self._lock:
                self._gallery = new
            _logger.info("now searching with %s (%s)", new.model.name, new.model.fingerprint)


class _ModelOnDisk:
    """Logs once that a model's folder was overwritten. The server keeps using the model that it has
    loaded, which made the store's embeddings; after a restart it would refuse the new one."""

    def __init__(self) -> None:
        self.changed = False
        self._seen: tuple[object, ...] = ()

    def look(self, gallery: Gallery) -> None:
        """Check the folder; ``model.json`` is read only if its file has changed."""
        file = gallery.model.folder / "model.json"
        now: tuple[object, ...] = (file, gallery.model.fingerprint)
        with suppress(OSError):
            found = file.stat()
            now += found.st_ino, found.st_size, found.st_mtime_ns
        if now == self._seen:
            return
        self._seen = now
        error = gallery.model_on_disk()
        self.changed = error is not None
        if error:
            _logger.warning(
                "the model in %s has changed on disk: %s. Searching goes on with the one that was "
                "loaded. %s",
                gallery.model.folder,
                error,
                error.hint,
            )


def warm_up(gallery: Gallery) -> None:
    """Load everything that the first search would otherwise wait for, all of the model's files
    included."""
    model = gallery.model
    gallery.index.search(np.eye(1, model.dim, dtype=np.float32), 1)
    size = model.preprocess.size
    image = model.encode_images(np.zeros((1, 3, size, size), np.float32))
    beside = Surroundings(said=["in blue"])
    model.compose(image, model.encode_texts(["in blue"]), model.usual, beside)
    _ = model.calibration
