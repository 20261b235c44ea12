"""learning/data/feature_cache.py, feature_folder.py and feature_store.py: encoded once, in fp16 on
disk, through kills and changed encoders."""

from __future__ import annotations

import errno
import os
import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from conftest import COLOURS, draw_picture
from samebut.errors import PictureError, RecipeError
from samebut.images import open_picture
from samebut.learning.data import feature_cache
from samebut.learning.data.augment import Augment
from samebut.learning.data.feature_cache import Views, picture_features, text_features
from samebut.learning.data.feature_store import FeatureStore
from samebut.learning.encoders.base import Features
from samebut.learning.encoders.small import SmallEncoder
from samebut.preprocess import Preprocess

pytestmark = pytest.mark.usefixtures("quiet_torch")

SIZES = {
    "dim": 16,
    "widths": [16, 16, 32, 32],
    "blocks": [1, 1, 1, 1],
    "vocabulary": 300,
    "max_tokens": 12,
    "text_width": 16,
    "text_layers": 1,
    "text_heads": 2,
}
TEXTS = ["in blue", "", "with a much longer sleeve and stripes", "in red", "换成蓝色"]


class Counting(SmallEncoder):
    """Remembers how many pictures and texts it was given with gradients off."""

    encoded = 0
    stop_after = 1_000_000

    def images(self, pixels: torch.Tensor) -> Features:
        self.count(len(pixels))
        return super().images(pixels)

    def texts(self, texts: list[str]) -> Features:
        self.count(len(texts))
        return super().texts(texts)

    def count(self, rows: int) -> None:
        assert not self.training
        if self.encoded + rows > self.stop_after:
            raise KeyboardInterrupt
        self.encoded += rows


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_cache, "PICTURES_AT_ONCE", 3)
    monkeypatch.setattr(feature_cache, "TEXTS_AT_ONCE", 2)


@pytest.fixture
def encoder() -> Counting:
    return new_encoder()


def new_encoder(seed: int = 0) -> Counting:
    torch.manual_seed(seed)
    return Counting.create(dict(SIZES), TEXTS)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    (tmp_path / "pictures").mkdir()
    made = []
    for number, (name, colour) in enumerate(COLOURS.items()):
        for shape in ("round", "square"):
            made.append(tmp_path / "pictures" / f"{name}-{shape}.png")
            draw_picture(colour, shape, 40 + 7 * number).save(made[-1])
    return made


def preprocess(size: int = 32) -> Preprocess:
    return Preprocess(
        size=size, padding="target", fill="edge", mean=SmallEncoder.mean, std=SmallEncoder.std
    )


def expected(encoder: Counting, files: list[Path]) -> Features:
    pixels = torch.tensor(np.stack([preprocess()(open_picture(file)) for file in files]))
    with torch.inference_mode():
        return SmallEncoder.images(encoder.eval(), pixels)


def test_features_are_the_encoders_and_are_made_once(
    encoder: Counting, files: list[Path], tmp_path: Path
) -> None:
    store = picture_features(encoder, files, preprocess(), tmp_path / "cache")
    assert encoder.training  # as it was before
    assert store.pooled.dtype == torch.float16
    assert store.tokens is None
    rows = torch.tensor([7, 0, 7])
    found = store.features(rows)
    wanted = expected(encoder, files)[rows]
    torch.testing.assert_close(found.pooled, wanted.pooled, rtol=2e-3, atol=2e-3)
    assert found.tokens.shape == (3, 0, 16)
    assert encoder.encoded == len(files)
    again = picture_features(encoder, files, preprocess(), tmp_path / "cache")
    assert encoder.encoded == len(files)
    assert torch.equal(again.pooled, store.pooled)


