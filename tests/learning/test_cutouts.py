"""learning/data/cutouts.py: the thing of a picture with a plain background."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from samebut.learning.data.cutouts import cutouts, kept_cutouts

SIDE = 48


def distance() -> npt.NDArray[np.float64]:
    """From the picture's middle, in pixels."""
    down, across = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    return np.hypot(down, across)


def disc(ground: int = 250, thing: int = 90) -> npt.NDArray[np.uint8]:
    picture = np.full((SIDE, SIDE, 3), ground, dtype=np.uint8)
    picture[distance() < 14] = thing
    return picture


def test_a_disc_on_white_is_cut_out_along_its_edge() -> None:
    found = cutouts(disc()[None])[0]
    assert (found[distance() < 12] == 255).all()
    assert (found[distance() > 14] == 0).all()
    assert ((found > 0) & (found < 255)).any(), "the edge is soft"


@pytest.mark.parametrize("ground", [250, 120, 30])
def test_any_plain_ground_will_do_with_the_noise_of_a_jpeg(ground: int) -> None:
    noise = np.random.default_rng(0).integers(-3, 4, (SIDE, SIDE, 3))
    picture = (disc(ground, 200 if ground < 200 else 60) + noise).astype(np.uint8)
    found = cutouts(picture[None])[0]
    assert (found[distance() < 12] == 255).all()
    assert (found[distance() > 15] == 0).all()


def test_white_inside_the_thing_is_of_the_thing() -> None:
    picture = disc()
    picture[distance() < 8] = 250
    assert (cutouts(picture[None])[0][distance() < 12] == 255).all()


def test_the_background_does_not_leak_through_a_thin_gap() -> None:
    picture = disc()
    picture[distance() < 8] = 250
    picture[SIDE // 2, SIDE // 2 :] = 250
    assert (cutouts(picture[None])[0][distance() < 7] == 255).all()


def test_no_cut_out_without_a_plain_background_or_a_thing() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    empty = np.full((SIDE, SIDE, 3), 255, dtype=np.uint8)
    found = cutouts(np.stack([noise, empty, disc()]))
    assert not found[0].any()
    assert not found[1].any()
    assert found[2].any(), "its neighbours change nothing"


def test_cutouts_are_written_once_beside_their_pictures(tmp_path: Path) -> None:
    pictures = np.stack([disc(), disc(thing=10)])
    path = tmp_path / "pictures-0.npy"
    first = kept_cutouts(pictures, path)
    assert np.array_equal(first, cutouts(pictures))
    again = kept_cutouts(np.zeros_like(pictures), path)
    assert np.array_equal(first, again), "read, not computed"
    assert [each.suffix for each in tmp_path.iterdir()] == [".npy"]
