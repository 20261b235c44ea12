"""Scores of a model in training on a benchmark whose answers are known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from samebut.data.benchmark import Benchmark
from samebut.errors import RecipeError
from samebut.evaluate import score_embeddings
from samebut.evaluate.scoring import headline_name
from samebut.learning import distributed
from samebut.learning.data.feature_cache import picture_features, text_features
from samebut.learning.data.feature_store import FeatureStore, place_of
from samebut.learning.data.pictures import decode_all, to_pixels
from samebut.learning.encoders.base import unit, without_tokens
from samebut.learning.model.cir_model import CIRModel
from samebut.learning.objective.base import Compose
from samebut.metrics import Floats
from samebut.preprocess import Preprocess

PICTURES_AT_ONCE = 256
QUERIES_AT_ONCE = 512


@dataclass(frozen=True)
class Sides:
    """Features of a benchmark: of all its ``pictures``, and of the ``texts`` of its queries if they
    are cached; ``references (Q,)`` are rows of pictures."""

    pictures: FeatureStore
    references: Tensor
    texts: FeatureStore | None = None


def validate(
    model: CIRModel,
    benchmark: Benchmark,
    cache: Path,
    *,
    preprocess: Preprocess | None = None,
    compose: Compose = CIRModel.compose,
    sides: Sides | None = None,
) -> dict[str, float]:
    """Scores of composed queries on a benchmark, in percent; options as those of ``embed``."""
    queries, gallery = embed(
        model, benchmark, cache, preprocess=preprocess, compose=compose, sides=sides
    )
    return score_embeddings(benchmark, queries, gallery)


@torch.inference_mode()
def embed(
    model: CIRModel,
    benchmark: Benchmark,
    cache: Path,
    *,
    preprocess: Preprocess | None = None,
    compose: Compose = CIRModel.compose,
    sides: Sides | None = None,
) -> tuple[Floats, Floats]:
    """Composed queries ``(Q, D)`` and pictures ``(N, D)`` of a benchmark, unit length.

    ``preprocess`` defaults to the model's own; a stage with another input size gives its own.
    ``compose`` makes the queries. ``sides`` are features that a frozen encoder computed before;
    without them everything is encoded now.
    """
    model.eval()
    sides = sides or encoded_sides(model, preprocess or model.preprocess, benchmark, cache)
    composed = []
    for start in range(0, len(benchmark.queries), QUERIES_AT_ONCE):
        rows = torch.arange(start, min(start + QUERIES_AT_ONCE, len(benchmark.queries)))
        if sides.texts:
            texts = sides.texts.features(rows)
        else:
            texts = model.encoder.texts([said(benchmark, row) for row in rows.tolist()])
        references = model.encoder.project(sides.pictures.features(sides.references[rows]))
        composed.append(compose(model, references, texts).cpu())
    gallery = [
        unit(model.encoder.project(without_tokens(part.float())).pooled).cpu()
        for part in sides.pictures.pooled[:, 0].split(PICTURES_AT_ONCE)
    ]
    return torch.cat(composed).numpy(), torch.cat(gallery).numpy()


def said(benchmark: Benchmark, row: int) -> str:
    """The text of a query."""
    return " ".join(benchmark.queries[row].texts)


def references_of(benchmark: Benchmark) -> Tensor:
    """``(Q,)``: the row of each query's reference among the pictures."""
    place = {name: row for row, name in enumerate(benchmark.images)}
    return torch.tensor([place[query.reference] for query in benchmark.queries])


def encoded_sides(
    model: CIRModel, preprocess: Preprocess, benchmark: Benchmark, cache: Path
) -> Sides:
    """Features by the current trunk; with tokens of references only, and only if the fusion reads
    them."""
    references = references_of(benchmark)
    files = list(benchmark.images.values())
    pixels = decode_all(files, preprocess, cache)
    place = place_of(references.unique().tolist(), len(files))
    device = distributed.device_of(model)
    pooled, tokens, masks = [], [], []
    for start in range(0, len(files), PICTURES_AT_ONCE):
        part = slice(start, start + PICTURES_AT_ONCE)
        features = model.encoder.trunk_features(to_pixels(pixels[part], preprocess, device))
        pooled.append(features.pooled)
        if model.fusion.reads_tokens:
            kept = (place[part] >= 0).to(device)
            tokens.append(features.tokens[kept])
            masks.append(features.mask[kept])
    store = FeatureStore(torch.cat(pooled).unsqueeze(1))
    if tokens:
        store = FeatureStore(store.pooled, torch.cat(tokens).unsqueeze(1), torch.cat(masks), place)
    return Sides(store, references)


def cached_sides(
    model: CIRModel, benchmark: Benchmark, cache: Path, *, texts: bool = True
) -> Sides:
    """Features from the caches, of pictures by a frozen trunk and of ``texts`` by a frozen text
    tower; encoded and cached now if they are missing."""
    references = references_of(benchmark)
    tokens = model.fusion.reads_tokens
    pictures = picture_features(
        model.encoder,
        list(benchmark.images.values()),
        model.preprocess,
        cache,
        tokens_of=references.tolist() if tokens else (),
    )
    device = distributed.device_of(model)
    if not texts:
        return Sides(pictures.to(device), references)
    written = [said(benchmark, row) for row in range(len(benchmark.queries))]
    words = text_features(model.encoder, written, cache, tokens=tokens)
    return Sides(pictures.to(device), references, words.to(device))


def metric_of(benchmark: Benchmark, said: str) -> str:
    """The name of the score that epochs are compared by: ``said``, or the benchmark's headline.

    RecipeError: the benchmark has no such score.
    """
    rules = benchmark.rules
    known = {"MRR", headline_name(rules)}
    known |= {f"R@{k}" for k in rules.recall}
    known |= {f"mAP@{k}" for k in rules.average_precision}
    if any(query.subset for query in benchmark.queries):
        known |= {f"RecallSubset@{k}" for k in rules.subset_recall}
    if said and said not in known:
        raise RecipeError(
            f"{benchmark.label} has no score called '{said}'",
            hint=f"Its scores: {', '.join(sorted(known))}.",
        )
    return said or headline_name(rules)
