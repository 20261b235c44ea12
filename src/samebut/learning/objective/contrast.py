"""Contrast: queries find their targets among the candidates of a batch, over all processes."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from samebut.learning import distributed
from samebut.learning.data.corpus import Corpus
from samebut.learning.encoders.base import unit
from samebut.learning.model.cir_model import CIRModel
from samebut.learning.objective.base import Step, Term
from samebut.learning.objective.losses import info_nce, symmetric_info_nce
from samebut.learning.tables import Table


class Contrast(Term):
    """InfoNCE of composed queries (Baldrati et al., CVPR Workshops 2022, section 3.3).

    All known targets of a query among the candidates are positives, and its own reference does
    not count.
    """

    class Options(Table):
        """``[stages.loss.contrast]``"""

        weight: float = Field(1.0, ge=0)
        """Weight of the contrastive loss; 0: no queries are composed, and the stage goes through
        pictures alone."""
        candidates: Literal["targets", "references", "pictures"] = "targets"
        """What a query is compared with: the `targets` of the batch and negatives; also the other
        queries' `references`; or all `pictures` that the batch has, each once."""
        scale: float = Field(1 / 0.07, gt=0)
        """Scale of the cosines (1 / temperature); where it is learned, what it starts from."""
        learned_scale: bool = True
        """Whether the scale is learned, up to 100."""
        symmetric: bool = False
        """Whether targets look for their queries, too, in equal parts."""
        smoothing: float = Field(0.0, ge=0, lt=1)
        """Label smoothing."""
        hardness: float = Field(0.0, ge=0)
        """Beta of HN-NCE: how much more hard candidates weigh."""
        positive_weight: float = Field(1.0, ge=0)
        """Alpha of HN-NCE: weight of the positives in the denominator."""

    needs_queries = True

    def __init__(self, options: Options, corpus: Corpus, model: CIRModel) -> None:
        super().__init__(options, corpus, model)
        self.options = options

    def forward(self, step: Step) -> Tensor:
        places = self.places(step)
        pictures = step.layout.rows.flatten()[places]
        candidates = unit(distributed.gather(step.seen.pooled))
        candidates = candidates[places.to(candidates.device)]
        assert step.queries is not None
        queries = distributed.gather(step.queries)
        positives, allowed = step.table.marks(step.batch.queries, pictures)
        contrast = symmetric_info_nce if self.options.symmetric else info_nce
        return contrast(
            queries,
            candidates,
            positives.to(queries.device),
            allowed=allowed.to(queries.device),
            scale=step.scale,
            smoothing=self.options.smoothing,
            hardness=self.options.hardness,
            positive_weight=self.options.positive_weight,
        )

    def places(self, step: Step) -> Tensor:
        """Where the candidates stand among the pictures of all processes: ``(N,)``."""
        layout = step.layout
        if self.options.candidates == "pictures":
            return layout.each_once()
        kinds = [layout.targets, layout.negatives[layout.negatives >= 0]]
        if self.options.candidates == "references":
            kinds.append(layout.references)
        return torch.cat(kinds)
