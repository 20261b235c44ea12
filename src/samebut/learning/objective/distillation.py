"""Distillation: keeps features near those of the model that the stage began with."""

from __future__ import annotations

from copy import deepcopy

import torch
from pydantic import Field
from torch import Tensor

from samebut.errors import RecipeError
from samebut.learning.data.corpus import Corpus
from samebut.learning.data.encoding import as_float
from samebut.learning.encoders.base import Features, unit
from samebut.learning.model.cir_model import CIRModel
from samebut.learning.objective.base import Step, Term
from samebut.learning.tables import Table


class Distillation(Term):
    """Feature distillation from the stage's initial model, by cosine (Li and Hoiem, Learning
    without Forgetting, ECCV 2016, on features): 1 minus the cosine of each picture's features, and
    of each query, with those of the initial model, times its data folder's weight; the mean."""

    class Options(Table):
        """``[stages.loss.distillation]``"""

        weights: dict[str, float] = Field(default_factory=dict)
        """Weight per data folder: penalises drift from the stage's initial features of its pictures
        and of queries that begin with them. A folder that is not named may drift."""

        @property
        def weight(self) -> float:
            """1 if any folder has a weight, else 0, which leaves the term out."""
            return float(any(self.weights.values()))

    def __init__(self, options: Options, corpus: Corpus, model: CIRModel) -> None:
        super().__init__(options, corpus, model)
        # In a tuple, so that torch does not register the initial model as a part of this module:
        # it must not be trained, nor saved with checkpoints.
        self._initial = (deepcopy(model).eval().requires_grad_(False),)
        self.weights = torch.zeros(len(corpus.files))
        for part in corpus.parts:
            self.weights[part.first : part.last] = options.weights.get(part.name, 0.0)

    @classmethod
    def check(cls, options: Options, corpus: Corpus) -> None:
        for name, weight in options.weights.items():
            if name not in corpus.folders:
                raise RecipeError(
                    f"loss.distillation.weights names '{name}', and the stage does not learn from "
                    "that data folder",
                    hint=f"Name folders that the stage learns from: {', '.join(corpus.folders)}.",
                )
            if weight < 0:
                raise RecipeError(
                    f"loss.distillation.weights.{name} is {weight:g}",
                    hint="Give a number, 0 or more.",
                )

    @property
    def initial(self) -> CIRModel:
        return self._initial[0]

    def forward(self, step: Step) -> Tensor:
        before, references = self._before(step)
        loss = self.drift(step.seen.pooled, before, step.rows, step.shares)
        if step.queries is None or step.words is None:
            return loss
        queries = self._queries_before(step, references, step.words)
        return loss + self.drift(step.queries, queries, step.own.references)

    @torch.no_grad()
    def _queries_before(self, step: Step, references: Features, words: Features) -> Tensor:
        with step.encoder.rules.precision(references.pooled.device):
            if not step.encoder.rules.caches("text"):
                words = as_float(self.initial.encoder.texts(list(step.written)))
            return step.compose(self.initial, references, words)

    @torch.no_grad()
    def _before(self, step: Step) -> tuple[Tensor, Features]:
        """Pooled features of the step's pictures, and features of its references, by the initial
        model."""
        if step.seen.cached is not None:
            pictures, references = map(self.initial.encoder.project, step.seen.cached)
            return pictures.pooled, references
        assert step.seen.pixels is not None
        with step.encoder.rules.precision(step.seen.pixels.device):
            found = as_float(self.initial.encoder.images(step.seen.pixels))
        return found.pooled, found[step.seen.places]

    def drift(
        self, now: Tensor, before: Tensor, rows: Tensor, shares: Tensor | None = None
    ) -> Tensor:
        """Weighted mean of 1 minus the cosine of ``now`` and ``before``, both ``(B, D)``: features
        of the pictures ``rows (B,)``, or of queries that have them as references. ``shares (B,)``
        are the weights of the mean; None: all the same."""
        near = (unit(now) * unit(before)).sum(-1)
        shares = torch.full((len(rows),), 1 / len(rows)) if shares is None else shares
        return ((shares * self.weights[rows]).to(near.device) * (1 - near)).sum()
