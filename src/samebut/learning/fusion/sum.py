"""The plain sum of both pooled features: the baseline of every CIR paper, and stage 1's fusion."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from samebut.learning.encoders import Features


class Sum(nn.Module):
    """``i + t`` on features as they come, not normalised (CLIP4Cir's baseline)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, image: Features, text: Features) -> Tensor:
        return image.pooled + text.pooled

    def gate(self, image: Features, text: Features) -> Tensor:
        return torch.full_like(image.pooled[:, 0], 0.5)
