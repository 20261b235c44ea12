"""The compositions, and the one way to name them: ``NAME``, ``NAME:NUMBER`` or ``blend:...``.

``i``, ``t`` and ``c`` are unit vectors of the reference, the words and a candidate; ``unit`` makes
a vector of length one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from samebut.composition.basic import basic
from samebut.composition.keep import keep
from samebut.composition.made import Asked, Made
from samebut.composition.pairs import Pair
from samebut.embedding import unit
from samebut.errors import QueryError

BLEND = "blend"
KEEP = "keep"
SAME_WAY = 1e-6  # radians: below, the sine of the angle says nothing


class Parameter(NamedTuple):
    """A number of a composition, and between what it may be."""

    name: str
    default: float
    least: float
    most: float


@dataclass(frozen=True)
class CompositionRow:
    """One composition: ``make(asked, *parameters)``; ``what`` it is, in a line."""

    make: Callable[..., Made]
    parameters: tuple[Parameter, ...]
    what: str
    reads_caption: bool = False


def weighed_sum(asked: Asked, weight: float) -> Made:
    """``q = unit(i + weight t)``, the baseline of every paper on composed retrieval, on unit
    vectors."""
    image, text = asked.sides
    return _vector(image + weight * text, weight / (1 + weight))


def raw_sum(asked: Asked, weight: float) -> Made:
    """The same of features as the encoders give them, the longer one counting more (Baldrati et
    al., "Effective conditioned and composed image retrieval", CVPR 2022: weight 1)."""
    return _vector(asked.image + weight * asked.text, weight / (1 + weight))


def slerp(asked: Asked, weight: float) -> Made:
    """Spherical interpolation (Jang et al., "Spherical Linear Interpolation and Text-Anchoring for
    Zero-shot Composed Image Retrieval", ECCV 2024, arXiv 2405.00571), `o` the angle of i and t:

        q = (sin((1 - weight) o) i + sin(weight o) t) / sin o
    """
    image, text = asked.sides
    angle = np.arccos(np.clip((image * text).sum(axis=-1, keepdims=True), -1, 1))
    apart = (angle > SAME_WAY) & (angle < np.pi - SAME_WAY)
    first = np.where(apart, np.sin((1 - weight) * angle), 1 - weight)
    second = np.where(apart, np.sin(weight * angle), weight)
    return _vector(first * image + second * text, weight)


def product(asked: Asked) -> Made:
    """``s = max(<i, c>, 0) max(<t, c>, 0)``: both must fit (Psomas et al., NeurIPS 2025,
    `utils_retrieval.py` of github.com/billpsomas/icir)."""
    image, text = asked.sides
    nothing = np.zeros(len(image))
    pair = Pair(image, text, nothing, nothing)
    return Made(pair.candidates, np.full(len(image), 0.5, np.float32), pair)


def pdv(asked: Asked, image: float, text: float, share: float) -> Made:
    """Prompt directional vectors (Tursun et al., WACV 2026, arXiv 2502.07215): what the wish
    changes in a text that describes the reference, added to the reference. `T` embeds a text:

        d = T(caption, wish) - T(caption)
        q = unit((1 - share) (i + image d) + share (T(caption) + text d))
    """
    if asked.caption is None or asked.captioned is None:
        raise QueryError(
            "the fusion 'pdv' needs a text that describes the reference",
            hint="Give a caption of the reference (--caption TEXT), or use a picture that has a "
            "title in the table.",
        )
    change = asked.captioned - asked.caption
    picture, said = asked.sides[0] + image * change, asked.caption + text * change
    return _vector((1 - share) * picture + share * said, share)


def blend(asked: Asked, share: float, other: Callable[[Asked], Made]) -> Made:
    """``share`` of the model's own fusion and the rest of ``other``: of their unit vectors, or of
    the scores that they give."""
    own, gate = asked.own()
    made = other(asked)
    leaning = (share * gate + (1 - share) * made.gate).astype(np.float32)
    if made.pair is None:
        return Made(unit(share * own + (1 - share) * made.embedding), leaning)
    two = made.pair
    offsets = two.image_offset, two.text_offset
    pair = Pair(two.image, two.text, *offsets, two.harris, own, share)
    return Made(pair.candidates, leaning, pair)


def _vector(query: npt.NDArray[np.floating[Any]], gate: float) -> Made:
    return Made(unit(query), np.full(len(query), gate, np.float32))


COMPOSITIONS: dict[str, CompositionRow] = {
    KEEP: CompositionRow(
        keep,
        (Parameter("weight", 2, 0, 100),),
        "the model's own fusion, the kind of thing staying the picture's unless the words name one",
    ),
    "sum": CompositionRow(
        weighed_sum, (Parameter("weight", 1, 0, 100),), "the sum of both unit vectors, weighed"
    ),
    "raw-sum": CompositionRow(
        raw_sum,
        (Parameter("weight", 1, 0, 100),),
        "the sum of both as the encoders give them, longer features counting more",
    ),
    "slerp": CompositionRow(
        slerp, (Parameter("weight", 0.65, 0, 1),), "on the arc from the picture to the words"
    ),
    "product": CompositionRow(product, (), "the product of both similarities: both must fit"),
    "basic": CompositionRow(
        basic,
        (
            Parameter("styles", 0.2, 0, 1),
            Parameter("directions", 250, 1, 100_000),
            Parameter("expand", 25, 0, 1_000),
            Parameter("harris", 0.1, 0, 0.25),
        ),
        "BASIC: centred, projected, expanded, and a product that needs both similarities to be "
        "high",
    ),
    "pdv": CompositionRow(
        pdv,
        (
            Parameter("image", 1, -10, 10),
            Parameter("text", 1, -10, 10),
            Parameter("share", 0.5, 0, 1),
        ),
        "what the wish changes in a caption of the reference, added to the reference",
        reads_caption=True,
    ),
}


@dataclass(frozen=True)
class Composition:
    """A composition with its numbers. ``name`` is in full: ``slerp:0.65``; ``what`` it is."""

    name: str
    what: str
    make: Callable[[Asked], Made]
    reads_caption: bool = False


def read(name: str) -> Composition:
    """The composition that is called so.

    ``slerp``, ``slerp:0.5``, ``basic:0.2:250:0`` (numbers that are left out are the usual ones),
    ``blend:0.75`` (with the sum) and ``blend:0.75:slerp:0.5``.

    QueryError: there is none of that name, or a number is not as it should be; it says what is.
    """
    kind, *said = name.split(":")
    if kind == BLEND:
        share, rest = _number(name, _SHARE, said[0] if said else ""), said[1:] or ["sum"]
        if rest[0] == BLEND:
            raise QueryError(f"'{name}': a blend can't be part of a blend", hint=known())
        other = read(":".join(rest))
        make = partial(blend, share=share, other=other.make)
        what = f"{share:g} of the model's fusion, the rest {other.what}"
        return Composition(f"{BLEND}:{share:g}:{other.name}", what, make, other.reads_caption)
    if kind not in COMPOSITIONS:
        raise QueryError(f"there is no fusion called '{name}'", hint=known())
    row = COMPOSITIONS[kind]
    if len(said) > len(row.parameters):
        raise QueryError(f"'{name}' has too many numbers", hint=known())
    said += [""] * (len(row.parameters) - len(said))
    numbers = [_number(name, *each) for each in zip(row.parameters, said, strict=True)]
    return Composition(
        ":".join([kind, *(f"{number:g}" for number in numbers)]),
        row.what,
        lambda asked: row.make(asked, *numbers),
        row.reads_caption,
    )


_SHARE = Parameter("share", 0.5, 0, 1)


def known() -> str:
    """What can be named, as a sentence."""
    names = [
        ":".join([name, *(each.name.upper() for each in row.parameters)])
        for name, row in COMPOSITIONS.items()
    ]
    return (
        f"There are: {', '.join(names)}, and {BLEND}:SHARE:NAME of the model's own fusion with one "
        "of them. Numbers may be left out."
    )


def _number(name: str, parameter: Parameter, said: str) -> float:
    try:
        value = float(said) if said else parameter.default
    except ValueError:
        value = float("nan")
    if not parameter.least <= value <= parameter.most:
        raise QueryError(
            f"'{name}': {parameter.name} is '{said}'",
            hint=f"Give a number from {parameter.least:g} to {parameter.most:g}; "
            f"{parameter.default:g} is usual.",
        )
    return value
