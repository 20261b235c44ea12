"""How gently does quality fall? The same queries, with texts and reference pictures spoilt.

    python benchmarks/robustness.py ../shared/data/products [--split val] [--model bundled]

Each line spoils one thing in every query of a triplet folder and scores the composed queries over
the unspoilt gallery: R@1, R@10 and RecallSubset@1 in percent, and the change of R@10. The first
lines are the queries as they stand, all of them and by language.
"""

from __future__ import annotations

import argparse
import io
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from samebut.data import triplets
from samebut.data.benchmark import Benchmark
from samebut.embedding import Floats
from samebut.evaluate import score_embeddings
from samebut.images import open_picture
from samebut.language.courtesy import without_courtesy
from samebut.runtime import FeatureArrays, Model

AT_ONCE = 256
SHOWN = ("R@1", "R@10", "RecallSubset@1")


def typos(count: int) -> Callable[[str, random.Random], str]:
    """Two neighbouring letters swapped, or one dropped, ``count`` times."""

    def spoil(text: str, rng: random.Random) -> str:
        for _ in range(count):
            if len(text) > 3:
                at = rng.randrange(1, len(text) - 1)
                swapped = text[at + 1] + text[at] if rng.random() < 0.5 else text[at + 1]
                text = text[:at] + swapped + text[at + 2 :]
        return text

    return spoil


TEXTS: dict[str, Callable[[str, random.Random], str]] = {
    "UPPER CASE": lambda text, _: text.upper(),
    "no spaces": lambda text, _: text.replace(" ", ""),
    "one typo": typos(1),
    "two typos": typos(2),
    "four typos": typos(4),
    "emoji and !!!": lambda text, _: f"{text}!!! 😍👗",
    "full-width letters": lambda text, _: "".join(
        chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text
    ),
    "polite words around": lambda text, _: f"excuse me, would you have it {text} perhaps? cheers",
    "an unknown word": lambda text, _: f"{text} zworblax",
    "said ten times": lambda text, _: ", ".join([text] * 10),
    "empty (the picture alone)": lambda text, _: "",
}


def _jpeg(picture: Image.Image) -> Image.Image:
    packed = io.BytesIO()
    picture.save(packed, "jpeg", quality=8)
    return Image.open(packed).convert("RGB")


def _tiny(side: int) -> Callable[[Image.Image], Image.Image]:
    return lambda picture: ImageOps.contain(picture, (side, side))


def _middle(picture: Image.Image) -> Image.Image:
    width, height = picture.size
    return picture.crop((width // 5, height // 5, width - width // 5, height - height // 5))


PICTURES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "48 pixels": _tiny(48),
    "24 pixels": _tiny(24),
    "JPEG of quality 8": _jpeg,
    "half as bright": lambda picture: ImageEnhance.Brightness(picture).enhance(0.5),
    "mirrored": ImageOps.mirror,
    "tilted by 20 degrees": lambda picture: picture.rotate(20, fillcolor=(255, 255, 255)),
    "upside down": lambda picture: picture.rotate(180),
    "the middle 60 %": _middle,
    "in a wide white frame": lambda picture: ImageOps.expand(
        picture, picture.width // 2, (255, 255, 255)
    ),
    "grey": lambda picture: picture.convert("L").convert("RGB"),
    "blank (the text alone)": lambda picture: Image.new("RGB", picture.size, (255, 255, 255)),
}


class Bench:
    """A benchmark's gallery, encoded once, and its queries, spoilt and scored at will."""

    def __init__(self, model: Model, benchmark: Benchmark) -> None:
        self.model, self.benchmark = model, benchmark
        self.names = list(benchmark.images)
        self.place = {name: row for row, name in enumerate(self.names)}
        self.features = self.encode(self.names, lambda picture: picture)
        self.gallery = model.embed(self.features)

    def encode(
        self, names: Sequence[str], spoil: Callable[[Image.Image], Image.Image]
    ) -> FeatureArrays:
        """Features of pictures, spoilt after they are opened as the gallery opens them."""
        prepare, chunks = self.model.preprocess, []
        for start in range(0, len(names), AT_ONCE):
            files = [self.benchmark.images[name] for name in names[start : start + AT_ONCE]]
            opened = [open_picture(f, shorter_side=prepare.wanted_shorter_side) for f in files]
            pixels = np.stack([prepare(spoil(picture)) for picture in opened])
            chunks.append(self.model.encode_images(pixels))
        parts = zip(*((each.pooled, each.tokens, each.mask) for each in chunks), strict=True)
        return FeatureArrays(*(np.concatenate(part) for part in parts))

    def score(
        self, texts: Sequence[str], features: FeatureArrays, place: dict[str, int]
    ) -> dict[str, float]:
        return score_embeddings(self.benchmark, self.compose(texts, features, place), self.gallery)

    def compose(
        self, texts: Sequence[str], features: FeatureArrays, place: dict[str, int]
    ) -> Floats:
        queries = []
        for start in range(0, len(texts), AT_ONCE):
            asked = self.benchmark.queries[start : start + AT_ONCE]
            said = map(without_courtesy, texts[start : start + AT_ONCE])  # as a search does
            words = self.model.encode_texts(list(said))
            rows = [place[query.reference] for query in asked]
            queries.append(self.model.compose(features[rows], words).embedding)
        return np.concatenate(queries)


def line(name: str, count: int, scores: dict[str, float], usual: float | None = None) -> str:
    numbers = "".join(f"{scores.get(shown, float('nan')):>16.1f}" for shown in SHOWN)
    change = "" if usual is None else f"{scores['R@10'] - usual:>+10.1f}"
    return f"{name:<28}{count:>8,}{numbers}{change}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--split", default="val")
    parser.add_argument("--model", default="bundled")
    arguments = parser.parse_args()
    benchmark = triplets.read(arguments.root, arguments.split)
    model = Model.load(arguments.model)
    bench = Bench(model, benchmark)
    texts = [" ".join(query.texts) for query in benchmark.queries]
    print(f"{model.name} {model.fingerprint}, {benchmark.label}, {len(bench.names):,} pictures")
    print(f"{'queries':<28}{'':>8}{''.join(f'{name:>16}' for name in SHOWN)}{'R@10':>10}")
    queries = bench.compose(texts, bench.features, bench.place)
    usual = score_embeddings(benchmark, queries, bench.gallery)
    print(line("as they stand", len(texts), usual))
    for language in dict.fromkeys(query.language for query in benchmark.queries):
        rows = [n for n, query in enumerate(benchmark.queries) if query.language == language]
        part = replace(benchmark, queries=tuple(benchmark.queries[n] for n in rows))
        scores = score_embeddings(part, queries[rows], bench.gallery)
        print(line(f"  those in {language}", len(rows), scores, usual["R@10"]))
    rng = random.Random(0)
    for name, spoil in TEXTS.items():
        scores = bench.score([spoil(text, rng) for text in texts], bench.features, bench.place)
        print(line(f"text: {name}", len(texts), scores, usual["R@10"]))
    references = list(dict.fromkeys(query.reference for query in benchmark.queries))
    place = {name: row for row, name in enumerate(references)}
    for name, change in PICTURES.items():
        scores = bench.score(texts, bench.encode(references, change), place)
        print(line(f"picture: {name}", len(texts), scores, usual["R@10"]))


if __name__ == "__main__":
    main()
