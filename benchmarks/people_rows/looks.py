"""What is it? The kind that is seen in a phone photo, and what naming it brings; wishes judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from people_rows.asking import FIRST, LANGUAGES, Pictures, Right, Row, words
from samebut.language.labels import Labels
from samebut.language.wishes import LOOKS, Look, Wish, fits
from samebut.looks import NEIGHBOURS, Eyes, LookColumn, SeenValue, in_words

SECTION = "what is it"
CHIPS = 3
COLUMN_VALUES = 50
JUDGED = 12  # commonest values of a column that are wished for


def rows(photos: Pictures, products: Pictures) -> Iterator[Row]:
    """Phone photos in a shop's catalogue: guesses, and the first answers without and with the
    kind in words; then wishes, judged from the products' pictures alone."""
    eyes, articles = Eyes(products.model), words()["labels"]
    asked = [n for n, row in enumerate(photos.rows) if articles[row["label"]]["articles"]]
    known = [articles[photos.rows[number]["label"]]["articles"] for number in asked]
    seen = [_seen(eyes, photos.embeddings[number], products) for number in asked]
    right = [[each.value in k for each in found] for found, k in zip(seen, known, strict=True)]
    yield _share("the first guess is right", [each[0] for each in right])
    yield _share(f"one of {CHIPS} chips is right", [any(each[:CHIPS]) for each in right])
    of_kind = np.stack([products.having("article", *each) for each in known])
    yield from _answers("the photo alone", products, photos.embeddings[asked], of_kind)
    best = [each.index(True) if any(each) else 0 for each in right]
    named = [found[place].value for found, place in zip(seen, best, strict=True)]
    for language in LANGUAGES:
        texts = [
            in_words("article", Labels().value("article", "article", value))[language]
            for value in named
        ]
        queries = photos.composed(asked, texts)
        yield from _answers(f"its kind named, {language}", products, queries, of_kind)
    yield from _judgements(eyes, products)


def _column(products: Pictures, look: Look) -> LookColumn:
    told = Counter(row[look] for row in products.rows if row.get(look))
    return LookColumn(look, look, tuple(value for value, _ in told.most_common(COLUMN_VALUES)))


def _seen(eyes: Eyes, embedding: np.ndarray, products: Pictures) -> list[SeenValue]:
    scores = products.embeddings @ embedding
    nearest = np.argsort(-scores)[:NEIGHBOURS]
    neighbours = [products.rows[number] for number in nearest]
    return eyes.seen(_column(products, "article"), embedding, scores[nearest].tolist(), neighbours)


def _share(name: str, right: Sequence[bool]) -> Row:
    return Row.over(SECTION, name, np.array(right, np.float64), "photos")


def _answers(name: str, products: Pictures, queries: np.ndarray, right: Right) -> Iterator[Row]:
    ids = products.first(queries, FIRST).astype(np.intp)
    found = np.take_along_axis(right, ids, axis=1)
    yield _share(f"{name}: the first answer is of its kind", found[:, 0].tolist())
    yield Row.over(SECTION, f"{name}: of the first ten", found.mean(axis=1), "photos")


def _judgements(eyes: Eyes, products: Pictures) -> Iterator[Row]:
    """Every common value wished of every product: how often "yes" and "no" are right when the
    table is hidden."""
    for look in LOOKS:
        column = _column(products, look)
        told = [number for number, row in enumerate(products.rows) if row.get(look)]
        hidden: list[dict[str, str]] = [{} for _ in told]
        said: dict[bool | None, list[bool]] = {True: [], False: [], None: []}
        for value in column.values[:JUDGED]:
            wish = [Wish(look, value, value, False)]
            judged = eyes.fulfilled(wish, [column], products.embeddings[told], hidden)
            for number, (verdict,) in zip(told, judged, strict=True):
                said[verdict.fulfilled].append(
                    fits(look, products.rows[number][look], value) is True
                )
        yield Row.over(SECTION, f"“yes” of {look}s is right", np.array(said[True], float), "wishes")
        no = 1 - np.array(said[False], float)
        yield Row.over(SECTION, f"“no” of {look}s is right", no, "wishes")
        every = [*said[True], *said[False], *said[None]]
        found = np.array([True] * sum(said[True]) + [False] * (sum(every) - sum(said[True])), float)
        yield Row.over(SECTION, f"{look}s as wished that get a “yes”", found, "wishes")
