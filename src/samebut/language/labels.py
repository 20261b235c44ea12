"""What columns and values are called in the reader's language.

What a person wrote into ``labels.toml`` beside the pictures comes first, then the words that come
with samebut (`samebut.language.lexicon`, `palette`, ``shop_words.toml``, ``synonyms.toml``). What
neither knows stays as the table has it.

    [brand]
    en = "Brand"
    zh = "品牌"

    [brand.values]
    Nike = { zh = "耐克" }

    [price]
    currency = "EUR"
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from samebut.errors import LabelsError
from samebut.files import toml_of
from samebut.language import lexicon, synonyms
from samebut.language.kinds import Kind, forms, parts, plain, shop_words
from samebut.remote import Place
from samebut.values import fold

FILE = "labels.toml"
LANGUAGES = ("en", "zh")
_LARGEST = 5_000_000  # bytes
_CHINESE = re.compile("[\u3400-\u9fff]")

Words = Mapping[str, str]
"""Language to words, for the languages in which there are any."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Words that a person gave: by column, and by column and value, both folded
    (`samebut.values.fold`)."""

    columns: Mapping[str, Words] = field(default_factory=dict)
    values: Mapping[tuple[str, str], Words] = field(default_factory=dict)
    currencies: Mapping[str, str] = field(default_factory=dict)

    def column(self, name: str, kind: Kind, *, alone: bool = True) -> dict[str, str]:
        """What a column is called, in every language that the page speaks. ``alone``: no other
        column is of its kind, so the kind's name tells which one is meant."""
        return {**_column(name, kind, alone), **self.columns.get(fold(name), {})}

    def value(self, column: str, kind: Kind, value: str) -> dict[str, str]:
        """What a value is called, in every language that the page speaks."""
        own = self.values.get((fold(column), fold(value)))
        return {**_value(kind, value), **(own or {})}

    def currency(self, column: str) -> str | None:
        """The currency of a column of prices, as ISO 4217 writes it, if a person said so."""
        return self.currencies.get(fold(column))

    def own_words(self, column: str) -> Iterator[tuple[str, str]]:
        """Each value of a column, folded, with every word that a person gave it."""
        for (name, value), words in self.values.items():
            if name == fold(column):
                yield from ((value, word) for word in words.values())


def read_labels(path: Place) -> Labels:
    """The labels of a file.

    Raises:
        LabelsError: it can't be read, or has unknown or wrong entries; the message names the place.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise LabelsError(
                f"{path}: is larger than {_LARGEST / 1e6:g} MB",
                hint="Remove the columns and values that the table does not have.",
            )
        said = toml_of(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise LabelsError(
            f"{path}: can't be read, {why}", hint="Write it as docs/metadata.md shows."
        ) from error
    columns: dict[str, Words] = {}
    values: dict[tuple[str, str], Words] = {}
    currencies: dict[str, str] = {}
    for name, table in said.items():
        own = dict(_table(path, name, table))
        if "currency" in own:
            currencies[fold(name)] = _currency(path, name, own.pop("currency"))
        for value, words in _table(path, f"{name}.values", own.pop("values", {})).items():
            values[fold(name), fold(value)] = _words(path, f"{name}.values.{value}", words)
        columns[fold(name)] = _words(path, name, own)
    return Labels(columns, values, currencies)


def _table(path: Place, place: str, found: Any) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise LabelsError(
            f"{path}: {place} is not a table", hint=f'Write [{place}] and a line: zh = "…".'
        )
    return found


def _words(path: Place, place: str, found: Any) -> Words:
    for tag, words in _table(path, place, found).items():
        if not isinstance(words, str) or not re.fullmatch(r"[a-z]{2,3}(-[A-Za-z]+)*", tag):
            raise LabelsError(
                f"{path}: {place}.{tag} is not a text under the code of a language",
                hint=f'Write zh = "…" or en = "…" under {place}.',
            )
    return {tag: words for tag, words in found.items() if words.strip()}


def _currency(path: Place, name: str, found: Any) -> str:
    if not isinstance(found, str) or not re.fullmatch("[A-Z]{3}", found):
        raise LabelsError(
            f"{path}: {name}.currency is not the code of a currency",
            hint='Write three capital letters: currency = "EUR".',
        )
    return found


def _column(name: str, kind: Kind, alone: bool) -> dict[str, str]:
    known = shop_words()["columns"]
    shown = _shown(name)
    if plain(name) in known:
        return {"en": shown, "zh": known[plain(name)]}
    if _CHINESE.search(name):
        called = next((en for en, zh in known.items() if zh == name), lexicon.column(name))
        return {"en": _shown(called) if called in known else name, "zh": name}
    if (called := lexicon.column(name)) in known:
        return {"en": _shown(called) if alone else shown, "zh": _alone(known[called], name, alone)}
    if (by_kind := known.get("link" if kind == "url" else kind)) is not None:
        return {"en": shown, "zh": _alone(by_kind, name, alone)}
    return {"en": shown, "zh": shown}


def _alone(words: str, name: str, alone: bool) -> str:
    return words if alone else f"{words}（{_shown(name)}）"


def _shown(name: str) -> str:
    """A column's name as people write it: ``sub_category`` is "Sub category"."""
    words = plain(name) if re.fullmatch(r"[\w\s-]+", name) and name.isascii() else name
    return words[:1].upper() + words[1:]


def _value(kind: Kind, value: str) -> dict[str, str]:
    listed = parts(value)
    if kind == "gender":  # "men" of a list of genders, not of a list of things
        listed = [value]
    pairs = [_pair(kind, part) for part in listed]
    english, chinese = ([pair[i] for pair in pairs] for i in (0, 1))
    is_chinese = _CHINESE.search(value) is not None
    words = {}
    if is_chinese and all(english):
        words["en"] = ", ".join(map(str, english))
    if not is_chinese and all(chinese):
        words["zh"] = "、".join(map(str, chinese))
    return {"en": value, "zh": value, **words}


def _pair(kind: Kind, value: str) -> tuple[str | None, str | None]:
    """A word in English and in Chinese, where one of them is what the table says."""
    if _CHINESE.search(value):
        return _english(kind).get(value.strip()), value
    for form in forms(value):
        for table in _tables(kind):
            if form in table:
                return value, table[form]
    return value, next(iter(synonyms.names_of(plain(value), chinese=True)), None)


@cache
def _tables(kind: Kind) -> tuple[Mapping[str, str], ...]:
    """The tables, English to Chinese, in which a value of a kind is looked up, in this order."""
    every = {
        name: {plain(word): zh for word, zh in table.items()}
        for name, table in lexicon.TRANSLATIONS.items()
    }
    first = [every.pop(kind)] if kind in every else []
    # From the other kinds only words that mean the same in any column: "solid" is not a colour.
    return (*first, shop_words()["values"], *every.values())


@cache
def _english(kind: Kind) -> Mapping[str, str]:
    """Chinese to English."""
    return {zh: en for table in reversed(_tables(kind)) for en, zh in reversed([*table.items()])}
