"""How should several turns make one query? Ways compared on conversations with known answers.

    python benchmarks/turns.py ../shared/data/products [--count 300] [--model bundled]
        [--ways fold joined ...] [--fusion NAME]
    python benchmarks/turns.py WARDROBE        # python -m samebut.wardrobe WARDROBE --benchmark

Half of the conversations are in English, half in Chinese (`conversations.py`). A hit: one of the
first ten is right, the reference left out; percent, with 95 % bootstrap intervals. The last columns
are means over the kinds, and the difference of each way to the first, paired.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

import conversations
from conversations import LANGUAGES, Talk
from people_rows import products
from people_rows.asking import Pictures
from samebut import dialogue
from samebut.data import triplets
from samebut.embedding import Floats, unit
from samebut.evaluate.significance import intervals
from samebut.language.courtesy import without_courtesy
from samebut.language.wishes import standing
from samebut.metrics import Values
from samebut.runtime import FeatureArrays, Model, Surroundings
from samebut.turns import EncodedPicture, Turn, ask

FIRST = 10


@dataclass(frozen=True)
class Composer:
    """Composes one query at a time; texts are encoded once."""

    model: Model
    fusion: str
    texts: dict[str, FeatureArrays] = field(default_factory=dict)

    def said(self, text: str) -> FeatureArrays:
        text = without_courtesy(text)
        if text not in self.texts:
            self.texts[text] = self.model.encode_texts([text])
        return self.texts[text]

    def __call__(self, image: FeatureArrays, text: str) -> Floats:
        """``(D,)``"""
        beside = Surroundings(said=[text])
        query: Floats = self.model.compose(image, self.said(text), self.fusion, beside).embedding[0]
        return query

    def in_turn(self, image: FeatureArrays, texts: Sequence[str]) -> Floats:
        """The query so far stands for the picture of the next text."""
        length = np.linalg.norm(image.pooled, axis=-1, keepdims=True)
        query: Floats = unit(image.pooled)[0]
        for text in texts:
            query = self(replace(image, pooled=query[None] * length), text)
        return query

    def joined(self, image: FeatureArrays, texts: Sequence[str]) -> Floats:
        return self(image, dialogue.joined(texts))

    def reminders(self, texts: Sequence[str]) -> Floats:
        rows = (unit(self.said(text).pooled)[0] for text in texts[:-1])
        return sum(rows, np.zeros(self.model.dim, np.float32))


Way = Callable[[Composer, FeatureArrays, Sequence[str]], Floats]


def mean(earlier: float) -> Way:
    """A mean of each text's own query, each earlier one counting ``earlier`` times as much."""

    def way(compose: Composer, image: FeatureArrays, texts: Sequence[str]) -> Floats:
        query = np.zeros(compose.model.dim, np.float32)
        for text in texts:
            query = earlier * query + compose(image, text)
        return unit(query)

    return way


def of_standing(joined: float, reminded: float) -> Way:
    """What stands of the texts: joined, one after the other, and said again."""

    def way(compose: Composer, image: FeatureArrays, texts: Sequence[str]) -> Floats:
        left = [text for text in standing(texts, compose.model.as_read) if text]
        query = joined * compose.joined(image, left) if joined else np.float32(0)
        if joined < 1:
            query = query + (1 - joined) * compose.in_turn(image, left)
        return unit(query + reminded * compose.reminders(left))

    return way


def as_searched(compose: Composer, image: FeatureArrays, texts: Sequence[str]) -> Floats:
    """As `samebut.turns` does it."""
    turns = [Turn(EncodedPicture(image, "", (1, 1)), texts[0]), *(Turn(text=t) for t in texts[1:])]
    return ask(compose.model, turns, fusion=compose.fusion).embedding


WAYS: dict[str, Way] = {
    "one query on another": lambda compose, image, texts: compose.in_turn(image, texts),
    "the last text alone": lambda compose, image, texts: compose(image, texts[-1]),
    "texts joined": lambda compose, image, texts: compose.joined(image, texts),
    "mean": mean(1),
    "mean, earlier x 0.5": mean(0.5),
    "standing, one on another": of_standing(0, 0),
    "standing, joined": of_standing(1, 0),
    "standing, 0.7 joined": of_standing(0.7, 0),
    "standing, joined, reminded 0.2": of_standing(1, 0.2),
    "standing, 0.7 joined, reminded 0.1": of_standing(0.7, 0.1),
    "standing, 0.7 joined, reminded 0.2": of_standing(0.7, 0.2),
    "standing, 0.7 joined, reminded 0.3": of_standing(0.7, 0.3),
    "standing, 0.5 joined, reminded 0.2": of_standing(0.5, 0.2),
    "as searched": as_searched,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path)
    parser.add_argument("--count", type=int, default=300, help="conversations of a kind")
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--fusion", help="the composition; the model's usual one if left out")
    parser.add_argument("--ways", nargs="*", default=[], help="those whose names hold one of these")
    arguments = parser.parse_args()
    model = Model.load(arguments.model)
    goods = products.read(model, triplets.read(arguments.root, "val"), arguments.root)
    talks = {
        kind: _talks(arguments.root, goods, kind, arguments.count) for kind in conversations.KINDS
    }
    talks = {kind: made for kind, made in talks.items() if made}
    sizes = ", ".join(f"{len(made)} {kind}" for kind, made in talks.items())
    compose = Composer(model, arguments.fusion or model.usual)
    print(
        f"`{model.name}` {model.fingerprint}, {compose.fusion}, {len(goods):,} pictures; {sizes}\n"
    )
    columns = [*talks, "mean", *LANGUAGES, "more than the first"]
    print(f"| way | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
    first: dict[str, Values] = {}
    for name, way in WAYS.items():
        if arguments.ways and not any(part in name for part in arguments.ways):
            continue
        hits = {kind: _hits(compose, way, goods, made) for kind, made in talks.items()}
        first = first or hits
        print(f"| {name} | {' | '.join(_cells(hits, first, talks))} |", flush=True)


def _talks(root: Path, goods: Pictures, kind: str, count: int) -> list[Talk]:
    if "sleeve" in goods.rows[0]:
        return [*conversations.of_wardrobe(root, [*goods.files], kind, count)]
    return [*conversations.of_table(goods.rows, kind, count)]


def _hits(compose: Composer, way: Way, goods: Pictures, talks: Sequence[Talk]) -> Values:
    """Whether one of the first ten is right, (Q,)."""
    references = [talk.reference for talk in talks]
    queries = [way(compose, goods.features[[talk.reference]], talk.texts) for talk in talks]
    ids = goods.first(np.stack(queries), FIRST, references)
    return np.array([talk.right[row].any() for talk, row in zip(talks, ids, strict=True)], float)


def _cells(
    hits: dict[str, Values], first: dict[str, Values], talks: dict[str, list[Talk]]
) -> list[str]:
    cells = [_cell(values) for values in hits.values()]
    every = np.concatenate([*hits.values()])
    spoken = np.array([talk.language for made in talks.values() for talk in made])
    cells += [_cell(every), *(_cell(every[spoken == language]) for language in LANGUAGES)]
    return [*cells, _cell(every - np.concatenate([*first.values()]))]


def _cell(values: Values) -> str:
    low, high = intervals({"": values}, [""] * len(values), macro=False)[""]
    return f"{100 * values.mean():.1f} [{low:.1f}, {high:.1f}]"


if __name__ == "__main__":
    main()
