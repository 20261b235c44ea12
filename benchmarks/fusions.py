"""Fusions on one frozen encoder, each with the same budget: learning rates first, then seeds.

    samebut train ablation --data ../shared/data/products --out runs/ablation/target
    python benchmarks/fusions.py runs/ablation/target/model --data ../shared/data/products

Of every fusion a grid of learning rates is tried on the first seed, and the best by the headline
goes on with the other seeds. The last weights are scored, so nothing else is chosen by the scores.
All learn from the same cached features. A fusion without weights is scored as it is.

    --fusions sum combiner combiner:queries.mined.count=4 cross_attention:loss.contrast.hardness=0.2

After a colon stand options of the fusion, and dotted keys of the stage, that differ. Several models
that were trained differently give rows of their own. A number is the mean over seeds and its
standard deviation; ``*`` marks a rate at an edge of the grid. Finished runs lie in ``--out`` and
are not run again.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from samebut.data.benchmark import Benchmark
from samebut.errors import RecipeError
from samebut.evaluate import outcomes, rank, summary
from samebut.learning import distributed
from samebut.learning.data.corpus import SourceSettings, source_of
from samebut.learning.distributed import say
from samebut.learning.fusion import FUSIONS, make_fusion
from samebut.learning.model.cir_model import CIRModel
from samebut.learning.recipe.presets import merged
from samebut.learning.recipe.read import recipe_of
from samebut.learning.recipe.schema import Recipe
from samebut.learning.run.train import train
from samebut.learning.run.validation import cached_sides, embed, metric_of

SHOWN = ("R@1", "R@5", "R@10", "R@50", "mAP@10", "RecallSubset@1")
KIND_SHOWN = "R@10"
EMA = 0.99  # runs are short: a longer memory would still hold the start
Scores = dict[str, float]


@dataclass(frozen=True)
class Arm:
    """A fusion and what of it, or of its stage, is not as usual."""

    said: str
    fusion: str
    options: dict[str, Any]
    stage: dict[str, Any]

    @classmethod
    def read(cls, said: str) -> Arm:
        """From ``FUSION[:KEY=VALUE,...]``."""
        name, _, changes = said.partition(":")
        pairs = dict(each.split("=", 1) for each in changes.split(",") if each)
        values = {key: tomllib.loads(f"value = {value}")["value"] for key, value in pairs.items()}
        options = {key: value for key, value in values.items() if "." not in key}
        stage: dict[str, Any] = {}
        for key, value in values.items():
            if "." in key:
                set_dotted(stage, key, value)
        return cls(said, name, options, stage)

    @property
    def folder(self) -> str:
        return self.said.replace(":", "-").replace(",", "-")


def set_dotted(table: dict[str, Any], key: str, value: Any) -> None:
    """Set ``loss.contrast.hardness`` in tables within tables."""
    *path, last = key.split(".")
    for part in path:
        table = table.setdefault(part, {})
    table[last] = value


@dataclass(frozen=True)
class Row:
    """A row of the table: scores of each seed, and of each seed by kind of change."""

    encoder: str
    arm: Arm
    rate: str
    scores: list[Scores]
    kinds: list[Scores]
    parameters: int
    seconds: float


class Comparison:
    """All runs on one encoder. ``out`` keeps them, ``cache`` the features."""

    def __init__(self, source: Path, out: Path, arguments: argparse.Namespace) -> None:
        trained = CIRModel.load(source)
        # Its own fusion is left behind, or one of the arms would start out trained.
        self.model = CIRModel(trained.encoder, trained.preprocess, fusion="sum").eval()
        self.name = source.parent.name if source.name == "model" else source.name
        self.out, self.arguments = out / self.name, arguments
        self.encoder = self.out / "encoder"
        self.model.save(self.encoder, name=self.name)
        folder: Path = arguments.data
        self.data = {folder.resolve().name: folder}
        (found,) = (source_of(name, root, SourceSettings()) for name, root in self.data.items())
        self.validation = found.validation()
        self.metric = metric_of(self.validation, arguments.metric)

    def weights(self, arm: Arm) -> int:
        """How many parameters it has. RecipeError: it can't be built."""
        fusion = make_fusion(arm.fusion, self.model.encoder.dim, **arm.options)
        return sum(parameter.numel() for parameter in fusion.parameters())

    def row(self, arm: Arm) -> Row:
        weights = self.weights(arm)
        if not weights:
            model = CIRModel(
                self.model.encoder, self.model.preprocess, fusion=arm.fusion, options=arm.options
            ).eval()
            scores, kinds = self.scored(model)
            return Row(self.name, arm, "", [scores], [kinds], 0, 0.0)
        first, *others = self.arguments.seeds
        tried = {rate: self.scored_run(arm, rate, first) for rate in self.arguments.rates}
        best = max(tried, key=lambda rate: tried[rate][0][self.metric])
        found = [tried[best], *(self.scored_run(arm, best, seed) for seed in others)]
        edge = best in (min(tried), max(tried)) and len(tried) > 1
        seconds = statistics.median(
            seconds_of(self.run_folder(arm, best, seed)) for seed in (first, *others)
        )
        return Row(
            self.name,
            arm,
            f"{best:g}{'*' if edge else ''}",
            [scores for scores, _ in found],
            [kinds for _, kinds in found],
            weights,
            seconds,
        )

    def run_folder(self, arm: Arm, rate: float, seed: int) -> Path:
        return self.out / arm.folder / f"lr{rate:g}-seed{seed}"

    def scored_run(self, arm: Arm, rate: float, seed: int) -> tuple[Scores, Scores]:
        """Train it, unless it is there, and score it."""
        folder = self.run_folder(arm, rate, seed)
        say(f"{self.name}: {arm.said}, rate {rate:g}, seed {seed}")
        model = train(self.recipe(arm, rate, seed), self.data, folder, cache=self.arguments.cache)
        scores: tuple[Scores, Scores] = self.scored(CIRModel.load(model))
        return scores

    def recipe(self, arm: Arm, rate: float, seed: int) -> Recipe:
        asked = self.arguments
        preprocess = self.model.preprocess
        usual = {
            "preset": "fuse",
            "lr": rate,
            "queries": {"epochs": asked.epochs, "batch": asked.batch},
            "loss": {"contrast": {"candidates": "references"}},
        }
        return recipe_of(
            {
                "name": arm.said,
                "seed": seed,
                "size": preprocess.size,
                "padding": preprocess.padding,
                "fill": preprocess.fill,
                "ema": EMA,
                "metric": self.metric,
                "init": str(self.encoder),
                "reinit": ["fusion"],
                "fusion": {"name": arm.fusion, **arm.options},
                "stages": [merged(usual, arm.stage)],
            }
        )

    @torch.inference_mode()
    def scored(self, model: CIRModel) -> tuple[Scores, Scores]:
        """All scores, and one of them by kind of change."""
        sides = cached_sides(model, self.validation, self.arguments.cache)
        queries, gallery = embed(model, self.validation, self.arguments.cache, sides=sides)
        found = outcomes(self.validation, rank(self.validation, queries, gallery))
        groups = [query.group for query in self.validation.queries]
        kinds = {
            kind: 100 * float(found[KIND_SHOWN][[group == kind for group in groups]].mean())
            for kind in sorted(set(groups))
        }
        return summary(found, groups, self.validation.rules), kinds


