"""Runs as TREC files: what ir_measures makes of them is what is printed here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import ir_measures
import numpy as np
import pytest
from ir_measures import AP, RR, P, Success

from drawn_features import drawn
from samebut.data.benchmark import Benchmark, Query, Rules
from samebut.evaluate import outcomes, rank, trec
from samebut.evaluate.run import Run

RULES = Rules(recall=(1, 5, 10, 50), precision=(1, 10), average_precision=(10,))
MEASURES = {f"R@{k}": Success @ k for k in RULES.recall} | {f"P@{k}": P @ k for k in (1, 10)}
MEASURES |= {"mAP@10": AP @ 10, "MRR": RR}


def run_of(*, removed: bool) -> Run:
    """Eighty pictures, every fifth one there twice: equal scores, whose names sort the other way.

    Names hold spaces and what stands for them.
    """
    features = drawn(3, 60, 80, most_targets=8)
    gallery = features.gallery.copy()
    gallery[::5] = gallery[1::5]
    names = [f"a picture%20 {10 + n}" for n in range(80)]
    queries = tuple(
        Query(
            id=f"query {row}",
            reference=names[features.references[row]],
            texts=("",),
            targets=tuple(names[place] for place in features.targets[row] if place >= 0),
            wrong=(names[(features.targets[row][0] + 7) % 80], "of no gallery"),
        )
        for row in range(60)
    )
    rules = replace(RULES, drop_reference=removed)
    benchmark = Benchmark("x", "val", {name: Path(name) for name in names}, queries, rules)
    about = {"model": {"name": "a model"}, "query": "slerp:0.65"}
    return Run(benchmark, rank(benchmark, features.queries, gallery), about)


@pytest.mark.parametrize("removed", [True, False])
def test_ir_measures_finds_the_same_numbers_for_every_query(tmp_path: Path, removed: bool) -> None:
    run = run_of(removed=removed)
    assert (run.ranked.scores[:, :-1] == run.ranked.scores[:, 1:]).any()
    written = trec.write({"slerp:0.65": run}, tmp_path)
    assert [path.name for path in written] == ["slerp-0.65.run", "qrels"]
    ranked = ir_measures.read_trec_run(str(tmp_path / "slerp-0.65.run"))
    answers = ir_measures.read_trec_qrels(str(tmp_path / "qrels"))
    found = outcomes(run.benchmark, run.ranked)
    rows = {f"query%20{row}": row for row in range(60)}
    theirs = list(ir_measures.iter_calc(MEASURES.values(), answers, ranked))
    assert len(theirs) == len(MEASURES) * 60
    ours = {measure: found[name] for name, measure in MEASURES.items()}
    for each in theirs:
        assert each.value == pytest.approx(ours[each.measure][rows[each.query_id]], abs=1e-6)


def test_scores_stay_what_they_are_where_they_differ(tmp_path: Path) -> None:
    run = run_of(removed=True)
    trec.write({"composed": run}, tmp_path)
    lines = [line.split() for line in (tmp_path / "composed.run").read_text().splitlines()]
    assert {len(line) for line in lines} == {6}
    first = np.array([float(line[4]) for line in lines[:79]], np.float32)
    kept = run.ranked.scores[0][:79]
    assert (np.diff(first) < 0).all()
    assert first == pytest.approx(kept, abs=1e-6)
    assert first[0] == kept[0]


def test_explicit_wrong_answers_are_judged_and_are_not_relevant(tmp_path: Path) -> None:
    run = run_of(removed=True)
    trec.write({"composed": run}, tmp_path)
    judged = [line.split() for line in (tmp_path / "qrels").read_text().splitlines()]
    ours = [line for line in judged if line[0] == "query%200"]
    query = run.benchmark.queries[0]
    assert sum(line[3] == "1" for line in ours) == len(query.targets)
    assert sum(line[3] == "0" for line in ours) == (query.wrong[0] not in query.targets)
    assert "gallery" not in (tmp_path / "qrels").read_text()
