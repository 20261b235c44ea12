"""looks.py: what a picture shows, and which wishes it fulfils."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from conftest import COLOURS
from samebut import demo
from samebut.errors import QueryError
from samebut.gallery import Gallery
from samebut.language.wishes import wishes
from samebut.looks import Eyes, LookColumn, look_columns
from samebut.runtime import Model
from samebut.turns import Turn

KINDS = LookColumn("article", "what", ("dress", "watch", "shoe"))


@pytest.fixture(scope="module")
def garments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    store = tmp_path_factory.mktemp("looks")
    gallery, _ = Gallery.build(demo.GALLERY, store=store, metadata=demo.CATALOG)
    with gallery:
        yield gallery


def test_columns_are_found_by_their_values_whatever_they_are_called(
    photos: Path, tmp_path: Path
) -> None:
    said = ["Red,T恤,Nike,men", "Red,裙子,Orange,men", "sea green,T恤,Nike,women"]
    rows = [f"{name}-round.png,{said[n % 3]}" for n, name in enumerate(COLOURS)]
    table = tmp_path / "table.csv"
    table.write_text("file,c1,was,brand,gender\n" + "\n".join(rows), encoding="utf-8")
    gallery, _ = Gallery.build(photos, metadata=table)
    with gallery:
        assert [(each.look, each.column) for each in gallery.table.looks] == [
            ("article", "was"),
            ("colour", "c1"),
        ]
        assert set(gallery.table.looks[1].values) == {"Red", "sea green"}
        assert gallery.table.called("article", "裙子")["en"] == "skirt"


def test_of_two_columns_about_kinds_the_finer_one_is_taken() -> None:
    coarse = LookColumn("article", "group", ("top", "shoes"))
    assert look_columns([coarse, KINDS, LookColumn("colour", "c", ())]) == [KINDS]


def test_a_picture_is_seen_in_the_values_of_the_table(garments: Gallery) -> None:
    entries = garments.listing(300)[0][::15]
    right = 0
    for entry in entries:
        seen = garments.look(garments.file_of(entry.path))
        assert {each.column for each in seen} == {"kind", "colour", "pattern"}
        kinds = [each for each in seen if each.look == "article"]
        assert sum(each.probability for each in kinds) == pytest.approx(1, abs=1e-4)
        assert kinds == sorted(kinds, key=lambda each: -each.probability)
        right += kinds[0].value == entry.metadata["kind"]
    assert right >= 0.8 * len(entries)


def test_a_part_of_a_picture_is_looked_at(garments: Gallery, tmp_path: Path) -> None:
    from PIL import Image

    files = {kind: min(demo.GALLERY.glob(f"*{kind}.webp")) for kind in ("dress", "shoe")}
    both = Image.new("RGB", (800, 400), "white")
    for place, file in enumerate(files.values()):
        with Image.open(file) as picture:
            both.paste(picture.convert("RGB").resize((400, 400)), (400 * place, 0))
    both.save(tmp_path / "both.png")
    left, right = (
        garments.look(tmp_path / "both.png", box)[0].value
        for box in ((0, 0, 0.5, 1), (0.5, 0, 1, 1))
    )
    assert (left, right) == ("dress", "shoe")
    with pytest.raises(QueryError, match="is not a part of the picture"):
        garments.look(tmp_path / "both.png", (0.5, 0, 0.2, 1))


def test_a_gallery_without_such_columns_sees_nothing(photos: Path) -> None:
    gallery, _ = Gallery.build(photos)
    with gallery:
        assert gallery.look(photos / "red-round.png") == []


def test_hits_say_which_wishes_they_fulfil(garments: Gallery) -> None:
    found = garments.search(Turn(text="a blue dress, not striped"), 40, why=True)
    for hit in found.hits:
        colour, kind, refused = hit.why
        assert (colour.wish, kind.wish, refused.wish) == ("blue", "dress", "striped")
        assert colour.source == "table"
        if hit.metadata["colour"] not in ("navy", "teal"):  # which are blue, too
            assert colour.fulfilled is (hit.metadata["colour"] == "blue")
        assert kind.fulfilled in (hit.metadata["kind"] == "dress", None)
        assert refused.is_refused
        assert refused.fulfilled is not hit.metadata["pattern"].startswith("striped")
    assert {hit.why[1].fulfilled for hit in found.hits} >= {True}
    assert all(hit.why == () for hit in garments.search(Turn(text="a blue dress"), 3).hits)
    assert all(hit.why == () for hit in garments.search(Turn(text="shorter"), 3, why=True).hits)


def test_a_picture_speaks_where_the_table_is_silent(garments: Gallery) -> None:
    eyes = Eyes(garments.model)
    entries = garments.listing(300)[0]
    chosen = [entry for entry in entries if entry.metadata["colour"] in ("red", "blue", "green")]
    embeddings = garments.index.embedding([entry.id for entry in chosen])
    silent: list[dict[str, str]] = [{} for _ in chosen]
    column = LookColumn("colour", "colour", ("red", "blue", "green", "white", "black"))
    judged = eyes.fulfilled(wishes(["in red"]), [column], embeddings, silent)
    said = [
        (each[0].fulfilled, entry.metadata["colour"])
        for each, entry in zip(judged, chosen, strict=True)
    ]
    assert {each[0].source for each in judged} == {"picture"}
    sure = [(verdict, colour == "red") for verdict, colour in said if verdict is not None]
    assert len(sure) > len(said) / 3
    assert np.mean([verdict == truth for verdict, truth in sure]) > 0.85


def test_of_two_wished_colours_none_is_called_missing(garments: Gallery) -> None:
    found = garments.search(Turn(text="a dress in black and white"), 20, why=True)
    fulfilled = {each.fulfilled for hit in found.hits for each in hit.why if each.look == "colour"}
    assert fulfilled <= {True, None}


def test_words_count_more_than_neighbours_without_values(model: Model) -> None:
    eyes = Eyes(model)
    embedding = model.embed(model.encode_texts(["a photo of a watch"]))[0]
    alone = eyes.seen(KINDS, embedding, [0.5, 0.4], [{}, {"what": "brooch"}])
    assert alone[0].value == "watch"
    beside = eyes.seen(KINDS, embedding, [0.9, 0.1], [{"what": "shoe, dress"}, {"what": "watch"}])
    shares = {each.value: each.probability for each in beside}
    assert shares["watch"] < alone[0].probability
    assert shares["shoe"] > alone[-1].probability


def test_an_answer_of_the_kind_that_was_wished_for_is_not_called_unsure(garments: Gallery) -> None:
    photo = garments.file_of(garments.listing(1)[0][0].path)
    nonsense = garments.search(Turn(text="zworblax"), 3)
    assert nonsense.confidence is not None and nonsense.confidence < 0.3
    assert nonsense.unsure
    assert nonsense.holds
    named = garments.search(Turn(photo, called="as a watch"), 3)
    assert named.hits[0].metadata["kind"] == "watch"
    assert not named.unsure
    strict = garments.search(Turn(photo, called="as a watch"), 3, min_confidence=1)
    assert (strict.unsure, strict.hits) == (True, [])