def test_tokens_of_those_that_are_asked_for(
    encoder: Counting, files: list[Path], tmp_path: Path
) -> None:
    kept = [8, 2, 3, 8]
    store = picture_features(encoder, files, preprocess(), tmp_path, tokens_of=kept)
    assert store.tokens is not None
    assert store.tokens.shape == (3, 1, 4, 16)
    rows = torch.tensor([3, 8, 2])
    found, wanted = store.features(rows), expected(encoder, files)[rows]
    torch.testing.assert_close(found.tokens, wanted.tokens, rtol=2e-3, atol=2e-3)
    assert found.mask.all()
    assert encoder.encoded == len(files) + 1  # one blank, to know how many regions there are
    with pytest.raises(ValueError, match="were not cached"):
        store.features(torch.tensor([2, 4]))


def test_texts_and_their_padding(encoder: Counting, tmp_path: Path) -> None:
    store = text_features(encoder, TEXTS, tmp_path, tokens=True)
    encoder.eval()
    for row, text in enumerate(TEXTS):
        with torch.inference_mode():
            alone = SmallEncoder.texts(encoder, [text])
        found = store.features(torch.tensor([row]))
        length = alone.tokens.shape[1]
        assert found.mask[0].tolist() == [place < length for place in range(found.mask.shape[1])]
        torch.testing.assert_close(found.pooled, alone.pooled, rtol=2e-3, atol=2e-3)
        torch.testing.assert_close(found.tokens[:, :length], alone.tokens, rtol=2e-3, atol=2e-3)
    assert text_features(encoder, TEXTS, tmp_path).tokens is None


def test_the_first_view_is_plain_and_the_others_differ(
    encoder: Counting, files: list[Path], tmp_path: Path
) -> None:
    views = Views(3, preprocess(40), Augment(crop=0.3, rotation=30.0, contrast=0.4), seed=5)
    store = picture_features(encoder, files, preprocess(), tmp_path, views=views, tokens_of=[4])
    plain = picture_features(encoder, files, preprocess(), tmp_path)
    assert store.pooled.shape == (len(files), 3, 16)
    assert torch.equal(store.pooled[:, 0], plain.pooled[:, 0])
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not torch.isclose(store.pooled[:, one], store.pooled[:, other]).all(1).any()
    found = store.features(torch.tensor([4, 4]), torch.tensor([0, 2]))
    assert torch.equal(found.pooled, store.pooled[4, [0, 2]].float())
    assert not torch.allclose(found.tokens[0], found.tokens[1])


def test_further_views_stand_before_backdrops(
    encoder: Counting, files: list[Path], tmp_path: Path
) -> None:
    photo = tmp_path / "dark.png"
    Image.new("RGB", (64, 64), (0, 60, 0)).save(photo)
    still = Augment(crop=1.0, rotation=0.0, contrast=0.0, mirror=0.0)
    behind = still.model_copy(update={"backdrops": 1.0, "backdrop_folders": ("phone",)})
    views = Views(2, preprocess(40), still, backdrop_files=(photo,))
    white = picture_features(encoder, files, preprocess(), tmp_path, views=views)
    stood = [
        picture_features(
            encoder, files, preprocess(), tmp_path / name, views=replace(views, augment=behind)
        )
        for name in "ab"
    ]
    assert torch.equal(white.pooled[:, 0], stood[0].pooled[:, 0])
    assert not torch.isclose(white.pooled[:, 1], stood[0].pooled[:, 1]).all(1).any()
    assert torch.equal(stood[0].pooled, stood[1].pooled)


@pytest.mark.parametrize("stop_after", [0, 1, 7, 13, 20])
def test_a_killed_cache_carries_on(
    encoder: Counting, files: list[Path], tmp_path: Path, stop_after: int
) -> None:
    """Stopped in any part, it encodes what is left, and what it has is what it would have been."""
    options: dict[str, Any] = {
        "tokens_of": [1, 5, 9],
        "views": Views(2, preprocess(40), Augment(crop=0.3), seed=5),
    }
    whole = picture_features(encoder, files, preprocess(), tmp_path / "whole", **options)
    once = encoder.encoded
    encoder.encoded, encoder.stop_after = 0, stop_after
    with pytest.raises(KeyboardInterrupt):
        picture_features(encoder, files, preprocess(), tmp_path / "cut", **options)
    before = encoder.encoded
    encoder.stop_after = 1_000_000
    again = picture_features(encoder, files, preprocess(), tmp_path / "cut", **options)
    assert encoder.encoded <= once + 2 * 3 + 1  # a part that was not whole, and the blank
    if before > 8:
        assert encoder.encoded - before < once  # it did not begin anew
    for name in ("pooled", "tokens", "mask"):
        assert torch.equal(getattr(again, name), getattr(whole, name))


