"""What can be said about a table: its values, its columns' names, the brands that its titles begin
with. `samebut.index.mentions` reads sentences by it; it is made once for a state of the table.
"""

from __future__ import annotations

from collections import ChainMap, Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace

from samebut.index.counting import Value
from samebut.index.where import Compare, Filter, Or
from samebut.language import lexicon
from samebut.language.kinds import HIDDEN, SEEN, Kind, kind_of, plain
from samebut.language.labels import Labels
from samebut.language.ordinary import (
    are_ordinary,
    common,
    key_of,
    looks,
    phrases,
    things_seen,
    tokens,
)
from samebut.values import Column, fold

LONGEST = 12  # tokens of a value that a sentence may name
_SHORT = 2  # characters of a value that is read beside its column's name alone
_OWNED = 3  # pictures whose titles begin with a name, for it to be read as a brand
_SHARE = 0.6  # of all titles; if more begin alike, the shop sells one brand only
_GOES_ON = 0.9  # of the titles that begin so: the name is longer
_BRAND = 5  # tokens
_CHOSEN_LENGTH = 32  # characters
_CHOSEN_FROM = 50  # of the commonest values; a rare one may be longer
_SHARED = 2  # pictures a value has on average, at least, for people to choose by it
_NUMBERS = 1_000  # different amounts of a column, of which more are read as limits alone
_NAMED_ALONE: frozenset[Kind] = SEEN | HIDDEN | {"url", "date", "yes/no", "gender", "percentage"}
"""Kinds whose values are never read where they stand alone."""
_NOT_HELD: frozenset[Kind] = SEEN | {"split", "url", "date", "gender"}
"""Kinds whose values are never read."""


@dataclass(frozen=True, slots=True)
class ColumnValues:
    """A column of a table as it is interpreted, with all its values or a sample, the commonest
    first."""

    column: Column
    values: Sequence[Value]
    is_whole: bool = True


FindValues = Callable[[Sequence[str], Iterable[str]], Iterable[tuple[str, Value]]]
"""Values of columns that fold to one of some texts, with their columns."""


def _none_found(columns: Sequence[str], folded: Iterable[str]) -> Iterable[tuple[str, Value]]:
    return ()


@dataclass(frozen=True, slots=True)
class Meaning:
    """A value that words may mean. ``alone``: it is read without its column's name; ``doubt``: only
    if the sentence does not speak of a thing of that name, which there is (2) or may be (1)."""

    column: str
    where: Filter
    kind: Kind
    alone: bool
    doubt: int = 0
    written: str = ""


@dataclass(slots=True)
class Vocabulary:
    """The words for one table, made by `of`: how its ``columns`` are read, what they are about
    (``kinds``), and which are ``choosable``, with values that pictures share. Of the ``sampled``
    columns, which have too many values, ``find`` looks up those that a sentence may name
    (`naming`)."""

    columns: dict[str, Column] = field(default_factory=dict)
    kinds: dict[str, Kind] = field(default_factory=dict)
    values: MutableMapping[str, list[Meaning]] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)
    people: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    longest: MutableMapping[str, int] = field(default_factory=dict)
    choosable: frozenset[str] = frozenset()
    sampled: tuple[str, ...] = ()
    find: FindValues = _none_found

    @classmethod
    def of(
        cls, table: Mapping[str, ColumnValues], labels: Labels, find: FindValues = _none_found
    ) -> Vocabulary:
        """The vocabulary of a table, by column, with the words that people gave its values."""
        made = cls(find=find)
        for name, known in table.items():
            counts = {value.text: value.pictures for value in known.values}
            made.columns[name] = known.column
            made.kinds[name] = kind_of(name, known.column, counts)
        for name, known in table.items():
            made._name(name, labels)
            made._hold(name, known, labels)
        made.choosable = frozenset(
            name for name, known in table.items() if _is_choosable(made.kinds[name], known.values)
        )
        has_brands = "brand" in made.kinds.values()
        for name, known in table.items():
            if made.kinds[name] == "title" and not has_brands:
                made._begin_titles(name, known.values)
        made.sampled = tuple(
            name
            for name, known in table.items()
            if not known.is_whole and made._holds(name, len(known.values))
        )
        return made

    def naming(self, folded: Sequence[str]) -> Vocabulary:
        """This vocabulary, with the values of sampled columns that fold to one of these texts."""
        more = Vocabulary(columns=self.columns, kinds=self.kinds)
        for name, value in self.find(self.sampled, folded):
            more._value(name, value, value.text)
        if not more.values:
            return self
        values = {key: [*self.values.get(key, ()), *more.values[key]] for key in more.values}
        longest = {key: max(self.longest.get(key, 0), more.longest[key]) for key in more.longest}
        return replace(
            self, values=ChainMap(values, self.values), longest=ChainMap(longest, self.longest)
        )

    def _name(self, name: str, labels: Labels) -> None:
        kind = self.kinds[name]
        called = [name, plain(name), *labels.column(name, kind).values()]
        for each in {key_of(word) for word in (*called, *phrases()["called"].get(kind, ()))}:
            if each:
                self.names.setdefault(each, []).append(name)
                self._longest(each)

    def _hold(self, name: str, known: ColumnValues, labels: Labels) -> None:
        if self.kinds[name] == "gender":
            for value in known.values:
                whose = lexicon.people(_english_gender(value.text))[0]
                self.people.setdefault(whose, []).append((name, value.text))
        if not self._holds(name, len(known.values)):
            return
        own: dict[str, list[str]] = {}
        for folded, word in labels.own_words(name):
            own.setdefault(folded, []).append(word)
        for value in known.values:
            for word in (value.text, *own.get(fold(value.text), ())):
                self._value(name, value, word)

    def _holds(self, name: str, count: int) -> bool:
        """Whether values of a column, which has so many, are read in sentences."""
        is_number = self.columns[name].kind != "text"
        return self.kinds[name] not in _NOT_HELD and not (is_number and count > _NUMBERS)

    def _value(self, name: str, value: Value, word: str) -> None:
        kind, column = self.kinds[name], self.columns[name]
        keys = key_of(word).split()
        if not keys or len(keys) > LONGEST:
            return
        is_number = column.kind != "text"
        where = Compare(
            name, "=", value.text if value.number is None or not is_number else value.number
        )
        alone = not is_number and kind not in _NAMED_ALONE and _may_stand_alone(keys, word, kind)
        is_thing = alone and kind != "title" and are_ordinary(keys, things_seen())
        self._add(keys, Meaning(name, where, kind, alone, 2 if is_thing else 0, word))

    def _begin_titles(self, name: str, values: Sequence[Value]) -> None:
        """Brands of a table that has no column of them: what several titles begin with."""
        for spellings in _brands(values):
            where = [Compare(name, "like", f"{each} %") for each in sorted(spellings)]
            keys = key_of(min(spellings, default="")).split()
            if not keys or not _may_stand_alone(keys, " ".join(keys), "brand"):
                continue
            whole = where[0] if len(where) == 1 else Or(tuple(where))
            doubt = 2 if are_ordinary(keys, things_seen()) else 1
            self._add(keys, Meaning(name, whole, "brand", True, doubt, max(spellings, key=len)))

    def _add(self, keys: Sequence[str], meaning: Meaning) -> None:
        key = " ".join(keys)
        meanings = self.values.setdefault(key, [])
        if all(each.where != meaning.where for each in meanings):
            meanings.append(meaning)
        self._longest(key)

    def _longest(self, key: str) -> None:
        first, *others = key.split(" ")
        self.longest[first] = max(self.longest.get(first, 0), 1 + len(others))


