"""Making queries of one's own: ``triplets``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from samebut.commands.building import Exclude, NoFollow
from samebut.commands.building import rules as rules_of
from samebut.commands.output import say
from samebut.commands.progress import progress_shown
from samebut.errors import QueryError


def add_to(app: typer.Typer) -> None:
    """Add this command to ``app``."""
    app.command()(triplets)


def triplets(
    catalogue: Annotated[
        Path,
        typer.Argument(
            metavar="CATALOGUE",
            help="Name a table with a row for each picture: CSV, .xlsx, or another that "
            "'samebut index --metadata' reads.",
        ),
    ],
    images: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Look for the pictures in this folder.")
    ],
    attributes: Annotated[
        str,
        typer.Option(
            metavar="A,B,...", help="Ask for changes of these columns, such as colour,pattern."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="OUT", help="Write to this folder, or to one file whose name ends in .jsonl."
        ),
    ],
    group: Annotated[
        str,
        typer.Option(
            metavar="A,...",
            help="Keep these columns the same in the target, unless the query asks to change them.",
        ),
    ] = "",
    details: Annotated[
        str | None,
        typer.Option(
            metavar="A,...",
            help="Let these attributes differ between reference and target whatever is asked; "
            "'none' for none.",
            show_default="those that fewer than half of the rows know",
        ),
    ] = None,
    changes: Annotated[
        str,
        typer.Option(
            metavar="A,A+B=2,...",
            help="Ask for these changes, in this proportion; A+B changes two columns at once.",
            show_default="each column, and every two attributes",
        ),
    ] = "",
    keep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CHANGE=A,B",
            help="Set which columns one change keeps the same; may be repeated.",
        ),
    ] = None,
    when_empty: Annotated[
        str,
        typer.Option(
            metavar="skip|open",
            help="Choose what happens to a picture that lacks a value which the change keeps: "
            "skip it, or leave that column open.",
        ),
    ] = "skip",
    max_per_reference: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", help="Make at most this many queries for each reference picture."
        ),
    ] = 3,
    max_targets: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Leave out queries with more right answers than this; 0 allows any number.",
        ),
    ] = 60,
    min_support: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", help="Ask only for values that at least this many pictures have."
        ),
    ] = 1,
    chinese: Annotated[
        float,
        typer.Option(
            min=0, max=1, metavar="SHARE", help="Write this share of the queries in Chinese."
        ),
    ] = 0.2,
    templates: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Add templates and translations of your own from this TOML file."
        ),
    ] = None,
    val_share: Annotated[
        float, typer.Option(metavar="SHARE", help="Keep this share of the pictures for validation.")
    ] = 0.2,
    split_by: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Keep rows with the same value in this column in one split.",
            show_default="the column split if there is one, else the title",
        ),
    ] = None,
    file_column: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Take the pictures' names from this column.",
            show_default="file, path, image",
        ),
    ] = None,
    exclude: Exclude = None,
    no_follow: NoFollow = False,
    seed: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Start the random numbers from this seed; the same seed writes the same files.",
        ),
    ] = 0,
) -> None:
    """Make composed queries from a table of attributes, for training and measuring.

    Writes train.jsonl, val.jsonl and what the reader needs into a folder, and says what of the
    table could not be used.
    """
    from samebut.query_maker import make
    from samebut.query_maker.queries import QueryRules
    from samebut.query_maker.relative_captions import RelativeCaptions
    from samebut.query_maker.table import read_table

    with progress_shown() as progress:
        table = read_table(
            catalogue,
            images,
            file_column=file_column,
            rules=rules_of(exclude, no_follow),
            progress=progress,
        )
    column = table.column
    rules = QueryRules(
        attributes=tuple(map(column, _names(attributes))),
        groups=tuple(map(column, _names(group))),
        details=None if details is None else tuple(map(column, _names(details, none=True))),
        changes=_weights(changes, column),
        keep=_kept(keep or [], column),
        when_empty=when_empty,
        min_support=min_support,
        max_targets=max_targets,
        chinese=chinese,
    )
    report = make.write(
        table,
        rules,
        out,
        captions=RelativeCaptions.read(templates, rules.columns),
        max_per_reference=max_per_reference,
        seed=seed,
        val_share=val_share,
        split_by=split_by,
    )
    say("\n".join(report.lines()))
    say(f"\nWritten: {out}")


def _names(text: str, *, none: bool = False) -> list[str]:
    if none and text.strip().lower() == "none":
        return []
    return [name.strip() for name in text.split(",") if name.strip()]


def _change(name: str, column: Callable[[str], str]) -> str:
    from samebut.query_maker.wishes import parsed

    stripped = "+".join(part.strip() for part in name.split("+"))
    return "+".join(f"{wish} {column(own)}".lstrip() for wish, own in parsed(stripped))


def _weights(text: str, column: Callable[[str], str]) -> dict[str, float]:
    weights = {}
    for entry in _names(text):
        name, _, weight = entry.partition("=")
        try:
            weights[_change(name, column)] = float(weight or 1)
        except ValueError as error:
            raise QueryError(
                f"--changes: the weight {weight!r} is not a number",
                hint="Write it as colour=2,article.",
            ) from error
    return weights


def _kept(entries: Sequence[str], column: Callable[[str], str]) -> dict[str, tuple[str, ...]]:
    kept = {}
    for entry in entries:
        name, equals, columns = entry.partition("=")
        if not equals:
            raise QueryError(
                f"--keep {entry} does not say which columns stay the same",
                hint="Write it as CHANGE=COLUMN,COLUMN.",
            )
        kept[_change(name, column)] = tuple(map(column, _names(columns)))
    return kept
