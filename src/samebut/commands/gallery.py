"""A gallery's commands: ``index``, ``search``, ``info`` and ``demo``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samebut.commands.building import (
    PAGE_PORT,
    Exclude,
    FileColumn,
    Metadata,
    ModelOption,
    NoFollow,
    Photos,
    Store,
    check_file_column,
    print_report,
    rules,
    something_is_missing,
)
from samebut.commands.output import results as to_stdout
from samebut.commands.output import say, say_json, say_zero_ended
from samebut.commands.progress import progress_shown
from samebut.commands.reranking import (
    Rerank,
    RerankKey,
    RerankModel,
    RerankTimeout,
    RerankUrl,
    report_as_json,
    say_report,
    searched,
    second_stage,
)
from samebut.errors import QueryError
from samebut.printable import shown
from samebut.remote import RemotePath, place

if TYPE_CHECKING:
    from samebut.answers import Results
    from samebut.gallery import Gallery
    from samebut.index import Reading
    from samebut.looks import Fulfilment
    from samebut.turns import Turn

SOME_SKIPPED = 3
COLUMNS_SHOWN = 5
LOOKS_SHOWN = 3
FACETS_SHOWN = 6
UNREAD_SHOWN = 3
WAITING_SHOWN = 20
LONGEST_LINE = 1_000

Count = Annotated[
    int, typer.Option("-k", "--count", min=1, metavar="N", help="Return this many hits.")
]
Where = Annotated[
    str | None,
    typer.Option(
        metavar="FILTER",
        help='Search only pictures whose table row passes this filter, such as "colour = '
        "'blue' and price < 50\".",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add these commands to ``app``."""
    for command in (index, search, info, demo):
        app.command()(command)


def index(
    photos: Photos,
    metadata: Metadata = None,
    file_column: FileColumn = None,
    replace_metadata: Annotated[
        bool,
        typer.Option(
            "--replace-metadata",
            help="Replace everything that earlier tables said of the pictures, instead of "
            "adding to it.",
        ),
    ] = False,
    model: ModelOption = None,
    store: Store = None,
    replace_model: Annotated[
        bool,
        typer.Option(
            "--replace-model",
            help="Encode all pictures again when --model differs from the model that the index"
            " was made with.",
        ),
    ] = False,
    move: Annotated[
        bool,
        typer.Option(
            "--move",
            help="Keep the index of a folder that was moved: the store is about PHOTOS from "
            "now on.",
        ),
    ] = False,
    exclude: Exclude = None,
    no_follow: NoFollow = False,
    recheck: Annotated[
        bool,
        typer.Option(
            "--recheck",
            help="Read every file again, even where size and time of change are as they were.",
        ),
    ] = False,
    ray: Annotated[
        str | None,
        typer.Option(
            "--ray",
            metavar="ADDRESS",
            help="Encode on the machines of the Ray cluster at this address; 'auto' finds the "
            "cluster that this machine belongs to, or else uses its own cores.",
        ),
    ] = None,
) -> None:
    """Index a folder of pictures, or bring its index up to date."""
    from samebut.cluster import Ray
    from samebut.gallery import Gallery

    check_file_column(file_column, metadata)
    if replace_metadata and metadata is None:
        raise QueryError(
            "--replace-metadata needs a table", hint="Give the table: --metadata TABLE."
        )
    with progress_shown() as progress:
        gallery, report = Gallery.build(
            photos,
            store=store,
            model=model,
            metadata=metadata,
            file_column=file_column,
            replace_metadata=replace_metadata,
            replace_model=replace_model,
            move=move,
            rules=rules(exclude, no_follow),
            recheck=recheck,
            ray=None if ray is None else Ray(ray),
            progress=progress,
        )
    with gallery:
        print_report(gallery, report)
        missing = something_is_missing(gallery, report)
    if missing or report.metadata.unusable or report.metadata.nothing_matched:
        raise typer.Exit(SOME_SKIPPED)