def test_a_changed_encoder_is_noticed(
    encoder: Counting, files: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = picture_features(encoder, files, preprocess(), tmp_path).pooled.clone()
    assert "another encoder" not in capsys.readouterr().err
    with torch.no_grad():
        encoder.image_tower.project.bias[3] += 1
    second = picture_features(encoder, files, preprocess(), tmp_path)
    assert "made by another encoder than this one; encoding again" in capsys.readouterr().err
    assert encoder.encoded == 2 * len(files)
    assert not torch.equal(first, second.pooled)
    assert len(list(tmp_path.glob("features-*"))) == 1


def test_half_a_cache_of_another_encoder_is_not_carried_on(
    encoder: Counting, files: list[Path], tmp_path: Path
) -> None:
    encoder.stop_after = 6
    with pytest.raises(KeyboardInterrupt):
        picture_features(encoder, files, preprocess(), tmp_path)
    other = new_encoder(seed=1)
    store = picture_features(other, files, preprocess(), tmp_path)
    assert other.encoded == len(files)
    torch.testing.assert_close(
        store.pooled[:, 0].float(), expected(other, files).pooled, rtol=2e-3, atol=2e-3
    )


def test_changed_pictures_and_texts_are_encoded_anew(
    encoder: Counting, files: list[Path], tmp_path: Path
) -> None:
    picture_features(encoder, files, preprocess(), tmp_path)
    os.utime(files[0], ns=(1, 1))
    picture_features(encoder, files, preprocess(), tmp_path)
    picture_features(encoder, files, preprocess(48), tmp_path)
    assert encoder.encoded == 3 * len(files)
    text_features(encoder, TEXTS, tmp_path)
    text_features(encoder, TEXTS[1:], tmp_path)
    assert encoder.encoded == 3 * len(files) + 2 * len(TEXTS) - 1


def test_its_size_is_said_and_a_disk_too_small_is_refused(
    encoder: Counting,
    files: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, 900_000))
    store = picture_features(encoder, files, preprocess(), tmp_path, tokens_of=range(10))
    size = 10 * 16 * 2 + 10 * 4 * 16 * 2 + 10 * 4
    assert f"features of 10 pictures: {size / 1e6:.1f} MB" in capsys.readouterr().err
    assert isinstance(store, FeatureStore)
    encoder.encoded = 0
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, 300))
    with pytest.raises(RecipeError, match=r"need 0\.0 MB, .* has 0\.0 MB left") as error:
        picture_features(encoder, files, preprocess(), tmp_path / "small")
    assert "Make room" in error.value.hint
    assert encoder.encoded == 0
    assert not list((tmp_path / "small").iterdir())


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="room can't be set aside here")
def test_a_disk_that_fills_up_meanwhile(
    encoder: Counting, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(RecipeError, match="No space left"):
        picture_features(encoder, files, preprocess(), tmp_path)
    monkeypatch.undo()
    assert len(picture_features(encoder, files, preprocess(), tmp_path).pooled) == len(files)


def test_a_broken_picture_is_named_before_any_is_encoded(
    encoder: Counting, files: list[Path], tmp_path: Path
) -> None:
    files[-1].write_bytes(b"no picture")
    with pytest.raises(PictureError, match=files[-1].name):
        picture_features(encoder, files, preprocess(), tmp_path)
    assert encoder.encoded == 0
