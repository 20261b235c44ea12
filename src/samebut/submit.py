"""Writes, checks and, where targets are public, scores files for the test servers of CIRR and
CIRCO.

CIRR takes two files, {"version": "rc2", "metric": "recall", "<pairid>": [50 names], ...} and the
same with "recall_subset" and 3 names; CIRCO takes {"0": [50 numbers], ...} for every query. A
server refuses a file, or scores it low, without saying why; the checks here name what is wrong.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from samebut import metrics
from samebut.data.benchmark import Benchmark, Query
from samebut.data.cirr import VERSION
from samebut.errors import DataError
from samebut.evaluate.ranking import Ranked, rivals_of
from samebut.evaluate.run import Run
from samebut.evaluate.scoring import Score, outcomes, score_outcomes
from samebut.files import json_of, replacing, writing
from samebut.metrics import NOBODY

WRITE_AGAIN = "Write the file again, with samebut submit or with your own program."
LARGEST = 5_000_000  # bytes; the CIRR server says 5 MB
HEADER = ("version", "metric")


@dataclass(frozen=True, slots=True)
class Form:
    """The format of one kind of file: ``length`` pictures for each query; ``subset``: only from its
    subset."""

    benchmark: str
    metric: str
    length: int
    subset: bool = False

    @property
    def header(self) -> dict[str, str]:
        return {"version": VERSION, "metric": self.metric} if self.metric else {}


RECALL = Form("cirr", "recall", 50)
SUBSET = Form("cirr", "recall_subset", 3, subset=True)
CIRCO = Form("circo", "", 50)
FORMS = {"cirr": (RECALL, SUBSET), "circo": (CIRCO,)}

# Splits by (benchmark, how many queries, digest of their ids): a file is known without the data.
SPLITS = {
    ("cirr", 4148, "3d2865e12154ae4d"): "test1",
    ("cirr", 4181, "7fb7b7832cfc2ad0"): "val",
    ("circo", 800, "c97ef0ec835981d6"): "test",
    ("circo", 220, "e15294e5367d8f75"): "val",
}


@dataclass(frozen=True, slots=True)
class Checked:
    """A file as it was understood. ``problems`` is empty if a server will take it; ``split`` is
    empty if its queries are of none we know; ``unchecked`` says what needs the annotations."""

    path: Path
    form: Form | None
    split: str
    problems: tuple[str, ...]
    unchecked: str = ""


def write(run: Run, folder: Path) -> list[Path]:
    """Write the files that the server of ``run``'s benchmark takes, and check them.

    Raises DataError if the benchmark has no server, or the ranking can't fill its lists.
    """
    benchmark = run.benchmark
    if benchmark.name not in FORMS:
        raise DataError(
            f"{benchmark.name} has no test server that takes a file",
            hint=f"Give a benchmark that has one: {', '.join(FORMS)}.",
        )
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        return [_write_form(run, form, folder) for form in FORMS[benchmark.name]]


def check(path: Path, benchmark: Benchmark | None = None) -> Checked:
    """Everything that is wrong with a submission file, ours or anybody's.

    With ``benchmark``, of the split it answers, ids and pictures are checked one by one; without,
    the set of ids is compared by its digest. Raises DataError if the file can't be read at all.
    """
    path = Path(path)
    content, repeated = _read(path)
    form = _form(content)
    if form is None:
        told = ", ".join(f"{key} {content[key]!r}" for key in HEADER if key in content)
        return Checked(path, None, "", (f"is for no server we know ({told or 'no header'})",))
    lists = {key: value for key, value in content.items() if key not in HEADER}
    split = SPLITS.get((form.benchmark, len(lists), _digest(lists)), "")
    problems = [f"id {key} is there twice" for key in repeated]
    problems += _header_problems(content, form, path)
    problems += _list_problems(lists, form)
    unchecked = ""
    if benchmark is not None:
        problems += _benchmark_problems(lists, form, benchmark)
    elif split:
        unchecked = "picture names and subsets need the annotations (--root)"
    else:
        problems.append(f"its {len(lists):,} ids are not those of {_known_splits(form)}")
    return Checked(path, form, split, tuple(problems), unchecked)


def score_files(paths: Sequence[Path], benchmark: Benchmark) -> Score:
    """Score files of a split whose targets are public, as its server would.

    One file, or CIRR's two together, which also give the mean that systems are ranked by. Raises
    DataError if a file has problems, two are alike, or targets are private.
    """
    found: dict[str, metrics.Values] = {}
    for path in paths:
        checked = check(path, benchmark)
        if checked.problems or checked.form is None:
            raise DataError(
                f"{path}: {checked.problems[0]}",
                hint=f"List every problem with: samebut submit check {path}",
            )
        numbers = _file_outcomes(path, checked.form, benchmark)
        if found.keys() & numbers.keys():
            raise DataError(
                f"{path}: another file with {checked.form.metric or 'mAP and recall'} was given",
                hint="Give one file of each kind.",
            )
        found |= numbers
    return score_outcomes(benchmark, found)


def _write_form(run: Run, form: Form, folder: Path) -> Path:
    benchmark = run.benchmark
    listed = _subset_lists(run) if form.subset else _lists(run, form.length)
    content = form.header | dict(zip([q.id for q in benchmark.queries], listed, strict=True))
    name = "-".join(part for part in (benchmark.name, benchmark.split, form.metric) if part)
    path = folder / f"{name}.json"
    with replacing(path) as partial:
        partial.write_text(json.dumps(content), encoding="utf-8")
        if problems := check(partial, benchmark).problems:
            raise DataError(
                f"the ranking is not enough for a valid {path.name}: {problems[0]}",
                hint="Evaluate on the whole data set: a part of its gallery has too few pictures.",
            )
    return path


def _lists(run: Run, length: int) -> list[list[Any]]:
    names: list[Any] = list(run.benchmark.images)
    if run.benchmark.name == "circo":
        names = [int(name) for name in names]
    return [[names[i] for i in row[:length] if i != NOBODY] for row in run.ranked.ids]


def _subset_lists(run: Run) -> list[list[str]]:
    lists = []
    for row, query in enumerate(run.benchmark.queries):
        rivals = rivals_of(query)
        ranks = dict(zip(rivals, run.ranked.rival_ranks[row], strict=False))
        ranks |= dict(zip(query.targets[:1], run.ranked.target_ranks[row], strict=False))
        lists.append(sorted(ranks, key=lambda name: int(ranks[name]))[: SUBSET.length])
    return lists


def _read(path: Path) -> tuple[dict[str, Any], list[str]]:
    """The file's content, and the keys that stand in it more than once."""
    repeated: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        repeated.extend(key for key, n in Counter(key for key, _ in pairs).items() if n > 1)
        return dict(pairs)

    try:
        content = json_of(path.read_text(encoding="utf-8-sig"), object_pairs_hook=unique)
    except OSError as error:
        raise DataError(
            f"{path}: can't be read, {error.strerror or error}",
            hint="Give a file that exists and that you are allowed to read.",
        ) from error
    except ValueError as error:
        raise DataError(f"{path}: can't be read as JSON, {error}", hint=WRITE_AGAIN) from error
    if not isinstance(content, dict):
        raise DataError(
            f"{path}: holds a {type(content).__name__}, not one object", hint=WRITE_AGAIN
        )
    return content, repeated