def search(
    photos: Photos,
    image: Annotated[
        list[str] | None,
        typer.Option(
            "-i",
            "--image",
            metavar="PICTURE",
            help="Start from this picture; repeat it for several pictures.",
        ),
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option(
            "-t",
            "--text",
            metavar="TEXT",
            help='Say what shall be different, such as "in blue"; repeat it for several turns.',
        ),
    ] = None,
    weight: Annotated[
        list[float] | None,
        typer.Option(
            "--weight",
            metavar="W",
            help="Let the picture count this much among several, 1 being as much as any; the "
            "first --weight is the first picture's.",
        ),
    ] = None,
    count: Count = 10,
    where: Where = None,
    text_weight: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            metavar="W",
            help="Move the query towards the picture (0) or the words (1); at 0.5 the model "
            "decides.",
        ),
    ] = 0.5,
    fusion: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Combine picture and words in another way than the model's: sum, slerp:0.65, "
            "product, basic, pdv, blend:0.75:sum ...",
            show_default="the model's",
        ),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(
            "--not", metavar="TEXT", help="Rank lower what fits this text; may be repeated."
        ),
    ] = None,
    without_pictures: Annotated[
        list[str] | None,
        typer.Option(
            "--not-like",
            metavar="PICTURE",
            help="Rank lower what looks like this picture; may be repeated.",
        ),
    ] = None,
    without_weight: Annotated[
        float | None,
        typer.Option(
            "--not-weight",
            min=0,
            metavar="W",
            help="Set how strongly --not and --not-like count, 1 being as strong as the query.",
            show_default="0.75 for a text, 0.1 for pictures",
        ),
    ] = None,
    rescore: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="Score this many of the nearest pictures again, for fusions that need it, "
            "such as 'product'; more if the answer could still change.",
        ),
    ] = 200,
    caption: Annotated[
        str,
        typer.Option(
            metavar="TEXT",
            help="Describe what the picture shows, for the fusion 'pdv'; otherwise its title "
            "in the table is used.",
        ),
    ] = "",
    read_filters: Annotated[
        bool,
        typer.Option(
            "--read-filters/--no-read-filters",
            help='Turn words that name a value of the table, a price or a size ("under 50") '
            "into filters, or leave them to the model.",
        ),
    ] = True,
    include_reference: Annotated[
        bool,
        typer.Option("--include-reference", help="Allow the query's own pictures among the hits."),
    ] = False,
    collapse: Annotated[
        bool,
        typer.Option(
            "--collapse",
            help="Show pictures that are nearly identical as one hit, with their number.",
        ),
    ] = False,
    min_score: Annotated[
        float | None,
        typer.Option(min=-1, max=1, metavar="SCORE", help="Leave out hits with a lower score."),
    ] = None,
    min_confidence: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="P",
            help="Show no hits at all if the first one is less likely than this to fit the query.",
        ),
    ] = None,
    why: Annotated[
        bool, typer.Option("--why", help="Say for each hit which parts of the wish it fulfils.")
    ] = False,
    rerank: Rerank = None,
    rerank_url: RerankUrl = "",
    rerank_model: RerankModel = "",
    rerank_key: RerankKey = "",
    rerank_timeout: RerankTimeout = 60.0,
    look: Annotated[
        bool,
        typer.Option(
            "--look",
            help="Say what the picture shows in the values of the table, and do not search.",
        ),
    ] = False,
    model: ModelOption = None,
    store: Store = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the hits as JSON.")] = False,
    paths: Annotated[
        bool, typer.Option("--paths", help="Print only the hits' file names, one per line.")
    ] = False,
    print0: Annotated[
        bool,
        typer.Option(
            "--print0",
            help="Print only the hits' file names, unescaped, each ended by a NUL byte (for "
            "xargs -0).",
        ),
    ] = False,
    exact: Annotated[
        bool,
        typer.Option(
            "--exact",
            help="Compare the query with every picture; otherwise galleries of 300,000 "
            "pictures and more are searched approximately.",
        ),
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the hits to this file as an HTML page of thumbnails."
        ),
    ] = None,
    open_sheet: Annotated[
        bool, typer.Option("--open", help="Open the page of thumbnails in a browser.")
    ] = False,
) -> None:
    """Search an indexed folder by a picture, words, or both.

    Repeat -i and -t for several turns: the first -i goes with the first -t, and so on. A text may
    speak of several pictures, by their order.
    """
    from samebut.gallery import Gallery

    turns = _turns(image or [], text or [], caption, weight or [])
    if look and text:
        raise QueryError("--look can't be combined with -t", hint="Leave out -t, or --look.")
    stage = second_stage(rerank, rerank_url, rerank_model, rerank_key, rerank_timeout)
    with Gallery.open(photos, store=store, model=model) as gallery:
        if look:
            _say_what_is_seen(gallery, image or [], as_json=as_json)
            return
        results, report = searched(
            gallery,
            turns,
            count,
            stage,
            rerank,
            where=where,
            text_weight=text_weight,
            fusion=fusion,
            rescore=rescore,
            without=_unwanted(without or [], without_pictures or []),
            without_weight=without_weight,
            include_references=include_reference,
            collapse=collapse,
            min_score=min_score,
            min_confidence=min_confidence,
            read_filters=read_filters,
            why=why,
            exact=exact,
        )
        say_report(report, rerank_model)
        _say_filters(gallery, results)
        for lent in results.lent:
            say(shown(f"read “{lent.text}”: picture {lent.picture + 1}, {lent.say}"), err=True)
        for unread in results.unread:
            say(
                f"not read, for the text is too long for the model: {_cut(shown(unread))}", err=True
            )
        if results.where and not results.total:
            for sentence in gallery.index.why_nothing(results.where):
                say(f"nothing passes the filter: {shown(sentence)}", err=True)
        if as_json:
            say_json(_as_json(gallery, results) | {"rerank": report_as_json(report)})
        elif print0:
            for hit in results.hits:
                say_zero_ended(str(gallery.file_of(hit.path)))
        elif paths:
            for hit in results.hits:
                say(shown(str(gallery.file_of(hit.path))))
        else:
            _print_hits(results)
        if html or open_sheet:
            sheet = html or gallery.beside_store("last-search.html")
            _write_sheet(gallery, [(turns, results)], sheet)
            if open_sheet:
                import webbrowser

                webbrowser.open(sheet.resolve().as_uri())


