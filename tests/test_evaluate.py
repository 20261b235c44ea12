"""Ranking, scoring, significance and runs on disk; agreement with published evaluation code."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drawn_features import ASPECTS, Drawn, aspects_of, drawn, listed_of, unit, wishes_of
from fake_model import COLOURS, ColourModel, colour_folder
from samebut.data import circo, cirr, icir, pinpoint, triplets
from samebut.data.benchmark import Benchmark, Query, QueryStep, Rules
from samebut.errors import DataError, QueryError
from samebut.evaluate import outcomes, rank, report, score_embeddings, significance
from samebut.evaluate.embeddings import MODES, embed_benchmark, texts_cut
from samebut.evaluate.run import Run, evaluate
from samebut.evaluate.scoring import headline_name, score

PUBLISHED = json.loads((Path(__file__).parent / "golden" / "published_metrics.json").read_text())
PINPOINT = (("mAP", ""), ("NegRecall", ""), ("mAP", "_noNeg"))


def benchmark_of(features: Drawn, rules: Rules, *, subsets: bool = False) -> Benchmark:
    names = [str(i) for i in range(len(features.gallery))]
    return Benchmark(
        name="drawn",
        split="val",
        images={name: Path(name) for name in names},
        queries=tuple(
            Query(
                id=str(row),
                reference=names[features.references[row]],
                texts=("",),
                targets=tuple(names[t] for t in features.targets[row] if t >= 0),
                subset=tuple(names[i] for i in features.subsets[row]) if subsets else None,
                aspects=tuple(aspects_of(row)),
            )
            for row in range(len(features.queries))
        ),
        rules=rules,
    )


# Agreement with published code, whose answers on the same features are in golden/.


def as_single_precision(percent: float) -> float:
    """The percentage as code that divides counts in float32 returns it."""
    return float(np.float32(percent / 100)) * 100


def test_recall_agrees_with_clip4cir_on_fashioniq() -> None:
    sizes = {"dress": (300, 700), "shirt": (320, 900), "toptee": (280, 800)}
    parts = {name: drawn(10 + i, *size) for i, (name, size) in enumerate(sizes.items())}
    images, queries, galleries = {}, [], {}
    for name, part in parts.items():
        single = benchmark_of(part, Rules())
        galleries[name] = tuple(f"{name}{i}" for i in single.images)
        images |= {picture: Path(picture) for picture in galleries[name]}
        queries += [
            replace(
                q,
                id=f"{name}-{q.id}",
                group=name,
                reference=f"{name}{q.reference}",
                targets=(f"{name}{q.targets[0]}",),
            )
            for q in single.queries
        ]
    rules = Rules(recall=(10, 50), drop_reference=False, macro=True, headline=("R@10", "R@50"))
    whole = Benchmark("drawn", "val", images, tuple(queries), rules, galleries=galleries)
    gallery = np.vstack([part.gallery for part in parts.values()])
    asked = np.vstack([part.queries for part in parts.values()])
    scored = score(whole, rank(whole, asked, gallery))
    published = PUBLISHED["clip4cir_fashioniq"]
    for name, (at_10, at_50) in published.items():
        assert as_single_precision(scored.groups[name]["R@10"]) == at_10
        assert as_single_precision(scored.groups[name]["R@50"]) == at_50
    means = np.mean(list(published.values()), axis=0)
    assert scored.numbers["R@10"] == pytest.approx(means[0], abs=1e-5)
    assert scored.numbers["(R@10+R@50)/2"] == pytest.approx(means.mean(), abs=1e-5)


def test_recall_and_subset_recall_agree_with_clip4cir_on_cirr() -> None:
    features = drawn(20, 400, 600)
    benchmark = benchmark_of(features, cirr.RULES, subsets=True)
    numbers = score_embeddings(benchmark, features.queries, features.gallery)
    for name, value in PUBLISHED["clip4cir_cirr"].items():
        assert as_single_precision(numbers[name]) == value


def test_average_precision_agrees_with_circo_to_the_last_bit() -> None:
    features = drawn(30, 220, 1500, most_targets=14)
    benchmark = benchmark_of(features, circo.RULES)
    scored = score(benchmark, rank(benchmark, features.queries, features.gallery))
    published = dict(PUBLISHED["circo"])
    for aspect, value in published.pop("aspects_mAP@10").items():
        assert scored.aspects[aspect]["mAP@10"] == 100 * value
    assert set(scored.aspects) == set(ASPECTS)
    for name, value in published.items():
        assert scored.numbers[name] == 100 * value


def test_trapezoidal_precision_agrees_with_i_cir() -> None:
    features = drawn(40, 120, 900, most_targets=20)
    benchmark = benchmark_of(features, replace(icir.RULES, drop_reference=False))
    ranked = rank(benchmark, features.queries, features.gallery)
    published = PUBLISHED["icir"]
    found = outcomes(benchmark, ranked)["mAP"]
    assert found[:5].tolist() == pytest.approx(published["first"], rel=1e-12)
    assert score(benchmark, ranked).numbers["mAP"] == pytest.approx(100 * published["mAP"])


def test_precision_negatives_and_paraphrases_agree_with_pinpoint() -> None:
    """Right answers that are listed twice count twice in the divisor, there and here."""
    features = drawn(41, 240, 1500, most_targets=12)
    right, wrong = listed_of(features, 42)
    rules = replace(pinpoint.RULES, precision=(1, 5, 10, 50), negatives=(1, 5, 10, 50))
    plain = benchmark_of(features, rules)
    queries = tuple(
        replace(
            query,
            wrong=tuple("" if place is None else str(place) for place in wrong[row]),
            relevant=len(right[row]),
            together=wish,
        )
        for row, (query, wish) in enumerate(zip(plain.queries, wishes_of(240), strict=True))
    )
    benchmark = replace(plain, queries=queries)
    numbers = score(benchmark, rank(benchmark, features.queries, features.gallery)).numbers
    names = {"range of P@10": "ling_sens_range"} | {f"P@{k}": f"precision@{k}" for k in (1, 5, 10)}
    for name in (f"{name}@{k}{end}" for k in (1, 5, 10, 50) for name, end in PINPOINT):
        names[name] = name
    for name, published in names.items():
        assert numbers[name] == pytest.approx(100 * PUBLISHED["pinpoint"][published], rel=1e-12)


# Rules


def test_a_conversation_is_a_hit_by_the_turn_that_first_finds_its_answer() -> None:
    gallery = unit(np.eye(4))
    images = {name: Path(name) for name in "abcd"}
    said = [("one", "a"), ("one", "b"), ("two", "b"), ("two", "a"), ("two", "d"), ("", "a")]
    queries = tuple(
        Query(str(n), "d", ("",), ("a",), together=session) for n, (session, _) in enumerate(said)
    )
    rules = Rules(recall=(1,), session_hits=1, drop_reference=False, headline=("Hits@1",))
    benchmark = Benchmark("x", "val", images, queries, rules)
    asked = gallery[["abcd".index(found) for _, found in said]]
    numbers = score(benchmark, rank(benchmark, asked, gallery)).numbers
    hits = {name: value for name, value in numbers.items() if name.startswith("Hits")}
    assert hits == {"Hits@1 by turn 1": 50, "Hits@1 by turn 2": 100, "Hits@1": 100}


def test_the_reference_stays_or_goes_as_the_rules_say() -> None:
    gallery = unit(np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]))
    images = {name: Path(name) for name in "abc"}
    queries = (Query("q", "a", ("",), ("b",)),)
    kept = Benchmark("x", "val", images, queries, Rules(recall=(1, 2), drop_reference=False))
    removed = replace(kept, rules=Rules(recall=(1, 2)))
    assert score_embeddings(kept, gallery[:1], gallery)["R@1"] == 0
    assert score_embeddings(removed, gallery[:1], gallery)["R@1"] == 100
    assert rank(removed, gallery[:1], gallery).ids[0, :3].tolist() == [1, 2, -1]


def test_each_group_is_ranked_against_its_own_gallery_and_counts_the_same() -> None:
    gallery = unit(np.eye(4))
    images = {name: Path(name) for name in "abcd"}
    queries = tuple(
        Query(str(i), "d", ("",), (target,), group=group)
        for i, (target, group) in enumerate([("a", "one"), ("b", "two"), ("a", "two")])
    )
    benchmark = Benchmark(
        "x",
        "val",
        images,
        queries,
        Rules(recall=(1,), macro=True),
        galleries={"one": ("a", "d"), "two": ("d", "c", "b", "a")},
    )
    asked = unit(np.array([[0.1, 0.9, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]]))
    ranked = rank(benchmark, asked, gallery, kept=3)
    assert ranked.ids.tolist() == [[0, -1, -1], [1, 2, 0], [1, 2, 0]]
    assert score(benchmark, ranked).numbers["R@1"] == 75


def test_subset_recall_is_a_mean_over_the_queries_that_have_one() -> None:
    features = drawn(1, 40, 60)
    benchmark = benchmark_of(features, cirr.RULES, subsets=True)
    half = replace(
        benchmark,
        queries=tuple(
            replace(q, subset=None) if i % 2 else q for i, q in enumerate(benchmark.queries)
        ),
    )
    found = outcomes(half, rank(half, features.queries, features.gallery))["RecallSubset@1"]
    assert np.isnan(found[1::2]).all()
    numbers = score_embeddings(half, features.queries, features.gallery)
    assert numbers["RecallSubset@1"] == pytest.approx(100 * found[::2].mean())
    bare = replace(benchmark, queries=tuple(replace(q, subset=None) for q in benchmark.queries))
    assert "RecallSubset@1" not in score_embeddings(bare, features.queries, features.gallery)


def test_a_benchmark_without_public_targets_is_not_scored() -> None:
    features = drawn(1, 3, 20)
    benchmark = benchmark_of(features, Rules())
    private = replace(benchmark, queries=tuple(replace(q, targets=()) for q in benchmark.queries))
    with pytest.raises(DataError, match="targets are not public"):
        score_embeddings(private, features.queries, features.gallery)


def test_embeddings_must_be_those_of_the_benchmark() -> None:
    features = drawn(1, 5, 20)
    benchmark = benchmark_of(features, Rules())
    with pytest.raises(DataError, match="4 query embeddings, and the benchmark has 5"):
        rank(benchmark, features.queries[:4], features.gallery)
    with pytest.raises(DataError, match="19 gallery embeddings, and the benchmark has 20"):
        rank(benchmark, features.queries, features.gallery[:19])


@pytest.mark.parametrize(
    ("rules", "name"),
    [
        (Rules(), "R@1"),
        (Rules(headline=("mAP@5",)), "mAP@5"),
        (cirr.RULES, "(R@5+RecallSubset@1)/2"),
    ],
)
def test_the_headline_is_named_as_what_it_is(rules: Rules, name: str) -> None:
    assert headline_name(rules) == name


# Significance


def test_intervals_hold_the_mean_and_shrink_with_queries() -> None:
    random = np.random.default_rng(0)
    widths = []
    for size in (100, 2500):
        values = (random.random(size) < 0.4).astype(float)
        low, high = significance.intervals({"R": values}, [""] * size, macro=False)["R"]
        assert low < 100 * values.mean() < high
        widths.append(high - low)
        standard = 100 * 1.96 * 2 * np.sqrt(values.var() / size)
        assert high - low == pytest.approx(standard, rel=0.1)
    assert widths[0] > 3 * widths[1]


def test_macro_intervals_weigh_groups_and_skip_what_is_undefined() -> None:
    groups = ["a"] * 50 + ["b"] * 500
    values = np.array([1.0] * 50 + [0.0] * 500)
    assert significance.intervals({"R": values}, groups, macro=True)["R"] == (50, 50)
    assert significance.mean(values, groups, macro=True) == 0.5
    values[50:] = np.nan
    assert significance.mean(values, groups, macro=True) == 1
    assert significance.intervals({"R": values}, groups, macro=True)["R"] == (100, 100)
    shares = significance.shares(
        np.array([1.0, 0.0, np.nan, 1.0]), ["a", "a", "b", "b"], macro=True
    )
    assert shares.tolist() == [0.25, 0.25, 0, 0.5]


def test_intervals_of_a_mean_are_taken_within_each_sample() -> None:
    values = np.arange(40) % 2.0
    found = {"x": values, "y": 1 - values}
    intervals = significance.intervals(found, [""] * 40, macro=False, means={"m": ("x", "y")})
    assert intervals["m"] == pytest.approx((50, 50))


def test_paired_test_tells_chance_from_difference() -> None:
    assert significance.paired_test(np.zeros(50)) == 1
    assert significance.paired_test(np.array([1.0, -1.0] * 20)) == 1
    assert significance.paired_test(np.ones(30)) == pytest.approx(1 / 10001)
    # Five better and none worse: 2 of the 32 signings are as far out.
    assert significance.paired_test(np.ones(5)) == pytest.approx(2 / 32, abs=0.01)
    assert significance.paired_test(-np.ones(5)) == significance.paired_test(np.ones(5))


# A model over a benchmark


@pytest.fixture
def model(tmp_path: Path) -> ColourModel:
    return ColourModel(tmp_path)


@pytest.fixture
def benchmark(tmp_path: Path) -> Benchmark:
    return triplets.read(colour_folder(tmp_path / "data"), "any")


def test_every_mode_is_embedded_in_one_pass(model: ColourModel, benchmark: Benchmark) -> None:
    heard: list[tuple[int, int]] = []
    embedded = embed_benchmark(benchmark, model, progress=lambda *at: heard.append(at))
    assert model.runs == len(benchmark.images) == 6
    assert heard == [(6, 6)]
    for rows in map(embedded.queries, MODES):
        assert isinstance(rows, np.ndarray)
        assert rows.shape == (12, 3)
        assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-6)
    order = list(benchmark.images)
    for row, query in enumerate(benchmark.queries):
        picture = embedded.gallery[order.index(query.reference)]
        assert embedded.queries("image")[row] == pytest.approx(picture)
        text = model.embed(model.encode_texts(query.texts))[0]
        assert embedded.queries("text")[row] == pytest.approx(text)
        assert embedded.queries("sum")[row] == pytest.approx(unit((picture + text)[None])[0])


def test_compositions_are_made_of_what_was_embedded(
    model: ColourModel, benchmark: Benchmark, tmp_path: Path
) -> None:
    named = ["slerp:0.5", "sum", "product", "basic", "blend:0.5:product", "pdv"]
    captions = {name: f"in {name[:-5]}" for name in benchmark.images}  # "in red" of red1.png
    captioned = replace(benchmark, captions=lambda: captions)
    results = evaluate(captioned, model, modes=named, out=tmp_path / "out")
    assert model.runs == 6
    scores = {mode: run.ranked.scores for mode, (run, _) in results.items()}
    assert scores["slerp:0.5"] == pytest.approx(scores["sum"], abs=1e-6)
    embedded = embed_benchmark(captioned, model)
    image, text = embedded.queries("image"), embedded.queries("text")
    assert isinstance(image, np.ndarray) and isinstance(text, np.ndarray)
    both = np.maximum(image @ embedded.gallery.T, 0) * np.maximum(text @ embedded.gallery.T, 0)
    first = results["product"][0].ranked.ids[:, 0]
    assert scores["product"][:, 0] == pytest.approx(both[np.arange(12), first], abs=1e-6)
    assert (tmp_path / "out" / "blend-0.5-product" / "ranking.json").is_file()
    about = results["slerp:0.5"][0].about
    assert about["query"] == "slerp:0.5"
    assert "on the arc" in about["query_means"]
    with pytest.raises(QueryError, match="needs a text that describes"):
        evaluate(benchmark, model, modes=["pdv"])


def test_a_query_of_two_texts_is_the_mean_of_both(model: ColourModel, benchmark: Benchmark) -> None:
    one = replace(benchmark, queries=(replace(benchmark.queries[0], texts=("in red", "in blue")),))
    text = embed_benchmark(one, model).queries("text")[0]
    both = model.embed(model.encode_texts(["in red", "in blue"]))
    assert text == pytest.approx(unit(both.sum(axis=0)[None])[0])


def test_a_query_of_several_steps_is_their_weighted_mean(
    model: ColourModel, benchmark: Benchmark, tmp_path: Path
) -> None:
    query = benchmark.queries[0]
    other = next(name for name in benchmark.images if name != query.reference)
    steps = (QueryStep(other, ("in blue",), weight=0.5),)
    both = replace(benchmark, queries=(replace(query, also=steps), *benchmark.queries[1:]))
    alone = replace(query, id="alone", reference=other, texts=("in blue",))
    apart = replace(benchmark, queries=(query, alone))
    for mode in ("composed", "image", "sum"):
        one, two = embed_benchmark(apart, model).queries(mode)
        made = embed_benchmark(both, model).queries(mode)
        assert made[0] == pytest.approx(unit((one + 0.5 * two)[None])[0], abs=1e-6)
    plain = embed_benchmark(benchmark, model, cache=tmp_path / "cache").queries("image")
    again = embed_benchmark(both, model, cache=tmp_path / "cache").queries("image")
    assert not np.allclose(plain[0], again[0])  # not found again as the query without the step
    evaluate(both, model, out=tmp_path / "out")
    assert Run.load(tmp_path / "out").benchmark.queries == both.queries


def test_a_second_run_opens_no_picture_and_another_benchmark_does(
    model: ColourModel, benchmark: Benchmark, tmp_path: Path
) -> None:
    first = embed_benchmark(benchmark, model, cache=tmp_path / "cache")
    again = embed_benchmark(benchmark, model, cache=tmp_path / "cache")
    assert model.runs == 6
    assert np.array_equal(first.own, again.own)
    for done in (tmp_path / "cache").glob("*/done.json"):
        done.write_text("{")
    embed_benchmark(benchmark, model, cache=tmp_path / "cache")
    assert model.runs == 12
    embed_benchmark(
        replace(benchmark, queries=benchmark.queries[1:]), model, cache=tmp_path / "cache"
    )
    assert model.runs == 18


def test_pictures_that_cant_be_used_are_counted_and_named(
    model: ColourModel, benchmark: Benchmark
) -> None:
    path = benchmark.images["red1.png"]
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(DataError, match=r"1 of 6 pictures can't be used, first: red1\.png: "):
        embed_benchmark(benchmark, model)
    path.unlink()
    with pytest.raises(DataError, match="1 of 6 pictures are missing"):
        embed_benchmark(benchmark, model)


def test_texts_longer_than_the_model_reads_are_counted(model: ColourModel) -> None:
    assert texts_cut(model, ["in red", "one two three four", "one two three four five"]) == 1


def test_runs_are_kept_and_read_back(
    model: ColourModel, benchmark: Benchmark, tmp_path: Path
) -> None:
    results = evaluate(benchmark, model, modes=list(MODES), out=tmp_path / "out")
    assert model.runs == 6
    for mode, (run, scored) in results.items():
        folder = tmp_path / "out" / mode
        metrics = json.loads((folder / "metrics.json").read_text())
        assert {name: metrics[name] for name in scored.numbers} == scored.numbers
        assert metrics["protocol"] == benchmark.protocol
        assert metrics["query"] == mode
        assert metrics["model"] == {"name": "colours", "fingerprint": model.fingerprint}
        assert metrics["data"]["pictures"] == 6
        assert metrics["intervals"]["R@1"][0] <= metrics["R@1"] <= metrics["intervals"]["R@1"][1]
        assert set(metrics["versions"]) >= {"samebut", "python", "numpy", "onnxruntime"}
        loaded = Run.load(folder)
        assert loaded.score() == scored
        assert loaded.label == run.label
        assert loaded.benchmark.queries == benchmark.queries
    assert results["text"][1].numbers["R@5"] == 100
    assert results["text"][1].numbers["R@1"] > results["image"][1].numbers["R@1"]


def test_one_mode_is_kept_in_the_folder_itself_and_never_overwritten_by_another(
    model: ColourModel, benchmark: Benchmark, tmp_path: Path
) -> None:
    evaluate(benchmark, model, out=tmp_path / "out")
    before = (tmp_path / "out" / "metrics.json").read_bytes()
    evaluate(benchmark, model, out=tmp_path / "out")
    assert (tmp_path / "out" / "metrics.json").read_bytes() == before
    with pytest.raises(DataError, match="holds a run of another query"):
        evaluate(benchmark, model, modes=["sum"], out=tmp_path / "out")
    with pytest.raises(QueryError, match="no fusion called 'guess'") as caught:
        evaluate(benchmark, model, modes=["guess"])
    assert caught.value.hint is not None
    assert "composed" in caught.value.hint
    assert "slerp" in caught.value.hint


def test_a_run_without_public_targets_is_ranked_and_not_scored(
    model: ColourModel, benchmark: Benchmark, tmp_path: Path
) -> None:
    private = replace(benchmark, queries=tuple(replace(q, targets=()) for q in benchmark.queries))
    assert evaluate(private, model, out=tmp_path / "out") == {}
    assert Run.load(tmp_path / "out").ranked.ids.shape[0] == 12
    assert not (tmp_path / "out" / "metrics.json").exists()


@pytest.mark.parametrize("name", ["ranking.npz", "queries.jsonl", "ranking.json"])
def test_a_run_cut_short_is_refused(
    model: ColourModel, benchmark: Benchmark, tmp_path: Path, name: str
) -> None:
    evaluate(benchmark, model, out=tmp_path / "out")
    path = tmp_path / "out" / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=r"not a run that can be read|incomplete"):
        Run.load(tmp_path / "out")


def test_a_run_keeps_texts_whatever_separators_they_hold(
    model: ColourModel, benchmark: Benchmark, tmp_path: Path
) -> None:
    odd = replace(benchmark.queries[0], texts=("in\u2028red\x0b\n",))
    evaluate(replace(benchmark, queries=(odd,)), model, out=tmp_path / "out")
    assert Run.load(tmp_path / "out").benchmark.queries == (odd,)


def test_a_folder_that_cant_be_written_to_is_told(
    model: ColourModel, benchmark: Benchmark, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="can't be written"):
        evaluate(benchmark, model, out=tmp_path / "file" / "out")


def test_every_line_of_the_table_with_a_number_names_the_protocol(
    model: ColourModel, benchmark: Benchmark
) -> None:
    text = report.table(evaluate(benchmark, model, modes=list(MODES)))
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if "composed" in line and "sum" in line)
    numbered = [line for line in lines[start + 1 :] if line.strip() and "queries" not in line]
    assert len(numbered) >= 8
    assert all("triplets any · data · reference removed" in line for line in numbered)
    assert "protocol   gallery: every picture that a query names" in text
    assert all(f"to {colour}" in text for colour in COLOURS)
