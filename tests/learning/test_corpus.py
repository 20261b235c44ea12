"""learning/corpus.py: folders as one corpus, and queries that are drawn anew."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest

from conftest import COLOURS, draw_picture
from samebut.errors import DataError, RecipeError
from samebut.learning.data.corpus import Corpus, Source, read_corpus
from samebut.preprocess import Preprocess

RULES = {"attributes": ["article", "colour"], "chinese": 0.0}
SMALL = Preprocess(size=16, padding="target", fill="edge", mean=(0.5,) * 3, std=(0.25,) * 3)


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """A folder of pictures alone, and one with queries too."""
    made = {"alone": tmp_path / "alone", "asked": tmp_path / "asked"}
    for root in made.values():
        (root / "images").mkdir(parents=True)
        rows = ["file,split,article,colour"]
        for shape in ("round", "square"):
            for colour, value in COLOURS.items():
                name = f"{colour}-{shape}.png"
                draw_picture(value, shape, 40).save(root / "images" / name)
                rows.append(f"{name},train,{shape},{colour}")
        (root / "catalog.csv").write_text("\n".join([*rows, "later.png,val,round,red"]))
    first, second = [*COLOURS][:2]
    queries = [
        {"reference": f"{first}-{shape}.png", "text": text, "target": f"{second}-{shape}.png"}
        for shape in ("round", "square")
        for text in (f"in {second}", f"make it {second}")
    ]
    (made["asked"] / "train.jsonl").write_text("\n".join(map(json.dumps, queries)))
    return made


def read(folders: dict[str, Path], tmp_path: Path, **fresh: dict[str, object]) -> Corpus:
    sources = {name: Source(root) for name, root in folders.items()}
    return read_corpus(sources, SMALL, tmp_path / "cache", fresh)


def test_a_folder_without_queries_brings_its_train_pictures(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    corpus = read(folders, tmp_path)
    count = 2 * len(COLOURS)
    assert len(corpus.pictures.array) == len(corpus.rows) == 2 * count
    assert [(part.first, part.last) for part in corpus.parts] == [(0, count), (count, 2 * count)]
    assert len(corpus.queries) == 4
    assert all(query.reference >= count for query in corpus.queries)


def test_a_folder_that_lacks_its_train_split_is_refused(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    (folders["asked"] / "train.jsonl").rename(folders["asked"] / "val.jsonl")
    with pytest.raises(DataError, match=r"train.jsonl: no such file"):
        read(folders, tmp_path)


def test_a_missing_picture_is_named(folders: dict[str, Path], tmp_path: Path) -> None:
    gone = f"{next(iter(COLOURS))}-round.png"
    (folders["alone"] / "images" / gone).unlink()
    with pytest.raises(DataError, match=f"1 of {2 * len(COLOURS)} pictures.*{gone}"):
        read(folders, tmp_path)


def test_some_of_an_epoch_is_drawn_from_the_catalogue(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    corpus = read(folders, tmp_path, asked=RULES)
    part = corpus.parts[1]
    epochs = [part.draw(random.Random(seed), 0.5) for seed in range(6)]
    for queries in epochs:
        assert len(queries) == len(part.queries)
        assert sum(query in part.queries for query in queries) >= 2
    fresh = {query for queries in epochs for query in queries} - set(part.queries)
    assert len(fresh) > 4
    for query in fresh:
        reference = corpus.rows[query.reference]
        targets = [corpus.rows[row] for row in query.targets]
        assert part.first <= query.reference < part.last
        for target in targets:
            assert target != reference
            for value in target.values():
                if value in re.findall(r"\w+", query.text):
                    break
            else:
                pytest.fail(f"{query.text!r} does not ask for {target}")
    assert part.draw(random.Random(3), 0.5) == epochs[3]


def test_without_rules_nothing_is_drawn(folders: dict[str, Path], tmp_path: Path) -> None:
    part = read(folders, tmp_path).parts[1]
    assert set(part.draw(random.Random(0), 1.0)) == set(part.queries)


def test_an_epoch_has_so_many_queries_at_most(folders: dict[str, Path], tmp_path: Path) -> None:
    sources = {name: Source(root) for name, root in folders.items()}
    limits = {"alone": 9, "asked": 3}
    corpus = read_corpus(sources, SMALL, tmp_path / "cache", {"asked": RULES}, limits)
    alone, asked = corpus.parts
    assert alone.draw(random.Random(0), 0.0) == []
    epochs = [asked.draw(random.Random(seed), 0.0) for seed in range(9)]
    assert {len(set(queries)) for queries in epochs} == {3}
    assert {query for queries in epochs for query in queries} == set(asked.queries)
    assert len(asked.draw(random.Random(0), 1.0)) == 3


def test_an_unknown_rule_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"\[fresh.asked\] has an unknown key 'attribute'"):
        read(folders, tmp_path, asked={"attribute": ["colour"]})


def test_wrong_answers_of_hard_subsets(folders: dict[str, Path], tmp_path: Path) -> None:
    """Members that are neither the reference nor a target; those drawn anew have some if wanted."""
    path = folders["asked"] / "train.jsonl"
    queries = [json.loads(line) for line in path.read_text().splitlines()]
    others = [f"{name}-square.png" for name in [*COLOURS][2:5]]
    for query in queries:
        query["subset"] = [query["reference"], query["target"], *others]
    path.write_text("\n".join(map(json.dumps, queries)))
    part = read(folders, tmp_path, asked=RULES).parts[1]
    names = [f"{name}-{shape}.png" for shape in ("round", "square") for name in COLOURS]
    rows = {name: part.first + number for number, name in enumerate(names)}
    assert [set(query.wrong) for query in part.queries] == [{rows[name] for name in others}] * 4

    for query in part.draw(random.Random(0), 1.0, subsets=True):
        assert len(set(query.wrong)) == 4
        assert not {query.reference, *query.targets} & set(query.wrong)
        assert all(part.first <= row < part.last for row in query.wrong)
    assert not any(query.wrong for query in part.draw(random.Random(0), 1.0))
