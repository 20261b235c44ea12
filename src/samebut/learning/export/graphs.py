"""The ONNX graphs of a model: written by torch, stored as fp16, and one of them in int8.

Arithmetic is fp32; weights are stored as fp16 with a cast behind each, which halves the folder and
costs nothing at run time. int8 has *static* ranges, read off calibration pictures: dynamic ones
are taken over the whole batch, so an embedding would depend on its neighbours.
"""

from __future__ import annotations

import contextlib
import copy
import io
import logging
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
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import Tensor, nn
from torch.nn.utils import fusion as torch_fusion

from samebut.errors import ModelError
from samebut.learning.encoders.base import Features, every_token
from samebut.learning.model.cir_model import CIRModel
from samebut.learning.model.stored import HALF, name_transposed, normed

GRAPH_NAMES = ("image", "text", "compose")
OPSET = 20
_LOGGERS = ("onnxscript", "onnx_ir", "torch.onnx", "torch.onnx._internal.exporter._registration")
_SIDES = ("image_pooled", "image_tokens", "text_pooled", "text_tokens", "text_mask")


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
    ) -> tuple[Tensor, ...]:
        image = Features(image_pooled, image_tokens, every_token(image_tokens))
        text = Features(text_pooled, text_tokens, text_mask)
        attention = self.fusion.attention(image, text)
        said = self.fusion(image, text), self.fusion.gate(image, text)
        return said if attention is None else (*said, attention)


def fold_batch_norms(model: CIRModel) -> None:
    """Fold batch norms into their convolutions, in place: the same function, fewer nodes.

    ``stored.normed`` gives the pairs; a batch norm that is in none stays.
    """
    for conv, norm in list(normed(model)):
        first, second = model.get_submodule(conv), model.get_submodule(norm)
        model.set_submodule(conv, torch_fusion.fuse_conv_bn_eval(first, second))
        model.set_submodule(norm, nn.Identity())


def write_graphs(model: CIRModel, folder: Path) -> None:
    """``image``, ``text`` and ``compose`` as ``NAME.fp32.onnx``, batches of any size."""
    size = model.preprocess.size
    pixels = torch.randn(2, 3, size, size)
    ids, mask = model.encoder.tokenize(["in blue", "in blue, with long sleeves"])
    with torch.inference_mode():
        image, text = model.encoder.images(pixels[:1]), model.encoder.pieces(ids, mask)
        image = image[torch.zeros(2, dtype=torch.int64)]
        attends = model.fusion.attention(image, text) is not None
    sides = [torch.randn_like(side) for side in (image.pooled, image.tokens)]
    sides += [torch.randn_like(side) for side in (text.pooled, text.tokens)]
    rows, row_words = _dimensions(model)
    rules = dict(zip(_SIDES, (rows, rows, rows, row_words, row_words), strict=True))
    queries = ["embedding", "gate", *(["attention"] if attends else [])]
    features = ["pooled", "tokens"]
    _write(_ImageGraph(model), (pixels,), {"pixels": rows}, features, folder / "image.fp32.onnx")
    _write(
        _TextGraph(model), (ids, mask), {"ids": row_words, "mask": row_words}, features,
        folder / "text.fp32.onnx",
    )  # fmt: skip
    _write(_ComposeGraph(model), (*sides, mask), rules, queries, folder / "compose.fp32.onnx")


def _dimensions(model: CIRModel) -> tuple[dict[int, Any], dict[int, Any]]:
    """Dynamic dimensions, by axis: of inputs whose rows alone vary, and of texts, whose length
    varies too unless the encoder pads all texts to one length."""
    rows = {0: torch.export.Dim("batch", min=1, max=4096)}
    if "fixed_length" in model.encoder.text_rules:
        return rows, rows
    return rows, {**rows, 1: torch.export.Dim("words", min=2, max=model.encoder.max_tokens)}


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
        # Kept in memory until it is stored as fp16: an ONNX file can't be larger than 2 GB, and
        # the word embeddings of SigLIP 2 alone take that in fp32.
        model = program.model_proto
    name_transposed(model.graph, dict(graph.named_parameters()))
    forget_origins(model)
    drop_unread_inputs(model)
    store_as_half(model)
    onnx.save(model, str(path))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter, which prints its progress on stdout and warns of deprecations in its
    own code."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


