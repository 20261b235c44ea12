"""A digest of every picture's row, by which `samebut doctor` finds damage.

SQLite notices a broken page, not a bit that flipped inside a row: an embedding would answer with
other pictures, in silence. Searching does not look at digests, for that would read every row's
text once more; `samebut doctor gallery` does.
"""

from __future__ import annotations

from collections.abc import Iterable

from samebut.index.sql import Transaction, change_by

TABLES_2 = (
    "CREATE TABLE checksum (id INTEGER PRIMARY KEY, digest BLOB NOT NULL)",
    """INSERT INTO checksum SELECT id, row_digest(CAST(name AS BLOB), size, mtime_ns,
        CAST(digest AS BLOB), width, height, vector)
        FROM picture JOIN path USING (id) JOIN embedding USING (id)""",
)
"""As schema version 2 of the store makes them."""

# Texts as bytes: damaged ones need not be UTF-8 any more.
_DIGEST = """row_digest(CAST(name AS BLOB), size, mtime_ns, CAST(picture.digest AS BLOB), width,
    height, vector)"""
_ROWS = "picture LEFT JOIN path USING (id) LEFT JOIN embedding USING (id)"


def keep(connection: Transaction, ids: Iterable[int]) -> None:
    """Keep the digests of the pictures with these ids, each given once, as they are now."""
    change_by(
        connection,
        f"""INSERT INTO checksum SELECT id, {_DIGEST} FROM {_ROWS} WHERE id IN ({{keys}})
            ON CONFLICT (id) DO UPDATE SET digest = excluded.digest""",
        ids,
    )


def damaged(connection: Transaction) -> list[str | bytes | None]:
    """Paths of pictures whose rows are not as they were written; None where the path is lost."""
    rows = connection.execute(
        f"""SELECT name FROM {_ROWS} LEFT JOIN checksum USING (id)
            WHERE checksum.digest IS NULL OR checksum.digest <> {_DIGEST}
        UNION ALL SELECT name FROM checksum LEFT JOIN path USING (id)
            WHERE id NOT IN (SELECT id FROM picture)
        UNION ALL SELECT name FROM embedding LEFT JOIN path USING (id)
            WHERE id NOT IN (SELECT id FROM picture)"""
    )
    return [name for (name,) in rows]
