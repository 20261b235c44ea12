"""The metadata of pictures, in the tables of a store.

It is stored twice: whole for each path, to be shown, and as a list of paths for each value of each
column, to be filtered on and counted. With the lists a filter reads a few rows; with a row for each
picture and column it would scan and join: 0.3 instead of 6 ms for a tenth of 100,000 pictures.

The lists are written by `samebut.index.lists`. Everything here runs inside a transaction of the
caller and knows paths by their ids.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from itertools import chain
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from samebut.catalog import shown
from samebut.errors import MetadataError, StoreDamaged
from samebut.index import lists, selection
from samebut.index.lists import ID, Alike, ColumnChange, Values
from samebut.index.sql import Transaction, found_by, insert
from samebut.index.where import Filter
from samebut.values import Column, fold, is_empty

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

TABLES_4 = (
    # The folded values that have several spellings.
    "CREATE TABLE variant (field_id INTEGER NOT NULL, folded TEXT NOT NULL)",
    "CREATE INDEX variant_folded ON variant (field_id, folded)",
    """INSERT INTO variant SELECT field_id, folded FROM value
        GROUP BY field_id, folded HAVING count(*) > 1""",
    """CREATE INDEX value_common ON value (field_id, length(paths) DESC, folded)
        WHERE length(paths) > 8""",
)
"""Version 4: by these `samebut.index.counting` finds the commonest values of a column without
reading those of one picture."""

TEXTS = "SELECT texts FROM description WHERE id = ?"
"""What is said of one path."""

_quote = json.JSONEncoder(ensure_ascii=False).encode
_quoted = lru_cache(maxsize=1024)(_quote)  # of the names of columns

Columns = Mapping[str, Values]
"""What is said of a picture: the values of each column, none of them where it is empty."""


def cleaned(rows: Mapping[str, Columns]) -> Mapping[str, Columns]:
    """The rows without empty and repeated values; a column whose values are all empty has none.

    Raises:
        MetadataError: a column's name or a text that can't be kept as text.
    """
    # Most values are of several pictures: each is looked at once.
    different = set(chain.from_iterable(columns.values() for columns in rows.values()))
    names = set(chain.from_iterable(rows.values()))
    if not selection.storable("".join(chain(names, chain.from_iterable(different)))):
        _refuse(rows)
    others = {values: own for values in different if (own := _cleaned(values)) != values}
    if not others:
        return rows
    return {
        path: {column: others.get(values, values) for column, values in columns.items()}
        for path, columns in rows.items()
    }


def _cleaned(values: Values) -> Values:
    if len(values) == 1:
        return () if is_empty(values[0]) else values
    return tuple(dict.fromkeys(value for value in values if not is_empty(value)))


def _refuse(rows: Mapping[str, Columns]) -> NoReturn:
    path, column, text = next(
        (path, column, text)
        for path, columns in rows.items()
        for column, texts in columns.items()
        for text in texts or ("",)
        if not (selection.storable(column) and selection.storable(text))
    )
    raise MetadataError(
        f"{path}: {column!r} is {text!r}, which is no text",
        hint="save the table as UTF-8",
    )


def forget_all(connection: Transaction) -> None:
    """Delete all metadata."""
    for table in ("description", "field", "value", "variant"):
        connection.execute(f"DELETE FROM {table}")


def change(
    connection: Transaction,
    described: Mapping[int, Columns | None],
    before: Mapping[int, Columns] | None = None,
) -> None:
    """Replace all metadata of these paths, by id; None: as if the path never had any.

    New columns are added in the order in which they come, also those without a value. The values
    are `cleaned`. ``before`` is what `said_of` these paths gives, if that is known already.
    """
    said = said_of(connection, described) if before is None else before
    changes: defaultdict[str, ColumnChange] = defaultdict(ColumnChange)
    texts: list[tuple[int, str]] = []
    for path_id, columns in described.items():
        old, new = said.get(path_id), columns or {}
        if old:
            for column in dict.fromkeys((*new, *old)):
                changes[column].other(path_id, old.get(column, ()), new.get(column, ()))
            if columns is not None:
                texts.append((path_id, as_json(columns)))
        elif columns is not None:
            members = []
            for column, values in columns.items():
                first = changes[column].first
                alike = first.get(values)
                if alike is None:
                    alike = first[values] = Alike(_member(column, values) if values else "")
                alike.paths.append(path_id)
                if values:
                    members.append(alike.member)
            texts.append((path_id, _object(members)))
    connection.executemany(
        "DELETE FROM description WHERE id = ?",
        [(path_id,) for path_id in described if path_id in said],
    )
    insert(connection, "INSERT INTO description VALUES {rows}", texts)
    known = fields(connection)
    for column, changed in changes.items():
        if column in known:
            lists.change_field(connection, known[column], changed)
        else:
            lists.add_field(connection, column, changed)


def is_described(connection: Transaction, path_id: int) -> bool:
    """Whether a path was ever given metadata, even if every value was empty."""
    row = connection.execute("SELECT 1 FROM description WHERE id = ?", (path_id,)).fetchone()
    return row is not None


def described_paths(connection: Transaction) -> list[int]:
    """Ids of the paths that have at least one value."""
    rows = connection.execute("SELECT id FROM description WHERE texts <> '{}'")
    return [int(number) for (number,) in rows]


def damaged(connection: Transaction) -> list[int]:
    """Ids of paths whose two copies of the metadata differ: one of them is damaged.

    Not checked: how values are interpreted, the numbers that result, and `TABLES_4`.
    """
    names = {number: name for name, number in fields(connection).items()}
    wrong: set[int] = set()
    listed: Counter[int] = Counter()  # by path: the sum of what stands for each of its values
    values = connection.execute("SELECT field_id, text, folded, paths FROM value")
    for field_id, text, folded, paths in values:
        ids = _ids(paths)
        if field_id not in names or fold(text) != folded:
            wrong.update(ids)
        for number in ids:
            listed[number] += hash((names.get(field_id), text))
    for name, paths in connection.execute("SELECT name, paths FROM field"):
        for number in _ids(paths):
            listed[number] += hash(name)
    for number, texts in connection.execute("SELECT id, texts FROM description"):
        try:
            columns = from_json(texts)
        except StoreDamaged:
            wrong.add(number)
            continue
        told = sum(hash((column, text)) for column in columns for text in columns[column])
        if told + sum(map(hash, columns)) != listed.pop(number, 0):
            wrong.add(number)
    return sorted({*wrong, *listed})


def said_of(connection: Transaction, ids: Iterable[int]) -> dict[int, dict[str, tuple[str, ...]]]:
    """Column to values, for those of the paths that were ever given metadata."""
    every = "SELECT id, texts FROM description WHERE id IN ({keys})"
    return {number: from_json(texts) for number, texts in found_by(connection, every, ids)}


def as_shown(row: tuple[str] | None) -> dict[str, str]:
    """Column to text, of a row that `TEXTS` found; several values are one text."""
    return {c: shown(values) for c, values in from_json(row[0]).items()} if row else {}


def as_json(columns: Columns) -> str:
    """Columns that have a value, as they are kept: one as a text, several as a list."""
    return _object([_member(column, values) for column, values in columns.items() if values])


def _object(members: Iterable[str]) -> str:
    return f"{{{', '.join(members)}}}"


def _member(column: str, values: Values) -> str:
    return f"{_quoted(column)}: {_quote(values[0] if len(values) == 1 else values)}"


def told(columns: Columns) -> Columns:
    """The columns that have a value."""
    return {column: values for column, values in columns.items() if values}


def from_json(texts: str) -> dict[str, tuple[str, ...]]:
    """What `as_json` was given. Raises StoreDamaged."""
    try:
        return {
            column: (value,) if isinstance(value, str) else tuple(map(str, value))
            for column, value in json.loads(texts).items()
        }
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise StoreDamaged(
            "the store's metadata is damaged",
            hint="move the store's file away and index again; your pictures are not touched",
        ) from error


def fields(connection: Transaction) -> dict[str, int]:
    """Id of each column, in the order they were given."""
    return dict(connection.execute("SELECT name, id FROM field ORDER BY id"))


def select(
    connection: Transaction,
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
        number = selection.field_id(column, known)
        if test is None:
            rows = connection.execute("SELECT paths FROM field WHERE id = ?", (number,))
        else:
            condition = test(_understood(connection, number))
            rows = connection.execute(
                f"SELECT paths FROM value WHERE field_id = ? AND {condition.sql}",
                (number, *condition.parameters),
            )
        return among(np.frombuffer(b"".join(chain.from_iterable(rows)), ID))

    return selection.select(where, passing)


def understood(connection: Transaction) -> dict[str, Column | None]:
    """How the values of each column are interpreted; None in a store of a version that did not."""
    rows = connection.execute("SELECT name, understood FROM field ORDER BY id")
    return {name: None if kept is None else Column.from_json(kept) for name, kept in rows}


def _understood(connection: Transaction, number: int) -> Column:
    row = connection.execute("SELECT understood FROM field WHERE id = ?", (number,)).fetchone()
    return Column.from_json(row[0])


def _ids(paths: bytes) -> list[int]:
    """The ids of a list; a truncated last one is dropped."""
    numbers: list[int] = np.frombuffer(paths, ID, len(paths) // ID.itemsize).tolist()
    return numbers


def indexed(connection: Transaction) -> NDArray[np.int64]:
    """Ids of the pictures that are indexed, ascending."""
    # Two statements: in one, SQLite scans the table; separately, it counts an index and reads its
    # last entry.
    (count,) = connection.execute("SELECT count(*) FROM picture").fetchone()
    (last,) = connection.execute("SELECT max(id) FROM picture").fetchone()
    if count == last:  # no id is missing
        return np.arange(1, count + 1, dtype=np.int64)
    rows = connection.execute("SELECT id FROM picture ORDER BY id")
    return np.fromiter(chain.from_iterable(rows), np.int64)
