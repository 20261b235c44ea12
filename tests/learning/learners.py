"""Learners that many tests share: a tiny model and an objective, on drawn shapes with subsets."""

from __future__ import annotations

import copy
import hashlib
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from drawn_shapes import draw
from samebut.learning.data.corpus import Corpus, Source, SourceSettings, read_corpus
from samebut.learning.data.encoding import BatchEncoder, trains_weight
from samebut.learning.data.phrases import Group
from samebut.learning.data.query_table import QueryTable
from samebut.learning.data.sampler import Batch, Sampler
from samebut.learning.data.teacher import Teacher
from samebut.learning.model.cir_model import CIRModel
from samebut.learning.objective import words
from samebut.learning.objective.learner import COMPOSES, Learner, Objective
from samebut.learning.objective.negatives import Miner
from samebut.learning.recipe.read import recipe_of
from samebut.learning.recipe.schema import Recipe, Stage
from samebut.learning.run.initial_model import initial_model, preprocess_of
from samebut.learning.run.plan import rules_of
from samebut.learning.tables import read_table

ENCODER = {
    "dim": 16, "widths": [16, 16, 32, 32], "blocks": [1, 1, 1, 1], "vocabulary": 300,
    "max_tokens": 12, "text_width": 16, "text_layers": 1, "text_heads": 2, "text_dropout": 0.0,
}  # fmt: skip
FUSIONS: dict[str, dict[str, Any]] = {
    "pooled": {"name": "combiner", "projection": 8, "hidden": 8, "dropout": 0.0},
    "tokens": {
        "name": "cross_attention", "layers": 1, "heads": 2, "projection": 8, "hidden": 8,
        "dropout": 0.0, "attention_dropout": 0.0,
    },
}  # fmt: skip
RESAMPLING = {"attributes": ["article", "colour"], "chinese": 0.0}

DICTIONARY: tuple[Group, ...] = (
    ("狗", "dog", "hound"),
    ("鹬鸵", "kiwi bird"),
    ("钟", "clock", "bell"),
)
TEACHER = Teacher("tiny", lambda texts: np.stack([_vector(text) for text in texts]))


def _vector(text: str) -> np.ndarray:
    """Five numbers that follow from a text alone."""
    seed = int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)
    return np.random.default_rng(seed).normal(size=5)


def use_tiny_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """A teacher and a dictionary in place of those of the extra `pretrained`."""
    monkeypatch.setattr(words, "published_teacher", lambda: TEACHER)
    monkeypatch.setattr(words, "dictionary_groups", lambda: DICTIONARY)


def shapes(folder: Path) -> Corpus:
    """The train split of ``drawn_shapes`` as the data folder ``d``: 30 pictures, 24 queries of
    three targets each. Those about round shapes have hard subsets with two wrong answers."""
    data = draw(folder / "data")
    path = data / "train.jsonl"
    queries = [json.loads(line) for line in path.read_text().splitlines()]
    for query in queries:
        if "round" in query["reference"]:
            others = [f"train-{colour}-round-0.png" for colour in ("red", "blue", "green", "black")]
            right = {query["reference"], *query["targets"]}
            wrong = [name for name in others if name not in right][:2]
            query["subset"] = [query["reference"], query["target"], *wrong]
    path.write_text("\n".join(map(json.dumps, queries)))
    settings = read_table(SourceSettings, {"resampling": RESAMPLING})
    large = preprocess_of(recipe(), margin=1.15)
    return read_corpus({"d": Source(data)}, large, folder / "pictures", {"d": settings})


def recipe(
    *,
    fusion: str = "pooled",
    loss: Mapping[str, Any] | None = None,
    queries: Mapping[str, Any] | None = None,
    top: Mapping[str, Any] | None = None,
    **keys: Any,
) -> Recipe:
    """A recipe of one stage with these keys and tables, the rest as tiny as it gets."""
    stage = {"lr": 0.01, "queries": {"epochs": 1, "batch": 8, **(queries or {})}, **keys}
    head = {"name": "tiny", "size": 32, "precision": "fp32", "encoder": ENCODER, **(top or {})}
    return recipe_of(head | {"fusion": FUSIONS[fusion], "stages": [stage | {"loss": loss or {}}]})


@dataclass
class Made:
    """A learner in training mode, and the stage and sampler that it is of."""

    learner: Learner
    stage: Stage
    sampler: Sampler
    folder: Path

    def batch(self, seed: int = 0, epoch: int = 0) -> tuple[Batch, QueryTable]:
        """The first batch of an epoch, with mined negatives if the stage has some."""
        drawn = self.sampler.epoch(random.Random(seed))
        mined = Miner(self.stage.queries.mined, self.folder / "stage").negatives(
            self.learner, drawn.table, epoch
        )
        return next(drawn.batches(self.stage.queries.batch, mined)), drawn.table

    def loss(self, seed: int = 0) -> Tensor:
        """Of the first batch of an epoch."""
        batch, table = self.batch(seed)
        return self.loss_of(batch, table)

    def loss_of(self, batch: Batch, table: QueryTable, seed: int = 1) -> Tensor:
        torch.manual_seed(seed)
        return self.learner(batch, table)


def made(recipe: Recipe, corpus: Corpus, folder: Path, model: CIRModel | None = None) -> Made:
    """The recipe's first stage, ready for its first step; ``model`` in place of a new one."""
    stage = recipe.stages[0]
    model = copy.deepcopy(model) if model else initial_model(recipe, corpus).model
    encoder = BatchEncoder(corpus, rules_of(stage, recipe))
    objective = Objective(stage.loss, corpus, model)
    learner = Learner(model, objective, encoder, COMPOSES[stage.composes])
    for name, weights in model.named_parameters():
        weights.requires_grad_(trains_weight(stage.trains, name))
    sampler = Sampler(corpus, stage.queries, composes=stage.has_queries)
    encoder.prepare(model, sampler.given, folder / "cache")
    return Made(learner.train(), stage, sampler, folder)


@torch.no_grad()
def drift(model: CIRModel, amount: float = 0.1, seed: int = 9) -> None:
    """Change all weights of a model a little, as a few steps would."""
    rng = torch.Generator().manual_seed(seed)
    for weights in model.parameters():
        weights.mul_(1 + amount * torch.randn(weights.shape, generator=rng))
