"""Paths in the store. Each has an id, which is never reused for another path."""

from __future__ import annotations

from collections.abc import Iterable

from samebut.index.sql import Name, Transaction, found_by, insert

StoredName = str | bytes
"""A path as `kept` makes it."""


def give_ids(connection: Transaction, names: Iterable[StoredName]) -> dict[StoredName, int]:
    """The id of each of these paths; those that had none are given one."""
    every = dict.fromkeys(names)
    ids = ids_of(connection, every)
    new = [name for name in every if name not in ids]
    insert(connection, "INSERT INTO path (name) VALUES {rows}", [(name,) for name in new])
    return ids | ids_of(connection, new)


def ids_of(connection: Transaction, names: Iterable[StoredName]) -> dict[StoredName, int]:
    """The ids of those of the paths that have one."""
    found = "SELECT name, id FROM path WHERE name IN ({keys})"
    return dict(found_by(connection, found, names))


def kept(text: str) -> str | bytes:
    """A text as SQLite can keep it. A file name that is not valid Unicode becomes bytes, which
    never equal a text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return Name(text.encode("utf-8", "surrogatepass"))
    return text


def given(stored: str | bytes) -> str:
    """The text that `kept` was given. Damaged bytes, which `kept` never made, are decoded as far as
    possible."""
    if isinstance(stored, str):
        return stored
    try:
        return stored.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return stored.decode("utf-8", "surrogateescape")
