"""The wardrobe as a benchmark: every promise about its queries, checked by brute force."""

from __future__ import annotations

import csv
import hashlib
import json
import random
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from samebut.data import readers, triplets
from samebut.errors import DataError
from samebut.wardrobe import benchmark, title, write_benchmark
from samebut.wardrobe.__main__ import main
from samebut.wardrobe.attributes import (
    ASPECTS,
    ATTRIBUTES,
    COLOURS,
    KINDS,
    Item,
    differing,
    faults,
)
from samebut.wardrobe.benchmark import Split, plan
from samebut.wardrobe.families import (
    CLOTH,
    HELD_OUT,
    alternatives,
    is_held_out,
    random_family,
    twin,
)

FAMILIES = {"train": 10, "val": 3, "test": 8, "more": 4}


@pytest.fixture(scope="module")
def splits() -> dict[str, Split]:
    return {split.name: split for split in plan(seed=3, families=FAMILIES, queries=24)}


def queries_with_items(splits: dict[str, Split]):
    for split in splits.values():
        shown = {picture.file: picture.item for picture in split.pictures}
        for query in split.queries:
            yield query, shown, shown[query["reference"]], shown[query["target"]]


def satisfies(asked: Item, before: Item, after: Item) -> bool:
    """All as asked, the rest as the reference: the target's very item, or, of another kind, any
    in the reference's cloth."""
    if before.kind == after.kind:
        return asked == after
    names = [name for aspect in CLOTH for name in ASPECTS[aspect]]
    kept = all(getattr(asked, name) == getattr(before, name) for name in names)
    return asked.kind == after.kind and kept


# --- families -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_everyone_in_a_family_has_five_relatives(kind: str) -> None:
    family = random_family(random.Random(kind), kind)
    assert len(set(family.items)) == len(family.items) >= 18
    for item in family.items:
        assert faults(item) == [] and not is_held_out(item)
        assert sum(len(differing(item, other)) == 1 for other in family.items) == 5


@pytest.mark.parametrize("kind", KINDS)
def test_a_twin_wears_the_same_cloth(kind: str) -> None:
    rng = random.Random(kind)
    found = 0
    for _ in range(4):
        family = random_family(rng, kind)
        other = twin(rng, family)
        if other is None:
            continue
        found += 1
        assert other.first.kind != kind
        assert all(family.values(aspect) == other.values(aspect) for aspect in CLOTH)
        assert all(faults(item) == [] and not is_held_out(item) for item in other.items)
    assert found


def test_alternatives_are_possible_and_complete() -> None:
    item = Item("hat", "red", shape="cap")
    colours = alternatives(item, "colour")
    assert sorted(value for (value,) in colours) == sorted(set(COLOURS) - {"red"})
    assert ("plain", "white", "") in alternatives(item, "pattern")
    assert ("plain", "", "") not in alternatives(item, "pattern")
    assert ("printed", "white", "") not in alternatives(item, "pattern")
    assert alternatives(item, "sleeve") == []


def test_what_is_held_out_is_a_kind_and_a_colour_of_the_wardrobe() -> None:
    assert set(HELD_OUT) == set(KINDS)
    assert all(
        len(set(colours)) == 2 and set(colours) <= set(COLOURS) for colours in HELD_OUT.values()
    )


# --- splits ---------------------------------------------------------------------------------


def test_no_item_is_in_two_splits(splits: dict[str, Split]) -> None:
    shown = [{picture.item for picture in split.pictures} for split in splits.values()]
    assert not shown[0] & shown[1] and not shown[0] & shown[2] and not shown[1] & shown[2]


def test_only_test_shows_what_is_held_out(splits: dict[str, Split]) -> None:
    share = {
        name: sum(is_held_out(picture.item) for picture in split.pictures) / len(split.pictures)
        for name, split in splits.items()
    }
    assert share["train"] == share["val"] == 0.0
    assert share["test"] > 0.1
    asked = Counter(is_held_out(after) for _, _, _, after in queries_with_items(splits))
    assert asked[True] > 15


def test_file_names_are_unique_and_tell_nothing(splits: dict[str, Split]) -> None:
    files = [picture.file for split in splits.values() for picture in split.pictures]
    assert sorted(files) == [f"{index:06d}.jpg" for index in range(len(files))]
    kinds = [picture.item.kind for picture in splits["train"].pictures]
    neighbours = sum(a == b for a, b in pairwise(kinds)) / len(kinds)
    assert neighbours < 0.25  # in families' order it would be near 1


# --- queries --------------------------------------------------------------------------------


