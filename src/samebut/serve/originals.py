"""The gallery's original files. Remote ones are fetched once and cached for a while."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from pathlib import Path

from samebut.errors import PictureError
from samebut.loader import PictureFile, read_picture
from samebut.remote import Place, RemotePath

KEPT_BYTES = 64_000_000
STATE_SECONDS = 300.0
"""How long a remote file is assumed to be unchanged. Browsers are told to cache it as long."""

_STATES = 20_000  # remote files whose state is remembered

FileLook = tuple[int, int, int, int, int]
"""What changes when a file is written or replaced."""


class Originals:
    """Files of pictures. Local ones are read each time. Of remote ones the state is cached for
    `STATE_SECONDS`, and the contents requested last while there is room."""

    def __init__(self, room: int = KEPT_BYTES) -> None:
        self._room, self._taken = room, 0
        self._looks: OrderedDict[RemotePath, tuple[float, FileLook]] = OrderedDict()
        self._contents: OrderedDict[tuple[RemotePath, FileLook], tuple[bytes, str]] = OrderedDict()
        self._lock = threading.Lock()

    def look(self, file: Place) -> FileLook:
        """Raises PictureError if the file is not there."""
        if isinstance(file, Path):
            return _look(file)
        with self._lock:
            looked, look = self._looks.get(file, (0.0, None))
        if look is None or time.monotonic() - looked > STATE_SECONDS:
            look = _look(file)
            with self._lock:
                self._looks[file] = time.monotonic(), look
                self._looks.move_to_end(file)
                if len(self._looks) > _STATES:
                    self._looks.popitem(last=False)
        return look

    def read(self, file: Place) -> tuple[bytes | Place, str]:
        """What `samebut.images.open_picture` shall read, a large file as its path, and its digest.

        Raises PictureError if the file can't be read.
        """
        if isinstance(file, Path):
            return read_picture(PictureFile(file, file.name))
        look = self.look(file)
        key = file, look
        with self._lock:
            if key in self._contents:
                self._contents.move_to_end(key)
                return self._contents[key]
        content, digest = read_picture(PictureFile(file, file.name, size=look[2]))
        if isinstance(content, bytes):
            self._keep(key, content, digest)
        return content, digest

    def _keep(self, key: tuple[RemotePath, FileLook], content: bytes, digest: str) -> None:
        with self._lock:
            if key not in self._contents:
                self._contents[key] = content, digest
                self._taken += len(content)
            while self._taken > self._room:
                _, (dropped, _) = self._contents.popitem(last=False)
                self._taken -= len(dropped)


def _look(file: Place) -> FileLook:
    try:
        found: os.stat_result = file.stat()
    except (OSError, ValueError) as error:
        raise PictureError(
            file.name, "is not there", hint="index again: missing pictures leave the gallery"
        ) from error
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
