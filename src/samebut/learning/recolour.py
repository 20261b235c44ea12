"""Recoloured copies of a catalogue's pieces, and queries that ask for another colour alone.

    python -m samebut.learning.recolour PRODUCTS OUT [--pieces 800] [--seed 0]

A query that asks for nothing but another colour should keep all the rest, and a catalogue seldom
shows one piece in two colours to learn this from. Pieces of the catalogue's train split whose
background is plain are cut out and each recoloured to three colours of the palette. Pieces shown on
people are left out, because skin would be recoloured, too. OUT is a folder of triplets
(docs/train-on-your-catalogue.md).
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from samebut import catalog
from samebut.data import triplets
from samebut.errors import DataError, SamebutError
from samebut.files import replacing, write_whole
from samebut.images import open_picture
from samebut.language import palette
from samebut.learning.data.cutouts import cutouts
from samebut.learning.data.recolouring import recoloured
from samebut.query_maker.relative_captions import RelativeCaptions

WORN = ("Apparel", "Innerwear")  # categories whose pieces are shown on people
COPIES = 3
COLOURS = {name: colour.rgb for name, colour in palette.CAPTIONED.items() if colour.rgb}
QUALITY = 90
CHINESE = 0.25
OTHERS = 4  # of a hard subset, beside the reference and the target


@dataclass(frozen=True)
class Copy:
    """A picture of OUT: of which piece, and what it shows."""

    file: str
    piece: int
    article: str
    colour: str


def write(products: Path, out: Path, *, pieces: int = 800, seed: int = 0) -> list[Copy]:
    """Draw the copies and write catalogue and queries, the queries last; copies that are there
    already are not drawn again. DataError: the catalogue has too few pieces that can be cut
    out."""
    rng = random.Random(seed)
    rows = catalog.rows_beside(products)
    names = [
        name
        for name in triplets.pictures(products, "train")
        if rows[name].get("article") and rows[name].get("category") not in WORN
    ]
    rng.shuffle(names)
    (out / "images").mkdir(parents=True, exist_ok=True)
    copies: list[Copy] = []
    piece = 0
    for name in names:
        if piece == pieces:
            break
        made = _copies(products, out, name, rows[name], piece, random.Random(f"{seed} {name}"))
        copies += made
        piece += bool(made)
        if made and piece % 100 == 0:
            print(f"recoloured {piece:,} of {pieces:,} pieces", file=sys.stderr, flush=True)
    if not copies:
        raise DataError(
            f"{products}: no picture of its catalogue could be cut out of its background",
            hint="Give a folder whose catalog.csv has columns article and category, with photos of "
            f"things on a plain background; the categories {', '.join(WORN)} are not used.",
        )
    _write_tables(out, copies, random.Random(f"{seed} queries"))
    return copies


def _copies(
    products: Path, out: Path, name: str, row: Mapping[str, str], piece: int, rng: random.Random
) -> list[Copy]:
    """The piece unchanged, if its colour is known, and in other colours; empty if its background is
    not plain."""
    picture = np.asarray(open_picture(triplets.images_folder(products) / name))
    opacity = cutouts(picture[None])[0]
    if not opacity.any():
        return []
    own = row.get("colour", "")
    near = {own, *palette.families(own)} if own else set()
    others = [c for c in COLOURS if c not in near and not near & {*palette.families(c)}]
    made = []
    for number, colour in enumerate([own, *rng.sample(others, COPIES)]):
        if not colour:
            continue
        copy = Copy(f"{Path(name).stem}-{number}.webp", piece, row["article"], colour)
        path = out / "images" / copy.file
        if not path.exists():
            pixels = recoloured(picture, opacity, COLOURS[colour]) if number else picture
            with replacing(path) as part:
                Image.fromarray(pixels).save(part, "WEBP", quality=QUALITY)
        made.append(copy)
    return made


def _write_tables(out: Path, copies: Sequence[Copy], rng: random.Random) -> None:
    lines = ["file,split,article,colour"]
    lines += [f"{each.file},train,{each.article},{each.colour}" for each in copies]
    write_whole(out / catalog.BESIDE, "\n".join(lines) + "\n")
    queries = [json.dumps(each, ensure_ascii=False) for each in _queries(copies, rng)]
    write_whole(out / "train.jsonl", "\n".join(queries) + "\n")


def _queries(copies: Sequence[Copy], rng: random.Random) -> Iterator[Mapping[str, object]]:
    """One for each copy as the target, from another copy of its piece."""
    captions = RelativeCaptions.read()
    of_piece: dict[int, list[Copy]] = {}
    like: dict[tuple[str, str], list[Copy]] = {}
    for each in copies:
        of_piece.setdefault(each.piece, []).append(each)
        like.setdefault((each.article, each.colour), []).append(each)
    for number, target in enumerate(copies):
        others = [each for each in of_piece[target.piece] if each is not target]
        reference = rng.choice(others)
        alike = [each for each in like[target.article, target.colour] if each is not target]
        wrong = [each for each in others if each is not reference]
        wrong += rng.sample(alike, min(len(alike), OTHERS - len(wrong)))
        language = "zh" if rng.random() < CHINESE else "en"
        before = {"colour": reference.colour, "article": target.article}
        asked = {"colour": target.colour}
        text = captions.say(rng, before, asked, language) or captions.say(rng, before, asked)
        members = [each.file for each in (reference, target, *wrong)]
        rng.shuffle(members)
        yield {
            "id": f"recoloured-{number}",
            "reference": reference.file,
            "text": text,
            "lang": language,
            "change": "colour",
            "target": target.file,
            "targets": [target.file],
            "subset": members if len(wrong) == OTHERS else None,
        }


def main() -> None:
    """Draw what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m samebut.learning.recolour", description=__doc__.splitlines()[0]
    )
    parser.add_argument("products", type=Path, help="a folder of triplets with a catalogue")
    parser.add_argument("out", type=Path, help="the folder to write to")
    parser.add_argument("--pieces", type=int, default=800)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    made = write(asked.products, asked.out, pieces=asked.pieces, seed=asked.seed)
    print(f"{asked.out}: {len(made):,} pictures of {len({each.piece for each in made}):,} pieces")


if __name__ == "__main__":
    try:
        main()
    except SamebutError as error:
        sys.exit(f"error: {error}")
