"""Phone photos of clothes: a kind by its name, as another kind, and against a shop's catalogue."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from people_rows.asking import (
    FIRST,
    LANGUAGES,
    Pictures,
    Right,
    Row,
    Shown,
    average_precision,
    encode,
    precision,
    words,
)
from samebut import catalog
from samebut.data import triplets
from samebut.metrics import Ints, Values
from samebut.runtime import Model

SECTION = "phone photos"
VAL_SHARE = 0.2
BUT = 60  # requests “but as a …” that misses are drawn from
KIND_WANTED = {"en": "≥ 80", "zh": "≥ 75"}


def read(model: Model, root: Path) -> Pictures:
    """The val photos of the Clothing dataset: one in five, by a digest of the file's name."""
    files = triplets.pictures(root, "val", VAL_SHARE)
    rows = catalog.rows_beside(root)
    return encode(model, files, [rows[name] for name in files])


def kinds_of(photos: Pictures) -> list[str]:
    """The labels that the photos have, those without a name in words.toml left out."""
    return sorted({row["label"] for row in photos.rows} & words()["labels"].keys())


def rows(photos: Pictures, products: Pictures) -> Iterator[Row]:
    """Every row about phone photos; ``products`` are the catalogue."""
    for language in LANGUAGES:
        yield from by_name(photos, language)
    for language in LANGUAGES:
        yield from as_another_kind(photos, language)
    yield from in_catalogue(photos, products)
    for language in LANGUAGES:
        yield from in_another_colour(photos, products, language)


def by_name(photos: Pictures, language: str) -> Iterator[Row]:
    """ "a photo of a skirt": the interval is over kinds."""
    kinds = kinds_of(photos)
    wording = words()["wordings"]["kind"][language]
    queries = photos.said([wording.format(words()["labels"][k][language]) for k in kinds])
    right = np.stack([photos.having("label", kind) for kind in kinds])
    name = f"the kind in words, {language}"
    found = precision(photos.first(queries), right)
    yield Row.over(SECTION, f"{name}: P@10", found, "kinds", KIND_WANTED[language])
    common = found[right.sum(axis=1) >= FIRST]
    yield Row.over(SECTION, f"{name}, of kinds with ten photos: P@10", common, "kinds")
    found = average_precision(photos, queries, right)
    yield Row.over(SECTION, f"{name}: average precision", found, "kinds")


def another_kind(photos: Pictures) -> list[tuple[int, str]]:
    """Every photo with every kind that it is not, the photos' order kept."""
    kinds = kinds_of(photos)
    return [
        (number, kind)
        for number, row in enumerate(photos.rows)
        for kind in kinds
        if kind != row["label"]
    ]


def as_another_kind(photos: Pictures, language: str) -> Iterator[Row]:
    """ "but as a skirt": a photo's value is the mean over kinds, the interval is over photos."""
    asked = another_kind(photos)
    references = [number for number, _ in asked]
    wording = words()["wordings"]["but"][language]
    texts = [wording.format(words()["labels"][kind][language]) for _, kind in asked]
    queries = photos.composed(references, texts)
    ids = photos.first(queries, FIRST, references)
    right = np.stack([photos.having("label", kind) for _, kind in asked])
    found = precision(ids, right, references)
    name = f"“but as a …”, {language}"
    values = found.reshape(len(photos), -1).mean(axis=1)
    yield Row.over(SECTION, f"{name}: P@10", values, "photos", "≥ 80")
    common = np.where(right.sum(axis=1) >= FIRST, found, np.nan).reshape(len(photos), -1)
    found = np.nanmean(common, axis=1)
    yield Row.over(SECTION, f"{name}, of kinds with ten photos: P@10", found, "photos")


def in_catalogue(photos: Pictures, products: Pictures) -> Iterator[Row]:
    """A photo alone against the catalogue: is the first answer of its kind?"""
    articles = {label: said["articles"] for label, said in words()["labels"].items()}
    asked = [n for n, row in enumerate(photos.rows) if articles.get(row["label"])]
    first = products.first(photos.embeddings[asked], 1)[:, 0]
    found = np.array(
        [
            products.rows[answer].get("article", "") in articles[photos.rows[number]["label"]]
            for number, answer in zip(asked, first, strict=True)
        ],
        np.float64,
    )
    yield Row.over(SECTION, "alone, in the catalogue: first of its kind", found, "photos", "≥ 70")
    labels = np.array([photos.rows[number]["label"] for number in asked])
    means = np.array([found[labels == label].mean() for label in sorted(set(labels))])
    yield Row.over(SECTION, "the same, every kind weighing the same", means, "kinds")


