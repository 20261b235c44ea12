"""Subtracts what is not wanted from a query: ``q = unit(q - w n)``, as rclip does, with ``n`` the
embedding of a text or a picture.

``benchmarks/negatives.py`` measures the three lengths below beside others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from samebut.embedding import Floats, unit
from samebut.language.wishes import wishes

WITHOUT = 0.75
"""The weight of a text that is not wanted, for a query with a picture (of length 1): as many of the
answers are still blue as with the sentence "not blue" and the bundled model."""
UNLIKE = 0.1
"""The same for the mean of pictures that are not wanted: answers are similar to the query, so a
larger weight would remove most of the query itself."""
REFUSED = 0.4
"""The same for what a sentence refuses, which the model has read, too: with "not blue" alone one
answer in ten is blue. Also for a text with a query of words alone: texts are near to each other."""


def refusals(texts: Iterable[str], without: Iterable[str] = ()) -> list[str]:
    """The colours, kinds and patterns that a conversation refuses in the end, as it calls them.

    Without those beside a positive wish ("red, not blue": asking for red is enough), and without
    what one of the texts ``without`` says, which is subtracted anyway.
    """
    said = wishes(texts)
    wanted = {wish.look for wish in said if not wish.is_refused}
    taken = {(wish.look, wish.value) for wish in wishes(without)}
    return [
        wish.text
        for wish in said
        if wish.is_refused and wish.look not in wanted and (wish.look, wish.value) not in taken
    ]


@dataclass(frozen=True, slots=True, eq=False)
class Unwanted:
    """Embeddings of ``texts (T, D)`` and ``pictures (P, D)`` that are not wanted, and of what the
    sentences have ``refused (R, D)``. ``weight`` stands for the usual lengths if it is given."""

    texts: Floats
    pictures: Floats
    refused: Floats
    weight: float | None = None

    def taken_from(self, query: Floats, *, of_words: bool = False) -> Floats:
        """The query ``(D,)`` minus these; unchanged if there are none. ``of_words``: the query is
        made of words alone."""
        usual = REFUSED if of_words else WITHOUT
        by_text, by_picture = (usual, UNLIKE) if self.weight is None else (self.weight, self.weight)
        left = query - by_text * self.texts.sum(axis=0) - REFUSED * self.refused.sum(axis=0)
        if len(self.pictures):
            left = left - by_picture * self.pictures.mean(axis=0)
        return unit(left)
