"""The thesis again, on a pretrained picture tower: six fusions, and its claims, with intervals.

    python -m samebut.wardrobe W --benchmark
    python benchmarks/thesis.py W --out runs/thesis --plot claims.png

The trunk is EfficientNet-Lite0 as ImageNet left it (the extra ``pretrained``), with regions of 16
pixels, 64 of a picture: a collar is one or two of them. Its features are computed once. On them
everything else is trained from random weights, anew for every seed, so that an interval over seeds
is also one over encoders: pictures and captions are aligned, the head and the text tower (or only
that) are tuned under the plain sum, and the fusions are trained on what is then frozen. Every
fusion has the same budget, and the learning rate that ``fusions.py`` chose for it on photos. The
last weights are scored, on val and test together: nothing is chosen by a score.

Finished runs lie in ``--out`` and are not run again; a killed one goes on from its checkpoint.
``--encoders`` trains for some encoders alone and prints no table, so that several such commands,
each with its own ``--cache``, share the work; ``--arms`` trains and prints some arms alone:
cross-attention and MAAF over 64 regions take most of the time. It wants 2 GB of disk for features
and 4.5 GB of memory.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from claims import Line, draw, lines_of, print_lines, slices, spread
from samebut.data import triplets
from samebut.data.benchmark import Benchmark
from samebut.evaluate import outcomes, rank
from samebut.learning import distributed
from samebut.learning.distributed import say
from samebut.learning.encoders.efficientnet import EfficientNetEncoder
from samebut.learning.model.cir_model import CIRModel
from samebut.learning.recipe.presets import merged
from samebut.learning.recipe.read import recipe_of
from samebut.learning.recipe.schema import Recipe
from samebut.learning.run.initial_model import initial_model
from samebut.learning.run.plan import make_plan
from samebut.learning.run.train import train
from samebut.learning.run.validation import cached_sides, embed
from samebut.metrics import Values

SPLITS = ("val", "test")
SHOWN = ("R@1", "R@10", "mAP@10", "RecallSubset@1")
ENCODER = {
    "kind": "efficientnet",
    "region": 16,
    "dim": 128,
    "hidden": 256,
    "places": 64,
    "vocabulary": 2048,
    "text_width": 128,
    "text_layers": 1,
}
SMALL = {"projection": 512, "hidden": 1024, "dropout": 0.3}
ALIGN = {
    "preset": "align",
    "trains": "heads",
    "features": "cached",
    "lr": 1.5e-3,
    "loss": {"captions": 1.0, "attributes": 1.0},
}
TUNE = {
    "preset": "tune",
    "features": "cached",
    "lr": 1e-3,
    "loss": {"contrast": {"candidates": "references"}},
}
FUSE = {"preset": "fuse", "loss": {"contrast": {"candidates": "references"}}}


@dataclass(frozen=True)
class Tuned:
    """An encoder: how pictures become squares, and what is tuned under the sum after aligning
    (empty: nothing, so that both towers are as they were aligned)."""

    padding: str = "target"
    trains: str = "heads"


ENCODERS = {
    "target pad": Tuned(),
    "text frozen": Tuned(trains=""),
    "text tuned": Tuned(trains="text"),
    "centre crop": Tuned(padding="none"),
    "square pad": Tuned(padding="square"),
}


@dataclass(frozen=True)
class Arm:
    """A fusion on an encoder; ``stage``: what of its stage is not as usual."""

    encoder: str
    fusion: str
    rate: float = 0.0
    options: Mapping[str, Any] = field(default_factory=dict)
    stage: Mapping[str, Any] = field(default_factory=dict)


COMBINER = ("combiner", 3e-3, SMALL)
ATTENTION = ("cross_attention", 1e-3, {"layers": 1} | SMALL)
MINED = {"queries": {"mined": {"count": 4}}}
FUSIONS = {
    "sum": Arm("target pad", "sum"),
    "Combiner": Arm("target pad", *COMBINER),
    "cross-attention and Combiner": Arm("target pad", *ATTENTION),
    "TIRG": Arm("target pad", "tirg", 3e-3),
    "FiLM": Arm("target pad", "film", 1e-3),
    "MAAF": Arm("target pad", "maaf", 3e-3),
}
OTHERS = {
    "Combiner, centre crop": Arm("centre crop", *COMBINER),
    "Combiner, square pad": Arm("square pad", *COMBINER),
    "Combiner, mined negatives": Arm("target pad", *COMBINER, MINED),
    "Combiner, text frozen": Arm("text frozen", *COMBINER),
    "Combiner, text tuned": Arm("text tuned", *COMBINER),
    "cross-attention, mined negatives": Arm("target pad", *ATTENTION, MINED),
}
ARMS = FUSIONS | OTHERS
FIRST = [name for name, arm in ARMS.items() if arm.fusion in ("sum", "combiner")]
"""What is trained first: the cheap arms that most claims are about."""
CLAIMS = {
    "target pad over centre crop": ("Combiner", "Combiner, centre crop"),
    "target pad over square pad": ("Combiner", "Combiner, square pad"),
    "cross-attention over the Combiner": ("cross-attention and Combiner", "Combiner"),
    "mined negatives, Combiner": ("Combiner, mined negatives", "Combiner"),
    "mined negatives, cross-attention": (
        "cross-attention, mined negatives",
        "cross-attention and Combiner",
    ),
    "text tuned over frozen": ("Combiner, text tuned", "Combiner, text frozen"),
}


class Thesis:
    """All runs, in ``out``."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.asked, self.out = asked, asked.out
        self.data = {"drawn": asked.root}
        self.benchmarks = [triplets.read(asked.root, split) for split in SPLITS]

    def recipe(self, name: str, seed: int, padding: str, *stages: Any, **more: Any) -> Recipe:
        table = {"name": name, "seed": seed, "size": self.asked.size, "padding": padding}
        common = {"fill": "edge", "ema": 0.99, "metric": "R@10", "stages": list(stages)}
        return recipe_of(table | common | more)

    def trained(self, recipe: Recipe, folder: Path) -> Path:
        say(f"{folder}: {recipe.name}")
        return train(recipe, self.data, folder, cache=self.asked.cache)

    def stage(self, table: Mapping[str, Any], epochs: int, **more: Any) -> dict[str, Any]:
        queries = {"epochs": epochs, "batch": self.asked.batch}
        return merged(table, {"queries": queries, **more})

    def beginning(self, seed: int) -> Path:
        """Random weights of a seed around the trunk of the first: its random colours, too, are
        the same, so that features of the trunk serve all seeds."""
        folder: Path = self.out / f"seed{seed}" / "beginning"
        if not (folder / "training.json").exists():
            model = self._random(seed)
            if seed != 1:
                weights = trunk_of(CIRModel.load(self.beginning(1))).state_dict()
                trunk_of(model).load_state_dict(weights)
            model.save(folder, name="beginning")
        return folder

    def _random(self, seed: int) -> CIRModel:
        more = {"encoder": ENCODER, "fusion": {"name": "sum"}}
        recipe = self.recipe("beginning", seed, "target", self.stage(ALIGN, 1), **more)
        plan = make_plan(recipe, self.data, self.asked.cache)
        return initial_model(recipe, plan.vocabulary).model

    def aligned(self, padding: str, seed: int) -> Path:
        init = str(self.beginning(seed))
        stage = self.stage(ALIGN, self.asked.align)
        recipe = self.recipe(f"aligned, {padding}", seed, padding, stage, init=init)
        return self.trained(recipe, self.out / f"seed{seed}" / f"aligned {padding}")

    def encoder(self, name: str, seed: int) -> Path:
        row = ENCODERS[name]
        aligned = self.aligned(row.padding, seed)
        if not row.trains:
            return aligned
        stage = self.stage(TUNE, self.asked.tune, trains=row.trains)
        recipe = self.recipe(name, seed, row.padding, stage, init=str(aligned))
        return self.trained(recipe, self.out / f"seed{seed}" / name)

    def run_folder(self, name: str, seed: int) -> Path:
        found: Path = self.out / f"seed{seed}" / "fusions" / name
        return found

    def scores(self, name: str, seed: int) -> dict[str, Values]:
        """Scores of every query, ``(Q,)`` each; the arm is trained if it was not."""
        path = self.run_folder(name, seed) / "scores.npz"
        if not path.exists():
            found = self.scored(self.model(name, seed))
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, **{metric: found[metric] for metric in SHOWN})
            shown = ", ".join(f"{key} {100 * np.nanmean(found[key]):.1f}" for key in SHOWN)
            say(f"{name}, seed {seed}: {shown}")
        with np.load(path, allow_pickle=False) as kept:
            return {metric: kept[metric] for metric in SHOWN}

    def model(self, name: str, seed: int) -> CIRModel:
        arm = ARMS[name]
        encoder = self.encoder(arm.encoder, seed)
        if not arm.rate:  # nothing to train
            return CIRModel.load(encoder)
        recipe = self.recipe(
            name,
            seed,
            ENCODERS[arm.encoder].padding,
            merged(self.stage(FUSE, self.asked.epochs, lr=arm.rate), arm.stage),
            init=str(encoder),
            reinit=["fusion"],
            fusion={"name": arm.fusion, **arm.options},
        )
        return CIRModel.load(self.trained(recipe, self.run_folder(name, seed)))

    @torch.inference_mode()
    def scored(self, model: CIRModel) -> dict[str, Values]:
        """Scores of the queries of all splits, one after the other, ``(Q,)`` each."""
        found = []
        for benchmark in self.benchmarks:
            sides = cached_sides(model, benchmark, self.asked.cache)
            queries, gallery = embed(model, benchmark, self.asked.cache, sides=sides)
            found.append(outcomes(benchmark, rank(benchmark, queries, gallery)))
        return {metric: np.concatenate([each[metric] for each in found]) for metric in SHOWN}

    def of_all_seeds(self, name: str, metric: str) -> Values:
        """``(seeds, Q)``"""
        return np.stack([self.scores(name, seed)[metric] for seed in self.asked.seeds])


