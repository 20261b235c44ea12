"""Interprets the cells of a table: numbers, prices, sizes, dates, yes and no, or missing.

A shop writes ``$19.90``, ``1.299,00 €`` or ``10,50``; a filter compares numbers. Some cells can be
read alone, others only beside the rest of their column: ``1,299`` is more than a thousand in most
tables and less than two where the others say ``10,50``. So `understand` looks at a whole column
first; the `Column` that it returns reads the cells and the values of filters.

    price        $19.90   19.90 USD   EUR 10,50   ¥1,299   1 299,00 €   1'299.00   (5.00)   19.-
    percentage   20%   20 % off   12,5 percent
    size         10 cm   1.5 m   12"   5'10"   500 g   1 l   80 den   EU 38
    range        $10 - $20   20–30 €   10 to 12 cm   30 x 40 cm
    date         2024-05-01   2024-05-01 10:30   1.5.2024   13/05/2024   May 1, 2024   2024年5月1日
    yes/no       yes no   true false   y n   ja nein   是 否   1 0

Sizes are compared in the unit that most cells of the column have; prices without exchange rates.
A date is a day or a moment as a clock shows it, whatever its time zone. A range is compared by its
low end, and lengths that belong together (30 x 40 cm) by the first.
"""

from __future__ import annotations

import datetime
import json
import math
import re
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple, get_args

Kind = Literal["text", "number", "price", "percentage", "size", "date", "yes/no"]
KINDS: tuple[Kind, ...] = get_args(Kind)

NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
"""A number in plain notation, as programs write it."""

_WORDS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
_EMPTY = frozenset(_WORDS["empty"]) | {""}
_MONEY = "money"
_PERCENT = "percent"
_CURRENCIES: Mapping[str, str] = {
    name: shown for shown, names in _WORDS["currencies"].items() for name in names
}
_CODES: Mapping[str, list[str]] = _WORDS["codes"]
_SIZES = frozenset(_WORDS["sizes"])
_UNITS: Mapping[str, tuple[str, float]] = {
    unit: (dimension, float(factor))
    for dimension, units in _WORDS["sizes"].items()
    for unit, factor in units.items()
}
_PERCENTS = frozenset(_WORDS["percent"])
_LONGEST_UNIT = 12
_SYSTEMS = frozenset(_WORDS["size_systems"])
_LONGEST = 40
"""Characters. What is longer is a text, whatever it begins with."""

_YES = frozenset(_WORDS["yes"])
_NO = frozenset(_WORDS["no"])
_UNMISTAKABLE = frozenset(_WORDS["unmistakable"])
_MOSTLY = 0.9

_SIGNS = str.maketrans({"−": "-", "–": "-", "’": "'", "ʼ": "'", "\u066c": "'"})
_QUANTITY = re.compile(
    r"(?P<sign>[+-]?)\s*(?P<before>[^\d+\-.,'][^\d+\-,]*?)?\s*(?P<inner>[+-]?)"
    r"(?P<digits>\d+(?:[.,' ]\d+)*|[.,]\d+)\s*(?P<after>\D*)"
)
_DIGIT = re.compile("[0-9]")
_BEFORE = re.compile(r"\D+")
_AROUND = " \t+-(.,'"
_BEGINNINGS = frozenset(name.strip(_AROUND) for name in (*_CURRENCIES, *_SYSTEMS)) | {""}
_FEET = re.compile(r"(\d{1,2})\s*(?:'|′|ft|feet)\s*(\d{1,2}(?:\.\d+)?)\s*(?:\"|″|''|in|inches)?")
_BETWEEN = re.compile(r"\s*(?:[-~]|至|到)\s*|\s+(?:to|bis|à|a)\s+", re.IGNORECASE)
_TIMES = re.compile(r"\s*[x×*]\s*", re.IGNORECASE)
_NO_CENTS = re.compile(r"[.,/]?\s*(?:--?|=)$|\.$")

