"""learning/data/text_noise.py: texts as people write them."""

from __future__ import annotations

import random

import torch

from samebut.learning.data import text_noise
from samebut.learning.data.augment import Augment
from samebut.learning.data.text_noise import noisy


def test_a_mistyped_text_is_one_slip_away() -> None:
    rng = random.Random(2)
    text = "in dark blue, with stripes"
    slips = {text_noise.mistyped(text, rng) for _ in range(300)}
    assert len(slips) > 60
    assert any(len(slip.split()) < len(text.split()) for slip in slips)
    for slip in slips:
        assert abs(len(slip) - len(text)) <= 1
        assert set(slip) <= set(text) | set(text_noise.LETTERS)


def test_what_can_not_be_mistyped_stays() -> None:
    for text in ("", "换成蓝色", "蓝色 条纹", "to L", "a b"):
        assert text_noise.mistyped(text, random.Random(0)) == text


def test_words_around_a_wish_leave_it_whole() -> None:
    rng = random.Random(0)
    for text in ("in blue", "换成蓝色"):
        around = {text_noise.with_filler(text, rng) for _ in range(200)}
        assert len(around) > 8
        assert all(text in said and said != text for said in around)
        assert all(said.isascii() == text.isascii() for said in around)
    assert "你好" not in "".join(text_noise.with_filler("a naïve café", rng) for _ in range(50))


def test_a_word_that_nobody_knows_stands_anywhere() -> None:
    rng = random.Random(0)
    places, words = set(), set()
    for _ in range(200):
        parts = text_noise.with_made_up_word("in dark blue", rng).split(" ")
        (word,) = (part for part in parts if part not in ("in", "dark", "blue"))
        assert [part for part in parts if part != word] == ["in", "dark", "blue"]
        assert 4 <= len(word) <= 12
        places.add(parts.index(word))
        words.add(word)
    assert places == {0, 1, 2, 3}
    assert len(words) > 150
    assert text_noise.with_made_up_word("换成蓝色", rng).replace(" ", "").count("换成蓝色") == 1


def test_a_share_of_texts_has_one() -> None:
    torch.manual_seed(0)
    said = noisy(["in blue"] * 400, Augment(made_up=0.25))
    assert 60 < sum(text != "in blue" for text in said) < 140


def test_texts_are_written_as_people_write() -> None:
    torch.manual_seed(0)
    texts = ["in dark blue with stripes"] * 400
    assert noisy(texts, Augment()) == texts
    varied = noisy(texts, Augment(typos=0.25, filler=0.5))
    longer = sum(len(text) > len(texts[0]) + 1 for text in varied)
    assert 140 < longer < 260
    assert 60 < sum("in dark blue with stripes" not in text for text in varied) < 140
    torch.manual_seed(0)
    assert noisy(texts, Augment()) == texts
    assert noisy(texts, Augment(typos=0.25, filler=0.5)) == varied
