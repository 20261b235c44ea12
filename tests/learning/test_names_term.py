"""learning/objective/names.py: names of things, and the places that a classifier gives them."""

from __future__ import annotations

import copy
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from learners import Made, made, recipe, shapes

from samebut.errors import RecipeError
from samebut.language.things import things
from samebut.learning.data.encoding import EncodingRules
from samebut.learning.data.query_table import QueryTable
from samebut.learning.data.sampler import batch_of_pictures
from samebut.learning.encoders.efficientnet import LAST, principal_directions, published
from samebut.learning.objective.names import FRAMES, FRAMES_ZH, Names, frame, name_of
from samebut.learning.run.initial_model import initial_model

pytestmark = pytest.mark.usefixtures("quiet_torch")

TINY: dict[str, Any] = {
    "kind": "efficientnet", "dim": 16, "hidden": 8, "vocabulary": 300, "max_tokens": 12,
    "text_width": 16, "text_layers": 1, "text_heads": 2, "text_dropout": 0.0, "dropout": 0.0,
}  # fmt: skip
PICTURES = batch_of_pictures(torch.tensor([0, 2, 5, 7, 11, 13]))
NO_QUERIES = QueryTable.of((), {})
LOSS = {"contrast": {"weight": 0.0}, "names": {"weight": 1.0, "batch": 64}}


@pytest.fixture(scope="module")
def of(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("names")
    corpus = shapes(folder)
    written = recipe(loss=LOSS, trains="heads", features="cached")
    written = written.model_copy(update={"encoder": TINY, "size": 64})
    model = initial_model(written, corpus).model
    return made(written, corpus, folder, model)


def test_it_trains_head_and_text_and_leaves_the_trunk(of: Made) -> None:
    of.learner.zero_grad()
    of.loss().backward()
    reached = {name for name, each in of.learner.model.named_parameters() if each.grad is not None}
    assert any(name.startswith("encoder.head.") for name in reached)
    assert any(name.startswith("encoder.text_tower.") for name in reached)
    assert not any(name.startswith("encoder.trunk.") for name in reached)


def test_a_thing_has_its_place_by_the_classifier(of: Made) -> None:
    term: Any = of.learner.objective.terms["names"]
    weights = published("lite0")["_fc.weight"]
    directions = principal_directions("lite0", 16)
    torch.testing.assert_close(directions @ directions.T, torch.eye(16), atol=1e-5, rtol=0)
    expected = (weights - weights.mean(0))[7] @ directions.T
    torch.testing.assert_close(term.places[7], expected / expected.norm())


def test_directions_without_places_are_free(of: Made, tmp_path: Path) -> None:
    """The term says nothing of them: places are 0 there."""
    model: Any = copy.deepcopy(of.learner.model)
    model.encoder.config = model.encoder.config.model_copy(update={"places": 10})
    term = Names(Names.Options(weight=1.0), of.learner.encoder.corpus, model)
    assert term.places.shape == (1000, 16)
    assert term.places[:, 10:].eq(0).all()
    torch.testing.assert_close(term.places.norm(dim=1), torch.ones(1000))


def test_names_that_point_to_their_places_cost_less(of: Made) -> None:
    term: Any = of.learner.objective.terms["names"]
    batch = of.learner.step(PICTURES, NO_QUERIES)
    far = term(batch)
    told = {name: n for n, each in enumerate(things()) for name in (*each.english, *each.chinese)}
    bare = {text: text for text in told}
    bare |= {pattern.format(text): text for text in told for pattern in (*FRAMES, *FRAMES_ZH)}

    def pointing(model: Any, texts: list[str]) -> torch.Tensor:
        return torch.stack([term.places[told[bare[text]]] for text in texts])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch.encoder, "pooled_texts", pointing)
        near = term(batch)
    assert near < far - 1


def test_a_picture_that_keeps_to_the_classifier_costs_nothing(of: Made) -> None:
    """Its softmax over places is then the classifier's own over classes."""
    term: Any = of.learner.objective.terms["names"]
    step = of.learner.step(PICTURES, NO_QUERIES)
    said = (20 * torch.nn.functional.normalize(step.seen.pooled, dim=1) @ term.places.T).softmax(1)
    last = step.seen.cached[0].pooled[:, -LAST:]
    expected = (last @ term.weights.T + term.bias).softmax(1)
    divergence = (expected * (expected.log() - said.log())).sum(1).mean()
    torch.testing.assert_close(term.kept(step), divergence, rtol=1e-4, atol=1e-6)
    # A classifier that says just what the places say leaves nothing to learn.
    term.weights, weights = torch.zeros_like(term.weights), term.weights
    term.bias, bias = said[0].log(), term.bias
    alone = of.learner.step(batch_of_pictures(PICTURES.pictures[:1]), NO_QUERIES)
    assert term.kept(alone) < divergence
    term.weights, term.bias = weights, bias


def test_things_are_mostly_called_by_their_first_names() -> None:
    rng = random.Random(0)
    number = next(n for n, each in enumerate(things()) if "sofa" in each.english)
    names = [name_of(number, rng) for _ in range(400)]
    assert set(names) <= {*things()[number].english, *things()[number].chinese}
    chinese = sum(not name.isascii() for name in names)
    assert 110 < chinese < 220
    assert names.count(things()[number].english[0]) > 120


def test_names_are_framed_in_their_language() -> None:
    rng = random.Random(0)
    assert "a photo of a hen" in {frame("hen", rng) for _ in range(50)}
    assert "母鸡的照片" in {frame("母鸡", rng) for _ in range(50)}


def test_what_it_can_not_train_is_refused(of: Made, tmp_path: Path) -> None:
    options = of.stage.loss.names
    model, rules = of.learner.model, of.learner.encoder.rules
    Names.check_model(options, model, rules)
    with pytest.raises(RecipeError, match="this stage trains it"):
        Names.check_model(options, model, replace(rules, cached=False))
    small = initial_model(recipe(), shapes(tmp_path)).model
    with pytest.raises(RecipeError, match="encoder 'small'"):
        Names.check_model(options, small, EncodingRules())
