"""What `samebut calibrate PHOTOS` chooses for galleries of several kinds, and what that gains.

    python benchmarks/choices.py ../shared/data [--wardrobe W] [--model bundled ...]

Galleries and queries are those of ``benchmarks/compositions.py``: val of the product photos with
queries that its table gives, as for any gallery with a table, and with its own; goods in another
colour, which stand for furniture; groceries by variety; and the drawn wardrobe's test. Half of the
queries choose, the other half judges, in percent of the mean of R@1 and R@10.

The last column is what would be chosen from nothing but the pictures: a picture and one of its near
neighbours are both named by the model itself, in words of the lexicon, and the words for what is
other in the neighbour ask for all that are named like it. What these queries choose is then judged
by the gallery's own queries.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from people_rows import colours, products
from people_rows.asking import LANGUAGES, Pictures
from samebut.calibration import choice
from samebut.data import readers, triplets
from samebut.data.benchmark import Query
from samebut.errors import DataError
from samebut.language.labels import Labels
from samebut.language.wishes import Look
from samebut.looks import Eyes, in_words, usual_column
from samebut.runtime import Model

ASKED_FOR: tuple[Look, ...] = ("article", "colour")
NEAR = 50  # neighbours of a picture
MOST_RIGHT = 60  # answers of a query


def galleries(
    model: Model, data: Path, wardrobe: Path | None
) -> Iterator[tuple[str, Pictures, Sequence[Query]]]:
    benchmark = triplets.read(data / "products", "val")
    goods = products.read(model, benchmark, data / "products")
    rows = dict(zip(goods.files, goods.rows, strict=True))
    yield "products, queries of the table", goods, choice.of_table(rows)
    yield (
        "products, queries of its own",
        goods,
        benchmark.queries[:: len(benchmark.queries) // 1000],
    )
    gallery = colours.recoloured(goods)
    yield "recoloured goods", gallery, as_queries(gallery, colours.copies_asked(gallery))
    groceries = colours.read_groceries(model, data / "groceries")
    yield "groceries", groceries, as_queries(groceries, colours.varieties_asked(groceries))
    if wardrobe is not None:
        benchmark = readers.read("wardrobe", wardrobe, "test")
        drawn = products.read(model, benchmark, wardrobe)
        yield "wardrobe", drawn, benchmark.queries[:1000]


def as_queries(pictures: Pictures, asked: colours.Asked) -> list[Query]:
    names = [*pictures.files]
    return [
        Query(str(n), names[reference], (text,), tuple(names[each] for each in right))
        for n, (reference, text, right) in enumerate(asked)
    ]


def of_pictures(model: Model, pictures: Pictures, seed: int = 0) -> list[Query]:
    """Queries of pictures and what the model itself calls them: "in blue", 换成裙子."""
    rng, eyes = random.Random(seed), Eyes(model)
    seen: dict[Look, list[str]] = {}
    for look in ASKED_FOR:
        values = usual_column(look).values
        best = eyes.probabilities(look, values, pictures.embeddings).argmax(axis=1)
        seen[look] = [values[number] for number in best]
    named = list(zip(*seen.values(), strict=True))
    alike: dict[tuple[str, ...], list[int]] = {}
    for number, names in enumerate(named):
        alike.setdefault(names, []).append(number)
    files, labels, queries = [*pictures.files], Labels(), list[Query]()
    order = rng.sample(range(len(pictures)), len(pictures))
    near = pictures.first(pictures.embeddings[order], NEAR, order)
    for reference, neighbours in zip(order, near, strict=True):
        asked = set[str]()
        for other in neighbours:
            changed = [look for look in seen if seen[look][reference] != seen[look][other]]
            targets = [number for number in alike[named[other]] if number != reference]
            if len(changed) != 1 or len(targets) > MOST_RIGHT or len(asked) == choice.OF_ONE:
                continue
            (look,) = changed
            language = rng.choice(LANGUAGES)
            text = in_words(look, labels.value("", look, seen[look][other]))[language]
            if text not in asked:
                asked.add(text)
                right = tuple(files[number] for number in targets)
                queries.append(Query(str(len(queries)), files[reference], (text,), right))
    return queries[: choice.MOST]


def by_pictures(model: Model, pictures: Pictures, queries: Sequence[Query]) -> str:
    """What pictures alone choose, and what that gains by the gallery's own queries."""
    asked = of_pictures(model, pictures)
    try:
        chosen, judged = (measured(model, pictures, each) for each in (asked, queries))
    except DataError as error:
        return str(error)
    best = next(each for each in judged.tried if each.name == chosen.best)
    sure = "" if chosen.choice or chosen.best == model.usual else ", not surely"
    gained = f"{best.gain:+.1f} [{best.low:+.1f}, {best.high:+.1f}]"
    return f"`{chosen.best}`{sure}: {gained} ({chosen.queries:,} queries)"


def measured(model: Model, pictures: Pictures, queries: Sequence[Query]) -> choice.Measured:
    place = {picture: number for number, picture in enumerate(pictures.files)}
    image = pictures.features[[place[query.reference] for query in queries]]
    return choice.measure(model, [*place], pictures.embeddings, queries, image)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", nargs="+", default=["bundled"])
    parser.add_argument("--wardrobe", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    print(
        "| model | gallery | queries | usual | best on its half | gain on the other | kept "
        "| pictures alone |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for folder in arguments.model:
        model = Model.load(folder)
        for name, pictures, queries in galleries(model, arguments.data, arguments.wardrobe):
            cells = f"{line(model, pictures, queries)} | {by_pictures(model, pictures, queries)}"
            print(f"| `{model.name}` | {name} | {cells} |", flush=True)


def line(model: Model, pictures: Pictures, queries: Sequence[Query]) -> str:
    """What a gallery chooses, as cells of the table."""
    try:
        found = measured(model, pictures, queries)
    except DataError as error:
        return f"{len(queries)} | {error} | | | "
    best = next(each for each in found.tried if each.name == found.best)
    gained = f"{best.gain:+.1f} [{best.low:+.1f}, {best.high:+.1f}]"
    kept = f"`{found.choice.composition}`" if found.choice else "the usual one"
    return f"{found.queries:,} | {found.tried[0].judged:.1f} | `{best.name}` | {gained} | {kept}"


if __name__ == "__main__":
    main()
