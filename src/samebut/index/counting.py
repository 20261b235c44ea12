"""How many pictures have each value of a column, without reading every rare value.

A column may have a value of its own for each picture, as titles do, and reading a million of them
takes seconds. The commonest are found by the length of their lists of paths, an upper bound for any
filter; rarer values are read only while they can still be among the results.

Everything here runs inside a transaction of the caller and reads the tables of
`samebut.index.metadata`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from heapq import nsmallest
from itertools import chain, groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from samebut.index import metadata, selection
from samebut.index.lists import ID
from samebut.index.sql import Transaction, found_by
from samebut.values import fold

READ_WHOLE = 10_000
"""Values of a column: of one that has no more, all are read, which takes 25 ms."""

_HEAD = 1_000  # commonest values of a longer column
_ROWS_A_PICTURE = 4  # values that are read in the time of one picture's description
_AT_ONCE = 1_000  # rare values read in one statement
_SPREAD = 2_654_435_761  # Knuth's multiplicative hash: ids of one column may be periodic

_SPELLINGS = "SELECT folded, text, paths FROM value WHERE field_id = ?"
_VALUES = "SELECT id, text, number, paths FROM value WHERE field_id = ?"

Ids = NDArray[np.int64]
Facet = tuple[int, str, str]
"""Minus the number of pictures, the folded value, and its commonest spelling: they sort so."""


class Value(NamedTuple):
    """A value of a column, its number if it is compared as one, and how many pictures have it."""

    text: str
    number: float | None
    pictures: int


class ColumnHead(NamedTuple):
    """The commonest values of a column that has many: ``values``, folded, and ``next``, the first
    two fields of the `Facet` of the commonest value outside of them. If that value has one picture,
    all remaining values have one picture and one spelling."""

    values: frozenset[str]
    next: tuple[int, str]


@dataclass
class Counting:
    """Counts at one state of the store. The heads of its columns are found once."""

    heads: dict[int, ColumnHead | None] = field(default_factory=dict)

    def facets(
        self, connection: Transaction, limit: int, passing: Callable[[str], Ids]
    ) -> dict[str, list[tuple[str, int]]]:
        """The ``limit`` commonest values of each column among the pictures that ``passing`` gives
        for the column, by rising id; equal counts are in the order of the folded values."""
        found: dict[str, list[tuple[str, int]]] = {}
        chosen = _Chosen(connection, np.empty(0, np.int64))
        for name, number in metadata.fields(connection).items():
            if (ids := passing(name)) is not chosen.ids:
                chosen = _Chosen(connection, ids)
            best = self._commonest(connection, name, number, limit, chosen)
            found[name] = [(text, -count) for count, _, text in best]
        return found

    def values_of(
        self, connection: Transaction, column: str, also: Iterable[str] = ()
    ) -> tuple[list[Value], bool]:
        """The values of a column among the indexed pictures, the commonest first, and whether these
        are all. If not, they are the commonest, those that fold to one of ``also``, and a sample of
        all."""
        number = metadata.fields(connection)[column]
        head = self._head(connection, number)
        if head is None:
            return values_of(connection, column), True
        step = _how_many(connection, number) // READ_WHOLE
        sample = connection.execute(f"{_VALUES} AND id * {_SPREAD} / 65536 % ? = 0", (number, step))
        rows = [*sample, *_named(connection, number, {*head.values, *also})]
        return _values(connection, list(dict.fromkeys(rows))), False

    def _head(self, connection: Transaction, number: int) -> ColumnHead | None:
        """None for a column of which all values are read."""
        if number not in self.heads:
            self.heads[number] = _head(connection, number)
        return self.heads[number]

    def _commonest(
        self, connection: Transaction, name: str, number: int, limit: int, chosen: _Chosen
    ) -> list[Facet]:
        head = self._head(connection, number)
        if head is not None:
            rows = found_by(
                connection,
                f"SELECT folded, text, paths FROM value WHERE field_id = {number}"
                " AND folded IN ({keys})",
                sorted(head.values),
            )
            best = nsmallest(limit, _counted(sorted(rows), chosen.marks))
            if len(best) == limit and best[-1][:2] <= head.next:
                return best  # no other value has more pictures than this one, filtered or not
            affordable = _ROWS_A_PICTURE * len(chosen.ids)
            if head.next[0] == -1:
                whole = _with_rare(connection, number, head, limit, chosen, best, affordable)
                if whole is not None:
                    return whole
            if affordable < _how_many(connection, number, affordable + 1):
                return nsmallest(limit, chosen.described(name))
        every = connection.execute(f"{_SPELLINGS} ORDER BY folded", (number,)).fetchall()
        return nsmallest(limit, _counted(every, chosen.marks))


@dataclass
class _Chosen:
    """Some pictures, by rising id."""

    connection: Transaction
    ids: Ids

    @cached_property
    def marks(self) -> NDArray[np.bool_]:
        """A mask over ids: whether each is chosen. The last element, False, stands for ids beyond
        the end."""
        marks = np.zeros(int(self.ids.max(initial=0)) + 2, np.bool_)
        marks[self.ids] = True
        return marks

    @cached_property
    def _said(self) -> Sequence[metadata.Columns]:
        return [*metadata.said_of(self.connection, self.ids.tolist()).values()]

    def described(self, column: str) -> Iterator[Facet]:
        """Their values in a column, read from their descriptions."""
        texts = Counter(chain.from_iterable(each.get(column, ()) for each in self._said))
        return _grouped(sorted((fold(text), text, count) for text, count in texts.items()))


def values_of(connection: Transaction, column: str) -> list[Value]:
    """All that the indexed pictures have in a column, the commonest first.

    Raises:
        FilterError: an unknown column.
    """
    number = selection.field_id(column, metadata.fields(connection))
    rows = connection.execute(f"{_VALUES} ORDER BY id", (number,)).fetchall()
    return _values(connection, rows)


def values_named(
    connection: Transaction, columns: Iterable[str], folded: Iterable[str]
) -> list[tuple[str, Value]]:
    """Those of the values that fold to one of these, with their columns. A column that has left
    has none."""
    known, asked = metadata.fields(connection), set(folded)
    return [
        (column, value)
        for column in columns
        if column in known
        for value in _values(connection, list(_named(connection, known[column], asked)))
    ]


def _values(connection: Transaction, rows: Sequence[tuple[int, str, float, bytes]]) -> list[Value]:
    marks = _Chosen(connection, metadata.indexed(connection)).marks
    counts = _counts([paths for *_, paths in rows], marks)
    found = [
        Value(text, number, count)
        for (_, text, number, _), count in zip(rows, counts, strict=True)
        if count
    ]
    return sorted(found, key=lambda value: -value.pictures)


def _named(
    connection: Transaction, number: int, folded: Iterable[str]
) -> Iterator[tuple[int, str, float, bytes]]:
    sql = f"SELECT id, text, number, paths FROM value WHERE field_id = {number}"
    return found_by(connection, f"{sql} AND folded IN ({{keys}})", sorted(folded))


def _how_many(connection: Transaction, number: int, most: int | None = None) -> int:
    """The values of a column, counted up to ``most``: counting a million takes 50 ms."""
    some = "SELECT 1 FROM value WHERE field_id = ?"
    limited = some if most is None else f"{some} LIMIT {most}"
    (count,) = connection.execute(
        f"SELECT count(*) FROM ({limited}) AS found", (number,)
    ).fetchone()
    return int(count)


def _head(connection: Transaction, number: int) -> ColumnHead | None:
    if _how_many(connection, number, READ_WHOLE + 1) <= READ_WHOLE:
        return None
    variants = connection.execute("SELECT folded FROM variant WHERE field_id = ?", (number,))
    spelled = [
        *found_by(
            connection,
            f"SELECT folded, length(paths) FROM value WHERE field_id = {number}"
            " AND folded IN ({keys})",
            [folded for (folded,) in variants],
        )
    ]
    totals: Counter[str] = Counter()
    for folded, length in spelled:
        totals[folded] += length // ID.itemsize
    common = connection.execute(
        """SELECT folded, length(paths) FROM value WHERE field_id = ? AND length(paths) > 8
            ORDER BY length(paths) DESC, folded LIMIT ?""",
        (number, _HEAD + 1 + len(spelled)),  # enough that are spelled in one way
    )
    for folded, length in common:
        totals.setdefault(folded, length // ID.itemsize)
    first = nsmallest(_HEAD + 1, ((-total, folded) for folded, total in totals.items()))
    return ColumnHead(
        frozenset(folded for _, folded in first[:_HEAD]),
        first[_HEAD] if len(first) > _HEAD else (-1, ""),
    )


def _with_rare(
    connection: Transaction,
    number: int,
    head: ColumnHead,
    limit: int,
    chosen: _Chosen,
    best: list[Facet],
    most: int,
) -> list[Facet] | None:
    """The ``limit`` commonest, if the ``best`` of the head and values of one picture each are all
    there are. None if they are not among the first ``most`` of these."""
    rare = f"{_SPELLINGS} AND folded {{}} ? ORDER BY folded LIMIT {_AT_ONCE}"
    rows = connection.execute(rare.format(">="), (number, "")).fetchall()
    for _ in range(0, most, _AT_ONCE):
        if not rows:
            return best
        last = rows[-1][0]
        outside = [row for row in rows if row[0] not in head.values]
        best = nsmallest(limit, chain(best, _counted(outside, chosen.marks)))
        if len(best) == limit and best[-1][:2] <= (-1, last):
            return best
        rows = connection.execute(rare.format(">"), (number, last)).fetchall()
    return None


def _counted(rows: Sequence[tuple[str, str, bytes]], marks: NDArray[np.bool_]) -> Iterator[Facet]:
    """Facets of the values that marked pictures have, from rows (folded, text, paths) in the order
    of the folded texts."""
    counts = _counts([paths for *_, paths in rows], marks)
    return _grouped(
        [(folded, text, count) for (folded, text, _), count in zip(rows, counts, strict=True)]
    )


def _grouped(spellings: Iterable[tuple[str, str, int]]) -> Iterator[Facet]:
    """Facets of rows (folded, text, pictures), which are in the order of the folded texts."""
    for folded, group in groupby(spellings, lambda spelling: spelling[0]):
        alike = [(count, text) for _, text, count in group]
        if total := sum(count for count, _ in alike):
            yield -total, folded, max(alike)[1]


def _counts(lists: Sequence[bytes], marks: NDArray[np.bool_]) -> list[int]:
    """How many of the ids in each list, none of them empty, have a mark."""
    if not lists:
        return []
    ids = np.frombuffer(b"".join(lists), ID)
    if len(ids) and not 0 <= int(ids.min()) <= int(ids.max()) < len(marks):
        ids = np.clip(ids, -1, len(marks) - 1)  # beyond both ends is the mark of nothing
    lengths = np.fromiter((len(ids) // ID.itemsize for ids in lists), np.int64)
    counts: list[int] = np.add.reduceat(
        marks[ids], np.cumsum(lengths) - lengths, dtype=np.int64
    ).tolist()
    return counts
