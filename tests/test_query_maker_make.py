"""query_maker/table.py, make.py, report.py: from a table and pictures to a folder of queries."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from conftest import COLOURS, draw_picture
from samebut.data import triplets
from samebut.errors import DataError, MetadataError
from samebut.query_maker.make import write
from samebut.query_maker.queries import QueryRules
from samebut.query_maker.table import CatalogueTable, read_table, split_rows
from samebut.scan import ScanRules

RULES = QueryRules(("colour", "article"), chinese=0.3)
ARTICLES = ("shirt", "jeans", "shoes", "cap")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A shop of 40 pictures, each colour of each article twice: ``pictures/``, ``export.csv``."""
    folder = tmp_path / "shop"
    (folder / "pictures").mkdir(parents=True)
    lines = ["Image;Name;Base Color;Type;Price"]
    for article in ARTICLES:
        for colour, rgb in COLOURS.items():
            for number in range(2):
                name = f"{colour}-{article}-{number}.png"
                draw_picture(rgb, "round", 16).save(folder / "pictures" / name)
                lines.append(f"{name};{colour} {article} {number};{colour.title()};{article};9")
    (folder / "export.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def table(shop: Path) -> CatalogueTable:
    return read_table(shop / "export.csv", shop / "pictures")


def rewrite(shop: Path, old: str, new: str) -> None:
    path = shop / "export.csv"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_columns_are_known_by_what_they_are(shop: Path) -> None:
    read = table(shop)
    assert len(read.rows) == 40
    assert read.rows["red-shirt-0.png"] == {
        "title": "red shirt 0",
        "colour": "Red",
        "article": "shirt",
        "Price": "9",
    }
    assert read.column("Base Color") == read.column("colour") == read.column("color") == "colour"
    with pytest.raises(DataError, match="in a column 'fabric'") as caught:
        read.column("fabric")
    assert "Base Color, Type" in caught.value.hint


def test_the_surest_of_two_columns_is_the_article(shop: Path) -> None:
    rewrite(shop, "Image;Name;Base Color;Type;Price", "Image;Label;Base Color;Type;Price")
    assert table(shop).columns == {
        "Label": "Label",
        "colour": "Base Color",
        "article": "Type",
        "Price": "Price",
    }
    rewrite(shop, "Image;Label;Base Color;Type;Price", "Image;Name;Base Color;Label;Price")
    assert table(shop).column("label") == "article"


def test_the_folder_is_read_as_a_benchmark(shop: Path) -> None:
    report = write(table(shop), RULES, shop / "out", seed=3)
    train, val = (triplets.read(shop / "out", split) for split in ("train", "val"))
    train.require_images()
    val.require_images()
    assert len(train.images) + len(val.images) == 40
    assert not set(train.images) & set(val.images)
    assert report.splits["train"].queries == len(train.queries)
    assert {query.language for query in train.queries} == {"en", "zh"}
    with (shop / "out" / "catalog.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    assert list(rows["red-cap-1.png"]) == ["file", "split", "title", "colour", "article"]
    for query in train.queries:
        reference, target = rows[query.reference], rows[query.targets[0]]
        for column in ("colour", "article"):
            assert (reference[column] != target[column]) == (column in query.group.split("+"))


def test_the_same_call_writes_the_same_files_and_another_seed_others(shop: Path) -> None:
    def files(seed: int) -> dict[str, bytes]:
        write(table(shop), RULES, shop / "out", seed=seed)
        return {path.name: path.read_bytes() for path in (shop / "out").iterdir()}

    first = files(0)
    assert set(first) == {"catalog.csv", "dataset.json", "report.json", "train.jsonl", "val.jsonl"}
    assert first == files(0)
    assert first["train.jsonl"] != files(1)["train.jsonl"]


def test_pictures_are_found_from_wherever_they_lie(shop: Path, tmp_path: Path) -> None:
    write(table(shop), RULES, shop / "out")
    assert json.loads((shop / "out" / "dataset.json").read_text())["images"] == "../pictures"
    shop.rename(tmp_path / "moved")
    triplets.read(tmp_path / "moved" / "out", "val").require_images()
    (tmp_path / "far").mkdir()
    write(table(tmp_path / "moved"), RULES, tmp_path / "far" / "away")
    triplets.read(tmp_path / "far" / "away", "val").require_images()


def test_the_folder_is_looked_through_as_for_indexing(shop: Path) -> None:
    pictures = shop / "pictures"
    (pictures / "@eaDir").mkdir()
    for folder in (pictures / "@eaDir", pictures / "drafts"):
        folder.mkdir(exist_ok=True)
        (folder / "red-cap-0.png").write_bytes((pictures / "red-cap-0.png").read_bytes())
    (pictures / ".samebutignore").write_text("drafts/\n", encoding="utf-8")
    elsewhere = shop / "elsewhere"
    elsewhere.mkdir()
    (pictures / "blue-cap-0.png").rename(elsewhere / "blue-cap-0.png")
    (pictures / "linked").symlink_to(elsewhere)
    (pictures / "gone").symlink_to(shop / "nowhere")
    read = table(shop)
    assert {"red-cap-0.png", "linked/blue-cap-0.png"} <= set(read.rows)
    assert len(read.rows) == 40
    assert read.notes[-3:] == [
        "not read: gone is a link to what is not there",
        "not read: folders of systems and tools, left out: @eaDir (1)",
        "not read: excluded: drafts/ (1)",
    ]
    without = ScanRules(follow=False, exclude=("red-*",))
    assert len(read_table(shop / "export.csv", pictures, rules=without).rows) == 31


def test_what_can_t_be_used_is_told(shop: Path) -> None:
    pictures = shop / "pictures"
    (pictures / "red-cap-0.png").unlink()
    (pictures / "blue-cap-0.png").write_bytes(b"no picture")
    draw_picture((1, 2, 3), "round", 16).save(pictures / "stranger.png")
    rewrite(shop, "green-cap-0.png;green cap 0;Green", "green-cap-0.png;green cap 0;")
    rewrite(shop, "black-cap-0.png;black cap 0;Black", "black-cap-0.png;black cap 0;Soot")
    report = write(table(shop), RULES, shop / "out")
    assert (report.rows, report.pictures) == (40, 38)
    assert report.missing == ["red-cap-0.png"]
    assert list(report.unreadable) == ["blue-cap-0.png"]
    assert report.without_row == ["stranger.png"]
    assert report.ignored_columns == ["Price"]
    assert report.renamed_columns == {"Name": "title", "Base Color": "colour", "Type": "article"}
    colours = report.attributes["colour"]
    assert (colours.empty, colours.once, colours.untranslated) == (1, ["soot"], ["soot"])
    assert report.changes["colour"].lacking == {"colour": 1}
    printed = "\n".join(report.lines())
    for said in (
        "40 rows, 38 pictures in use",
        "1 rows whose picture is missing: red-cap-0.png",
        "1 pictures that can't be read: blue-cap-0.png (",
        "1 pictures that no row names: stranger.png",
        "column Base Color is read as colour",
        "columns not used: Price",
    ):
        assert said in printed
    kept = json.loads((shop / "out" / "report.json").read_text(encoding="utf-8"))
    assert kept == json.loads(json.dumps(report.as_dict()))
    triplets.read(shop / "out", "train").require_images()


def test_a_name_without_a_suffix_is_found(shop: Path) -> None:
    rewrite(shop, ".png", "")
    assert len(table(shop).rows) == 40


def test_a_row_of_a_picture_that_has_one_of_its_own_is_not_used_and_said(shop: Path) -> None:
    rewrite(shop, "red-cap-1.png;", "red-cap-0;")
    read = table(shop)
    assert read.unclear == {"red-cap-0": "red-cap-0.png"}
    report = write(read, RULES, shop / "out")
    assert any("red-cap-0 fits red-cap-0.png" in line for line in report.lines())


def test_what_rows_of_one_picture_say_otherwise_is_left_out(shop: Path) -> None:
    """Nobody knows which of its variants a picture shows."""
    export = shop / "export.csv"
    line = next(each for each in export.read_text().splitlines() if "red-cap-0.png" in each)
    export.write_text(
        export.read_text() + line.replace(";Red;", ";blue;").replace(";red;", ";blue;")
    )
    read = table(shop)
    row = read.rows["red-cap-0.png"]
    assert "colour" not in row and row["article"]
    assert read.several == {"Base Color": 1}


def test_details_are_those_of_the_whole_table(shop: Path) -> None:
    """Most rows have a fit, but few of val: it is kept there all the same."""
    lines = ["Image;Name;Base Color;Type;Price;fit;split"]
    for line in (shop / "export.csv").read_text().splitlines()[1:]:
        val = "-shirt-" in line or "-jeans-" in line
        known = not val or ("-0.png" in line and "red" not in line)
        lines.append(f"{line};{'slim' if known else ''};{'val' if val else 'train'}")
    (shop / "export.csv").write_text("\n".join(lines))
    write(
        table(shop), QueryRules(("colour", "article", "fit"), changes={"colour": 1}), shop / "out"
    )
    queries = triplets.read(shop / "out", "val").queries
    assert queries
    assert all("-0.png" in name for q in queries for name in (q.reference, *q.targets))


def test_splits_keep_what_belongs_together(shop: Path) -> None:
    splits, said = split_rows(table(shop), split_by="Type", val_share=0.5)
    assert said == "column Type, 50% to val"
    articles = {name: {p.split("-")[1] for p in pictures} for name, pictures in splits.items()}
    assert not articles["train"] & articles["val"]
    assert articles["train"] | articles["val"] == set(ARTICLES)


def test_a_row_stays_in_its_split_when_the_table_grows(shop: Path) -> None:
    before, _ = split_rows(table(shop))
    rewrite(shop, "red-cap-1.png;red cap 1;Red;cap;9\n", "")
    after, _ = split_rows(table(shop))
    assert set(before["val"]) - set(after["val"]) <= {"red-cap-1.png"}
    assert set(after["val"]) <= set(before["val"])


def test_the_table_s_own_split_is_used(shop: Path) -> None:
    lines = (shop / "export.csv").read_text().splitlines()
    lines = [f"{line};{'test' if '-1.png' in line else 'train'}" for line in lines]
    (shop / "export.csv").write_text(
        "\n".join([lines[0].rpartition(";")[0] + ";Split", *lines[1:]])
    )
    report = write(table(shop), RULES, shop / "out")
    assert report.split_by == "column Split"
    assert {name: count.pictures for name, count in report.splits.items()} == {
        "train": 20,
        "test": 20,
    }
    assert triplets.splits(shop / "out") == ["test", "train"]


def test_one_file_without_splits(shop: Path) -> None:
    report = write(table(shop), RULES, shop / "mine.jsonl")
    assert list(report.splits) == ["mine"]
    benchmark = triplets.read(shop, "mine")
    benchmark.require_images()
    assert (shop / "mine.report.json").is_file() and not (shop / "catalog.csv").exists()


def test_a_file_of_somebody_else_is_not_overwritten(shop: Path) -> None:
    (shop / "mine.jsonl").write_text("{}\n")
    with pytest.raises(DataError, match=r"mine\.jsonl exists and was not written by this command"):
        write(table(shop), RULES, shop / "mine.jsonl")
    assert (shop / "mine.jsonl").read_text() == "{}\n"


def test_splits_of_an_earlier_call_are_gone(shop: Path) -> None:
    write(table(shop), RULES, shop / "out")
    (shop / "out" / "test.jsonl").write_text("{}\n")
    write(table(shop), RULES, shop / "out")
    assert triplets.splits(shop / "out") == ["train", "val"]


def test_what_others_wrote_is_not_overwritten(shop: Path) -> None:
    (shop / "export.csv").rename(shop / "catalog.csv")
    read = read_table(shop / "catalog.csv", shop / "pictures")
    before = (shop / "catalog.csv").read_bytes()
    with pytest.raises(DataError, match="the folder of the catalogue itself"):
        write(read, RULES, shop)
    assert (shop / "catalog.csv").read_bytes() == before
    (shop / "theirs").mkdir()
    (shop / "theirs" / "train.jsonl").write_text("{}\n")
    with pytest.raises(DataError, match=r"has a file train\.jsonl that was not written"):
        write(read, RULES, shop / "theirs")


def test_no_query_at_all_is_an_error_that_shows_the_report(shop: Path) -> None:
    with pytest.raises(DataError, match="no query could be made for the split") as caught:
        write(table(shop), QueryRules(("colour",), max_targets=0, min_support=99), shop / "out")
    assert "below --min-support" in caught.value.hint
    assert not (shop / "out").exists()


def test_a_title_is_made_where_there_is_none(shop: Path) -> None:
    rewrite(shop, "Image;Name;", "Image;Note;")
    write(table(shop), RULES, shop / "out")
    with (shop / "out" / "catalog.csv").open(encoding="utf-8", newline="") as file:
        titles = {row["file"]: row["title"] for row in csv.DictReader(file)}
    assert titles["red-cap-1.png"] == "red cap"


@pytest.mark.parametrize("share", [0.0, 1.0, -2.0])
def test_a_share_for_val_is_a_share(shop: Path, share: float) -> None:
    with pytest.raises(DataError, match="share of the split val"):
        split_rows(table(shop), val_share=share)


def test_no_pictures_at_all(shop: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        read_table(shop / "export.csv", tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="none of its 40 rows has a picture"):
        read_table(shop / "export.csv", tmp_path / "empty")
    with pytest.raises(MetadataError, match="has no column Photo"):
        read_table(shop / "export.csv", shop / "pictures", file_column="Photo")
