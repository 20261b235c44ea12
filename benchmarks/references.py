"""Two pictures in one wish, "the shape of the first in the colour of the second": how to ask?

    python benchmarks/references.py ../shared/data/products [--model bundled]

Pictures A and B of the table are drawn, of other kinds and colours (or patterns), such that three
pictures or more are of A's kind in B's colour. Ways: the mean of both pictures, alone and composed
with the sentence; two turns, as pictures without such words are asked; A moved to B along the
directions in which words for colours differ; and A composed with words for what B shows, as a
search does it: by the values of the table, by those of the lexicon, and by the value that B has,
the best that words can do. Percent, 95 % intervals.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from people_rows import products
from people_rows.asking import FIRST, Pictures, Right, Row
from samebut.composition import keep
from samebut.data import triplets
from samebut.embedding import Floats, unit
from samebut.language.wishes import Look
from samebut.looks import NEIGHBOURS, Eyes, LookColumn, in_words, usual_column
from samebut.runtime import Model, Surroundings
from samebut.turns import EARLIER

ASKED = 600
DRAWN = 100 * ASKED  # pairs that are tried, at most
LEAST = 3  # right answers
VALUES = 50  # of a column, as a gallery looks at them
SENTENCES: dict[Look, tuple[str, str]] = {
    "colour": (
        "the shape of the first in the colour of the second",
        "第一张的款式，第二张的颜色",
    ),
    "pattern": (
        "the shape of the first with the pattern of the second",
        "第一张的款式，第二张的图案",
    ),
}
Pair = tuple[int, int, Right]


def pairs(goods: Pictures, look: Look, seed: int = 0) -> list[Pair]:
    """Numbers of A and B, and what is right (N,)."""
    rng, found = random.Random(seed), list[Pair]()
    of_kind, of_value = (by_value(goods, column) for column in ("article", look))
    for _ in range(DRAWN):
        a, b = rng.sample(range(len(goods)), 2)
        kind, value = goods.rows[a].get("article", ""), goods.rows[b].get(look, "")
        if not kind or not value or goods.rows[b].get("article") == kind:
            continue
        if goods.rows[a].get(look) == value:
            continue
        right = of_kind[kind] & of_value[value]
        if right.sum() >= LEAST:
            found.append((a, b, right))
        if len(found) == ASKED:
            break
    return found


def by_value(goods: Pictures, column: str) -> dict[str, Right]:
    """Which pictures have each value of a column, (N,)."""
    return {value: goods.having(column, value) for value in {r.get(column, "") for r in goods.rows}}


def ways(goods: Pictures, look: Look, a: list[int], b: list[int]) -> Iterator[tuple[str, Floats]]:
    one, two = goods.embeddings[a], goods.embeddings[b]
    yield "the mean of both", unit(one + two)
    for sentence in SENTENCES[look]:
        said = [sentence] * len(a)
        yield f"the mean and “{sentence}”", meant(goods, a, unit(one + two), said)
        yield f"two turns, “{sentence}”", unit(EARLIER * goods.composed(a, said) + two)
    column = table_column(goods, look)
    across = keep.directions(goods.said(usual_column(look).values))
    yield "A moved along words", unit(one + (two - one) @ across.T @ across)
    eyes = Eyes(goods.model)
    seen = [of_table(goods, eyes, column, number) for number in b]
    yield "words, of the table", goods.composed(a, spoken(look, seen))
    usual = usual_column(look)
    best = eyes.probabilities(look, usual.values, two).argmax(axis=1)
    yield "words, of the lexicon", goods.composed(a, spoken(look, [usual.values[n] for n in best]))
    told = [goods.rows[number][look] for number in b]
    yield "words, B's own", goods.composed(a, spoken(look, told))


def meant(goods: Pictures, a: list[int], mean: Floats, said: Sequence[str]) -> Floats:
    features = goods.features[a]
    length = np.linalg.norm(features.pooled, axis=-1, keepdims=True)
    words = goods.model.encode_texts(said)
    image = replace(features, pooled=mean * length)
    return goods.model.compose(image, words, goods.model.usual, Surroundings(said=said)).embedding


def table_column(goods: Pictures, look: Look) -> LookColumn:
    counted = Counter(row[look] for row in goods.rows if row.get(look))
    return LookColumn(look, look, tuple(value for value, _ in counted.most_common(VALUES)))


def of_table(goods: Pictures, eyes: Eyes, column: LookColumn, number: int) -> str:
    """What a picture shows, by the model and its neighbours' rows, not by its own."""
    (near,) = goods.first(goods.embeddings[[number]], NEIGHBOURS, [number])
    scores = (goods.embeddings[near] @ goods.embeddings[number]).tolist()
    rows = [goods.rows[each] for each in near]
    return eyes.seen(column, goods.embeddings[number], scores, rows)[0].value


def spoken(look: Look, values: Sequence[str]) -> list[str]:
    return [in_words(look, {"en": value})["en"] for value in values]


def measured(goods: Pictures, queries: Floats, asked: Sequence[Pair]) -> str:
    hidden = np.array([[a, b] for a, b, _ in asked])
    scores = queries @ goods.embeddings.T
    np.put_along_axis(scores, hidden, -np.inf, axis=1)
    ids = np.argsort(-scores, axis=1, kind="stable")[:, :FIRST]
    hit = np.take_along_axis(np.stack([right for *_, right in asked]), ids, axis=1)
    values = hit[:, 0], hit.any(axis=1), hit.mean(axis=1)
    rows = [Row.over("", "", np.asarray(each, np.float64)) for each in values]
    return " | ".join(f"{row.value:.1f} [{row.low:.1f}, {row.high:.1f}]" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path)
    parser.add_argument("--split", default="val")
    parser.add_argument("--model", default="bundled")
    arguments = parser.parse_args()
    model = Model.load(arguments.model)
    benchmark = triplets.read(arguments.root, arguments.split)
    goods = products.read(model, benchmark, arguments.root)
    print(f"`{model.name}` {model.fingerprint}")
    for look in SENTENCES:
        asked = pairs(goods, look)
        if not asked:
            continue
        print(f"\n| {look}, {len(asked)} wishes | R@1 | R@10 | P@10 |\n|---|---|---|---|")
        for name, queries in ways(goods, look, [a for a, *_ in asked], [b for _, b, _ in asked]):
            print(f"| {name} | {measured(goods, queries, asked)} |", flush=True)


if __name__ == "__main__":
    main()
