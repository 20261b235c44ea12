"""PinPoint (Mahadev et al., CVPR 2026): many right answers, explicit wrong ones, paraphrases.

The format is that of https://github.com/pinterest/pinpoint-dataset: ``pinpoint_licensed.parquet``
has a row a query, ``index_signatures.txt`` a picture of the gallery a line. Pictures are named by
their signature.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from samebut.data.benchmark import Benchmark, Query, QueryStep, Rules
from samebut.data.folders import OTHER_VERSION, Folder
from samebut.errors import DataError
from samebut.files import read_lines

SPLITS = ("test",)
QUERIES = ("pinpoint_licensed.parquet", "pinpoint_metadata.parquet")  # or its former name
INDEX = "index_signatures.txt"
NONE = "None"  # the table's value for "no second picture"
FIELDS = {
    "query_id": str,
    "query_image_signature": str,
    "query_image_signature2": str,
    "instruction": str,
    "positive_candidates": list,
    "negative_candidates": list,
    "query_category": str,
}

RULES = Rules(
    recall=(1, 10),
    precision=(1, 10),
    average_precision=(1, 5, 10, 50),
    negatives=(10,),
    paraphrases=(10,),
    drop_reference=False,
    headline=("mAP@10",),
)


def read(root: Path, split: str = "test") -> Benchmark:
    """Read the table and the list of the gallery from wherever they lie below ``root``.

    Query pictures are in the gallery and stay in the ranking, as in the authors' code. A query
    with two pictures is the mean of what each of them makes with the text. Queries with the same
    pictures are paraphrases, which is how ``evaluate.py`` groups them, also where right answers
    differ. Groups are query categories.

    Raises DataError for a wrong folder, a damaged table, pictures that are not in the gallery, or
    without pyarrow.
    """
    if split not in SPLITS:
        raise DataError(f"PinPoint has no split {split!r}", hint=f"Known: {', '.join(SPLITS)}.")
    folder = Folder.open(root)
    images = {name: _picture(folder, name) for name in _signatures(folder)}
    queries = tuple(_query(row) for row in _rows(_table(folder)))
    pairs = sum(bool(query.also) for query in queries)
    benchmark = Benchmark(
        name="pinpoint",
        split=split,
        images=images,
        queries=queries,
        rules=RULES,
        protocol=f"gallery: the index ({len(images):,}); reference kept; {pairs:,} of "
        f"{len(queries):,} queries have two reference pictures, each with the text, averaged; "
        "mAP@K over all right answers as listed; range of P@10 among queries with the same "
        "pictures",
    )
    benchmark.require_consistent()
    return benchmark


def all_pictures(root: Path) -> dict[str, Path | None]:
    """Every picture of the gallery, which holds the query pictures, with its file or None."""
    folder = Folder.open(root)
    return {name: folder.picture(name) for name in _signatures(folder)}


def _picture(folder: Folder, name: str) -> Path:
    return folder.picture(name) or folder.root / "images" / f"{name}.jpg"


def _signatures(folder: Folder) -> list[str]:
    names = [line.strip() for line in read_lines(folder.file(INDEX))]
    return [*dict.fromkeys(name for name in names if name)]


def _table(folder: Folder) -> Path:
    return next((folder.file(name) for name in QUERIES if name in folder.files), None) or (
        folder.file(QUERIES[0])
    )


def _rows(path: Path) -> Iterable[Mapping[str, Any]]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise DataError(
            f"{path}: is a Parquet table, and the package that reads it is not installed",
            hint="Install it: pip install 'samebut[parquet]'",
        ) from error
    try:
        rows: list[dict[str, Any]] = parquet.read_table(path, columns=list(FIELDS)).to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(
            f"{path}: can't be read as a table of PinPoint: {error}", hint=OTHER_VERSION
        ) from error
    return (_checked(row, f"{path.name} row {number}") for number, row in enumerate(rows))


def _checked(row: dict[str, Any], where: str) -> dict[str, Any]:
    row["query_image_signature2"] = row.get("query_image_signature2") or NONE
    row["negative_candidates"] = row.get("negative_candidates") or []
    for name, kind in FIELDS.items():
        if not isinstance(row.get(name), kind):
            raise DataError(f"{where}: {name} is not of type {kind.__name__}", hint=OTHER_VERSION)
    if not row["positive_candidates"]:
        raise DataError(f"{where}: the query has no target picture", hint=OTHER_VERSION)
    return row


def _query(row: Mapping[str, Any]) -> Query:
    first, second = row["query_image_signature"], row["query_image_signature2"]
    text, right = row["instruction"], _named(row["positive_candidates"])
    return Query(
        id=row["query_id"],
        reference=first,
        texts=(text,),
        targets=tuple(dict.fromkeys(right)),
        group=row["query_category"],
        also=() if second == NONE else (QueryStep(second, (text,)),),
        wrong=tuple(name or "" for name in row["negative_candidates"]),
        relevant=len(right),
        together=f"{first} {second}",
    )


def _named(names: Sequence[str | None]) -> list[str]:
    return [name for name in names if name]
