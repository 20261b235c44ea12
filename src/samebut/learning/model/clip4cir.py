"""Checkpoints that CLIP4Cir published: their Combiner as ours, in safetensors.

    python -m samebut.learning.model.clip4cir combiner.pt combiner.safetensors

The file is read with ``weights_only``, so nothing in it is run. The Combiner expects features of
the CLIP model it was trained with, pooled and not normalised. Repository: ABaldrati/CLIP4Cir.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from samebut.errors import ModelError, SamebutError
from samebut.learning.fusion.combiner import Combiner

PUBLISHED = "Give a combiner*.pt that CLIP4Cir published or its training wrote."
LAYERS = {
    "text_projection_layer": "text_projection",
    "image_projection_layer": "image_projection",
    "combiner_layer": "correction.0",
    "output_layer": "correction.3",
    "dynamic_scalar.0": "gate_logit.0",
    "dynamic_scalar.3": "gate_logit.3",
}
NAMES = {
    f"{theirs}.{part}": f"{ours}.{part}"
    for theirs, ours in LAYERS.items()
    for part in ("weight", "bias")
}


def read(path: Path) -> dict[str, Tensor]:
    """The published state dict: the checkpoint's entry "Combiner", or the file if it is bare.

    ModelError: the file is missing, not a checkpoint, or would run code when opened.
    """
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelError(f"{path} can't be read: {error.strerror}", hint=PUBLISHED) from error
    except Exception as error:  # a damaged pickle fails in any way (an IndexError, say)
        raise ModelError(
            f"{path} is not a PyTorch file of weights alone",
            hint=PUBLISHED,
        ) from error
    state = saved.get("Combiner", saved) if isinstance(saved, dict) else saved
    if not isinstance(state, dict) or not all(isinstance(x, Tensor) for x in state.values()):
        raise ModelError(
            f"{path} does not hold a Combiner",
            hint=f"{PUBLISHED} The fine-tuned CLIP weights are in another file.",
        )
    return state


def to_combiner(published: Mapping[str, Tensor]) -> Combiner:
    """Our Combiner with published weights, in fp32 and eval mode; sizes are read off them.

    ModelError: names or shapes are not those of a Combiner.
    """
    missing, unknown = NAMES.keys() - published.keys(), published.keys() - NAMES.keys()
    if missing or unknown:
        raise ModelError(
            f"these weights are not those of a Combiner: {len(missing)} names are missing"
            f" ({_few(missing)}), {len(unknown)} unknown ({_few(unknown)})",
            hint=PUBLISHED,
        )
    return _sized({ours: published[theirs].float() for theirs, ours in NAMES.items()})


def load(path: Path) -> Combiner:
    """The Combiner that ``convert`` wrote, in eval mode. ModelError: it is not one."""
    try:
        return _sized(load_file(path))
    except (OSError, SafetensorError, KeyError) as error:
        raise ModelError(
            f"{path} does not hold a Combiner: {error}",
            hint="Convert the published file again: python -m samebut.learning.model.clip4cir "
            "combiner.pt combiner.safetensors",
        ) from error


def convert(source: Path, target: Path) -> Combiner:
    """Read a published checkpoint, write safetensors with our names, return the Combiner."""
    combiner = to_combiner(read(source))
    save_file(combiner.state_dict(), target)
    return combiner


def sizes(combiner: Combiner) -> dict[str, int]:
    """``dim``, and the options of a Combiner that recipes and model folders need."""
    projection, dim = combiner.text_projection.weight.shape
    return {"dim": dim, "projection": projection, "hidden": len(combiner.correction[0].weight)}


def _sized(state: dict[str, Tensor]) -> Combiner:
    try:
        projection, dim = state["text_projection.weight"].shape
        combiner = Combiner(dim, projection, len(state["correction.0.weight"]))
        combiner.load_state_dict(state, strict=True)
    except (RuntimeError, ValueError) as error:
        raise ModelError(
            f"the weights do not have the shapes of a Combiner: {error}", hint=PUBLISHED
        ) from error
    return combiner.eval()


def _few(names: set[str]) -> str:
    return ", ".join(sorted(names)[:3]) or "none"


def main() -> int:
    """The command line of this module; see its docstring."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="combiner*.pt")
    parser.add_argument("target", type=Path, help="the .safetensors to write")
    arguments = parser.parse_args()
    try:
        combiner = convert(arguments.source, arguments.target)
    except SamebutError as error:
        sys.stderr.write(f"error: {error} {error.hint}\n")
        return 1
    said = "  ".join(f"{name} {value:,}" for name, value in sizes(combiner).items())
    print(f"{arguments.target}  {said}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
