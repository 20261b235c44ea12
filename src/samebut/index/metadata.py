"""What is said about pictures, in the tables of `samebut.index.local`.

It is kept twice, for the two ways it is asked for: whole for each path, to be shown, and as one
list of paths for each value of each column, to be filtered on and counted. The second turns a
filter into reading a few lists, where a row for each picture and column would be scanned and
joined: 0.3 instead of 6 ms for a tenth of 100,000 pictures.

Everything here runs inside a transaction of the caller and knows paths by their ids.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from heapq import nsmallest
from itertools import chain, groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from samebut.errors import MetadataError
from samebut.index import selection
from samebut.index.where import Filter
from samebut.values import Column, fold, is_empty, understand

TABLES_1 = (
    "CREATE TABLE description (id INTEGER PRIMARY KEY, texts TEXT NOT NULL)",
    "CREATE TABLE field (id INTEGER PRIMARY KEY, name TEXT NOT NULL, paths BLOB NOT NULL)",
    """CREATE TABLE value (id INTEGER PRIMARY KEY, field_id INTEGER NOT NULL,
        text TEXT NOT NULL, folded TEXT NOT NULL, number REAL, paths BLOB NOT NULL)""",
    "CREATE INDEX value_folded ON value (field_id, folded)",
)
"""As schema version 1 of the store makes them."""

TABLES_2 = ("ALTER TABLE field ADD COLUMN understood TEXT",)
"""Version 2: how the values of a column are read (`samebut.values.Column`); NULL in a store whose
metadata is older."""

_ID = np.dtype("<i8")


class Value(NamedTuple):
    """A value of a column, what it is compared by besides its text, and how many pictures have
    it."""

    text: str
    number: float | None
    pictures: int


def check(rows: Mapping[str, Mapping[str, str]]) -> None:
    """Refuse, with `MetadataError`, column names and texts that can't be kept as text."""
    for path, columns in rows.items():
        for column, text in columns.items():
            if not (selection.storable(column) and selection.storable(text)):
                raise MetadataError(
                    f"{path}: {column!r} is {text!r}, which is no text",
                    hint="save the table as UTF-8",
                )


def replace(connection: sqlite3.Connection, described: Mapping[int, Mapping[str, str]]) -> None:
    """Forget everything that was said, and keep this: path id to column to text."""
    for table in ("description", "field", "value"):
        connection.execute(f"DELETE FROM {table}")
    connection.executemany(
        "INSERT INTO description VALUES (?, ?)",
        ((path_id, _as_json(columns)) for path_id, columns in described.items()),
    )
    for field, (name, paths_of) in enumerate(_inverted(described).items(), start=1):
        _insert_field(connection, field, name, paths_of)


def of(connection: sqlite3.Connection, path_id: int) -> dict[str, str]:
    """Column to text of one path."""
    row = connection.execute("SELECT texts FROM description WHERE id = ?", (path_id,)).fetchone()
    found: dict[str, str] = json.loads(row[0]) if row else {}
    return found


def fields(connection: sqlite3.Connection) -> dict[str, int]:
    """Id of each column, in the order they were given."""
    return dict(connection.execute("SELECT name, id FROM field ORDER BY id"))


def facets(connection: sqlite3.Connection, limit: int) -> dict[str, list[tuple[str, int]]]:
    """The ``limit`` commonest values of each column among the indexed pictures."""
    names = {field: name for name, field in fields(connection).items()}
    rows = connection.execute(
        "SELECT field_id, folded, text, paths FROM value ORDER BY field_id, folded, id"
    ).fetchall()
    counts = _counts(connection, [paths for *_, paths in rows])
    found: dict[str, list[tuple[str, int]]] = {name: [] for name in names.values()}
    for (field, _), group in groupby(zip(rows, counts, strict=True), lambda pair: pair[0][:2]):
        spellings = [(count, row[2]) for row, count in group]
        total = sum(count for count, _ in spellings)
        if total:
            found[names[field]].append((max(spellings)[1], total))
    return {
        name: nsmallest(limit, values, key=lambda value: (-value[1], value[0]))
        for name, values in found.items()
    }


