"""Small pictures of the gallery, made when first asked for and kept while there is room."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from PIL import Image, features

from samebut.images import open_picture
from samebut.remote import Place
from samebut.serve.originals import FileLook, Originals

SIZES = (160, 320, 480, 640, 1024)
"""Longer sides there are, in pixels; another one is rounded up, so that few are kept."""

KEPT_BYTES = 48_000_000
_DIGESTS = 20_000  # files whose digest is remembered

Format = Literal["jpeg", "webp"]
_SAVED: Mapping[Format, Mapping[str, Any]] = {
    "jpeg": {"format": "JPEG", "quality": 82, "optimize": True},
    "webp": {"format": "WEBP", "quality": 75, "method": 2},  # two fifths smaller, 2 ms longer
}

_Key = tuple[str, int, Format]  # digest, longer side


class Thumbnail(NamedTuple):
    """A small picture, and what changes with the content it was made of."""

    content: bytes
    etag: str


class Thumbnails:
    """A cache of small pictures by content, size and format; the least recently used are dropped
    first.

    The key is the content of the file when it was read, not when it was indexed: a picture that was
    overwritten since must not be shown in place of copies of its old content.
    """

    def __init__(self, room: int = KEPT_BYTES, originals: Originals | None = None) -> None:
        self._room, self._taken = room, 0
        self._originals = originals or Originals()
        self._kept: OrderedDict[_Key, bytes] = OrderedDict()
        self._digests: OrderedDict[Place, tuple[FileLook, str]] = OrderedDict()
        self._lock = threading.Lock()

    def etag(self, file: Place, size: int, kind: Format = "jpeg") -> str:
        """The ETag of what ``get`` would return for the file as it is now. Raises PictureError."""
        look = self._originals.look(file)
        with self._lock:
            known = self._digests.get(file)
        if known is None or known[0] != look:
            return self._read(file, look)[1] + _ending(size, kind)
        return known[1] + _ending(size, kind)

    def get(self, file: Place, size: int, kind: Format = "jpeg") -> Thumbnail:
        """The picture as a JPEG or WebP, its longer side at most ``fitting(size)``.

        Raises PictureError if the file can't be used any more.
        """
        look = self._originals.look(file)
        with self._lock:
            known = self._digests.get(file)
            key = known[1] if known and known[0] == look else "", fitting(size), kind
            if key in self._kept:
                self._kept.move_to_end(key)
                return Thumbnail(self._kept[key], key[0] + _ending(size, kind))
        content, digest = self._read(file, look)
        made = _made(content, key[1], kind)
        # A large file was read twice, and may have changed in between.
        if isinstance(content, bytes) or self._originals.look(file) == look:
            self._keep((digest, *key[1:]), made)
        return Thumbnail(made, digest + _ending(size, kind))

    def _read(self, file: Place, look: FileLook) -> tuple[bytes | Place, str]:
        content, digest = self._originals.read(file)
        with self._lock:
            self._digests[file] = look, digest
            if len(self._digests) > _DIGESTS:
                self._digests.popitem(last=False)
        return content, digest

    def _keep(self, key: _Key, made: bytes) -> None:
        with self._lock:
            if key not in self._kept:
                self._kept[key] = made
                self._taken += len(made)
            while self._taken > self._room and len(self._kept) > 1:
                _, dropped = self._kept.popitem(last=False)
                self._taken -= len(dropped)


def _ending(size: int, kind: Format) -> str:
    return f"-{fitting(size)}.{kind}"


def accepted(accept: str) -> Format:
    """What to send for a header ``Accept``: WebP to those who name it, as browsers do."""
    return "webp" if "image/webp" in accept and features.check("webp") else "jpeg"


def fitting(size: int) -> int:
    """The smallest of ``SIZES`` that is not below ``size``, or the largest."""
    return next((each for each in SIZES if each >= size), SIZES[-1])


def _made(content: bytes | Place, size: int, kind: Format) -> bytes:
    picture = open_picture(content, shorter_side=size)
    picture.thumbnail((size, size), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, **_SAVED[kind])
    return buffer.getvalue()
