"""The interface of a fusion; its subclasses are rows of ``FUSIONS``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from samebut.learning.encoders.base import Features


class Fusion(nn.Module, ABC):
    """(image features, text features) to one query ``(B, D)``, not yet normalised.

    Its first argument is ``dim``, the width D of the shared space; all others are options with
    defaults, and are saved with the model. The padding of tokens must not affect the query.
    """

    reads_tokens: ClassVar[bool] = False
    """Whether tokens are needed: False says that a cache of pooled features is enough."""

    @abstractmethod
    def forward(self, image: Features, text: Features) -> Tensor:
        """One query a row: ``(B, D)``."""

    def gate(self, image: Features, text: Features) -> Tensor:
        """``(B,)``: the text's share in the query, 0 to 1; 0.5 where the fusion has no gate."""
        return torch.full_like(image.pooled[:, 0], 0.5)

    def attention(self, image: Features, text: Features) -> Tensor | None:
        """``(B, T, P)``: where each word looks in the picture; None if the fusion has no such map.

        The row of a real word sums to one over the real regions. Padding is zero in both axes.
        """
        return None


def real_tokens(features: Features) -> Tensor:
    """Tokens ``(B, L, D)`` with zeros in the padding, which may have held anything, also NaN."""
    return features.tokens.masked_fill(~features.mask.unsqueeze(-1), 0.0)
