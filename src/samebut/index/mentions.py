"""What a sentence says about the table: a brand, a title, a size, a limit becomes a filter.

    red shoes by Nike under 500     ->  brand = 'Nike', price <= 500; looked for: red shoes
    耐克的红色鞋子，不超过300元        ->  as much, with 300; labels.toml says that 耐克 is Nike
    a shirt in size M, not Adidas   ->  size = 'M', not brand = 'Adidas'; looked for: a shirt

Only what the table holds is read, the longest first. What a picture shows (colours, kinds,
patterns) stays with the model, and so does a name that the sentence means as something to be seen:
"with a Nike logo". Short values and plain numbers are read beside their column's name alone. A
value of two columns is either. A sentence is read in a tenth of a millisecond, for a table of
20,000 pictures too; the vocabulary of the table is made once. Values of a column that has more
than 10,000 are looked up in the store, as they are written there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from samebut.index.vocabulary import LONGEST, Meaning, Vocabulary
from samebut.index.where import Among, And, Compare, Filter, Not, Or
from samebut.language.kinds import Kind
from samebut.language.limits import Limit, limits
from samebut.language.ordinary import are_ordinary, goods, key_of, phrases, tokens
from samebut.values import fold

_ARTICLE = re.compile(r"(?:\b(?:an?|the|with)|[一个只有带])\s*$")
_AROUND = 60  # characters before a fact that can be phrases about it
_SAYS_NO_LOOKS: frozenset[Kind] = frozenset(("brand", "size", "id", "price"))
"""Kinds whose values are taken out of the words that the model reads."""
_ASKS_FOR_NUMBERS: frozenset[Kind] = frozenset(("price", "number", "percentage", "size"))


@dataclass(frozen=True, slots=True)
class Mention:
    """What a sentence says about the table. ``text`` is the part of the sentence, ``where`` the
    filter that it means; ``taken``, start and end in the sentence, is what the model need not read,
    or None. ``about`` names what it restricts: of two mentions in one sentence about the same,
    either may hold if both have ``is_choice``; one in a later sentence replaces earlier ones."""

    text: str
    where: Filter
    about: tuple[str, ...]
    taken: tuple[int, int] | None
    is_choice: bool


def mentions_in(sentence: str, vocabulary: Vocabulary) -> list[Mention]:
    """What ``sentence`` says about the table of ``vocabulary``, in its order."""
    return _Sentence(vocabulary, sentence).mentions() if vocabulary.columns else []


class _Sentence:
    """One sentence, with the position in the original text of each of its folded letters."""

    def __init__(self, vocabulary: Vocabulary, sentence: str) -> None:
        self.sentence = sentence
        parts = [(fold(letter), place) for place, letter in enumerate(sentence)]
        self.text = "".join(part for part, _ in parts)
        self.places = [place for part, place in parts for _ in part]
        self.tokens = tokens(self.text)
        self.known = vocabulary.naming([*self._phrases()]) if vocabulary.sampled else vocabulary

    def _phrases(self) -> Iterator[str]:
        """Every phrase of the sentence that may name a value."""
        for place, first in enumerate(self.tokens):
            for last in self.tokens[place : place + LONGEST]:
                yield self.text[first.start : last.end]

    def mentions(self) -> list[Mention]:
        found: list[tuple[int, int, Mention]] = []
        for limit in limits(self.text):
            if (made := self._limit(limit)) and not _overlaps(made, found):
                found.append(made)
        found += [each for each in self._people() if not _overlaps(each, found)]
        place = 0
        while place < len(self.tokens):
            made, ahead = self._value_at(place)
            if made and not _overlaps(made, found):
                found.append(made)
            place += ahead
        return [mention for _, _, mention in sorted(found, key=lambda each: each[:2])]

    # -- limits

    def _limit(self, limit: Limit) -> tuple[int, int, Mention] | None:
        start, named = self._name_before(limit.start)
        columns = [name for name in named if self.known.kinds[name] in _ASKS_FOR_NUMBERS]
        if not columns:
            start = limit.start
            if not limit.unit and not limit.is_whole:
                return None
            columns = self._measured_by(limit)
        tests = [test for name in columns if (test := self._within(name, limit))]
        if not tests:
            return None
        where = tests[0] if len(tests) == 1 else Or(tuple(tests))
        bounds = [sign for sign, at in ((">=", limit.low), ("<=", limit.high)) if at is not None]
        about = tuple(f"{name} {sign}" for name in columns for sign in bounds)
        return self._made(start, limit.end, where, about, takes=True, choice=False)

    def _measured_by(self, limit: Limit) -> list[str]:
        kinds, columns = self.known.kinds, self.known.columns
        if limit.is_money or not limit.unit:
            return [name for name, kind in kinds.items() if kind == "price"]
        asked = f"1 {limit.unit}"
        return [
            name
            for name, column in columns.items()
            if column.kind in ("percentage", "size") and column.asked(asked) is not None
        ]

    def _within(self, name: str, limit: Limit) -> Filter | None:
        column = self.known.columns[name]
        tests: list[Compare] = []
        for operator, amount in ((">=", limit.low), ("<=", limit.high)):
            if amount is None:
                continue
            span = column.asked(f"{amount} {limit.unit}".strip())
            if span is None:
                return None
            tests.append(Compare(name, operator, span.low))  # type: ignore[arg-type]
        return tests[0] if len(tests) == 1 else And(tuple(tests))

    def _name_before(self, end: int) -> tuple[int, list[str]]:
        """The columns that are named right before a place, and where their name begins."""
        end -= len(_end_of(self.text[:end], "is"))
        words = [token for token in self.tokens if token.end <= len(self.text[:end].rstrip())]
        if not words or words[-1].end != len(self.text[:end].rstrip()):
            return end, []
        for count in range(min(LONGEST, len(words)), 0, -1):
            key = " ".join(token.key for token in words[-count:])
            if key in self.known.names:
                return words[-count].start, self.known.names[key]
        return end, []

    # -- whom it is for

    def _people(self) -> Iterator[tuple[int, int, Mention]]:
        if not self.known.people:
            return
        for whose, pattern in _people().items():
            for match in pattern.finditer(self.text):
                held = [pair for each in _MEANT[whose] for pair in self.known.people.get(each, [])]
                if not any(pair in held for pair in self.known.people.get(whose, [])):
                    continue
                tests = [
                    Among(column, tuple(value for name, value in held if name == column))
                    for column in dict.fromkeys(name for name, _ in held)
                ]
                where: Filter = tests[0] if len(tests) == 1 else Or(tuple(tests))
                about = tuple(test.column for test in tests)
                yield self._made(*match.span(), where, about, takes=False, choice=True)

    # -- values

    def _value_at(self, place: int) -> tuple[tuple[int, int, Mention] | None, int]:
        """What is said at a token, and how many tokens that takes."""
        names = self._longest(place, self.known.names)
        if names:
            after = self._skip(place + names)
            columns = self.known.names[self._key(place, names)]
            for count in self._counts(after):
                meanings = self.known.values.get(self._key(after, count), [])
                meant = [each for each in meanings if self._belongs(each, columns)]
                if meant and self._is_meant(after, count, meant, place):
                    end = after + count - place
                    return self._value(place, end, meant), end
        for count in self._counts(place):
            meanings = self.known.values.get(self._key(place, count), [])
            end, called = self._name_behind(place + count, meanings)
            called = called or self._made_by(place, meanings)
            meant = called or [each for each in meanings if each.alone]
            if meant and self._is_meant(place, count, meant, place, is_named=bool(called)):
                return self._value(place, end - place, meant), end - place
        return None, 1

    def _belongs(self, meaning: Meaning, columns: Sequence[str]) -> bool:
        kinds = {self.known.kinds[name] for name in columns}
        return meaning.column in columns or (meaning.kind == "brand" and "brand" in kinds)

    def _name_behind(self, place: int, meanings: Sequence[Meaning]) -> tuple[int, list[Meaning]]:
        """Whether a column's name stands behind a value: M码, "M size"."""
        names = self._longest(place, self.known.names) if meanings else 0
        columns = self.known.names[self._key(place, names)] if names else []
        called = [each for each in meanings if self._belongs(each, columns)]
        return (place + names, called) if called else (place, [])

    def _made_by(self, place: int, meanings: Sequence[Meaning]) -> list[Meaning]:
        """What a value may mean behind "by" or "from": a brand, or what it means alone."""
        brands = [each for each in meanings if each.kind == "brand"]
        if not brands or not _end_of(self.text[: self.tokens[place].start], "by"):
            return []
        return [each for each in meanings if each.alone or each in brands]

    def _is_meant(
        self,
        place: int,
        count: int,
        meanings: Sequence[Meaning],
        begin: int,
        *,
        is_named: bool | None = None,
    ) -> bool:
        """Whether the sentence means the table's value, and not something visible in a picture."""
        after = self.tokens[place + count - 1].end
        before = self.text[: self.tokens[begin].start]
        if _behind("seen_behind").match(self.text, after) or _end_of(before, "seen_before"):
            return False
        if any(each.kind == "size" for each in meanings) and _behind("bigger").match(
            self.text, after
        ):
            return False
        named = begin != place if is_named is None else is_named
        doubt = min(each.doubt for each in meanings)
        if named or not doubt:
            return True
        if _end_of(before, "not") and not _ARTICLE.search(before):
            return True
        start, end = self.tokens[place].start, self.tokens[place + count - 1].end
        written = self.sentence[self.places[start] : self.places[end - 1] + 1]
        if any(c.isupper() for c in written) and any(each.written == written for each in meanings):
            return True
        return self._is_before_goods(place + count) or not self._is_thing(doubt, before, after)

    def _is_before_goods(self, place: int) -> bool:
        """Whether a token names something that shops sell: puma shoes, not a puma on a shirt."""
        return any(
            are_ordinary([token.key for token in self.tokens[place : place + n]], goods())
            for n in (1, 2)
            if len(self.tokens) >= place + n
        )

    def _is_thing(self, doubt: int, before: str, after: int) -> bool:
        """Whether a name stands where a thing would: "a puma", and "black puma" for a known one."""
        if doubt == 1:
            return _ARTICLE.search(before) is not None
        alone = re.search(r"(?:^|[,;，、；])\s*$", before) and re.match(
            r"\s*(?:$|[,;，、；])", self.text[after:]
        )
        return alone is None

    def _value(
        self, place: int, count: int, meanings: Sequence[Meaning]
    ) -> tuple[int, int, Mention]:
        tests = tuple(dict.fromkeys(each.where for each in meanings))
        where = tests[0] if len(tests) == 1 else Or(tests)
        about = tuple(dict.fromkeys(each.column for each in meanings))
        takes = all(each.kind in _SAYS_NO_LOOKS for each in meanings)
        start, end = self.tokens[place].start, self.tokens[place + count - 1].end
        return self._made(start, end, where, about, takes=takes, choice=True)

    # -- places

    def _made(
        self,
        start: int,
        end: int,
        where: Filter,
        about: tuple[str, ...],
        *,
        takes: bool,
        choice: bool,
    ) -> tuple[int, int, Mention]:
        before = self.text[:start]
        turned = _end_of(before, "not")
        if turned and not _is_count(before):
            start, where, choice = start - len(turned.lstrip()), Not(where), False
            about = (str(where),)
        left = start - len(_end_of(self.text[:start], "before"))
        behind = _behind("behind").match(self.text, end)
        right = behind.end() if behind else end
        taken = (self._place(left), self._place_end(right)) if takes else None
        text = self.sentence[self._place(start) : self._place_end(end)].strip()
        return start, end, Mention(text, where, about, taken, choice)

    def _place(self, folded: int) -> int:
        return self.places[folded] if folded < len(self.places) else len(self.sentence)

    def _place_end(self, folded: int) -> int:
        return self.places[folded - 1] + 1 if folded else 0

    def _key(self, place: int, count: int) -> str:
        return " ".join(token.key for token in self.tokens[place : place + count])

    def _counts(self, place: int) -> range:
        """How many tokens from a place on may be a phrase that is known, the most first."""
        if place >= len(self.tokens):
            return range(0)
        most = self.known.longest.get(self.tokens[place].key, 0)
        return range(min(most, len(self.tokens) - place), 0, -1)

    def _longest(self, place: int, among: Mapping[str, object]) -> int:
        return next((n for n in self._counts(place) if self._key(place, n) in among), 0)

    def _skip(self, place: int) -> int:
        """The position after the words that may stand between a column's name and its value."""
        known = _keys("is")
        while place < len(self.tokens) and self.tokens[place].key in known:
            place += 1
        return place


