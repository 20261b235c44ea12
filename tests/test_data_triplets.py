"""Your own triplets: the layout, and what is refused with a file and a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from samebut.data import triplets
from samebut.errors import DataError

DATA = Path(__file__).parents[2] / "shared" / "data" / "products"

LINE = {"id": "1", "reference": "a.jpg", "text": "in blue", "target": "b.jpg"}


def folder(root: Path, lines: list[Any], catalog: str | None = None, split: str = "any") -> Path:
    text = "".join(x if isinstance(x, str) else json.dumps(x) + "\n" for x in lines)
    (root / f"{split}.jsonl").write_text(text, encoding="utf-8")
    if catalog is not None:
        (root / "catalog.csv").write_text(catalog, encoding="utf-8")
    return root


def test_a_line_of_three_fields_is_a_query(tmp_path: Path) -> None:
    benchmark = triplets.read(folder(tmp_path, [LINE]), "any")
    (query,) = benchmark.queries
    assert (query.id, query.reference, query.texts, query.targets) == (
        "1",
        "a.jpg",
        ("in blue",),
        ("b.jpg",),
    )
    assert query.subset is None
    assert list(benchmark.images) == ["a.jpg", "b.jpg"]
    assert benchmark.images["a.jpg"] == tmp_path / "images" / "a.jpg"
    assert benchmark.rules.drop_reference


def test_the_annotated_target_stands_first_and_the_rest_keep_their_order(tmp_path: Path) -> None:
    line = LINE | {"targets": ["d.jpg", "b.jpg", "c.jpg"], "change": "colour", "lang": "zh"}
    (query,) = triplets.read(folder(tmp_path, [line]), "any").queries
    assert query.targets == ("b.jpg", "d.jpg", "c.jpg")
    assert (query.group, query.language) == ("colour", "zh")


@pytest.mark.parametrize(
    ("catalog", "gallery"),
    [
        ("file,split\na.jpg,any\nb.jpg,any\nc.jpg,other\n", ["a.jpg", "b.jpg"]),
        ("file,colour\na.jpg,red\nb.jpg,blue\nc.jpg,green\n", ["a.jpg", "b.jpg", "c.jpg"]),
        ("\ufefffile\nb.jpg\na.jpg\n", ["b.jpg", "a.jpg"]),
        (None, ["a.jpg", "b.jpg"]),
    ],
)
def test_the_gallery(tmp_path: Path, catalog: str | None, gallery: list[str]) -> None:
    assert list(triplets.read(folder(tmp_path, [LINE], catalog), "any").images) == gallery


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": 1,\n', "line 2: not JSON"),
        ("[1, 2]\n", "line 2: not an object"),
        ({k: v for k, v in LINE.items() if k != "target"} | {"id": "2"}, "line 2: target is miss"),
        (LINE | {"id": "2", "text": "  "}, "line 2: text is missing, empty"),
        (LINE | {"id": "2", "reference": 7}, "line 2: reference is missing, empty or not a text"),
        (LINE | {"id": "2", "targets": ["c.jpg"]}, "line 2: target b.jpg is not among its targets"),
        (LINE | {"id": "2", "targets": ["b.jpg", "b.jpg"]}, "line 2: targets names a picture tw"),
        (LINE | {"id": "2", "targets": "b.jpg"}, "line 2: targets is not a list"),
        (LINE | {"id": "2", "subset": ["a.jpg"]}, "line 2: target b.jpg is not in its subset"),
        (LINE | {"id": "2", "reference": "b.jpg"}, "line 2: reference b.jpg is among its targets"),
        (LINE, "1 query ids are used twice, first: 1"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        triplets.read(folder(tmp_path, [LINE, line]), "any")


def test_a_text_may_hold_any_separator_but_a_newline(tmp_path: Path) -> None:
    text = "in\u2028blue\x0b\x85"
    (tmp_path / "any.jsonl").write_text(
        json.dumps(LINE | {"text": text}, ensure_ascii=False), encoding="utf-8"
    )
    assert triplets.read(tmp_path, "any").queries[0].texts == (text,)


def test_a_file_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    folder(tmp_path, [LINE], "file\na.jpg\nb.jpg\n")
    (tmp_path / "catalog.csv").write_bytes("file\na.jpg\nb.jpg\n蓝色.jpg\n".encode("gb18030"))
    assert list(triplets.read(tmp_path, "any").images) == ["a.jpg", "b.jpg", "蓝色.jpg"]
    (tmp_path / "any.jsonl").write_bytes(b'{"text": "\xff"}')
    with pytest.raises(DataError, match=r"any\.jsonl: is not UTF-8 text"):
        triplets.read(tmp_path, "any")


@pytest.mark.parametrize(
    ("catalog", "message"),
    [
        ("split,file\nany,\n", "1 rows can't be used: line 2 names no picture"),
        ("name\na.jpg\n", "no column file"),
        ("file,split\na.jpg,x\nb.jpg,y\n", "lists no picture of split any"),
        ("file,split\na.jpg,any\nb.jpg,any\na.jpg,x\n", "puts a.jpg into the splits any, x"),
        (
            "file\na.jpg\n",
            r"1 pictures named by queries are not in .*first: any\.jsonl line 1: b\.jpg",
        ),
    ],
)
def test_a_bad_catalogue_is_refused(tmp_path: Path, catalog: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        triplets.read(folder(tmp_path, [LINE], catalog), "any")


def test_a_name_is_one_however_its_folders_are_written(tmp_path: Path) -> None:
    """A table that a shop's Windows wrote, and queries that somebody typed."""
    line = LINE | {
        "reference": "in\\a.jpg",
        "target": "./in/b.jpg",
        "subset": ["in/a.jpg", "in//b.jpg"],
    }
    benchmark = triplets.read(folder(tmp_path, [line], "file\nin/a.jpg\nin\\b.jpg\n"), "any")
    (query,) = benchmark.queries
    assert list(benchmark.images) == ["in/a.jpg", "in/b.jpg"] == list(query.subset or ())
    assert (query.reference, query.targets) == ("in/a.jpg", ("in/b.jpg",))