def test_queries_have_the_fields_of_our_triplets(splits: dict[str, Split]) -> None:
    fields = ["id", "reference", "text", "lang", "change", "target", "targets", "subset"]
    for split in splits.values():
        assert all(list(query) == fields for query in split.queries)
        ids = [query["id"] for query in split.queries]
        assert ids == [f"{split.name}-{index:05d}" for index in range(len(ids))]
        languages = Counter(query["lang"] for query in split.queries)
        assert min(languages["en"], languages["zh"]) > 0.4 * len(ids)


def test_change_names_what_changes_and_it_is_one_to_three_aspects(splits: dict[str, Split]) -> None:
    sizes: Counter[int] = Counter()
    for query, _, before, after in queries_with_items(splits):
        other_kind = before.kind != after.kind
        changed = ["kind"] if other_kind else list(differing(before, after))
        assert query["change"] == "+".join(changed)
        sizes[len(changed)] += 1
    assert set(sizes) == {1, 2, 3} and min(sizes.values()) > 0.1 * sizes.total()


def test_targets_are_all_that_satisfy_the_request_and_nothing_else(
    splits: dict[str, Split],
) -> None:
    several = 0
    for query, shown, before, after in queries_with_items(splits):
        right = {file for file, item in shown.items() if satisfies(item, before, after)}
        assert set(query["targets"]) == right and len(query["targets"]) == len(right)
        assert query["targets"][0] == query["target"] and query["reference"] not in right
        several += len(right) > 1
    assert several > 50


def test_hard_subsets_differ_from_the_target_in_exactly_one_aspect(
    splits: dict[str, Split],
) -> None:
    for query, shown, before, after in queries_with_items(splits):
        if before.kind != after.kind:
            assert query["subset"] is None
            continue
        assert len(set(query["subset"])) == 6
        assert {query["reference"], query["target"]} <= set(query["subset"])
        for file in query["subset"]:
            if file not in (query["reference"], query["target"]):
                assert len(differing(shown[file], after)) == 1 and shown[file] != before
                assert file not in query["targets"]


def test_the_target_is_not_given_away_by_its_place(splits: dict[str, Split]) -> None:
    places = Counter(
        query["subset"].index(query["target"])
        for query, *_ in queries_with_items(splits)
        if query["subset"]
    )
    assert set(places) == set(range(6)) and max(places.values()) < 0.25 * places.total()


def test_every_item_of_a_family_is_asked_for_about_as_often() -> None:
    """A hub that is always the target would be found without reading the text."""
    (split,) = plan(seed=1, families={"train": 1}, queries=4000)
    shown = {picture.file: picture.item for picture in split.pictures}
    family = split.families[0]
    hits = Counter(shown[q["target"]] for q in split.queries if shown[q["target"]] in family.items)
    mean = hits.total() / len(family.items)
    assert set(hits) == set(family.items)
    assert max(hits.values()) < 2 * mean and min(hits.values()) > 0.3 * mean


def test_the_same_seed_gives_the_same_plan_and_another_seed_another() -> None:
    few = {"train": 2, "test": 2}
    first, again, other = (plan(seed=seed, families=few, queries=6) for seed in (1, 1, 2))
    assert first == again
    assert first[0].queries != other[0].queries


def test_the_plan_of_a_seed_never_changes() -> None:
    """Wardrobes are drawn anew everywhere: other files under the same seed would be another
    benchmark under the same name. Where this must change, ``VERSION`` must."""
    digest = hashlib.sha256()
    for split in plan(seed=0, families={"train": 30, "val": 6, "test": 10, "more": 30}):
        for query in split.queries:
            digest.update(json.dumps(query, ensure_ascii=False).encode())
        for p in split.pictures:
            told = (p.file, p.seed, *p.item.as_dict().values(), title(p.item), title(p.item, "zh"))
            digest.update(json.dumps(told, ensure_ascii=False).encode())
    assert digest.hexdigest() == "d1c2d2a9e7743edf467fbf9be9c74511bc48dcfee88292fec669ab347228f386"


# --- files ----------------------------------------------------------------------------------

SMALL = {"train": 1, "test": 1}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wardrobe")
    return write_benchmark(folder, seed=2, families=SMALL, queries=10, size=48)


def test_our_reader_reads_it(written: Path) -> None:
    for split in SMALL:
        benchmark = triplets.read(written, split)
        benchmark.require_images()
        assert len(benchmark.queries) >= 8 and benchmark.rules.subset_recall == (1, 2, 3)


