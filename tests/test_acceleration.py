"""Approximate search, which compares a query with a part of the gallery only: what the library, the
command, the server and the doctor report of it, and that compositions, near-copies and pages work
as in exact search.

The limits are lowered for these tests: ten pictures count as many, and a search looks into the two
nearest clusters. The store keeps these settings, so commands in other processes have them, too.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from samebut import doctor
from samebut.errors import DiskFull
from samebut.gallery import Gallery
from samebut.index import acceleration, clustering
from samebut.serve import accelerating
from samebut.serve.current import CurrentGallery
from samebut.store_place import store_path
from samebut.turns import Turn
from serving import API, RED, client_of, drawn, form
from test_cli import samebut


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clustering, "ENOUGH", 0.0)
    monkeypatch.setattr(clustering, "_FEWEST", 1)


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten pictures, embedded when they were not yet many."""
    folder = drawn(tmp_path / "photos", "round", "square")
    monkeypatch.setattr(acceleration, "MANY", 10)
    return folder


@pytest.fixture
def many(photos: Path) -> Path:
    gallery, report = Gallery.build(photos)
    gallery.close()
    assert report.acceleration.startswith("searches compare the likeliest pictures")
    return photos


@pytest.fixture
def gallery(many: Path) -> Iterator[Gallery]:
    with Gallery.open(many) as gallery:
        yield gallery


def test_an_answer_says_whether_all_were_compared(gallery: Gallery) -> None:
    turn = Turn(RED, "in blue")
    some = gallery.search(turn, 3)
    assert not some.exact
    assert some.recall is not None
    assert 0 < some.recall < 1
    every = gallery.search(turn, 3, exact=True)
    assert (every.exact, every.recall) == (True, None)
    number = every.hits[0].id
    assert not gallery.similar(number, 3).exact
    assert gallery.similar(number, 3, exact=True).exact
    gallery.exact = True
    assert gallery.search(turn, 3).exact
    assert gallery.similar(number, 3).exact


def test_behind_a_filter_that_few_pass_all_of_them_are_compared(gallery: Gallery) -> None:
    found = gallery.search(Turn(text="blue"), 5, where="colour = 'red'")
    assert {hit.path for hit in found.hits} == {"red-round.png", "squares/red-square.png"}
    assert found.exact


@pytest.mark.parametrize("fusion", [None, "product", "basic", "sum"])
def test_a_composition_scores_what_was_found_as_it_scores_all(
    gallery: Gallery, fusion: str | None
) -> None:
    """So the exact answer's order and scores are those of the approximate one, where both have a
    picture."""
    turn = Turn(RED, "in blue")
    every = gallery.search(turn, 10, fusion=fusion, exact=True)
    some = gallery.search(turn, 3, fusion=fusion)
    assert every.exact
    scores = {hit.id: hit.score for hit in every.hits}
    if fusion != "basic":  # which looks around in the gallery before it scores
        assert all(scores[hit.id] == pytest.approx(hit.score, abs=1e-5) for hit in some.hits)
    assert [hit.score for hit in some.hits] == sorted((h.score for h in some.hits), reverse=True)
    assert len(some.hits) == 3


def test_pictures_asked_with_and_near_copies_stay_out(gallery: Gallery, many: Path) -> None:
    red = many / "red-round.png"
    for how in ({}, {"collapse": True}, {"without": [Turn(many / "blue-round.png")]}):
        for exact in (False, True):
            found = gallery.search(Turn(red), 9, exact=exact, **how)  # type: ignore[arg-type]
            paths = {hit.path for hit in found.hits}
            assert "red-round.png" not in paths
            assert "without" not in how or "blue-round.png" not in paths


def test_pages_follow_each_other(gallery: Gallery) -> None:
    turn = Turn(text="blue")
    whole = [hit.id for hit in gallery.search(turn, 9).hits]
    pages = [hit.id for at in (0, 3, 6) for hit in gallery.search(turn, 3, offset=at).hits]
    assert pages == whole
    assert gallery.search(turn, 3).confidence == gallery.search(turn, 3, exact=True).confidence


def test_the_command(many: Path) -> None:
    done = samebut("search", many, "-t", "in blue", "-k", 3)
    assert "The likeliest pictures were compared, which finds" in done.stderr
    assert "--exact compares all." in done.stderr
    said = json.loads(samebut("search", many, "-t", "in blue", "-k", 3, "--json").stdout)
    assert said["exact"] is False
    assert 0 < said["recall"] < 1
    done = samebut("search", many, "-t", "in blue", "-k", 3, "--json", "--exact")
    said = json.loads(done.stdout)
    assert (said["exact"], said["recall"]) == (True, None)
    assert "likeliest" not in done.stderr


def test_the_server(many: Path) -> None:
    with client_of(many) as client:
        query = {"turns": [{"upload": "p0", "text": "in blue"}], "k": 3}
        body = client.post(f"{API}/search", **form(query, p0=RED)).json()
        assert body["exact"] is False
        assert 0 < body["recall"] < 1
        body = client.post(f"{API}/search", **form({**query, "exact": True}, p0=RED)).json()
        assert (body["exact"], body["recall"]) == (True, None)
        number = body["hits"][0]["id"]
        for asked, exact in (({}, False), ({"exact": True}, True)):
            body = client.get(f"{API}/similar/{number}", params={"k": 3, **asked}).json()
            assert body["exact"] is exact


def test_a_server_makes_it_in_the_background(
    photos: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Gallery.open(photos) as gallery:
        assert gallery.search(Turn(text="blue"), 3).exact
        made = accelerating.Accelerating(CurrentGallery(gallery))
        with caplog.at_level(logging.INFO):
            assert made.look()
            assert not made.look()
        assert not gallery.search(Turn(text="blue"), 3).exact
        assert "searches compare the likeliest pictures" in caplog.text


def test_that_it_can_not_be_made_fails_nothing_else(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: clustering.Clustering, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(clustering.Clustering, "write", full)
    gallery, report = Gallery.build(photos)
    with gallery:
        assert "No space left" in report.acceleration
        assert "Free some disk space" in report.acceleration
        assert gallery.search(Turn(text="blue"), 3).exact
        made = accelerating.Accelerating(CurrentGallery(gallery))
        with pytest.raises(DiskFull):
            made.look()


def test_the_doctor(many: Path) -> None:
    said = str(doctor.examine("gallery", many))
    assert "✓ searches look into clusters of 10 pictures" in said
    (file,) = store_path(many, None).parent.glob("*.ivf")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    report = doctor.examine("gallery", many)
    assert not report.healthy
    assert f"✗ {file} is not as it was written" in str(report)
    assert "samebut index" in str(report)
    done = samebut("search", many, "-t", "in blue", "--json")
    assert json.loads(done.stdout)["exact"] is True
    assert "was changed after it was written; all pictures are compared" in done.stderr
    Gallery.build(many)[0].close()
    assert doctor.examine("gallery", many).healthy


def test_a_folder_that_moves_takes_it_along(many: Path, tmp_path: Path) -> None:
    moved = Path(shutil.move(many, tmp_path / "moved"))
    with Gallery.open(moved) as gallery:
        assert not gallery.search(Turn(text="blue"), 3).exact
