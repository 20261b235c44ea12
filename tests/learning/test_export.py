"""learning/export: models to folders that need no torch."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import checkpoints
import numpy as np
import onnx
import onnxruntime
import open_clip_checkpoints
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from conftest import COLOURS, draw_picture
from fake_model import in_fp32
from samebut.data import triplets
from samebut.embedding import unit
from samebut.errors import ModelError
from samebut.images import open_picture
from samebut.learning.encoders.small import SmallConfig, SmallEncoder
from samebut.learning.encoders.tokenizer import train_tokenizer
from samebut.learning.export import agreement
from samebut.learning.export.export import _write_card, export
from samebut.learning.export.graphs import fold_batch_norms, quantize, store_as_half
from samebut.learning.model.card import MARK
from samebut.learning.model.cir_model import CIRModel
from samebut.preprocess import Preprocess
from samebut.runtime import BUNDLED, Model

pytestmark = pytest.mark.usefixtures("quiet_torch")

TEXTS = ["in blue", "", "换成红色的条纹", "in red with a much longer text than can be read", "a"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten drawn pictures and a query from each to another colour."""
    folder = tmp_path_factory.mktemp("shapes")
    (folder / "images").mkdir()
    for shape in ("round", "square"):
        for colour, value in COLOURS.items():
            draw_picture(value, shape, 60).save(folder / "images" / f"{colour}-{shape}.png")
    lines = []
    for shape in ("round", "square"):
        for here, there in zip(COLOURS, [*COLOURS][1:] + [*COLOURS][:1], strict=True):
            reference, target = f"{here}-{shape}.png", f"{there}-{shape}.png"
            line = {"id": reference, "reference": reference, "text": f"in {there}"}
            lines.append(json.dumps({**line, "target": target, "targets": [target]}))
    (folder / "val.jsonl").write_text("\n".join(lines))
    return folder


def small(fusion: str, **options: Any) -> CIRModel:
    torch.manual_seed(3)
    config = SmallConfig(
        dim=16, widths=(16, 16, 32, 32), blocks=(1, 1, 1, 1), vocabulary=300, max_tokens=12,
        text_width=16, text_layers=1, text_heads=2,
    )  # fmt: skip
    encoder = SmallEncoder(config, train_tokenizer(TEXTS, 300))
    prepare = Preprocess(size=64, mean=encoder.mean, std=encoder.std)
    model = CIRModel(encoder, prepare, fusion=fusion, options=options)
    with torch.no_grad():
        for parameter in model.fusion.parameters():  # what starts at zero would hide the rest
            parameter += 0.1 * torch.randn(parameter.shape)
    return model.eval()


def chinese_clip_with_maaf(folder: Path) -> CIRModel:
    """A published encoder with a fusion that was trained, as a recipe leaves it."""
    published = CIRModel.from_checkpoint(str(checkpoints.chinese_clip(folder)))
    return CIRModel(published.encoder, published.preprocess, fusion="maaf").eval()


MADE: dict[str, Callable[[Path], CIRModel]] = {
    "small": lambda folder: small("cross_attention", heads=2, layers=1),
    "clip": lambda folder: CIRModel.from_checkpoint(
        str(checkpoints.clip(folder)), options={"normalised": True, "weight": 0.5}
    ),
    "bge-vl": lambda folder: CIRModel.from_checkpoint(
        str(checkpoints.bge_vl(folder)), size=48, padding="target"
    ),
    "siglip": lambda folder: CIRModel.from_checkpoint(str(checkpoints.siglip(folder))),
    "chinese_clip": chinese_clip_with_maaf,
    "open_clip": lambda folder: CIRModel.from_checkpoint(
        str(open_clip_checkpoints.write("clip", folder)), size=48
    ),
}
"""Every export costs seconds: between them they have every family and kind of fusion."""


