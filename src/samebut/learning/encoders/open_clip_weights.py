"""State dicts of OpenCLIP: found, read without running anything, and named as our towers are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from samebut.errors import ModelError
from samebut.learning.encoders.checkpoint import OPEN_CLIP_OLD, OPEN_CLIP_SAFE, Checkpoint

_NO_WEIGHTS = ("logit_scale", "logit_bias", "attn_mask", "text.attn_mask", "input_resolution",
               "context_length", "vocab_size")  # fmt: skip
_TEXT = ("text_projection", "positional_embedding", "token_embedding", "transformer.", "ln_final")
"""Where a text tower's names begin in a state dict without `custom_text`."""

_RENAMED: tuple[tuple[str, str], ...] = (
    (r"^visual\.trunk\.patch_embed\.proj\.", "visual.conv1."),
    (r"^visual\.trunk\.pos_embed$", "visual.positional_embedding"),
    (r"^visual\.trunk\.norm\.", "visual.ln_post."),
    (r"^visual\.(trunk\.head|head\.proj)\.", "visual.project."),
    (r"^visual\.trunk\.blocks\.", "visual.transformer.resblocks."),
    (r"^visual\.trunk\.attn_pool\.", "visual.attn_pool."),
    (r"(\.resblocks\.\d+)\.norm([12])\.", r"\1.ln_\2."),
    (r"\.attn\.qkv\.", ".attn.in_proj_"),
    (r"\.attn\.proj\.", ".attn.out_proj."),
    (r"\.mlp\.fc1\.", ".mlp.c_fc."),
    (r"\.mlp\.fc2\.", ".mlp.c_proj."),
    (r"^visual\.proj$", "visual.project.weight"),
    (r"^text\.text_projection(\.weight)?$", "text.project.weight"),
    (r"^text\.text_projection\.bias$", "text.project.bias"),
)
"""Names of OpenCLIP and of timm's towers -> those of ``vit.py``."""
_MATRICES = ("visual.proj", "text.text_projection")
"""Projections that are matrices there, to be multiplied from the right."""


def load_weights(towers: nn.Module, checkpoint: Checkpoint) -> None:
    """Fill ``towers`` (``visual`` and ``text``), in fp32.

    ModelError: weights are missing, left over, of another shape, or the file is damaged.
    """
    state = named(read_state(checkpoint))
    own = towers.state_dict()
    wrong = {
        "lacks": [name for name in own if name not in state],
        "has more than its configuration says:": [name for name in state if name not in own],
        "has another shape than its configuration says:": [
            name for name in own if name in state and own[name].shape != state[name].shape
        ],
    }
    for what, names in wrong.items():
        if names:
            raise ModelError(
                f"{checkpoint.name} {what} {', '.join(names[:3])}"
                + (f" and {len(names) - 3} more" if len(names) > 3 else ""),
                hint="The weights and open_clip_config.json have to be whole and of the same "
                "model. " + checkpoint.again,
            )
    towers.load_state_dict(state)


def read_state(checkpoint: Checkpoint) -> Mapping[str, Tensor]:
    """The state dict of the first file that is there. ModelError: there is none, or it is damaged.

    A pickle is read as weights alone (`weights_only`): one that would run something is refused.
    """
    for name in (*OPEN_CLIP_SAFE, *OPEN_CLIP_OLD):
        path = checkpoint.folder / name
        if path.is_file():
            return _read(path, checkpoint)
    checkpoint.require_weights()
    raise AssertionError("require_weights knows the same files")


def _read(path: Path, checkpoint: Checkpoint) -> Mapping[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        read: Any = torch.load(path, map_location="cpu", weights_only=True)
        state = read.get("state_dict", read)  # training's own checkpoints hold more
        return {name.removeprefix("module."): value for name, value in state.items()}
    except Exception as error:  # a damaged file raises any type, a pickle with code too
        raise ModelError(
            f"the weights of {checkpoint.name} can't be read: {path.name}: {error}",
            hint=checkpoint.again,
        ) from error


def named(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of OpenCLIP by the names of ``vit.py``, in fp32."""
    whole = {
        f"text.{name}" if name.startswith(_TEXT) else name: value for name, value in state.items()
    }
    return {
        _renamed(name): _as_ours(name, value)
        for name, value in whole.items()
        if name not in _NO_WEIGHTS
    }


def _renamed(name: str) -> str:
    for before, after in _RENAMED:
        name = re.sub(before, after, name)
    return name


def _as_ours(name: str, value: Tensor) -> Tensor:
    if name in _MATRICES:
        value = value.T
    if name == "visual.trunk.pos_embed":
        value = value.squeeze(0)
    return value.float().contiguous()
