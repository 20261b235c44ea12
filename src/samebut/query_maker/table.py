"""A shop's table laid over its pictures, and its rows shared among splits without a leak."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from samebut import catalog
from samebut.errors import DataError, PictureError
from samebut.images import PICTURE_SUFFIXES, picture_size
from samebut.language import lexicon

Progress = Callable[[int, int], None]
SPLIT = "split"


@dataclass(frozen=True)
class CatalogueTable:
    """A catalogue laid over its pictures; columns by what they are (``lexicon.column``).

    ``rows`` by picture, a path below ``images``; ``columns`` maps a column to what the file calls
    it; ``missing`` are rows whose picture is not there, ``unreadable`` pictures with the reason,
    ``without_row`` pictures that no row names.
    """

    path: Path
    images: Path
    rows: dict[str, dict[str, str]]
    columns: dict[str, str]
    missing: list[str]
    unreadable: dict[str, str]
    without_row: list[str]

    def column(self, name: str) -> str:
        """The column that is meant by ``name``, ours or the file's own; DataError if none is."""
        if name in self.columns:
            return name
        for column, own in self.columns.items():
            if name.lower() in (own.lower(), column.lower()):
                return column
        if lexicon.column(name) in self.columns:
            return lexicon.column(name)
        raise DataError(
            f"{self.path}: no row has anything in a column {name!r}",
            hint=f"Columns: {', '.join(self.columns.values())}.",
        )


def read_table(
    path: Path, images: Path, *, file_column: str | None = None, progress: Progress | None = None
) -> CatalogueTable:
    """Read a catalogue and find its pictures, by path, by name, or by name without a suffix.

    Every picture's header is read, so that one that can't be opened is told now and not while a
    model is trained. Raises MetadataError or DataError if nothing can be used at all.
    """
    images = Path(images)
    if not images.is_dir():
        raise DataError(f"{images}: no such folder", hint="Give the folder of the pictures.")
    pictures = sorted(_pictures(images))
    table = catalog.read(Path(path), file_column)
    matched = _matched(table, pictures)
    unreadable = _unreadable(images, list(matched.rows), progress)
    columns = _columns(table.rows.values())
    own = {theirs: ours for ours, theirs in columns.items()}
    rows = {
        name: {own[column]: value for column, value in row.items()}
        for name, row in matched.rows.items()
        if name not in unreadable
    }
    if not rows:
        raise DataError(
            f"{path}: none of its {len(table.rows):,} rows has a picture in {images}",
            hint="Is --images the folder that the paths in the table start from?",
        )
    return CatalogueTable(
        path=Path(path),
        images=images,
        rows=rows,
        columns=columns,
        missing=matched.without_picture,
        unreadable=unreadable,
        without_row=sorted(set(pictures) - set(matched.rows)),
    )


def _matched(table: catalog.Catalog, pictures: Sequence[str]) -> catalog.Matched:
    """The table laid over the pictures. DataError if two of its rows name one picture."""
    names = _with_suffix(table.rows, pictures)
    rows = {names[name]: row for name, row in table.rows.items()}
    matched = catalog.match(catalog.Catalog(table.path, table.columns, rows), pictures)
    again = len(table.rows) - len(matched.rows) - len(matched.without_picture)
    if again:
        raise DataError(
            f"{table.path}: {again:,} rows name a picture that another row names as well",
            hint="Name pictures by their path below --images, suffix and all, one row each.",
        )
    return matched


def _unreadable(images: Path, names: Sequence[str], progress: Progress | None) -> dict[str, str]:
    """Pictures whose header can't be read, with the reason."""
    reasons = {}
    for number, name in enumerate(names):
        if progress:
            progress(number, len(names))
        try:
            picture_size(images / name, name=name)
        except PictureError as error:
            reasons[name] = error.reason
    return reasons


def _pictures(images: Path) -> Iterator[str]:
    for root, folders, files in os.walk(images):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if not name.startswith(".") and Path(name).suffix.lower() in PICTURE_SUFFIXES:
                yield Path(root, name).relative_to(images).as_posix()


def _with_suffix(names: Mapping[str, object], pictures: Sequence[str]) -> dict[str, str]:
    """Each name as a picture has it: a catalogue may name "10001" what lies there as 10001.jpg."""
    there = set(pictures)
    stems: dict[str, str | None] = {}
    for picture in pictures:
        stem = PurePosixPath(picture).stem
        stems[stem] = None if stem in stems else picture
    return {
        name: name
        if name in there or PurePosixPath(name).suffix.lower() in PICTURE_SUFFIXES
        else stems.get(name) or name
        for name in names
    }


def _columns(rows: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Every column that holds anything: what it is, and what the file calls it."""
    theirs = list(dict.fromkeys(column for row in rows for column in row))
    kinds = {n: SPLIT if n.lower() == SPLIT else lexicon.column(n) for n in theirs}
    columns = {name: name for name, what in kinds.items() if what == name}
    surest = {
        what: min((n for n in kinds if kinds[n] == what), key=lexicon.sureness)
        for what in kinds.values()
    }
    for name, what in kinds.items():
        if name not in columns:
            ours = what not in columns and name == surest[what]
            columns[what if ours else name] = name
    return columns


def split_rows(
    table: CatalogueTable, *, val_share: float = 0.2, split_by: str | None = None
) -> tuple[dict[str, list[str]], str]:
    """Pictures by split, and by what they were split.

    The table's own column ``split`` decides, unless ``split_by`` names a column: then rows with
    the same value there stay together (capitals and spaces aside), and a digest of the value alone
    says where, so that a row stays in its split when the table grows. Without either the title
    decides, or the picture's name.
    """
    if split_by is None and SPLIT in table.columns:
        return _by_own_split(table), f"column {table.columns[SPLIT]}"
    if not 0 < val_share < 1:
        raise DataError(f"a share of {val_share:g} for val is not between 0 and 1")
    column = table.column(split_by) if split_by else "title"
    splits: dict[str, list[str]] = {"train": [], "val": []}
    for name, row in table.rows.items():
        val = catalog.in_val(row.get(column, name), val_share)
        splits["val" if val else "train"].append(name)
    said = f"column {table.columns[column]}" if column in table.columns else "file name"
    return splits, f"{said}, {val_share:.0%} to val"


def _by_own_split(table: CatalogueTable) -> dict[str, list[str]]:
    splits: dict[str, list[str]] = {}
    nowhere = [name for name, row in table.rows.items() if not row.get(SPLIT)]
    if nowhere:
        raise DataError(
            f"{table.path}: {len(nowhere):,} rows have no split, first: {nowhere[0]}",
            hint="Fill the column, or name one that says what belongs together: --split-by.",
        )
    for name, row in table.rows.items():
        splits.setdefault(row[SPLIT], []).append(name)
    strange = [name for name in splits if PurePosixPath(name).name != name or name.startswith(".")]
    if strange:
        raise DataError(f"{table.path}: a split can't be called {strange[0]!r}")
    return splits
