"""How alike are copies of a picture, and how alike are different ones? For `samebut.stacks`.

    python benchmarks/near_copies.py ../shared/data/products/images [--pictures 300]

Of pictures of FOLDER: cosines with themselves saved anew, smaller or a little cropped, and the
share that ``NEAR`` takes together; the share of all pictures that have another, no exact copy,
beyond it; and what collapsing 200 candidates costs.
"""

from __future__ import annotations

import argparse
import io
import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from people_rows.asking import encode, encode_made
from samebut.embedding import Floats
from samebut.images import open_picture
from samebut.runtime import Model
from samebut.scan import scan
from samebut.stacks import NEAR, WINDOW, stacked

EXACT = 0.999  # the same file, or the same pixels saved once more
LEVELS = (0.93, 0.95, 0.96, NEAR, 0.98, 0.99)


def _saved(picture: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return open_picture(file.getvalue())


def _smaller(picture: Image.Image, share: float) -> Image.Image:
    size = (max(1, round(picture.width * share)), max(1, round(picture.height * share)))
    return _saved(picture.resize(size, Image.Resampling.LANCZOS), 85)


def _cropped(picture: Image.Image, share: float) -> Image.Image:
    wide, high = round(picture.width * share), round(picture.height * share)
    return _saved(picture.crop((wide, high, picture.width - wide, picture.height - high)), 90)


Copy = Callable[[Image.Image], Image.Image]
COPIES: dict[str, Copy] = {
    "saved anew, quality 95": lambda picture: _saved(picture, 95),
    "saved anew, quality 75": lambda picture: _saved(picture, 75),
    "saved anew, quality 50": lambda picture: _saved(picture, 50),
    "three quarters the size": lambda picture: _smaller(picture, 0.75),
    "half the size": lambda picture: _smaller(picture, 0.5),
    "1 % cropped at each side": lambda picture: _cropped(picture, 0.01),
    "2 % cropped at each side": lambda picture: _cropped(picture, 0.02),
    "5 % cropped at each side": lambda picture: _cropped(picture, 0.05),
}


def copies(model: Model, files: dict[str, Path]) -> None:
    names = [*files.values()]
    rows: list[dict[str, str]] = [{} for _ in files]
    own = encode(model, files, rows).embeddings
    print(
        f"\n| copies, {len(files):,} pictures | least | median | beyond {NEAR} |\n|---|---|---|---|"
    )
    for name, make in COPIES.items():

        def copied(number: int, make: Copy = make) -> Image.Image:
            return make(open_picture(names[number]))

        made = encode_made(model, files, rows, copied)
        cosines = (own * made.embeddings).sum(axis=1)
        share = np.mean(cosines >= NEAR)
        print(f"| {name} | {cosines.min():.3f} | {np.median(cosines):.3f} | {share:.0%} |")


def others(gallery: Floats) -> None:
    """The nearest other picture of each that is no exact copy of it."""
    nearest = np.empty(len(gallery))
    for start in range(0, len(gallery), WINDOW):
        cosines = gallery[start : start + WINDOW] @ gallery.T
        nearest[start : start + WINDOW] = np.where(cosines >= EXACT, -1, cosines).max(axis=1)
    print(f"\n| different files, {len(gallery):,} pictures | have one beyond |\n|---|---|")
    for level in LEVELS:
        print(f"| {level} | {np.mean(nearest >= level):.2%} |")


def seconds(gallery: Floats, rounds: int = 100) -> None:
    spent, rng = [], random.Random(0)
    for number in rng.choices(range(len(gallery)), k=rounds):
        order = np.argsort(-(gallery @ gallery[number]))[:WINDOW]
        ranking = np.ascontiguousarray(gallery[order])
        started = time.thread_time()
        stacked(ranking, gallery[number : number + 1], is_all=True)
        spent.append(1000 * (time.thread_time() - started))
    low, high = np.median(spent), np.quantile(spent, 0.95)
    print(f"\n{WINDOW} candidates: {low:.2f} ms of one core, 95th percentile {high:.2f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=300, help="How many are copied.")
    parser.add_argument("--model", default="bundled")
    arguments = parser.parse_args()
    model = Model.load(arguments.model)
    found = scan(arguments.folder).pictures
    files = {each.path: each.file for each in found if isinstance(each.file, Path)}
    gallery = encode(model, files, [{} for _ in files]).embeddings
    chosen = random.Random(0).sample(sorted(files), min(arguments.pictures, len(files)))
    copies(model, {name: files[name] for name in chosen})
    others(gallery)
    seconds(gallery)


if __name__ == "__main__":
    main()
