"""The sum of both pooled features: the baseline of every CIR paper, and stage 1's fusion.

q = i + w t                   as the encoders give them (Baldrati et al. 2022: w = 1)
q = i / |i| + w t / |t|       normalised
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from samebut.errors import RecipeError
from samebut.learning.encoders.base import Features
from samebut.learning.fusion.base import Fusion


class Sum(Fusion):
    """``weight`` is the weight of the text; the picture's is 1. ``normalised``: both features are
    scaled to unit length first.

    RecipeError if ``weight`` is not positive: the text would have no effect, or the opposite one.
    """

    def __init__(self, dim: int, weight: float = 1.0, normalised: bool = False) -> None:
        super().__init__()
        if weight <= 0:
            raise RecipeError(
                f"the weight of the fusion 'sum' is {weight}", hint="Give a number above 0."
            )
        self.dim = dim
        self.weight = weight
        self.normalised = normalised

    def forward(self, image: Features, text: Features) -> Tensor:
        picture, words = image.pooled, text.pooled
        if self.normalised:
            picture, words = functional.normalize(picture), functional.normalize(words)
        return picture + self.weight * words

    def gate(self, image: Features, text: Features) -> Tensor:
        return torch.full_like(image.pooled[:, 0], self.weight / (1 + self.weight))
