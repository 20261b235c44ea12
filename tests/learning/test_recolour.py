"""learning/recolour.py: copies of a catalogue's pieces in other colours, and queries of them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from samebut.data import readers
from samebut.errors import DataError
from samebut.language import palette
from samebut.learning.recolour import COLOURS, COPIES, main, write

PIECES = [
    ("bag.png", "train", "bag", "blue", "Accessories"),
    ("cap.png", "train", "cap", "red", "Accessories"),
    ("shoe.png", "train", "shoes", "", "Footwear"),
    ("shirt.png", "train", "shirt", "blue", "Apparel"),  # people wear it on its picture
    ("busy.png", "train", "bag", "blue", "Accessories"),  # no plain background
    ("late.png", "val", "bag", "green", "Accessories"),
]


@pytest.fixture
def products(tmp_path: Path) -> Path:
    folder = tmp_path / "products"
    (folder / "images").mkdir(parents=True)
    with (folder / "catalog.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("file", "split", "article", "colour", "category"))
        table.writerows(PIECES)
    for name, *_ in PIECES:
        picture = Image.new("RGB", (64, 64), "white")
        ImageDraw.Draw(picture).ellipse((14, 14, 50, 50), fill=(60, 110, 200))
        if name == "busy.png":
            noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
            picture = Image.fromarray(noise)
        picture.save(folder / "images" / name)
    return folder


def test_a_piece_is_copied_as_it_is_and_in_other_colours(products: Path, tmp_path: Path) -> None:
    copies = write(products, tmp_path / "out", pieces=10)
    pieces: dict[int, list[str]] = {}
    for each in copies:
        pieces.setdefault(each.piece, []).append(each.colour)
    by_article = {each.article: pieces[each.piece] for each in copies}
    assert set(by_article) == {"bag", "cap", "shoes"}
    assert by_article["bag"][0] == "blue" and len(by_article["bag"]) == 1 + COPIES
    assert len(by_article["shoes"]) == COPIES  # nobody knows the colour of the original
    for colours in by_article.values():
        assert len(set(colours)) == len(colours)
    assert not {"navy blue", "teal"} & set(by_article["bag"][1:])


def test_copies_show_their_colours(products: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for each in write(products, out, pieces=10):
        if each.file.endswith("-0.webp"):
            continue
        with Image.open(out / "images" / each.file) as picture:
            shown = np.asarray(picture.convert("RGB")).astype(int)
        wanted = [int(COLOURS[each.colour][i : i + 2], 16) for i in (0, 2, 4)]
        assert np.abs(shown[28:36, 28:36].mean((0, 1)) - wanted).max() < 8, each
        assert (shown[2, 2] > 245).all()


def test_queries_lead_from_a_piece_to_the_same_piece(products: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    copies = {each.file: each for each in write(products, out, pieces=10)}
    queries = [json.loads(line) for line in (out / "train.jsonl").read_text().splitlines()]
    assert len(queries) == len(copies)
    for query in queries:
        reference, target = copies[query["reference"]], copies[query["target"]]
        assert reference.piece == target.piece and reference.colour != target.colour
        zh = palette.CAPTIONED[target.colour].zh
        assert target.colour in query["text"] or zh in query["text"]
    benchmark = readers.read("triplets", out, "train", {})
    assert len(benchmark.queries) == len(queries)
    assert all(path.is_file() for path in benchmark.images.values())


def test_the_same_seed_writes_the_same_and_goes_on_after_a_kill(
    products: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    copies = write(products, first, pieces=10)
    write(products, second, pieces=10)
    kept = first / "images" / copies[0].file
    before = kept.stat().st_mtime_ns
    (first / "train.jsonl").unlink()
    (first / "images" / copies[1].file).unlink()
    write(products, first, pieces=10)
    assert kept.stat().st_mtime_ns == before
    for name in ("train.jsonl", "catalog.csv", f"images/{copies[1].file}"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_a_catalogue_without_such_pieces_is_named(products: Path, tmp_path: Path) -> None:
    table = products / "catalog.csv"
    table.write_text(table.read_text().replace("Accessories", "Apparel"))
    table.write_text(table.read_text().replace("Footwear", "Apparel"))
    with pytest.raises(DataError, match="could be cut out"):
        write(products, tmp_path / "out")


def test_the_command(
    products: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = str(tmp_path / "out")
    monkeypatch.setattr("sys.argv", ["recolour", str(products), out, "--pieces", "2"])
    main()
    assert "of 2 pieces" in capsys.readouterr().out
