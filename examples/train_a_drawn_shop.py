"""A model of a shop's own, from its table alone, on a shop that is drawn for it.

    pip install 'samebut[train]'
    python examples/train_a_drawn_shop.py shop-example            # some ten minutes on two cores
    python examples/train_a_drawn_shop.py shop-example --tiny     # some two minutes, a worse model

Every step is a command, printed before it runs: draw 400 pictures and a table of what they show,
make queries from the table, measure the model that ships, train on from it, export, measure again,
compare. Yours begins at the second: a table and a folder of pictures.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

LONG = ("--set=stages.1.queries.epochs=3",)
TINY = tuple(f"--set=stages.1.queries.{each}" for each in ("epochs=1", "batch=16", "views=1"))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="a new folder for all that is made")
    parser.add_argument("--tiny", action="store_true", help="60 pictures, one epoch")
    asked = parser.parse_args()
    train(asked.folder, pictures=60 if asked.tiny else 400, changes=TINY if asked.tiny else LONG)


def train(folder: Path, *, pictures: int, changes: Sequence[str]) -> None:
    shop, table = folder / "shop", folder / "shop" / "catalog.csv"
    queries, run, model = folder / "queries", folder / "run", folder / "model"
    before, after = folder / "before", folder / "after"
    measure = ("eval", "triplets", "--root", queries, "--split", "val")

    step("samebut.wardrobe", shop, "--count", pictures, "--seed", 3)
    step(
        "samebut",
        "triplets",
        table,
        "--images",
        shop,
        "--attributes",
        "kind,colour,pattern",
        "--out",
        queries,
    )
    step("samebut", *measure, "--out", before)
    step("samebut", "train", "finetune", "--data", f"shop={queries}", "--out", run, *changes)
    step("samebut", "export", run / "model", model, "--data", queries)
    step("samebut", *measure, "--model", model, "--out", after)
    step("samebut", "compare", before, after)


def step(module: str, *arguments: object) -> None:
    """Run a command as ``python -m``, and end with its status if it fails."""
    command = ["python", "-m", module, *map(str, arguments)]
    print(f"\n$ {shlex.join(command)}", flush=True)
    done = subprocess.run([sys.executable, *command[1:]], check=False)
    if done.returncode:
        sys.exit(done.returncode)


if __name__ == "__main__":
    main()
