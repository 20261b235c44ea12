"""Your own triplets: a folder with ``images/``, ``catalog.csv`` and ``SPLIT.jsonl`` or ``.csv``.

``catalog.csv`` lists the pictures, one a row, in the column ``file``; with a column ``split`` the
gallery is the pictures of that split, without it all of them, without the file every picture that
a query names. ``SPLIT.jsonl`` holds one query a line::

    {"id": "val-7", "reference": "a.jpg", "text": "in blue", "target": "b.jpg",
     "targets": ["b.jpg", "c.jpg"], "subset": ["a.jpg", "b.jpg", ...], "change": "colour",
     "lang": "en"}

``reference``, ``text`` and ``target`` are needed; the rest may be left out. People who write
triplets in a spreadsheet save ``SPLIT.csv``: the same fields as columns, several ``targets`` or
members of a ``subset`` separated by semicolons; ``target`` may be left out where ``targets`` is
there, and is then the first. Where the pictures lie elsewhere, ``dataset.json`` says so::

    {"format": 1, "images": "../pictures"}
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from samebut import catalog
from samebut.data.benchmark import Benchmark, Query, Rules
from samebut.errors import DataError, MetadataError
from samebut.files import json_of, read_json, read_lines, read_text

RULES = Rules(
    recall=(1, 5, 10, 50), subset_recall=(1, 2, 3), average_precision=(10,), drop_reference=True
)

DATASET = "dataset.json"
FORMAT = 1  # of dataset.json
NEEDED = ("reference", "text", "target")
OPTIONAL = ("id", "targets", "subset", "change", "lang")
NAMED = 3  # of many faults of one kind
LINE = (
    "Write each line of SPLIT.jsonl as one JSON object, with texts in reference, text and target; "
    "docs/benchmarks.md shows one."
)
LAYOUT = (
    "Lay the folder out as docs/benchmarks.md shows: images/, SPLIT.jsonl or SPLIT.csv and, if "
    "wanted, catalog.csv with a column file."
)


def read(root: Path, split: str, *, rules: Rules = RULES) -> Benchmark:
    """Read ``root/SPLIT.jsonl`` (or ``.csv``) and the pictures it is ranked against.

    A query's targets keep the file's order behind ``target``, which stands first. Its group is
    its ``change``. The pictures themselves are not looked at: see ``Benchmark.require_images``.

    Raises DataError with the file and the line: no such split, broken JSON, a field missing or of
    another type, an empty text, a reference among its targets, an id used twice, a picture outside
    the gallery; in a CSV also a query that stands there twice.
    """
    root = Path(root)
    path = _split_file(root, split)
    lines = {where: _query(line, where, split) for where, line in FORMATS[path.suffix](path)}
    queries = tuple(lines.values())
    if not queries:
        raise DataError(f"{path}: holds no query", hint=LAYOUT)
    names, source = _gallery(root, split, queries)
    _require_in_gallery(root, lines, names, source)
    benchmark = Benchmark(
        name="triplets",
        split=split,
        images=_found(root, names),
        queries=queries,
        rules=rules,
        choices=(root.resolve().name,),
        protocol=f"gallery: {source}, reference "
        f"{'removed' if rules.drop_reference else 'kept'}; R@K: any target in the first K"
        + ("; RecallSubset@K: the annotated target only" if rules.subset_recall else ""),
        captions=lambda: {n: catalog.title(row) for n, row in catalog.rows_beside(root).items()},
    )
    benchmark.require_consistent()
    return benchmark


def pictures(root: Path, split: str, val_share: float = 0.0) -> dict[str, Path]:
    """The pictures of a split as ``root/catalog.csv`` lists them.

    A catalogue without a column ``split`` is divided by a digest of the file names: ``val_share``
    of it is val, the rest train. With a share of 0 all of it belongs to every split.

    DataError: the catalogue names no file, the same twice, or no picture of the split.
    """
    names, _ = _gallery(Path(root), split, ())
    if (
        val_share
        and names
        and "split" not in catalog.read(Path(root) / catalog.BESIDE, "file").columns
    ):
        names = [name for name in names if catalog.in_val(name, val_share) == (split == "val")]
    if not names:
        raise DataError(
            f"{root}: no picture of its catalog.csv is in the split {split}",
            hint=f"Give a larger catalogue, or change val_share, the share of val ({val_share:g}).",
        )
    return _found(Path(root), names)


def _found(root: Path, names: Sequence[str]) -> dict[str, Path]:
    images = images_folder(root)
    return {name: images / name for name in names}


def dataset(root: Path) -> dict[str, Any]:
    """What ``root/dataset.json`` says; empty if there is none. DataError if it can't be read."""
    path = Path(root) / DATASET
    if not path.is_file():
        return {}
    said: dict[str, Any] = read_json(path, dict)
    if said.get("format") != FORMAT or not isinstance(said.get("images"), str):
        raise DataError(
            f"{path}: its format is {said.get('format')!r}, or it has no folder of images",
            hint=f'Write it as {{"format": {FORMAT}, "images": "FOLDER"}}.',
        )
    return said


