"""Runs a model over a benchmark: each picture is opened once, for all query modes together.

Composing needs the regions and words of a query, which are large. So a query is composed by the
model's fusion while its reference picture's batch is in memory, and only pooled features are kept,
on disk if a folder is given. All other query modes are computed from these. The same model is not
run twice over the same files.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from samebut.composition.made import Asked, Corpora, Sample
from samebut.composition.pairs import Pair
from samebut.composition.rows import read
from samebut.confidence import spread
from samebut.data.benchmark import Benchmark
from samebut.embedding import unit
from samebut.errors import DataError, QueryError
from samebut.files import json_of, replacing, write_whole, writing
from samebut.loader import (
    Loaded,
    PictureFile,
    Progress,
    Unusable,
    in_batches,
    load_pictures,
    silent,
)
from samebut.metrics import Floats, rank

if TYPE_CHECKING:
    from samebut.preprocess import Preprocess
    from samebut.runtime import Composed, FeatureArrays

QUERIES_AT_ONCE = 64
FORMAT = 2
Arrays = dict[str, Floats]


class EvaluatedModel(Protocol):
    """The interface that a model must have; ``samebut.runtime.Model`` has it."""

    @property
    def folder(self) -> Path: ...
    @property
    def description(self) -> Mapping[str, Any]: ...
    @property
    def name(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def preprocess(self) -> Preprocess: ...
    def encode_images(self, pixels: Floats) -> FeatureArrays: ...
    def encode_texts(self, texts: Sequence[str]) -> FeatureArrays: ...
    def embed(self, features: FeatureArrays) -> Floats: ...
    def compose(self, image: FeatureArrays, text: FeatureArrays) -> Composed: ...
    @property
    def corpora(self) -> Corpora: ...
    @property
    def kinds(self) -> Floats: ...


# Query modes that are no composition of ``samebut.composition.rows``.
ONE_SIDED = ("composed", "image", "text")
MODES = ("composed", "sum", "image", "text")
"""The query modes of `--query all`."""

_MEANING = {
    "composed": "the model's fusion of picture and text",
    "sum": "sum of the unit vectors of picture and text",
    "image": "the picture alone",
    "text": "the text alone",
}
_ARRAYS = ("pictures", "texts", "own", "gates")


def meaning(mode: str) -> str:
    """What queries of a mode are made of. QueryError: there is no such mode."""
    if mode in _MEANING:
        return _MEANING[mode]
    try:
        return f"{(found := read(mode)).name}: {found.what}"
    except QueryError as error:
        raise QueryError(
            str(error), hint=f"Also: {', '.join(ONE_SIDED)}. {error.hint or ''}".strip()
        ) from error


@dataclass(frozen=True, slots=True)
class Embedded:
    """A benchmark with a model's features of it.

    ``pictures (N, D)`` and ``texts (T, D)`` are pooled features, not normalised, in the order of
    ``benchmark.images`` and of all texts of all queries; ``own (T, D)`` are the queries composed by
    the model's fusion, ``gates (T,)`` its gates.
    """

    benchmark: Benchmark
    model: EvaluatedModel
    pictures: Floats
    texts: Floats
    own: Floats
    gates: Floats

    @property
    def gallery(self) -> Floats:
        """Embeddings ``(N, D)``: rows of length one."""
        return unit(self.pictures)

    def queries(self, mode: str) -> Floats | Pair:
        """Queries ``(Q, D)`` in the order of ``benchmark.queries``, of length one, or as pairs
        where the composition scores pictures twice. Several texts of a query are averaged.

        QueryError: there is no such way to ask, or it reads captions that the benchmark lacks.
        """
        references, over = self._rows()
        if mode in ONE_SIDED:
            sides = {"composed": self.own, "image": self.pictures[references], "text": self.texts}
            return unit(over.of(unit(sides[mode])))
        composition = read(mode)
        asked = Asked(
            self.pictures[references],
            self.texts,
            lambda: (self.own, self.gates),
            lambda: self.model.corpora,
            *(self._captions() if composition.reads_caption else (None, None)),
            _Gallery(self.gallery, references if self.benchmark.rules.drop_reference else None),
            lambda: self.model.kinds,
            [text for query in self.benchmark.queries for _, text, _ in query.asks],
        )
        made = composition.make(asked)
        return unit(over.of(made.embedding)) if made.pair is None else over.of_pair(made.pair)

    def _rows(self) -> tuple[NDArray[np.intp], _Averages]:
        """The row of every text's reference, and the averages of a query's texts."""
        place = {name: row for row, name in enumerate(self.benchmark.images)}
        queries = self.benchmark.queries
        asked = [(row, *each) for row, query in enumerate(queries) for each in query.asks]
        references = np.array([place[reference] for _, reference, _, _ in asked], np.intp)
        owners = np.array([row for row, *_ in asked], np.intp)
        weights = np.array([weight for *_, weight in asked], np.float32)
        return references, _Averages(owners, weights, len(queries))

    def _captions(self) -> tuple[Floats | None, Floats | None]:
        """Embeddings ``(T, D)`` of the references' captions, and of caption and text as one string;
        None if a reference has no caption."""
        said = self.benchmark.captions()
        captions = [
            (said.get(reference, ""), text)
            for query in self.benchmark.queries
            for reference, text, _ in query.asks
        ]
        if not all(caption for caption, _ in captions):
            return None, None
        described = [caption for caption, _ in captions]
        wished = [f"{caption}, {text}" for caption, text in captions]
        return _embedded(self.model, described), _embedded(self.model, wished)


@dataclass(frozen=True)
class _Averages:
    """Means over the texts of each query: ``owners (T,)`` are the queries' rows, ``weights (T,)``
    the weights of the texts."""

    owners: NDArray[np.intp]
    weights: Floats
    count: int

    def of(self, rows: NDArray[Any]) -> NDArray[Any]:
        if len(rows) == self.count:
            return rows
        shape = (-1, *[1] * (rows.ndim - 1))
        total = np.zeros((self.count, *rows.shape[1:]), rows.dtype)
        np.add.at(total, self.owners, rows * self.weights.reshape(shape).astype(rows.dtype))
        weight = np.bincount(self.owners, self.weights, self.count)
        mean: NDArray[Any] = total / weight.reshape(shape).astype(rows.dtype)
        return mean

    def of_pair(self, pair: Pair) -> Pair:
        own = None if pair.own is None else unit(self.of(pair.own))
        sides = self.of(pair.image), self.of(pair.text)
        offsets = self.of(pair.image_offset), self.of(pair.text_offset)
        return Pair(*sides, *offsets, pair.harris, own, pair.share)


@dataclass(frozen=True)
class _Gallery:
    """The benchmark's pictures, for compositions that depend on the gallery or on a query's
    neighbours. ``references (T,)`` are left out of the neighbours, one for each text."""

    embeddings: Floats
    references: NDArray[np.intp] | None

    def sample(self) -> Sample:
        return Sample(self.embeddings[spread(len(self.embeddings))])

    def nearest(self, queries: Floats, count: int) -> Floats:
        drop = None if self.references is None else self.references.astype(np.int32)
        return self.embeddings[rank(queries, self.embeddings, count, drop=drop).ids]


def embed_benchmark(
    benchmark: Benchmark,
    model: EvaluatedModel,
    *,
    cache: Path | None = None,
    progress: Progress = silent,
) -> Embedded:
    """Embed every picture and query of ``benchmark``; ``progress`` is told of each picture done.

    With ``cache``, embeddings are kept in a folder below it, named by the model's fingerprint and a
    digest of files and queries, and a later call reads them from there.

    Raises DataError if a picture is missing or can't be used: with a count, names and reasons.
    """
    benchmark.require_images()
    place = cache and cache / f"{model.fingerprint}-{_digest(benchmark)}"
    arrays = _load(place) if place else None
    if arrays is None:
        arrays = _embed(benchmark, model, progress)
        if place:
            _save(place, arrays)
    return Embedded(benchmark, model, *(arrays[name] for name in _ARRAYS))


def texts_cut(model: EvaluatedModel, texts: Sequence[str]) -> int:
    """How many of ``texts`` are longer than the model reads, and so were read in part."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model.folder / model.description["tokenizer"]["file"]))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    longest = int(model.description["text"]["max_tokens"])
    encodings = tokenizer.encode_batch([text.strip() for text in texts])
    return sum(len(encoding.ids) > longest for encoding in encodings)


