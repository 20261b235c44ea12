"""The answer of a search: hits, and statements about them as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from samebut.confidence import Kind
from samebut.errors import QueryError
from samebut.facts import Fact
from samebut.index.where import Filter
from samebut.looks import Fulfilment
from samebut.references import Lent
from samebut.turns import SearchSeconds, Turn


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer. ``rank`` counts from 1; ``score`` is the cosine to the query, -1 to 1, or what a
    composition that scores pictures twice makes of both similarities.

    ``width`` and ``height`` are those of the upright picture when it was indexed. ``copies`` are
    ids of its near-copies, best first, if a search collapses them; ``why`` says which of the wishes
    it fulfils, if a search was called with ``why``.
    """

    rank: int
    score: float
    id: int
    path: str
    width: int
    height: int
    metadata: dict[str, str]
    copies: tuple[int, ...] = ()
    why: tuple[Fulfilment, ...] = ()


@dataclass(frozen=True, slots=True)
class Results:
    """The answer to a search: its hits, best first, and the text's share in the query.

    ``total`` pictures were searched: all, or those that passed the filter. ``confidence``, 0 to 1,
    is the probability that the best hit fits, for every kind of query and every page; None if the
    model's folder has no ``confidence.json``, or another composition than the usual one was used.
    ``unsure``: the confidence is so low that perhaps none of the hits is what was meant; ``holds``
    then lists the commonest kinds of things in the gallery. ``unread`` are the ends of texts that
    are longer than the model reads: the model ignored them. ``filters`` were read in the turns'
    words; ``where`` is the whole filter that was applied, theirs and the one that was asked for.
    ``lent`` is what one of several pictures lends to another (``samebut.references``). ``exact``:
    all of these pictures were compared; else ``recall`` is the share of the true nearest pictures
    that such an answer contains on average, measured when the index was built.
    """

    hits: list[Hit]
    gate: float | None
    total: int = 0
    spent: SearchSeconds = field(default_factory=SearchSeconds)
    confidence: float | None = None
    unread: tuple[str, ...] = ()
    unsure: bool = False
    filters: tuple[Fact, ...] = ()
    where: Filter | None = None
    holds: tuple[str, ...] = ()
    lent: tuple[Lent, ...] = ()
    recall: float | None = None

    @property
    def exact(self) -> bool:
        return self.recall is None


def is_as_wished(why: Sequence[Fulfilment]) -> bool:
    """Whether a hit is of the kind that was asked for, and contradicts no other wish."""
    of_kind = any(each.look == "article" and each.fulfilled for each in why)
    return of_kind and all(each.fulfilled is not False for each in why)


def kind_of(turns: Sequence[Turn], gate: float | None, text_weight: float) -> Kind:
    """What the query consists of. A text weight of 0 or 1 leaves one side out of composed turns."""
    if gate is not None and text_weight in (0, 1):
        return "text" if text_weight else "picture"
    has_picture = any(turn.picture is not None for turn in turns)
    if has_picture and any(turn.says_something for turn in turns):
        return "composed"
    return "picture" if has_picture else "text"


def check_page(k: int, offset: int) -> None:
    if k < 1:
        raise QueryError(f"k, the number of pictures to find, is {k}", hint="Give 1 or more.")
    if offset < 0:
        raise QueryError(
            f"offset is {offset}, which is below 0",
            hint="Give 0 or more: it is the number of best hits to skip.",
        )
