"""Several texts about one picture to one query.

A later text replaces earlier wishes for the same property (``samebut.language.wishes.standing``):
"in red", then "as a skirt", then "back to blue" asks for a blue skirt. The ``n`` texts that still
hold ("stand") make

    q = unit(0.7 C(i, t1, ..., tn) + 0.3 C(...C(i, t1)..., tn) + 0.2 (t1 + ... + t[n-1]))

with ``C`` the composition of a picture and a text. The first term composes all texts, joined into
one; the second one text after the other, the query so far in place of the picture; the third adds
the embeddings of all texts but the last, which the others keep least. A single text is composed as
it is.
``benchmarks/turns.py`` compares this with each of its parts and with others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from samebut.composition.made import Around
from samebut.embedding import Floats, unit
from samebut.language.wishes import standing, wishes
from samebut.runtime import Composed, FeatureArrays, Model, Surroundings

JOINED = 0.7
"""The share of the texts joined to one, beside the texts one after the other."""
REMINDED = 0.2
"""The length of each text but the last, beside a query's 1."""
_HAN = re.compile("[\u3400-\u9fff]")


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """The T ``texts`` that still hold, oldest first, their features ``each`` (T rows), and those of
    all ``joined`` to ``text`` (one row)."""

    texts: tuple[str, ...]
    each: FeatureArrays
    text: str
    joined: FeatureArrays


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """The picture that texts are about, a batch of one; ``caption`` describes it, for compositions
    that read that, and some of them read the gallery ``around``."""

    features: FeatureArrays
    caption: str = ""
    around: Around | None = None


def read(model: Model, texts: Sequence[str], *, whole: bool = False) -> Standing:
    """The ``texts`` (not empty, oldest first) that still hold, encoded. If they are too long
    together for the model, the oldest are left out of the joined text, unless ``whole``."""
    stand = tuple(text for text in standing(texts, model.as_read) if text)
    fitting = list(stand)
    while not whole and len(fitting) > 1 and model.unread(joined(fitting)):
        del fitting[0]
    text = joined(fitting)
    if len(stand) == 1:
        features = model.encode_texts([text])
        return Standing(stand, features, text, features)
    features = model.encode_texts([*stand, text])
    return Standing(stand, features[:-1], text, features[-1:])


def joined(texts: Sequence[str]) -> str:
    """Several texts as one sentence."""
    return ("，" if any(map(_HAN.search, texts)) else ", ").join(texts)


def compose(model: Model, reference: Reference, said: Standing, fusion: str | None) -> Composed:
    """One query of a picture and the texts about it. The gate, the attention and the pair are those
    of the texts joined to one; where that has a pair, it is the query."""
    beside = _beside(model, reference, fusion, (), said.text)
    whole = model.compose(reference.features, said.joined, fusion, beside)
    if len(said.texts) == 1 or whole.pair is not None:
        return whole
    query = JOINED * whole.embedding + (1 - JOINED) * _in_turn(model, reference, said, fusion)
    query += REMINDED * model.embed(said.each[_reminders(model, said.texts)]).sum(axis=0)
    return replace(whole, embedding=unit(query))


def _in_turn(model: Model, reference: Reference, said: Standing, fusion: str | None) -> Floats:
    """The query ``(1, D)`` that results from composing one text after the other."""
    picture = reference.features
    # A fusion expects features of the length that the encoder makes; a query has length one.
    length = np.linalg.norm(picture.pooled, axis=-1, keepdims=True)
    query = model.embed(picture)
    for place, text in enumerate(said.texts):
        so_far = replace(picture, pooled=query * length)
        beside = _beside(model, reference, fusion, said.texts[:place], text)
        query = model.compose(so_far, said.each[place : place + 1], fusion, beside).embedding
    return query


def _reminders(model: Model, texts: Sequence[str]) -> list[int]:
    """Indices of the texts whose embeddings are added: all but the last, without those that refuse
    something, since the embedding of "not blue" is close to blue things."""
    return [
        place
        for place, text in enumerate(texts[:-1])
        if not any(wish.is_refused for wish in wishes([model.as_read(text)]))
    ]


def _beside(
    model: Model, reference: Reference, fusion: str | None, before: Sequence[str], text: str
) -> Surroundings:
    """The additional inputs of a composition. The wishes ``before`` are part of the reference's
    caption by now."""
    composition = model.composition(fusion)
    if composition is None or not composition.reads_caption or not reference.caption:
        return Surroundings(around=reference.around, said=[text])
    described = ", ".join([reference.caption, *before])
    caption, captioned = model.embed(model.encode_texts([described, f"{described}, {text}"]))
    return Surroundings(caption[None], captioned[None], reference.around, [text])
