"""learning/captions.py: phrases from catalogue rows."""

from __future__ import annotations

import random

from samebut.learning import captions

ROW = {
    "title": "Acme Men Striped Shirt",
    "article": "shirt",
    "colour": "blue",
    "pattern": "striped",
    "gender": "men",
}


def draw(make: object, count: int = 400) -> set[str]:
    dice = random.Random(0)
    return {make(ROW, dice) for _ in range(count)}  # type: ignore[operator]


def test_only_what_the_row_knows_is_said() -> None:
    known = {"shirt", "blue", "striped", "men", "for"}
    assert all(set(phrase.split()) <= known for phrase in draw(captions.english))


def test_attributes_are_said_alone_and_together() -> None:
    phrases = draw(captions.english)
    assert {"shirt", "blue striped shirt for men", "striped blue shirt"} <= phrases


def test_chinese() -> None:
    phrases = draw(captions.chinese)
    assert "蓝色条纹衬衫" in phrases
    assert "男款的蓝色的条纹的衬衫" in phrases


def test_a_caption_is_never_empty() -> None:
    dice = random.Random(0)
    assert {captions.caption({"title": "x"}, dice) for _ in range(50)} == {"x"}
    both = draw(captions.caption)
    assert ROW["title"] in both
    assert any("衬衫" in phrase for phrase in both)
    assert captions.chinese({"title": "x", "article": "unheard of"}, dice) == ""


def test_a_drawn_item_is_called_by_its_kind() -> None:
    row = {
        "title": "x",
        "kind": "skirt",
        "colour": "teal",
        "pattern": "plain",
        "title_zh": "青色裙",
    }
    dice = random.Random(0)
    phrases = {captions.english(row, dice) for _ in range(100)}
    assert phrases == {"teal skirt", "skirt", "teal", ""}
    assert "青色裙" in {captions.caption(row, dice) for _ in range(100)}


def test_a_mistyped_text_is_one_slip_away() -> None:
    dice = random.Random(2)
    text = "in dark blue, with stripes"
    slips = {captions.mistyped(text, dice) for _ in range(300)}
    assert len(slips) > 60
    assert any(len(slip.split()) < len(text.split()) for slip in slips)
    for slip in slips:
        assert abs(len(slip) - len(text)) <= 1
        assert set(slip) <= set(text) | set(captions.LETTERS)


def test_what_can_not_be_mistyped_stays() -> None:
    for text in ("", "换成蓝色", "蓝色 条纹", "to L", "a b"):
        assert captions.mistyped(text, random.Random(0)) == text


def test_words_around_a_wish_leave_it_whole() -> None:
    dice = random.Random(0)
    for text in ("in blue", "换成蓝色"):
        around = {captions.chatty(text, dice) for _ in range(200)}
        assert len(around) > 8
        assert all(text in said and said != text for said in around)
        assert all(said.isascii() == text.isascii() for said in around)
