"""learning/run/initial_model.py: what weights a run begins with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import open_clip_checkpoints
import pytest
import torch

from drawn_shapes import COMBINER, HEAD, TUNE_AND_FUSE, draw
from samebut.errors import ModelError, RecipeError
from samebut.learning.data.corpus import Corpus, Source, read_corpus
from samebut.learning.model.cir_model import CIRModel
from samebut.learning.recipe.read import read_recipe, recipe_of
from samebut.learning.recipe.schema import Recipe
from samebut.learning.run.initial_model import (
    encoder_family,
    initial_model,
    preprocess_of,
    weights_digest,
)
from samebut.learning.run.train import dry_run
from samebut.recipes import shipped

pytestmark = pytest.mark.usefixtures("quiet_torch")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("init")
    draw(folder / "shapes")
    return folder


@pytest.fixture(scope="module")
def recipe(folder: Path) -> Recipe:
    path = folder / "recipe.toml"
    path.write_text(HEAD + COMBINER + TUNE_AND_FUSE)
    return read_recipe(path)


@pytest.fixture(scope="module")
def corpus(folder: Path, recipe: Recipe) -> Corpus:
    return read_corpus({"s": Source(folder / "shapes")}, preprocess_of(recipe), folder / "cache")


@pytest.fixture(scope="module")
def init(folder: Path, recipe: Recipe, corpus: Corpus) -> Path:
    """A model of the recipe, saved."""
    model = initial_model(recipe, corpus).model
    model.save(folder / "model", name="begun")
    return folder / "model"


def changed(recipe: Recipe, **keys: Any) -> Recipe:
    return recipe_of(recipe.model_dump() | keys)


def moved(model: CIRModel, init: Path) -> set[str]:
    """The parts of a model whose weights are not those of ``init``."""
    trained = CIRModel.load(init).state_dict()
    state = model.state_dict()
    assert state.keys() == trained.keys()
    return {n.split(".")[0] for n, value in state.items() if not torch.equal(value, trained[n])}


@pytest.mark.parametrize(
    "fusion",
    [
        {},  # what is left out is taken from init
        {"name": "combiner", "projection": 8, "hidden": 8, "dropout": 0.1},
        {"dropout": 0.2},  # changes no weight's shape
        {"name": "combiner", "dropout": 0.2},
    ],
)
def test_weights_are_carried_by_name_and_shape(
    recipe: Recipe, corpus: Corpus, init: Path, fusion: dict[str, Any]
) -> None:
    found = initial_model(changed(recipe, seed=9, init=str(init), fusion=fusion), corpus)
    assert moved(found.model, init) == set()
    assert found.model.training
    assert found.origin == (f"encoder from {init}", f"fusion combiner from {init}")
    rates = {m.p for m in found.model.fusion.modules() if isinstance(m, torch.nn.Dropout)}
    assert rates == {fusion.get("dropout", 0.1)}


@pytest.mark.parametrize(
    ("fusion", "message"),
    [
        ({"hidden": 12}, r"\[fusion\] needs other weights than init = .*: \w+\S* is \(12, \d+\)"),
        ({"projection": 4}, r"is \(\S+ ?\d*\), and \(8, 16\) in init"),
        ({"name": "tirg"}, r"needs other weights .* is \(.*\), and not there in init"),
        ({"name": "sum"}, r"needs other weights .* is not there, and \(.*\) in init"),
    ],
)
def test_other_weights_are_an_error_that_names_one(
    recipe: Recipe, corpus: Corpus, init: Path, fusion: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecipeError, match=message) as error:
        initial_model(changed(recipe, init=str(init), fusion=fusion), corpus)
    assert 'reinit = ["fusion"]' in error.value.hint


@pytest.mark.parametrize("fusion", [{}, {"dropout": 0.2}])
def test_reinit_gives_random_weights(
    recipe: Recipe, corpus: Corpus, init: Path, fusion: dict[str, Any]
) -> None:
    keys = {"seed": 9, "init": str(init), "reinit": ["fusion"], "fusion": fusion}
    found = initial_model(changed(recipe, **keys), corpus)
    assert moved(found.model, init) == {"fusion"}
    assert found.origin[1] == "fusion combiner: random weights, by reinit"
    again = initial_model(changed(recipe, **keys), corpus).model.state_dict()
    assert all(torch.equal(v, again[name]) for name, v in found.model.state_dict().items())


def test_reinit_may_change_the_fusion(recipe: Recipe, corpus: Corpus, init: Path) -> None:
    for fusion in ({"hidden": 12}, {"name": "tirg"}, {"name": "sum"}):
        keys = {"init": str(init), "reinit": ["fusion"], "fusion": fusion}
        model = initial_model(changed(recipe, **keys), corpus).model
        assert model.fusion_name == fusion.get("name", "combiner")
        trained = CIRModel.load(init).encoder.state_dict()
        state = model.encoder.state_dict()
        assert all(torch.equal(value, state[name]) for name, value in trained.items())


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        ({"dim": 32}, r"\[encoder\] says dim = 32, and .* has 16"),
        ({"kind": "clip"}, r"says kind = clip, and .* has small"),
        ({"depth": 3}, r"says depth = 3"),
    ],
)
def test_the_encoder_of_init_is_what_the_recipe_says(
    recipe: Recipe, corpus: Corpus, init: Path, encoder: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecipeError, match=message) as error:
        initial_model(changed(recipe, init=str(init), encoder=encoder), corpus)
    assert "Leave [encoder] out" in error.value.hint


def test_an_encoder_that_is_left_out_is_of_the_kind_of_init(recipe: Recipe, tmp_path: Path) -> None:
    said = {"encoder": {"kind": "chinese_clip"}}
    (tmp_path / "training.json").write_text(json.dumps(said))
    kinds = [
        encoder_family(changed(recipe, init=init, encoder=encoder)).kind
        for init, encoder in (
            (str(tmp_path), {}),
            (str(tmp_path / "none"), {}),  # loading it says what is wrong
            (str(tmp_path), {"kind": "clip"}),
            ("", {}),
        )
    ]
    assert kinds == ["chinese_clip", "small", "clip", "small"]
    family = encoder_family(changed(recipe, encoder={"kind": "chinese_clip"}))
    preprocess = preprocess_of(changed(recipe, init=str(tmp_path), encoder={}))
    assert preprocess.mean == family.mean  # else its pictures would be normalised as another's
    with pytest.raises(RecipeError, match="no encoder is called 'resnet'"):
        encoder_family(changed(recipe, encoder={"kind": "resnet"}))


def test_pixels_are_normalised_as_the_checkpoint_says(recipe: Recipe, tmp_path: Path) -> None:
    """OpenCLIP's checkpoints differ in it: by the source of a recipe, or by the model of init."""
    source = open_clip_checkpoints.write("siglip", tmp_path / "siglip")
    encoder = {"kind": "open_clip", "source": str(source)}
    half = (0.5, 0.5, 0.5)
    assert preprocess_of(changed(recipe, encoder=encoder)).mean == half
    init = tmp_path / "init"
    init.mkdir()
    kept = {"kind": "open_clip", "source": "gone", "mean": [0.1, 0.2, 0.3], "std": [0.5, 0.5, 0.5]}
    (init / "training.json").write_text(json.dumps({"encoder": kept}))
    for said in ({}, {"kind": "open_clip", "source": "gone"}):
        prepare = preprocess_of(changed(recipe, init=str(init), encoder=said))
        assert (prepare.mean, prepare.std) == ((0.1, 0.2, 0.3), half)