def images_folder(root: Path) -> Path:
    """Where the pictures of ``root`` lie: as ``dataset.json`` says, else in ``root/images``."""
    return Path(root) / str(dataset(root).get("images", "images"))


def _json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, text in enumerate(read_lines(path), 1):
        if not text.strip():
            continue
        where = f"{path.name} line {number}"
        try:
            line = json_of(text)
        except ValueError as error:
            said = getattr(error, "msg", error)
            raise DataError(f"{where}: not JSON, {said}", hint=LINE) from error
        if not isinstance(line, dict):
            raise DataError(f"{where}: not an object with named fields", hint=LINE)
        yield where, line


def _csv_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    text = read_text(path)
    header = text.partition("\n")[0]
    delimiter = max(",\t", key=header.count)  # semicolons separate targets
    table = csv.DictReader(io.StringIO(text), delimiter=delimiter, strict=True)
    columns = [name.strip().lower() for name in table.fieldnames or ()]
    unknown = [name for name in columns if name not in (*NEEDED, *OPTIONAL)]
    if (
        unknown
        or not {"reference", "text"} <= set(columns)
        or not {"target", "targets"} & {*columns}
    ):
        raise DataError(
            f"{path}: columns are missing or not known; it has {', '.join(columns) or 'none'}",
            hint=f"Give the columns {', '.join(NEEDED)} and, if wanted, {', '.join(OPTIONAL)}.",
        )
    table.fieldnames = columns
    seen: dict[tuple[Any, ...], str] = {}
    try:
        for row in table:
            where = f"{path.name} line {table.line_num}"
            line = _from_cells(row, where)
            same = (line["reference"], line["text"], tuple(line["targets"]))
            if seen.setdefault(same, where) != where:
                raise DataError(
                    f"{where}: is the same query as {seen[same]}", hint="Remove one of the two."
                )
            yield where, line
    except csv.Error as error:
        raise DataError(
            f"{path.name} line {table.reader.line_num}: {error}",
            hint="Correct that line, or save the table as CSV UTF-8 again.",
        ) from error


def _from_cells(row: dict[Any, Any], where: str) -> dict[str, Any]:
    if None in row or None in row.values():
        raise DataError(
            f"{where}: has more or fewer cells than the header",
            hint="Put a text that contains a comma in double quotes.",
        )
    line: dict[str, Any] = {name: cell.strip() for name, cell in row.items() if cell.strip()}
    for name in ("target", "targets", "subset"):
        if name in line:
            line[name] = [part.strip() for part in line[name].split(";") if part.strip()]
    named = line.pop("target", [])
    line["targets"] = line.get("targets") or named
    line["target"] = (named or line["targets"] or [""])[0]
    line.setdefault("reference", "")
    line.setdefault("text", "")
    return line


FORMATS = {".jsonl": _json_lines, ".csv": _csv_lines}


def splits(root: Path) -> list[str]:
    """The splits that ``root`` has a file of queries for."""
    return sorted(
        {
            path.stem
            for suffix in FORMATS
            for path in Path(root).glob(f"*{suffix}")
            if suffix != ".csv" or "reference" in read_text(path).partition("\n")[0].lower()
        }
    )


