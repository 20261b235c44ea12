"""confidence.py: the probability that the first answer fits, from the scores; and its file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from samebut.answers import kind_of
from samebut.confidence import (
    FILE,
    KINDS,
    SAMPLE,
    Calibration,
    Curve,
    Usual,
    signals,
    spread,
)
from samebut.errors import ModelError
from samebut.gallery import Gallery
from samebut.runtime import BUNDLED, Model
from samebut.turns import Turn

USUAL = Usual(mean=0.1, std=0.2)
CURVE = Curve((10.0, 0.0, 0.0), -5.0, USUAL)
CALIBRATION = Calibration("0123456789abcdef", dict.fromkeys(KINDS, CURVE))


def test_signals_are_first_score_mean_and_deviation() -> None:
    scores = np.random.default_rng(0).normal(0.3, 0.1, (2, 100_000))
    found = signals(np.array([0.9, 0.7]), scores, USUAL)
    assert found[:, 0].tolist() == [0.9, 0.7]
    np.testing.assert_allclose(found[:, 1], scores.mean(axis=1), atol=1e-4)
    np.testing.assert_allclose(found[:, 2], scores.std(axis=1), atol=1e-4)


def test_a_gallery_of_one_has_the_usual_mean_and_deviation_almost() -> None:
    (none,) = signals(np.array([0.5]), np.zeros((1, 0)), USUAL)
    assert none.tolist() == pytest.approx([0.5, 0.1, 0.2])
    (one,) = signals(np.array([0.5]), np.array([[0.5]]), USUAL)
    mean = (0.5 + 10 * 0.1) / 11
    variance = ((0.5 - mean) ** 2 + 10 * (0.04 + (0.1 - mean) ** 2)) / 11
    assert one.tolist() == pytest.approx([0.5, mean, variance**0.5])


def test_equal_scores_have_a_deviation_still() -> None:
    found = signals(np.array([1.0]), np.ones((1, SAMPLE)), USUAL)
    assert found[0, 2] > 0


def test_a_curve_is_the_logistic_function() -> None:
    shown = np.array([[0.5, 0, 0], [0.7, 0, 0], [0.3, 9, 9]])
    expected = [0.5, 1 / (1 + np.exp(-2)), 1 / (1 + np.exp(2))]
    assert CURVE.probability(shown).tolist() == pytest.approx(expected)


def test_far_out_it_is_still_a_probability() -> None:
    steep = Curve((1e9, -1e9, 1e9), 0.0, USUAL)
    with np.errstate(all="raise"):
        found = steep.probability(np.array([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0]]))
    assert found.tolist() == pytest.approx([1, 0, 0])


@pytest.mark.parametrize("count", [1, 3, 10, SAMPLE, 1_000_000])
def test_a_spread_is_from_all_over_the_gallery(count: int) -> None:
    rows = spread(count)
    assert len(rows) == min(count, SAMPLE) == len(set(rows.tolist()))
    assert (rows[0], rows[-1]) == (0, count - 1)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    curves = {kind: Curve((n, 2.0, -3.5), 0.25, USUAL) for n, kind in enumerate(KINDS)}
    Calibration("f00d", curves).write(tmp_path)
    assert Calibration.read(tmp_path) == Calibration("f00d", curves)


def test_a_folder_without_it_has_none(tmp_path: Path) -> None:
    assert Calibration.read(tmp_path) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 9}, "format 9"),
        ({"signals": ["first"]}, "signals"),
        ({"text": None}, "a value is missing or wrong"),
        ({"picture": {"weights": [1, 2], "bias": 0, "usual": {"mean": 0, "std": 1}}}, "2 for 3"),
        ({"picture": {"weights": [1, 2, 3], "bias": 0, "usual": {"mean": 0, "std": 0}}}, "above 0"),
        ({"text": {"weights": [1, 2, 1e999], "bias": 0, "usual": {"mean": 0, "std": 1}}}, "finite"),
        ({"composed": {"weights": [1, 2, 3], "usual": {"mean": 0, "std": 1}}}, "bias"),
        ({"fingerprint": "0123456789abcdee"}, "changed after it was written"),
        ({"digest": 7}, "changed after it was written"),
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    CALIBRATION.write(tmp_path)
    said = json.loads((tmp_path / FILE).read_text(encoding="utf-8")) | change
    (tmp_path / FILE).write_text(json.dumps(said), encoding="utf-8")
    with pytest.raises(ModelError, match=message) as refused:
        Calibration.read(tmp_path)
    assert FILE in str(refused.value)
    assert "samebut calibrate" in refused.value.hint


def test_half_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"format": 1,', encoding="utf-8")
    with pytest.raises(ModelError, match="can't be read as JSON"):
        Calibration.read(tmp_path)


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model with a calibration that tells the kinds of queries apart."""
    folder = Path(shutil.copytree(BUNDLED, tmp_path_factory.mktemp("model") / "calibrated"))
    weights = {"text": 0.0, "picture": 1.0, "composed": 2.0}
    curves = {kind: Curve((weights[kind], 0.0, 0.0), 0.0, USUAL) for kind in KINDS}
    Calibration(Model.load("bundled").fingerprint, curves).write(folder)
    return folder


def logistic(total: float) -> float:
    return float(1 / (1 + np.exp(-total)))


def test_a_search_has_a_confidence_of_its_kind(photos: Path, calibrated: Path) -> None:
    gallery, _ = Gallery.build(photos, model=calibrated)
    assert gallery.model.fingerprint == Model.load("bundled").fingerprint
    red = photos / "red-round.png"
    with gallery:
        text = gallery.search(Turn(None, "red"))
        picture = gallery.search(Turn(red))
        both = gallery.search(Turn(red, "in blue"))
        later = gallery.search(Turn(red, "in blue"), 3, offset=4)
        similar = gallery.similar(picture.hits[0].id)
        plain = gallery.search(Turn(red, "in blue"), fusion="sum")
        words = gallery.search(Turn(red, "in blue"), text_weight=1)
    assert text.confidence == words.confidence == 0.5
    assert picture.confidence == pytest.approx(logistic(picture.hits[0].score))
    assert similar.confidence == pytest.approx(logistic(similar.hits[0].score))
    assert both.confidence == pytest.approx(logistic(2 * both.hits[0].score))
    assert later.confidence == both.confidence
    assert plain.confidence is None


def test_where_nothing_is_found_nothing_fits(photos: Path, calibrated: Path) -> None:
    only = photos / "alone" / "red.png"
    only.parent.mkdir()
    shutil.copy(photos / "red-round.png", only)
    gallery, _ = Gallery.build(only.parent, model=calibrated)
    with gallery:
        assert gallery.search(Turn(only)).confidence == 0
        found = gallery.search(Turn(only), include_references=True)
        assert found.confidence == pytest.approx(logistic(found.hits[0].score))


def test_a_calibration_of_other_embeddings_is_left_aside(calibrated: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(calibrated, tmp_path / "other"))
    assert Model.load(folder).calibration is not None
    CALIBRATION.write(folder)
    assert Model.load(folder).calibration is None


def test_the_kind_of_a_query() -> None:
    text, picture, both = Turn(None, "red"), Turn(b"a"), Turn(b"a", "red")
    assert kind_of([text], None, 0.5) == "text"
    assert kind_of([picture], None, 0.5) == "picture"
    assert kind_of([picture, text], 0.4, 0.5) == kind_of([both], 0.4, 0.9) == "composed"
    assert kind_of([text, picture], None, 1) == "composed"
    assert kind_of([both], 0.4, 0) == "picture"
    assert kind_of([both], 0.4, 1) == "text"
