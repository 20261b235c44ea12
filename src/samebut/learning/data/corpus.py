"""The corpus: the train splits of data folders, as pictures and queries to learn from."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field, TypeAdapter, field_validator

from samebut import catalog
from samebut.data import readers, triplets
from samebut.data.benchmark import Benchmark, Query
from samebut.errors import DataError, RecipeError
from samebut.language.synonyms import common_name
from samebut.learning.data import captions
from samebut.learning.data.cutouts import kept_cutouts
from samebut.learning.data.pictures import Pictures, decode_all, decoded_path
from samebut.learning.data.query_table import QueryTable
from samebut.learning.tables import Contradiction, Table
from samebut.preprocess import Preprocess
from samebut.query_maker.queries import CatalogueQueries, QueryRules

# Options that a reader is called with when its queries are for training.
TRAINING_OPTIONS: dict[str, dict[str, str]] = {"fashioniq": {"captions": "clip4cir-train"}}


class SourceSettings(Table):
    """``[sources.NAME]``: how the data folder NAME is read."""

    reader: str = ""
    """The reader; empty: the one called NAME, else `triplets`."""
    options: dict[str, str | int] = Field(default_factory=dict)
    """Options of the reader, as of `samebut eval -o`."""
    queries_per_epoch: int = Field(0, ge=0)
    """Most queries of the folder in an epoch, a new random choice each time; 0: all of its own.
    Above 0 and with `resampling`, exactly so many, even if the folder has fewer of its own."""
    val_share: float = Field(0.0, ge=0, lt=1)
    """Share of the pictures kept out of training, chosen by a digest of their file names; applies
    to a folder without queries whose catalogue has no column `split`."""
    resampling: QueryRules | None = None
    """Rules by which queries are drawn anew from the folder's catalogue, as of `samebut triplets`:
    docs/train-on-your-catalogue.md."""

    @field_validator("resampling", mode="before")
    @classmethod
    def _as_rules(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        known = [each.name for each in fields(QueryRules)]
        for key in value:
            if key not in known:
                hint = f"Known: {', '.join(known)}."
                raise Contradiction(f"unknown key '{key}'", hint=hint, key=(key,))
        return TypeAdapter(QueryRules).validate_python(value)


@dataclass(frozen=True)
class Source:
    """A folder to learn from or to be scored on; ``reader`` is a row of ``data.READERS``.

    ``val_share`` of its pictures are kept out of training if it has no queries and no splits.
    """

    root: Path
    reader: str = "triplets"
    options: Mapping[str, str] = field(default_factory=dict)
    val_share: float = 0.0

    def has_pictures_alone(self) -> bool:
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

        The queries are empty for a folder that has a catalogue and no queries.
        """
        if not self.has_pictures_alone():
            benchmark = self.training()
            benchmark.require_images()
            return benchmark.images, benchmark.queries
        images = triplets.pictures(self.root, "train", self.val_share)
        missing = [path.name for path in images.values() if not path.is_file()]
        if missing:
            raise DataError(
                f"{self.root}: {len(missing):,} of {len(images):,} pictures of its catalogue are "
                f"missing, {', '.join(missing[:3])} among them",
                hint="Put them into the folder's images/, or remove their rows from catalog.csv.",
            )
        return images, ()

    @cached_property
    def rows(self) -> list[captions.Row]:
        """The catalogue's row of each picture of ``train_split``. A missing ``article`` is filled
        in with the commonest name of the ``kind`` or ``label``, so that queries name a thing in the
        same way in all catalogues."""
        described = catalog.rows_beside(self.root)
        rows = (described.get(image, {}) for image in self.train_split[0])
        return [
            row
            if row.get("article") or not captions.article(row)
            else {**row, "article": common_name(captions.article(row))}
            for row in rows
        ]


def source_of(name: str, root: Path, settings: SourceSettings) -> Source:
    """The source for ``--data NAME=FOLDER``, by the settings of ``[sources.NAME]``."""
    reader = settings.reader or (name if name in readers.READERS else "triplets")
    if reader not in readers.READERS:
        raise RecipeError(
            f"[sources.{name}] names the reader '{reader}', which does not exist",
            hint=f"Known: {', '.join(readers.READERS)}.",
        )
    options = {key: str(value) for key, value in settings.options.items()}
    return Source(root, reader, options, settings.val_share)


