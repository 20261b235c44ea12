"""What a model knew before a stage, and how much of it the stage keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy

import torch
from torch import Tensor

from samebut.learning.corpus import Corpus
from samebut.learning.model import CIRModel, unit


class Anchor:
    """The model that a stage began with, for its features and queries to stay near: feature
    distillation onto oneself (Li & Hoiem, Learning without Forgetting, ECCV 2016, by cosine).

    ``weights`` say for data folders, by name, how much what their pictures move away costs;
    pictures of a folder that is not named may go where they like.
    """

    def __init__(self, model: CIRModel, corpus: Corpus, weights: Mapping[str, float]) -> None:
        self.model = deepcopy(model).eval().requires_grad_(False)
        self.weights = torch.zeros(len(corpus.files))
        for part in corpus.parts:
            self.weights[part.first : part.last] = weights.get(part.name, 0.0)

    def away(self, now: Tensor, before: Tensor, rows: Sequence[int]) -> Tensor:
        """``now`` and ``before (B, D)``, of the pictures ``rows`` or of queries that begin with
        them: 1 minus their cosine, each times its folder's weight; the mean."""
        near = (unit(now) * unit(before)).sum(-1)
        return (self.weights[torch.tensor(rows)].to(near.device) * (1 - near)).mean()
