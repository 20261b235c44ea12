"""Training pictures, decoded once into a memory-mapped array.

A GPU with enough memory holds them all as bytes: otherwise it would wait for every batch to be read
from the array on disk.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from samebut.errors import PictureError
from samebut.loader import Loaded, PictureFile, load_pictures
from samebut.preprocess import Preprocess

COPIED_AT_ONCE = 4096


def decode_all(
    files: Sequence[Path], preprocess: Preprocess, folder: Path
) -> npt.NDArray[np.uint8]:
    """``(N, S, S, 3)`` uint8: every file through ``preprocess.crop``, kept in ``folder``.

    A second call with the same files, unchanged, and the same preprocessing maps the array that
    the first one wrote. PictureError if a picture can't be opened: training does not silently
    leave out a part of the data.
    """
    path = decoded_path(files, preprocess, folder)
    if not path.exists():
        _write(files, preprocess, path)
    return np.load(path, mmap_mode="r", allow_pickle=False)


def decoded_path(files: Sequence[Path], preprocess: Preprocess, folder: Path) -> Path:
    """Where ``decode_all`` keeps these files: the name changes when one of them does."""
    key = json.dumps(
        [preprocess.as_dict(), [(str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in files]]
    )
    return folder / f"pictures-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npy"


def _write(files: Sequence[Path], preprocess: Preprocess, path: Path) -> None:
    size = preprocess.size
    path.parent.mkdir(parents=True, exist_ok=True)
    half_done = path.with_suffix(f".{os.getpid()}.part")
    array = np.lib.format.open_memmap(
        half_done, mode="w+", dtype=np.uint8, shape=(len(files), size, size, 3)
    )
    for row, pixels in enumerate(decoded(files, preprocess)):
        array[row] = pixels
    array.flush()
    half_done.replace(path)


def decoded(files: Iterable[Path], preprocess: Preprocess) -> Iterator[npt.NDArray[np.uint8]]:
    """Each file through ``preprocess.crop``: ``(S, S, 3)``. PictureError names one that can't be
    opened."""
    sources = (PictureFile(file, str(file)) for file in files)
    shorter_side = preprocess.wanted_shorter_side
    for each in load_pictures(sources, preprocess.crop, shorter_side=shorter_side):
        if not isinstance(each, Loaded):
            raise PictureError(
                each.source.path,
                getattr(each, "reason", "can't be used"),
                hint="Replace the picture, or remove it from the data folder's tables.",
            )
        yield np.asarray(each.content)


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
        """Free the copies on devices; the next call of ``pixels`` copies the pictures again."""
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
    return (pixels - channels(preprocess.mean, pixels)) / channels(preprocess.std, pixels)


def channels(values: Sequence[float], like: Tensor) -> Tensor:
    """A value for each channel, to compute with pixels: ``(1, 3, 1, 1)``."""
    return torch.tensor(values).to(like.device).view(1, 3, 1, 1)
