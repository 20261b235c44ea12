"""loader.py: pictures are opened ahead of the loop that takes them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from samebut import images, loader
from samebut.errors import PictureError
from samebut.loader import (
    BATCH,
    LOOK_AHEAD,
    Known,
    Loaded,
    LoadingSeconds,
    PictureFile,
    Unusable,
    digest_of,
    in_batches,
    load_pictures,
    read_picture,
)


def size(picture: Image.Image) -> tuple[int, int]:
    return picture.size


def files(folder: Path) -> list[PictureFile]:
    return [PictureFile(file, file.name) for file in sorted(folder.rglob("*.png"))]


def test_pictures_come_in_order_as_they_were_prepared(photos: Path) -> None:
    (photos / "broken.png").write_bytes(b"no picture")
    sources = [*files(photos), PictureFile(photos / "gone.png", "gone"), PictureFile(photos, "x")]
    loaded = list(load_pictures(sources, size, shorter_side=None))
    assert [each.source for each in loaded] == sources
    whole = [each for each in loaded if isinstance(each, Loaded)]
    assert len(whole) == 10
    for each in whole:
        assert each.content == (each.width, each.height) == (160, 200)
        assert each.digest == digest_of(each.source.file.read_bytes())
    reasons = {each.source.path: each.reason for each in loaded if isinstance(each, Unusable)}
    assert list(reasons) == ["broken.png", "gone", "x"]
    assert reasons["gone"] == "can't be read: No such file or directory"
    assert reasons["x"] == "is not a file"


def test_known_content_is_not_prepared(photos: Path) -> None:
    def refuse(picture: Image.Image) -> None:
        raise AssertionError

    (first, *_) = files(photos)
    digest = digest_of(first.file.read_bytes())
    loaded = load_pictures(
        [first],
        refuse,
        shorter_side=None,
        is_known=lambda source, found: (source, found) == (first, digest),
    )
    assert list(loaded) == [Known(first, digest)]


def test_what_prepare_refuses_is_unusable_and_other_errors_reach_the_caller(photos: Path) -> None:
    def refuse(picture: Image.Image) -> None:
        raise PictureError("this", "is too blue")

    def fail(picture: Image.Image) -> None:
        raise ZeroDivisionError

    (first, *_) = files(photos)
    (unusable,) = load_pictures([first], refuse, shorter_side=None)
    assert unusable == Unusable(first, "is too blue")
    with pytest.raises(ZeroDivisionError):
        list(load_pictures([first] * 2 * LOOK_AHEAD, fail, shorter_side=None))


def test_look_ahead_is_bounded_and_its_threads_end(photos: Path) -> None:
    (first, *_) = files(photos)
    taken = 0

    def endless() -> Iterator[PictureFile]:
        nonlocal taken
        while True:
            taken += 1
            yield first

    loaded = load_pictures(endless(), size, shorter_side=16, workers=2)
    next(loaded)
    assert taken == LOOK_AHEAD
    next(loaded)
    assert taken == LOOK_AHEAD + 1
    loaded.close()  # type: ignore[attr-defined]
    assert not [each for each in threading.enumerate() if each.name.startswith("decode")]


def test_batches_are_full_but_the_last() -> None:
    batches = list(in_batches(iter(range(2 * BATCH + 3))))
    assert [len(batch) for batch in batches] == [BATCH, BATCH, 3]
    assert [each for batch in batches for each in batch] == list(range(2 * BATCH + 3))
    assert list(in_batches(iter(()))) == []


def test_seconds_are_added_up(photos: Path) -> None:
    spent = LoadingSeconds(decode=100)
    list(load_pictures(files(photos), size, shorter_side=None, spent=spent))
    assert spent.decode > 100
    assert spent.wait > 0


def test_a_file_larger_than_any_picture_is_not_hashed(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    huge = photos / "huge.png"
    with huge.open("wb") as file:
        file.truncate(images.MAX_BYTES + 1)
    monkeypatch.setattr(loader, "file_digest", None)
    (unusable,) = load_pictures([PictureFile(huge, "huge.png")], size, shorter_side=None)
    assert isinstance(unusable, Unusable)
    assert unusable.reason == "is 500 MB, more than the 500 MB allowed"


def test_a_large_file_is_hashed_without_holding_it(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader, "READ_AT_ONCE", 10)
    (first, *_) = files(photos)
    content, digest = read_picture(first)
    assert content == first.file
    assert digest == digest_of(first.file.read_bytes())
