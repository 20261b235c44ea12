"""Hard negatives: the wrong candidates that a model finds most similar to a query.

Mined from embeddings of the current model, again every few epochs (Xiong et al., ICLR 2021, refresh
theirs as the model moves on). What is known to be right is never mined; what is right but nobody
has said so may be, so annotate all targets there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from samebut.errors import RecipeError


@dataclass(frozen=True)
class Schedule:
    """Mine before epoch ``first``, counted from 0, and again every ``every`` epochs.

    RecipeError if ``every`` is less than one or ``first`` is negative.
    """

    every: int
    first: int = 0

    def __post_init__(self) -> None:
        if self.every < 1 or self.first < 0:
            raise RecipeError(
                f"negatives can't be mined every {self.every} epochs from epoch {self.first} on",
                hint="Give an interval of one epoch or more.",
            )

    def is_due(self, epoch: int) -> bool:
        """Whether to mine before this epoch."""
        return self.mined_before(epoch) == epoch

    def mined_before(self, epoch: int) -> int | None:
        """The epoch before which this epoch's negatives were mined; None: it has none yet.

        A run that resumes between two minings needs the negatives of then, not of now.
        """
        since = epoch - self.first
        return None if since < 0 else epoch - since % self.every


@torch.no_grad()
def mine(
    queries: Tensor,
    candidates: Tensor,
    known: Sequence[Sequence[int]],
    count: int,
    *,
    chunk: int = 128,
) -> Tensor:
    """``(Q, count)`` int64: each query's most similar wrong candidates, best first.

    ``queries (Q, D)`` and ``candidates (N, D)`` are unit-length; ``known[q]`` are the rows of
    candidates that are never wrong for query q: all its positives, and its own reference. Equal
    scores stand in the order of candidates, and scores are summed in float64 and rounded to
    float32, so the result depends neither on ``chunk`` nor on threads. Memory: ``chunk`` N
    scores. RecipeError: a query has fewer than ``count`` wrong candidates.
    """
    _check(known, len(queries), len(candidates), count)
    across = candidates.double().T
    mined = [
        _hardest(queries[start : start + chunk].double() @ across, known[start:], count)
        for start in range(0, len(queries), chunk)
    ]
    return torch.cat(mined) if mined else torch.empty(0, count, dtype=torch.int64)


def _check(known: Sequence[Sequence[int]], queries: int, candidates: int, count: int) -> None:
    if len(known) != queries:
        raise RecipeError(f"{len(known)} lists of known answers for {queries} queries")
    if count < 1:
        raise RecipeError(f"{count} negatives a query can't be mined", hint="Give one or more.")
    for number, rows in enumerate(known):
        left = candidates - len(set(rows))
        if left < count:
            raise RecipeError(
                f"query {number} has {left} wrong candidates, {count} are to be mined",
                hint="Mine fewer, or from more candidates.",
            )


def _hardest(sums: Tensor, known: Sequence[Sequence[int]], count: int) -> Tensor:
    scores = sums.float()
    for row, rows in zip(scores, known, strict=False):  # known goes on past this chunk
        row[list(rows)] = -torch.inf
    last = scores.topk(count, dim=1).values[:, -1:]
    above, equal = scores > last, scores == last
    # Which of several equal scores topk takes is not said; here it is the first ones.
    room = count - above.sum(1, keepdim=True)
    chosen = above | (equal & (equal.cumsum(1, dtype=torch.int32) <= room))
    rows = chosen.nonzero()[:, 1].reshape(len(scores), count)
    order = scores.gather(1, rows).argsort(dim=1, descending=True, stable=True)
    return rows.gather(1, order)
