"""Composed queries from a table of attributes, so that a shop needs no annotators.

A query shows a picture and asks for one or two of its attributes to change. Its targets are all
pictures that have the new values, and have what the reference has in every attribute that the
change keeps: the group (for example the gender) and the attributes that identify a thing (what it
is, its colour). Details are attributes that the table has for some pictures only. A query may
change a detail, but none has to be kept: "in blue" for a striped shirt is answered by every blue
shirt.
"""

from __future__ import annotations

import random
from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, combinations

from samebut.data.benchmark import Query
from samebut.errors import DataError
from samebut.query_maker.relative_captions import ARTICLE, RelativeCaptions
from samebut.query_maker.wishes import Values, answers, columns_in, parsed
from samebut.values import is_empty

Row = Mapping[str, str]
Answer = tuple[Values, tuple[int, ...]]  # new values, and the pictures that have them

DETAIL = 0.5  # share of rows: an attribute that fewer have is a detail by default
_UNTOLD = frozenset(("not sure", "other", "others", "skip", "unknown"))
OTHERS = 4  # of a hard subset, beside the reference and the target

UNHEARD_OF = 5  # if so many pictures of an article all lack an attribute, it can't have it
WHEN_EMPTY = ("skip", "open")


@dataclass(frozen=True, slots=True)
class QueryRules:
    """Which queries are asked of a table, and what answers them.

    ``attributes`` and ``groups`` are its columns. ``details`` are the attributes that no change
    keeps; None: those that fewer than half of the rows have. ``changes`` maps what is asked for,
    "colour" or "colour+article", to its relative frequency, usually 1; empty: every attribute and
    group alone, every two attributes. "not colour" asks for any other colour than the reference's;
    "darker colour" and "lighter colour" name no new one; "colour+not pattern" combines a named new
    value with such a wish. ``keep`` overrides what one change keeps. ``when_empty`` is for
    references that lack an attribute which the change keeps: "skip" makes no such query, because
    its right answers can't be known; "open" lets the answers differ in that attribute. If the
    reference can't have the attribute, answers may always differ in it: no shoe in the table has a
    neckline.
    ``min_support`` is the number of pictures of the split that must have a value for it to be asked
    for, ``max_targets`` the most right answers of a query for named values (0: any number),
    ``chinese`` the share of Chinese captions.
    """

    attributes: tuple[str, ...]
    groups: tuple[str, ...] = ()
    details: tuple[str, ...] | None = None
    changes: Mapping[str, float] = field(default_factory=dict)
    keep: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    when_empty: str = "skip"
    min_support: int = 1
    max_targets: int = 60
    chinese: float = 0.2

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.groups, *self.attributes)


@dataclass(frozen=True, slots=True)
class Change:
    """One kind of change: the columns that change, those that are kept, and its frequency.

    ``wishes`` says for each of ``columns`` how its new value is asked for: "" by naming it, else a
    row of WISHES.
    """

    name: str
    columns: tuple[str, ...]
    kept: tuple[str, ...]
    weight: float = 1.0
    wishes: tuple[str, ...] = ("",)

    @property
    def wished(self) -> dict[str, str]:
        """The columns whose new value is not named, with the wish."""
        wishes = zip(self.columns, self.wishes, strict=True)
        return {column: wish for column, wish in wishes if wish}


def details_of(rules: QueryRules, rows: Sequence[Row]) -> tuple[str, ...]:
    """The attributes that no change keeps: those named, else those that most rows lack."""
    if rules.details is not None:
        return rules.details
    return tuple(
        name
        for name in rules.attributes
        if sum(bool(row.get(name)) for row in rows) < DETAIL * len(rows)
    )


def changes_of(rules: QueryRules, rows: Sequence[Row]) -> tuple[Change, ...]:
    """The kinds of change that ``rules`` ask for of ``rows``, with what each keeps.

    Raises DataError naming a change or a column that is not known.
    """
    details = details_of(rules, rows)
    identifying = tuple(name for name in rules.columns if name not in details)
    wanted = rules.changes or {
        "+".join(columns): 1.0
        for columns in (
            *((name,) for name in (*rules.attributes, *rules.groups)),
            *combinations(rules.attributes, 2),
        )
    }
    _require_columns(rules, details)
    found = []
    for name, weight in wanted.items():
        columns = columns_in(name)
        kept = tuple(k for k in rules.keep.get(name, identifying) if k not in columns)
        wishes = tuple(wish for wish, _ in parsed(name))
        found.append(Change(name, columns, kept, weight, wishes))
    return tuple(found)


