"""Ordinary words, such as those for looks, to tell them from names that only a table knows."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from samebut.language import lexicon, synonyms, things
from samebut.language.kinds import shop_words
from samebut.values import fold

_EAST_ASIAN = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = re.compile(
    rf"[{_EAST_ASIAN}]|(?:(?![{_EAST_ASIAN}])[^\W_])+(?:['’](?:(?![{_EAST_ASIAN}])[^\W_])+)*"
)
_LONGEST = 8  # tokens of a word or phrase


class KeyedWord(NamedTuple):
    """A word of a folded text, or one character of a script without spaces, and its position."""

    key: str
    start: int
    end: int


def tokens(folded: str) -> list[KeyedWord]:
    """The words of a text that `samebut.values.fold` made. Apostrophes are no part of a key."""
    return [
        KeyedWord(match[0].replace("'", "").replace("’", ""), *match.span())
        for match in _WORD.finditer(folded)
    ]


def key_of(text: str) -> str:
    """A phrase as it is looked up: ``H&M`` and ``h m`` are one."""
    return " ".join(token.key for token in tokens(fold(text)))


@cache
def phrases() -> Mapping[str, Any]:
    """``ordinary.toml``."""
    text = files("samebut.language").joinpath("ordinary.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@cache
def looks() -> frozenset[str]:
    """Keys of words for colours, clothes, patterns, materials and the like, in both languages."""
    tables = [*lexicon.TRANSLATIONS.values(), lexicon.COLUMNS_ZH, shop_words()["values"]]
    found = _keys(word for table in tables for pair in table.items() for word in pair)
    return found | _keys(phrases()["words"]) | _keys((*lexicon.PAIRS, *lexicon.UNCOUNTABLE))


@cache
def things_seen() -> frozenset[str]:
    """Keys of names for things in pictures: a puma may be a cat, or a brand."""
    return _named() | _keys(phrase for group in synonyms.synonym_groups() for phrase in group)


@cache
def _named() -> frozenset[str]:
    return _keys(name for thing in things.things() for name in (*thing.english, *thing.chinese))


@cache
def goods() -> frozenset[str]:
    """Keys of words for what shops sell."""
    return _keys(word for pair in lexicon.TRANSLATIONS["article"].items() for word in pair)


@cache
def common() -> frozenset[str]:
    """The keys of `looks` and `things_seen`: none of them is a name by itself."""
    return looks() | things_seen()


def names_a_thing(text: str) -> bool:
    """Whether a text names something visible that is not just a look of a thing: a dog, 猫."""
    keys = [token.key for token in tokens(fold(text))]
    spans = (
        keys[start:end]
        for start in range(len(keys))
        for end in range(start + 1, min(len(keys), start + _LONGEST) + 1)
    )
    return any(_is_one(span, _named()) and not _is_one(span, looks()) for span in spans)


def are_ordinary(keys: Sequence[str], words: frozenset[str]) -> bool:
    """Whether the tokens' ``keys`` are a sequence of words of ``words`` and nothing else."""
    place = 0
    while place < len(keys):
        ends = range(min(len(keys), place + _LONGEST), place, -1)
        reached = next((e for e in ends if _is_one(keys[place:e], words)), None)
        if reached is None:
            return False
        place = reached
    return True


def _is_one(keys: Sequence[str], words: frozenset[str]) -> bool:
    key = " ".join(keys)
    return key in words or (key.endswith("s") and key[:-1] in words) or f"{key}s" in words


def _keys(found: Iterable[str]) -> frozenset[str]:
    return frozenset(map(key_of, found))
