"""The metadata of a store in any database: stored, filtered on, counted and listed.

It puts the rows of `samebut.index.store` together with `samebut.index.metadata` and
`samebut.index.rows`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from samebut.garbage import no_garbage
from samebut.index import Changes, Entry, Reading, TableRow, counting, metadata, nearest, selection
from samebut.index import rows as table_rows
from samebut.index.counting import Counting, Value
from samebut.index.metadata import Columns
from samebut.index.paths import give_ids, given, kept
from samebut.index.sql import Transaction, Transactions
from samebut.index.store import Store, StoredModel
from samebut.index.vocabulary import ColumnValues, Vocabulary
from samebut.index.where import Filter, parse
from samebut.language.labels import Labels
from samebut.values import Column

_Facets = dict[str, list[tuple[str, int]]]
_FACETS_KEPT = 100  # filters, while nothing changes


@dataclass
class _Counted:
    """What was counted at one ``state`` of the store."""

    state: object
    counting: Counting = field(default_factory=Counting)
    facets: dict[tuple[int, Filter | None], _Facets] = field(default_factory=dict)


class DescribedStore(Store):
    """A store with metadata about its pictures.

    Methods without a docstring here do what `samebut.index.Index` says.
    """

    def __init__(self, database: Transactions, model: StoredModel) -> None:
        super().__init__(database, model)
        self._vocabulary: tuple[object, Vocabulary] | None = None
        self._counted: _Counted | None = None

    def pictures(self, ids: Sequence[int]) -> list[Entry]:
        with self.snapshot():
            entries = self.entries(ids)
            said = self._each(metadata.TEXTS, [entry.id for entry in entries])
            return [
                replace(entry, metadata=metadata.as_shown(row))
                for entry, row in zip(entries, said, strict=True)
            ]

    def set_metadata(self, rows: Mapping[str, Mapping[str, str]]) -> None:
        """Replace all metadata: path to column to text. An empty text is a missing value.

        Paths need not be indexed: metadata of a path applies once it is.

        Raises:
            MetadataError: a name or text with broken characters or a NUL.
        """
        with no_garbage():
            described = metadata.cleaned(
                {path: {c: (text,) for c, text in row.items()} for path, row in rows.items()}
            )
            by_name = {kept(path): columns for path, columns in described.items()}
            with self._database.writing() as connection:
                ids = give_ids(connection, by_name)
                metadata.forget_all(connection)
                table_rows.forget_all(connection)
                metadata.change(connection, {ids[name]: row for name, row in by_name.items()})

    def describe(
        self,
        rows: Mapping[str, Columns],
        places: Mapping[str, str | None],
        *,
        afresh: bool = False,
    ) -> Changes:
        """Store rows of a table by the name they give their picture. ``places`` maps each name to
        the path that gets the row's values (None: no picture matches yet); rows stored earlier may
        get another path.

        A row's cells replace earlier values of the same columns, an empty cell clears the value;
        other columns stay. ``afresh`` deletes all earlier metadata first.

        Raises:
            MetadataError: a name or text with broken characters or a NUL.
        """
        with no_garbage():
            described = metadata.cleaned(rows)
            by_name = {name: None if path is None else kept(path) for name, path in places.items()}
            with self._database.writing() as connection:
                if afresh:
                    metadata.forget_all(connection)
                    table_rows.forget_all(connection)
                ids = give_ids(connection, [path for path in by_name.values() if path is not None])
                moves = {
                    name: None if path is None else ids[path] for name, path in by_name.items()
                }
                return table_rows.describe(connection, described, moves)

    def follow(self) -> int:
        with self._database.writing() as connection:
            return table_rows.follow(connection)

    def damaged_metadata(self) -> list[str]:
        """Paths whose metadata is not as it was written (`samebut.index.metadata.damaged`)."""
        with self.snapshot() as connection:
            names = dict(connection.execute("SELECT id, name FROM path"))
            numbers = metadata.damaged(connection)
        return [given(names[n]) if n in names else "a path that is lost" for n in numbers]

    def table_rows(self) -> dict[str, TableRow]:
        with self.snapshot() as connection:
            names = dict(connection.execute("SELECT id, name FROM path"))
            return {
                name: TableRow(number, None if place is None else given(names[place]))
                for name, number, place in table_rows.places(connection)
            }

    def described(self) -> set[str]:
        with self.snapshot() as connection:
            names = dict(connection.execute("SELECT id, name FROM path JOIN picture USING (id)"))
            every = metadata.described_paths(connection)
            return {given(names[number]) for number in every if number in names}

    def columns(self) -> list[str]:
        with self.snapshot() as connection:
            return list(metadata.fields(connection))

    def facets(
        self, limit: int, where: str | Filter | None = None
    ) -> dict[str, list[tuple[str, int]]]:
        """Each column's commonest values among the pictures that ``where`` lets through, with
        their counts. What ``where`` asks of a column alone does not narrow the column's own.

        Spellings that a filter takes for the same are counted together, under the commonest of
        them. Values with equal counts are in the order of their texts, upper and lower case alike.

        Raises:
            FilterError: ``where`` can't be understood, or names an unknown column.
        """
        asked = None if where is None else parsed(where)
        with self.snapshot() as connection:
            before = self._counted_before()
            if (limit, asked) not in before.facets:
                if len(before.facets) >= _FACETS_KEPT:
                    before.facets.clear()
                passing = self._passing_but_for(connection, asked)
                found = before.counting.facets(connection, limit, passing)
                before.facets[limit, asked] = found
            return {name: [*values] for name, values in before.facets[limit, asked].items()}

    def _counted_before(self) -> _Counted:
        """What was counted at the store's state now, inside a transaction."""
        state = self._database.state()
        if self._counted is None or self._counted.state != state:
            self._counted = _Counted(state)
        return self._counted

    def _passing_but_for(
        self, connection: Transaction, asked: Filter | None
    ) -> Callable[[str], NDArray[np.int64]]:
        """For a given column, the pictures that pass the tests of ``asked`` on all other
        columns."""
        known = metadata.fields(connection)
        found: dict[Filter | None, NDArray[np.int64]] = {None: metadata.indexed(connection)}

        def passing(name: str) -> NDArray[np.int64]:
            rest = asked and selection.without(asked, name, known)
            if rest not in found:
                found[rest] = self._passing(connection, rest) if rest else found[None]
            return found[rest]

        return passing

    def readings(self) -> list[Reading]:
        """How the values of each column are read, in the order of the columns."""
        with self.snapshot() as connection:
            total = len(self)
            readings = []
            for name, column in metadata.understood(connection).items():
                values = counting.values_of(connection, name)
                unread = tuple(
                    (value.text, value.pictures) for value in values if value.number is None
                )
                told = sum(value.pictures for value in values)
                readings.append(Reading(name, column, told, total - told, unread))
            return readings

    def why_nothing(self, where: str | Filter) -> list[str]:
        """Why no picture passes a filter, test by test, with the values that are nearest to what
        was asked for; empty if some picture passes.

        Raises:
            FilterError: ``where`` can't be understood, or names an unknown column.
        """
        with self.snapshot() as connection:
            return nearest.why_nothing(
                connection, parsed(where), lambda some: self._passing(connection, some)
            )

    def vocabulary(self, labels: Labels) -> Vocabulary:
        with self._database.reading() as connection:
            state = self._database.state(), labels
            if self._vocabulary is not None and self._vocabulary[0] == state:
                return self._vocabulary[1]
            counts = self._counted_before().counting
            table = {}
            for name, column in metadata.understood(connection).items():
                called = [folded for folded, _ in labels.own_words(name)]
                values, is_whole = counts.values_of(connection, name, called)
                table[name] = ColumnValues(column or Column(), values, is_whole)
        # Not in the transaction, during which all other threads wait.
        self._vocabulary = made = state, Vocabulary.of(table, labels, self._values_named)
        return made[1]

    def _values_named(
        self, columns: Sequence[str], folded: Iterable[str]
    ) -> list[tuple[str, Value]]:
        with self._database.reading() as connection:
            return counting.values_named(connection, columns, folded)

    def count(self, where: str | Filter | None = None) -> int:
        """How many pictures the filter lets through.

        Raises:
            FilterError: ``where`` can't be understood, or names an unknown column.
        """
        if where is None:
            return len(self)
        with self.snapshot() as connection:
            return len(self._passing(connection, parsed(where)))

    def listing(
        self, count: int, *, offset: int = 0, where: str | Filter | None = None
    ) -> list[int]:
        """Ids of the pictures that the filter lets through, by path: ``count`` of them from
        ``offset``.

        Raises:
            FilterError: ``where`` can't be understood, or names an unknown column.
        """
        ordered = "SELECT id FROM path JOIN picture USING (id) ORDER BY name"
        with self.snapshot() as connection:
            if where is None:
                rows = connection.execute(f"{ordered} LIMIT ? OFFSET ?", (count, offset))
                return [int(number) for (number,) in rows]
            passing = set(self._passing(connection, parsed(where)).tolist())
            every = (int(number) for (number,) in connection.execute(ordered))
            return list(islice((i for i in every if i in passing), offset, offset + count))

    def _passing(self, connection: Transaction, where: Filter) -> NDArray[np.int64]:
        """Ids of the pictures that the filter lets through, ascending."""
        ids = metadata.indexed(connection)
        return ids[metadata.select(connection, where, lambda some: np.isin(ids, some))]


def parsed(where: str | Filter) -> Filter:
    """The filter, read if it is a text."""
    return parse(where) if isinstance(where, str) else where