def info(photos: Photos, store: Store = None) -> None:
    """Say what is indexed, by which model, and which columns of the table --where can use."""
    from samebut.gallery import Gallery

    with Gallery.open(photos, store=store) as gallery:
        say(f"pictures   {len(gallery):,}")
        say(f"store      {gallery.index.address}")
        say(f"model      {gallery.model.name} ({gallery.model.fingerprint})")
        _say_labels_error(gallery)
        if choice := gallery.choice:
            mean, low, high = choice.gain
            say(
                f"composes   {choice.composition}, chosen by {choice.queries:,} queries: "
                f"{mean:+.1f} [{low:+.1f}, {high:+.1f}] points more than the usual composition"
            )
        facets = gallery.index.facets(FACETS_SHOWN)
        for reading in gallery.index.readings():
            values = ", ".join(f"{value} ({count:,})" for value, count in facets[reading.name])
            say(f"metadata   {shown(f'{reading.name}: {values}')}")
            say(f"           {shown(_read_as(reading))}")
        _print_waiting([n for n, row in gallery.index.table_rows().items() if row.picture is None])
        for skipped in gallery.index.skipped():
            say(f"skipped    {shown(f'{skipped.path}: {skipped.reason}')}")


def demo(
    photos: Annotated[
        Path | None,
        typer.Argument(
            metavar="[PHOTOS]",
            help="Name a folder of your own; without it the demo's own 300 pictures are searched.",
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER", help="Write the index and the page of thumbnails to this folder."
        ),
    ] = Path("demo"),
    serve: Annotated[
        bool, typer.Option("--serve", help="Serve the search page afterwards, until Ctrl+C.")
    ] = False,
    port: Annotated[
        int,
        typer.Option(
            min=0,
            max=65535,
            metavar="PORT",
            help="Serve the page on this port; 0 takes any free one.",
        ),
    ] = PAGE_PORT,
) -> None:
    """Index the demo's pictures or a folder of your own, search it, and show the hits."""
    from samebut import demo as demonstration
    from samebut.gallery import Gallery

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise QueryError(
            f"{out} can't be created: {error.strerror}", hint="Give another folder: --out FOLDER."
        ) from error
    folder = photos or demonstration.GALLERY
    table = None if photos else demonstration.CATALOG
    with progress_shown() as progress:
        gallery, report = Gallery.build(
            folder,
            store=out / "store",
            model="bundled",
            metadata=table,
            replace_model=True,  # the store belongs to the demo, perhaps of an older samebut
            move=True,
            progress=progress,
        )
    with gallery:
        print_report(gallery, report)
        answers = []
        for turns in demonstration.queries(gallery):
            results = gallery.search(turns, 8)
            answers.append((turns, results))
            say("\n" + _spoken(turns))
            _print_hits(results)
        sheet = out / "contact-sheet.html"
        _write_sheet(gallery, answers, sheet)
    say(f"\nLook at the answers: {sheet}")
    if serve:
        from samebut.commands.serve import serve_demo

        serve_demo(folder, out / "store", port)


