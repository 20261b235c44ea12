"""HEIC photos from end to end, with the extra ``heic``: indexed, searched by, uploaded, shown."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from conftest import COLOURS, draw_picture
from samebut.gallery import Gallery
from samebut.images import open_picture
from samebut.turns import Turn
from serving import API, client_of, form

pillow_heif = pytest.importorskip("pillow_heif", reason="the extra heic is not installed")


@pytest.fixture
def phone(tmp_path: Path) -> Path:
    """Photos as a phone keeps them: HEIC alone, one of them on its side."""
    folder = tmp_path / "phone"
    folder.mkdir()
    for name, colour in COLOURS.items():
        picture = draw_picture(colour, "round")
        exif = Image.Exif()
        if name == "red":
            picture = picture.transpose(Image.Transpose.ROTATE_90)
            exif[0x0112] = 6
        heif = pillow_heif.from_pillow(picture)
        heif.save(folder / f"{name}.HEIC", quality=95, exif=exif.tobytes())
    return folder


def test_photos_of_a_phone(phone: Path) -> None:
    gallery, report = Gallery.build(phone)
    with gallery:
        assert (report.encoded, report.skipped, report.scan.passed_over()) == (5, [], [])
        red = gallery.search(Turn(phone / "red.HEIC"), 1, include_references=True).hits[0]
        assert (red.path, red.width, red.height) == ("red.HEIC", 160, 200)
        # As a JPEG of the same picture would be found by.
        buffer = io.BytesIO()
        draw_picture(COLOURS["blue"], "round").save(buffer, "JPEG", quality=95)
        assert gallery.search(Turn(buffer.getvalue()), 1).hits[0].path == "blue.HEIC"


def test_photos_of_a_phone_are_served(phone: Path) -> None:
    Gallery.build(phone)[0].close()
    with client_of(phone) as client:
        upload = (phone / "red.HEIC").read_bytes()
        query = {"turns": [{"upload": "p0", "text": "in blue"}]}
        answer = client.post(f"{API}/search", **form(query, p0=upload))
        assert answer.status_code == 200, answer.text
        hits = {hit["path"]: hit for hit in answer.json()["hits"]}
        assert "red.HEIC" not in hits, "it is what was uploaded"
        png = io.BytesIO()
        open_picture(phone / "red.HEIC").save(png, "PNG")
        same = client.post(f"{API}/search", **form(query, p0=png.getvalue())).json()["hits"]
        assert [each["path"] for each in same if each["path"] != "red.HEIC"] == [*hits]
        hit = hits["blue.HEIC"]
        small = client.get(f"{API}/thumbnails/{hit['id']}?size=160")
        assert small.headers["content-type"] == "image/jpeg"
        assert max(Image.open(io.BytesIO(small.content)).size) == 160
        whole = client.get(f"{API}/pictures/{hit['id']}")
        assert whole.headers["content-type"] == "image/heic"
        assert whole.content == (phone / "blue.HEIC").read_bytes()
