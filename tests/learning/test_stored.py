"""learning/model/stored.py: weights read back out of a folder's graphs, to train on from."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import checkpoints
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from conftest import COLOURS, draw_picture
from samebut.errors import ModelError
from samebut.learning.encoders import ENCODERS
from samebut.learning.encoders.efficientnet import EfficientNetEncoder
from samebut.learning.encoders.small import SmallEncoder
from samebut.learning.export.export import export
from samebut.learning.fusion import FUSIONS
from samebut.learning.model.cir_model import CIRModel
from samebut.learning.model.stored import in_graphs, normed, write_rest
from samebut.preprocess import Preprocess

pytestmark = pytest.mark.usefixtures("quiet_torch")

TEXTS = ["in blue", "换成红色的条纹", "in red"]
OWN: dict[str, Any] = {
    "dim": 16, "vocabulary": 320, "max_tokens": 12,
    "text_width": 16, "text_layers": 1, "text_heads": 2,
}  # fmt: skip
TINY: dict[str, dict[str, Any]] = {
    "sum": {},
    "tirg": {},
    "film": {},
    "maaf": {"heads": 2},
    "combiner": {"projection": 8, "hidden": 8},
    "cross_attention": {"layers": 1, "heads": 2, "projection": 8, "hidden": 8},
}
"""Every row of ``FUSIONS``, small."""


def small(_: Path | None = None, fusion: str = "combiner", **sizes: Any) -> CIRModel:
    wide = {"widths": (16, 32, 64), "blocks": (1, 1, 1)}
    return with_fusion(SmallEncoder.create({**OWN, **wide, **sizes}, TEXTS), fusion)


def efficientnet(_: Path, region: int = 32) -> CIRModel:
    options = {**OWN, "hidden": 8, "pretrained": False, "region": region}
    return with_fusion(EfficientNetEncoder.create(options, TEXTS), "combiner")


def with_fusion(encoder: Any, fusion: str) -> CIRModel:
    prepare = Preprocess(size=64, mean=encoder.mean, std=encoder.std)
    return CIRModel(encoder, prepare, fusion=fusion, options=TINY[fusion])


def published(make: Callable[[Path], Path]) -> Callable[[Path], CIRModel]:
    return lambda folder: CIRModel.from_checkpoint(str(make(folder)))


MADE: dict[str, Callable[[Path], CIRModel]] = {
    "small": small,
    "efficientnet": efficientnet,
    "efficientnet, finer": lambda folder: efficientnet(folder, region=16),
    **{kind: published(make) for kind, make in checkpoints.MAKERS.items()},
    **{
        fusion: lambda folder, name=fusion: small(folder, name)
        for fusion in FUSIONS
        if fusion != "combiner"
    },
}
"""Every family of encoders, and with ``small`` every fusion (its own is the Combiner)."""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for shape in ("round", "square"):
        for colour, value in COLOURS.items():
            draw_picture(value, shape, 60).save(folder / f"{colour}-{shape}.png")
    return folder


def as_if_trained(model: CIRModel) -> CIRModel:
    """Norms that have seen pictures, and weights none of which is as it was made."""
    torch.manual_seed(4)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.05 * torch.randn(weight.shape)
        model.train()
        for _ in range(20):
            model.encoder.images(drawn(model))
    return model.eval()


def drawn(model: CIRModel) -> Tensor:
    """Eight coloured squares, as the encoder sees pictures."""
    rng = torch.Generator().manual_seed(5)
    side = model.preprocess.size
    coarse = torch.randn(8, 3, 4, 4, generator=rng)
    return functional.interpolate(coarse, (side, side), mode="bilinear")


@dataclass(frozen=True)
class Pair:
    """A model, and what was read back from the folder that it was exported to."""

    model: CIRModel
    again: CIRModel
    folder: Path


@pytest.fixture(scope="module", params=MADE)
def pair(
    request: pytest.FixtureRequest, pictures: Path, tmp_path_factory: pytest.TempPathFactory
) -> Pair:
    return exported(MADE[request.param], pictures, tmp_path_factory.mktemp("made"))


def exported(make: Callable[[Path], CIRModel], pictures: Path, folder: Path) -> Pair:
    torch.manual_seed(3)
    model = as_if_trained(make(folder / "checkpoint"))
    out = export(copy.deepcopy(model), folder / "out", pictures=pictures, trainable=True)
    return Pair(model, CIRModel.load(out), out)


def outputs(model: CIRModel) -> list[Tensor]:
    """Features of pictures and texts and their queries, a row for each picture or text."""
    image, text = model.encoder.images(drawn(model)[:3]), model.encoder.texts(TEXTS)
    return [image.pooled, image.tokens.flatten(1), text.pooled, model.compose(image, text)]


def least_cosine(ours: list[Tensor], theirs: list[Tensor]) -> float:
    return min(
        functional.cosine_similarity(a, b).min().item() for a, b in zip(ours, theirs, strict=True)
    )


def test_every_family_and_fusion_is_tested() -> None:
    assert set(TINY) == set(FUSIONS)
    assert {*(name.partition(",")[0] for name in MADE), "combiner"} == {*ENCODERS, *FUSIONS}


@torch.inference_mode()
def test_what_is_read_back_is_the_model(pair: Pair) -> None:
    ours, theirs = pair.again.state_dict(), pair.model.state_dict()
    assert list(ours) == list(theirs)
    assert [value.shape for value in ours.values()] == [value.shape for value in theirs.values()]
    assert least_cosine(outputs(pair.again), outputs(pair.model)) >= 0.9999


@torch.no_grad()
def test_it_is_the_model_in_training_too(pair: Pair) -> None:
    """Norms then go by the batch, so what was folded must be unfolded right."""
    found = []
    for model in (pair.again, pair.model):
        torch.manual_seed(0)  # what dropout leaves out
        found.append(outputs(copy.deepcopy(model).train()))
    assert least_cosine(*found) >= 0.99


def test_it_can_be_trained_on(pair: Pair) -> None:
    model = copy.deepcopy(pair.again).train()
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    queries = model.compose(model.encoder.images(drawn(model)[:3]), model.encoder.texts(TEXTS))
    functional.cross_entropy(10 * queries @ queries.T.roll(1, 1), torch.arange(3)).backward()
    optimiser.step()
    after = dict(model.named_parameters())
    assert all(weight.isfinite().all() for weight in after.values())
    moved = {name.split(".")[0] for name, weight in after.items() if (weight != before[name]).any()}
    assert moved == {name.split(".")[0] for name in after}


def test_a_weight_is_stored_once(pair: Pair) -> None:
    """What lies beside the graphs are norms and small things, no matrix or filter.

    Positions of texts of one length are a constant for the exporter, which has no name for them.
    """
    rest = load_file(pair.folder / "rest.safetensors")
    large = {name for name, value in rest.items() if value.ndim > 1 and value.numel() > 1024}
    assert large <= {"encoder.network.text_model.embeddings.position_embedding.weight"}
    assert not (pair.folder / "weights.safetensors").exists()


def test_a_matrix_that_no_graph_holds_as_it_is_lies_beside_them(
    pictures: Path, tmp_path: Path
) -> None:
    """Read back is what was trained, even where a graph has other numbers by its name."""
    found = exported(small, pictures, tmp_path)
    name = "encoder.text_tower.pieces.weight"
    state = {key: value.clone() for key, value in found.model.state_dict().items()}
    write_rest(state, found.model, found.folder)
    assert name not in load_file(found.folder / "rest.safetensors")
    state[name] += 1.0
    write_rest(state, found.model, found.folder)
    torch.testing.assert_close(load_file(found.folder / "rest.safetensors")[name], state[name])


def test_norms_are_found_where_they_follow_their_convolutions() -> None:
    model = small()
    pairs = dict(normed(model))
    convs = {name for name, part in model.named_modules() if isinstance(part, nn.Conv2d)}
    norms = {name for name, part in model.named_modules() if isinstance(part, nn.BatchNorm2d)}
    assert set(pairs) == convs
    assert set(pairs.values()) == norms


def test_a_channel_that_says_nothing_stays_a_number(pictures: Path, tmp_path: Path) -> None:
    """A norm's factor of 0 folds its channel away: it can't be read back, nor is it needed."""

    def silent(_: Path) -> CIRModel:
        model = small()
        with torch.no_grad():
            model.get_submodule("encoder.image_tower.layers.1").weight.zero_()
        return model

    torch.manual_seed(3)
    model = silent(tmp_path).eval()
    out = export(copy.deepcopy(model), tmp_path / "out", pictures=pictures, trainable=True)
    again = CIRModel.load(out)
    assert all(value.isfinite().all() for value in again.state_dict().values())
    with torch.inference_mode():
        assert least_cosine(outputs(again), outputs(model)) >= 0.9999


@pytest.fixture(scope="module")
def plain(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(small, pictures, tmp_path_factory.mktemp("plain")).folder


@pytest.fixture
def folder(plain: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(plain, tmp_path / "model"))


def forget_fingerprint(folder: Path) -> None:
    path = folder / "training.json"
    said = json.loads(path.read_text(encoding="utf-8"))
    del said["fingerprint"]
    path.write_text(json.dumps(said), encoding="utf-8")


@pytest.mark.parametrize("name", ["rest.safetensors", "image.fp32.onnx", "text.fp32.onnx"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelError, match=name) as error:
        CIRModel.load(folder)
    assert "--trainable" in error.value.hint
    forget_fingerprint(folder)
    with pytest.raises(ModelError, match=name) as error:
        CIRModel.load(folder)
    assert "--trainable" in error.value.hint


def test_a_graph_of_another_model_is_refused(folder: Path, pictures: Path, tmp_path: Path) -> None:
    other = exported(lambda _: small(text_layers=0), pictures, tmp_path / "other").folder
    shutil.copy(other / "text.fp32.onnx", folder)
    with pytest.raises(ModelError, match="was changed after it was written") as error:
        CIRModel.load(folder)
    assert "Restore" in error.value.hint
    forget_fingerprint(folder)
    with pytest.raises(ModelError, match=r"without the weights encoder\.text_tower") as error:
        CIRModel.load(folder)
    assert "--trainable" in error.value.hint


def test_weights_of_other_shapes_are_refused(folder: Path) -> None:
    path = folder / "rest.safetensors"
    rest = load_file(path)
    rest["encoder.text_tower.positions"] = torch.zeros(3, 16)
    save_file(rest, path)
    forget_fingerprint(folder)
    with pytest.raises(ModelError, match="the weights do not fit the model") as error:
        CIRModel.load(folder)
    assert "export it again" in error.value.hint


def test_transposed_matrices_get_their_names_back(plain: Path) -> None:
    """The exporter turns what a linear layer multiplies by, and calls it by a number."""
    stored, model = in_graphs(plain), CIRModel.load(plain)
    layers = [name for name, part in model.encoder.named_modules() if isinstance(part, nn.Linear)]
    assert "image_tower.project" in layers
    for name in layers:
        weight = model.encoder.get_submodule(name).weight
        torch.testing.assert_close(stored[f"encoder.{name}.weight"], weight)