def _require_columns(rules: QueryRules, details: Sequence[str]) -> None:
    known = f"Use the columns that were named: {', '.join(rules.columns)}."
    if not rules.attributes:
        raise DataError(
            "no attribute is named that could change",
            hint="Name one or more columns: --attributes COLUMN,COLUMN.",
        )
    if len(set(rules.columns)) < len(rules.columns):
        raise DataError(
            f"a column is named twice: {', '.join(rules.columns)}",
            hint="Name each column once, as an attribute or as a group.",
        )
    for name, weight in rules.changes.items():
        columns = columns_in(name)
        if len(columns) > 2 or len(set(columns)) < len(columns) or weight <= 0:
            raise DataError(
                f"{name!r} with the weight {weight:g} is not a change of one or two attributes "
                "with "
                "a weight above 0",
                hint=known,
            )
        _require(columns, rules.columns, f"the change {name!r}", known)
    for name, kept in rules.keep.items():
        if rules.changes and name not in rules.changes:
            raise DataError(
                f"keep names {name!r}, which is not among the changes asked for",
                hint=f"Name one of the changes: {', '.join(rules.changes)}.",
            )
        _require((*columns_in(name), *kept), rules.columns, f"keep {name!r}", known)
    _require(details, rules.attributes, "the details", known)
    if not 0 <= rules.chinese <= 1:
        raise DataError(
            f"the share of queries in Chinese is {rules.chinese:g}",
            hint="Give a number from 0 to 1.",
        )
    if rules.when_empty not in WHEN_EMPTY:
        raise DataError(
            f"when_empty is {rules.when_empty!r}", hint=f"Write {' or '.join(WHEN_EMPTY)}."
        )


def _require(names: Iterable[str], known: Sequence[str], where: str, hint: str) -> None:
    for name in names:
        if name not in known:
            raise DataError(f"{where} names {name!r}, which is not among them", hint=hint)


