"""learning/data/augment.py: views of pictures and what varies in them."""

from __future__ import annotations

import numpy as np
import torch

from samebut.learning.data.augment import Augment, vary
from samebut.learning.data.pictures import to_pixels
from samebut.preprocess import Preprocess

STILL = Augment(crop=1.0, rotation=0.0, contrast=0.0, erasing=1.0)


def sized(size: int) -> Preprocess:
    return Preprocess(size=size, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


def test_a_rectangle_is_hidden_and_the_rest_is_as_it_was() -> None:
    torch.manual_seed(1)
    pixels = torch.full((64, 3, 24, 24), 1.5)
    views = vary(pixels, sized(24), STILL)
    hidden = views[:, 0] == 0
    assert torch.equal(hidden, views[:, 2] == 0)
    torch.testing.assert_close(
        views[~hidden.unsqueeze(1).expand_as(views)].unique().mean(), torch.tensor(1.5)
    )
    share = hidden.float().mean((1, 2))
    assert 0 < share.max() <= 0.25 + 2 / 24
    for view in hidden:
        down, across = view.any(1), view.any(0)
        assert torch.equal(view, down[:, None] & across[None, :])


def test_as_many_as_asked_for() -> None:
    torch.manual_seed(0)
    pixels = torch.ones(400, 3, 16, 16)
    some = Augment(crop=1.0, rotation=0.0, contrast=0.0, erasing=0.25)
    holed = (vary(pixels, sized(16), some) == 0).flatten(1).any(1).float().mean()
    assert 0.15 < holed < 0.35


def test_left_stays_left_where_texts_name_it() -> None:
    torch.manual_seed(0)
    pixels = torch.zeros(200, 3, 16, 16)
    pixels[..., :8] = 1.0
    for share in (0.0, 0.5, 1.0):
        plain = Augment(crop=1.0, rotation=0.0, contrast=0.0, mirror=share)
        mirrored = (vary(pixels, sized(16), plain)[:, 0, 0, 0] < 0.5).float().mean()
        assert abs(mirrored - share) < 0.1 * (0 < share < 1) + 1e-6


def test_a_picture_is_seen_from_further_off_and_its_edge_goes_on() -> None:
    torch.manual_seed(0)
    pixels = torch.zeros(300, 3, 16, 16)
    pixels[..., 4:12, 4:12] = 1.0
    plain = Augment(crop=1.0, rotation=0.0, contrast=0.0)
    still, further = (
        vary(pixels, sized(16), plain),
        vary(pixels, sized(16), plain.model_copy(update={"zoom_out": 0.5})),
    )
    shown = further.mean((1, 2, 3)) / still.mean((1, 2, 3))
    assert still.mean((1, 2, 3)).max() - still.mean((1, 2, 3)).min() < 1e-6
    assert 0.4 < shown.min() < 0.55 and 0.9 < shown.max() < 1.01  # nothing of it is cut away
    assert further[:, :, 0].max() == 0.0  # what surrounds it is its edge


def test_views_keep_their_colours() -> None:
    torch.manual_seed(0)
    pixels = torch.ones(16, 3, 40, 40) * torch.tensor([1.0, 0.5, 0.25]).view(1, 3, 1, 1)
    views = vary(pixels, sized(32), Augment(crop=0.5, rotation=20.0, contrast=0.3))
    assert views.shape == (16, 3, 32, 32)
    ratios = views / views[:, :1]
    torch.testing.assert_close(ratios[:, 1], torch.full((16, 32, 32), 0.5))
    assert views.amin() >= 0.25 * 0.69
    still = vary(pixels[:, :, :32, :32], sized(32), Augment(crop=1.0, rotation=0.0, contrast=0.0))
    torch.testing.assert_close(still, pixels[:, :, :32, :32])


def test_brighter_and_darker_from_black_on() -> None:
    """A grey of 0.4 between 0 and 1 becomes 0.2 to 0.8; black stays black, what passes white is."""
    torch.manual_seed(0)
    bright = Augment(crop=1.0, rotation=0.0, contrast=0.0, brightness=1.0)
    shades = np.zeros((300, 8, 8, 3), np.uint8)
    shades[:, :, :4], shades[:, 0, 0] = 102, 230
    views = vary(to_pixels(shades, sized(8)), sized(8), bright) * 0.25 + 0.5
    grey = torch.maximum(views[:, 0, 4, 1], views[:, 0, 4, 6])  # perhaps mirrored
    black = torch.minimum(views[:, 0, 4, 1], views[:, 0, 4, 6])
    assert 0.19 < grey.min() < 0.22 and 0.75 < grey.max() < 0.81
    assert abs(float(grey.log().mean()) - np.log(0.4)) < 0.1  # as often brighter as darker
    torch.testing.assert_close(black, torch.zeros(300))
    assert views.max() == 1.0
