"""Finds the wishes about looks in a sentence: colours, kinds and patterns, in English and Chinese.

Only words of the lexicon are found; the model interprets the rest of a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Literal, NamedTuple

from samebut.language import lexicon, palette
from samebut.language.synonyms import common_name, synonym_groups

Look = Literal["article", "colour", "pattern"]
LOOKS: tuple[Look, ...] = ("article", "colour", "pattern")


class Wish(NamedTuple):
    """``value`` is wished for, or refused. ``text`` is how the sentence calls it."""

    look: Look
    value: str
    text: str
    is_refused: bool


_PATTERNS = {
    "solid": "plain", "stripes": "striped", "striped across": "striped", "striped down": "striped",
    "print": "printed", "checks": "checked", "plaid": "checked", "polka dot": "dotted",
    "polka dots": "dotted", "dots": "dotted", "spots": "dotted", "flowers": "floral",
}  # fmt: skip
_COLOURS = {"gray": "grey", "navy blue": "navy", "turquoise blue": "turquoise"}
_REFUSAL = re.compile(
    r"(?:(?:\b(?:not|no|non|nor|neither|nothing|never|without|except|excluding|avoid|hate|from|change|replace)"
    r"|n't|other than|anything but|instead of|rather than)"
    r"\s+(?:for|be|in|with|a|an|any|the|so|too|of|want|like|need|more|\s)*"
    r"|(?:不要|不是|不想要|不喜欢|讨厌|避开|(?<![特区个级])别|没有|除了|去掉|不带|无|非|不|把|将|从|由)"
    r"(?:要|是|有|太|那种|这种|这件|这个|任何)?\s*)$"
)
_REFUSED_BEHIND = re.compile(
    r"^\s*(?:的|色)*都?(?:不要|不想要|不行|不喜欢|去掉|除外)了?\s*(?:[,，.。;；!！]|$)"
)
"""After what it refuses: 蓝色的不要, 把条纹去掉."""
_AS_WELL = re.compile(
    r"^\s*(?:,?\s*(?:or|nor|and)\s|[和或跟及、]|或者|以及)\s*(?:in|with|a|an|any|the|\s)*$"
)
"""Between two of one look, of which the first is refused: "not blue or green"."""
_FUNCTION_WORDS = (
    "a an the in on of with and or but it is are be as to for from by at this that these those my"
    " me i you please make made have has same one instead want find show some something like into"
    " than so very just would should could can"
    " 的 了 要 换 成 换成 改 改成 变 变成 变为 把 将 这 那 一 件 条 个 双 和 与 或 是 有 带 上 加"
    " 加上 请 给 我 想 找 同款 再 点 一点 一些 但 但是 而 吗 呢 吧"
)
_PARTS = re.compile(r"\s*[,，;；]\s*")
_HISSING = ("sses", "xes", "zes", "ches", "shes")
_PLURAL = 3  # letters of a word that may lose its s, at least


def wishes(texts: Iterable[str]) -> list[Wish]:
    """The wishes that hold at the end of a conversation, whose texts are oldest first.

    A later wish replaces earlier ones of the same look; a refusal holds until what it refuses is
    wished for.
    """
    said: list[Wish] = []
    for text in texts:
        new = [*dict.fromkeys(_found(text))]
        wished = {wish.look for wish in new if not wish.is_refused}
        values = {(wish.look, wish.value) for wish in new}
        said = [
            wish
            for wish in said
            if (wish.is_refused or wish.look not in wished)
            and (wish.look, wish.value) not in values
        ]
        said += new
    return said


def standing(texts: Sequence[str], as_read: Callable[[str], str] = str) -> list[str]:
    """The texts of a conversation, oldest first, without the parts that a later text replaces:
    "in red, with stripes", then "in blue" leaves "with stripes". A text may be left empty.

    A part is the text between two commas. It is replaced if all its wishes are: by a later wish of
    the same look, or by one that refuses the same ("not red after all"). Of "from red to blue" the
    blue counts. ``as_read`` normalises a text before words are looked for.
    """
    found = [[*_found(as_read(text))] for text in texts]
    kept = []
    for place, text in enumerate(texts):
        later = list(chain.from_iterable(found[place + 1 :]))
        parts = [part for part in _PARTS.split(text) if not _is_replaced(as_read(part), later)]
        kept.append(text if len(parts) == len(_PARTS.split(text)) else ", ".join(parts))
    return kept


def _is_replaced(part: str, later: Sequence[Wish]) -> bool:
    said = [*_found(part)]
    wanted = [wish for wish in said if not wish.is_refused] or said
    return bool(wanted) and all(any(_replaces(new, old) for new in later) for old in wanted)


def _replaces(new: Wish, old: Wish) -> bool:
    if (new.look, new.value) == (old.look, old.value):
        return True
    return new.look == old.look and not new.is_refused and not old.is_refused


def canonical(look: Look, value: str) -> str:
    """One name for what has several: "grey" of gray and 灰色, "t-shirt" of tees and T恤."""
    plain = " ".join(value.lower().replace("_", " ").split())
    for form in (plain, *_singulars(plain)):
        if form in (known := _phrases()) and (found := known[form].get(look)):
            return found
    return plain


def fits(look: Look, value: str, wished: str) -> bool | None:
    """Whether a value of a table is what was wished for; None if that is uncertain: navy blue is
    blue, blue may be navy, and a thing of several colours may have any. Singular and plural are
    equal."""
    if look == "article" and _ends_with(_singular(value.lower()), _singular(wished.lower())):
        return True
    if look == "article" and _ends_with(_singular(wished.lower()), _singular(value.lower())):
        return None
    if look == "article":
        return not _names(value).isdisjoint(_names(wished))
    value, wished = canonical(look, value), canonical(look, wished)
    if value == wished:
        return True
    if look == "pattern":
        return False
    if value in palette.SEVERAL:
        return None
    if wished in palette.families(value):
        return True
    return None if palette.families(wished) & palette.families(value) else False


def is_function_word(word: str) -> bool:
    """Whether a word only holds a sentence together, so that nothing in a picture is like it."""
    return f" {word.lower()} " in f" {_FUNCTION_WORDS} "


def _ends_with(longer: str, shorter: str) -> bool:
    """A polo shirt is a shirt."""
    return longer.endswith(f" {shorter}")


def _names(thing: str) -> set[str]:
    """The names of a thing, in the singular and without hyphens: the lexicon has some things in the
    plural (sneakers), some in the singular (shirt), and some in both or in two spellings."""
    called = (canonical("article", name) for name in (thing, _singular(thing.lower())))
    return {_singular(name).replace("-", "") for name in called}


def _singular(phrase: str) -> str:
    """Without the ending of an English plural; of what has no singular (jeans), the same stem."""
    if len(phrase) <= _PLURAL or not phrase.endswith("s") or phrase.endswith("ss"):
        return phrase
    return phrase.removesuffix("es") if phrase.endswith(_HISSING) else phrase.removesuffix("s")


def _found(text: str) -> Iterator[Wish]:
    known, lower = _phrases(), text.lower()
    as_said = text if len(text) == len(lower) else lower  # "İ" is longer in lower case
    refused_to, before = 0, frozenset[Look]()  # the end of what was refused last, and its looks
    for match in _pattern().finditer(lower):
        phrase = match.group()
        form = next(form for form in (phrase, *_singulars(phrase)) if form in known)
        looks = frozenset(known[form])
        goes_on = _AS_WELL.search(lower[refused_to : match.start()]) is not None
        refused = (
            _REFUSAL.search(lower[: match.start()]) is not None
            or _REFUSED_BEHIND.search(lower[match.end() :]) is not None
            or bool(goes_on and looks & before)
        )
        if refused:
            refused_to, before = match.end(), looks
        for look, value in known[form].items():
            yield Wish(look, value, as_said[match.start() : match.end()], refused)


@cache
def _phrases() -> dict[str, dict[Look, str]]:
    """Every phrase with what it names; the first look that has it has it alone: orange."""
    found: dict[str, dict[Look, str]] = {}
    for look, value, phrase in (*_of_colours(), *_of_patterns(), *_of_articles()):
        found.setdefault(phrase.lower(), {look: value})
    return found


def _of_colours() -> Iterator[tuple[Look, str, str]]:
    for name, colour in palette.COLOURS.items():
        value = _COLOURS.get(name, name)
        yield from (("colour", value, phrase) for phrase in (name, colour.zh))
    for name, colour in palette.COLOURS.items():
        stem = colour.zh.removesuffix("色")
        if stem != colour.zh:
            yield "colour", _COLOURS.get(name, name), stem


def _of_patterns() -> Iterator[tuple[Look, str, str]]:
    for name, zh in lexicon.TRANSLATIONS["pattern"].items():
        yield from (("pattern", _PATTERNS.get(name, name), phrase) for phrase in (name, zh))
    yield from (("pattern", value, phrase) for phrase, value in _PATTERNS.items())


def _of_articles() -> Iterator[tuple[Look, str, str]]:
    names = lexicon.TRANSLATIONS["article"]
    for name in names:
        yield "article", common_name(name), name
    for name, zh in names.items():
        yield "article", common_name(name), zh
    ours = {phrase.lower() for pair in names.items() for phrase in pair}
    for group in synonym_groups():
        if any(phrase.lower() in ours for phrase in group):
            yield from (("article", group[0].lower(), phrase) for phrase in group)


@cache
def _pattern() -> re.Pattern[str]:
    """A pattern for any of the phrases, the longest first; English ones as whole words, also in the
    plural."""
    phrases = sorted(_phrases(), key=len, reverse=True)
    english = "|".join(re.escape(phrase) for phrase in phrases if phrase.isascii())
    chinese = "|".join(re.escape(phrase) for phrase in phrases if not phrase.isascii())
    return re.compile(rf"(?<![a-z])(?:{english})(?:e?s)?(?![a-z])|{chinese}")


def _singulars(phrase: str) -> tuple[str, ...]:
    if len(phrase) <= _PLURAL or not phrase.isascii() or not phrase.endswith("s"):
        return ()
    return (phrase[:-1], phrase[:-2]) if phrase.endswith("es") else (phrase[:-1],)
