"""learning/data/captions.py: phrases from catalogue rows."""

from __future__ import annotations

import random

from samebut.learning.data import captions

ROW = {
    "title": "Acme Men Striped Shirt",
    "article": "shirt",
    "colour": "blue",
    "pattern": "striped",
    "gender": "men",
}


def draw(make: object, count: int = 400) -> set[str]:
    rng = random.Random(0)
    return {make(ROW, rng) for _ in range(count)}  # type: ignore[operator]


def test_only_what_the_row_knows_is_said() -> None:
    known = {"shirt", "button-down", "blue", "striped", "men", "for"}
    assert all(set(phrase.split()) <= known for phrase in draw(captions.english))


def test_attributes_are_said_alone_and_together() -> None:
    phrases = draw(captions.english)
    assert {"shirt", "blue striped shirt for men", "striped blue shirt"} <= phrases


def test_chinese() -> None:
    phrases = draw(captions.chinese)
    assert "蓝色条纹衬衫" in phrases
    assert "男款的蓝色的条纹的衬衫" in phrases


def test_a_thing_is_called_by_its_synonyms_too() -> None:
    rng = random.Random(1)
    row = {"label": "Outwear"}
    english = {captions.english(row, rng) for _ in range(200)}
    chinese = {captions.chinese(row, rng).lstrip("的") for _ in range(200)}
    assert {"outwear", "jacket", "coat"} <= english
    assert {"外套", "夹克", "大衣"} <= chinese


def test_a_caption_is_never_empty() -> None:
    rng = random.Random(0)
    assert {captions.caption({"title": "x"}, rng) for _ in range(50)} == {"x"}
    both = draw(captions.caption)
    assert ROW["title"] in both
    assert any("衬衫" in phrase for phrase in both)
    assert captions.chinese({"title": "x", "article": "unheard of"}, rng) == ""


def test_a_drawn_item_is_called_by_its_kind() -> None:
    row = {
        "title": "x",
        "kind": "skirt",
        "colour": "teal",
        "pattern": "plain",
        "title_zh": "青色裙",
    }
    rng = random.Random(0)
    phrases = {captions.english(row, rng) for _ in range(100)}
    skirts = {"skirt", "skirts"}
    assert phrases - {""} == {"teal"} | skirts | {f"teal {each}" for each in skirts}
    assert "青色裙" in {captions.caption(row, rng) for _ in range(100)}
