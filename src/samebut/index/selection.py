"""Which pictures a filter lets through, evaluated from the results of its single tests.

A filter is a tree of tests. Each test becomes one condition on the table ``value`` of
a store, in which everything a user wrote is a parameter: the SQL consists of literals of this file
only, and column names are looked up among the known ones, so they never get into it. ``and``,
``or`` and ``not`` are done here on arrays of booleans, so the shape of a filter never becomes SQL:
nested conditions overflow SQLite's parser at a depth of ten or so.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from samebut.errors import FilterError
from samebut.index.sql import ESCAPE
from samebut.index.where import (
    MAX_LENGTH,
    Among,
    And,
    Compare,
    Filter,
    Missing,
    Not,
    Or,
)
from samebut.values import Column, Span, as_number, fold


class Condition(NamedTuple):
    """A condition on a row of the table ``value`` with the parameters of its question marks, in
    the SQL of `samebut.index.sql`."""

    sql: str
    parameters: tuple[Any, ...]


Test = Callable[[Column], Condition]
"""What is asked of a value, once it is known how the column's values are read."""

Passing = Callable[[str, Test | None], NDArray[np.bool_]]
"""Answers, for a column as the filter names it, which pictures have a value that passes the test;
without a test, which have a value at all."""

_TEXT = {
    "=": "folded = ?",
    "<": "folded < ?",
    "<=": "folded <= ?",
    ">": "folded > ?",
    ">=": "folded >= ?",
    "like": f"folded LIKE ? {ESCAPE}",
    "contains": "instr(folded, ?) > 0",
}
_NUMBER = {
    "=": "number = ?",
    "<": "number < ?",
    "<=": "number <= ?",
    ">": "number > ?",
    ">=": "number >= ?",
}
_AS = {
    "price": "as 50 or '50.00'",
    "percentage": "as 20 or '20%'",
    "size": "as 50 or with the unit: '50 cm'",
    "date": "as '2024-05-31', '2024-05' or 2024",
    "yes/no": "as 'yes' or 'no'",
}
_NAMES_SHOWN = 12


def select(where: Filter, passing: Passing) -> NDArray[np.bool_]:
    """Evaluate a filter over arrays of one boolean a picture.

    Raises:
        FilterError: a value that is no text, or is longer than a store compares.
    """
    match where:
        case Compare() | Among():
            return passing(where.column, test_of(where))
        case Missing():
            return ~passing(where.column, None)
        case Not():
            return ~select(where.term, passing)
        case And():
            return functools.reduce(np.logical_and, (select(t, passing) for t in where.terms))
        case Or():
            return functools.reduce(np.logical_or, (select(t, passing) for t in where.terms))


def test_of(where: Compare | Among) -> Test:
    """What a filter's test asks of a value."""
    match where:
        case Compare():
            return functools.partial(_comparison, where)
        case Among():
            return functools.partial(_membership, where)


def field_id(column: str, fields: Mapping[str, int]) -> int:
    """Id of the column a filter means: its exact name, or the only one that `fold` makes equal.

    Raises:
        FilterError: no such column; the known ones are listed, the nearest name first.
    """
    if column in fields:
        return fields[column]
    alike = [name for name in fields if fold(name) == fold(column)]
    if len(alike) == 1:
        return fields[alike[0]]
    if alike:
        hint = "Write the name exactly as it is in the metadata."
        raise FilterError(f"{column} could be {' or '.join(alike)}", hint=hint)
    if not fields:
        hint = "Add a table: samebut index PHOTOS --metadata TABLE.csv"
        raise FilterError(f"no column {column}: this gallery has no metadata", hint=hint)
    raise FilterError(
        f"no column {column}", hint=f"Known columns: {_nearest_first(column, fields)}."
    )


def field_of(column: str, fields: Mapping[str, int]) -> str:
    """The column a filter means by ``column``, as the metadata has it; raises as `field_id`."""
    number = field_id(column, fields)
    return next(name for name, field in fields.items() if field == number)


def without(where: Filter, column: str, fields: Mapping[str, int]) -> Filter | None:
    """``where`` without what it asks of ``column`` alone; None if that is all it asks.

    Raises:
        FilterError: it names an unknown column.
    """
    others = [term for term in _terms(where) if _columns(term, fields) != {column}]
    if len(others) < 2:
        return others[0] if others else None
    return And(tuple(others))


def _terms(where: Filter) -> list[Filter]:
    """The terms that must all hold."""
    if isinstance(where, And):
        return [term for each in where.terms for term in _terms(each)]
    return [where]


