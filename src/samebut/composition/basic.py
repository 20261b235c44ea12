"""BASIC (Psomas et al., "Instance-Level Composed Image Retrieval", NeurIPS 2025).

As in ``utils_retrieval.py`` of github.com/billpsomas/icir (463cc1d), whose answers to drawn
features ``tests/golden/basic.json`` holds. Differences: minima are those of the gallery's own
pictures and of words for things, where the authors have generated pictures and their captions; the
means are the gallery's and the words'. Their averaging of a text over many words put beside it
("contextualize") is left out: it is a hundred texts to encode for one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from samebut.composition.made import Asked, Corpora, Made, Sample
from samebut.composition.pairs import Pair
from samebut.embedding import Floats
from samebut.errors import QueryError
from samebut.language import lexicon
from samebut.language.things import things

SAMPLE = 500  # pictures that minima are taken over: all pairs of them
HEAT = 0.1  # of the softmax that weighs what a reference is expanded by
TINY = 1e-9  # for a gallery whose pictures are all one
_SPREAD = 1e-5  # which the authors add to every element of the matrix
_LOOKS = (
    *("a photo", "a drawing", "a painting", "a sketch", "a cartoon", "a close-up", "a silhouette"),
    *("black and white", "bright", "dark", "blurred", "old", "new", "small", "large", "plain"),
    *("on a table", "on the floor", "on a white background", "outdoors", "at night", "in snow"),
)


@dataclass(frozen=True, eq=False)
class WordSpace:
    """The middle ``mean (D,)`` of words for things, the ``projection (D, D)`` onto what tells
    things apart rather than styles, and the ``things (A, D)`` themselves."""

    mean: Floats
    projection: Floats
    things: Floats


def corpora() -> tuple[list[str], list[str]]:
    """Words for things, and words for styles: colours, patterns, materials and how a photo is."""
    patterns = lexicon.TRANSLATIONS["pattern"]
    styles = dict.fromkeys([*lexicon.COLOURS_ZH, *patterns, *lexicon.MATERIALS_ZH, *_LOOKS])
    named = dict.fromkeys([*(thing.english[0] for thing in things()), *lexicon.ARTICLES_ZH])
    return [name for name in named if name not in styles], [*styles]


@lru_cache(maxsize=8)
def of_words(corpora: Corpora, weight: float, directions: int) -> WordSpace:
    """The first ``directions`` eigenvectors, those with positive values, of

        (1 - weight) A'A / (n - 1) - weight B'B / (m - 1)

    ``A`` being the things ``(n, D)`` and ``B`` the styles ``(m, D)``, both less the things' mean.
    """
    mean = corpora.things.mean(axis=0)
    a, b = (rows.astype(np.float64) - mean for rows in (corpora.things, corpora.styles))
    spread = (1 - weight) * a.T @ a / (len(a) - 1) - weight * b.T @ b / (len(b) - 1) + _SPREAD
    values, vectors = np.linalg.eigh(spread)
    kept = vectors[:, ::-1][:, : min(directions, int((values > 0).sum()))]
    return WordSpace(mean, (kept @ kept.T).astype(np.float32), corpora.things)


def basic(asked: Asked, styles: float, directions: float, expand: float, harris: float) -> Made:
    """Centre both sides, project the reference, expand it by what is near, and score by a product
    of both similarities, each over its minimum:

        p = P (mean over the `expand` nearest and i, weighed by softmax(0.1 similarity), less m)
        x = max((<p, c - m> - min_i) / |min_i|, 0)
        y = max((<t - n, c - m> - min_t) / |min_i|, 0)
        s = x y - harris (x + y)^2

    ``m`` and ``n`` are the means of pictures and words; `min_i` is the least similarity of two
    pictures, `min_t` that of a word and a picture. (The authors divide both by `min_i`, too.)
    """
    if asked.around is None:
        raise QueryError(
            "the fusion 'basic' needs the embeddings of the gallery that is searched",
            hint="Use another fusion, such as sum, or search a gallery.",
        )
    words = of_words(asked.corpora(), styles, int(directions))
    image, text = asked.sides
    sample = asked.around.sample()
    if not len(sample.pictures):  # an empty gallery answers nothing to anything
        sample = Sample(image)
    middle, least_image, least_text = _of_gallery(sample, words)
    projected = np.asarray((image - middle) @ words.projection, np.float32)
    if expand:
        near = asked.around.nearest(projected, int(expand))
        projected = _expanded(projected, image - middle, near - middle) @ words.projection
    wish, scale = text - words.mean, max(abs(least_image), TINY)
    pair = Pair(
        (projected / scale).astype(np.float32),
        (wish / scale).astype(np.float32),
        (projected @ middle + least_image).astype(np.float64) / scale,
        (wish @ middle + least_text).astype(np.float64) / scale,
        harris,
    )
    return Made(pair.candidates, np.full(len(image), 0.5, np.float32), pair)


def _expanded(projected: Floats, image: Floats, near: Floats) -> Floats:
    """The mean of the centred references ``image (B, D)`` and what is ``near (B, K, D)``."""
    similarity = np.einsum("bd,bkd->bk", projected, near)
    similarity = np.hstack([similarity, np.ones((len(image), 1), np.float32)])
    weights = np.exp(HEAT * similarity)
    weights /= weights.sum(axis=1, keepdims=True)
    every = np.concatenate([near, image[:, None]], axis=1)
    return np.asarray(np.einsum("bk,bkd->bd", weights, every), np.float32)


@lru_cache(maxsize=8)
def _of_gallery(sample: Sample, words: WordSpace) -> tuple[Floats, float, float]:
    """The middle ``(D,)`` of pictures, the least similarity of two of them, and of one and a
    word."""
    middle: Floats = sample.pictures.mean(axis=0)
    pictures, things = sample.pictures - middle, words.things - words.mean
    some = pictures[np.linspace(0, len(pictures) - 1, min(SAMPLE, len(pictures))).astype(np.intp)]
    return middle, float((some @ some.T).min()), float((things @ some.T).min())
