"""query_maker/relative_captions.py: templates, their grammar, and a shop's own."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from samebut.errors import DataError
from samebut.query_maker.relative_captions import RelativeCaptions
from samebut.query_maker.wishes import parsed

JEANS = {"gender": "men", "article": "jeans", "colour": "blue", "pattern": "striped"}
COLUMNS = ("gender", "colour", "article", "pattern", "heel height")
BUILT_IN = RelativeCaptions.read()


def captions(
    changes: dict[str, str],
    language: str = "en",
    before: dict[str, str] = JEANS,
    of: RelativeCaptions = BUILT_IN,
    count: int = 600,
) -> set[str | None]:
    rng = random.Random(0)
    return {of.say(rng, before, changes, language) for _ in range(count)}


def own(tmp_path: Path, text: str) -> RelativeCaptions:
    path = tmp_path / "my.toml"
    path.write_text(text, encoding="utf-8")
    return RelativeCaptions.read(path, COLUMNS)


@pytest.mark.parametrize(("language", "least"), [("en", 25), ("zh", 15)])
def test_every_kind_of_change_has_many_phrasings(language: str, least: int) -> None:
    book = BUILT_IN.books[language]
    assert {"colour", "article", "pattern", "gender", "material", "attribute"} <= set(
        book.sentences
    )
    named = [kind for kind in book.sentences if not any(wish for wish, _ in parsed(kind))]
    assert {kind for kind in named if book.phrasings(kind) < least} == set()
    assert {kind for kind in book.sentences if book.phrasings(kind) < 4} == set()


def test_a_wish_is_said_without_a_new_value() -> None:
    before = {"colour": "blue", "article": "shirt"}
    english = {
        BUILT_IN.say(random.Random(n), before, {"colour": "not"}, "en", {"colour": "not"})
        for n in range(300)
    }
    assert {"not blue", "in any colour other than blue", "anything but blue"} <= english
    chinese = {
        BUILT_IN.say(random.Random(n), before, {"colour": "not"}, "zh", {"colour": "not"})
        for n in range(300)
    }
    assert {"不要蓝色", "除了蓝色都行", "换个颜色"} <= chinese


def test_what_a_thing_has_by_its_pattern_can_be_refused() -> None:
    before = {"pattern": "striped", "article": "shirt"}
    said = {
        BUILT_IN.say(random.Random(n), before, {"pattern": "not"}, "en", {"pattern": "not"})
        for n in range(300)
    }
    assert {"no stripes", "without stripes", "not striped"} <= said


def test_a_wish_about_any_column() -> None:
    before = {"heel": "flat"}
    said = BUILT_IN.say(random.Random(1), before, {"heel": "not"}, "en", {"heel": "not"})
    assert said is not None and ("flat" in said or "heel" in said)


def test_a_chinese_name_of_a_thing_that_the_lexicon_lacks() -> None:
    assert BUILT_IN.word("article", "aubergine", "zh") == "茄子"
    assert BUILT_IN.word("article", "no such thing", "zh") is None


def test_the_languages_have_the_same_kinds() -> None:
    english, chinese = BUILT_IN.books["en"], BUILT_IN.books["zh"]
    assert set(english.sentences) == set(chinese.sentences)
    assert set(english.parts) == set(chinese.parts)


def test_a_change_of_colour() -> None:
    said = captions({"colour": "olive"})
    assert len(said) > 60
    assert {"in olive", "olive instead of blue", "swap blue for olive", "make them olive"} <= said
    assert all("olive" in text for text in said if text)


def test_a_change_of_article_agrees_with_the_nouns() -> None:
    said = captions({"article": "anorak"})
    assert {"an anorak", "turn these into an anorak", "an anorak instead of jeans"} <= said
    assert "keep the colour, make them an anorak" in said
    back = captions({"article": "jeans"}, before={"article": "anorak"})
    assert {"a pair of jeans", "turn this into a pair of jeans"} <= back


def test_nothing_is_said_to_be_kept_that_is_not_known() -> None:
    said = captions({"article": "jeans"}, before={"article": "shirt"})
    assert not any("colour" in text for text in said if text)


def test_chinese_says_measure_words_and_translates() -> None:
    said = captions({"article": "sandals"}, "zh")
    assert {"要一双凉鞋", "把牛仔裤换成凉鞋", "要一双蓝色凉鞋"} <= said
    assert not any(text.isascii() for text in said if text)


def test_what_has_no_translation_is_not_said_in_chinese() -> None:
    assert captions({"colour": "greige"}, "zh", count=20) == {None}
    old = captions({"colour": "red"}, "zh", before=JEANS | {"colour": "greige"})
    assert "换成红色" in old and not any("greige" in text for text in old if text)


@pytest.mark.parametrize(("language", "text"), [("en", "with hood"), ("zh", "带帽兜的")])
def test_columns_of_yes_and_no(language: str, text: str) -> None:
    assert text in captions({"hood": "yes"}, language, before={"hood": "no"})


def test_any_other_column_is_called_by_its_name() -> None:
    before = {"heel_height": "flat"}
    assert "change the heel height from flat to high" in captions(
        {"heel_height": "high"}, before=before
    )
    assert captions({"heel_height": "high"}, "zh", before=before, count=20) == {None}


def test_two_columns_without_sentences_of_their_own_are_joined() -> None:
    before = JEANS | {"neckline": "round"}
    said = captions({"colour": "red", "neckline": "V-neck"}, before=before, count=4000)
    assert {"in red and with V-neck neckline", "with V-neck neckline and in red"} <= said
    assert all("red" in text and "V-neck" in text for text in said if text)


def test_people_are_named() -> None:
    said = captions({"gender": "women"})
    assert {"for women", "the women's version", "for women, not for men"} <= said
    assert "for everyone" in captions({"gender": "unisex"})


def test_own_templates_are_added_and_columns_may_have_spaces(tmp_path: Path) -> None:
    mine = own(
        tmp_path,
        'en.colour = ["oh, {new}!"]\nen."heel height" = ["{a new} heel on {this}"]\n'
        'zh."heel height" = ["{new}跟的"]\nzh.values.high = "高"\n'
        'en."colour+heel height" = ["{colour}, {heel_height}, not {old.heel_height}"]\n',
    )
    assert {"oh, red!", "in red"} <= captions({"colour": "red"}, of=mine, count=3000)
    before = {"heel height": "flat", "article": "shoes", "colour": "blue"}
    assert captions({"heel height": "high"}, of=mine, before=before) == {"a high heel on these"}
    assert captions({"heel height": "high"}, "zh", of=mine, before=before) == {"高跟的"}
    both = captions({"heel height": "high", "colour": "red"}, of=mine, before=before)
    assert both == {"red, high, not flat"}


def test_own_templates_may_take_the_place_of_ours(tmp_path: Path) -> None:
    mine = own(tmp_path, 'replace = ["colour"]\n[en]\ncolour = ["just {new}"]\n')
    assert captions({"colour": "red"}, of=mine) == {"just red"}
    assert "换成红色" in captions({"colour": "red"}, "zh", of=mine)


def test_own_words_for_values(tmp_path: Path) -> None:
    mine = own(tmp_path, '[en.values]\n"nvy-01" = "navy"\n[zh.values]\n"NVY-01" = "藏青色"\n')
    assert "in navy" in captions({"colour": "NVY-01"}, of=mine)
    assert "换成藏青色" in captions({"colour": "nvy-01"}, "zh", of=mine)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("en = 3", r"\[en\]: is not a table", ""),
        ("[en\n", "not valid TOML", ""),
        ("[fr]\n", "'fr' is not a key", "Known: en, replace, zh"),
        ('en.colur = ["x"]', "'colur' is not a key", "mean 'colour'"),
        ('replace = ["colur"]', "'colur' is not a key", "mean 'colour'"),
        ('en.colour = "in {new}"', "colour: is not a list of texts", ""),
        ("en.colour = [3]", "colour: is not a list of texts", ""),
        ('en.colour = [" "]', "is not a text", ""),
        (
            'en.colour = ["in {nwe}"]',
            r"\{nwe\} is not a placeholder that is known, in 'in \{nwe\}'",
            r"mean \{new\}",
        ),
        ('en.colour = ["in {}"]', r"\{\} is not a placeholder", "Known: article"),
        ('en.colour = ["in {new"]', "a brace is not closed or not opened", ""),
        (
            'en.fragments.colour = ["{old.price}"]',
            r"fragments\] colour: \{old\.price\} is not",
            "old.article",
        ),
        ('en.joins = ["{1} and {tow}"]', r"joins: \{tow\} is not a placeholder", "Known: 1, 2"),
        ("zh.values.red = 7", r"values\] red: 7 is not a text", ""),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, text: str, message: str, hint: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        own(tmp_path, text)
    assert re.search(hint, caught.value.hint)


def test_the_file_in_the_guide_works(tmp_path: Path) -> None:
    guide = Path(__file__).parents[1] / "docs" / "train-on-your-catalogue.md"
    text = guide.read_text(encoding="utf-8").partition("```toml")[2].partition("```")[0]
    path = tmp_path / "shop.toml"
    path.write_text(text, encoding="utf-8")
    mine = RelativeCaptions.read(path, ("colour", "article", "heel"))
    before = {"article": "shoes", "colour": "red", "heel": "flat"}
    assert "with a stiletto heel" in captions({"heel": "stiletto"}, of=mine, before=before)
    assert "细高跟的" in captions({"heel": "stiletto"}, "zh", of=mine, before=before)
    assert captions({"colour": "blue"}, of=mine, before=before) == {
        "in blue",
        "the same shoes in blue",
        "do you have them in blue?",
    }


def said(before: dict[str, str], wishes: dict[str, str], **new: str) -> dict[str, set[str | None]]:
    """All that is said in 400 draws, by language; wishes stand before new values."""
    changes = new | wishes
    return {
        language: {
            BUILT_IN.say(random.Random(n), before, changes, language, wishes) for n in range(400)
        }
        for language in ("en", "zh")
    }


STRIPED = {"article": "shirt", "colour": "blue", "pattern": "striped"}


def test_a_new_value_and_a_refused_one_in_a_sentence() -> None:
    texts = said(STRIPED, {"pattern": "not"}, colour="green")
    assert {"in green, without stripes", "green, no stripes"} <= texts["en"]
    assert {"绿色的，不要条纹", "换成绿色，不要条纹"} <= texts["zh"]
    texts = said(STRIPED, {"colour": "not"}, article="skirt")
    assert {"a skirt, but not blue", "as a skirt in any colour other than blue"} <= texts["en"]
    assert {"换成裙子，不要蓝色", "裙子，换个颜色"} <= texts["zh"]


def test_two_wishes_that_have_no_sentences_of_their_own_are_joined() -> None:
    texts = said(STRIPED, {"colour": "darker", "pattern": "not"})
    assert {"darker and without stripes", "two changes: darker, and no stripes"} <= texts["en"]
    assert {"深一点，不要条纹", "颜色深一些，没有条纹"} & texts["zh"]


def test_what_has_no_pattern_is_not_without_it() -> None:
    texts = said(STRIPED | {"pattern": "solid"}, {"pattern": "not"})
    assert "anything but solid" in texts["en"] and "不要纯色" in texts["zh"]
    assert not [text for text in texts["en"] if text and "without solid" in text]
    assert not [text for text in texts["zh"] if text and "没有" in text]


def test_darker_and_lighter_in_both_languages() -> None:
    texts = said(STRIPED, {"colour": "darker"})
    assert {"darker", "a bit darker", "make it darker"} <= texts["en"]
    assert {"深一点", "颜色深一些"} <= texts["zh"]
    texts = said(STRIPED, {"colour": "lighter"})
    assert {"lighter", "in a lighter colour"} <= texts["en"]
    assert {"浅一点", "颜色浅一些"} <= texts["zh"]


def test_templates_of_ones_own_for_a_wish(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    path.write_text('[en]\n"not heel" = ["but without that {old} heel"]\n', encoding="utf-8")
    book = RelativeCaptions.read(path, ("heel",))
    before, wish = {"heel": "high"}, {"heel": "not"}
    assert book.say(random.Random(1), before, wish, "en", wish) == "but without that high heel"