class CatalogueQueries:
    """Every query that can be asked of ``rows`` by ``rules``, ready to be drawn from.

    ``names`` are the pictures' files, one for each of ``rows``, which are one split: targets are
    looked for among them alone. Values that differ in capitals or spaces are one. Drawing
    is a matter of microseconds and depends on ``rng`` alone.
    """

    def __init__(
        self,
        names: Sequence[str],
        rows: Sequence[Row],
        rules: QueryRules,
        captions: RelativeCaptions | None = None,
    ) -> None:
        self.names = tuple(names)
        self._numbers = {name: number for number, name in enumerate(names)}
        if not len(self._numbers) == len(self.names) == len(rows):
            raise DataError(
                f"there are {len(self._numbers):,} different names for {len(rows):,} rows",
                hint="Give one name for each row, and no name twice.",
            )
        self.rules = rules
        self.rows = _tidy(rows, rules.columns)
        self.captions = captions or RelativeCaptions.read()
        self.details = details_of(rules, self.rows)
        self.changes = changes_of(rules, self.rows)
        self._support = {
            name: Counter(row[name] for row in self.rows if row[name]) for name in rules.columns
        }
        self._indices: dict[tuple[tuple[str, ...], tuple[str, ...]], _Index] = {}
        self._answers: dict[tuple[str, Values, Values], tuple[Answer, ...]] = {}
        self._names_of: dict[int, tuple[str, ...]] = {}  # by the id of a tuple in _answers
        self._never = _never(self.rows, rules.columns)
        self.too_vague: set[tuple[str, Values, Values]] = set()  # change, what is kept, new values
        self.too_rare: set[tuple[str, Values, Values]] = set()
        self._nearby: dict[tuple[int, Values], tuple[Sequence[int], ...]] = {}
        self._possible = [
            tuple(change for change in self.changes if self.answers(number, change))
            for number in range(len(self.rows))
        ]
        self._weights = {
            changes: tuple(accumulate(change.weight for change in changes))
            for changes in set(self._possible)
        }
        self.references = [
            name for name, changes in zip(self.names, self._possible, strict=True) if changes
        ]

    def answers(self, reference: int, change: Change) -> tuple[Answer, ...]:
        """The queries of kind ``change`` from ``reference``: new values, and all right answers."""
        row = self.rows[reference]
        if self.lacking(reference, change):
            return ()
        kept = tuple(name for name in change.kept if row[name])
        old = tuple(row[name] for name in change.columns)
        same = tuple(row[name] for name in kept)
        key = ("+".join((change.name, *kept)), same, old)
        if key not in self._answers:
            self._answers[key] = self._find(change, kept, same, old)
        return self._answers[key]

    def lacking(self, reference: int, change: Change) -> str | None:
        """The first missing attribute for which ``reference`` can't be asked for ``change``."""
        row = self.rows[reference]
        for name in change.columns:
            if not row[name]:
                return name
        if self.rules.when_empty == "open":
            return None
        for name in change.kept:
            if not row[name] and (row.get(ARTICLE, ""), name) not in self._never:
                return name
        return None

    def _find(
        self, change: Change, kept: tuple[str, ...], same: Values, old: Values
    ) -> tuple[Answer, ...]:
        index = self._index(change.columns, kept).get(same, {})
        most = self.rules.max_targets or len(self.rows)
        found = []
        for new, pictures in answers(index, change.wishes, old):
            if self._is_rare(change, new):
                self.too_rare.add((change.name, same, new))
            elif len(pictures) > most and not change.wished:
                self.too_vague.add((change.name, same, new))
            else:
                found.append((new, pictures))
        return tuple(found)

    def _is_rare(self, change: Change, new: Values) -> bool:
        """Whether a value that is asked for by its name is on too few pictures."""
        return any(
            self._support[column][value] < self.rules.min_support
            for column, value in zip(change.columns, new, strict=True)
            if column not in change.wished
        )

    def _index(self, columns: tuple[str, ...], kept: tuple[str, ...]) -> _Index:
        """Rows by their values of ``kept``, then of ``columns``; incomplete rows are left out."""
        if (columns, kept) not in self._indices:
            index: _Index = {}
            for number, row in enumerate(self.rows):
                same = tuple(row[name] for name in kept)
                new = tuple(row[name] for name in columns)
                if all(same) and all(new):
                    index.setdefault(same, {}).setdefault(new, []).append(number)
            self._indices[columns, kept] = index
        return self._indices[columns, kept]

    def draw(self, rng: random.Random, count: int) -> list[Query]:
        """``count`` random queries; references occur equally often, up to one.

        A reference is not asked the same thing twice unless it has nothing else to be asked. Empty
        if the table has no query at all.
        """
        drawn: list[Query] = []
        share, left = divmod(count, len(self.references) or 1)
        order = rng.sample(self.references, len(self.references))
        for place, reference in enumerate(order):
            wanted = share + (place < left)
            asked = list(self.ask(rng, reference, wanted))
            while asked and len(asked) < wanted:
                asked += self.ask(rng, reference, wanted - len(asked))
            drawn += asked
        rng.shuffle(drawn)
        return drawn

    def ask(self, rng: random.Random, reference: str, count: int) -> Iterator[Query]:
        """Up to ``count`` queries of one reference, no two for the same values.

        The kind of change, which is the query's group, is drawn by its weight, what it asks for
        evenly among what there is. Targets stand in the order of the rows, none is the annotated
        one. The queries have no id: whoever writes them down numbers them.
        """
        number = self._numbers[reference]
        changes = self._possible[number]
        weights = self._weights[changes]
        asked: set[tuple[str, Values]] = set()
        for _ in range(4 * count if changes else 0):
            if len(asked) == count:
                return
            change = changes[bisect(weights, rng.random() * weights[-1], hi=len(changes) - 1)]
            new, targets = rng.choice(self.answers(number, change))
            if (change.name, new) not in asked:
                asked.add((change.name, new))
                yield self._say(rng, number, change, new, targets)

    def subset(self, rng: random.Random, query: Query, target: str) -> tuple[str, ...] | None:
        """A hard subset: the reference, ``target``, and four that are wrong but much like them.

        The four differ from the reference or the target in one attribute where there are such
        pictures; then come those that equal the reference, then those that differ from it in two.
        If no new value is named ("not red"), those that equal the reference come first.
        None if there are not four.
        """
        reference = self._numbers[query.reference]
        taken = {reference, *(self._numbers[name] for name in query.targets)}
        chosen: list[int] = []
        alike = self._near(reference, 0)
        almost = (*self._near(reference, 1), *self._near(self._numbers[target], 1))
        refused = any(wish for wish, _ in parsed(query.group))
        for near in (*((alike, almost) if refused else (almost, alike)), self._near(reference, 2)):
            chosen += _pick(rng, near, OTHERS - len(chosen), taken)
        if len(chosen) < OTHERS:
            return None
        members = [query.reference, target, *(self.names[number] for number in chosen)]
        rng.shuffle(members)
        return tuple(members)

    def _near(self, picture: int, distance: int) -> tuple[Sequence[int], ...]:
        """Pictures that differ from this one in exactly ``distance`` attributes, grouped by their
        values there. Attributes that this one lacks, and other details, may differ too."""
        row = self.rows[picture]
        known = tuple(name for name in self.rules.columns if row[name])
        key = (distance, tuple(row[name] for name in self.rules.columns))
        if key not in self._nearby:
            found: list[Sequence[int]] = []
            for columns in combinations(known, distance):
                kept = tuple(n for n in known if n not in columns and n not in self.details)
                index = self._index(columns, kept).get(tuple(row[name] for name in kept), {})
                found += [
                    pictures
                    for new, pictures in index.items()
                    if all(row[name] != value for name, value in zip(columns, new, strict=True))
                ]
            self._nearby[key] = tuple(found)
        return self._nearby[key]

    def _say(
        self,
        rng: random.Random,
        reference: int,
        change: Change,
        new: Values,
        targets: tuple[int, ...],
    ) -> Query:
        row = self.rows[reference]
        before = {name: row[name] for name in (*change.columns, *change.kept)}
        asked = dict(zip(change.columns, new, strict=True))
        language = "zh" if rng.random() < self.rules.chinese else "en"
        text = self.captions.say(rng, before, asked, language, change.wished)
        if text is None:
            language, text = "en", self.captions.say(rng, before, asked, "en", change.wished)
        if text is None:
            raise DataError(
                f"no template fits this change of {change.name}",
                hint="Add a template for it that needs no values beyond the changed ones: your "
                "templates file replaces the built-in ones.",
            )
        return Query(
            id="",
            reference=self.names[reference],
            texts=(text,),
            targets=self._named(targets),
            group=change.name,
            language=language,
        )

    def _named(self, pictures: tuple[int, ...]) -> tuple[str, ...]:
        """The pictures' names. Queries with the same answers share one tuple, because thousands of
        pictures may be "not red"."""
        if id(pictures) not in self._names_of:
            self._names_of[id(pictures)] = tuple(self.names[number] for number in pictures)
        return self._names_of[id(pictures)]