def seconds_of(run: Path) -> float:
    """How long a run takes from end to end: all its queries, by the rate of its last start."""
    said = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
    (stage,) = said["recipe"]["stages"]
    with (run / "stage1" / "log.csv").open(encoding="utf-8") as file:
        last = list(csv.DictReader(file))[-1]
    queries: int = int(last["step"]) * stage["queries"]["batch"] * stage["queries"]["accumulate"]
    return queries / float(last["queries_per_second"])


def table(title: str, columns: Sequence[str], lines: Iterator[list[str]]) -> None:
    """Print rows under columns, as Markdown."""
    print(f"\n{title}\n")
    for cells in (list(columns), ["---"] * len(columns), *lines):
        print(f"| {' | '.join(cells)} |")


def spread(values: Sequence[float]) -> str:
    """Mean, and standard deviation if there are several."""
    mean = f"{statistics.mean(values):.1f}"
    return f"{mean} ± {statistics.stdev(values):.1f}" if len(values) > 1 else mean


def report(rows: Sequence[Row], validation: Benchmark, arguments: argparse.Namespace) -> None:
    shown = [name for name in SHOWN if name in rows[0].scores[0]]
    table(
        f"{validation.label}; {arguments.epochs} epochs, batch {arguments.batch}, "
        f"{len(arguments.seeds)} seeds, rates {', '.join(f'{r:g}' for r in arguments.rates)}",
        ("encoder", "fusion", "rate", *shown, "parameters", "seconds"),
        (
            [row.encoder, row.arm.said, row.rate]
            + [spread([scores[name] for scores in row.scores]) for name in shown]
            + [f"{row.parameters:,}", f"{row.seconds:.0f}"]
            for row in rows
        ),
    )
    if arguments.by_change:
        kinds = list(rows[0].kinds[0])
        table(
            f"{KIND_SHOWN} by kind of change",
            ("encoder", "fusion", *kinds),
            (
                [row.encoder, row.arm.said]
                + [spread([scores[kind] for scores in row.kinds]) for kind in kinds]
                for row in rows
            ),
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", type=Path, nargs="+", metavar="RUN/model")
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--fusions", nargs="+", default=list(FUSIONS), metavar="FUSION[:KEY=VALUE]")
    parser.add_argument("--seeds", type=int, default=3, metavar="COUNT")
    parser.add_argument("--rates", default="3e-4,1e-3,3e-3")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--metric", default="", help="rates are chosen by; default: the headline")
    parser.add_argument("--by-change", action="store_true", help=f"also {KIND_SHOWN} by kind")
    parser.add_argument("--out", type=Path, default=Path("runs/fusions"))
    parser.add_argument("--cache", type=Path, help="default: OUT/cache")
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    arguments.seeds = list(range(1, arguments.seeds + 1))
    arguments.rates = [float(rate) for rate in arguments.rates.split(",")]
    arguments.cache = arguments.cache or arguments.out / "cache"
    distributed.use_threads(arguments.threads)
    arms = [Arm.read(said) for said in arguments.fusions]
    compared = [Comparison(model, arguments.out, arguments) for model in arguments.models]
    if len({each.name for each in compared}) < len(compared):
        raise RecipeError("two models have the same name", hint="Each needs a run of its own.")
    for each in compared:
        for arm in arms:
            each.weights(arm)  # what can't be built is said before hours are spent
    rows = [each.row(arm) for each in compared for arm in arms]
    report(rows, compared[0].validation, arguments)


if __name__ == "__main__":
    main()
