"""The Combiner (Baldrati et al., CVPR Workshops 2022, section 3.2, and TOMM 2023).

    t' = drop(relu(P_t t))          i' = drop(relu(P_i i))          x = [t', i']
    v  = W2 drop(relu(W1 x))        g  = sigmoid(w2 drop(relu(w1 x)))
    q  = v + g t + (1 - g) i

``t`` and ``i`` are pooled features as the encoders give them, not normalised: their lengths are
part of what the gate reads.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from samebut.learning.encoders.base import Features
from samebut.learning.fusion.base import Fusion


class Combiner(Fusion):
    """Gated mixture of image and text feature plus a learned correction.

    ``projection`` and ``hidden`` are the published p and h; None means 4 d and 8 d as published
    (59,003,521 parameters at d = 640). ``dropout`` is 0.5 there.
    """

    def __init__(
        self,
        dim: int,
        projection: int | None = None,
        hidden: int | None = None,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        projection = projection or 4 * dim
        hidden = hidden or 8 * dim
        self.text_projection = nn.Linear(dim, projection)
        self.image_projection = nn.Linear(dim, projection)
        self.dropout = nn.Dropout(dropout)
        self.correction = nn.Sequential(
            nn.Linear(2 * projection, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, dim),
        )
        self.gate_logit = nn.Sequential(
            nn.Linear(2 * projection, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, 1)
        )

    def forward(self, image: Features, text: Features) -> Tensor:
        both = self._both(image, text)
        gate = torch.sigmoid(self.gate_logit(both))
        return self.correction(both) + gate * text.pooled + (1 - gate) * image.pooled

    def gate(self, image: Features, text: Features) -> Tensor:
        """``(B,)``: the share of the text in the mixture."""
        return torch.sigmoid(self.gate_logit(self._both(image, text))).squeeze(-1)

    def _both(self, image: Features, text: Features) -> Tensor:
        words = self.dropout(torch.relu(self.text_projection(text.pooled)))
        picture = self.dropout(torch.relu(self.image_projection(image.pooled)))
        return torch.cat((words, picture), dim=-1)
