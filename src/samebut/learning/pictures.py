"""Training pictures, decoded once into a memory-mapped array, and varied anew at every look."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from samebut.images import open_picture
from samebut.learning.recipe import Augment
from samebut.preprocess import Preprocess


def decode_all(
    files: Sequence[Path], preprocess: Preprocess, folder: Path
) -> npt.NDArray[np.uint8]:
    """``(N, S, S, 3)`` uint8: every file through ``preprocess.crop``, kept in ``folder``.

    A second call with the same files, unchanged, and the same preprocessing maps the array that
    the first one wrote. A picture that can't be opened raises PictureError: training on a part
    of the data is not what was asked for.
    """
    key = json.dumps(
        [preprocess.as_dict(), [(str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in files]]
    )
    path = folder / f"pictures-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npy"
    if not path.exists():
        _write(files, preprocess, path)
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _write(files: Sequence[Path], preprocess: Preprocess, path: Path) -> None:
    size = preprocess.size
    path.parent.mkdir(parents=True, exist_ok=True)
    half_done = path.with_suffix(f".{os.getpid()}.part")
    array = np.lib.format.open_memmap(
        half_done, mode="w+", dtype=np.uint8, shape=(len(files), size, size, 3)
    )

    def decode(row: int) -> None:
        array[row] = np.asarray(
            preprocess.crop(open_picture(files[row], shorter_side=preprocess.wanted_shorter_side))
        )

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as threads:
        for _ in threads.map(decode, range(len(files))):
            pass
    array.flush()
    half_done.rename(path)


def to_pixels(pictures: npt.NDArray[np.uint8], preprocess: Preprocess) -> Tensor:
    """``(B, S, S, 3)`` uint8 to the normalised ``(B, 3, S, S)`` an encoder reads."""
    pixels = torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (preprocess.mean, preprocess.std))
    return (pixels - mean) / std


def vary(pixels: Tensor, size: int, augment: Augment) -> Tensor:
    """A random view of each picture: part of it, tilted, in flat or hard light, perhaps mirrored.

    ``(B, 3, M, M) -> (B, 3, size, size)``. Colours keep their hue: they are what queries ask for.
    """
    count = pixels.shape[0]
    scale = torch.empty(count, 2).uniform_(math.sqrt(augment.crop), 1.0 + augment.out)
    centre = (torch.rand(count, 2) * 2 - 1) * (1 - scale).abs()
    angle = torch.empty(count).uniform_(-1, 1) * math.radians(augment.tilt)
    mirror = torch.where(torch.rand(count) < augment.mirror, -1.0, 1.0)
    cos, sin = angle.cos(), angle.sin()
    theta = torch.stack(
        (
            torch.stack((cos * scale[:, 0] * mirror, -sin * scale[:, 1], centre[:, 0]), 1),
            torch.stack((sin * scale[:, 0] * mirror, cos * scale[:, 1], centre[:, 1]), 1),
        ),
        1,
    )
    grid = functional.affine_grid(theta, [count, 3, size, size], align_corners=False)
    view = functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)
    light = torch.empty(count, 1, 1, 1).uniform_(1 - augment.light, 1 + augment.light)
    return _erase(view * light, augment.erase) if augment.erase else view * light


def _erase(views: Tensor, chance: float) -> Tensor:
    """Hide a rectangle, up to half of each side, of this share of the views (Zhong et al. 2020).

    What is hidden becomes mid grey, which is zero; so no single part is all that tells a thing.
    """
    count, _, height, width = views.shape
    hidden = torch.rand(count) < chance
    middle, half = torch.rand(2, count, 1), torch.empty(2, count, 1).uniform_(0.05, 0.25)
    down = ((torch.arange(height) + 0.5) / height - middle[0]).abs() < half[0]
    across = ((torch.arange(width) + 0.5) / width - middle[1]).abs() < half[1]
    hole = down[:, :, None] & across[:, None, :] & hidden[:, None, None]
    return views.masked_fill(hole[:, None], 0.0)
