"""learning/pictures.py: holes in views, mirrors. How views keep their colours: test_train.py."""

from __future__ import annotations

from dataclasses import replace

import torch

from samebut.learning.pictures import vary
from samebut.learning.recipe import Augment

STILL = Augment(crop=1.0, tilt=0.0, light=0.0, erase=1.0)


def test_a_rectangle_is_hidden_and_the_rest_is_as_it_was() -> None:
    torch.manual_seed(1)
    pixels = torch.full((64, 3, 24, 24), 1.5)
    views = vary(pixels, 24, STILL)
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
    some = Augment(crop=1.0, tilt=0.0, light=0.0, erase=0.25)
    holed = (vary(pixels, 16, some) == 0).flatten(1).any(1).float().mean()
    assert 0.15 < holed < 0.35


def test_left_stays_left_where_texts_name_it() -> None:
    torch.manual_seed(0)
    pixels = torch.zeros(200, 3, 16, 16)
    pixels[..., :8] = 1.0
    for share in (0.0, 0.5, 1.0):
        plain = Augment(crop=1.0, tilt=0.0, light=0.0, mirror=share)
        mirrored = (vary(pixels, 16, plain)[:, 0, 0, 0] < 0.5).float().mean()
        assert abs(mirrored - share) < 0.1 * (0 < share < 1) + 1e-6


def test_a_picture_is_seen_from_further_off_and_its_edge_goes_on() -> None:
    torch.manual_seed(0)
    pixels = torch.zeros(300, 3, 16, 16)
    pixels[..., 4:12, 4:12] = 1.0
    plain = Augment(crop=1.0, tilt=0.0, light=0.0)
    still, further = vary(pixels, 16, plain), vary(pixels, 16, replace(plain, out=0.5))
    shown = further.mean((1, 2, 3)) / still.mean((1, 2, 3))
    assert still.mean((1, 2, 3)).max() - still.mean((1, 2, 3)).min() < 1e-6
    assert 0.4 < shown.min() < 0.55 and 0.9 < shown.max() < 1.01  # nothing of it is cut away
    assert further[:, :, 0].max() == 0.0  # what surrounds it is its edge
