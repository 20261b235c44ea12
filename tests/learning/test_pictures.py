"""learning/data/pictures.py: decoded pictures, and where they lie."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from samebut.learning.data import pictures
from samebut.learning.data.pictures import Pictures, to_pixels
from samebut.preprocess import Preprocess

CPU = torch.device("cpu")


def sized(size: int) -> Preprocess:
    return Preprocess(size=size, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


@pytest.mark.parametrize("room", [0, 10**9])
def test_pictures_are_the_same_wherever_they_lie(
    monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    monkeypatch.setattr(pictures, "room_for_pictures", lambda device: room)
    monkeypatch.setattr(pictures, "COPIED_AT_ONCE", 3)  # several copies, the last one not whole
    array = np.random.default_rng(0).integers(0, 256, (10, 6, 6, 3), dtype=np.uint8)
    array.setflags(write=False)  # as it is when mapped from a file
    held, rows = Pictures(array), torch.tensor([9, 0, 4, 9])
    seen = held.pixels(rows, sized(6), CPU)
    torch.testing.assert_close(seen, to_pixels(array[rows.numpy()], sized(6)))
    torch.testing.assert_close(seen, held.pixels(rows, sized(6), CPU))
    assert (held.array.nbytes <= room) == bool(held._held)
