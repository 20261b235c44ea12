"""What a column of a table is about: colours, brands, prices, links, or what tells pictures apart.

Shops name columns in any way, so the values are examined first: a column of mostly colours is about
colours, even if its name is ``c1``. The name decides where the values do not.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import Any, Literal

from samebut.language import lexicon
from samebut.values import Column, fold

Kind = Literal[
    "text", "title", "description", "brand", "category", "looks",
    "colour", "article", "pattern", "gender", "material",
    "price", "number", "percentage", "size", "date", "yes/no", "url", "id", "split",
]  # fmt: skip

SEEN: frozenset[Kind] = frozenset(
    ("colour", "article", "pattern", "material", "category", "looks", "description")
)
"""Kinds that a model sees in the picture, or reads in its description."""
HIDDEN: frozenset[Kind] = frozenset(("id", "split"))
"""Kinds that people do not choose pictures by."""

_MOSTLY = 0.5
_ALL = 0.95
_FEW = 12  # values; if a column has fewer, that all differ means nothing
_LOOKED_AT = 1_000  # values
_LONG = 80  # characters of a description on average
_LINK = re.compile(r"https?://\S+", re.IGNORECASE)
_CODE = re.compile(r"(?=\S*\d)\S+")


@cache
def shop_words() -> Mapping[str, Any]:
    """``shop_words.toml``."""
    text = files("samebut.language").joinpath("shop_words.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def plain(text: str) -> str:
    """A name or value as it is looked up: ``subCategory`` and ``Sub_Category`` become equal."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    return " ".join(re.sub(r"[-_\s]+", " ", fold(parted)).split())


def is_link(text: str) -> bool:
    """Whether a cell is the address of a page, which a browser may open."""
    return _LINK.fullmatch(text.strip()) is not None


def kind_of(name: str, column: Column, counts: Mapping[str, int]) -> Kind:
    """What a column is about, from its name, how its cells are read, and how many pictures have
    each of its values, the commonest first."""
    counts = dict(islice(counts.items(), _LOOKED_AT))
    called = plain(name)
    named = next((k for k, names in shop_words()["names"].items() if called in names), "")
    told = sum(counts.values())
    if not told:
        return "text"
    if _share(counts, told, lambda v: fold(v).strip() in shop_words()["split"]["values"]) >= _ALL:
        return "split"
    if column.kind != "text":
        return _of_numbers(named, column, counts, told)
    if _share(counts, told, is_link) >= _MOSTLY:
        return "url"
    if lexicon.column(name) == "title":
        return "title"
    if kind := _by_words(called, counts, told):
        return kind
    return _of_texts(named, name, counts, told)


def _of_numbers(named: str, column: Column, counts: Mapping[str, int], told: int) -> Kind:
    if column.kind == "number":
        if named == "price":
            return "price"
        whole = all(text.strip().isdigit() for text in counts)
        unique = len(counts) >= max(_FEW, _ALL * told) and whole
        return "id" if named == "id" or unique else "size" if named == "size" else "number"
    return column.kind


def _by_words(called: str, counts: Mapping[str, int], told: int) -> Kind | None:
    """Colours, kinds, patterns, genders or materials, if most values are."""
    shares = {
        kind: _share(counts, told, lambda value, kind=kind: is_word(kind, value))
        for kind in lexicon.TRANSLATIONS
    }
    meant = lexicon.column(called)
    best = max(shares, key=lambda kind: (shares[kind], kind == meant))
    return best if shares[best] >= _MOSTLY else None  # type: ignore[return-value]


def _of_texts(named: str, name: str, counts: Mapping[str, int], told: int) -> Kind:
    meant = lexicon.column(name)
    if named in ("url", "split", "price"):  # its values show that it is not
        named = ""
    if named and not (named == "category" and meant == "article"):
        return named  # type: ignore[return-value]
    if meant in lexicon.TRANSLATIONS:
        return meant  # type: ignore[return-value]
    if len(counts) >= max(_FEW, _ALL * told):
        if _share(counts, told, lambda value: _CODE.fullmatch(value.strip()) is not None) >= _ALL:
            return "id"
        long = sum(len(text) * count for text, count in counts.items()) / told > _LONG
        return "description" if long else "title"
    return "text"


def _share(counts: Mapping[str, int], told: int, is_one: Any) -> float:
    return sum(count for value, count in counts.items() if is_one(value)) / told


@cache
def _words(kind: str) -> frozenset[str]:
    """Every English and Chinese word for values of a kind."""
    table = lexicon.TRANSLATIONS[kind]
    return frozenset(plain(word) for pair in table.items() for word in pair)


def is_word(kind: str, value: str) -> bool:
    """Whether ``value`` names a colour, an article and so on; several, if each of them does."""
    words = _words(kind)
    return all(any(form in words for form in forms(part)) for part in parts(value))


def parts(value: str) -> list[str]:
    """The parts of a value: black and white of ``Black/White``."""
    return [part for part in re.split(r"\s*(?:[/,;、&+]|\band\b)\s*", value) if part] or [value]


def forms(word: str) -> tuple[str, ...]:
    """The forms of a word to look up: as it is, and in the singular."""
    word = plain(word)
    if not word.isascii() or not word.endswith("s"):
        return (word, f"{word}s") if word.isascii() else (word,)
    return (word, word[:-1], word[:-2]) if word.endswith("es") else (word, word[:-1])
