"""The benchmarks of compositions, choices, refusals, several pictures and second looks, on a tiny
drawn shop: they run, and what they print are numbers of these pictures."""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

import choices
import compositions
import negatives
import references
import reranking
from conftest import COLOURS
from people_rows import products
from people_rows.asking import Pictures
from samebut.calibration import choice
from samebut.data import triplets
from samebut.runtime import Model

SHAPES = {"shirt": "rectangle", "skirt": "ellipse"}
PATTERNS = ("solid", "striped")
OF_EACH = 3  # pictures that differ in nothing that is told


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of triplets: sixty drawn pictures with their table, a query for a colour each."""
    root = tmp_path_factory.mktemp("shop")
    (root / "images").mkdir()
    rows = [
        {"file": f"{c}-{a}-{p}-{n}.png", "split": "val", "article": a, "colour": c, "pattern": p}
        for n in range(OF_EACH)
        for a in SHAPES
        for c in COLOURS
        for p in PATTERNS
    ]
    for place, row in enumerate(rows):
        draw(row, 40 + place % OF_EACH * 8).save(root / "images" / row["file"])
    with (root / "catalog.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    names = [*COLOURS]
    queries = []
    for number, row in enumerate(rows):
        wanted = names[(names.index(row["colour"]) + 1) % len(names)]
        meant = (row["article"], wanted, "striped")  # half of the first answers are wrong
        targets = [r["file"] for r in rows if (r["article"], r["colour"], r["pattern"]) == meant]
        others = [r["file"] for r in rows if r["colour"] not in (row["colour"], wanted)][:4]
        query = {"id": str(number), "reference": row["file"], "text": f"in {wanted}", "lang": "en"}
        subset = [row["file"], targets[0], *others]
        queries.append(query | {"target": targets[0], "targets": targets, "subset": subset})
    lines = "".join(json.dumps(query) + "\n" for query in queries)
    (root / "val.jsonl").write_text(lines, encoding="utf-8")
    return root


def draw(row: dict[str, str], side: int) -> Image.Image:
    picture = Image.new("RGB", (64, 80), "white")
    pen = ImageDraw.Draw(picture)
    box = (4, 4, 4 + side, 8 + side)
    getattr(pen, SHAPES[row["article"]])(box, fill=COLOURS[row["colour"]])
    for line in range(12, side, 8) if row["pattern"] == "striped" else ():
        pen.line((8, line, side, line), fill="white", width=2)
    return picture


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.load("bundled", threads=1)


@pytest.fixture(scope="module")
def goods(model: Model, shop: Path) -> Pictures:
    return products.read(model, triplets.read(shop, "val"), shop)


def printed(
    command: str, shop: Path, capsys: pytest.CaptureFixture[str], main: object
) -> list[str]:
    """The rows of the tables that a benchmark prints of the shop."""
    argv, sys.argv = sys.argv, [command, str(shop)]
    try:
        main()  # type: ignore[operator]
    finally:
        sys.argv = argv
    lines = capsys.readouterr().out.splitlines()
    return [line for line in lines if re.search(r"\d\.\d", line)]


def numbers(line: str) -> list[float]:
    """The means of a row, without their intervals."""
    return [float(each) for each in re.findall(r"(-?\d+\.\d) \[", line)]


def test_negatives(
    shop: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(negatives, "WEIGHTS", (0.75,))
    monkeypatch.setattr(negatives, "UNLIKE", (0.75,))
    monkeypatch.setattr(negatives, "DRAWN", 40)
    rows = printed("negatives.py", shop, capsys, negatives.main)
    found = {line.split(" | ")[0].strip("| "): numbers(line) for line in rows}
    still, kind, both = found["the picture alone"]
    assert still > found["“not blue”, and taken from it, 0.75"][0]
    assert both <= kind <= 100
    assert [*found].count("“不要蓝色”, as a search does it") == 1
    assert "the kind alone, zh" in found
    assert any(name.startswith("not colour, ") for name in found)
    assert len(found["1: hidden alone"]) == 3 and "3: their sum taken, 0.75" in found


def test_references(
    shop: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references, "ASKED", 40)
    rows = printed("references.py", shop, capsys, references.main)
    assert len(rows) == 2 * 9
    assert all(len(numbers(line)) == 3 for line in rows)
    own = [numbers(line)[1] for line in rows if "B's own" in line]
    assert own[0] > 0  # something is found


def test_choices(model: Model, goods: Pictures) -> None:
    cells = choices.line(model, goods, triplets.read(goods_root(goods), "val").queries)
    assert re.match(r"60 \| 60 queries are too few", cells)
    asked = choice.of_table(dict(zip(goods.files, goods.rows, strict=True)))
    count, usual, best, gained, _ = choices.line(model, goods, asked).split(" | ")
    assert int(count) == len(asked) and 0 <= float(usual) <= 100
    alone = choices.of_pictures(model, goods)
    assert all(query.reference not in query.targets and query.texts[0] for query in alone)
    assert choices.by_pictures(model, goods, asked[:99]).endswith("at least 100 are needed")
    assert best.startswith("`") and re.fullmatch(r"[+-]\d+\.\d \[[+-].*, [+-].*\]", gained)


def goods_root(goods: Pictures) -> Path:
    return next(iter(goods.files.values())).parents[1]


def test_compositions(
    model: Model, goods: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    benchmark = triplets.read(goods_root(goods), "val")
    asked = [compositions.of_benchmark("shop", benchmark, goods), compositions.negated(goods)]
    tried = ("own", "keep", "sum", "product", "basic:0.2:10:3:0", "blend:0.5:product")
    rows = [line for line in compositions.table(asked, tried) if line.startswith("| `")]
    assert len(rows) == len(asked) * len(tried)
    own, by_sum = (numbers(rows[place]) for place in (0, 2))
    assert own != by_sum and all(0 <= value <= 100 for value in own)
    larger = compositions.larger(goods.embeddings, 300)
    monkeypatch.setattr(compositions, "ROUNDS", 3)
    with compositions.stored(tmp_path / "store.sqlite", larger, model) as index:
        timed = [*compositions.rescoring(index, asked[0], tried)]
    assert all(line.endswith("| exact |") for line in timed[:3])
    assert all(
        re.search(r"\| \d+\.\d \| \d+\.\d \| 100\.00 % over 60 queries \|", line)
        for line in timed[3:5]
    )


def test_reranking(model: Model, shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = printed("reranking.py", shop, capsys, reranking.main)
    benchmark = triplets.read(shop, "val")
    goods = products.read(model, benchmark, shop, tokens=True)
    usual = products.scored(benchmark, goods, products.composed(benchmark, goods))
    said = [f"{100 * usual[name].mean():.1f}" for name in ("R@1", "R@10")]
    assert f"In the first order R@1 {said[0]}, R@10 {said[1]}." in rows[0] + rows[1]
    found = [line for line in rows if line.startswith("| ")]
    assert len(found) == 2 * len(reranking.SIGNALS) + 2
    gains = [re.findall(r"([+-]\d+\.\d) \[", line) for line in found]
    assert all(len(each) == 2 for each in gains) and len({tuple(each) for each in gains}) > 5


def test_weights_of_signals_find_the_one_that_tells() -> None:
    rng = np.random.default_rng(0)
    right = np.arange(20) == rng.integers(0, 20, (200, 1))
    signals = reranking.relative(rng.normal(size=(3, 200, 20)))
    signals[1] = reranking.relative((right + rng.normal(size=right.shape) / 4)[None])[0]
    first = -np.sort(-rng.normal(size=(200, 20)), axis=1)
    of = reranking.Asked(first, signals, right, reranking.halves([n // 2 for n in range(200)]))
    assert of.half.sum() == 100 and (of.half[::2] == of.half[1::2]).all()
    weights = reranking.learned(of, of.half)
    assert weights.argmax() == 2 and weights[2] > 5 * np.abs(weights[[1, 3]]).max()
    assert reranking.chosen(of, signals[1], of.half) == 1
    usual, best = of.hits(first), of.hits(np.tensordot(weights, [first, *signals], axes=1))
    assert best[0, ~of.half].mean() > 0.8 > usual[0].mean() + 0.5
