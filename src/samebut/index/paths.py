"""Paths in the store: each has an id, which never comes to mean another path."""

from __future__ import annotations

from collections.abc import Sequence

from samebut.index.sql import Name, Transaction

ID_OF = "(SELECT id FROM path WHERE name = ?)"
"""SQL for the id of a path; its parameter is what `kept` makes of the path."""


def give_ids(connection: Transaction, names: Sequence[tuple[str | bytes]]) -> None:
    """Give ids to paths that have none."""
    connection.executemany("INSERT INTO path (name) VALUES (?) ON CONFLICT DO NOTHING", names)


def kept(text: str) -> str | bytes:
    """A text as SQLite can keep it. A file's name need not be valid Unicode: such a one becomes
    bytes, which differ from every text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return Name(text.encode("utf-8", "surrogatepass"))
    return text


def given(stored: str | bytes) -> str:
    """The text that `kept` was given; of bytes that it never made, as much as can be read."""
    if isinstance(stored, str):
        return stored
    try:
        return stored.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return stored.decode("utf-8", "surrogateescape")
