"""``calibrate``: fits a model's confidence, or chooses how a gallery composes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from samebut.commands.building import Store
from samebut.commands.output import say
from samebut.commands.progress import progress_shown
from samebut.errors import QueryError

if TYPE_CHECKING:
    from samebut.calibration.choice import Measured
    from samebut.calibration.fit import Judged


def add_to(app: typer.Typer) -> None:
    """Add this command to ``app``."""
    app.command()(calibrate)


def calibrate(
    what: Annotated[
        str,
        typer.Argument(
            metavar="MODEL|PHOTOS",
            help="Name a model folder or 'bundled'; or an indexed folder of pictures.",
        ),
    ],
    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FOLDER",
            help="Fit on this folder with images/ and catalog.csv; may be repeated. Queries of"
            " its validation split are asked, and pictures of the other folders serve as "
            "wrong answers: give several subjects.",
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Use this many threads of the processor.", show_default="all"
        ),
    ] = None,
    triplets: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Choose by queries of your own in this folder of triplets, instead of by "
            "those that the table of PHOTOS gives.",
        ),
    ] = None,
    split: Annotated[
        str, typer.Option(metavar="SPLIT", help="Use this split of --triplets.")
    ] = "val",
    store: Store = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Measure and print, but write nothing.")
    ] = False,
) -> None:
    """Fit a model's confidence, or choose how a gallery composes picture and words.

    MODEL: fits the curves that turn its scores into a confidence, writes them into its folder, and
    prints how well the confidence separates right from wrong first answers, on other queries.

    PHOTOS: tries compositions on queries made from its table. It stores the best one beside the
    index if that is better than the usual composition, on queries that were not used to choose it.
    """
    if what != "bundled" and not (Path(what) / "model.json").is_file():
        _choose(Path(what), triplets, split, store, threads, dry_run=dry_run)
        return
    _fit(what, data or [], threads, dry_run=dry_run)


def _choose(
    photos: Path,
    queries: Path | None,
    split: str,
    store: str | None,
    threads: int | None,
    *,
    dry_run: bool,
) -> None:
    from samebut.calibration import choice
    from samebut.gallery import Gallery

    with (
        Gallery.open(photos, store=store, threads=threads) as gallery,
        progress_shown() as progress,
    ):
        entries = gallery.index.pictures(gallery.index.listing(len(gallery)))
        names = [entry.path for entry in entries]
        asked = (
            choice.of_table({entry.path: entry.metadata for entry in entries})
            if queries is None
            else choice.of_folder(queries, split, names)
        )
        embeddings = gallery.index.embedding([entry.id for entry in entries])
        image = choice.references(gallery.model, gallery.folder, asked, progress)
        measured = choice.measure(gallery.model, names, embeddings, asked, image)
        usual = gallery.model.usual
        say("\n".join(of_gallery(measured, usual)))
        if not dry_run:
            gallery.choose(measured.choice)
            if measured.choice:
                say(f"\nWritten: {gallery.choice_file}")


def of_gallery(measured: Measured, usual: str) -> list[str]:
    """The compositions that were tried and their results, as Markdown."""
    lines = [
        f"{measured.queries:,} queries; the mean of R@1 and R@10 in percent",
        "",
        "| composition | half that chooses | other half | gain there |",
        "|---|---|---|---|",
    ]
    for each in measured.tried:
        found = f"{each.gain:+.1f} [{each.low:+.1f}, {each.high:+.1f}]"
        lines.append(
            f"| `{each.name}` | {each.chosen_by:.1f} | {each.judged:.1f} "
            f"| {'' if each.name == usual else found} |"
        )
    if measured.choice:
        said = f"Chosen: {measured.best}. `search`, `serve` and the API compose by it now."
    elif measured.best == usual:
        said = f"The usual composition stays, {usual}: none is better."
    else:
        said = (
            f"The usual composition stays, {usual}: {measured.best} is better where it was chosen, "
            "and on the other half not surely so."
        )
    return [*lines, "", said]


def _fit(model: str, data: Sequence[str], threads: int | None, *, dry_run: bool) -> None:
    if not data:
        raise QueryError(
            "a model's confidence is fitted on data folders, and none was given",
            hint="Give folders of several subjects: --data NAME=FOLDER, once for each.",
        )
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
    """The areas under the ROC in each gallery, with curves fitted on the other galleries only, as
    Markdown."""
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
                f"--data {entry} has no folder, or a name that was given before",
                hint="Write it as --data products=FOLDER, with a name of its own for each folder.",
            )
        folders[name] = Path(folder)
    return folders
