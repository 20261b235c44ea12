"""calibration/queries.py: which queries are asked of a gallery, and which answers are right."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from samebut.calibration import pictures, queries
from samebut.calibration.pictures import ValPictures
from samebut.errors import DataError
from samebut.runtime import Model
from shop_folder import drawn


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.load("bundled", threads=1)


@pytest.fixture(scope="module")
def clothes(model: Model, tmp_path_factory: pytest.TempPathFactory) -> ValPictures:
    root = drawn(tmp_path_factory.mktemp("clothes") / "c", {"shirt": "round", "skirt": "square"})
    line = {
        "reference": "shirt-red-0.png",
        "text": "a skirt",
        "target": "skirt-red-1.png",
        "targets": ["skirt-red-1.png", "skirt-red-2.png"],
    }
    (root / "val.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    return pictures.read("clothes", root, model)


@pytest.fixture(scope="module")
def food(model: Model, tmp_path_factory: pytest.TempPathFactory) -> ValPictures:
    root = drawn(tmp_path_factory.mktemp("food") / "f", {"apple": "round", "milk": "square"})
    return pictures.read("food", root, model)


def by_name(gallery: ValPictures, *others: ValPictures) -> dict[str, queries.Sort]:
    return {f"{sort.kind}: {sort.name}": sort for sort in queries.sorts(gallery, others)}


def test_sensible_queries_know_their_answers(clothes: ValPictures, food: ValPictures) -> None:
    sorts = by_name(clothes, food)
    own = sorts["picture: its own pictures"]
    assert (clothes.kinds[own.own][:, None] == clothes.kinds)[own.right].all()
    assert own.right[np.arange(len(own.own)), own.own].all()
    coloured = sorts["text: colour and kind"]
    assert coloured.right.sum(axis=1).tolist() == [3] * len(coloured.right)
    other = sorts["composed: in another colour"]
    for row, right in zip(other.own, other.right, strict=True):
        assert right.sum() == 3
        assert set(clothes.kinds[right]) == {clothes.kinds[row]}
        assert clothes.colours[row] not in set(clothes.colours[right])
    as_another = sorts["composed: as another kind"]
    for row, right in zip(as_another.own, as_another.right, strict=True):
        assert clothes.kinds[row] not in set(clothes.kinds[right])
        assert right.any()
    of_val = sorts["composed: queries of its val"]
    names = [*clothes.files]
    assert [names[row] for row in of_val.own] == ["shirt-red-0.png"]
    assert {names[n] for n in np.flatnonzero(of_val.right[0])} == {
        "skirt-red-1.png",
        "skirt-red-2.png",
    }


def test_senseless_queries_have_no_answer(clothes: ValPictures, food: ValPictures) -> None:
    sorts = by_name(clothes, food)
    senseless = {name for name, sort in sorts.items() if not sort.right.any()}
    assert senseless == {
        "text: made-up words, mash",
        "text: made-up words, pronounceable",
        "text: things it lacks",
        "picture: pictures of food, another subject",
        "composed: as a thing it lacks",
        "composed: pictures of food, in a colour or as a thing it lacks",
    }
    assert all(sort.own.max() < 0 for name, sort in sorts.items() if "pictures of food" in name)


def test_pictures_of_the_same_subject_are_sensible(clothes: ValPictures, model: Model) -> None:
    again = ValPictures(
        "phone", clothes.root, model, clothes.files, clothes.kinds, clothes.colours,
        clothes.features, clothes.embeddings,
    )  # fmt: skip
    found = by_name(clothes, again)["picture: pictures of phone"]
    assert found.right.any(axis=1).all()
    assert (found.own == -1).all()


def test_a_picture_is_not_its_own_answer(clothes: ValPictures) -> None:
    own = by_name(clothes)["picture: its own pictures"]
    kept = np.arange(len(clothes))
    found = queries.answered(clothes, own, kept)
    stranger = queries.Sort("picture", "s", own.embeddings, own.right, np.full(len(kept), -1))
    itself = queries.answered(clothes, stranger, kept)
    assert itself.first == pytest.approx(1, abs=1e-4)
    assert itself.fits.all()
    assert (found.first < itself.first).all()
    assert found.sample.shape == (len(kept), len(kept))


def test_a_part_of_a_gallery_has_only_its_pictures(clothes: ValPictures) -> None:
    own = by_name(clothes)["picture: its own pictures"]
    shirts = np.flatnonzero(clothes.kinds == "shirt")
    found = queries.answered(clothes, own, shirts)
    assert found.fits.tolist() == (clothes.kinds[own.own] == "shirt").tolist()
    assert found.sample.shape[1] == len(shirts)


def test_asking_is_the_same_each_time(clothes: ValPictures, food: ValPictures) -> None:
    first, again = ([*queries.ask(clothes, [food])] for _ in range(2))
    assert len(first) == len(again) > 20
    for one, other in zip(first, again, strict=True):
        assert (one.kind, one.sort) == (other.kind, other.sort)
        np.testing.assert_array_equal(one.first, other.first)
        np.testing.assert_array_equal(one.fits, other.fits)


def test_a_gallery_of_one_kind_is_refused(model: Model, tmp_path: Path) -> None:
    read = pictures.read("shirts", drawn(tmp_path / "s", {"shirt": "round"}), model)
    with pytest.raises(DataError, match="shirts: its val split has fewer than two kinds"):
        [*queries.sorts(read, [])]
