"""The thesis's model: regions and words attend to each other, and feed the Combiner.

    R = R + attention(norm R, norm W)        W = W + attention(norm W, norm R)      side by side
    R = R + feed forward(norm R)             W = W + feed forward(norm W)
    i' = i + mean(R - R0)                    t' = t + mean(W - W0)
    q  = Combiner(i', t')

Co-attention in both directions as in ViLBERT (Lu et al., NeurIPS 2019), in pre-norm blocks
(Xiong et al., ICML 2020). The output layers of the blocks start at zero, so an untrained model
gives exactly the Combiner's results. The mean is over the change of the tokens, not the tokens
themselves, because a pooled feature need not be the mean of its tokens (CLIP's is a class token).
"""

from __future__ import annotations

from torch import Tensor, nn

from samebut.learning.encoders.base import Features, masked_mean
from samebut.learning.fusion.attention import Attention, feed_forward
from samebut.learning.fusion.base import Fusion, real_tokens
from samebut.learning.fusion.combiner import Combiner


class Direction(nn.Module):
    """One side attends to the other; before training it changes nothing."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm_asking = nn.LayerNorm(dim)
        self.norm_asked = nn.LayerNorm(dim)
        self.attention = Attention(dim, heads, dropout)
        self.norm_hidden = nn.LayerNorm(dim)
        self.feed_forward = feed_forward(dim, 4 * dim, nn.GELU, dropout)
        for last in (self.attention.out, self.feed_forward[-1]):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, asking: Tensor, asked: Tensor, mask: Tensor) -> Tensor:
        """``asking (B, L, D), asked (B, S, D), mask (B, S) -> (B, L, D)``."""
        normal = self.norm_asking(asking), self.norm_asked(asked)
        asking = asking + self.attention(*normal, mask)
        return asking + self.feed_forward(self.norm_hidden(asking))

    def weights(self, asking: Tensor, asked: Tensor, mask: Tensor) -> Tensor:
        """``(B, heads, L, S)``."""
        return self.attention.weights(self.norm_asking(asking), self.norm_asked(asked), mask)


class CrossBlock(nn.Module):
    """Both directions in parallel: each reads the other side as it was before the block."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.regions = Direction(dim, heads, dropout)
        self.words = Direction(dim, heads, dropout)

    def forward(
        self, regions: Tensor, words: Tensor, region_mask: Tensor, word_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        return self.regions(regions, words, word_mask), self.words(words, regions, region_mask)


class CrossAttention(Fusion):
    """``layers`` blocks of ``heads`` heads before a Combiner, which takes the other options."""

    reads_tokens = True

    def __init__(
        self,
        dim: int,
        layers: int = 2,
        heads: int = 8,
        attention_dropout: float = 0.1,
        projection: int | None = None,
        hidden: int | None = None,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            CrossBlock(dim, heads, attention_dropout) for _ in range(layers)
        )
        self.combiner = Combiner(dim, projection, hidden, dropout)

    def forward(self, image: Features, text: Features) -> Tensor:
        return self.combiner(*self.enrich(image, text))

    def gate(self, image: Features, text: Features) -> Tensor:
        """``(B,)``: the Combiner's gate on the enriched features."""
        return self.combiner.gate(*self.enrich(image, text))

    def attention(self, image: Features, text: Features) -> Tensor:
        """From words to regions in the last block, mean over heads."""
        regions, words = self._through(self.blocks[:-1], image, text)
        weights = self.blocks[-1].words.weights(words, regions, image.mask).mean(1)
        return weights * text.mask.unsqueeze(-1)

    def enrich(self, image: Features, text: Features) -> tuple[Features, Features]:
        """Both sides after all blocks, tokens and pooled features."""
        regions, words = self._through(self.blocks, image, text)
        return _enriched(image, regions), _enriched(text, words)

    def _through(
        self, blocks: nn.ModuleList, image: Features, text: Features
    ) -> tuple[Tensor, Tensor]:
        regions, words = real_tokens(image), real_tokens(text)
        for block in blocks:
            regions, words = block(regions, words, image.mask, text.mask)
        return regions, words


def _enriched(before: Features, tokens: Tensor) -> Features:
    learned = masked_mean(tokens - real_tokens(before), before.mask)
    return Features(before.pooled + learned, tokens, before.mask)