def _columns(where: Filter, fields: Mapping[str, int]) -> set[str]:
    """The columns that a filter asks about, as the metadata has them."""
    match where:
        case Not():
            return _columns(where.term, fields)
        case And() | Or():
            return set().union(*(_columns(term, fields) for term in where.terms))
        case _:
            return {field_of(where.column, fields)}


def storable(text: str) -> bool:
    """Whether a store can keep ``text`` as text: whole Unicode characters, none of them NUL."""
    if text.isascii():
        return "\0" not in text
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def _comparison(where: Compare, column: Column) -> Condition:
    operator, value = where.operator, where.value
    if operator not in _NUMBER:
        if not isinstance(value, str):
            raise FilterError(f"{operator} takes a text", hint=f"Write '{value}' in quotes.")
        return Condition(_TEXT[operator], (_folded(value),))
    if operator == "=":
        return _equals(where.column, value, column)
    if isinstance(value, str) and not column.by_value:
        return _text_order(operator, value, column)
    asked = column.asked(value)
    if asked is None:
        raise FilterError(
            f"{where.column} is read as {column}, and {_shown(value)} is not one of them",
            hint=f"Write it {_AS[column.kind]}.",
        )
    return _within(operator, asked)


def _equals(name: str, value: str | float, column: Column) -> Condition:
    asked = column.asked(value) if column.by_value or not isinstance(value, str) else None
    if isinstance(value, str):
        text = Condition(_TEXT["="], (_folded(value),))
        if asked is None:
            return text
        same = _within("=", asked)
        return Condition(f"({text.sql} OR {same.sql})", (*text.parameters, *same.parameters))
    if asked is None:
        hint = f"Write it {_AS[column.kind]}."
        said = f"{name} holds {column}, and {_shown(value)} is not one of them"
        raise FilterError(said, hint=hint)
    return _within("=", asked)


def _text_order(operator: str, value: str, column: Column) -> Condition:
    text = Condition(_TEXT[operator], (_folded(value),))
    number = as_number(value)
    if number is None and (asked := column.asked(value)):
        number = asked.low
    if number is None:
        return text
    sql = f"CASE WHEN number IS NULL THEN {text.sql} ELSE {_NUMBER[operator]} END"
    return Condition(sql, (*text.parameters, number))


def _within(operator: str, asked: Span) -> Condition:
    """A number compared with a number, or with a span of time: ``<=`` is up to its end."""
    if asked.low == asked.high:
        return Condition(_NUMBER[operator], (asked.low,))
    sql, parameters = {
        "=": ("(number >= ? AND number < ?)", asked),
        "<": ("number < ?", (asked.low,)),
        "<=": ("number < ?", (asked.high,)),
        ">": ("number >= ?", (asked.high,)),
        ">=": ("number >= ?", (asked.low,)),
    }[operator]
    return Condition(sql, tuple(parameters))


def _membership(where: Among, column: Column) -> Condition:
    if len(where.values) > MAX_LENGTH:
        raise FilterError(
            f"the filter lists more than {MAX_LENGTH:,} values for {where.column}",
            hint="Put the list in a metadata column of its own and filter on that.",
        )
    texts = [_folded(value) for value in where.values if isinstance(value, str)]
    by_value = [v for v in where.values if column.by_value or not isinstance(v, str)]
    spans = [span for value in by_value if (span := column.asked(value))]
    numbers = [span.low for span in spans if span.low == span.high]
    times = [_within("=", span) for span in spans if span.low != span.high]
    tests = [_in("folded", texts), _in("number", numbers), *times]
    sql = " OR ".join(test.sql for test in tests if test.sql) or "FALSE"
    return Condition(f"({sql})", tuple(bound for test in tests for bound in test.parameters))


def _in(column: str, values: Sequence[str] | Sequence[float]) -> Condition:
    marks = ", ".join("?" * len(values))
    return Condition(f"{column} IN ({marks})" if values else "", tuple(values))


def _shown(value: str | float) -> str:
    return f"'{value}'" if isinstance(value, str) else f"{value:g}"


def _folded(value: str) -> str:
    if not storable(value):
        raise FilterError(f"{value!r} is not valid text", hint="Leave the broken characters out.")
    folded = fold(value)
    # Folding can make a text eighteen times as long, and SQLite refuses long patterns.
    if len(folded) > MAX_LENGTH:
        raise FilterError(
            f"a value in the filter is longer than {MAX_LENGTH:,} characters",
            hint="Give a shorter value.",
        )
    return folded


def _nearest_first(column: str, fields: Mapping[str, int]) -> str:
    def likeness(name: str) -> float:
        return difflib.SequenceMatcher(None, fold(column), fold(name)).ratio()

    shown = sorted(fields, key=likeness, reverse=True)[:_NAMES_SHOWN]
    more = len(fields) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
