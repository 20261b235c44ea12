"""language/lexicon.py: what shops say, and the little grammar that templates need."""

from __future__ import annotations

import pytest

from samebut.language import lexicon


@pytest.mark.parametrize(
    ("phrase", "said"),
    [
        ("shirt", "a shirt"),
        ("olive shirt", "an olive shirt"),
        ("unisex shirt", "a unisex shirt"),
        ("umbrella", "an umbrella"),
        ("dress", "a dress"),
        ("canvas", "a canvas"),
        ("jeans", "a pair of jeans"),
        ("blue flip flops", "a pair of blue flip flops"),
        ("T-shirts", "T-shirts"),
        ("jewellery", "jewellery"),
    ],
)
def test_one_thing_is_said_with_its_article(phrase: str, said: str) -> None:
    assert lexicon.indefinite(phrase) == said


def test_what_is_known_is_said_with_the() -> None:
    assert lexicon.definite("jeans") == "the pair of jeans"
    assert lexicon.definite("shirt") == "the shirt"


def test_pairs_can_be_said_without_the_pair() -> None:
    assert lexicon.indefinite("jeans", pairs=False) == "jeans"
    assert lexicon.indefinite("shirt", pairs=False) == "a shirt"


@pytest.mark.parametrize(
    ("noun", "plural"), [("shoes", True), ("dress", False), ("tops", True), ("", False)]
)
def test_plurals(noun: str, plural: bool) -> None:
    assert lexicon.is_plural(noun) is plural


@pytest.mark.parametrize(
    ("noun", "word"),
    [
        ("凉鞋", "双"),
        ("鞋子", "双"),
        ("牛仔裤", "条"),
        ("手表", "块"),
        ("衬衫", "件"),
        ("长袖T恤", "件"),
        ("红薯", "个"),
    ],
)
def test_measure_words(noun: str, word: str) -> None:
    assert lexicon.measure_word(noun) == word


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("Base Color", "colour"),
        ("base_colour", "colour"),
        ("articleType", "article"),
        ("颜色", "colour"),
        ("productDisplayName", "title"),
        ("Heel Height", "Heel Height"),
    ],
)
def test_a_column_is_known_by_many_names(name: str, column: str) -> None:
    assert lexicon.column(name) == column


def test_every_article_has_a_chinese_name_of_its_own() -> None:
    assert len(set(lexicon.ARTICLES_ZH.values())) == len(lexicon.ARTICLES_ZH)
