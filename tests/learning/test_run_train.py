"""learning/run/train.py: a small model from pictures to a folder that needs no torch."""

from __future__ import annotations

import json
import shutil
import sys
from collections import namedtuple
from pathlib import Path
from typing import Any

import checkpoints
import numpy as np
import pytest
import torch
from kills_training import compare
from safetensors.torch import load_file, save_file

from drawn_shapes import (
    ALIGN_AND_COMPOSE,
    ATTENTION,
    COMBINER,
    HEAD,
    TUNE_AND_FUSE,
    draw,
    tiny_recipe,
    with_subsets,
)
from fake_model import in_fp32
from samebut.data import triplets
from samebut.errors import DataError, ModelError, PictureError, RecipeError
from samebut.images import open_picture
from samebut.learning.export.export import export
from samebut.learning.model.cir_model import CIRModel
from samebut.learning.recipe.read import recipe_of
from samebut.learning.recipe.schema import Recipe
from samebut.learning.run import checkpoint as runs
from samebut.learning.run import stage as stages
from samebut.learning.run import train as training
from samebut.learning.run.train import train
from samebut.runtime import Model

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


def with_stages(recipe: Recipe, *stages: dict[str, Any], **keys: Any) -> Recipe:
    return recipe_of(recipe.model_dump() | {"stages": list(stages)} | keys)


def align(epochs: int = 1, batch: int = 8, lr: float = 1e-3, **keys: Any) -> dict[str, Any]:
    queries = {"epochs": epochs, "batch": batch} | keys.pop("queries", {})
    return {"preset": "align", "lr": lr, "queries": queries} | keys


def test_a_run_ends_in_a_model(trained: Path, recipe: Recipe) -> None:
    model = CIRModel.load(trained)
    assert model.encoder.dim == 16
    assert not model.training
    history = json.loads((trained.parent / "stage2" / "progress.json").read_text())["history"]
    assert [each["epoch"] for each in history] == [1, 2]
    assert {"loss", "R@1", "R@10"} <= history[0].keys()
    said = json.loads((trained.parent / "recipe.json").read_text())
    assert said["recipe"]["name"] == recipe.name
    card = (trained / "README.md").read_text(encoding="utf-8")
    assert "Train splits of shapes" in card
    assert f"| R@10 | {history[-1]['R@10']:.2f} |" in card
    assert '"vocabulary": 300' in card


