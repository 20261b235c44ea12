"""What ``index``, ``demo`` and ``serve --watch`` share: options and the report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from samebut.errors import QueryError

if TYPE_CHECKING:
    from samebut.describe import MetadataReport
    from samebut.gallery import Gallery, UpdateReport

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

Metadata = Annotated[
    Path | None,
    typer.Option(
        metavar="TABLE",
        help="What is said of the pictures: CSV, .xlsx, JSON Lines, or a shop's export.",
    ),
]
FileColumn = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="The table's column that names the pictures.",
        show_default="file, image, ..., or the one whose cells look so",
    ),
]


def print_report(gallery: Gallery, report: UpdateReport) -> None:
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
    print_metadata(report.metadata)
    for skipped in report.skipped[:SKIPPED_SHOWN]:
        typer.echo(f"skipped    {skipped.path}: {skipped.reason}", err=True)
    if len(report.skipped) > SKIPPED_SHOWN:
        more = len(report.skipped) - SKIPPED_SHOWN
        typer.echo(f"skipped    and {more:,} more; `samebut info` lists them", err=True)


def check_file_column(file_column: str | None, metadata: Path | None) -> None:
    """Raises QueryError if a column is named and no table."""
    if file_column is not None and metadata is None:
        raise QueryError("--file-column needs a table", hint="Name it: --metadata TABLE.")


def print_metadata(report: MetadataReport) -> None:
    """Say what became of a table's rows, and of those that waited for their pictures."""
    for line in report.lines():
        typer.echo(f"metadata   {line}", err=True)
    if report.table is not None:
        typer.echo(f"{report.described:,} pictures have metadata", err=True)
