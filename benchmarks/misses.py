"""Queries to look at: what was asked, what came first and a right answer, on one sheet.

    python benchmarks/misses.py ../shared/data/products --out misses.png --beyond 10 --count 100

A line shows the reference, the text, the first ``--shown`` pictures (right ones in a green frame)
and the annotated target with its rank. Queries are drawn by a fixed seed from those whose best
right answer comes after rank ``--beyond``; ``--beyond 0`` draws from all.
"""

from __future__ import annotations

import argparse
import random
import re
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from samebut.data import triplets
from samebut.data.benchmark import Benchmark, Query
from samebut.evaluate.embeddings import embed_benchmark
from samebut.runtime import Model

SIDE, TEXT, GAP = 88, 330, 4
GREEN, WHITE, BLACK = (30, 150, 60), (255, 255, 255), (20, 20, 20)
CHINESE = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")


def order_of(benchmark: Benchmark, model: Model) -> dict[str, list[str]]:
    """Every query's ranking by the fused query, its reference left out."""
    embedded = embed_benchmark(benchmark, model)
    names = np.array(list(benchmark.images))
    scores = embedded.own @ embedded.gallery.T
    orders = np.argsort(-scores, axis=1, kind="stable")
    return {
        query.id: [name for name in names[order].tolist() if name != query.reference]
        for query, order in zip(benchmark.queries, orders, strict=True)
    }


def best_rank(query: Query, order: list[str]) -> int:
    targets = set(query.targets)
    return next(rank for rank, name in enumerate(order, 1) if name in targets)


def sheet(
    benchmark: Benchmark, queries: list[Query], orders: dict[str, list[str]], shown: int
) -> Image.Image:
    row = SIDE + GAP
    width = row + TEXT + (shown + 1) * row + GAP
    page = Image.new("RGB", (width, len(queries) * row + GAP), WHITE)
    pen = ImageDraw.Draw(page)
    for line, query in enumerate(queries):
        top, order = GAP + line * row, orders[query.id]
        _paste(page, benchmark.images[query.reference], GAP, top)
        lines = [*_wrapped(" ".join(query.texts), pen), query.group]
        said = "\n".join(lines) + f"; first right {best_rank(query, order)}"
        pen.multiline_text((row + 2 * GAP, top + 8), said, BLACK, _font(), spacing=8)
        for place, name in enumerate(order[:shown]):
            left = row + TEXT + place * row
            if name in query.targets:
                pen.rectangle((left - 3, top - 3, left + SIDE + 2, top + SIDE + 2), GREEN)
            _paste(page, benchmark.images[name], left, top)
        _paste(page, benchmark.images[query.targets[0]], width - row, top)
    return page


def _wrapped(text: str, pen: ImageDraw.ImageDraw) -> list[str]:
    """Lines that fit; broken between words, or anywhere in Chinese."""
    lines = [""]
    for piece in re.findall(r"[\u3000-\uffef]|[^\s\u3000-\uffef]+\s*|\s+", text):
        if lines[-1] and pen.textlength(lines[-1] + piece.rstrip(), _font()) > TEXT - 4 * GAP:
            lines.append("")
        lines[-1] += piece
    return lines


def _paste(page: Image.Image, file: Path, left: int, top: int) -> None:
    with Image.open(file) as picture:
        small = picture.convert("RGB")
    small.thumbnail((SIDE, SIDE))
    page.paste(small, (left + (SIDE - small.width) // 2, top + (SIDE - small.height) // 2))


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.truetype(CHINESE, 13) if CHINESE.is_file() else ImageFont.load_default(13)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--split", default="val")
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--beyond", type=int, default=10)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--shown", type=int, default=5)
    arguments = parser.parse_args()
    benchmark = triplets.read(arguments.root, arguments.split)
    orders = order_of(benchmark, Model.load(arguments.model))
    missed = [q for q in benchmark.queries if best_rank(q, orders[q.id]) > arguments.beyond]
    chosen = random.Random(0).sample(missed, min(arguments.count, len(missed)))
    sheet(benchmark, chosen, orders, arguments.shown).save(arguments.out)
    print(
        f"{len(missed):,} of {len(benchmark.queries):,} queries have their first right answer "
        f"after rank {arguments.beyond}; {len(chosen)} of them: {arguments.out}"
    )


if __name__ == "__main__":
    main()
