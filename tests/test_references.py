"""references.py: a wish about several pictures becomes one picture and words for the others."""

from __future__ import annotations

import pytest

from samebut.language.wishes import Look
from samebut.references import SeenLook, resolved
from samebut.turns import Turn

A, B, C = (Turn(name) for name in ("a.jpg", "b.jpg", "c.jpg"))
SHAPE_AND_COLOUR = "the shape of the first in the colour of the second"


def see(turn: Turn, look: Look) -> SeenLook:
    """Every picture shows values of its own."""
    value = f"{look} {turn.picture}"
    return SeenLook(value, {"en": value, "zh": f"{turn.picture}的{look}"})


def said(turns: list[Turn]) -> list[tuple[object, str]]:
    return [(turn.picture, turn.text) for turn in turns]


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        ([A, Turn("b.jpg", SHAPE_AND_COLOUR)], [("a.jpg", ""), (None, "in colour b.jpg")]),
        ([Turn("a.jpg", SHAPE_AND_COLOUR), B], [("a.jpg", "in colour b.jpg")]),
        ([A, B, Turn(text=SHAPE_AND_COLOUR)], [("a.jpg", ""), (None, "in colour b.jpg")]),
        (
            [Turn("a.jpg", "the shape of the second, the colour of the first"), B],
            [("b.jpg", "in colour a.jpg")],
        ),
        (
            [A, B, Turn("c.jpg", "in the colour of the first with the pattern of the second")],
            [("c.jpg", "in colour a.jpg pattern b.jpg")],
        ),
        (
            [Turn("a.jpg", "long"), Turn("b.jpg", "that colour"), Turn(text="striped")],
            [("a.jpg", "long"), (None, "in colour b.jpg"), (None, "striped")],
        ),
        (
            [A, Turn("b.jpg", "第一张的款式，第二张的颜色")],
            [("a.jpg", ""), (None, "b.jpg的colour")],
        ),
        ([A, B], [("a.jpg", ""), ("b.jpg", "")]),
        ([Turn("a.jpg", "that colour")], [("a.jpg", "that colour")]),
        (
            [A, Turn("b.jpg", "the kind of the second")],
            [("a.jpg", ""), ("b.jpg", "the kind of the second")],
        ),
    ],
)
def test_turns(turns: list[Turn], expected: list[tuple[object, str]]) -> None:
    assert said(resolved(turns, see)[0]) == expected


def test_what_was_read_is_said() -> None:
    (lent,) = resolved([A, Turn("b.jpg", SHAPE_AND_COLOUR)], see)[1]
    assert (lent.text, lent.picture, lent.look) == ("in the colour of the second", 1, "colour")
    assert (lent.value, lent.say) == ("colour b.jpg", "in colour b.jpg")
    assert resolved([A, B], see)[1] == ()


def test_the_latest_sentence_says_which_picture_is_the_thing() -> None:
    turns = [A, Turn("b.jpg", SHAPE_AND_COLOUR), Turn(text="this pattern, that shape")]
    found, lent = resolved(turns, see)
    assert said(found) == [("b.jpg", ""), (None, "pattern a.jpg")]
    assert len(lent) == 1
    found, lent = resolved([*turns[:2], Turn(text="the first in that colour, striped")], see)
    assert said(found) == [
        ("a.jpg", ""),
        (None, "in colour b.jpg"),
        (None, "in colour b.jpg, striped"),
    ]
    assert len(lent) == 2
