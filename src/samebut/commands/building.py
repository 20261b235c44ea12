"""What ``index``, ``demo`` and ``serve --watch`` share: options and the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from samebut.commands.output import say
from samebut.errors import QueryError
from samebut.printable import shown

if TYPE_CHECKING:
    from samebut.describe import MetadataReport
    from samebut.gallery import Gallery
    from samebut.scan import ScanRules
    from samebut.update import UpdateReport

SKIPPED_SHOWN = 20
PAGE_PORT = 8620

Photos = Annotated[
    str,
    typer.Argument(
        metavar="PHOTOS",
        help="Name the folder of pictures, or an address such as s3://bucket/folder.",
    ),
]
STORE_HELP = (
    "Use the index in this place: a file, a folder, or a database, postgresql://HOST/DATABASE."
)
Store = Annotated[
    str | None,
    typer.Option(
        metavar="STORE",
        help=STORE_HELP,
        show_default="PHOTOS/.samebut",
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATTERN",
        help="Leave out files and folders that match a pattern, such as drafts/ or *.gif; "
        "may be repeated. Lines of the file .samebutignore in the folder do the same "
        "for every run.",
        show_default=False,
    ),
]
NoFollow = Annotated[
    bool, typer.Option("--no-follow", help="Do not follow symbolic links to folders.")
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="Use the model in this folder (as 'samebut export' writes it), or 'bundled', "
        "the one that ships.",
        show_default="the store's, or bundled",
    ),
]

Metadata = Annotated[
    str | None,
    typer.Option(
        metavar="TABLE",
        help="Read this table about the pictures, to filter and describe hits by: CSV, "
        ".xlsx, JSON Lines, or a shop's export.",
    ),
]
FileColumn = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Take the pictures' names from this column of the table.",
        show_default="file, image, ..., or one of file names",
    ),
]


def rules(exclude: list[str] | None, no_follow: bool) -> ScanRules:
    """The scan rules of the options."""
    from samebut.scan import ScanRules

    return ScanRules(follow=not no_follow, exclude=tuple(exclude or ()))


def something_is_missing(gallery: Gallery, report: UpdateReport) -> bool:
    """Whether pictures were skipped, none were found, or more files were passed over than found."""
    others = report.scan.other_kinds.total()
    return bool(report.skipped) or others > len(gallery) or not len(gallery)


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
    say(f"{len(gallery):,} pictures indexed" + (f": {said}" if said else ""), err=True)
    if report.encoded:
        spent = report.spent
        say(
            f"{spent.wall:.1f} s, {rate:.0f} pictures/s (decode {spent.decode:.1f} s of all "
            f"threads, encode {spent.encode:.1f} s, write {spent.write:.1f} s, "
            f"waited {spent.wait:.1f} s for pictures)",
            err=True,
        )
    for sentence in report.nodes.lines():
        say(f"ray        {shown(sentence)}", err=True)
    if not len(gallery) and not report.skipped:
        say(f"{gallery.folder} holds no pictures that are read", err=True)
    for sentence in report.scan.passed_over():
        say(f"not read   {shown(sentence)}", err=True)
    print_metadata(report.metadata)
    if report.acceleration:
        say(report.acceleration, err=True)
    for skipped in report.skipped[:SKIPPED_SHOWN]:
        say(f"skipped    {shown(f'{skipped.path}: {skipped.reason}')}", err=True)
    if len(report.skipped) > SKIPPED_SHOWN:
        more = len(report.skipped) - SKIPPED_SHOWN
        say(f"skipped    and {more:,} more; `samebut info` lists them", err=True)


def check_file_column(file_column: str | None, metadata: object) -> None:
    """Raises QueryError if a column is named and no table."""
    if file_column is not None and metadata is None:
        raise QueryError("--file-column needs a table", hint="Give the table: --metadata TABLE.")


def print_metadata(report: MetadataReport) -> None:
    """Print what became of a table's rows, and of earlier rows without a picture."""
    for line in report.lines():
        say(f"metadata   {shown(line)}", err=True)
    if report.table is not None:
        say(f"{report.described:,} pictures have metadata", err=True)
