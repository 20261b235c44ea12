"""learning/run/stage.py: how long a stage runs, how often, and what it hands on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from drawn_shapes import ALIGN_AND_COMPOSE, COMBINER, draw, tiny_recipe
from samebut.errors import RecipeError
from samebut.learning.data import corpus, pictures
from samebut.learning.data.pictures import Pictures
from samebut.learning.model.cir_model import CIRModel
from samebut.learning.objective.learner import Learner, Objective
from samebut.learning.recipe.read import recipe_of
from samebut.learning.recipe.schema import Recipe, Stage
from samebut.learning.run import stage as stages
from samebut.learning.run.initial_model import initial_model
from samebut.learning.run.plan import make_plan
from samebut.learning.run.train import train

pytestmark = pytest.mark.usefixtures("quiet_torch")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("data") / "shapes")


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    return tiny_recipe(tmp_path_factory.mktemp("recipe"), COMBINER, ALIGN_AND_COMPOSE)


@pytest.fixture(scope="module")
def trained(root: Path, recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(recipe, {"shapes": root}, tmp_path_factory.mktemp("runs") / "run")


def with_stages(recipe: Recipe, *stages: Stage, **keys: Any) -> Recipe:
    return recipe.model_copy(update={"stages": stages, **keys})


def stage_of(preset: str = "align", /, *, epochs: int = 2, **keys: Any) -> Stage:
    """A stage of batches of 8; ``queries`` adds to its queries."""
    queries = {"epochs": epochs, "batch": 8} | keys.pop("queries", {})
    stage = {"preset": preset, "lr": 1e-2, "queries": queries} | keys
    return recipe_of({"name": "x", "stages": [stage]}).stages[0]


def test_it_stops_when_it_gets_no_better_and_keeps_the_best(
    root: Path, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scores rise until epoch 3: two more are waited for, and the weights of epoch 3 go on."""
    weights = []

    def scored(model: CIRModel, *arguments: Any, **options: Any) -> dict[str, float]:
        weights.append({name: value.clone() for name, value in model.state_dict().items()})
        return {"R@1": [1.0, 2.0, 9.0, 3.0, 9.0, 50.0][len(weights) - 1]}

    monkeypatch.setattr(stages, "validate", scored)
    stage = stage_of(epochs=20, handoff={"patience": 2, "keep": "best"})
    folder = train(with_stages(recipe, stage), {"shapes": root}, tmp_path / "run")
    assert len(weights) == 5
    kept = load_file(folder / "weights.safetensors")
    assert all(torch.equal(kept[name], value) for name, value in weights[2].items())
    assert not all(torch.equal(kept[name], value) for name, value in weights[4].items())
    best = json.loads((tmp_path / "run" / "metrics.json").read_text())["stage1"]["best"]
    assert best == [3, 9.0]


def test_accumulated_batches_are_one_step(root: Path, recipe: Recipe, tmp_path: Path) -> None:
    stage = stage_of(queries={"accumulate": 3})
    train(with_stages(recipe, stage), {"shapes": root}, tmp_path / "run")
    rows = (tmp_path / "run" / "stage1" / "log.csv").read_text().splitlines()
    assert len(rows) == 1 + 2


LOSSES: list[dict[str, Any]] = [{"captions": 1.0}, {"captions": 0.3}]
MIXING: dict[str, Any] = {"loss": LOSSES[1], "handoff": {"interpolate": 0.25}}


def test_a_stage_mixes_what_it_learned_with_what_it_began_with(
    trained: Path, root: Path, recipe: Recipe, tmp_path: Path
) -> None:
    first, _ = recipe.stages
    mixing = with_stages(recipe, first, stage_of("compose", **MIXING))
    mixed = CIRModel.load(train(mixing, {"shapes": root}, tmp_path / "run"))
    begun = load_file(trained.parent / "stage1" / "last.safetensors")
    plan = make_plan(recipe, {"shapes": root}, tmp_path / "cache")
    random = initial_model(recipe, plan.vocabulary).model.state_dict()  # align left the fusion so
    learned = CIRModel.load(trained).state_dict()
    moved = 0
    for name, value in mixed.state_dict().items():
        start = begun.get(f"average.{name}", random[name])
        if value.is_floating_point():
            torch.testing.assert_close(value, 0.75 * start + 0.25 * learned[name])
            moved += not torch.equal(start, value)
    assert moved > 10
    handed_on = json.loads((tmp_path / "run" / "stage2" / "handed_on.json").read_text())
    assert mixed.card.metrics == {key: handed_on[key] for key in handed_on if "@" in key}
    told = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert told["stage2"]["handed on"] == handed_on
    (tmp_path / "run" / "model" / "training.json").unlink()  # killed before it was written
    again = train(mixing, {"shapes": root}, tmp_path / "run")
    assert all(
        torch.equal(value, mixed.state_dict()[name])
        for name, value in CIRModel.load(again).state_dict().items()
    )


