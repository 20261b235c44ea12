"""A shop's table matched with its pictures, and its rows divided among splits without a leak."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from samebut import catalog
from samebut.errors import DataError, PictureError
from samebut.images import picture_size
from samebut.language import lexicon
from samebut.scan import Scan, ScanRules, scan

Progress = Callable[[int, int], None]
SPLIT = "split"


@dataclass(frozen=True)
class CatalogueTable:
    """A catalogue matched with its pictures; columns have standard names (``lexicon.column``).

    ``rows`` by picture, a path below ``images``; ``columns`` maps a standard name to the file's own
    name of the column. ``missing`` are rows whose picture is not there; ``unclear`` are rows that
    fit several pictures, or share one with other rows, with those pictures or rows. ``unreadable``
    are pictures with the reason, ``without_row`` pictures that no row names. ``several`` counts, by
    column, the pictures for which rows give several values: it is unknown which of them the picture
    shows, so they are left out. ``unusable`` rows have their line and reason, ``matched`` counts
    names by the way in which they were matched, ``notes`` say how the file was read.
    """

    path: Path
    images: Path
    rows: dict[str, dict[str, str]]
    columns: dict[str, str]
    missing: list[str]
    unreadable: dict[str, str]
    without_row: list[str]
    unclear: dict[str, str] = field(default_factory=dict)
    several: dict[str, int] = field(default_factory=dict)
    unusable: list[str] = field(default_factory=list)
    matched: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def column(self, name: str) -> str:
        """The column called ``name``, by its standard name or the file's; DataError if none is."""
        if name in self.columns:
            return name
        for column, own in self.columns.items():
            if name.lower() in (own.lower(), column.lower()):
                return column
        if lexicon.column(name) in self.columns:
            return lexicon.column(name)
        raise DataError(
            f"{self.path}: no row has a value in a column {name!r}",
            hint=f"Give one of its columns: {', '.join(self.columns.values())}.",
        )


def read_table(
    path: Path,
    images: Path,
    *,
    file_column: str | None = None,
    rules: ScanRules | None = None,
    progress: Progress | None = None,
) -> CatalogueTable:
    """Read a catalogue and find its pictures, by path, by name, or by name without a suffix.

    The folder is looked through as for indexing: ``rules`` say what is left out.
    Every picture's header is read, so that a picture that can't be opened is reported now and not
    during training. Raises MetadataError or DataError if nothing can be used at all.
    """
    images = Path(images)
    if not images.is_dir():
        raise DataError(f"{images}: no such folder", hint="Give the folder of the pictures.")
    found = scan(images, rules)
    pictures = sorted(each.path for each in found.pictures)
    table = catalog.read(Path(path), file_column)
    matched = catalog.match([*table.values], pictures)
    values = _by_picture(table, matched)
    unreadable = _unreadable(images, list(values), progress)
    columns = _columns(table.values.values())
    own = {theirs: ours for ours, theirs in columns.items()}
    rows = {
        name: {own[column]: each[0] for column, each in row.items() if _is_clear(own[column], each)}
        for name, row in values.items()
        if name not in unreadable
    }
    if not rows:
        raise DataError(
            f"{path}: none of its {len(table.values):,} rows has a picture in {images}",
            hint=_none_fits(table, pictures),
        )
    several = Counter(
        column
        for name, row in values.items()
        for column, each in row.items()
        if name in rows and not _is_clear(own[column], each)
    )
    return CatalogueTable(
        path=Path(path),
        images=images,
        rows=rows,
        columns=columns,
        missing=matched.waiting,
        unreadable=unreadable,
        without_row=sorted(set(pictures) - set(values)),
        unclear={**matched.ambiguous, **matched.unused},
        several=dict(several),
        unusable=[f"line {each.line} {each.reason}" for each in table.unusable],
        matched=matched.counts(table.values),
        notes=[*table.notes, *_not_looked_at(found)],
    )


def _not_looked_at(found: Scan) -> list[str]:
    unreadable = [f"{path} {reason}" for path, reason in sorted(found.unreadable.items())]
    broken = [f"{path} is a link to what is not there" for path in found.broken_links]
    return [f"not read: {said}" for said in (*unreadable, *broken, *found.passed_over())]


def _by_picture(
    table: catalog.Catalog, matched: catalog.Matched
) -> dict[str, dict[str, catalog.Values]]:
    """The table's rows by picture; those of one picture are joined."""
    found: dict[str, dict[str, catalog.Values]] = {}
    for name, picture in matched.pictures.items():
        found[picture] = catalog.joined((found.get(picture, {}), table.values[name]))
    return found


def _is_clear(column: str, values: catalog.Values) -> bool:
    """Whether a column gives a picture a single value. Titles may be several, since variants of a
    product have their own; any of them will do."""
    return len(values) == 1 or column.startswith("title")


def _none_fits(table: catalog.Catalog, pictures: Sequence[str]) -> str:
    name, picture = next(iter(table.values), ""), next(iter(pictures), "")
    return (
        f"The table says '{name}', the folder has '{picture}'. Is --images the folder that the "
        "paths in the table start from?"
    )


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


def _columns(rows: Iterable[Mapping[str, object]]) -> dict[str, str]:
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
    """Pictures by split, and the column or name by which they were split.

    The table's own column ``split`` decides, unless ``split_by`` names a column: then rows with
    the same value there stay together (capitals and spaces aside), and a digest of the value alone
    decides the split, so that a row stays in its split when the table grows. Without either, the
    title is used in the same way, or the picture's name.
    """
    if split_by is None and SPLIT in table.columns:
        return _by_own_split(table), f"column {table.columns[SPLIT]}"
    if not 0 < val_share < 1:
        raise DataError(
            f"the share of the split val is {val_share:g}",
            hint="Give a number between 0 and 1, such as 0.2.",
        )
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
            hint="Fill the column split in every row, or split by another: --split-by COLUMN.",
        )
    for name, row in table.rows.items():
        splits.setdefault(row[SPLIT], []).append(name)
    strange = [name for name in splits if PurePosixPath(name).name != name or name.startswith(".")]
    if strange:
        raise DataError(
            f"{table.path}: a split can't be called {strange[0]!r}",
            hint="Name a file of that name can have: no slash, and no dot at its beginning.",
        )
    return splits
