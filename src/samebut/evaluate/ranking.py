"""Exact ranking from embeddings: each query against the gallery of its group."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from samebut import metrics
from samebut.data.benchmark import Benchmark, Query
from samebut.errors import DataError
from samebut.metrics import NOBODY, Floats, Ints, Scorer

KEPT = 100
"""Number of pictures kept of each ranking: more than any K that papers report."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A benchmark's queries, ranked; row q belongs to ``benchmark.queries[q]``.

    ``ids`` (Q, K) are positions in ``benchmark.images``, best first, padded with ``NOBODY`` where
    a gallery holds fewer; ``scores`` (Q, K) are their scores, padded with -inf. ``target_ranks``
    (Q, T) are the 1-based ranks of a query's targets in its whole gallery, the annotated one
    first; ``rival_ranks`` (Q, S) those of its subset without reference and target, ``wrong_ranks``
    (Q, W) those of its explicit wrong answers, each once; all padded with ``NEVER``.
    """

    ids: Ints
    scores: Floats
    target_ranks: Ints
    rival_ranks: Ints
    wrong_ranks: Ints = field(default_factory=lambda: np.empty((0, 0), np.int32))


def rank(
    benchmark: Benchmark,
    query_embeddings: Floats | Scorer,
    gallery_embeddings: Floats,
    *,
    kept: int = KEPT,
) -> Ranked:
    """Rank ``gallery_embeddings`` (N, D), in the order of ``benchmark.images``, for
    ``query_embeddings`` (Q, D), or what scores for them, in the order of ``benchmark.queries``.
    Exact.

    Raises DataError if the rows are not those of the benchmark, or a number is not finite.
    """
    _require_rows("query", query_embeddings, len(benchmark.queries))
    _require_rows("gallery", gallery_embeddings, len(benchmark.images))
    position = {name: i for i, name in enumerate(benchmark.images)}
    targets = _padded([[position[n] for n in q.targets] for q in benchmark.queries])
    rivals = _padded([[position[n] for n in rivals_of(q)] for q in benchmark.queries])
    wrongs = _padded(
        [[position[n] for n in dict.fromkeys(q.wrong) if n in position] for q in benchmark.queries]
    )
    references = np.array([position[q.reference] for q in benchmark.queries], np.int32)
    size = len(benchmark.queries)
    ranked = Ranked(
        ids=np.full((size, kept), NOBODY, np.int32),
        scores=np.full((size, kept), -np.inf, np.float32),
        target_ranks=np.empty(targets.shape, np.int32),
        rival_ranks=np.empty(rivals.shape, np.int32),
        wrong_ranks=np.empty(wrongs.shape, np.int32),
    )
    for rows, members in _galleries(benchmark, position):
        local = np.full(len(position) + 1, NOBODY, np.int32)  # [-1]: NOBODY stays NOBODY
        local[members] = np.arange(len(members), dtype=np.int32)
        part = metrics.rank(
            query_embeddings[rows],
            gallery_embeddings[members] if benchmark.galleries else gallery_embeddings,
            kept,
            drop=local[references[rows]] if benchmark.rules.drop_reference else None,
            named=local[np.hstack([targets[rows], rivals[rows], wrongs[rows]])],
        )
        width = part.ids.shape[1]
        ranked.ids[rows, :width] = members[part.ids]
        ranked.scores[rows, :width] = part.scores
        ranked.target_ranks[rows] = part.ranks[:, : targets.shape[1]]
        others = part.ranks[:, targets.shape[1] :]
        ranked.rival_ranks[rows] = others[:, : rivals.shape[1]]
        ranked.wrong_ranks[rows] = others[:, rivals.shape[1] :]
    return ranked


def rivals_of(query: Query) -> list[str]:
    """The members of a query's subset without its reference and its annotated target."""
    apart = {query.reference, *query.targets[:1]}
    return [name for name in query.subset or () if name not in apart]


def _padded(rows: list[list[int]]) -> Ints:
    table = np.full((len(rows), max(map(len, rows), default=0)), NOBODY, np.int32)
    for line, row in zip(table, rows, strict=True):
        line[: len(row)] = row
    return table


def _galleries(
    benchmark: Benchmark, position: dict[str, int]
) -> Iterator[tuple[slice | Ints, Ints]]:
    """Rows of the queries, and positions of the pictures they are ranked against."""
    everything = np.arange(len(position), dtype=np.int32)
    if not benchmark.galleries:
        yield slice(None), everything
        return
    groups = np.array([query.group for query in benchmark.queries])
    for group in dict.fromkeys(query.group for query in benchmark.queries):
        names = benchmark.galleries.get(group)
        members = everything if names is None else np.array([position[n] for n in names], np.int32)
        yield np.flatnonzero(groups == group).astype(np.int32), members


def _require_rows(what: str, embeddings: Floats | Scorer, expected: int) -> None:
    if len(embeddings) != expected:
        raise DataError(
            f"there are {len(embeddings):,} {what} embeddings, and the benchmark has {expected:,}",
            hint="Give one embedding for each, in the order of the benchmark.",
        )
