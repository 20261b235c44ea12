"""A benchmark read, ranked and scored: FashionIQ's format, on a small copy of drawn pictures.

    python examples/read_a_benchmark.py benchmark-example

With the real data set, `samebut eval fashioniq --root FOLDER` does the same. The copy shows what
the reader wants of a folder: captions/, image_splits/ and images/.
"""

from __future__ import annotations

import argparse
import csv
import json
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from PIL import Image

from samebut.data import readers
from samebut.demo import CATALOG, GALLERY
from samebut.evaluate import report
from samebut.evaluate.run import evaluate
from samebut.runtime import Model


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="a new folder for the copy and the results")
    folder: Path = parser.parse_args().folder

    write_copy(folder / "fashioniq")
    benchmark = readers.read("fashioniq", folder / "fashioniq", "val", {"category": "dress"})
    first = benchmark.queries[0]
    print(f"{len(benchmark.queries)} queries over {len(benchmark.images)} pictures; the first is")
    print(f"{first.reference} + {first.texts} -> {sorted(first.targets)}\n")

    results = evaluate(benchmark, Model.load("bundled"), modes=["composed"], out=folder / "run")
    print(report.table(results))  # the first line is the protocol: numbers of another don't compare
    run, scored = results["composed"]
    print(f"\nR@1 is {scored.numbers['R@1']:.1f} by this protocol: {run.benchmark.protocol}")


def write_copy(root: Path) -> None:
    """FashionIQ's three folders, of the dresses that samebut's demo shows."""
    with CATALOG.open(encoding="utf-8") as file:
        dresses = [row for row in csv.DictReader(file) if row["kind"] == "dress"]
    for row in dresses:
        with Image.open(GALLERY / row["file"]) as picture:
            place(root / "images" / f"{name_of(row)}.png")
            picture.convert("RGB").save(root / "images" / f"{name_of(row)}.png")
    write(root / "image_splits" / "split.dress.val.json", [name_of(row) for row in dresses])
    write(root / "captions" / "cap.dress.val.json", entries(dresses))


def entries(rows: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Queries: one dress to the next of another colour, said in two captions as FashionIQ does."""
    firsts = [next(same) for _, same in groupby(rows, key=lambda row: row["colour"])]
    return [
        {
            "candidate": name_of(reference),
            "target": name_of(target),
            "captions": [
                f"is {target['colour']}",
                f"is {target['length']} and {target['pattern']}",
            ],
        }
        for reference, target in pairwise(firsts)
    ]


def name_of(row: dict[str, str]) -> str:
    """FashionIQ calls a picture by its file's name without the suffix."""
    return Path(row["file"]).stem


def place(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def write(file: Path, content: list[Any]) -> None:
    place(file).write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    main()
