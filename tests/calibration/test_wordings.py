"""calibration/wordings.py: how things are asked for, and what a gallery lacks."""

from __future__ import annotations

from samebut.calibration.wordings import coloured_phrases, lacking, phrases, words
from samebut.language.things import things


def test_kinds_are_asked_for_in_both_languages() -> None:
    assert phrases("kind", "skirt") == ["skirt", "a photo of a skirt", "裙子", "裙子的照片"]
    assert phrases("but", "jeans")[:2] == ["but as a pair of jeans", "a pair of jeans instead"]


def test_a_colour_has_no_article() -> None:
    assert phrases("recoloured", "orange") == [
        "in orange",
        "the same in orange",
        "换成橙色",
        "要橙色的",
    ]


def test_a_kind_without_a_chinese_name_is_asked_for_in_english_alone() -> None:
    assert phrases("kind", "wobbly thing") == ["wobbly thing", "a photo of a wobbly thing"]


def test_a_kind_in_a_colour() -> None:
    assert coloured_phrases("blue", "shirt") == ["blue shirt", "蓝色的衬衫"]
    assert coloured_phrases("blue", "wobbly thing") == ["blue wobbly thing"]


def test_every_listed_thing_has_a_name() -> None:
    names = {name for thing in things() for name in thing.english}
    assert {*words()["things"]["en"]} <= names


def test_what_a_gallery_has_it_does_not_lack() -> None:
    texts = lacking([], ["dog"], "kind")
    assert len(texts) == len(lacking([], [], "kind")) == 200
    dogs = {name for thing in things() if "dog" in thing.english for name in thing.english}
    assert dogs
    assert not {*texts} & dogs


def test_what_others_have_it_lacks() -> None:
    texts = lacking(["milk"], ["shirt"], "kind")
    assert len(texts) == 201
    assert {*texts} & {*phrases("kind", "milk")}
    assert texts == lacking(["milk"], ["shirt"], "kind")


def test_made_up_words_are_in_no_list() -> None:
    names = {name for thing in things() for name in (*thing.english, *thing.chinese)}
    for sort in ("mash", "pronounceable"):
        for said in words()[sort].values():
            assert len(set(said)) == len(said)
            assert not {*said} & names
