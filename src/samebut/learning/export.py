"""A trained model to a model folder that needs no torch.

    python -m samebut.learning.export RUN/model OUT --data FOLDER

Graphs are written in fp32 arithmetic with weights stored as fp16, which halves the folder and
costs nothing at run time; each is checked against torch on real pictures. The image graph is
also written in int8, with *static* ranges read off calibration pictures: dynamic ones are taken
over the whole batch, so an embedding would depend on its neighbours. int8 becomes the default
only if it agrees, and how well it agrees is written into ``model.json``.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import hashlib
import io
import json
import logging
import random
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import Tensor, nn
from torch.nn.utils import fusion as torch_fusion

from samebut.data import triplets
from samebut.data.benchmark import Benchmark
from samebut.errors import ModelError, SamebutError
from samebut.evaluate import score_embeddings
from samebut.images import open_picture
from samebut.learning import encoders
from samebut.learning.encoders.small import ResidualBlock
from samebut.learning.model import CIRModel
from samebut.runtime import FORMAT, Features, Model

OPSET = 20
CALIBRATION_PICTURES = 512
CHECKED_PICTURES = 64
LEAST_COSINE = 0.9999  # of an fp32 graph to torch, on every checked picture
LARGEST_LOSS = 1.0  # points of R@10 that int8 may cost and still be the default


class _ImageGraph(nn.Module):
    def __init__(self, model: CIRModel) -> None:
        super().__init__()
        self.encoder = model.encoder

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        features = self.encoder.images(pixels)
        return features.pooled, features.tokens


class _TextGraph(nn.Module):
    def __init__(self, model: CIRModel) -> None:
        super().__init__()
        self.encoder = model.encoder

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        features = self.encoder.pieces(ids, mask)
        return features.pooled, features.tokens


class _ComposeGraph(nn.Module):
    def __init__(self, model: CIRModel) -> None:
        super().__init__()
        self.fusion = model.fusion

    def forward(
        self,
        image_pooled: Tensor,
        image_tokens: Tensor,
        text_pooled: Tensor,
        text_tokens: Tensor,
        text_mask: Tensor,
    ) -> tuple[Tensor, Tensor]:
        image = encoders.Features(image_pooled, image_tokens, encoders.every_token(image_tokens))
        text = encoders.Features(text_pooled, text_tokens, text_mask)
        return self.fusion(image, text), self.fusion.gate(image, text)


def export(folder: Path, out: Path, benchmark: Benchmark) -> Path:
    """Write the model folder ``out`` from a trained one; ``benchmark`` calibrates and checks it.

    Its gallery gives the calibration pictures and its queries the R@10 of fp32 and int8. The
    folder appears whole or not at all. ModelError if a graph does not agree with torch.
    """
    model = CIRModel.load(folder)
    fold_batch_norms(model)
    pixels = _pixels(model, benchmark, CALIBRATION_PICTURES)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as made:
        new = Path(made) / "model"
        new.mkdir()
        description = _describe(model, folder)
        shutil.copy(folder / "tokenizer.json", new / "tokenizer.json")
        write_graphs(model, new, pixels)
        description["tokenizer"] = _file(new / "tokenizer.json")
        description["graphs"] = {
            room: {"default": "fp32", "files": {"fp32": _file(new / f"{room}.fp32.onnx")}}
            for room in ("image", "text", "compose")
        }
        _save_description(description, new)
        check_against_torch(model, Model.load(new), pixels[:CHECKED_PICTURES])
        description["graphs"]["image"]["files"]["int8"] = _file(new / "image.int8.onnx")
        description["agreement"] = compare_precisions(description, new, benchmark)
        _save_description(description, new)
        if (out / "README.md").exists():  # the model card, written by hand
            shutil.copy(out / "README.md", new / "README.md")
        if out.exists():
            shutil.rmtree(out)
        new.rename(out)
    return out


def fold_batch_norms(model: CIRModel) -> None:
    """Fold every batch norm into its convolution, in place: the same function, fewer nodes."""

    def fold(owner: nn.Module, conv: str, norm: str, nothing: nn.Module) -> None:
        fused = torch_fusion.fuse_conv_bn_eval(owner.get_submodule(conv), owner.get_submodule(norm))
        setattr(owner, conv, fused)
        setattr(owner, norm, nothing)

    for module in model.modules():
        if isinstance(module, ResidualBlock):
            fold(module, "conv1", "norm1", nn.Identity())
            fold(module, "conv2", "norm2", nn.Identity())
    for module in list(model.modules()):
        if isinstance(module, nn.Sequential):
            for first, second in zip(list(module), list(module)[1:], strict=False):
                if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                    names = {child: name for name, child in module.named_children()}
                    fold(module, names[first], names[second], nn.Identity())


def write_graphs(model: CIRModel, folder: Path, pixels: npt.NDArray[np.float32]) -> None:
    """``image``, ``text`` and ``compose`` in fp32, and ``image`` in int8."""
    dim, batch = model.encoder.dim, torch.export.Dim("batch", min=1, max=4096)
    words = torch.export.Dim("words", min=2, max=model.encoder.max_tokens)
    ids, mask = torch.ones(2, 5, dtype=torch.int64), torch.ones(2, 5, dtype=torch.bool)
    regions = (model.preprocess.size // 16) ** 2
    features = (
        torch.randn(2, dim),
        torch.randn(2, regions, dim),
        torch.randn(2, dim),
        torch.randn(2, 5, dim),
        mask,
    )
    rows, row_words = {0: batch}, {0: batch, 1: words}
    names = ["image_pooled", "image_tokens", "text_pooled", "text_tokens", "text_mask"]
    rules = dict(zip(names, (rows, rows, rows, row_words, row_words), strict=True))
    size = model.preprocess.size
    _write(
        _ImageGraph(model), (torch.randn(2, 3, size, size),), {"pixels": rows},
        ["pooled", "tokens"], folder / "image.fp32.onnx",
    )  # fmt: skip
    _write(
        _TextGraph(model), (ids, mask), {"ids": row_words, "mask": row_words},
        ["pooled", "tokens"], folder / "text.fp32.onnx",
    )  # fmt: skip
    _write(
        _ComposeGraph(model), features, rules, ["embedding", "gate"], folder / "compose.fp32.onnx"
    )
    quantize(folder / "image.fp32.onnx", folder / "image.int8.onnx", pixels)
    for room in ("image", "text", "compose"):
        store_as_half(folder / f"{room}.fp32.onnx")


def _write(
    graph: nn.Module,
    inputs: tuple[Tensor, ...],
    shapes: dict[str, dict[int, Any]],
    outputs: list[str],
    path: Path,
) -> None:
    with _quiet():
        program = torch.onnx.export(
            copy.deepcopy(graph).eval(),
            inputs,
            dynamo=True,
            input_names=list(shapes),
            output_names=outputs,
            dynamic_shapes=shapes,
            opset_version=OPSET,
            verbose=False,
        )
        program.save(str(path), external_data=False)
    forget_origins(path)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter reports its progress on stdout and deprecations of its own parts."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.getLogger("onnxscript").setLevel(logging.ERROR)
        yield


class _Pictures(CalibrationDataReader):
    def __init__(self, pixels: npt.NDArray[np.float32]) -> None:
        self._chunks = iter(np.array_split(pixels, max(1, len(pixels) // 32)))

    def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:
        chunk = next(self._chunks, None)
        return None if chunk is None else {"pixels": chunk}


def quantize(source: Path, target: Path, pixels: npt.NDArray[np.float32]) -> None:
    """Static int8 (QDQ, per-channel weights) with ranges read off ``pixels (N, 3, S, S)``."""
    with tempfile.TemporaryDirectory() as made, _quiet():
        prepared = Path(made) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(target),
            _Pictures(pixels),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options={"ActivationSymmetric": False},
        )


def forget_origins(path: Path) -> None:
    """Drop what the exporter notes of where each node came from: stack traces, file names.

    With them a folder's fingerprint would depend on the machine that it was exported on.
    """
    model = onnx.load(str(path))
    graph = model.graph
    for each in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output):
        del each.metadata_props[:]
        each.doc_string = ""
    for tensor in graph.initializer:
        del tensor.metadata_props[:]
        tensor.doc_string = ""
    onnx.save(model, str(path))


def store_as_half(path: Path) -> None:
    """Store large fp32 weights as fp16 with a cast behind each; the arithmetic stays fp32.

    The runtime folds the casts when it loads the graph. Small tensors (biases, norms) stay fp32.
    """
    model = onnx.load(str(path))
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < 4096:
            continue
        name = tensor.name
        half = numpy_helper.from_array(
            numpy_helper.to_array(tensor).astype(np.float16), f"{name}.half"
        )
        tensor.CopyFrom(half)
        casts.append(helper.make_node("Cast", [half.name], [name], to=TensorProto.FLOAT))
    for cast in reversed(casts):
        model.graph.node.insert(0, cast)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


@torch.inference_mode()
def check_against_torch(model: CIRModel, runtime: Model, pixels: npt.NDArray[np.float32]) -> None:
    """Raise ModelError unless pictures, texts and queries agree to a cosine of 0.9999."""
    texts = ["in blue", "换成红色", "the same, but with long sleeves and a much darker colour", ""]
    texts = [texts[row % len(texts)] for row in range(len(pixels))]
    image, text = runtime.encode_images(pixels), runtime.encode_texts(texts)
    theirs = model.encoder.images(torch.from_numpy(pixels)), model.encoder.texts(texts)
    pairs = {
        "image": (image.pooled, theirs[0].pooled),
        "text": (text.pooled, theirs[1].pooled),
        "compose": (runtime.compose(image, text).embedding, model.compose(*theirs)),
    }
    for room, (ours, expected) in pairs.items():
        worst = float(_cosine(ours, expected.numpy()).min())
        if worst < LEAST_COSINE:
            raise ModelError(f"the exported {room} graph agrees with torch only to {worst:.6f}")


def compare_precisions(
    description: dict[str, Any], folder: Path, benchmark: Benchmark
) -> dict[str, float]:
    """R@10 and neighbours of int8 beside fp32; makes int8 ``description``'s default if good."""
    graph = description["graphs"]["image"]
    pixels = _pixels(Model.load(folder), benchmark, len(benchmark.images))
    measured = {}
    for precision in ("fp32", "int8"):
        graph["default"] = precision
        _save_description(description, folder)
        measured[precision] = _search(Model.load(folder), benchmark, pixels)
    (gallery, scores), (gallery8, scores8) = measured["fp32"], measured["int8"]
    loss = scores["R@10"] - scores8["R@10"]
    graph["default"] = "int8" if loss <= LARGEST_LOSS else "fp32"
    return {
        "pictures": len(gallery),
        "cosine_mean": round(float(_cosine(gallery, gallery8).mean()), 5),
        "cosine_least": round(float(_cosine(gallery, gallery8).min()), 5),
        "top10_overlap": round(_overlap(gallery, gallery8), 4),
        "R@10_fp32": round(scores["R@10"], 2),
        "R@10_int8": round(scores8["R@10"], 2),
    }


