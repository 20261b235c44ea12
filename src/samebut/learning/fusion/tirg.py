"""TIRG, text-image residual gating (Vo et al., CVPR 2019, arXiv 1812.07119), on pooled features.

    x = [i, t]
    g = sigmoid(Wg relu(norm(x)))          a gate for each of the D numbers
    r = W2 relu(W1 relu(norm(x)))          a residual
    q = a0 g * i + a1 r                    a0 = 1, a1 = 10 to begin with, learned

``norm`` is batch normalisation, so training needs batches of two at least.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from samebut.learning.encoders.base import Features
from samebut.learning.fusion.base import Fusion


class Tirg(Fusion):
    """Keeps of the picture what its gate lets through, and adds what the text asks for."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        both = 2 * dim
        self.balance = nn.Parameter(torch.tensor([1.0, 10.0]))
        self.gates = nn.Sequential(nn.BatchNorm1d(both), nn.ReLU(), nn.Linear(both, dim))
        self.residual = nn.Sequential(
            nn.BatchNorm1d(both),
            nn.ReLU(),
            nn.Linear(both, both),
            nn.ReLU(),
            nn.Linear(both, dim),
        )

    def forward(self, image: Features, text: Features) -> Tensor:
        both = torch.cat((image.pooled, text.pooled), dim=-1)
        kept = torch.sigmoid(self.gates(both)) * image.pooled
        return self.balance[0] * kept + self.balance[1] * self.residual(both)

    def gate(self, image: Features, text: Features) -> Tensor:
        """``(B,)``: 1 minus the mean of the D gates, the share of the picture that is held back."""
        both = torch.cat((image.pooled, text.pooled), dim=-1)
        return 1 - torch.sigmoid(self.gates(both)).mean(-1)
