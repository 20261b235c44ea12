"""learning/objective/names.py: names of things, and made-up features of pictures of them."""

from __future__ import annotations

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
from samebut.learning.encoders.efficientnet import LAST, published
from samebut.learning.objective.names import Names, frame, name_of
from samebut.learning.run.initial_model import initial_model

pytestmark = pytest.mark.usefixtures("quiet_torch")

TINY: dict[str, Any] = {
    "kind": "efficientnet", "dim": 16, "hidden": 8, "vocabulary": 300, "max_tokens": 12,
    "text_width": 16, "text_layers": 1, "text_heads": 2, "text_dropout": 0.0, "dropout": 0.0,
}  # fmt: skip
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


def test_a_class_lies_where_linear_discriminant_analysis_has_it(of: Made) -> None:
    term: Any = of.learner.objective.terms["names"]
    middle, means, root = term._of(of.learner.encoder)
    last = of.learner.encoder.cached_trunk(torch.arange(30))[:, -LAST:]
    covariance = (last - last.mean(0)).T @ (last - last.mean(0)) / 30
    weights = published("lite0")["_fc.weight"]
    torch.testing.assert_close(middle, last.mean(0))
    torch.testing.assert_close(means[7], covariance @ (weights - weights.mean(0))[7])
    torch.testing.assert_close(root @ root.T, covariance, atol=1e-3, rtol=0)


def test_made_up_features_are_those_of_a_class_and_of_a_picture(of: Made) -> None:
    term: Any = of.learner.objective.terms["names"]
    middle, means, _ = term._of(of.learner.encoder)
    classes = torch.arange(0, 1000, 50)
    term._spread = middle + 9, means, torch.zeros(LAST, LAST)  # far from 0, without noise
    features = term.made_up(classes, of.learner.encoder)
    term._spread = None
    trunk = of.learner.encoder.cached_trunk(torch.arange(30))
    assert features.shape == (20, of.learner.model.encoder.trunk_dim)
    shares = (features[:, -LAST:] - middle - 9) / means[classes]
    share = shares.nanmedian(1).values
    torch.testing.assert_close(
        features[:, -LAST:], (middle + 9 + share[:, None] * means[classes]).clamp_min(0)
    )
    assert 0.7 * 1.3 <= share.min() < share.max() <= 1.3 * 1.3
    for row in features[:, :-LAST]:
        assert (trunk[:, :-LAST] == row).all(1).any()


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
