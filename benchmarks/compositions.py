"""Compositions without training beside the model's own fusion, on every kind of query at hand.

    python benchmarks/compositions.py ../shared/data [--wardrobe W] [--model M] [--large 100000]
        [--only COMPOSITION ...] [--no-tables]

The rows are those of ``benchmarks/people.py``: val of the product photos, phone photos "but as a
skirt", goods in another colour, groceries by variety, "not blue"; and the drawn wardrobe's test.
Percent with 95 % bootstrap intervals. Then, for compositions that score pictures twice, how much of
the first ten of a scan of all pictures the candidates give, for 1,000 queries of the products, and
with ``--large`` the same and the time of a search among so many pictures: the products' embeddings,
over and over, each with noise of its own. ``--no-tables`` leaves the tables out.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from people_rows import colours, phone, products
from people_rows.asking import FIRST, LANGUAGES, Pictures, Row, precision, words
from samebut import catalog, metrics
from samebut.composition.made import Asked, Made, Sample
from samebut.composition.pairs import Pair
from samebut.composition.rows import read
from samebut.confidence import spread
from samebut.data import readers, triplets
from samebut.data.benchmark import Benchmark
from samebut.embedding import Floats, unit
from samebut.evaluate import outcomes, rank
from samebut.index import PictureRow, RankedPictures
from samebut.index.local import LocalIndex
from samebut.metrics import Ints, Values
from samebut.rescoring import RESCORE, IndexAround, rescored, sample_of
from samebut.runtime import Model

OWN = "own"
USUAL = (
    *(OWN, "keep", "sum", "raw-sum", "sum:2", "slerp", "product"),
    *("basic:0.2:250:0", "basic", "pdv"),
    *("blend:0.5", "blend:0.75", "blend:0.9", "blend:0.75:slerp", "blend:0.5:product"),
)
QUERIES = 1_000
ROUNDS = 100  # of searches that are timed
AT_ONCE = 50  # queries that scan all pictures
NOISE = 0.3  # its length, beside a picture's 1
Numbers = dict[str, Values]


@dataclass(frozen=True)
class InMemory:
    """The pictures around the queries, their references left out if they are among them."""

    pictures_of: Pictures
    references: Ints | None

    def sample(self) -> Sample:
        return Sample(self.pictures_of.embeddings[spread(len(self.pictures_of))])

    def nearest(self, queries: Floats, count: int) -> Floats:
        drop = None if self.references is None else self.references.tolist()
        ids = self.pictures_of.first(queries, count, drop)
        return self.pictures_of.embeddings[ids]


@dataclass(frozen=True)
class Asking:
    """Queries of one kind: ``measure`` makes numbers of what ``made`` makes of them."""

    name: str
    pictures: Pictures
    references: Ints
    texts: Sequence[str]
    measure: Callable[[Made], Numbers]
    gallery: Pictures | None = None  # if it is not the references' own

    def made(self, composition: str) -> Made | None:
        """None: it reads captions, and these pictures have none."""
        model = self.pictures.model
        own = self.pictures.composed(self.references.tolist(), self.texts, model.fusions[0])
        half = np.full(len(own), 0.5, np.float32)
        if composition == OWN:
            return Made(own, half)
        chosen = read(composition)
        captions = [catalog.title(self.pictures.rows[n]) for n in self.references]
        if chosen.reads_caption and not all(captions):
            return None
        said: tuple[Floats | None, Floats | None] = None, None
        if chosen.reads_caption:
            wished = [f"{c}, {text}" for c, text in zip(captions, self.texts, strict=True)]
            said = self.pictures.said(captions), self.pictures.said(wished)
        around = InMemory(self.gallery or self.pictures, None if self.gallery else self.references)
        texts = raw_texts(model, self.texts)
        pooled = self.pictures.features.pooled[self.references]
        return chosen.make(
            Asked(
                pooled,
                texts,
                lambda: (own, half),
                lambda: model.corpora,
                *said,
                around,
                lambda: model.kinds,
                self.texts,
            )
        )


def raw_texts(model: Model, texts: Sequence[str]) -> Floats:
    """Pooled features of texts, each encoded once, (Q, D)."""
    different = [*dict.fromkeys(texts)]
    place = {text: row for row, text in enumerate(different)}
    parts = [model.encode_texts(different[at : at + 256]) for at in range(0, len(different), 256)]
    pooled = np.concatenate([part.pooled for part in parts])
    rows: Floats = pooled[[place[text] for text in texts]]
    return rows


def every_asking(model: Model, data: Path, wardrobe: Path | None) -> Iterator[Asking]:
    benchmark = triplets.read(data / "products", "val")
    goods = products.read(model, benchmark, data / "products")
    yield of_benchmark("products", benchmark, goods)
    photos = phone.read(model, data / "clothing")
    yield as_another_kind(photos)
    yield in_another_colour(photos, goods)
    gallery = colours.recoloured(goods)
    yield of_answers("recoloured goods", gallery, colours.copies_asked(gallery))
    groceries = colours.read_groceries(model, data / "groceries")
    yield of_answers("groceries", groceries, colours.varieties_asked(groceries))
    yield negated(goods)
    if wardrobe is not None:
        benchmark = readers.read("wardrobe", wardrobe, "test")
        yield of_benchmark("wardrobe", benchmark, products.read(model, benchmark, wardrobe))


def of_benchmark(name: str, benchmark: Benchmark, pictures: Pictures) -> Asking:
    place = {picture: number for number, picture in enumerate(pictures.files)}
    references = np.array([place[query.reference] for query in benchmark.queries], np.int32)

    def measure(made: Made) -> Numbers:
        found = outcomes(benchmark, rank(benchmark, scorer(made), pictures.embeddings))
        return {
            name: found[name][~np.isnan(found[name])] for name in ("R@1", "R@10", "RecallSubset@1")
        }

    texts = [query.texts[0] for query in benchmark.queries]
    return Asking(name, pictures, references, texts, measure)


def of_answers(name: str, pictures: Pictures, asked: colours.Asked) -> Asking:
    references = np.array([reference for reference, _, _ in asked], np.int32)

    def measure(made: Made) -> Numbers:
        right = np.zeros((len(asked), len(pictures)), np.bool_)
        for row, (_, _, answers) in zip(right, asked, strict=True):
            row[answers] = True
        hit = np.take_along_axis(right, first(made, pictures, references).astype(np.intp), axis=1)
        return {f"R@{k}": np.asarray(hit[:, :k].any(axis=1), np.float64) for k in (1, 10)}

    return Asking(name, pictures, references, [text for _, text, _ in asked], measure)


def as_another_kind(photos: Pictures) -> Asking:
    asked = [
        (number, kind, language)
        for language in LANGUAGES
        for number, kind in phone.another_kind(photos)
    ]
    references = np.array([number for number, _, _ in asked], np.int32)
    wording, labels = words()["wordings"]["but"], words()["labels"]
    texts = [wording[language].format(labels[kind][language]) for _, kind, language in asked]

    def measure(made: Made) -> Numbers:
        right = np.stack([photos.having("label", kind) for _, kind, _ in asked])
        found = precision(first(made, photos, references), right, references.tolist())
        return {"P@10": found.reshape(len(LANGUAGES), len(photos), -1).mean(axis=(0, 2))}

    return Asking("phone, but as", photos, references, texts, measure)


def in_another_colour(photos: Pictures, goods: Pictures) -> Asking:
    asked = [
        each for language in LANGUAGES for each in phone.colours_asked(photos, goods, language)
    ]
    references = np.array([number for number, *_ in asked], np.int32)

    def measure(made: Made) -> Numbers:
        return phone.what_came_in_colour(
            asked, metrics.rank(scorer(made), goods.embeddings, FIRST).ids
        )

    texts = [text for _, text, *_ in asked]
    return Asking("phone, in blue", photos, references, texts, measure, goods)


def negated(goods: Pictures) -> Asking:
    asked = products.references_of_colours(goods)
    wordings, names = words()["negation"].values(), words()["colours"]
    texts = [each.format(en=c, zh=names[c]) for each in wordings for _, c in asked]
    every = asked * len(wordings)
    references = np.array([number for number, _ in every], np.int32)

    def measure(made: Made) -> Numbers:
        still, kind = products.what_came(goods, first(made, goods, references), every)
        return {"still": still, "kind": kind}

    return Asking("not blue", goods, references, texts, measure)


def scorer(made: Made) -> Floats | metrics.Scorer:
    return made.embedding if made.pair is None else made.pair


def first(made: Made, pictures: Pictures, references: Ints) -> Ints:
    return metrics.rank(scorer(made), pictures.embeddings, FIRST, drop=references).ids


def cell(values: Values) -> str:
    row = Row.over("", "", values)
    return f"{row.value:.1f} [{row.low:.1f}, {row.high:.1f}]"


def table(asked: Sequence[Asking], compositions: Sequence[str]) -> Iterator[str]:
    """Markdown, a line for each composition and a table for each kind of queries."""
    for asking in asked:
        yield f"\n{asking.name}: {len(asking.texts):,} queries, {len(asking.pictures):,} pictures\n"
        for place, composition in enumerate(compositions):
            made = asking.made(composition)
            if made is None:
                continue
            numbers = asking.measure(made)
            if not place:
                yield f"| | {' | '.join(numbers)} |\n|---|{'---|' * len(numbers)}"
            yield f"| `{composition}` | {' | '.join(map(cell, numbers.values()))} |"


def stored(store: Path, embeddings: Floats, model: Model) -> LocalIndex:
    index = LocalIndex.create(
        store, dim=model.dim, fingerprint=model.fingerprint, model=str(model.folder)
    )
    for start in range(0, len(embeddings), 256):
        part = enumerate(embeddings[start : start + 256], start)
        index.put([PictureRow(f"{i}.jpg", 1, 1, f"{i:032x}", 8, 8, row) for i, row in part])
    return index


def rescoring(index: LocalIndex, asking: Asking, compositions: Sequence[str]) -> Iterator[str]:
    """Of each composition: the time of a search, and the share of a full scan's first ten."""
    pooled = asking.pictures.features.pooled[asking.references]
    texts = raw_texts(asking.pictures.model, asking.texts)
    own = asking.pictures.composed(
        asking.references.tolist(), asking.texts, asking.pictures.model.fusions[0]
    )
    half = np.full(1, 0.5, np.float32)
    exact = np.concatenate([index.embedding([*part]) for part in parts(len(index))])
    sample, model = sample_of(index), asking.pictures.model
    around = IndexAround(index, (), lambda: sample)
    index.search(own[:1], 1)  # the embeddings are read
    for composition in compositions:
        spent, shared = [], []
        for row in range(len(texts)):
            query = own[row : row + 1]
            started = time.perf_counter()
            if composition == OWN:
                made = Made(query, half)
            else:
                asked = Asked(
                    pooled[row : row + 1],
                    texts[row : row + 1],
                    given(query, half),
                    lambda: model.corpora,
                    query,  # any two vectors cost pdv the same
                    query,
                    around,
                    lambda: model.kinds,
                    asking.texts[row : row + 1],
                )
                made = read(composition).make(asked)
            if made.pair is None:
                index.search(made.embedding, FIRST)
            else:
                find = partial(index.ranking, made.embedding[0])
                shared.append((rescored(find, made.pair, RESCORE)(FIRST), made.pair))
            spent.append(time.perf_counter() - started)
            if made.pair is None and row == ROUNDS:
                break
        equal = shares(shared, exact)
        exactly = f"{100 * np.mean(equal):.2f} % over {len(equal):,} queries" if equal else "exact"
        low, high = 1000 * np.percentile(spent, 50), 1000 * np.percentile(spent, 99)
        yield f"| `{composition}` | {low:.1f} | {high:.1f} | {exactly} |"


