"""How should several turns make one query? Ways compared on the real product photos.

    python benchmarks/turns.py ../shared/data/products [--split val] [--count 400]

Two kinds of conversation are made from the catalogue, each about one reference picture:
"both": two turns ask for two changes (colour, then article) and the target has both;
"taken back": the second turn asks for another colour than the first, and only the second counts.
R@10 over the split's gallery, the reference removed; any picture that has what is asked for and
shares the reference's other attributes is a hit.
"""

from __future__ import annotations

import argparse
import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from samebut import catalog
from samebut.embedding import Floats, unit
from samebut.images import open_picture
from samebut.loader import BATCH
from samebut.runtime import FeatureArrays, Model

Row = dict[str, str]
SAME = ("gender", "colour", "article")


@dataclass(frozen=True)
class Talk:
    """A conversation of two texts about ``reference``, and the pictures that satisfy it."""

    reference: int
    texts: tuple[str, str]
    targets: list[int]


def last_only(model: Model, image: FeatureArrays, texts: tuple[str, str]) -> Floats:
    return model.compose(image, model.encode_texts([texts[1]])).embedding


def joined(model: Model, image: FeatureArrays, texts: tuple[str, str]) -> Floats:
    return model.compose(image, model.encode_texts([", ".join(texts)])).embedding


def mean(earlier: float) -> Callable[[Model, FeatureArrays, tuple[str, str]], Floats]:
    def way(model: Model, image: FeatureArrays, texts: tuple[str, str]) -> Floats:
        both = FeatureArrays(
            *(np.repeat(part, 2, 0) for part in (image.pooled, image.tokens, image.mask))
        )
        first, second = model.compose(both, model.encode_texts(list(texts))).embedding
        return unit(earlier * first + second)[None]

    return way


def one_on_another(model: Model, image: FeatureArrays, texts: tuple[str, str]) -> Floats:
    """The query of the first turn stands for the picture of the second."""
    first = model.compose(image, model.encode_texts([texts[0]])).embedding
    length = np.linalg.norm(image.pooled, axis=-1, keepdims=True)
    reference = FeatureArrays(first * length, image.tokens, image.mask)
    return model.compose(reference, model.encode_texts([texts[1]])).embedding


def joined_and_last(last: float) -> Callable[[Model, FeatureArrays, tuple[str, str]], Floats]:
    def way(model: Model, image: FeatureArrays, texts: tuple[str, str]) -> Floats:
        return unit(joined(model, image, texts) + last * last_only(model, image, texts))

    return way


WAYS = {
    "the last turn alone": last_only,
    "texts joined into one": joined,
    "one query on another": one_on_another,
    **{f"joined, and last x {last}": joined_and_last(last) for last in (0.3, 0.5, 0.7, 1.0)},
    **{f"mean, earlier x {earlier}": mean(earlier) for earlier in (1.0, 0.7, 0.5, 0.35, 0.2)},
}


def both(rows: list[Row], rng: random.Random) -> Iterator[Talk]:
    """A colour and an article are changed, one after the other."""
    for number in rng.sample(range(len(rows)), len(rows)):
        row, wanted = rows[number], rng.choice(rows)
        if not changed(row, wanted, "colour") or not changed(row, wanted, "article"):
            continue
        targets = matching(rows, {**row, "colour": wanted["colour"], "article": wanted["article"]})
        if targets:
            texts = [f"in {wanted['colour']}", f"change it to a {wanted['article']}"]
            rng.shuffle(texts)
            yield Talk(number, (texts[0], texts[1]), targets)


def taken_back(rows: list[Row], rng: random.Random) -> Iterator[Talk]:
    """A colour is asked for, then another one."""
    for number in rng.sample(range(len(rows)), len(rows)):
        row, first, second = rows[number], rng.choice(rows), rng.choice(rows)
        if not changed(row, first, "colour") or not changed(row, second, "colour"):
            continue
        targets = matching(rows, {**row, "colour": second["colour"]})
        if targets and changed(first, second, "colour"):
            yield Talk(number, (f"in {first['colour']}", f"in {second['colour']}"), targets)


def changed(row: Row, other: Row, column: str) -> bool:
    return bool(row[column] and other[column]) and row[column] != other[column]


def matching(rows: list[Row], wanted: Row) -> list[int]:
    return [
        number
        for number, row in enumerate(rows)
        if all(row[column] == wanted[column] for column in SAME)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--split", default="val")
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--model", default="bundled")
    arguments = parser.parse_args()
    model = Model.load(arguments.model)
    table = catalog.read(arguments.root / "catalog.csv").rows
    names = [name for name, row in table.items() if row.get("split") == arguments.split]
    rows = [{column: table[name].get(column, "") for column in SAME} for name in names]
    features = encode(model, [arguments.root / "images" / name for name in names])
    gallery = model.embed(features)
    kinds = {"both": both, "taken back": taken_back}
    talks = {
        kind: list(itertools.islice(make(rows, random.Random(0)), arguments.count))
        for kind, make in kinds.items()
    }
    sizes = ", ".join(f"{len(found)} '{kind}'" for kind, found in talks.items())
    print(f"{model.name} {model.fingerprint}, {len(names):,} pictures, {sizes}; R@10 in percent")
    print(f"{'way':<24}" + "".join(f"{kind:>12}" for kind in talks))
    for name, way in WAYS.items():
        scores = [score(way, model, features, gallery, found) for found in talks.values()]
        print(f"{name:<24}" + "".join(f"{value:>12.1f}" for value in scores))


def encode(model: Model, files: list[Path]) -> FeatureArrays:
    prepare = model.preprocess
    chunks = []
    for start in range(0, len(files), BATCH):
        opened = [
            open_picture(file, shorter_side=prepare.wanted_shorter_side)
            for file in files[start : start + BATCH]
        ]
        chunks.append(model.encode_images(np.stack([prepare(picture) for picture in opened])))
    fields = ("pooled", "tokens", "mask")
    return FeatureArrays(*(np.concatenate([getattr(chunk, f) for chunk in chunks]) for f in fields))


def score(
    way: Callable[[Model, FeatureArrays, tuple[str, str]], Floats],
    model: Model,
    features: FeatureArrays,
    gallery: Floats,
    talks: list[Talk],
) -> float:
    hits = 0
    for talk in talks:
        query = way(model, features[[talk.reference]], talk.texts)[0]
        scores = gallery @ query
        scores[talk.reference] = -np.inf
        first = np.argsort(-scores, kind="stable")[:10]
        hits += bool(set(first.tolist()) & set(talk.targets))
    return 100 * hits / len(talks)


if __name__ == "__main__":
    main()
