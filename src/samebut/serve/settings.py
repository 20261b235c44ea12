"""The limits of a server, and who may use it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from samebut.remote import Place

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Settings:
    """Limits of a server. Each is checked before the work that it limits begins.

    Attributes:
        token: what a request must present; None: no token is required.
        hosts: host names that requests may use, without port; None: any. This stops DNS rebinding:
        a page of another site that lets its own name resolve to this machine.
        origins: sites whose pages may send requests and embed the search in a frame; none by
        default.
        root_path: the path that a proxy mounts this server at, such as "/photos", or "".
        several: whether the server has several galleries, each at ``/g/NAME/``.
        upload_bytes: largest request body.
        pixels: largest uploaded picture, as ``samebut.images.open_picture`` counts them.
        workers: threads that call the model, each on one core.
        waiting: requests that may wait for a worker; further ones are refused as "busy".
        seconds: how long a request may take from its last byte to its answer.
        upload_seconds: how long the bytes of a request may take.
        per_minute: searches one client may make a minute; 0: no limit.
        watch_seconds: pause between two looks at the folder; 0: the folder is not watched.
        metadata: a table about the pictures that is read again whenever it changes, or None.
        file_column: the table's column that names the pictures, or None: the usual one.
    """

    token: str | None = field(default=None, repr=False)
    hosts: frozenset[str] | None = LOOPBACK
    origins: frozenset[str] = frozenset()
    root_path: str = ""
    several: bool = False
    upload_bytes: int = 20_000_000
    pixels: int = 40_000_000
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    waiting: int = 32
    seconds: float = 20.0
    upload_seconds: float = 30.0
    per_minute: int = 0
    watch_seconds: float = 0.0
    metadata: Place | None = None
    file_column: str | None = None
