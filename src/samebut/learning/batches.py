"""Batches of queries as tensors of row numbers: no loop over queries in Python.

What is known of all queries lies in flat tables (the targets of query q are
``flat[start[q] : start[q] + count[q]]``), so that drawing a target for each of thousands of
queries, and finding which candidates of a batch answer which query, are a few tensor operations.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from samebut.learning.corpus import Composed


@dataclass(frozen=True)
class Batch:
    """B queries, int64 throughout. ``queries (B,)``: which ones. ``references``, ``targets (B,)``
    and ``negatives (B, M)``: rows of pictures. ``texts (B,)``: rows of ``Triplets.texts``.
    ``views (B, 2 + M)``: which view of reference, target and negatives."""

    queries: Tensor
    references: Tensor
    targets: Tensor
    texts: Tensor
    negatives: Tensor
    views: Tensor

    def __len__(self) -> int:
        return len(self.queries)

    def __getitem__(self, rows: slice) -> Batch:
        return Batch(
            self.queries[rows],
            self.references[rows],
            self.targets[rows],
            self.texts[rows],
            self.negatives[rows],
            self.views[rows],
        )


@dataclass(frozen=True)
class _Lists:
    """Many short lists of numbers, end to end."""

    flat: Tensor
    start: Tensor
    count: Tensor

    @classmethod
    def of(cls, lists: Sequence[Sequence[int]]) -> _Lists:
        count = torch.tensor([len(each) for each in lists])
        flat = torch.tensor([number for each in lists for number in each])
        return cls(flat, count.cumsum(0) - count, count)

    def draw(self, rows: Tensor, dice: torch.Generator) -> Tensor:
        """One number of each of the lists ``rows``."""
        share = torch.rand(len(rows), generator=dice, dtype=torch.float64)
        return self.flat[self.start[rows] + (share * self.count[rows]).long()]

    def of_rows(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """All numbers of the lists ``rows``, and at which of ``rows`` each stands."""
        place, within = _spread(self.count[rows])
        return self.flat[self.start[rows][place] + within], place


class Triplets:
    """All training queries as tables. ``texts`` are their texts, each once."""

    def __init__(self, queries: Sequence[Composed]) -> None:
        numbers = {
            text: number
            for number, text in enumerate(dict.fromkeys(t for q in queries for t in q.texts))
        }
        self.texts = list(numbers)
        self.references = torch.tensor([query.reference for query in queries])
        self.known = [query.targets for query in queries]
        self._targets = _Lists.of(self.known)
        self._said = _Lists.of([[numbers[text] for text in query.texts] for query in queries])

    def __len__(self) -> int:
        return len(self.references)

    @property
    def first_texts(self) -> Tensor:
        """``(Q,)``: the first way to say each query."""
        return self._said.flat[self._said.start]

    def batches(
        self, dice: random.Random, size: int, *, negatives: Tensor | None = None, views: int = 1
    ) -> Iterator[Batch]:
        """An epoch: every query once in a new order, a target and a text of each drawn.

        What does not fill a batch of ``size`` is left out this time. ``negatives (Q, M)`` are
        those of each query; ``views`` how many there are of each picture to draw from.
        """
        seeded = torch.Generator().manual_seed(dice.getrandbits(48))
        order = torch.randperm(len(self), generator=seeded)
        if negatives is None:
            negatives = torch.empty(len(self), 0, dtype=torch.int64)
        for rows in order.split(size):
            if len(rows) == size:
                yield Batch(
                    rows,
                    self.references[rows],
                    self._targets.draw(rows, seeded),
                    self._said.draw(rows, seeded),
                    negatives[rows],
                    torch.randint(views, (size, 2 + negatives.shape[1]), generator=seeded),
                )

    def marks(self, queries: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor]:
        """``positives`` and ``allowed``, both ``(B, N)`` bool, of queries against pictures.

        A candidate is positive if it is any target of the query, and allowed unless it is the
        query's own reference. The same picture may stand among the ``candidates (N,)`` often.
        """
        pictures, place = self._targets.of_rows(queries)
        positives = _where(place, pictures, candidates, len(queries))
        everyone = torch.arange(len(queries))
        own = _where(everyone, self.references[queries], candidates, len(queries))
        return positives, ~own | positives


def _where(rows: Tensor, pictures: Tensor, candidates: Tensor, height: int) -> Tensor:
    """``(height, N)``: True at row ``rows[k]`` wherever ``candidates`` holds ``pictures[k]``.

    The work grows with what is found, not with the table: comparing every candidate with every
    known target would cost more than the loss itself.
    """
    ordered, order = candidates.sort(stable=True)
    first = torch.searchsorted(ordered, pictures)
    found = torch.searchsorted(ordered, pictures, right=True) - first
    place, within = _spread(found)
    marks = torch.zeros(height, len(candidates), dtype=torch.bool)
    marks[rows[place], order[first[place] + within]] = True
    return marks


def _spread(counts: Tensor) -> tuple[Tensor, Tensor]:
    """Each place ``counts[place]`` times, and 0, 1, 2 ... within each."""
    place = torch.repeat_interleave(torch.arange(len(counts)), counts)
    return place, torch.arange(len(place)) - (counts.cumsum(0) - counts)[place]