@pytest.fixture(scope="module", params=MADE)
def exported(
    request: pytest.FixtureRequest, root: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[CIRModel, Path]:
    folder = tmp_path_factory.mktemp("made")
    model = MADE[request.param](folder / "checkpoint")
    pictures, name = root / "images", request.param
    out = export(model, folder / "out", pictures=pictures, name=name, trainable=True)
    return model, out


def seen(model: Model, root: Path, count: int) -> np.ndarray:
    files = sorted((root / "images").glob("*.png"))[:count]
    return np.stack([model.preprocess(open_picture(file)) for file in files])


def agree(model: CIRModel, runtime: Model, pixels: np.ndarray, texts: list[str]) -> None:
    """Both make the same queries of the same pictures and texts."""
    image, text = runtime.encode_images(pixels), runtime.encode_texts(texts)
    queries = model.compose(
        model.encoder.images(torch.tensor(pixels)), model.encoder.texts(texts)
    ).numpy()
    assert agreement._cosine(runtime.compose(image, text).embedding, queries).min() > 0.999


@torch.inference_mode()
def test_its_weights_are_there_to_train_on(exported: tuple[CIRModel, Path], root: Path) -> None:
    """How they are read out of the graphs is tested in test_stored.py."""
    _, out = exported
    runtime, again = Model.load(out), CIRModel.load(out)
    assert again.name == runtime.name
    agree(again, runtime, seen(runtime, root, 3), TEXTS[:3])


@torch.inference_mode()
def test_the_weights_that_ship_are_those_of_the_graphs(root: Path, tmp_path: Path) -> None:
    runtime, model = Model.load(in_fp32(BUNDLED, tmp_path)), CIRModel.load("bundled")
    agree(model, runtime, seen(runtime, root, 3), ["in blue", "换成蓝色", "with long sleeves"])


@torch.inference_mode()
def test_the_folder_is_the_model(exported: tuple[CIRModel, Path], root: Path) -> None:
    """On real pictures, in batches of other sizes than the one it was written with."""
    model, out = exported
    runtime = Model.load(out)
    for count in (1, 5):
        pixels, texts = seen(runtime, root, count), TEXTS[:count]
        image, text = runtime.encode_images(pixels), runtime.encode_texts(texts)
        ours = runtime.compose(image, text)
        theirs = model.encoder.images(torch.tensor(pixels)), model.encoder.texts(texts)
        for room, expected in zip((image, text), theirs, strict=True):
            real = expected.mask.numpy()
            np.testing.assert_array_equal(room.mask, real)
            assert agreement._cosine(room.pooled, expected.pooled.numpy()).min() > 0.9999
            tokens = expected.tokens.numpy()[real]
            assert agreement._cosine(room.tokens[real], tokens).min() > 0.9999
        expected = model.compose(*theirs).numpy()
        assert (ours.embedding * expected).sum(1).min() > 0.9999
        np.testing.assert_allclose(ours.gate, model.fusion.gate(*theirs), atol=1e-3)


@torch.inference_mode()
def test_attention_is_an_output_where_the_fusion_has_one(
    exported: tuple[CIRModel, Path], root: Path
) -> None:
    model, out = exported
    runtime = Model.load(out)
    pixels = seen(runtime, root, 5)
    image, text = runtime.encode_images(pixels), runtime.encode_texts(TEXTS)
    ours = runtime.compose(image, text).attention
    assert runtime.reads_tokens == model.fusion.reads_tokens
    if model.fusion_name not in ("cross_attention", "maaf"):
        assert ours is None
        return
    assert ours is not None
    assert ours.shape == (5, text.tokens.shape[1], image.tokens.shape[1])
    theirs = model.encoder.images(torch.tensor(pixels)), model.encoder.texts(TEXTS)
    np.testing.assert_allclose(ours, model.fusion.attention(*theirs), atol=1e-3)
    np.testing.assert_allclose(ours.sum(2), text.mask.astype(float), atol=1e-4)


def test_the_sum_agrees_with_its_graph(exported: tuple[CIRModel, Path], root: Path) -> None:
    """The runtime's raw sum is the plain one; a sum with options is a graph."""
    model, out = exported
    runtime = Model.load(out)
    image = runtime.encode_images(seen(runtime, root, 5))
    text = runtime.encode_texts(TEXTS)
    plain = unit(image.pooled + text.pooled)
    if model.fusion_options.get("normalised"):
        weighed = unit(unit(image.pooled) + 0.5 * unit(text.pooled))
        ours = runtime.compose(image, text)
        np.testing.assert_allclose(ours.embedding, weighed, atol=1e-5)
        np.testing.assert_allclose(ours.gate, np.full(5, 1 / 3), atol=1e-6)
        assert np.abs(weighed - plain).max() > 1e-3
    else:
        ours = runtime.compose(image, text, "raw-sum")
        np.testing.assert_allclose(ours.embedding, plain, atol=1e-5)


def test_a_folder_is_whole_and_says_what_was_measured(
    exported: tuple[CIRModel, Path],
) -> None:
    _, out = exported
    description = json.loads((out / "model.json").read_text(encoding="utf-8"))
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md", "compose.fp32.onnx", "config.json", "image.fp32.onnx", "image.int8.onnx",
        "model.json", "rest.safetensors", "text.fp32.onnx", "tokenizer.json", "training.json",
    ]  # fmt: skip
    assert description["graphs"]["image"]["default"] == "fp32"
    said = description["agreement"]
    assert "was not measured" in said["note"]
    assert said["pictures"] == 10
    assert said["torch_least"] >= 0.9999
    assert 0 < said["top10_overlap"] <= 1
    assert said["cosine_mean"] > 0.9
    assert f"# {description['name']}\n" in (out / "README.md").read_text(encoding="utf-8")
    assert not list(out.parent.glob(".export-*"))


