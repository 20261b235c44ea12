"""Exact ranking, and the numbers computed from it. Pure functions over numpy arrays.

A ranking is made once, then every metric is read off the *ranks* of the pictures a query names
(1 is first; ``NEVER`` means not ranked). Metrics return one value a query, so that a confidence
interval or a paired test sees what the mean was made of.

**Order.** Higher score first, equal scores in gallery order. A score is a dot product summed in
float64 and rounded to float32. Summed in float32, the same picture stored twice gets two different
scores depending on its column (3 % of pairs, measured), and the order would depend on the size of
a chunk, the number of threads and the processor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from samebut.errors import DataError

Floats = NDArray[np.float32]
Values = NDArray[np.float64]
Ints = NDArray[np.int32]

NEVER = int(np.iinfo(np.int32).max)
"""The rank of a picture that is not in the ranking, and of the padding of a ragged row."""

BYTES_PER_SCORE = 24
"""What one score costs while it is sorted: float64, float32, its negative and a position."""

NOBODY = -1
"""Padding of a row of gallery positions."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """The first K of the gallery for every query, and the ranks of the named pictures.

    ``ids`` (Q, K) are positions in the gallery, best first, ``scores`` (Q, K) their scores.
    ``ranks`` (Q, M) are the 1-based ranks of the pictures that were asked for by position, in the
    whole ranking, not only its first K.
    """

    ids: Ints
    scores: Floats
    ranks: Ints


class Scorer(Protocol):
    """Queries that score pictures by more than one dot product."""

    def __len__(self) -> int: ...
    def __getitem__(self, rows: slice | Ints, /) -> Scorer: ...
    def scores(self, candidates: Floats, /) -> Values:
        """``(Q, N)`` for ``candidates (N, D)``, summed in float64."""


def rank(
    queries: Floats | Scorer,
    gallery: Floats,
    k: int,
    *,
    drop: Ints | None = None,
    named: Ints | None = None,
    chunk_bytes: int = 1 << 27,
) -> Ranking:
    """Rank ``gallery`` (N, D) for each of ``queries`` (Q, D) by dot product, or as they score.

    ``drop`` (Q,) holds one gallery position a query to take out of its ranking (a reference
    picture), ``NOBODY`` for none. ``named`` (Q, M) holds the positions whose rank is wanted, rows
    padded with ``NOBODY``. ``chunk_bytes`` bounds the block of scores alive at any time.

    Raises DataError if the shapes disagree or a number is not finite: a NaN has no rank.
    """
    _require_matching(queries, gallery)
    size = len(queries)
    k = min(k, len(gallery) - (drop is not None))
    drop = np.full(size, NOBODY, np.int32) if drop is None else drop
    named = np.empty((size, 0), np.int32) if named is None else named
    ids, scores = np.empty((size, k), np.int32), np.empty((size, k), np.float32)
    ranks = np.empty(named.shape, np.int32)
    columns = gallery.astype(np.float64).T
    for rows in _row_blocks(size, max(1, chunk_bytes // (BYTES_PER_SCORE * len(gallery)))):
        block = _scores(queries[rows], gallery, columns).astype(np.float32)
        dropping = np.flatnonzero(drop[rows] != NOBODY)
        block[dropping, drop[rows][dropping]] = -np.inf
        ids[rows] = first(block, k)
        scores[rows] = np.take_along_axis(block, ids[rows], axis=1)
        ranks[rows] = ranks_in(block, named[rows])
    ranks[named == drop[:, None]] = NEVER
    return Ranking(ids, scores, ranks)


def _scores(queries: Floats | Scorer, gallery: Floats, columns: Values) -> Values:
    if isinstance(queries, np.ndarray):
        return np.asarray(queries.astype(np.float64) @ columns)
    return queries.scores(gallery)


def first(scores: Floats, k: int) -> Ints:
    """Columns of the ``k`` highest of each row of ``scores`` (Q, N), best first, ties by column."""
    size = scores.shape[1]
    if not 0 < k < size:
        return np.argsort(-scores, axis=1, kind="stable").astype(np.int32)[:, :k]
    chosen = np.argpartition(scores, size - k, axis=1)[:, size - k :]
    lowest = np.take_along_axis(scores, chosen, axis=1).min(axis=1)
    # More pictures share the last score than there is room for: a partition keeps any of them.
    crowded = np.flatnonzero((scores >= lowest[:, None]).sum(axis=1) > k)
    chosen[crowded] = np.argsort(-scores[crowded], axis=1, kind="stable")[:, :k]
    chosen.sort(axis=1)
    order = np.argsort(-np.take_along_axis(scores, chosen, axis=1), axis=1, kind="stable")
    return np.take_along_axis(chosen, order, axis=1).astype(np.int32)


def ranks_in(scores: Floats, named: Ints) -> Ints:
    """1-based ranks, in each row of ``scores`` (Q, N), of the columns ``named`` (Q, M)."""
    ranks = np.full(named.shape, NEVER, np.int32)
    for column in range(named.shape[1]):
        rows = np.flatnonzero(named[:, column] != NOBODY)  # most rows are shorter than the longest
        positions = named[rows, column]
        against = scores if len(rows) == len(scores) else scores[rows]
        own = against[np.arange(len(rows)), positions][:, None]
        ranks[rows, column] = 1 + (against > own).sum(axis=1)
        for i in np.flatnonzero((against == own).sum(axis=1) > 1):
            ranks[rows[i], column] += (against[i, : positions[i]] == own[i]).sum()
    return ranks


def ranks_in_list(ids: Ints, named: Ints) -> Ints:
    """1-based ranks of ``named`` (Q, M) in the lists ``ids`` (Q, K); ``NEVER`` if not listed."""
    found = ids[:, None, :] == named[:, :, None]
    ranks = np.where(found.any(axis=2), found.argmax(axis=2) + 1, NEVER).astype(np.int32)
    ranks[named == NOBODY] = NEVER
    return ranks


def recall(ranks: Ints, k: int) -> Values:
    """Recall@K, (Q,): 1 where any of the named pictures (Q, M) is among the first ``k``, else 0."""
    return np.asarray((ranks <= k).any(axis=1), np.float64)


def subset_recall(target: Ints, rivals: Ints, k: int) -> Values:
    """RecallSubset@K of CIRR, (Q,): 1 where the target is among the first ``k`` of its subset.

    ``target`` (Q,) is the target's rank in the whole gallery, ``rivals`` (Q, M) the ranks of the
    subset's other members, without reference and target: to restrict a ranking is to count who
    of the subset stands before the target.
    """
    before = (rivals < target[:, None]).sum(axis=1)
    return np.asarray((before < k) & (target != NEVER), np.float64)


def average_precision(ranks: Ints, relevant: NDArray[np.integer[Any]], k: int) -> Values:
    """AP@K, (Q,), as CIRCO defines it (Baldrati et al., ICCV 2023, section 5.1).

    The sum of P(r) over those ranks r <= K that hold a target, divided by min(targets, K).
    ``ranks`` (Q, M) are the ranks of all targets of a query, ``NEVER`` for padding and for what a
    shortened list leaves out; ``relevant`` (Q,) says how many targets a query has.
    """
    ordered = np.sort(ranks, axis=1)
    query, nth = np.nonzero(ordered <= k)
    precision = np.zeros((len(ranks), k))
    place = ordered[query, nth]
    precision[query, place - 1] = (nth + 1) / place
    return np.asarray(precision.sum(axis=1) / np.clip(relevant, 1, k), np.float64)


def precision(ranks: Ints, k: int) -> Values:
    """P@K, (Q,): the share of the first ``k`` that are among the named pictures (Q, M)."""
    return np.asarray((ranks <= k).sum(axis=1) / k, np.float64)


def trapezoidal_precision(ranks: Ints, relevant: NDArray[np.integer[Any]]) -> Values:
    """Average precision over the whole ranking by the trapezoidal rule, (Q,), as i-CIR counts it
    (Psomas et al., NeurIPS 2025, ``compute_ap`` of their ``utils.py``).

    Each right answer adds the mean of the precision before it and with it, over the number of
    right answers and 1e-5. ``ranks`` and ``relevant`` are those of ``average_precision``.
    """
    ordered = np.sort(ranks, axis=1).astype(np.float64)
    found = np.arange(ranks.shape[1], dtype=np.float64)
    before = np.where(ordered == 1, 1.0, found / np.maximum(ordered - 1, 1.0))
    both = np.where(ordered == NEVER, 0.0, before + (found + 1) / ordered)
    return np.asarray(both.sum(axis=1) / (2 * (relevant + 1e-5)), np.float64)


def negative_recall(wrong: Ints, listed: NDArray[np.integer[Any]], k: int) -> Values:
    """NegRecall@K, (Q,), as PinPoint counts it (Mahadev et al., CVPR 2026, ``utils/metrics.py``).

    The explicit wrong answers, with ranks ``wrong`` (Q, M), among the first ``k``, divided by
    min(listed, K); 0 where none is ``listed`` (Q,).
    """
    shown = (wrong <= k).sum(axis=1)
    return np.asarray(np.where(listed > 0, shown / np.clip(listed, 1, k), 0.0), np.float64)


def ranks_without(ranks: Ints, wrong: Ints) -> Ints:
    """``ranks`` (Q, M) in the ranking without the pictures at ``wrong`` (Q, W): who is one of them
    has none."""
    left = ranks.copy()
    for own, others in zip(left, np.sort(wrong, axis=1), strict=True):
        before = np.searchsorted(others, own)
        gone = np.isin(own, others) | (own == NEVER)
        own[:] = np.where(gone, NEVER, own - before)
    return left


def range_within(values: Values, together: Sequence[str]) -> Values:
    """The largest minus the smallest of ``values`` (Q,) among queries with the same ``together``.

    It stands at the first of them, (Q,); NaN at the others, and where a query is alone or
    belongs to none.
    """
    spread = np.full(len(values), np.nan)
    for rows in rows_together(together):
        if len(rows) > 1:
            spread[rows[0]] = np.ptp(values[rows])
    return spread


def best_by_turn(values: Values, together: Sequence[str], turns: int | None) -> Values:
    """The largest of ``values`` (Q,) among the first ``turns`` queries (None: among all) with the
    same ``together``.

    It stands at the first of them, (Q,); NaN at the others.
    """
    best = np.full(len(values), np.nan)
    for rows in rows_together(together):
        best[rows[0]] = values[rows[:turns]].max()
    return best


def rows_together(together: Sequence[str]) -> list[list[int]]:
    """Rows that share a name of ``together`` (Q,), in order; those without a name are left out."""
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(together):
        if name:
            rows.setdefault(name, []).append(row)
    return list(rows.values())


def reciprocal_rank(ranks: Ints) -> Values:
    """1 / rank of the best placed of the named pictures (Q, M), (Q,); 0 if none is ranked."""
    best = ranks.min(axis=1, initial=NEVER)
    return np.asarray(np.where(best == NEVER, 0.0, 1.0 / best), np.float64)


def median_rank(ranks: Ints) -> float:
    """Median over queries of the rank of the best placed of the named pictures (Q, M)."""
    return float(np.median(ranks.min(axis=1, initial=NEVER)))


def area_under_roc(scores: Values, fits: NDArray[np.bool_]) -> float:
    """How often a query that ``fits (Q,)`` scores above one that does not, ties counting half.

    NaN where all fit or none does. (Hanley and McNeil, Radiology 1982: the Wilcoxon statistic.)
    """
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    yes, no = int(fits.sum()), int((~fits).sum())
    if not yes or not no:
        return float("nan")
    return float((ranks[fits].sum() - yes * (yes + 1) / 2) / (yes * no))


def _require_matching(queries: Floats | Scorer, gallery: Floats) -> None:
    if not isinstance(queries, np.ndarray):
        queries = gallery[:0]  # a scorer checks its own input
    if queries.ndim != 2 or gallery.ndim != 2 or queries.shape[1] != gallery.shape[1]:
        raise DataError(
            f"queries of shape {queries.shape} can't be ranked against a gallery of shape "
            f"{gallery.shape}",
            hint="Pass both as arrays of one embedding a row, with the same dimension.",
        )
    if not len(gallery):
        raise DataError("the gallery is empty", hint="Give a gallery with one embedding or more.")
    for name, rows in (("query", queries), ("gallery", gallery)):
        broken = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        if len(broken):
            raise DataError(
                f"{len(broken):,} {name} embeddings hold a NaN or an infinity, first: {broken[0]}",
                hint="Check the model that made them: only finite numbers can be ranked.",
            )


def _row_blocks(size: int, rows: int) -> Iterator[slice]:
    return (slice(start, start + rows) for start in range(0, size, rows))
