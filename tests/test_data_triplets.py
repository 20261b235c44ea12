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
    (tmp_path / "catalog.csv").write_bytes("file\na.jpg\né.jpg\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"catalog\.csv: is not text in UTF-8"):
        triplets.read(tmp_path, "any")
    (tmp_path / "any.jsonl").write_bytes(b'{"text": "\xff"}')
    with pytest.raises(DataError, match=r"any\.jsonl: is not text in UTF-8"):
        triplets.read(tmp_path, "any")


@pytest.mark.parametrize(
    ("catalog", "message"),
    [
        ("split,file\nany\n", "1 of its rows name no file"),
        ("name\na.jpg\n", "no column named file"),
        ("file,split\na.jpg,x\nb.jpg,y\n", "lists no picture of split any"),
        ("file\na.jpg\nb.jpg\na.jpg\n", "lists 1 pictures twice"),
        ("file\na.jpg\n", "1 pictures named by queries are not in the gallery, first: 1 → b.jpg"),
    ],
)
def test_a_bad_catalogue_is_refused(tmp_path: Path, catalog: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        triplets.read(folder(tmp_path, [LINE], catalog), "any")


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
