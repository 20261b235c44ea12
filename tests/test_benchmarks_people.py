"""benchmarks/people.py: what counts as right, which pictures are measured on, and the table."""

from __future__ import annotations

import shutil
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import people
from conftest import COLOURS, draw_picture
from people_rows import certainty, colours, everyday, phone, products, sheets
from people_rows.asking import Pictures, Row, encode, joined, precision, words
from samebut import catalog
from samebut.confidence import KINDS, Calibration, Curve, Usual
from samebut.data import triplets
from samebut.errors import DataError
from samebut.runtime import Model

DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.load("bundled", threads=1)


@pytest.fixture(scope="module")
def drawn(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Pictures:
    """A round thing of each colour, as a catalogue of shoes knows them."""
    folder = tmp_path_factory.mktemp("drawn")
    files, rows = {}, []
    for colour, rgb in COLOURS.items():
        files[f"{colour}.png"] = folder / f"{colour}.png"
        draw_picture(rgb, "round", 64).save(files[f"{colour}.png"])
        rows.append({"colour": colour, "article": "shoes", "category": "Footwear"})
    return encode(model, files, rows)


def test_precision_counts_as_many_as_can_be_right() -> None:
    right = np.zeros((3, 20), np.bool_)
    right[0, :12] = right[1, :2] = right[2, 3] = True
    ids = np.tile(np.arange(10, dtype=np.int32), (3, 1))
    assert precision(ids, right).tolist() == [1, 1, 0]
    assert precision(ids, right, [0, 0, 0])[1] == 0  # the only other right one comes second
    with pytest.raises(DataError, match="1 queries have no right answer"):
        precision(ids, right, [5, 5, 3])


def test_a_row_has_its_interval_in_percent() -> None:
    row = Row.over("a", "b", np.array([0.0, 1.0] * 50), "photos", "≥ 40")
    assert row.value == 50
    assert 35 < row.low < 50 < row.high < 65
    first, second = people.table([row, row]).splitlines()[2:]
    assert first == f"| a | b | 50.0 [{row.low:.1f}, {row.high:.1f}] | ≥ 40 | 100 photos |"
    assert second.startswith("|  | b |")


def test_a_reference_is_not_its_own_answer(drawn: Pictures) -> None:
    own = drawn.first(drawn.embeddings, 1)[:, 0]
    assert own.tolist() == [*range(len(drawn))]
    others = drawn.first(drawn.embeddings, 1, [*range(len(drawn))])[:, 0]
    assert (others != own).all()


def test_two_galleries_of_the_same_names_are_not_joined(drawn: Pictures) -> None:
    with pytest.raises(DataError, match="the same name"):
        joined(drawn, drawn)


def test_words_are_whole() -> None:
    said = words()
    for label, kind in said["labels"].items():
        assert kind["en"], label
        assert kind["zh"], label
    for simplified, traditional in said["traditional"].items():
        assert len(simplified) == len(traditional)
        assert simplified != traditional
    assert {"trainers", "footwear", "shades"} <= said["synonyms"]["en"].keys()
    assert {"球鞋", "墨镜"} <= said["synonyms"]["zh"].keys()


@pytest.mark.parametrize(("hue", "most"), [("red", 0), ("green", 1), ("blue", 2)])
def test_a_thing_turned_to_a_hue_has_it(hue: str, most: int) -> None:
    picture = Image.new("RGB", (40, 20), (250, 250, 250))
    picture.paste((200, 60, 160), (10, 5, 30, 15))
    pixels = np.array(colours.in_hue(picture, colours.HUES[hue][0]))
    assert int(pixels[10, 20].argmax()) == most
    assert pixels[0, 0].tolist() == [250, 250, 250]


def test_copies_stand_beside_the_goods_and_are_asked_for(drawn: Pictures) -> None:
    gallery = colours.recoloured(drawn)
    asked = colours.copies_asked(gallery)
    coloured = [row["colour"] for row in drawn.rows if row["colour"] in colours.COLOURED]
    assert len(asked) == len(gallery) - len(drawn) == 3 * len(coloured)
    for reference, text, (target,) in asked:
        own, hue = gallery.rows[reference]["colour"], gallery.rows[target]["colour"]
        assert own != hue
        assert text in (f"in {hue}", f"换成{colours.HUES[hue][1]}")
    rows = [*colours.rows(drawn, None)]
    assert {row.count for row in rows} == {len(asked)}


def test_names_of_several_photos_find_any_of_them(drawn: Pictures) -> None:
    names = ["thing", "thing", *(f"name {number}" for number in range(len(drawn) - 2))]
    ranks = everyday.ranks_of(drawn, names)[:, 0]
    assert ranks[0] == ranks[1]
    with pytest.raises(DataError, match=f"1 names for {len(drawn)}"):
        everyday.ranks_of(drawn, ["thing"])


def test_everyday_names_are_those_of_the_files(model: Model, tmp_path: Path) -> None:
    for name in ("n02_great_white_shark.JPEG", "n01_tench.JPEG"):
        draw_picture((200, 30, 30), "round", 32).save(tmp_path / name)
    (tmp_path / "README.md").write_text("no picture")
    photos = everyday.read(model, tmp_path)
    of_files = {"files": ["tench", "great white shark"]}
    assert everyday.names_of(photos, None) == of_files
    list_ = tmp_path / "names.toml"
    list_.write_text('n01 = { en = ["tench", "fish"], zh = ["鱼"] }\nn02 = { en = ["shark"] }\n')
    assert everyday.names_of(photos, list_) == {"en": ["tench", "shark"], **of_files}
    with pytest.raises(DataError, match="no picture called CLASS_plain_name"):
        everyday.read(model, tmp_path / "..")


def test_what_came_counts_known_colours_alone(drawn: Pictures) -> None:
    blue = [row["colour"] for row in drawn.rows].index("blue")
    rows = [*drawn.rows, {"article": "cap"}]
    unknown = Pictures(drawn.model, drawn.files, rows, drawn.features, drawn.embeddings)
    others = [number for number in range(len(drawn)) if number != blue]
    ids = np.array([[blue, others[0], len(drawn), others[1]]], np.int32)
    still, kind = products.what_came(unknown, ids, [(blue, "blue")])
    assert still.tolist() == [pytest.approx(1 / 3)]
    assert kind.tolist() == [0.75]


def test_words_of_no_list_are_counted_apart(
    model: Model, drawn: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {
        "synonyms": {"en": {"trainers": ["shoes"], "kicks": ["shoes"]}, "zh": {"球鞋": ["shoes"]}}
    }
    monkeypatch.setattr(products, "words", lambda: said)
    monkeypatch.setattr(products, "SYNONYMS", tmp_path / "synonyms.toml")
    assert [row.count for row in products.by_other_words(drawn)] == [2, 1]
    products.SYNONYMS.write_text('groups = [["shoes", "trainers"]]')
    names = [row.name for row in products.by_other_words(drawn)]
    assert [name for name in names if "no list" in name] == [
        "words of their own, en, in no list of synonyms: P@10"
    ]


def test_phone_photos_measured_on_are_none_of_those_trained_on() -> None:
    root = DATA / "clothing"
    if not root.is_dir():
        pytest.skip("../shared/data/clothing is not there")
    val = triplets.pictures(root, "val", phone.VAL_SHARE)
    train = triplets.pictures(root, "train", phone.VAL_SHARE)
    assert 250 < len(val) < 350
    assert not val.keys() & train.keys()
    labels = {row["label"] for row in catalog.rows_beside(root).values()}
    assert labels == words()["labels"].keys()


def test_articles_that_count_as_right_are_those_of_the_products() -> None:
    root = DATA / "products"
    if not root.is_dir():
        pytest.skip("../shared/data/products is not there")
    articles = {row["article"] for row in catalog.rows_beside(root).values()}
    said = [kind["articles"] for kind in words()["labels"].values()]
    said += [meant for language in words()["synonyms"].values() for meant in language.values()]
    assert {article for each in said for article in each} <= articles


def test_queries_fit_where_half_of_the_first_answers_are_right(drawn: Pictures) -> None:
    mix = certainty.Mix()
    own = np.eye(len(drawn), dtype=np.bool_)
    mix.sensible(drawn, "picture", drawn.embeddings, own)
    mix.sensible(drawn, "picture", drawn.embeddings, np.roll(own, 1, axis=0))
    mix.senseless(drawn, "picture", drawn.embeddings[:2])
    size = len(drawn)
    assert mix.fits == [True] * size + [False] * size + [False] * 2
    assert mix.scores == pytest.approx([1] * (2 * size + 2), abs=1e-5)


def test_a_calibrated_model_is_judged_by_its_confidence(drawn: Pictures, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(drawn.model.folder, tmp_path / "model"))
    curve = Curve((2.0, 0.0, 0.0), -1.0, Usual(0.0, 1.0))
    Calibration(drawn.model.fingerprint, dict.fromkeys(KINDS, curve)).write(folder)
    model = Model.load(folder, threads=1)
    calibrated = Pictures(model, drawn.files, drawn.rows, drawn.features, drawn.embeddings)
    mix = certainty.Mix()
    mix.senseless(calibrated, "picture", drawn.embeddings)
    expected = [1 / (1 + np.exp(1 - 2 * score)) for score in mix.scores]
    assert mix.confidence == pytest.approx(expected)


def test_a_sheet_has_a_line_for_each_request(drawn: Pictures, tmp_path: Path) -> None:
    right = drawn.having("colour", "red")
    alone = drawn.shown("a", "red", drawn.said(["red"])[0], right)
    composed = drawn.shown("a", "换成红色", drawn.composed([1], ["换成红色"])[0], right, 1)
    sheets.write([alone, composed], tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as page:
        assert page.height == 2 * (sheets.SIDE + sheets.GAP) + sheets.GAP


def test_misses_show_what_was_wrong(drawn: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = ["Hat" if number % 2 else "Skirt" for number in range(len(drawn))]
    photos = replace(drawn, rows=[{"label": label} for label in labels])
    monkeypatch.setattr(phone, "BUT", 4)
    wrong = [*phone.missed(photos, 5)]
    assert len(wrong) == 5
    label_of = dict(zip(photos.files.values(), labels, strict=True))
    for request in wrong:
        said, _, label = request.text.partition(": labelled ")
        (answer,) = request.answers
        assert label_of[answer] == label
        names = [words()["labels"][label][language] for language in ("en", "zh")]
        assert not any(name in said for name in names)
    monkeypatch.setattr(everyday, "FIRST", 1)
    names = [*reversed(COLOURS)]
    ranks = everyday.ranks_of(drawn, names)[:, 0]
    missed = [*everyday.missed(drawn, names, 100)]
    assert len(missed) == (ranks > 1).sum() > 0
    paths = [*drawn.files.values()]
    for request in missed:
        name, _, rank = request.text.partition(": at ")
        assert (request.reference, int(rank)) == (
            paths[names.index(name)],
            ranks[names.index(name)],
        )


def test_what_is_not_there_is_skipped_with_the_reason(model: Model) -> None:
    done = people.Measured()
    people._folders(model, Namespace(small=None, wardrobe=None), done)
    assert people._everyday(model, None, None, done) is None
    assert not done.rows
    assert [each.section for each in done.skipped] == [
        "small product photos",
        "drawn wardrobe",
        "everyday photos",
    ]
