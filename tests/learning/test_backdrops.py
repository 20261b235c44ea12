"""learning/data/backdrops.py: things before the backgrounds of photos."""

from __future__ import annotations

from pathlib import Path

import torch

from samebut.learning.data.augment import Augment, vary
from samebut.learning.data.backdrops import (
    LARGEST,
    MOST_BACKDROPS,
    SMALLEST,
    Scenes,
    chosen_backdrops,
    on_backdrops,
)
from samebut.preprocess import Preprocess

COUNT, SIDE = 40, 32
THING, GROUND, WHITE = 2.0, -1.0, 1.0


def drawn() -> tuple[torch.Tensor, Scenes]:
    """Squares on white, and photos of one colour whose middle is of another."""
    pixels = torch.full((COUNT, 3, SIDE, SIDE), WHITE)
    pixels[:, :, 8:24, 8:24] = THING
    masks = torch.zeros(COUNT, SIDE, SIDE, dtype=torch.uint8)
    masks[:, 8:24, 8:24] = 255
    photos = torch.full((3, 3, SIDE, SIDE), GROUND)
    photos[:, :, 15:17, 15:17] = 9.0
    return pixels, Scenes(masks, photos)


def test_the_thing_keeps_its_colour_and_the_white_goes() -> None:
    torch.manual_seed(0)
    pixels, scenes = drawn()
    views = on_backdrops(pixels, scenes, 1.0)
    assert views.shape == pixels.shape
    assert views.min() >= GROUND - 1e-4
    assert views.max() <= THING + 1e-4, "the photo's middle is never seen"
    things = (views[:, 0] > 1.99).float().mean((1, 2))
    assert things.min() > 0.25 * SMALLEST**2 * 0.6
    assert things.max() <= 0.25 * LARGEST**2 + 0.01
    grounds = (views[:, 0] < GROUND + 1e-3).float().mean((1, 2))
    assert (things + grounds > 0.8).all(), "between them is only a soft edge"


def test_pictures_without_a_cut_out_stay_as_they_are() -> None:
    torch.manual_seed(0)
    pixels, scenes = drawn()
    scenes.cutouts[::2] = 0
    views = on_backdrops(pixels, scenes, 1.0)
    changed = (views != pixels).flatten(1).any(1)
    assert changed.tolist() == [False, True] * (COUNT // 2)


def test_as_many_as_asked_for_and_the_same_from_the_same_seed() -> None:
    pixels, scenes = drawn()
    seen = []
    for _ in range(2):
        torch.manual_seed(3)
        seen.append(on_backdrops(pixels, scenes, 0.4))
    assert torch.equal(*seen)
    share = (seen[0] != pixels).flatten(1).any(1).float().mean()
    assert 0.2 < share < 0.6
    assert not torch.equal(on_backdrops(pixels, scenes, 0.4), seen[0])


def test_vary_sets_things_before_backdrops_if_it_is_given_scenes() -> None:
    pixels, scenes = drawn()
    augment = Augment(
        crop=1.0, rotation=0.0, contrast=0.0, backdrops=1.0, backdrop_folders=("phone",)
    )
    preprocess = Preprocess(size=SIDE, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    torch.manual_seed(0)
    assert (vary(pixels, preprocess, augment, scenes) < 0).flatten(1).any(1).all()
    assert not (vary(pixels, preprocess, augment) < 0).any()


def test_backdrops_are_spread_over_the_folders() -> None:
    files = [Path(f"{number}.jpg") for number in range(3 * MOST_BACKDROPS)]
    chosen = chosen_backdrops(files)
    assert len(chosen) == MOST_BACKDROPS
    assert chosen[:2] == (files[0], files[3])
    assert chosen_backdrops(files[:5]) == tuple(files[:5])