def _print_waiting(names: Sequence[str]) -> None:
    for name in names[:WAITING_SHOWN]:
        say(f"waits      {shown(name)}: a row of a table whose picture is not there")
    if len(names) > WAITING_SHOWN:
        say(f"waits      and {len(names) - WAITING_SHOWN:,} more rows")


def _cut(text: str) -> str:
    more = len(text) - LONGEST_LINE
    return text if more <= 0 else f"{text[:LONGEST_LINE]} ... and {more:,} characters more"


def _read_as(reading: Reading) -> str:
    """How the values of a column are compared, and how many can't be compared that way."""
    from samebut.values import could_be_either

    if reading.column is None:
        return "read before values were understood: index with --metadata again"
    said = [f"compared as {reading.column}"]
    if reading.column.kind != "text" and reading.unread:
        count = sum(pictures for _, pictures in reading.unread)
        some = ", ".join(f"'{text}' ({n:,})" for text, n in reading.unread[:UNREAD_SHOWN])
        more = ", ..." if len(reading.unread) > UNREAD_SHOWN else ""
        said.append(f"{count:,} of {reading.told:,} as texts: {some}{more}")
    if either := [(text, n) for text, n in reading.unread if could_be_either(text)]:
        said.append(
            f"{sum(n for _, n in either):,} such as '{either[0][0]}' could begin with the day or "
            "the month, and no other value tells: write them as 2024-05-31"
        )
    if reading.untold:
        said.append(f"{reading.untold:,} pictures have no value")
    return "; ".join(said)


def _turns(
    images: Sequence[str], texts: Sequence[str], caption: str, weights: Sequence[float]
) -> list[Turn]:
    """Turns of the n-th picture, the n-th text and the n-th weight; surplus pictures or texts
    become turns of their own."""
    from itertools import zip_longest

    from samebut.turns import Turn

    if not images and not texts:
        raise QueryError(
            "there is nothing to search for", hint="Give -i PICTURE, -t TEXT, or both."
        )
    if len(weights) > len(images):
        raise QueryError(
            f"there are {len(weights)} weights for {len(images)} pictures",
            hint="Give one --weight for each -i, in their order.",
        )
    rest = [1.0] * max(len(images) - len(weights), len(texts) - len(weights))
    pictures = [place(image) for image in images]
    return [
        Turn(picture, text or "", caption=caption, weight=weight)
        for picture, text, weight in zip_longest(pictures, texts, [*weights, *rest])
    ]


def _unwanted(texts: Sequence[str], pictures: Sequence[str]) -> list[Turn]:
    from samebut.turns import Turn

    return [*(Turn(text=text) for text in texts), *(Turn(place(picture)) for picture in pictures)]


_SAID_OF = {
    "applied": "only pictures that pass",
    "nothing": "not applied, for nothing would pass",
    "replaced": "not applied, for later words say otherwise:",
}


def _say_filters(gallery: Gallery, results: Results) -> None:
    """Report every filter that was read in the words."""
    for fact in results.filters:
        said = f"read “{fact.text}”: {_SAID_OF[fact.outcome]} {fact.where}"
        say(shown(said), err=True)
    if any(fact.outcome == "applied" for fact in results.filters):
        say("(--no-read-filters looks for the words instead)", err=True)
    _say_labels_error(gallery)


def _say_labels_error(gallery: Gallery) -> None:
    if error := gallery.table.labels_error:
        say(f"not read: {shown(f'{error}. {error.hint}')}", err=True)


