"""What the tests of the server share: a gallery of ten pictures behind a test client."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from starlette.testclient import TestClient

from conftest import COLOURS, draw_picture
from samebut.gallery import Gallery
from samebut.serve.app import create_app
from samebut.serve.settings import Settings

API = "/api/v1"
HOST = "http://localhost"


def as_bytes(picture: Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


RED = as_bytes(draw_picture((190, 40, 50), "round", 90))


def index(photos: Path) -> None:
    """Index ``photos`` with a table of their colours, one of them in Chinese."""
    table = photos.parent / "table.csv"
    rows = [f"{place}{c}-{s}.png,{c},{s}" for s, place in _PLACES for c in COLOURS]
    table.write_text("file,colour,形状\n" + "\n".join(rows), encoding="utf-8")
    gallery, _ = Gallery.build(photos, metadata=table)
    gallery.close()


_PLACES = (("round", ""), ("square", "squares/"))


def drawn(photos: Path, *shapes: str) -> Path:
    """``photos`` with a picture of every colour in these ``shapes``, indexed."""
    for shape, place in _PLACES:
        (photos / place).mkdir(parents=True, exist_ok=True)
        for name, colour in COLOURS.items() if shape in shapes else ():
            draw_picture(colour, shape).save(photos / place / f"{name}-{shape}.png")
    index(photos)
    return photos


@contextmanager
def client_of(
    photos: Path, settings: Settings | None = None, **options: Any
) -> Iterator[TestClient]:
    """A client of a server on indexed ``photos``, started and stopped. Errors come as answers."""
    with (
        Gallery.open(photos, threads=1) as gallery,
        TestClient(
            create_app(gallery, settings or Settings()),
            base_url=HOST,
            raise_server_exceptions=False,
            **options,
        ) as client,
    ):
        yield client


def form(query: dict[str, Any], **files: bytes) -> dict[str, Any]:
    """The arguments of a post with files."""
    return {
        "data": {"query": json.dumps(query)},
        "files": {name: (f"{name}.png", data, "image/png") for name, data in files.items()},
    }


def error_of(answer: Any, status: int, code: str) -> dict[str, str]:
    """The error in an answer, which must have this status and code and nothing else in it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert set(body) == {"type", "title", "status", "code", "detail", "hint"}
    assert (body["status"], body["code"]) == (status, code)
    assert body["type"] == f"urn:samebut:problem:{code}"
    assert body["title"] and body["detail"]
    return dict(body)
