"""The names of things: all classes in a classifier's order, named in both languages."""

import re
from collections import Counter

import pytest

from samebut.language.things import NamedThing, things


def named(wordnet: str) -> NamedThing:
    return next(thing for thing in things() if thing.wordnet == wordnet)


def test_there_are_1000_classes_in_the_order_of_their_wordnet_ids() -> None:
    ids = [thing.wordnet for thing in things()]
    assert len(ids) == 1000
    assert ids == sorted(set(ids))
    assert all(re.fullmatch(r"n\d{8}", wordnet) for wordnet in ids)


def test_each_has_one_to_four_different_names_in_each_language() -> None:
    for thing in things():
        for names in (thing.english, thing.chinese):
            assert 1 <= len(names) <= 4, thing
            assert len(set(names)) == len(names), thing
            assert all(name and name.strip() == name for name in names), thing


def test_english_is_lower_case_and_chinese_is_all_han() -> None:
    for thing in things():
        for name in thing.english:
            assert re.fullmatch(r"[a-z0-9][a-z0-9 '-]*", name), thing
        for name in thing.chinese:
            assert re.fullmatch("[\u3400-\u9fff]+", name), thing


def test_first_names_tell_things_apart() -> None:
    for position in (1, 2):
        firsts = Counter(thing[position][0] for thing in things())
        assert [name for name, count in firsts.items() if count > 1] == []


@pytest.mark.parametrize(
    ("wordnet", "english", "chinese"),
    [
        ("n02012849", "crane bird", "鹤"),
        ("n03126707", "construction crane", "起重机"),
        ("n02113186", "cardigan corgi", "卡迪根柯基"),
        ("n02963159", "cardigan", "开衫"),
        ("n03710637", "leotard", "紧身连体衣"),
        ("n03710721", "one-piece swimsuit", "连体泳衣"),
        ("n03773504", "missile", "导弹"),
        ("n04008634", "projectile", "炮弹"),
        ("n02747177", "bin", "垃圾桶"),
        ("n15075141", "toilet paper", "卫生纸"),
    ],
)
def test_a_word_of_several_meanings_is_named_by_its_class(
    wordnet: str, english: str, chinese: str
) -> None:
    assert named(wordnet).english[0] == english
    assert named(wordnet).chinese[0] == chinese
