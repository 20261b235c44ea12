"""Small pictures of the gallery, made when first asked for and kept while there is room."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from pathlib import Path

from PIL import Image

from samebut.images import open_picture
from samebut.index import Entry

SIZES = (160, 320, 640, 1024)
"""Longer sides there are, in pixels; another one is rounded up, so that few are kept."""

KEPT_BYTES = 48_000_000
_QUALITY = 82


class Thumbnails:
    """JPEGs by content and size, the ones asked for longest ago forgotten first."""

    def __init__(self, room: int = KEPT_BYTES) -> None:
        self._room, self._taken = room, 0
        self._kept: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, entry: Entry, file: Path, size: int) -> bytes:
        """The picture as a JPEG, its longer side at most ``fitting(size)``.

        Raises PictureError if the file can't be used any more.
        """
        key = entry.digest, fitting(size)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = _jpeg(file, key[1])
        with self._lock:
            if key not in self._kept:
                self._kept[key] = made
                self._taken += len(made)
            while self._taken > self._room and len(self._kept) > 1:
                _, dropped = self._kept.popitem(last=False)
                self._taken -= len(dropped)
        return made


def fitting(size: int) -> int:
    """The smallest of ``SIZES`` that is not below ``size``, or the largest."""
    return next((each for each in SIZES if each >= size), SIZES[-1])


def etag(entry: Entry, size: int) -> str:
    """Changes with the content of the picture."""
    return f'"{entry.digest}-{fitting(size)}"'


def _jpeg(file: Path, size: int) -> bytes:
    picture = open_picture(file, shorter_side=size)
    picture.thumbnail((size, size), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return buffer.getvalue()