def _embed(benchmark: Benchmark, model: EvaluatedModel, progress: Progress) -> Arrays:
    asking = defaultdict(list)
    texts = [each[:2] for query in benchmark.queries for each in query.asks]
    for row, (reference, _) in enumerate(texts):
        asking[reference].append(row)
    gallery: list[Floats] = []
    said: dict[int, tuple[Floats, Floats, Floats]] = {}
    unusable: list[Unusable] = []
    files = [PictureFile(path, name) for name, path in benchmark.images.items()]
    preprocess = model.preprocess
    pictures = load_pictures(files, preprocess, shorter_side=preprocess.wanted_shorter_side)
    done = 0
    for batch in in_batches(pictures):
        loaded = [each for each in batch if isinstance(each, Loaded)]
        unusable += [each for each in batch if isinstance(each, Unusable)]
        if loaded and not unusable:
            features = model.encode_images(np.stack([each.content for each in loaded]))
            gallery += list(features.pooled)
            asked = [
                (place, row, texts[row][1])
                for place, each in enumerate(loaded)
                for row in asking[each.source.path]
            ]
            said |= _ask(model, features, asked)
        done += len(batch)
        progress(done, len(files))
    _require_usable(benchmark, unusable)
    rows = zip(*(said[row] for row in range(len(texts))), strict=True)
    return dict(zip(_ARRAYS, map(np.stack, [gallery, *rows]), strict=True))


