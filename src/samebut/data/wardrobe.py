"""The drawn wardrobe as a benchmark: ``samebut.wardrobe`` draws it, ``triplets`` reads it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Literal

from samebut.data import triplets
from samebut.data.benchmark import Benchmark
from samebut.errors import DataError
from samebut.files import read_json, writing
from samebut.wardrobe.benchmark import FAMILIES, RECIPE, SIZES, recipe_of, write_benchmark

SPLITS = tuple(FAMILIES)
OPTIONS: dict[str, tuple[str, ...]] = {"size": tuple(SIZES), "seed": ()}
RULES = triplets.RULES


def read(
    root: Path,
    split: str = "test",
    *,
    size: Literal["standard", "large", "huge", "small"] = "standard",
    seed: int = 0,
) -> Benchmark:
    """The wardrobe in the folder ``root``; a split that is not there yet is drawn, on all cores.

    Raises DataError for an unknown split or size, or if ``root`` holds another wardrobe.
    """
    if size not in SIZES:
        raise DataError(f"the wardrobe has no size {size!r}", hint=f"Known: {', '.join(SIZES)}.")
    families = SIZES[size]
    if split not in SPLITS:
        raise DataError(f"the wardrobe has no split {split!r}", hint=f"Known: {', '.join(SPLITS)}.")
    root = Path(root)
    with writing(root):
        if not _is_drawn(root, recipe_of(seed, families), split):
            workers = 1 if size == "small" else (os.cpu_count() or 1)
            write_benchmark(root, seed=seed, families=families, workers=workers, only=split)
    drawn = triplets.read(root, split)
    return replace(
        drawn,
        name="wardrobe",
        choices=(f"{size}, seed {seed}",),
        protocol=f"drawn from seed {seed}, size {size}; {drawn.protocol}",
    )


def _is_drawn(folder: Path, recipe: dict[str, object], split: str) -> bool:
    """Whether this split of this wardrobe is there, whole. Tables are written after pictures."""
    path = folder / RECIPE
    if not path.is_file() or read_json(path, dict) != recipe:
        return False
    if not (folder / f"{split}.jsonl").is_file():
        return False
    return all(picture.is_file() for picture in triplets.read(folder, split).images.values())
