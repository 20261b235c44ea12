"""A server that speaks the chat-completions protocol, as far as a second stage uses it.

It decodes the pictures that it is sent and puts the reddest first, so that tests can check the
order.
"""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from PIL import Image


class ChatServer:
    """``asked`` has what was sent, ``keys`` the tokens that came along. ``answer`` is what is said
    in place of an order; ``status``, ``wait`` (seconds before the body), ``raw`` and
    ``garbage`` (in place of HTTP) spoil it."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.paths: list[str] = []
        self.answer: str | None = None
        self.message: dict[str, Any] = {}
        self.status = 200
        self.raw: bytes | None = None
        self.wait = 0.0
        self.location = ""
        self.garbage = b""
        self.counts = True
        self.url = ""
        self.released = threading.Event()

    def body(self, request: dict[str, Any]) -> bytes:
        if self.raw is not None:
            return self.raw
        if self.status != 200:
            return json.dumps({"error": {"message": self.answer or "no"}}).encode()
        said = self.answer or json.dumps({"order": order(request)})
        message = {"role": "assistant", "content": said, **self.message}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        answer: dict[str, Any] = {"object": "chat.completion", "choices": choices}
        if self.counts:
            answer["usage"] = {"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107}
        return json.dumps(answer).encode()


def pictures(request: dict[str, Any]) -> dict[str, Image.Image]:
    """The pictures of a request by the text before each."""
    found, text = {}, ""
    for part in request["messages"][1]["content"]:
        if part["type"] == "text":
            text = part["text"]
        else:
            kind, _, data = part["image_url"]["url"].partition(";base64,")
            assert kind == "data:image/jpeg"
            found[text] = Image.open(io.BytesIO(base64.b64decode(data)))
    return found


def order(request: dict[str, Any]) -> list[int]:
    shown = {
        int(text.removeprefix("Candidate ").rstrip(":")): picture
        for text, picture in pictures(request).items()
        if text.startswith("Candidate ")
    }
    return sorted(shown, key=lambda number: -redness(shown[number]))


def redness(picture: Image.Image) -> float:
    red, green, blue = np.asarray(picture, np.float32).mean(axis=(0, 1))
    return float(red - (green + blue) / 2)


@contextmanager
def serving() -> Iterator[ChatServer]:
    """A server on a free port of this machine."""
    state = ChatServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.asked.append(request)
            state.keys.append(self.headers["Authorization"])
            state.paths.append(self.path)
            if state.garbage:
                self.wfile.write(state.garbage)
                self.close_connection = True
                return
            body = state.body(request)
            self.send_response(state.status)
            if state.location:
                self.send_header("Location", state.location)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if state.wait:
                state.released.wait(state.wait)
            try:
                self.wfile.write(body)
            except OSError:
                return

        def do_GET(self) -> None:
            state.paths.append(self.path)
            state.keys.append(self.headers["Authorization"])
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield state
    finally:
        state.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