@pytest.mark.parametrize("number", [0, 1])
def test_a_stage_that_stays_moves_less(
    trained: Path, root: Path, recipe: Recipe, tmp_path: Path, number: int
) -> None:
    """In align pictures, in compose queries too, which words and fusion could move alone."""
    begun = CIRModel.load(trained)
    pixels = torch.randn(16, 3, recipe.size, recipe.size, generator=torch.manual_seed(0))

    def known(model: CIRModel) -> list[torch.Tensor]:
        with torch.no_grad():
            images = model.encoder.images(pixels)
            queries = model.compose(images, model.encoder.texts(["in blue"] * 16))
        return [images.pooled, queries] if number else [images.pooled]

    def away(stay: float) -> list[float]:
        loss = {**LOSSES[number], "distillation": {"weights": {"shapes": stay}}}
        stage = stage_of(("align", "compose")[number], epochs=12, loss=loss)
        plan = with_stages(recipe, stage, init=str(trained))
        moved = CIRModel.load(train(plan, {"shapes": root}, tmp_path / f"{stay}"))
        pairs = zip(known(moved), known(begun), strict=True)
        return [1 - float(torch.cosine_similarity(*pair).mean()) for pair in pairs]

    for held, free in zip(away(100.0), away(0.0), strict=True):
        assert held < free / 2


def test_where_a_killed_run_goes_on_it_stays_near_what_it_began_with(
    trained: Path, root: Path, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss = {"captions": 1.0, "distillation": {"weights": {"shapes": 5.0}}}
    stage = stage_of(loss=loss)
    plan = with_stages(recipe, stage, init=str(trained))
    whole = load_file(train(plan, {"shapes": root}, tmp_path / "whole") / "weights.safetensors")
    score = stages.StageRun._score

    def killed(self: stages.StageRun, loss: float) -> None:
        score(self, loss)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(stages.StageRun, "_score", killed)
        train(plan, {"shapes": root}, tmp_path / "run")
    again = load_file(train(plan, {"shapes": root}, tmp_path / "run") / "weights.safetensors")
    assert all(torch.equal(value, again[name]) for name, value in whole.items())


def test_a_loss_that_is_no_number_keeps_the_last_good_checkpoint(
    root: Path, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fifth step's loss is NaN: step and epoch are said, and the state after four is kept."""
    steps = 0

    def broken(self: Learner, *arguments: Any) -> torch.Tensor:
        nonlocal steps
        steps += 1
        loss = whole(self, *arguments)
        return loss * float("nan") if steps == 5 else loss

    whole = Learner.forward
    monkeypatch.setattr(Learner, "forward", broken)
    with pytest.raises(RecipeError, match=r"stage1: the loss became nan at step 5 \(epoch 2\)"):
        train(recipe, {"shapes": root}, tmp_path / "run")
    said = json.loads((tmp_path / "run" / "stage1" / "progress.json").read_text())
    assert (said["epoch"], said["step"]) == (1, 1)
    state = load_file(tmp_path / "run" / "stage1" / said["state"])
    assert all(torch.isfinite(value).all() for value in state.values())
    monkeypatch.undo()
    assert train(recipe, {"shapes": root}, tmp_path / "run").is_dir()


def test_the_loss_goes_down(root: Path, recipe: Recipe, tmp_path: Path) -> None:
    stage = stage_of(epochs=12)
    train(with_stages(recipe, stage), {"shapes": root}, tmp_path / "run")
    history = json.loads((tmp_path / "run" / "stage1" / "progress.json").read_text())["history"]
    assert history[-1]["loss"] < 0.8 * history[0]["loss"]


def test_a_device_holds_the_pictures_of_one_stage_at_a_time(
    root: Path, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an earlier stage held, of another size, would be missing to the next."""
    made: list[Pictures] = []
    held_at_once: list[int] = []

    class Watched(Pictures):
        def __init__(self, array: Any) -> None:
            super().__init__(array)
            made.append(self)

        def _copied(self, device: torch.device) -> torch.Tensor:
            held_at_once.append(1 + sum(len(each._held) for each in made))
            return super()._copied(device)

    monkeypatch.setattr(corpus, "Pictures", Watched)
    monkeypatch.setattr(pictures, "room_for_pictures", lambda device: 10**9)
    first, second = recipe.stages
    small = with_stages(recipe, first.model_copy(update={"size": 16}), second)
    train(small, {"shapes": root}, tmp_path / "run")
    assert held_at_once == [1, 1]
    assert len(made) == 2
    assert not any(each._held for each in made)


def test_the_rate_warms_up_and_decays() -> None:
    stage = stage_of(lr=1.0, warmup=0.1)
    rates = [stages.learning_rate(step, 100, stage) for step in range(100)]
    assert rates[:3] == [0.1, 0.2, pytest.approx(0.3)]
    assert max(rates) == rates[9] == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[99] < 0.001


def test_the_learned_scale_is_at_most_100(
    root: Path, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cosines that are scaled without end make the loss of one step infinite, then all weights."""
    seen: list[torch.nn.Parameter] = []
    whole = Objective.forward

    def watched(self: Objective, step: Any) -> torch.Tensor:
        assert step.scale.item() == pytest.approx(100.0)
        seen.append(self.log_scale)
        return whole(self, step)

    monkeypatch.setattr(Objective, "forward", watched)
    stage = stage_of("compose", epochs=1, loss={"contrast": {"scale": 1000.0}})
    train(with_stages(recipe, stage), {"shapes": root}, tmp_path / "run")
    assert len(seen) == 3
    assert seen[0].exp().item() == pytest.approx(1000.0)  # beyond, it gets no gradient
