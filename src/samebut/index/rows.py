"""Rows of metadata tables, stored by the name they give their picture, and metadata that follows a
picture to another path.

A row stays here whether its picture is indexed or not, so one that comes later finds it. What is
said of a picture (`samebut.index.metadata`) belongs to its content: when a picture leaves its path,
or the path gets another content, what was said is remembered under the content's digest, in the
same transaction. `follow` then gives it to pictures of that content that have come.

Everything here runs inside a transaction of the caller and knows paths by their ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from samebut.index import Changes, metadata
from samebut.index.metadata import Columns
from samebut.index.sql import Transaction, change_by, found_by, insert

TABLES_2 = (
    # Rows of one table have the same number.
    """CREATE TABLE table_row (name TEXT PRIMARY KEY, texts TEXT NOT NULL, path_id INTEGER,
        table_number INTEGER NOT NULL)""",
    "CREATE INDEX table_row_path ON table_row (path_id)",
    # fresh: not given to pictures yet; moved: the path has lost it.
    """CREATE TABLE remembered (digest TEXT PRIMARY KEY, path_id INTEGER NOT NULL,
        texts TEXT NOT NULL, fresh INTEGER NOT NULL, moved INTEGER NOT NULL)""",
    "CREATE INDEX remembered_fresh ON remembered (fresh) WHERE fresh",
)
"""As schema version 2 of the store makes them."""

_SAID = """SELECT picture.digest, picture.id, description.texts, TRUE, {moved}
    FROM picture JOIN description USING (id)"""
_REMEMBER = f"""INSERT INTO remembered {_SAID} WHERE picture.id = ?
    ON CONFLICT (digest) DO UPDATE SET path_id = excluded.path_id, texts = excluded.texts,
        fresh = excluded.fresh, moved = excluded.moved"""
_ROWS = "SELECT name, texts, path_id, table_number FROM table_row WHERE name IN ({keys})"
_DIGESTS = "SELECT id, digest FROM picture WHERE id IN ({keys})"
_DESCRIBED = "SELECT id FROM description WHERE id IN ({keys})"
_FIRST_COPIES = """SELECT min(picture.id) FROM picture JOIN description USING (id)
    WHERE digest IN ({keys}) GROUP BY digest"""


def leaving(connection: Transaction, ids: Iterable[int], *, moved: bool = False) -> None:
    """Remember the metadata of the pictures at these paths, which are about to be removed.
    ``moved``: the path itself loses its metadata, because the picture moves to another path."""
    every = [*ids]
    described = {number for (number,) in found_by(connection, _DESCRIBED, every)}
    # One by one, so that the last of several pictures with the same content is remembered.
    connection.executemany(
        _REMEMBER.format(moved="TRUE" if moved else "FALSE"),
        [(number,) for number in every if number in described],
    )


def coming(connection: Transaction, pictures: Mapping[int, str]) -> None:
    """Prepare for pictures (path to digest) that are about to be stored: remember what is said of
    another content at their path, and of their content at another."""
    before = dict(found_by(connection, _DIGESTS, pictures))
    new = {number: digest for number, digest in pictures.items() if before.get(number) != digest}
    leaving(connection, [number for number in new if number in before])
    digests = dict.fromkeys(new.values())
    change_by(connection, "UPDATE remembered SET fresh = TRUE WHERE digest IN ({keys})", digests)
    change_by(
        connection,
        f"""INSERT INTO remembered {_SAID.format(moved="FALSE")}
            WHERE picture.id IN ({{keys}}) ON CONFLICT DO NOTHING""",
        [number for (number,) in found_by(connection, _FIRST_COPIES, digests)],
    )


def follow(connection: Transaction) -> int:
    """Give remembered metadata to pictures of the same content: those without metadata, and those
    whose path had another content before. Returns how many pictures got some."""
    fresh = connection.execute(
        "SELECT digest, path_id, texts, moved FROM remembered WHERE fresh ORDER BY path_id"
    ).fetchall()
    left = {path_id for _, path_id, _, _ in fresh}
    given: dict[int, Columns] = {}
    for digest, path_id, texts, _ in fresh:
        for (number,) in connection.execute("SELECT id FROM picture WHERE digest = ?", (digest,)):
            free = number in left or not metadata.is_described(connection, number)
            if number != path_id and free:
                given[number] = metadata.from_json(texts)
    gone = [path_id for _, path_id, _, moved in fresh if moved and path_id not in given]
    indexed = {number for number in gone if _is_indexed(connection, number)}
    lost: dict[int, Columns | None] = {number: None for number in gone if number not in indexed}
    metadata.change(connection, {**lost, **given})
    connection.executemany(
        "UPDATE table_row SET path_id = NULL WHERE path_id = ?", [(number,) for number in gone]
    )
    connection.execute("UPDATE remembered SET fresh = FALSE, moved = FALSE WHERE fresh")
    return len(given)


def forget_all(connection: Transaction) -> None:
    """Delete all rows and all remembered metadata."""
    connection.execute("DELETE FROM table_row")
    connection.execute("DELETE FROM remembered")


def places(connection: Transaction) -> list[tuple[str, int, int | None]]:
    """Each row's name, the number of its table, and the path that it is about; None while it waits
    for its picture."""
    return connection.execute(
        "SELECT name, table_number, path_id FROM table_row ORDER BY rowid"
    ).fetchall()


def describe(
    connection: Transaction,
    rows: Mapping[str, Columns],
    moves: Mapping[str, int | None],
) -> Changes:
    """Store the ``rows`` of a table by name, each column replacing the row's earlier value, and
    apply every row that is new, changed or matched to another path (``moves``) to its picture.

    Rows that share a path are joined. Values that a row gave to its previous path are removed.
    """
    given: dict[int, Columns] = {}
    taken: dict[int, list[Columns]] = {}
    kept: list[tuple[str, str, int | None, int]] = []
    (last,) = connection.execute("SELECT max(table_number) FROM table_row").fetchone()
    names = dict.fromkeys((*rows, *moves))
    there = {name: row for name, *row in found_by(connection, _ROWS, names)}
    for name in names:
        found = there.get(name)
        before: Columns = metadata.from_json(found[0]) if found else {}
        was = found[1] if found else None
        now = moves.get(name, was)
        whole = {**before, **rows.get(name, {})}
        number = found[2] if found and name not in rows else (last or 0) + 1
        kept.append((name, metadata.as_json(whole), now, number))
        if was is not None and was != now:
            taken.setdefault(was, []).append(before)
        if now is not None:
            said = rows[name] if name in rows and was == now else whole
            given[now] = _joined(given[now], said) if now in given else said
    # Rows of one table follow each other in its order, those that were there before too.
    connection.executemany("DELETE FROM table_row WHERE name = ?", [(name,) for name in there])
    insert(connection, "INSERT INTO table_row VALUES {rows}", kept)
    changes = Changes()
    known = metadata.said_of(connection, {**taken, **given})
    described: dict[int, Columns] = {}
    for path_id in {**taken, **given}:
        old = known.get(path_id, {})
        new = given.get(path_id, {})
        if old:
            back = taken.get(path_id, [])
            own = {c: v for c, v in old.items() if all(row.get(c) != v for row in back)}
            new = {**own, **new}
        if path_id not in known or [*metadata.told(new).items()] != [*old.items()]:
            described[path_id] = new
        lost = [column for column in old if not new.get(column)]
        replaced = [column for column in old if new.get(column) and new[column] != old[column]]
        changes.cleared += len(lost)
        changes.replaced += len(replaced)
        added = any(values and column not in old for column, values in new.items())
        changes.pictures += bool(lost or replaced or added)
    metadata.change(connection, described, known)
    return changes


def _joined(one: Columns, other: Columns) -> Columns:
    return {
        column: tuple(dict.fromkeys((*one.get(column, ()), *other.get(column, ()))))
        for column in dict.fromkeys((*one, *other))
    }


def _is_indexed(connection: Transaction, number: int) -> bool:
    found = connection.execute("SELECT 1 FROM picture WHERE id = ?", (number,)).fetchone()
    return found is not None
