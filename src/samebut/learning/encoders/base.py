"""Encoders: pictures or texts to features. Each family defines its own pixel normalisation,
tokenizer and padding."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from samebut.learning.tables import Table

Channels = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Features:
    """Features of B pictures or texts.

    ``pooled (B, D)`` in the shared space, not normalised. ``tokens (B, L, D)``: regions of a
    picture in row-major order, or word pieces of a text, in the same space. ``mask (B, L)``:
    True where a token is real; tokens at False are padding and never read.
    """

    pooled: Tensor
    tokens: Tensor
    mask: Tensor

    def __getitem__(self, rows: Tensor | slice) -> Features:
        """The rows asked for; always a batch, so pass a slice or an index tensor."""
        return Features(self.pooled[rows], self.tokens[rows], self.mask[rows])

    def __len__(self) -> int:
        return int(self.pooled.shape[0])


class Encoder(nn.Module, ABC):
    """The interface of a family of encoders; a family is a class and a row in ``ENCODERS``.

    ``kind`` names the row. ``Options`` declares what a recipe may say under ``[encoder]``, and
    ``create`` gets nothing else. ``dim`` is the width D of the shared space. ``mean`` and ``std``
    are those its pixels are normalised with, unless ``channels`` says otherwise. Texts are cut to
    ``max_tokens`` pieces, start and end marks included; ``text_rules`` holds that number and how
    texts are padded, as it is written into a model folder. Export may quantise ``int8_operators``
    of the image graph, except the first ``int8_from`` of them. Their ranges hold
    ``int8_percentile`` percent of the activations seen in calibration; with 100 that is the
    extremes, for which the activations need not be kept in memory. Export folds batch norms into
    convolutions: in an ``nn.Sequential`` where one follows the other, elsewhere where a module's
    ``norm_of`` pairs them.
    """

    kind: ClassVar[str]
    Options: ClassVar[type[Table]]
    mean: ClassVar[Channels]
    std: ClassVar[Channels]
    int8_operators: ClassVar[tuple[str, ...]] = ("MatMul",)
    int8_from: ClassVar[int] = 0
    int8_percentile: ClassVar[float] = 100.0

    def __init__(self, dim: int, tokenizer: Tokenizer, text_rules: dict[str, Any]) -> None:
        """``tokenizer`` must cut and pad texts as ``text_rules`` says."""
        super().__init__()
        self.dim, self.tokenizer, self.text_rules = dim, tokenizer, text_rules

    @classmethod
    def channels(cls, settings: Mapping[str, Any]) -> tuple[Channels, Channels]:
        """Mean and std that pixels are normalised with, by the options of a recipe or by
        ``settings`` of a trained encoder. ModelError: a source that they name can't be read."""
        return cls.mean, cls.std

    @property
    def max_tokens(self) -> int:
        return int(self.text_rules["max_tokens"])

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """What ``load`` needs to build it again, as JSON has it."""

    @abstractmethod
    def images(self, pixels: Tensor) -> Features:
        """``pixels (B, 3, S, S)`` float32, normalised, to regions of the shared space."""

    def trunk_features(self, pixels: Tensor) -> Features:
        """Features of the picture tower's trunk: the part that is not trained where a stage trains
        ``heads``, and whose features are cached. In a family without a trunk, those of the whole
        tower."""
        return self.images(pixels)

    def project(self, seen: Features) -> Features:
        """``trunk_features`` to features of the shared space: ``images`` is one after the other."""
        return seen

    @property
    def trunk_dim(self) -> int:
        """Width of ``trunk_features``."""
        return self.dim

    @property
    def trunk_settings(self) -> dict[str, Any] | None:
        """What decides ``trunk_features`` beside the trunk's weights."""
        return None

    @abstractmethod
    def pieces(self, ids: Tensor, mask: Tensor) -> Features:
        """Features of tokenized texts, ``ids (B, T)`` and ``mask (B, T)``."""

    def texts(self, texts: list[str]) -> Features:
        """One row a text; an empty text is a text (its tokens are the end marks)."""
        return self.pieces(*self.tokenize(texts))

    def tokenize(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        """``ids (B, T)`` int64 and ``mask (B, T)`` bool, padded as the family wants it."""
        encodings = self.tokenizer.encode_batch(texts)
        device = next(self.parameters()).device
        ids = torch.tensor([e.ids for e in encodings], device=device)
        return ids, torch.tensor([e.attention_mask for e in encodings], device=device).bool()

    def save_tokenizer(self, folder: Path) -> None:
        """Write ``tokenizer.json``, which ``load`` reads beside the weights."""
        self.tokenizer.save(str(folder / "tokenizer.json"))

    @classmethod
    @abstractmethod
    def create(cls, options: dict[str, Any], texts: Iterable[str]) -> Self:
        """An encoder to be trained; ``texts`` are there for a tokenizer of its own."""

    @classmethod
    @abstractmethod
    def load(cls, settings: dict[str, Any], folder: Path) -> Self:
        """An encoder of these settings with the tokenizer of ``folder``, weights still random."""


def masked_mean(tokens: Tensor, mask: Tensor) -> Tensor:
    """Mean over the real tokens: ``(B, L, D), (B, L) -> (B, D)``. A row without any gives zeros."""
    weight = mask.to(tokens.dtype).unsqueeze(-1)
    return (tokens * weight).sum(1) / weight.sum(1).clamp_min(1.0)


def every_token(tokens: Tensor) -> Tensor:
    """A mask in which every token is real: ``(B, L, D) -> (B, L)``."""
    return torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)


def without_tokens(pooled: Tensor) -> Features:
    """Features of pictures whose regions nobody reads: ``pooled (n, F)``."""
    empty = pooled.new_zeros(len(pooled), 0, pooled.shape[1])
    return Features(pooled, empty, empty[..., 0].bool())


def unit(features: Tensor) -> Tensor:
    """Rows scaled to unit length, in float32: ``(B, D) -> (B, D)``."""
    return functional.normalize(features.float(), dim=-1)
