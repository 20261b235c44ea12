"""From a shop's table and its pictures to a folder of composed queries that ``triplets`` reads.

    rows of the table + pictures ─▶ splits without a leak ─▶ queries of each split ─▶ folder, report

The folder holds ``catalog.csv`` (the pictures in use, their split and attributes), a
``SPLIT.jsonl`` for each split, ``dataset.json``, which says where the pictures lie, and
``report.json``. Pictures are not copied. The same table, rules and seed give the same files.
"""

from __future__ import annotations

import csv
import io
import json
import os
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from samebut.data import triplets
from samebut.errors import DataError
from samebut.files import write_whole, writing
from samebut.query_maker.queries import CatalogueQueries, QueryRules, details_of
from samebut.query_maker.relative_captions import ARTICLE, RelativeCaptions
from samebut.query_maker.report import CatalogueReport
from samebut.query_maker.table import SPLIT, CatalogueTable, split_rows

TITLES = ("title", "title_zh")
WRITTEN_BY = "samebut triplets"


def write(
    table: CatalogueTable,
    rules: QueryRules,
    out: Path,
    *,
    captions: RelativeCaptions | None = None,
    max_per_reference: int = 3,
    seed: int = 0,
    val_share: float = 0.2,
    split_by: str | None = None,
) -> CatalogueReport:
    """Write the queries of ``table`` into the folder ``out``, or one JSONL file without splits.

    Raises DataError: a rule that is not valid, a split without a query, a folder that holds
    something else, no room.
    """
    out = Path(out)
    single = out.suffix == ".jsonl"
    splits, split_by_said = (
        ({out.stem: list(table.rows)}, "nothing: one file")
        if single
        else split_rows(table, val_share=val_share, split_by=split_by)
    )
    # Found once for the whole table, so that all splits have the same details, even if one of them
    # happens to lack more values.
    rules = replace(rules, details=details_of(rules, list(table.rows.values())))
    captions = captions or RelativeCaptions.read()
    report = CatalogueReport.of(table, rules, captions, splits, split_by_said)
    lines: dict[str, list[dict[str, Any]]] = {}
    tidy: dict[str, Mapping[str, str]] = {}
    for split, names in splits.items():
        queries = CatalogueQueries(names, [table.rows[n] for n in names], rules, captions)
        tidy |= dict(zip(names, queries.rows, strict=True))
        rng = random.Random(f"{seed} {split}")
        lines[split] = list(_lines(queries, split, max_per_reference, rng))
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


def _save_file(out: Path, table: CatalogueTable, files: Mapping[str, str], report: str) -> None:
    """Write one split; other files of the folder are left as they are."""
    beside = out.with_suffix(".report.json")
    if out.exists() and not beside.exists():
        raise DataError(
            f"{out} exists and was not written by this command, so it is not overwritten",
            hint="Give another file: --out FILE.",
        )
    with writing(out.parent):
        out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(beside, report)
        if not (out.parent / triplets.DATASET).exists():
            write_whole(out.parent / triplets.DATASET, _dataset(table, out.parent))
        write_whole(out, files[out.name])


def _save_folder(folder: Path, table: CatalogueTable, files: Mapping[str, str]) -> None:
    """Write the folder anew; ``dataset.json`` first, because it marks the rest as ours to
    overwrite."""
    _claim(folder, table)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / triplets.DATASET, _dataset(table, folder))
        for path in folder.glob("*.jsonl"):
            if path.name not in files:  # a split of an earlier run
                path.unlink()
        for name, text in files.items():
            write_whole(folder / name, text)


def _lines(
    queries: CatalogueQueries, split: str, most: int, rng: random.Random
) -> Iterator[dict[str, Any]]:
    """Queries as lines of a JSONL, up to ``most`` of each reference."""
    number = 0
    for reference in queries.references:
        for query in queries.ask(rng, reference, most):
            target = rng.choice(query.targets)
            yield {
                "id": f"{split}-{number:05d}",
                "reference": query.reference,
                "text": query.texts[0],
                "lang": query.language,
                "change": query.group,
                "target": target,
                "targets": query.targets,
                "subset": queries.subset(rng, query, target),
            }
            number += 1


def _claim(folder: Path, table: CatalogueTable) -> None:
    """Refuse to overwrite anything that was not written by an earlier call."""
    if (folder / "catalog.csv").exists() and (folder / "catalog.csv").samefile(table.path):
        raise DataError(
            f"{folder} is the folder of the catalogue itself, whose catalog.csv would be "
            "overwritten",
            hint="Give another folder: --out FOLDER.",
        )
    ours = triplets.dataset(folder).get("written_by") == WRITTEN_BY
    others = [*folder.glob("*.jsonl"), *folder.glob("catalog.csv")]
    if others and not ours:
        raise DataError(
            f"{folder} has a file {others[0].name} that was not written by this command",
            hint="Give another folder: --out FOLDER.",
        )


def _dataset(table: CatalogueTable, folder: Path) -> str:
    """The content of ``dataset.json``: the path of the pictures, relative to the folder if they are
    beside or below it, else absolute."""
    images, folder = table.images.resolve(), folder.resolve()
    near = images.is_relative_to(folder.parent)
    where = Path(os.path.relpath(images, folder)).as_posix() if near else str(images)
    made = {"written_by": WRITTEN_BY, "catalogue": table.path.name}
    return json.dumps({"format": 1, "images": where, **made}, ensure_ascii=False, indent=1) + "\n"


def _catalogue(
    table: CatalogueTable,
    rules: QueryRules,
    splits: Mapping[str, Sequence[str]],
    tidy: Mapping[str, Mapping[str, str]],
) -> str:
    """The pictures in use as a table: split, title and attributes, and nothing else.

    Training takes every column for an attribute of the thing, so prices and article numbers must be
    left out.
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
