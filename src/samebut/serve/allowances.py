"""The rate limit: how many searches each client may still make."""

from __future__ import annotations

import time
from collections import OrderedDict

_CLIENTS = 10_000


class Allowances:
    """How many searches each client may still make: a bucket that refills with time.

    A burst may have ``per_minute`` of them; 0: no limit. Only the clients seen last are remembered.
    """

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, client: str, now: float | None = None) -> float:
        """Count a search of ``client`` and return 0 if it may search now; else the seconds until it
        may."""
        if not self._per_minute:
            return 0
        now = time.monotonic() if now is None else now
        left, then = self._left.pop(client, (float(self._per_minute), now))
        left = min(self._per_minute, left + (now - then) * self._per_minute / 60)
        allowed = left >= 1
        self._left[client] = (left - allowed, now)
        if len(self._left) > _CLIENTS:
            self._left.popitem(last=False)
        return 0 if allowed else max(1.0, (1 - left) * 60 / self._per_minute)
