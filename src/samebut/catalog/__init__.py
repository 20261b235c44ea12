"""Tables of metadata about pictures: what each row says, and of which picture.

This is the one reader of such tables: ``index --metadata``, ``triplets`` and training use it.
`read` reads the files of spreadsheets, shops and scripts; `match` finds the picture of each row in
a folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from samebut.catalog import shops
from samebut.catalog.names import EXACT, WAYS, Matched, file_name, is_picture, match
from samebut.catalog.sheet import SheetRow, TableSheet, UnusableRow, Values, read_sheet
from samebut.catalog.shops import joined
from samebut.errors import MetadataError
from samebut.garbage import no_garbage
from samebut.language import lexicon
from samebut.remote import Place
from samebut.values import is_empty

__all__ = [
    "BESIDE", "EXACT", "NOT_ATTRIBUTES", "WAYS", "Catalog", "Matched", "UnusableRow",
    "Values", "file_name", "in_val", "joined", "match", "read", "rows_beside", "shown",
    "title",
]  # fmt: skip

BESIDE = "catalog.csv"
"""The name of a table that lies in the same folder as the pictures it describes."""
FILE_COLUMNS = (
    "file", "path", "filename", "filepath", "image", "picture", "photo", "img",
    "imagefile", "imagename", "imagepath", "imagesrc", "imageurl", "imagelink",
    "picturename", "picturepath", "pictureurl", "photoname", "photourl",
    "images", "pictures", "photos", "图片", "文件", "文件名", "图片名", "图片名称", "图片文件",
    "图片链接", "图片地址", "照片", "圖片", "檔案", "檔名",
)  # fmt: skip
"""Columns that name the picture, the surest first, as `samebut.catalog.shops.plainly` writes
them. A table that has none of them may have one whose cells look like files of pictures."""
NOT_ATTRIBUTES = frozenset(
    ("file", "split", "title", "title_zh", "category", "subcategory", "held_out")
)
"""Columns that do not describe what a picture shows, or repeat another column."""

Empty = Callable[[str], bool]
"""Whether a cell counts as empty."""

_LOOKED_AT = 200  # rows whose cells are looked at to find the column of pictures
_NAMED = 3


@dataclass(frozen=True)
class Catalog:
    """A table's values for each picture that it names.

    ``values`` by the picture's name, as `file_name` writes it, and by column; a column has several
    if several rows name the picture, or if a cell holds a list. Columns that are empty for a
    picture are left out. ``columns`` are the table's in its order, empty ones included, without the
    one that names the picture. ``unusable`` rows are not in ``values``; ``notes`` say how the file
    was read.
    """

    path: Place
    columns: tuple[str, ...]
    values: Mapping[str, Mapping[str, Values]]
    unusable: Sequence[UnusableRow] = ()
    notes: Sequence[str] = field(default=())

    @cached_property
    def rows(self) -> dict[str, dict[str, str]]:
        """``values`` as texts, several values of one column in one text."""
        return {
            name: {column: shown(values) for column, values in row.items()}
            for name, row in self.values.items()
        }

    def row(self, name: str) -> dict[str, str]:
        """Every column with its text for the picture ``name``, "" where it has none."""
        row = self.values.get(name, {})
        return {column: shown(row.get(column, ())) for column in self.columns}

    def require_whole(self) -> None:
        """Raise MetadataError if a row can't be used: a benchmark must not shrink silently."""
        if self.unusable:
            first = "; ".join(f"line {e.line} {e.reason}" for e in self.unusable[:_NAMED])
            raise MetadataError(
                f"{self.path}: {len(self.unusable):,} rows can't be used: {first}",
                hint="Correct these lines of the table, or remove them.",
            )


@no_garbage()
def read(path: Place, file_column: str | None = None, *, empty: Empty = is_empty) -> Catalog:
    """Read a table: delimited text of any usual encoding, JSON Lines, or a workbook.

    ``file_column`` names the column of pictures if its name is not a usual one; exports of shops
    are recognised by their header. Rows that name the same picture are joined. Cells for which
    ``empty`` is true are ignored.

    Raises MetadataError if it can't be read, or nothing in it names a picture.
    """
    sheet = read_sheet(path, lambda columns: _is_header(columns, file_column))
    if not sheet.columns:
        raise MetadataError(
            f"{path} is empty",
            hint="Give a table whose first row names its columns, such as: file,title,colour",
        )
    sheet.rows = [_without_empty(row, empty) for row in sheet.rows]
    form = None if file_column else shops.form_of(sheet.columns)
    column = None if form else _file_column(path, sheet, file_column)
    found = [*(form.rows(sheet) if form else shops.rows_of_pictures(sheet, column or ""))]
    unusable = [*sheet.unusable, *(each for each in found if isinstance(each, UnusableRow))]
    rows = [each for each in found if isinstance(each, shops.CatalogRow)]
    if form:
        sheet.notes.append(f"read as {form.name}{_taken_apart(sheet, rows)}")
    return Catalog(
        path,
        _columns(sheet, rows, column),
        _by_picture(rows),
        sorted(unusable, key=lambda each: each.line),
        tuple(sheet.notes),
    )


