"""The sampler: from a corpus's queries to batches of tensors, for every stage.

An epoch consists of the queries of its data folders; a share of them may be drawn anew from the
catalogue (resampling). The order is random, or puts queries with similar references into one batch
(clusters). Queries are tensors (``query_table.py``), so drawing a target and a text for each of
thousands takes no loop.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from samebut.learning.data.corpus import Corpus, Part
from samebut.learning.data.query_table import QueryTable
from samebut.learning.tables import Contradiction, Table

QUERIES_OF_A_REFERENCE = 3  # of one reference in a batch: more would fill it with one picture


class Mined(Table):
    """``mined = {...}``: the wrong pictures that the model itself finds nearest to each query."""

    count: int = Field(0, ge=0)
    """Number of mined negatives of each query."""
    every: int = Field(1, ge=1)
    """Epochs from one mining to the next."""
    first: int = Field(0, ge=0)
    """The first epoch that has mined negatives, counted from 0."""

    def mined_before(self, epoch: int) -> int | None:
        """The epoch before which this epoch's negatives were mined; None: it has none.

        A run that resumes between two minings needs the negatives mined then, not new ones.
        """
        since = epoch - self.first
        return None if not self.count or since < 0 else epoch - since % self.every


class Queries(Table):
    """``[stages.queries]``: which queries a stage learns from."""

    epochs: int = Field(ge=1)
    """Passes over all queries, or over all pictures where the stage composes no queries."""
    batch: int = Field(ge=2)
    """Queries (or pictures) in a batch, over all processes together."""
    accumulate: int = Field(1, ge=1)
    """Batches whose gradients make one step."""
    data: tuple[str, ...] = ()
    """Names of the data folders to learn from; empty: all."""
    resampled: float = Field(0.0, ge=0, le=1)
    """Share of each epoch's queries that is drawn anew from the catalogue by the rules in
    `[sources.NAME.resampling]`."""
    cluster_size: int = Field(0, ge=0)
    """How many references that are alike (by hard subsets) come together in a batch, each with up
    to three of its queries; 0: queries in random order."""
    hard_negatives: int = Field(0, ge=0)
    """Wrong answers of each query's hard subset that join the batch as candidates, drawn anew each
    time."""
    mined: Mined = Mined()
    """Negatives that the model mines."""
    views: int = Field(1, ge=1)
    """Cached views of each picture where features are cached; the first is the picture as it is."""

    @model_validator(mode="after")
    def _mined_for_the_epoch(self) -> Self:
        if self.mined.count and self.mined.every > 1 and self.resampled:
            raise Contradiction(
                "negatives are mined for an epoch's own queries, and resampling draws other "
                f"queries in every epoch, so mined.every = {self.mined.every} can't hold",
                hint="Set mined.every = 1, or resampled = 0.",
                key=("mined",),
            )
        return self


@dataclass(frozen=True)
class Batch:
    """B queries and P pictures without a query; int64 throughout.

    ``queries (B,)``: rows of the epoch's table. ``references``, ``targets (B,)``, ``negatives
    (B, M)`` and ``pictures (P,)``: rows of the corpus; a negative of -1 is none. ``texts (B,)``:
    rows of the table's texts.
    """

    queries: Tensor
    references: Tensor
    targets: Tensor
    texts: Tensor
    negatives: Tensor
    pictures: Tensor

    def __len__(self) -> int:
        return len(self.queries) + len(self.pictures)

    def share(self, rank: int, count: int) -> Batch:
        """The part of process ``rank`` out of ``count`` processes; all have parts of one size."""
        each, further = len(self.queries) // count, len(self.pictures) // count
        rows = slice(rank * each, (rank + 1) * each)
        return Batch(
            self.queries[rows],
            self.references[rows],
            self.targets[rows],
            self.texts[rows],
            self.negatives[rows],
            self.pictures[rank * further : (rank + 1) * further],
        )


NO_ROWS = torch.empty(0, dtype=torch.int64)


def batch_of_pictures(rows: Tensor) -> Batch:
    """A batch without a query: ``rows (P,)`` of the corpus."""
    return Batch(NO_ROWS, NO_ROWS, NO_ROWS, NO_ROWS, NO_ROWS.view(0, 0), rows)


@dataclass(frozen=True)
class Epoch:
    """The queries of one epoch and the order that batches take them in."""

    table: QueryTable
    order: Tensor
    hard_negatives: int
    seed: int

    def batches(self, size: int, mined: Tensor | None = None) -> Iterator[Batch]:
        """Batches that hold every query once, with a random target and text of each. ``mined
        (Q, M)`` are the negatives that were mined for the table's queries. The last queries are
        left out if they do not fill a batch."""
        rng = torch.Generator().manual_seed(self.seed)
        for rows in self.order.split(size):
            if len(rows) < size:
                return
            yield Batch(
                rows,
                self.table.references[rows],
                self.table.targets.draw(rows, rng),
                self.table.said.draw(rows, rng),
                self._negatives(rows, mined, rng),
                NO_ROWS,
            )

    def _negatives(self, rows: Tensor, mined: Tensor | None, rng: torch.Generator) -> Tensor:
        kinds = [NO_ROWS.new_empty(len(rows), 0)]
        if mined is not None:
            kinds.append(mined[rows])
        if self.hard_negatives:
            kinds.append(self.table.wrong.sample(rows, self.hard_negatives, rng))
        return torch.cat(kinds, 1)


class Sampler:
    """Batches of a stage. ``composes``: they are of queries; otherwise of pictures alone."""

    def __init__(self, corpus: Corpus, queries: Queries, *, composes: bool) -> None:
        self.corpus, self.queries, self.composes = corpus, queries, composes

    @property
    def size(self) -> int:
        """How many queries, or pictures, an epoch has."""
        if not self.composes:
            return len(self.corpus.files)
        return sum(part.queries_per_epoch for part in self.corpus.parts)

    @property
    def steps(self) -> int:
        """Steps in an epoch."""
        return self.size // self.queries.batch // self.queries.accumulate

    def epoch(self, rng: random.Random) -> Epoch:
        """The queries of an epoch; all random numbers come from ``rng``."""
        table = self._table(rng)
        order = self._order(table, rng)
        return Epoch(table, order, self.queries.hard_negatives, rng.getrandbits(48))

    def batches_of_pictures(self, rng: random.Random) -> Iterator[Batch]:
        """An epoch of pictures without queries, in a new order."""
        seeded = torch.Generator().manual_seed(rng.getrandbits(48))
        order = torch.randperm(len(self.corpus.files), generator=seeded)
        for rows in order.split(self.queries.batch):
            if len(rows) == self.queries.batch:
                yield batch_of_pictures(rows)

    @property
    def varies(self) -> bool:
        """Whether epochs differ in their queries, not only in the order of them."""
        return bool(self.queries.resampled) or any(
            part.queries_per_epoch != len(part.queries) for part in self.corpus.parts
        )

    @cached_property
    def given(self) -> QueryTable:
        """The queries of the data folders' own files, as opposed to resampled ones."""
        return QueryTable.joined([part.table for part in self.corpus.parts])

    def _table(self, rng: random.Random) -> QueryTable:
        if not self.varies:
            return self.given
        return QueryTable.joined([self._drawn(part, rng) for part in self.corpus.parts])

    def _drawn(self, part: Part, rng: random.Random) -> QueryTable:
        total = part.queries_per_epoch
        fresh = round(self.queries.resampled * total) if part.catalogue else 0
        fresh = max(fresh, total - len(part.queries))
        kept = torch.tensor(rng.sample(range(len(part.queries)), total - fresh), dtype=torch.int64)
        table = part.table.take(kept)
        if not fresh:
            return table
        new = part.resampled(rng, fresh, subsets=self.queries.hard_negatives > 0)
        return QueryTable.joined([table, part.table_of(new)])

    def _order(self, table: QueryTable, rng: random.Random) -> Tensor:
        if self.queries.cluster_size:
            groups = _by_reference(table.references.tolist(), rng)
            alike = self._alike if self.queries.cluster_size > 1 else {}
            clusters = _clusters(groups, alike, self.queries.cluster_size, rng)
            return torch.tensor([row for group in clusters for row in group[1]])
        seeded = torch.Generator().manual_seed(rng.getrandbits(48))
        return torch.randperm(len(table), generator=seeded)

    @cached_property
    def _alike(self) -> dict[int, tuple[int, ...]]:
        return {row: others for part in self.corpus.parts for row, others in part.alike.items()}


