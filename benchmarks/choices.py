"""What `samebut calibrate PHOTOS` chooses for galleries of several kinds, and what that gains.

    python benchmarks/choices.py ../shared/data [--wardrobe W] [--model bundled ...]

Galleries and queries are those of ``benchmarks/compositions.py``: val of the product photos with
queries that its table gives, as for any gallery with a table, and with its own; goods in another
colour, which stand for furniture; groceries by variety; and the drawn wardrobe's test. Half of the
queries choose, the other half judges, in percent of the mean of R@1 and R@10.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from people_rows import colours, products
from people_rows.asking import Pictures
from samebut.calibration import choice
from samebut.data import readers, triplets
from samebut.data.benchmark import Query
from samebut.errors import DataError
from samebut.runtime import Model


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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", nargs="+", default=["bundled"])
    parser.add_argument("--wardrobe", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    print("| model | gallery | queries | usual | best on its half | gain on the other | kept |")
    print("|---|---|---|---|---|---|---|")
    for folder in arguments.model:
        model = Model.load(folder)
        for name, pictures, queries in galleries(model, arguments.data, arguments.wardrobe):
            print(f"| `{model.name}` | {name} | {line(model, pictures, queries)} |", flush=True)


def line(model: Model, pictures: Pictures, queries: Sequence[Query]) -> str:
    """What a gallery chooses, as cells of the table."""
    place = {picture: number for number, picture in enumerate(pictures.files)}
    image = pictures.features[[place[query.reference] for query in queries]]
    try:
        found = choice.measure(model, [*place], pictures.embeddings, queries, image)
    except DataError as error:
        return f"{len(queries)} | {error} | | | "
    best = next(each for each in found.tried if each.name == found.best)
    gained = f"{best.gain:+.1f} [{best.low:+.1f}, {best.high:+.1f}]"
    kept = f"`{found.choice.composition}`" if found.choice else "the usual one"
    return f"{found.queries:,} | {found.tried[0].judged:.1f} | `{best.name}` | {gained} | {kept}"


if __name__ == "__main__":
    main()
