"""An app on an address, until it is told to stop."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from types import FrameType
from typing import Any
from urllib.parse import quote, quote_plus

import uvicorn
from starlette.types import ASGIApp

from samebut.errors import QueryError
from samebut.printable import shown
from samebut.serve.connections import Connection
from samebut.serve.settings import LOOPBACK, Settings

_GRACE_SECONDS = 4  # for requests; then 2 each for the watcher and for workers: below ten in all
_IDLE_SECONDS = 20
_BACKLOG = 256
_logger = logging.getLogger("samebut.serve")
_UVICORN = logging.getLogger("uvicorn")
_OURS = ("searching", "drawing", "looking", "decode", "AnyIO")  # names of threads


def is_loopback(host: str) -> bool:
    """Whether ``host`` can be reached from this machine only."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def with_names(settings: Settings, host: str, names: Sequence[str]) -> Settings:
    """``settings`` for a server on ``host`` that may be called by ``names`` too.

    A server on a loopback address accepts the names of this machine. Another accepts any name
    unless ``names`` is given: its clients have to present a token.
    """
    if not is_loopback(host) and not names:
        return replace(settings, hosts=None)
    return replace(settings, hosts=LOOPBACK | {name.lower() for name in (host, *names)})


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to the address; port 0: any free one.

    Raises QueryError if the address can't be bound.
    """
    with contextlib.ExitStack() as on_error:
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            bound = on_error.enter_context(socket.socket(family, kind, protocol))
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            bound.listen(_BACKLOG)
        except OSError as error:
            raise QueryError(
                f"can't listen on {host} port {port}: {error.strerror or error}",
                hint="Give another --port; --port 0 takes any that is free.",
            ) from error
        on_error.pop_all()
    return bound


def address_of(
    bound: socket.socket, host: str, token: str | None = None, *, path: str = "/"
) -> str:
    """The address of ``path`` for a browser on this machine, with the token in it."""
    port = bound.getsockname()[1]
    everywhere = host in ("0.0.0.0", "::", "")
    name = "127.0.0.1" if everywhere else f"[{host}]" if ":" in host else host
    query = f"?token={quote(token, safe='')}" if token else ""
    return f"http://{name}:{port}{quote(path)}{query}"


def run(
    app: ASGIApp, settings: Settings, bound: socket.socket, *, behind_proxy: bool = False
) -> None:
    """Serve ``app`` on a bound socket until SIGINT or SIGTERM.

    Then new requests are refused, and running ones have some seconds to end; the process ends
    within ten, even if a worker hangs. ``behind_proxy``: trust the client address that a proxy on
    this machine sends (``X-Forwarded-For``, ``-Proto``).
    """
    _log_to_stderr(settings.token)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,  # its lines contain the whole address, with token and filter
        server_header=False,
        http=Connection,
        proxy_headers=behind_proxy,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        timeout_keep_alive=_IDLE_SECONDS,
        lifespan="on",
        ws="none",
    )
    with contextlib.suppress(KeyboardInterrupt), bound:
        _Server(config).run(sockets=[bound])
    _leave()


class _Server(uvicorn.Server):
    """A second Ctrl+C, soon after the first, ends the server as the first does: uvicorn would
    leave the app without closing it, with a traceback. It ends within seconds in any case."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self.force_exit = False


def _leave() -> None:
    """End the process even if a worker hangs: the interpreter would wait for its thread."""
    last = time.monotonic() + 1
    for thread in threading.enumerate():
        if thread.name.startswith(_OURS):
            thread.join(max(0, last - time.monotonic()))
            if thread.is_alive():
                _logger.warning("%s is still at work; leaving without it", thread.name)
                logging.shutdown()
                os._exit(0)


class _LogLines(logging.Formatter):
    """Removes the token from lines and tracebacks, and escapes control characters, so that a text
    from a client can't forge a log line."""

    def __init__(self, token: str | None) -> None:
        super().__init__("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S")
        said = token or ""
        forms = {said, *(way(said, safe) for way in (quote, quote_plus) for safe in ("", "/"))}
        self._hidden = sorted(forms - {""}, key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        for form in self._hidden:
            line = line.replace(form, "[token]")
        return line

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        record.message = shown(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return shown(super().formatException(ei), keep="\n").replace("\n", "\n    ")


def _log_to_stderr(token: str | None) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_LogLines(token))
    for logger, level in ((_logger, logging.INFO), (_UVICORN, logging.WARNING)):
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False
