"""What is learned from: the train splits of data folders as one corpus."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from samebut.data import readers
from samebut.data.benchmark import Benchmark
from samebut.errors import DataError, RecipeError
from samebut.learning import captions
from samebut.learning.pictures import decode_all
from samebut.preprocess import Preprocess

# What a reader is asked for when its queries are to be learned from.
TRAINING_OPTIONS: dict[str, dict[str, str]] = {"fashioniq": {"captions": "clip4cir-train"}}


@dataclass(frozen=True)
class Source:
    """A folder to learn from or to be scored on; ``reader`` is a row of ``data.READERS``."""

    root: Path
    reader: str = "triplets"
    options: Mapping[str, str] = field(default_factory=dict)

    def training(self) -> Benchmark:
        """The train split. DataError: it is not there, or has no query with a target."""
        options = TRAINING_OPTIONS.get(self.reader, {}) | dict(self.options)
        return _with_targets(readers.read(self.reader, self.root, "train", options), self.root)

    def validation(self) -> Benchmark:
        """The split that a reader scores unless told otherwise. Raises as ``training`` does."""
        return _with_targets(readers.read(self.reader, self.root, None, self.options), self.root)


def source_of(name: str, root: Path, said: Mapping[str, Any]) -> Source:
    """What ``--data NAME=FOLDER`` means: a recipe says the reader and options under
    ``[sources.NAME]``; unsaid, a name that a reader has is read by it, any other as triplets."""
    options = {key: str(value) for key, value in said.items()}
    reader = options.pop("reader", name if name in readers.READERS else "triplets")
    if reader not in readers.READERS:
        raise RecipeError(
            f"[sources.{name}] has the reader '{reader}'",
            hint=f"Known: {', '.join(readers.READERS)}.",
        )
    return Source(root, reader, options)


@dataclass(frozen=True)
class Composed:
    """A training query; pictures are rows of the corpus. ``texts`` are ways to say it, of which
    one is drawn each time."""

    reference: int
    texts: tuple[str, ...]
    targets: tuple[int, ...]

    @property
    def text(self) -> str:
        return self.texts[0]


@dataclass(frozen=True)
class Corpus:
    """What is learned from: files, a catalogue row for each (empty if there is none), queries.

    ``preprocess`` is that of the decoded ``pictures``, larger than an encoder's input so that
    there is room to crop. They are decoded into ``cache`` when first asked for.
    """

    files: tuple[Path, ...]
    rows: tuple[captions.Row, ...]
    queries: tuple[Composed, ...]
    preprocess: Preprocess
    cache: Path

    @cached_property
    def pictures(self) -> npt.NDArray[np.uint8]:
        """``(N, M, M, 3)`` uint8, memory-mapped. PictureError names one that can't be opened."""
        return decode_all(self.files, self.preprocess, self.cache)

    @property
    def described(self) -> bool:
        """Whether every picture has a title, which captions need."""
        return all("title" in row for row in self.rows)


def read_corpus(sources: Iterable[Source], preprocess: Preprocess, cache: Path) -> Corpus:
    """The train split of every source as one corpus; DataError if a picture is missing."""
    files: list[Path] = []
    rows: list[captions.Row] = []
    queries: list[Composed] = []
    for source in sources:
        benchmark = source.training()
        benchmark.require_images()
        place = {name: len(files) + number for number, name in enumerate(benchmark.images)}
        files += benchmark.images.values()
        described = _catalogue(source.root)
        rows += [described.get(name, {}) for name in benchmark.images]
        queries += [
            Composed(place[q.reference], q.texts, tuple(place[t] for t in q.targets))
            for q in benchmark.queries
        ]
    return Corpus(tuple(files), tuple(rows), tuple(queries), preprocess, cache)


def _with_targets(benchmark: Benchmark, root: Path) -> Benchmark:
    without = sum(not query.targets for query in benchmark.queries)
    if without or not benchmark.queries:
        what = f"{without:,} of its queries have no target" if without else "it holds no query"
        raise DataError(
            f"{root}: {benchmark.name} {benchmark.split} can't be used, {what}",
            hint="Training and validation need queries whose answers are known.",
        )
    return benchmark


def _catalogue(root: Path) -> dict[str, captions.Row]:
    """The rows of ``catalog.csv`` by file; nothing if the folder has none."""
    path = root / "catalog.csv"
    if not path.is_file():
        return {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as table:
            return {row["file"]: row for row in csv.DictReader(table)}
    except (OSError, KeyError, UnicodeDecodeError) as error:
        raise DataError(f"{path} can't be read as a catalogue with a column 'file'") from error
