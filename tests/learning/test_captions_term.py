"""learning/objective/captions.py: which pictures and captions answer each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from learners import made, recipe, shapes

from samebut.learning.data.query_table import QueryTable
from samebut.learning.data.sampler import batch_of_pictures
from samebut.learning.model.cir_model import CIRModel
from samebut.learning.objective.captions import Captions
from samebut.learning.run.initial_model import initial_model


def test_pictures_of_equal_attributes_are_of_one_kind(tmp_path: Path) -> None:
    """A title or a split of its own does not make a picture another thing."""
    corpus = shapes(tmp_path)
    rows = tuple(
        {**row, "title": f"number {number}", "split": f"part {number}"}
        for number, row in enumerate(corpus.rows)
    )
    model: Any = None
    kinds = Captions(Captions.Options(weight=1.0), replace(corpus, rows=rows), model).kinds
    alike = [(row["article"], row["colour"]) for row in rows]
    wanted = [[one == other for other in alike] for one in alike]
    assert torch.equal(kinds[:, None] == kinds[None, :], torch.tensor(wanted))
    assert len(kinds.unique()) == 10


def test_captions_of_some_pictures_are_read_others_another_time(tmp_path: Path) -> None:
    """So many of a step's pictures, drawn anew; at least as many as it has: all, as with 0."""
    loss = {"contrast": {"weight": 0.0}}
    corpus = shapes(tmp_path)
    model = initial_model(recipe(), corpus).model

    def of(pictures: int, seed: int = 1) -> tuple[float, list[str]]:
        said = {"captions": {"weight": 1.0, "pictures": pictures}}
        learner = made(recipe(loss=loss | said), corpus, tmp_path, model)
        learner.learner.eval()
        read: list[str] = []
        pooled = learner.learner.encoder.pooled_texts

        def reading(model: CIRModel, texts: list[str]) -> torch.Tensor:
            read.extend(texts)
            return pooled(model, texts)

        learner.learner.encoder.pooled_texts = reading  # type: ignore[method-assign, assignment]
        rows = batch_of_pictures(torch.arange(12))
        return learner.loss_of(rows, QueryTable.of((), {}), seed).item(), read

    whole, texts = of(0)
    assert len(texts) == 12
    assert of(12) == of(50) == (whole, texts)
    some, few = of(5)
    assert len(few) == 5 and 0 < some != whole
    assert few != of(5, seed=2)[1]
