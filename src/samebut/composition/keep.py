"""A fusion that keeps the kind of thing: a picture of a shirt and "in blue" ask for a shirt.

A Combiner that learned from a shop's photos takes the kind from the words where the picture is not
like those photos, and loses it where the words name none. ``benchmarks/people.py`` has what this
row brings ("“in blue”, in the catalogue").
"""

from __future__ import annotations

import numpy as np

from samebut.composition.made import Asked, Made
from samebut.embedding import Floats, unit
from samebut.errors import QueryError
from samebut.language import lexicon, ordinary
from samebut.language.wishes import wishes

DIRECTIONS = 10  # that tell kinds apart: with more of them colours are kept, too
TINY = 1e-9  # for a picture or a query without any of them


def kinds() -> list[str]:
    """Words for kinds of goods."""
    return [*lexicon.TRANSLATIONS["article"]]


def directions(words: Floats) -> Floats:
    """The first principal directions ``(K, D)`` of embeddings ``words (A, D)``, K at most 10."""
    centred = words - words.mean(axis=0)
    found: Floats = np.linalg.svd(centred, full_matrices=False)[2][:DIRECTIONS]
    return found


def keep(asked: Asked, weight: float) -> Made:
    """``q = unit(own + weight (1 - cos(V own, V i)) V'V i)``: the more of the kind the model's own
    fusion lost, the more of it is added. ``V (K, D)`` are the directions in which words for kinds
    differ. Texts that name a kind get the model's own fusion alone."""
    if asked.said is None:
        raise QueryError(
            "the fusion 'keep' needs the texts of the queries, not only their embeddings",
            hint="Pass the texts as `said` of Surroundings, or use another fusion, such as sum.",
        )
    own, gate = asked.own()
    across = asked.kinds()
    kind, found = asked.sides[0] @ across.T, own @ across.T
    lengths = np.linalg.norm(kind, axis=-1) * np.linalg.norm(found, axis=-1)
    lost = 1 - (kind * found).sum(axis=-1) / np.maximum(lengths, TINY)
    lost *= [not names_kind(text) for text in asked.said]
    return Made(unit(own + weight * lost[:, None] * (kind @ across)), gate)


def names_kind(text: str) -> bool:
    """Whether a text wishes for some kind of goods, or names any other thing."""
    wished = (wish for wish in wishes([text]) if not wish.is_refused)
    return any(wish.look == "article" for wish in wished) or ordinary.names_a_thing(text)
