"""Things of catalogue pictures on the backgrounds of other photos, as a phone would show them.

The thing keeps its own colours: queries ask for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

MOST_BACKDROPS = 1000
"""Number of photos that are kept to take backgrounds from: more of them change little."""
SMALLEST, LARGEST = 0.5, 1.0
"""Side of the thing's picture as a share of the view's."""
STRIP = (0.25, 0.45)
"""Side of the piece of a photo, at its border, that becomes the background, as a share of it."""


@dataclass(frozen=True)
class Scenes:
    """What a batch needs to stand on backdrops: how much of each pixel is the thing,
    ``cutouts (B, M, M)`` uint8, all 0 for a picture that has no cut-out, and photos to take
    backgrounds from, ``photos (P, 3, M, M)``, normalised as the batch is."""

    cutouts: Tensor
    photos: Tensor


def chosen_backdrops(files: Sequence[Path]) -> tuple[Path, ...]:
    """At most MOST_BACKDROPS of the photos, spread evenly over them."""
    if len(files) <= MOST_BACKDROPS:
        return tuple(files)
    return tuple(files[number * len(files) // MOST_BACKDROPS] for number in range(MOST_BACKDROPS))


def on_backdrops(pixels: Tensor, scenes: Scenes, chance: float) -> Tensor:
    """This share of the pictures, scaled and moved, before a piece of a photo.

    ``(B, 3, M, M) -> (B, 3, M, M)``. Pictures without a cut-out stay as they are. Random numbers
    are drawn on the processor, so views are the same on every device.
    """
    count, device = len(pixels), pixels.device
    has_one = scenes.cutouts.flatten(1).any(1).cpu()
    rows = ((torch.rand(count) < chance) & has_one).nonzero().flatten()
    if not len(rows):
        return pixels
    which = torch.randint(len(scenes.photos), (len(rows),))
    ground = _piece_at_the_border(scenes.photos[which.to(device)])
    rows = rows.to(device)
    opacity = scenes.cutouts[rows].to(device)[:, None].float() / 255
    things = _moved(torch.cat((pixels[rows] * opacity, opacity), 1))
    # What lies outside the moved picture has opacity 0: the background is seen there.
    composed = things[:, :3] + ground * (1 - things[:, 3:])
    return pixels.index_copy(0, rows, composed)


def _moved(layers: Tensor) -> Tensor:
    """Each layer smaller, and anywhere that it is still seen whole: ``(R, 4, M, M)``."""
    count = len(layers)
    side = torch.empty(count, 1).uniform_(SMALLEST, LARGEST)
    shift = (torch.rand(count, 2) * 2 - 1) * (1 - side) / side
    return _seen(layers, (1 / side).expand(count, 2), shift, "zeros")


def _piece_at_the_border(photos: Tensor) -> Tensor:
    """A piece of each photo at one of its four borders, stretched over the whole: the middle,
    where the photo's own thing is, is left out."""
    count = len(photos)
    depth = torch.empty(count).uniform_(*STRIP)
    length = torch.empty(count).uniform_(STRIP[1], 1.0)
    across = (torch.rand(count) * 2 - 1) * (1 - length)
    end = torch.where(torch.rand(count) < 0.5, -1.0, 1.0) * (1 - depth)
    lies = (torch.rand(count) < 0.5)[:, None]
    scale = torch.where(lies, torch.stack((length, depth), 1), torch.stack((depth, length), 1))
    centre = torch.where(lies, torch.stack((across, end), 1), torch.stack((end, across), 1))
    return _seen(photos, scale, centre, "border")


def _seen(pictures: Tensor, scale: Tensor, centre: Tensor, outside: str) -> Tensor:
    """What a window sees: its half sides ``scale (R, 2)`` and ``centre (R, 2)``, in x and y of a
    picture that reaches from -1 to 1."""
    theta = torch.zeros(len(pictures), 2, 3)
    theta[:, 0, 0], theta[:, 1, 1], theta[:, :, 2] = scale[:, 0], scale[:, 1], centre
    grid = functional.affine_grid(theta.to(pictures.device), [*pictures.shape], align_corners=False)
    return functional.grid_sample(pictures, grid, padding_mode=outside, align_corners=False)
