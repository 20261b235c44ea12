"""calibration/pictures.py: val pictures of a folder, encoded, with what its table says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from conftest import COLOURS
from samebut.calibration import pictures
from samebut.errors import DataError
from samebut.runtime import Model
from shop_folder import drawn


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.load("bundled", threads=1)


def test_pictures_are_read_with_what_the_table_says(model: Model, tmp_path: Path) -> None:
    clothes = pictures.read(
        "c", drawn(tmp_path / "c", {"shirt": "round", "skirt": "square"}), model
    )
    assert len(clothes) == 2 * 3 * len(COLOURS)
    assert clothes.common(3) == ["shirt", "skirt"]
    assert set(clothes.colours) == {*COLOURS}
    assert np.linalg.norm(clothes.embeddings, axis=1) == pytest.approx(1, abs=1e-5)


def test_texts_and_composed_queries_keep_their_order(model: Model, tmp_path: Path) -> None:
    read = pictures.read("c", drawn(tmp_path / "c", {"shirt": "round"}, copies=1), model)
    texts = ["in red", "in blue", "in red"]
    queries = pictures.composed(read, [0, 1, 0], texts)
    alone = pictures.composed(read, [1], ["in blue"])
    np.testing.assert_allclose(queries[0], queries[2], atol=1e-6)
    np.testing.assert_allclose(queries[1], alone[0], atol=1e-5)
    said = pictures.said(model, texts)
    np.testing.assert_allclose(said[1], pictures.said(model, ["in blue"])[0], atol=1e-5)
    assert pictures.said(model, []).shape == pictures.composed(read, [], []).shape == (0, model.dim)


def test_a_table_without_kinds_is_refused(model: Model, tmp_path: Path) -> None:
    root = drawn(tmp_path / "t", {"shirt": "round"})
    text = (root / "catalog.csv").read_text(encoding="utf-8")
    (root / "catalog.csv").write_text(text.replace("kind", "sort"), encoding="utf-8")
    with pytest.raises(DataError, match="no column says what the pictures show"):
        pictures.read("t", root, model)


def test_a_picture_that_is_not_one_is_named(model: Model, tmp_path: Path) -> None:
    root = drawn(tmp_path / "b", {"shirt": "round"}, copies=1)
    (root / "images" / "shirt-red-0.png").write_text("no picture")
    with pytest.raises(DataError, match=r"shirt-red-0.png can't be used for calibration"):
        pictures.read("b", root, model)
