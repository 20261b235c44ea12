"""learning/contrast.py: the stages tune and fuse."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from samebut.learning.objective.tasks import Learner
from torch import nn

from drawn_shapes import ATTENTION, COMBINER, HEAD, TUNE_AND_FUSE, draw
from samebut.errors import RecipeError
from samebut.learning import contrast
from samebut.learning.data.corpus import Corpus, Source, read_corpus
from samebut.learning.model.cir_model import CIRModel, unit
from samebut.learning.objective.contrast import Contrast, Fuse, Tune
from samebut.learning.recipe.schema import Recipe, Stage, read_recipe
from samebut.learning.run.plan import new_model, preprocess_of

pytestmark = pytest.mark.usefixtures("quiet_torch")

TUNE = Stage("tune", epochs=1, batch=8, lr=1e-2)
FUSE = Stage("fuse", epochs=1, batch=8, lr=1e-2)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Corpus, Recipe, Recipe]:
    """A corpus, and recipes of a model that reads pooled features and of one that reads tokens."""
    folder = tmp_path_factory.mktemp("shapes")
    recipes = []
    for name, fusion in (("combiner", COMBINER), ("attention", ATTENTION)):
        path = folder / f"{name}.toml"
        path.write_text(
            HEAD.replace("text_heads", "text_dropout = 0.0\ntext_heads") + fusion + TUNE_AND_FUSE
        )
        recipes.append(read_recipe(path))
    large = preprocess_of(recipes[0], recipes[0].margin)
    corpus = read_corpus({"data": Source(draw(folder / "data"))}, large, folder / "cache")
    return corpus, recipes[0], recipes[1]


@pytest.fixture(params=[0, 1], ids=["pooled", "tokens"])
def recipe(request: pytest.FixtureRequest, made: tuple[Corpus, Recipe, Recipe]) -> Recipe:
    return made[1 + request.param]


@pytest.fixture
def corpus(made: tuple[Corpus, Recipe, Recipe]) -> Corpus:
    return made[0]


def prepared(task: Contrast, model: CIRModel, folder: Path) -> Learner:
    learner = Learner(model, 0.1)
    task.check(model)
    task.prepare(learner, folder / "stage", folder / "cache")
    task.begin(learner, 0)
    return learner


def by_loops(task: Contrast, model: CIRModel, batch: Any, scale: float) -> float:
    """The loss of Fuse said with loops, from the encoder itself."""
    model.eval()
    names = task.corpus.files
    from samebut.images import open_picture

    def image(row: int) -> Any:
        pixels = model.preprocess(open_picture(names[row]))
        return model.encoder.images(torch.tensor(pixels)[None])

    total = 0.0
    candidates = [*batch.targets.tolist()]
    for place, number in enumerate(batch.queries.tolist()):
        query = task.corpus.queries[number]
        text = task.triplets.texts[batch.texts[place]]
        q = model.compose(image(query.reference), model.encoder.texts([text]))[0]
        logits = [scale * float(q @ unit(image(row).pooled)[0]) for row in candidates]
        counted = [
            (value, row in query.targets)
            for value, row in zip(logits, candidates, strict=True)
            if row != query.reference
        ]
        log_sum = math.log(sum(math.exp(value) for value, _ in counted))
        right = [value - log_sum for value, positive in counted if positive]
        total -= sum(right) / len(right)
    return total / len(batch)


@torch.no_grad()
def test_fuse_is_the_loss_said_with_loops(corpus: Corpus, recipe: Recipe, tmp_path: Path) -> None:
    task = Fuse(corpus, replace(FUSE, scale=7.0), recipe)
    model = new_model(recipe, corpus)
    learner = prepared(task, model, tmp_path)
    model.eval()
    batch = next(task.batches(random.Random(0)))
    loss = float(task.loss(learner, batch))
    assert loss == pytest.approx(by_loops(task, model, batch, 7.0), abs=2e-2)  # fp16 features
    assert loss > 0.5


@torch.no_grad()
def test_a_fusion_counts_in_the_precision_that_a_recipe_asks_for(
    corpus: Corpus, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = new_model(recipe, corpus)
    seen: list[torch.dtype] = []
    layer = next(part for part in model.fusion.modules() if isinstance(part, nn.Linear))
    layer.register_forward_hook(lambda module, given, answer: seen.append(answer.dtype))
    normalize = contrast.functional.normalize
    lengths: list[torch.dtype] = []
    monkeypatch.setattr(
        contrast.functional,
        "normalize",
        lambda values, **options: lengths.append(values.dtype) or normalize(values, **options),
    )
    for precision in ("bf16", "fp32"):
        task = Fuse(corpus, FUSE, replace(recipe, precision=precision))
        learner = prepared(task, model, tmp_path)
        loss = task.loss(learner, next(task.batches(random.Random(0))))
        assert loss.dtype == torch.float32
    assert seen == [torch.bfloat16, torch.float32]
    assert set(lengths) == {torch.float32}


def test_fuse_encodes_no_picture_twice(
    corpus: Corpus, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = Fuse(corpus, replace(FUSE, negatives=2), recipe)
    model = new_model(recipe, corpus)
    rows = []
    images = model.encoder.images
    monkeypatch.setattr(
        model.encoder, "images", lambda pixels: rows.append(len(pixels)) or images(pixels)
    )
    learner = prepared(task, model, tmp_path)
    for epoch in range(3):
        task.begin(learner, epoch)
        for batch in task.batches(random.Random(epoch)):
            task.loss(learner, batch).backward()
    blank = 1 if model.fusion.reads_tokens else 0
    assert sum(rows) == len(corpus.files) + blank


def test_fuse_reaches_the_fusion_alone(corpus: Corpus, recipe: Recipe, tmp_path: Path) -> None:
    task = Fuse(corpus, FUSE, recipe)
    learner = prepared(task, new_model(recipe, corpus), tmp_path)
    task.loss(learner, next(task.batches(random.Random(0)))).backward()
    with_gradient = {name for name, p in learner.model.named_parameters() if p.grad is not None}
    assert with_gradient
    assert all(name.startswith(task.trains) for name in with_gradient)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("scale", 30.0),
        ("symmetric", True),
        ("smoothing", 0.2),
        ("hardness", 0.5),
        ("positive_weight", 0.5),
        ("references", True),
        ("negatives", 3),
    ],
)
@pytest.mark.parametrize("kind", [Fuse, Tune])
def test_every_option_of_the_loss_counts(
    corpus: Corpus,
    made: tuple[Corpus, Recipe, Recipe],
    tmp_path: Path,
    kind: type[Contrast],
    option: str,
    value: Any,
) -> None:
    def loss(stage: Stage) -> float:
        task = kind(corpus, stage, made[1])
        learner = prepared(task, new_model(made[1], corpus), tmp_path)
        torch.manual_seed(0)
        return float(task.loss(learner, next(task.batches(random.Random(0)))).detach())

    plain = replace(FUSE, task="any", frozen_norms=True)
    assert loss(plain) == loss(plain)
    assert abs(loss(plain) - loss(replace(plain, **{option: value}))) > 1e-4


def test_a_fixed_scale_is_not_learned(
    corpus: Corpus, made: tuple[Corpus, Recipe, Recipe], tmp_path: Path
) -> None:
    for scale in (0.0, 100.0):
        task = Fuse(corpus, replace(FUSE, scale=scale), made[1])
        learner = prepared(task, new_model(made[1], corpus), tmp_path)
        task.loss(learner, next(task.batches(random.Random(0)))).backward()
        assert (learner.log_scale.grad is None) == bool(scale)


def test_mined_negatives_are_wrong_and_are_kept(
    corpus: Corpus, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = replace(FUSE, negatives=4, mine_every=2, mine_from=1)
    task = Fuse(corpus, stage, recipe)
    learner = prepared(task, new_model(recipe, corpus), tmp_path)
    assert task.negatives is None
    assert next(task.batches(random.Random(0))).negatives.shape == (8, 0)
    task.begin(learner, 1)
    negatives = task.negatives
    assert negatives is not None
    for number, query in enumerate(corpus.queries):
        assert not {*negatives[number].tolist()} & {query.reference, *query.targets}
    assert next(task.batches(random.Random(0))).negatives.shape == (8, 4)
    # Carrying on at epoch 2, which mines nothing: those of epoch 1 are read, not mined from now.
    again = Fuse(corpus, stage, recipe)
    monkeypatch.setattr(contrast, "mine", None)
    with torch.no_grad():
        for parameter in learner.model.fusion.parameters():
            parameter.add_(1)
    again.prepare(learner, tmp_path / "stage", tmp_path / "cache")
    again.begin(learner, 2)
    assert torch.equal(again.negatives, negatives)
    monkeypatch.undo()
    again.begin(learner, 3)
    assert [path.name for path in (tmp_path / "stage").glob("*.npy")] == ["negatives-3.npy"]


def test_mining_finds_the_most_similar(corpus: Corpus, recipe: Recipe, tmp_path: Path) -> None:
    task = Tune(corpus, replace(TUNE, negatives=1), recipe)
    model = new_model(recipe, corpus)
    prepared(task, model, tmp_path)
    model.eval()
    with torch.no_grad():
        queries, pictures = task.everything(model)
    scores = (queries @ pictures.T).numpy()
    for number, query in enumerate(corpus.queries):
        scores[number, [query.reference, *query.targets]] = -np.inf
        mined = int(task.negatives[number, 0])
        assert scores[number, mined] == pytest.approx(scores[number].max(), abs=1e-5)


@pytest.mark.parametrize(
    ("side", "still", "moving"),
    [("text", "image_tower", "text_tower"), ("image", "text_tower", "image_tower")],
)
def test_tune_moves_the_towers_it_is_told(
    corpus: Corpus, recipe: Recipe, tmp_path: Path, side: str, still: str, moving: str
) -> None:
    """Weights, and running statistics too: a tower that is not tuned does not change at all."""
    task = Tune(corpus, replace(TUNE, encoder=side), recipe)
    learner = prepared(task, new_model(recipe, corpus), tmp_path)
    before = {name: value.clone() for name, value in learner.model.encoder.state_dict().items()}
    learner.train()
    optimizer = torch.optim.AdamW(learner.parameters(), lr=0.1, weight_decay=0.5)
    task.loss(learner, next(task.batches(random.Random(0)))).backward()
    optimizer.step()
    changed = {
        name
        for name, value in learner.model.encoder.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert not any(name.startswith(still) for name in changed)
    assert sum(name.startswith(moving) for name in changed) > 5


@pytest.mark.parametrize("frozen", [True, False])
def test_frozen_norms_keep_their_statistics(
    corpus: Corpus, recipe: Recipe, tmp_path: Path, frozen: bool
) -> None:
    task = Tune(corpus, replace(TUNE, frozen_norms=frozen), recipe)
    learner = prepared(task, new_model(recipe, corpus), tmp_path)
    learner.train()
    task.loss(learner, next(task.batches(random.Random(0))))
    norm = next(m for m in learner.modules() if isinstance(m, nn.BatchNorm2d))
    assert norm.training != frozen
    assert bool(norm.running_mean.any()) != frozen


def gradients_and_memory(task: Tune, learner: Learner) -> tuple[list[torch.Tensor], int]:
    kept = 0

    def pack(value: torch.Tensor) -> torch.Tensor:
        nonlocal kept
        kept += value.numel()
        return value

    torch.manual_seed(0)
    learner.train()
    learner.zero_grad()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
        loss = task.loss(learner, next(task.batches(random.Random(0))))
    loss.backward()
    return [p.grad.clone() for p in learner.parameters() if p.grad is not None], kept


def test_checkpointing_gives_the_same_gradients_for_less(
    corpus: Corpus, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In parts of three, with a last one that is smaller; texts are padded to the longest."""
    monkeypatch.setattr(contrast, "RECOMPUTED_AT_ONCE", 3)
    stage = replace(TUNE, frozen_norms=True, fusion=recipe.fusion["name"])
    model = new_model(recipe, corpus)
    model.fusion.eval()
    results = []
    for checkpointing in (False, True):
        task = Tune(corpus, replace(stage, checkpointing=checkpointing), recipe)
        learner = prepared(task, model, tmp_path)
        for module in model.fusion.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        results.append(gradients_and_memory(task, learner))
    (plain, much), (again, less) = results
    assert len(plain) == len(again) > 20
    for one, other in zip(plain, again, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)
    assert less < 0.5 * much


def test_what_can_not_be_done(
    corpus: Corpus, made: tuple[Corpus, Recipe, Recipe], tmp_path: Path
) -> None:
    recipe = made[1]
    model = new_model(recipe, corpus)
    with pytest.raises(RecipeError, match="can't compose with 'tirg'") as error:
        Tune(corpus, replace(TUNE, fusion="tirg"), recipe)
    assert "sum, combiner" in error.value.hint
    with pytest.raises(RecipeError, match="batch norms would count everything twice"):
        Tune(corpus, replace(TUNE, checkpointing=True), recipe).check(model)
    with pytest.raises(RecipeError, match="27 negatives of each query can't be mined"):
        Fuse(corpus, replace(FUSE, negatives=27), recipe).check(model)
    Fuse(corpus, replace(FUSE, negatives=26), recipe).check(model)
    plain = CIRModel(model.encoder, model.preprocess, fusion="sum")
    with pytest.raises(RecipeError, match="'sum' has nothing to learn"):
        Fuse(corpus, FUSE, replace(recipe, fusion={"name": "sum"})).check(plain)
