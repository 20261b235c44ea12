"""The one loop that opens many pictures.

Threads read, hash and decode a bounded number of pictures ahead while the model works on a batch,
so memory does not grow with the folder and the model is what is waited for. A picture that can't
be used is yielded with its reason, never dropped; one whose content is known is not decoded.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import stat
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from samebut.errors import PictureError
from samebut.images import open_picture, picture_size
from samebut.preprocess import Preprocess
from samebut.runtime import Model

BATCH = 32
LOOK_AHEAD = 3 * BATCH  # pictures decoded but not yet encoded, at most
READ_AT_ONCE = 32 << 20  # bytes; a larger file is read twice rather than held in memory


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A file to encode: where it is, what the store calls it, and what marks a change of it."""

    file: Path
    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Encoded:
    """A picture with its embedding ``(D,)``; ``width`` and ``height`` are those when upright."""

    source: PictureFile
    digest: str
    width: int
    height: int
    embedding: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Known:
    """A file whose content was known before it was decoded."""

    source: PictureFile
    digest: str


@dataclass(frozen=True, slots=True)
class Unusable:
    """A file that is no picture samebut can use, and why."""

    source: PictureFile
    reason: str


@dataclass(slots=True)
class EncodingTime:
    """Seconds of work. ``decode`` counts reading and hashing too, summed over threads."""

    decode: float = 0.0
    encode: float = 0.0
    write: float = 0.0  # of whoever keeps the outcomes
    wait: float = 0.0  # of the model for pictures: near nothing when encoding is the bottleneck
    started: float = field(default_factory=time.monotonic)

    @property
    def wall(self) -> float:
        return time.monotonic() - self.started


@dataclass(frozen=True, slots=True)
class _Ready:
    source: PictureFile
    digest: str
    width: int
    height: int
    pixels: npt.NDArray[np.float32]


Outcome = Encoded | Known | Unusable


def encode_pictures(
    model: Model,
    sources: Iterable[PictureFile],
    *,
    is_known: Callable[[PictureFile, str], bool] = lambda source, digest: False,
    workers: int | None = None,
    spent: EncodingTime | None = None,
) -> Iterator[list[Outcome]]:
    """Outcomes of ``sources`` in their order, in lists of at most ``BATCH``.

    ``is_known(source, digest)`` says that a content needs no encoding; worker threads call it.
    ``workers`` (as many as cores if None) threads decode. ``spent`` is added to as work goes on.
    """
    spent = spent if spent is not None else EncodingTime()
    ready = _look_ahead(model.preprocess, sources, is_known, workers, spent)
    while chunk := list(itertools.islice(ready, BATCH)):
        yield _encode(model, chunk, spent)


def digest_of(data: bytes) -> str:
    """What identifies a content: 32 hex digits of BLAKE2b."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _look_ahead(
    preprocess: Preprocess,
    sources: Iterable[PictureFile],
    is_known: Callable[[PictureFile, str], bool],
    workers: int | None,
    spent: EncodingTime,
) -> Iterator[_Ready | Known | Unusable]:
    def prepare(source: PictureFile) -> tuple[_Ready | Known | Unusable, float]:
        started = time.thread_time()
        return _prepare(source, preprocess, is_known), time.thread_time() - started

    waiting: deque[Future[tuple[_Ready | Known | Unusable, float]]] = deque()
    threads = ThreadPoolExecutor(workers or os.cpu_count(), thread_name_prefix="decode")
    try:
        for source in sources:
            waiting.append(threads.submit(prepare, source))
            if len(waiting) >= LOOK_AHEAD:
                yield _next(waiting, spent)
        while waiting:
            yield _next(waiting, spent)
    finally:
        # Left early (an error, Ctrl-C): what has not begun is not begun.
        threads.shutdown(wait=True, cancel_futures=True)


def _next(
    waiting: deque[Future[tuple[_Ready | Known | Unusable, float]]], spent: EncodingTime
) -> _Ready | Known | Unusable:
    started = time.monotonic()
    outcome, seconds = waiting.popleft().result()
    spent.wait += time.monotonic() - started
    spent.decode += seconds
    return outcome


def _prepare(
    source: PictureFile, preprocess: Preprocess, is_known: Callable[[PictureFile, str], bool]
) -> _Ready | Known | Unusable:
    try:
        content, digest = _read(source)
        if is_known(source, digest):
            return Known(source, digest)
        width, height = picture_size(content, name=source.path)
        picture = open_picture(
            content, shorter_side=preprocess.wanted_shorter_side, name=source.path
        )
        return _Ready(source, digest, width, height, preprocess(picture))
    except PictureError as error:
        return Unusable(source, error.reason)


def _read(source: PictureFile) -> tuple[bytes | Path, str]:
    """What ``open_picture`` shall read, and the digest of it."""
    try:
        found = source.file.stat()
        if not stat.S_ISREG(found.st_mode):  # reading a pipe would wait for ever
            raise PictureError(source.path, "is not a file")
        if found.st_size <= READ_AT_ONCE:
            content = source.file.read_bytes()
            return content, digest_of(content)
        with source.file.open("rb") as file:
            return source.file, hashlib.file_digest(file, _blake2b).hexdigest()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise PictureError(source.path, f"can't be read: {reason}") from error


def _blake2b() -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=16)


def _encode(
    model: Model, chunk: list[_Ready | Known | Unusable], spent: EncodingTime
) -> list[Outcome]:
    pixels = [each.pixels for each in chunk if isinstance(each, _Ready)]
    if not pixels:
        return [each for each in chunk if not isinstance(each, _Ready)]
    started = time.monotonic()
    embeddings = iter(model.embed(model.encode_images(np.stack(pixels))))
    spent.encode += time.monotonic() - started
    return [
        Encoded(each.source, each.digest, each.width, each.height, next(embeddings))
        if isinstance(each, _Ready)
        else each
        for each in chunk
    ]