def _search(
    model: Model, benchmark: Benchmark, pixels: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float32], dict[str, float]]:
    chunks = [model.encode_images(pixels[at : at + 64]) for at in range(0, len(pixels), 64)]
    gallery = np.concatenate([model.embed(chunk) for chunk in chunks])
    features = Features(
        *(np.concatenate(parts) for parts in zip(*map(_parts, chunks), strict=True))
    )
    place = {name: row for row, name in enumerate(benchmark.images)}
    queries = []
    for at in range(0, len(benchmark.queries), 256):
        asked = benchmark.queries[at : at + 256]
        texts = model.encode_texts([" ".join(query.texts) for query in asked])
        rows = [place[query.reference] for query in asked]
        queries.append(model.compose(features[rows], texts).embedding)
    return gallery, score_embeddings(benchmark, np.concatenate(queries), gallery)


def _parts(features: Features) -> tuple[npt.NDArray[Any], ...]:
    return features.pooled, features.tokens, features.mask


def _overlap(first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]) -> float:
    """The mean share of the ten nearest neighbours that two galleries agree on."""
    tens = [np.argsort(-(rows @ rows.T), axis=1)[:, :10] for rows in (first, second)]
    both = [len(np.intersect1d(a, b)) for a, b in zip(*tens, strict=True)]
    return float(np.mean(both)) / 10


