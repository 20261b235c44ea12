"""Everyday photos: 1,000 of them, each a thing of its own, found by the thing's plain name."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from people_rows.asking import Pictures, Row, Shown, Skipped, encode
from samebut import metrics
from samebut.errors import DataError
from samebut.images import PICTURE_SUFFIXES
from samebut.runtime import Model

SECTION = "everyday photos"
WANTED = {("en", 1): "≥ 45", ("en", 10): "≥ 85", ("zh", 10): "≥ 75"}


def read(model: Model, folder: Path) -> Pictures:
    """Photos called ``CLASS_plain_name.jpg``: CLASS orders them, the rest is what they show."""
    files = {
        file.name: file
        for file in sorted(folder.iterdir())
        if file.suffix.lower() in PICTURE_SUFFIXES and "_" in file.stem
    }
    if not files:
        raise DataError(f"{folder}: holds no picture called CLASS_plain_name.jpg")
    return encode(model, files, [{"name": name_of(name)} for name in files])


def name_of(file: str) -> str:
    """The plain name in a file's name: ``n01498041_stingray.JPEG`` shows a stingray."""
    return Path(file).stem.partition("_")[2].replace("_", " ")


def rows(photos: Pictures, names: Mapping[str, Sequence[str]]) -> Iterator[Row | Skipped]:
    """R@1 and R@10 of every name; ``names`` by language, in the order of the photos."""
    for language in ("en", "zh"):
        if language not in names:
            yield Skipped(f"{SECTION}, {language}", "no names in this language are known")
            continue
        ranks = ranks_of(photos, names[language])
        for k in (1, 10):
            found = metrics.recall(ranks, k)
            name = f"the plain name, {language}: R@{k}"
            yield Row.over(SECTION, name, found, "names", WANTED.get((language, k), ""))


def ranks_of(photos: Pictures, names: Sequence[str]) -> metrics.Ints:
    """The best rank of each name's photo, (Q, 1); a name of several photos finds any of them."""
    if len(names) != len(photos):
        raise DataError(f"{len(names):,} names for {len(photos):,} everyday photos")
    queries = photos.said(names)
    places: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        places.setdefault(name, []).append(number)
    most = max(map(len, places.values()))
    named = np.full((len(names), most), metrics.NOBODY, np.int32)
    for number, name in enumerate(names):
        named[number, : len(places[name])] = places[name]
    ranks = metrics.rank(queries, photos.embeddings, 1, named=named).ranks
    return np.asarray(ranks.min(axis=1, keepdims=True), np.int32)


def shown(photos: Pictures, names: Mapping[str, Sequence[str]], count: int) -> Iterator[Shown]:
    """Names to look at, drawn by a fixed seed, the languages in turns."""
    languages = [*names]
    for turn, number in enumerate(random.Random(0).sample(range(len(photos)), count)):
        said = names[languages[turn % len(languages)]]
        right = np.array([name == said[number] for name in said])
        yield photos.shown(SECTION, said[number], photos.said([said[number]])[0], right)


def names_of(photos: Pictures) -> dict[str, list[str]]:
    """Plain names by language, in the order of the photos."""
    return {"en": [row["name"] for row in photos.rows]}
