"""Queries as tensors of row numbers: no loop over queries in Python at a training step.

Lists of different lengths are stored end to end: the targets of query q are
``flat[start[q] : start[q] + count[q]]``. Drawing a target for each of thousands of queries, and
finding which candidates of a batch answer which query, are then a few tensor operations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from samebut.data.benchmark import Query


@dataclass(frozen=True)
class Lists:
    """Many short lists of numbers, end to end."""

    flat: Tensor
    start: Tensor
    count: Tensor

    @classmethod
    def shared(cls, lists: Sequence[Sequence[str]], place: Mapping[str, int]) -> Lists:
        """Lists of names as lists of rows, by ``place``. A list object that occurs several times is
        stored once: thousands of queries may ask for "not red" and share one list of targets."""
        once = {id(each): each for each in lists}
        rows = {key: number for number, key in enumerate(once)}
        kept = cls.of([[place[name] for name in each] for each in once.values()])
        return kept.take(torch.tensor([rows[id(each)] for each in lists], dtype=torch.int64))

    @classmethod
    def of(cls, lists: Sequence[Sequence[int]]) -> Lists:
        count = torch.tensor([len(each) for each in lists], dtype=torch.int64)
        flat = torch.tensor([number for each in lists for number in each], dtype=torch.int64)
        return cls(flat, count.cumsum(0) - count, count)

    def rows(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The numbers of the lists ``rows``, end to end, and for each the index into ``rows`` of
        the list that it is from."""
        place, within = spread(self.count[rows])
        return self.flat[self.start[rows][place] + within], place

    def take(self, rows: Tensor) -> Lists:
        """The lists ``rows`` alone."""
        return Lists(self.flat, self.start[rows], self.count[rows])

    def draw(self, rows: Tensor, rng: torch.Generator) -> Tensor:
        """One number of each of the lists ``rows``, none of which may be empty: ``(R,)``."""
        share = torch.rand(len(rows), generator=rng, dtype=torch.float64)
        return self.flat[self.start[rows] + (share * self.count[rows]).long()]

    def sample(self, rows: Tensor, most: int, rng: torch.Generator) -> Tensor:
        """Up to ``most`` different numbers of each of the lists: ``(R, most)``, -1 where a list
        has no more."""
        found = torch.full((len(rows), most), -1)
        for number, (start, count) in enumerate(
            zip(self.start[rows].tolist(), self.count[rows].tolist(), strict=True)
        ):
            chosen = torch.randperm(count, generator=rng)[:most]
            found[number, : len(chosen)] = self.flat[start + chosen]
        return found

    @classmethod
    def joined(cls, parts: Sequence[Lists], shifts: Sequence[int] | None = None) -> Lists:
        """The lists of all parts, their numbers shifted by ``shifts``."""
        shifts = shifts or [0] * len(parts)
        lengths = torch.tensor([len(part.flat) for part in parts])
        before = (lengths.cumsum(0) - lengths).tolist()
        return cls(
            torch.cat([part.flat + shift for part, shift in zip(parts, shifts, strict=True)]),
            torch.cat([part.start + first for part, first in zip(parts, before, strict=True)]),
            torch.cat([part.count for part in parts]),
        )


@dataclass(frozen=True)
class QueryTable:
    """Q queries. ``texts``: their texts, each once; ``references (Q,)``: rows of pictures;
    ``targets``, ``wrong``: rows of pictures, all right answers and the wrong answers of the hard
    subset; ``said``: rows of ``texts``, the alternative texts of each query."""

    texts: list[str]
    references: Tensor
    targets: Lists
    said: Lists
    wrong: Lists

    @classmethod
    def of(cls, queries: Sequence[Query], place: Mapping[str, int]) -> QueryTable:
        """``place`` maps a picture's name to its row."""
        unique = dict.fromkeys(text for query in queries for text in query.texts)
        numbers = {text: number for number, text in enumerate(unique)}
        return cls(
            list(numbers),
            torch.tensor([place[query.reference] for query in queries], dtype=torch.int64),
            Lists.shared([query.targets for query in queries], place),
            Lists.of([[numbers[text] for text in query.texts] for query in queries]),
            Lists.of([[place[name] for name in wrong_answers(query, place)] for query in queries]),
        )

    @classmethod
    def joined(cls, parts: Sequence[QueryTable]) -> QueryTable:
        """The queries of all parts, in order."""
        if len(parts) == 1:
            return parts[0]
        counts = [len(part.texts) for part in parts]
        return cls(
            [text for part in parts for text in part.texts],
            torch.cat([part.references for part in parts]),
            Lists.joined([part.targets for part in parts]),
            Lists.joined(
                [part.said for part in parts],
                [sum(counts[:number]) for number in range(len(parts))],
            ),
            Lists.joined([part.wrong for part in parts]),
        )

    def take(self, rows: Tensor) -> QueryTable:
        """The queries ``rows`` alone."""
        return QueryTable(
            self.texts,
            self.references[rows],
            self.targets.take(rows),
            self.said.take(rows),
            self.wrong.take(rows),
        )

    def __len__(self) -> int:
        return len(self.references)

    @property
    def first_texts(self) -> list[str]:
        """The first text of each query."""
        return [self.texts[row] for row in self.said.flat[self.said.start].tolist()]

    def known(self) -> list[tuple[int, ...]]:
        """For each query the pictures that are no negatives: its targets and its reference."""
        flat, starts = self.targets.flat.tolist(), self.targets.start.tolist()
        return [
            (*flat[start : start + count], reference)
            for start, count, reference in zip(
                starts, self.targets.count.tolist(), self.references.tolist(), strict=True
            )
        ]

    def marks(self, queries: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor]:
        """``positives`` and ``allowed``, both ``(B, N)`` bool, of queries against pictures.

        A candidate is positive if it is any target of the query, and allowed unless it is the
        query's own reference. ``candidates (N,)`` may hold the same picture several times.
        """
        pictures, place = self.targets.rows(queries)
        positives = _where(place, pictures, candidates, len(queries))
        everyone = torch.arange(len(queries))
        own = _where(everyone, self.references[queries], candidates, len(queries))
        return positives, ~own | positives


def wrong_answers(query: Query, known: Mapping[str, int]) -> list[str]:
    """The wrong answers in a query's hard subset; names that are not in ``known`` are left out."""
    right = {query.reference, *query.targets}
    return [name for name in query.subset or () if name in known and name not in right]


def _where(rows: Tensor, pictures: Tensor, candidates: Tensor, height: int) -> Tensor:
    """``(height, N)``: True at row ``rows[k]`` wherever ``candidates`` holds ``pictures[k]``.

    The cost grows with the number of matches, not with N times the number of pictures: comparing
    every candidate with every known target would take longer than the loss itself.
    """
    ordered, order = candidates.sort(stable=True)
    first = torch.searchsorted(ordered, pictures)
    found = torch.searchsorted(ordered, pictures, right=True) - first
    place, within = spread(found)
    marks = torch.zeros(height, len(candidates), dtype=torch.bool)
    marks[rows[place], order[first[place] + within]] = True
    return marks


def spread(counts: Tensor) -> tuple[Tensor, Tensor]:
    """For ``counts`` of [2, 3]: the places [0, 0, 1, 1, 1], and the numbers [0, 1, 0, 1, 2]."""
    place = torch.repeat_interleave(torch.arange(len(counts)), counts)
    return place, torch.arange(len(place)) - (counts.cumsum(0) - counts)[place]
