"""Features of frozen encoders: encoded once, kept on disk, memory-mapped from then on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from samebut.images import picture_size
from samebut.learning import distributed
from samebut.learning.data.augment import Augment, vary
from samebut.learning.data.backdrops import Scenes
from samebut.learning.data.cutouts import cutouts
from samebut.learning.data.feature_folder import CachedFeatures, digest
from samebut.learning.data.feature_store import FeatureStore
from samebut.learning.data.pictures import decoded, to_pixels
from samebut.learning.encoders.base import Encoder, Features
from samebut.preprocess import Preprocess

PICTURES_AT_ONCE = 64
BACKDROPS_AT_ONCE = 16  # photos that the backgrounds of one part's views are cut from
TEXTS_AT_ONCE = 256


@dataclass(frozen=True)
class Views:
    """How the views of a picture after the first are made: pictures are decoded by ``preprocess``,
    which is larger than the input, and then augmented."""

    count: int = 1
    preprocess: Preprocess | None = None
    augment: Augment = field(default_factory=Augment)
    seed: int = 0
    backdrop_files: Sequence[Path] = ()
    bf16: bool = False
    """Whether to encode in bf16, as the stage does when it encodes at every step."""


def picture_features(
    encoder: Encoder,
    files: Sequence[Path],
    preprocess: Preprocess,
    folder: Path,
    *,
    tokens_of: Sequence[int] = (),
    views: Views | None = None,
) -> FeatureStore:
    """The trunk's features of every file; those that ``folder`` does not hold yet are encoded.

    ``tokens_of``: rows of ``files`` whose tokens are kept too. PictureError: a file is no
    picture; every one is looked at before the first is encoded. RecipeError: the disk is too small.
    """
    views = views or Views()
    kept = sorted(set(tokens_of))
    about = {
        "preprocess": preprocess.as_dict(),
        "files": digest([_identity(file) for file in files]),
        "tokens_of": digest(kept),
        "views": _described(views),
    }

    def encode(start: int, stop: int) -> list[Features]:
        return _encode_pictures(encoder, files[start:stop], preprocess, views, start)

    def probe() -> int:
        for file in files:
            picture_size(file)
        return regions_of(encoder, preprocess.size) if kept else 0

    count, most = len(files), PICTURES_AT_ONCE
    features = CachedFeatures(
        encoder, "pictures", count, about, encode, probe, most, kept, views.count
    )
    return features.open(folder)


def text_features(
    encoder: Encoder, texts: Sequence[str], folder: Path, *, tokens: bool = False
) -> FeatureStore:
    """Features of every text; those that ``folder`` does not hold yet are encoded."""
    kept = range(len(texts)) if tokens else ()
    about = {"texts": digest(list(texts)), "tokens": tokens}

    def encode(start: int, stop: int) -> list[Features]:
        with torch.inference_mode():
            return [encoder.texts(list(texts[start:stop]))]

    def probe() -> int:
        return _longest(encoder, texts) if tokens else 0

    most = TEXTS_AT_ONCE
    features = CachedFeatures(encoder, "texts", len(texts), about, encode, probe, most, kept)
    return features.open(folder)


@torch.inference_mode()
def regions_of(encoder: Encoder, size: int) -> int:
    """The number of tokens of a picture of this size."""
    blank = torch.zeros(1, 3, size, size, device=distributed.device_of(encoder))
    return int(encoder.trunk_features(blank).tokens.shape[1])


def _longest(encoder: Encoder, texts: Sequence[str]) -> int:
    """The length of the longest text, in tokens."""
    parts = (texts[i : i + TEXTS_AT_ONCE] for i in range(0, len(texts), TEXTS_AT_ONCE))
    real = (encoder.tokenize(list(part))[1].any(0).nonzero() for part in parts)
    return max((int(each.max()) + 1 for each in real if len(each)), default=1)


@torch.inference_mode()
def _encode_pictures(
    encoder: Encoder, files: Sequence[Path], preprocess: Preprocess, views: Views, start: int
) -> list[Features]:
    device = distributed.device_of(encoder)

    def encode(pixels: torch.Tensor) -> Features:
        with torch.autocast(device.type, torch.bfloat16, enabled=views.bf16):
            return encoder.trunk_features(pixels.to(memory_format=torch.channels_last))

    made = [encode(to_pixels(np.stack([*decoded(files, preprocess)]), preprocess, device))]
    if views.count > 1:
        large = views.preprocess or preprocess
        standing = np.stack([*decoded(files, large)])
        pixels = to_pixels(standing, preprocess, device)
        # Seeded by row number, so that a cache that was resumed equals one written in one go.
        torch.manual_seed(views.seed + start)
        for _ in range(views.count - 1):
            scenes = _scenes(views, standing, preprocess, device)
            made.append(encode(vary(pixels, preprocess, views.augment, scenes)))
    return made


def _scenes(
    views: Views, standing: npt.NDArray[np.uint8], preprocess: Preprocess, device: torch.device
) -> Scenes | None:
    """What the pictures ``standing (B, M, M, 3)`` need for backdrops; None if none are wanted."""
    if not (views.augment.backdrops and views.backdrop_files):
        return None
    some = torch.randint(len(views.backdrop_files), (BACKDROPS_AT_ONCE,)).tolist()
    photos = decoded([views.backdrop_files[one] for one in some], views.preprocess or preprocess)
    photo_pixels = to_pixels(np.stack([*photos]), preprocess, device)
    return Scenes(torch.from_numpy(cutouts(standing)).to(device), photo_pixels)


def _described(views: Views) -> dict[str, Any]:
    if views.count == 1:
        return {"count": 1, "bf16": views.bf16}
    large = views.preprocess.as_dict() if views.preprocess else None
    return {
        "count": views.count,
        "bf16": views.bf16,
        "seed": views.seed,
        "preprocess": large,
        "backdrops": digest([_identity(file) for file in views.backdrop_files]),
    } | views.augment.model_dump(mode="json")


def _identity(file: Path) -> tuple[str, int, int]:
    """A file's path with properties that change when its content does."""
    status = file.stat()
    return str(file), status.st_size, status.st_mtime_ns
