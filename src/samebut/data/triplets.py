"""Your own triplets: a folder with ``images/``, ``catalog.csv`` and ``SPLIT.jsonl``.

``catalog.csv`` lists the pictures, one a row, in the column ``file``; with a column ``split`` the
gallery is the pictures of that split, without it all of them, without the file every picture that
a query names. ``SPLIT.jsonl`` holds one query a line::

    {"id": "val-7", "reference": "a.jpg", "text": "in blue", "target": "b.jpg",
     "targets": ["b.jpg", "c.jpg"], "subset": ["a.jpg", "b.jpg", ...], "change": "colour",
     "lang": "en"}

``reference``, ``text`` and ``target`` are needed; the rest may be left out.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from samebut.data.benchmark import Benchmark, Query, Rules
from samebut.data.folders import read_lines, read_text
from samebut.errors import DataError

RULES = Rules(
    recall=(1, 5, 10, 50), subset_recall=(1, 2, 3), average_precision=(10,), drop_reference=True
)

LAYOUT = "The folder holds images/, SPLIT.jsonl and, if wanted, catalog.csv with a column file."


def read(root: Path, split: str, *, rules: Rules = RULES) -> Benchmark:
    """Read ``root/SPLIT.jsonl`` and the pictures it is ranked against.

    A query's targets keep the file's order behind ``target``, which stands first. Its group is
    its ``change``. The pictures themselves are not looked at: see ``Benchmark.require_images``.

    Raises DataError with the file and the line: no such split, broken JSON, a field missing or of
    another type, an empty text, an id used twice, a picture outside the gallery.
    """
    root = Path(root)
    path = root / f"{split}.jsonl"
    if not path.is_file():
        splits = sorted(file.stem for file in root.glob("*.jsonl"))
        raise DataError(
            f"{path}: no such file",
            hint=f"Splits of this folder: {', '.join(splits)}." if splits else LAYOUT,
        )
    queries = tuple(_query(line, where, split) for where, line in _json_lines(path))
    if not queries:
        raise DataError(f"{path}: holds no query", hint=LAYOUT)
    names, source = _gallery(root, split, queries)
    benchmark = Benchmark(
        name="triplets",
        split=split,
        images={name: root / "images" / name for name in names},
        queries=queries,
        rules=rules,
        choices=(root.resolve().name,),
        protocol=f"gallery: {source}, reference "
        f"{'removed' if rules.drop_reference else 'kept'}; R@K: any target in the first K"
        + ("; RecallSubset@K: the annotated target only" if rules.subset_recall else ""),
    )
    benchmark.require_consistent()
    return benchmark


def _json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, text in enumerate(read_lines(path), 1):
        if not text.strip():
            continue
        where = f"{path.name} line {number}"
        try:
            line = json.loads(text)
        except json.JSONDecodeError as error:
            raise DataError(f"{where}: not JSON, {error.msg}", hint=LAYOUT) from error
        if not isinstance(line, dict):
            raise DataError(f"{where}: not an object with named fields", hint=LAYOUT)
        yield where, line


def _query(line: dict[str, Any], where: str, split: str) -> Query:
    target = _name(line, "target", where)
    targets = _names(line, "targets", where) or (target,)
    subset = _names(line, "subset", where)
    reference = _name(line, "reference", where)
    if target not in targets:
        raise DataError(f"{where}: target {target} is not among its targets")
    if subset is not None and target not in subset:
        raise DataError(f"{where}: target {target} is not in its subset")
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
        raise DataError(f"{where}: {field} is missing, empty or not a text", hint=LAYOUT)
    return value


def _names(line: dict[str, Any], field: str, where: str) -> tuple[str, ...] | None:
    value = line.get(field)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise DataError(f"{where}: {field} is not a list of file names", hint=LAYOUT)
    if len(set(value)) != len(value):
        raise DataError(f"{where}: {field} names a picture twice")
    return tuple(value)


def _gallery(root: Path, split: str, queries: tuple[Query, ...]) -> tuple[list[str], str]:
    path = root / "catalog.csv"
    if not path.is_file():
        named = {name for q in queries for name in (q.reference, *q.targets, *(q.subset or ()))}
        return sorted(named), "every picture that a query names"
    table = csv.DictReader(io.StringIO(read_text(path)))
    rows = list(table)
    columns = table.fieldnames or ()
    if "file" not in columns:
        raise DataError(f"{path}: has no column named file", hint=LAYOUT)
    by_split = "split" in columns
    names = [row["file"] or "" for row in rows if not by_split or row["split"] == split]
    if not names:
        known = ", ".join(sorted({row["split"] or "" for row in rows})) if by_split else "none"
        raise DataError(f"{path}: lists no picture of split {split}", hint=f"It lists: {known}.")
    if not all(names):
        raise DataError(f"{path}: {names.count(''):,} of its rows name no file")
    if len(set(names)) != len(names):
        raise DataError(f"{path}: lists {len(names) - len(set(names)):,} pictures twice")
    return names, f"every picture of the split {split}" if by_split else "every picture listed"
