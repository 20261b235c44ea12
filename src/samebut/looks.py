"""What a picture shows, in the values of the gallery's table, and which wishes it fulfils.

A table has columns that say how things look: kinds, colours, patterns. Which of their values fits
a picture is decided by the model, which compares it with the words, and by the nearest pictures,
whose values are in the table. Where the table has a value for the picture itself, that counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from samebut.embedding import Floats
from samebut.language import lexicon, palette
from samebut.language.wishes import LOOKS, Look, Wish, canonical, fits
from samebut.runtime import Model

NEIGHBOURS = 20
"""How many of the nearest pictures' values are used."""
_SCALE = 20.0  # of cosines between a picture and words; benchmarks/people_rows/looks.py
_NEARNESS = 20.0  # of cosines between pictures
_WORDS = np.float32(0.7)  # what the model's words count; the rest is the nearest pictures' values
_LEAST = np.float32(1e-9)  # probability, so that it has a logarithm
_UNSEEN = np.float32(0.02)  # the share assumed for a value that no neighbour has
_SURELY = 0.6  # at least this probability: the picture fulfils a wish;
_HARDLY = 0.05  # at most this one: it does not; in between it is undecided
_LARGEST_MEMORY = 32  # lists of values whose embeddings are kept
_HAN = re.compile("[\u3400-\u9fff]")
_SEVERAL = re.compile(r"\s*[/,;、&+]\s*")


@dataclass(frozen=True, slots=True)
class LookColumn:
    """A column that says how things look, and its values, the commonest first."""

    look: Look
    column: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SeenValue:
    """What a picture may be: a value of a column, and how likely it is among the column's."""

    look: Look
    column: str
    value: str
    probability: float


@dataclass(frozen=True, slots=True)
class Fulfilment:
    """Whether an answer is as wished: ``fulfilled`` is None if that can't be told.

    ``wish`` is the word, ``look`` what it is about, ``is_refused``: it was asked to be otherwise.
    ``source`` says who knows: the table, or the model from the picture.
    """

    wish: str
    look: Look
    is_refused: bool
    fulfilled: bool | None
    source: Literal["table", "picture"]


