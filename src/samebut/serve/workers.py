"""Threads that do the work of requests, with a queue that has an end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from samebut.serve.problems import Problem

T = TypeVar("T")


class Workers:
    """``threads`` of them; ``waiting`` jobs may wait, each for at most ``seconds`` in all.

    A job past the queue's end is refused at once: under a load that can't be carried, most
    requests are answered in time and the rest know it, where a queue without an end would make
    every one of them late.
    """

    def __init__(self, name: str, *, threads: int, waiting: int, seconds: float) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._room = threads + waiting
        self._seconds = seconds
        self._lock = threading.Lock()
        self._taken = 0
        self.name = name

    @property
    def taken(self) -> int:
        """Jobs that run or wait."""
        return self._taken

    async def run(self, job: Callable[[], T]) -> T:
        """What ``job()`` returns or raises, from a worker thread.

        Raises Problem "busy" if the queue is full, "too_slow" if it is not done in time. A job
        that is running then can't be stopped: it keeps its place until it ends.
        """
        with self._lock:
            if self._taken >= self._room:
                raise Problem("busy", headers={"Retry-After": "1"})
            self._taken += 1
        future = self._pool.submit(job)
        future.add_done_callback(self._done)
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise Problem("too_slow", headers={"Retry-After": "2"}) from None

    def close(self) -> None:
        """Drop what waits, and wait for what runs."""
        self._pool.shutdown(cancel_futures=True)

    def _done(self, future: Future[T]) -> None:
        with self._lock:
            self._taken -= 1
