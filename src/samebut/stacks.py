"""Near-copies: pictures of a ranking that show the same are grouped in a stack, under the best one.

The same photo saved twice, a size smaller or a little cropped is another file with another digest,
but has nearly the same embedding. ``NEAR`` was chosen by ``benchmarks/near_copies.py``, which
prints what it takes together and what it leaves apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samebut.embedding import Floats
from samebut.index import RankedPictures

NEAR = 0.97
"""Pictures with at least this cosine show the same."""
WINDOW = 200
"""A near-copy joins a stack within so many ranks of its head; what comes later is a stack of its
own. Without such an end, where a stack ends could be known only from the whole ranking."""

_BLOCK = 32  # rows; larger products use all cores, which takes longer if those are busy
_SPARE = 50  # ranked beyond what is surely needed, for the members of stacks

Places = NDArray[np.intp]


@dataclass(frozen=True)
class Stacks:
    """The stacks of a ranking's beginning, best first.

    ``heads (S,)`` are places in the ranking; ``members`` has, for each, the places of its
    near-copies. ``complete`` stacks, counted from the first, can get no more members from what
    follows in the ranking.
    """

    heads: Places
    members: list[list[int]]
    complete: int


def stacked(
    ranking: Floats, references: Floats | None = None, *, is_all: bool, near: float = NEAR
) -> Stacks:
    """Stacks of ``ranking (N, D)``, embeddings from the best on; near-copies of ``references
    (R, D)`` are left out.

    A picture joins the first stack to whose head it is near. That depends on what ranks before it
    alone, so a longer ranking begins with the same stacks, and pages of stacks neither repeat a
    picture nor lose one. ``is_all``: nothing follows, so every stack is complete.
    """
    places = np.arange(len(ranking))
    if references is not None and len(references):
        places = places[(ranking @ references.T).max(axis=1) < near]
    head_of = _heads(ranking[places], near)
    is_head = head_of == np.arange(len(head_of))
    heads = np.flatnonzero(is_head)
    number = np.cumsum(is_head) - 1
    members: list[list[int]] = [[] for _ in heads]
    for place in np.flatnonzero(~is_head):
        members[number[head_of[place]]].append(int(places[place]))
    complete = len(heads) if is_all else int(np.count_nonzero(heads + WINDOW < len(places)))
    return Stacks(places[heads], members, complete)


def _heads(ranking: Floats, near: float) -> Places:
    """For each of ``ranking (N, D)`` the place of its stack's head, its own if it is one."""
    head_of = np.arange(len(ranking))
    for start in range(0, len(ranking), _BLOCK):
        first = max(0, start - WINDOW)
        block = ranking[start : start + _BLOCK]
        cosines = block @ ranking[first : start + len(block)].T
        rows, columns = np.nonzero(cosines >= near)
        for row, column in zip(rows + start, columns + first, strict=True):
            is_earlier = row - WINDOW <= column < row
            if is_earlier and head_of[row] == row and head_of[column] == column:
                head_of[row] = column
    return head_of


@dataclass(frozen=True)
class AnswerPage:
    """A page of a ranking: ``ids (K,)``, ``scores (K,)``, ``embeddings (K, D)``, ``copies``, the
    ids of each one's near-copies, the score of the ranking's ``first`` picture, None if it is
    empty, and the ranking's ``recall``."""

    ids: NDArray[np.int64]
    scores: Floats
    embeddings: Floats
    copies: list[list[int]]
    first: float | None
    recall: float | None = None


Finding = Callable[[int], RankedPictures]
"""The given number of pictures for one query, best first."""


def page(find: Finding, k: int, offset: int) -> AnswerPage:
    """The ``k`` pictures after ``offset``, near-copies not grouped."""
    found = find(offset + k)
    places = np.arange(min(offset, len(found.ids)), len(found.ids))
    return _page(found, places, [[] for _ in places])


def page_of_stacks(
    find: Finding, k: int, offset: int, references: Floats | None = None
) -> AnswerPage:
    """The ``k`` stacks after ``offset`` stacks, as `stacked` makes them."""
    count = offset + k + WINDOW + _SPARE
    while True:
        found = find(count)
        is_all = len(found.ids) < count
        stacks = stacked(found.embeddings, references, is_all=is_all)
        if is_all or stacks.complete >= offset + k:
            chosen = slice(offset, offset + k)
            return _page(found, stacks.heads[chosen], stacks.members[chosen])
        count *= 2


def _page(found: RankedPictures, heads: Places, members: list[list[int]]) -> AnswerPage:
    copies = [found.ids[places].tolist() for places in members]
    first = float(found.scores[0]) if len(found.scores) else None
    return AnswerPage(
        found.ids[heads], found.scores[heads], found.embeddings[heads], copies, first, found.recall
    )
