"""Training where there is a GPU; skipped elsewhere. What views and losses are: the other tests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from drawn_shapes import ALIGN_AND_COMPOSE, ATTENTION, COMBINER, TUNE_AND_FUSE, draw, tiny_recipe
from samebut.learning import distributed
from samebut.learning.data.augment import Augment, vary
from samebut.learning.data.corpus import Source, read_corpus
from samebut.learning.model.cir_model import CIRModel
from samebut.learning.run import stage as stages
from samebut.learning.run.initial_model import preprocess_of
from samebut.learning.run.train import train

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


def test_views_are_those_of_the_processor(tmp_path: Path) -> None:
    preprocess = preprocess_of(tiny_recipe(tmp_path, COMBINER, ALIGN_AND_COMPOSE))
    corpus = read_corpus({"shapes": Source(draw(tmp_path / "shapes"))}, preprocess, tmp_path)
    rows, every = (
        torch.arange(8),
        Augment(crop=0.5, zoom_out=0.3, brightness=1.0, contrast=0.3, erasing=0.5),
    )
    seen = []
    for device in (torch.device("cpu"), torch.device("cuda", 0)):
        torch.manual_seed(5)
        seen.append(vary(corpus.pictures.pixels(rows, preprocess, device), preprocess, every))
        assert seen[-1].device == device
    assert corpus.pictures._held[torch.device("cuda", 0)].is_cuda
    torch.testing.assert_close(seen[0], seen[1].cpu(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "tables", [(COMBINER, ALIGN_AND_COMPOSE), (ATTENTION, TUNE_AND_FUSE)], ids=["compose", "tune"]
)
def test_a_killed_run_goes_on_and_its_model_is_for_any_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tables: tuple[str, ...]
) -> None:
    recipe, data = tiny_recipe(tmp_path, *tables), {"shapes": draw(tmp_path / "shapes")}
    validate, scored = stages.validate, 0

    def killed(*arguments: object, **options: object) -> dict[str, float]:
        nonlocal scored
        scored += 1
        if scored == 3:
            raise KeyboardInterrupt
        return validate(*arguments, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(stages, "validate", killed)
        with pytest.raises(KeyboardInterrupt):
            train(recipe, data, tmp_path / "run")
    model = CIRModel.load(train(recipe, data, tmp_path / "run"))
    assert distributed.device_of(model).type == "cpu"
    assert all(value.isfinite().all() for value in model.state_dict().values())
    history = json.loads((tmp_path / "run" / "metrics.json").read_text())["stage2"]["epochs"]
    assert [row["epoch"] for row in history] == list(range(1, recipe.stages[1].queries.epochs + 1))
    starts = json.loads((tmp_path / "run" / "starts.json").read_text())
    assert [start["device"] for start in starts] == ["cuda:0", "cuda:0"]
