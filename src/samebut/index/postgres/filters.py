"""A filter as one statement of SQL: the ids of the pictures that it lets through.

A test is a list of ids that is stored with a value; ``and``, ``or`` and ``not`` are operations on
sets. So no test is ever NULL, and a missing value makes it false as `samebut.index.where` says.
Everything that a user wrote is a parameter.
"""

from __future__ import annotations

from collections.abc import Mapping

from samebut.index import metadata, selection
from samebut.index.selection import Condition
from samebut.index.sql import Transaction
from samebut.index.where import Among, And, Compare, Filter, Missing, Not, Or
from samebut.values import Column

EVERY = Condition("SELECT id FROM picture", ())


def passing(connection: Transaction, where: Filter | None) -> Condition:
    """A query for the ids of the pictures that pass, each once; it may return ids of pictures that
    are not indexed.

    Raises:
        FilterError: an unknown column, or a value that can't be compared.
    """
    if where is None:
        return EVERY
    return _query(where, metadata.fields(connection), metadata.understood(connection))


def _query(
    where: Filter, known: Mapping[str, int], columns: Mapping[str, Column | None]
) -> Condition:
    match where:
        case Missing(column):
            told = Condition(
                "SELECT unnest(paths) FROM field WHERE id = ?",
                (selection.field_id(column, known),),
            )
            return _joined("EXCEPT", EVERY, told)
        case Compare() | Among():
            name = selection.field_of(where.column, known)
            test = selection.test_of(where)(columns[name] or Column())
            return Condition(
                f"SELECT DISTINCT unnest(paths) FROM value WHERE field_id = ? AND {test.sql}",
                (known[name], *test.parameters),
            )
        case Not(term):
            return _joined("EXCEPT", EVERY, _query(term, known, columns))
        case And(terms):
            return _joined("INTERSECT", *(_query(term, known, columns) for term in terms))
        case Or(terms):
            return _joined("UNION", *(_query(term, known, columns) for term in terms))


def _joined(operation: str, *queries: Condition) -> Condition:
    sql = f" {operation} ".join(f"({query.sql})" for query in queries)
    return Condition(sql, tuple(value for query in queries for value in query.parameters))
