"""Folders of pictures on other machines, at any address that `fsspec` opens.

A `RemotePath` has the methods of `pathlib.Path` that reading pictures needs (name, state, bytes),
so both are read by the same code. Errors are OSErrors, as for files, with messages of this module:
those of the libraries may contain an address with a key. The file system's own library finds the
credentials; they are never part of an address.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, Final, TypeAlias
from urllib.parse import quote, unquote

from samebut.errors import QueryError

THREADS: Final = 16
"""Requests at a time: one waits for an answer about ten times as long as it works with it."""

_ADDRESS: Final = re.compile(r"([a-z][a-z0-9+.-]+)://(.*)", re.IGNORECASE | re.DOTALL)
_WEB: Final = frozenset({"http", "https"})
_CONNECT_SECONDS: Final = 10
_READ_SECONDS: Final = 30
_BLOCK_BYTES: Final = 4 << 20

# Names that file systems use for a content's digest and for its time of change; the first one
# present counts.
_MARKS: Final = ("ETag", "etag", "e_tag", "md5Hash", "md5", "content_md5", "Content-MD5", "Digest")
_TIMES: Final = (
    *("LastModified", "last_modified", "Last-Modified", "mtime", "updated", "modified"),
    *("modification_time", "created"),
)

# Reasons by the class of the error: its own text may contain secrets.
_SAID: Final[Mapping[str, str]] = {
    "ValueError": "its server sends files of this size only whole",  # no range requests
    "NoCredentialsError": "there are no credentials for it (docs/deploy.md says where they go)",
    "PartialCredentialsError": "half of its credentials are missing (docs/deploy.md)",
    "TokenRetrievalError": "its credentials have run out (docs/deploy.md says where they go)",
}


class RemotePath:
    """A file or folder at ``address``, such as ``s3://bucket/folder``; pickles as that text."""

    def __init__(self, address: str) -> None:
        """Raises QueryError for an address that holds a password or a key, or names nothing."""
        self._address = _checked(address)

    def __reduce__(self) -> tuple[type[RemotePath], tuple[str]]:
        return RemotePath, (self._address,)

    def __str__(self) -> str:
        return self._address

    def __repr__(self) -> str:
        return f"RemotePath({self._address!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemotePath) and other._address == self._address

    def __hash__(self) -> int:
        return hash(self._address)

    def __truediv__(self, below: str | Path) -> RemotePath:
        joined = object.__new__(RemotePath)  # __init__ refuses some names that files may have
        name = _forward(below)
        joined._address = f"{self._address}/{_quoted(name) if self.is_web else name}"
        return joined

    @property
    def name(self) -> str:
        last = self._address.rpartition("/")[2]
        return _unquoted(last) if self.is_web else last

    @property
    def suffix(self) -> str:
        return Path(self.name).suffix

    @property
    def is_web(self) -> bool:
        """Whether it is on a web server, which may not list its files."""
        return self._address.partition("://")[0].lower() in _WEB

    def stat(self) -> os.stat_result:
        """Its size, and in place of the time a number that changes with its content. Raises
        OSError."""
        with _in_words():
            return _state(self._system.info(self._inner))

    def open(self, mode: str = "rb", *, size: int = -1) -> IO[bytes]:
        """A file that fetches bytes as they are read. A known ``size`` saves one request. Raises
        OSError, and so does reading."""
        known = {"size": size} if size >= 0 else {}
        with _in_words():
            opened = self._system.open(self._inner, "rb", block_size=_BLOCK_BYTES, **known)
        return _RemoteFile(opened)  # type: ignore[return-value]

    def read_text(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """All of its text. Raises OSError. On a web server "forbidden" is treated as "not found":
        many object stores answer 403 for both."""
        try:
            with self.open() as stream:
                return stream.read().decode(encoding, errors)
        except PermissionError as error:
            if self.is_web:
                raise FileNotFoundError(errno.ENOENT, "is not there") from error
            raise

    def entries(self) -> list[RemoteEntry]:
        """What lies in this folder, as `os.scandir` gives it. Raises OSError."""
        folder = f"{self._inner.rstrip('/')}/"
        with _in_words():
            self._system.invalidate_cache()
            listed = self._system.ls(folder if self.is_web else self._inner, detail=True)
        if self.is_web:  # links with a query are not files: they sort the list, or do worse
            listed = [{**e, "name": _unquoted(e["name"])} for e in listed if "?" not in e["name"]]
            folder = _unquoted(folder)
        named = {_below(folder, each["name"]): each for each in listed}
        found = [
            RemoteEntry(name, self / name, each)
            for name, each in named.items()
            if _is_plain(name) and "/" not in name
        ]
        return found if not self.is_web else _with_states(found)

    def named(self, addresses: Iterable[str]) -> list[tuple[str, RemotePath]]:
        """Those of ``addresses`` that lie below this folder, with their path in it. No others are
        ever requested."""
        top = f"{self._address}/"
        below = {_unquoted(each[len(top) :]): 0 for each in addresses if each.startswith(top)}
        return [(path, self / path) for path in below if _is_plain(path)]

    @property
    def _system(self) -> Any:
        return _system_of(self._address.partition("://")[0].lower(), _host(self._address))

    @property
    def _inner(self) -> str:
        return str(self._system._strip_protocol(self._address))


Place: TypeAlias = Path | RemotePath
"""Where pictures or a table lie: on this machine or elsewhere."""


class RemoteEntry:
    """Like `os.DirEntry`, for an entry of a remote folder."""

    def __init__(self, name: str, place: RemotePath, info: Mapping[str, Any]) -> None:
        self.name, self.place, self.info = name, place, info
        self.asked: os.stat_result | OSError | None = None

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return bool(self.info["type"] == "directory")

    def is_file(self) -> bool:
        return not self.is_dir()

    def is_symlink(self) -> bool:
        return False

    def stat(self) -> os.stat_result:
        if isinstance(self.asked, OSError):
            raise self.asked
        return self.asked or _state(self.info)


def place(said: str | Path | RemotePath) -> Place:
    """What a person calls a folder or file: a path, or an address as ``s3://bucket/folder``.

    Raises QueryError as `RemotePath` does.
    """
    found = _ADDRESS.fullmatch(said) if isinstance(said, str) else None
    if found is None:
        return Path(said) if isinstance(said, str) else said
    if found[1].lower() == "file":
        return Path(unquote(found[2]))
    return RemotePath(str(said))


def states(places: list[RemotePath]) -> list[os.stat_result | OSError]:
    """The state of each, or the error; up to `THREADS` are requested at a time."""
    with ThreadPoolExecutor(THREADS, thread_name_prefix="remote") as threads:
        return list(threads.map(_state_or_error, places))


# ------------------------------------------------------------------------------- addresses


def _checked(address: str) -> str:
    found = _ADDRESS.fullmatch(address)
    if found is None or not found[2].strip("/"):
        raise QueryError(
            f"{address!r} is not the address of a folder",
            hint="Write it like this: s3://bucket/folder",
        )
    scheme, rest = found[1].lower(), found[2]
    holder = rest.partition("/")[0].rpartition("@")[0]
    if ":" in holder or "?" in rest or "#" in rest:
        # Neither the address nor a part of it is shown: it may hold the secret.
        raise QueryError(
            f"the {scheme}:// address holds a password, a key or a query string",
            hint="Leave it out, and give credentials by the environment or a file, as "
            "docs/deploy.md says.",
        )
    return f"{scheme}://{rest.rstrip('/')}"


def _host(address: str) -> str:
    """The key by which web servers get separate connections; "" for other file systems."""
    scheme, _, rest = address.partition("://")
    return rest.partition("/")[0] if scheme in _WEB else ""


def _forward(below: str | Path) -> str:
    return below.as_posix() if isinstance(below, Path) else below


def _quoted(path: str) -> str:
    return quote(path, safe="/~!$&'()*+,;=:@", errors="surrogateescape")


def _unquoted(path: str) -> str:
    return unquote(path, errors="surrogateescape")


def _below(folder: str, name: str) -> str:
    """The name of what lies in ``folder``; empty for the folder itself, or what lies elsewhere."""
    whole = name.rstrip("/")
    return whole[len(folder) :] if whole.startswith(folder) else ""


def _is_plain(path: str) -> bool:
    return all(part not in ("", ".", "..") for part in path.split("/"))


# ------------------------------------------------------------------------------- file systems


def _s3() -> dict[str, Any]:
    retries = {"max_attempts": 3, "mode": "standard"}
    times = {"connect_timeout": _CONNECT_SECONDS, "read_timeout": _READ_SECONDS}
    return {"config_kwargs": {**times, "retries": retries}}


def _web() -> dict[str, Any]:
    import aiohttp

    timeout = aiohttp.ClientTimeout(
        total=None, sock_connect=_CONNECT_SECONDS, sock_read=_READ_SECONDS
    )
    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(_stay_on_the_server)
    return {"client_kwargs": {"timeout": timeout, "trace_configs": [trace]}}


_OPTIONS: Final[Mapping[str, Callable[[], dict[str, Any]]]] = {
    "s3": _s3,
    "s3a": _s3,
    "http": _web,
    "https": _web,
}
"""What a file system is opened with beside its own settings: an answer must come or fail."""

_EXTRAS: Final = {"s3": "s3", "s3a": "s3", "http": "remote", "https": "remote"}


_REDIRECTED: Final = "it is redirected to another server"


class _RedirectedError(PermissionError):
    """A server redirects to another server."""


async def _stay_on_the_server(session: Any, context: Any, asked: Any) -> None:
    """Refuse a redirect to another server: it could lead to one that this machine alone reaches."""
    from yarl import URL

    target = asked.url.join(URL(asked.response.headers.get("Location", "")))
    if target.origin() != asked.url.origin():
        raise _RedirectedError(errno.EACCES, _REDIRECTED)


@lru_cache(maxsize=64)
def _system_of(scheme: str, host: str) -> Any:
    """The file system of an address. ``host`` keeps one web server's connections from another's.

    Raises QueryError if none is known, or what it needs is not installed.
    """
    extra = _EXTRAS.get(scheme, "remote")
    try:
        import fsspec
    except ModuleNotFoundError as error:
        raise QueryError(
            f"addresses that begin with {scheme}:// need the package fsspec, which is not "
            "installed",
            hint=f"Install it: pip install 'samebut[{extra}]'",
        ) from error
    try:
        made = _OPTIONS.get(scheme, dict)()
        # No caches: listings must be current, and changed credentials must take effect.
        return fsspec.filesystem(scheme, use_listings_cache=False, skip_instance_cache=True, **made)
    except ImportError as error:
        needed = f"pip install 'samebut[{extra}]'" if scheme in _EXTRAS else str(error)
        raise QueryError(
            f"addresses that begin with {scheme}:// need a package that is not installed",
            hint=f"Install it: {needed}",
        ) from error
    except ValueError as error:
        raise QueryError(
            f"{scheme}:// is not the address of a file system that fsspec knows",
            hint="Give an address such as s3://, https://, gs:// or sftp://.",
        ) from error


def _state(info: Mapping[str, Any]) -> os.stat_result:
    kind = stat.S_IFDIR if info["type"] == "directory" else stat.S_IFREG
    size, mark = int(info.get("size") or 0), _mark(info)
    seconds = mark // 10**9
    times = {"st_atime_ns": mark, "st_mtime_ns": mark, "st_ctime_ns": mark}
    return os.stat_result((kind, 0, 0, 1, 0, 0, size, seconds, seconds, seconds), times)


def _mark(info: Mapping[str, Any]) -> int:
    """A number that changes with the content: from its digest, else its time, else 0."""
    for name in (*_MARKS, *_TIMES):
        if value := info.get(name):
            if isinstance(value, datetime):
                return int(value.timestamp() * 10**9)
            if isinstance(value, int | float):
                return int(value * 10**9)
            digest = hashlib.blake2b(str(value).encode(), digest_size=8).digest()
            return int.from_bytes(digest, "big") >> 2  # a store keeps signed 64-bit integers
    return 0


def _state_or_error(place: RemotePath) -> os.stat_result | OSError:
    try:
        return place.stat()
    except OSError as error:
        return error


def _with_states(entries: list[RemoteEntry]) -> list[RemoteEntry]:
    """A web server's list has names only: request the states."""
    files = [each for each in entries if each.is_file()]
    for entry, state in zip(files, states([each.place for each in files]), strict=True):
        entry.asked = state
    return entries


# ------------------------------------------------------------------------------- errors


class _RemoteFile:
    """A remote file whose errors are OSErrors, like those of a file."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def __enter__(self) -> _RemoteFile:
        return self

    def __exit__(self, *error: object) -> None:
        self._stream.close()

    def read(self, size: int = -1) -> bytes:
        with _in_words():
            return self._stream.read(size)

    def readinto(self, buffer: bytearray | memoryview) -> int:  # as `hashlib.file_digest` reads
        read = self.read(len(buffer))
        buffer[: len(read)] = read
        return len(read)

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        with _in_words():
            return self._stream.seek(place, whence)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def _in_words() -> Iterator[None]:
    """Errors of a file system's library as an OSError that shows none of their text."""
    try:
        yield
    except QueryError:
        raise
    except Exception as error:
        raise _as_os_error(error) from None


def _as_os_error(error: BaseException) -> OSError:
    for each in _causes(error):
        status = getattr(each, "status", None)
        if isinstance(each, PermissionError) or status in (401, 403):
            is_ours = isinstance(each, _RedirectedError)
            return PermissionError(
                errno.EACCES, _REDIRECTED if is_ours else os.strerror(errno.EACCES)
            )
        if status in (404, 410):
            return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    last = _causes(error)[-1]
    if isinstance(last, FileNotFoundError | NotADirectoryError):
        return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    name = type(last).__name__
    return ConnectionError(errno.ECONNABORTED, _SAID.get(name, f"it gives no answer ({name})"))


def _causes(error: BaseException) -> list[BaseException]:
    """The error and its causes: fsspec raises FileNotFoundError even if the server is down."""
    found = [error]
    while (cause := found[-1].__cause__) is not None:
        found.append(cause)
    return found
