"""Mined negatives: the wrong candidates that a model finds most similar to a query.

They are mined from embeddings of the current model, and again every few epochs (as Xiong et al.,
ICLR 2021, refresh theirs during training). A known target is never mined. A right answer that is
not annotated may be, and then the model learns to reject it, so annotate all targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from samebut.errors import RecipeError
from samebut.learning import distributed
from samebut.learning.data.feature_store import FeatureStore
from samebut.learning.data.query_table import QueryTable
from samebut.learning.data.sampler import Mined
from samebut.learning.disk import replacing
from samebut.learning.distributed import say
from samebut.learning.encoders.base import unit
from samebut.learning.objective.learner import Learner

MINED_PER_QUERY_AT_ONCE = 512
COMPOSED_AT_ONCE = 256


class Miner:
    """Mines the negatives of an epoch, and keeps them in ``folder`` for a run that resumes."""

    def __init__(self, mined: Mined, folder: Path) -> None:
        self.mined, self.folder = mined, folder

    def negatives(self, learner: Learner, table: QueryTable, epoch: int) -> Tensor | None:
        """``(Q, count)`` rows of the corpus for the queries of an epoch; None if it has none."""
        since = self.mined.mined_before(epoch)
        if since is None:
            return None
        path = self.folder / f"negatives-{since}.npy"
        with distributed.first_alone():
            if not path.exists():
                self._mine(learner, table, path)
        return torch.from_numpy(np.load(path, allow_pickle=False))

    @torch.no_grad()
    def _mine(self, learner: Learner, table: QueryTable, path: Path) -> None:
        say(f"{self.folder.name}: mining {self.mined.count} negatives a query")
        training = learner.training
        learner.eval()
        with learner.encoder.rules.precision(distributed.device_of(learner)):
            queries, pictures = everything(learner, table)
        learner.train(training)
        found = mine(
            queries, pictures, table.known(), self.mined.count, chunk=MINED_PER_QUERY_AT_ONCE
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as part, part.open("wb") as file:
            np.save(file, found.cpu().numpy(), allow_pickle=False)
        for older in path.parent.glob("negatives-*.npy"):
            if older != path:
                older.unlink()


def everything(learner: Learner, table: QueryTable) -> tuple[Tensor, Tensor]:
    """Unit-length queries ``(Q, D)`` and pictures ``(N, D)`` of the whole corpus, without
    augmentation."""
    model, encoder = learner.model, learner.encoder
    pooled = encoder.all_pooled(model)
    texts, queries = table.first_texts, []
    for rows in torch.arange(len(table)).split(COMPOSED_AT_ONCE):
        references = table.references[rows]
        image = FeatureStore(pooled.unsqueeze(1)).features(references)
        if model.fusion.reads_tokens:
            image = encoder.plain_pictures(model, references)
        words = encoder.plain_texts(model, [texts[row] for row in rows.tolist()])
        queries.append(learner.compose(model, image, words))
    return torch.cat(queries), unit(pooled)


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
        raise ValueError(f"`known` has {len(known)} lists of answers for {queries} queries")
    if count < 1:
        raise RecipeError(
            f"the number of negatives to mine for each query is {count}", hint="Give 1 or more."
        )
    for number, rows in enumerate(known):
        left = candidates - len(set(rows))
        if left < count:
            raise RecipeError(
                f"query {number} has {left} wrong candidates, and {count} negatives were asked for",
                hint="Ask for fewer negatives, or give more candidates.",
            )


def _hardest(sums: Tensor, known: Sequence[Sequence[int]], count: int) -> Tensor:
    scores = sums.float()
    for row, rows in zip(scores, known, strict=False):  # known is longer than this chunk
        row[list(rows)] = -torch.inf
    last = scores.topk(count, dim=1).values[:, -1:]
    above, equal = scores > last, scores == last
    # torch.topk does not specify which of several equal scores it returns; take the first ones.
    room = count - above.sum(1, keepdim=True)
    chosen = above | (equal & (equal.cumsum(1, dtype=torch.int32) <= room))
    rows = chosen.nonzero()[:, 1].reshape(len(scores), count)
    order = scores.gather(1, rows).argsort(dim=1, descending=True, stable=True)
    return rows.gather(1, order)