def test_int8_quantises_weights_alone(exported: tuple[CIRModel, Path]) -> None:
    """One int8 or uint8 weight for each product with a weight; attention's stay as they are."""
    model, out = exported
    graph = onnx.load(str(out / "image.int8.onnx")).graph
    weights = {
        tensor.name
        for tensor in graph.initializer
        if tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) > 1
    }
    layers = torch.nn.Linear if model.encoder.kind != "small" else torch.nn.Conv2d
    network = model.encoder.image_tower if model.encoder.kind == "small" else vision(model)
    count = sum(isinstance(module, layers) for module in network.modules())
    if model.encoder.kind == "small":
        assert len(weights) == count - model.encoder.int8_from
    else:
        assert len(weights) >= count - 1


def vision(model: CIRModel) -> Any:
    if model.encoder.kind == "open_clip":
        return model.encoder.visual.transformer
    return model.encoder.network.vision_model.encoder


def compared(exported: tuple[CIRModel, Path], root: Path, to: Path) -> dict[str, Any]:
    """``model.json`` of a copy, int8 measured on the benchmark."""
    _, out = exported
    folder = Path(shutil.copytree(out, to))
    description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    pixels = seen(Model.load(folder), root, 10)
    benchmark = triplets.read(root, "val")
    said = agreement.compare_precisions(description, folder, lambda: pixels, benchmark)
    description["agreement"] = said
    return description


def test_a_benchmark_decides_on_int8(
    exported: tuple[CIRModel, Path], root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    description = compared(exported, root, tmp_path / "real")
    said = description["agreement"]
    assert said["pictures"] == 10
    assert "note" not in said
    lost = [said[f"{name}_fp32"] - said[f"{name}_int8"] for name in ("R@1", "R@10")]
    assert description["graphs"]["image"]["default"] == ("int8" if max(lost) <= 0.5 else "fp32")
    for one, ten, default in ((0.4, 0.4, "int8"), (0.4, 0.6, "fp32"), (5.2, 0.3, "fp32")):
        scores = iter([{"R@1": 50.0, "R@10": 90.0}, {"R@1": 50 - one, "R@10": 90 - ten}])
        monkeypatch.setattr(agreement, "score_embeddings", lambda *_, all=scores: next(all))
        description = compared(exported, root, tmp_path / f"{one}-{ten}")
        assert description["graphs"]["image"]["default"] == default
        assert description["agreement"]["R@1_int8"] == 50 - one
        assert description["agreement"]["R@10_int8"] == 90 - ten


def test_graphs_of_other_weights_are_noticed(exported: tuple[CIRModel, Path], root: Path) -> None:
    model, out = exported
    pixels = seen(Model.load(out), root, 4)
    for part, room in ((model.encoder, "image|text"), (model.fusion, "compose|attention")):
        other = copy.deepcopy(model)
        changed = other.encoder if part is model.encoder else other.fusion
        with torch.no_grad():
            for weight in changed.parameters():
                weight += 0.3 * torch.randn(weight.shape)
        if any(True for _ in changed.parameters()):
            with pytest.raises(ModelError, match=room):
                agreement.check_against_torch(other, Model.load(out), pixels)


def test_a_folder_appears_whole_or_not_at_all(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stops(*_: object) -> None:
        raise ModelError("the exported image graph agrees with torch only to 0.9")

    monkeypatch.setattr("samebut.learning.export.export.write_graphs", stops)
    with pytest.raises(ModelError, match=r"only to 0\.9"):
        export(small("sum"), tmp_path / "out", pictures=root / "images")
    assert list(tmp_path.iterdir()) == []


def test_unusable_pictures_are_named_and_none_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "broken.png").write_bytes(b"no picture")
    with pytest.raises(ModelError, match="no picture to check"):
        export(small("sum"), tmp_path / "out", pictures=pictures)
    assert "skipped" in (said := capsys.readouterr().err)
    assert "broken.png" in said


def test_a_card_written_by_hand_stays(tmp_path: Path) -> None:
    out, new = tmp_path / "out", tmp_path / "new"
    out.mkdir()
    new.mkdir()
    for text in (f"{MARK} first", f"{MARK} second"):
        _write_card(text, out, new)
        shutil.copy(new / "README.md", out / "README.md")
        assert (out / "README.md").read_text(encoding="utf-8") == text
    (out / "README.md").write_text("mine", encoding="utf-8")
    _write_card(f"{MARK} third", out, new)
    assert (new / "README.md").read_text(encoding="utf-8") == "mine"


def test_weights_are_stored_in_half() -> None:
    """And the arithmetic is not: an embedding is cast behind the lookup, a matrix before."""
    rng = np.random.default_rng(1)
    words, matrix = (rng.normal(size=shape).astype(np.float32) for shape in ((99, 64), (64, 64)))
    nodes = [
        onnx.helper.make_node("Gather", ["words", "ids"], ["rows"]),
        onnx.helper.make_node("MatMul", ["rows", "matrix"], ["out"]),
    ]
    graph = onnx.helper.make_graph(
        nodes,
        "lookup",
        [onnx.helper.make_tensor_value_info("ids", onnx.TensorProto.INT64, [None])],
        [onnx.helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, [None, 64])],
        [numpy_helper.from_array(words, "words"), numpy_helper.from_array(matrix, "matrix")],
    )
    opsets = [onnx.helper.make_opsetid("", 20)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10)
    store_as_half(model)
    assert [node.op_type for node in model.graph.node] == ["Cast", "Gather", "Cast", "MatMul"]
    stored = {tensor.data_type for tensor in model.graph.initializer}
    assert stored == {onnx.TensorProto.FLOAT16}
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (ours,) = session.run(None, {"ids": np.array([3, 98, 3])})
    np.testing.assert_allclose(ours, words[[3, 98, 3]] @ matrix, atol=0.05)


