"""A folder of pictures with a table of what is on them."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterable
from pathlib import Path

from samebut.files import write_whole
from samebut.wardrobe.attributes import ATTRIBUTES, KINDS, Item, random_item, varied
from samebut.wardrobe.draw import draw
from samebut.wardrobe.phrases import title
from samebut.wardrobe.vector import pdfium

_FAMILY = 5  # a first item and its relatives, so that "the same, but ..." finds an answer


def draw_gallery(
    folder: Path,
    count: int,
    seed: int,
    *,
    size: int = 320,
    suffix: str = ".jpg",
    quality: int = 90,
) -> None:
    """Draw ``count`` pictures into ``folder``, with ``catalog.csv`` beside them.

    Pictures come in families: one item, and items that differ from it in one attribute or two.
    ``size`` squared is the area of a picture in pixels; ``suffix`` (.jpg or .webp) is its format.
    The same arguments write the same files.

    Raises DataError, before anything is written, if the extra ``draw`` is not installed.
    """
    pdfium()
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    rows: list[dict[str, str]] = []
    for index, item in enumerate(_families(rng, count)):
        name = f"{index:04d}-{item.colour}-{item.kind.lower()}{suffix}"
        draw(item, rng.getrandbits(48), size).save(folder / name, quality=quality)
        rows.append({"file": name, "title": title(item), **item.as_dict()})
    write_table(folder / "catalog.csv", ("file", "title", *ATTRIBUTES), rows)


def _families(rng: random.Random, count: int) -> Iterable[Item]:
    for index in range(count):
        if index % _FAMILY == 0:
            first = item = random_item(rng, KINDS[index // _FAMILY % len(KINDS)])
        else:
            item = varied(rng, first)
            if index % 2:
                item = varied(rng, item)
        yield item


def write_table(path: Path, columns: Iterable[str], rows: Iterable[dict[str, str]]) -> None:
    """Write ``rows`` as CSV in UTF-8 with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, tuple(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, text.getvalue())
