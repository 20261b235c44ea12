"""FiLM, feature-wise linear modulation (Perez et al., AAAI 2018, arXiv 1709.07871), as CIR uses it.

    gamma_k, beta_k = halves of the k-th part of W t
    block k:  r = relu(1x1 conv(x))      x = r + relu(gamma_k * norm(3x3 conv(r)) + beta_k)
    q = Wq mean over regions(x)

``x`` starts as the grid of region features. The residual blocks are those that RTIC (Shin et al.
2021) compares with; its 1x1 convolution pads by one, which we take for a mistake and leave out.
``Wq`` is our addition: a mean over outputs of ReLU is never negative, and features of the shared
space can be.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from samebut.errors import ModelError
from samebut.learning.encoders.base import Features, masked_mean
from samebut.learning.fusion.base import Fusion, real_tokens


class FilmBlock(nn.Module):
    """One residual block whose normalised maps the text scales and shifts."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.mix = nn.Linear(dim, dim)  # the 1x1 convolution
        self.conv = nn.Conv2d(dim, dim, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(dim, affine=False)

    def forward(self, regions: Tensor, mask: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """``regions (B, P, D), mask (B, P), scale and shift (B, D) -> (B, P, D)``."""
        mixed = torch.relu(self.mix(regions)) * mask.unsqueeze(-1)
        grid = mixed.transpose(1, 2).unflatten(2, (side_of(regions.shape[1]), -1))
        modulated = self.norm(self.conv(grid)).flatten(2).transpose(1, 2)
        return mixed + torch.relu(scale.unsqueeze(1) * modulated + shift.unsqueeze(1))


def side_of(regions: int) -> int:
    """The side of a square grid. ModelError if ``regions`` is not a square number."""
    side = math.isqrt(regions)
    if side * side != regions:
        raise ModelError(
            f"{regions} regions are not a square grid, which FiLM's 3x3 convolutions need",
            hint="Use an encoder that gives a square grid of regions without a class token.",
        )
    return side


class Film(Fusion):
    """The text scales and shifts the maps of the picture; ``blocks`` times."""

    reads_tokens = True

    def __init__(self, dim: int, blocks: int = 1) -> None:
        super().__init__()
        self.modulation = nn.Linear(dim, 2 * dim * blocks)
        self.blocks = nn.ModuleList(FilmBlock(dim) for _ in range(blocks))
        self.project = nn.Linear(dim, dim)

    def forward(self, image: Features, text: Features) -> Tensor:
        parts = self.modulation(text.pooled).chunk(2 * len(self.blocks), dim=-1)
        regions = real_tokens(image)
        for block, scale, shift in zip(self.blocks, parts[::2], parts[1::2], strict=True):
            regions = block(regions, image.mask, scale, shift)
        return self.project(masked_mean(regions, image.mask))
