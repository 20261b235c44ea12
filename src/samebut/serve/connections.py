"""Connections: a request has to begin in time, and idle ones make room for new ones."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from samebut.serve.guard import refusal
from samebut.serve.problems import Problem

if TYPE_CHECKING:
    from asyncio import TimerHandle

HEADER_SECONDS = 10.0
"""From a request's first byte, or a connection's beginning, to the end of the headers."""

MAX_CONNECTIONS = 500
"""One more closes the connection that has waited longest without a request."""


class Connection(H11Protocol):
    """A connection of uvicorn, with a deadline for headers and refusals in the usual shape."""

    _deadline: TimerHandle | None = None
    _begun = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._begun = self.loop.time()
        self._start_deadline()
        waiting = [each for each in self.connections if isinstance(each, Connection)]
        if len(waiting) > MAX_CONNECTIONS:
            idle = [each for each in waiting if not each.is_busy and each is not self]
            if idle:
                min(idle, key=lambda each: each._begun).transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deadline is None and not self.is_busy:
            self._start_deadline()
        super().data_received(data)
        if self.is_busy:
            self._stop_deadline()

    @property
    def is_busy(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._begun = self.loop.time()

    def send_400_response(self, msg: str) -> None:
        self._refuse("request_malformed")

    def _start_deadline(self) -> None:
        self._deadline = self.loop.call_later(HEADER_SECONDS, self._too_slow)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if self.is_busy or self.transport.is_closing():
            return
        if self.conn.trailing_data[0]:
            self._refuse("headers_slow")
        else:
            self.transport.close()

    def _refuse(self, code: str) -> None:
        answer = refusal(Problem(code, headers={"Connection": "close"}))
        events: list[Any] = [
            h11.Response(status_code=answer.status_code, headers=answer.raw_headers),
            h11.Data(data=bytes(answer.body)),
            h11.EndOfMessage(),
        ]
        try:
            for event in events:
                self.transport.write(self.conn.send(event) or b"")
        except h11.LocalProtocolError:
            pass  # an answer has begun: only closing the connection can end it
        self.transport.close()
