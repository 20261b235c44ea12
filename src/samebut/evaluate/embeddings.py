"""A model run over a benchmark: every picture opened once, every way of asking answered at once.

Composing needs the regions and words of a query, which are large; so a query is composed while
its reference picture's batch is in memory, and only embeddings are kept, on disk if a folder is
given. The same model over the same files is not run twice.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from samebut.data.benchmark import Benchmark
from samebut.errors import DataError
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
from samebut.metrics import Floats

if TYPE_CHECKING:
    from samebut.preprocess import Preprocess
    from samebut.runtime import Composed, FeatureArrays

QUERIES_AT_ONCE = 64
FORMAT = 1


class EvaluatedModel(Protocol):
    """What is asked of a model: ``samebut.runtime.Model`` is one."""

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


def _composed(model: EvaluatedModel, image: FeatureArrays, text: FeatureArrays) -> Floats:
    return model.compose(image, text).embedding


def _sum(model: EvaluatedModel, image: FeatureArrays, text: FeatureArrays) -> Floats:
    return model.embed(image) + model.embed(text)


# How a query is asked. All four come from the same features, so all are made in one pass.
MODES: dict[str, Callable[[EvaluatedModel, FeatureArrays, FeatureArrays], Floats]] = {
    "composed": _composed,
    "sum": _sum,
    "image": lambda model, image, text: model.embed(image),
    "text": lambda model, image, text: model.embed(text),
}

MEANING = {
    "composed": "the model's fusion of picture and text",
    "sum": "sum of the unit vectors of picture and text",
    "image": "the picture alone",
    "text": "the text alone",
}


@dataclass(frozen=True, slots=True)
class Embedded:
    """A benchmark as a model sees it. ``gallery`` (N, D) in the order of ``benchmark.images``,
    ``queries`` maps a mode to (Q, D) in the order of ``benchmark.queries``; rows of length one."""

    gallery: Floats
    queries: dict[str, Floats]


def embed_benchmark(
    benchmark: Benchmark,
    model: EvaluatedModel,
    *,
    cache: Path | None = None,
    progress: Progress = silent,
) -> Embedded:
    """Embed every picture and query of ``benchmark``; ``progress`` hears of pictures done.

    With ``cache``, embeddings are kept below it by the model's fingerprint and the digest of what
    was embedded, and found again. A query with several texts is the mean over them.

    Raises DataError if a picture is missing or can't be used: with a count, names and reasons.
    """
    benchmark.require_images()
    place = cache and cache / f"{model.fingerprint}-{_digest(benchmark)}"
    if place and (found := _load(place)):
        return found
    made = _embed(benchmark, model, progress)
    if place:
        _save(place, made)
    return made


def texts_cut(model: EvaluatedModel, texts: Sequence[str]) -> int:
    """How many of ``texts`` are longer than the model reads, and so were read in part."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model.folder / model.description["tokenizer"]["file"]))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    longest = int(model.description["text"]["max_tokens"])
    encodings = tokenizer.encode_batch([text.strip() for text in texts])
    return sum(len(encoding.ids) > longest for encoding in encodings)


def _embed(benchmark: Benchmark, model: EvaluatedModel, progress: Progress) -> Embedded:
    from samebut.embedding import unit

    asking = defaultdict(list)
    for row, query in enumerate(benchmark.queries):
        asking[query.reference].append(row)
    gallery: list[Floats] = []
    sums: dict[str, dict[int, Floats]] = {mode: {} for mode in MODES}
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
            gallery += list(model.embed(features))
            references = [
                (place, row)
                for place, each in enumerate(loaded)
                for row in asking[each.source.path]
            ]
            _ask(benchmark, model, features, references, sums)
        done += len(batch)
        progress(done, len(files))
    _require_usable(benchmark, unusable)
    size = range(len(benchmark.queries))
    return Embedded(
        np.stack(gallery),
        {mode: unit(np.stack([rows[row] for row in size])) for mode, rows in sums.items()},
    )


def _ask(
    benchmark: Benchmark,
    model: EvaluatedModel,
    pictures: FeatureArrays,
    references: Sequence[tuple[int, int]],
    sums: dict[str, dict[int, Floats]],
) -> None:
    """Add to ``sums`` the embeddings of queries, each given as (row of its picture, its row)."""
    from samebut.embedding import unit

    asked = [
        (place, row, text) for place, row in references for text in benchmark.queries[row].texts
    ]
    for start in range(0, len(asked), QUERIES_AT_ONCE):
        part = asked[start : start + QUERIES_AT_ONCE]
        image = pictures[[place for place, _, _ in part]]
        text = model.encode_texts([text for _, _, text in part])
        for mode, make in MODES.items():
            for (_, row, _), embedding in zip(part, unit(make(model, image, text)), strict=True):
                before = sums[mode].get(row)
                sums[mode][row] = embedding if before is None else before + embedding


def _require_usable(benchmark: Benchmark, unusable: Sequence[Unusable]) -> None:
    if unusable:
        named = "; ".join(f"{each.source.path}: {each.reason}" for each in unusable[:3])
        raise DataError(
            f"{benchmark.name} {benchmark.split}: {len(unusable):,} of {len(benchmark.images):,} "
            f"pictures can't be used, first: {named}",
            hint="A benchmark is never scored on a part of its gallery: samebut doctor lists them.",
        )


def _digest(benchmark: Benchmark) -> str:
    """What identifies the files and queries that were embedded: 16 hex digits."""
    digest = hashlib.sha256()
    for name, path in benchmark.images.items():
        status = path.stat()
        digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    for query in benchmark.queries:
        digest.update(json.dumps([query.id, query.reference, query.texts]).encode())
    return digest.hexdigest()[:16]


def _save(place: Path, made: Embedded) -> None:
    arrays = {"gallery": made.gallery} | {f"query-{m}": rows for m, rows in made.queries.items()}
    with writing(place):
        place.mkdir(parents=True, exist_ok=True)
        for name, array in arrays.items():
            with replacing(place / f"{name}.npy") as partial, partial.open("wb") as file:
                np.save(file, array)
        # Written last: without it the folder is not believed.
        write_whole(place / "done.json", json.dumps({"format": FORMAT, "arrays": sorted(arrays)}))


def _load(place: Path) -> Embedded | None:
    try:
        done = json_of((place / "done.json").read_text())
        if done != {
            "format": FORMAT,
            "arrays": sorted(["gallery", *(f"query-{m}" for m in MODES)]),
        }:
            return None
        return Embedded(
            np.load(place / "gallery.npy"),
            {mode: np.load(place / f"query-{mode}.npy") for mode in MODES},
        )
    except (OSError, ValueError):  # cut short or cleared: it is made again
        return None
