"""The options of a second stage that reranks the best hits, and its report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samebut.commands.output import say

if TYPE_CHECKING:
    from samebut.answers import Results
    from samebut.gallery import Gallery
    from samebut.reranking import RerankReport, SecondStage
    from samebut.turns import Turn

Rerank = Annotated[
    int | None,
    typer.Option(
        min=2,
        max=100,
        metavar="N",
        help="Let a vision-language model at --rerank-url look at this many of the best "
        "hits and put them in order. Your pictures are sent there.",
    ),
]
RerankUrl = Annotated[
    str,
    typer.Option(
        envvar="SAMEBUT_RERANK_URL",
        show_default=False,
        metavar="URL",
        help="Send hits to this server, which speaks the chat-completions protocol, such "
        "as http://localhost:8080/v1.",
    ),
]
RerankModel = Annotated[
    str,
    typer.Option(
        envvar="SAMEBUT_RERANK_MODEL",
        show_default=False,
        metavar="NAME",
        help="Ask the server at --rerank-url for the model of this name.",
    ),
]
RerankKey = Annotated[
    str,
    typer.Option(
        envvar="SAMEBUT_RERANK_KEY",
        show_default=False,
        metavar="KEY",
        help="Authenticate at --rerank-url by this key. The environment variable is safer: other "
        "users of a machine can read the options of a process.",
    ),
]
RerankTimeout = Annotated[
    float,
    typer.Option(
        min=0.1, metavar="SECONDS", help="Wait this many seconds for each answer of that server."
    ),
]


def second_stage(
    rerank: int | None, url: str, model: str, key: str, timeout: float
) -> SecondStage | None:
    """The second stage of the options, None without ``--rerank``. QueryError if an option is
    missing."""
    if rerank is None:
        return None
    from samebut.reranking import STAGES

    return STAGES["chat"](url, model, key, timeout)


def searched(
    gallery: Gallery,
    turns: Sequence[Turn],
    k: int,
    stage: SecondStage | None,
    rerank: int | None,
    **options: Any,
) -> tuple[Results, RerankReport | None]:
    """The results of a search, and what the second stage did if there is one."""
    if stage is None or rerank is None:
        return gallery.search(turns, k, **options), None
    from samebut.reranking import reranked

    found = reranked(gallery, turns, k, stage=stage, count=rerank, **options)
    return found.results, found.report


def say_report(report: RerankReport | None, model: str) -> None:
    """Print what the second stage did and cost, or why the search's order stays."""
    if report is None:
        return
    if report.kept_because:
        say(f"not reranked: {report.kept_because} ({report.seconds:.1f} s)", err=True)
        return
    cost = f"{report.requests} request{'s' if report.requests != 1 else ''}"
    if report.tokens:
        cost += f", {report.tokens[0]:,} tokens sent and {report.tokens[1]:,} answered"
    say(f"{report.count} hits reranked by {model}: {cost}, {report.seconds:.1f} s", err=True)


def report_as_json(report: RerankReport | None) -> dict[str, Any] | None:
    """The same for ``--json``."""
    return None if report is None else asdict(report)
