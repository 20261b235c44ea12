"""What a sentence takes from which of several pictures: "the shape of the first in the colour of
the second", 第一张的款式，第二张的颜色, "this shape, that colour"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from samebut.language.wishes import Look

_ASPECTS: dict[Look, tuple[str, str]] = {
    "colour": ("colou?rs?|shade|hue", "颜色|配色|色彩|色"),
    "pattern": ("pattern|print|motif", "图案|花纹|花色|印花"),
    "article": (
        "shape|style|cut|kind|type|form|silhouette",
        "款式|样式|版型|形状|款型|造型|种类|类型|款",
    ),
}
_ORDINALS = (
    "first|1st|one|1|一|这|前者|this",
    "second|2nd|two|2|二|两|那|后者|that",
    "third|3rd|three|3|三",
    "fourth|4th|four|4|四",
    "fifth|5th|five|5|五",
)
_ASPECT = {
    language: "|".join(words[place] for words in _ASPECTS.values())
    for place, language in enumerate(("en", "zh"))
}
_NTH = "first|1st|second|2nd|third|3rd|fourth|4th|fifth|5th"
_PICTURE = "picture|photo|image"
_ONE = rf"(?:\s+(?:one|{_PICTURE}))?"
_LEAD = r"(?:(?:in|with|as|and)\s+)?(?:(?:the|same)\s+)*"
_WHICH = (
    rf"(?:the\s+)?(?P<w{{}}>{_NTH}){_ONE}\b",
    rf"(?:the\s+)?(?:{_PICTURE}|number|no\.|#)\s*(?P<w{{}}>[1-5]|one|two|three|four|five)\b",
)
_NUMBER = r"(?P<w{}>[1-5])\b"
_CHINESE = (
    r"(?:第?(?P<w{}>[一二三四五1-5两])[张件个幅款条双](?:图片|照片|图)?|图片?(?P<w{}>[一二三四五1-5])"
    r"|(?P<w{}>[这那])[张件个幅条双]?|(?P<w{}>前者|后者))"
)


def _numbered(form: str, start: int) -> str:
    """Groups of one pattern have a name each: ``w{}`` becomes w10, w11 ..."""
    for number in range(form.count("w{}")):
        form = form.replace("w{}", f"w{start}{number}", 1)
    return form


_FORMS = (
    *(
        rf"{_LEAD}(?P<a{{0}}>{_ASPECT['en']})\s+(?:of|from|as\s+in|as|like)\s+{w}"
        for w in (*_WHICH, _NUMBER)
    ),
    *(rf"{_LEAD}{w}(?:'s|’s)\s+(?P<a{{0}}>{_ASPECT['en']})\b" for w in _WHICH),
    rf"{_LEAD}\b(?P<w{{}}>this|that)\s+(?P<a{{0}}>{_ASPECT['en']})\b",
    rf"[用按配和]?{_CHINESE}(?:里|中|上)?的?(?P<a{{0}}>{_ASPECT['zh']})",
    *(rf"\b(?:like\s+)?{w}" for w in _WHICH),
    r"第(?P<w{}>[一二三四五1-5])[张件个幅款条双](?:图片|照片|图)?",
)
_LENDING = re.compile(
    "|".join(
        f"(?:{_numbered(form.replace('{0}', str(number)), number)})"
        for number, form in enumerate(_FORMS)
    ),
    re.IGNORECASE,
)
_LOOSE = re.compile(
    r"^(?:[\s,;.:，、；。：的]|(?:and|but|和|与|但|配|用)(?![a-z]))+"
    r"|(?:[\s,;:，、；：]|(?<![a-z])(?:in|with|and|but|of|as|和|与|但|配|用))+$",
    re.IGNORECASE,
)


class Loan(NamedTuple):
    """The ``look`` (None: everything) of picture number ``picture``, counted from 0; ``text`` is
    the sentence's part from ``start`` to ``end`` that says so."""

    look: Look | None
    picture: int
    text: str
    start: int
    end: int


def loans(sentence: str, pictures: int) -> list[Loan]:
    """What ``sentence`` takes from each of ``pictures`` pictures, in its order; empty if it
    mentions a picture that does not exist, or names a look of none."""
    found = [*_found(sentence)]
    if not any(each.look for each in found) or any(each.picture >= pictures for each in found):
        return []
    return found


def _found(sentence: str) -> Iterator[Loan]:
    for match in _LENDING.finditer(sentence):
        said = {name: text.lower() for name, text in match.groupdict().items() if text}
        which = next(text for name, text in said.items() if name.startswith("w"))
        aspect = next((text for name, text in said.items() if name.startswith("a")), None)
        picture = next(n for n, words in enumerate(_ORDINALS) if which in words.split("|"))
        look = None if aspect is None else _look(aspect)
        yield Loan(look, picture, match.group().strip(), match.start(), match.end())


def _look(aspect: str) -> Look:
    return next(look for look, words in _ASPECTS.items() if re.fullmatch("|".join(words), aspect))


def with_words(sentence: str, found: Sequence[Loan], said: Sequence[str]) -> str:
    """The sentence with other words, ``said``, for each of ``found``; "" leaves it out."""
    parts, reached = list[str](), 0
    for loan, words in zip(found, said, strict=True):
        parts += [sentence[reached : loan.start], words]
        reached = loan.end
    whole = "".join([*parts, sentence[reached:]])
    commas = re.sub(r"\s*([,，、;；])(?:\s*[,，、;；])+", r"\1", whole)
    return _LOOSE.sub("", " ".join(commas.split()))
