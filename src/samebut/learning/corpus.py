"""What is learned from: the train split of triplet folders as one corpus."""

from __future__ import annotations

import csv
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from samebut.data import triplets
from samebut.data.benchmark import Query
from samebut.data.catalogue_queries import CatalogueQueries, Rules
from samebut.errors import DataError, RecipeError
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
class Part:
    """What one folder brings: pictures ``first`` to ``last - 1`` of the corpus, and queries.

    ``catalogue``, if there is one, can ask more than the folder's own queries; its rows are
    counted from ``first``.
    """

    first: int
    last: int
    queries: tuple[Composed, ...]
    catalogue: CatalogueQueries | None = None

    def draw(self, dice: random.Random, fresh: float) -> list[Composed]:
        """Queries of an epoch: as many as the folder has, ``fresh`` of them drawn anew."""
        count = round(fresh * len(self.queries)) if self.catalogue else 0
        kept = dice.sample(self.queries, len(self.queries) - count)
        drawn = self.catalogue.draw(dice, count) if self.catalogue and count else []
        return kept + [
            Composed(q.reference + self.first, q.text, tuple(t + self.first for t in q.targets))
            for q in drawn
        ]


@dataclass(frozen=True)
class Corpus:
    """What is learned from: pictures (N, M, M, 3), a catalogue row for each, and queries."""

    pictures: npt.NDArray[np.uint8]
    rows: tuple[captions.Row, ...]
    parts: tuple[Part, ...]

    @property
    def queries(self) -> tuple[Composed, ...]:
        """Those of all parts, as their files have them."""
        return tuple(query for part in self.parts for query in part.queries)


def read_corpus(
    roots: Mapping[str, Path],
    preprocess: Preprocess,
    cache: Path,
    fresh: Mapping[str, Mapping[str, Any]] | None = None,
) -> Corpus:
    """The train split of every root as one corpus; DataError if a query's picture is missing.

    A folder without ``train.jsonl`` brings pictures and its catalogue alone. ``fresh`` has, for
    the roots named, the rules by which further queries can be drawn (``catalogue_queries.Rules``).
    """
    files: list[Path] = []
    rows: list[captions.Row] = []
    parts: list[Part] = []
    for name, root in roots.items():
        images, asked = _read(root)
        described = _catalogue(root)
        own = [described[image] for image in images]
        first = len(files)
        place = {image: first + number for number, image in enumerate(images)}
        queries = tuple(
            Composed(place[q.reference], " ".join(q.texts), tuple(place[t] for t in q.targets))
            for q in asked
        )
        rules = (fresh or {}).get(name)
        catalogue = CatalogueQueries(own, _rules(name, rules)) if rules else None
        files += images.values()
        rows += own
        parts.append(Part(first, len(files), queries, catalogue))
    return Corpus(decode_all(files, preprocess, cache), tuple(rows), tuple(parts))


def _read(root: Path) -> tuple[Mapping[str, Path], Sequence[Query]]:
    """Pictures and queries of a folder's train split; no queries if it has no file of them."""
    if (root / "train.jsonl").exists():
        benchmark = triplets.read(root, "train")
        benchmark.require_images()
        return benchmark.images, benchmark.queries
    rows = _catalogue(root)
    images = {
        name: root / "images" / name
        for name, row in rows.items()
        if row.get("split", "train") == "train"
    }
    missing = [path.name for path in images.values() if not path.is_file()]
    if missing:
        raise DataError(
            f"{root}: {len(missing):,} of {len(images):,} pictures of its catalogue are missing,"
            f" {', '.join(missing[:3])} among them"
        )
    return images, ()


def _rules(name: str, table: Mapping[str, Any]) -> Rules:
    known = [f.name for f in fields(Rules)]
    for key in table:
        if key not in known:
            raise RecipeError(
                f"[fresh.{name}] has an unknown key '{key}'", hint=f"Known: {', '.join(known)}."
            )
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in table.items()}
    return Rules(**values)


def _catalogue(root: Path) -> dict[str, captions.Row]:
    path = root / "catalog.csv"
    try:
        with path.open(encoding="utf-8-sig", newline="") as table:
            return {row["file"]: row for row in csv.DictReader(table)}
    except (OSError, KeyError) as error:
        raise DataError(f"{path} can't be read as a catalogue with a column 'file'") from error
