"""The small encoder: a residual CNN for pictures, a short transformer for texts.

Convolutions, because the data is small: a vision transformer of the same size learned next to
nothing in the same time (docs/experiments/samebut-small.md). Both towers project their tokens into
the shared space and pool by the mean, so a pooled feature is the mean of region or word features of
its own space.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from samebut.learning.encoders.base import Features, every_token
from samebut.learning.encoders.text_tower import TextSizes, WithTextTower


class SmallConfig(TextSizes):
    """Sizes of the small encoder."""

    widths: tuple[int, ...] = (32, 64, 128, 256)
    """Channels of each stage of the image tower; each but the first halves the regions' grid."""
    blocks: tuple[int, ...] = (1, 1, 2, 2)
    """Residual blocks of each stage; as many numbers as `widths`."""


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


class SmallEncoder(WithTextTower):
    """A residual CNN for pictures, a short transformer for texts, and a tokenizer of its own.

    ``dim`` is the width D of the shared space.
    """

    kind = "small"
    Options = SmallConfig
    mean = (0.5, 0.5, 0.5)
    std = (0.25, 0.25, 0.25)
    int8_operators = ("Conv", "Relu")
    # The first convolution stays fp32: rounding its weights caused most of the loss of int8
    # (docs/experiments/samebut-small.md).
    int8_from = 1
    int8_percentile = 99.999  # a few activations are outliers (same page)

    def build_image_tower(self, config: SmallConfig) -> None:
        self.image_tower = ImageTower(config)

    def images(self, pixels: Tensor) -> Features:
        """``pixels (B, 3, S, S)`` float32, normalised; S a multiple of 16."""
        tokens = self.image_tower(pixels)
        return Features(tokens.mean(1), tokens, every_token(tokens))
