"""Which pictures a filter lets through, from what a store of metadata answers to single tests.

A filter is a tree of tests. Each test becomes one condition on the table ``value`` of
`samebut.index.local`, in which everything a user wrote is a parameter: the SQL is put together
from the literals of this file and nothing else, and column names never reach it at all (they are
looked up among the known ones). ``and``, ``or`` and ``not`` are done here on arrays of booleans,
so the shape of a filter never becomes SQL: nested conditions overflow SQLite's parser at a depth
of ten or so.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from samebut.errors import FilterError
from samebut.index.where import (
    MAX_LENGTH,
    Among,
    And,
    Compare,
    Filter,
    Missing,
    Not,
    Or,
    as_number,
    fold,
)


class Condition(NamedTuple):
    """A condition on a row of the table ``value`` with the parameters of its question marks."""

    sql: str
    parameters: tuple[str | float, ...]


Passing = Callable[[str, Condition | None], NDArray[np.bool_]]
"""Answers, for a column as the filter names it, which pictures have a value that passes the test;
without a test, which have a value at all."""

_TEXT = {
    "=": "folded = ?",
    "<": "folded < ?",
    "<=": "folded <= ?",
    ">": "folded > ?",
    ">=": "folded >= ?",
    "like": "folded LIKE ?",
    "contains": "instr(folded, ?) > 0",
}
_NUMBER = {
    "=": "number = ?",
    "<": "number < ?",
    "<=": "number <= ?",
    ">": "number > ?",
    ">=": "number >= ?",
}
_ORDERING = frozenset({"<", "<=", ">", ">="})
_NAMES_SHOWN = 12


def select(where: Filter, passing: Passing) -> NDArray[np.bool_]:
    """Evaluate a filter over arrays of one boolean a picture.

    Raises:
        FilterError: a value that is no text, or is longer than a store compares.
    """
    match where:
        case Compare():
            return passing(where.column, _comparison(where))
        case Among():
            return passing(where.column, _membership(where))
        case Missing():
            return ~passing(where.column, None)
        case Not():
            return ~select(where.term, passing)
        case And():
            return functools.reduce(np.logical_and, (select(t, passing) for t in where.terms))
        case Or():
            return functools.reduce(np.logical_or, (select(t, passing) for t in where.terms))


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
        hint = "write the name exactly as it is in the metadata"
        raise FilterError(f"{column} could be {' or '.join(alike)}", hint=hint)
    if not fields:
        hint = "give it some: samebut index PHOTOS --metadata TABLE.csv"
        raise FilterError(f"no column {column}: this gallery has no metadata", hint=hint)
    raise FilterError(
        f"no column {column}", hint=f"known columns: {_nearest_first(column, fields)}"
    )


def storable(text: str) -> bool:
    """Whether a store can keep ``text`` as text: whole Unicode characters, none of them NUL."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def _comparison(where: Compare) -> Condition:
    operator, value = where.operator, where.value
    if not isinstance(value, str):
        if operator not in _NUMBER:
            raise FilterError(f"{operator} takes a text", hint=f"write '{value}' in quotes")
        return Condition(_NUMBER[operator], (value,))
    text = Condition(_TEXT[operator], (_folded(value),))
    number = as_number(value)
    if operator not in _ORDERING or number is None:
        return text
    sql = f"CASE WHEN number IS NULL THEN {text.sql} ELSE {_NUMBER[operator]} END"
    return Condition(sql, (*text.parameters, number))


def _membership(where: Among) -> Condition:
    if len(where.values) > MAX_LENGTH:
        raise FilterError(f"more than {MAX_LENGTH:,} values for {where.column}")
    texts = [_folded(value) for value in where.values if isinstance(value, str)]
    numbers = [value for value in where.values if not isinstance(value, str)]
    sql = f"(folded IN ({_marks(texts)}) OR number IN ({_marks(numbers)}))"
    return Condition(sql, (*texts, *numbers))


def _marks(values: Sequence[str] | Sequence[float]) -> str:
    return ", ".join("?" * len(values))


def _folded(value: str) -> str:
    if not storable(value):
        raise FilterError(f"{value!r} is no text", hint="leave the broken characters out")
    folded = fold(value)
    # Folding can make a text eighteen times as long, and SQLite refuses long patterns.
    if len(folded) > MAX_LENGTH:
        raise FilterError(f"a value is longer than {MAX_LENGTH:,} characters")
    return folded


def _nearest_first(column: str, fields: Mapping[str, int]) -> str:
    def likeness(name: str) -> float:
        return difflib.SequenceMatcher(None, fold(column), fold(name)).ratio()

    shown = sorted(fields, key=likeness, reverse=True)[:_NAMES_SHOWN]
    more = len(fields) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