def test_a_percentile_keeps_an_outlier_from_coarsening_int8(tmp_path: Path) -> None:
    weight = numpy_helper.from_array(np.ones((1, 3, 1, 1), np.float32) / 3, "weight")
    graph = helper.make_graph(
        [helper.make_node("Conv", ["pixels", "weight"], ["out"])],
        "mean of the channels",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 3, 8, 8])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["batch", 1, 8, 8])],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, str(tmp_path / "fp32.onnx"))
    pixels = np.random.default_rng(0).random((75, 3, 8, 8), np.float32)  # no whole batches
    calibration = pixels.copy()
    calibration[0, 0, 0, 0] = 50.0
    errors = []
    for percentile in (100.0, 99.9):
        out = tmp_path / f"{percentile}.onnx"
        quantize(tmp_path / "fp32.onnx", out, calibration, ("Conv",), percentile)
        (found,) = onnxruntime.InferenceSession(str(out)).run(None, {"pixels": pixels})
        errors.append(float(np.abs(found - pixels.mean(1, keepdims=True)).max()))
    assert errors[1] < errors[0] / 4
    assert errors[1] < 0.05


def test_every_norm_of_the_small_encoder_is_folded() -> None:
    model = small("sum")
    fold_batch_norms(model)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in model.modules())


def test_int8_that_would_change_nothing_is_refused(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Relu", ["pixels"], ["out"])],
        "no weights",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 3, 8, 8])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["batch", 3, 8, 8])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, str(tmp_path / "fp32.onnx"))
    pixels = np.zeros((2, 3, 8, 8), np.float32)
    with pytest.raises(ModelError, match="int8: the image graph has no MatMul") as error:
        quantize(tmp_path / "fp32.onnx", tmp_path / "int8.onnx", pixels, ("MatMul",), 100)
    assert "some of the graph's operators: Relu." in error.value.hint
    assert not (tmp_path / "int8.onnx").exists()


def test_the_first_of_them_may_stay_as_they_are(tmp_path: Path) -> None:
    """Two convolutions, of which the second alone gets int8 weights."""
    weights = [
        numpy_helper.from_array(np.full((3, 3, 1, 1), 1 / 3, np.float32), name)
        for name in ("early", "late")
    ]
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["pixels", "early"], ["middle"], name="one"),
            helper.make_node("Conv", ["middle", "late"], ["out"], name="two"),
        ],
        "mean of the channels, twice",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 3, 8, 8])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["batch", 3, 8, 8])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, str(tmp_path / "fp32.onnx"))
    pixels = np.random.default_rng(0).random((32, 3, 8, 8), np.float32)
    for first, wanted in ((0, {"early", "late"}), (1, {"late"}), (2, set())):
        out = tmp_path / f"{first}.onnx"
        quantize(tmp_path / "fp32.onnx", out, pixels, ("Conv",), 100.0, first)
        found = {
            tensor.name.removesuffix("_quantized")
            for tensor in onnx.load(str(out)).graph.initializer
            if tensor.data_type == TensorProto.INT8 and len(tensor.dims) > 1
        }
        assert found == wanted
