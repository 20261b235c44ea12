"""Cut-outs: where the thing is in a picture whose background is plain.

Most catalogues show things on white. Pixels near the border's colour that are connected to the
border are background; all others are the thing, white parts inside it included.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

TOLERANCE = 9
"""How far a channel of the background may be from the border's middle colour, of 255."""
PLAIN_BORDER = 0.7
"""Least share of the border that has its middle colour where a background is plain."""
LEAST, MOST = 0.06, 0.9
"""Least and largest share of the picture that a thing takes; beyond them the cut-out has failed."""
AT_ONCE = 64
VERSION = 1
"""Part of the cached file's name: raise it with every change of how a cut-out is made."""

Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]


def kept_cutouts(pictures: Bytes, path: Path) -> Bytes:
    """``(N, M, M)`` uint8, memory-mapped: ``cutouts`` of ``pictures (N, M, M, 3)``, kept beside
    ``path``, the file of the pictures, and written when first asked for."""
    kept = path.with_name(f"cutouts{VERSION}-{path.name}")
    if not kept.exists():
        half_done = kept.with_suffix(f".{os.getpid()}.part")
        array = np.lib.format.open_memmap(
            half_done, mode="w+", dtype=np.uint8, shape=pictures.shape[:3]
        )
        for start in range(0, len(pictures), AT_ONCE):
            array[start : start + AT_ONCE] = cutouts(pictures[start : start + AT_ONCE])
        array.flush()
        half_done.replace(kept)
    return np.load(kept, mmap_mode="r", allow_pickle=False)


def cutouts(pictures: Bytes) -> Bytes:
    """How much of each pixel is the thing: ``(B, H, W, 3)`` uint8 to ``(B, H, W)`` uint8.

    255 is the thing, 0 the background. The edge is softened and lies half a pixel inside the thing,
    so that no rim of the old background stays. A picture whose background is not plain is all 0:
    it has no cut-out.
    """
    pictures = np.ascontiguousarray(pictures)
    border = _border(pictures)
    colour = np.median(border, axis=1)
    plain = (_near(border, colour[:, None]).mean(1)) >= PLAIN_BORDER
    near = _near(pictures, colour[:, None, None])
    # Background is joined by paths three pixels wide, so it does not leak into a thing through a
    # thin gap.
    background = _grown(_joined_to_border(~_grown(~near)))
    background &= near
    thing: Flags = np.logical_not(background)
    share = thing.mean(axis=(1, 2))
    usable = plain & (share >= LEAST) & (share <= MOST)
    soft = np.clip(2 * _mean_of_nine(thing) - 1, 0, 1) * usable[:, None, None]
    return np.rint(soft * 255).astype(np.uint8)


def _border(pictures: Bytes) -> Bytes:
    """The pixels of the four edges: ``(B, n, 3)``."""
    edges = (pictures[:, 0], pictures[:, -1], pictures[:, :, 0], pictures[:, :, -1])
    return np.concatenate(edges, axis=1)


def _near(pixels: Bytes, colour: npt.NDArray[np.float64]) -> Flags:
    near: Flags = np.all(np.abs(pixels.astype(np.float32) - colour) <= TOLERANCE, axis=-1)
    return near


def _joined_to_border(free: Flags) -> Flags:
    """The ``free (B, H, W)`` pixels that are connected to the border by free pixels."""
    reached = np.zeros_like(free)
    for edge in ((slice(None), 0), (slice(None), -1), (..., 0), (..., -1)):
        reached[edge] = free[edge]
    turned = free.swapaxes(1, 2)
    count = -1
    while (found := int(reached.sum())) > count:
        count = found
        reached = _along_rows(free, reached)
        reached = _along_rows(turned, reached.swapaxes(1, 2)).swapaxes(1, 2)
    return reached


def _along_rows(free: Flags, reached: Flags) -> Flags:
    """Extend ``reached`` to the whole of each run of free pixels in a row that it touches."""
    walls = ~free
    walls[..., 0] |= True  # a run ends with its row
    run = np.cumsum(walls.ravel())
    hit = np.zeros(int(run[-1]) + 1, dtype=bool)
    hit[run[(reached & free).ravel()]] = True
    filled: Flags = hit[run].reshape(free.shape) & free
    return filled


def _neighbours(values: npt.NDArray[np.generic]) -> Iterator[npt.NDArray[np.generic]]:
    """The pictures shifted by -1, 0 and 1 pixels in x and y (nine in all), edges repeated."""
    height, width = values.shape[1:]
    wide = np.pad(values, ((0, 0), (1, 1), (1, 1)), mode="edge")
    for down in range(3):
        for across in range(3):
            yield wide[:, down : down + height, across : across + width]


def _grown(flags: Flags) -> Flags:
    grown = np.zeros_like(flags)
    for each in _neighbours(flags):
        grown |= each.astype(bool)
    return grown


def _mean_of_nine(flags: Flags) -> npt.NDArray[np.float32]:
    total = np.zeros(flags.shape, dtype=np.float32)
    for each in _neighbours(flags):
        total += each.astype(np.float32)
    total /= 9
    return total
