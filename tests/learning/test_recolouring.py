"""learning/data/recolouring.py: a thing in another colour."""

from __future__ import annotations

import numpy as np
import pytest

from samebut.language.palette import COLOURS, DRAWN
from samebut.learning.data.recolouring import oklab, recoloured


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("old", [(250, 250, 250), (20, 20, 20), (200, 40, 40)])
def test_the_thing_has_the_colour_and_nothing_else_changes(
    name: str, old: tuple[int, int, int]
) -> None:
    picture = np.full((20, 20, 3), 240, dtype=np.uint8)
    picture[5:15, 5:15] = old
    opacity = np.zeros((20, 20), dtype=np.uint8)
    opacity[5:15, 5:15] = 255
    found = recoloured(picture, opacity, COLOURS[name].rgb)
    assert np.array_equal(found[opacity == 0], picture[opacity == 0])
    shades = {each: np.array([*bytes.fromhex(COLOURS[each].rgb)], np.uint8) for each in DRAWN}
    seen = oklab(found[10, 10])
    assert min(shades, key=lambda each: np.linalg.norm(oklab(shades[each]) - seen)) == name


def test_shading_stays() -> None:
    picture = np.full((10, 10, 3), 120, dtype=np.uint8)
    picture[:3] = 60
    found = recoloured(picture, np.full((10, 10), 255, np.uint8), COLOURS["blue"].rgb)
    assert oklab(found[0, 0])[0] < oklab(found[9, 9])[0] - 0.1