_MONTHS = {name: number for number, names in enumerate(_WORDS["months"], start=1) for name in names}
_CLOCK = (
    r"(?:[t ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?\s*([ap]\.?m\.?)?"
    r"\s*(?:z|utc|gmt|[+-]\d{2}:?\d{2})?)?"
)
_NTH = r"(?:st|nd|rd|th)?"
_YEAR_FIRST = re.compile(r"(\d{4})([-/.])(\d{1,2})(?:\2(\d{1,2}))?" + _CLOCK)
_CHINESE = re.compile(r"(\d{4})\s*年(?:\s*(\d{1,2})\s*月(?:\s*(\d{1,2})\s*[日号])?)?")
_YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})" + _CLOCK)
_MONTH_YEAR = re.compile(r"([a-z]{3,9})\.?[ ,-]+(\d{4})")
_DAY_MONTH = re.compile(
    rf"(\d{{1,2}}){_NTH}[ .-]+([a-z]{{3,9}})\.?[ ,-]+(\d{{4}}|\d{{2}})" + _CLOCK
)
_MONTH_DAY = re.compile(rf"([a-z]{{3,9}})\.? +(\d{{1,2}}){_NTH},? +(\d{{4}})" + _CLOCK)
_WORD = re.compile("[a-z]+")
_YEAR = re.compile(r"[12]\d{3}")


def fold(text: str) -> str:
    """The form in which texts are compared: Unicode compatibility form, without case.

    Full-width and half-width letters and digits become the same, ``ß`` becomes ``ss``.
    """
    if text.isascii():  # where both are this, several times as fast
        return text.lower()
    return unicodedata.normalize("NFKC", text).casefold()


def units() -> frozenset[str]:
    """Every unit and currency that is known by name, as `fold` makes them."""
    return frozenset((*_CURRENCIES, *_UNITS, *_PERCENTS))


def is_currency(unit: str) -> bool:
    """Whether ``unit``, folded, names money."""
    return unit in _CURRENCIES


def is_empty(text: str) -> bool:
    """Whether a cell means a missing value: ``N/A``, ``none``, ``-``, ``null``, 无."""
    plain = text.lower() if text.isascii() else fold(text)
    return plain.strip() in _EMPTY


def as_number(text: str) -> float | None:
    """The number that ``text`` is as a whole, in plain decimal notation; None if it is none."""
    plain = unicodedata.normalize("NFKC", text).strip()
    if not NUMBER.fullmatch(plain):
        return None
    number = float(plain)
    return number if math.isfinite(number) else None


