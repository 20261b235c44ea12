"""The tables of a store, as the list of migrations that bring an older file up to date."""

from __future__ import annotations

from samebut.index import beside, digests, metadata, rows

APPLICATION_ID = 0x53414D45  # "SAME", in the file's header: tells a store from any other SQLite.

MIGRATIONS: dict[int, tuple[str, ...]] = {
    1: (
        # One row: what the embeddings are, and a count of the times they changed.
        """CREATE TABLE gallery (fingerprint TEXT NOT NULL, dim INTEGER NOT NULL,
            model TEXT NOT NULL, revision INTEGER NOT NULL)""",
        # Rows are never deleted, so an id never comes to mean another path.
        "CREATE TABLE path (id INTEGER PRIMARY KEY, name NOT NULL UNIQUE)",
        """CREATE TABLE picture (id INTEGER PRIMARY KEY, size INTEGER NOT NULL,
            mtime_ns INTEGER NOT NULL, digest TEXT NOT NULL, width INTEGER NOT NULL,
            height INTEGER NOT NULL)""",
        "CREATE INDEX picture_digest ON picture (digest)",
        # Apart from the picture, so that listing pictures does not read a hundred megabytes.
        "CREATE TABLE embedding (id INTEGER PRIMARY KEY, vector BLOB NOT NULL)",
        """CREATE TABLE skipped (id INTEGER PRIMARY KEY, size INTEGER NOT NULL,
            mtime_ns INTEGER NOT NULL, reason TEXT NOT NULL)""",
        *metadata.TABLES_1,
    ),
    2: (
        # The folder of pictures that the store is about; NULL until somebody indexes again.
        "ALTER TABLE gallery ADD COLUMN folder",
        *digests.TABLES_2,
        *metadata.TABLES_2,
        *rows.TABLES_2,
    ),
    3: beside.TABLES_3,
    4: metadata.TABLES_4,
}
"""The ladder of schema versions. A rung that was released is never edited: add the next one."""