class _Pictures(CalibrationDataReader):
    def __init__(self, pixels: npt.NDArray[np.float32]) -> None:
        # Batches of one size, because the calibrator can't take a percentile over batches that
        # differ; up to 31 pictures are left out.
        size = min(32, len(pixels))
        self._chunks = iter(np.split(pixels[: len(pixels) // size * size], len(pixels) // size))

    def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:
        chunk = next(self._chunks, None)
        return None if chunk is None else {"pixels": chunk}


def quantize(
    source: Path,
    target: Path,
    pixels: npt.NDArray[np.float32],
    operators: Sequence[str],
    percentile: float,
    first: int = 0,
) -> None:
    """Static int8 (QDQ, per-channel weights) with ranges read off ``pixels (N, 3, S, S)``.

    Of ``operators`` all from number ``first`` on, but a product of two activations (attention)
    stays fp32. A range holds ``percentile`` percent of an activation's values; what is beyond is
    cut off. ModelError: the graph has none of ``operators``, so nothing would be in int8.
    """
    whole = percentile == 100
    method = CalibrationMethod.MinMax if whole else CalibrationMethod.Percentile
    rules = {"ActivationSymmetric": False, "MatMulConstBOnly": True}
    with tempfile.TemporaryDirectory() as made, _quiet():
        prepared = Path(made) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        nodes = onnx.load(str(prepared)).graph.node
        counted = [node.name for node in nodes if node.op_type in operators]
        if not counted:
            there = sorted({node.op_type for node in nodes})
            raise ModelError(
                f"int8: the image graph has no {' or '.join(operators)}",
                hint="Set the encoder's int8_operators to some of the graph's operators: "
                f"{', '.join(there)}.",
            )
        quantize_static(
            str(prepared),
            str(target),
            _Pictures(pixels),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(operators),
            nodes_to_exclude=counted[:first],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=method,
            extra_options=rules if whole else {**rules, "CalibPercentile": percentile},
        )


def forget_origins(model: onnx.ModelProto) -> None:
    """Drop the exporter's notes on where each node came from: stack traces, file names.

    With them a folder's fingerprint would depend on the machine that exported it.
    """
    graph = model.graph
    for each in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output):
        del each.metadata_props[:]
        each.doc_string = ""
    for tensor in graph.initializer:
        del tensor.metadata_props[:]
        tensor.doc_string = ""


def drop_unread_inputs(model: onnx.ModelProto) -> None:
    """Remove inputs that no node reads, so that callers need not supply them: the sum reads no
    tokens, CLIP's text tower no mask."""
    read = {name for node in model.graph.node for name in node.input}
    kept = [each for each in model.graph.input if each.name in read]
    del model.graph.input[:]
    model.graph.input.extend(kept)


def store_as_half(model: onnx.ModelProto) -> None:
    """Store large fp32 weights as fp16 with a cast behind each; the arithmetic stays fp32.

    The runtime folds casts of up to 1 GB when it loads the graph. Embedding tables may be larger,
    so they are cast after the lookup: only the rows that were looked up. Small tensors (biases,
    norms) stay fp32.
    """
    graph, casts = model.graph, []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < 4096:
            continue
        name = tensor.name
        half = numpy_helper.from_array(
            numpy_helper.to_array(tensor).astype(np.float16), name + HALF
        )
        tensor.CopyFrom(half)
        readers = [node for node in graph.node if name in node.input]
        if all(node.op_type == "Gather" and node.input[0] == name for node in readers):
            for lookup in readers:
                _cast_behind(graph, lookup, half.name)
        else:
            casts.append(helper.make_node("Cast", [half.name], [name], to=TensorProto.FLOAT))
    for cast in reversed(casts):
        graph.node.insert(0, cast)
    onnx.checker.check_model(model)


def _cast_behind(graph: onnx.GraphProto, lookup: onnx.NodeProto, weights: str) -> None:
    found = lookup.output[0]
    lookup.input[0], lookup.output[0] = weights, f"{found}.half"
    cast = helper.make_node("Cast", [lookup.output[0]], [found], to=TensorProto.FLOAT)
    graph.node.insert(list(graph.node).index(lookup) + 1, cast)
