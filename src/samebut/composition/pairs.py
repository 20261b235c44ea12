"""Scores made of two similarities, which no single vector can give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samebut.embedding import Floats, unit

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """B queries that score a candidate ``c`` by two similarities, ``x`` and ``y``:

        x = max(image . c - image_offset, 0)     y = max(text . c - text_offset, 0)
        s = x y - harris (x + y)^2

    With ``own`` queries and their ``share``: ``share own . c + (1 - share) s``. ``image``, ``text``
    and ``own`` are ``(B, D)``, the offsets ``(B,)``.
    """

    image: Floats
    text: Floats
    image_offset: Values
    text_offset: Values
    harris: float = 0.0
    own: Floats | None = None
    share: float = 0.0

    def __len__(self) -> int:
        return len(self.image)

    def __getitem__(self, rows: slice | NDArray[np.integer[Any]]) -> Pair:
        """The queries asked for; always a batch."""
        own = None if self.own is None else self.own[rows]
        offsets = self.image_offset[rows], self.text_offset[rows]
        return Pair(self.image[rows], self.text[rows], *offsets, self.harris, own, self.share)

    def scores(self, candidates: Floats) -> Values:
        """``(B, N)`` for ``candidates (N, D)``, summed in float64."""
        pictures = candidates.astype(np.float64).T
        x = np.maximum(self.image.astype(np.float64) @ pictures - self.image_offset[:, None], 0)
        y = np.maximum(self.text.astype(np.float64) @ pictures - self.text_offset[:, None], 0)
        both: Values = x * y - self.harris * (x + y) ** 2
        if self.own is None:
            return both
        return self.share * (self.own.astype(np.float64) @ pictures) + (1 - self.share) * both

    @property
    def candidates(self) -> Floats:
        """Vectors ``(B, D)`` whose nearest pictures are worth scoring: those of ``x + y``."""
        nearest = unit(self.image + self.text)
        if self.own is None:
            return nearest
        return unit(self.share * self.own + (1 - self.share) * nearest)

    def bound(self, similarity: Values) -> Values:
        """What no picture can score whose similarity to ``candidates`` is ``similarity (B,)`` or
        less: ``x y`` is at most a quarter of ``(x + y)^2``, and ``x + y`` grows with it.

        Infinite with ``own``, for which there is no such bound.
        """
        if self.own is not None:
            return np.full(len(self), np.inf)
        length = np.linalg.norm(self.image + self.text, axis=-1)
        total = np.maximum(similarity * length - self.image_offset - self.text_offset, 0)
        return np.asarray(max(0.25 - self.harris, 0) * total**2, np.float64)
