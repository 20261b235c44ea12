"""Augmentation: how pictures and texts vary at every look."""

from __future__ import annotations

import math
from typing import Self

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional

from samebut.learning.data.backdrops import Scenes, on_backdrops
from samebut.learning.data.pictures import channels
from samebut.learning.tables import Contradiction, Table
from samebut.preprocess import Preprocess


class Augment(Table):
    """``[augment]``: the first nine keys are of pictures, the last three of texts."""

    crop: float = Field(0.7, gt=0, le=1)
    """Least share of the picture's area that a view shows."""
    zoom_out: float = Field(0.0, ge=0)
    """A view may be up to this share wider than the picture, whose edge colours continue there."""
    rotation: float = Field(8.0, ge=0, le=180)
    """Degrees at most, either way."""
    contrast: float = Field(0.15, ge=0, lt=1)
    """Contrast rises or falls by this share at most."""
    brightness: float = Field(0.0, ge=0)
    """A view is up to 1 + this times as bright or as dark."""
    mirror: float = Field(0.5, ge=0, le=1)
    """Share of views that are mirrored; 0 where texts name left and right."""
    erasing: float = Field(0.0, ge=0, le=1)
    """Share of views with an erased rectangle (random erasing)."""
    backdrops: float = Field(0.0, ge=0, le=1)
    """Share of views in which the thing stands before a background out of `backdrop_folders`; only
    of pictures with a plain background."""
    backdrop_folders: tuple[str, ...] = ()
    """Data folders of photos whose borders are those backgrounds."""
    typos: float = Field(0.0, ge=0, le=1)
    """Share of texts with a typing error."""
    filler: float = Field(0.0, ge=0, le=1)
    """Share of texts with polite or other filler phrases around them."""
    made_up: float = Field(0.0, ge=0, le=1)
    """Share of texts with a made-up word in them, as a brand's name would stand there."""

    @model_validator(mode="after")
    def _backdrops_have_folders(self) -> Self:
        if bool(self.backdrops) != bool(self.backdrop_folders):
            raise Contradiction(
                "augment.backdrops and augment.backdrop_folders need each other, one is missing",
                hint='Set both, for example backdrops = 0.4 and backdrop_folders = ["phone"].',
                key=("backdrop_folders",) if self.backdrop_folders else ("backdrops",),
            )
        return self


def vary(
    pixels: Tensor, preprocess: Preprocess, augment: Augment, scenes: Scenes | None = None
) -> Tensor:
    """A random view of each picture: cropped, rotated, brighter or darker, of more or less
    contrast, perhaps mirrored, and where ``scenes`` are given perhaps before a backdrop.

    ``(B, 3, M, M) -> (B, 3, S, S)``, S the size of ``preprocess``, by whose rules the pixels are
    normalised. Hues stay as they are: queries ask for colours. Random numbers are drawn
    on the processor, so views are the same on every device.
    """
    if scenes and augment.backdrops:
        pixels = on_backdrops(pixels, scenes, augment.backdrops)
    count, size, device = pixels.shape[0], preprocess.size, pixels.device
    scale = torch.empty(count, 2).uniform_(math.sqrt(augment.crop), 1.0 + augment.zoom_out)
    centre = (torch.rand(count, 2) * 2 - 1) * (1 - scale).abs()
    angle = torch.empty(count).uniform_(-1, 1) * math.radians(augment.rotation)
    mirror = torch.where(torch.rand(count) < augment.mirror, -1.0, 1.0)
    cos, sin = angle.cos(), angle.sin()
    theta = torch.stack(
        (
            torch.stack((cos * scale[:, 0] * mirror, -sin * scale[:, 1], centre[:, 0]), 1),
            torch.stack((sin * scale[:, 0] * mirror, cos * scale[:, 1], centre[:, 1]), 1),
        ),
        1,
    )
    theta = theta.to(device)
    grid = functional.affine_grid(theta, [count, 3, size, size], align_corners=False)
    view = functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)
    if augment.brightness:
        view = _brightened(view, preprocess, augment.brightness)
    contrast = torch.empty(count, 1, 1, 1).uniform_(1 - augment.contrast, 1 + augment.contrast)
    view = view * contrast.to(device)
    return _erased(view, augment.erasing) if augment.erasing else view


def _brightened(views: Tensor, preprocess: Preprocess, most: float) -> Tensor:
    """Each view up to ``1 + most`` times as bright or as dark; brighter than white is white."""
    mean, std = channels(preprocess.mean, views), channels(preprocess.std, views)
    black, white = -mean / std, (1 - mean) / std
    stops = torch.empty(len(views), 1, 1, 1).uniform_(-1, 1) * math.log1p(most)
    times = stops.exp().to(views.device)
    return torch.minimum((views - black) * times + black, white)


def _erased(views: Tensor, chance: float) -> Tensor:
    """Random erasing (Zhong et al., AAAI 2020): a rectangle of up to half of each side becomes mid
    grey in this share of the views, so that the model can't rely on one part alone."""
    count, _, height, width = views.shape
    device = views.device
    hidden = torch.rand(count) < chance
    middle, half = torch.rand(2, count, 1), torch.empty(2, count, 1).uniform_(0.05, 0.25)
    middle, half, hidden = (each.to(device) for each in (middle, half, hidden))
    down = ((torch.arange(height, device=device) + 0.5) / height - middle[0]).abs() < half[0]
    across = ((torch.arange(width, device=device) + 0.5) / width - middle[1]).abs() < half[1]
    hole = down[:, :, None] & across[:, None, :] & hidden[:, None, None]
    return views.masked_fill(hole[:, None], 0.0)