class Eyes:
    """Compares pictures with words by a model; caches the embeddings of lists of words."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._said: dict[tuple[Look, tuple[str, ...]], Floats] = {}

    def seen(
        self,
        column: LookColumn,
        embedding: Floats,
        scores: Sequence[float],
        neighbours: Sequence[Mapping[str, str]],
    ) -> list[SeenValue]:
        """The values of ``column``, the likeliest first, for a picture ``embedding (D,)`` whose
        nearest pictures have these ``scores`` and this metadata."""
        values = list(column.values)
        words = self.probabilities(column.look, column.values, embedding[None])[0]
        votes = _votes(values, scores, [row.get(column.column, "") for row in neighbours])
        logs = np.log(words + _LEAST) * _WORDS
        if votes.any():
            logs += np.log(votes + _UNSEEN) * (1 - _WORDS)
        likely = _softmax(logs)
        return [
            SeenValue(column.look, column.column, values[place], float(likely[place]))
            for place in np.argsort(-likely, kind="stable")
        ]

    def probabilities(self, look: Look, values: tuple[str, ...], embeddings: Floats) -> Floats:
        """How likely each of ``values`` is for each of ``embeddings (N, D)``: ``(N, V)``."""
        return _softmax(_SCALE * embeddings @ self._embedded(look, values).T)

    def fulfilled(
        self,
        wishes: Sequence[Wish],
        columns: Sequence[LookColumn],
        embeddings: Floats,
        rows: Sequence[Mapping[str, str]],
    ) -> list[list[Fulfilment]]:
        """For each of ``embeddings (N, D)`` with its metadata, each of the wishes."""
        by_look = {column.look: column for column in columns}
        found: list[list[Fulfilment]] = [[] for _ in rows]
        for wish in wishes:
            column = by_look.get(wish.look)
            seen = self._fit(wish, column, embeddings)
            is_one_of_many = sum(w.look == wish.look and not w.is_refused for w in wishes) > 1
            for place, row in enumerate(rows):
                told = _told(wish, row.get(column.column, "") if column else "")
                fulfilled, source = _judged(told, float(seen[place]))
                if is_one_of_many and not fulfilled and not wish.is_refused:
                    fulfilled = None  # a thing of two colours may have only one in the table
                if wish.is_refused and fulfilled is not None:
                    fulfilled = not fulfilled
                found[place].append(
                    Fulfilment(wish.text, wish.look, wish.is_refused, fulfilled, source)
                )
        return found

    def _fit(self, wish: Wish, column: LookColumn | None, embeddings: Floats) -> Floats:
        """The probability that each picture fulfils the wish, ``(N,)``."""
        common = column.values if column and len(column.values) > 1 else _COMMON[wish.look]
        values = (*common, *([] if _has(common, wish) else [wish.value]))
        fitting = np.array([fits(wish.look, value, wish.value) is True for value in values])
        likely = self.probabilities(wish.look, values, embeddings)
        return np.asarray(likely[:, fitting].sum(axis=1))

    def _embedded(self, look: Look, values: tuple[str, ...]) -> Floats:
        if (look, values) not in self._said:
            if len(self._said) >= _LARGEST_MEMORY:
                self._said.clear()
            texts = [spoken(look, value) for value in values]
            self._said[look, values] = self._model.embed(self._model.encode_texts(texts))
        return self._said[look, values]


_COMMON: dict[Look, tuple[str, ...]] = {
    "article": tuple(lexicon.ARTICLES_ZH),
    "colour": tuple(palette.CAPTIONED),
    "pattern": ("plain", "striped", "checked", "dotted", "floral", "printed"),
}
"""What a picture is compared with where no column says what there is."""


def look_columns(columns: Sequence[LookColumn]) -> list[LookColumn]:
    """For each look the column that has most values, if any has."""
    found = []
    for look in LOOKS:
        fitting = [column for column in columns if column.look == look and column.values]
        found += sorted(fitting, key=lambda column: -len(column.values))[:1]
    return found


def usual_column(look: Look) -> LookColumn:
    """The values of the lexicon, for a gallery whose table has no such column."""
    names = palette.COLOURS if look == "colour" else lexicon.TRANSLATIONS[look]
    return LookColumn(look, "", tuple(names))


def in_words(look: Look, called: Mapping[str, str]) -> dict[str, str]:
    """How a person wishes for a value, from what it is ``called``, by language: "as a skirt"."""
    english = called["en"]
    said = {"article": f"as {lexicon.indefinite(english)}", "colour": f"in {english}"}
    return {**called, "en": said.get(look, english)}


def spoken(look: Look, value: str) -> str:
    """A value in the words that models are trained to find pictures by."""
    if look != "article":
        return value
    return f"{value}的照片" if _HAN.search(value) else f"a photo of {lexicon.indefinite(value)}"


def _votes(values: Sequence[str], scores: Sequence[float], said: Sequence[str]) -> Floats:
    """Shares of the neighbours that have each value, ``(V,)``; nearer ones count more."""
    place = {value: number for number, value in enumerate(values)}
    votes = np.zeros(len(values), np.float32)
    for score, value in zip(scores, said, strict=True):
        for part in {value, *_SEVERAL.split(value)} & place.keys():
            votes[place[part]] += np.exp(_NEARNESS * (score - scores[0]))
    return votes / max(float(votes.sum()), 1e-9)


def _told(wish: Wish, value: str) -> bool | None:
    """Whether a cell is as the wish says; None if it says nothing about it."""
    said = [fits(wish.look, part, wish.value) for part in _SEVERAL.split(value) if part.strip()]
    if not said or True in said:
        return True if said else None
    return None if None in said else False


def _judged(told: bool | None, seen: float) -> tuple[bool | None, Literal["table", "picture"]]:
    """The table decides, except where it says no and the model is sure of yes: a shop's words for
    kinds overlap."""
    if told is True or (told is False and seen < _SURELY):
        return told, "table"
    if told is False:
        return None, "table"
    return (True if seen >= _SURELY else False if seen <= _HARDLY else None), "picture"


def _has(values: Sequence[str], wish: Wish) -> bool:
    return any(canonical(wish.look, value) == wish.value for value in values)


def _softmax(logits: NDArray[np.floating[Any]]) -> Floats:
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True), np.float32)
