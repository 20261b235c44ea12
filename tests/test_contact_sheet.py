"""contact_sheet.py: hits as one HTML file."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

from PIL import Image

from samebut.answers import Hit
from samebut.contact_sheet import THUMBNAIL, Answer, contact_sheet
from samebut.turns import Turn

EVIL = '<script>alert("x")</script>&\'"'


def hit(path: str, **metadata: str) -> Hit:
    return Hit(1, 0.5, 1, path, 160, 200, metadata)


def test_pictures_are_inside(photos: Path) -> None:
    turn = Turn(photos / "red-round.png", "in blue")
    page = contact_sheet([Answer([turn], [hit("blue-round.png", colour="blue")], photos)])
    pictures = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    assert len(pictures) == 2
    for picture in pictures:
        opened = Image.open(io.BytesIO(base64.b64decode(picture)))
        assert max(opened.size) <= THUMBNAIL
    assert "in blue" in page and "160 × 200" in page
    assert "http" not in page


def test_every_text_is_escaped(photos: Path) -> None:
    answer = Answer([Turn(text=EVIL)], [hit(EVIL + ".png", title=EVIL)], photos)
    page = contact_sheet([answer], title=EVIL)
    tags: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: tags.append(tag)  # type: ignore[method-assign]
    parser.feed(page)
    assert "script" not in tags
    assert "&lt;script&gt;" in page


def test_a_picture_that_is_gone_is_said_to_be(photos: Path) -> None:
    page = contact_sheet([Answer([Turn(text="x")], [hit("gone.png")], photos)])
    assert "<img" not in page
    assert "gone.png" in page
