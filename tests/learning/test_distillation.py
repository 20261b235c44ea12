"""learning/objective/distillation.py: what is kept of what a model knew before a stage."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from learners import made, recipe, shapes

from samebut.errors import RecipeError
from samebut.learning.data.corpus import Corpus, Part
from samebut.learning.model.cir_model import CIRModel
from samebut.learning.objective.distillation import Distillation
from samebut.preprocess import Preprocess

SMALL = Preprocess(size=16, padding="target", fill="edge", mean=(0.5,) * 3, std=(0.25,) * 3)
Options = Distillation.Options


@pytest.fixture
def corpus() -> Corpus:
    parts = (Part("photos", 0, 2), Part("drawings", 2, 4), Part("others", 4, 5))
    return Corpus(tuple(Path(f"{n}.png") for n in range(5)), ({},) * 5, parts, SMALL, Path())


def test_drift_costs_by_the_weight_of_the_folder(corpus: Corpus) -> None:
    options = Options(weights={"photos": 20.0, "drawings": 0.5})
    term = Distillation(options, corpus, CIRModel.load("bundled"))
    before = torch.tensor([[1.0, 0.0]] * 4)
    half = 0.5**0.5
    now = torch.tensor([[3.0, 0.0], [1.0, 1.0], [0.0, 2.0], [-1.0, 0.0]])  # 0, 45, 90, 180 degrees
    found = term.drift(now, before, torch.tensor([1, 0, 3, 4]))
    assert float(found) == pytest.approx((0 + 20 * (1 - half) + 0.5 * 1 + 0 * 2) / 4)


def test_the_initial_model_is_a_frozen_copy_in_evaluation_mode(corpus: Corpus) -> None:
    model = CIRModel.load("bundled").train()
    term = Distillation(Options(weights={"photos": 1.0}), corpus, model)
    term.train()  # as a learner is at every epoch
    name, weight = next(iter(model.named_parameters()))
    was = weight.detach().clone()
    with torch.no_grad():
        weight += 1
    assert torch.equal(dict(term.initial.named_parameters())[name], was)
    assert not any(module.training for module in term.initial.modules())
    assert not any(each.requires_grad for each in term.initial.parameters())
    assert model.training and weight.requires_grad


def test_it_weighs_something_where_a_folder_does() -> None:
    assert Options().weight == 0.0
    assert Options(weights={"photos": 0.0}).weight == 0.0
    assert Options(weights={"photos": 0.0, "drawings": 0.1}).weight == 1.0


def test_folders_that_are_not_learned_from_and_weights_below_0_are_refused(corpus: Corpus) -> None:
    Distillation.check(Options(weights={"photos": 1.0}), corpus)
    with pytest.raises(RecipeError, match="weights names 'paintings'") as error:
        Distillation.check(Options(weights={"photos": 1.0, "paintings": 2.0}), corpus)
    assert "photos, drawings, others" in str(error.value.hint)
    with pytest.raises(RecipeError, match=r"weights\.photos is -1"):
        Distillation.check(Options(weights={"photos": -1.0}), corpus)


def test_queries_are_held_and_not_pictures_alone(tmp_path: Path) -> None:
    """A fusion that changes moves queries, and no picture."""
    loss = {"distillation": {"weights": {"d": 5.0}}, "contrast": 1e-9}
    stage = recipe(preset="compose", frozen_norms=True, loss=loss)
    held = made(stage, shapes(tmp_path), tmp_path)
    assert held.loss().item() == pytest.approx(0.0, abs=1e-4)
    torch.manual_seed(3)
    with torch.no_grad():
        for weights in held.learner.model.fusion.parameters():
            weights.add_(0.3 * torch.randn(weights.shape))
    assert held.loss().item() > 0.01
