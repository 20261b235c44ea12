"""Submission files: written, checked, scored; every fault is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from drawn_features import Drawn, drawn
from fake_model import ColourModel
from samebut import submit
from samebut.data import circo, cirr
from samebut.data.benchmark import Benchmark, Query
from samebut.errors import DataError
from samebut.evaluate import rank
from samebut.evaluate.run import Run, describe

ANNOTATIONS = Path(__file__).parents[2] / "shared" / "data" / "annotations"

FEATURES = drawn(7, 12, 80, most_targets=4)


def cirr_benchmark(features: Drawn = FEATURES, split: str = "val") -> Benchmark:
    names = [f"dev-{i}" for i in range(len(features.gallery))]
    return Benchmark(
        name="cirr",
        split=split,
        images={name: Path(name) for name in names},
        queries=tuple(
            Query(
                id=str(100 + row),
                reference=names[features.references[row]],
                texts=("",),
                targets=(names[features.targets[row, 0]],) if split == "val" else (),
                subset=tuple(names[i] for i in features.subsets[row]),
            )
            for row in range(len(features.queries))
        ),
        rules=cirr.RULES,
    )


def circo_benchmark(features: Drawn = FEATURES) -> Benchmark:
    return Benchmark(
        name="circo",
        split="val",
        images={str(1000 + i): Path(str(i)) for i in range(len(features.gallery))},
        queries=tuple(
            Query(
                id=str(row),
                reference=str(1000 + features.references[row]),
                texts=("",),
                targets=tuple(str(1000 + t) for t in features.targets[row] if t >= 0),
            )
            for row in range(len(features.queries))
        ),
        rules=circo.RULES,
    )


@pytest.fixture
def model(tmp_path: Path) -> ColourModel:
    return ColourModel(tmp_path)


def run_of(benchmark: Benchmark, model: ColourModel) -> Run:
    ranked = rank(benchmark, FEATURES.queries, FEATURES.gallery)
    return Run(benchmark, ranked, describe(benchmark, model, "composed"))


def edit(path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    content = json.loads(path.read_text())
    changed = change(content)
    path.write_text(json.dumps(content if changed is None else changed))
    return path


# Writing


def test_cirr_takes_two_files_with_string_keys_in_the_order_of_the_ranking(
    model: ColourModel, tmp_path: Path
) -> None:
    benchmark = cirr_benchmark(split="test1")
    run = run_of(benchmark, model)
    recall, subset = submit.write(run, tmp_path / "out")
    assert [path.name for path in (recall, subset)] == [
        "cirr-test1-recall.json",
        "cirr-test1-recall_subset.json",
    ]
    whole, part = json.loads(recall.read_text()), json.loads(subset.read_text())
    assert (whole.pop("version"), whole.pop("metric")) == ("rc2", "recall")
    assert (part.pop("version"), part.pop("metric")) == ("rc2", "recall_subset")
    names = list(benchmark.images)
    for row, query in enumerate(benchmark.queries):
        assert whole[query.id] == [names[i] for i in run.ranked.ids[row, :50]]
        assert query.reference not in whole[query.id]
        everywhere = [names[i] for i in run.ranked.ids[row]]
        members = [n for n in everywhere if n in query.subset and n != query.reference]
        assert part[query.id] == members[:3]
    assert not list((tmp_path / "out").glob("*.partial"))


def test_circo_takes_numbers_and_keeps_the_reference(model: ColourModel, tmp_path: Path) -> None:
    run = run_of(circo_benchmark(), model)
    (path,) = submit.write(run, tmp_path)
    content = json.loads(path.read_text())
    assert path.name == "circo-val.json"
    assert list(content) == [str(i) for i in range(12)]
    assert all(type(number) is int for row in content.values() for number in row)
    assert content["3"] == [1000 + int(i) for i in run.ranked.ids[3, :50]]


def test_a_gallery_too_small_for_the_lists_is_refused(model: ColourModel, tmp_path: Path) -> None:
    features = drawn(1, 3, 30)
    benchmark = cirr_benchmark(features)
    ranked = rank(benchmark, features.queries, features.gallery)
    run = Run(benchmark, ranked, describe(benchmark, model, "composed"))
    with pytest.raises(DataError, match="query 100: has 29 pictures, 50 are wanted"):
        submit.write(run, tmp_path)
    assert not list(tmp_path.glob("cirr*.json"))


def test_other_benchmarks_have_no_server(model: ColourModel, tmp_path: Path) -> None:
    run = run_of(replace(cirr_benchmark(), name="fashioniq"), model)
    with pytest.raises(DataError, match="fashioniq has no test server"):
        submit.write(run, tmp_path)


# Scoring here


def test_files_score_as_the_ranking_they_were_written_from(
    model: ColourModel, tmp_path: Path
) -> None:
    for benchmark in (cirr_benchmark(), circo_benchmark()):
        run = run_of(benchmark, model)
        numbers = run.score().numbers
        scored = submit.score_files(submit.write(run, tmp_path), benchmark)
        assert scored.numbers == {k: v for k, v in numbers.items() if k != "MRR"}
        assert set(scored.intervals) == set(scored.numbers)


def test_one_cirr_file_scores_alone_without_the_mean(model: ColourModel, tmp_path: Path) -> None:
    benchmark = cirr_benchmark()
    recall, subset = submit.write(run_of(benchmark, model), tmp_path)
    assert list(submit.score_files([subset], benchmark).numbers) == [
        "RecallSubset@1",
        "RecallSubset@2",
        "RecallSubset@3",
    ]
    assert "(R@5+RecallSubset@1)/2" in submit.score_files([recall, subset], benchmark).numbers
    with pytest.raises(DataError, match="another file with recall"):
        submit.score_files([recall, recall], benchmark)
    edit(recall, lambda content: content.pop("100") and None)
    with pytest.raises(DataError, match="query 100: is missing"):
        submit.score_files([recall], benchmark)


def test_private_targets_are_not_scored(model: ColourModel, tmp_path: Path) -> None:
    benchmark = cirr_benchmark(split="test1")
    paths = submit.write(run_of(benchmark, model), tmp_path)
    with pytest.raises(DataError, match="targets are not public"):
        submit.score_files(paths, benchmark)


# Checking


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda c: c.update(version="rc1"), "version is 'rc1', 'rc2' is wanted"),
        (lambda c: c.pop("version") and None, "version is None, 'rc2' is wanted"),
        (lambda c: c["100"].pop() and None, "query 100: has 49 pictures, 50 are wanted"),
        (lambda c: c["100"].append("dev-1"), "query 100: has 51 pictures"),
        (lambda c: c["100"].__setitem__(1, c["100"][0]), "query 100: picture dev-"),
        (lambda c: c["101"].__setitem__(0, 7), "query 101: is not a list of names"),
        (lambda c: c.update({"102": "dev-1"}), "query 102: is not a list of names"),
        (lambda c: c["103"].__setitem__(0, "dev-900"), "query 103: picture dev-900 is not in the"),
        (lambda c: c.update({"999": c["100"]}), "query 999: is not one of val"),
        (lambda c: c.pop("104") and None, "query 104: is missing"),
    ],
)
def test_what_is_wrong_with_a_recall_file_is_named(
    model: ColourModel, tmp_path: Path, change: Callable[[dict[str, Any]], Any], problem: str
) -> None:
    benchmark = cirr_benchmark()
    recall, _ = submit.write(run_of(benchmark, model), tmp_path)
    assert submit.check(recall, benchmark).problems == ()
    problems = submit.check(edit(recall, change), benchmark).problems
    assert any(found.startswith(problem) for found in problems), problems


def test_the_reference_and_strangers_to_the_subset_are_named(
    model: ColourModel, tmp_path: Path
) -> None:
    benchmark = cirr_benchmark()
    recall, subset = submit.write(run_of(benchmark, model), tmp_path)
    query = benchmark.queries[0]
    stranger = next(name for name in benchmark.images if name not in (query.subset or ()))
    edit(recall, lambda c: c["100"].__setitem__(0, query.reference))
    edit(subset, lambda c: c["100"].__setitem__(0, stranger))
    assert (
        f"query 100: lists its own reference, {query.reference}"
        in submit.check(recall, benchmark).problems
    )
    assert (
        f"query 100: picture {stranger} is not of its subset"
        in submit.check(subset, benchmark).problems
    )


def test_a_circo_file_of_names_or_of_another_benchmark_is_refused(
    model: ColourModel, tmp_path: Path
) -> None:
    (path,) = submit.write(run_of(circo_benchmark(), model), tmp_path)
    assert submit.check(path, cirr_benchmark()).problems[-1] == "is for circo, not cirr"
    edit(path, lambda c: {key: [str(n) for n in row] for key, row in c.items()})
    assert submit.check(path, circo_benchmark()).problems[0] == (
        "query 0: is not a list of numbers"
    )


def test_an_id_that_stands_twice_is_seen_though_json_hides_it(
    model: ColourModel, tmp_path: Path
) -> None:
    benchmark = cirr_benchmark()
    recall, _ = submit.write(run_of(benchmark, model), tmp_path)
    text = recall.read_text()
    again = json.dumps(json.loads(text)["100"])
    recall.write_text(text[:-1] + f', "100": {again}}}')
    assert submit.check(recall, benchmark).problems == ("id 100 is there twice",)


def test_a_file_too_large_for_the_server_is_told(model: ColourModel, tmp_path: Path) -> None:
    recall, _ = submit.write(run_of(cirr_benchmark(), model), tmp_path)
    recall.write_text(recall.read_text() + " " * submit.LARGEST)
    (problem,) = submit.check(recall, cirr_benchmark()).problems
    assert "the server takes 5,000,000" in problem


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({}, "no header"),
        ({"version": "rc2", "metric": "mrr"}, "version 'rc2', metric 'mrr'"),
        ({"version": "rc2"}, "version 'rc2'"),
    ],
)
def test_a_file_for_no_server_is_told(tmp_path: Path, content: Any, problem: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(content))
    (found,) = submit.check(path).problems
    assert problem in found


@pytest.mark.parametrize(
    ("text", "problem"), [("[1, 2]", "holds a list"), ('{"1": [', "can't be read as JSON")]
)
def test_a_file_that_is_no_object_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(DataError, match=problem):
        submit.check(path)
    with pytest.raises(DataError, match="can't be read"):
        submit.check(tmp_path / "none.json")


def test_without_annotations_the_ids_are_known_by_their_digest(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({str(i): list(range(50)) for i in range(800)}))
    checked = submit.check(path)
    assert (checked.split, checked.problems) == ("test", ())
    assert "--root" in checked.unchecked
    path.write_text(json.dumps({str(i): list(range(50)) for i in range(1, 801)}))
    assert submit.check(path).problems == (
        "its 800 ids are not those of circo test (800) or val (220)",
    )


@pytest.mark.skipif(
    not ANNOTATIONS.is_dir(), reason="the annotations are not beside the repository"
)
@pytest.mark.parametrize("split", ["val", "test1"])
def test_the_real_ids_of_cirr_are_known(tmp_path: Path, split: str) -> None:
    benchmark = cirr.read(ANNOTATIONS / "cirr", split)
    pictures = list(benchmark.images)[:51]
    content: dict[str, Any] = {"version": "rc2", "metric": "recall"}
    for query in benchmark.queries:
        content[query.id] = [name for name in pictures if name != query.reference][:50]
    path = tmp_path / "x.json"
    path.write_text(json.dumps(content))
    assert submit.check(path).split == split
    assert submit.check(path, benchmark).problems == ()
