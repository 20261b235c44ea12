"""Encoders: pictures or texts to features. They own their preprocessing, tokenizer and padding."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Features:
    """What an encoder says of B pictures or texts.

    ``pooled (B, D)`` in the shared space, not normalised. ``tokens (B, L, D)``: regions of a
    picture in row-major order, or word pieces of a text, in the same space. ``mask (B, L)``:
    True where a token is real; what stands at False is never read.
    """

    pooled: Tensor
    tokens: Tensor
    mask: Tensor

    def __getitem__(self, rows: Tensor | slice) -> Features:
        """The rows asked for; always a batch, so pass a slice or an index tensor."""
        return Features(self.pooled[rows], self.tokens[rows], self.mask[rows])

    def __len__(self) -> int:
        return int(self.pooled.shape[0])


def masked_mean(tokens: Tensor, mask: Tensor) -> Tensor:
    """Mean over the real tokens: ``(B, L, D), (B, L) -> (B, D)``. A row without any gives zeros."""
    weight = mask.to(tokens.dtype).unsqueeze(-1)
    return (tokens * weight).sum(1) / weight.sum(1).clamp_min(1.0)


def every_token(tokens: Tensor) -> Tensor:
    """A mask that calls every token real: ``(B, L, D) -> (B, L)``."""
    return torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
