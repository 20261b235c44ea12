"""Thumbnails: of the content that a file has, whatever was indexed."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from conftest import COLOURS, draw_picture
from samebut import loader
from samebut.errors import PictureError
from samebut.serve.thumbnails import Thumbnails, accepted


def colour_of(jpeg: bytes) -> tuple[int, ...]:
    picture = Image.open(io.BytesIO(jpeg)).convert("RGB")
    pixel = picture.getpixel((picture.width // 2, picture.height // 2))
    assert isinstance(pixel, tuple)
    return tuple(round(value / 60) for value in pixel)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    a, b = tmp_path / "a.png", tmp_path / "b.png"
    draw_picture(COLOURS["red"], "round").save(a)
    shutil.copy(a, b)
    return a, b


@pytest.mark.parametrize("read_at_once", [loader.READ_AT_ONCE, 10])
def test_a_copy_is_not_shown_as_what_overwrote_the_other(
    pair: tuple[Path, Path], read_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader, "READ_AT_ONCE", read_at_once)
    thumbnails = Thumbnails()
    a, b = pair
    red = thumbnails.get(b, 160)
    assert thumbnails.etag(a, 160) == red.etag
    draw_picture(COLOURS["blue"], "round").save(a)
    os.utime(a, ns=(1, 1))
    blue = thumbnails.get(a, 160)
    assert colour_of(blue.content) != colour_of(red.content)
    assert thumbnails.etag(a, 160) == blue.etag != red.etag
    assert thumbnails.get(b, 160) == red
    assert thumbnails.get(a, 160) == blue


def test_a_copy_is_decoded_once(pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    thumbnails = Thumbnails()
    made = thumbnails.get(pair[0], 160)
    thumbnails.etag(pair[1], 160)
    monkeypatch.setattr("samebut.serve.thumbnails.open_picture", None)
    assert thumbnails.get(pair[1], 160) == made


def test_webp_for_those_who_name_it(pair: tuple[Path, Path]) -> None:
    thumbnails = Thumbnails()
    for accept, kind in (
        ("image/avif,image/webp,image/*,*/*;q=0.8", "webp"),
        ("*/*", "jpeg"),
        ("image/jpeg", "jpeg"),
        ("", "jpeg"),
    ):
        assert accepted(accept) == kind
        made = thumbnails.get(pair[0], 160, accepted(accept))
        assert Image.open(io.BytesIO(made.content)).format == kind.upper()
        assert made.etag == thumbnails.etag(pair[1], 160, accepted(accept))
        assert made.etag.endswith(kind)
    webp, jpeg = (thumbnails.etag(pair[0], 160, kind) for kind in ("webp", "jpeg"))  # type: ignore[arg-type]
    assert webp not in jpeg and jpeg not in webp  # a browser that has the one is sent the other


def test_room_is_kept(pair: tuple[Path, Path]) -> None:
    thumbnails = Thumbnails(room=10)
    for size in (160, 320, 640):
        thumbnails.get(pair[0], size)
    assert len(thumbnails._kept) == 1


def test_a_file_that_is_gone_is_named(pair: tuple[Path, Path]) -> None:
    pair[0].unlink()
    with pytest.raises(PictureError, match="is not there"):
        Thumbnails().get(pair[0], 160)
