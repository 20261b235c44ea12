"""A table of metadata about pictures: one row a picture, one column a property.

This is the one reader of such tables: ``index --metadata``, ``triplets`` and training use it.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from samebut.errors import MetadataError

BESIDE = "catalog.csv"
"""The name of a table that lies in the same folder as the pictures it describes."""
FILE_COLUMNS = ("file", "path", "filename", "file_name", "image", "picture")
NOT_ATTRIBUTES = frozenset(
    ("file", "split", "title", "title_zh", "category", "subcategory", "held_out")
)
"""Columns that say nothing of what a picture shows, or say it twice."""


@dataclass(frozen=True)
class Catalog:
    """Rows of a table by what its file column says; cells are text, empty ones left out.

    ``columns`` are the others in the table's order, those without any text among them.
    """

    path: Path
    columns: tuple[str, ...]
    rows: Mapping[str, Mapping[str, str]]

    def row(self, name: str) -> dict[str, str]:
        """Every column with its cell, empty where nothing is said of the picture ``name``."""
        row = self.rows.get(name, {})
        return {column: row.get(column, "") for column in self.columns}


@dataclass(frozen=True)
class Matched:
    """A catalogue laid over pictures: rows by picture, and what found no partner."""

    rows: dict[str, Mapping[str, str]]
    without_picture: list[str]
    without_row: int


def read(path: Path, file_column: str | None = None) -> Catalog:
    """Read a CSV (UTF-8, comma, semicolon or tab) whose first fitting column names the file.

    ``file_column`` names that column where it is called otherwise.

    Raises MetadataError: it can't be read, has no such column, or a row names a file again.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise MetadataError(f"{path} can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise MetadataError(
            f"{path} is not UTF-8 text (byte {error.start})", hint="Save the table as CSV UTF-8."
        ) from error
    lines = [*io.StringIO(text, newline="")]  # splitlines would cut at what a title may hold
    header = lines[0] if lines else ""
    delimiter = max(",;\t", key=header.count)
    table = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        columns = [name.strip() for name in next(table, [])]
        place = _file_place(path, columns, file_column)
        others = tuple(name for name in columns if name and name != columns[place])
        return Catalog(path, others, _rows(path, columns, place, table))
    except csv.Error as error:
        raise MetadataError(f"{path} line {table.line_num}: {error}") from error


def rows_beside(folder: Path) -> dict[str, dict[str, str]]:
    """The rows of ``catalog.csv`` in ``folder`` by file, every column in each, an empty text where
    it says nothing; no rows if there is no such table.

    Raises MetadataError as :func:`read` does.
    """
    path = Path(folder) / BESIDE
    if not path.is_file():
        return {}
    table = read(path, "file")
    return {name: table.row(name) for name in table.rows}


def file_name(cell: str) -> str:
    """A picture as a table names it, written one way: ``./a\\b.jpg`` is ``a/b.jpg``."""
    plain = cell.strip().replace("\\", "/")
    return str(PurePosixPath(plain)) if plain else ""


def in_val(value: str, val_share: float) -> bool:
    """Whether a row with ``value`` belongs to the share of a table that is kept for val.

    A digest of the value alone decides (capitals and spaces aside), so a row stays in its split
    when the table grows.
    """
    plain = " ".join(value.casefold().split())
    digest = hashlib.sha256(plain.encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < val_share


def _file_place(path: Path, columns: Sequence[str], named: str | None) -> int:
    lower = [name.lower() for name in columns]
    names = FILE_COLUMNS if named is None else (named.lower(),)
    place = next((lower.index(name) for name in names if name in lower), None)
    if place is None:
        raise MetadataError(
            f"{path} has no column {named or 'that names the picture'}",
            hint=f"It has: {', '.join(columns)}."
            if named
            else f"Call it one of: {', '.join(FILE_COLUMNS)}.",
        )
    repeated = [name for name, count in Counter(columns).items() if count > 1]
    if repeated:
        raise MetadataError(f"{path} has the column '{repeated[0]}' twice")
    return place


def _rows(
    path: Path, columns: Sequence[str], file_place: int, table: Iterable[list[str]]
) -> dict[str, Mapping[str, str]]:
    rows: dict[str, Mapping[str, str]] = {}
    for number, cells in enumerate(table, start=2):
        if not any(cells):
            continue
        if len(cells) != len(columns):
            raise MetadataError(
                f"{path} row {number} has {len(cells)} cells, the header has {len(columns)}"
            )
        name = file_name(cells[file_place])
        if name in rows:
            raise MetadataError(f"{path} row {number} names {name} a second time")
        pairs = zip(columns, cells, strict=True)
        rows[name] = {
            column: cell.strip()
            for place, (column, cell) in enumerate(pairs)
            if place != file_place and column and cell.strip()
        }
    return rows


def match(catalog: Catalog, pictures: Sequence[str]) -> Matched:
    """Lay a catalogue over pictures, by path or, where that is unambiguous, by file name alone.

    MetadataError if no row names any of the pictures.
    """
    there = set(pictures)
    names = Counter(PurePosixPath(picture).name for picture in pictures)
    by_name = {
        PurePosixPath(picture).name: picture
        for picture in pictures
        if names[PurePosixPath(picture).name] == 1
    }
    rows: dict[str, Mapping[str, str]] = {}
    lost = []
    for name, row in catalog.rows.items():
        picture = name if name in there else by_name.get(PurePosixPath(name).name)
        if picture is None:
            lost.append(name)
        else:
            rows[picture] = row
    if pictures and not rows:
        raise MetadataError(
            f"{catalog.path}: none of its {len(catalog.rows):,} rows names one of the "
            f"{len(pictures):,} pictures",
            hint=f"It says '{next(iter(catalog.rows), '')}', the folder has '{pictures[0]}'.",
        )
    return Matched(rows, lost, len(there) - len(rows))
