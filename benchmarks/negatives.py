"""What is not wanted: taken from the query, or said in the sentence? And how strongly?

    python benchmarks/negatives.py ../shared/data/products [--model bundled]

Four tables, percent with 95 % intervals, of the first ten answers each.

References of each common colour are asked for "not blue": by sentences that the model composes, by
taking ``w`` times the word's embedding from the picture's (`--not blue`), and by both; then kinds
in words alone, "a shirt, not blue". How many of the answers still are of the colour, how many of
the kind, and how many of the kind and surely of another colour.

Then queries that refuse what the reference has, as the table gives them ("in green, without
stripes"), composed alone and as a search does it.

Last, a person says of the first one, two or three wrong answers to the folder's queries "not like
this": they are hidden, and ``w`` times their mean, or their sum, is taken. How many of the next ten
are right.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from people_rows import products
from people_rows.asking import FIRST, Pictures, Row, words
from samebut.data import triplets
from samebut.data.benchmark import Benchmark
from samebut.embedding import Floats, unit
from samebut.metrics import Ints, Values
from samebut.query_maker.queries import CatalogueQueries, QueryRules
from samebut.query_maker.wishes import columns_in
from samebut.runtime import Model

WEIGHTS = (0.3, 0.4, 0.5, 0.75)
UNLIKE = (0.1, 0.2, 0.5, 0.75)
MOST = 3  # answers that are sent away
ATTRIBUTES = ("article", "colour", "pattern")
REFUSING = ("not colour", "not pattern", "colour+not pattern", "article+not colour")
DRAWN = 600
KNOWN = 5  # pictures of a kind in a colour, for it to be refused
Asked = list[tuple[tuple[str, ...], str]]  # kinds that are right, and the colour that is not


def counted(goods: Pictures, ids: Ints, asked: Asked) -> list[Values]:
    """Shares of the answers ``ids (Q, K)`` that are still of the colour, of the kind, and of the
    kind and surely in another colour."""
    still, kind, both = [], [], []
    for line, (kinds, colour) in zip(ids, asked, strict=True):
        rows = [goods.rows[number] for number in line]
        known = [row["colour"] for row in rows if row.get("colour")]
        still.append(known.count(colour) / max(len(known), 1))
        right = [row.get("article", "") in kinds for row in rows]
        kind.append(np.mean(right))
        others = [row.get("colour") not in ("", None, colour) for row in rows]
        both.append(np.mean(np.logical_and(right, others)))
    return [np.array(still), np.array(kind), np.array(both)]


def cells(values: list[Values]) -> str:
    rows = [Row.over("", "", each) for each in values]
    return " | ".join(f"{row.value:.1f} [{row.low:.1f}, {row.high:.1f}]" for row in rows)


def of_pictures(goods: Pictures) -> Iterator[str]:
    """Pictures of a colour, asked for "not" that colour."""
    found = products.references_of_colours(goods)
    references, names = [number for number, _ in found], words()["colours"]
    asked: Asked = [((goods.rows[number]["article"],), colour) for number, colour in found]
    pictures = goods.embeddings[references]
    unwanted = {
        "en": goods.said([colour for _, colour in found]),
        "zh": goods.said([names[colour] for _, colour in found]),
    }

    def line(name: str, queries: Floats) -> str:
        ids = goods.first(queries, FIRST, references)
        return f"| {name} | {cells(counted(goods, ids, asked))} |"

    yield f"\n{len(found):,} pictures\n\n| | still of the colour | of the kind | both right |"
    yield "|---|---|---|---|"
    yield line("the picture alone", pictures)
    usual = goods.model.usual
    for name, wording in words()["negation"].items():
        texts = [wording.format(en=colour, zh=names[colour]) for _, colour in found]
        said = goods.composed(references, texts, usual)
        own = unwanted["zh" if "{zh}" in wording else "en"]
        yield line(f"“{name}”", said)
        for weight in WEIGHTS:
            yield line(f"“{name}”, and taken from it, {weight}", unit(said - weight * own))
        yield line(f"“{name}”, as a search does it", goods.composed(references, texts))
    for language, own in unwanted.items():
        for weight in WEIGHTS:
            yield line(f"taken from the picture, {weight}, {language}", pictures - weight * own)


def of_words(goods: Pictures) -> Iterator[str]:
    """Kinds that have ten pictures in other colours, asked for in words."""
    names = words()["colours"]
    found = [
        (said, colour)
        for said in words()["labels"].values()
        for colour in names
        if enough(goods, said["articles"], colour)
    ]
    if not found:
        return
    asked: Asked = [(tuple(said["articles"]), colour) for said, colour in found]
    yield f"\n{len(found):,} kinds in words\n\n| | still of the colour | of the kind | both right |"
    yield "|---|---|---|---|"

    def line(name: str, queries: Floats) -> str:
        return f"| {name} | {cells(counted(goods, goods.first(queries, FIRST), asked))} |"

    for language, wording in (("en", "{}, not {}"), ("zh", "{}，不要{}")):
        colours = [colour if language == "en" else names[colour] for _, colour in found]
        kinds = [said[language] for said, _ in found]
        texts = [wording.format(*each) for each in zip(kinds, colours, strict=True)]
        own, plain, said = goods.said(colours), goods.said(kinds), goods.said(texts)
        yield line(f"the kind alone, {language}", plain)
        for weight in WEIGHTS:
            yield line(f"taken from it, {weight}, {language}", unit(plain - weight * own))
        yield line(f"“a shirt, not blue”, {language}", said)
        for weight in WEIGHTS:
            name = f"“a shirt, not blue”, and taken from it, {weight}, {language}"
            yield line(name, unit(said - weight * own))


def enough(goods: Pictures, kinds: list[str], colour: str) -> bool:
    colours = [row.get("colour", "") for row in goods.rows if row.get("article") in kinds]
    others = sum(each not in ("", colour) for each in colours)
    return others >= FIRST and colours.count(colour) >= KNOWN


def of_table(goods: Pictures) -> Iterator[str]:
    """Queries with a refusal, of the table's columns, and what a search gains by reading it."""
    names = [*goods.files]
    place = {name: number for number, name in enumerate(names)}
    columns = {name for row in goods.rows for name in row}
    attributes = tuple(name for name in ATTRIBUTES if name in columns)
    yield "\n| of the table | | R@1 | R@10 | gain of R@10 |\n|---|---|---|---|---|"
    for change in REFUSING:
        if not {*columns_in(change)} <= {*attributes}:
            continue
        rules = QueryRules(attributes, changes={change: 1}, chinese=0.5)
        asked = CatalogueQueries(names, goods.rows, rules).draw(random.Random(0), DRAWN)
        if not asked:
            continue
        references = [place[query.reference] for query in asked]
        texts = [query.texts[0] for query in asked]
        right = np.zeros((len(asked), len(names)), np.bool_)
        for row, query in zip(right, asked, strict=True):
            row[[place[target] for target in query.targets]] = True
        found = []
        for name, fusion in (("said", goods.model.usual), ("as a search does it", None)):
            ids = goods.first(goods.composed(references, texts, fusion), FIRST, references)
            hit = np.take_along_axis(right, ids.astype(np.intp), axis=1)
            found.append(np.asarray(hit.any(axis=1), np.float64))
            values = [hit[:, 0].astype(np.float64), found[-1]]
            if len(found) > 1:
                values.append(found[-1] - found[0])
            yield f"| {change}, {len(asked):,} | {name} | {cells(values)} |"


