"""Explanations: which regions of a picture the words of a turn belong to.

Two things can be shown, and an explanation says which. A fusion with attention says where each
word looks, which counts in the query. Any other model has the nearness of words and regions, which
live in one space (`samebut.runtime.Features`: ``tokens`` of both sides): the cosine of a word's
token with every region's. That says what the encoders take them for, not how much a region counted.
Either is placed back over the original picture and stretched to 0 to 1 there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from samebut.embedding import Floats, unit
from samebut.errors import ModelError, QueryError
from samebut.images import MAX_PIXELS, picture_size, pixels_of
from samebut.language.courtesy import without_courtesy
from samebut.language.wishes import is_function_word
from samebut.preprocess import Preprocess
from samebut.runtime import FeatureArrays, Model
from samebut.turns import EncodedPicture, Turn, encode_picture, spoken

Kind = Literal["attention", "nearness"]

LONGER_SIDE = 40
_FINER = 4  # Padding is placed in whole pixels: on a coarse grid that would shift the map.
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text and its ``map (h, w)``, 0 (least like it in this picture) to 1 (most).

    ``is_function_word``: it only holds the sentence together.
    """

    text: str
    map: Floats
    is_function_word: bool = False


@dataclass(frozen=True, slots=True)
class Explanation:
    """Maps of a turn's words, over the ``box`` of the upright picture of ``width`` x ``height``:
    left, top, right and bottom in its pixels, all of it if the turn has none.

    ``kind`` says of what: the fusion's "attention", or the "nearness" of words and regions.
    ``gate`` is the share of the text in the fusion's mixture, 0 to 1.
    """

    words: list[Word]
    kind: Kind
    gate: float
    width: int
    height: int
    box: tuple[int, int, int, int]


def explain(
    model: Model, turn: Turn, *, of_answer: bool = False, max_pixels: int = MAX_PIXELS
) -> Explanation:
    """The map of each word of ``turn``, in the proportions of its picture or of the part that its
    box cuts out, longer side 40 cells.

    ``of_answer``: the picture is an answer to the text, not the picture it goes on about. Then the
    fusion never looked at it, and its maps are of nearness for any model.

    A word that the tokenizer cuts in pieces gets the mean of their maps; Chinese stays in the
    pieces the tokenizer makes. Punctuation has no map.

    Raises:
        QueryError: the turn lacks its picture or its text.
        PictureError: the picture can't be used, or has more than ``max_pixels``.
        ModelError: the region tokens of the model make no square.
    """
    (turn,) = spoken([turn])
    picture = turn.source
    if picture is None or not turn.says_something:
        raise QueryError(
            "only a picture with a text can be explained", hint="Give the turn both of them."
        )
    image = encode_picture(model, picture, max_pixels, box=turn.box)
    said = without_courtesy(turn.text.strip())
    text = model.encode_texts([said])
    composed = model.compose(image, text)
    attention = None if of_answer else composed.attention
    size = picture.size if isinstance(picture, EncodedPicture) else picture_size(picture)
    box = turn.box or (picture.box if isinstance(picture, EncodedPicture) else None)
    part = (0, 0, *size) if box is None else pixels_of(box, size)
    words = words_of(said, model.text_spans(said))
    kind: Kind = "nearness" if attention is None else "attention"
    looks = _nearness(image, text) if attention is None else attention[0]
    maps = [
        over_picture(
            model.preprocess,
            as_square(looks[pieces].mean(axis=0)),
            (part[2] - part[0], part[3] - part[1]),
        )
        for _, pieces in words
    ]
    explained = [
        Word(word, map_, is_function_word(word))
        for (word, _), map_ in zip(words, maps, strict=True)
    ]
    return Explanation(explained, kind, float(composed.gate[0]), *size, box=part)


def _nearness(image: FeatureArrays, text: FeatureArrays) -> Floats:
    """Cosines of the words and regions of one picture and text: ``(T, P)``."""
    nearness: Floats = unit(text.tokens[0]) @ unit(image.tokens[0]).T
    return nearness


def words_of(text: str, spans: Sequence[tuple[int, int]]) -> list[tuple[str, list[int]]]:
    """Words with the places of their tokens, from where each token stands in ``text``.

    Tokens that share a character are one word (a tokenizer of bytes cuts characters), and so are
    neighbours with nothing between them, unless one side is Han or no letter.
    """
    words: list[tuple[int, int, list[int]]] = []
    for place, (start, end) in enumerate(spans):
        start += len(text[start:end]) - len(text[start:end].lstrip())
        if start >= end:
            continue
        if words and (start < words[-1][1] or _continues(text, words[-1][1], start)):
            first, last, pieces = words.pop()
            words.append((first, max(last, end), [*pieces, place]))
        else:
            words.append((start, end, [place]))
    named = [(text[start:end].strip(), pieces) for start, end, pieces in words]
    return [(word, pieces) for word, pieces in named if any(map(str.isalnum, word))]


def _continues(text: str, end: int, start: int) -> bool:
    """Whether what starts at ``start`` goes on with the word that ended at ``end``."""
    return end == start > 0 and all(
        char.isalnum() and not _HAN.match(char) for char in (text[end - 1], text[start])
    )


def as_square(regions: Floats) -> Floats:
    """Values of the regions ``(P,)`` as the square ``(sqrt P, sqrt P)`` the encoder saw.

    Raises ModelError if P is not a square.
    """
    side = math.isqrt(len(regions))
    if side * side != len(regions):
        raise ModelError(
            f"{len(regions)} region tokens make no square, so they can't be placed on the picture",
            hint="Use a model whose picture encoder gives a square grid of regions.",
        )
    return regions.reshape(side, side)


def over_picture(prepare: Preprocess, regions: Floats, size: tuple[int, int]) -> Floats:
    """A map over regions ``(s, s)`` as one over the picture ``(h, w)``, stretched to 0 to 1.

    ``size`` is the picture's width and height in pixels; ``h`` and ``w`` have its proportions,
    the longer one is ``LONGER_SIDE``. What was cropped away is 0, and so is a map of one value.
    """
    scale = LONGER_SIDE / max(size)
    width, height = (max(1, round(side * scale)) for side in size)
    fine = (width * _FINER, height * _FINER)
    placed = prepare.place(regions, fine)
    seen = prepare.place(np.ones_like(regions), fine) > 0
    least, most = placed[seen].min(), placed[seen].max()
    if most - least <= np.finfo(np.float32).eps:
        return np.zeros((height, width), np.float32)
    stretched = np.where(seen, (placed - least) / (most - least), 0)
    return _coarser(stretched.astype(np.float32))


def _coarser(values: npt.NDArray[np.float32]) -> Floats:
    """Means of blocks of ``_FINER`` x ``_FINER``."""
    rows, columns = (side // _FINER for side in values.shape)
    blocks = values.reshape(rows, _FINER, columns, _FINER)
    means: Floats = blocks.mean(axis=(1, 3))
    return means
