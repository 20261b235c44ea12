"""Training pictures, decoded once into a memory-mapped array, and varied anew at every look.

On a GPU with room for them they lie there, as bytes: taken from the disk's array for every batch,
they would be what it waits for.
"""

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

COPIED_AT_ONCE = 4096


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


class Pictures:
    """Decoded pictures, ``(N, M, M, 3)`` uint8 in ``array``."""

    def __init__(self, array: npt.NDArray[np.uint8]) -> None:
        self.array = array
        self._held: dict[torch.device, Tensor] = {}

    def pixels(self, rows: Tensor, preprocess: Preprocess, device: torch.device) -> Tensor:
        """Pictures ``rows (B,)`` as an encoder on ``device`` reads them: ``(B, 3, M, M)``."""
        if device not in self._held and self.array.nbytes <= room_for_pictures(device):
            self._held[device] = self._copied(device)
        if device in self._held:
            return to_pixels(self._held[device][rows.to(device)], preprocess)
        return to_pixels(self.array[rows.numpy()], preprocess, device)

    def release(self) -> None:
        """Give devices their memory back; who asks for pixels again has them copied again."""
        self._held.clear()

    def _copied(self, device: torch.device) -> Tensor:
        held = torch.empty(self.array.shape, dtype=torch.uint8, device=device)
        for start in range(0, len(held), COPIED_AT_ONCE):
            part = slice(start, start + COPIED_AT_ONCE)
            held[part] = torch.from_numpy(np.array(self.array[part])).to(device)
        return held


def room_for_pictures(device: torch.device) -> int:
    """How many bytes of pictures a device should hold: half of what a GPU has left."""
    return torch.cuda.mem_get_info(device)[0] // 2 if device.type == "cuda" else 0


def to_pixels(
    pictures: npt.NDArray[np.uint8] | Tensor,
    preprocess: Preprocess,
    device: torch.device | None = None,
) -> Tensor:
    """``(B, S, S, 3)`` uint8 to the normalised ``(B, 3, S, S)`` an encoder reads, on ``device``
    (None: where they are)."""
    held = pictures if isinstance(pictures, Tensor) else torch.from_numpy(np.array(pictures))
    pixels = held.to(device).permute(0, 3, 1, 2).float() / 255
    return (pixels - _channels(preprocess.mean, pixels)) / _channels(preprocess.std, pixels)


def _channels(values: Sequence[float], like: Tensor) -> Tensor:
    """A value for each channel, to compute with pixels: ``(1, 3, 1, 1)``."""
    return torch.tensor(values).to(like.device).view(1, 3, 1, 1)


def vary(pixels: Tensor, preprocess: Preprocess, augment: Augment) -> Tensor:
    """A random view of each picture: part of it, tilted, brighter or darker, in flat or hard light,
    perhaps mirrored.

    ``(B, 3, M, M) -> (B, 3, S, S)``, S the size of ``preprocess``, by whose rules the pixels are
    normalised. Colours keep their hue: they are what queries ask for. Chance is drawn on the
    processor, so it is the same on every device.
    """
    count, size, device = pixels.shape[0], preprocess.size, pixels.device
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
    theta = theta.to(device)
    grid = functional.affine_grid(theta, [count, 3, size, size], align_corners=False)
    view = functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)
    if augment.exposure:
        view = _expose(view, preprocess, augment.exposure)
    light = torch.empty(count, 1, 1, 1).uniform_(1 - augment.light, 1 + augment.light)
    view = view * light.to(device)
    return _erase(view, augment.erase) if augment.erase else view


def _expose(views: Tensor, preprocess: Preprocess, most: float) -> Tensor:
    """Each view up to ``1 + most`` times as bright or as dark; what is too bright is white."""
    mean, std = _channels(preprocess.mean, views), _channels(preprocess.std, views)
    black, white = -mean / std, (1 - mean) / std
    turn = torch.empty(len(views), 1, 1, 1).uniform_(-1, 1) * math.log1p(most)
    times = turn.exp().to(views.device)
    return torch.minimum((views - black) * times + black, white)


def _erase(views: Tensor, chance: float) -> Tensor:
    """Hide a rectangle, up to half of each side, of this share of the views (Zhong et al. 2020).

    What is hidden becomes mid grey, which is zero; so no single part is all that tells a thing.
    """
    count, _, height, width = views.shape
    device = views.device
    hidden = torch.rand(count) < chance
    middle, half = torch.rand(2, count, 1), torch.empty(2, count, 1).uniform_(0.05, 0.25)
    middle, half, hidden = (each.to(device) for each in (middle, half, hidden))
    down = ((torch.arange(height, device=device) + 0.5) / height - middle[0]).abs() < half[0]
    across = ((torch.arange(width, device=device) + 0.5) / width - middle[1]).abs() < half[1]
    hole = down[:, :, None] & across[:, None, :] & hidden[:, None, None]
    return views.masked_fill(hole[:, None], 0.0)