def colours_asked(
    photos: Pictures, products: Pictures, language: str
) -> list[tuple[int, str, Right, Right]]:
    """Photos by number, "in blue", and which products are of the photo's kind, and which are blue;
    where ten are both."""
    labels, names = words()["labels"], words()["colours"]
    wording = words()["wordings"]["colour"][language]
    of_kind = {
        label: products.having("article", *said["articles"]) for label, said in labels.items()
    }
    of_colour = {colour: products.having("colour", colour) for colour in names}
    return [
        (number, wording.format(colour if language == "en" else names[colour]), kind, right)
        for number, row in enumerate(photos.rows)
        if (kind := of_kind.get(row["label"])) is not None
        for colour, right in of_colour.items()
        if (kind & right).sum() >= FIRST
    ]


def in_another_colour(photos: Pictures, products: Pictures, language: str) -> Iterator[Row]:
    """A photo "in blue" against the catalogue; a photo's value is the mean over colours."""
    asked = colours_asked(photos, products, language)
    references = np.array([number for number, *_ in asked])
    ids = products.first(photos.composed([*references], [text for _, text, *_ in asked]))
    for name, found in what_came_in_colour(asked, ids).items():
        values = np.array([found[references == number].mean() for number in np.unique(references)])
        yield Row.over(
            SECTION, f"“in blue”, in the catalogue, {language}: {name}, P@10", values, "photos"
        )


def what_came_in_colour(
    asked: Sequence[tuple[int, str, Right, Right]], ids: Ints
) -> dict[str, Values]:
    """Shares of the answers ``ids (Q, K)`` that are of the kind, of the colour, and both."""
    kind = np.stack([each[row] for (_, _, each, _), row in zip(asked, ids, strict=True)])
    right = np.stack([each[row] for (*_, each), row in zip(asked, ids, strict=True)])
    return {
        name: found.mean(axis=1)
        for name, found in (("kind", kind), ("colour", right), ("both", kind & right))
    }


def shown(photos: Pictures, count: int) -> Iterator[Shown]:
    """Requests to look at, drawn by a fixed seed: kinds by name and other kinds, in turns."""
    rng, kinds = random.Random(0), kinds_of(photos)
    named = rng.sample(kinds, len(kinds))
    for number, (reference, kind) in enumerate(rng.sample(another_kind(photos), count)):
        language = LANGUAGES[number // 2 % 2]
        if number % 2:
            kind = named[number // 2 % len(named)]
        right = photos.having("label", kind)
        name = words()["labels"][kind][language]
        text = words()["wordings"]["kind" if number % 2 else "but"][language].format(name)
        if number % 2:
            yield photos.shown(SECTION, text, photos.said([text])[0], right)
        else:
            query = photos.composed([reference], [text])[0]
            yield photos.shown(SECTION, text, query, right, reference)


def missed(photos: Pictures, count: int) -> Iterator[Shown]:
    """Wrong answers among the first ten (or among as many as can be right), drawn by a fixed seed:
    of every kind in words and of some photos as another kind, in both languages."""
    rng, wordings = random.Random(0), words()["wordings"]
    asked: list[tuple[int | None, str, str]]
    asked = [(None, kind, "kind") for kind in kinds_of(photos)]
    asked += [(number, kind, "but") for number, kind in rng.sample(another_kind(photos), BUT)]
    wrong = []
    for (reference, kind, wording), language in itertools.product(asked, LANGUAGES):
        right = photos.having("label", kind)
        text = wordings[wording][language].format(words()["labels"][kind][language])
        if reference is None:
            query = photos.said([text])[0]
        else:
            query = photos.composed([reference], [text])[0]
        request = photos.shown(SECTION, text, query, right, reference)
        most = min(FIRST, int(right.sum()))
        for path, fits in zip(request.answers[:most], request.right, strict=False):
            if not fits:
                label = photos.rows[[*photos.files.values()].index(path)]["label"]
                said = f"{text}: labelled {label}"
                wrong.append(replace(request, text=said, answers=(path,), right=(False,)))
    yield from rng.sample(wrong, min(count, len(wrong)))
