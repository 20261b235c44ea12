"""Features of uploaded pictures, kept for a while, so that later turns need not send them again.

The pictures themselves are not kept. A client needs the id to search with a picture, and an id
can't be guessed. A picture that was dropped is sent again: nothing else depends on this cache, so
each process of a server may have its own.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from samebut.turns import EncodedPicture

ID = r"[A-Za-z0-9_-]{22}"
_RANDOM_BYTES = 16  # 22 characters in an id


@dataclass(frozen=True, slots=True)
class _Kept:
    picture: EncodedPicture
    fingerprint: str
    last_asked: float


class KeptPictures:
    """At most ``count`` pictures of ``nbytes`` together, each for ``seconds`` after its last use.

    Beyond that the least recently used goes first. ``now()`` returns seconds.
    """

    def __init__(
        self,
        *,
        count: int = 1_000,
        nbytes: int = 100_000_000,
        seconds: float = 1_800,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._count, self._nbytes, self._seconds, self._now = count, nbytes, seconds, now
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, picture: EncodedPicture, fingerprint: str) -> str:
        """Keep features that the model with this ``fingerprint`` made. Returns their id."""
        name = secrets.token_urlsafe(_RANDOM_BYTES)
        with self._lock:
            self._kept[name] = _Kept(picture, fingerprint, self._now())
            self._held += picture.nbytes
            self._shrink()
        return name

    def find(self, name: str, fingerprint: str) -> EncodedPicture | None:
        """The features of this id; None if they were dropped or are another model's."""
        with self._lock:
            self._shrink()
            found = self._kept.get(name)
            if found is None or found.fingerprint != fingerprint:
                return None
            self._kept[name] = _Kept(found.picture, fingerprint, self._now())
            self._kept.move_to_end(name)
            return found.picture

    def _shrink(self) -> None:
        """Forget the oldest while they are too many, too large or too old."""
        oldest = self._now() - self._seconds
        while self._kept:
            name, first = next(iter(self._kept.items()))
            fits = len(self._kept) <= self._count and self._held <= self._nbytes
            if fits and first.last_asked > oldest:
                return
            del self._kept[name]
            self._held -= first.picture.nbytes
