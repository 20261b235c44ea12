"""What is not wanted: taken from the query, or said in the sentence? And how strongly?

    python benchmarks/negatives.py ../shared/data/products [--model bundled]

References of each common colour are asked for "not blue": by sentences that the model composes, by
taking ``w`` times the word's embedding from the picture's (`--not blue`), and by both. How many of
the first ten still are of the colour, and how many of the reference's kind, percent, 95 %
intervals.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from people_rows import products
from people_rows.asking import FIRST, Row, words
from samebut.data import triplets
from samebut.embedding import Floats
from samebut.runtime import Model

WEIGHTS = (0.25, 0.5, 0.75, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path)
    parser.add_argument("--model", default="bundled")
    arguments = parser.parse_args()
    model = Model.load(arguments.model)
    goods = products.read(model, triplets.read(arguments.root, "val"), arguments.root)
    asked = products.references_of_colours(goods)
    references, names = [number for number, _ in asked], words()["colours"]
    pictures = goods.embeddings[references]
    unwanted = {
        "en": goods.said([colour for _, colour in asked]),
        "zh": goods.said([names[colour] for _, colour in asked]),
    }
    print(f"`{model.name}` {model.fingerprint}, {len(asked):,} references\n")
    print("| | still of the colour | of the kind |\n|---|---|---|")

    def line(name: str, queries: Floats) -> None:
        ids = products.what_came(goods, goods.first(queries, FIRST, references), asked)
        rows = [Row.over("", "", np.asarray(values)) for values in ids]
        cells = [f"{row.value:.1f} [{row.low:.1f}, {row.high:.1f}]" for row in rows]
        print(f"| {name} | {' | '.join(cells)} |")

    line("the picture alone", pictures)
    for name, wording in words()["negation"].items():
        texts = [wording.format(en=colour, zh=names[colour]) for _, colour in asked]
        said = goods.composed(references, texts)
        line(f"“{name}”", said)
        line(f"“{name}”, and taken from it, 0.75", said - 0.75 * unwanted["en"])
    for language, words_of in unwanted.items():
        for weight in WEIGHTS:
            line(f"taken from the picture, {weight}, {language}", pictures - weight * words_of)


if __name__ == "__main__":
    main()
