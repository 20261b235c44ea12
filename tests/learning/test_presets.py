"""learning/recipe/presets.py: the four presets, and that a stage overrides its own."""

from __future__ import annotations

from typing import Any

import pytest

from samebut.learning.recipe.presets import PRESETS, merged, with_preset
from samebut.learning.recipe.read import recipe_of
from samebut.learning.recipe.schema import Stage

MEANT: dict[str, dict[str, Any]] = {
    "align": {
        "trains": "encoder",
        "features": "live",
        "composes": "fusion",
        "has_queries": False,
        "cluster_size": 0,
        "contrast": 0.0,
        "captions": 1.0,
        "candidates": "targets",
    },
    "tune": {
        "trains": "encoder",
        "features": "live",
        "composes": "sum",
        "has_queries": True,
        "cluster_size": 0,
        "contrast": 1.0,
        "captions": 0.0,
        "candidates": "targets",
    },
    "fuse": {
        "trains": "fusion",
        "features": "cached",
        "composes": "fusion",
        "has_queries": True,
        "cluster_size": 0,
        "contrast": 1.0,
        "captions": 0.0,
        "candidates": "targets",
    },
    "compose": {
        "trains": "all",
        "features": "live",
        "composes": "fusion",
        "has_queries": True,
        "cluster_size": 1,
        "contrast": 1.0,
        "captions": 0.0,
        "candidates": "pictures",
    },
}


def stage_of(**keys: Any) -> Stage:
    queries = {"epochs": 1, "batch": 2} | keys.pop("queries", {})
    return recipe_of({"name": "x", "stages": [{"lr": 0.1, "queries": queries} | keys]}).stages[0]


def test_there_are_four() -> None:
    assert PRESETS.keys() == MEANT.keys()
    assert all(preset.meaning.endswith(".") for preset in PRESETS.values())


@pytest.mark.parametrize("name", MEANT)
def test_what_a_preset_means(name: str) -> None:
    stage = stage_of(preset=name)
    assert {
        "trains": stage.trains,
        "features": stage.features,
        "composes": stage.composes,
        "has_queries": stage.has_queries,
        "cluster_size": stage.queries.cluster_size,
        "contrast": stage.loss.contrast.weight,
        "captions": stage.loss.captions.weight,
        "candidates": stage.loss.contrast.candidates,
    } == MEANT[name]


def test_a_stage_needs_no_preset() -> None:
    stage = stage_of()
    assert (stage.preset, stage.trains, stage.features, stage.composes) == (
        "",
        "all",
        "live",
        "fusion",
    )


def test_a_stage_overrides_its_preset_at_any_depth() -> None:
    stage = stage_of(
        preset="compose",
        trains="text",
        queries={"cluster_size": 4},
        loss={"contrast": {"scale": 3.0}, "captions": 0.5},
    )
    assert stage.trains == "text"
    assert stage.queries.cluster_size == 4
    assert stage.loss.contrast.scale == 3.0
    assert stage.loss.contrast.candidates == "pictures"  # beside it, the preset's stays
    assert stage.loss.captions.weight == 0.5
    other = stage_of(preset="compose", loss={"contrast": {"candidates": "targets"}})
    assert other.loss.contrast.candidates == "targets"
    assert other.queries.cluster_size == 1


def test_a_number_overrides_the_weight_of_a_preset() -> None:
    stage = stage_of(preset="align", loss={"captions": 0.25, "contrast": 0.5})
    assert (stage.loss.captions.weight, stage.loss.contrast.weight) == (0.25, 0.5)


def test_a_number_for_a_term_leaves_the_rest_of_its_preset() -> None:
    stage = stage_of(preset="compose", loss={"contrast": 0.5})
    assert stage.loss.contrast.weight == 0.5
    assert stage.loss.contrast.candidates == "pictures"


def test_presets_are_not_changed_by_what_is_read() -> None:
    before = repr(PRESETS)
    with_preset({"preset": "compose"})["queries"]["cluster_size"] = 9
    assert repr(PRESETS) == before
    with pytest.raises(KeyError):
        with_preset({"preset": "sing"})


def test_tables_are_merged() -> None:
    below = {"a": 1, "b": {"c": 2, "d": {"e": 3}}, "f": {"g": 4}}
    above = {"a": {"h": 5}, "b": {"d": {"e": 6, "i": 7}}, "f": 8}
    assert merged(below, above) == {"a": {"h": 5}, "b": {"c": 2, "d": {"e": 6, "i": 7}}, "f": 8}
    assert below["b"] == {"c": 2, "d": {"e": 3}}
