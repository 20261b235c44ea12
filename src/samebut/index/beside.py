"""What a store records about its inverted file, and which embeddings changed since it was built.

The store has the file's name, which is never used again: a transaction replaces the old file by
the new one, and a store that was copied, restored or replaced can't be combined with the file of
another. From the beginning of a build, triggers record which embeddings change, so that a search
compares those one by one until the next file contains them.

Everything here runs inside a transaction of the caller.
"""

from __future__ import annotations

import json
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from samebut.index import embeddings
from samebut.index.sql import Transaction

_NOTE = """INSERT INTO embedding_change VALUES ({row}.id, (SELECT revision FROM gallery))
    ON CONFLICT (id) DO UPDATE SET revision = excluded.revision;"""
_TRIGGER = """CREATE TRIGGER embedding_{what} AFTER {what} ON embedding
    WHEN EXISTS (SELECT 1 FROM inverted_file) BEGIN {notes} END"""


def _trigger(what: str, *rows: str) -> str:
    return _TRIGGER.format(what=what, notes=" ".join(_NOTE.format(row=row) for row in rows))


TRIGGERS = (
    _trigger("INSERT", "NEW"),
    _trigger("UPDATE", "OLD", "NEW"),
    _trigger("DELETE", "OLD"),
)
"""Of the table of embeddings."""

TABLES_3 = (
    # No row: changes are not recorded. A row without a name: the first file is being built.
    """CREATE TABLE inverted_file (name TEXT, since INTEGER NOT NULL, pictures INTEGER NOT NULL,
        checksum INTEGER NOT NULL, probes TEXT NOT NULL)""",
    "CREATE TABLE embedding_change (id INTEGER PRIMARY KEY, revision INTEGER NOT NULL)",
    *TRIGGERS,
)
"""As schema version 3 of the store makes them."""


UNCHECKED = "SELECT 'embedding' FROM inverted_file WHERE name IS NOT NULL"
"""A search of a store with an inverted file reads that, whose checksum is compared, and not the
table of embeddings, which has half of the store's pages: it is not checked at each opening then."""


class Probes(NamedTuple):
    """How many ``clusters`` a search for up to ``nearest`` pictures compares if its query's cosine
    to the nearest cluster's centre is ``least`` or more, and the ``recall`` measured for that when
    the file was built."""

    nearest: int
    least: float
    clusters: int
    recall: float


class FileBeside(NamedTuple):
    """An inverted file: its name, the revision of the store that it was built from (``since``), how
    many pictures it holds, its checksum and the measurements."""

    name: str
    since: int
    pictures: int
    checksum: int
    probes: tuple[Probes, ...]


class Changed(NamedTuple):
    """Embeddings that changed: all their ``ids``, and of those ``here`` that are still there, both
    ascending, the vectors ``codes (K, D)``."""

    ids: NDArray[np.int64]
    here: NDArray[np.int64]
    codes: NDArray[np.float16]


def file_beside(connection: Transaction) -> FileBeside | None:
    """The file that was made last; None if there was none, or what is known of it is damaged."""
    row = connection.execute(
        "SELECT name, since, pictures, checksum, probes FROM inverted_file WHERE name IS NOT NULL"
    ).fetchone()
    if row is None:
        return None
    name, since, pictures, checksum, probes = row
    try:
        return FileBeside(
            str(name),
            since,
            pictures,
            checksum,
            tuple(Probes(*each) for each in json.loads(probes)),
        )
    except (ValueError, TypeError):
        return None


def begin(connection: Transaction) -> None:
    """From now on record which embeddings change."""
    connection.execute(
        """INSERT INTO inverted_file SELECT NULL, 0, 0, 0, '' FROM gallery
            WHERE NOT EXISTS (SELECT 1 FROM inverted_file)"""
    )


def keep(connection: Transaction, file: FileBeside) -> None:
    """Make this the store's file, and delete the records of changes that it already contains."""
    forget(connection, before=file.since)
    connection.execute(
        "INSERT INTO inverted_file VALUES (?, ?, ?, ?, ?)", (*file[:4], json.dumps(file.probes))
    )


def forget(connection: Transaction, before: int | None = None) -> None:
    """Delete the record of the file, and of changes ``before`` a revision; None: of all changes."""
    connection.execute("DELETE FROM inverted_file")
    if before is None:
        connection.execute("DELETE FROM embedding_change")
    else:
        connection.execute("DELETE FROM embedding_change WHERE revision < ?", (before,))


def number_changed(connection: Transaction) -> int:
    """How many embeddings changed since, as far as that was noted."""
    (count,) = connection.execute("SELECT count(*) FROM embedding_change").fetchone()
    return int(count)


def changed_since(connection: Transaction, file: FileBeside, dim: int, store: str) -> Changed:
    """What changed since the file was made. ``store`` is named if it is damaged."""
    rows = connection.execute(
        """SELECT id, vector FROM embedding_change LEFT JOIN embedding USING (id)
            WHERE revision >= ? ORDER BY id""",
        (file.since,),
    ).fetchall()
    there = [(number, vector) for number, vector in rows if vector is not None]
    codes = embeddings.halves(b"".join(vector for _, vector in there), (len(there), dim), store)
    return Changed(
        np.array([number for number, _ in rows], np.int64),
        np.array([number for number, _ in there], np.int64),
        codes,
    )