def trunk_of(model: CIRModel) -> torch.nn.Module:
    assert isinstance(model.encoder, EfficientNetEncoder)
    return model.encoder.trunk


def parts_of(benchmarks: Sequence[Benchmark]) -> dict[str, NDArray[np.bool_]]:
    """Slices of the queries of all splits, by their names."""
    found = [slices(benchmark, fewest=1) for benchmark in benchmarks]
    names = [name for name in found[0] if all(name in each for each in found)]
    return {name: np.concatenate([each[name] for each in found]) for name in names}


def fusion_rows(thesis: Thesis) -> Iterator[str]:
    """The table of fusions, as Markdown: scores, and R@10 of queries for a part alone."""
    part = parts_of(thesis.benchmarks)["of a part alone"]
    yield f"| fusion | {' | '.join(SHOWN)} | R@10, a part alone |"
    yield "|---" * (len(SHOWN) + 2) + "|"
    for name in (name for name in FUSIONS if name in thesis.asked.arms):
        found = {metric: thesis.of_all_seeds(name, metric) for metric in SHOWN}
        cells = [spread(values[:, ~np.isnan(values[0])]) for values in found.values()]
        cells.append(spread(found["R@10"][:, part]))
        yield f"| {name} | {' | '.join(cells)} |"


def claim_lines(thesis: Thesis, metric: str) -> list[Line]:
    parts = parts_of(thesis.benchmarks)
    return [
        line
        for claim, (having, without) in CLAIMS.items()
        if {having, without} <= set(thesis.asked.arms)
        for line in lines_of(
            claim,
            thesis.of_all_seeds(having, metric),
            thesis.of_all_seeds(without, metric),
            parts,
        )
    ]


