"""The demonstration: the gallery that ships, and queries that fit it or any folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from samebut import catalog
from samebut.errors import QueryError
from samebut.gallery import Gallery
from samebut.scan import scan
from samebut.turns import Turn

GALLERY = Path(__file__).parent / "demo_gallery"
"""300 drawn pictures with a table, part of the package. ``make demo-gallery`` draws them again."""

CATALOG = GALLERY / "catalog.csv"


@dataclass(frozen=True)
class DemoRequest:
    """Something to ask of the demo gallery: of the first item that is this and not that."""

    kind: str
    text: str
    unlike: tuple[str, str]


WISHES = (
    DemoRequest("dress", "in blue", unlike=("colour", "blue")),
    DemoRequest("sweater", "with stripes", unlike=("pattern", "striped across")),
    DemoRequest("skirt", "换成蓝色", unlike=("colour", "blue")),
)
ANYWHERE = ("in red", "the same in black", "换成蓝色")


def queries(gallery: Gallery) -> list[list[Turn]]:
    """Three composed queries for the demo gallery or any other, one of them in Chinese."""
    if gallery.folder != GALLERY:
        return _anywhere(gallery)
    rows = catalog.read(CATALOG).rows
    return [[Turn(gallery.file_of(_first(rows, wish)), wish.text)] for wish in WISHES]


def _first(rows: Mapping[str, Mapping[str, str]], wish: DemoRequest) -> str:
    column, value = wish.unlike
    for name, row in rows.items():
        if row.get("kind") == wish.kind and row.get(column) != value:
            return name
    raise QueryError(
        f"the demo gallery has no {wish.kind}",
        hint="Install samebut again: its demo gallery is incomplete.",
    )


def _anywhere(gallery: Gallery) -> list[list[Turn]]:
    """Three pictures spread over the folder, each with a change of colour."""
    stored = gallery.index.files()
    paths = [source.path for source in scan(gallery.folder).pictures if source.path in stored]
    if not paths:
        raise QueryError(
            f"{gallery.folder} has no picture that could be indexed",
            hint="Give a folder of pictures, such as JPEG or PNG files.",
        )
    return [
        [Turn(gallery.file_of(paths[place * len(paths) // len(ANYWHERE)]), text)]
        for place, text in enumerate(ANYWHERE)
    ]