def _form(content: Mapping[str, Any]) -> Form | None:
    if not any(key in content for key in HEADER):
        return CIRCO if content else None
    return next((form for form in FORMS["cirr"] if form.metric == content.get("metric")), None)


def _header_problems(content: Mapping[str, Any], form: Form, path: Path) -> list[str]:
    problems = [
        f"{key} is {content.get(key)!r}, {wanted!r} is wanted"
        for key, wanted in form.header.items()
        if content.get(key) != wanted
    ]
    size = path.stat().st_size
    if form.header and size > LARGEST:
        problems.append(f"has {size:,} bytes; the server takes {LARGEST:,}")
    return problems


def _list_problems(lists: Mapping[str, Any], form: Form) -> list[str]:
    kind: type = int if form is CIRCO else str
    problems = []
    for key, names in lists.items():
        if not isinstance(names, list) or not all(type(name) is kind for name in names):
            problems.append(
                f"query {key}: is not a list of {'numbers' if kind is int else 'names'}"
            )
        elif len(names) != form.length:
            problems.append(f"query {key}: has {len(names)} pictures, {form.length} are wanted")
        elif len(set(names)) != len(names):
            twice = Counter(names).most_common(1)[0][0]
            problems.append(f"query {key}: picture {twice} is there twice")
    return problems


def _benchmark_problems(lists: Mapping[str, Any], form: Form, benchmark: Benchmark) -> list[str]:
    if benchmark.name != form.benchmark:
        return [f"is for {form.benchmark}, not {benchmark.name}"]
    queries = {query.id: query for query in benchmark.queries}
    problems = [f"query {key}: is not one of {benchmark.split}" for key in lists.keys() - queries]
    problems += [f"query {key}: is missing" for key in queries.keys() - lists.keys()]
    for key in lists.keys() & queries.keys():
        if isinstance(lists[key], list):
            problems += _picture_problems(map(str, lists[key]), form, queries[key], benchmark)
    return sorted(problems, key=_by_number)


def _picture_problems(
    names: Iterable[str], form: Form, query: Query, benchmark: Benchmark
) -> list[str]:
    problems = []
    for name in names:
        if name not in benchmark.images:
            problems.append(f"query {query.id}: picture {name} is not in the gallery")
        elif benchmark.rules.drop_reference and name == query.reference:
            problems.append(f"query {query.id}: lists its own reference, {name}")
        elif form.subset and name not in (query.subset or ()):
            problems.append(f"query {query.id}: picture {name} is not of its subset")
    return problems


def _by_number(problem: str) -> tuple[int, str]:
    number = problem.split()[1].rstrip(":")
    return (int(number) if number.isdecimal() else -1), problem


def _file_outcomes(path: Path, form: Form, benchmark: Benchmark) -> dict[str, metrics.Values]:
    lists = _read(path)[0]
    position = {name: i for i, name in enumerate(benchmark.images)}
    ids = np.array(
        [[position[str(name)] for name in lists[query.id]] for query in benchmark.queries], np.int32
    )
    longest = max(len(query.targets) for query in benchmark.queries)
    targets = np.full((len(ids), longest), NOBODY, np.int32)
    for row, query in zip(targets, benchmark.queries, strict=True):
        row[: len(query.targets)] = [position[name] for name in query.targets]
    ranks = metrics.ranks_in_list(ids, targets)
    if form.subset:
        return {
            f"RecallSubset@{k}": metrics.recall(ranks, k) for k in benchmark.rules.subset_recall
        }
    nobody = np.empty((len(ids), 0), np.int32)
    whole = replace(benchmark, rules=replace(benchmark.rules, subset_recall=()))
    found = outcomes(whole, Ranked(ids, np.zeros(ids.shape, np.float32), ranks, nobody))
    # What lies beyond the list is not known, so neither is the mean of reciprocal ranks.
    return {name: values for name, values in found.items() if name != "MRR"}


def _digest(ids: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()[:16]


def _known_splits(form: Form) -> str:
    known = [
        f"{split} ({count:,})"
        for (name, count, _), split in SPLITS.items()
        if name == form.benchmark
    ]
    return f"{form.benchmark} {' or '.join(known)}"
