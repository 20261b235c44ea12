"""Product photos: queries of a folder of triplets, negation, others' words, spoilt texts."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

import samebut
from people_rows.asking import (
    FIRST,
    LANGUAGES,
    Pictures,
    Row,
    Shown,
    encode,
    precision,
    words,
)
from samebut import catalog
from samebut.data.benchmark import Benchmark
from samebut.embedding import Floats
from samebut.evaluate import outcomes, rank
from samebut.metrics import Ints, Values
from samebut.runtime import Model

SECTION = "product photos"
NEGATION = "negation"
SAID = "what people say"
SYNONYMS = Path(samebut.__file__).parent / "language" / "synonyms.toml"
REFERENCES = 40  # a colour, at most
SPOILT = 600  # queries whose texts are spoilt


def read(model: Model, benchmark: Benchmark, root: Path, *, tokens: bool = False) -> Pictures:
    """The benchmark's gallery with what the folder's catalogue says of it, if it has one."""
    table = catalog.rows_beside(root)
    rows = [table.get(name, {}) for name in benchmark.images]
    return encode(model, benchmark.images, rows, tokens=tokens)


def of_benchmark(
    section: str, benchmark: Benchmark, pictures: Pictures, wanted: Mapping[str, str]
) -> Iterator[Row]:
    """R@1, R@10 and RecallSubset@1 of composed queries, as ``samebut eval`` counts them."""
    found = scored(benchmark, pictures, composed(benchmark, pictures))
    for name in ("R@1", "R@10", "RecallSubset@1"):
        defined = found[name][~np.isnan(found[name])]
        if len(defined):
            yield Row.over(section, f"composed: {name}", defined, wanted=wanted.get(name, ""))


def composed(benchmark: Benchmark, pictures: Pictures) -> Floats:
    """The benchmark's queries, each of one text, (Q, D)."""
    place = {name: number for number, name in enumerate(pictures.files)}
    references = [place[query.reference] for query in benchmark.queries]
    return pictures.composed(references, [query.texts[0] for query in benchmark.queries])


def scored(benchmark: Benchmark, pictures: Pictures, queries: Floats) -> dict[str, Values]:
    """What each query contributes to each number."""
    return outcomes(benchmark, rank(benchmark, queries, pictures.embeddings))


def negated(products: Pictures) -> Iterator[Row]:
    """ "not blue" of a blue thing: what of the first ten still is blue, and what is its kind.

    Only pictures whose colour is known count as still being of a colour. A reference's article
    has ten or more pictures of another colour, so that ten right answers can be given.
    """
    asked = references_of_colours(products)
    references = [number for number, _ in asked]
    kinds = []
    for name, wording in words()["negation"].items():
        texts = [wording.format(en=colour, zh=words()["colours"][colour]) for _, colour in asked]
        ids = products.first(products.composed(references, texts), FIRST, references)
        still, kind = what_came(products, ids, asked)
        yield Row.over(NEGATION, f"“{name}”: still of the colour", still, wanted="≤ 10")
        kinds.append(kind)
    right = np.mean(kinds, axis=0)
    yield Row.over(NEGATION, "all of them: of the reference's kind", right, wanted="≥ 85")


def references_of_colours(products: Pictures, seed: int = 0) -> list[tuple[int, str]]:
    """At most forty references of each common colour, by number, with the colour."""
    rng, asked = random.Random(seed), []
    for colour in words()["colours"]:
        fitting = [
            number
            for number, row in enumerate(products.rows)
            if row.get("colour") == colour and _others(products, row["article"], colour) >= FIRST
        ]
        asked += [(number, colour) for number in rng.sample(fitting, min(REFERENCES, len(fitting)))]
    return asked


def _others(products: Pictures, article: str, colour: str) -> int:
    if not article:
        return 0
    return sum(
        row.get("article") == article and row.get("colour", "") not in ("", colour)
        for row in products.rows
    )


