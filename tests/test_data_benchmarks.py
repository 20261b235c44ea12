"""The field's benchmarks: the real annotations whole, other layouts, and damaged copies."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from samebut.data import circo, cirr, fashion200k, fashioniq, readers
from samebut.data.benchmark import Benchmark, Query, Rules
from samebut.data.folders import Folder
from samebut.errors import DataError

ANNOTATIONS = Path(__file__).parents[2] / "shared" / "data" / "annotations"
needs_annotations = pytest.mark.skipif(
    not ANNOTATIONS.is_dir(), reason="the annotations are not beside the repository"
)


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


# FashionIQ


@needs_annotations
@pytest.mark.parametrize(
    ("split", "queries", "original", "union"),
    [
        ("train", (5985, 5988, 6027), (11452, 19036, 16121), None),
        ("val", (2017, 2038, 1961), (3817, 6346, 5373), (2628, 3089, 2902)),
        ("test", (2024, 2038, 2056), (3818, 6346, 5374), None),
    ],
)
def test_fashioniq_counts(
    split: str,
    queries: tuple[int, ...],
    original: tuple[int, ...],
    union: tuple[int, ...] | None,
) -> None:
    benchmark = fashioniq.read(ANNOTATIONS / "fashioniq", split)
    found = [sum(q.group == c for q in benchmark.queries) for c in fashioniq.CATEGORIES]
    assert tuple(found) == queries
    assert tuple(len(benchmark.galleries[c]) for c in fashioniq.CATEGORIES) == original
    if union:
        smaller = fashioniq.read(ANNOTATIONS / "fashioniq", split, gallery="union")
        assert tuple(len(smaller.galleries[c]) for c in fashioniq.CATEGORIES) == union


@needs_annotations
def test_fashioniq_names_74381_pictures_and_two_categories_share_121() -> None:
    root = ANNOTATIONS / "fashioniq"
    assert len(fashioniq.all_pictures(root)) == 74_381
    galleries = {c: set(names) for c, names in fashioniq.read(root, "val").galleries.items()}
    assert len(galleries["shirt"] & galleries["toptee"]) == 121
    assert not galleries["dress"] & (galleries["shirt"] | galleries["toptee"])


@needs_annotations
def test_fashioniq_test_queries_have_no_targets_and_the_protocol_says_what_was_chosen() -> None:
    root = ANNOTATIONS / "fashioniq"
    assert not any(query.targets for query in fashioniq.read(root, "test").queries)
    chosen = fashioniq.read(root, "val", gallery="union", reference="removed", captions="maaf")
    assert chosen.rules.drop_reference
    for part in ("union of references", "dress 2,628", "reference removed", "maaf", "3 of 12,032"):
        assert part in chosen.protocol


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("clip4cir", [("Is red. with stripes and has Sleeves",)]),
        (
            "searle",
            [("is red. with Stripes and has Sleeves", "has Sleeves and is red. with Stripes")],
        ),
        ("covr", [("is red with stripes? and has sleeves",)]),
        ("start-kit", [("is red. with stripes? <and> has sleeves.",)]),
        ("maaf", [(" is red. with Stripes?  inadditiontothat has Sleeves.",)]),
        ("rtic", [("is red. with Stripes? [SEP] has Sleeves.",)]),
        ("composeae", [("shirt  is red. with stripes?  and it has sleeves.",)]),
        ("val", [("is red. with Stripes?",), ("has Sleeves.",)]),
        ("dqu-cir", [("is red with stripes and has sleeves",)]),
    ],
)
def test_fashioniq_caption_joins(name: str, expected: list[tuple[str, ...]]) -> None:
    join = fashioniq.JOINS[name]
    assert list(join.texts(" is red. with Stripes? ", "has Sleeves.", "shirt")) == expected


def test_fashioniq_joins_that_lose_something_lose_what_they_say() -> None:
    ((long,),) = fashioniq.JOINS["covr"].texts("word " * 40, "more", "dress")
    assert len(long.split()) == 30
    assert fashioniq.JOINS["val"].texts("red", " ", "dress") == (("red",),)


def fashioniq_copy(root: Path, folder: str = "fashionIQ_dataset") -> Path:
    for category in fashioniq.CATEGORIES:
        entry = {"candidate": f"{category}0", "target": f"{category}1", "captions": ["a b", "c"]}
        write(root / folder / "captions" / f"cap.{category}.val.json", [entry])
        names = [f"{category}{i}" for i in range(3)]
        write(root / folder / "image_splits" / f"split.{category}.val.json", names)
    return root


def test_fashioniq_finds_files_wherever_they_lie(tmp_path: Path) -> None:
    fashioniq_copy(tmp_path)
    write(tmp_path / "fashionIQ_dataset" / "images" / "dress0.jpg", "")
    write(tmp_path / "elsewhere" / "shirt" / "shirt2.png", "")
    write(tmp_path / "elsewhere" / "shirt2.txt", "")
    images = fashioniq.read(tmp_path, "val").images
    assert images["dress0"] == tmp_path / "fashionIQ_dataset" / "images" / "dress0.jpg"
    assert images["shirt2"] == tmp_path / "elsewhere" / "shirt" / "shirt2.png"
    assert not images["toptee0"].exists()


def test_fashioniq_spelling_is_corrected_where_the_dictionary_is_there(tmp_path: Path) -> None:
    fashioniq_copy(tmp_path)
    without = fashioniq.read(tmp_path, "val", captions="dqu-cir")
    assert "no correction_dict" in without.protocol
    for category in fashioniq.CATEGORIES:
        write(tmp_path / f"correction_dict_{category}.json", {"b": "blue"})
    corrected = fashioniq.read(tmp_path, "val", captions="dqu-cir")
    assert corrected.queries[0].texts == ("a blue and c",)
    assert "no correction_dict" not in corrected.protocol


def test_fashioniq_reads_one_category_from_its_own_files(tmp_path: Path) -> None:
    fashioniq_copy(tmp_path)
    for path in [*tmp_path.rglob("cap.[!d]*"), *tmp_path.rglob("split.[!d]*")]:
        path.unlink()
    found = fashioniq.read(tmp_path, "val", category="dress")
    assert list(found.galleries) == ["dress"]
    assert [query.group for query in found.queries] == ["dress"]
    assert "dress alone" in found.label
    assert "mean over" not in found.protocol
    with pytest.raises(DataError, match=r"cap\.shirt\.val\.json"):
        fashioniq.read(tmp_path, "val")


def test_a_copy_that_lost_its_capitals_is_read(tmp_path: Path) -> None:
    write(tmp_path / "Cap.Dress.VAL.json", "[]")
    for name in ("b00a.JPG", "one/B00B.jpg", "two/b00B.jpg"):
        write(tmp_path / name, "")
    folder = Folder.open(tmp_path)
    assert folder.file("cap.dress.val.json").name == "Cap.Dress.VAL.json"
    assert folder.picture("B00A") == tmp_path / "b00a.JPG"
    assert folder.picture("b00B") == tmp_path / "two" / "b00B.jpg"  # as it is written comes first
    assert folder.picture("b00b") is None  # either of two: none


def test_a_missing_target_takes_its_query_and_a_missing_member_the_subset(tmp_path: Path) -> None:
    names = [f"dev-{n}" for n in range(8)]
    for name in names:
        write(tmp_path / f"{name}.png", "")
    whole = Benchmark(
        name="cirr",
        split="val",
        images={name: tmp_path / f"{name}.png" for name in names},
        queries=(
            Query("0", names[0], ("a",), (names[1],), subset=tuple(names[:6])),
            Query("1", names[2], ("b",), (names[3],), subset=tuple(names[:6])),
            Query("2", names[1], ("c",), (names[2],), subset=tuple(names[1:7])),
        ),
        rules=cirr.RULES,
    )
    (tmp_path / "dev-1.png").unlink()
    (kept,) = whole.on_what_is_there().queries
    assert (kept.id, kept.subset) == ("1", None)
    (tmp_path / "dev-3.png").unlink()
    with pytest.raises(DataError, match="6 of 8 pictures exist, too few for any query"):
        whole.on_what_is_there()


def test_of_several_right_answers_those_that_are_there_count(tmp_path: Path) -> None:
    for name in "abc":
        write(tmp_path / f"{name}.png", "")
    images = {name: tmp_path / f"{name}.png" for name in "abcd"}
    query = Query("0", "a", ("x",), ("d", "c"))
    one_of_many = Benchmark("x", "val", images, (query,), Rules())
    assert one_of_many.on_what_is_there().queries[0].targets == ("c",)
    annotated = replace(one_of_many, rules=circo.RULES)
    with pytest.raises(DataError, match="too few for any query"):
        annotated.on_what_is_there()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"gallery": "both"}, "no gallery 'both'"),
        ({"reference": "maybe"}, "no reference 'maybe'"),
        ({"captions": "clip"}, "no captions 'clip'"),
        ({"split": "dev"}, "no split 'dev'"),
        ({"category": "hat"}, "no category 'hat'"),
    ],
)
def test_fashioniq_unknown_options_name_the_known(
    tmp_path: Path, option: dict[str, str], message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        fashioniq.read(fashioniq_copy(tmp_path), **option)  # type: ignore[arg-type]
    assert caught.value.hint.startswith("Known: ")


def test_fashioniq_of_another_shape_is_refused(tmp_path: Path) -> None:
    path = fashioniq_copy(tmp_path) / "fashionIQ_dataset" / "captions" / "cap.dress.val.json"
    for content, message in [
        ('[{"candidate": "dress0", "targ', "can't be read as JSON"),
        ({"data": []}, "holds a dict where a list is expected"),
        ([["dress0"]], "entry 0: is a list"),
        ([{"candidate": "dress0", "captions": ["a", "b"]}], "entry 0: target is missing"),
        ([{"candidate": 3, "target": "dress1", "captions": []}], "candidate is not of type str"),
        ([{"candidate": "dress0", "target": "dress1", "captions": ["a"]}], "have two captions"),
        ([{"candidate": "dress0", "target": "shirt1", "captions": ["a", "b"]}], "dress-0 → shirt1"),
    ]:
        write(path, content)
        with pytest.raises(DataError, match=message):
            fashioniq.read(tmp_path, "val")


# CIRR


@needs_annotations
@pytest.mark.parametrize(
    ("split", "queries", "pictures"), [("val", 4181, 2297), ("test1", 4148, 2315)]
)
def test_cirr_counts(split: str, queries: int, pictures: int) -> None:
    benchmark = cirr.read(ANNOTATIONS / "cirr", split)
    assert (len(benchmark.queries), len(benchmark.images)) == (queries, pictures)
    assert all(len(query.subset or ()) == 6 for query in benchmark.queries)
    assert all(len(query.targets) == (split == "val") for query in benchmark.queries)


@needs_annotations
def test_cirr_names_21551_pictures() -> None:
    assert len(cirr.all_pictures(ANNOTATIONS / "cirr")) == 2297 + 2315 + 16939


def cirr_copy(root: Path, version: str = "rc2") -> Path:
    members = [f"dev-{i}-0-img0" for i in range(6)]
    entry = {
        "pairid": 7,
        "reference": members[0],
        "target_hard": members[1],
        "caption": "more dogs",
        "img_set": {"id": 1, "members": members},
    }
    write(root / "cirr" / "captions" / f"cap.{version}.val.json", [entry])
    paths = {name: f"./dev/{name}.png" for name in members}
    write(root / "cirr" / "image_splits" / f"split.{version}.val.json", paths)
    return root


def test_cirr_finds_pictures_in_nested_folders_and_other_formats(tmp_path: Path) -> None:
    cirr_copy(tmp_path)
    write(tmp_path / "img_raw" / "dev" / "34" / "dev-0-0-img0.png", "")
    write(tmp_path / "dev" / "dev-1-0-img0.jpg", "")
    images = cirr.read(tmp_path, "val").images
    assert images["dev-0-0-img0"] == tmp_path / "img_raw" / "dev" / "34" / "dev-0-0-img0.png"
    assert images["dev-1-0-img0"] == tmp_path / "dev" / "dev-1-0-img0.jpg"
    assert images["dev-2-0-img0"] == tmp_path / "dev" / "dev-2-0-img0.png"


def test_cirr_of_another_version_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file cap\.rc2\.val\.json") as caught:
        cirr.read(cirr_copy(tmp_path, "rc1"), "val")
    assert "cap.rc1.val.json" in caught.value.hint


def test_cirr_subset_must_be_six_with_the_reference(tmp_path: Path) -> None:
    path = cirr_copy(tmp_path) / "cirr" / "captions" / "cap.rc2.val.json"
    entry = json.loads(path.read_text())[0]
    entry["img_set"]["members"][0] = "dev-9-0-img0"
    write(path, [entry])
    with pytest.raises(DataError, match="not six pictures that include the reference"):
        cirr.read(tmp_path, "val")


# CIRCO


def circo_copy(root: Path, numbers: list[int]) -> Path:
    listed = {"images": [{"id": n, "file_name": f"{n:012d}.jpg"} for n in numbers]}
    write(root / "COCO2017_unlabeled" / "annotations" / circo.PICTURES, listed)
    return root


@needs_annotations
@pytest.mark.parametrize(("split", "queries"), [("val", 220), ("test", 800)])
def test_circo_counts(tmp_path: Path, split: str, queries: int) -> None:
    source = ANNOTATIONS / "circo" / "annotations" / f"{split}.json"
    entries = json.loads(source.read_text())
    numbers = {n for e in entries for n in [e["reference_img_id"], *e.get("gt_img_ids", [])]}
    circo_copy(tmp_path, sorted(numbers))
    shutil.copy(source, tmp_path / source.name)
    benchmark = circo.read(tmp_path, split)
    assert len(benchmark.queries) == queries
    truths = [len(query.targets) for query in benchmark.queries]
    if split == "val":
        assert sum(truths) / queries == pytest.approx(4.16, abs=0.01)
        assert max(truths) == 14
        assert len({aspect for query in benchmark.queries for aspect in query.aspects}) == 9
        for query, entry in zip(benchmark.queries, entries, strict=True):
            assert query.targets == tuple(map(str, entry["gt_img_ids"]))
    else:
        assert max(truths) == 0


def test_circo_needs_cocos_list(tmp_path: Path) -> None:
    write(tmp_path / "val.json", [])
    write(tmp_path / "image_info_unlabeled2017.zip", "")
    with pytest.raises(DataError, match="no file image_info_unlabeled2017") as caught:
        circo.read(tmp_path, "val")
    assert "unpack it first" in caught.value.hint


def test_circo_target_must_be_a_truth(tmp_path: Path) -> None:
    circo_copy(tmp_path, [1, 2, 3])
    entry = {"id": 0, "reference_img_id": 1, "relative_caption": "x", "target_img_id": 2}
    for truths in ([3], [2, 2]):
        write(tmp_path / "val.json", [entry | {"gt_img_ids": truths}])
        with pytest.raises(DataError, match="not among the ground truths"):
            circo.read(tmp_path, "val")


# Fashion200k


def fashion200k_copy(root: Path) -> Path:
    rows = [
        ("1_0", "red silk dress"),
        ("1_1", "red silk dress"),
        ("2_0", "blue silk dress"),
        ("3_0", "blue silk dress"),
        ("4_0", "long coat & belt"),
    ]
    for split in ("train", "test"):
        lines = [f"women/dresses/{n[0]}/{n}.jpeg\t0.9\t {caption}\n" for n, caption in rows]
        write(root / "labels" / f"dress_{split}_detect_all.txt", "".join(lines))
    write(root / "test_queries.txt", "women/dresses/1/1_0.jpeg women/dresses/2/2_0.jpeg\n")
    return root


def test_fashion200k_hits_are_pictures_with_the_targets_caption(tmp_path: Path) -> None:
    benchmark = fashion200k.read(fashion200k_copy(tmp_path), "test")
    (query,) = benchmark.queries
    assert query.texts == ("replace red with blue",)
    assert query.targets == ("women/dresses/2/2_0.jpeg", "women/dresses/3/3_0.jpeg")
    assert benchmark.rules.recall == (1, 5, 10, 50, 100)


def test_fashion200k_training_pairs_differ_by_one_word(tmp_path: Path) -> None:
    queries = fashion200k.read(fashion200k_copy(tmp_path), "train", seed=3).queries
    assert [q.reference[-8:-5] for q in queries] == ["1_0", "1_1", "2_0", "3_0"]
    assert {q.texts[0] for q in queries} == {"replace red with blue", "replace blue with red"}
    assert queries == fashion200k.read(tmp_path, "train", seed=3).queries


def test_fashion200k_finds_its_pictures_below_another_folder(tmp_path: Path) -> None:
    fashion200k_copy(tmp_path)
    picture = write(tmp_path / "raw" / "women" / "dresses" / "1" / "1_0.jpeg", "")
    images = fashion200k.read(tmp_path, "test").images
    assert images["women/dresses/1/1_0.jpeg"] == picture


def test_fashion200k_marks_are_spelled_out_and_damage_is_named(tmp_path: Path) -> None:
    assert fashion200k.replacement("red dress", "red andmark dress") == "replace dress with andmark"
    fashion200k_copy(tmp_path)
    write(tmp_path / "test_queries.txt", "women/dresses/1/1_0.jpeg women/dresses/9/9_0.jpeg\n")
    with pytest.raises(DataError, match=r"query 0: women/dresses/9/9_0\.jpeg has no label"):
        fashion200k.read(tmp_path, "test")
    write(tmp_path / "labels" / "dress_test_detect_all.txt", "a.jpeg\t0.9\n")
    with pytest.raises(DataError, match="line 1: does not hold a picture, a score and a caption"):
        fashion200k.read(tmp_path, "test")


# Folders and the table of readers


def test_a_folder_that_links_to_itself_is_listed_once(tmp_path: Path) -> None:
    write(tmp_path / "a" / "x.jpg", "")
    (tmp_path / "a" / "again").symlink_to(tmp_path, target_is_directory=True)
    assert Folder.open(tmp_path).copies_of("x") == (tmp_path / "a" / "x.jpg",)


def test_the_shallowest_copy_of_a_picture_is_used(tmp_path: Path) -> None:
    deep, shallow = write(tmp_path / "a" / "b" / "x.jpg", ""), write(tmp_path / "z" / "x.png", "")
    folder = Folder.open(tmp_path)
    assert folder.picture("x") == shallow
    assert folder.copies_of("x") == (shallow, deep)


DRAWN = ("css", "wardrobe")  # in a folder that need not be there


@pytest.mark.parametrize("name", [n for n in readers.READERS if n not in DRAWN])
def test_every_reader_refuses_a_wrong_root(tmp_path: Path, name: str) -> None:
    for root in (tmp_path / "nowhere", tmp_path, write(tmp_path / "file.zip", "")):
        with pytest.raises(DataError) as caught:
            readers.read(name, root)
        assert caught.value.hint


def test_options_are_checked_against_the_table(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gallery can't be 'big'"):
        readers.read("fashioniq", tmp_path, options={"gallery": "big"})
    with pytest.raises(DataError, match="seed takes a whole number"):
        readers.read("css", tmp_path, options={"seed": "one"})
    with pytest.raises(DataError, match="no benchmark called 'cir'") as caught:
        readers.read("cir", tmp_path)
    assert "cirr" in caught.value.hint