HEADER = "reference,text,target\n"


def table(root: Path, text: str, split: str = "any") -> Path:
    (root / f"{split}.csv").write_text(text, encoding="utf-8")
    return root


def test_a_table_written_by_people(tmp_path: Path) -> None:
    text = (
        "\ufeffReference,Text,target,lang,subset\n"
        'a.jpg,"in blue, please",b.jpg; c.jpg,,\n'
        "a.jpg,换成红色,d.jpg,zh,a.jpg;b.jpg;d.jpg\n"
    )
    first, second = triplets.read(table(tmp_path, text), "any").queries
    assert first.texts == ("in blue, please",)
    assert first.targets == ("b.jpg", "c.jpg")
    assert (first.language, first.subset, first.id) == ("en", None, "any 2")
    assert (second.language, second.targets) == ("zh", ("d.jpg",))
    assert second.subset == ("a.jpg", "b.jpg", "d.jpg")


def test_targets_alone_will_do_and_tabs_too(tmp_path: Path) -> None:
    text = "reference\ttext\ttargets\na.jpg\tin blue\tb.jpg;c.jpg\n"
    (query,) = triplets.read(table(tmp_path, text), "any").queries
    assert query.targets == ("b.jpg", "c.jpg")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("reference,words,target\n", "it has reference, words, target"),
        ("reference,text\n", "it has reference, text"),
        (HEADER + "a.jpg,,b.jpg\n", "line 2: text is missing, empty"),
        (HEADER + "a.jpg,in blue,\n", "line 2: target is missing, empty"),
        (HEADER + "a.jpg,in blue,a.jpg;b.jpg\n", "line 2: reference a.jpg is among its targets"),
        (HEADER + "a.jpg,in blue,b.jpg;b.jpg\n", "line 2: targets names a picture twice"),
        (HEADER + "a.jpg,in blue,b.jpg\n" * 2, "line 3: is the same query as any.csv line 2"),
        (HEADER + "a.jpg,in blue, please,b.jpg\n", "line 2: has more or fewer cells"),
        (HEADER + "a.jpg\n", "line 2: has more or fewer cells"),
        (HEADER + 'a.jpg,"in "blue",b.jpg\n', "line 2: '"),
        (HEADER + 'a.jpg,"two\nlines",b.jpg\na.jpg,,b.jpg\n', "line 4: text is missing"),
        (HEADER, "holds no query"),
    ],
)
def test_a_bad_table_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        triplets.read(table(tmp_path, text), "any")