def what_came(products: Pictures, ids: Ints, asked: list[tuple[int, str]]) -> tuple[Values, Values]:
    """Of each query's answers, (Q,): the share still of the colour, and that of the article."""
    still, kind = [], []
    for line, (reference, colour) in zip(ids, asked, strict=True):
        answers = [products.rows[number] for number in line]
        known = [row["colour"] for row in answers if row.get("colour")]
        still.append(known.count(colour) / len(known) if known else 0.0)
        article = products.rows[reference]["article"]
        kind.append(np.mean([row.get("article") == article for row in answers]))
    return np.array(still), np.array(kind)


def by_other_words(products: Pictures) -> Iterator[Row]:
    """ "trainers", 墨镜: words that the shop never wrote; the interval is over words."""
    for language in LANGUAGES:
        meant = words()["synonyms"][language]
        right = np.stack([products.having("article", *articles) for articles in meant.values()])
        found = precision(products.first(products.said([*meant])), right)
        name = f"words of their own, {language}"
        yield Row.over(SAID, f"{name}: P@10", found, "words")
        new = np.array([word not in taught() for word in meant])
        if 0 < new.sum() < len(new):
            yield Row.over(SAID, f"{name}, in no list of synonyms: P@10", found[new], "words")


def taught() -> set[str]:
    """Phrases of the list of synonyms that models may learn from; none if there is no list."""
    if not SYNONYMS.is_file():
        return set()
    groups = tomllib.loads(SYNONYMS.read_text(encoding="utf-8"))["groups"]
    return {phrase for group in groups for phrase in group}


def in_traditional(products: Pictures, seed: int = 0) -> Iterator[Row]:
    """換成藍色 and 换成蓝色 of the same pictures: the share of the first ten that they share."""
    rng, pairs = random.Random(seed), words()["traditional"]
    references = [n for _ in pairs for n in rng.sample(range(len(products)), REFERENCES)]
    ids = []
    for texts in (pairs, pairs.values()):
        said = [text for text in texts for _ in range(REFERENCES)]
        ids.append(products.first(products.composed(references, said), FIRST, references))
    shared = [len({*a} & {*b}) / FIRST for a, b in zip(*(i.tolist() for i in ids), strict=True)]
    name = "traditional and simplified: shared of the first ten"
    yield Row.over(SAID, name, np.array(shared))


def spoilt(benchmark: Benchmark, products: Pictures, seed: int = 0) -> Iterator[Row]:
    """R@10 of the same queries as they stand, with a typo, with emoji and politely."""
    rng = random.Random(seed)
    queries = rng.sample(benchmark.queries, min(SPOILT, len(benchmark.queries)))
    place = {name: number for number, name in enumerate(products.files)}
    part = Benchmark(
        benchmark.name, benchmark.split, benchmark.images, tuple(queries), benchmark.rules
    )
    references = [place[query.reference] for query in queries]
    for name, spoil in SPOILS.items():
        texts = [spoil(query.texts[0], query.language, rng) for query in queries]
        found = scored(part, products, products.composed(references, texts))["R@10"]
        yield Row.over(SAID, f"queries {name}: R@10", found)


def _typo(text: str, language: str, rng: random.Random) -> str:
    at = rng.randrange(1, max(len(text) - 1, 2))
    return text[:at] + text[at + 1 : at + 2] + text[at : at + 1] + text[at + 2 :]


def _polite(text: str, language: str, rng: random.Random) -> str:
    if language == "zh":
        return f"麻烦帮我找一下，{text}，谢谢"
    return f"hi, could you please find it for me {text}, thanks a lot"


SPOILS = {
    "as they stand": lambda text, language, rng: text,
    "with two letters swapped": _typo,
    "with emoji": lambda text, language, rng: f"{text} 🙏😍!!",
    "with polite words": _polite,
}


def shown(benchmark: Benchmark, products: Pictures, count: int) -> Iterator[Shown]:
    """Queries to look at, drawn by a fixed seed."""
    place = {name: number for number, name in enumerate(products.files)}
    for query in random.Random(0).sample(benchmark.queries, count):
        reference, (text,) = place[query.reference], query.texts
        right = np.array([name in query.targets for name in products.files])
        embedding = products.composed([reference], [text])[0]
        yield products.shown(SECTION, text, embedding, right, reference)
