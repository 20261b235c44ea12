"""Whether exported graphs are the model: fp32 beside torch, int8 beside fp32."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from samebut.data.benchmark import Benchmark
from samebut.errors import ModelError
from samebut.evaluate import score_embeddings
from samebut.learning.encoders.base import Features
from samebut.learning.model.cir_model import CIRModel
from samebut.runtime import FeatureArrays, Model

Floats = npt.NDArray[np.float32]

LEAST_COSINE = 0.9999  # between an fp32 graph and torch, on every checked picture
MOST_APART = 1e-3  # largest difference of an attention weight from torch's
LARGEST_LOSS = 0.5  # points of each of DECIDING that int8 may lose and still be the default
DECIDING = ("R@1", "R@10")  # R@10 alone once hid a loss of five points of R@1
REPORT = (
    "Check that the fusion or encoder has no operation that behaves differently in ONNX, such as "
    "a branch on a tensor's value. If all of it is samebut's own, report this as a fault."
)
_CHUNK = 16
_TEXTS = ("in blue", "换成红色", "the same, but with long sleeves and a much darker colour", "")


@torch.inference_mode()
def check_against_torch(model: CIRModel, runtime: Model, pixels: Floats) -> float:
    """The least cosine of pictures, texts and queries. ModelError if it is below 0.9999."""
    worst = 1.0
    for at in range(0, len(pixels), _CHUNK):
        chunk = pixels[at : at + _CHUNK]
        texts = [_TEXTS[row % len(_TEXTS)] for row in range(len(chunk))]
        image, text = runtime.encode_images(chunk), runtime.encode_texts(texts)
        theirs = model.encoder.images(torch.from_numpy(chunk)), model.encoder.texts(texts)
        composed = runtime.compose(image, text)
        pairs = {
            "image": (image.pooled, theirs[0].pooled),
            "text": (text.pooled, theirs[1].pooled),
            "compose": (composed.embedding, model.compose(*theirs)),
        }
        for graph, (ours, expected) in pairs.items():
            least = float(_cosine(ours, expected.numpy()).min())
            if not least >= LEAST_COSINE:
                raise ModelError(
                    f"the exported graph {graph} differs from the PyTorch model: their embeddings "
                    f"have a cosine of {least:.6f}, and {LEAST_COSINE} is needed",
                    hint=REPORT,
                )
            worst = min(worst, least)
        _check_attention(model, theirs, composed.attention)
    return worst


def _check_attention(
    model: CIRModel, sides: tuple[Features, Features], ours: Floats | None
) -> None:
    expected = model.fusion.attention(*sides)
    if (ours is None) != (expected is None):
        raise ModelError(
            "the exported compose graph and the fusion do not both give attention", hint=REPORT
        )
    if ours is not None and expected is not None:
        apart = float(np.abs(ours - expected.numpy()).max())
        if not apart <= MOST_APART:
            raise ModelError(
                f"the exported attention differs from PyTorch's by {apart:.4f}, and at most "
                f"{MOST_APART} is allowed",
                hint=REPORT,
            )


def compare_precisions(
    description: dict[str, Any],
    folder: Path,
    read: Callable[[], Floats],
    benchmark: Benchmark | None,
) -> dict[str, Any]:
    """Compare int8 with fp32 on the pictures that ``read`` returns, and set the default precision
    in ``description``. Returns what was measured.

    With a benchmark the pictures are its gallery: int8 becomes the default if R@1 and R@10 fall by
    half a point at most. Without one the loss of int8 is not measured, and fp32 is the default.
    """
    graph = description["graphs"]["image"]
    pixels = read()
    measured = {}
    for precision in ("fp32", "int8"):
        graph["default"] = precision
        save_description(description, folder)
        measured[precision] = _search(Model.load(folder), benchmark, pixels)
    (gallery, scores), (gallery8, scores8) = measured["fp32"], measured["int8"]
    said: dict[str, Any] = {
        "pictures": len(gallery),
        "cosine_mean": round(float(_cosine(gallery, gallery8).mean()), 5),
        "cosine_least": round(float(_cosine(gallery, gallery8).min()), 5),
        "top10_overlap": round(_overlap(gallery, gallery8), 4),
    }
    graph["default"] = "fp32"
    if benchmark is None:
        return {**said, "note": "no benchmark was given: what int8 costs was not measured"}
    if all(scores[name] - scores8[name] <= LARGEST_LOSS for name in DECIDING):
        graph["default"] = "int8"
    both = {"fp32": scores, "int8": scores8}
    return said | {
        f"{name}_{precision}": round(each[name], 2)
        for name in DECIDING
        for precision, each in both.items()
    }


def _search(
    model: Model, benchmark: Benchmark | None, pixels: Floats
) -> tuple[Floats, dict[str, float]]:
    """Embeddings of the pictures, and the scores of the benchmark's queries over them."""
    chunks = []
    for at in range(0, len(pixels), _CHUNK):
        chunk = model.encode_images(pixels[at : at + _CHUNK])
        if benchmark is None or not model.reads_tokens:  # hundreds of MB at ViT sizes
            chunk = FeatureArrays(chunk.pooled, chunk.tokens[:, :0], chunk.mask[:, :0])
        chunks.append(chunk)
    features = FeatureArrays(
        *(np.concatenate(parts) for parts in zip(*map(_parts, chunks), strict=True))
    )
    gallery = model.embed(features)
    if benchmark is None:
        return gallery, {}
    place = {name: row for row, name in enumerate(benchmark.images)}
    queries = []
    for at in range(0, len(benchmark.queries), 256):
        asked = benchmark.queries[at : at + 256]
        texts = model.encode_texts([" ".join(query.texts) for query in asked])
        rows = [place[query.reference] for query in asked]
        queries.append(model.compose(features[rows], texts).embedding)
    return gallery, score_embeddings(benchmark, np.concatenate(queries), gallery)


def _parts(features: FeatureArrays) -> tuple[npt.NDArray[Any], ...]:
    return features.pooled, features.tokens, features.mask


def _overlap(first: Floats, second: Floats) -> float:
    """The mean share of the ten nearest neighbours that two galleries agree on."""
    most = min(10, len(first))
    tens = [np.argsort(-(rows @ rows.T), axis=1)[:, :most] for rows in (first, second)]
    both = [len(np.intersect1d(a, b)) for a, b in zip(*tens, strict=True)]
    return float(np.mean(both)) / most


def _cosine(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> Floats:
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    cosine: Floats = (first * second).sum(1) / lengths
    return cosine


def save_description(description: dict[str, Any], folder: Path) -> None:
    """Write ``model.json``."""
    text = json.dumps(description, indent=2, ensure_ascii=False) + "\n"
    (folder / "model.json").write_text(text, encoding="utf-8")