def given(query: Floats, gate: Floats) -> Callable[[], tuple[Floats, Floats]]:
    return lambda: (query, gate)


def shares(answers: Sequence[tuple[RankedPictures, Pair]], exact: Floats) -> list[float]:
    """Of each answer, how much scores as high as the tenth of a scan of all pictures."""
    found = []
    for start in range(0, len(answers), AT_ONCE):
        part = answers[start : start + AT_ONCE]
        pairs = [pair for _, pair in part]
        every = replace(
            pairs[0],
            image=np.concatenate([pair.image for pair in pairs]),
            text=np.concatenate([pair.text for pair in pairs]),
            image_offset=np.concatenate([pair.image_offset for pair in pairs]),
            text_offset=np.concatenate([pair.text_offset for pair in pairs]),
            own=None
            if pairs[0].own is None
            else np.concatenate([pair.own for pair in pairs if pair.own is not None]),
        )
        tenth = np.partition(every.scores(exact), -FIRST, axis=1)[:, -FIRST]
        found += [
            float((ranking.scores >= lowest - 1e-6).mean())
            for (ranking, _), lowest in zip(part, tenth, strict=True)
        ]
    return found


def parts(count: int) -> Iterator[range]:
    return (range(start + 1, min(start + 4096, count) + 1) for start in range(0, count, 4096))


