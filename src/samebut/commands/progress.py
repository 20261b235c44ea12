"""The progress of a long job, on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from samebut.commands.output import say

if TYPE_CHECKING:
    from samebut.loader import Progress


@contextmanager
def progress_shown() -> Iterator[Progress]:
    """A live bar on a terminal, a line every few seconds elsewhere."""
    if sys.stderr.isatty():
        with _bar() as progress:
            yield progress
    else:
        yield _Lines()


@contextmanager
def _bar() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.0f} pictures/s"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[skipped]}"),
    )
    started = time.monotonic()
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", rate=0.0, skipped="")

        def progress(done: int, total: int, skipped: int = 0, /) -> None:
            rate = done / max(time.monotonic() - started, 1e-6)
            said = f"{skipped:,} skipped" if skipped else ""
            bar.update(task, total=total, completed=done, rate=rate, skipped=said)

        yield progress


class _Lines:
    """Progress as lines, for logs: not more than one in five seconds."""

    INTERVAL = 5.0

    def __init__(self) -> None:
        self.started = self.said = time.monotonic()

    def __call__(self, done: int, total: int, skipped: int = 0, /) -> None:
        now = time.monotonic()
        if now - self.said < self.INTERVAL:
            return
        self.said = now
        rate = max(done, 1) / (now - self.started)
        left = (total - done) / rate
        say(
            f"{done:,} of {total:,}, {rate:.0f} pictures/s, {left:.0f} s left"
            + (f", {skipped:,} skipped" if skipped else ""),
            err=True,
        )