def title(row: Mapping[str, str]) -> str:
    """The title of a row's picture; empty if it has none."""
    named = (text for name, text in row.items() if shops.plainly(name) in lexicon.COLUMNS["title"])
    return next(named, "")


def rows_beside(folder: Path) -> dict[str, dict[str, str]]:
    """The rows of ``catalog.csv`` in ``folder`` by file, each with every column, "" where a cell is
    empty; no rows if there is no such table.

    Such a table was made for training: "none" in it is a value, as for a shirt without a collar.

    Raises MetadataError as :func:`read` does, and if a row can't be used.
    """
    path = Path(folder) / BESIDE
    if not path.is_file():
        return {}
    table = read(path, "file", empty=_says_nothing)
    table.require_whole()
    return {name: table.row(name) for name in table.values}


def shown(values: Sequence[str]) -> str:
    """Several values as one text."""
    return ", ".join(values)


def in_val(value: str, val_share: float) -> bool:
    """Whether a row with ``value`` belongs to the share of a table that is kept for val.

    A digest of the value alone decides (capitals and spaces aside), so a row stays in its split
    when the table grows.
    """
    plain = " ".join(value.casefold().split())
    digest = hashlib.sha256(plain.encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < val_share


def _is_header(columns: Sequence[str], file_column: str | None) -> bool:
    if file_column is None:
        return shops.form_of(columns) is not None or _usual_column(columns) is not None
    return _named_column(columns, file_column) is not None


def _named_column(columns: Sequence[str], named: str) -> str | None:
    if named in columns:
        return named
    plain = shops.plainly(named)
    return next((column for column in columns if shops.plainly(column) == plain), None)


def _usual_column(columns: Sequence[str]) -> str | None:
    plain = {shops.plainly(column): column for column in reversed(columns)}
    return next((plain[name] for name in FILE_COLUMNS if name in plain), None)


def _file_column(path: Place, sheet: TableSheet, named: str | None) -> str:
    """The column that names the picture; MetadataError if there is none."""
    if named is not None:
        column = _named_column(sheet.columns, named)
        if column is None:
            raise MetadataError(
                f"{path} has no column {named}",
                hint=f"Give one of its columns: {', '.join(sheet.columns)}.",
            )
        return column
    usual = _usual_column(sheet.columns)
    if usual is not None:
        return usual
    likely = next((name for name in sheet.columns if _looks_like_pictures(sheet, name)), None)
    if likely is None or is_picture(likely):
        raise MetadataError(
            f"{path}: no column could be found that names the pictures' files",
            hint=f"Say which of its columns it is: --file-column COLUMN, or call it file. "
            f"It has: {', '.join(sheet.columns)}.",
        )
    sheet.notes.append(f"pictures are named in the column '{likely}'")
    return likely


def _looks_like_pictures(sheet: TableSheet, column: str) -> bool:
    cells = [row.cells[column][0] for row in sheet.rows[:_LOOKED_AT] if column in row.cells]
    return bool(cells) and 2 * sum(map(is_picture, cells)) > len(cells)


def _says_nothing(text: str) -> bool:
    """As `is_empty`, except that "none" is a value in tables made for training."""
    return text.casefold() != "none" and is_empty(text)


def _without_empty(row: SheetRow, empty: Empty) -> SheetRow:
    if not any(empty(value) for values in row.cells.values() for value in values):
        return row
    kept = {
        column: tuple(value for value in values if not empty(value))
        for column, values in row.cells.items()
    }
    return SheetRow(row.line, {column: values for column, values in kept.items() if values})


def _columns(
    sheet: TableSheet, rows: Sequence[shops.CatalogRow], file_column: str | None
) -> tuple[str, ...]:
    """The sheet's columns without the one of pictures, followed by new ones of a shop's form. Of a
    shop's export, only columns that its rows still have."""
    seen = dict.fromkeys(column for row in rows for column in row.cells)
    kept = [c for c in sheet.columns if (c in seen if file_column is None else c != file_column)]
    return tuple(dict.fromkeys((*kept, *seen)))


def _taken_apart(sheet: TableSheet, rows: Iterable[shops.CatalogRow]) -> str:
    """A note on the columns that a shop's form has used up; "" if there are none."""
    filled = {column for row in sheet.rows for column in row.cells}
    left = {column for row in rows for column in row.cells}
    gone = [column for column in sheet.columns if column in filled - left]
    return f"; for pictures and options, no columns of their own: {', '.join(gone)}" if gone else ""


def _by_picture(rows: Iterable[shops.CatalogRow]) -> dict[str, dict[str, Values]]:
    found: dict[str, list[Mapping[str, Values]]] = {}
    for row in rows:
        for name in row.pictures:
            found.setdefault(name, []).append(row.cells)
    return {name: joined(cells) for name, cells in found.items()}
