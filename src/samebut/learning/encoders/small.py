"""The small encoder that ships: a residual CNN for pictures, a short transformer for texts.

Convolutions, because the data is small: a vision transformer of the same size learned next to
nothing in the same time (see docs/log.md). Both towers project their tokens into the shared space
and pool by the mean, so a pooled feature is the mean of region or word features of its own space.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from pydantic import Field
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from samebut.learning.encoders.base import Encoder, Features, every_token, masked_mean
from samebut.learning.encoders.tokenizer import train_tokenizer
from samebut.learning.tables import Table


class SmallConfig(Table):
    """Sizes of the small encoder."""

    dim: int = Field(256, ge=1)
    """Width D of the shared space."""
    widths: tuple[int, ...] = (32, 64, 128, 256)
    """Channels of each stage of the image tower; each but the first halves the regions' grid."""
    blocks: tuple[int, ...] = (1, 1, 2, 2)
    """Residual blocks of each stage; as many numbers as `widths`."""
    vocabulary: int = Field(4096, ge=259)
    """Word pieces, the 256 bytes and three marks among them."""
    max_tokens: int = Field(32, ge=3)
    """Texts are cut to this many pieces, marks included."""
    text_width: int = Field(192, ge=1)
    """Width of the text tower, a multiple of `text_heads`."""
    text_layers: int = Field(2, ge=0)
    """Transformer blocks of the text tower."""
    text_heads: int = Field(4, ge=1)
    """Heads of its attention."""
    text_dropout: float = Field(0.1, ge=0, lt=1)
    """Dropout in the text tower."""


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016, section 3.3, basic block)."""

    norm_of: ClassVar[dict[str, str]] = {"conv1": "norm1", "conv2": "norm2"}  # export folds them

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels_out)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False),
                nn.BatchNorm2d(channels_out),
            )

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.norm1(self.conv1(x)))
        return functional.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


class ImageTower(nn.Module):
    """``pixels (B, 3, S, S) -> tokens (B, (S/16)^2, D)`` for four widths."""

    def __init__(self, config: SmallConfig) -> None:
        super().__init__()
        first = config.widths[0]
        layers: list[nn.Module] = [
            nn.Conv2d(3, first, 3, 2, 1, bias=False),
            nn.BatchNorm2d(first),
            nn.ReLU(),
        ]
        channels = first
        for stage, (width, count) in enumerate(zip(config.widths, config.blocks, strict=True)):
            for block in range(count):
                stride = 2 if stage > 0 and block == 0 else 1
                layers.append(ResidualBlock(channels, width, stride))
                channels = width
        self.layers = nn.Sequential(*layers)
        self.project = nn.Linear(channels, config.dim)

    def forward(self, pixels: Tensor) -> Tensor:
        regions = self.layers(pixels).flatten(2).transpose(1, 2)
        return self.project(regions)


class TextBlock(nn.Module):
    """Pre-norm transformer block; padding is masked out of the keys."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1)).unbind(2)
        attended = functional.scaled_dot_product_attention(
            q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), attn_mask=mask[:, None, None]
        )
        x = x + self.dropout(self.out(attended.transpose(1, 2).flatten(2)))
        return x + self.dropout(self.feed_forward(self.norm2(x)))


class TextTower(nn.Module):
    """``ids (B, T), mask (B, T) -> tokens (B, T, D)``."""

    def __init__(self, config: SmallConfig) -> None:
        super().__init__()
        self.pieces = nn.Embedding(config.vocabulary, config.text_width)
        self.positions = nn.Parameter(torch.zeros(config.max_tokens, config.text_width))
        nn.init.normal_(self.pieces.weight, std=0.02)
        nn.init.normal_(self.positions, std=0.02)
        self.dropout = nn.Dropout(config.text_dropout)
        self.blocks = nn.ModuleList(
            TextBlock(config.text_width, config.text_heads, config.text_dropout)
            for _ in range(config.text_layers)
        )
        self.norm = nn.LayerNorm(config.text_width)
        self.project = nn.Linear(config.text_width, config.dim)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        x = self.dropout(self.pieces(ids) + self.positions[: ids.shape[1]])
        for block in self.blocks:
            x = block(x, mask)
        return self.project(self.norm(x))


class SmallEncoder(Encoder):
    """A residual CNN for pictures, a short transformer for texts, and a tokenizer of its own.

    ``dim`` is the width D of the shared space.
    """

    kind = "small"
    Options = SmallConfig
    mean = (0.5, 0.5, 0.5)
    std = (0.25, 0.25, 0.25)
    int8_operators = ("Conv", "Relu")
    # The first convolution stays fp32: its rounded weights were most of what int8 cost
    # (docs/log.md).
    int8_from = 1
    int8_percentile = 99.999  # a few activations are far out (docs/log.md)

    def __init__(self, config: SmallConfig, tokenizer: Tokenizer) -> None:
        super().__init__(config.dim, tokenizer, {"max_tokens": config.max_tokens, "pad_id": 0})
        self.config = config
        self.image_tower = ImageTower(config)
        self.text_tower = TextTower(config)
        tokenizer.enable_truncation(config.max_tokens)
        tokenizer.enable_padding()  # to the longest of the batch

    def images(self, pixels: Tensor) -> Features:
        """``pixels (B, 3, S, S)`` float32, normalised; S a multiple of 16."""
        tokens = self.image_tower(pixels)
        return Features(tokens.mean(1), tokens, every_token(tokens))

    def pieces(self, ids: Tensor, mask: Tensor) -> Features:
        """Features of tokenized texts, ``ids (B, T)`` and ``mask (B, T)``."""
        tokens = self.text_tower(ids, mask)
        return Features(masked_mean(tokens, mask), tokens, mask)

    @property
    def settings(self) -> dict[str, Any]:
        return self.config.model_dump()

    @classmethod
    def create(cls, options: dict[str, Any], texts: Iterable[str]) -> Self:
        """Random weights, and a tokenizer trained on ``texts``."""
        config = SmallConfig.of(options)
        return cls(config, train_tokenizer(texts, config.vocabulary))

    @classmethod
    def load(cls, settings: dict[str, Any], folder: Path) -> Self:
        """An encoder of these sizes with the tokenizer of ``folder``, weights still random."""
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        return cls(SmallConfig.of(settings), tokenizer)