class Span(NamedTuple):
    """From ``low`` on and below ``high``: a day, a month, a year; a number where they are equal."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Column:
    """How the cells of one column are read.

    ``unit`` is what sizes are compared in and how they are shown, ``dimension`` what it measures;
    ``units`` are all that occur, the commonest first (of prices: currencies). ``decimal_comma``
    says what ``1,299`` is; ``day_first`` what 03/04/2024 is, None where the column does not tell.
    """

    kind: Kind = "text"
    unit: str = ""
    dimension: str = ""
    units: tuple[str, ...] = ()
    decimal_comma: bool = False
    day_first: bool | None = None

    def number(self, text: str) -> float | None:
        """The number that a cell is compared by; None if it is compared as text only."""
        if self.kind == "date":
            span = _date(text, self.day_first)
            return None if span is None else span.low
        if self.kind == "yes/no":
            return _yes_no(text)
        return self._number_of(_quantity(text))

    def _number_of(self, found: _Quantity | None) -> float | None:
        amount = self._span(found)
        return None if amount is None else amount.low

    def asked(self, value: str | float) -> Span | None:
        """The meaning of a filter's ``value`` in this column; None if the column can't have such
        values."""
        if self.kind == "date":
            year = f"{value:.0f}" if isinstance(value, float | int) and value % 1 == 0 else value
            return _date(year, self.day_first) if isinstance(year, str) else None
        if not isinstance(value, str):
            return Span(value, value)
        if self.kind != "yes/no":
            return self._amount(value, asked=True)
        number = _yes_no(value)
        return None if number is None else Span(number, number)

    @property
    def by_value(self) -> bool:
        """Whether texts are equal here that mean the same: ``$5`` and ``5.00``.

        Not with unknown units: ``2`` is not ``2 XL``.
        """
        return self.kind not in ("text", "number") and not self.dimension.startswith("'")

    def __str__(self) -> str:
        """In words, such as "prices in $ and €"."""
        match self.kind:
            case "price":
                said = "prices in " + " and ".join(self.units)
            case "size":
                others = [unit for unit in self.units if unit != self.unit]
                said = f"sizes in {self.unit}" + (f" (also {', '.join(others)})" if others else "")
            case "date":
                order = {True: ", the day first", False: ", the month first", None: ""}
                said = "dates" + order[self.day_first]
            case "percentage":
                said = "percentages"
            case "number":
                said = "numbers"
            case "yes/no":
                said = "yes and no"
            case _:
                return "texts"
        return said + (", with a decimal comma" if self.decimal_comma else "")

    @property
    def currency(self) -> str | None:
        """The code of the one currency that all prices are in; None if it is not certain."""
        codes = {code for unit in self.units for code in _CODES.get(unit, [unit])}
        return codes.pop() if self.kind == "price" and len(codes) == 1 else None

    def as_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | None) -> Column:
        """What ``as_json`` gave; a column of texts for None."""
        if text is None:
            return cls()
        kept = json.loads(text)
        return cls(**{**kept, "units": tuple(kept["units"])})

    def _amount(self, text: str, *, asked: bool = False) -> Span | None:
        return self._span(_quantity(text), asked=asked)

    def _span(self, found: _Quantity | None, *, asked: bool = False) -> Span | None:
        """From the low end of what is written to its high end; both are the same of one number."""
        if found is None or (found.is_several and self.kind == "text"):
            return None
        ends = [self._in_unit(end, asked=asked) for end in (found, found.high) if end]
        if None in ends:
            return None
        low, *high = ends
        span = Span(low or 0.0, (high or [low])[-1] or 0.0)
        return span if span.low <= span.high else None

    def _in_unit(self, found: _Quantity, *, asked: bool) -> float | None:
        number = found.number(decimal_comma=self.decimal_comma)
        if number is None or not found.unit:
            return number
        if not self.dimension:
            return number if found.dimension in (_MONEY, _PERCENT) else None
        if found.dimension != self.dimension:
            return None
        if found.dimension == _MONEY:
            known = not asked or any(_same_money(found.unit, unit) for unit in self.units)
            return number if known else None
        if self.dimension in _SIZES:
            return round(number * found.factor / _UNITS[self.unit][1], 9)
        return number


def understand(counts: Mapping[str, int]) -> Column:
    """How to read the cells of a column, from its texts and how many pictures have each.

    A column is of a kind if at least half of its values are (for yes and no: nine tenths).
    """
    return read_cells(counts)[0]


def read_cells(counts: Mapping[str, int]) -> tuple[Column, dict[str, float]]:
    """`understand`, and what the cells are compared by that are compared as more than text."""
    told = Counter({text: count for text, count in counts.items() if not is_empty(text)})
    total = told.total()
    if not total:
        return Column(), {}
    if _says_yes_and_no(told):
        return _each_read(Column("yes/no"), told)
    if _may_be_dates(told):
        day_first = _day_first(told)
        dated = {text for text in told if _date(text, day_first)}
        are_all_years = all(_YEAR.fullmatch(text.strip()) for text in dated)
        if not are_all_years and 2 * sum(told[text] for text in dated) >= total:
            return _each_read(Column("date", day_first=day_first), told)
    quantities = {text: found for text in told if (found := _quantity(text))}
    column = _quantities(told, quantities)
    numbers = {text: column._number_of(found) for text, found in quantities.items()}
    return column, {text: number for text, number in numbers.items() if number is not None}


def _each_read(column: Column, told: Iterable[str]) -> tuple[Column, dict[str, float]]:
    return column, {text: n for text in told if (n := column.number(text)) is not None}


# ------------------------------------------------------------------------------- quantities


@dataclass(frozen=True, slots=True)
class _Quantity:
    """A number as it is written, and its unit; ``factor`` is in the base unit of the dimension.

    ``high`` is the other end of a range; ``is_several``: it is the first of several numbers.
    """

    sign: float
    digits: str
    unit: str = ""
    dimension: str = ""
    factor: float = 1.0
    high: _Quantity | None = None
    is_several: bool = False

    def number(self, *, decimal_comma: bool) -> float | None:
        number, _ = _read_digits(self.digits, decimal_comma)
        return None if number is None else self.sign * number

    @property
    def separator(self) -> str:
        """Its decimal sign, "," or ".", if that is certain; else empty."""
        return _read_digits(self.digits, False)[1]


def _quantity(text: str) -> _Quantity | None:
    """A cell as a number with or without a unit. Whether the unit is one is for the column to say:
    any single word is taken here."""
    if not _may_hold_number(text):
        return None
    plain = text.strip()
    if not plain.isascii():
        plain = unicodedata.normalize("NFKC", text).strip().translate(_SIGNS)
    before = _BEFORE.match(plain)
    if before and before[0].casefold().strip(_AROUND) not in _BEGINNINGS:
        return None  # most titles and article numbers end here: the patterns take ten times as long
    return _quantity_of(plain)


def _may_hold_number(text: str) -> bool:
    if len(text) > _LONGEST:
        return False
    if text.isascii():
        return _DIGIT.search(text) is not None
    return any(map(str.isnumeric, unicodedata.normalize("NFKC", text)))


@lru_cache(maxsize=4096)
def _quantity_of(plain: str) -> _Quantity | None:
    return _single(plain) or _range(plain) or _sides(plain)


def _single(plain: str) -> _Quantity | None:
    if NUMBER.fullmatch(plain):
        exact = float(plain)
        return _Quantity(1.0, plain) if math.isfinite(exact) else None
    if feet := _FEET.fullmatch(plain.casefold()):
        inches = 12 * float(feet[1]) + float(feet[2])
        return _Quantity(1.0, repr(inches), '"', "length", 25.4)
    negative = plain.startswith("(") and plain.endswith(")")
    found = _QUANTITY.fullmatch(plain[1:-1].strip() if negative else plain)
    if found is None or (found["sign"] and found["inner"]):
        return None
    if negative and found["digits"].isdigit() and not (found["before"] or found["after"]):
        return None  # as likely a count as what accountants write for less than nothing
    sign = -1.0 if negative or "-" in (found["sign"], found["inner"]) else 1.0
    before = (found["before"] or "").strip().casefold()
    after = _NO_CENTS.sub("", found["after"].strip().casefold()).strip()
    unit = _unit_of(before, after)
    return None if unit is None else _Quantity(sign, found["digits"], *unit)


def _range(plain: str) -> _Quantity | None:
    """``$10 - $20``: both ends, which are of one dimension; a unit may stand at one of them."""
    ends_said = _BETWEEN.split(plain)
    if len(ends_said) != 2:
        return None
    parts = [_single(part) for part in ends_said]
    if not (parts[0] and parts[1]):
        return None
    low, high = _with_one_unit(parts[0], parts[1])
    if low.dimension != high.dimension or (low.dimension == _MONEY and low.unit != high.unit):
        return None
    ends = [each.number(decimal_comma=False) for each in (low, high)]
    if ends[0] is None or ends[1] is None or ends[0] * low.factor >= ends[1] * high.factor:
        return None
    return replace(low, high=high, is_several=True)


def _sides(plain: str) -> _Quantity | None:
    """``30 x 40 cm``: the first of two or three lengths."""
    said = _TIMES.split(plain)
    if not 2 <= len(said) <= 3:
        return None
    parts = [_single(part) for part in said]
    if not all(parts):
        return None
    read = [part for part in parts if part]
    first, last = _with_one_unit(read[0], read[-1])
    same = {each.dimension for each in (*read, first, last) if each.unit} <= {"length"}
    return replace(first, is_several=True) if same else None


def _with_one_unit(one: _Quantity, other: _Quantity) -> tuple[_Quantity, _Quantity]:
    """Both with the unit of the one that has it, if only one has."""

    def like(bare: _Quantity, unit: _Quantity) -> _Quantity:
        return replace(bare, unit=unit.unit, dimension=unit.dimension, factor=unit.factor)

    if one.unit and not other.unit:
        return one, like(other, one)
    return (like(one, other), other) if other.unit and not one.unit else (one, other)


def _unit_of(before: str, after: str) -> tuple[str, str, float] | None:
    """Unit, dimension and factor by the words around a number; None if they are no unit."""
    if not before and not after:
        return "", "", 1.0
    money = [_CURRENCIES.get(word) for word in (before, after) if word]
    if None not in money:
        return money[0] or "", _MONEY, 1.0
    if before and after:
        return None
    if after in _PERCENTS:
        return "%", _PERCENT, 1.0
    if after in _UNITS:
        return (after, *_UNITS[after])
    word = before or after
    is_word = before in _SYSTEMS if before else len(word) <= _LONGEST_UNIT and word.isalpha()
    return (word, f"'{word}'", 1.0) if is_word else None


def _read_digits(digits: str, decimal_comma: bool) -> tuple[float | None, str]:
    """The number that is written, and its decimal sign where that is certain.

    ``decimal_comma`` decides what a single separator before three digits is.
    """
    if NUMBER.fullmatch(digits) and not re.fullmatch(r"[1-9]\d{0,2}\.\d{3}", digits):
        return float(digits), "." if "." in digits else ""
    groups = {sign: digits.count(sign) for sign in ".,' " if sign in digits}
    signs = [sign for sign in groups if sign in ".,"]
    certain = ""
    if len(signs) == 2:
        decimal = certain = max(signs, key=digits.rfind)
        if groups[decimal] > 1:
            return None, ""
    elif not signs:
        decimal = ""
    elif groups[signs[0]] > 1:
        decimal, certain = "", "." if signs[0] == "," else ","
    elif len(groups) == 1 and re.fullmatch(r"[1-9]\d{0,2}[.,]\d{3}", digits):
        decimal = signs[0] if (signs[0] == ",") == decimal_comma else ""
    else:
        decimal = certain = signs[0]
    whole, _, part = digits.partition(decimal) if decimal else (digits, "", "")
    separators = set(whole) & set(".,' ")
    if len(separators) > 1 or (separators and not _is_grouped(whole, separators.pop())):
        return None, ""
    plain = re.sub(r"\D", "", whole) or "0"
    return (float(f"{plain}.{part or 0}"), certain) if part.isdigit() or not part else (None, "")


def _is_grouped(whole: str, separator: str) -> bool:
    """Groups of three digits, or as India writes them: two, and three at the end."""
    first, *others = whole.split(separator)
    thousands = 1 <= len(first) <= 3 and all(len(group) == 3 for group in others)
    lakhs = (
        separator == ","
        and 1 <= len(first) <= 2
        and len(others[-1]) == 3
        and all(len(group) == 2 for group in others[:-1])
    )
    return thousands or lakhs


def _quantities(told: Counter[str], quantities: Mapping[str, _Quantity]) -> Column:
    """The column of numbers, prices, percentages or sizes that ``told`` is, or one of texts."""
    total = told.total()
    found = {
        text: quantity
        for text, quantity in quantities.items()
        if quantity.number(decimal_comma=False) is not None
    }
    dimensions: Counter[str] = Counter()
    units: dict[str, Counter[str]] = {}
    bare = ranges = 0
    for text, quantity in found.items():
        if not quantity.unit:
            bare += told[text] * (not quantity.is_several)
            ranges += told[text] * (quantity.high is not None)
            continue
        dimensions[quantity.dimension] += told[text]
        units.setdefault(quantity.dimension, Counter())[quantity.unit] += told[text]
    for dimension in list(dimensions):
        # A word that is no known unit is one only where most of the column says it.
        if dimension.startswith("'") and 2 * dimensions[dimension] < total:
            del dimensions[dimension]
    most = dimensions.most_common(1)
    if not most:
        comma = _has_decimal_comma(told, found, {""})
        # 12-34 may be an article's number: of such alone only a whole column of ranges is one.
        is_number = 2 * bare >= total or bare + ranges >= _MOSTLY * total
        return Column("number" if is_number else "text", decimal_comma=comma)
    dimension, count = most[0]
    comma = _has_decimal_comma(told, found, {"", dimension})
    names = tuple(unit for unit, _ in units[dimension].most_common())
    kind: Kind = {_MONEY: "price", _PERCENT: "percentage"}.get(dimension, "size")  # type: ignore[assignment]
    if 2 * (count + bare) < total:
        kind = "text"
    return Column(kind, names[0], dimension, names, comma)


def _has_decimal_comma(
    told: Counter[str], found: Mapping[str, _Quantity], dimensions: set[str]
) -> bool:
    """Whether more cells certainly have a decimal comma than a decimal point.

    If no cell is certain, a price with three digits after a point is in thousands: ``1.299 €``.
    """
    read = {text: each for text, each in found.items() if each.dimension in dimensions}
    signs = Counter[str]()
    for text, each in read.items():
        signs[each.separator] += told[text]
    if signs[","] or signs["."]:
        return signs[","] > signs["."]
    return any(each.dimension == _MONEY and "." in each.digits for each in read.values())


def _same_money(one: str, other: str) -> bool:
    """Whether two names may mean one currency: ``$`` may be ``A$``, ``USD`` is not ``EUR``."""
    one_of, other_of = (set(_CODES.get(name, [name])) for name in (one, other))
    return bool(one_of & other_of)


# ------------------------------------------------------------------------------- yes and no


def _yes_no(text: str) -> float | None:
    plain = fold(text).strip()
    return 1.0 if plain in _YES else 0.0 if plain in _NO else None


def _says_yes_and_no(told: Counter[str]) -> bool:
    total = fitting = told.total()
    words = set()
    for text, count in told.items():
        word = fold(text).strip()
        if word in _YES or word in _NO:
            words.add(word)
            continue
        fitting -= count
        if fitting < _MOSTLY * total:
            return False
    return not (words.isdisjoint(_YES) or words.isdisjoint(_NO)) or not words.isdisjoint(
        _UNMISTAKABLE
    )


# ------------------------------------------------------------------------------- dates


def _date(text: str, day_first: bool | None) -> Span | None:
    """The day, moment, month or year that ``text`` names, in days; None if it names none."""
    if not _may_hold_number(text):
        return None
    plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    if not _begins_as_date(plain):
        return None
    if _YEAR.fullmatch(plain):
        return _span(int(plain), None, None)
    if found := _YEAR_FIRST.fullmatch(plain):
        year, sign, month, day, *clock = found.groups()
        # 2024.05 is a number
        return None if sign == "." and not day else _span(int(year), month, day, *clock)
    if found := _CHINESE.fullmatch(plain):
        return _span(int(found[1]), found[2], found[3])
    if found := _DAY_MONTH.fullmatch(plain):
        month = _MONTHS.get(found[2])
        return _span(_full_year(found[3]), month, found[1], *found.groups()[3:]) if month else None
    if found := _MONTH_YEAR.fullmatch(plain):
        month = _MONTHS.get(found[1])
        return _span(int(found[2]), month, None) if month else None
    if found := _MONTH_DAY.fullmatch(plain):
        month = _MONTHS.get(found[1])
        return _span(int(found[3]), month, found[2], *found.groups()[3:]) if month else None
    if found := _YEAR_LAST.fullmatch(plain):
        one, sign, two, year, *clock = found.groups()
        first = _is_day_first(int(one), sign, int(two))
        first = day_first if first is None else first
        if first is None:
            return None
        day, month = (one, two) if first else (two, one)
        return _span(_full_year(year), month, day, *clock)
    return None


def _begins_as_date(plain: str) -> bool:
    """Whether ``plain``, in the form in which `_date` compares, has the beginning of any date."""
    word = _WORD.match(plain)
    return word[0] in _MONTHS if word else plain[:1].isdigit()


def _may_be_dates(told: Counter[str]) -> bool:
    """Whether at least half of the values have the beginning of a date. Most columns of texts are
    found here not to be dates, after half of their values."""
    total = left = told.total()
    for text, count in told.items():
        if not _begins_as_date(fold(text).strip()):
            left -= count
            if 2 * left < total:
                return False
    return True


def _full_year(year: str) -> int:
    return int(year) + (0 if len(year) == 4 else 2000 if int(year) < 70 else 1900)


def _is_day_first(one: int, sign: str, two: int) -> bool | None:
    if sign == "." or one > 12 or one == two:
        return True
    return False if two > 12 else None


def _day_first(told: Counter[str]) -> bool | None:
    """Which of 03/04/2024 is the day, by the cells that leave no doubt; None without such cells."""
    seen: Counter[bool] = Counter()
    for text, count in told.items():
        plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
        found = _YEAR_LAST.fullmatch(plain)
        if found and found[2] != "." and found[1] != found[3]:
            first = _is_day_first(int(found[1]), found[2], int(found[3]))
            if first is not None:
                seen[first] += count
    # If the cells contradict each other, do not guess.
    return next(iter(seen)) if len(seen) == 1 else None


def could_be_either(text: str) -> bool:
    """Whether ``text`` is a date of which nothing tells if the day or the month stands first."""
    return _date(text, None) is None and None not in (_date(text, True), _date(text, False))


def _span(
    year: int,
    month: str | int | None,
    day: str | None,
    hour: str | None = None,
    minute: str | None = None,
    second: str | None = None,
    half: str | None = None,
) -> Span | None:
    """The span of a year, month, day, minute or second; ``half`` is "am" or "pm"."""
    try:
        start = datetime.date(year, int(month or 1), int(day or 1))
        if day:
            begin = float(start.toordinal())
            if not hour:
                return Span(begin, begin + 1)
            at = int(hour) if half is None else int(hour) % 12 + 12 * half.startswith("p")
            time = datetime.time(at, int(minute or 0), int(second or 0))
            seconds = time.hour * 3600 + time.minute * 60 + time.second
            begin += seconds / 86400
            return Span(begin, begin + (1 if second else 60) / 86400)
        nth = (int(month) if month else 12) + 1
        end = datetime.date(year + (nth > 12), (nth - 1) % 12 + 1, 1)
        if not month:
            end = datetime.date(year + 1, 1, 1)
    except ValueError:
        return None
    return Span(float(start.toordinal()), float(end.toordinal()))
