"""What is learned from: the train split of triplet folders as one corpus."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from samebut.data import triplets
from samebut.errors import DataError
from samebut.learning import captions
from samebut.learning.pictures import decode_all
from samebut.preprocess import Preprocess


@dataclass(frozen=True)
class Composed:
    """A training query; pictures are rows of the corpus."""

    reference: int
    text: str
    targets: tuple[int, ...]


@dataclass(frozen=True)
class Corpus:
    """What is learned from: pictures (N, M, M, 3), a catalogue row for each, and queries."""

    pictures: npt.NDArray[np.uint8]
    rows: tuple[captions.Row, ...]
    queries: tuple[Composed, ...]


def read_corpus(roots: Iterable[Path], preprocess: Preprocess, cache: Path) -> Corpus:
    """The train split of every root as one corpus; DataError if a query's picture is missing."""
    files: list[Path] = []
    rows: list[captions.Row] = []
    queries: list[Composed] = []
    for root in roots:
        benchmark = triplets.read(root, "train")
        benchmark.require_images()
        place = {name: len(files) + number for number, name in enumerate(benchmark.images)}
        files += benchmark.images.values()
        described = _catalogue(root)
        rows += [described[name] for name in benchmark.images]
        queries += [
            Composed(place[q.reference], " ".join(q.texts), tuple(place[t] for t in q.targets))
            for q in benchmark.queries
        ]
    return Corpus(decode_all(files, preprocess, cache), tuple(rows), tuple(queries))


def _catalogue(root: Path) -> dict[str, captions.Row]:
    path = root / "catalog.csv"
    try:
        with path.open(encoding="utf-8-sig", newline="") as table:
            return {row["file"]: row for row in csv.DictReader(table)}
    except (OSError, KeyError) as error:
        raise DataError(f"{path} can't be read as a catalogue with a column 'file'") from error
