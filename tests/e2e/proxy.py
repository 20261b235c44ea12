"""Two small servers: a proxy that mounts another server below a path, and a shop."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding"}


@contextmanager
def mounting(upstream: str, path: str, *, strips: bool) -> Iterator[str]:
    """The address of a proxy that has ``upstream`` below ``path``, and nothing else.

    What it passes on has the path still, or has it taken off if the proxy ``strips``. It says
    what it was called as, as proxies do.
    """

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if not handler.path.startswith(f"{path}/"):
            handler.send_error(404, "not of the server behind")
            return
        there = http.client.HTTPConnection(urlsplit(upstream).netloc)
        length = int(handler.headers.get("Content-Length", 0))
        asked = handler.path.removeprefix(path) if strips else handler.path
        headers = {k: v for k, v in handler.headers.items() if k.lower() not in _HOP_BY_HOP}
        there.request(handler.command, asked, handler.rfile.read(length), headers)
        found = there.getresponse()
        body = found.read()
        handler.send_response(found.status)
        for name, value in found.getheaders():
            if name.lower() not in _HOP_BY_HOP | {"date"}:
                handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)
        there.close()

    with _serving(answer) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def shop(page: Callable[[], tuple[str, str]]) -> Iterator[str]:
    """The address of another site with one ``page``: its text and its policy of contents.

    It is called localhost: for a browser another site than 127.0.0.1.
    """

    def answer(handler: BaseHTTPRequestHandler) -> None:
        text, policy = page()
        handler.send_response(200 if handler.path == "/" else 204)
        handler.send_header("Content-Type", "text/html; charset=utf-8")
        handler.send_header("Content-Security-Policy", policy)
        handler.end_headers()
        if handler.path == "/":
            handler.wfile.write(text.encode())

    with _serving(answer) as port:
        yield f"http://localhost:{port}"


@contextmanager
def _serving(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        do_POST = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