def test_the_table_has_titles_and_attributes(written: Path) -> None:
    with (written / "catalog.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["file", "split", "title", "title_zh", *ATTRIBUTES, "held_out"]
    assert {row["file"] for row in rows} == {p.name for p in (written / "images").iterdir()}
    assert {row["split"] for row in rows} == set(SMALL)
    for row in rows[:5]:
        with Image.open(written / "images" / row["file"]) as image:
            assert image.format == "JPEG" and 1800 < image.width * image.height < 2900


def test_an_interrupted_run_is_finished_to_the_same_bytes(written: Path) -> None:
    images = sorted((written / "images").iterdir())
    kept = {path.name: path.read_bytes() for path in images}
    queries = (written / "test.jsonl").read_bytes()
    for path in (*images[::2], written / "test.jsonl"):
        path.unlink()
    write_benchmark(written, seed=2, families=SMALL, queries=10, size=48, workers=2)
    again = {path.name: path.read_bytes() for path in (written / "images").iterdir()}
    assert again == kept and (written / "test.jsonl").read_bytes() == queries


def test_pictures_that_are_there_are_not_drawn_again(written: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (written / "images").iterdir()}
    write_benchmark(written, seed=2, families=SMALL, queries=10, size=48)
    assert before == {path: path.stat().st_mtime_ns for path in (written / "images").iterdir()}


def test_another_recipe_does_not_mix_into_the_folder(written: Path) -> None:
    with pytest.raises(DataError, match="drawn with other settings"):
        write_benchmark(written, seed=3, families=SMALL, queries=10, size=48)


def test_chinese_is_written_as_it_is(written: Path) -> None:
    lines = (written / "train.jsonl").read_text(encoding="utf-8").splitlines()
    chinese = [line for line in lines if json.loads(line)["lang"] == "zh"]
    assert chinese and not any("\\u" in line for line in chinese)


def test_the_module_writes_the_benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = [str(tmp_path), "--benchmark", "--families", "0", "0", "1", "--seed", "5"]
    monkeypatch.setattr("sys.argv", ["wardrobe", *arguments])
    main()
    assert len((tmp_path / "test.jsonl").read_text(encoding="utf-8").splitlines()) > 20
    assert (tmp_path / "train.jsonl").read_text(encoding="utf-8") == ""


def test_as_a_benchmark_it_is_drawn_when_it_is_asked_for(tmp_path: Path) -> None:
    drawn = readers.read("wardrobe", tmp_path / "w", "val", {"size": "small", "seed": "5"})
    drawn.require_images()
    assert drawn.name == "wardrobe"
    assert "seed 5, size small" in drawn.protocol
    assert drawn.queries
    pictures = {path.name for path in (tmp_path / "w" / "images").iterdir()}
    assert pictures == set(drawn.images)  # the other splits are left for later
    again = readers.read("wardrobe", tmp_path / "w", "val", {"size": "small", "seed": "5"})
    assert again.queries == drawn.queries
    with pytest.raises(DataError, match="drawn with other settings"):
        readers.read("wardrobe", tmp_path / "w", "val", {"size": "small"})
    with pytest.raises(DataError, match="no split 'nosuch'"):
        readers.read("wardrobe", tmp_path / "w", "nosuch")


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "catalog.csv"
    mine.write_text("file,colour\n")
    with pytest.raises(DataError, match="holds other files"):
        readers.read("wardrobe", tmp_path, "val", {"size": "small"})
    assert [path.name for path in tmp_path.iterdir()] == ["catalog.csv"]
    assert mine.read_text() == "file,colour\n"


def test_what_is_drawn_is_not_planned_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = readers.read("wardrobe", tmp_path, "val", {"size": "small"})
    monkeypatch.setattr(benchmark, "plan", lambda **_: pytest.fail("planned again"))
    assert readers.read("wardrobe", tmp_path, "val", {"size": "small"}).queries == first.queries
    monkeypatch.undo()
    gone = next(iter(first.images.values()))
    gone.unlink()
    readers.read("wardrobe", tmp_path, "val", {"size": "small"})
    assert gone.is_file()


def test_more_to_train_on_changes_nothing_else() -> None:
    few = {"train": 2, "val": 2, "test": 2}
    plain, large = (
        plan(seed=4, families=few, queries=6),
        plan(seed=4, families={**few, "more": 6}, queries=6),
    )
    assert [split.name for split in large] == ["train", "val", "test"]
    assert large[1:] == plain[1:]
    (train, *others), begun = large, plain[0]
    assert train.pictures[: len(begun.pictures)] == begun.pictures
    assert len(train.families) == 8 and len(train.queries) > 2 * len(begun.queries)
    files = [picture.file for split in large for picture in split.pictures]
    assert len(files) == len(set(files))
    items = [{picture.item for picture in split.pictures} for split in (train, *others)]
    assert not items[0] & (items[1] | items[2])
    assert not any(is_held_out(item) for item in items[0])
    for size in ("large", "huge"):
        assert set(benchmark.SIZES[size]) - set(benchmark.FAMILIES) == {"more"}
