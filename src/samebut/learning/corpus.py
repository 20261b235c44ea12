"""What is learned from: the train splits of data folders as one corpus."""

from __future__ import annotations

import csv
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from samebut.data import readers, triplets
from samebut.data.benchmark import Benchmark, Query
from samebut.errors import DataError, RecipeError
from samebut.learning import captions
from samebut.learning.pictures import Pictures, decode_all
from samebut.preprocess import Preprocess
from samebut.query_maker.queries import CatalogueQueries, QueryRules

# What a reader is asked for when its queries are to be learned from.
TRAINING_OPTIONS: dict[str, dict[str, str]] = {"fashioniq": {"captions": "clip4cir-train"}}


@dataclass(frozen=True)
class Source:
    """A folder to learn from or to be scored on; ``reader`` is a row of ``data.READERS``."""

    root: Path
    reader: str = "triplets"
    options: Mapping[str, str] = field(default_factory=dict)

    def pictures_alone(self) -> bool:
        """Whether the folder has a catalogue of pictures and no query of any split."""
        catalogue = self.root / "catalog.csv"
        return self.reader == "triplets" and catalogue.is_file() and not triplets.splits(self.root)

    def training(self) -> Benchmark:
        """The train split. DataError: it is not there, or has no query with a target."""
        options = TRAINING_OPTIONS.get(self.reader, {}) | dict(self.options)
        return _with_targets(readers.read(self.reader, self.root, "train", options), self.root)

    def validation(self) -> Benchmark:
        """The split that a reader scores unless told otherwise. Raises as ``training`` does."""
        return _with_targets(readers.read(self.reader, self.root, None, self.options), self.root)

    @cached_property
    def train_split(self) -> tuple[Mapping[str, Path], Sequence[Query]]:
        """Pictures to learn from and their queries, read once; DataError if a picture is missing.

        A folder with a catalogue and no queries has its pictures alone.
        """
        if not self.pictures_alone():
            benchmark = self.training()
            benchmark.require_images()
            return benchmark.images, benchmark.queries
        images = triplets.pictures(self.root, "train")
        missing = [path.name for path in images.values() if not path.is_file()]
        if missing:
            raise DataError(
                f"{self.root}: {len(missing):,} of {len(images):,} pictures of its catalogue are "
                f"missing, {', '.join(missing[:3])} among them"
            )
        return images, ()

    @cached_property
    def rows(self) -> list[captions.Row]:
        """What the catalogue says of each picture of ``train_split``."""
        described = _catalogue(self.root)
        return [described.get(image, {}) for image in self.train_split[0]]


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
    one is drawn each time. ``wrong`` are the wrong answers of its hard subset."""

    reference: int
    texts: tuple[str, ...]
    targets: tuple[int, ...]
    wrong: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        return self.texts[0]


@dataclass(frozen=True)
class Part:
    """What one folder brings: pictures ``first`` to ``last - 1`` of the corpus, and queries.

    ``alike`` maps a picture to those that stand with it in the hard subset of a query.
    ``catalogue``, if there is one, can ask more than the folder's own queries; its rows are
    counted from ``first``. ``most`` queries make an epoch, 0: all of them.
    """

    name: str
    first: int
    last: int
    queries: tuple[Composed, ...]
    alike: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    catalogue: CatalogueQueries | None = None
    most: int = 0

    def draw(self, dice: random.Random, fresh: float, *, subsets: bool = False) -> list[Composed]:
        """Queries of an epoch: as many as the folder has or ``most``, ``fresh`` of them drawn
        anew, with hard subsets if ``subsets`` are wanted."""
        total = min(self.most or len(self.queries), len(self.queries))
        count = round(fresh * total) if self.catalogue else 0
        kept = dice.sample(self.queries, total - count)
        return kept + self._drawn_anew(dice, count, subsets=subsets)

    def _drawn_anew(self, dice: random.Random, count: int, *, subsets: bool) -> list[Composed]:
        if not self.catalogue or not count:
            return []
        found = []
        for asked in self.catalogue.draw(dice, count):
            members: Sequence[str] = ()
            if subsets:
                members = self.catalogue.subset(dice, asked, dice.choice(asked.targets)) or ()
            reference = int(asked.reference) + self.first
            targets = tuple(int(target) + self.first for target in asked.targets)
            wrong = _wrong([int(member) + self.first for member in members], reference, targets)
            found.append(Composed(reference, asked.texts, targets, wrong))
        return found


@dataclass(frozen=True)
class Corpus:
    """What is learned from: files, a catalogue row for each (empty if there is none), queries.

    ``preprocess`` is that of the decoded ``pictures``, larger than an encoder's input so that
    there is room to crop. They are decoded into ``cache`` when first asked for.
    """

    files: tuple[Path, ...]
    rows: tuple[captions.Row, ...]
    parts: tuple[Part, ...]
    preprocess: Preprocess
    cache: Path

    @cached_property
    def queries(self) -> tuple[Composed, ...]:
        """Those of all parts, as their files have them."""
        return tuple(query for part in self.parts for query in part.queries)

    @cached_property
    def pictures(self) -> Pictures:
        """All pictures, memory-mapped. PictureError names one that can't be opened."""
        return Pictures(decode_all(self.files, self.preprocess, self.cache))

    @property
    def described(self) -> bool:
        """Whether every picture has a title or a name of what it shows, which captions need."""
        return all(captions.title(row) for row in self.rows)


