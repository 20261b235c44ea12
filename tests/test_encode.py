"""encode.py: the loop over many pictures."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samebut import encode, loader
from samebut.encode import Encoded, IndexingSeconds
from samebut.loader import BATCH, LOOK_AHEAD, Known, PictureFile, Unusable
from samebut.preprocess import Preprocess
from samebut.runtime import Model
from samebut.scan import scan


def flat(chunks: Iterator[list[encode.Outcome]]) -> list[encode.Outcome]:
    return [outcome for chunk in chunks for outcome in chunk]


def test_every_source_has_an_outcome_in_order(photos: Path, model: Model) -> None:
    (photos / "broken.png").write_bytes(b"no picture")
    sources = scan(photos).pictures
    outcomes = flat(encode.encode_pictures(model, sources))
    assert [outcome.source for outcome in outcomes] == sources
    broken = [outcome for outcome in outcomes if isinstance(outcome, Unusable)]
    assert [each.source.path for each in broken] == ["broken.png"]
    assert broken[0].reason
    for outcome in outcomes:
        if isinstance(outcome, Encoded):
            assert (outcome.width, outcome.height) == (160, 200)
            assert outcome.embedding.shape == (model.dim,)
            np.testing.assert_allclose(np.linalg.norm(outcome.embedding), 1, atol=1e-5)


def test_embeddings_are_those_of_the_picture_alone(photos: Path, model: Model) -> None:
    sources = scan(photos).pictures
    together = flat(encode.encode_pictures(model, sources))
    for source, outcome in zip(sources, together, strict=True):
        (alone,) = flat(encode.encode_pictures(model, [source]))
        assert isinstance(alone, Encoded)
        assert isinstance(outcome, Encoded)
        assert alone.digest == outcome.digest
        np.testing.assert_allclose(alone.embedding, outcome.embedding, atol=1e-4)


def test_known_content_is_not_decoded(photos: Path, model: Model) -> None:
    sources = scan(photos).pictures
    digests = {loader.digest_of(source.file.read_bytes()) for source in sources[:4]}
    outcomes = flat(
        encode.encode_pictures(model, sources, is_known=lambda source, digest: digest in digests)
    )
    assert [isinstance(outcome, Known) for outcome in outcomes] == [True] * 4 + [False] * 6


def test_a_large_file_has_the_same_digest(
    photos: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source, *_) = scan(photos).pictures
    (at_once,) = flat(encode.encode_pictures(model, [source]))
    monkeypatch.setattr(loader, "READ_AT_ONCE", 10)
    (in_pieces,) = flat(encode.encode_pictures(model, [source]))
    assert isinstance(at_once, Encoded)
    assert isinstance(in_pieces, Encoded)
    assert at_once.digest == in_pieces.digest
    np.testing.assert_array_equal(at_once.embedding, in_pieces.embedding)


def test_look_ahead_is_bounded(photos: Path, model: Model) -> None:
    """Memory does not grow with the folder: sources are taken only as outcomes are asked for."""
    (source, *_) = scan(photos).pictures
    taken = 0

    def endless() -> Iterator[PictureFile]:
        nonlocal taken
        while True:
            taken += 1
            yield source

    chunks = encode.encode_pictures(model, endless())
    assert len(next(chunks)) == BATCH
    assert taken <= LOOK_AHEAD + BATCH
    chunks.close()  # type: ignore[attr-defined]


def test_what_can_not_be_read_is_named(photos: Path, model: Model, tmp_path: Path) -> None:
    gone = PictureFile(photos / "gone.png", "gone.png", -1, 0)
    folder = PictureFile(tmp_path, "folder.png", 0, 0)
    reasons = [each.reason for each in flat(encode.encode_pictures(model, [gone, folder]))]
    assert reasons == ["can't be read: No such file or directory", "is not a file"]


def test_time_is_accounted_for(photos: Path, model: Model) -> None:
    spent = IndexingSeconds()
    flat(encode.encode_pictures(model, scan(photos).pictures, spent=spent))
    assert spent.decode > 0
    assert spent.encode > 0
    assert spent.wall >= spent.encode


def test_a_failing_model_stops_the_threads(photos: Path, model: Model) -> None:
    """An error on the way reaches the caller instead of hanging it."""
    for copy in range(2 * BATCH):
        shutil.copy(photos / "red-round.png", photos / f"copy-{copy}.png")
    sources = scan(photos).pictures

    def fail(source: PictureFile, digest: str) -> bool:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        flat(encode.encode_pictures(model, sources, is_known=fail))


def test_a_picture_that_can_not_be_prepared_is_named_and_the_others_go_on(
    photos: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    crop = Preprocess.crop
    calls = iter(range(100))

    def fail_once(self: Preprocess, picture: Image.Image) -> Image.Image:
        if next(calls) == 3:
            raise MemoryError("no room")
        return crop(self, picture)

    monkeypatch.setattr(Preprocess, "crop", fail_once)
    outcomes = [
        each for batch in encode.encode_pictures(model, scan(photos).pictures) for each in batch
    ]
    (unusable,) = [each for each in outcomes if isinstance(each, Unusable)]
    assert unusable.reason == "can't be prepared for the model: MemoryError no room"
    assert len([each for each in outcomes if isinstance(each, Encoded)]) == 9