def _ask(
    model: EvaluatedModel, pictures: FeatureArrays, asked: Sequence[tuple[int, int, str]]
) -> dict[int, tuple[Floats, Floats, Floats]]:
    """By a text's number: its pooled features, the query composed by the model, and its gate.
    ``asked`` are triples (row in ``pictures``, number of the text, text)."""
    made: dict[int, tuple[Floats, Floats, Floats]] = {}
    for start in range(0, len(asked), QUERIES_AT_ONCE):
        part = asked[start : start + QUERIES_AT_ONCE]
        image = pictures[[place for place, _, _ in part]]
        text = model.encode_texts([text for _, _, text in part])
        composed = model.compose(image, text)
        rows = zip(text.pooled, composed.embedding, composed.gate, strict=True)
        made |= {number: row for (_, number, _), row in zip(part, rows, strict=True)}
    return made


def _embedded(model: EvaluatedModel, texts: Sequence[str]) -> Floats:
    """Embeddings ``(T, D)``, each text encoded once."""
    different = [*dict.fromkeys(texts)]
    place = {text: row for row, text in enumerate(different)}
    parts = [
        model.embed(model.encode_texts(different[start : start + QUERIES_AT_ONCE]))
        for start in range(0, len(different), QUERIES_AT_ONCE)
    ]
    return np.concatenate(parts)[[place[text] for text in texts]]


def _require_usable(benchmark: Benchmark, unusable: Sequence[Unusable]) -> None:
    if unusable:
        named = "; ".join(f"{each.source.path}: {each.reason}" for each in unusable[:3])
        raise DataError(
            f"{benchmark.name} {benchmark.split}: {len(unusable):,} of {len(benchmark.images):,} "
            f"pictures can't be used, first: {named}",
            hint="Replace them; `samebut doctor` lists them. A benchmark is never scored on a part "
            "of its gallery.",
        )


def _digest(benchmark: Benchmark) -> str:
    """What identifies the files and queries that were embedded: 16 hex digits."""
    digest = hashlib.sha256()
    for name, path in benchmark.images.items():
        status = path.stat()
        digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    for query in benchmark.queries:
        also = [astuple(step) for step in query.also]
        digest.update(json.dumps([query.id, query.reference, query.texts, *also]).encode())
    return digest.hexdigest()[:16]


def _save(place: Path, arrays: Arrays) -> None:
    with writing(place):
        place.mkdir(parents=True, exist_ok=True)
        for name, array in arrays.items():
            with replacing(place / f"{name}.npy") as partial, partial.open("wb") as file:
                np.save(file, array)
        # Written last: a folder without it is incomplete and is not read.
        write_whole(place / "done.json", json.dumps({"format": FORMAT, "arrays": _ARRAYS}))


def _load(place: Path) -> Arrays | None:
    try:
        if json_of((place / "done.json").read_text()) != {
            "format": FORMAT,
            "arrays": list(_ARRAYS),
        }:
            return None
        return {name: np.load(place / f"{name}.npy") for name in _ARRAYS}
    except (OSError, ValueError):  # incomplete or deleted: computed again
        return None
