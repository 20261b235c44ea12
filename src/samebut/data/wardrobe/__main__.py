"""``python -m samebut.data.wardrobe OUT --count 100 --seed 0``: a gallery to look at."""

from __future__ import annotations

import argparse
from pathlib import Path

from samebut.data.wardrobe.catalog import draw_gallery


def main() -> None:
    """Draw a gallery into the folder named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m samebut.data.wardrobe", description=__doc__)
    parser.add_argument("out", type=Path, help="the folder to write to")
    parser.add_argument("--count", type=int, default=100, help="how many pictures")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    draw_gallery(asked.out, asked.count, asked.seed)


if __name__ == "__main__":
    main()