@dataclass(frozen=True)
class Part:
    """One folder's part of the corpus: pictures ``first`` to ``last - 1``, and queries.

    ``place`` maps a picture's name to its row. New queries can be drawn from ``catalogue``, if
    there is one. ``limit`` is the most queries in an epoch, 0: all of them.
    """

    name: str
    first: int
    last: int
    queries: tuple[Query, ...] = ()
    place: Mapping[str, int] = field(default_factory=dict)
    catalogue: CatalogueQueries | None = None
    limit: int = 0

    @property
    def queries_per_epoch(self) -> int:
        """The number of the folder's own queries, at most ``limit``; with a catalogue, ``limit``
        itself, because more queries can be drawn."""
        if self.catalogue and self.limit:
            return self.limit
        return min(self.limit or len(self.queries), len(self.queries))

    @cached_property
    def table(self) -> QueryTable:
        return self.table_of(self.queries)

    def table_of(self, queries: Sequence[Query]) -> QueryTable:
        """Queries over this folder's pictures as a table over the corpus."""
        return QueryTable.of(queries, self.place)

    @cached_property
    def alike(self) -> dict[int, tuple[int, ...]]:
        """For each picture, the others that are in a hard subset together with it."""
        found: dict[int, dict[int, None]] = {}
        for query in self.queries:
            members = [self.place[name] for name in query.subset or () if name in self.place]
            for row in members:
                found.setdefault(row, {}).update(dict.fromkeys(m for m in members if m != row))
        return {row: tuple(others) for row, others in found.items()}

    def resampled(self, rng: random.Random, count: int, *, subsets: bool) -> list[Query]:
        """``count`` queries newly drawn from the catalogue, with hard subsets if ``subsets``."""
        catalogue = self.catalogue
        drawn = catalogue.draw(rng, count) if catalogue else []
        if not catalogue or not subsets:
            return drawn
        return [
            replace(query, subset=catalogue.subset(rng, query, rng.choice(query.targets)))
            for query in drawn
        ]


@dataclass(frozen=True)
class Corpus:
    """The training data: files, a catalogue row for each (empty if there is none), queries.

    ``preprocess`` is that of the decoded ``pictures``, larger than an encoder's input so that
    there is room to crop. They are decoded into ``cache`` when first asked for. Backgrounds of
    views are cut from ``backdrop_files``.
    """

    files: tuple[Path, ...]
    rows: tuple[captions.Row, ...]
    parts: tuple[Part, ...]
    preprocess: Preprocess
    cache: Path
    backdrop_files: tuple[Path, ...] = ()

    @cached_property
    def queries(self) -> tuple[Query, ...]:
        """The queries from the files of all parts."""
        return tuple(query for part in self.parts for query in part.queries)

    @cached_property
    def pictures(self) -> Pictures:
        """All pictures, memory-mapped. PictureError names one that can't be opened."""
        return Pictures(decode_all(self.files, self.preprocess, self.cache))

    @cached_property
    def cutouts(self) -> npt.NDArray[np.uint8]:
        """Where the thing is in each of ``pictures``, memory-mapped: ``(N, M, M)`` uint8."""
        path = decoded_path(self.files, self.preprocess, self.cache)
        return kept_cutouts(self.pictures.array, path)

    @cached_property
    def backdrops(self) -> Pictures:
        """The photos that backgrounds are cut from, memory-mapped."""
        return Pictures(decode_all(self.backdrop_files, self.preprocess, self.cache))

    @property
    def described(self) -> bool:
        """Whether every picture has a title or a name of what it shows, which captions need."""
        return all(captions.title(row) for row in self.rows)

    @property
    def folders(self) -> list[str]:
        """The names of its data folders."""
        return [part.name for part in self.parts]


def read_corpus(
    sources: Mapping[str, Source],
    preprocess: Preprocess,
    cache: Path,
    settings: Mapping[str, SourceSettings] | None = None,
) -> Corpus:
    """The train split of every source as one corpus; DataError if a picture is missing."""
    files: list[Path] = []
    rows: list[captions.Row] = []
    parts: list[Part] = []
    for name, source in sources.items():
        said = (settings or {}).get(name, SourceSettings())
        images, queries = source.train_split
        if said.resampling:
            _require_columns(said.resampling, source.rows, name)
        first = len(files)
        files += images.values()
        rows += source.rows
        parts.append(
            Part(
                name,
                first,
                len(files),
                tuple(queries),
                {image: first + number for number, image in enumerate(images)},
                CatalogueQueries([*images], source.rows, said.resampling)
                if said.resampling
                else None,
                said.queries_per_epoch,
            )
        )
    return Corpus(tuple(files), tuple(rows), tuple(parts), preprocess, cache)


def _require_columns(rules: QueryRules, rows: Sequence[captions.Row], name: str) -> None:
    """DataError for a column of the rules that no row of the source ``name`` has a value in."""
    known = {column for row in rows for column, value in row.items() if value}
    unknown = [column for column in rules.columns if column not in known]
    if unknown:
        raise DataError(
            f"[sources.{name}.resampling] names {unknown[0]!r}, which no row of its catalogue has",
            hint=f"Name columns that it has: {', '.join(sorted(known))}.",
        )


def _with_targets(benchmark: Benchmark, root: Path) -> Benchmark:
    without = sum(not query.targets for query in benchmark.queries)
    if without or not benchmark.queries:
        what = f"{without:,} of its queries have no target" if without else "it holds no query"
        raise DataError(
            f"{root}: {benchmark.name} {benchmark.split} can't be used, {what}",
            hint="Give a folder of queries whose targets are known, for training and validation.",
        )
    return benchmark
