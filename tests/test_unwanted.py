"""unwanted.py: what sentences refuse, and what is taken from a query."""

from __future__ import annotations

import numpy as np
import pytest

from samebut.unwanted import REFUSED, UNLIKE, WITHOUT, Unwanted, refusals

NONE = np.zeros((0, 3), np.float32)
QUERY = np.array([1, 0, 0], np.float32)
ONE = np.array([[0, 1, 0]], np.float32)


@pytest.mark.parametrize(
    ("texts", "without", "expected"),
    [
        (["a shirt, not Blue"], [], ["Blue"]),
        (["不要蓝色，也不要条纹"], [], ["蓝色", "条纹"]),
        (["in red, not blue"], [], []),
        (["from blue to red", "without stripes"], [], ["stripes"]),
        (["not blue", "with stripes"], [], ["blue"]),
        (["not blue", "in red"], [], []),
        (["not blue and not green"], ["something green"], ["blue"]),
        (["不要蓝色"], ["blue"], []),
        (["with a belt, no pockets"], [], []),
    ],
)
def test_what_sentences_refuse(texts: list[str], without: list[str], expected: list[str]) -> None:
    assert refusals(texts, without) == expected


@pytest.mark.parametrize(
    ("unwanted", "of_words", "expected"),
    [
        (Unwanted(ONE, NONE, NONE), False, [1, -WITHOUT, 0]),
        (Unwanted(ONE, NONE, NONE), True, [1, -REFUSED, 0]),
        (Unwanted(NONE, NONE, ONE), False, [1, -REFUSED, 0]),
        (
            Unwanted(NONE, np.eye(3, dtype=np.float32)[1:], NONE),
            False,
            [1, -UNLIKE / 2, -UNLIKE / 2],
        ),
        (Unwanted(ONE, ONE, NONE, 0.5), True, [1, -1, 0]),
        (Unwanted(NONE, NONE, NONE), False, [1, 0, 0]),
    ],
)
def test_what_is_taken(unwanted: Unwanted, of_words: bool, expected: list[float]) -> None:
    taken = unwanted.taken_from(QUERY, of_words=of_words)
    np.testing.assert_allclose(taken, np.array(expected) / np.linalg.norm(expected), atol=1e-6)
