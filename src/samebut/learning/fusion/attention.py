"""Multi-head attention that can return its weights, and the blocks made of it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from samebut.errors import RecipeError


class Attention(nn.Module):
    """Scaled dot-product attention in several heads (Vaswani et al. 2017, section 3.2).

    RecipeError if ``heads`` does not divide ``dim``.
    """

    def __init__(self, dim: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        if dim % heads:
            raise RecipeError(
                f"the width of the features, {dim}, is not a multiple of the number of heads, "
                f"{heads}",
                hint=f"Set the fusion's option 'heads' to a divisor of {dim}.",
            )
        self.heads = heads
        self.query = nn.Linear(dim, dim)
        # No bias: it would shift all scores of a query by the same amount, which softmax cancels,
        # so its gradient would always be 0.
        self.key = nn.Linear(dim, dim, bias=False)
        self.value = nn.Linear(dim, dim)
        self.out = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, asking: Tensor, asked: Tensor, mask: Tensor) -> Tensor:
        """``asking (B, L, D), asked (B, S, D), mask (B, S) -> (B, L, D)``; True is real."""
        weights = self.dropout(self.weights(asking, asked, mask))
        return self.out((weights @ self._split(self.value(asked))).transpose(1, 2).flatten(2))

    def weights(self, asking: Tensor, asked: Tensor, mask: Tensor) -> Tensor:
        """``(B, heads, L, S)``: rows sum to one, or to zero if all of ``asked`` is padding."""
        query, key = self._split(self.query(asking)), self._split(self.key(asked))
        scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
        real = mask[:, None, None]
        # The lowest finite number, not -inf: softmax of a row of -inf alone is NaN.
        scores = scores.masked_fill(~real, torch.finfo(scores.dtype).min)
        return torch.softmax(scores, dim=-1) * real

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def feed_forward(dim: int, hidden: int, activation: type[nn.Module], dropout: float) -> nn.Module:
    """Two linear layers at every position (Vaswani et al. 2017, section 3.3)."""
    return nn.Sequential(
        nn.Linear(dim, hidden), activation(), nn.Dropout(dropout), nn.Linear(hidden, dim)
    )
