"""The text tower of our own encoders: a short pre-norm transformer over word pieces."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from pydantic import Field
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from samebut.learning.encoders.base import Encoder, Features, masked_mean
from samebut.learning.encoders.tokenizer import train_tokenizer
from samebut.learning.tables import Table


class TextSizes(Table):
    """Sizes of the text tower, and of the space that it shares with the picture tower."""

    dim: int = Field(256, ge=1)
    """Width D of the shared space."""
    vocabulary: int = Field(4096, ge=259)
    """Tokens in the vocabulary, including the 256 bytes and three special tokens."""
    max_tokens: int = Field(64, ge=3)
    """Texts are cut to this many tokens, special tokens included."""
    text_width: int = Field(192, ge=1)
    """Width of the text tower, a multiple of `text_heads`."""
    text_layers: int = Field(2, ge=0)
    """Transformer blocks of the text tower."""
    text_heads: int = Field(4, ge=1)
    """Attention heads of each block."""
    text_dropout: float = Field(0.1, ge=0, lt=1)
    """Dropout in the text tower."""


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

    def __init__(self, config: TextSizes) -> None:
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


class WithTextTower(Encoder):
    """An encoder with this text tower and a tokenizer of its own; pictures are a subclass's."""

    Options: ClassVar[type[TextSizes]]

    def __init__(self, config: Any, tokenizer: Tokenizer) -> None:
        super().__init__(config.dim, tokenizer, {"max_tokens": config.max_tokens, "pad_id": 0})
        self.config = config
        self.build_image_tower(config)
        self.text_tower = TextTower(config)
        tokenizer.enable_truncation(config.max_tokens)
        tokenizer.enable_padding()  # to the longest of the batch

    @abstractmethod
    def build_image_tower(self, config: Any) -> None:
        """Set the modules that ``images`` uses."""

    def pieces(self, ids: Tensor, mask: Tensor) -> Features:
        """Features of tokenized texts, ``ids (B, T)`` and ``mask (B, T)``."""
        tokens = self.text_tower(ids, mask)
        return Features(masked_mean(tokens, mask), tokens, mask)

    @property
    def settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = self.config.model_dump()
        return settings

    @classmethod
    def create(cls, options: dict[str, Any], texts: Iterable[str]) -> Self:
        """Random weights, and a tokenizer trained on ``texts``."""
        config = cls.Options.of(options)
        return cls(config, train_tokenizer(texts, config.vocabulary))

    @classmethod
    def load(cls, settings: dict[str, Any], folder: Path) -> Self:
        """An encoder of these sizes with the tokenizer of ``folder``, weights still random."""
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        return cls(cls.Options.of(settings), tokenizer)