def test_a_model_of_random_weights_says_so(recipe: Recipe, corpus: Corpus) -> None:
    found = initial_model(recipe, corpus)
    assert found.origin == ("encoder small: random weights", "fusion combiner: random weights")
    assert found.model.preprocess == preprocess_of(recipe)
    same = initial_model(recipe, corpus).model.state_dict()
    other = initial_model(changed(recipe, seed=9), corpus).model.state_dict()
    state = found.model.state_dict()
    assert all(torch.equal(value, same[name]) for name, value in state.items())
    assert not all(torch.equal(value, other[name]) for name, value in state.items())
    plain = initial_model(changed(recipe, fusion={"name": "sum"}), corpus)
    assert plain.origin[1] == "fusion sum: it has no weights"


@pytest.mark.parametrize(
    ("options", "said", "hint"),
    [
        ({"wdths": [1]}, "'small': unknown key 'wdths'", "Did you mean 'widths'?"),
        ({"dim": 0}, "'small': dim is 0", "It must be a whole number, 1 or more."),
        ({"kind": "clip"}, "'clip': the key 'source' is missing", "A name on the hub"),
    ],
)
def test_options_that_an_encoder_does_not_have(
    recipe: Recipe, corpus: Corpus, options: dict[str, Any], said: str, hint: str
) -> None:
    with pytest.raises(RecipeError, match=said) as error:
        initial_model(changed(recipe, encoder=options), corpus)
    assert hint in error.value.hint


