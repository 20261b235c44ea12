"""Presets: the stages of the thesis, by name. A key in the stage itself overrides its preset."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Preset:
    """What a preset is for, and the values of keys that it sets."""

    meaning: str
    keys: Mapping[str, Any]


PRESETS: dict[str, Preset] = {
    "align": Preset(
        "Both encoders are trained into a shared embedding space, from pictures and their captions "
        "(Radford et al. 2021). No queries.",
        {"trains": "encoder", "loss": {"contrast": {"weight": 0.0}, "captions": {"weight": 1.0}}},
    ),
    "tune": Preset(
        "Stage 1 of the thesis (3.4.2): the encoders, or one of them, under the plain sum "
        "(Baldrati et al., CVPR Workshops 2022).",
        {"trains": "encoder", "composes": "sum"},
    ),
    "fuse": Preset(
        "Stage 2 of the thesis (3.4.2): the fusion, on cached features of frozen encoders.",
        {"trains": "fusion", "features": "cached"},
    ),
    "compose": Preset(
        "Encoders and fusion together; a reference's queries come together, and all pictures of "
        "the batch are candidates.",
        {
            "trains": "all",
            "queries": {"cluster_size": 1},
            "loss": {"contrast": {"candidates": "pictures"}},
        },
    ),
}


def with_preset(stage: Mapping[str, Any]) -> dict[str, Any]:
    """The stage of a recipe; keys that it leaves out are filled in from its preset.

    KeyError: there is no such preset.
    """
    name = stage.get("preset", "")
    given = copy.deepcopy(dict(PRESETS[name].keys)) if name else {}
    loss = stage.get("loss")
    if isinstance(loss, Mapping):
        # ``captions = 0.5`` sets the weight alone; the preset's other options of the term stay.
        stage = {**stage, "loss": {term: weighed(value) for term, value in loss.items()}}
    return merged(given, stage)


def weighed(value: Any) -> Any:
    """A loss term as a table: a number stands for its weight."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return {"weight": value} if number else value


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Both tables as one, nested tables merged likewise; ``above`` wins."""
    result = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else value
    return result
