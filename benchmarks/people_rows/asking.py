"""Pictures encoded once, questions asked of them, and a row of the table that comes of it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from samebut import metrics
from samebut.embedding import Floats
from samebut.errors import DataError
from samebut.evaluate.significance import intervals
from samebut.language.courtesy import without_courtesy
from samebut.loader import Loaded, PictureFile, in_batches, load_pictures
from samebut.metrics import NOBODY, Ints, Values
from samebut.runtime import FeatureArrays, Model, Surroundings
from samebut.unwanted import Unwanted, refusals

FIRST = 10
AT_ONCE = 256
LANGUAGES = ("en", "zh")
Right = NDArray[np.bool_]


@cache
def words() -> dict[str, Any]:
    """What is asked, and what counts as right: ``words.toml``."""
    return tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Row:
    """A number with its 95 % interval, both in percent, over ``count`` of ``of`` (queries, kinds).

    ``wanted`` is what the model should reach, as it is said in the table.
    """

    section: str
    name: str
    value: float
    low: float
    high: float
    count: int
    of: str
    wanted: str = ""

    @classmethod
    def over(
        cls, section: str, name: str, values: Values, of: str = "queries", wanted: str = ""
    ) -> Row:
        """The mean of ``values`` (Q,), shares or differences, with a bootstrap interval."""
        low, high = intervals({name: values}, [""] * len(values), macro=False)[name]
        return cls(section, name, 100 * float(values.mean()), low, high, len(values), of, wanted)


@dataclass(frozen=True)
class Skipped:
    """A part of the table that can't be measured here, and why."""

    section: str
    reason: str


@dataclass(frozen=True)
class Shown:
    """A request to look at: texts and pictures, and the first answers with what is right."""

    section: str
    text: str
    reference: Path | None
    answers: tuple[Path, ...]
    right: tuple[bool, ...]
    score: float


@dataclass(frozen=True)
class Pictures:
    """Pictures by name with their features, ``embeddings (N, D)`` and what is known of each.

    ``features`` lack tokens where the model composes without them, and they were not asked for.
    """

    model: Model
    files: Mapping[str, Path]
    rows: Sequence[Mapping[str, str]]
    features: FeatureArrays
    embeddings: Floats

    def __len__(self) -> int:
        return len(self.rows)

    def having(self, column: str, *values: str) -> Right:
        """Which pictures have one of ``values`` in ``column``, (N,)."""
        return np.array([row.get(column, "") in values for row in self.rows])

    def first(
        self, queries: Floats, count: int = FIRST, without: Sequence[int] | None = None
    ) -> Ints:
        """The first ``count`` for each of ``queries`` (Q, D), as row numbers (Q, count).

        ``without`` names one picture a query that is left out.
        """
        drop = None if without is None else np.array(without, np.int32)
        return metrics.rank(queries, self.embeddings, count, drop=drop).ids

    def said(self, texts: Sequence[str]) -> Floats:
        """Embeddings of texts alone, (Q, D)."""
        parts = [self.model.embed(self._encoded(part)) for part in _parts(texts)]
        return np.concatenate(parts)

    def _encoded(self, texts: Sequence[str]) -> FeatureArrays:
        """Features of texts as a search reads them."""
        return self.model.encode_texts([*map(without_courtesy, texts)])

    def composed(
        self, references: Sequence[int], texts: Sequence[str], fusion: str | None = None
    ) -> Floats:
        """Queries (Q, D), each of one of these pictures and a text, composed as a search does if
        ``fusion`` is None."""
        said = [*dict.fromkeys(texts)]
        place = {text: number for number, text in enumerate(said)}
        encoded = self._encoded(said)
        queries = []
        for part in _parts([*zip(references, texts, strict=True)]):
            image = self.features[[row for row, _ in part]]
            text_features = encoded[[place[text] for _, text in part]]
            beside = Surroundings(said=[text for _, text in part])
            composed = self.model.compose(image, text_features, fusion or self.model.usual, beside)
            queries.append(composed.embedding)
        made = np.concatenate(queries)
        return self.without_refused(made, texts) if fusion is None else made

    def without_refused(self, queries: Floats, texts: Sequence[str]) -> Floats:
        """Queries (Q, D) as a search asks them: without what their texts refuse."""
        refused = [refusals([self.model.as_read(text)]) for text in texts]
        place = {word: row for row, word in enumerate({word for said in refused for word in said})}
        if not place:
            return queries
        words, none = self.said([*place]), self.embeddings[:0]
        return np.stack(
            [
                Unwanted(none, none, words[[place[word] for word in said]]).taken_from(query)
                if said
                else query
                for query, said in zip(queries, refused, strict=True)
            ]
        )

    def shown(
        self, section: str, text: str, query: Floats, right: Right, reference: int | None = None
    ) -> Shown:
        """One request with its first answers, for a contact sheet."""
        (ids,) = self.first(query[None], FIRST, None if reference is None else [reference])
        paths = [*self.files.values()]
        return Shown(
            section,
            text,
            None if reference is None else paths[reference],
            tuple(paths[number] for number in ids),
            tuple(bool(right[number]) for number in ids),
            float(self.embeddings[ids[0]] @ query),
        )


