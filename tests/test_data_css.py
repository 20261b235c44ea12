"""The drawn benchmark: the same from the same seed, true to its texts, split by what is seen."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samebut.data import css
from samebut.errors import DataError


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("css")
    css.draw(root)
    return root


def scenes(root: Path) -> dict[str, str]:
    with (root / "catalog.csv").open(encoding="utf-8", newline="") as file:
        return {row["file"]: row["scene"] for row in csv.DictReader(file)}


def test_the_same_seed_draws_the_same_files(drawn: Path, tmp_path: Path) -> None:
    css.draw(tmp_path)
    for name in ("train.jsonl", "test.jsonl", "catalog.csv", "images/test-00003.png"):
        assert (tmp_path / name).read_bytes() == (drawn / name).read_bytes()


def test_another_seed_is_another_benchmark_and_needs_another_folder(
    drawn: Path, tmp_path: Path
) -> None:
    css.draw(tmp_path, seed=1)
    assert (tmp_path / "test.jsonl").read_bytes() != (drawn / "test.jsonl").read_bytes()
    with pytest.raises(DataError, match="drawn with other settings"):
        css.draw(drawn, seed=1)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "catalog.csv"
    mine.write_text("file,colour\n")
    with pytest.raises(DataError, match="another data set"):
        css.draw(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["catalog.csv"]


def test_a_drawing_cut_short_is_done_again(tmp_path: Path) -> None:
    css.draw(tmp_path)
    whole = (tmp_path / "test.jsonl").read_bytes()
    (tmp_path / "css.json").unlink()
    (tmp_path / "test.jsonl").write_bytes(whole[:100])
    css.draw(tmp_path)
    assert (tmp_path / "test.jsonl").read_bytes() == whole


@pytest.mark.parametrize("split", css.SPLITS)
def test_every_query_is_what_its_text_says(drawn: Path, split: str) -> None:
    benchmark = css.read(drawn, split)
    benchmark.require_images()
    assert len(benchmark.queries) == css.SIZES["small"]
    assert {query.group for query in benchmark.queries} == {"add", "remove", "change"}
    scene = {file: set(text.split(" + ")) for file, text in scenes(drawn).items()}
    for query in benchmark.queries:
        before, after = scene[query.reference], scene[query.targets[0]]
        assert all(scene[target] == after for target in query.targets)
        words = query.texts[0].split()
        if words[0] == "add":
            assert after - before == {" ".join([*words[1:4], words[5]])}
            assert before < after
        elif words[0] == "remove":
            assert after < before
            plural = words[2].removesuffix("s")
            removed = {*words[1:]} if words[1] != "all" else {plural}
            assert all(removed <= {*thing.split()} for thing in before - after)
        else:
            (old,), (new,) = before - after, after - before
            assert old.split()[:3] == words[1:4]
            assert words[4] in new.split()[:2]


def test_a_scene_may_have_two_pictures_that_differ(drawn: Path) -> None:
    queries = [q for q in css.read(drawn, "test").queries if len(q.targets) == 2]
    assert queries
    first, second = (np.asarray(Image.open(drawn / "images" / t)) for t in queries[0].targets)
    assert first.shape == (64, 64, 3)
    assert (first != second).any()


def test_each_split_sees_kinds_of_things_the_other_does_not(drawn: Path) -> None:
    kinds: dict[str, set[tuple[str, ...]]] = {split: set() for split in css.SPLITS}
    for file, scene in scenes(drawn).items():
        things = [thing.split() for thing in scene.split(" + ")]
        kinds[file.split("-")[0]] |= {(thing[1], thing[2]) for thing in things}
    assert len(kinds["train"] - kinds["test"]) == css.KINDS_HELD_BACK
    assert len(kinds["test"] - kinds["train"]) == css.KINDS_HELD_BACK


def test_things_are_painted_in_their_cell_and_colour() -> None:
    still = random.Random(0)
    still.randint = lambda low, high: 0  # type: ignore[method-assign]
    scene = (css.Thing(0, "small", "red", "rectangle"), css.Thing(8, "large", "blue", "circle"))
    picture = css.paint(scene, still)
    assert tuple(picture[10, 10]) == css.COLOURS["red"]
    assert tuple(picture[53, 53]) == css.COLOURS["blue"]
    assert tuple(picture[32, 32]) == (255, 255, 255)
    assert (picture == css.COLOURS["red"]).all(axis=2).sum() == 64
    blue = (picture == css.COLOURS["blue"]).all(axis=2).sum()
    assert abs(blue - np.pi * 64) < 8


def test_the_original_size_is_a_choice_of_the_table(tmp_path: Path) -> None:
    assert css.SIZES["original"] == 16_000
    with pytest.raises(DataError, match="no size 'huge'"):
        css.draw(tmp_path, size="huge")
