"""A data folder as a shop might have it: drawn things with a kind and a colour each."""

from __future__ import annotations

import csv
from pathlib import Path

from conftest import COLOURS, draw_picture


def drawn(root: Path, kinds: dict[str, str], copies: int = 3) -> Path:
    """Things of each kind and colour, all of them val; ``kinds`` maps kinds to shapes."""
    (root / "images").mkdir(parents=True)
    rows = []
    for kind, shape in kinds.items():
        for colour, rgb in COLOURS.items():
            for copy in range(copies):
                name = f"{kind}-{colour}-{copy}.png"
                draw_picture(rgb, shape, 40 + copy).save(root / "images" / name)
                rows.append({"file": name, "split": "val", "kind": kind, "colour": colour})
    with (root / "catalog.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    return root