def read_corpus(
    sources: Mapping[str, Source],
    preprocess: Preprocess,
    cache: Path,
    fresh: Mapping[str, Mapping[str, Any]] | None = None,
    most: Mapping[str, int] | None = None,
) -> Corpus:
    """The train split of every source as one corpus; DataError if a picture is missing.

    ``fresh`` has, for sources by name, the rules by which further queries can be drawn
    (``query_maker.queries.QueryRules``); ``most`` how many queries of them an epoch has at most.
    """
    files: list[Path] = []
    rows: list[captions.Row] = []
    parts: list[Part] = []
    for name, source in sources.items():
        images, asked = source.train_split
        own = source.rows
        first = len(files)
        place = {image: first + number for number, image in enumerate(images)}
        queries = tuple(_composed(query, place) for query in asked)
        rules = (fresh or {}).get(name)
        rows_of = map(str, range(len(own)))
        catalogue = CatalogueQueries([*rows_of], own, _rules(name, rules)) if rules else None
        files += images.values()
        rows += own
        alike, limit = _alike(asked, place), (most or {}).get(name, 0)
        parts.append(Part(name, first, len(files), queries, alike, catalogue, limit))
    return Corpus(tuple(files), tuple(rows), tuple(parts), preprocess, cache)


def _composed(query: Query, place: Mapping[str, int]) -> Composed:
    reference, targets = place[query.reference], tuple(place[name] for name in query.targets)
    subset = [place[name] for name in query.subset or () if name in place]
    return Composed(reference, query.texts, targets, _wrong(subset, reference, targets))


def _wrong(subset: Sequence[int], reference: int, targets: Sequence[int]) -> tuple[int, ...]:
    """Of a hard subset, what is no answer."""
    return tuple(row for row in subset if row != reference and row not in targets)


def _alike(queries: Sequence[Query], place: Mapping[str, int]) -> dict[int, tuple[int, ...]]:
    found: dict[int, dict[int, None]] = {}
    for query in queries:
        members = [place[name] for name in query.subset or () if name in place]
        for row in members:
            found.setdefault(row, {}).update(dict.fromkeys(m for m in members if m != row))
    return {row: tuple(others) for row, others in found.items()}


def _rules(name: str, table: Mapping[str, Any]) -> QueryRules:
    known = [f.name for f in fields(QueryRules)]
    for key in table:
        if key not in known:
            raise RecipeError(
                f"[fresh.{name}] has an unknown key '{key}'", hint=f"Known: {', '.join(known)}."
            )
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in table.items()}
    return QueryRules(**values)


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
