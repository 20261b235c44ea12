"""Runs as files of TREC, which `trec_eval`, `ir_measures`, `ranx` and others read.

MODE.run    query Q0 picture rank score tag: the first 100 of each ranking
qrels       query 0 picture relevance: 1 for right answers, 0 for explicit wrong ones
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import numpy as np

from samebut.data.benchmark import Benchmark
from samebut.evaluate.run import Run
from samebut.files import write_whole, writing
from samebut.metrics import NOBODY, Floats

QRELS = "qrels"
_NOT_IN_A_NAME = re.compile(r"[\s%]")


def write(runs: Mapping[str, Run], folder: Path) -> list[Path]:
    """Write a file for each mode's run, and the right answers, if they are public, into ``folder``.

    Files of these names are replaced, each whole. Returns the paths. Whitespace in names is written
    as in addresses (``%20``).

    Raises DataError: it can't be written.
    """
    files = {f"{_file_name(mode)}.run": "".join(_ranked(run)) for mode, run in runs.items()}
    for run in runs.values():
        files[QRELS] = "".join(_answers(run.benchmark))
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            if text:
                write_whole(folder / name, text)
    return [folder / name for name, text in files.items() if text]


def _file_name(mode: str) -> str:
    return mode.replace(":", "-")  # Windows has no ":" in names


def _ranked(run: Run) -> Iterator[str]:
    names = [_name(name) for name in run.benchmark.images]
    tag = _name(f"{run.about['model']['name']}-{run.about['query']}")
    for query, ids, scores in zip(
        run.benchmark.queries, run.ranked.ids, _falling(run.ranked.scores), strict=True
    ):
        asked = _name(query.id)
        for rank, (place, score) in enumerate(zip(ids, scores, strict=True), 1):
            if place != NOBODY:
                yield f"{asked} Q0 {names[place]} {rank} {score:.9g} {tag}\n"


def _answers(benchmark: Benchmark) -> Iterator[str]:
    for query in benchmark.queries:
        wrong = [name for name in dict.fromkeys(query.wrong) if name in benchmark.images]
        judged = dict.fromkeys(wrong, 0) | dict.fromkeys(query.targets, 1)
        for name, relevance in judged.items():
            yield f"{_name(query.id)} 0 {_name(name)} {relevance}\n"


def _falling(scores: Floats) -> Floats:
    """``scores`` (Q, K) made strictly decreasing, by the smallest steps of float32.

    Programs that read such a file sort by score and break ties by name, but the rankings have equal
    scores in gallery order: with ties, the order would change.
    """
    falling = scores.copy()
    for column in range(1, scores.shape[1]):
        below = np.nextafter(falling[:, column - 1], np.float32(-np.inf))
        falling[:, column] = np.minimum(scores[:, column], below)
    return falling


def _name(name: str) -> str:
    return _NOT_IN_A_NAME.sub(lambda found: quote(found[0]), name)
