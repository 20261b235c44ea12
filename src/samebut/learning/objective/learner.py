"""The model of a stage together with its loss: from a batch of row numbers to a loss."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from samebut.learning import distributed
from samebut.learning.data.corpus import Corpus
from samebut.learning.data.encoding import BatchEncoder
from samebut.learning.data.layout import lay_out
from samebut.learning.data.query_table import QueryTable
from samebut.learning.data.sampler import Batch
from samebut.learning.encoders.base import Features, unit
from samebut.learning.fusion import make_fusion
from samebut.learning.model.cir_model import CIRModel
from samebut.learning.objective import TERMS
from samebut.learning.objective.base import Compose, Step
from samebut.learning.tables import Table

LARGEST_SCALE = 100.0  # CLIP's clip of the learned scale (Radford et al. 2021, section 2.5)


class Objective(nn.Module):
    """The weighted sum of the loss terms whose weight is not 0, and the scale of their cosines.

    ``loss`` is ``[stages.loss]``: a table with the options of each row of TERMS.
    """

    def __init__(self, loss: Table, corpus: Corpus, model: CIRModel) -> None:
        super().__init__()
        options = {name: getattr(loss, name) for name in TERMS}
        self.weights = {name: each.weight for name, each in options.items() if each.weight}
        self.terms = nn.ModuleDict(
            {name: TERMS[name](options[name], corpus, model) for name in self.weights}
        )
        contrast = options["contrast"]
        self.log_scale = nn.Parameter(
            torch.tensor(math.log(contrast.scale)), requires_grad=contrast.learned_scale
        )

    @property
    def scale(self) -> Tensor:
        """Of the cosines, at most 100 so that training stays stable."""
        return self.log_scale.exp().clamp(max=LARGEST_SCALE)

    def forward(self, step: Step) -> Tensor:
        return torch.stack(
            [weight * self.terms[name](step) for name, weight in self.weights.items()]
        ).sum()


class Learner(nn.Module):
    """The model, and an objective whose classifiers and scale are dropped after the stage."""

    def __init__(
        self, model: CIRModel, objective: Objective, encoder: BatchEncoder, compose: Compose
    ) -> None:
        super().__init__()
        self.model, self.objective = model, objective
        self.encoder, self.compose = encoder, compose

    def forward(self, batch: Batch, table: QueryTable) -> Tensor:
        """The loss of a batch of queries of ``table``; this process encodes its share of it."""
        step = self.step(batch, table)
        if len(batch.queries):
            step = self._with_queries(step)
        total: Tensor = self.objective(step)
        return total

    def step(self, batch: Batch, table: QueryTable) -> Step:
        """The batch with features of this process's pictures; its queries are not composed yet."""
        rank, processes = distributed.rank(), distributed.count()
        pictures = len(self.encoder.corpus.files)
        layout = lay_out(batch, pictures, processes=processes, rounded=self._rounds())
        own, rows = batch.share(rank, processes), layout.rows[rank]
        places = layout.references[distributed.own_rows(len(batch.queries))] - rank * len(rows)
        seen = self.encoder.pictures(self.model, rows, places)
        scale = self.objective.scale
        return Step(
            self.model, self.encoder, self.compose, table, batch, own, layout, rows, seen, scale
        )

    def _with_queries(self, step: Step) -> Step:
        """The step with its texts encoded and its queries composed."""
        texts = [step.table.texts[row] for row in step.own.texts.tolist()]
        words, written = self.encoder.texts(self.model, texts)
        with self.encoder.rules.precision(words.pooled.device):
            queries = self.compose(self.model, step.seen.references, words)
        return replace(step, queries=queries, words=words, written=tuple(written))

    def _rounds(self) -> bool:
        """Whether other pictures of the corpus may pad a batch to a round number. They may where
        all its pictures are candidates, since they are then used as negatives."""
        contrast = getattr(self.objective.terms, "contrast", None)
        live = not self.encoder.rules.caches("image")
        return live and contrast is not None and contrast.options.candidates == "pictures"


def compose_by_sum(model: CIRModel, image: Features, text: Features) -> Tensor:
    """Unit-length queries by the plain sum, whatever fusion the model has."""
    return unit(_SUM(image, text))


_SUM = make_fusion("sum", 1)
COMPOSES: dict[str, Compose] = {"sum": compose_by_sum, "fusion": CIRModel.compose}
"""What composes queries while a stage trains."""