def work(thesis: Thesis, encoders: list[str]) -> None:
    """Train and score what is missing of the arms on ``encoders``, cheap arms first."""
    for seed in thesis.asked.seeds:
        thesis.beginning(seed)
    for name in (*FIRST, *(name for name in ARMS if name not in FIRST)):
        if name in thesis.asked.arms and ARMS[name].encoder in encoders:
            for seed in thesis.asked.seeds:
                thesis.scores(name, seed)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path, metavar="WARDROBE")
    parser.add_argument("--out", type=Path, default=Path("runs/thesis"))
    parser.add_argument("--cache", type=Path, help="default: OUT/cache")
    parser.add_argument("--encoders", nargs="+", choices=ENCODERS, help="train for these alone")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS), help="these alone")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--size", type=int, default=128, help="side of the pictures, in pixels")
    parser.add_argument("--align", type=int, default=6, help="epochs")
    parser.add_argument("--tune", type=int, default=6, help="epochs")
    parser.add_argument("--epochs", type=int, default=5, help="of a fusion")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--metric", default="R@10", choices=SHOWN, help="of the claims")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--threads", type=int)
    asked = parser.parse_args()
    asked.cache = asked.cache or asked.out / "cache"
    distributed.use_threads(asked.threads)
    thesis = Thesis(asked)
    work(thesis, asked.encoders or list(ENCODERS))
    if asked.encoders:
        return
    print("\n".join(fusion_rows(thesis)), end="\n\n")
    lines = claim_lines(thesis, asked.metric)
    print_lines(lines, f"wardrobe, val and test; {asked.metric}")
    if asked.plot:
        draw(lines, f"{asked.metric}, wardrobe", asked.plot)


if __name__ == "__main__":
    main()