def _overlaps(made: tuple[int, int, Mention], found: Sequence[tuple[int, int, Mention]]) -> bool:
    return any(made[0] < end and start < made[1] for start, end, _ in found)


def _is_count(before: str) -> bool:
    """Whether "no" is the end of "yes or no", or of a limit that was read with it."""
    return before.rstrip().endswith("or no")


# "for kids" is for boys and girls, and for everyone is for men and women.
_MEANT: Mapping[str, tuple[str, ...]] = {
    "men": ("men", "everyone"),
    "women": ("women", "everyone"),
    "boys": ("boys", "kids", "children"),
    "girls": ("girls", "kids", "children"),
    "kids": ("kids", "children", "boys", "girls", "babies"),
}


@cache
def _people() -> Mapping[str, re.Pattern[str]]:
    return {whose: re.compile(_any(words)) for whose, words in phrases()["people"].items()}


def _any(words: Iterable[str]) -> str:
    """A pattern for any of ``words``, those in Latin letters as whole words."""
    return "|".join(
        (r"(?<![a-z'])" if word[0].isascii() and word[0].isalpha() else "")
        + re.escape(word)
        + (r"(?![a-z])" if word[-1].isascii() and word[-1].isalpha() else "")
        for word in sorted(words, key=len, reverse=True)
    )


@cache
def _keys(name: str) -> frozenset[str]:
    return frozenset(key_of(word) for word in phrases()[name])


@cache
def _before(name: str) -> re.Pattern[str]:
    """Some of these phrases at the end of a text; behind "not" a word or two may stand."""
    more = rf"(?:\s*(?:{_any(phrases()['between'])}))*" if name == "not" else ""
    again = "+" if name in ("before", "is") else ""
    return re.compile(rf"(?:(?:{_any(phrases()[name])}){more}\s*){again}$")


@cache
def _behind(name: str) -> re.Pattern[str]:
    """Any of these phrases at the beginning of a text."""
    return re.compile(rf"[\s\-'\"’”]*(?:{_any(phrases()[name])})")


def _end_of(text: str, name: str) -> str:
    """What of a text's end is phrases of this list."""
    found = _before(name).search(text, max(0, len(text) - _AROUND))
    return found[0] if found else ""
