"""What ``index``, ``demo`` and ``serve --watch`` share: options, progress and the report."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from samebut.gallery import BuildReport, Gallery, Progress

SKIPPED_SHOWN = 20
PAGE_PORT = 8620

Photos = Annotated[Path, typer.Argument(metavar="PHOTOS", help="The folder of pictures.")]
Store = Annotated[
    Path | None,
    typer.Option(help="Where the index is kept.", show_default="PHOTOS/.samebut"),
]
ModelOption = Annotated[
    str | None,
    typer.Option(help="A model folder, or 'bundled'.", show_default="the store's, or bundled"),
]


@contextlib.contextmanager
def progress_shown() -> Iterator[Any]:
    """A live bar on a terminal, a line every few seconds elsewhere; both on stderr."""
    if sys.stderr.isatty():
        with _bar() as progress:
            yield progress
    else:
        yield _Lines()


@contextlib.contextmanager
def _bar() -> Iterator[Any]:
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

        def progress(now: Progress) -> None:
            rate = now.done / max(time.monotonic() - started, 1e-6)
            skipped = f"{now.skipped:,} skipped" if now.skipped else ""
            bar.update(task, total=now.total, completed=now.done, rate=rate, skipped=skipped)

        yield progress


class _Lines:
    """Progress as lines, for logs: not more than one in five seconds."""

    INTERVAL = 5.0

    def __init__(self) -> None:
        self.started = self.said = time.monotonic()

    def __call__(self, now: Progress) -> None:
        time_now = time.monotonic()
        if time_now - self.said < self.INTERVAL:
            return
        self.said = time_now
        rate = now.done / (time_now - self.started)
        left = (now.total - now.done) / rate
        typer.echo(
            f"{now.done:,} of {now.total:,}, {rate:.0f} pictures/s, {left:.0f} s left"
            + (f", {now.skipped:,} skipped" if now.skipped else ""),
            err=True,
        )


def print_report(gallery: Gallery, report: BuildReport) -> None:
    counts = {
        "encoded": report.encoded,
        "unchanged": report.unchanged,
        "copies": report.copied,
        "renamed": report.renamed,
        "removed": report.removed,
        "skipped": len(report.skipped),
    }
    said = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    rate = report.encoded / max(report.spent.wall, 1e-6)
    typer.echo(f"{len(gallery):,} pictures indexed" + (f": {said}" if said else ""), err=True)
    if report.encoded:
        spent = report.spent
        typer.echo(
            f"{spent.wall:.1f} s, {rate:.0f} pictures/s (decode {spent.decode:.1f} s of all "
            f"threads, encode {spent.encode:.1f} s, write {spent.write:.1f} s, "
            f"waited {spent.wait:.1f} s for pictures)",
            err=True,
        )
    if report.with_metadata is not None:
        typer.echo(f"{report.with_metadata:,} pictures have metadata", err=True)
    if report.rows_without_picture:
        lost = report.rows_without_picture
        typer.echo(f"{len(lost):,} rows name no picture here, first: {lost[0]}", err=True)
    for skipped in report.skipped[:SKIPPED_SHOWN]:
        typer.echo(f"skipped    {skipped.path}: {skipped.reason}", err=True)
    if len(report.skipped) > SKIPPED_SHOWN:
        more = len(report.skipped) - SKIPPED_SHOWN
        typer.echo(f"skipped    and {more:,} more; `samebut info` lists them", err=True)
