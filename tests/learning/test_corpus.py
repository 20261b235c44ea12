"""learning/data/corpus.py: folders as one corpus, and queries that are drawn anew."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest

from conftest import COLOURS, draw_picture
from samebut.data import triplets
from samebut.data.benchmark import Query
from samebut.errors import DataError
from samebut.learning.data.corpus import (
    Corpus,
    Part,
    Source,
    SourceSettings,
    read_corpus,
    source_of,
)
from samebut.learning.tables import Wrong, read_table
from samebut.preprocess import Preprocess

RULES: dict[str, object] = {"attributes": ["article", "colour"], "chinese": 0.0}
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


def read(folders: dict[str, Path], tmp_path: Path, **resampling: dict[str, object]) -> Corpus:
    sources = {name: Source(root) for name, root in folders.items()}
    settings = {
        name: read_table(SourceSettings, {"resampling": rules})
        for name, rules in resampling.items()
    }
    return read_corpus(sources, SMALL, tmp_path / "cache", settings)


def wrong_of(part: Part, query: Query) -> set[int]:
    return {*part.table_of([query]).wrong.flat.tolist()}


def rows_of(part: Part, names: tuple[str, ...]) -> set[int]:
    return {part.place[name] for name in names}


def test_a_folder_without_queries_brings_its_train_pictures(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    corpus = read(folders, tmp_path)
    count = 2 * len(COLOURS)
    assert len(corpus.pictures.array) == len(corpus.rows) == 2 * count
    assert [(part.first, part.last) for part in corpus.parts] == [(0, count), (count, 2 * count)]
    assert len(corpus.queries) == 4
    alone, asked = corpus.parts
    assert not len(alone.table)
    assert len(asked.table) == 4
    assert (asked.table.references >= count).all()
    assert (asked.table.targets.flat >= count).all()
    for name, row in asked.place.items():
        assert corpus.files[row] == folders["asked"] / "images" / name


def test_a_share_of_pictures_without_splits_is_kept_out(folders: dict[str, Path]) -> None:
    path = folders["alone"] / "catalog.csv"
    lines = [line.replace(",train", "") for line in path.read_text().splitlines()]
    path.write_text("\n".join([lines[0].replace(",split", ""), *lines[1:-1]]))
    said = read_table(SourceSettings, {"val_share": 0.4})
    kept = source_of("alone", folders["alone"], said).train_split[0]
    everything = Source(folders["alone"]).train_split[0]
    assert 0 < len(kept) < len(everything)
    assert {*kept} == {*everything} - {*triplets.pictures(folders["alone"], "val", 0.4)}


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


def test_queries_are_drawn_anew_from_the_catalogue(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    corpus = read(folders, tmp_path, asked=RULES)
    part = corpus.parts[1]
    queries = part.resampled(random.Random(3), 12, subsets=False)
    assert len(queries) == 12
    assert len({(query.reference, query.texts) for query in queries}) > 8
    for query in queries:
        reference = corpus.rows[part.place[query.reference]]
        (text,) = query.texts
        assert query.targets
        for name in query.targets:
            target = corpus.rows[part.place[name]]
            assert part.first <= part.place[name] < part.last
            changed = [value for key, value in target.items() if reference[key] != value]
            assert set(changed) & set(re.findall(r"\w+", text)), (text, target)
    assert part.resampled(random.Random(3), 12, subsets=False) == queries
    assert part.resampled(random.Random(4), 12, subsets=False) != queries


def test_rules_for_a_column_that_the_catalogue_lacks_are_refused(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"sources.asked.resampling. names 'pattern'") as caught:
        read(folders, tmp_path, asked=RULES | {"attributes": ["article", "pattern"]})
    assert "article, colour" in caught.value.hint


def test_a_kind_stands_in_for_an_article_that_is_empty(tmp_path: Path) -> None:
    images = {"a.png": tmp_path / "a.png", "b.png": tmp_path / "b.png", "c.png": tmp_path / "c.png"}
    table = "file,article,label\na.png,,Outwear\nb.png,saree,Dress\nc.png,,\n"
    (tmp_path / "catalog.csv").write_text(table)
    source = Source(tmp_path)
    source.__dict__["train_split"] = (images, ())
    assert [row.get("article") for row in source.rows] == ["jacket", "saree", ""]


@pytest.mark.parametrize("header", ["article", "kind", "label"])
def test_articles_are_asked_for_whatever_the_catalogue_calls_them(
    folders: dict[str, Path], tmp_path: Path, header: str
) -> None:
    path = folders["alone"] / "catalog.csv"
    path.write_text(path.read_text().replace("article", header).replace(",square,", ",Skirt,"))
    rules = {"attributes": ["article"], "changes": {"article": 1, "not article": 1}, "chinese": 0.5}
    (part, _) = read(folders, tmp_path, alone=rules).parts
    said = {query.texts[0]: query for query in part.resampled(random.Random(0), 999, subsets=False)}
    squares = tuple(f"{colour}-square.png" for colour in COLOURS)
    assert said["the same but as a skirt"].targets == squares
    assert said["换成裙子"].targets == squares
    assert said["not a round"].targets == squares


def test_without_rules_nothing_is_drawn(folders: dict[str, Path], tmp_path: Path) -> None:
    part = read(folders, tmp_path).parts[1]
    assert part.resampled(random.Random(0), 5, subsets=True) == []


def test_an_epoch_has_so_many_queries_at_most(folders: dict[str, Path], tmp_path: Path) -> None:
    sources = {name: Source(root) for name, root in folders.items()}
    for limit, wanted in ((0, 4), (3, 3), (9, 4)):
        settings = dict.fromkeys(sources, SourceSettings(queries_per_epoch=limit))
        corpus = read_corpus(sources, SMALL, tmp_path / "cache", settings)
        assert [part.queries_per_epoch for part in corpus.parts] == [0, wanted]


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(Wrong, match="unknown key 'attribute'") as error:
        read_table(SourceSettings, {"resampling": {"attribute": ["colour"]}})
    assert error.value.place == ("resampling", "attribute")
    assert "attributes" in str(error.value.hint)


def with_subsets(folders: dict[str, Path], others: list[str]) -> None:
    path = folders["asked"] / "train.jsonl"
    queries = [json.loads(line) for line in path.read_text().splitlines()]
    for query in queries:
        query["subset"] = [query["reference"], query["target"], *others]
    path.write_text("\n".join(map(json.dumps, queries)))


def test_wrong_answers_of_hard_subsets(folders: dict[str, Path], tmp_path: Path) -> None:
    """Members that are neither the reference nor a target; those drawn anew have some if wanted."""
    others = [f"{name}-square.png" for name in [*COLOURS][2:5]]
    with_subsets(folders, others)
    part = read(folders, tmp_path, asked=RULES).parts[1]
    assert [wrong_of(part, query) for query in part.queries] == [rows_of(part, tuple(others))] * 4

    for query in part.resampled(random.Random(0), 20, subsets=True):
        wrong = wrong_of(part, query)
        assert len(wrong) == 4
        assert not rows_of(part, (query.reference, *query.targets)) & wrong
        assert all(part.first <= row < part.last for row in wrong)
    plain = part.resampled(random.Random(0), 20, subsets=False)
    assert not any(wrong_of(part, query) for query in plain)


def test_pictures_of_one_hard_subset_are_alike(folders: dict[str, Path], tmp_path: Path) -> None:
    assert read(folders, tmp_path).parts[1].alike == {}
    others = [f"{name}-square.png" for name in [*COLOURS][2:5]]
    with_subsets(folders, others)
    part = read(folders, tmp_path).parts[1]
    first, second = [*COLOURS][:2]
    of_squares = rows_of(part, tuple(f"{name}-square.png" for name in COLOURS))
    of_rounds = rows_of(part, (f"{first}-round.png", f"{second}-round.png"))
    shared = rows_of(part, tuple(others))
    assert part.alike.keys() == of_squares | of_rounds
    for row, alike in part.alike.items():
        wanted = (
            (of_squares | of_rounds)
            if row in shared
            else (of_squares if row in of_squares else of_rounds | shared)
        )
        assert set(alike) == wanted - {row}
        assert len(alike) == len(set(alike))
