"""Features of many pictures or texts, in memory or mapped from disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from samebut.learning.encoders.base import Features, without_tokens


@dataclass
class FeatureStore:
    """Features of N pictures or texts, in memory or mapped from disk.

    ``pooled (N, V, D)``; ``tokens (M, V, L, D)`` and ``mask (M, L)``, or None; ``place (N,)`` is
    the row of tokens that a picture has, -1 for none.
    """

    pooled: Tensor
    tokens: Tensor | None = None
    mask: Tensor | None = None
    place: Tensor | None = None

    def features(self, rows: Tensor, views: Tensor | None = None) -> Features:
        """Features of ``rows``, each in its view (None: the first), in fp32 on the device."""
        views = torch.zeros_like(rows) if views is None else views
        pooled = self.pooled[rows, views].float()
        if self.tokens is None or self.mask is None or self.place is None:
            return without_tokens(pooled)
        place = self.place[rows]
        if bool((place < 0).any()):
            raise ValueError("tokens of these rows were not cached: name them in `tokens_of`")
        tokens = self.tokens[place, views].to(pooled.device).float()
        return Features(pooled, tokens, self.mask[place].to(pooled.device))

    def to(self, device: torch.device) -> FeatureStore:
        """The same, its pooled features on ``device``; tokens are fetched when asked for."""
        return replace(self, pooled=self.pooled.to(device))


def place_of(rows: Sequence[int], total: int) -> Tensor:
    """``(total,)``: where in the ordered ``rows`` each number stands, -1 for nowhere."""
    place = torch.full((total,), -1)
    place[torch.tensor(rows, dtype=torch.int64)] = torch.arange(len(rows))
    return place
