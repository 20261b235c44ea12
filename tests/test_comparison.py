"""Runs side by side, against published systems, and as a page to look at."""

from __future__ import annotations

import html.parser
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drawn_features import drawn
from fake_model import ColourModel, colour_folder
from samebut.data import triplets
from samebut.data.benchmark import Benchmark, Query, Rules
from samebut.errors import DataError
from samebut.evaluate import error_page, published, rank
from samebut.evaluate.comparison import as_text, compare
from samebut.evaluate.run import Run, describe, evaluate

FASHIONIQ_RULES = Rules(
    recall=(10, 50), drop_reference=False, macro=True, headline=("R@10", "R@50")
)


@pytest.fixture
def model(tmp_path: Path) -> ColourModel:
    return ColourModel(tmp_path)


def run_of(
    model: ColourModel, noise: float, rules: Rules = FASHIONIQ_RULES, queries: int = 120
) -> Run:
    """A drawn run of three groups; more noise, worse ranks."""
    features = drawn(5, queries, 400)
    names = [str(i) for i in range(400)]
    benchmark = Benchmark(
        name="fashioniq",
        split="val",
        images={name: Path(name) for name in names},
        queries=tuple(
            Query(str(i), names[r], (f"text {i}",), (names[t],), group="abc"[i % 3])
            for i, (r, (t,)) in enumerate(zip(features.references, features.targets, strict=True))
        ),
        rules=rules,
        choices=("original split", "clip4cir"),
    )
    asked = features.queries + noise * np.random.default_rng(1).standard_normal(
        features.queries.shape
    ).astype(np.float32)
    about = describe(benchmark, model, "composed")
    return Run(benchmark, rank(benchmark, asked, features.gallery), about)


def test_a_run_does_not_differ_from_itself(model: ColourModel) -> None:
    run = run_of(model, 0.0)
    comparison = compare(run, run)
    assert {line.name for line in comparison.differences} == set(run.score().numbers)
    for line in comparison.differences:
        assert (line.first, line.interval, line.p) == (line.second, (0, 0), 1)
    assert comparison.gained == comparison.lost == ()


def test_a_worse_run_is_told_from_a_better_one(model: ColourModel) -> None:
    good, bad = run_of(model, 0.0), run_of(model, 0.3)
    there, back = compare(bad, good), compare(good, bad)
    for line, opposite in zip(there.differences, back.differences, strict=True):
        assert line.first == bad.score().numbers[line.name]
        assert line.second == good.score().numbers[line.name]
        assert line.interval[0] <= line.second - line.first <= line.interval[1]
        assert line.p == pytest.approx(opposite.p, abs=0.02)
    headline = there.differences[-1]
    assert headline.name == "(R@10+R@50)/2"
    assert headline.interval[0] > 0
    assert headline.p < 0.001
    assert there.gained == tuple(replace(m, first=m.second, second=m.first) for m in back.lost)
    changes = [1 / m.second - 1 / m.first for m in there.gained]
    assert changes == sorted(changes, reverse=True)
    assert min(changes) > 0


def test_the_text_names_the_protocol_on_every_number_and_the_queries(model: ColourModel) -> None:
    comparison = compare(run_of(model, 0.3), run_of(model, 0.0))
    text = as_text(comparison)
    for line in text.splitlines():
        if line.startswith(("R@", "(R@", "MRR")):
            assert "fashioniq val · original split · clip4cir · reference kept" in line
    assert comparison.gained[0].query.texts[0] in text
    assert "not corrected" in text


def test_runs_of_another_protocol_or_data_are_not_compared(model: ColourModel) -> None:
    run = run_of(model, 0.0)
    removed = run_of(model, 0.0, replace(FASHIONIQ_RULES, drop_reference=True))
    with pytest.raises(DataError, match=r"their rules differ; .*kept against .*removed"):
        compare(run, removed)
    with pytest.raises(DataError, match="their data differ"):
        compare(run, run_of(model, 0.0, queries=119))


# Published numbers


def test_every_published_row_is_whole_and_names_its_source() -> None:
    for benchmark in (
        "fashioniq",
        "cirr",
        "circo",
        "fashion200k",
        "css",
        "icir",
        "pinpoint",
    ):
        for row in published.rows(benchmark):
            assert row.source
            assert row.numbers
            assert row.reference in (None, "kept", "removed")
            assert all(0 < number < 100 for number in row.numbers.values())
            assert "[mem]" not in json.dumps([row.source, row.note])


def test_published_means_follow_from_their_columns_or_say_that_they_do_not() -> None:
    for row in published.rows("fashioniq"):
        for name in ("R@10", "R@50"):
            if row.groups and name in row.numbers:
                mean = np.mean([part[name] for part in row.groups.values()])
                assert mean == pytest.approx(row.numbers[name], abs=0.05) or row.note