def select(
    connection: sqlite3.Connection,
    where: Filter,
    among: Callable[[NDArray[np.int64]], NDArray[np.bool_]],
) -> NDArray[np.bool_]:
    """The pictures a filter lets through, as ``among`` marks those with given path ids.

    Reads the tables ``field`` and ``value``, which hold metadata and nothing else.

    Raises:
        FilterError: an unknown column, or a value that can't be compared.
    """
    known = fields(connection)

    def passing(column: str, test: selection.Test | None) -> NDArray[np.bool_]:
        field = selection.field_id(column, known)
        if test is None:
            rows = connection.execute("SELECT paths FROM field WHERE id = ?", (field,))
        else:
            condition = test(_understood(connection, field))
            rows = connection.execute(
                f"SELECT paths FROM value WHERE field_id = ? AND {condition.sql}",
                (field, *condition.parameters),
            )
        return among(np.frombuffer(b"".join(chain.from_iterable(rows)), _ID))

    return selection.select(where, passing)


def values_of(connection: sqlite3.Connection, column: str) -> list[Value]:
    """What the indexed pictures have in a column, the commonest first.

    Raises:
        FilterError: an unknown column.
    """
    field = selection.field_id(column, fields(connection))
    rows = connection.execute(
        "SELECT text, number, paths FROM value WHERE field_id = ? ORDER BY id", (field,)
    ).fetchall()
    counts = _counts(connection, [paths for *_, paths in rows])
    found = [
        Value(text, number, count)
        for (text, number, _), count in zip(rows, counts, strict=True)
        if count
    ]
    return sorted(found, key=lambda value: -value.pictures)


def understood(connection: sqlite3.Connection) -> dict[str, Column | None]:
    """How the values of each column are read; None if the store is from before they were."""
    rows = connection.execute("SELECT name, understood FROM field ORDER BY id")
    return {name: None if kept is None else Column.from_json(kept) for name, kept in rows}


def _understood(connection: sqlite3.Connection, field: int) -> Column:
    row = connection.execute("SELECT understood FROM field WHERE id = ?", (field,)).fetchone()
    return Column.from_json(row[0])


def _as_json(columns: Mapping[str, str]) -> str:
    return json.dumps({name: text for name, text in columns.items() if text}, ensure_ascii=False)


def _inverted(described: Mapping[int, Mapping[str, str]]) -> dict[str, dict[str, list[int]]]:
    """Column to text to the ids of the paths that have it; a column without any value is kept."""
    inverted: dict[str, dict[str, list[int]]] = {}
    for path_id, columns in described.items():
        for column, text in columns.items():
            paths_of = inverted.setdefault(column, {})
            if not is_empty(text):
                paths_of.setdefault(text, []).append(path_id)
    return inverted


def _insert_field(
    connection: sqlite3.Connection, field: int, name: str, paths_of: Mapping[str, list[int]]
) -> None:
    every = np.fromiter(chain.from_iterable(paths_of.values()), _ID)
    column = understand({text: len(ids) for text, ids in paths_of.items()})
    connection.execute(
        "INSERT INTO field (id, name, paths, understood) VALUES (?, ?, ?, ?)",
        (field, name, every.tobytes(), column.as_json()),
    )
    connection.executemany(
        "INSERT INTO value (field_id, text, folded, number, paths) VALUES (?, ?, ?, ?, ?)",
        (
            (field, text, fold(text), column.number(text), np.array(ids, _ID).tobytes())
            for text, ids in paths_of.items()
        ),
    )


def _counts(connection: sqlite3.Connection, lists: Sequence[bytes]) -> list[int]:
    """How many of the ids in each list, none of them empty, are indexed."""
    if not lists:
        return []
    pictures = connection.execute("SELECT id FROM picture")
    indexed = np.fromiter(chain.from_iterable(pictures), np.int64)
    present = np.isin(np.frombuffer(b"".join(lists), _ID), indexed)
    lengths = np.fromiter((len(ids) // _ID.itemsize for ids in lists), np.int64)
    counts: list[int] = np.add.reduceat(
        present, np.cumsum(lengths) - lengths, dtype=np.int64
    ).tolist()
    return counts