def encode(
    model: Model,
    files: Mapping[str, Path],
    rows: Sequence[Mapping[str, str]],
    *,
    tokens: bool = False,
) -> Pictures:
    """Open and encode ``files`` once, with ``tokens`` even if the model composes without them.
    DataError if one can't be used."""
    prepare = model.preprocess
    sources = [PictureFile(file, name) for name, file in files.items()]
    chunks = []
    loaded = load_pictures(sources, prepare, shorter_side=prepare.wanted_shorter_side)
    for batch in in_batches(loaded):
        for each in batch:
            if not isinstance(each, Loaded):
                raise DataError(f"{each.source.file} can't be measured on: {each}")
        pixels = np.stack([each.content for each in batch if isinstance(each, Loaded)])
        chunks.append(_features(model, pixels, tokens=tokens))
    return gathered(model, files, rows, chunks)


def encode_made(
    model: Model,
    files: Mapping[str, Path],
    rows: Sequence[Mapping[str, str]],
    make: Callable[[int], Image.Image],
) -> Pictures:
    """Encode pictures that ``make`` makes by their row number; ``files`` are only names here."""
    chunks = [
        _features(model, np.stack([model.preprocess(make(number)) for number in part]))
        for part in _parts(range(len(rows)), 32)
    ]
    return gathered(model, files, rows, chunks)


def gathered(
    model: Model,
    files: Mapping[str, Path],
    rows: Sequence[Mapping[str, str]],
    chunks: Sequence[FeatureArrays],
) -> Pictures:
    """Features of several batches as one set of pictures."""
    names = ("pooled", "tokens", "mask")
    features = FeatureArrays(*(np.concatenate([getattr(c, n) for c in chunks]) for n in names))
    return Pictures(model, files, rows, features, model.embed(features))


def joined(first: Pictures, second: Pictures) -> Pictures:
    """Two sets of pictures as one gallery, the first one's row numbers as they were."""
    files, rows = {**first.files, **second.files}, [*first.rows, *second.rows]
    if len(files) != len(rows):
        raise DataError("two pictures of one gallery have the same name")
    return gathered(first.model, files, rows, [first.features, second.features])


def precision(ids: Ints, right: Right, without: Sequence[int] | None = None) -> Values:
    """Share of the first ten that are right, (Q,), of ``ids`` (Q, K) and ``right`` (Q, N).

    Where fewer than ten are right in all, ``without`` aside, only so many first ones count, so
    that 1 can be reached; a query without a right answer is an error.
    """
    known = right.copy()
    if without is not None:
        known[np.arange(len(known)), np.array(without)] = False
    count = np.minimum(known.sum(axis=1), FIRST)
    if not count.all():
        raise DataError(f"{(count == 0).sum()} queries have no right answer in the gallery")
    hit = np.take_along_axis(known, ids[:, :FIRST].astype(np.intp), axis=1)
    counted = np.arange(hit.shape[1]) < count[:, None]
    return np.asarray((hit & counted).sum(axis=1) / count)


def average_precision(pictures: Pictures, queries: Floats, right: Right) -> Values:
    """Mean precision at every right picture of the whole ranking, (Q,)."""
    named = np.full(right.shape, NOBODY, np.int32)
    for row, each in enumerate(right):
        found = np.flatnonzero(each)
        named[row, : len(found)] = found
    ranks = metrics.rank(queries, pictures.embeddings, 1, named=named).ranks
    return metrics.average_precision(ranks, right.sum(axis=1), len(pictures))


def _features(model: Model, pixels: Floats, *, tokens: bool = False) -> FeatureArrays:
    made = model.encode_images(pixels)
    if tokens or model.reads_tokens:
        return made
    return FeatureArrays(made.pooled, made.tokens[:, :1], made.mask[:, :1])


def _parts(items: Sequence[Any], size: int = AT_ONCE) -> list[Sequence[Any]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