Group = tuple[int, list[int]]
"""A reference, and rows of the table whose reference it is."""


def _by_reference(references: Sequence[int], rng: random.Random) -> list[Group]:
    """Queries of one reference together, a few at most, in random order."""
    rows: dict[int, list[int]] = {}
    for row, reference in enumerate(references):
        rows.setdefault(reference, []).append(row)
    groups = []
    for reference, own in rows.items():
        rng.shuffle(own)
        step = QUERIES_OF_A_REFERENCE
        groups += [(reference, own[start : start + step]) for start in range(0, len(own), step)]
    rng.shuffle(groups)
    return groups


def _clusters(
    groups: list[Group],
    alike: dict[int, tuple[int, ...]],
    size: int,
    rng: random.Random,
) -> list[Group]:
    """All groups once, each followed by up to ``size - 1`` groups of references like its own."""
    waiting: dict[int, list[Group]] = {}
    for group in reversed(groups):
        waiting.setdefault(group[0], []).append(group)
    clusters = []
    for group in groups:
        own = group[0]
        if not waiting[own] or waiting[own][-1] is not group:
            continue  # it is in a cluster already
        others = alike.get(own, ())
        near = [own, *rng.sample(others, len(others))]
        chosen = [each for each in near if waiting.get(each)][:size]
        clusters.append([waiting[each].pop() for each in chosen])
    # The largest clusters were found first: without a shuffle, an epoch would end with batches of
    # references that resemble no other.
    rng.shuffle(clusters)
    return [group for cluster in clusters for group in cluster]