def of_answers(goods: Pictures, benchmark: Benchmark) -> Iterator[str]:
    """ "Not like this", of the first wrong answers to queries whose very first one is wrong."""
    place = {name: number for number, name in enumerate(goods.files)}
    references = np.array([place[query.reference] for query in benchmark.queries])
    right = np.zeros((len(references), len(goods)), np.bool_)
    for row, query in zip(right, benchmark.queries, strict=True):
        row[[place[target] for target in query.targets]] = True
    queries = products.composed(benchmark, goods)
    scores = queries @ goods.embeddings.T
    scores[np.arange(len(scores)), references] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")
    chosen = np.flatnonzero(~right[np.arange(len(right)), order[:, 0]])
    if not len(chosen):
        return
    wrong = np.stack([order[row][~right[row, order[row]]][:MOST] for row in chosen])
    yield f"\n{len(chosen):,} queries whose first answer is wrong\n"
    yield "| | right of the next ten | R@1 | R@10 |\n|---|---|---|---|"
    for count in range(1, MOST + 1):
        sent = wrong[:, :count]
        hidden = np.concatenate([references[chosen, None], sent], axis=1)

        def line(name: str, asked: Floats, hidden: Ints = hidden, count: int = count) -> str:
            shown = asked @ goods.embeddings.T
            np.put_along_axis(shown, hidden, -np.inf, axis=1)
            ids = np.argsort(-shown, axis=1, kind="stable")[:, :FIRST]
            hit = np.take_along_axis(right[chosen], ids, axis=1)
            values = hit.mean(axis=1), hit[:, 0], hit.any(axis=1)
            shares = [np.asarray(each, np.float64) for each in values]
            return f"| {count}: {name} | {cells(shares)} |"

        yield line("hidden alone", queries[chosen])
        ways: dict[str, Callable[[Floats], Floats]] = {"mean": _mean}
        if count > 1:
            ways["sum"] = _sum
        for name, way in ways.items():
            for weight in UNLIKE:
                asked = unit(queries[chosen] - weight * way(goods.embeddings[sent]))
                yield line(f"their {name} taken, {weight}", asked)


def _mean(pictures: Floats) -> Floats:
    return np.asarray(pictures.mean(axis=1))


def _sum(pictures: Floats) -> Floats:
    return np.asarray(pictures.sum(axis=1))


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
    for lines in (
        of_pictures(goods),
        of_words(goods),
        of_table(goods),
        of_answers(goods, benchmark),
    ):
        for line in lines:
            print(line, flush=True)


if __name__ == "__main__":
    main()
