"""A few kills of the indexer; ``kills.py`` beside this file does as many as you like."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from kills import compare

from conftest import draw_picture


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_killed_and_carried_on(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(150):
        colour = (number, 255 - number, number * 7 % 256)
        draw_picture(colour, "round", 96 + number).save(photos / f"{number:03}.png")
    (photos / "broken.png").write_bytes(b"no picture")
    tally, difference = compare(photos, kills=4, seed=1)
    assert tally.kills == 4
    assert difference < 1e-3
