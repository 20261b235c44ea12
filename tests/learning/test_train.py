"""learning/train.py and export.py: a small model from pictures to a folder that needs no torch."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import checkpoints
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from conftest import COLOURS, draw_picture
from samebut.data import triplets
from samebut.errors import DataError, ModelError, PictureError, RecipeError
from samebut.images import open_picture
from samebut.learning import train as training
from samebut.learning.corpus import read_corpus
from samebut.learning.export import export
from samebut.learning.model import CIRModel
from samebut.learning.pictures import vary
from samebut.learning.recipe import Augment, Recipe, Stage, read_recipe
from samebut.learning.tasks import Compose
from samebut.learning.train import train
from samebut.runtime import Model

TINY = """
name = "tiny"
seed = 3
size = 32
precision = "fp32"
[encoder]
dim = 16
widths = [16, 16, 32, 32]
blocks = [1, 1, 1, 1]
vocabulary = 300
max_tokens = 12
text_width = 16
text_layers = 1
text_heads = 2
[fusion]
name = "combiner"
projection = 8
hidden = 8
dropout = 0.1
[[stages]]
task = "align"
epochs = 2
batch = 8
lr = 1e-2
[[stages]]
task = "compose"
epochs = 2
batch = 8
lr = 1e-2
captions = 0.3
"""


@pytest.fixture(scope="module", autouse=True)
def plain_convolutions() -> Iterator[None]:
    """oneDNN's 1x1 backward pass crashes now and then on layers as small as these."""
    torch._C._set_mkldnn_enabled(False)  # the public way warns of something else
    yield
    torch._C._set_mkldnn_enabled(True)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shapes in five colours, each three times: queries change the colour."""
    folder = tmp_path_factory.mktemp("shapes")
    (folder / "images").mkdir()
    rows = ["file,split,title,article,colour"]
    for split in ("train", "val"):
        names = {}
        for shape in ("round", "square"):
            for colour, value in COLOURS.items():
                for copy in range(3):
                    name = f"{split}-{colour}-{shape}-{copy}.png"
                    draw_picture(value, shape, 60 + 8 * copy).save(folder / "images" / name)
                    rows.append(f"{name},{split},{colour} {shape},{shape},{colour}")
                    names[shape, colour, copy] = name
        (folder / f"{split}.jsonl").write_text("\n".join(queries(split, names)))
    (folder / "catalog.csv").write_text("\n".join(rows))
    return folder


def queries(split: str, names: dict[tuple[str, str, int], str]) -> list[str]:
    lines = []
    for number, ((shape, colour, copy), name) in enumerate(names.items()):
        wanted = [*COLOURS][(number + 1 + copy) % len(COLOURS)]
        if wanted != colour:
            targets = [names[shape, wanted, c] for c in range(3)]
            line = {"id": f"{split}-{number}", "reference": name, "text": f"in {wanted}"}
            lines.append(json.dumps(line | {"target": targets[0], "targets": targets}))
    return lines


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(TINY)
    return read_recipe(path)


@pytest.fixture(scope="module")
def trained(root: Path, recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(recipe, {"shapes": root}, tmp_path_factory.mktemp("runs") / "run")


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
    validate = training.validate

    def killed(*arguments: object) -> dict[str, float]:
        nonlocal epochs
        epochs += 1
        if epochs == 3:
            raise KeyboardInterrupt
        return validate(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "validate", killed)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, {"shapes": root}, tmp_path / "run")
    monkeypatch.undo()
    again = train(recipe, {"shapes": root}, tmp_path / "run")
    ours, theirs = (load_file(f / "weights.safetensors") for f in (again, trained))
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


def test_a_finished_run_is_not_run_again(
    trained: Path, root: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "new_model", None)
    assert train(recipe, {"shapes": root}, trained.parent) == trained


def test_two_recipes_do_not_mix(trained: Path, root: Path, recipe: Recipe) -> None:
    other = Recipe(name="other", stages=recipe.stages)
    with pytest.raises(RecipeError, match="another recipe"):
        train(other, {"shapes": root}, trained.parent)


def test_the_loss_goes_down(root: Path, recipe: Recipe, tmp_path: Path) -> None:
    stage = Stage(task="align", epochs=12, batch=8, lr=1e-2)
    longer = Recipe(**{**vars(recipe), "stages": (stage,)})
    train(longer, {"shapes": root}, tmp_path / "run")
    history = json.loads((tmp_path / "run" / "stage1" / "progress.json").read_text())["history"]
    assert history[-1]["loss"] < 0.8 * history[0]["loss"]


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (Stage("sing", 1, 8, 1e-3), "no task is called 'sing'"),
        (Stage("align", 1, 800, 1e-3), "less than one batch of 800"),
        (Stage("align", 1, 8, 1e-3, data=("nowhere",)), "learns from 'nowhere'"),
        (Stage("align", 1, 8, 1e9, warmup=0.0), "the loss became"),
    ],
)
def test_what_can_not_start(
    root: Path, recipe: Recipe, tmp_path: Path, stage: Stage, message: str
) -> None:
    bad = Recipe(**{**vars(recipe), "stages": (stage, stage)})
    with pytest.raises(RecipeError, match=message):
        train(bad, {"shapes": root}, tmp_path / "run")


def test_missing_and_broken_pictures_stop_a_run(root: Path, recipe: Recipe, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(root, tmp_path / "copy"))
    broken = copy / "images" / "train-red-round-0.png"
    broken.write_bytes(b"no picture")
    with pytest.raises(PictureError, match=r"train-red-round-0\.png"):
        train(recipe, {"copy": copy}, tmp_path / "run")
    broken.unlink()
    with pytest.raises(DataError, match="1 of 30 pictures are missing"):
        train(recipe, {"copy": copy}, tmp_path / "run")


def test_views_keep_their_colours() -> None:
    torch.manual_seed(0)
    pixels = torch.ones(16, 3, 40, 40) * torch.tensor([1.0, 0.5, 0.25]).view(1, 3, 1, 1)
    views = vary(pixels, 32, Augment(crop=0.5, tilt=20.0, light=0.3))
    assert views.shape == (16, 3, 32, 32)
    ratios = views / views[:, :1]
    torch.testing.assert_close(ratios[:, 1], torch.full((16, 32, 32), 0.5))
    assert views.amin() >= 0.25 * 0.69
    still = vary(pixels[:, :, :32, :32], 32, Augment(crop=1.0, tilt=0.0, light=0.0))
    torch.testing.assert_close(still, pixels[:, :, :32, :32])


def test_own_references_and_known_targets(root: Path, recipe: Recipe, tmp_path: Path) -> None:
    """Batches hold whole groups of a reference, each query once an epoch."""
    corpus = read_corpus([root], training._preprocess(recipe, 32), tmp_path)
    task = Compose(corpus, recipe.stages[1], recipe)
    seen = [query for batch in task.batches(random.Random(0)) for query, _ in batch]
    assert len(seen) == len(set(map(id, seen))) <= len(corpus.queries)
    assert len(seen) >= len(corpus.queries) - recipe.stages[1].batch


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


def in_fp32(exported: Path, tmp_path: Path) -> Path:
    """The same folder, its image graph in fp32."""
    folder = Path(shutil.copytree(exported, tmp_path / "fp32"))
    description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    description["graphs"]["image"]["default"] = "fp32"
    (folder / "model.json").write_text(json.dumps(description), encoding="utf-8")
    return folder


def test_the_folder_says_what_int8_costs(exported: Path) -> None:
    description = json.loads((exported / "model.json").read_text(encoding="utf-8"))
    agreement = description["agreement"]
    assert agreement["pictures"] == 30
    assert agreement["cosine_mean"] > 0.98
    assert 0 < agreement["top10_overlap"] <= 1
    loss = agreement["R@10_fp32"] - agreement["R@10_int8"]
    assert description["graphs"]["image"]["default"] == ("int8" if loss <= 1 else "fp32")


def test_a_published_encoder_is_trained_further(root: Path, recipe: Recipe, tmp_path: Path) -> None:
    """The recipe names the checkpoint; what the run saves needs it no more."""
    source = checkpoints.clip(tmp_path / "clip")
    stage = Stage("compose", epochs=1, batch=8, lr=1e-3)
    encoder = {"kind": "clip", "source": str(source)}
    changed = {"encoder": encoder, "stages": (stage,), "tokenizer_data": ()}
    out = train(Recipe(**{**vars(recipe), **changed}), {"shapes": root}, tmp_path / "run")
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


def test_the_rate_warms_up_and_decays() -> None:
    stage = Stage("align", epochs=2, batch=8, lr=1.0, warmup=0.1)
    rates = [training.learning_rate(step, 100, stage) for step in range(100)]
    assert rates[:3] == [0.1, 0.2, pytest.approx(0.3)]
    assert max(rates) == rates[9] == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[99] < 0.001
