"""learning/staying.py: what is kept of what a model knew before a stage."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from samebut.learning.data.corpus import Corpus, Part
from samebut.learning.model.cir_model import CIRModel
from samebut.learning.objective.distillation import Anchor
from samebut.preprocess import Preprocess

SMALL = Preprocess(size=16, padding="target", fill="edge", mean=(0.5,) * 3, std=(0.25,) * 3)


@pytest.fixture
def corpus() -> Corpus:
    parts = (Part("photos", 0, 2, ()), Part("drawings", 2, 4, ()), Part("others", 4, 5, ()))
    return Corpus(tuple(Path(f"{n}.png") for n in range(5)), ({},) * 5, parts, SMALL, Path())


def test_it_costs_by_the_folder_what_has_turned_away(corpus: Corpus) -> None:
    anchor = Anchor(CIRModel.load("bundled"), corpus, {"photos": 20.0, "drawings": 0.5})
    before = torch.tensor([[1.0, 0.0]] * 4)
    half = 0.5**0.5
    now = torch.tensor([[3.0, 0.0], [1.0, 1.0], [0.0, 2.0], [-1.0, 0.0]])  # 0, 45, 90, 180 degrees
    found = anchor.away(now, before, [1, 0, 3, 4])
    assert float(found) == pytest.approx((0 + 20 * (1 - half) + 0.5 * 1 + 0 * 2) / 4)


def test_it_is_the_model_as_it_was(corpus: Corpus) -> None:
    model = CIRModel.load("bundled").train()
    anchor = Anchor(model, corpus, {"photos": 1.0})
    name, weight = next(iter(model.named_parameters()))
    was = weight.detach().clone()
    with torch.no_grad():
        weight += 1
    assert torch.equal(dict(anchor.model.named_parameters())[name], was)
    assert not anchor.model.training
    assert not any(each.requires_grad for each in anchor.model.parameters())
    assert model.training and weight.requires_grad
