"""``python -m samebut.wardrobe OUT --count 100 --seed 0``: a gallery to look at.

With ``--benchmark``, the whole benchmark: pictures in splits and ``SPLIT.jsonl`` beside them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from samebut.errors import SamebutError
from samebut.wardrobe.benchmark import FAMILIES, MORE, write_benchmark
from samebut.wardrobe.catalog import draw_gallery


def main() -> None:
    """Draw what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m samebut.wardrobe", description=__doc__)
    parser.add_argument("out", type=Path, help="the folder to write to")
    parser.add_argument("--count", type=int, default=100, help="how many pictures")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--size", type=int, default=320, help="a picture has about SIZE x SIZE pixels"
    )
    parser.add_argument("--format", choices=("jpg", "webp"), default="jpg")
    parser.add_argument("--quality", type=int, default=90, help="of the JPEG or WebP, up to 100")
    parser.add_argument("--benchmark", action="store_true", help="pictures, splits and queries")
    parser.add_argument(
        "--families",
        type=int,
        nargs=len(FAMILIES),
        default=list(FAMILIES.values()),
        metavar=tuple(name.upper() for name in FAMILIES),
        help="with --benchmark: families a split, each about 30 pictures and 40 queries",
    )
    parser.add_argument(
        "--more", type=int, default=0, help="with --benchmark: further families to train on"
    )
    parser.add_argument("--workers", type=int, default=1, help="with --benchmark: processes")
    asked = parser.parse_args()
    if asked.benchmark:
        families = dict(zip(FAMILIES, asked.families, strict=True))
        if asked.more:
            families[MORE] = asked.more
        write_benchmark(asked.out, seed=asked.seed, families=families, workers=asked.workers)
    else:
        draw_gallery(
            asked.out,
            asked.count,
            asked.seed,
            size=asked.size,
            suffix=f".{asked.format}",
            quality=asked.quality,
        )


if __name__ == "__main__":
    try:
        main()
    except SamebutError as error:
        sys.exit(f"{error}\n  {error.hint}")