def test_a_picture_the_catalogue_lacks_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "catalog.csv").write_text("file\na.jpg\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"first: any\.csv line 2: b\.jpg"):
        triplets.read(table(tmp_path, HEADER + "a.jpg,in blue,b.jpg\n"), "any")


def test_a_split_is_one_file(tmp_path: Path) -> None:
    table(folder(tmp_path, [LINE]), HEADER)
    with pytest.raises(DataError, match=r"any\.jsonl and any\.csv are the same split"):
        triplets.read(tmp_path, "any")


def test_only_tables_of_queries_are_splits(tmp_path: Path) -> None:
    table(folder(tmp_path, [LINE], "file\na.jpg\n"), HEADER, split="more")
    (tmp_path / "prices.csv").write_text("sku,price\n", encoding="utf-8")
    assert triplets.splits(tmp_path) == ["any", "more"]


def test_pictures_may_lie_elsewhere(tmp_path: Path) -> None:
    folder(tmp_path, [LINE])
    (tmp_path / "dataset.json").write_text('{"format": 1, "images": "../photos"}')
    images = triplets.read(tmp_path, "any").images
    assert images["a.jpg"] == tmp_path / ".." / "photos" / "a.jpg"


@pytest.mark.parametrize("text", ['{"images": "x"}', '{"format": 1}', '{"format": 2, "images": 3}'])
def test_a_pointer_that_says_nothing_is_refused(tmp_path: Path, text: str) -> None:
    folder(tmp_path, [LINE])
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(DataError, match=r"dataset\.json: its format is"):
        triplets.read(tmp_path, "any")


def test_an_unknown_split_names_those_that_are_there(tmp_path: Path) -> None:
    folder(tmp_path, [LINE], split="dev")
    with pytest.raises(DataError, match="no such file") as caught:
        triplets.read(tmp_path, "val")
    assert caught.value.hint == "Splits of this folder: dev."


def test_an_empty_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no query"):
        triplets.read(folder(tmp_path, ["\n"]), "any")


def test_missing_pictures_are_counted_and_named(tmp_path: Path) -> None:
    benchmark = triplets.read(folder(tmp_path, [LINE]), "any")
    with pytest.raises(DataError, match=r"2 of 2 pictures are missing, first: .*a\.jpg"):
        benchmark.require_images()


@pytest.mark.skipif(not DATA.is_dir(), reason="the products data are not beside the repository")
@pytest.mark.parametrize(
    ("split", "pictures", "queries", "subsets"),
    [("val", 2143, 3566, 3430), ("train", 7671, 18557, 18343)],
)
def test_the_products_data(split: str, pictures: int, queries: int, subsets: int) -> None:
    benchmark = triplets.read(DATA, split)
    assert len(benchmark.images) == pictures
    assert len(benchmark.queries) == queries
    assert sum(query.subset is not None for query in benchmark.queries) == subsets
    assert {query.language for query in benchmark.queries} == {"en", "zh"}
    assert all(len(query.subset) == 6 for query in benchmark.queries if query.subset)


def test_pictures_without_a_column_split_are_shared_by_their_names(tmp_path: Path) -> None:
    names = [f"{number}.jpg" for number in range(400)]
    folder(tmp_path, [], "\n".join(["file,label", *(f"{name},hat" for name in names)]))
    assert [*triplets.pictures(tmp_path, "train")] == names
    train, val = (triplets.pictures(tmp_path, split, 0.2) for split in ("train", "val"))
    assert sorted([*train, *val]) == sorted(names)
    assert 60 < len(val) < 100
    folder(tmp_path, [], "\n".join(["file,label", *(f"{name},hat" for name in names[:50])]))
    fewer = triplets.pictures(tmp_path, "val", 0.2)
    assert [*fewer] == [name for name in val if name in names[:50]]


def test_a_column_split_goes_before_the_share(tmp_path: Path) -> None:
    rows = [f"{number}.jpg,{'val' if number < 5 else 'train'}" for number in range(50)]
    folder(tmp_path, [], "\n".join(["file,split", *rows]))
    assert len(triplets.pictures(tmp_path, "val", 0.5)) == 5


def test_a_share_that_leaves_a_split_empty_is_refused(tmp_path: Path) -> None:
    folder(tmp_path, [], "file\na.jpg\n")
    with pytest.raises(DataError, match=r"is in the split val"):
        triplets.pictures(tmp_path, "val", 0.001)