def test_a_killed_run_ends_as_an_undisturbed_one(
    trained: Path, root: Path, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before the third epoch, then run again: the same weights, bit for bit."""
    epochs = 0
    validate = stages.validate

    def killed(*arguments: Any, **options: Any) -> dict[str, float]:
        nonlocal epochs
        epochs += 1
        if epochs == 3:
            raise KeyboardInterrupt
        return validate(*arguments, **options)

    monkeypatch.setattr(stages, "validate", killed)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, {"shapes": root}, tmp_path / "run")
    monkeypatch.undo()
    again = train(recipe, {"shapes": root}, tmp_path / "run")
    ours, theirs = (load_file(f / "weights.safetensors") for f in (again, trained))
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


LIVE_AND_MINED = TUNE_AND_FUSE
RESAMPLED = """
[sources.shapes.resampling]
attributes = ["article", "colour"]
[[stages]]
preset = "compose"
lr = 1e-2
[stages.queries]
epochs = 3
batch = 8
resampled = 0.5
cluster_size = 3
hard_negatives = 1
[[stages]]
preset = "fuse"
lr = 1e-2
queries = { epochs = 2, batch = 8, resampled = 0.5, mined = { count = 2, first = 1 } }
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("tables", [LIVE_AND_MINED, RESAMPLED], ids=["mined", "resampled"])
def test_kills_at_any_step_change_nothing(tmp_path: Path, tables: str) -> None:
    """Live stages and cached tokens with mined negatives; queries that are drawn anew, in
    clusters. Killed twice."""
    root, path = with_subsets(draw(tmp_path / "shapes")), tmp_path / "recipe.toml"
    path.write_text(HEAD + ATTENTION.replace("= 0.0", "= 0.2") + tables)
    killed_at, steps = compare(path, {"shapes": root}, kills=2, seed=2)
    assert steps == 15
    assert len(killed_at) == 2


def test_the_run_folder_says_how_it_came_about(trained: Path) -> None:
    run = trained.parent
    (start,) = json.loads((run / "starts.json").read_text())
    assert start["versions"].keys() == {"samebut", "python", "torch", "numpy"}
    assert (start["seed"], start["processes"]) == (3, 1)
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["metric"] == "R@1"
    assert [epoch["step"] for epoch in metrics["stage2"]["epochs"]] == [3, 6]
    assert (run / "plot.png").read_bytes().startswith(b"\x89PNG")
    kept = {path.name for path in (run / "stage1").iterdir()}
    assert {"log.csv", "progress.json", "last.safetensors"} < kept
    assert not any(name.startswith("state-") for name in kept)


def test_a_finished_run_is_not_run_again(
    trained: Path, root: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "initial_model", None)
    assert train(recipe, {"shapes": root}, trained.parent) == trained


def test_two_recipes_do_not_mix(trained: Path, root: Path, recipe: Recipe) -> None:
    other = recipe.model_copy(update={"name": "other"})
    before = (trained.parent / "recipe.json").read_text()
    with pytest.raises(RecipeError, match="another recipe"):
        train(other, {"shapes": root}, trained.parent)
    assert (trained.parent / "recipe.json").read_text() == before


@pytest.mark.parametrize("said", ['{"name": "a recipe of something else"}', "cut sho"])
def test_a_folder_whose_recipe_is_none_is_left_alone(
    trained: Path, root: Path, recipe: Recipe, tmp_path: Path, said: str
) -> None:
    out = Path(shutil.copytree(trained.parent, tmp_path / "run"))
    assert train(recipe, {"shapes": root}, out) == out / "model"
    (out / "recipe.json").write_text(said)
    with pytest.raises(RecipeError, match="another recipe"):
        train(recipe, {"shapes": root}, out)


def test_a_recipe_that_could_not_start_leaves_the_folder_free(
    root: Path, recipe: Recipe, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match="fewer than one step needs"):
        large = with_stages(recipe, align(batch=800))
        train(large, {"shapes": root}, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_full_disk_loses_nothing(
    trained: Path, root: Path, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fills up at the fourth checkpoint; when there is room the run ends as if not."""
    saved = 0

    def save(state: dict[str, torch.Tensor], path: Path) -> None:
        nonlocal saved
        saved += 1
        if saved == 4:
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")
        save_file(state, path)

    monkeypatch.setattr(runs, "save_file", save)
    with pytest.raises(RecipeError, match="No space left") as error:
        train(recipe, {"shapes": root}, tmp_path / "run")
    assert "run the same command again" in error.value.hint
    assert not list(tmp_path.rglob("*.part*"))
    again = train(recipe, {"shapes": root}, tmp_path / "run")
    ours, theirs = (load_file(f / "weights.safetensors") for f in (again, trained))
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_too_small_a_disk_is_said_before_anything_is_done(
    root: Path, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, 1000))
    with pytest.raises(RecipeError, match=r"decoded pictures need 0\.2 MB"):
        train(recipe, {"shapes": root}, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, 300_000))
    with pytest.raises(RecipeError, match="checkpoints of stage1 need"):
        train(recipe, {"shapes": root}, tmp_path / "run")


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (align(batch=800), r"30 pictures, fewer than one step needs \(1 x 800\)"),
        (align(queries={"data": ["nowhere"]}), "names the data folder 'nowhere'"),
        (align(lr=1e9, warmup=0.0), "the (loss|gradient) became"),
        (align(queries={"accumulate": 9}), r"fewer than one step needs \(9 x 8\)"),
    ],
)
def test_what_can_not_start(
    root: Path, recipe: Recipe, tmp_path: Path, stage: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        train(with_stages(recipe, stage, stage), {"shapes": root}, tmp_path / "run")


def test_missing_and_broken_pictures_stop_a_run(root: Path, recipe: Recipe, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(root, tmp_path / "copy"))
    broken = copy / "images" / "train-red-round-0.png"
    broken.write_bytes(b"no picture")
    with pytest.raises(PictureError, match=r"train-red-round-0\.png"):
        train(recipe, {"copy": copy}, tmp_path / "run")
    lines = (copy / "train.jsonl").read_text()
    (copy / "train.jsonl").write_text(lines.replace("train-red-round-0.png", "none.png"))
    with pytest.raises(DataError, match="pictures named by queries are not in the gallery"):
        train(recipe, {"copy": copy}, tmp_path / "run")
    (copy / "train.jsonl").write_text("")
    with pytest.raises(DataError, match="holds no query"):
        train(recipe, {"copy": copy}, tmp_path / "run")
    (copy / "train.jsonl").write_text(lines)
    broken.unlink()
    with pytest.raises(DataError, match="1 of 30 pictures are missing"):
        train(recipe, {"copy": copy}, tmp_path / "run")
    (copy / "val.jsonl").unlink()
    with pytest.raises(DataError, match="no such file"):
        train(recipe, {"copy": copy}, tmp_path / "run")


@pytest.fixture(scope="module")
def exported(trained: Path, root: Path) -> Path:
    return export(trained, trained.parent / "exported", triplets.read(root, "val"))


def test_the_exported_folder_is_the_model(
    trained: Path, exported: Path, root: Path, tmp_path: Path
) -> None:
    torch_model, model = CIRModel.load(trained), Model.load(in_fp32(exported, tmp_path))
    files = list(triplets.read(root, "val").images.values())[:5]
    pixels = np.stack([model.preprocess(open_picture(file)) for file in files])
    texts = ["in red", "", "换成蓝色", "in blue, with a much longer text than can be read", "x"]
    with torch.inference_mode():
        images, words = (
            torch_model.encoder.images(torch.tensor(pixels)),
            torch_model.encoder.texts(texts),
        )
        expected = torch_model.compose(images, words).numpy()
        gate = torch_model.fusion.gate(images, words).numpy()
    ours = model.compose(model.encode_images(pixels), model.encode_texts(texts))
    assert (ours.embedding * expected).sum(1).min() > 0.9999
    np.testing.assert_allclose(ours.gate, gate, atol=1e-3)


def test_the_graphs_do_not_say_where_they_were_made(exported: Path) -> None:
    here = str(Path(training.__file__).parent).encode()
    for graph in exported.glob("*.onnx"):
        assert here not in graph.read_bytes(), graph.name


def test_the_folder_says_what_int8_costs(exported: Path) -> None:
    description = json.loads((exported / "model.json").read_text(encoding="utf-8"))
    agreement = description["agreement"]
    assert agreement["pictures"] == 30
    assert not (exported / "weights.safetensors").exists()  # nobody asked for them
    assert agreement["cosine_mean"] > 0.98
    assert 0 < agreement["top10_overlap"] <= 1
    lost = [agreement[f"{name}_fp32"] - agreement[f"{name}_int8"] for name in ("R@1", "R@10")]
    assert description["graphs"]["image"]["default"] == ("int8" if max(lost) <= 0.5 else "fp32")


def test_a_published_encoder_is_trained_further(root: Path, recipe: Recipe, tmp_path: Path) -> None:
    """The recipe names the checkpoint; what the run saves needs it no more."""
    source = checkpoints.clip(tmp_path / "clip")
    stage = {"preset": "compose", "lr": 1e-3, "queries": {"epochs": 1, "batch": 8}}
    encoder = {"kind": "clip", "source": str(source)}
    out = train(with_stages(recipe, stage, encoder=encoder), {"shapes": root}, tmp_path / "run")
    shutil.rmtree(source)
    model = CIRModel.load(out)
    assert (model.encoder.kind, model.fusion_name) == ("clip", "combiner")
    assert model.preprocess.mean == model.encoder.mean
    before = CIRModel.from_checkpoint(str(checkpoints.clip(tmp_path / "again"))).encoder
    changed_by = (
        model.encoder.network.text_projection.weight - before.network.text_projection.weight
    )
    assert changed_by.abs().max() > 1e-5


def test_no_trained_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no trained model"):
        CIRModel.load(tmp_path)


def test_a_run_starts_from_an_encoder_that_is_trained(
    trained: Path, root: Path, recipe: Recipe, tmp_path: Path
) -> None:
    """Another fusion on the encoder of a finished run: its weights and tokenizer, to the bit."""
    fuse = {"preset": "fuse", "lr": 1e-2, "queries": {"epochs": 1, "batch": 8}}
    other = {"init": str(trained), "reinit": ["fusion"], "fusion": {"name": "tirg"}}
    begun = with_stages(recipe, fuse, **other)
    folder = train(begun, {"shapes": root}, tmp_path / "run")
    ours, theirs = (load_file(f / "weights.safetensors") for f in (folder, trained))
    encoder = [name for name in theirs if name.startswith("encoder.")]
    assert encoder
    assert all(torch.equal(ours[name], theirs[name]) for name in encoder)
    assert (folder / "tokenizer.json").read_text() == (trained / "tokenizer.json").read_text()
    assert CIRModel.load(folder).fusion_name == "tirg"
    model = CIRModel.load(trained)
    model.save(tmp_path / "moved", name="moved")
    begun = with_stages(recipe, fuse, **other | {"init": str(tmp_path / "moved")})
    train(begun, {"shapes": root}, tmp_path / "other")
    with torch.no_grad():
        model.encoder.text_tower.norm.bias += 1
    model.save(tmp_path / "moved", name="moved")
    with pytest.raises(RecipeError, match="another recipe"):
        train(begun, {"shapes": root}, tmp_path / "other")
