"""MAAF, modality-agnostic attention fusion (Dodds et al. 2020, arXiv 2007.00145).

    z = [regions, words]                    one sequence, without any mark of modality
    z = z + attention(norm z)               z = z + feed forward(norm z)         one block
    q = (mean of regions + mean of words) / 2 , of norm(z)
    q = q + W i + mean of the words that came in        residual (ResidualMAAF)

The original feeds two maps of a ResNet (14x14 and 7x7); here regions are the encoder's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from samebut.learning.encoders.base import Features, masked_mean
from samebut.learning.fusion.attention import Attention, feed_forward
from samebut.learning.fusion.base import Fusion, real_tokens


class MaafBlock(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, dim: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attention = Attention(dim, heads, dropout)
        self.norm2 = nn.LayerNorm(dim)
        self.feed_forward = feed_forward(dim, hidden, nn.ReLU, dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        normal = self.norm1(tokens)
        tokens = tokens + self.dropout(self.attention(normal, normal, mask))
        return tokens + self.dropout(self.feed_forward(self.norm2(tokens)))

    def weights(self, asking: Tensor, asked: Tensor, mask: Tensor) -> Tensor:
        """``(B, heads, L, S)``: where some tokens look if they look at these others alone."""
        return self.attention.weights(self.norm1(asking), self.norm1(asked), mask)


class Maaf(Fusion):
    """One transformer over regions and words together. Defaults are the published ones."""

    reads_tokens = True

    def __init__(
        self,
        dim: int,
        blocks: int = 1,
        heads: int = 8,
        hidden: int = 256,
        dropout: float = 0.1,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(MaafBlock(dim, heads, hidden, dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(dim)
        self.shortcut = nn.Linear(dim, dim) if residual else None

    def forward(self, image: Features, text: Features) -> Tensor:
        tokens, mask = _sequence(image, text)
        for block in self.blocks:
            tokens = block(tokens, mask)
        regions, words = self.norm(tokens).split((image.mask.shape[1], text.mask.shape[1]), 1)
        query = (masked_mean(regions, image.mask) + masked_mean(words, text.mask)) / 2
        if self.shortcut is None:
            return query
        return query + self.shortcut(image.pooled) + masked_mean(real_tokens(text), text.mask)

    def attention(self, image: Features, text: Features) -> Tensor:
        """Attention of words to regions in the last block, mean over heads, normalised over the
        regions alone."""
        tokens, mask = _sequence(image, text)
        for block in self.blocks[:-1]:
            tokens = block(tokens, mask)
        regions, words = tokens.split((image.mask.shape[1], text.mask.shape[1]), 1)
        weights = self.blocks[-1].weights(words, regions, image.mask).mean(1)
        return weights * text.mask.unsqueeze(-1)


def _sequence(image: Features, text: Features) -> tuple[Tensor, Tensor]:
    tokens = torch.cat((real_tokens(image), real_tokens(text)), dim=1)
    return tokens, torch.cat((image.mask, text.mask), dim=1)
