"""``samebut triplets`` through the real command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from conftest import COLOURS, draw_picture
from samebut.cli import app
from samebut.data import triplets
from samebut.errors import SamebutError

GOLDEN = Path(__file__).parent / "golden" / "catalogue"


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The golden table with a picture for each of its rows."""
    (tmp_path / "images").mkdir()
    table = (GOLDEN / "catalog.csv").read_text(encoding="utf-8")
    (tmp_path / "catalog.csv").write_text(table, encoding="utf-8")
    for line in table.splitlines()[1:]:
        name, _, colour, *_ = line.split(",")
        draw_picture(COLOURS.get(colour, (9, 9, 9)), "round", 16).save(tmp_path / "images" / name)
    return tmp_path


def call(shop: Path, *more: object) -> Result:
    return run(
        "triplets",
        shop / "catalog.csv",
        "--images",
        shop / "images",
        "--attributes",
        "color,type,pattern",
        "--group",
        "gender",
        "--out",
        shop / "out",
        *more,
    )


def test_a_tiny_table_gives_these_very_files(shop: Path) -> None:
    """Seeds promise the same files tomorrow. Written by this command and read over by eye."""
    result = call(shop, "--chinese", "0.4", "--split-by", "title")
    assert result.exit_code == 0, result.output
    for name in ("train.jsonl", "val.jsonl"):
        written = (shop / "out" / name).read_text(encoding="utf-8")
        assert written == (GOLDEN / name).read_text(encoding="utf-8"), name


def test_it_prints_what_it_did(shop: Path) -> None:
    result = call(shop)
    assert result.exit_code == 0, result.output
    assert "24 rows, 24 pictures in use; split by column title, 20% to val" in result.stdout
    assert "columns not used: price" in result.stdout
    assert f"Written: {shop / 'out'}" in result.stdout
    triplets.read(shop / "out", "train").require_images()


def test_choices_are_passed_on(shop: Path) -> None:
    result = call(
        shop,
        "--changes",
        "color=2,color+type",
        "--keep",
        "color=type",
        "--details",
        "none",
        "--keep",
        "color+type=gender",
    )
    assert result.exit_code == 0, result.output
    queries = triplets.read(shop / "out", "train").queries
    assert {query.group for query in queries} == {"colour", "colour+article"}
    assert "colour          article" in result.stdout


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--changes", "color=often"), "'often' is not a number"),
        (("--changes", "size"), "in a column 'size'"),
        (("--keep", "color"), "does not say which columns stay the same"),
        (("--details", "price"), "the details names 'price'"),
        (("--split-by", "season"), "in a column 'season'"),
        (("--when-empty", "guess"), "when_empty is 'guess'"),
        (("--templates", "none.toml"), "can't be read"),
    ],
)
def test_bad_choices_are_told(shop: Path, more: tuple[str, ...], message: str) -> None:
    result = call(shop, *more)
    assert isinstance(result.exception, SamebutError)
    assert message in str(result.exception)
    assert not (shop / "out").exists()


def test_wishes_are_asked_for_and_counted(shop: Path) -> None:
    wanted = "color=2,not color, color + not pattern=3,darker Color"
    result = call(shop, "--changes", wanted, "--chinese", "0", "--split-by", "title")
    assert result.exit_code == 0, result.output
    report = json.loads((shop / "out" / "report.json").read_text(encoding="utf-8"))
    assert set(report["changes"]) == {
        "colour",
        "not colour",
        "colour+not pattern",
        "darker colour",
    }
    lines = [
        json.loads(line)
        for split in ("train", "val")
        for line in (shop / "out" / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    counted = {name: sum(each["queries"].values()) for name, each in report["changes"].items()}
    assert counted["not colour"] > 0 and counted["darker colour"] > 0
    assert counted == {
        name: sum(line["change"] == name for line in lines) for name in report["changes"]
    }
