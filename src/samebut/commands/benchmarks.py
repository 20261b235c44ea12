"""Measuring: ``eval``, ``compare``, ``submit`` and ``doctor``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from samebut.commands.building import Store
from samebut.commands.output import say
from samebut.commands.progress import progress_shown
from samebut.data.readers import READERS
from samebut.errors import DataError, QueryError
from samebut.printable import shown

if TYPE_CHECKING:
    from samebut.data.benchmark import Benchmark
    from samebut.runtime import Model
    from samebut.submit import Checked

PROBLEMS_SHOWN = 20
ALL_MODES = "all"

submit = typer.Typer(
    help="Write, check and score files for the test servers of CIRR and CIRCO.",
    no_args_is_help=True,
    add_completion=False,
)

Root = Annotated[
    Path,
    typer.Option(
        metavar="FOLDER", help="Read the data set from this folder, into which it was unpacked."
    ),
]
Split = Annotated[
    str | None,
    typer.Option(
        metavar="SPLIT",
        help="Use this split of the data set, such as val or test.",
        show_default="the benchmark's own",
    ),
]
Run = Annotated[
    Path, typer.Argument(metavar="RUN", help="Name a folder that 'samebut eval --out' wrote.")
]


def add_to(app: typer.Typer) -> None:
    """Add these commands to ``app``."""
    app.command("eval")(evaluate)
    app.command()(compare)
    app.command()(doctor)
    app.add_typer(submit, name="submit")


def evaluate(
    benchmark: Annotated[
        str,
        typer.Argument(
            metavar="BENCHMARK",
            help=f"Name the benchmark: {', '.join(READERS)}. 'triplets' is a folder of your own.",
        ),
    ],
    root: Root,
    split: Split = None,
    model: Annotated[
        str,
        typer.Option(
            metavar="MODEL",
            help="Use the model in this folder (as 'samebut export' writes it), or 'bundled', "
            "the one that ships.",
        ),
    ] = "bundled",
    query: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODE",
            help="Ask by picture and words (composed), by one of them (image, text), by all of"
            " these and their sum (all), or by a composition: sum, slerp:0.65, product, "
            "basic, pdv, blend:0.75:sum; may be repeated.",
            show_default="composed",
        ),
    ] = None,
    gallery: Annotated[
        Path | None,
        typer.Option(
            metavar="PHOTOS",
            help="Ask also as a search in this indexed folder does: by the composition that "
            "'samebut calibrate PHOTOS' chose for it, or the usual one.",
        ),
    ] = None,
    store: Store = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "-o",
            "--option",
            metavar="NAME=VALUE",
            help="Set a choice that the benchmark offers, such as gallery=union, "
            "captions=maaf, category=dress; missing=drop ranks only the pictures that are"
            " there. May be repeated.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Write the ranking, metrics.json and a page of the worst errors to this folder.",
        ),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Keep embeddings in this folder, so that the next run need not encode again.",
            show_default="OUT/cache",
        ),
    ] = None,
    page: Annotated[bool, typer.Option(help="Write the page of errors, or leave it out.")] = True,
    trec: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Write a TREC run for each --query, and the qrels, to this folder: for "
            "trec_eval and others.",
        ),
    ] = None,
) -> None:
    """Measure a model on a benchmark, and print its protocol beside every number."""
    from samebut.data import readers
    from samebut.evaluate import error_page, report
    from samebut.evaluate import trec as trec_files
    from samebut.evaluate.embeddings import MODES
    from samebut.evaluate.run import evaluate as measure
    from samebut.evaluate.run import place_of
    from samebut.runtime import Model

    asked = list(dict.fromkeys(query or (["composed"] if gallery is None else [])))
    modes = list(MODES) if ALL_MODES in asked else asked
    opened, chosen = Model.load(model), dict[str, str]()
    if gallery is not None:
        chosen = _of_gallery(gallery, store, opened)
        modes = list(dict.fromkeys([*modes, *chosen]))
    data = readers.read(benchmark, root, split, _options(option or []))
    with progress_shown() as progress:
        results = measure(
            data, opened, modes=modes, out=out, cache=cache, chosen=chosen, progress=progress
        )
    if not results:
        say(f"{data.label}: {len(data.queries):,} queries ranked; targets are not public")
        if out:
            say(f"The server's files: samebut submit write {out} --out FOLDER")
        if trec:
            say(f"Nothing was written to {trec}: TREC files are of splits with public targets")
        return
    say(report.table(results))
    if trec:
        for path in trec_files.write({mode: run for mode, (run, _) in results.items()}, trec):
            say(f"For trec_eval and others: {path}")
    for mode, (run, scored) in results.items():
        if out and page:
            path = place_of(out, mode, modes) / "errors.html"
            error_page.write(run, scored, data.images, path)
            say(f"Look at the errors: {path}")


def _of_gallery(photos: Path, store: str | None, model: Model) -> dict[str, str]:
    """The composition that searches in ``photos`` use, and the reason why."""
    from samebut.gallery import Gallery

    with Gallery.open(photos, store=store) as gallery:
        if gallery.model.fingerprint != model.fingerprint:
            raise QueryError(
                f"{photos} was indexed with another model than {model.name}",
                hint=f"Evaluate with the gallery's model: --model {gallery.model.folder}",
            )
        if (choice := gallery.choice) is None:
            return {model.usual: f"the usual composition, for {photos.name} has chosen none"}
    gain, low, high = choice.gain
    return {
        choice.composition: f"chosen for {photos.name} by {choice.queries:,} of its queries, "
        f"{gain:+.1f} [{low:+.1f}, {high:+.1f}] on the half that did not choose"
    }


def compare(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[RUN] [RUN]", help="Name one or two folders that 'samebut eval --out' wrote."
        ),
    ] = None,
    published: Annotated[
        str | None,
        typer.Option(
            metavar="BENCHMARK",
            help="Compare with published systems on this benchmark, such as cirr.",
        ),
    ] = None,
    unstated: Annotated[
        bool,
        typer.Option(
            help="Include systems whose authors do not say if the reference was removed from "
            "the gallery."
        ),
    ] = False,
    most: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Name this many queries that got better, and as many that got worse.",
        ),
    ] = 5,
) -> None:
    """Compare two runs, or one with published systems.

    Runs are compared query by query; published systems are only those of the same protocol.
    """
    from samebut.evaluate import comparison
    from samebut.evaluate import published as literature
    from samebut.evaluate.run import Run

    given = [Run.load(path) for path in runs or []]
    if published and not given:
        say(literature.listing(published))
    elif published and len(given) == 1:
        benchmark = given[0].about["benchmark"]
        if benchmark != published:
            raise DataError(
                f"{(runs or [])[0]} is a run of {benchmark}, not of {published}",
                hint=f"Give a run of {published}, or write: --published {benchmark}",
            )
        say(literature.beside(given[0], given[0].score(), unstated=unstated))
    elif len(given) == 2 and not published:
        say(comparison.as_text(comparison.compare(*given, most=most)))
    else:
        raise QueryError(
            "compare takes two runs, or one run and a benchmark with published numbers",
            hint="Write samebut compare RUN RUN, or samebut compare RUN --published BENCHMARK.",
        )


def doctor(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND", help=f"Name what it is: {', '.join(READERS)}, gallery, model."
        ),
    ],
    root: Annotated[Path, typer.Argument(metavar="FOLDER", help="Name its folder.")],
    store: Annotated[
        str | None,
        typer.Option(
            metavar="STORE",
            help="Look for a gallery's index here.",
            show_default="its folder/.samebut",
        ),
    ] = None,
) -> None:
    """Say what is missing or broken in a data set, gallery or model.

    Every picture is opened. The status is 1 if anything is wrong.
    """
    from samebut.doctor import examine

    with progress_shown() as progress:
        report = examine(kind, root, store=store, progress=progress)
    say(str(report))
    if not report.healthy:
        raise typer.Exit(1)


@submit.command("write")
def write_files(
    run: Run,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Write the files to this folder.")],
) -> None:
    """Write the files that the server takes."""
    from samebut import submit as submission
    from samebut.evaluate.run import Run

    for path in submission.write(Run.load(run), out):
        say(str(path))


@submit.command("check")
def check_files(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Name the submission files, by whatever program they were written.",
        ),
    ],
    root: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Check every id and picture against the annotations in this folder.",
        ),
    ] = None,
    split: Split = None,
) -> None:
    """Check files before they are sent.

    The status is 1 if anything is wrong.
    """
    from samebut import submit as submission

    checked = [submission.check(path) for path in files]
    if root:
        checked = [
            submission.check(each.path, _benchmark_of(each, root, split)) if each.form else each
            for each in checked
        ]
    for each in checked:
        _print_checked(each)
    if any(each.problems for each in checked):
        raise typer.Exit(1)


@submit.command("score")
def score_files(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="Name submission files of a split whose targets are public."
        ),
    ],
    root: Root,
    split: Split = None,
) -> None:
    """Score files here, as the server would."""
    from samebut import submit as submission
    from samebut.evaluate.report import cell, columns

    data = _benchmark_of(submission.check(files[0]), root, split)
    scored = submission.score_files(files, data)
    rows = [
        [name, cell(number, scored.intervals[name]), data.label]
        for name, number in scored.numbers.items()
    ]
    say("\n".join([f"protocol   {data.protocol}", *columns(rows)]))


def _benchmark_of(checked: Checked, root: Path, split: str | None) -> Benchmark:
    from samebut.data import readers

    if checked.form is None:
        raise DataError(
            f"{checked.path}: {checked.problems[0]}",
            hint=f"List every problem with: samebut submit check {checked.path}",
        )
    return readers.read(checked.form.benchmark, root, split or checked.split or None)


def _print_checked(checked: Checked) -> None:
    form = (
        " ".join(filter(None, (checked.form.benchmark, checked.form.metric)))
        if (checked.form)
        else "unknown"
    )
    state = f"{len(checked.problems):,} problems" if checked.problems else "valid"
    say(f"{checked.path}: {form} {checked.split}, {state}")
    for problem in checked.problems[:PROBLEMS_SHOWN]:
        say(f"  {shown(problem)}")
    if len(checked.problems) > PROBLEMS_SHOWN:
        say(f"  and {len(checked.problems) - PROBLEMS_SHOWN:,} more")
    if checked.unchecked:
        say(f"  not checked: {checked.unchecked}")


def _options(given: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    for name, equals, _ in pairs:
        if not equals:
            raise QueryError(f"--option {name} has no value", hint="Write it as NAME=VALUE.")
    return {name: value for name, _, value in pairs}
