"""Turns to one query: a conversation about pictures becomes a single embedding.

A turn is a picture, a text, or both; a text without a picture goes on about the picture named
last. Each turn becomes one embedding:

    picture and text    the model's fusion of both
    text alone          the fusion with the picture of an earlier turn, or, without one, the text
    picture alone       the picture, if no later turn says what to change about it

and the query is their weighted mean, normalised, in which a turn counts ``EARLIER`` times as much
as the one that follows it. A mean, because a picture that satisfies two wishes lies near both; a
decay, because who refines means the last wish most, and may take an earlier one back ("in red"
after "in blue"). How it compares with other ways is measured by ``benchmarks/turns.py``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from samebut.errors import QueryError
from samebut.images import MAX_PIXELS, open_picture
from samebut.runtime import Features, Floats, Model, unit

EARLIER = 0.5
NEUTRAL = 0.5


@dataclass(frozen=True, slots=True)
class Turn:
    """One step of a conversation; either side may be left out.

    ``picture`` is a file or the bytes of one.
    """

    picture: Path | str | bytes | None = None
    text: str = ""

    @property
    def source(self) -> Path | bytes | None:
        """The picture, a name made a path."""
        return Path(self.picture) if isinstance(self.picture, str) else self.picture

    @property
    def says_something(self) -> bool:
        return bool(self.text.strip())


@dataclass(slots=True)
class Spent:
    """Seconds of one search, by what they went into."""

    decode: float = 0.0
    encode: float = 0.0
    fuse: float = 0.0
    search: float = 0.0

    @contextmanager
    def on(self, stage: str) -> Iterator[None]:
        """Add what the block takes to ``stage``."""
        started = time.perf_counter()
        try:
            yield
        finally:
            setattr(self, stage, getattr(self, stage) + time.perf_counter() - started)


@dataclass(frozen=True, slots=True)
class Asked:
    """The query of a conversation: ``embedding (D,)``, and the gate of its last composed turn.

    ``gate`` is the share of the text in the fusion's mixture, 0 to 1; None if nothing was composed.
    """

    embedding: Floats
    gate: float | None
    spent: Spent = field(default_factory=Spent)


def ask(
    model: Model,
    turns: Sequence[Turn],
    *,
    text_weight: float = NEUTRAL,
    max_pixels: int = MAX_PIXELS,
) -> Asked:
    """One query from ``turns``, oldest first.

    ``text_weight``, 0 to 1, leans a composed turn towards its picture (0: the picture alone) or
    its words (1: the words alone); at 0.5 the model's fusion decides. A picture of more than
    ``max_pixels`` is refused before it is decoded.

    Raises QueryError if no turn has a picture or a text, PictureError if a picture can't be used.
    """
    if not 0 <= text_weight <= 1:
        raise QueryError(f"a text weight of {text_weight} is outside 0 to 1")
    if not any(turn.picture is not None or turn.says_something for turn in turns):
        raise QueryError("there is nothing to search for", hint="Give a picture, a text, or both.")
    spent = Spent()
    said: list[Floats] = []
    gate: float | None = None
    reference: Features | None = None
    unspoken = False  # the latest picture has not been talked about yet
    for turn in turns:
        if (picture := turn.source) is not None:
            if unspoken and reference is not None:
                said.append(model.embed(reference)[0])
            reference, unspoken = encode_picture(model, picture, max_pixels, spent), True
        if turn.says_something:
            with spent.on("encode"):
                text = model.encode_texts([turn.text])
            unspoken = False
            if reference is None:
                said.append(model.embed(text)[0])
            else:
                with spent.on("fuse"):
                    embedding, gate = _compose(model, reference, text, text_weight)
                said.append(embedding)
    if unspoken and reference is not None:
        said.append(model.embed(reference)[0])
    weights = EARLIER ** np.arange(len(said) - 1, -1, -1, dtype=np.float32)
    return Asked(unit(weights @ np.stack(said)), gate, spent)


def encode_picture(
    model: Model,
    picture: Path | bytes,
    max_pixels: int = MAX_PIXELS,
    spent: Spent | None = None,
) -> Features:
    """Features of one picture, a batch of one. The time it took is added to ``spent``.

    Raises PictureError if the picture can't be used or has more than ``max_pixels``.
    """
    spent = spent or Spent()
    prepare = model.preprocess
    name = str(picture) if isinstance(picture, Path) else "the picture"
    with spent.on("decode"):
        opened = open_picture(
            picture, shorter_side=prepare.wanted_shorter_side, max_pixels=max_pixels, name=name
        )
        pixels = prepare(opened)[None]
    with spent.on("encode"):
        return model.encode_images(pixels)


def _compose(
    model: Model, image: Features, text: Features, text_weight: float
) -> tuple[Floats, float]:
    composed = model.compose(image, text)
    lean = 2 * abs(text_weight - NEUTRAL)
    side = model.embed(text if text_weight > NEUTRAL else image)
    query = unit((1 - lean) * composed.embedding + lean * side)
    return query[0], float(composed.gate[0])
