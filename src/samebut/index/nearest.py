"""Why a filter lets nothing through: which values come nearest to those it asked for.

Reads the metadata inside a transaction of the caller, and only when nothing was found.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from samebut.index import counting, metadata, selection
from samebut.index.counting import Value
from samebut.index.sql import Transaction
from samebut.index.where import Among, And, Compare, Filter, Missing, Not, Or
from samebut.values import Column, fold, is_empty

_SHOWN = 5
_LOOKED_AT = 2_000  # values of a column: comparing texts takes 0.1 ms for each
_LONGEST = 200  # characters of a value that are compared
_ALIKE = 0.5

Test = Compare | Among | Missing


def why_nothing(
    connection: Transaction,
    where: Filter,
    passing: Callable[[Filter], NDArray[np.int64]],
) -> list[str]:
    """Sentences about the tests of ``where`` that no picture passes, as ``passing`` answers; empty
    if some picture passes ``where``.

    Raises:
        FilterError: an unknown column, or a value that can't be compared.
    """
    if passing(where).size:
        return []
    columns, known = metadata.understood(connection), metadata.fields(connection)
    said = []
    for test in dict.fromkeys(_tests(where)):
        if not passing(test).size:
            name = selection.field_of(test.column, known)
            values = counting.values_of(connection, name)
            said.append(_about(name, test, values, columns[name] or Column()))
    return said or ["some pictures pass each test of the filter, and none passes all of it"]


def _tests(where: Filter) -> Iterator[Test]:
    """All tests of a filter, but for those inside ``not``."""
    match where:
        case And(terms) | Or(terms):
            for term in terms:
                yield from _tests(term)
        case Not():
            return
        case _:
            yield where


def _about(name: str, test: Test, values: Sequence[Value], column: Column) -> str:
    if isinstance(test, Missing):
        return f"{name}: every picture has a value"
    if not values:
        return f"{name}: no picture has a value"
    asked = test.values if isinstance(test, Among) else (test.value,)
    texts = [value for value in asked if isinstance(value, str)]
    if texts and all(map(is_empty, texts)):
        return f"{name}: {_quoted(texts[0])} counts as no value; write {name} is null"
    if any(not isinstance(value, str) or column.by_value for value in asked):
        return _numbers(name, test, values, column)
    return f"{name}: no picture has {_asked(test)}; nearest: {_listed(_nearest(texts[0], values))}"


def _numbers(name: str, test: Compare | Among, values: Sequence[Value], column: Column) -> str:
    numbers = [value for value in values if value.number is not None]
    others = [value for value in values if value.number is None]
    said = f"{name}: no picture has {_asked(test)}"
    if numbers:
        low = min(numbers, key=lambda value: value.number or 0)
        high = max(numbers, key=lambda value: value.number or 0)
        said += f"; they go from {_quoted(low.text)} to {_quoted(high.text)}"
        said += f", read as {column}" if column.kind != "text" else ""
    if others:
        count = sum(value.pictures for value in others)
        what = "numbers" if column.kind in ("text", "number") else str(column)
        said += f"; {count:,} could not be read as {what}: {_listed(others)}"
    return said


def _nearest(asked: str, values: Sequence[Value]) -> list[Value]:
    """The values that are spelled most like ``asked`` or contain it; the commonest if there are
    none."""
    wanted = fold(asked).strip(" %_")[:_LONGEST]

    def likeness(value: Value) -> float:
        text = fold(value.text)[:_LONGEST]
        held = bool(wanted) and (wanted in text or text in wanted)
        return held + difflib.SequenceMatcher(None, wanted, text).ratio()

    scored = [(likeness(value), value) for value in values[:_LOOKED_AT]]
    alike = sorted((s for s in scored if s[0] >= _ALIKE), key=lambda s: -s[0])
    return [value for _, value in alike] or list(values)


def _asked(test: Compare | Among) -> str:
    if isinstance(test, Among):
        return "any of " + ", ".join(
            _quoted(v) if isinstance(v, str) else f"{v:g}" for v in test.values[:_SHOWN]
        )
    value = _quoted(test.value) if isinstance(test.value, str) else f"{test.value:g}"
    return value if test.operator == "=" else f"{test.operator} {value}"


def _listed(values: Sequence[Value]) -> str:
    shown = ", ".join(f"{_quoted(v.text)} ({v.pictures:,})" for v in values[:_SHOWN])
    more = len(values) - _SHOWN
    return shown + (f" and {more:,} more" if more > 0 else "")


def _quoted(text: str) -> str:
    return f"'{text[:60]}{'…' if len(text) > 60 else ''}'"
