"""The same piece in another colour, or variety: recoloured goods, and a grocery's varieties."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from people_rows.asking import (
    FIRST,
    LANGUAGES,
    Pictures,
    Row,
    encode,
    encode_made,
    joined,
    words,
)
from samebut import catalog
from samebut.data import triplets
from samebut.images import open_picture
from samebut.metrics import Values
from samebut.runtime import Model

SECTION = "the same in another colour"
Asked = list[tuple[int, str, list[int]]]
"""Queries: a reference, a text, the right answers."""
# Hues of a circle of 256, as Pillow counts them, with the words for them. A dark thing turned to
# orange or yellow is brown or olive, so these are not among them.
HUES = {"red": (0, "红色"), "green": (90, "绿色"), "blue": (155, "蓝色"), "purple": (200, "紫色")}
COLOURED = (*HUES, "pink", "orange", "yellow", "maroon")
GREY = 40  # of 255; pixels of less saturation are of the background, or have no hue
LARGE = 256  # pixels; a copy needs no more


def read_groceries(model: Model, root: Path) -> Pictures:
    """The val photos of GroceryStoreDataset."""
    table = catalog.rows_beside(root)
    files = triplets.pictures(root, "val")
    return encode(model, files, [table[name] for name in files])


def recoloured(products: Pictures, seed: int = 0) -> Pictures:
    """Goods that are no clothes, each again in three other hues, beside all ``products``."""
    rng = random.Random(seed)
    names, made, hues = [*products.files], [], []
    for number, row in enumerate(products.rows):
        if row.get("category") == "Apparel" or row.get("colour") not in COLOURED:
            continue
        for hue in rng.sample([hue for hue in HUES if hue != row["colour"]], 3):
            made.append({"copy of": names[number], "colour": hue})
            hues.append(number)
    files = {f"{row['copy of']} in {row['colour']}": products.files[row["copy of"]] for row in made}
    paths = [*products.files.values()]

    def make(number: int) -> Image.Image:
        picture = open_picture(paths[hues[number]], shorter_side=LARGE)
        return in_hue(picture, HUES[made[number]["colour"]][0])

    return joined(products, encode_made(products.model, files, made, make))


def in_hue(picture: Image.Image, hue: int) -> Image.Image:
    """``picture`` turned round the colour circle until its thing has ``hue`` (0 to 255).

    The thing's own hue is the mean direction of its saturated pixels; shades stay apart as they
    were, and what is nearly grey keeps its colour.
    """
    pixels = np.array(picture.convert("HSV"))
    hues, saturation = pixels[..., 0], pixels[..., 1]
    coloured = saturation > GREY
    weights = np.where(coloured, saturation, 0).astype(np.float64)
    turned = np.exp(2j * np.pi * hues / 256)
    own = np.angle((turned * weights).sum()) * 256 / (2 * np.pi)
    shifted = (hues.astype(int) + hue - round(own)) % 256
    pixels[..., 0] = np.where(coloured, shifted, hues)
    return Image.fromarray(pixels, "HSV").convert("RGB")


def rows(products: Pictures, groceries: Pictures | None) -> Iterator[Row]:
    """Composed queries beside the plain sum of unit vectors, for both kinds of pictures."""
    gallery = recoloured(products)
    yield from beside_sum("recoloured goods", gallery, copies_asked(gallery))
    if groceries is not None:
        yield from beside_sum("groceries by variety", groceries, varieties_asked(groceries))


def beside_sum(name: str, pictures: Pictures, asked: Asked) -> Iterator[Row]:
    """R@1 and R@10, composed and by the sum, and how far the one is above the other."""
    ranks = {fusion: ranks_of(pictures, asked, fusion) for fusion in ("composed", "sum")}
    for k in (1, 10):
        found = {fusion: np.asarray(each <= k, np.float64) for fusion, each in ranks.items()}
        yield Row.over(SECTION, f"{name}, composed: R@{k}", found["composed"])
        yield Row.over(SECTION, f"{name}, sum: R@{k}", found["sum"])
        above = found["composed"] - found["sum"]
        yield Row.over(SECTION, f"{name}, composed less sum: R@{k}", above, wanted="≥ 0")


def copies_asked(gallery: Pictures) -> Asked:
    """Each piece asked for in the hue of each of its copies, English and Chinese in turns."""
    place = {name: number for number, name in enumerate(gallery.files)}
    asked: Asked = []
    for number, row in enumerate(gallery.rows):
        if "copy of" in row:
            hue = row["colour"]
            text = (f"in {hue}", f"换成{HUES[hue][1]}")[len(asked) % 2]
            asked.append((place[row["copy of"]], text, [number]))
    return asked


def varieties_asked(groceries: Pictures) -> Asked:
    """Each photo of a variety asked for as every other variety of its group."""
    articles = [row["article"] for row in groceries.rows]
    asked: Asked = []
    for group in words()["groceries"]:
        for number, article in enumerate(articles):
            if article not in group:
                continue
            for said in sorted({tuple(said) for said in group.values()}):
                meant = [a for a, other in group.items() if tuple(other) == said]
                right = [n for n, other in enumerate(articles) if other in meant]
                if article not in meant and right:
                    language = LANGUAGES[len(asked) % 2]
                    text = words()["wordings"]["but"][language]
                    asked.append((number, text.format(said[LANGUAGES.index(language)]), right))
    return asked


def ranks_of(pictures: Pictures, asked: Asked, fusion: str) -> Values:
    """The best rank of the right answers of each query, (Q,), the reference left out."""
    references = [reference for reference, _, _ in asked]
    texts = [text for _, text, _ in asked]
    if fusion == "sum":
        queries = pictures.embeddings[references] + pictures.said(texts)
    else:
        queries = pictures.composed(references, texts)
    ids = pictures.first(queries, FIRST, references)
    best = [
        next((rank for rank, number in enumerate(line.tolist(), 1) if number in right), np.inf)
        for line, (_, _, right) in zip(ids, asked, strict=True)
    ]
    return np.array(best, np.float64)