def test_only_rows_of_the_same_protocol_stand_beside_a_run(model: ColourModel) -> None:
    kept = run_of(model, 0.0)
    removed = run_of(model, 0.0, replace(FASHIONIQ_RULES, drop_reference=True))
    rows = published.rows("fashioniq")
    for run, reference, known in [(kept, "kept", "CLIP4Cir v3"), (removed, "removed", "MAAF")]:
        same, unstated = published.alike(run, rows)
        assert {row.reference for row in same} == {reference}
        assert {row.reference for row in unstated} == {None}
        assert {row.choices for row in same + unstated} == {("original split",)}
        assert known in {row.system for row in same}
        text = published.beside(run, run.score())
        lines = text.splitlines()
        assert sum(f"reference {reference}" in line for line in lines) == len(same) + 1
        assert f"→ {model.name}, composed" in text
        assert f"{len(unstated)} more do not say" in text
        assert "by another protocol" in text
    assert "UniFashion" in published.beside(kept, kept.score(), unstated=True)


def test_no_published_row_stands_beside_a_part_of_a_benchmark(model: ColourModel) -> None:
    run = run_of(model, 0.0)
    part = replace(run, about={**run.about, "part": ["dress alone"]})
    assert published.alike(part, published.rows("fashioniq")) == ([], [])


def test_the_run_stands_where_its_headline_puts_it(model: ColourModel) -> None:
    run = run_of(model, 0.0)
    lines = published.beside(run, run.score()).splitlines()
    headline = run.score().numbers["(R@10+R@50)/2"]
    place = next(i for i, line in enumerate(lines) if line.startswith("→"))
    better = [
        row
        for row in published.alike(run, published.rows("fashioniq"))[0]
        if row.numbers.get("(R@10+R@50)/2", 0) > headline
    ]
    assert place == 1 + len(better)


def test_published_numbers_can_be_listed_and_unknown_benchmarks_name_the_known() -> None:
    listing = published.listing("cirr")
    assert "cirr test1 · rc2 · reference removed" in listing
    assert "ReCALL" in listing
    with pytest.raises(DataError, match="no published numbers for 'shoes'") as caught:
        published.listing("shoes")
    assert "fashioniq" in caught.value.hint


# The page


class Page(html.parser.HTMLParser):
    """Counts tags, and collects what a browser would fetch or show."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def page_of(model: ColourModel, tmp_path: Path, **change: str) -> tuple[str, Benchmark, Run]:
    benchmark = triplets.read(colour_folder(tmp_path / "data", copies=5), "any")
    queries = tuple(replace(query, **change) for query in benchmark.queries)  # type: ignore[arg-type]
    benchmark = replace(benchmark, queries=queries)
    run, scored = evaluate(benchmark, model, modes=["image"])["image"]
    return error_page.error_page(run, scored, benchmark.images, shown=12), benchmark, run


def test_the_page_shows_the_worst_queries_of_each_kind_first(
    model: ColourModel, tmp_path: Path
) -> None:
    text, benchmark, run = page_of(model, tmp_path)
    cards = [attrs for tag, attrs in Page(text).tags if tag == "article"]
    assert [card["data-kind"] for card in cards].count("to red") == 4
    ranks = [int(card["data-rank"] or 0) for card in cards]
    assert ranks == sorted(ranks, reverse=True)
    assert ranks[0] == run.ranked.target_ranks.min(axis=1).max()
    assert "The worst 12 of 30 queries" in text
    assert benchmark.protocol.split(";")[0] in text


def test_the_page_fetches_nothing_and_keeps_each_picture_once(
    model: ColourModel, tmp_path: Path
) -> None:
    text, benchmark, _ = page_of(model, tmp_path)
    page = Page(text)
    assert not [tag for tag, attrs in page.tags if attrs.get("src") or attrs.get("href")]
    assert "http" not in text.replace("http-equiv", "")
    pictures = [attrs["data-p"] for tag, attrs in page.tags if tag == "img"]
    assert len(pictures) == 12 * 12
    assert text.count("data:image/jpeg;base64,") == len(set(pictures)) <= len(benchmark.images)


def test_the_page_escapes_every_text(model: ColourModel, tmp_path: Path) -> None:
    evil = '</script><script>alert(1)</script><img src=x onerror="1">'
    text, _, _ = page_of(model, tmp_path, texts=(evil,), group=evil, id=evil)  # type: ignore[arg-type]
    page = Page(text)
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert not [tag for tag, attrs in page.tags if "onerror" in attrs]
    assert evil in page.texts


def test_a_picture_that_is_gone_is_shown_as_the_reason(model: ColourModel, tmp_path: Path) -> None:
    _, benchmark, run = page_of(model, tmp_path)
    next(iter(benchmark.images.values())).write_bytes(b"no picture")
    pictures = dict(benchmark.images)
    del pictures["blue0.png"]
    text = error_page.error_page(run, run.score(), pictures)
    assert "not in this folder" in text
    error_page.write(run, run.score(), pictures, tmp_path / "new" / "errors.html")
    assert (tmp_path / "new" / "errors.html").read_text(encoding="utf-8") == text
    with pytest.raises(DataError, match="can't be written"):
        error_page.write(run, run.score(), pictures, tmp_path / "data" / "any.jsonl" / "x.html")