def _print_hits(results: Results) -> None:
    from rich.console import Console
    from rich.table import Table

    columns = list(dict.fromkeys(name for hit in results.hits for name in hit.metadata))
    columns = columns[:COLUMNS_SHOWN]  # --json has the rest
    # A pipe gets the whole line, however long; a terminal gets what fits.
    console = Console(width=None if sys.stdout.isatty() else 10_000, highlight=False, markup=False)
    table = Table(box=None, pad_edge=False, show_edge=False)
    for name, side in (("rank", "right"), ("score", "right"), ("path", "left")):
        table.add_column(name, justify=side, overflow="fold")  # type: ignore[arg-type]
    stacked = any(hit.copies for hit in results.hits)
    if stacked:
        table.add_column("copies", justify="right")
    reasoned = any(hit.why for hit in results.hits)
    if reasoned:
        table.add_column("why")
    for name in columns:
        table.add_column(shown(name), overflow="ellipsis", no_wrap=True)
    for hit in results.hits:
        described = (shown(hit.metadata.get(name, "")) for name in columns)
        copies = [str(len(hit.copies) or "")] if stacked else []
        why = [shown(", ".join(map(_reason, hit.why)))] if reasoned else []
        score = f"{hit.score:.3f}"
        table.add_row(str(hit.rank), score, shown(hit.path), *copies, *why, *described)
    if results.hits:
        with to_stdout():
            console.print(table)
    _print_confidence(results)


def _reason(why: Fulfilment) -> str:
    mark = {True: "✓", False: "✗", None: "?"}[why.fulfilled]
    return f"{mark} {'not ' if why.is_refused else ''}{why.wish}"


def _as_reason(why: Fulfilment) -> dict[str, Any]:
    return {
        "wish": why.wish,
        "kind": why.look,
        "refused": why.is_refused,
        "fulfilled": why.fulfilled,
        "from": why.source,
    }


def _say_what_is_seen(gallery: Gallery, images: Sequence[str], *, as_json: bool) -> None:
    from itertools import groupby

    if not images:
        raise QueryError("--look needs a picture", hint="Give one: -i PICTURE.")
    seen = gallery.look(place(images[0]))
    if as_json:
        say_json(
            [
                {"column": each.column, "value": each.value, "probability": each.probability}
                for each in seen
            ]
        )
        return
    if not seen:
        say("no column of the table says how things look", err=True)
    for column, some in groupby(seen, key=lambda each: each.column):
        best = [f"{each.value} {each.probability:.2f}" for each in list(some)[:LOOKS_SHOWN]]
        say(shown(f"{column}: {', '.join(best)}"))


def _print_confidence(results: Results) -> None:
    if results.recall is not None:
        say(
            f"The likeliest pictures were compared, which finds {results.recall:.1%} of the "
            "nearest; --exact compares all.",
            err=True,
        )
    if results.confidence is not None and (results.hits or (results.unsure and results.total)):
        say(f"confidence {results.confidence:.2f}", err=True)
    if results.unsure and results.hits:
        say("None of these may be what you mean.", err=True)
    elif results.unsure and results.total:
        say("No hit is likely enough to be what you mean (--min-confidence).", err=True)
    if results.holds:
        say(f"What is here: {shown(', '.join(results.holds))} and more.", err=True)


def _as_json(gallery: Gallery, results: Results) -> dict[str, Any]:
    hits = [
        {
            "rank": hit.rank,
            "score": round(hit.score, 6),
            "id": hit.id,
            "path": hit.path,
            "file": str(gallery.file_of(hit.path)),
            "width": hit.width,
            "height": hit.height,
            "metadata": hit.metadata,
            "copies": [*hit.copies],
            "why": [_as_reason(each) for each in hit.why],
        }
        for hit in results.hits
    ]
    return {
        "gate": results.gate,
        "confidence": results.confidence,
        "unsure": results.unsure,
        "unread": results.unread,
        "exact": results.exact,
        "recall": results.recall,
        "filters": [asdict(fact) for fact in results.filters],
        "lent": [asdict(each) for each in results.lent],
        "hits": hits,
    }


def _write_sheet(
    gallery: Gallery, answers: Sequence[tuple[Sequence[Turn], Results]], path: Path
) -> None:
    from samebut.contact_sheet import Answer, contact_sheet

    page = contact_sheet(
        [Answer(turns, results.hits, gallery.folder) for turns, results in answers]
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise QueryError(
            f"{path} can't be written: {error.strerror}",
            hint="Give a file that you may write (--html FILE), or a folder (samebut demo --out "
            "FOLDER).",
        ) from error


def _spoken(turns: Sequence[Turn]) -> str:
    parts = []
    for turn in turns:
        picture = [turn.source.name] if isinstance(turn.source, Path | RemotePath) else []
        parts.append(" + ".join([*picture, *([f"“{turn.text}”"] if turn.says_something else [])]))
    return ", then ".join(parts)
