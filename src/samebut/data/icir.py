"""i-CIR (Psomas et al., NeurIPS 2025): each instance with a database and hard negatives of its own.

The format is that of https://github.com/billpsomas/icir (``icir_dataset``, ``utils_features.py``):
``query_files.csv`` and ``database_files.csv`` hold a picture, a text and an instance on each line,
without a header. A picture of the database is right if instance and text are the query's.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from samebut.data.benchmark import Benchmark, Query, Rules
from samebut.data.folders import OTHER_VERSION, Folder
from samebut.errors import DataError
from samebut.files import read_lines

SPLITS = ("test",)
QUERIES, DATABASE = "query_files.csv", "database_files.csv"

RULES = Rules(
    recall=(1, 5, 10, 50), trapezoidal_precision=True, drop_reference=True, headline=("mAP",)
)


def read(root: Path, split: str = "test") -> Benchmark:
    """Read the two lists from wherever they lie below ``root``.

    Each instance's queries are ranked against its own part of the database, where no query picture
    is, as ``run_retrieval.py`` does. A picture on two lines of the database counts as two. Groups
    are instances.

    Raises DataError for a wrong folder, a line of fewer fields, a query without a right answer.
    """
    if split not in SPLITS:
        raise DataError(f"i-CIR has no split {split!r}", hint=f"Known: {', '.join(SPLITS)}.")
    folder = Folder.open(root)
    asked, database = _lines(folder.file(QUERIES)), _lines(folder.file(DATABASE))
    names = _names(database)
    parts, right = defaultdict(list), defaultdict(list)
    for name, line in zip(names, database, strict=True):
        parts[line.instance].append(name)
        right[line.instance, line.text].append(name)
    queries = tuple(
        _query(i, line, right[line.instance, line.text]) for i, line in enumerate(asked)
    )
    instances = dict.fromkeys(query.group for query in queries)
    pictures = dict(zip(names, (line.picture for line in database), strict=True))
    benchmark = Benchmark(
        name="icir",
        split=split,
        images={line.name: line.picture for line in asked} | pictures,
        queries=queries,
        rules=RULES,
        protocol=f"gallery: the instance's own database ({len(instances)} instances, "
        f"{len(database):,} pictures); query pictures are in none; a hit: a picture of the same "
        "instance and text; mAP: trapezoidal, over the whole ranking",
        galleries={instance: tuple(parts[instance]) for instance in instances},
        choices=("instance databases",),
    )
    benchmark.require_consistent()
    return benchmark


def all_pictures(root: Path) -> dict[str, Path | None]:
    """Every picture that the two lists name, with its file or None if it is not there."""
    folder = Folder.open(root)
    lines = [line for name in (QUERIES, DATABASE) for line in _lines(folder.file(name))]
    return {line.name: line.picture if line.picture.is_file() else None for line in lines}


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    text: str
    instance: str
    picture: Path


def _lines(path: Path) -> list[_Line]:
    """The lines of a list. Fields beyond the third are passed over, as the authors' reader does."""
    lines = []
    for number, line in enumerate(read_lines(path), 1):
        fields = line.strip().split(",")
        if len(fields) < 3 or not all(fields[:3:2]):
            raise DataError(
                f"{path.name} line {number}: does not hold a picture, a text and an instance",
                hint=OTHER_VERSION,
            )
        name, text, instance = fields[:3]
        lines.append(_Line(name, text, instance, _picture(path, name)))
    return lines


def _picture(listed_in: Path, name: str) -> Path:
    """Names begin with the data set's folder ("icir/query/…"), or lie beside the list."""
    beside = listed_in.parent / name
    return beside if beside.is_file() else listed_in.parent.parent / name


def _names(database: Sequence[_Line]) -> list[str]:
    """A name for each line: the picture's, and a number where it was there before."""
    seen: Counter[str] = Counter()
    names = []
    for line in database:
        seen[line.name] += 1
        names.append(line.name if seen[line.name] == 1 else f"{line.name} ({seen[line.name]})")
    return names


def _query(number: int, line: _Line, right: Sequence[str]) -> Query:
    if not right:
        raise DataError(
            f"{QUERIES} line {number + 1}: no picture of {line.instance!r} is {line.text!r} in "
            f"{DATABASE}",
            hint="Download both lists again: they are of different versions, or one is incomplete.",
        )
    return Query(
        id=f"{line.instance}-{number}",
        reference=line.name,
        texts=(line.text,),
        targets=tuple(right),
        group=line.instance,
    )
