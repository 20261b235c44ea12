"""Does a model know when it has found nothing? Sensible and senseless queries told apart."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from people_rows.asking import LANGUAGES, Pictures, Right, Row, precision, words
from people_rows.phone import kinds_of
from samebut.calibration.fit import interval
from samebut.confidence import Kind, signals, spread
from samebut.embedding import Floats
from samebut.metrics import Values, area_under_roc

SECTION = "how sure"
DRAWN = 200  # of each kind of query, at most
ANIMALS = "n026"  # ImageNet's classes below it are animals, in which a shop of clothes has nothing


@dataclass
class Mix:
    """Queries by their best score, by what a calibrated model makes of it, and whether they fit.

    They fit if at least half of the first ten are right, or of as many as there are.
    """

    scores: list[float] = field(default_factory=list)
    confidence: list[float] = field(default_factory=list)
    fits: list[bool] = field(default_factory=list)

    def sensible(
        self,
        pictures: Pictures,
        kind: Kind,
        queries: Floats,
        right: Right,
        without: list[int] | None = None,
    ) -> None:
        found = precision(pictures.first(queries, without=without), right, without)
        self.fits += (found >= 0.5).tolist()
        self._scored(pictures, kind, queries, without)

    def senseless(self, pictures: Pictures, kind: Kind, queries: Floats) -> None:
        self.fits += [False] * len(queries)
        self._scored(pictures, kind, queries, None)

    def _scored(
        self, pictures: Pictures, kind: Kind, queries: Floats, without: list[int] | None
    ) -> None:
        best = pictures.first(queries, 1, without)[:, 0]
        first = (pictures.embeddings[best] * queries).sum(axis=1)
        self.scores += first.tolist()
        if calibration := pictures.model.calibration:
            curve = calibration.curves[kind]
            sample = queries @ pictures.embeddings[spread(len(pictures))].T
            self.confidence += curve.probability(signals(first, sample, curve.usual)).tolist()


def rows(photos: Pictures, products: Pictures, things: Pictures | None) -> Iterator[Row]:
    """The area under the ROC, over text, picture and composed queries: of ``Results.confidence``
    where the model has a calibration, and of the first answer's score.

    ``things`` are everyday photos; their animals are asked for among products.
    """
    mix = Mix()
    for language in LANGUAGES:
        _kinds(mix, photos, language)
        _goods(mix, products, language)
        mix.senseless(photos, "text", photos.said(words()["senseless"][language]))
        mix.senseless(products, "text", products.said(words()["senseless"][language]))
    _composed(mix, products)
    if things is not None:
        _animals(mix, products, things)
    fits = np.array(mix.fits)
    ways = {"the confidence": mix.confidence, "the first answer's score": mix.scores}
    for way, found in ways.items():
        if found:
            values: Values = np.array(found)
            low, high = (100 * edge for edge in interval(values, fits))
            name = f"by {way}, {fits.mean():.0%} fit: area under the ROC"
            area = 100 * area_under_roc(values, fits)
            yield Row(SECTION, name, area, low, high, len(fits), "queries", "≥ 95")


def _kinds(mix: Mix, photos: Pictures, language: str) -> None:
    kinds = kinds_of(photos)
    texts = [words()["labels"][kind][language] for kind in kinds]
    right = np.stack([photos.having("label", kind) for kind in kinds])
    mix.sensible(photos, "text", photos.said(texts), right)


def _goods(mix: Mix, products: Pictures, language: str) -> None:
    """ "a blue shirt": every article that words.toml names, in every common colour there is."""
    texts, right = [], []
    for kind in words()["labels"].values():
        for colour, zh in words()["colours"].items():
            fitting = products.having("colour", colour) & products.having(
                "article", *kind["articles"]
            )
            if fitting.sum() >= 3:
                plain = kind["en"].removeprefix("a ").removeprefix("an ")
                texts.append(f"{colour} {plain}" if language == "en" else f"{zh}的{kind['zh']}")
                right.append(fitting)
    mix.sensible(products, "text", products.said(texts), np.stack(right))


def _composed(mix: Mix, products: Pictures, seed: int = 0) -> None:
    """ "in red" of a thing in another colour: right is what has its article and that colour."""
    rng, asked = random.Random(seed), []
    numbers = rng.sample(range(len(products)), len(products))
    for number in numbers:
        row, colour = products.rows[number], rng.choice([*words()["colours"]])
        right = products.having("article", row["article"]) & products.having("colour", colour)
        if row["article"] and row["colour"] != colour and right.any():
            asked.append((number, colour, right))
        if len(asked) == DRAWN:
            break
    references = [number for number, _, _ in asked]
    texts = [
        f"in {colour}" if turn % 2 else f"换成{words()['colours'][colour]}"
        for turn, (_, colour, _) in enumerate(asked)
    ]
    queries = products.composed(references, texts)
    right = np.stack([right for _, _, right in asked])
    mix.sensible(products, "composed", queries, right, references)


def _animals(mix: Mix, products: Pictures, things: Pictures, seed: int = 0) -> None:
    """Pictures of animals, alone and "in red", asked of a shop of clothes."""
    animals = [number for number, name in enumerate(things.files) if name < ANIMALS]
    chosen = random.Random(seed).sample(animals, min(DRAWN // 2, len(animals)))
    mix.senseless(products, "picture", things.embeddings[chosen])
    colours = [*words()["colours"]]
    texts = [f"in {colours[number % len(colours)]}" for number in chosen]
    mix.senseless(products, "composed", things.composed(chosen, texts))
