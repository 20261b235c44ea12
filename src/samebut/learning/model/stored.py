"""The weights of a model, read back out of the graphs of its folder.

An exported folder holds each weight once, in its fp32 graphs (stored as fp16). What the graphs
lack is in ``rest.safetensors``: mostly the weights and statistics of batch norms, which export
folds into the convolutions.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from samebut.errors import ModelError

REST = "rest.safetensors"
GRAPHS = tuple(f"{graph}.fp32.onnx" for graph in ("image", "text", "compose"))
TRANSPOSED, HALF = ".T", ".half"
"""Ends of a weight's name in a graph: stored transposed, stored as fp16."""
SMALLEST_FACTOR = 1e-6  # a batch norm that scales a channel by less has switched it off
AGAIN = "Export the model again with --trainable."


def normed(model: nn.Module) -> Iterator[tuple[str, str]]:
    """Names of the convolutions and of the batch norms behind them.

    In an ``nn.Sequential`` a norm follows its convolution; elsewhere a module's ``norm_of`` maps
    the name of a convolution to that of its norm.
    """
    for path, module in model.named_modules():
        prefix = f"{path}." if path else ""
        for conv, norm in getattr(module, "norm_of", {}).items():
            yield prefix + conv, prefix + norm
        if isinstance(module, nn.Sequential):
            children = list(module.named_children())
            for (one, first), (other, second) in itertools.pairwise(children):
                if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                    yield prefix + one, prefix + other


def name_transposed(graph: onnx.GraphProto, parameters: Mapping[str, Tensor]) -> None:
    """Restore the names of matrices that the exporter transposed and named by a number."""
    there = {tensor.name: tensor for tensor in graph.initializer}
    nameless = [tensor for name, tensor in there.items() if name not in parameters]
    for name, weight in parameters.items():
        if name in there or weight.ndim != 2:
            continue
        wanted = weight.detach().T
        for tensor in nameless:
            if tuple(tensor.dims) == tuple(wanted.shape) and torch.equal(_tensor(tensor), wanted):
                _rename(graph, tensor, name + TRANSPOSED)
                nameless.remove(tensor)
                break


def _rename(graph: onnx.GraphProto, tensor: onnx.TensorProto, name: str) -> None:
    before, tensor.name = tensor.name, name
    for node in graph.node:
        for place, read in enumerate(node.input):
            if read == before:
                node.input[place] = name


def _tensor(tensor: onnx.TensorProto) -> Tensor:
    return torch.from_numpy(numpy_helper.to_array(tensor).copy())


def in_graphs(folder: Path) -> dict[str, Tensor]:
    """What the graphs store, by the names of the model's weights, in fp32."""
    found = {}
    for file in GRAPHS:
        for tensor in onnx.load(str(folder / file)).graph.initializer:
            value = _tensor(tensor)
            name = tensor.name.removesuffix(HALF)
            if name.endswith(TRANSPOSED):
                name, value = name.removesuffix(TRANSPOSED), value.T.contiguous()
            found[name] = value.float() if value.is_floating_point() else value
    return found


def read_weights(folder: Path, model: nn.Module) -> dict[str, Tensor]:
    """The state dict for ``model``, whose weights are still random, from the folder's files.

    ModelError: a file or a weight is missing there. RuntimeError: a weight has another shape.
    """
    try:
        rest = load_file(folder / REST)
        known = {**in_graphs(folder), **rest}
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{folder} holds no trained model: {error}", hint=AGAIN) from error
    missing = [name for name in model.state_dict() if name not in known]
    if missing:
        raise ModelError(f"{folder} has graphs without the weights {missing[0]}", hint=AGAIN)
    state = {name: known[name] for name in model.state_dict()}
    for conv, norm in normed(model):
        name = f"{conv}.weight"
        if name not in rest:
            factor = _factor(state, norm, model.get_submodule(norm))
            state[name] = state[name] / factor[:, None, None, None]
    return state


def _factor(state: Mapping[str, Tensor], norm: str, module: nn.Module) -> Tensor:
    """What folding multiplied each channel of a convolution by: ``(C,)``."""
    assert isinstance(module, nn.BatchNorm2d)
    factor = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + module.eps).sqrt()
    return torch.where(factor.abs() < SMALLEST_FACTOR, torch.inf, factor)


def write_rest(state: Mapping[str, Tensor], model: nn.Module, folder: Path) -> None:
    """Write the part of ``state`` that the graphs of ``folder`` lack; ``state`` is that of
    ``model`` before its batch norms were folded."""
    graphs = in_graphs(folder)
    pairs = list(normed(model))
    folded = {f"{conv}.weight" for conv, _ in pairs}
    changed = {part for pair in pairs for part in pair}

    def is_stored(name: str, value: Tensor) -> bool:
        if name not in graphs or graphs[name].shape != value.shape:
            return False
        if name in folded:
            return True
        return name.rpartition(".")[0] not in changed and _rounded(value, graphs[name])

    rest = {name: value for name, value in state.items() if not is_stored(name, value)}
    save_file(rest, folder / REST)


def _rounded(value: Tensor, stored: Tensor) -> bool:
    """Whether ``stored`` equals ``value`` up to rounding to fp16."""
    return torch.allclose(stored.float(), value.float(), rtol=2**-10, atol=2**-24)
