"""Threads that do the work of requests, with a queue of limited length."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from samebut.images import time_limit
from samebut.serve.problems import Problem

T = TypeVar("T")
_CLOSING_LOOK = 0.02  # seconds between two looks whether all jobs have ended


class Workers:
    """``threads`` of them; ``waiting`` jobs may wait, each for at most ``seconds`` in all.

    If the queue is full, a job is refused at once. Under overload most requests are then answered
    in time and the others fail fast; an unlimited queue would make all of them late.
    """

    def __init__(self, name: str, *, threads: int, waiting: int, seconds: float) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._room = threads + waiting
        self._seconds = seconds
        self._lock = threading.Lock()
        self._taken = 0
        self._closing = threading.Event()
        self.name = name

    @property
    def taken(self) -> int:
        """Jobs that run or wait."""
        return self._taken

    async def run(self, job: Callable[[], T]) -> T:
        """What ``job()`` returns or raises, from a worker thread.

        Raises Problem "busy" if the queue is full, "too_slow" if it is not done in time. A job
        that is running then gives up the picture it decodes, and so frees its worker
        (`samebut.images.time_limit`).
        """
        with self._lock:
            if self._taken >= self._room:
                raise Problem("busy", headers={"Retry-After": "1"})
            self._taken += 1
        last = time.monotonic() + self._seconds

        def bounded() -> T:
            with time_limit(last - time.monotonic(), self._closing):
                return job()

        future = self._pool.submit(bounded)
        future.add_done_callback(self._done)
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise Problem("too_slow", headers={"Retry-After": "2"}) from None

    def stop(self) -> None:
        """Drop waiting jobs, and tell running ones to give up the picture they decode."""
        self._closing.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def close(self, seconds: float = 2.0) -> bool:
        """`stop`, and wait ``seconds`` for running jobs. Returns whether all jobs have ended."""
        self.stop()
        last = time.monotonic() + seconds
        while self._taken and time.monotonic() < last:
            time.sleep(_CLOSING_LOOK)
        return not self._taken

    def _done(self, future: Future[T]) -> None:
        with self._lock:
            self._taken -= 1
