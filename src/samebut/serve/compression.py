"""Gzips the API's answers for clients that accept it.

Only texts that are sent in one piece: JPEGs don't get smaller, and a file is sent while it is read.
"""

from __future__ import annotations

import gzip

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from samebut.serve.page import takes_gzip

_KINDS = ("application/json", "application/problem+json", "text/")
_SMALLEST = 1000  # bytes; what fits into one packet does not come sooner
_LEVEL = 4


class Compression:
    """Wraps an app; see the module."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and takes_gzip(HTTPConnection(scope)):
            send = _Packing(send).send
        await self._app(scope, receive, send)


class _Packing:
    """Holds back the headers of an answer until its first message shows whether the body is
    complete."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_text(message):
            self._start = message
            return
        if self._start is not None:
            start, self._start = self._start, None
            body = message.get("body", b"")
            if not message.get("more_body") and len(body) >= _SMALLEST:
                message = {**message, "body": gzip.compress(body, _LEVEL, mtime=0)}
                headers = MutableHeaders(scope=start)
                headers["Content-Encoding"] = "gzip"
                headers["Content-Length"] = str(len(message["body"]))
            await self._send(start)
        await self._send(message)


def _is_text(start: Message) -> bool:
    headers = MutableHeaders(scope=start)
    is_text = headers.get("content-type", "").startswith(_KINDS)
    if is_text:
        headers.add_vary_header("Accept-Encoding")
    return is_text and "content-encoding" not in headers
