"""A second stage: puts the best N hits of a search in a new order.

A stage is an object that can be called (`SecondStage`); those that come with samebut are rows of
``STAGES``. If a stage fails, the order of the search stays, and the report gives the reason.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from samebut.answers import Hit, Results
from samebut.errors import PictureError, QueryError, SamebutError
from samebut.gallery import Gallery
from samebut.images import Box, cropped, open_picture
from samebut.reranking.chat import chat
from samebut.reranking.request import Candidate, Ordered, RerankError, RerankRequest, Shown
from samebut.turns import EncodedPicture, Source, Turn

__all__ = [
    "STAGES",
    "Candidate",
    "Ordered",
    "RerankError",
    "RerankReport",
    "RerankRequest",
    "Reranked",
    "SecondStage",
    "Shown",
    "reranked",
]

MOST = 100
"""Most hits that a second stage may reorder."""
SIDE = 384  # pixels of a picture's longer side, as it is shown to a stage


class SecondStage(Protocol):
    """Puts the candidates of a request in order. Raises RerankError if it can't."""

    def __call__(self, request: RerankRequest) -> Ordered: ...


STAGES: dict[str, Callable[..., SecondStage]] = {"chat": chat}
"""How to make each second stage, by name; the arguments are the stage's own."""


@dataclass(frozen=True, slots=True)
class RerankReport:
    """What a second stage did with ``count`` hits. ``kept_because``: why the order of the search
    stays; empty if there is a new one. ``tokens``: numbers of tokens of the requests and of the
    answers, as far as the server reported them."""

    count: int
    requests: int = 0
    tokens: tuple[int, int] | None = None
    seconds: float = 0.0
    kept_because: str = ""


@dataclass(frozen=True, slots=True)
class Reranked:
    """A search's results in the order of a second stage; scores are still the search's."""

    results: Results
    report: RerankReport = field(default_factory=lambda: RerankReport(0))


def reranked(
    gallery: Gallery,
    turns: Sequence[Turn],
    k: int = 10,
    *,
    stage: SecondStage,
    count: int,
    **options: Any,
) -> Reranked:
    """The first ``k`` hits of a search whose best ``count`` a second stage has put in order.

    ``options`` are those of `Gallery.search`, but ``offset``. A hit whose file can't be opened any
    more keeps its place. Raises what the search raises, and QueryError if ``count`` is not 2 to 100
    or a picture of the turns can't be shown, because only its features are at hand.
    """
    if not 2 <= count <= MOST:
        raise QueryError(
            f"the number of hits to rerank is {count}", hint=f"Give a number from 2 to {MOST}."
        )
    shown = [_shown_turn(turn) for turn in turns]
    refused = [_shown_turn(turn) for turn in options.get("without", ())]
    results = gallery.search(turns, max(k, count), **options)
    best, rest = results.hits[:count], results.hits[count:]
    started = time.perf_counter()
    opened = [(place, picture) for place, hit in enumerate(best) if (picture := _of(gallery, hit))]
    try:
        candidates = [Candidate(best[place].id, picture) for place, picture in opened]
        if len(candidates) < 2:
            raise RerankError("there are no two pictures to be ordered")
        ordered = stage(RerankRequest(tuple(shown), tuple(refused), tuple(candidates)))
        places = _placed(ordered, [place for place, _ in opened], len(best))
    except RerankError as error:
        seconds = time.perf_counter() - started
        report = RerankReport(len(opened), seconds=seconds, kept_because=str(error))
        return Reranked(replace(results, hits=results.hits[:k]), report)
    hits = [best[place] for place in places] + rest
    seconds = time.perf_counter() - started
    report = RerankReport(len(opened), ordered.requests, ordered.tokens, seconds)
    hits = [replace(hit, rank=rank) for rank, hit in enumerate(hits[:k], start=1)]
    return Reranked(replace(results, hits=hits), report)


def _placed(ordered: Ordered, places: Sequence[int], total: int) -> list[int]:
    """The new order of ``total`` hits, of which those at ``places`` were ordered."""
    if sorted(ordered.order) != list(range(len(places))):
        raise RerankError("the second stage left out a picture or named one twice")
    found = list(range(total))
    for place, number in zip(places, ordered.order, strict=True):
        found[place] = places[number]
    return found


def _of(gallery: Gallery, hit: Hit) -> Any:
    try:
        return _small(gallery.file_of(hit.path), None)
    except SamebutError:
        return None


def _shown_turn(turn: Turn) -> Shown:
    source = turn.source
    if isinstance(source, EncodedPicture):
        raise QueryError(
            "a picture that is given by its features alone can't be shown to the second stage",
            hint="Give the picture's file or its bytes.",
        )
    picture = None if source is None else _small(source, turn.box)
    said = ", ".join(part for part in (turn.text.strip(), turn.called.strip()) if part)
    return Shown(picture, said)


def _small(source: Source, box: Box | None) -> Any:
    """An RGB picture, its longer side at most SIDE. Raises PictureError."""
    if isinstance(source, EncodedPicture):
        raise PictureError(
            "the picture",
            "is given by its features alone",
            hint="Give the picture's file or its bytes.",
        )
    name = "the picture" if isinstance(source, bytes) else str(source)
    picture = open_picture(source, shorter_side=None if box else SIDE, name=name)
    picture = cropped(picture, box) if box else picture
    picture.thumbnail((SIDE, SIDE))
    return picture
