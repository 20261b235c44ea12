"""language/lending.py: what a sentence takes from which picture."""

from __future__ import annotations

import pytest

from samebut.language.lending import loans, with_words

SAID = {"colour": "in blue", "pattern": "striped", "article": "as a skirt", None: ""}


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("the shape of the first in the colour of the second", "article 0, colour 1"),
        ("第一张的款式，第二张的颜色", "article 0, colour 1"),
        ("This shape, that color", "article 0, colour 1"),
        ("这件的款式，那件的颜色", "article 0, colour 1"),
        ("图1的款式，图2的花纹", "article 0, pattern 1"),
        ("前者的款式，后者的颜色", "article 0, colour 1"),
        ("picture 2 in the shade of picture 1", "None 1, colour 0"),
        ("like the first one but with the third’s pattern", "None 0, pattern 2"),
        ("the same colour as the second", "colour 1"),
        ("the shape of 1 in the colour of 2", "article 0, colour 1"),
        ("in 2 colours", ""),
        ("第一张，但用第二张的图案和第三张的颜色", "None 0, pattern 1, colour 2"),
        ("the colour of the fourth", ""),  # there are three
        ("the first one", ""),  # no part of it is meant
        ("the first thing is a one piece in two colours", ""),
        ("这个", ""),
        ("in blue", ""),
    ],
)
def test_what_is_taken_from_which_picture(sentence: str, expected: str) -> None:
    assert ", ".join(f"{loan.look} {loan.picture}" for loan in loans(sentence, 3)) == expected


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("in the colour of the second", "in blue"),
        ("not the colour of the second", "not in blue"),
        ("the colour of the second, with long sleeves", "in blue, with long sleeves"),
        ("with long sleeves and with the second's pattern", "with long sleeves and striped"),
        ("the first, in the colour of the second.", "in blue."),
    ],
)
def test_other_words_stand_in_their_place(sentence: str, expected: str) -> None:
    found = loans(sentence, 2)
    assert with_words(sentence, found, [SAID[loan.look] for loan in found]) == expected
