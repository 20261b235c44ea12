"""What a model confuses: by the columns in which a wrong member of a hard subset differs from the
target, how often it was offered, ranked above every right answer, and taken for the answer.

    python benchmarks/confusions.py runs/wardrobe --split test

Needs a ``catalog.csv`` beside the queries, and a ``subset`` in them; the reference is left out of
it, as RecallSubset@K leaves it out (Liu et al., ICCV 2021, section 4.1). A wrong member that
differs in nothing the catalogue knows stands under "nothing".
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from samebut import catalog
from samebut.catalog import NOT_ATTRIBUTES
from samebut.data import triplets
from samebut.data.benchmark import Benchmark
from samebut.evaluate.embeddings import embed_benchmark
from samebut.runtime import Model

Row = Mapping[str, str]


def counted(
    benchmark: Benchmark, rows: Mapping[str, Row], scores: np.ndarray
) -> tuple[int, Counter[str], Counter[str], Counter[str]]:
    """Of ``scores (Q, N)``: queries with a subset, and by what differs: offered, above, taken."""
    place = {name: number for number, name in enumerate(benchmark.images)}
    offered, above, taken = Counter[str](), Counter[str](), Counter[str]()
    asked = 0
    for query, own in zip(benchmark.queries, scores, strict=True):
        members = [name for name in query.subset or () if name != query.reference]
        if not members:
            continue
        asked += 1
        found = {name: float(own[place[name]]) for name in members}
        right = [name for name in members if name in query.targets]
        best, most = max(members, key=found.__getitem__), max(found[name] for name in right)
        for name in set(members) - set(right):
            parts = min((differing(rows[name], rows[target]) for target in right), key=len)
            what = " + ".join(parts) or "nothing"
            offered[what] += 1
            above[what] += found[name] > most
            taken[what] += name == best
    return asked, offered, above, taken


def differing(one: Row, other: Row) -> list[str]:
    names = sorted((one.keys() | other.keys()) - NOT_ATTRIBUTES)
    return [name for name in names if one.get(name) != other.get(name)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--split", default="val")
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--least", type=int, default=50, help="leave out what is offered less")
    arguments = parser.parse_args()
    benchmark = triplets.read(arguments.root, arguments.split)
    rows = catalog.read(arguments.root / "catalog.csv").rows
    embedded = embed_benchmark(benchmark, Model.load(arguments.model))
    scores = embedded.own @ embedded.gallery.T
    asked, offered, above, taken = counted(benchmark, rows, scores)
    table = Table(title=f"{asked:,} queries; a wrong picture is taken in {taken.total():,}")
    table.add_column("differs in")
    for name in ("offered", "ranked above", "taken, of all queries"):
        table.add_column(name, justify="right")
    for what, count in offered.most_common():
        if count >= arguments.least:
            shares = f"{above[what] / count:.1%}", f"{taken[what] / asked:.1%}"
            table.add_row(what, f"{count:,}", *shares)
    Console().print(table)


if __name__ == "__main__":
    main()