_Index = dict[Values, dict[Values, list[int]]]


def _never(rows: Sequence[Row], columns: Sequence[str]) -> set[tuple[str, str]]:
    """Pairs (article, attribute) where no picture of the article has the attribute, and there are
    at least UNHEARD_OF of them."""
    if ARTICLE not in columns:
        return set()
    counts = Counter(row[ARTICLE] for row in rows if row[ARTICLE])
    told = {(row[ARTICLE], name) for row in rows for name in columns if row[name]}
    return {
        (article, name)
        for article, count in counts.items()
        for name in columns
        if count >= UNHEARD_OF and (article, name) not in told
    }


def _pick(
    rng: random.Random, near: Sequence[Sequence[int]], count: int, taken: set[int]
) -> list[int]:
    """Up to ``count`` random pictures, each group of ``near`` being equally likely; they are added
    to ``taken``."""
    chosen: list[int] = []
    for _ in range(8 * count if near else 0):
        if len(chosen) == count:
            break
        picture = rng.choice(rng.choice(near))
        if picture not in taken:
            taken.add(picture)
            chosen.append(picture)
    if len(chosen) < count:
        left = sorted({picture for pictures in near for picture in pictures} - taken)
        more = rng.sample(left, min(count - len(chosen), len(left)))
        taken.update(more)
        chosen += more
    return chosen


def tells_nothing(said: str) -> bool:
    """Whether a cell gives no value, such as "Not sure" or "N/A". The actual value may be any, so
    it is not asked for.

    "none" is a value: in tables made for training it says, for example, that there is no collar.
    """
    plain = said.strip().casefold()
    return plain in _UNTOLD or (plain != "none" and is_empty(said))


def _tidy(rows: Sequence[Row], columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows with these columns only. Spellings that differ in capitals and spaces become the
    most frequent one, and cells that tell nothing become ""."""
    spelt: dict[str, dict[str, str]] = {}
    for name in columns:
        seen = Counter(" ".join(row.get(name, "").split()) for row in rows)
        best: dict[str, str] = {"": ""}
        for spelling, _ in sorted(seen.items(), key=lambda pair: (-pair[1], pair[0])):
            best.setdefault(spelling.casefold(), _lower(spelling))
        spelt[name] = {raw: "" if tells_nothing(raw) else best[raw.casefold()] for raw in seen}
    return [
        {name: spelt[name][" ".join(row.get(name, "").split())] for name in columns} for row in rows
    ]


def _lower(spelling: str) -> str:
    """The spelling within a sentence: "Navy Blue" becomes navy blue, "V-neck" and "XL" stay."""
    return " ".join(w.lower() if w[1:].isalpha() and w.istitle() else w for w in spelling.split())