def _cosine(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    cosine: npt.NDArray[np.float32] = (first * second).sum(1) / lengths
    return cosine


def _pixels(model: CIRModel | Model, benchmark: Benchmark, most: int) -> npt.NDArray[np.float32]:
    """Up to ``most`` pictures of the gallery, drawn by a fixed seed when there are more."""
    files: Sequence[Path] = list(benchmark.images.values())
    if len(files) > most:
        files = random.Random(0).sample(files, most)
    prepare = model.preprocess
    return np.stack(
        [prepare(open_picture(f, shorter_side=prepare.wanted_shorter_side)) for f in files]
    )


def _describe(model: CIRModel, folder: Path) -> dict[str, Any]:
    trained = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    return {
        "format": FORMAT,
        "name": trained["name"],
        "dim": model.encoder.dim,
        "encoder": trained["encoder"],
        "fusion": trained["fusion"],
        "preprocess": trained["preprocess"],
        "text": {"max_tokens": model.encoder.max_tokens, "pad_id": 0},
    }


def _file(path: Path) -> dict[str, str]:
    return {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def _save_description(description: dict[str, Any], folder: Path) -> None:
    text = json.dumps(description, indent=2, ensure_ascii=False) + "\n"
    (folder / "model.json").write_text(text, encoding="utf-8")


def main() -> int:
    """The command line of this module; see its docstring."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="a folder written by training")
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="a triplet folder to check on")
    parser.add_argument("--split", default="val")
    arguments = parser.parse_args()
    try:
        benchmark = triplets.read(arguments.data, arguments.split)
        benchmark.require_images()
        out = export(arguments.model, arguments.out, benchmark)
    except SamebutError as error:
        sys.stderr.write(f"error: {error} {error.hint}\n")
        return 1
    description = json.loads((out / "model.json").read_text(encoding="utf-8"))
    print(out, json.dumps(description["agreement"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
