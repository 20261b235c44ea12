"""Opens many pictures, for indexing, evaluation and checks alike.

Threads read, hash, decode and prepare a bounded number of pictures ahead of the consumer, so memory
does not grow with the folder and a model does not wait for a disk. A picture that can't be used is
yielded with its reason, never dropped; one whose content is known is not decoded.
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
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Generic, Protocol, TypeVar, cast

from PIL import Image

from samebut.errors import PictureError, PictureUnread
from samebut.images import open_picture, picture_size, too_large
from samebut.remote import Place, RemotePath

BATCH = 32
LOOK_AHEAD = 3 * BATCH  # pictures prepared but not yet taken, at most
READ_AT_ONCE = 32 << 20  # bytes; a larger file is read twice rather than held in memory

if TYPE_CHECKING:
    from io import BufferedReader

Content = TypeVar("Content")


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A file to open: where it is, what the caller calls it, and the size and time by which a
    change is noticed.

    ``size`` is -1 where nobody looked.
    """

    file: Place
    path: str
    size: int = -1
    mtime_ns: int = 0


@dataclass(frozen=True, slots=True)
class Loaded(Generic[Content]):
    """A picture as it was prepared; ``width`` and ``height`` are those of the upright picture."""

    source: PictureFile
    digest: str
    width: int
    height: int
    content: Content


@dataclass(frozen=True, slots=True)
class Known:
    """A file whose content was known before it was decoded."""

    source: PictureFile
    digest: str


@dataclass(frozen=True, slots=True)
class Unusable:
    """A file that is no picture samebut can use, and why. ``unread``: its bytes could not be had,
    which may be otherwise another time."""

    source: PictureFile
    reason: str
    unread: bool = False


@dataclass(slots=True)
class LoadingSeconds:
    """``decode`` counts reading and hashing too, summed over threads; ``wait`` is for pictures."""

    decode: float = 0.0
    wait: float = 0.0


class Progress(Protocol):
    """Is called with the progress of a long job: ``done`` of ``total`` pictures, ``skipped`` of
    them unusable."""

    def __call__(self, done: int, total: int, skipped: int = 0, /) -> None: ...


def silent(done: int, total: int, skipped: int = 0, /) -> None:
    """A `Progress` that does nothing."""


def load_pictures(
    sources: Iterable[PictureFile],
    prepare: Callable[[Image.Image], Content],
    *,
    shorter_side: int | None,
    is_known: Callable[[PictureFile, str], bool] = lambda source, digest: False,
    workers: int | None = None,
    spent: LoadingSeconds | None = None,
) -> Iterator[Loaded[Content] | Known | Unusable]:
    """Each of ``sources``, in their order, opened and prepared ahead of being taken.

    Args:
        prepare: makes of an upright RGB picture what is yielded as ``content``.
        shorter_side: as `samebut.images.open_picture` takes it.
        is_known: says that a content needs no decoding. Worker threads call it and ``prepare``.
        workers: threads, as many as cores if None.
        spent: is added to as work goes on.
    """
    spent = spent if spent is not None else LoadingSeconds()

    def load(source: PictureFile) -> tuple[Loaded[Content] | Known | Unusable, float]:
        started = time.thread_time()
        loaded = _load(source, prepare, shorter_side, is_known)
        return loaded, time.thread_time() - started

    waiting: deque[Future[tuple[Loaded[Content] | Known | Unusable, float]]] = deque()
    threads = ThreadPoolExecutor(workers or os.cpu_count(), thread_name_prefix="decode")
    try:
        for source in sources:
            waiting.append(threads.submit(load, source))
            if len(waiting) >= LOOK_AHEAD:
                yield _next(waiting, spent)
        while waiting:
            yield _next(waiting, spent)
    finally:
        # Left early (an error, Ctrl-C): cancel what has not begun.
        threads.shutdown(wait=True, cancel_futures=True)


def in_batches(loaded: Iterator[Content]) -> Iterator[list[Content]]:
    """What ``loaded`` yields, in lists of ``BATCH``; the last may be shorter."""
    while batch := list(itertools.islice(loaded, BATCH)):
        yield batch


def digest_of(data: bytes) -> str:
    """What identifies a content: 32 hex digits of BLAKE2b."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def file_digest(file: Place) -> str:
    """`digest_of` the content of a file, which is not held in memory. Raises OSError."""
    with file.open("rb") as stream:
        return hashlib.file_digest(cast("BufferedReader", stream), _blake2b).hexdigest()


def _next(waiting: deque[Future[tuple[Content, float]]], spent: LoadingSeconds) -> Content:
    started = time.monotonic()
    loaded, seconds = waiting.popleft().result()
    spent.wait += time.monotonic() - started
    spent.decode += seconds
    return loaded


def _load(
    source: PictureFile,
    prepare: Callable[[Image.Image], Content],
    shorter_side: int | None,
    is_known: Callable[[PictureFile, str], bool],
) -> Loaded[Content] | Known | Unusable:
    try:
        content, digest = read_picture(source)
        if is_known(source, digest):
            return Known(source, digest)
        width, height = picture_size(content, name=source.path)
        picture = open_picture(content, shorter_side=shorter_side, name=source.path)
        return Loaded(source, digest, width, height, prepare(picture))
    except PictureError as error:
        return Unusable(source, error.reason, isinstance(error, PictureUnread))


def read_picture(source: PictureFile) -> tuple[bytes | Place, str]:
    """The source for ``open_picture``, which is the path for a large file and else its bytes, and
    the digest.

    Raises PictureError: the file can't be read, is none, or larger than any picture.
    """
    try:
        size = _size(source)
        if reason := too_large(size):
            raise PictureError(source.path, reason, hint="save a smaller copy of it")
        if size > READ_AT_ONCE:
            return source.file, file_digest(source.file)
        with _opened(source.file, size) as file:
            content = file.read(READ_AT_ONCE)  # it may be growing
            return content, digest_of(content)
    except (OSError, ValueError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise PictureUnread(
            source.path,
            f"can't be read: {reason}",
            hint="check that it exists and that you may read it",
        ) from error


def _size(source: PictureFile) -> int:
    """Size in bytes of an ordinary file. For a remote file it is the one from the listing of its
    folder if there was one: asking again would cost a request for each picture."""
    if source.size > 0 and isinstance(source.file, RemotePath):
        return source.size
    found = source.file.stat()
    if not stat.S_ISREG(found.st_mode):  # reading a pipe could block forever
        raise PictureError(source.path, "is not a file", hint="give an ordinary file")
    return found.st_size


def _opened(file: Place, size: int) -> IO[bytes]:
    return file.open("rb", size=size) if isinstance(file, RemotePath) else file.open("rb")


def _blake2b() -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=16)