def _split_file(root: Path, split: str) -> Path:
    there = [path for suffix in FORMATS if (path := root / f"{split}{suffix}").is_file()]
    if len(there) > 1:
        raise DataError(
            f"{there[0]} and {there[1].name} are the same split in two formats",
            hint="Remove one of the two files.",
        )
    if there:
        return there[0]
    known = splits(root)
    raise DataError(
        f"{root / split}.jsonl: no such file",
        hint=f"Splits of this folder: {', '.join(known)}." if known else LAYOUT,
    )


def _require_in_gallery(
    root: Path, lines: Mapping[str, Query], names: Sequence[str], source: str
) -> None:
    known = set(names)
    unknown = [
        f"{where}: {name}"
        for where, query in lines.items()
        for name in (query.reference, *query.targets, *(query.subset or ()))
        if name not in known
    ]
    if unknown:
        more = ", …" if len(unknown) > NAMED else ""
        raise DataError(
            f"{root}: {len(unknown):,} pictures named by queries are not in the gallery, "
            f"first: {', '.join(unknown[:NAMED])}{more}",
            hint=f"Compare the spelling of the names: the gallery is {source}.",
        )


def _query(line: dict[str, Any], where: str, split: str) -> Query:
    target = catalog.file_name(_name(line, "target", where))
    targets = _names(line, "targets", where) or (target,)
    subset = _names(line, "subset", where)
    reference = catalog.file_name(_name(line, "reference", where))
    if target not in targets:
        raise DataError(
            f"{where}: target {target} is not among its targets",
            hint="Add it to targets, or leave targets out: then it is the only right answer.",
        )
    if reference in targets:
        raise DataError(
            f"{where}: reference {reference} is among its targets",
            hint="Remove it from targets: the reference can't be an answer to its own query.",
        )
    if subset is not None and target not in subset:
        raise DataError(
            f"{where}: target {target} is not in its subset",
            hint="Add it to subset, or leave subset out.",
        )
    return Query(
        id=str(line.get("id", f"{split} {where.rpartition(' ')[2]}")),
        reference=reference,
        texts=(_name(line, "text", where),),
        targets=(target, *(name for name in targets if name != target)),
        subset=subset,
        group=str(line.get("change") or ""),
        language=str(line.get("lang") or "en"),
    )


def _name(line: dict[str, Any], field: str, where: str) -> str:
    value = line.get(field)
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{where}: {field} is missing, empty or not a text", hint=LINE)
    return value


def _names(line: dict[str, Any], field: str, where: str) -> tuple[str, ...] | None:
    value = line.get(field)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise DataError(
            f"{where}: {field} is not a list of file names", hint='Write it as ["a.jpg", "b.jpg"].'
        )
    names = tuple(map(catalog.file_name, value))
    if len(set(names)) != len(names):
        raise DataError(f"{where}: {field} names a picture twice", hint="Name each picture once.")
    return names


def _gallery(root: Path, split: str, queries: tuple[Query, ...]) -> tuple[list[str], str]:
    path = root / catalog.BESIDE
    if not path.is_file():
        named = {name for q in queries for name in (q.reference, *q.targets, *(q.subset or ()))}
        return sorted(named), "every picture that a query names"
    try:
        table = catalog.read(path, "file")
        table.require_whole()
    except MetadataError as error:
        raise DataError(str(error), hint=error.hint or LAYOUT) from error
    by_split = "split" in table.columns
    for name, values in table.values.items():
        if len(values.get("split", ())) > 1:
            raise DataError(
                f"{path}: puts {name} into the splits {table.rows[name]['split']}",
                hint="Give all rows of a picture one split.",
            )
    names = [n for n, row in table.rows.items() if not by_split or row.get("split", "") == split]
    if not names:
        there = {row.get("split", "") for row in table.rows.values()}
        known = ", ".join(sorted(there)) if by_split else "none"
        raise DataError(
            f"{path}: lists no picture of split {split}", hint=f"Give one of its splits: {known}."
        )
    return names, f"every picture of the split {split}" if by_split else "every picture listed"