@pytest.mark.parametrize(
    ("part", "options"),
    [("encoder", {"widths": [8]}), ("fusion", {"name": "combiner", "dropout": "x"})],
)
def test_what_a_model_can_not_be_built_from(
    recipe: Recipe, corpus: Corpus, part: str, options: dict[str, Any]
) -> None:
    with pytest.raises(RecipeError, match="can't be built"):
        initial_model(changed(recipe, **{part: options}), corpus)


def test_the_bundled_model_is_trained_on(corpus: Corpus) -> None:
    model = initial_model(read_recipe(shipped()["finetune"]), corpus).model.state_dict()
    bundled = CIRModel.load("bundled").state_dict()
    assert all(torch.equal(value, model[name]) for name, value in bundled.items())


def test_a_dry_run_lists_what_is_loaded_from_where(
    folder: Path, recipe: Recipe, init: Path, tmp_path: Path
) -> None:
    data = {"shapes": folder / "shapes"}
    for keys, wanted in (
        ({}, ["encoder small: random weights", "fusion combiner: random weights"]),
        ({"init": str(init)}, [f"encoder from {init}", f"fusion combiner from {init}"]),
        (
            {"init": str(init), "reinit": ["fusion"]},
            [f"encoder from {init}", "fusion combiner: random weights, by reinit"],
        ),
    ):
        lines = dry_run(changed(recipe, **keys), data, tmp_path / "run")
        assert [line[11:] for line in lines if line.startswith("weights")] == wanted


def test_init_has_to_be_there(folder: Path, recipe: Recipe, tmp_path: Path) -> None:
    missing = changed(recipe, init=str(tmp_path / "none"))
    with pytest.raises(ModelError, match=r"init = .* holds no trained model"):
        dry_run(missing, {"shapes": folder / "shapes"}, tmp_path / "run")


@pytest.mark.parametrize(
    "files",
    [
        ["weights.safetensors"],
        ["rest.safetensors", "image.fp32.onnx", "text.fp32.onnx", "compose.fp32.onnx"],
    ],
)
def test_what_a_run_starts_from_is_told_by_every_file_of_weights(
    files: list[str], tmp_path: Path
) -> None:
    """As training wrote the folder, and as an export did."""
    for name in [*files, "image.int8.onnx"]:
        (tmp_path / name).write_bytes(b"first")
    digests = [weights_digest(str(tmp_path))]
    (tmp_path / "image.int8.onnx").write_bytes(b"second")
    assert weights_digest(str(tmp_path)) == digests[0]
    for name in files:
        (tmp_path / name).write_bytes(b"second")
        digests.append(weights_digest(str(tmp_path)))
    assert len(set(digests)) == 1 + len(files)
    (tmp_path / files[-1]).unlink()
    with pytest.raises(ModelError, match="holds no trained model"):
        weights_digest(str(tmp_path))