def larger(embeddings: Floats, count: int) -> Floats:
    rng = np.random.default_rng(0)
    rows = embeddings[np.arange(count) % len(embeddings)]
    noise = unit(rng.standard_normal(rows.shape, dtype=np.float32)) * NOISE
    noise[: len(embeddings)] = 0
    return unit(rows + noise)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="+", default=USUAL, metavar="COMPOSITION")
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--wardrobe", type=Path, metavar="FOLDER")
    parser.add_argument("--large", type=int, metavar="COUNT", help="pictures to search among")
    parser.add_argument("--no-tables", action="store_true", help="only time the searches")
    arguments = parser.parse_args()
    model = Model.load(arguments.model)
    every = every_asking(model, arguments.data, arguments.wardrobe)
    asked = [next(every)] if arguments.no_tables else [*every]
    print(f"`{model.name}` {model.fingerprint}; own: `{model.fusions[0]}`")
    for line in table([] if arguments.no_tables else asked, arguments.only):
        print(line, flush=True)
    some = np.random.default_rng(0).permutation(len(asked[0].texts))[:QUERIES]
    goods = Asking(
        "products",
        asked[0].pictures,
        asked[0].references[some],
        [asked[0].texts[row] for row in some],
        asked[0].measure,
    )
    for count in filter(None, (len(goods.pictures), arguments.large)):
        with tempfile.TemporaryDirectory() as folder:
            rows = larger(goods.pictures.embeddings, count)
            with stored(Path(folder) / "store.sqlite", rows, model) as index:
                print(f"\n{count:,} pictures\n\n| | median ms | 99 % ms | of a full scan |")
                print("|---|---|---|---|")
                for line in rescoring(index, goods, arguments.only):
                    print(line, flush=True)


if __name__ == "__main__":
    main()
