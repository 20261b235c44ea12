"""Everyday photos: 1,000 of them, each a thing of its own, found by the thing's plain name."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from people_rows.asking import FIRST, LANGUAGES, Pictures, Row, Shown, Skipped, encode
from samebut import metrics
from samebut.errors import DataError
from samebut.images import PICTURE_SUFFIXES
from samebut.runtime import Model

SECTION = "everyday photos"
FILES = "files"  # names of the files, which no list of ours has shaped
CALLED = {
    "en": "the plain name, en",
    "zh": "the plain name, zh",
    FILES: "the name in the file's name",
}
WANTED = {
    ("en", 1): "≥ 45",
    ("en", 10): "≥ 85",
    ("zh", 10): "≥ 75",
    (FILES, 1): "≥ 45",
    (FILES, 10): "≥ 85",
}


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
    for language in (*LANGUAGES, FILES):
        if language not in names:
            yield Skipped(f"{SECTION}, {language}", "--names has no name for some of the photos")
            continue
        ranks = ranks_of(photos, names[language])
        for k in (1, 10):
            found = metrics.recall(ranks, k)
            name = f"{CALLED[language]}: R@{k}"
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


def missed(photos: Pictures, names: Sequence[str], count: int) -> Iterator[Shown]:
    """Names whose photo is not among the first ten, drawn by a fixed seed: the photo that was
    wanted, its rank, and what came first."""
    ranks, wanted = ranks_of(photos, names)[:, 0], [*photos.files.values()]
    beyond = np.flatnonzero(ranks > FIRST).tolist()
    for number in random.Random(0).sample(beyond, min(count, len(beyond))):
        nothing = np.zeros(len(photos), np.bool_)
        query = photos.said([names[number]])[0]
        text = f"{names[number]}: at {ranks[number]}"
        yield replace(photos.shown(SECTION, text, query, nothing), reference=wanted[number])


def names_of(photos: Pictures, file: Path | None) -> dict[str, list[str]]:
    """Names in the order of the photos: those of ``file`` by language, and those of the files.

    ``file`` says under each CLASS what it is called, ``{ en = [...], zh = [...] }``, the plainest
    name first; a language in which a photo has no name there is left out.
    """
    table = tomllib.loads(file.read_text(encoding="utf-8")) if file and file.is_file() else {}
    said = [table.get(name.partition("_")[0], {}) for name in photos.files]
    named = {
        language: [each[language][0] for each in said]
        for language in LANGUAGES
        if all(each.get(language) for each in said)
    }
    return {**named, FILES: [row["name"] for row in photos.rows]}
