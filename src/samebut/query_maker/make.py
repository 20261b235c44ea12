"""From a shop's table and its pictures to a folder of composed queries that ``triplets`` reads.

    rows of the table + pictures ─▶ splits without a leak ─▶ queries of each split ─▶ folder, report

The folder holds ``catalog.csv`` (the pictures in use, their split and attributes), a
``SPLIT.jsonl`` for each split, ``dataset.json``, which says where the pictures lie, and
``report.json``. Pictures are not copied. The same table, rules and seed give the same files.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from samebut.data import catalog, triplets
from samebut.data.folders import write_whole, writing
from samebut.errors import DataError, PictureError
from samebut.images import PICTURE_SUFFIXES, picture_size
from samebut.language import lexicon
from samebut.query_maker.queries import ARTICLE, CatalogueQueries, Rules, details_of
from samebut.query_maker.relative_captions import RelativeCaptions
from samebut.query_maker.report import Report

Progress = Callable[[int, int], None]
SPLIT = "split"
TITLES = ("title", "title_zh")
WRITTEN_BY = "samebut triplets"


@dataclass(frozen=True)
class Table:
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
) -> Table:
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
    return Table(
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
    matched = catalog.match(catalog.Catalog(table.path, rows), pictures)
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
    for name, what in kinds.items():
        if name not in columns:
            columns[what if what not in columns else name] = name
    return columns


def split_rows(
    table: Table, *, val_share: float = 0.2, split_by: str | None = None
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
        value = " ".join(row.get(column, name).casefold().split())
        share = int.from_bytes(hashlib.sha256(value.encode()).digest()[:8], "big") / 2**64
        splits["val" if share < val_share else "train"].append(name)
    said = f"column {table.columns[column]}" if column in table.columns else "file name"
    return splits, f"{said}, {val_share:.0%} to val"


def _by_own_split(table: Table) -> dict[str, list[str]]:
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


def write(
    table: Table,
    rules: Rules,
    out: Path,
    *,
    captions: RelativeCaptions | None = None,
    max_per_reference: int = 3,
    seed: int = 0,
    val_share: float = 0.2,
    split_by: str | None = None,
) -> Report:
    """Write the queries of ``table`` into the folder ``out``, or one JSONL file without splits.

    Raises DataError: a rule that makes no sense, a split without a query, a folder that holds
    something else, no room.
    """
    out = Path(out)
    single = out.suffix == ".jsonl"
    splits, split_by_said = (
        ({out.stem: list(table.rows)}, "nothing: one file")
        if single
        else split_rows(table, val_share=val_share, split_by=split_by)
    )
    # Once for the whole table: a split that happens to know less must not keep less.
    rules = replace(rules, details=details_of(rules, list(table.rows.values())))
    captions = captions or RelativeCaptions.read()
    report = Report.of(table, rules, captions, splits, split_by_said)
    lines: dict[str, list[dict[str, Any]]] = {}
    tidy: dict[str, Mapping[str, str]] = {}
    for split, names in splits.items():
        queries = CatalogueQueries([table.rows[n] for n in names], rules, captions)
        tidy |= dict(zip(names, queries.rows, strict=True))
        dice = random.Random(f"{seed} {split}")
        lines[split] = list(_lines(queries, names, split, max_per_reference, dice))
        report.add(split, queries, lines[split])
    report.require_queries()
    files = {f"{split}.jsonl": _jsonl(rows) for split, rows in lines.items()}
    said = json.dumps(report.as_dict(), ensure_ascii=False, indent=1)
    if single:
        _save_file(out, table, files, said)
    else:
        files["catalog.csv"] = _catalogue(table, rules, splits, tidy)
        _save_folder(out, table, files | {"report.json": said})
    return report


def _jsonl(rows: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _save_file(out: Path, table: Table, files: Mapping[str, str], report: str) -> None:
    """One split beside whatever lies there, which is left as it is."""
    beside = out.with_suffix(".report.json")
    if out.exists() and not beside.exists():
        raise DataError(f"{out} is there, and this command did not write it", hint="Name another.")
    with writing(out.parent):
        out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(beside, report)
        if not (out.parent / triplets.DATASET).exists():
            write_whole(out.parent / triplets.DATASET, _dataset(table, out.parent))
        write_whole(out, files[out.name])


def _save_folder(folder: Path, table: Table, files: Mapping[str, str]) -> None:
    """The folder anew; ``dataset.json`` first, since it says that the rest may be written over."""
    _claim(folder, table)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / triplets.DATASET, _dataset(table, folder))
        for path in folder.glob("*.jsonl"):
            if path.name not in files:  # of a split that there was an earlier time
                path.unlink()
        for name, text in files.items():
            write_whole(folder / name, text)


def _lines(
    queries: CatalogueQueries,
    names: Sequence[str],
    split: str,
    most: int,
    dice: random.Random,
) -> Iterator[dict[str, Any]]:
    """Queries as lines of a JSONL, up to ``most`` of each reference."""
    number = 0
    for reference in queries.references:
        for asked in queries.ask(dice, reference, most):
            target = dice.choice(asked.targets)
            subset = queries.subset(dice, asked, target)
            yield {
                "id": f"{split}-{number:05d}",
                "reference": names[reference],
                "text": asked.text,
                "lang": asked.language,
                "change": asked.change,
                "target": names[target],
                "targets": [names[row] for row in asked.targets],
                "subset": subset and [names[row] for row in subset],
            }
            number += 1


def _claim(folder: Path, table: Table) -> None:
    """Refuse to write over anything that an earlier call did not write."""
    if (folder / "catalog.csv").exists() and (folder / "catalog.csv").samefile(table.path):
        raise DataError(
            f"{folder} is the folder of the catalogue itself, which would be overwritten",
            hint="Give another folder as --out.",
        )
    ours = triplets.dataset(folder).get("written_by") == WRITTEN_BY
    others = [*folder.glob("*.jsonl"), *folder.glob("catalog.csv")]
    if others and not ours:
        raise DataError(
            f"{folder} holds {others[0].name}, which this command did not write",
            hint="Give another folder as --out.",
        )


def _dataset(table: Table, folder: Path) -> str:
    """Where the pictures lie: from the folder if they are beside it or below, else in full."""
    images, folder = table.images.resolve(), folder.resolve()
    near = images.is_relative_to(folder.parent)
    where = Path(os.path.relpath(images, folder)).as_posix() if near else str(images)
    made = {"written_by": WRITTEN_BY, "catalogue": table.path.name}
    return json.dumps({"format": 1, "images": where, **made}, ensure_ascii=False, indent=1) + "\n"


def _catalogue(
    table: Table,
    rules: Rules,
    splits: Mapping[str, Sequence[str]],
    tidy: Mapping[str, Mapping[str, str]],
) -> str:
    """The pictures in use as a table: split, title and attributes, and nothing else.

    Training takes every column for a property that tells things apart, so prices and numbers of
    the shop must stay outside.
    """
    titles = [name for name in TITLES if name in table.columns and name not in rules.columns]
    titles = titles or ["title"]
    looks = [name for name in reversed(rules.columns) if name != ARTICLE]
    told = [*looks, *(name for name in rules.columns if name == ARTICLE)]  # striped blue shirt
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", SPLIT, *titles, *rules.columns])
    for split, names in splits.items():
        for name in names:
            values = tidy[name]
            said = [table.rows[name].get(title, "") for title in titles]
            said[0] = said[0] or " ".join(values[c] for c in told if values[c])
            writer.writerow([name, split, *said, *(values[c] for c in rules.columns)])
    return text.getvalue()
