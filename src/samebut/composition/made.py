"""What a composition reads of queries, and what it makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from samebut.composition.pairs import Pair
from samebut.embedding import Floats, unit


@dataclass(frozen=True, eq=False)
class Sample:
    """Embeddings ``(S, D)`` of pictures from all over a gallery; the same object for as long as the
    gallery is the same, so that what follows from it is worked out once."""

    pictures: Floats


class Around(Protocol):
    """The gallery that is asked, for compositions that read it."""

    def sample(self) -> Sample:
        """Some of its pictures."""

    def nearest(self, queries: Floats, count: int) -> Floats:
        """Embeddings ``(B, K, D)`` of the ``count`` pictures nearest to each of ``queries (B, D)``,
        the references left out; K is less where there are fewer."""


@dataclass(frozen=True, eq=False)
class Corpora:
    """Embeddings of words for things ``(A, D)`` and of words for styles ``(B, D)``."""

    things: Floats
    styles: Floats


def _none() -> Floats:
    raise ValueError("this composition reads `kinds`, and the queries were made without")


@dataclass(frozen=True)
class Asked:
    """B queries: ``image`` and ``text (B, D)`` as the encoders give them, of any length.

    ``own`` gives the queries ``(B, D)`` and gates ``(B,)`` of the model's fusion, ``corpora`` the
    words that the model knows things and styles by. ``caption`` and ``captioned (B, D)`` are the
    embeddings of what describes the reference, without and with the wish, if there is any.
    ``kinds`` gives the directions ``(K, D)`` in which words for kinds of things differ, and
    ``said`` are the B texts.
    """

    image: Floats
    text: Floats
    own: Callable[[], tuple[Floats, Floats]]
    corpora: Callable[[], Corpora]
    caption: Floats | None = None
    captioned: Floats | None = None
    around: Around | None = None
    kinds: Callable[[], Floats] = _none
    said: Sequence[str] | None = None

    @property
    def sides(self) -> tuple[Floats, Floats]:
        """Embeddings of both sides: rows of length one."""
        return unit(self.image), unit(self.text)


@dataclass(frozen=True)
class Made:
    """Queries ``embedding (B, D)``, unit-length; ``gate (B,)``: the share of the text, 0 to 1.

    With a ``pair``, pictures are scored by it, and those nearest to ``embedding`` are candidates.
    """

    embedding: Floats
    gate: Floats
    pair: Pair | None = None
