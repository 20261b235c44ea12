"""Claims tested: two ways to train, the same queries, the difference with its interval.

    python benchmarks/claims.py ../shared/data/products --cache runs/cache --out claims.png \
      --claim "mined negatives" \
        'runs/fusions/target/combiner-negatives=4/*/model' 'runs/fusions/target/combiner/*/model'

A claim is a name and two patterns of model folders: what it is about, and what without. Several
folders of one pattern are seeds; a query's score is its mean over them. Queries are split by what
they ask for, a part of the thing (its collar) or the whole of it (its colour), and by the shape of
their pictures: of some, a centre crop cuts a third away or more. Intervals are 95 % bootstraps
over queries, paired, p is of a randomisation test; what seeds do is beside them: the standard
deviation of a seed's score.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from samebut.data import triplets
from samebut.data.benchmark import Benchmark, Query
from samebut.errors import DataError
from samebut.evaluate import outcomes, rank
from samebut.evaluate.significance import intervals, paired_test
from samebut.learning import distributed
from samebut.learning.model.cir_model import CIRModel
from samebut.learning.run.validation import cached_sides, embed
from samebut.metrics import Values

PARTS = frozenset(("neck", "sleeve", "closure", "pockets", "belt"))
LONG = 1.5  # longer side to shorter side from which a picture counts as tall or wide
FEWEST = 30  # queries of a slice worth a line


@dataclass(frozen=True)
class Line:
    """One claim on one slice of the queries; numbers in percent."""

    claim: str
    part: str
    queries: int
    without: str
    having: str
    difference: float
    low: float
    high: float
    p: float


class Scores:
    """Per-query scores of models, each read once."""

    def __init__(self, benchmark: Benchmark, metric: str, cache: Path) -> None:
        self.benchmark, self.metric, self.cache = benchmark, metric, cache
        self.known: dict[Path, Values] = {}

    def of(self, pattern: str) -> Values:
        """``(seeds, Q)`` of the model folders that fit. DataError: there are none."""
        folders = sorted(Path().glob(pattern))
        if not folders:
            raise DataError(f"no model folder fits {pattern}", hint="Train first; see --help.")
        return np.stack([self._one(folder) for folder in folders])

    def _one(self, folder: Path) -> Values:
        if folder not in self.known:
            model = CIRModel.load(folder)
            with torch.inference_mode():
                sides = cached_sides(model, self.benchmark, self.cache)
            queries, gallery = embed(model, self.benchmark, self.cache, sides=sides)
            found = outcomes(self.benchmark, rank(self.benchmark, queries, gallery))
            self.known[folder] = found[self.metric]
        return self.known[folder]


def slices(benchmark: Benchmark, fewest: int = FEWEST) -> dict[str, NDArray[np.bool_]]:
    """Names to masks over queries, of slices with ``fewest`` queries or more."""
    long = {name: _is_long(file) for name, file in benchmark.images.items()}
    rules: dict[str, Callable[[Query], bool]] = {
        "all": lambda query: True,
        "of a part alone": lambda query: _kinds(query) <= PARTS,
        "of a part and the whole": lambda query: (
            bool(_kinds(query) & PARTS) and not _kinds(query) <= PARTS
        ),
        "of the whole alone": lambda query: not _kinds(query) & PARTS,
        "tall or wide reference": lambda query: long[query.reference],
        "tall or wide answers": lambda query: all(long[name] for name in query.targets),
        "neither": lambda query: (
            not long[query.reference] and not any(long[name] for name in query.targets)
        ),
    }
    masks = {
        name: np.array([rule(query) for query in benchmark.queries]) for name, rule in rules.items()
    }
    return {
        name: mask
        for name, mask in masks.items()
        if mask.sum() >= fewest and (name == "all" or not mask.all())
    }


def _kinds(query: Query) -> set[str]:
    return set(query.group.split("+"))


def _is_long(file: Path) -> bool:
    with Image.open(file) as picture:
        return max(picture.size) / min(picture.size) >= LONG


def lines_of(
    claim: str, having: Values, without: Values, parts: Mapping[str, NDArray[np.bool_]]
) -> list[Line]:
    difference = having.mean(0) - without.mean(0)
    found = []
    for part, wanted in parts.items():
        mask = wanted & ~np.isnan(difference)  # a query without a hard subset has no score there
        chosen = difference[mask]
        ((low, high),) = intervals({"": chosen}, [""] * len(chosen), macro=False).values()
        found.append(
            Line(
                claim,
                part,
                len(chosen),
                spread(without[:, mask]),
                spread(having[:, mask]),
                100 * float(chosen.mean()),
                low,
                high,
                paired_test(chosen),
            )
        )
    return found


def spread(values: Values) -> str:
    """Mean over seeds and queries, and the standard deviation over seeds, in percent."""
    means = (100 * values.mean(1)).tolist()
    mean = f"{statistics.mean(means):.1f}"
    return f"{mean} ± {statistics.stdev(means):.1f}" if len(means) > 1 else mean


def print_lines(lines: Sequence[Line], title: str) -> None:
    print(f"{title}\n")
    print("| claim | queries | count | without | with | difference | p |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for line in lines:
        change = f"{line.difference:+.1f} [{line.low:+.1f}, {line.high:+.1f}]"
        print(
            f"| {line.claim} | {line.part} | {line.queries:,} | {line.without} | {line.having} "
            f"| {change} | {line.p:.4f} |"
        )


def draw(lines: Sequence[Line], label: str, path: Path) -> None:
    """Differences and their intervals, a panel for each claim."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    claims = list(dict.fromkeys(line.claim for line in lines))
    rows = [[line for line in lines if line.claim == claim] for claim in claims]
    heights = [len(row) + 1 for row in rows]
    figure = Figure(figsize=(8, 0.7 + 0.3 * sum(heights)), layout="constrained")
    FigureCanvasAgg(figure)
    panels: Any = figure.subplots(
        len(claims), 1, sharex=True, squeeze=False, height_ratios=heights
    )[:, 0]
    for claim, row, axes in zip(claims, rows, panels, strict=True):
        places = range(len(row))[::-1]
        middle = [line.difference for line in row]
        errors = [
            [line.difference - line.low for line in row],
            [line.high - line.difference for line in row],
        ]
        axes.axvline(0, color="0.7", linewidth=1)
        axes.errorbar(middle, places, xerr=errors, fmt="o", capsize=3, markersize=4)
        axes.set_yticks(places, [f"{line.part} ({line.queries:,})" for line in row], fontsize=8)
        axes.set_ylim(-0.6, len(row) - 0.4)
        axes.set_title(claim, fontsize=9, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xlabel(f"points of {label}, 95 % interval")
    figure.savefig(path, dpi=130)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path, metavar="DATA")
    parser.add_argument("--split", default="val")
    parser.add_argument(
        "--claim", nargs=3, action="append", required=True, metavar=("NAME", "WITH", "WITHOUT")
    )
    parser.add_argument("--metric", default="R@10")
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"))
    parser.add_argument("--out", type=Path, help="a plot")
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    distributed.use_threads(arguments.threads)
    benchmark = triplets.read(arguments.root, arguments.split)
    scores, parts = Scores(benchmark, arguments.metric, arguments.cache), slices(benchmark)
    lines = [
        line
        for name, having, without in arguments.claim
        for line in lines_of(name, scores.of(having), scores.of(without), parts)
    ]
    print_lines(lines, f"{benchmark.label}; {arguments.metric}")
    if arguments.out:
        draw(lines, arguments.metric, arguments.out)


if __name__ == "__main__":
    main()
