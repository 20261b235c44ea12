"""The model as an encoder in the shape of sentence-transformers: ``encode`` takes texts, pictures,
and both together, and gives one unit-length vector for each.

    python examples/encoder.py shirt.jpg "in blue"

Vectors of pictures, of texts and of pictures with texts lie in one space, so the product of two is
their cosine: embed pictures for any vector database and ask it with a picture and words.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from samebut import Model, Turn
from samebut.turns import ask

Input = str | Path | bytes | Mapping[str, str | Path | bytes]


class Encoder:
    """``model``: a model folder, or "bundled"."""

    def __init__(self, model: str | Path = "bundled") -> None:
        self.model = Model.load(model)

    def get_sentence_embedding_dimension(self) -> int:
        return self.model.dim

    def encode(self, inputs: Input | Sequence[Input]) -> NDArray[np.float32]:
        """``(N, D)`` for N inputs, ``(D,)`` for a single one.

        A text is a ``str``; a picture a ``Path`` or the bytes of a file; both together are
        ``{"image": ..., "text": ...}``, where an image may also be named by a ``str``.

        Raises `samebut.errors.SamebutError` for what can't be read.
        """
        if isinstance(inputs, str | Path | bytes | Mapping):
            return self._one(inputs)
        rows = [self._one(each) for each in inputs]
        return np.stack(rows) if rows else np.zeros((0, self.model.dim), np.float32)

    def _one(self, each: Input) -> NDArray[np.float32]:
        return ask(self.model, [_turn(each)]).embedding


def _turn(each: Input) -> Turn:
    if isinstance(each, str):
        return Turn(text=each)
    if isinstance(each, Path | bytes):
        return Turn(each)
    return Turn(each.get("image"), str(each.get("text", "")))


def main() -> None:
    picture, text = sys.argv[1:]
    encoder = Encoder()
    alone, both = encoder.encode([Path(picture), {"image": picture, "text": text}])
    print(f"{encoder.get_sentence_embedding_dimension()} numbers; the words moved the picture's")
    print(f"embedding to a cosine of {float(alone @ both):.3f} with what it was")


if __name__ == "__main__":
    main()
