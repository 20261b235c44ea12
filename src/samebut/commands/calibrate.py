"""How sure a model may be: ``calibrate``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from samebut.commands.output import say
from samebut.commands.progress import progress_shown
from samebut.errors import QueryError

if TYPE_CHECKING:
    from samebut.calibration.fit import Judged


def add_to(app: typer.Typer) -> None:
    """Add this command to ``app``."""
    app.command()(calibrate)


def calibrate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model folder, or 'bundled'.")],
    data: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=FOLDER",
            help="A folder with images/ and catalog.csv; may be repeated. Its val is asked, and "
            "pictures of the others are strangers there: give several subjects.",
        ),
    ],
    threads: Annotated[
        int | None, typer.Option(min=1, help="Of the processor.", show_default="all")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Measure, and write nothing.")] = False,
) -> None:
    """Fit what makes a confidence of a model's scores, and write it into its folder.

    Prints how well it tells answers that fit from others, over queries it was not fitted on.
    """
    from samebut.calibration import fit, pictures, queries
    from samebut.confidence import FILE
    from samebut.files import writing
    from samebut.runtime import Model

    opened, folders = Model.load(model, threads=threads), _folders(data)
    with progress_shown() as progress:
        read = [pictures.read(name, root, opened, progress) for name, root in folders.items()]
    asked = [
        each
        for place, gallery in enumerate(read)
        for each in queries.ask(gallery, read[:place] + read[place + 1 :])
    ]
    calibration = fit.fit(asked, opened.fingerprint)
    say("\n".join([*report(fit.judged(asked)), *on_others(fit.elsewhere(asked))]))
    if not dry_run:
        with writing(opened.folder):
            calibration.write(opened.folder)
        say(f"\nWritten: {opened.folder / FILE}")


def report(judged: Sequence[Judged]) -> list[str]:
    """Areas under the ROC with intervals, reliability, and the sorts of queries, as Markdown."""
    from samebut.calibration import fit

    lines = ["| queries | area under the ROC | of | fit |", "|---|---|---|---|"]
    for area in fit.areas(judged):
        value = f"{100 * area.value:.1f} [{100 * area.low:.1f}, {100 * area.high:.1f}]"
        lines.append(f"| {area.name} | {value} | {area.count:,} | {area.fit:.0%} |")
    lines += ["", "| confidence | mean | fit | of |", "|---|---|---|---|"]
    for low, mean, fits, count in fit.reliability(judged):
        lines.append(f"| {low:.1f} to {low + 0.1:.1f} | {mean:.2f} | {fits:.2f} | {count:,} |")
    lines += [
        "",
        "| kind | gallery: queries | mean confidence | fit | of |",
        "|---|---|---|---|---|",
    ]
    for kind, sort, mean, fits, count in fit.by_sort(judged):
        lines.append(f"| {kind} | {sort} | {mean:.2f} | {fits:.2f} | {count:,} |")
    return lines


def on_others(judged: Sequence[tuple[str, Sequence[Judged]]]) -> list[str]:
    """The areas in each gallery, of curves that were fitted on the others alone, as Markdown."""
    from samebut.calibration import fit

    lines = [
        "",
        "| fitted without | queries | area under the ROC | of | fit |",
        "|---|---|---|---|---|",
    ]
    for name, kinds in judged:
        for area in fit.areas(kinds):
            value = f"{100 * area.value:.1f} [{100 * area.low:.1f}, {100 * area.high:.1f}]"
            lines.append(f"| {name} | {area.name} | {value} | {area.count:,} | {area.fit:.0%} |")
    return lines if judged else []


def _folders(entries: Sequence[str]) -> dict[str, Path]:
    folders: dict[str, Path] = {}
    for entry in entries:
        name, equals, folder = entry.partition("=")
        if not equals or not name or name in folders:
            raise QueryError(
                f"--data {entry} names no folder, or a name again",
                hint="Write it as --data products=FOLDER, each name once.",
            )
        folders[name] = Path(folder)
    return folders
