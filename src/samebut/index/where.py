"""The filter language of ``--where``: which pictures, by what is said about them.

    colour = 'blue' and gender = 'women'
    (price < 50 or "on sale" is not null) and not title contains 'kids'
    颜色 in ('红', '蓝') and title like '%shirt'

* A test is ``column operator value``, with ``= != <> < <= > >=``, ``[not] like`` (``%`` any run,
  ``_`` any one character), ``[not] contains``, ``[not] in (value, ...)``, ``is [not] null``.
  Tests are joined by ``and``, ``or``, ``not`` and parentheses. Keywords may be in any case.
* A column is a bare word, or anything in ``"..."``, ``[...]`` or backticks. A value is a number,
  or a text in ``'...'`` or ``"..."``: after an operator only a value can stand, so both quotes do.
  A quote inside quotes is doubled. Quotes and symbols as Chinese keyboards type them work too.
* Texts are compared as `samebut.values.fold` makes them: ``blue`` finds ``Blue`` and ``ＢＬＵＥ``.
* Values are understood column by column (`samebut.values`): prices, percentages, sizes with units,
  dates, yes and no. A bare number is compared with the number that a value is: ``price < 50``
  finds ``$19.90``, ``7`` finds ``007`` and ``7.0``; of dates it is a year.
* A quoted value is understood as the column's values are: ``length <= '0.5 m'`` finds ``50 cm``,
  ``added = '2024-05'`` every day of that month, ``sale = 'yes'`` finds ``TRUE``. In columns of
  texts and plain numbers it is compared as text; only ``< <= > >=`` compare as numbers where both
  are.
* ``N/A``, ``none``, ``-``, ``null``, 无 and the like are no values: ``is null`` finds them.
* Every test is either true or false. A missing value makes it false, and ``not`` turns a whole
  test over, so ``colour != 'blue'`` keeps pictures without a colour: they are not blue. Add
  ``and colour is not null`` to leave them out.

`parse` makes a `Filter` out of text; ``str(filter)`` writes text that parses to the same filter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from samebut.errors import FilterError
from samebut.index.tokens import (
    COLUMN_QUOTES,
    KEYWORDS,
    VALUE_QUOTES,
    Token,
    error_at,
    tokens_of,
)

Operator = Literal["=", "<", "<=", ">", ">=", "like", "contains"]
Value = str | float
"""A quoted text, or a number that was written without quotes."""

MAX_LENGTH = 10_000
"""Characters a filter may have. With the next two it keeps a filter far inside the limits of the
Python stack and of SQLite (expression depth 1,000, 32,766 parameters)."""
MAX_DEPTH = 32
MAX_TESTS = 200

_EXACT = 1e15
"""Below it a whole number is written without a fraction and read as the same."""
_OPERATORS: dict[str, Operator] = {"==": "=", **{name: name for name in get_args(Operator)}}
_INVERTED: dict[str, Operator] = {"!=": "=", "<>": "="}
_TEST_EXPECTED = "an operator (=, !=, <, <=, >, >=, like, contains, in, is null)"


@dataclass(frozen=True, slots=True)
class Compare:
    """``column operator value``; ``like`` and ``contains`` take a text."""

    column: str
    operator: Operator
    value: Value

    def __str__(self) -> str:
        return f"{_name(self.column)} {self.operator} {_written(self.value)}"


@dataclass(frozen=True, slots=True)
class Among:
    """``column in (value, ...)``, at least one value."""

    column: str
    values: tuple[Value, ...]

    def __str__(self) -> str:
        return f"{_name(self.column)} in ({', '.join(map(_written, self.values))})"


@dataclass(frozen=True, slots=True)
class Missing:
    """``column is null``: nothing is said about it."""

    column: str

    def __str__(self) -> str:
        return f"{_name(self.column)} is null"


@dataclass(frozen=True, slots=True)
class Not:
    """The exact complement of ``term``."""

    term: Filter

    def __str__(self) -> str:
        return f"not {_grouped(self.term)}"


@dataclass(frozen=True, slots=True)
class And:
    """All of two or more terms."""

    terms: tuple[Filter, ...]

    def __str__(self) -> str:
        return " and ".join(map(_grouped, self.terms))


@dataclass(frozen=True, slots=True)
class Or:
    """Any of two or more terms."""

    terms: tuple[Filter, ...]

    def __str__(self) -> str:
        return " or ".join(map(_grouped, self.terms))


Filter = Compare | Among | Missing | Not | And | Or


def parse(text: str) -> Filter:
    """Read a filter.

    Raises:
        FilterError: with the place marked and what was expected there.
    """
    if len(text) > MAX_LENGTH:
        raise FilterError(
            f"the filter has {len(text):,} characters, at most {MAX_LENGTH:,} are read",
            hint="Put the list in a metadata column of its own and filter on that.",
        )
    return _Parser(text).whole()


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _written(value: Value) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return f"{value:.0f}" if value % 1 == 0 and abs(value) < _EXACT else repr(float(value))


def _grouped(term: Filter) -> str:
    return f"({term})" if isinstance(term, And | Or) else str(term)


class _Parser:
    """Recursive descent: ``any`` of ``all`` of ``one``, where one may be a parenthesised any."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokens_of(text)
        self._at = 0
        self._depth = 0
        self._tests = 0

    def whole(self) -> Filter:
        found = self._any()
        if self._now.kind != "end":
            raise self._expected("and, or, or the end")
        return found

    @property
    def _now(self) -> Token:
        return self._tokens[self._at]

    def _take(self, *kinds: str) -> bool:
        """Step over the token if it is one of ``kinds``."""
        taken = self._now.kind in kinds
        self._at += taken
        return taken

    def _expected(self, what: str, hint: str = "") -> FilterError:
        found = f"expected {what}, found {self._now.shown}"
        return error_at(self._text, self._now.start, found, hint)

    def _any(self) -> Filter:
        terms = self._joined("or", self._all)
        return terms[0] if len(terms) == 1 else Or(terms)

    def _all(self) -> Filter:
        terms = self._joined("and", self._one)
        return terms[0] if len(terms) == 1 else And(terms)

    def _joined(self, keyword: str, part: Callable[[], Filter]) -> tuple[Filter, ...]:
        terms = [part()]
        while self._take(keyword):
            terms.append(part())
        return tuple(terms)

    def _one(self) -> Filter:
        if self._now.kind not in ("not", "("):
            return self._test()
        if self._depth == MAX_DEPTH:
            message = f"parentheses and nots are nested more than {MAX_DEPTH} deep"
            raise error_at(self._text, self._now.start, message, "write it flatter")
        self._depth += 1
        found = Not(self._one()) if self._take("not") else self._group()
        self._depth -= 1
        return found

    def _group(self) -> Filter:
        self._at += 1
        found = self._any()
        if not self._take(")"):
            raise self._expected("and, or, or )")
        return found

    def _test(self) -> Filter:
        self._tests += 1
        if self._tests > MAX_TESTS:
            message = f"more than {MAX_TESTS} tests"
            raise error_at(
                self._text, self._now.start, message, "use in (...) for many values of a column"
            )
        column = self._column()
        if self._take("is"):
            return self._null(column)
        inverted = self._take("not")
        found = self._comparison(column, inverted)
        return Not(found) if inverted else found

    def _comparison(self, column: str, inverted: bool) -> Filter:
        kind = self._now.kind
        if self._take("in"):
            return Among(column, self._values())
        if self._take("like", "contains"):
            return Compare(column, _OPERATORS[kind], self._quoted_value(kind))
        if inverted:
            raise self._expected("in, like or contains", "Or write not before the column.")
        if self._take(*_INVERTED):
            return Not(Compare(column, _INVERTED[kind], self._value()))
        if self._take(*_OPERATORS):
            return Compare(column, _OPERATORS[kind], self._value())
        raise self._expected(_TEST_EXPECTED)

    def _null(self, column: str) -> Filter:
        inverted = self._take("not")
        if not self._take("null"):
            raise self._expected("null", "Use = for a value; is goes with null only.")
        return Not(Missing(column)) if inverted else Missing(column)

    def _column(self) -> str:
        token = self._now
        if not self._take("word", *COLUMN_QUOTES):
            raise self._expected("a column", _column_hint(token))
        return token.text

    def _values(self) -> tuple[Value, ...]:
        if not self._take("("):
            raise self._expected("(", "Write the values as in ('red', 'blue').")
        values = [self._value()]
        while self._take(","):
            values.append(self._value())
        if not self._take(")"):
            raise self._expected(", or )")
        return tuple(values)

    def _value(self) -> Value:
        token = self._now
        if self._take("number"):
            return float(token.text)
        return self._quoted_value()

    def _quoted_value(self, operator: str = "") -> str:
        token = self._now
        if not self._take(*VALUE_QUOTES):
            what = f"a text in quotes after {operator}" if operator else "a number or quoted text"
            bare = token.kind in ("word", "number")
            raise self._expected(what, f"Write it in quotes: '{token.text}'" if bare else "")
        if not token.text:
            hint = "Write is null: an empty value is a missing one."
            raise error_at(self._text, token.start, "a text can't be empty", hint)
        return token.text


def _column_hint(token: Token) -> str:
    if token.kind in VALUE_QUOTES:
        return "Write the column first, bare or in double quotes: colour = 'blue'"
    return f'Write a column of that name as "{token.text}".' if token.kind in KEYWORDS else ""
