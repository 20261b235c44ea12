"""Pictures of another model, written to separate tables while the current ones are searched.

`Database.redirect` makes statements use these tables under the usual names, only in the process
that fills them. One transaction replaces the old tables by them. If the process is killed before,
the tables stay, and the next run with the same model continues with them.

Everything here runs inside a transaction of the caller.
"""

from __future__ import annotations

from samebut.index import beside
from samebut.index.sql import Transaction
from samebut.index.store import StoredModel

_PICTURES = ("picture", "embedding", "checksum")  # put in the place of the old ones
_TABLES = ("gallery", *_PICTURES, "inverted_file")  # the last is empty: all are compared meanwhile
_INDEX = "CREATE INDEX {name} ON {table} (digest)"

TABLES = {table: f"{table}_filled" for table in _TABLES}
"""The usual name of each table, and its own."""


def begin(connection: Transaction, model: StoredModel) -> None:
    """Make the tables, unless an earlier run was filling them with the same model's pictures."""
    if _begun(connection) != model.fingerprint:
        discard(connection)
        for table, own in TABLES.items():
            (made,) = connection.execute(
                "SELECT sql FROM main.sqlite_master WHERE type = 'table' AND name = ?", (table,)
            ).fetchone()
            connection.execute(f"CREATE TABLE {own} {made[made.index('(') :]}")
        connection.execute(_INDEX.format(name="picture_filled_digest", table="picture_filled"))
        connection.execute(
            "INSERT INTO gallery_filled SELECT '', 0, '', 0, folder FROM main.gallery"
        )
    connection.execute("UPDATE gallery_filled SET fingerprint = ?, dim = ?, model = ?", model)


def publish(connection: Transaction) -> None:
    """Replace the old tables by these; ``connection`` must not redirect any table."""
    beside.forget(connection)
    connection.execute("DROP INDEX picture_filled_digest")
    for table in _PICTURES:
        connection.execute(f"DROP TABLE {table}")
        connection.execute(f"ALTER TABLE {TABLES[table]} RENAME TO {table}")
    connection.execute(_INDEX.format(name="picture_digest", table="picture"))
    for trigger in beside.TRIGGERS:  # they were dropped with the old table
        connection.execute(trigger)
    connection.execute(
        """UPDATE gallery SET (fingerprint, dim, model) =
            (SELECT fingerprint, dim, model FROM gallery_filled), revision = revision + 1"""
    )
    discard(connection)


def discard(connection: Transaction) -> None:
    """Drop the tables that are there."""
    for own in TABLES.values():
        connection.execute(f"DROP TABLE IF EXISTS {own}")


def _begun(connection: Transaction) -> str | None:
    """The fingerprint of the model whose pictures an earlier run was filling."""
    row = connection.execute(
        "SELECT 1 FROM main.sqlite_master WHERE name = 'gallery_filled'"
    ).fetchone()
    if row is None:
        return None
    (fingerprint,) = connection.execute("SELECT fingerprint FROM gallery_filled").fetchone()
    return str(fingerprint)
