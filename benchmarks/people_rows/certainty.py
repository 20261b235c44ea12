"""Does a model know when it has found nothing? Sensible and senseless queries told apart."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from people_rows.asking import LANGUAGES, Pictures, Right, Row, precision, words
from people_rows.phone import kinds_of
from samebut.embedding import Floats
from samebut.evaluate.significance import SAMPLES, SEED
from samebut.metrics import Values

SECTION = "how sure"
DRAWN = 200  # of each kind of query, at most
ANIMALS = "n026"  # ImageNet's classes below it are animals, in which a shop of clothes has nothing


@dataclass
class Mix:
    """Queries by their best score, and whether the first answers fit.

    They fit if at least half of the first ten are right, or of as many as there are.
    """

    scores: list[float] = field(default_factory=list)
    fits: list[bool] = field(default_factory=list)

    def sensible(
        self, pictures: Pictures, queries: Floats, right: Right, without: list[int] | None = None
    ) -> None:
        found = precision(pictures.first(queries, without=without), right, without)
        self.fits += (found >= 0.5).tolist()
        self._scored(pictures, queries, without)

    def senseless(self, pictures: Pictures, queries: Floats) -> None:
        self.fits += [False] * len(queries)
        self._scored(pictures, queries, None)

    def _scored(self, pictures: Pictures, queries: Floats, without: list[int] | None) -> None:
        best = pictures.first(queries, 1, without)[:, 0]
        self.scores += (pictures.embeddings[best] * queries).sum(axis=1).tolist()


def rows(photos: Pictures, products: Pictures, things: Pictures | None) -> Iterator[Row]:
    """The area under the ROC of the first answer's score, over text, picture and composed queries.

    ``things`` are everyday photos; their animals are asked for among products.
    """
    mix = Mix()
    for language in LANGUAGES:
        _kinds(mix, photos, language)
        _goods(mix, products, language)
        mix.senseless(photos, photos.said(words()["senseless"][language]))
        mix.senseless(products, products.said(words()["senseless"][language]))
    _composed(mix, products)
    if things is not None:
        _animals(mix, products, things)
    scores, fits = np.array(mix.scores), np.array(mix.fits)
    low, high = interval(scores, fits)
    name = f"by the first answer's score, {fits.mean():.0%} fit: area under the ROC"
    value = 100 * area(scores, fits)
    yield Row(SECTION, name, value, low, high, len(fits), "queries", "≥ 95")


def _kinds(mix: Mix, photos: Pictures, language: str) -> None:
    kinds = kinds_of(photos)
    texts = [words()["labels"][kind][language] for kind in kinds]
    right = np.stack([photos.having("label", kind) for kind in kinds])
    mix.sensible(photos, photos.said(texts), right)


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
    mix.sensible(products, products.said(texts), np.stack(right))


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
    mix.sensible(products, queries, np.stack([right for _, _, right in asked]), references)


def _animals(mix: Mix, products: Pictures, things: Pictures, seed: int = 0) -> None:
    """Pictures of animals, alone and "in red", asked of a shop of clothes."""
    animals = [number for number, name in enumerate(things.files) if name < ANIMALS]
    chosen = random.Random(seed).sample(animals, min(DRAWN // 2, len(animals)))
    mix.senseless(products, things.embeddings[chosen])
    colours = [*words()["colours"]]
    texts = [f"in {colours[number % len(colours)]}" for number in chosen]
    mix.senseless(products, things.composed(chosen, texts))


def area(scores: Values, fits: NDArray[np.bool_]) -> float:
    """How often a query that fits scores above one that does not, ties counting half."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    yes, no = int(fits.sum()), int((~fits).sum())
    if not yes or not no:
        return float("nan")
    return float((ranks[fits].sum() - yes * (yes + 1) / 2) / (yes * no))


def interval(scores: Values, fits: NDArray[np.bool_]) -> tuple[float, float]:
    """95 % percentile bootstrap over queries, in percent."""
    random_rows = np.random.default_rng(SEED).integers(0, len(fits), (SAMPLES, len(fits)))
    drawn = [area(scores[rows], fits[rows]) for rows in random_rows]
    low, high = 100 * np.nanpercentile(drawn, [2.5, 97.5])
    return float(low), float(high)