def _is_choosable(kind: Kind, values: Sequence[Value]) -> bool:
    if kind in (HIDDEN | {"title", "description", "url"}):
        return False
    texts = {fold(value.text) for value in values}
    pictures = sum(value.pictures for value in values)
    are_short = all(len(value.text) <= _CHOSEN_LENGTH for value in values[:_CHOSEN_FROM])
    return len(texts) > 1 and are_short and pictures >= _SHARED * len(texts)


def _may_stand_alone(keys: Sequence[str], word: str, kind: Kind) -> bool:
    """Whether a value is a name that no sentence says by chance."""
    if kind == "title":
        return len(keys) > 1 and not are_ordinary(keys, common())
    if kind == "size" and len(keys) > 1 and "size" in keys:  # "one size", "free size"
        return True
    is_short = len(word.strip()) <= (_SHORT if word.isascii() else 1)
    is_number = all(key.isdigit() for key in keys)
    return not is_short and not is_number and not are_ordinary(keys, looks())


def _english_gender(value: str) -> str:
    chinese = {zh: en for en, zh in lexicon.TRANSLATIONS["gender"].items()}
    return chinese.get(value.strip(), plain(value))


def _brands(values: Sequence[Value]) -> Iterator[set[str]]:
    """What several titles begin with, each with the ways in which it is written: as many words as
    nearly all of them share, without words for what a thing looks like at the end."""
    begins: dict[str, Counter[str]] = {}
    longer: dict[str, Counter[str]] = {}
    for value in values:
        words = tokens(fold(value.text))
        key = ""
        for length in range(1, min(_BRAND, len(words) - 1) + 1):
            before, key = key, f"{key} {words[length - 1].key}".strip()
            longer.setdefault(before, Counter())[key] += value.pictures
            written = _begun(value.text, words[length - 1].end)
            begins.setdefault(key, Counter())[written] += value.pictures
    total = sum(value.pictures for value in values)
    whole = {_whole(key, longer): None for key in longer.get("", ())}
    for key in whole:
        if _OWNED <= begins.get(key, Counter()).total() <= _SHARE * total:
            yield {text for text in begins[key] if text and "%" not in text and "_" not in text}


def _whole(key: str, longer: Mapping[str, Counter[str]]) -> str:
    """The whole of a name that begins with ``key``; "" if it is no name."""
    found = key if _is_brand(key) else ""
    while key in longer:
        total = longer[key].total()
        key, count = longer[key].most_common(1)[0]
        if count < _OWNED or count < _GOES_ON * total:
            break
        found = key if _is_brand(key) else found
    return found


def _begun(text: str, end: int) -> str:
    """The beginning of a title up to a word's end. Folding that changes lengths gives ""."""
    return text[:end] if len(fold(text)) == len(text) else ""


def _is_brand(key: str) -> bool:
    return not are_ordinary([key.rpartition(" ")[2]], looks())
