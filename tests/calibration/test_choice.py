"""calibration/choice.py: which composition suits a gallery, and what is made of the choice."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from samebut.calibration import choice
from samebut.cli import app
from samebut.composition.choice import Choice
from samebut.data.benchmark import Query
from samebut.embedding import Floats, unit
from samebut.errors import DataError, StoreError
from samebut.gallery import Gallery
from samebut.runtime import FeatureArrays, Model, Surroundings
from samebut.turns import Turn

COUNT = 160


def asked(
    model: Model, composition: str | None, noise: float
) -> tuple[list[str], Floats, FeatureArrays]:
    """Pictures whose answers lie where ``composition`` looks for them."""
    rng = np.random.default_rng(0)
    pooled = rng.normal(size=(COUNT, model.dim)).astype(np.float32)
    tokens = pooled[:, None]
    image = FeatureArrays(pooled, tokens, np.ones((COUNT, 1), np.bool_))
    said = ["in blue"] * COUNT
    text, beside = model.encode_texts(said), Surroundings(said=said)
    wanted = model.compose(image, text, composition or model.usual, beside).embedding
    away = unit(rng.normal(size=wanted.shape))
    embeddings = np.concatenate([unit(pooled), unit(wanted + noise * away)])
    return [f"{i}.jpg" for i in range(2 * COUNT)], embeddings, image


def queries() -> list[Query]:
    return [Query(str(i), f"{i}.jpg", ("in blue",), (f"{COUNT + i}.jpg",)) for i in range(COUNT)]


def test_what_is_surely_better_is_chosen(model: Model) -> None:
    names, embeddings, image = asked(model, "sum", 4)
    found = choice.measure(model, names, embeddings, queries(), image)
    assert found.choice is not None
    assert found.choice.composition == found.best
    assert found.best.startswith(("sum", "slerp"))
    assert found.choice.fingerprint == model.fingerprint
    mean, low, high = found.choice.gain
    assert 0 < low < mean < high
    assert found.tried[0].name == model.usual
    assert found.tried[0].gain == 0


def test_the_models_own_fusion_stays_where_it_is_best(model: Model) -> None:
    names, embeddings, image = asked(model, None, 0.5)
    found = choice.measure(model, names, embeddings, queries(), image)
    assert found.choice is None
    assert found.best == model.usual
    with pytest.raises(DataError, match="99 queries are too few"):
        choice.measure(model, names, embeddings, queries()[:99], image[slice(0, 99)])


def test_a_gain_by_chance_is_not_kept(model: Model) -> None:
    names, _, image = asked(model, None, 0.5)
    embeddings = unit(np.random.default_rng(5).normal(size=(2 * COUNT, model.dim)))
    assert choice.measure(model, names, embeddings, queries(), image).choice is None


def test_queries_of_a_table() -> None:
    rows = {
        f"{colour}-{kind}-{n}.jpg": {"Base Colour": colour, "Article Type": kind, "price": "3"}
        for colour in ("red", "blue", "green")
        for kind in ("shirt", "skirt")
        for n in range(3)
    }
    found = choice.of_table(rows)
    assert found == choice.of_table(rows)
    assert len(found) == 18 * choice.OF_ONE
    assert len({(query.reference, query.texts) for query in found}) == len(found)
    assert {query.group for query in found} == {"colour", "article", "colour+article"}
    assert {query.language for query in found} == {"en", "zh"}
    with pytest.raises(DataError, match="no table that says what its pictures show"):
        choice.of_table({"a.jpg": {"price": "3"}})


def test_queries_of_ones_own_find_their_pictures(tmp_path: Path) -> None:
    lines = [
        {"reference": "a.jpg", "text": "in blue", "target": "b.jpg"},
        {"reference": "a.jpg", "text": "in red", "target": "gone.jpg"},
    ]
    (tmp_path / "val.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (found,) = choice.of_folder(tmp_path, "val", ["shop/a.jpg", "b.jpg"])
    assert (found.reference, found.targets) == ("shop/a.jpg", ("b.jpg",))


def test_a_gallery_composes_by_its_choice(photos: Path) -> None:
    turn = Turn(photos / "red-round.png", "in blue")
    gallery, _ = Gallery.build(photos)
    with gallery:
        own, by_sum = (gallery.search(turn, 9, fusion=name) for name in (None, "sum"))
        gallery.choose(Choice(gallery.model.fingerprint, "sum:1", 500, (2.0, 1.0, 3.0)))
        chosen = gallery.search(turn, 9)
        assert chosen.hits == by_sum.hits != own.hits
        assert chosen.confidence is None
        assert gallery.search(turn, 9, fusion="keep").hits == own.hits
        info = CliRunner().invoke(app, ["info", str(photos)]).stdout
        assert "composes   sum:1, chosen by 500 queries: +2.0 [+1.0, +3.0]" in info
        gallery.choose(Choice("another model's", "sum:1", 500, (2.0, 1.0, 3.0)))
        assert gallery.search(turn, 9).hits == own.hits
        for text in ("{", '{"format": 2}', '{"format": 1, "composition": "film"}'):
            gallery.choice_file.write_text(text)
            with pytest.raises(StoreError, match="does not name a composition that can be used"):
                gallery.search(turn)
        gallery.choose(None)
        assert gallery.search(turn, 9).hits == own.hits


def test_the_command_tries_and_says_what_came_of_it(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = CliRunner().invoke(app, ["index", str(photos)])
    assert build.exit_code == 0
    without = CliRunner().invoke(app, ["calibrate", str(photos)])
    assert isinstance(without.exception, DataError)
    table = tmp_path / "table.csv"
    files = sorted(path.relative_to(photos).as_posix() for path in photos.rglob("*.png"))
    rows = [f"{file},{Path(file).stem.replace('-', ',')}" for file in files]
    table.write_text("\n".join(["file,colour,article", *rows]) + "\n")
    assert CliRunner().invoke(app, ["index", str(photos), "--metadata", str(table)]).exit_code == 0
    few = CliRunner().invoke(app, ["calibrate", str(photos)])
    assert isinstance(few.exception, DataError)
    monkeypatch.setattr(choice, "LEAST", 10)
    done = CliRunner().invoke(app, ["calibrate", str(photos), "--dry-run"])
    assert done.exit_code == 0, done.output
    assert "| `keep:2` |" in done.stdout
    assert "| `blend:0.5:sum:1` |" in done.stdout
    assert not list(photos.rglob("*.composition.json"))
    shutil.rmtree(photos / ".samebut")
