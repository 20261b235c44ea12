"""The lists of paths of each value of each column, by which pictures are filtered and counted.

`samebut.index.metadata` says what changes. Everything here runs inside a transaction of the caller.
"""

from __future__ import annotations

import struct
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from samebut.index.sql import Ids, Transaction, found_by, insert
from samebut.values import fold, read_cells

_SORTED = 10_000
"""Values. More new ones are stored in the order of the index on them: in another, SQLite reads and
writes its pages again and again (twice the time for a million)."""

_LONG = 1_000  # ids: fewer are sorted in less time by Python

_INSERT_VARIANTS = "INSERT INTO variant VALUES {rows}"

ID = np.dtype("<i8")
"""Of a list of paths."""

Values = tuple[str, ...]
"""Of one path in one column."""


class Alike:
    """The ``paths`` that are described for the first time, and with the same values in a column;
    ``member`` says these in JSON. Most values are of many paths and are written once."""

    __slots__ = ("member", "paths")

    def __init__(self, member: str) -> None:
        self.member = member
        self.paths: list[int] = []


@dataclass
class ColumnChange:
    """What changes in a column: ``first`` for paths that had no metadata, `other` for others."""

    first: dict[Values, Alike] = field(default_factory=dict)
    added: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    removed: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    filled: list[int] = field(default_factory=list)
    emptied: list[int] = field(default_factory=list)

    def other(self, path_id: int, old: Values, new: Values) -> None:
        """Change the values of a path."""
        for text in new:
            if text not in old:
                self.added[text].append(path_id)
        for text in old:
            if text not in new:
                self.removed[text].append(path_id)
        if new and not old:
            self.filled.append(path_id)
        if old and not new:
            self.emptied.append(path_id)

    def gather(self) -> None:
        """Add what is in ``first`` to the lists."""
        for values, alike in self.first.items():
            if values:
                self.filled += alike.paths
            for text in values:
                self.added[text] += alike.paths
        self.first.clear()


_NewValue = tuple[int, str, str, float | None, Ids]
"""Column, text, folded text, number and paths."""


class _StoredValue(NamedTuple):
    """A row of the table ``value``."""

    id: int
    text: str
    folded: str
    paths: bytes


def add_field(connection: Transaction, name: str, changed: ColumnChange) -> None:
    """Store a column that is new, with all its values."""
    changed.gather()
    column, numbers = read_cells({text: len(ids) for text, ids in changed.added.items()})
    (field_id,) = connection.execute(
        "INSERT INTO field (name, paths, understood) VALUES (?, ?, ?) RETURNING id",
        (name, _changed(b"", changed.filled, ()), column.as_json()),
    ).fetchone()
    values: list[_NewValue] = [
        (field_id, text, fold(text), numbers.get(text), _changed(b"", ids, ()))
        for text, ids in changed.added.items()
    ]
    _insert_values(connection, values)
    spellings = [folded for _, _, folded, _, _ in values]
    if len(set(spellings)) < len(spellings):
        variants = [folded for folded, count in Counter(spellings).items() if count > 1]
        insert(connection, _INSERT_VARIANTS, [(field_id, folded) for folded in variants])


def change_field(connection: Transaction, field_id: int, changed: ColumnChange) -> None:
    """Change the lists of a column that is stored."""
    changed.gather()
    if changed.filled or changed.emptied:
        (paths,) = connection.execute(
            "SELECT paths FROM field WHERE id = ?", (field_id,)
        ).fetchone()
        connection.execute(
            "UPDATE field SET paths = ? WHERE id = ?",
            (_changed(paths, changed.filled, changed.emptied), field_id),
        )
    there = _spelled_alike(connection, field_id, chain(changed.added, changed.removed))
    _change_values(connection, field_id, changed, there)
    _understand(connection, field_id)


def _insert_values(connection: Transaction, rows: list[_NewValue]) -> None:
    if len(rows) > _SORTED:
        rows.sort(key=itemgetter(2))
    sql = "INSERT INTO value (field_id, text, folded, number, paths) VALUES {rows}"
    insert(connection, sql, rows)


def _spelled_alike(
    connection: Transaction, field_id: int, texts: Iterable[str]
) -> list[_StoredValue]:
    """The values of a column that are one of the texts or fold to the same."""
    rows = found_by(
        connection,
        f"SELECT id, text, folded, paths FROM value WHERE field_id = {field_id}"
        " AND folded IN ({keys})",
        dict.fromkeys(map(fold, texts)),
    )
    return [_StoredValue(*row) for row in rows]


def _change_values(
    connection: Transaction, field_id: int, changed: ColumnChange, there: Sequence[_StoredValue]
) -> None:
    known = {value.text for value in there}
    new: list[_NewValue] = [
        (field_id, text, fold(text), None, _changed(b"", ids, ()))
        for text, ids in changed.added.items()
        if text not in known
    ]
    other: list[tuple[Ids, _StoredValue]] = []
    for value in there:
        added, removed = changed.added.get(value.text, ()), changed.removed.get(value.text, ())
        if added or removed:
            other.append((_changed(value.paths, added, removed), value))
    gone = [value for paths, value in other if not paths]
    _insert_values(connection, new)
    connection.executemany(
        "UPDATE value SET paths = ? WHERE id = ?",
        [(paths, value.id) for paths, value in other if paths],
    )
    connection.executemany("DELETE FROM value WHERE id = ?", [(value.id,) for value in gone])
    before = Counter(value.folded for value in there)
    after = before.copy()
    after.update(folded for _, _, folded, _, _ in new)
    after.subtract(value.folded for value in gone)
    insert(
        connection,
        _INSERT_VARIANTS,
        [(field_id, folded) for folded, n in after.items() if n > 1 >= before[folded]],
    )
    connection.executemany(
        "DELETE FROM variant WHERE field_id = ? AND folded = ?",
        [(field_id, folded) for folded, n in before.items() if n > 1 >= after[folded]],
    )


def _understand(connection: Transaction, field_id: int) -> None:
    """Read a column's values as a whole again: what one of them means depends on the others."""
    rows = connection.execute(
        "SELECT id, text, number, length(paths) / ? FROM value WHERE field_id = ?",
        (ID.itemsize, field_id),
    ).fetchall()
    column, numbers = read_cells({text: count for _, text, _, count in rows})
    connection.execute("UPDATE field SET understood = ? WHERE id = ?", (column.as_json(), field_id))
    read = [(numbers.get(text), before, number) for number, text, before, _ in rows]
    connection.executemany(
        "UPDATE value SET number = ? WHERE id = ?",
        [(now, number) for now, before, number in read if now != before],
    )


def _changed(paths: bytes, added: Sequence[int], removed: Sequence[int]) -> Ids:
    if not paths and not removed and len(added) == 1:  # most are, where each picture has its own
        return Ids(added[0].to_bytes(ID.itemsize, "little", signed=True))
    if not paths and not removed and len(added) < _LONG:
        return Ids(struct.pack(f"<{len(added)}q", *sorted(added)))
    ids = np.sort(np.concatenate([np.frombuffer(paths, ID), np.array(added, ID)]))
    # Not np.unique, which takes ten times as long.
    ids = ids[np.diff(ids, prepend=ids[:1] - 1) > 0]
    left = np.setdiff1d(ids, np.array(removed, ID), assume_unique=True)
    return Ids(left.astype(ID).tobytes())
